"""What is seen without `--verbose`: the message, the action, the curve, in few lines."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace

import pytest

from diagnose.report import Report
from diagnose.reports import text
from diagnose.reports.context import Context
from diagnose.reports.page import Detail, Page, distinct
from diagnose.rule import Diagnosis, NotJudged, Severity


def render(diagnoses: Sequence[Diagnosis], *, page: Page | None = None) -> str:
    return text.render(Report(tuple(diagnoses)), Context(page=page or Page()))


def test_one_ill_run(ill: Diagnosis) -> None:
    lines = render([ill], page=Page(ascii=True)).splitlines()
    assert lines[:5] == [
        "run.csv: overfitting since epoch 17",
        "  try first: stop at epoch 17",
        "  ERROR, confidence 0.97: val_loss was best at epoch 17 (0.558) and ends 62 %",
        "    above it (0.9).",
        "  *** val_loss   ... train_loss",
    ]
    assert lines[-2:] == [
        "  note: the epoch restarts at row 12: judged from there",
        "  learn the right thing; 3 of 5 rules not judged; all: --verbose",
    ]
    assert len(lines) == 15


def test_a_healthy_run(healthy: Diagnosis) -> None:
    assert render([healthy]) == textwrap.dedent("""\
        fine.csv: healthy
          read: keras-csv, 40 points, epochs 1-40; train_loss = loss, val_loss
          learn everything; 2 rules judged; all: --verbose
        """)


def test_a_tip_is_named_and_told_on_demand(ill: Diagnosis, noted: Diagnosis) -> None:
    both = replace(ill, findings=(*ill.findings, *noted.findings))
    assert "1 tip: slow-convergence" in render([both])
    assert "still falling" not in render([both])
    assert "still falling" in render([both], page=Page(detail=Detail.FULL))
    assert render([noted]).startswith("slow.csv: no problem found by 1 rule; 1 tip: slow-convergence\n")


def test_what_another_finding_explains_is_named_with_it(ill: Diagnosis) -> None:
    effect = replace(ill.findings[0], rule="overconfidence", explained_by="overfitting", summary="It is too sure.")
    report = render([replace(ill, findings=(*ill.findings, effect))])
    assert report.startswith("run.csv: overfitting since epoch 17, and with it overconfidence\n")
    assert "too sure" not in report


def test_a_second_problem_has_its_advice_and_draws_the_same_curve_once(ill: Diagnosis) -> None:
    second = replace(ill.findings[0], rule="loss-spike", severity=Severity.WARNING, steps=(5.0, 5.0), marks=(5.0,))
    report = render([replace(ill, findings=(*ill.findings, second))])
    assert "\n  WARNING loss-spike at epoch 5: val_loss was best" in report
    assert "\n    try first: stop at epoch 17\n" in report
    assert report.count("epoch 40") == 1


def test_columns_that_nobody_read_and_rules_that_could_not_judge_are_counted(healthy: Diagnosis) -> None:
    missing = tuple(NotJudged(f"rule-{i}", "the log has no thing") for i in range(9))
    assert "; 9 of 11 rules not judged; all: --verbose\n" in render([replace(healthy, not_judged=missing)])


def test_long_words_are_cut_and_the_report_stays_in_sixteen_lines(ill: Diagnosis) -> None:
    [finding] = ill.findings
    fix = replace(finding.recommendations[0], title="do this and that " * 30)
    wordy = replace(finding, summary="It rises and rises. " * 30, recommendations=(fix,))
    run = replace(ill.run, source=f"{'folder/' * 10}run.csv")
    report = render([replace(ill, run=run, findings=(wordy,))])
    assert len(report.splitlines()) == 16
    assert len(render([replace(ill, run=run, findings=(wordy,))], page=Page(picture=False)).splitlines()) == 6
    assert " ...\n" in report


def test_a_long_name_leaves_room_for_the_verdict(ill: Diagnosis) -> None:
    run = replace(ill.run, source=f"{'x' * 300}.csv")
    assert "overfitting since epoch 17" in render([replace(ill, run=run)])
    assert "overfitting since epoch 17" in render([replace(ill, run=run)], page=Page(detail=Detail.LINE))


def test_several_runs_are_a_line_each_worst_first(
    healthy: Diagnosis, unjudged: Diagnosis, noted: Diagnosis, ill: Diagnosis
) -> None:
    table, *details = render([healthy, unjudged, noted, ill]).split("-" * 80)
    assert table == textwrap.dedent("""\
        4 runs: 1 with errors, 1 with notes, 1 not judged, 1 healthy

        run.csv   error: overfitting since epoch 17: stop at epoch 17
        slow.csv  no problem found by 1 rule; 1 tip: slow-convergence
        odd.csv   not judged: the log has no val_loss
        fine.csv  healthy

        """)
    assert [detail.split(":")[0].strip() for detail in details] == ["run.csv"]


def test_many_runs_are_a_line_each_and_no_more(ill: Diagnosis) -> None:
    runs = [replace(ill, run=replace(ill.run, source=f"logs/seed {i}/run.csv")) for i in range(239)]
    lines = render(runs).splitlines()
    assert len(lines) <= 260
    assert lines[-1] == "one run: diagnose 'logs/seed 0/run.csv'; all of them: --verbose"


def test_names_are_cut_so_that_they_stay_apart() -> None:
    same = "2026-11-30-experiment/{}/checkpoints/metrics.csv"
    names = [same.format(middle) for middle in ("a-long-middle-part-1", "a-long-middle-part-2", "b")]
    assert len(set(distinct(names, 26))) == 3
    ends = [f"{i}{'x' * 60}" for i in range(9)]
    short = distinct(ends, 20)
    assert len(set(short)) == 9
    assert max(map(len, short)) == 20
    hidden = [f"{'x' * 30}{i}{'x' * 60}" for i in range(3)]
    assert distinct(hidden, 20) == hidden


def test_brief_is_a_line_for_each_run(ill: Diagnosis, healthy: Diagnosis) -> None:
    page = Page(detail=Detail.LINE)
    assert render([ill, healthy], page=page) == (
        "run.csv: error: overfitting since epoch 17: stop at epoch 17\nfine.csv: healthy\n"
    )
    assert render([healthy], page=page) == "fine.csv: healthy\n"


@pytest.mark.parametrize("width", [40, 60, 80, 100])
@pytest.mark.parametrize("picture", [True, False])
@pytest.mark.parametrize("detail", Detail)
def test_no_line_is_longer_than_the_page(
    ill: Diagnosis, healthy: Diagnosis, noted: Diagnosis, width: int, picture: bool, detail: Detail
) -> None:
    for runs in ([ill], [ill, healthy, noted]):
        lines = render(runs, page=Page(width=width, picture=picture, detail=detail)).splitlines()
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize("detail", Detail)
def test_colour_only_repeats_the_words(ill: Diagnosis, healthy: Diagnosis, detail: Detail) -> None:
    for runs in ([ill], [ill, healthy]):
        colored = render(runs, page=Page(color=True, detail=detail))
        assert "\x1b[1;31m" in colored
        assert re.sub(r"\x1b\[[\d;]*m", "", colored) == render(runs, page=Page(detail=detail))
