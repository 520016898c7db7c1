"""The table of formats: what it names is there, is described in the README, and waits until it is asked for."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from diagnose.reports import COMPARISONS, FORMATS, Format, format_of
from tests.conftest import ROOT


@pytest.mark.parametrize("form", [*FORMATS.values(), *COMPARISONS.values()], ids=lambda form: form.module)
def test_a_format_is_a_module_that_renders(form: Format) -> None:
    assert callable(form.renderer())


def test_the_manual_says_whom_a_format_is_for() -> None:
    table = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \|", (ROOT / "docs" / "machines.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    for_machines = {name: form.description for name, form in FORMATS.items() if name not in ("text", "html")}
    assert {name: whom for name, whom in table if name in FORMATS} == for_machines


@pytest.mark.parametrize(
    ("path", "form"),
    [("a/report.HTML", "html"), ("report.md", "markdown"), ("r.xml", "junit"), ("report", "text"), (None, "text")],
)
def test_the_name_of_a_file_asks_for_a_format(path: str | None, form: str) -> None:
    assert format_of(path) == form
    assert format_of(path, COMPARISONS) == (form if form in COMPARISONS else "text")


def test_no_end_of_a_name_asks_for_two() -> None:
    ends = [suffix for form in FORMATS.values() for suffix in form.suffixes]
    assert len(set(ends)) == len(ends)


def test_a_report_for_a_terminal_imports_no_other_format() -> None:
    others = {form.module for name, form in FORMATS.items() if name != "text"}
    code = (
        "import sys, diagnose.cli as cli\n"
        "try: cli.main(['samples/overfitting.csv'])\n"
        "except SystemExit: pass\n"
        f"print(sorted({others!r} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
