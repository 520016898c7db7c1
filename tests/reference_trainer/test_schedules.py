"""Each schedule draws its curve over the steps of a training, and the training follows it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from reference_trainer.adversarial import Adversaries
from reference_trainer.data import TASKS
from reference_trainer.optimizers import OPTIMIZERS
from reference_trainer.recipe import CHOICES, Recipe
from reference_trainer.schedules import SCHEDULES, Span
from reference_trainer.train import fit, train

STEPPED = [name for name in SCHEDULES if name != "plateau"]
"""Schedules that move with every step."""

RATE = 0.2
PER_EPOCH = 10
TENTH = 0.1


def scheduled(
    name: str, *, optimizer: str = "sgd", per_epoch: int = PER_EPOCH, **chosen: Any
) -> tuple[torch.optim.Optimizer, LRScheduler | ReduceLROnPlateau, int]:
    """An optimizer of one weight, its schedule, and the number of steps of the training."""
    recipe = Recipe(model="mlp", optimizer=optimizer, scheduler=name, learning_rate=RATE, **chosen)
    moved = OPTIMIZERS[optimizer]([{"params": [torch.nn.Parameter(torch.zeros(1))]}], recipe)
    steps = recipe.epochs * per_epoch
    return moved, SCHEDULES[name](moved, recipe, Span(steps, per_epoch)), steps


def curve(name: str, **chosen: Any) -> list[float]:
    """The learning rate of every step, and at last the one after the training."""
    optimizer, schedule, steps = scheduled(name, **chosen)
    rates = []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        assert isinstance(schedule, LRScheduler)
        schedule.step()
    return [*rates, float(optimizer.param_groups[0]["lr"])]


def test_the_parts_are_those_of_the_recipe() -> None:
    assert tuple(SCHEDULES) == CHOICES["scheduler"]


# --- every schedule ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STEPPED)
def test_the_training_follows_the_schedule(name: str) -> None:
    chosen = {"model": "linear", "optimizer": "sgd", "learning_rate": RATE, "examples": 100, "val_examples": 5}
    rates = [row["learning_rate"] for row in train(Recipe(**chosen, scheduler=name, epochs=6, log_every=1)).rows]
    assert rates == pytest.approx(curve(name, epochs=6, per_epoch=3)[:-1], rel=1e-6, abs=1e-12)


@given(
    st.sampled_from(STEPPED),
    st.integers(1, 12),
    st.integers(1, 6),
    st.floats(0.0, 0.99),
    st.none() | st.integers(1, 20),
    st.sampled_from(("sgd", "momentum", "adam")),
)
def test_the_rate_stays_between_zero_and_the_recipes(
    name: str, epochs: int, per_epoch: int, warmup: float, decay_every: int | None, optimizer: str
) -> None:
    rates = curve(name, epochs=epochs, per_epoch=per_epoch, warmup=warmup, decay_every=decay_every, optimizer=optimizer)
    assert all(math.isfinite(rate) for rate in rates)
    assert min(rates) >= -1e-12
    assert max(rates) <= RATE * (1.0 + 1e-6)


@pytest.mark.parametrize("name", [name for name in STEPPED if name not in ("warmup", "warmup-cosine", "one-cycle")])
def test_it_begins_at_the_recipes_rate(name: str) -> None:
    assert curve(name)[0] == RATE


# --- curves -----------------------------------------------------------------------------------------------------------


def test_constant() -> None:
    assert curve("constant") == [RATE] * 301


def test_step_cuts_to_a_tenth_at_the_thirds() -> None:
    rates = curve("step", epochs=30)
    assert rates[:300] == pytest.approx([RATE] * 100 + [RATE * TENTH] * 100 + [RATE * TENTH**2] * 100)


def test_step_cuts_as_often_as_it_is_told() -> None:
    rates = curve("step", epochs=8, decay_every=2)
    assert rates[:80:10] == pytest.approx([RATE * TENTH ** (epoch // 2) for epoch in range(8)])


def test_cosine_is_half_a_cosine_down_to_zero() -> None:
    expected = [RATE * 0.5 * (1.0 + math.cos(math.pi * step / 300)) for step in range(301)]
    assert curve("cosine") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_warmup_rises_in_a_straight_line_over_its_share_and_stays(share: float) -> None:
    rates, rise = curve("warmup", warmup=share), round(share * 300)
    assert rates[: rise + 1] == pytest.approx([RATE * (0.01 + 0.99 * step / rise) for step in range(rise + 1)])
    assert rates[rise:] == pytest.approx([RATE] * (301 - rise))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_warmup_cosine_does_both(share: float) -> None:
    rates, rise = curve("warmup-cosine", warmup=share), round(share * 300)
    assert rates[:rise] == pytest.approx(curve("warmup", warmup=share)[:rise])
    fall = 300 - rise
    expected = [RATE * 0.5 * (1.0 + math.cos(math.pi * step / fall)) for step in range(fall + 1)]
    assert rates[rise:] == pytest.approx(expected, abs=1e-9)


def test_one_cycle_rises_then_falls_below_its_start() -> None:
    rates = curve("one-cycle")
    peak = rates.index(max(rates))
    assert rates[peak] == pytest.approx(RATE, rel=1e-3)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0.2 * 300 < peak < 0.5 * 300
    assert rates[0] < 0.1 * RATE
    assert 0.0 < rates[300] < rates[299] < 0.1 * rates[0]


@pytest.mark.parametrize("every", [None, 5, 15])
def test_warm_restarts_return_to_the_highest_rate(every: int | None) -> None:
    rates, stretch = curve("warm-restarts", decay_every=every), 10 * (every or 10)
    for start in range(0, 300, stretch):
        assert rates[start] == pytest.approx(RATE)
        assert rates[start : start + stretch] == sorted(rates[start : start + stretch], reverse=True)
        assert rates[start + stretch - 1] < 0.01 * RATE


# --- plateau ----------------------------------------------------------------------------------------------------------


def plateau(losses: list[float]) -> list[float]:
    """The learning rate after each epoch, of which these were the validation losses."""
    optimizer, schedule, _ = scheduled("plateau")
    rates = []
    for loss in losses:
        schedule.step(loss)  # type: ignore[arg-type]  # ReduceLROnPlateau alone takes a loss
        rates.append(float(optimizer.param_groups[0]["lr"]))
    return rates


def test_plateau_waits_for_more_than_five_epochs_without_improvement() -> None:
    assert plateau([1.0] * 7) == pytest.approx([RATE] * 6 + [RATE * TENTH])
    assert plateau([1.0] + [2.0] * 12)[-1] == pytest.approx(RATE * TENTH**2)


def test_plateau_counts_anew_after_every_improvement() -> None:
    assert plateau([1.0 - 0.1 * (epoch // 5) for epoch in range(40)]) == [RATE] * 40
    assert plateau([1.0, *[1.1] * 5, 0.9, *[1.0] * 5]) == [RATE] * 12


def test_plateau_is_told_the_validation_loss() -> None:
    """Where everything is frozen the loss stays the same, and every sixth epoch after the first brings a cut."""
    fixed = {"model": "mlp", "normalization": "none", "frozen": "all", "examples": 64, "val_examples": 20}
    rows = train(Recipe(**fixed, scheduler="plateau", optimizer="sgd", learning_rate=RATE, epochs=14)).rows
    assert len({row["val_loss"] for row in rows}) == 1
    assert [row["learning_rate"] for row in rows] == pytest.approx([RATE] * 7 + [RATE * TENTH] * 6 + [RATE * TENTH**2])


# --- momentum ---------------------------------------------------------------------------------------------------------


def inertia(optimizer: str) -> list[float]:
    """The momentum, or Adam's first beta, at every step of one cycle."""
    moved, schedule, steps = scheduled("one-cycle", optimizer=optimizer)
    found = []
    for _ in range(steps):
        group = moved.param_groups[0]
        found.append(float(group["momentum"] if "momentum" in group else group["betas"][0]))
        moved.step()
        assert isinstance(schedule, LRScheduler)
        schedule.step()
    return found


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam", "adamw"])
def test_the_momentum_of_one_cycle_goes_the_other_way(optimizer: str) -> None:
    rates, found = curve("one-cycle", optimizer=optimizer), inertia(optimizer)
    lowest = found.index(min(found))
    assert abs(lowest - rates.index(max(rates))) <= 1
    assert found[0] > found[lowest] < found[-1]
    assert found[: lowest + 1] == sorted(found[: lowest + 1], reverse=True)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_one_cycle_gives_no_momentum_to_what_has_none(optimizer: str) -> None:
    assert set(inertia(optimizer)) == {0.0}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", STEPPED)
def test_every_optimizer_can_be_scheduled(optimizer: str, name: str) -> None:
    recipe = Recipe(model="linear", optimizer=optimizer, scheduler=name, examples=64, val_examples=5, epochs=2)
    rows = train(recipe).rows
    assert all(math.isfinite(row["train_loss"]) for row in rows)


def test_adversaries_keep_their_lack_of_momentum() -> None:
    recipe = Recipe(model="gan", scheduler="one-cycle", examples=64, val_examples=5)
    learner = Adversaries(recipe, TASKS["generation"](recipe), fit)
    assert [group["betas"][0] for player in learner.players for group in player.optimizer.param_groups] == [0.0, 0.0]
