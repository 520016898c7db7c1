"""The rival causes of a finding: what in a log tells them apart, and what is advised then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from diagnose import synthetic
from diagnose.curves import Run, Series
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_fixes, load_rules
from diagnose.reports.phrases import cause_in_words, cause_label, causes_told, when
from diagnose.rule import Cause, Finding, Severity
from rules.causes import SUSPECTS

EPOCHS = 30
RANDOM = np.random.default_rng(0)


def run_of(curves: Mapping[str, Any], config: Mapping[str, Any] | None = None, axis: str = "epoch") -> Run:
    """A run of these columns, which are called as their roles."""
    series = {}
    for name, values in curves.items():
        numbers = np.asarray(values, dtype=np.float64)
        series[name] = Series(name, np.arange(1.0, numbers.size + 1), numbers)
    return Run("r", series, {name: name for name in series}, config or {}, axis=axis)


def found(rule: str, run: Run) -> Finding:
    return next(finding for finding in judge(run, trials=()).findings if finding.rule == rule)


def first(finding: Finding) -> str:
    return finding.recommendations[0].id


FALLING = 2.3 * np.exp(-np.arange(EPOCHS) / 6.0) + 0.2
NOISY = np.log(10.0) + 0.02 * RANDOM.standard_normal(EPOCHS)
STILL = np.full(EPOCHS, 2.4418)
LOST = np.where(np.arange(EPOCHS) < 20, FALLING, np.nan)


# --- what is not finite -----------------------------------------------------------------------------------------------


def test_nan_out_of_a_calm_loss_points_at_the_batch_and_not_at_the_precision() -> None:
    finding = found("non-finite", run_of({"train_loss": LOST}))
    assert (finding.cause, first(finding)) == ("bad-input", "check-inputs")
    assert "stable-precision" not in {advice.id for advice in finding.recommendations}


@pytest.mark.parametrize("precision", ["32", "float32", "bf16-mixed"])
def test_no_half_precision_is_advised_where_there_is_none(precision: str) -> None:
    finding = found("non-finite", run_of({"train_loss": LOST}, {"precision": precision}))
    assert "stable-precision" not in {advice.id for advice in finding.recommendations}
    assert f"precision {precision}" in next(c for c in finding.causes if c.id == "half-precision").against


def test_half_precision_is_advised_where_the_config_or_a_loss_scaler_says_so() -> None:
    said = found("non-finite", run_of({"train_loss": LOST}, {"precision": "fp16"}))
    assert first(said) == "stable-precision"
    scaled = found("non-finite", run_of({"train_loss": LOST, "grad_scale": np.full(EPOCHS, 65536.0)}))
    assert "stable-precision" in {advice.id for advice in scaled.recommendations}


def test_nan_after_a_climb_points_at_the_rate() -> None:
    climbing = np.where(np.arange(EPOCHS) < 15, 0.5, 0.5 * 1.4 ** (np.arange(EPOCHS) - 14.0))
    climbing[25:] = np.nan
    finding = found("non-finite", run_of({"train_loss": climbing}, {"optimizer": "SGD", "learning_rate": 2.0}))
    assert (finding.cause, first(finding)) == ("rate-too-high", "lower-learning-rate")


def test_nan_at_once_is_the_rate_and_nan_that_nothing_tells_is_to_be_located() -> None:
    finding = found("non-finite", run_of({"train_loss": [2.3, np.nan, np.nan, np.nan], "val_loss": [2.2] * 4}))
    assert (finding.cause, first(finding)) == ("rate-too-high", "lower-learning-rate")  # it breaks at once
    late = np.where(np.arange(EPOCHS) < 20, FALLING + np.where(np.arange(EPOCHS) == 19, 0.05, 0.0), np.nan)
    unclear = found("non-finite", run_of({"train_loss": late}, {"optimizer": "SGD", "learning_rate": 2.0}))
    assert (unclear.cause, first(unclear)) == ("", "locate-non-finite")
    assert (unclear.recommendations[0].test, when(unclear.recommendations[0])) == (True, "test first")


# --- nothing is learned -----------------------------------------------------------------------------------------------


def test_a_loss_that_is_the_same_to_the_last_digit_is_that_of_weights_that_do_not_move() -> None:
    finding = found("non-convergence", run_of({"train_loss": STILL, "val_loss": STILL + 0.01}))
    assert (finding.cause, first(finding)) == ("not-moving", "check-frozen-weights")
    assert "lower-learning-rate" not in {advice.id for advice in finding.recommendations}


def test_a_loss_above_that_of_random_answers_after_a_wild_start_is_a_rate_too_high() -> None:
    loss = np.concatenate([[174246.0, 6.8], 2.35 + 0.01 * RANDOM.standard_normal(EPOCHS)])
    accuracy = np.full(loss.size, 0.1) + 0.004 * RANDOM.standard_normal(loss.size)
    finding = found("non-convergence", run_of({"train_loss": loss, "train_accuracy": accuracy}, {"num_classes": 10}))
    assert finding.cause == "rate-too-high"
    assert first(finding) in ("typical-learning-rate", "lower-learning-rate")


def test_a_rate_far_below_the_usual_one_is_raised_and_no_label_blamed() -> None:
    loss = np.log(10.0) - 1e-4 * np.arange(EPOCHS)
    accuracy = 0.1 + 0.003 * RANDOM.standard_normal(EPOCHS)
    config = {"optimizer": "SGD", "learning_rate": 1e-5, "num_classes": 10}
    finding = found("non-convergence", run_of({"train_loss": loss, "val_accuracy": accuracy}, config))
    assert (finding.cause, first(finding)) == ("rate-too-low", "raise-learning-rate")


def test_without_a_sign_the_first_advice_is_a_test() -> None:
    finding = found("non-convergence", run_of({"train_loss": NOISY}))
    assert (finding.cause, first(finding)) == ("", "overfit-one-batch")
    assert finding.recommendations[0].test
    assert when(finding.recommendations[0]) == "test first"


def test_a_schedule_that_is_over_at_once_is_named() -> None:
    rate = np.where(np.arange(EPOCHS) < 4, 1e-3, 1e-9)
    finding = found("non-convergence", run_of({"train_loss": NOISY, "learning_rate": rate}))
    assert (finding.cause, first(finding)) == ("schedule-ends-early", "fit-schedule")


def test_trees_are_advised_nothing_that_networks_have() -> None:
    finding = found("non-convergence", run_of({"train_loss": STILL, "val_loss": STILL}, {"num_leaves": 31}))
    networks = {"check-frozen-weights", "overfit-one-batch", "initialize-weights", "dropout", "warmup"}
    assert not networks & {advice.id for advice in finding.recommendations}
    assert first(finding) == "raise-learning-rate"


def test_trees_whose_losses_stand_still_far_apart_have_gone_too_far() -> None:
    curves = {"train_loss": np.full(EPOCHS, 1.054), "val_loss": np.full(EPOCHS, 2.41)}
    finding = found("non-convergence", run_of(curves, {"num_leaves": 31}))
    assert (finding.cause, first(finding)) == ("rate-too-high", "lower-learning-rate")


def test_what_undoes_a_cause_that_is_not_refuted_stays() -> None:
    loss = 2.3 - 0.02 * np.arange(EPOCHS)
    run = run_of({"train_loss": loss, "val_loss": loss + 0.1}, {"optimizer": "Adam", "learning_rate": 1e-3})
    finding = found("slow-convergence", run)
    assert next(cause for cause in finding.causes if cause.id == "rate-too-low").against
    assert [advice.id for advice in finding.recommendations] == ["train-longer"]


# --- other findings ---------------------------------------------------------------------------------------------------


def test_one_spike_is_a_batch_and_many_are_the_rate() -> None:
    rng = np.random.default_rng(1)
    loss = 2.0 * np.exp(-np.arange(400) / 150.0) + 0.3 + 0.01 * rng.standard_normal(400)
    one, many = loss.copy(), loss.copy()
    one[200] *= 6.0
    many[60:380:40] *= 6.0
    assert first(found("loss-spike", run_of({"train_loss": one}, axis="step"))) == "inspect-batch"
    assert found("loss-spike", run_of({"train_loss": many}, axis="step")).cause == "rate-too-high"


def test_a_rate_that_has_come_down_is_not_blamed_for_a_divergence() -> None:
    run = synthetic.diverging()
    steps = next(iter(run.series.values())).steps
    rate = Series("lr", steps, np.linspace(1e-3, 1e-5, steps.size))
    fallen = replace(run, series={**run.series, "lr": rate}, roles={**run.roles, "learning_rate": "lr"}, config={})
    cause = next(c for c in found("divergence", fallen).causes if c.id == "rate-too-high")
    assert any("come down" in sign for sign in cause.against)


@pytest.mark.parametrize(("level", "cause"), [(0.2, "class-imbalance"), (0.01, "metric")])
def test_the_loss_of_one_answer_tells_imbalance_from_a_broken_metric(level: float, cause: str) -> None:
    loss = level + 0.6 * np.exp(-np.arange(EPOCHS) / 4.0)
    accuracy = np.full(EPOCHS, 0.95)  # to answer always with a class of this share costs 0.199
    run = run_of({"train_loss": loss, "val_loss": loss, "train_accuracy": accuracy, "val_accuracy": accuracy})
    finding = next(f for f in judge(run, trials=()).findings if f.rule in ("loss-accuracy-conflict", "frozen-metric"))
    assert finding.cause == cause


def test_an_overfitting_whose_decisions_never_change_is_one_of_unequal_classes() -> None:
    steps = np.arange(EPOCHS)
    val = np.where(steps < 5, 0.24 - 0.002 * steps, 0.23 + 0.004 * (steps - 5))
    losses = {"train-logloss": 0.17 * 0.98**steps, "eval-logloss": val}
    run = run_of({**losses, "train-error": np.full(EPOCHS, 0.041), "eval-error": np.full(EPOCHS, 0.061)})
    run = replace(run, roles={"train_loss": "train-logloss", "val_loss": "eval-logloss"})
    finding = found("overfitting", run)
    assert (finding.cause, first(finding)) == ("class-imbalance", "count-classes")


def test_what_is_harmless_comes_first_beside_a_better_validation() -> None:
    run = synthetic.easy_validation(augmentation="mixup")
    finding = found("validation-better-than-training", run)
    assert (finding.cause, first(finding)) == ("handicap", "evaluate-training-set")


# --- all of them ------------------------------------------------------------------------------------------------------


def test_suspects_belong_to_rules_and_their_fixes_to_the_catalogue() -> None:
    rules, fixes = {rule.id: rule for rule in load_rules()}, load_fixes()
    assert set(SUSPECTS) <= set(rules)
    for rule, suspects in SUSPECTS.items():
        assert rules[rule].causes == suspects.causes
        ids = [suspect.id for suspect in suspects.causes]
        assert len(set(ids)) == len(ids)
        assert {fix for suspect in suspects.causes for fix in suspect.fixes} <= set(fixes)
        assert not suspects.test or fixes[suspects.test].test


def test_signs_read_as_a_sentence() -> None:
    cause = Cause("x", "the rate is too high", ("learning rate 3",), ("it has fallen",), ("gradient norm",))
    assert cause_in_words(cause) == (
        "the rate is too high - speaks for: learning rate 3; against: it has fallen; not logged: gradient norm"
    )
    assert cause_in_words(Cause("x", "the rate is too high")) == "the rate is too high - nothing in the log tells"
    silent, other = Cause("y", "it is the data"), Cause("z", "it is the loss", (), (), ("precision",))
    finding = Finding(Severity.ERROR, 0.9, "", "", (0.0, 1.0), (), cause="x", causes=(cause, silent, other))
    assert causes_told(finding) == [cause, other]
    assert [cause_label(finding, one) for one in (cause, other)] == ["cause", "or"]
    assert cause_label(replace(finding, cause=""), other) == "may be"
