from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from diagnose.curves import Run, Series
from diagnose.report import Report
from diagnose.reports import text
from diagnose.reports.context import Context
from diagnose.reports.page import Detail, Page
from diagnose.rule import Diagnosis, NotJudged, Severity

full = partial(Page, detail=Detail.FULL)
FULL = full()


def render(diagnoses: Sequence[Diagnosis], *, page: Page = FULL) -> str:
    return text.render(Report(tuple(diagnoses)), Context(page=page))


def test_one_ill_run_in_full(ill: Diagnosis) -> None:
    assert render([ill], page=full(ascii=True)) == textwrap.dedent("""\
        run.csv: overfitting since epoch 17; try first: stop at epoch 17
          verdict:    1 problem: overfitting (error)
          keras-csv, 40 points, epochs 1-40; train_loss = loss, val_loss
          kind:       unknown; no column says what is learned
          milestone:  learn the right thing (3 of 3); val_loss is 5 times train_loss
          aim:        keep the training fit and close the gap to the validation:
                      regularization, more data

        ERROR overfitting, epochs 17-40, confidence 0.97
          measured:   val_loss was best at epoch 17 (0.558) and ends 62 % above it
                      (0.9).
          means:      What was learned after epoch 17 fits the training sample, not the
                      task.
          try first:  stop at epoch 17 - later epochs fit the sample. Resolved 19/20
                      reference runs of one fault (95 % CI 76-99 %), +2.1 points val
                      accuracy.
          then:       weight_decay 0 -> 0.01 - small weights fit less noise. Not tried.
          then:       add dropout - no unit can rely on another. Not tried.
          also:       more-data (diagnose explain overfitting)

          *** val_loss   ... train_loss
           2.09 |**
                |.***
                |  .*****
            1.1 |      .******
                |          ..***********                 ******************************
                |                 .....*******************
          0.113 |                                 .....................................
                +----------------------------------------------------------------------
                                             ^
                 1                          17                                 epoch 40

          evidence:   end above the best (GL) 61.9 % (threshold 5); best 17

          not judged: frozen-metric, loss-accuracy-conflict (the log has no accuracy);
                      plateau (only 40 points; needs 50)
          note:       the epoch restarts at row 12: judged from there
        """)


def test_a_healthy_run_says_so_and_what_was_checked(healthy: Diagnosis) -> None:
    assert render([healthy]) == textwrap.dedent("""\
        fine.csv: healthy
          keras-csv, 40 points, epochs 1-40; train_loss = loss, val_loss
          kind:       classification; the log has val_accuracy
          milestone:  learn everything (2 of 3); the training set is not fitted yet
          aim:        fit, and overfit, the training data: more capacity, a finer search
                      of the hyperparameters
          checked:    overfitting, loss-spike
        """)


def test_several_runs_open_with_a_table_worst_first(
    healthy: Diagnosis, unjudged: Diagnosis, noted: Diagnosis, ill: Diagnosis
) -> None:
    table, *details = render([healthy, unjudged, noted, ill]).split("-" * 80)
    assert table == textwrap.dedent("""\
        4 runs: 1 with errors, 1 with notes, 1 not judged, 1 healthy

        run       verdict                                  milestone              points
        run.csv   error: overfitting                       learn the right thing      40
        slow.csv  note: slow-convergence                   unknown                    40
        odd.csv   not judged                               unknown                    40
        fine.csv  healthy                                  learn everything           40

        """)
    assert [detail.split(":")[0].strip() for detail in details] == ["run.csv", "slow.csv"]


def test_the_table_names_the_shared_folder_once(healthy: Diagnosis) -> None:
    runs = [replace(healthy, run=replace(healthy.run, source=f"logs/{name}/metrics.csv")) for name in "ab"]
    report = render(runs)
    assert report.startswith("2 runs in logs/: 2 healthy\n")
    assert "\na/metrics.csv  healthy" in report


def test_runs_of_one_source_are_told_apart_by_name(healthy: Diagnosis) -> None:
    runs = [replace(healthy, run=replace(healthy.run, name=name)) for name in ("seed 1", "seed 2")]
    assert "fine.csv [seed 2]" in render(runs)


def test_a_note_alone_is_no_problem(noted: Diagnosis) -> None:
    report = render([noted])
    assert report.startswith("slow.csv: no problem found by 1 rule; 1 tip: slow-convergence")
    assert "verdict:    no problem found by 1 rule; 1 note: slow-convergence\n" in report


def test_problems_and_notes_are_counted_apart(ill: Diagnosis, noted: Diagnosis) -> None:
    both = replace(ill, findings=(*ill.findings, *noted.findings))
    assert "verdict:    1 problem: overfitting (error); 1 note: slow-convergence\n" in render([both])


def test_a_run_no_rule_could_judge_says_why(unjudged: Diagnosis) -> None:
    report = render([unjudged])
    assert report.startswith("odd.csv: not judged: the log has no val_loss\n")
    assert "overfitting (the log has no val_loss)" in report
    assert "checked" not in report


def test_what_is_missing_is_counted_where_it_is_much(healthy: Diagnosis) -> None:
    missing = tuple(NotJudged(f"rule-{i}", f"the log's config has no thing_{i}") for i in range(9))
    report = render([replace(healthy, not_judged=missing)])
    assert "not judged: 9 rules (the log's config has no thing_0, thing_1, thing_2 and 6\n" in report


def test_without_pictures_the_words_say_the_curve(ill: Diagnosis, healthy: Diagnosis) -> None:
    report = render([ill, healthy], page=full(picture=False))
    assert "val_loss starts at 2.093 at epoch 1, lowest 0.5576 at epoch 17" in " ".join(report.split())
    assert "run.csv: 1 problem: overfitting (error); milestone learn the right thing; 40\n  points" in report
    assert not re.search(r"[^\x20-\x7e\n]|\*\*|---|\^", report)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("picture", [True, False])
def test_no_line_is_longer_than_the_page(
    ill: Diagnosis, healthy: Diagnosis, noted: Diagnosis, width: int, picture: bool
) -> None:
    for runs in ([ill], [ill, healthy, noted]):
        lines = render(runs, page=full(width=width, picture=picture)).splitlines()
        assert max(map(len, lines)) <= width


def test_colour_only_repeats_the_words(ill: Diagnosis, healthy: Diagnosis) -> None:
    for runs in ([ill], [ill, healthy]):
        colored = render(runs, page=full(color=True))
        assert "\x1b[1;31m" in colored
        assert re.sub(r"\x1b\[[\d;]*m", "", colored) == render(runs)


def test_without_colour_there_is_no_escape(ill: Diagnosis) -> None:
    assert "\x1b" not in render([ill])


def test_names_from_a_log_cannot_steer_the_terminal(ill: Diagnosis) -> None:
    evil = "loss\x1b[2J\u202e\n"
    run = Run(
        name=evil,
        series={evil: Series(evil, np.arange(10.0), np.arange(10.0))},
        roles={"train_loss": evil},
        source=evil,
        format="csv",
        notes=(evil,),
    )
    finding = replace(ill.findings[0], summary=evil, meaning=evil, series=(evil,))
    for page in (full(), full(picture=False)):
        report = render([replace(ill, run=run, findings=(finding,), milestone_reason=evil)], page=page)
        assert "\x1b" not in report
        assert "\u202e" not in report
        assert r"loss\x1b[2J\u202e" in report


def test_a_finding_without_a_curve_has_no_picture(ill: Diagnosis) -> None:
    finding = replace(ill.findings[0], series=("momentum",), severity=Severity.WARNING)
    report = render([replace(ill, findings=(finding,))])
    assert "WARNING overfitting" in report
    assert "│" not in report


def test_a_curve_without_finite_values_is_said_in_words(ill: Diagnosis) -> None:
    series = Series("val_loss", np.arange(5.0), np.full(5, np.nan))
    run = replace(ill.run, series={"val_loss": series})
    assert "val_loss none of its 5 values is finite" in " ".join(render([replace(ill, run=run)]).split())


def test_nothing_to_report_is_nothing() -> None:
    assert render([]) == ""


def test_the_first_line_says_what_since_when_and_what_to_do(ill: Diagnosis, noted: Diagnosis) -> None:
    [lead] = ill.findings
    effect = replace(lead, rule="overconfidence", explained_by="overfitting")
    passing = replace(lead, steps=(20.0, 25.0))
    first = [
        render([replace(ill, findings=findings)], page=full(width=200)).splitlines()[0]
        for findings in ((lead, effect), (passing,), (replace(lead, steps=(1.0, 40.0)),), noted.findings)
    ]
    assert first[0] == "run.csv: overfitting since epoch 17, and with it overconfidence; try first: stop at epoch 17"
    assert first[1] == "run.csv: overfitting at epochs 20-25; try first: stop at epoch 17"
    assert first[2] == "run.csv: overfitting throughout; try first: stop at epoch 17"
    assert first[3].startswith("run.csv: no problem found by 2 rules; 1 tip: slow-convergence")
