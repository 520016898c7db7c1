from __future__ import annotations

import math

import pytest
import torch

from reference_trainer.activations import ACTIVATIONS
from reference_trainer.recipe import CHOICES

BELOW_AND_ABOVE = {  # the activation of -1 and of 2, by the formulas of the papers
    "relu": (0.0, 2.0),
    "leaky-relu": (-0.01, 2.0),
    "prelu": (-0.25, 2.0),
    "elu": (math.exp(-1.0) - 1.0, 2.0),
    "selu": (1.0507009873554805 * 1.6732632423543772 * (math.exp(-1.0) - 1.0), 2.0 * 1.0507009873554805),
    "sigmoid": (1.0 / (1.0 + math.e), 1.0 / (1.0 + math.exp(-2.0))),
    "tanh": (math.tanh(-1.0), math.tanh(2.0)),
    "silu": (-1.0 / (1.0 + math.e), 2.0 / (1.0 + math.exp(-2.0))),
}


def test_the_recipe_names_every_activation_in_order() -> None:
    assert tuple(ACTIVATIONS) == CHOICES["activation"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_it_is_the_function_it_is_named_after(name: str) -> None:
    computed = ACTIVATIONS[name]()(torch.tensor([-1.0, 2.0]))
    assert computed.tolist() == pytest.approx(BELOW_AND_ABOVE[name], abs=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_call_makes_a_module_of_its_own(name: str) -> None:
    assert ACTIVATIONS[name]() is not ACTIVATIONS[name]()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_only_relu_stops_all_learning_below_zero(name: str) -> None:
    x = torch.tensor([-1.0], requires_grad=True)
    ACTIVATIONS[name]()(x).backward()
    assert x.grad is not None
    assert (x.grad.item() == 0.0) == (name == "relu")


def test_the_slope_of_prelu_is_learned() -> None:
    assert [parameter.requires_grad for parameter in ACTIVATIONS["prelu"]().parameters()] == [True]


def test_selu_keeps_mean_and_variance_through_many_layers() -> None:
    torch.manual_seed(0)
    signal = torch.randn(512, 256)
    for _ in range(16):
        signal = ACTIVATIONS["selu"]()(signal @ torch.randn(256, 256) / 16.0)  # LeCun: variance 1 / 256
    assert signal.mean().item() == pytest.approx(0.0, abs=0.1)
    assert signal.std().item() == pytest.approx(1.0, abs=0.15)
