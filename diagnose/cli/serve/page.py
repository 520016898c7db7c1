"""The page of `diagnose serve`: a form for logs, and the report of a lot in a frame that can do nothing to the page."""

from __future__ import annotations

from collections.abc import Mapping

from diagnose._version import __version__
from diagnose.cli.serve.desk import Lot
from diagnose.reports import FORMATS
from diagnose.reports.html.frame import framed
from diagnose.reports.markup import Markup, join, tag
from diagnose.reports.phrases import totals
from diagnose.reports.words import count

POLICY = "connect-src 'self'; frame-src 'self'; form-action 'self'"
"""What the page may do beside showing itself."""


def shell(lots: Mapping[int, Lot], shown: int | None, *, problem: str = "") -> str:
    """The whole page. shown: number of the lot in the frame; None for the newest. problem: why nothing was taken."""
    newest = max(lots, default=None) if shown not in lots else shown
    body = tag(
        "main",
        tag("h1", "diagnose"),
        tag("p", "Drop training logs anywhere on this page: files, or a folder. Nothing leaves this machine."),
        _form(),
        tag("p", problem, id="state", role="status", aria_live="polite", class_="problem" if problem else None),
        _listed(lots, newest),
        _shown(newest, lots) if newest is not None else Markup(""),
        id="content",
    )
    return framed("logs", body, ("serve.js",), __version__, policy=POLICY)


def _form() -> Markup:
    return tag(
        "form",
        tag("label", "Logs ", tag("input", type="file", name="logs", multiple=True, id="files")),
        tag("label", "or the text of one ", tag("textarea", name="pasted", rows="2", cols="30")),
        tag("button", "Judge", type="submit"),
        id="drop",
        method="post",
        action="logs",
        enctype="multipart/form-data",
    )


def _listed(lots: Mapping[int, Lot], shown: int | None) -> Markup:
    """The lots, newest first, each with its verdicts."""
    if not lots:
        return Markup("")
    items = (
        tag(
            "li",
            tag("a", lot.title, href=f"./?shown={number}", aria_current="page" if number == shown else None),
            f": {_said(lot)}",
        )
        for number, lot in sorted(lots.items(), reverse=True)
    )
    return tag("nav", tag("ul", *items, class_="notes"), aria_label="Logs")


def _said(lot: Lot) -> str:
    errors = lot.report.errors
    return totals(lot.report.diagnoses) + (f", {count(len(errors), 'source')} not read" if errors else "")


def _shown(number: int, lots: Mapping[int, Lot]) -> Markup:
    """The report in a frame, with the ways to keep it."""
    lot = lots[number]
    ways = [tag("a", "alone", href=f"report/{number}", target="_blank")]
    if len(lot.report.diagnoses) > 1:
        ways.append(tag("a", "compared", href=f"compare/{number}", target="_blank"))
    ways += [tag("a", form, href=f"report/{number}.{form}", download=f"report{_ending(form)}") for form in FORMATS]
    return join(
        tag("p", "This report ", join(*ways, between=" "), class_="ways"),
        tag(
            "iframe",
            src=f"report/{number}",
            sandbox="allow-scripts",
            title=f"Report on {lot.title}",
            id="report",
            data_number=str(number),
            data_version=str(lot.version),
        ),
    )


def _ending(form: str) -> str:
    return next(iter(FORMATS[form].suffixes), ".txt")
