"""What a notebook shows: the report's own words and curves, scoped, without a script."""

from __future__ import annotations

import re
from dataclasses import replace

from diagnose import Report
from diagnose.report import SourceError
from diagnose.reports import notebook
from diagnose.reports.context import Context
from diagnose.rule import Diagnosis, Finding, Severity
from tests.reports.test_html import EVIL, Outline, hostile


def shown(*diagnoses: Diagnosis, **rest: tuple[object, ...]) -> Outline:
    return Outline(Report(tuple(diagnoses), **rest)._repr_html_())  # type: ignore[arg-type]


def test_one_run_is_shown_with_its_findings_and_curves(ill: Diagnosis) -> None:
    seen = shown(ill)
    said = " ".join(seen.text.split())
    assert "run.csv: ✕ 1 problem: overfitting (error)" in said
    assert "What was learned after epoch 17 fits the training sample, not the task." in said
    assert "Try first: stop at epoch 17. resolved 19/20 reference runs" in said
    assert [a["role"] for tag, a in seen.tags if tag == "svg" and "role" in a] == ["img"]


def test_several_runs_are_a_table_worst_first_that_opens_them(
    ill: Diagnosis, healthy: Diagnosis, noted: Diagnosis
) -> None:
    across = Finding(
        Severity.WARNING, 0.9, "one is far off", "look", (0.0, 1.0), (), rule="outlier-run", runs=("a", "b")
    )
    seen = shown(healthy, noted, ill, across=(across,), errors=(SourceError("gone.csv", "no such file"),))
    said = " ".join(seen.text.split())
    assert re.search(r"run\.csv ✕ error .* slow\.csv ● note .* fine\.csv ✓ healthy", said)
    assert "outlier-run, 2 runs" in said
    assert "gone.csv: no such file" in said
    assert sum(tag == "details" for tag, _ in seen.tags) == 2


def test_a_long_table_says_what_it_leaves_out(healthy: Diagnosis) -> None:
    many = [replace(healthy, run=replace(healthy.run, source=f"{i}.csv")) for i in range(notebook.MOST_ROWS + 1)]
    assert "1 run more" in shown(*many).text


def test_it_is_scoped_has_no_script_and_nothing_from_a_log_but_text(ill: Diagnosis) -> None:
    page = notebook.render(Report((hostile(ill),)), Context())
    assert EVIL not in page
    assert EVIL in Outline(page).text
    assert "<script" not in page
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    selectors = re.findall(r"([^{}]+)\{", style[1])
    assert selectors
    assert all(part.strip().startswith(".diagnose-report") for text in selectors for part in text.split(","))


def test_an_empty_report_is_shown() -> None:
    assert shown().text.strip() == ""
