"""From a rule's certainty to a probability: the table, what it makes of findings, and how reports tell it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose import calibration, synthetic
from diagnose.api import diagnose
from diagnose.calibration import ANY, ENOUGH, Calibration, features
from diagnose.curves import Run
from diagnose.errors import TableError
from diagnose.judging.engine import judge, judge_together
from diagnose.judging.installed import load_rules
from diagnose.reports.phrases import confidence
from diagnose.rule import Evidence, Finding, Rule, Severity
from rules.confidence import TABLE
from tests.written import write_csv

KNOWN = Calibration(labelled=40.0, right=0.9, offset=1.0, certainty=0.5, effect=0.25)


def finding(**changes: Any) -> Finding:
    return replace(Finding(Severity.NOTE, 0.9, "Measured 1.", "Means 2.", (0.0, 1.0), ("train_loss",)), **changes)


def rule(said: Finding, known: Calibration | None) -> Rule:
    def check(axis: str, *, limit: float = 1.0) -> Finding:
        return said

    return Rule("test-rule", "Test: a rule.", check, 1, (), calibration=known)


def judged(said: Finding, known: Calibration | None, **options: Any) -> Finding:
    return judge(synthetic.healthy(), [rule(said, known)], fixes={}, trials=(), **options).findings[0]


def logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))


# --- what the table makes of a finding --------------------------------------------------------------------------------


def test_a_probability_is_made_of_the_certainty_and_the_distance_from_the_threshold() -> None:
    said = finding(evidence=(Evidence("context", 7.0), Evidence("GL", 20.0, 5.0), Evidence("p", 0.001, 0.01)))
    found = judged(said, KNOWN)
    assert logit(found.confidence) == pytest.approx(1.0 + 0.5 * logit(0.9) + 0.25 * math.log(4.0))
    assert found.measured


def test_a_number_below_its_threshold_is_as_far_from_it() -> None:
    assert features(0.9, 1.0, 4.0) == pytest.approx(features(0.9, 4.0, 1.0))


@pytest.mark.parametrize("threshold", [None, 0.0])
def test_without_a_threshold_there_is_no_distance(threshold: float | None) -> None:
    assert features(0.9, 3.0, threshold).effect == 0.0


@given(st.floats(0.0, 1.0), st.floats(), st.none() | st.floats(-1e9, 1e9, allow_subnormal=False))
def test_every_finding_has_a_probability(certainty: float, value: float, threshold: float | None) -> None:
    assert 0.0 < KNOWN.probability(features(certainty, value, threshold)) < 1.0


def test_who_is_surer_is_not_less_likely_right() -> None:
    told = [judged(finding(confidence=sure), KNOWN).confidence for sure in (0.0, 0.5, 0.9, 0.999, 1.0)]
    assert told == sorted(told)


def test_a_rule_that_nobody_measured_keeps_its_own_confidence() -> None:
    found = judged(finding(), None)
    assert (found.confidence, found.measured) == (0.9, False)


def test_with_other_thresholds_nothing_was_measured() -> None:
    assert judged(finding(), KNOWN, thresholds={"other-rule": {"limit": 0.5}}).measured
    assert not judged(finding(), KNOWN, thresholds={"test-rule": {"limit": 0.5}}).measured


def test_few_labelled_findings_are_not_enough() -> None:
    assert not judged(finding(), replace(KNOWN, labelled=ENOUGH - 0.1)).measured


def test_a_finding_about_several_runs_has_a_probability_too() -> None:
    def check(runs: list[Run]) -> Finding:
        return finding(series=())

    across = Rule("test-rule", "Test: a rule.", check, 1, (), calibration=KNOWN)
    runs = [replace(synthetic.healthy(seed=seed), name=str(seed)) for seed in range(4)]
    (found,) = judge_together(runs, [across], fixes={}, trials=())[0]
    assert logit(found.confidence) == pytest.approx(1.0 + 0.5 * logit(0.9))


# --- how it is told ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probability", "measured", "said"),
    [
        (0.874, True, "confidence 0.87"),
        (0.874, False, "confidence high"),
        (0.7, False, "confidence fair"),
        (0.2, False, "confidence low"),
    ],
)
def test_only_what_was_measured_is_told_as_a_number(probability: float, measured: bool, said: str) -> None:
    assert confidence(finding(confidence=probability, measured=measured)) == said


def test_the_report_of_a_file_tells_the_calibrated_number(tmp_path: Path) -> None:
    write_csv(synthetic.overfit(), tmp_path / "run.csv")
    (diagnosis,) = diagnose(str(tmp_path / "run.csv")).diagnoses
    found = next(f for f in diagnosis.findings if f.rule == "overfitting")
    assert found.measured
    assert 0.5 < found.confidence < 1.0


# --- the table --------------------------------------------------------------------------------------------------------


def test_a_table_reads_back_as_it_was_written(tmp_path: Path) -> None:
    calibration.write({"b": KNOWN, ANY: replace(KNOWN, labelled=0.0, right=math.nan)}, tmp_path / "confidence.csv")
    again = calibration.read(tmp_path / "confidence.csv")
    assert list(again) == [ANY, "b"]
    assert again["b"] == KNOWN
    assert math.isnan(again[ANY].right)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "{columns}\nonly,three,cells\n", "{columns}\nx,x,x,x,x,x\n"])
def test_a_broken_table_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "confidence.csv"
    path.write_text(text.format(columns=",".join(calibration.COLUMNS)))
    with pytest.raises(TableError) as caught:
        calibration.read(path)
    assert str(path) in str(caught.value)
    assert "calibration.py --write" in str(caught.value)
    assert "\n" not in str(caught.value)


# --- what is shipped --------------------------------------------------------------------------------------------------


def test_every_rule_has_its_calibration_or_that_of_any() -> None:
    table = calibration.read(TABLE)
    for each in load_rules():
        assert repr(each.calibration) == repr(table.get(each.id, table[ANY]))  # a share that is NaN equals no other


def test_the_table_speaks_of_rules_that_there_are() -> None:
    assert set(calibration.read(TABLE)) <= {ANY, *(each.id for each in load_rules())}


def test_no_slope_makes_a_surer_finding_less_right() -> None:
    for row in calibration.read(TABLE).values():
        assert row.certainty >= 0.0
        assert row.effect >= 0.0


def test_a_rule_of_which_few_findings_were_labelled_has_nearly_the_figure_of_all() -> None:
    table = calibration.read(TABLE)
    for row in table.values():
        if row.labelled <= 3.0:
            assert abs(row.offset - table[ANY].offset) < 1.0
