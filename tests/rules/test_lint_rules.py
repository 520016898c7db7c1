"""What is particular to the rules that check a log's numbers against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import diagnose
from diagnose.report import Report
from diagnose.rule import Finding

EPOCHS = 40
TIME = np.linspace(0.0, 1.0, EPOCHS)
RNG = np.random.default_rng(0)
LOSS = (2.0 * np.exp(-3.0 * TIME) + 0.2) * (1.0 + 0.01 * RNG.standard_normal(EPOCHS))


def report(**columns: Any) -> Report:
    """What is said of a run with these columns, a row per epoch."""
    rows = [
        {"epoch": i, **{name: float(v) for name, v in zip(columns, row, strict=True)}}
        for i, row in enumerate(zip(*columns.values(), strict=True))
    ]
    return diagnose.diagnose(rows)


def found(rule: str, **columns: Any) -> Finding | None:
    """The finding of a rule in such a run."""
    return next((finding for finding in report(**columns).findings if finding.rule == rule), None)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([np.inf] * 5, "is infinite from epoch 35"),
        ([np.nan] * 5, "is NaN from epoch 35"),
        ([np.inf, np.nan, np.nan, np.nan, np.nan], "is infinite, and then NaN, from epoch 35"),
        ([1.0, np.nan, 1.0, np.inf, np.inf], "is infinite from epoch 38"),
    ],
)
def test_infinity_is_not_called_nan(bad: list[float], said: str) -> None:
    finding = found("non-finite", train_loss=np.append(LOSS[:-5], bad), val_loss=LOSS + 0.1)
    assert finding is not None
    assert said in finding.summary


def test_the_harmless_causes_come_before_the_leak() -> None:
    finding = found("validation-better-than-training", train_loss=LOSS, val_loss=0.6 * LOSS)
    assert finding is not None
    assert finding.meaning.index("dropout") < finding.meaning.index("shares examples")
    assert finding.recommendations[0].id == "evaluate-training-set"


# --- perplexity


@pytest.mark.parametrize("columns", [("train_loss", "train_ppl"), ("val_loss", "val_perplexity")])
@pytest.mark.parametrize(("base", "off", "fires"), [(np.e, 0.0, False), (2.0, 0.0, False), (np.e, 0.4, True)])
def test_a_perplexity_is_the_exponential_of_its_loss(
    columns: tuple[str, str], base: float, off: float, fires: bool
) -> None:
    loss = 3.0 + LOSS
    finding = found("perplexity-mismatch", loss=2.0 * LOSS, **{columns[0]: loss, columns[1]: base ** (loss + off)})
    assert (finding is not None) == fires
    assert finding is None or finding.series == (columns[1], columns[0])


def test_a_perplexity_may_be_of_another_loss_of_its_split() -> None:
    assert found("perplexity-mismatch", loss=4.0 + LOSS, nll_loss=3.0 + LOSS, ppl=2.0 ** (3.0 + LOSS)) is None


def test_a_perplexity_at_its_cap_is_not_judged() -> None:
    loss = 30.0 * np.exp(-4.0 * TIME) + 2.0
    assert found("perplexity-mismatch", loss=loss, perplexity=np.exp(np.minimum(loss, 10.0))) is None


# --- terms of the loss


def test_a_term_of_zero_is_named() -> None:
    finding = found("idle-loss-term", loss=LOSS, ce_loss=LOSS, aux_head_loss=np.zeros(EPOCHS))
    assert finding is not None
    assert finding.series == ("aux_head_loss",)


def test_a_penalty_may_be_small() -> None:
    assert found("idle-loss-term", loss=1.001 * LOSS, ce_loss=LOSS, reg_loss=0.001 * LOSS) is None


def test_shares_of_terms_that_do_not_add_up_are_unknown() -> None:
    center = 1e-4 + 1e-5 * RNG.standard_normal(EPOCHS)
    assert found("idle-loss-term", loss=LOSS, ce_loss=LOSS, center_loss=center) is not None
    assert found("idle-loss-term", loss=1.5 * LOSS, ce_loss=LOSS, center_loss=center) is None


# --- learning rate


def test_a_rate_of_nothing_is_zero() -> None:
    finding = found(
        "learning-rate-zero", train_loss=2.3 + 0.01 * RNG.standard_normal(EPOCHS), lr=np.full(EPOCHS, 4e-53)
    )
    assert finding is not None
    assert "is 4e-53" in finding.summary


def test_a_rate_that_returns_to_its_peak_is_a_restart() -> None:
    rate = np.where(np.arange(EPOCHS) % 20 < 10, 1e-2, 1e-4)
    loss = LOSS * np.where(np.arange(EPOCHS) >= 20, 1.5, 1.0)
    assert found("learning-rate-jump", train_loss=loss, lr=rate) is None


# --- clock


@pytest.mark.parametrize("name", ["elapsed_time", "_runtime", "wall_time"])
def test_a_gap_in_the_time_so_far_is_a_stall(name: str) -> None:
    taken = np.full(EPOCHS, 60.0) + 3000.0 * (np.arange(EPOCHS) == 20)
    finding = found("stalled-process", train_loss=LOSS, **{name: np.cumsum(taken)})
    assert finding is not None
    assert finding.steps == (19.0, 20.0)


def test_a_first_epoch_that_compiles_is_no_stall() -> None:
    taken = np.full(EPOCHS, 60.0) + 3000.0 * (np.arange(EPOCHS) == 0)
    assert found("stalled-process", train_loss=LOSS, epoch_time=taken) is None


# --- accuracy


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_an_accuracy_above_all_is_impossible(scale: float) -> None:
    accuracy = scale * (1.2 - 0.3 * LOSS)
    assert found("impossible-accuracy", train_loss=LOSS, val_acc=accuracy) is not None
    assert found("impossible-accuracy", train_loss=LOSS, val_acc=0.8 * accuracy) is None


def test_a_percentage_near_one_is_not_impossible() -> None:
    assert found("impossible-accuracy", train_loss=6.9 - 0.1 * TIME, val_top1=0.1 + 1.2 * TIME) is None


# --- masked labels and means


def test_a_loss_of_zero_without_a_gradient_is_masked() -> None:
    finding = found("zero-loss", loss=np.zeros(EPOCHS), grad_norm=np.zeros(EPOCHS))
    assert finding is not None
    assert finding.severity.value == "error"
    assert finding.recommendations[0].id == "unmask-labels"


def test_a_loss_of_zero_with_a_gradient_is_rounded() -> None:
    loss = np.where(np.arange(EPOCHS) % 4 == 1, 0.0, LOSS)
    assert found("zero-loss", loss=loss, grad_norm=np.ones(EPOCHS)) is None


@pytest.mark.parametrize(("level", "fires"), [(0.0, True), (-0.4, True), (0.3, False)])
def test_a_regression_that_says_the_mean(level: float, fires: bool) -> None:
    r2 = level - 0.2 * np.exp(-20.0 * TIME) + 0.005 * RNG.standard_normal(EPOCHS)
    finding = found("mean-prediction", train_loss=LOSS, val_r2=r2)
    assert (finding is not None) == fires


# --- resumes


def test_a_log_that_goes_back_was_trained_twice() -> None:
    steps = [*range(0, 300, 10), *range(200, 600, 10)]
    loss = 2.0 * np.exp(-np.array(steps) / 150.0) + 0.3 + 0.005 * RNG.standard_normal(len(steps))
    rows = [{"step": step, "loss": float(value)} for step, value in zip(steps, loss, strict=True)]
    [finding] = [f for f in diagnose.diagnose(rows).findings if f.rule == "overlapping-resume"]
    assert finding.steps == (200.0, 290.0)
    assert "once" in finding.summary


# --- what is measured no further


def test_a_fall_beyond_measure_is_more_than_that() -> None:
    reward = np.append(np.linspace(1.0, 2.0, 20), np.full(20, -200.0)) + 0.01 * RNG.standard_normal(EPOCHS)
    said = report(reward=reward, policy_loss=RNG.standard_normal(EPOCHS)).text(verbose=True)
    assert "lost again more than 1000 %" in " ".join(said.split())


# --- speed


@pytest.mark.parametrize("name", ["step_time", "sec_per_step", "epoch_time"])
def test_steps_that_take_longer_for_good_are_a_drop(name: str) -> None:
    taken = np.where(np.arange(EPOCHS) < 20, 1.0, 1.6) * (1.0 + 0.02 * RNG.standard_normal(EPOCHS))
    finding = found("throughput-drop", train_loss=LOSS, **{name: taken})
    assert finding is not None
    assert finding.series == (name,)
    assert found("throughput-drop", train_loss=LOSS, **{name: np.sort(taken)[::-1]}) is None


def test_a_utilization_that_falls_is_a_drop() -> None:
    mfu = np.where(np.arange(EPOCHS) < 20, 40.0, 22.0) + 0.3 * RNG.standard_normal(EPOCHS)
    mfu[:3] = -100.0
    assert found("throughput-drop", train_loss=LOSS, mfu=mfu) is not None


def test_episodes_that_grow_longer_are_no_drop() -> None:
    episodes = np.cumsum(np.linspace(60.0, 20.0, EPOCHS).round())
    reward = 200.0 - 150.0 * np.exp(-3.0 * TIME) + RNG.standard_normal(EPOCHS)
    rows = [
        {"step": float(step), "reward": float(value), "total_time": 10.0 * i}
        for i, (step, value) in enumerate(zip(episodes, reward, strict=True))
    ]
    assert "throughput-drop" not in {finding.rule for finding in diagnose.diagnose(rows).findings}


def test_a_margin_that_is_kept_is_no_masked_nan() -> None:
    loss = np.maximum(0.3 * np.exp(-5.0 * TIME) - 0.02, 0.0)
    rules = {finding.rule for finding in report(triplet_loss=loss, val_loss=LOSS).findings}
    assert not rules & {"non-finite", "zero-loss"}
