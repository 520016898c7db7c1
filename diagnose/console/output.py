"""From a report to where it goes: one format of many, on stdout or into a file, and a picture beside it."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diagnose
from diagnose.errors import SettingsError
from diagnose.settings import FAIL_ON

if TYPE_CHECKING:
    from diagnose.report import Report
    from diagnose.reports.page import Page

FORMATS = ("text", "html", "json", "jsonl", "sarif", "github", "junit", "csv", "markdown")
"""What `--format` takes; each but text is a module of `diagnose.reports` whose `render` takes the parts of a report."""


SUFFIXES = {
    **dict.fromkeys((".html", ".htm"), "html"),
    **dict.fromkeys((".md", ".markdown"), "markdown"),
    ".json": "json",
    ".jsonl": "jsonl",
    ".sarif": "sarif",
    ".xml": "junit",
    ".csv": "csv",
}
"""Format by the end of a file's name, where none is named."""


def render(report: Report, form: str, *, page: Page, fail_on: str, **extra: Any) -> str:
    """The report in one of the `FORMATS`.

    page: what a report in words is written on.
    fail_on: the severity from which on a finding is a failure, where the format has failures.
    extra: what only this format takes.
    """
    if form == "text":
        from diagnose.reports import text

        return text.render(report.diagnoses, report.across, report.across_not_judged, page=page)
    options = dict(extra)
    if form in ("html", "json", "jsonl", "sarif"):
        options["version"] = diagnose.__version__
    if form == "sarif":
        from diagnose.judging.installed import load_rules

        options["rules"] = load_rules()
    if form == "junit":
        options["failing"] = severities(fail_on)
    module = import_module(f"diagnose.reports.{form}")
    return str(module.render(report.diagnoses, report.errors, report.across, report.across_not_judged, **options))


def format_of(out: str | None) -> str:
    """The format that a file's name asks for; `text` for the standard output and for other names."""
    suffix = Path(out).suffix.lower() if out is not None else ""
    return SUFFIXES.get(suffix, "text")


def check_places(form: str, out: str | None, plot: str | None) -> None:
    """Raises SettingsError where the report or its picture could not be written, before any log is read."""
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


def draw(report: Report, path: str, style: str) -> None:
    """Draw the runs of the report into a file."""
    from diagnose.reports import plot

    if report.diagnoses:
        plot.draw(report.diagnoses, Path(path), style=style)


def severities(fail_on: str) -> tuple[str, ...]:
    """The severities at or above a level of `--fail-on`; none for `never`."""
    return FAIL_ON[FAIL_ON.index(fail_on) : -1]


def write_file(path: str, content: str) -> None:
    """Write a file at once, so that nobody reads half of it: into another file beside it, which then takes its name.

    What is no regular file (a terminal, a pipe) is written to as it is. Raises SettingsError where that fails.
    """
    target = Path(path)
    try:
        if target.exists() and not target.is_file():
            target.write_text(content, encoding="utf-8", errors="backslashreplace", newline="\n")
            return
        target = target.resolve()  # the file behind a symbolic link
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            partial.write_text(content, encoding="utf-8", errors="backslashreplace", newline="\n")
            if target.exists():
                shutil.copymode(target, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({(error.strerror or str(error)).lower()})") from error
