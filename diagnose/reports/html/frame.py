"""The document around a page: its head with the style, the policy, the foot, and the scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources

from diagnose.reports.markup import Markup, join, tag
from diagnose.reports.svg import STYLE

READING = (
    "Severity says how bad a finding is if it is true, confidence how likely one who looks at the curve agrees: a "
    "number where enough findings of the rule were held against labels, else a word. Trials are those of the reference "
    "trainer: what helped there is likely, and not certain, to help here."
)


def framed(title: str, body: Markup, scripts: Sequence[str], version: str, policy: str = "form-action 'none'") -> str:
    """A whole document around its body, with the style and the scripts in it.

    policy: what the page may do beside showing itself, as directives of a Content-Security-Policy.
    """
    style = _asset("page.css").replace("/* curves */", STYLE)
    script = "".join(_asset(name) for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    whole = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
        f"base-uri 'none'; {policy}"
    )
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=whole),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"diagnose {version}"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{title} - diagnose"),
        Markup(f"<style>{style}</style>"),
        between=Markup("\n"),
    )
    foot = tag("footer", tag("p", f"Made by diagnose {version}. ", tag("span", READING)))
    skip = tag("a", "Skip to the report", href="#content", class_="skip")
    content = join(skip, body, foot, Markup(f"<script>{script}</script>"), between=Markup("\n"))
    return f'<!doctype html>\n<html lang="en"><head>\n{head}\n</head><body>\n{content}\n</body></html>\n'


def _asset(name: str) -> str:
    return (resources.files("diagnose.reports.html") / name).read_text(encoding="utf-8")
