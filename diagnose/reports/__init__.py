"""Reports render a judgement; they never judge.

    render(report, "markdown", Context())

A format is a module with `render(report, context)`, which makes a text of one value; `FORMATS` names them all, and none
is imported before it is asked for. `notebook` is such a module too, and `plot` draws a picture into a file. `page` and
`phrases` hold what reports share: columns and colours, sentences and counts. `curve` draws in characters and `svg` in
lines what `panels` and `comparison` say there is to draw.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from diagnose.report import Report
    from diagnose.reports.comparison import Comparison
    from diagnose.reports.context import Context


class Format(NamedTuple):
    """One way to say something.

    module: where `render` is.
    description: whom it is for.
    suffixes: ends of the names of files that are written in it where no format is named.
    for_terminal: False for what nobody reads there.
    """

    module: str
    description: str
    suffixes: tuple[str, ...] = ()
    for_terminal: bool = True

    def renderer(self) -> Callable[[Any, Context], str]:
        """Its `render`, imported now."""
        found: Callable[[Any, Context], str] = import_module(self.module).render
        return found


FORMATS: Mapping[str, Format] = {
    "text": Format("diagnose.reports.text", "a person at a terminal"),
    "html": Format("diagnose.reports.html", "a browser", (".html", ".htm"), for_terminal=False),
    "json": Format("diagnose.reports.json", "programs", (".json",)),
    "jsonl": Format("diagnose.reports.jsonl", "programs", (".jsonl",)),
    "brief": Format("diagnose.reports.brief", "coding agents"),
    "sarif": Format("diagnose.reports.sarif", "GitHub code scanning, editors", (".sarif",)),
    "github": Format("diagnose.reports.github", "GitHub Actions"),
    "junit": Format("diagnose.reports.junit", "GitLab, Jenkins", (".xml",)),
    "csv": Format("diagnose.reports.csv", "spreadsheets", (".csv",)),
    "markdown": Format("diagnose.reports.markdown", "pull requests, notebooks", (".md", ".markdown")),
}
"""What a report can be rendered as."""

COMPARISONS: Mapping[str, Format] = {
    "text": Format("diagnose.reports.compare", "a person at a terminal"),
    "html": Format("diagnose.reports.html.compare", "a browser", (".html", ".htm"), for_terminal=False),
    "json": Format("diagnose.reports.compare_json", "programs", (".json",)),
}
"""What runs beside each other can be rendered as."""


def render(report: Report, form: str, context: Context) -> str:
    """The report in one of the `FORMATS`."""
    return FORMATS[form].renderer()(report, context)


def rendered(report: Report, form: str, context: Context) -> tuple[str, Report]:
    """The report in one of the `FORMATS`, and what is in there: a run that cannot be shown is among its errors."""
    try:
        return render(report, form, context), report
    except Exception as fault:
        from dataclasses import replace

        faults = [_fault_of(replace(report, diagnoses=(d,), across=()), form, context) for d in report.diagnoses]
        if not any(faults):
            raise
        from diagnose.report import SourceError

        told = [SourceError(d.run.source, said) for d, said in zip(report.diagnoses, faults, strict=True) if said]
        rest = tuple(d for d, said in zip(report.diagnoses, faults, strict=True) if not said)
        report = replace(report, diagnoses=rest, errors=(*report.errors, *told))
        if os.environ.get("DIAGNOSE_TRACEBACK"):
            import traceback

            traceback.print_exception(fault)
        return render(report, form, context), report


def _fault_of(report: Report, form: str, context: Context) -> str:
    """Why the report of one run cannot be rendered; "" where it can."""
    try:
        render(report, form, context)
    except Exception as fault:
        said = f"{type(fault).__name__}: {fault}"
        return (
            f"could not be shown as {form} for a fault in diagnose ({said}); please report this with the log; "
            "DIAGNOSE_TRACEBACK=1 shows where it happened"
        )
    return ""


def render_comparison(compared: Comparison, form: str, context: Context) -> str:
    """The comparison in one of the `COMPARISONS`."""
    return COMPARISONS[form].renderer()(compared, context)


def format_of(path: str | None, formats: Mapping[str, Format] = FORMATS) -> str:
    """The format that the end of a file's name asks for; `text` for the standard output and for other names."""
    suffix = PurePath(path).suffix.lower() if path is not None else ""
    return next((name for name, form in formats.items() if suffix in form.suffixes), "text")
