"""HTML and SVG as text: what is not `Markup` is escaped, so that a name from a log can never be more than a name."""

from __future__ import annotations

import html
import json
from typing import Any

from diagnose.reports.words import visible

VOID = frozenset({"br", "circle", "col", "hr", "input", "line", "link", "meta", "path", "polyline", "rect", "wbr"})
"""Elements without content."""


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Text made safe between tags and in attributes; control characters become visible escapes."""
    return text if isinstance(text, Markup) else Markup(html.escape(visible(text)))


def join(*parts: str, between: str = "") -> Markup:
    """The parts, escaped where they are no markup, one after the other."""
    return Markup(escaped(between).join(escaped(part) for part in parts))


def path(text: str) -> Markup:
    """A path that may be broken behind its slashes."""
    return join(*text.split("/"), between=Markup("/<wbr/>"))


def tag(element: str, /, *content: str, **attributes: str | float | bool | None) -> Markup:
    """An element; content that is no markup is escaped.

    attributes: `class_` for class, `aria_label` for aria-label; True for one without a value, None and False for none.
    """
    named = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escaped(str(value))}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if element in VOID and not content:
        return Markup(f"<{element}{named}/>")
    return Markup(f"<{element}{named}>{join(*content)}</{element}>")


def data(value: Any, class_: str) -> Markup:
    """A value as JSON for a script to read, which no parser of HTML can take for an end of the element."""
    return embedded(json.dumps(value, allow_nan=False, separators=(",", ":")), class_)


def embedded(text: str, class_: str) -> Markup:
    """JSON as an element that is not executed."""
    safe = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(f'<script type="application/json" class="{class_}">{safe}</script>')
