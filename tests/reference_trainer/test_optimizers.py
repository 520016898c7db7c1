"""Each optimizer keeps the property it is known for, on curves small enough to be computed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from reference_trainer.optimizers import DESCENTS, OPTIMIZERS
from reference_trainer.recipe import CHOICES, LEARNING_RATES, Recipe
from reference_trainer.train import train

SCALED = ("adagrad", "adadelta", "rmsprop", "adam", "adamw")
"""Optimizers that divide by the size of the gradient."""


def path(
    name: str,
    gradient: Callable[[Tensor], Tensor],
    start: list[float],
    steps: int,
    *,
    weight_decay: float = 0.0,
    **chosen: Any,
) -> Tensor:
    """Where the weights are before the first step and after each, shape (steps + 1, weights)."""
    weights = torch.nn.Parameter(torch.tensor(start))
    recipe = Recipe(model="mlp", optimizer=name, **chosen)
    optimizer = OPTIMIZERS[name]([{"params": [weights], "weight_decay": weight_decay}], recipe)
    places = [weights.detach().clone()]
    for _ in range(steps):
        weights.grad = gradient(weights.detach()).clone()
        optimizer.step()
        places.append(weights.detach().clone())
    return torch.stack(places)


def constant(*slopes: float) -> Callable[[Tensor], Tensor]:
    """The same gradient everywhere."""
    return lambda weights: torch.tensor(slopes)


def bowl(*curvatures: float) -> Callable[[Tensor], Tensor]:
    """The gradient of half the sum of curvature times squared weight."""
    return lambda weights: torch.tensor(curvatures) * weights


def test_the_parts_are_those_of_the_recipe() -> None:
    assert tuple(OPTIMIZERS) == CHOICES["optimizer"]
    assert tuple(DESCENTS) == CHOICES["descent"]


# --- every optimizer --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_three_steps_are_finite_and_move_the_weights(name: str) -> None:
    result = train(Recipe(model="mlp", optimizer=name, examples=96, val_examples=20, epochs=1, log_every=1))
    assert len(result.rows) == 3
    for row in result.rows:
        assert all(math.isfinite(value) for value in row.values())
        assert row["update_ratio"] > 0.0
        assert row["grad_norm"] > 0.0
    assert all(parameter.isfinite().all() for parameter in result.model.parameters())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_loss_of_a_bowl_is_lowered(name: str) -> None:
    places = path(name, bowl(1.0, 3.0), [1.0, -1.0], 300)
    loss = (places.square() * torch.tensor([0.5, 1.5])).sum(dim=1)
    assert float(loss[-1]) < 0.9 * float(loss[0])
    assert places[-1].abs().max() < 1.0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_learning_rate_is_the_recipes(name: str) -> None:
    once = path(name, constant(0.7), [0.0], 1, learning_rate=1e-3)
    twice = path(name, constant(0.7), [0.0], 1, learning_rate=2e-3)
    assert_close(2.0 * once, twice)
    assert float(path(name, constant(0.7), [5.0], 3, learning_rate=0.0)[-1]) == 5.0
    assert path(name, constant(0.7), [0.0], 1).equal(
        path(name, constant(0.7), [0.0], 1, learning_rate=LEARNING_RATES[name])
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_half_precision(name: str, precision: str) -> None:
    """PyTorch's fused kernels compute in float32 and would hide an epsilon that is 0 in float16."""
    weights = torch.nn.Parameter(torch.ones(3, dtype=getattr(torch, precision)))
    optimizer = OPTIMIZERS[name]([{"params": [weights]}], Recipe(model="mlp", optimizer=name, precision=precision))
    assert not optimizer.defaults.get("fused")


# --- along a slope ----------------------------------------------------------------------------------------------------


def test_a_step_of_sgd_is_learning_rate_times_gradient() -> None:
    places = path("sgd", constant(2.0, -4.0), [1.0, 1.0], 2, learning_rate=0.1)
    assert_close(places, torch.tensor([[1.0, 1.0], [0.8, 1.4], [0.6, 1.8]]))


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_inertia_adds_up_along_a_slope(name: str) -> None:
    places = path(name, constant(1.0), [0.0], 200, learning_rate=0.01, momentum=0.9).flatten()
    plain = path("sgd", constant(1.0), [0.0], 200, learning_rate=0.01).flatten()
    assert (places[3:] < plain[3:]).all()
    assert float(places[-1] - places[-2]) == pytest.approx(-0.01 / (1.0 - 0.9), rel=1e-3)  # ten times that of SGD
    assert_close(
        path(name, constant(1.0), [0.0], 9, momentum=0.0), path("sgd", constant(1.0), [0.0], 9, learning_rate=0.05)
    )


def test_the_second_step_of_momentum_holds_a_fraction_of_the_first() -> None:
    places = path("momentum", constant(1.0), [0.0], 2, learning_rate=1.0, momentum=0.5).flatten()
    assert places.tolist() == [0.0, -1.0, -2.5]


def test_nesterov_sees_the_slope_ahead() -> None:
    valley = {"gradient": bowl(1.0, 100.0), "start": [1.0, 1.0], "steps": 40, "learning_rate": 0.01, "momentum": 0.9}
    inert, ahead = (path(name, **valley) for name in ("momentum", "nesterov"))
    assert float(ahead[10:, 1].abs().mean()) < 0.1 * float(inert[10:, 1].abs().mean())  # across: it brakes in time
    assert_close(ahead[-1, 0], inert[-1, 0], rtol=0.0, atol=0.1)  # along: as far


# --- scaled by the size of the gradient -------------------------------------------------------------------------------


def test_steps_of_adagrad_shrink_with_the_root_of_their_number() -> None:
    places = path("adagrad", constant(3.0, -0.01), [0.0, 0.0], 100, learning_rate=0.1)
    steps = places.diff(dim=0)
    expected = 0.1 / torch.arange(1.0, 101.0).sqrt()
    assert_close(steps, torch.stack([-expected, expected], dim=1), rtol=1e-3, atol=1e-6)


def test_adagrad_takes_longer_steps_for_what_is_rarely_seen() -> None:
    turn = iter(range(100))
    places = path("adagrad", lambda weights: torch.tensor([1.0, float(next(turn) % 10 == 0)]), [0.0, 0.0], 100)
    often, rarely = places.diff(dim=0)[90].abs().tolist()
    assert rarely == pytest.approx(often * math.sqrt(91 / 10), rel=1e-3)


def test_adadelta_does_not_know_the_scale_of_the_loss() -> None:
    places = path("adadelta", bowl(100.0), [1.0], 200)
    scaled = path("adadelta", bowl(10000.0), [1.0], 200)
    assert_close(places, scaled, rtol=1e-4, atol=1e-6)
    assert float(places[-1]) < 0.9


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("name", ["rmsprop", "adam", "adamw"])
def test_steps_are_of_the_learning_rate_whatever_the_gradient(name: str, scale: float) -> None:
    last = path(name, constant(scale), [0.0], 1000, learning_rate=1e-3).diff(dim=0)[-1]
    assert float(last) == pytest.approx(-1e-3, rel=0.01)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_first_step_of_adam_is_the_sign_of_the_gradient(name: str) -> None:
    places = path(name, constant(1e-3, -5.0, 700.0), [0.0, 0.0, 0.0], 1, learning_rate=0.01)
    assert_close(places[1], torch.tensor([-0.01, 0.01, -0.01]), rtol=1e-4, atol=0.0)


def test_the_first_steps_of_rmsprop_are_too_long_for_want_of_a_correction() -> None:
    first = path("rmsprop", constant(1.0), [0.0], 1, learning_rate=0.01)[1]
    assert float(first) == pytest.approx(-0.01 / math.sqrt(1.0 - 0.99), rel=1e-3)


@pytest.mark.parametrize("name", SCALED)
def test_a_steep_valley_is_no_steeper_than_another(name: str) -> None:
    """Each weight has its own scale: the curvatures differ a hundredfold, the paths do not."""
    places = path(name, bowl(100.0, 10000.0), [1.0, 1.0], 100)
    assert_close(places[:, 0], places[:, 1], rtol=1e-3, atol=1e-4)
    plain = path("sgd", bowl(0.01, 1.0), [1.0, 1.0], 100)
    assert float(plain[-1, 0]) > 0.8 > 0.1 > float(plain[-1, 1])


# --- weight decay -----------------------------------------------------------------------------------------------------


def test_the_decay_of_adamw_is_a_share_of_the_weight() -> None:
    places = path("adamw", constant(0.0, 0.0), [1.0, 10.0], 3, learning_rate=0.1, weight_decay=0.2)
    assert_close(places[-1], torch.tensor([1.0, 10.0]) * (1.0 - 0.1 * 0.2) ** 3)


@pytest.mark.parametrize("decay", [0.01, 0.2])
def test_the_decay_of_adam_is_scaled_away(decay: float) -> None:
    places = path("adam", constant(0.0, 0.0), [1.0, 10.0], 1, learning_rate=0.1, weight_decay=decay)
    assert_close(places[-1], torch.tensor([0.9, 9.9]))  # the learning rate, whatever the weight and the decay


def test_the_decay_of_adam_does_least_where_gradients_are_large() -> None:
    turn = iter(range(1000))

    def alternating(weights: Tensor) -> Tensor:
        return torch.tensor([0.01, 100.0]) * (-1.0) ** next(turn)

    coupled = path("adam", alternating, [1.0, 1.0], 300, learning_rate=1e-3, weight_decay=0.1)[-1]
    assert float(coupled[0]) < 0.9
    assert float(coupled[1]) > 0.99
    turn = iter(range(1000))
    apart = path("adamw", alternating, [1.0, 1.0], 300, learning_rate=1e-3, weight_decay=0.1)[-1]
    assert_close(apart[0], apart[1], rtol=1e-3, atol=0.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_decays_weights(name: str) -> None:
    places = path(name, constant(0.0), [1.0], 5, weight_decay=0.1)
    assert 0.0 < float(places[-1]) < 1.0
    assert float(path(name, constant(0.0), [1.0], 5)[-1]) == 1.0


# --- how many examples a step sees ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "size"), [("batch", 100), ("mini-batch", 16), ("stochastic", 1)])
def test_the_size_of_a_step(name: str, size: int) -> None:
    recipe = Recipe(model="linear", descent=name, batch_size=16, examples=100, val_examples=10, epochs=2)
    assert DESCENTS[name](recipe, 100) == size
    assert [row["step"] for row in train(recipe).rows] == [100 // size, 2 * (100 // size)]


def test_a_mini_batch_is_no_larger_than_the_data() -> None:
    assert DESCENTS["mini-batch"](Recipe(batch_size=32), 7) == 7


def test_the_gradient_of_all_examples_is_no_matter_of_their_order() -> None:
    """With plain SGD; a linear model, whose one step is the same up to rounding."""
    recipes = [Recipe(model="linear", descent="batch", optimizer="sgd", epochs=3, shuffle=s) for s in (True, False)]
    losses = [[row["train_loss"] for row in train(recipe).rows] for recipe in recipes]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
