"""The report as one page for a browser: opens without a network, prints, and is read aloud.

One run in full; of several a table over runs that sorts, filters and opens each. Everything that the page needs is in
it; its one script only makes the pictures move and the table sort, and a policy in the page forbids any other script
and every request.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources

from diagnose.reports.comparison import Comparison
from diagnose.reports.html import audit, compare, run
from diagnose.reports.markup import Markup, join, tag
from diagnose.reports.phrases import labels_of
from diagnose.reports.svg import STYLE
from diagnose.rule import Diagnosis, Finding, NotJudged


def render(
    diagnoses: Sequence[Diagnosis],
    errors: Sequence[tuple[str, str]] = (),
    across: Sequence[Finding] = (),
    across_not_judged: Sequence[NotJudged] = (),
    *,
    version: str,
    names: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
    preface: Sequence[str] = (),
) -> str:
    """The page as text, ending with a newline.

    errors: (source, message) of what could not be read or judged.
    across, across_not_judged: what the runs say together, and what could not be said.
    version: that of the program.
    names, links: source of a run -> what to call it; address of its page elsewhere. preface: sentences about all runs.
    """
    links = links or {}
    known = labels_of([d.run for d in diagnoses])
    labels = [(names or {}).get(d.run.source, label) for d, label in zip(diagnoses, known, strict=True)]
    if len(diagnoses) == 1 and not errors:
        body = tag("main", run.article(diagnoses[0], labels[0], links=links), id="content")
        return page(labels[0], body, ("chart.js",), version)
    body = tag(
        "main", audit.content(diagnoses, labels, errors, across, across_not_judged, links, preface), id="content"
    )
    return page(audit.title(diagnoses), body, ("chart.js", "table.js"), version)


def render_comparison(compared: Comparison, *, version: str) -> str:
    """The page of a comparison."""
    body = tag("main", compare.content(compared), id="content")
    return page(compare.title(compared), body, ("chart.js",), version)


def page(title: str, body: Markup, scripts: Sequence[str], version: str) -> str:
    """A whole document around its body, with the style and the scripts in it."""
    style = _asset("page.css").replace("/* curves */", STYLE)
    script = "".join(_asset(name) for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
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


READING = (
    "Severity says how bad a finding is if it is true, confidence how sure the evidence makes us. Trials are those of "
    "the reference trainer: what helped there is likely, and not certain, to help here."
)


def _asset(name: str) -> str:
    return (resources.files(__name__) / name).read_text(encoding="utf-8")
