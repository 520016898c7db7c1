from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from reference_trainer.blocks import BLOCKS, Skip, SqueezeExcite, cropped, normalize
from reference_trainer.recipe import CHOICES, Recipe

SKIPPING = ("residual", "bottleneck", "inverted-residual")


def block(name: str, inputs: int = 8, outputs: int = 8, **choices: Any) -> nn.Module:
    return BLOCKS[name](inputs, outputs, Recipe(model="cnn", block=name, **choices))


def last_convolution(module: nn.Module) -> nn.Conv2d:
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)][-1]


def kinds(module: nn.Module) -> list[type[nn.Module]]:
    return [type(part) for part in module.modules() if not list(part.children())]


def test_the_recipe_names_every_block_in_order() -> None:
    assert tuple(BLOCKS) == CHOICES["block"]


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("convolution", CHOICES["convolution"])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 16), (8, 8), (8, 3), (4, 1)])
def test_a_block_changes_the_channels_and_keeps_the_size(
    name: str, convolution: str, inputs: int, outputs: int
) -> None:
    for kernel_size, stride in itertools.product((1, 2, 3, 5), (1, 2)):
        module = block(name, inputs, outputs, convolution=convolution, kernel_size=kernel_size, stride=stride)
        side = math.ceil(8 / stride)
        assert module(torch.randn(2, inputs, 8, 8)).shape == (2, outputs, side, side)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize(("inputs", "outputs"), [(8, 8), (8, 16)])
@pytest.mark.parametrize("stride", [1, 2])
def test_valid_padding_shrinks_every_branch_alike(name: str, inputs: int, outputs: int, stride: int) -> None:
    out = block(name, inputs, outputs, padding="valid", stride=stride)(torch.randn(2, inputs, 16, 15))
    assert out.shape[:2] == (2, outputs)
    assert all(side < math.ceil(before / stride) for side, before in zip(out.shape[2:], (16, 15), strict=True))


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("activation", ["selu", "tanh"])
def test_a_block_has_the_activation_of_the_recipe(name: str, activation: str) -> None:
    module = block(name, activation=activation)
    wanted = {"selu": nn.SELU, "tanh": nn.Tanh}[activation]
    assert wanted in kinds(module)
    found = {nn.ReLU, nn.SELU, nn.Tanh} & set(kinds(module))
    assert found - {wanted} <= ({nn.ReLU} if name == "inverted-residual" else set())  # that of the squeeze-excite


@pytest.mark.parametrize("name", BLOCKS)
def test_without_normalization_biases_take_its_place(name: str) -> None:
    normalized, bare = block(name), block(name, normalization="none")
    assert nn.BatchNorm2d in kinds(normalized)
    assert nn.BatchNorm2d not in kinds(bare)
    assert last_convolution(bare).bias is not None
    assert all(
        part.bias is not None for part in bare.modules() if isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1)
    )


@pytest.mark.parametrize("name", BLOCKS)
def test_every_weight_of_a_block_is_learned(name: str) -> None:
    torch.manual_seed(0)
    module = block(name, 8, 16)
    module(torch.randn(8, 8, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_one_example_per_step_has_no_batch_to_normalize_over() -> None:
    recipe = Recipe(model="cnn")
    assert isinstance(normalize(4, recipe), nn.BatchNorm2d)
    assert isinstance(normalize(4, recipe, maps=False), nn.BatchNorm1d)
    for alone in ({"descent": "stochastic"}, {"batch_size": 1}, {"normalization": "none"}):
        assert isinstance(normalize(4, replace(recipe, **alone)), nn.Identity)
    assert isinstance(normalize(4, replace(recipe, descent="batch", batch_size=1)), nn.BatchNorm2d)


def test_cbr_and_crb_differ_in_the_order() -> None:
    assert kinds(block("cbr")) == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert kinds(block("crb")) == [nn.Conv2d, nn.ReLU, nn.BatchNorm2d]
    torch.manual_seed(0)
    maps = torch.randn(8, 8, 8, 8)
    assert block("cbr")(maps).min() == 0.0
    assert block("crb")(maps).mean(dim=(0, 2, 3)).abs().max() < 1e-5


def test_ccc_is_one_linear_map_until_its_end() -> None:
    module = block("ccc").eval()
    assert kinds(module) == [nn.Conv2d] * 3 + [nn.BatchNorm2d, nn.ReLU]
    one, other, nothing = torch.randn(1, 8, 9, 9), torch.randn(1, 8, 9, 9), torch.zeros(1, 8, 9, 9)
    stacked = module.convolution
    assert torch.allclose(stacked(one + other) + stacked(nothing), stacked(one) + stacked(other), atol=1e-5)


@pytest.mark.parametrize(("name", "reach"), [("cbr", 1), ("vgg", 2), ("ccc", 3), ("residual", 2), ("inception", 2)])
def test_a_block_sees_as_far_as_its_kernels_reach(name: str, reach: int) -> None:
    torch.manual_seed(0)
    maps = torch.randn(1, 8, 11, 11, requires_grad=True)
    block(name, activation="elu").eval()(maps)[0, :, 5, 5].sum().backward()  # no unit is dead
    assert maps.grad is not None
    places = torch.nonzero(maps.grad.abs().sum(dim=(0, 1))) - 5
    assert int(places.abs().max()) == reach


@pytest.mark.parametrize("convolutions", [2, 3])
def test_vgg_stacks_as_many_convolutions_as_wanted(convolutions: int) -> None:
    module = BLOCKS["vgg"](4, 8, Recipe(model="vgg"), convolutions=convolutions)
    assert kinds(module) == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * convolutions


def test_inception_has_kernels_of_three_sizes_and_a_pool() -> None:
    module = block("inception", 16, 32)
    convolutions = [[part for part in b.modules() if isinstance(part, nn.Conv2d)] for b in module.branches]
    assert [parts[-1].kernel_size[0] for parts in convolutions] == [1, 3, 5, 1]
    assert [parts[-1].out_channels for parts in convolutions] == [8, 16, 4, 4]
    assert [parts[0].kernel_size[0] for parts in convolutions] == [1, 1, 1, 1]
    assert nn.MaxPool2d in kinds(module.branches[3])


@pytest.mark.parametrize("name", ["residual", "bottleneck"])
def test_a_skip_without_anything_to_add_is_the_activation_of_the_input(name: str) -> None:
    module = block(name)
    nn.init.zeros_(last_convolution(module.body).weight)
    maps = torch.randn(4, 8, 8, 8)
    assert torch.equal(module(maps), maps.relu())


def test_an_inverted_residual_without_anything_to_add_is_the_input() -> None:
    module = block("inverted-residual")
    nn.init.zeros_(last_convolution(module).weight)
    maps = torch.randn(4, 8, 8, 8)
    assert torch.equal(module(maps), maps)


@pytest.mark.parametrize("name", ["residual", "bottleneck"])
@pytest.mark.parametrize(("outputs", "stride", "projected"), [(8, 1, False), (16, 1, True), (8, 2, True)])
def test_the_skip_is_projected_where_the_shape_changes(name: str, outputs: int, stride: int, projected: bool) -> None:
    module = block(name, 8, outputs, stride=stride)
    assert isinstance(module.skip, nn.Identity) != projected


@pytest.mark.parametrize(("outputs", "stride", "skips"), [(8, 1, True), (16, 1, False), (8, 2, False)])
def test_an_inverted_residual_skips_where_the_shape_stays(outputs: int, stride: int, skips: bool) -> None:
    assert isinstance(block("inverted-residual", 8, outputs, stride=stride), Skip) == skips


@pytest.mark.parametrize("name", SKIPPING)
def test_a_cropped_skip_stays_in_place(name: str) -> None:
    module = block(name, padding="valid")
    nn.init.zeros_(last_convolution(module.body).weight)
    maps = torch.rand(2, 8, 10, 10)
    margin = 2 if name == "residual" else 1
    assert torch.equal(module(maps), maps[:, :, margin:-margin, margin:-margin])


def test_the_bottleneck_works_on_a_quarter_of_the_channels() -> None:
    body = [part for part in block("bottleneck", 32, 32).body.modules() if isinstance(part, nn.Conv2d)]
    assert [(part.in_channels, part.out_channels, part.kernel_size[0]) for part in body] == [
        (32, 8, 1),
        (8, 8, 3),
        (8, 32, 1),
    ]


def test_the_inverted_residual_is_wide_in_the_middle_and_linear_at_its_end() -> None:
    body = block("inverted-residual").body
    expansion, depthwise, bottleneck = (
        part for name, part in body.named_modules() if isinstance(part, nn.Conv2d) and ".weigh." not in f".{name}."
    )
    assert (expansion.out_channels, expansion.kernel_size) == (32, (1, 1))
    assert (depthwise.groups, depthwise.kernel_size) == (32, (3, 3))
    assert (bottleneck.in_channels, bottleneck.out_channels) == (32, 8)
    assert kinds(body)[-2:] == [nn.Conv2d, nn.BatchNorm2d]
    assert SqueezeExcite in {type(part) for part in body}


@pytest.mark.parametrize("name", [name for name in BLOCKS if name != "inverted-residual"])
def test_depthwise_separable_convolutions_make_a_block_smaller(name: str) -> None:
    sizes = [
        sum(parameter.numel() for parameter in block(name, 32, 32, convolution=kind).parameters())
        for kind in ("plain", "depthwise-separable")
    ]
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_dilated_block_sees_further(name: str) -> None:
    reach = []
    for convolution in ("plain", "dilated"):
        torch.manual_seed(0)
        maps = torch.randn(1, 8, 19, 19, requires_grad=True)
        module = block(name, convolution=convolution, activation="elu").eval()
        for part in module.modules():
            if isinstance(part, SqueezeExcite):
                part.weigh = nn.AdaptiveAvgPool2d(1)  # sees the whole map by design
                part.forward = lambda seen: seen  # type: ignore[method-assign]
        module(maps)[0, :, 9, 9].sum().backward()
        assert maps.grad is not None
        reach.append(int((torch.nonzero(maps.grad.abs().sum(dim=(0, 1))) - 9).abs().max()))
    assert reach[1] == 2 * reach[0]


def test_squeeze_excite_scales_whole_channels_by_less_than_one() -> None:
    torch.manual_seed(0)
    module = SqueezeExcite(8, 2, nn.ReLU())
    maps = torch.rand(4, 8, 5, 5) + 0.1
    scale = module(maps) / maps
    assert torch.allclose(scale, scale[:, :, :1, :1].expand_as(scale))
    assert scale.min() > 0.0
    assert scale.max() < 1.0
    assert scale[:, :, 0, 0].std(dim=0).max() > 0.0  # what is excited depends on the example


def test_cropping_keeps_the_centre() -> None:
    maps = torch.arange(25.0).reshape(1, 1, 5, 5)
    assert cropped(maps, 3, 1)[0, 0].tolist() == [[7.0], [12.0], [17.0]]
    assert torch.equal(cropped(maps, 5, 5), maps)
