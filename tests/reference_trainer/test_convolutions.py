from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from reference_trainer.convolutions import (
    CONVOLUTIONS,
    MORE_CONVOLUTIONS,
    POOLINGS,
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
    [("convolution", CONVOLUTIONS), ("pooling", POOLINGS)],
    ids=["convolution", "pooling"],
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


@pytest.mark.parametrize("name", ["max", "average"])
@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 1, 0), (2, 1, 1), (3, 2, 1), (3, 1, 1), (2, 3, 0)])
@pytest.mark.parametrize("side", [1, 2, 5, 8])
def test_pooling_has_the_size_of_the_formula(name: str, size: int, stride: int, padding: int, side: int) -> None:
    """(side + 2 padding - size) // stride + 1 windows, where there is at least one."""
    maps = torch.randn(2, 3, side, side)
    pooled = POOLINGS[name](size, stride, padding)(maps)
    windows = (side + 2 * padding - size) // stride + 1
    assert pooled.shape[2:] == ((side, side) if windows < 1 else (windows, windows))


def kept(size: int, stride: int) -> float:
    """Share of the values of a map that max pooling lets through."""
    maps = torch.rand(4, 8, 16, 16, requires_grad=True)
    POOLINGS["max"](size, stride)(maps).sum().backward()
    assert maps.grad is not None
    return float((maps.grad > 0).float().mean())


def test_two_by_two_with_a_stride_of_one_is_the_least_invasive() -> None:
    """As the lecture notes say: more of what was there is left than by any other window and stride."""
    torch.manual_seed(0)
    shares = {(size, stride): kept(size, stride) for size in (2, 3, 4) for stride in (1, 2, 3)}
    assert max(shares, key=shares.__getitem__) == (2, 1)
    assert shares[2, 1] > 1.5 * shares[2, 2]
    assert POOLINGS["max"](2, 1)(torch.rand(1, 1, 8, 8)).shape == (1, 1, 7, 7)


def test_the_border_is_never_the_largest_and_not_averaged() -> None:
    maps = -torch.ones(1, 1, 4, 4)
    for name in ("max", "average"):
        assert (POOLINGS[name](3, 1, 1)(maps) == -1.0).all()


@pytest.mark.parametrize(("name", "expected"), [("max", [[5.0, 7.0]]), ("average", [[2.5, 4.5]])])
def test_pooling_takes_the_largest_or_the_mean(name: str, expected: list[list[float]]) -> None:
    maps = torch.arange(8.0).reshape(1, 1, 2, 4)
    assert POOLINGS[name](2)(maps)[0, 0].tolist() == expected
