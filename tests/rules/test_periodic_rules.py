"""What is particular to the rules about epochs and periods: their length and place, and what only looks like them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from diagnose import synthetic
from diagnose.curves import Run, Series
from diagnose.judging.engine import judge
from diagnose.rule import Finding, Rule
from rules import periodic_loss, staircase_loss

STAIRS = staircase_loss.RULE
PERIOD = periodic_loss.RULE


def finding(rule: Rule, run: Run) -> Finding | None:
    return next(iter(judge(run, [rule]).findings), None)


def of(loss: np.ndarray, axis: str = "step", **more: np.ndarray) -> Run:
    steps = np.arange(loss.size, dtype=np.float64)
    series = {k: Series(k, steps, v) for k, v in {"train_loss": loss, **more}.items()}
    return Run("run", series, {k: k for k in series}, axis=axis)


def times(run: Run, factor: float) -> Run:
    loss = run.series["train_loss"]
    return replace(run, series={**run.series, "train_loss": Series("train_loss", loss.steps, factor * loss.values)})


@pytest.mark.parametrize("factor", [1e-9, 1e6])
@pytest.mark.parametrize(
    ("rule", "build"), [(STAIRS, synthetic.staircase), (PERIOD, synthetic.unshuffled)], ids=["stairs", "period"]
)
def test_the_unit_of_the_loss_does_not_matter(rule: Rule, build: Callable[[], Run], factor: float) -> None:
    plain, other = finding(rule, build()), finding(rule, times(build(), factor))
    assert plain is not None
    assert other is not None
    assert other.marks == plain.marks
    assert other.confidence == pytest.approx(plain.confidence)


# --- staircase-loss ---------------------------------------------------------------------------------------------------


def test_the_turns_are_marked() -> None:
    found = finding(STAIRS, synthetic.staircase(epochs=5, per_epoch=80))
    assert found is not None
    assert found.marks == (80.0, 160.0, 240.0, 320.0)


@pytest.mark.parametrize("per_epoch", [60, 77, 130])
def test_the_turns_are_found_without_logged_epochs(per_epoch: int) -> None:
    run = synthetic.staircase(epochs=7, per_epoch=per_epoch, logged=False)
    found = finding(STAIRS, run)
    assert found is not None
    assert np.allclose(found.marks, per_epoch * np.arange(1, 7), atol=0.15 * per_epoch)


def test_fractions_of_an_epoch_are_turned_at_whole_numbers() -> None:
    run = synthetic.staircase(epochs=4, per_epoch=50)
    progress = (np.arange(200) + 1.0) / 50.0  # a point logged at 1.0 is a mean over the end of the first epoch
    found = finding(STAIRS, of(run.series["train_loss"].values, epoch=progress))
    assert found is not None
    assert found.marks == (50.0, 100.0, 150.0)


def test_epochs_as_the_axis_may_be_fractions() -> None:
    loss = synthetic.staircase(epochs=4, per_epoch=50).series["train_loss"].values
    run = Run(
        "run", {"loss": Series("loss", (np.arange(200) + 1.0) / 50.0, loss)}, {"train_loss": "loss"}, axis="epoch"
    )
    assert finding(STAIRS, run) is not None


def test_a_learning_rate_cut_at_every_turn_explains_the_drops() -> None:
    run = synthetic.staircase()
    rate = 0.5 ** run.series["epoch"].values
    assert finding(STAIRS, of(run.series["train_loss"].values, epoch=run.series["epoch"].values)) is not None
    assert (
        finding(STAIRS, of(run.series["train_loss"].values, epoch=run.series["epoch"].values, learning_rate=rate))
        is None
    )


def test_a_running_mean_is_named_instead_of_stairs() -> None:
    diagnosis = judge(synthetic.running_mean(), [STAIRS])
    assert not diagnosis.findings
    assert "running mean" in diagnosis.not_judged[0].reason


def test_an_interrupted_last_epoch_does_not_matter() -> None:
    run = synthetic.staircase(epochs=6, per_epoch=100)
    cut = {k: Series(k, s.steps[:530], s.values[:530]) for k, s in run.series.items()}
    assert finding(STAIRS, replace(run, series=cut)) is not None


@pytest.mark.parametrize("rule", [STAIRS, PERIOD], ids=["stairs", "period"])
def test_one_point_per_epoch_is_not_judged(rule: Rule) -> None:
    diagnosis = judge(synthetic.healthy(), [rule])
    assert [n.rule for n in diagnosis.not_judged] == [rule.id]


# --- periodic-loss ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_epoch", [12, 40, 111])
def test_the_period_is_measured_and_named_an_epoch(per_epoch: int) -> None:
    found = finding(PERIOD, synthetic.unshuffled(per_epoch=per_epoch, epochs=8))
    assert found is not None
    assert f"every {per_epoch} steps" in found.summary
    assert "one epoch" in found.summary


def test_the_period_is_told_in_steps_of_the_axis() -> None:
    run = synthetic.unshuffled(logged=False)
    loss = run.series["train_loss"]
    found = finding(PERIOD, replace(run, series={"train_loss": Series("train_loss", 50.0 * loss.steps, loss.values)}))
    assert found is not None
    assert "every 2000 steps (40 points)" in found.summary


def test_a_peak_at_every_turn_is_a_period() -> None:
    rng = np.random.default_rng(0)
    loss = 1.0 + 3.0 * np.exp(-np.arange(600) / 100.0) + 0.02 * rng.standard_normal(600)
    loss[::30] *= 1.3
    found = finding(PERIOD, of(loss))
    assert found is not None
    assert "every 30 steps" in found.summary


def test_a_long_smooth_wave_is_a_period() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(6000)
    loss = (1.0 + 2.0 * np.exp(-time / 800.0)) * (1.0 + 0.2 * np.sin(2.0 * np.pi * time / 300.0))
    found = finding(PERIOD, of(loss * (1.0 + 0.05 * rng.standard_normal(6000))))
    assert found is not None
    assert found.marks[1] - found.marks[0] == pytest.approx(300.0, rel=0.05)


def test_a_running_mean_that_restarts_is_told_from_unshuffled_data() -> None:
    rng = np.random.default_rng(0)
    loss = (0.5 + 0.05 * rng.standard_normal(40 * 28)).reshape(40, 28)
    loss[:, :3] += 0.2  # the first batches after an evaluation are always worse
    means = np.cumsum(loss, axis=1) / np.arange(1, 29)
    found = finding(PERIOD, of(means.ravel()))
    assert found is not None
    assert (found.cause, found.fixes[0]) == ("running-mean", "log-plain-loss")


def test_a_cyclic_learning_rate_explains_the_period() -> None:
    rng = np.random.default_rng(0)
    rate = 1e-3 * (1.0 + np.abs((np.arange(800) % 40) - 20.0) / 20.0)
    loss = (1.0 + 200.0 * rate) * (1.0 + 0.01 * rng.standard_normal(800))
    assert finding(PERIOD, of(loss)) is not None
    assert finding(PERIOD, of(loss, learning_rate=rate)) is None


@pytest.mark.parametrize("seed", range(20))
def test_coloured_noise_is_no_period(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(500)
    for index in range(1, 500):
        noise[index] += 0.9 * noise[index - 1]
    assert finding(PERIOD, of(np.exp(0.05 * noise))) is None


@pytest.mark.parametrize("distance", [20, 50, 90])
def test_three_evenly_spaced_spikes_are_no_period(distance: int) -> None:
    rng = np.random.default_rng(0)
    loss = 1.0 + 0.02 * rng.standard_normal(400)
    loss[[150, 150 + distance, 150 + 2 * distance]] *= 3.0
    assert finding(PERIOD, of(loss)) is None
