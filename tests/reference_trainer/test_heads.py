from __future__ import annotations

import pytest
import torch
from torch import nn

from reference_trainer.activations import ACTIVATIONS
from reference_trainer.blocks import AtrousPyramid
from reference_trainer.heads import HEADS
from reference_trainer.normalizations import NORMALIZATIONS
from reference_trainer.recipe import CHOICES, Recipe
from tests.reference_trainer.test_convolutions import seen_by_the_centre


def test_the_recipe_names_every_head_in_order() -> None:
    assert tuple(HEADS) == CHOICES["head"]


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (4, 4), (5, 3), (8, 8)])
def test_a_head_has_the_features_it_promises(name: str, size: tuple[int, int]) -> None:
    head, features = HEADS[name](6, size, Recipe())
    maps = torch.randn(3, 6, *size, requires_grad=True)
    out = head(maps)
    assert out.shape == (3, features)
    out.sum().backward()
    assert maps.grad is not None
    assert maps.grad.abs().sum() > 0.0


@pytest.mark.parametrize("name", HEADS)
def test_only_flatten_depends_on_the_size(name: str) -> None:
    head, features = HEADS[name](4, (8, 8), Recipe())
    others = {head(torch.randn(2, 4, side, side)).shape[1] for side in (4, 6, 16)}
    assert (others == {features}) == (name != "flatten")


def test_global_average_and_adaptive_are_means_of_the_map_and_of_its_quarters() -> None:
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert HEADS["global-average"](1, (4, 4), Recipe())[0](maps).tolist() == [[7.5]]
    assert HEADS["adaptive"](1, (4, 4), Recipe())[0](maps).tolist() == [[2.5, 4.5, 10.5, 12.5]]


def test_the_spatial_pyramid_holds_maxima_at_three_scales() -> None:
    maps = torch.rand(1, 2, 8, 8)
    head, features = HEADS["spatial-pyramid"](2, (8, 8), Recipe())
    out = head(maps)
    assert features == 2 * 21
    assert torch.equal(out[:, :2], maps.amax(dim=(2, 3)))
    assert torch.equal(out[:, 2:10].reshape(1, 2, 2, 2), nn.MaxPool2d(4)(maps))
    assert torch.equal(out[:, 10:].reshape(1, 2, 4, 4), nn.MaxPool2d(2)(maps))


@pytest.mark.parametrize("normalization", ["none", "batch", "group"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_atrous_pyramid_has_the_recipes_normalization_and_activation(normalization: str, activation: str) -> None:
    recipe = Recipe(normalization=normalization, activation=activation)
    pyramid = AtrousPyramid(8, 4, recipe)
    kinds = {type(module) for module in pyramid.modules()}
    assert type(ACTIVATIONS[activation]()) in kinds
    assert (nn.ReLU in kinds) == (activation == "relu")
    made = NORMALIZATIONS[normalization](4, recipe)
    assert (
        len([module for module in pyramid.modules() if type(module) is type(made)]) == 6
    )  # five branches and the last
    assert pyramid(torch.randn(2, 8, 4, 4)).shape == (2, 4, 4, 4)


def test_the_atrous_pyramid_sees_further_with_every_rate() -> None:
    torch.manual_seed(0)
    pyramid = AtrousPyramid(2, 2, Recipe(normalization="none"), (1, 2, 3))
    reach = []
    for branch in pyramid.branches:
        places = torch.nonzero(seen_by_the_centre(branch[0])) - 7
        reach.append(int(places.abs().max()))
    assert reach == [0, 1, 2, 3]
    maps = torch.randn(1, 2, 8, 8)
    assert pyramid(maps).shape == maps.shape
    assert pyramid.whole(maps).shape == (1, 2, 1, 1)
