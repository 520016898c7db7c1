"""Each normalization standardises over what its paper says, and over nothing else."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from reference_trainer.normalizations import NORMALIZATIONS
from reference_trainer.recipe import CHOICES, Recipe

GROUPS = 3

SAMPLES: dict[str, tuple[int, ...]] = {
    "batch": (0, 3, 4),
    "layer": (1, 2, 3, 4),
    "group": (2, 3, 4),
    "instance": (3, 4),
}
"""Name -> the axes of maps (n, groups, channels of a group, h, w) that it takes mean and variance over."""


def maps() -> Tensor:
    torch.manual_seed(0)
    return 5.0 + 2.0 * torch.randn(8, 6, 5, 5) * torch.rand(8, 6, 1, 1)


def made(name: str, *, units: bool = False, **fields: float) -> nn.Module:
    recipe = Recipe(normalization=name, normalization_groups=GROUPS, **fields)
    return NORMALIZATIONS[name](6, recipe, maps=not units)


def test_the_normalizations_are_those_of_the_recipe() -> None:
    assert tuple(NORMALIZATIONS) == CHOICES["normalization"]


@pytest.mark.parametrize("name", SAMPLES)
def test_what_comes_out_is_standardised_over_its_sample(name: str) -> None:
    """(x - mean) / sqrt(variance + epsilon), with the mean and variance of these axes."""
    x = maps().unflatten(1, (GROUPS, -1))
    mean, variance = x.mean(SAMPLES[name], keepdim=True), x.var(SAMPLES[name], correction=0, keepdim=True)
    sought = ((x - mean) / (variance + 1e-5).sqrt()).flatten(1, 2)
    torch.testing.assert_close(made(name)(maps()), sought, atol=1e-4, rtol=1e-4)


def test_rms_divides_each_pixel_by_its_root_mean_square_and_does_not_centre() -> None:
    x = maps()
    sought = x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(made("rms")(x), sought, atol=1e-5, rtol=1e-5)
    assert made("rms")(x).mean() > 0.5
    units = torch.randn(4, 6)
    torch.testing.assert_close(made("rms", units=True)(units), nn.functional.rms_norm(units, (6,), eps=1e-5))


@pytest.mark.parametrize("name", ["batch", "layer", "group"])
def test_units_are_standardised_too(name: str) -> None:
    x = 3.0 + torch.randn(64, 6)
    out = made(name, units=True)(x)
    axes = {"batch": (0,), "layer": (1, 2), "group": (2,)}[name]
    parted = out.unflatten(1, (GROUPS, -1)) if name != "batch" else out
    assert float(parted.mean(axes).abs().max()) < 1e-3


@pytest.mark.parametrize("name", ["layer", "group", "instance", "rms"])
def test_all_but_batch_normalization_leave_examples_to_themselves(name: str) -> None:
    """Alone or in a batch, in training or in eval: an example comes out the same."""
    x, layer = maps(), made(name)
    torch.testing.assert_close(layer(x)[:1], layer(x[:1]))
    torch.testing.assert_close(layer.eval()(x[:1]), layer.train()(x[:1]))
    assert not torch.allclose(made("batch")(x)[:1], made("batch")(x[:2])[:1])


@pytest.mark.parametrize(("channels", "groups"), [(6, 3), (8, 1), (9, 3), (1, 1)])
def test_there_are_as_many_groups_as_divide_the_channels(channels: int, groups: int) -> None:
    layer = NORMALIZATIONS["group"](channels, Recipe(normalization="group", normalization_groups=GROUPS))
    assert layer.num_groups == math.gcd(GROUPS, channels) == groups


def test_momentum_and_epsilon_are_the_recipes() -> None:
    x = maps()
    layer = made("batch", normalization_momentum=0.25)
    layer(x)
    torch.testing.assert_close(layer.running_mean, 0.25 * x.mean((0, 2, 3)))
    for name in ("batch", "layer", "group", "instance"):
        assert float(made(name, normalization_epsilon=100.0)(x).std()) < 0.3 * float(made(name)(x).std())


@pytest.mark.parametrize("name", [name for name in NORMALIZATIONS if name != "none"])
def test_scales_are_learned_and_shifts_but_for_rms(name: str) -> None:
    shapes = [tuple(parameter.shape) for parameter in made(name).parameters()]
    assert shapes == [(6,)] * (1 if name == "rms" else 2)
