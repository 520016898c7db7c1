"""Every format for an ill, a healthy, an unjudged and a broken source, and for all of them, as it was approved.

`python -m tests.reports.test_approved` writes the files in `approved/` anew; look at what changed before committing it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import diagnose
from diagnose import cli, reports

FORMATS = tuple(form for form in reports.FORMATS if form != "html")
"""Pages are approved in test_approved_pages.py."""

FOLDER = Path(__file__).parent
APPROVED = FOLDER / "approved"
SOURCES = FOLDER / "sources"

CASES = {
    "ill": ("ill.csv",),
    "healthy": ("healthy.csv",),
    "unjudged": ("unjudged.csv",),
    "broken": ("broken.csv",),
    "all": ("ill.csv", "healthy.csv", "unjudged.csv", "broken.csv"),
}

ENDINGS = {"text": "txt", "junit": "xml", "markdown": "md", "github": "annotations"}
"""Endings of the files where they are not the name of the format."""

ONLY = ("--select", "overfitting,loss-spike")
"""Two rules, so that a new one does not change what is approved."""

LONG = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def said(sources: tuple[str, ...], form: str) -> str:
    """What the command prints; its exit code and its errors too, where it is for a person."""
    os.chdir(SOURCES)
    env = {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "80", "DIAGNOSE_TRACEBACK": None, "PRE_COMMIT": None}
    result = CliRunner().invoke(cli.app, [*sources, *ONLY, "--format", form], prog_name="diagnose", env=env)
    end = f"{result.stderr}exit code {result.exit_code}\n" if form == "text" else ""
    return portable(result.stdout.replace(f'"{diagnose.__version__}"', '"VERSION"') + end)


def portable(text: str) -> str:
    """The text with six significant digits of each number: processors differ in the last ones."""
    return LONG.sub(lambda m: f"{float(m[0]):.6g}" if len(m[0]) > 8 else m[0], text)


def path(case: str, form: str) -> Path:
    return APPROVED / f"{case}.{ENDINGS.get(form, form)}"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_a_report_is_as_it_was_approved(case: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SOURCES)
    expected = path(case, form).read_text(encoding="utf-8")
    assert said(CASES[case], form) == expected, "look at it, then: python -m tests.reports.test_approved"


def test_nothing_else_is_approved() -> None:
    assert {p.name for p in APPROVED.iterdir()} == {path(case, form).name for case in CASES for form in FORMATS}


if __name__ == "__main__":
    for name, sources in CASES.items():
        for each in FORMATS:
            path(name, each).write_text(said(sources, each), encoding="utf-8")
