from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from reference_trainer.convolutions import (
    CONVOLUTIONS,
    HEADS,
    MORE_CONVOLUTIONS,
    POOLINGS,
    AtrousPyramid,
    plain,
    pointwise,
    transposed,
)
from reference_trainer.recipe import CHOICES


def weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def seen_by_the_centre(module: nn.Module, size: int = 15) -> Tensor:
    """Where the input moves the middle output pixel: booleans of shape (size, size)."""
    maps = torch.randn(1, 2, size, size, requires_grad=True)
    out = module(maps)
    out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum().backward()
    assert maps.grad is not None
    return maps.grad.abs().sum(dim=(0, 1)) > 0.0


@pytest.mark.parametrize(
    ("field", "parts"),
    [("convolution", CONVOLUTIONS), ("pooling", POOLINGS), ("head", HEADS)],
    ids=["convolution", "pooling", "head"],
)
def test_the_recipe_names_every_part_in_order(field: str, parts: dict[str, object]) -> None:
    assert tuple(parts) == CHOICES[field]


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [7, 8])
def test_same_padding_keeps_the_size_but_for_the_stride(name: str, kernel_size: int, stride: int, size: int) -> None:
    layer = CONVOLUTIONS[name](2, 3, kernel_size=kernel_size, stride=stride, padding="same", dilation=2)
    side = math.ceil(size / stride)
    assert layer(torch.randn(2, 2, size, size)).shape == (2, 3, side, side)


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_valid_padding_takes_the_margin(name: str, kernel_size: int, stride: int) -> None:
    layer = CONVOLUTIONS[name](2, 3, kernel_size=kernel_size, stride=stride, padding="valid", dilation=2)
    reach = kernel_size - 1 if name != "dilated" else 2 * (kernel_size - 1)
    side = math.ceil((9 - reach) / stride)
    assert layer(torch.randn(2, 2, 9, 9)).shape == (2, 3, side, side)


@pytest.mark.filterwarnings("ignore:Using padding=.same.")  # of the layer that ours is compared with
@pytest.mark.parametrize("kernel_size", [2, 3, 4])
def test_same_padding_is_that_of_pytorch(kernel_size: int) -> None:
    layer = plain(2, 3, kernel_size=kernel_size)
    ours = next(module for module in layer.modules() if isinstance(module, nn.Conv2d))
    theirs = nn.Conv2d(2, 3, kernel_size, padding="same")
    theirs.load_state_dict(ours.state_dict())
    maps = torch.randn(1, 2, 8, 8)
    assert torch.allclose(layer(maps), theirs(maps), atol=1e-6)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_bias_can_be_left_out(name: str) -> None:
    arguments = {"kernel_size": 3, "stride": 1, "padding": "same", "dilation": 1}
    with_bias, without = (CONVOLUTIONS[name](4, 6, **arguments, bias=bias) for bias in (True, False))
    assert weights(with_bias) - weights(without) == 6
    assert not without(torch.zeros(1, 4, 8, 8)).any()


def test_dilation_sees_further_with_the_parameters_of_a_plain_convolution() -> None:
    plain_one, dilated_one = (
        CONVOLUTIONS[name](2, 2, kernel_size=3, stride=1, padding="same", dilation=3) for name in ("plain", "dilated")
    )
    assert weights(dilated_one) == weights(plain_one) == 2 * 2 * 9 + 2
    assert torch.nonzero(seen_by_the_centre(plain_one)).unique().tolist() == [6, 7, 8]
    assert torch.nonzero(seen_by_the_centre(dilated_one)).unique().tolist() == [4, 7, 10]


@pytest.mark.parametrize(("inputs", "outputs", "kernel_size"), [(8, 16, 3), (16, 16, 5)])
def test_depthwise_separable_has_the_parameters_of_the_notes(inputs: int, outputs: int, kernel_size: int) -> None:
    arguments = {"kernel_size": kernel_size, "stride": 1, "padding": "same", "dilation": 1}
    separable = weights(CONVOLUTIONS["depthwise-separable"](inputs, outputs, **arguments))
    assert separable == kernel_size**2 * inputs + inputs * outputs + outputs
    assert separable < weights(CONVOLUTIONS["plain"](inputs, outputs, **arguments)) / 3


def test_depthwise_separable_is_a_plain_convolution_of_rank_one() -> None:
    torch.manual_seed(0)
    depth, point = CONVOLUTIONS["depthwise-separable"](3, 4, kernel_size=3, stride=1, padding="same", dilation=1)
    dense = plain(3, 4)
    with torch.no_grad():
        dense.weight.copy_(point.weight * depth.weight[:, 0])
        dense.bias.copy_(point.bias)
    maps = torch.randn(2, 3, 6, 6)
    assert torch.allclose(point(depth(maps)), dense(maps), atol=1e-5)


@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8)])
def test_transposed_doubles(kernel_size: int, size: tuple[int, int]) -> None:
    assert transposed(4, 2, kernel_size=kernel_size)(torch.randn(2, 4, *size)).shape == (2, 2, 2 * size[0], 2 * size[1])


def test_an_even_transposed_kernel_makes_no_checkerboard() -> None:
    spread = {}
    for kernel_size in (3, 4):
        layer = transposed(1, 1, kernel_size=kernel_size, bias=False)
        nn.init.ones_(layer.weight)
        spread[kernel_size] = layer(torch.ones(1, 1, 6, 6))[:, :, 2:-2, 2:-2].std().item()
    assert spread[4] == 0.0
    assert spread[3] > 0.5


def test_pointwise_mixes_channels_and_nothing_else() -> None:
    assert seen_by_the_centre(pointwise(2, 3)).sum() == 1
    assert weights(pointwise(8, 3)) == 8 * 3 + 3
    assert pointwise(2, 3, stride=2)(torch.randn(1, 2, 7, 7)).shape == (1, 3, 4, 4)


@pytest.mark.parametrize("name", MORE_CONVOLUTIONS)
def test_the_other_convolutions_are_listed(name: str) -> None:
    assert MORE_CONVOLUTIONS[name](3, 5)(torch.randn(1, 3, 4, 4)).shape[1] == 5


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("side", [1, 2, 5, 8])
def test_pooling_divides_the_size_and_leaves_small_maps_alone(name: str, size: int, side: int) -> None:
    maps = torch.randn(2, 3, side, side)
    pooled = POOLINGS[name](size)(maps)
    if name == "none" or side < size:
        assert torch.equal(pooled, maps)
    else:
        assert pooled.shape == (2, 3, side // size, side // size)


@pytest.mark.parametrize(("name", "expected"), [("max", [[5.0, 7.0]]), ("average", [[2.5, 4.5]])])
def test_pooling_takes_the_largest_or_the_mean(name: str, expected: list[list[float]]) -> None:
    maps = torch.arange(8.0).reshape(1, 1, 2, 4)
    assert POOLINGS[name](2)(maps)[0, 0].tolist() == expected


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (4, 4), (5, 3), (8, 8)])
def test_a_head_has_the_features_it_promises(name: str, size: tuple[int, int]) -> None:
    head, features = HEADS[name](6, size)
    maps = torch.randn(3, 6, *size, requires_grad=True)
    out = head(maps)
    assert out.shape == (3, features)
    out.sum().backward()
    assert maps.grad is not None
    assert maps.grad.abs().sum() > 0.0


@pytest.mark.parametrize("name", HEADS)
def test_only_flatten_depends_on_the_size(name: str) -> None:
    head, features = HEADS[name](4, (8, 8))
    others = {head(torch.randn(2, 4, side, side)).shape[1] for side in (4, 6, 16)}
    assert (others == {features}) == (name != "flatten")


def test_global_average_and_adaptive_are_means_of_the_map_and_of_its_quarters() -> None:
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert HEADS["global-average"](1, (4, 4))[0](maps).tolist() == [[7.5]]
    assert HEADS["adaptive"](1, (4, 4))[0](maps).tolist() == [[2.5, 4.5, 10.5, 12.5]]


def test_the_spatial_pyramid_holds_maxima_at_three_scales() -> None:
    maps = torch.rand(1, 2, 8, 8)
    head, features = HEADS["spatial-pyramid"](2, (8, 8))
    out = head(maps)
    assert features == 2 * 21
    assert torch.equal(out[:, :2], maps.amax(dim=(2, 3)))
    assert torch.equal(out[:, 2:10].reshape(1, 2, 2, 2), nn.MaxPool2d(4)(maps))
    assert torch.equal(out[:, 10:].reshape(1, 2, 4, 4), nn.MaxPool2d(2)(maps))


def test_the_atrous_pyramid_sees_further_with_every_rate() -> None:
    torch.manual_seed(0)
    pyramid = AtrousPyramid(2, (1, 2, 3))
    reach = []
    for branch in pyramid.branches:
        places = torch.nonzero(seen_by_the_centre(branch[0])) - 7
        reach.append(int(places.abs().max()))
    assert reach == [0, 1, 2, 3]
    maps = torch.randn(1, 2, 8, 8)
    assert pyramid(maps).shape == maps.shape
    assert pyramid.whole(maps).shape == (1, 2, 1, 1)
