"""Where a report goes: to stdout or into a file, as text, as JSON, as a page, and as a picture beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import diagnose
from diagnose import terminal
from diagnose.settings import SettingsError

if TYPE_CHECKING:
    from diagnose.audit import Report
    from diagnose.reports.text import Page


def check(form: str, out: str | None, plot: str | None) -> None:
    """Raises SettingsError where the report could not be written, before any log is read."""
    if out is not None:
        check_file(Path(out))
    elif form == "html" and sys.stdout.isatty():
        raise SettingsError("a page is for a browser: --format html --out report.html")
    if plot is not None:
        from diagnose.reports import plot as picture

        picture.check(Path(plot))


def check_file(path: Path) -> None:
    """Raises SettingsError where no file can be written."""
    if path.is_dir() or not path.parent.is_dir():
        why = "is a directory" if path.is_dir() else f"there is no directory {path.parent}"
        raise SettingsError(f"{path}: {why}; name a file with --out")


def write(report: Report, form: str, out: str | None, sheet: Callable[[], Page]) -> None:
    """Render the report and write it. sheet: what a text is written on."""
    put(rendered(report, form, sheet), out)


def put(text: str, out: str | None) -> None:
    """Write a text into a file, or to stdout where none is named. Raises SettingsError where it cannot be written."""
    if out is None:
        terminal.write(text)
        return
    try:
        Path(out).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise SettingsError(f"{out}: cannot be written ({error.strerror}); name another file with --out") from error


def rendered(report: Report, form: str, sheet: Callable[[], Page]) -> str:
    """The report in a format of `--format`."""
    across = report.across, report.across_not_judged
    if form == "json":
        from diagnose.reports import json

        return json.render(report.diagnoses, report.errors, *across, version=diagnose.__version__)
    if form == "html":
        from diagnose.reports import html

        return html.render(report.diagnoses, report.errors, *across, version=diagnose.__version__)
    from diagnose.reports import text

    return text.render(report.diagnoses, *across, page=sheet())


def draw(report: Report, path: str, style: str) -> None:
    """Draw the runs of the report into a file."""
    from diagnose.reports import plot

    if report.diagnoses:
        plot.draw(report.diagnoses, Path(path), style=style)
