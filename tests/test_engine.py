"""The engine: what a signature asks for is what the check gets, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose import synthetic
from diagnose.curves import Array, Run, Series
from diagnose.judging.engine import judge, judge_together
from diagnose.judging.installed import load_fixes, load_rules
from diagnose.judging.needs import needs, thresholds_of
from diagnose.measure.align import align
from diagnose.rule import CannotJudge, Evidence, Finding, Rule, Severity


def rule(check: Any, **changes: Any) -> Rule:
    return replace(Rule("test-rule", "Test: a rule.", check, 1, ("early-stopping",)), **changes)


def finding(**changes: Any) -> Finding:
    return replace(Finding(Severity.NOTE, 0.9, "Measured 1.", "Means 2.", (0.0, 1.0), ("train_loss",)), **changes)


def series(name: str, steps: list[float], values: list[float]) -> Series:
    return Series(name, np.array(steps, dtype=np.float64), np.array(values, dtype=np.float64))


def run_of(*curves: Series, **changes: Any) -> Run:
    return Run("r", {c.name: c for c in curves}, {c.name: c.name for c in curves}, **changes)


def test_aligned_curves_arrive_finite_and_of_one_length() -> None:
    seen: dict[str, Array] = {}

    def check(step: Array, train_loss: Array, val_loss: Array) -> Finding | None:
        seen.update(step=step, train=train_loss, val=val_loss)
        return None

    train = series("train_loss", [0, 1, 2, 3, 4, 5], [6, 5, 4, 3, 2, 1])
    val = series("val_loss", [1, 3, 5], [10, float("nan"), 30])
    diagnosis = judge(run_of(train, val), [rule(check)])
    assert diagnosis.judged == ("test-rule",)
    np.testing.assert_array_equal(seen["step"], [1, 5])
    np.testing.assert_array_equal(seen["val"], [10, 30])
    np.testing.assert_array_equal(seen["train"], [5.5, 2.5])  # means since the validation before


def test_a_raw_series_keeps_its_nan_and_its_steps() -> None:
    seen: list[Series] = []

    def check(val_loss: Series) -> Finding | None:
        seen.append(val_loss)
        return None

    judge(run_of(series("val_loss", [1, 3], [1, float("nan")])), [rule(check)])
    assert np.isnan(seen[0].values[1])


def test_missing_curves_are_named() -> None:
    def check(train_loss: Array, val_accuracy: Array) -> Finding | None: ...

    diagnosis = judge(run_of(series("train_loss", [0, 1], [1, 2])), [rule(check)])
    assert [n.reason for n in diagnosis.not_judged] == ["the log has no val_accuracy"]


def test_too_few_points_are_counted() -> None:
    def check(train_loss: Array) -> Finding | None: ...

    diagnosis = judge(run_of(series("train_loss", [0, 1], [1, 2])), [rule(check, min_points=8)])
    assert diagnosis.not_judged[0].reason == "only 2 points of train_loss; needs 8"


def test_hyperparameters_come_from_the_config_and_by_type() -> None:
    seen: list[object] = []

    def check(learning_rate: float, nesterov: bool | None = None, dropout: float | None = None) -> Finding | None:
        seen.extend((learning_rate, nesterov, dropout))
        return None

    judge(run_of(config={"learning_rate": 1, "nesterov": True, "dropout": "a lot"}), [rule(check, min_points=0)])
    assert seen == [1.0, True, None]


def test_a_missing_hyperparameter_is_not_judged() -> None:
    def check(momentum: float) -> Finding | None: ...

    diagnosis = judge(run_of(config={}), [rule(check, min_points=0)])
    assert diagnosis.not_judged[0].reason == "the log's config has no momentum"


def test_a_check_may_decline() -> None:
    def check(train_loss: Array) -> Finding | None:
        raise CannotJudge("it is a policy loss")

    diagnosis = judge(run_of(series("train_loss", [0], [1])), [rule(check)])
    assert diagnosis.not_judged[0].reason == "it is a policy loss"
    assert diagnosis.judged == ()


def test_a_failing_rule_does_not_lose_the_others() -> None:
    def broken(train_loss: Array) -> Finding | None:
        raise ZeroDivisionError("oops")

    def fine(train_loss: Array) -> Finding | None:
        return finding()

    rules = [rule(broken, id="broken"), rule(fine, id="fine")]
    diagnosis = judge(run_of(series("train_loss", [0], [1])), rules)
    assert [f.rule for f in diagnosis.findings] == ["fine"]
    assert "ZeroDivisionError: oops" in diagnosis.not_judged[0].reason


def test_findings_come_worst_first_with_their_fixes() -> None:
    def check(train_loss: Array, *, severity: Severity = Severity.NOTE) -> Finding | None:
        return finding(severity=severity, evidence=(Evidence("x", 1.0),))

    rules = [rule(check, id="mild"), rule(check, id="bad")]
    run = run_of(series("train_loss", [0], [1]))
    diagnosis = judge(run, rules, thresholds={"bad": {"severity": Severity.ERROR}})
    assert [f.rule for f in diagnosis.findings] == ["bad", "mild"]
    assert diagnosis.worst is Severity.ERROR
    assert [r.id for r in diagnosis.findings[0].recommendations] == ["early-stopping"]


def test_effects_stand_behind_their_cause() -> None:
    def check(train_loss: Array, *, severity: Severity = Severity.NOTE) -> Finding | None:
        return finding(severity=severity)

    rules = [
        rule(check, id="effect", explained_by=("absent", "cause")),
        rule(check, id="other"),
        rule(check, id="cause"),
    ]
    worse = {
        "effect": {"severity": Severity.ERROR},
        "other": {"severity": Severity.WARNING},
        "cause": {"severity": Severity.WARNING},
    }
    found = judge(run_of(series("train_loss", [0], [1])), rules, thresholds=worse).findings
    assert [(f.rule, f.explained_by) for f in found] == [("cause", ""), ("effect", "cause"), ("other", "")]
    del worse["cause"]
    found = judge(run_of(series("train_loss", [0], [1])), rules, thresholds=worse).findings
    assert [(f.rule, f.explained_by) for f in found] == [("effect", ""), ("other", ""), ("cause", "")]  # but a note


def test_what_means_nothing_beside_a_finding_is_left_out() -> None:
    def check(train_loss: Array, *, severity: Severity = Severity.WARNING) -> Finding | None:
        return finding(severity=severity)

    rules = [rule(check, id="nothing-learned", silences=("swings",)), rule(check, id="swings"), rule(check, id="other")]
    run = run_of(series("train_loss", [0], [1]))
    assert {f.rule for f in judge(run, rules).findings} == {"nothing-learned", "other"}
    mild = {"nothing-learned": {"severity": Severity.NOTE}}
    assert {f.rule for f in judge(run, rules, thresholds=mild).findings} == {"nothing-learned", "swings", "other"}


def test_an_annotation_outside_the_contract_is_refused() -> None:
    def check(train_loss: list[float]) -> Finding | None: ...

    with pytest.raises(TypeError, match="train_loss"):
        needs(rule(check))


def test_fixes_speak_in_the_runs_own_numbers() -> None:
    diagnosis = judge(synthetic.diverging())
    titles = {r.id: r.title for f in diagnosis.findings if f.rule == "divergence" for r in f.recommendations}
    assert "learning_rate 0.5 -> 0.05" in titles["lower-learning-rate"]
    stop = judge(synthetic.overfit()).findings[0].recommendations[0]
    assert stop.title.startswith("stop at epoch ")


def test_a_rate_that_is_lowered_ends_below_the_usual_one() -> None:
    """A tenth of twenty times the usual rate is still twice the usual one, and no help."""
    known = (("sgd", 2.0, 0.01), ("sgd", 0.8, 0.08), ("adam", 0.02, 0.0001), ("adam", 0.01, 0.001), ("none", 2.0, 0.2))
    for optimizer, old, new in known:
        run = replace(synthetic.diverging(), config={"optimizer": optimizer, "learning_rate": old})
        titles = {r.id: r.title for f in judge(run).findings if f.rule == "divergence" for r in f.recommendations}
        assert titles["lower-learning-rate"].endswith(f"learning_rate {old:g} -> {new:g}")


def test_thresholds_are_the_keyword_only_parameters() -> None:
    overfitting = next(r for r in load_rules() if r.id == "overfitting")
    assert thresholds_of(overfitting)["gl_warning"] == 5.0


def test_catalogue_ids_are_unique_and_sourced() -> None:
    fixes = load_fixes()
    assert all(fix.source and fix.why and fix.title for fix in fixes.values())


cadence = st.lists(st.integers(0, 200), min_size=2, max_size=40, unique=True).map(sorted)


@given(cadence, cadence)
def test_alignment_never_leaves_the_range_of_a_curve(a: list[int], b: list[int]) -> None:
    rng = np.random.default_rng(0)
    one = Series("a", np.array(a, dtype=np.float64), rng.random(len(a)))
    two = Series("b", np.array(b, dtype=np.float64), rng.random(len(b)))
    steps, (x, y) = align([one, two])
    assert steps.shape == x.shape == y.shape
    assert steps.size <= min(len(a), len(b))
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    for curve, aligned in ((one, x), (two, y)):
        assert (aligned >= curve.values.min() - 1e-12).all()
        assert (aligned <= curve.values.max() + 1e-12).all()


def test_a_rule_may_ask_for_the_config_and_for_a_baseline() -> None:
    seen: list[Any] = []

    def check(config: Mapping[str, Any], baseline: Sequence[Run]) -> Finding | None:
        seen.extend((config, baseline))
        return None

    earlier = [run_of(config={"a": 1})]
    assert judge(run_of(config={"a": 2}), [rule(check, min_points=0)], baseline=earlier).judged == ("test-rule",)
    assert seen == [{"a": 2}, earlier]
    without = judge(run_of(config={}), [rule(check, min_points=0)])
    assert without.not_judged[0].reason == "no --baseline was given"


def test_a_rule_across_runs_sees_each_group_once() -> None:
    seen: list[list[str]] = []

    def check(runs: Sequence[Run], *, most: int = 9) -> Finding | None:
        seen.append([run.name for run in runs])
        return finding() if len(runs) <= most else None

    across = rule(check, min_points=0)
    alike = synthetic.seeds(runs=4)
    others = [replace(run, format="other", name=f"other {run.name}") for run in alike[:3]]
    found, missing = judge_together([*others, *alike], [across])
    assert seen == [[run.name for run in alike], [run.name for run in others]]
    assert [f.runs for f in found] == [tuple(names) for names in seen]
    assert missing == ()
    assert judge_together(alike, [across], thresholds={"test-rule": {"most": 1}})[0] == ()
    assert judge(alike[0], [across]).not_judged[0].reason == "it compares several runs"


def test_a_failing_rule_across_runs_does_not_lose_the_others() -> None:
    def broken(runs: Sequence[Run]) -> Finding | None:
        raise ZeroDivisionError("oops")

    def fine(runs: Sequence[Run]) -> Finding | None:
        return finding()

    found, missing = judge_together(synthetic.seeds(runs=3), [rule(broken, id="broken"), rule(fine, id="fine")])
    assert [f.rule for f in found] == ["fine"]
    assert "ZeroDivisionError: oops" in missing[0].reason
