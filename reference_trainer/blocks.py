"""Blocks of convolutional networks: `BLOCKS[recipe.block](inputs, outputs, recipe)`, both numbers of channels.

A block honours the recipe's convolution, kernel_size, stride, padding, dilation, normalization and activation. Its
first convolution with a kernel above 1x1 has the stride. Maps are (n, channels, height, width); with `same` padding
their size becomes ceil(size / stride); with `valid` every convolution takes its margin, and branches that lose less
are cropped around the centre.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from reference_trainer.activations import ACTIVATIONS
from reference_trainer.convolutions import CONVOLUTIONS, depthwise, dilated, pointwise
from reference_trainer.normalizations import NORMALIZATIONS
from reference_trainer.recipe import Recipe
from reference_trainer.regularizers import StochasticDepth


def normalize(channels: int, recipe: Recipe, *, maps: bool = True) -> nn.Module:
    """The recipe's normalization of maps (n, channels, h, w) or units (n, channels), or nothing."""
    if recipe.normalization == "none":
        return nn.Identity()
    return NORMALIZATIONS[recipe.normalization](channels, recipe, maps=maps)


def activate(recipe: Recipe) -> nn.Module:
    """A fresh activation of the recipe's kind."""
    return ACTIVATIONS[recipe.activation]()


def simple(recipe: Recipe) -> Recipe:
    """The recipe with plain 3x3 convolutions that keep the size."""
    return replace(recipe, convolution="plain", kernel_size=3, stride=1, padding="same")


def convolve(
    inputs: int, outputs: int, recipe: Recipe, *, stride: int = 1, wider: int = 0, normalized: bool = True
) -> nn.Module:
    """A convolution of the recipe's kind, its kernel `wider` than the recipe's.

    `normalized`: a normalization follows, which has a shift of its own; there is a bias only where none does.
    """
    return CONVOLUTIONS[recipe.convolution](
        inputs,
        outputs,
        kernel_size=recipe.kernel_size + wider,
        stride=stride,
        padding=recipe.padding,
        dilation=recipe.dilation,
        bias=not normalized or isinstance(normalize(outputs, recipe), nn.Identity),
    )


def mix(inputs: int, outputs: int, recipe: Recipe, *, stride: int = 1) -> nn.Module:
    """A 1x1 convolution that the recipe's normalization follows."""
    return pointwise(inputs, outputs, stride=stride, bias=isinstance(normalize(outputs, recipe), nn.Identity))


def cropped(maps: Tensor, height: int, width: int) -> Tensor:
    """The centre of `maps`, of the given size in pixels."""
    top, left = (maps.shape[2] - height) // 2, (maps.shape[3] - width) // 2
    return maps[:, :, top : top + height, left : left + width]


def _unit(convolution: nn.Module, channels: int, recipe: Recipe) -> nn.Sequential:
    """The convolution, the normalization, the activation."""
    parts = {"convolution": convolution, "normalization": normalize(channels, recipe), "activation": activate(recipe)}
    return nn.Sequential(OrderedDict(parts))


class Skip(nn.Module):
    """body(x) + skip(x), then the activation; the skip is cropped where the body has shrunk the maps.

    dropped: stochastic depth, which takes the body's part away from examples at random.
    """

    def __init__(self, body: nn.Module, skip: nn.Module, activation: nn.Module, dropped: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(body, StochasticDepth(dropped)) if dropped else body
        self.skip = skip
        self.activation = activation

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of the body's shape."""
        learned = self.body(maps)
        skipped = cropped(self.skip(maps), *learned.shape[2:])
        added: Tensor = self.activation(learned + skipped)
        return added


class AtrousPyramid(nn.Module):
    """Looks at maps with several dilations at once: (n, inputs, h, w) -> (n, outputs, h, w).

    Branches: a 1x1 convolution, a dilated 3x3 convolution per rate, and the mean of the whole map; a 1x1 convolution
    brings them together. Each has the recipe's normalization and activation.

    Source: Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation (2017).
    """

    def __init__(self, inputs: int, outputs: int, recipe: Recipe, rates: tuple[int, ...] = (1, 2, 3)) -> None:
        super().__init__()
        biased = recipe.normalization == "none"
        atrous = [dilated(inputs, outputs, dilation=rate, bias=biased) for rate in rates]
        points = [mix(inputs, outputs, recipe), *atrous]
        self.branches = nn.ModuleList([_unit(point, outputs, recipe) for point in points])
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), _unit(mix(inputs, outputs, recipe), outputs, recipe))
        self.projection = _unit(mix((len(rates) + 2) * outputs, outputs, recipe), outputs, recipe)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of the same size."""
        seen = [branch(maps) for branch in self.branches]
        whole = self.whole(maps).expand_as(seen[0])
        projected: Tensor = self.projection(torch.cat([*seen, whole], dim=1))
        return projected


class Branches(nn.Module):
    """Branches side by side, cropped to the smallest, one after the other along the channels."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, maps: Tensor) -> Tensor:
        """The branches' maps, concatenated."""
        seen = [branch(maps) for branch in self.branches]
        height, width = min(part.shape[2] for part in seen), min(part.shape[3] for part in seen)
        return torch.cat([cropped(part, height, width) for part in seen], dim=1)


class SqueezeExcite(nn.Module):
    """Weighs every channel by a number in (0, 1) that is computed from the means of all channels.

    activation: between the two layers; ReLU in the paper, SiLU in an EfficientNet.

    Source: Hu et al., Squeeze-and-Excitation Networks (2018).
    """

    def __init__(self, channels: int, squeezed: int, activation: nn.Module) -> None:
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Linear(channels, squeezed),
            activation,
            nn.Linear(squeezed, channels),
            nn.Sigmoid(),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of the same shape."""
        weighed: Tensor = maps * self.weigh(maps.mean((2, 3)))[:, :, None, None]
        return weighed


def cbr(inputs: int, outputs: int, recipe: Recipe) -> nn.Module:
    """CBR: convolution, batch normalization, ReLU.

    Source: Ioffe and Szegedy, Batch Normalization: Accelerating Deep Network Training (2015); lecture notes, "CBR or
    CRB Block".
    """
    return _unit(convolve(inputs, outputs, recipe, stride=recipe.stride), outputs, recipe)


def crb(inputs: int, outputs: int, recipe: Recipe) -> nn.Module:
    """CRB: convolution, ReLU, batch normalization.

    Source: lecture notes, "CBR or CRB Block".
    """
    convolution = convolve(inputs, outputs, recipe, stride=recipe.stride, normalized=False)
    parts = {"convolution": convolution, "activation": activate(recipe), "normalization": normalize(outputs, recipe)}
    return nn.Sequential(OrderedDict(parts))


def ccc(inputs: int, outputs: int, recipe: Recipe) -> nn.Module:
    """CCC: three convolutions in a row, then batch normalization and ReLU.

    The notes name the block without drawing it; read as three stacked convolutions. With nothing between them they are
    one linear map, which sees as far as a kernel of 3 * kernel_size - 2 and has fewer parameters.

    Source: lecture notes, "CCC Block".
    """
    convolutions = nn.Sequential(
        convolve(inputs, outputs, recipe, stride=recipe.stride, normalized=False),
        convolve(outputs, outputs, recipe, normalized=False),
        convolve(outputs, outputs, recipe),
    )
    return _unit(convolutions, outputs, recipe)


def vgg(inputs: int, outputs: int, recipe: Recipe, *, convolutions: int = 2) -> nn.Module:
    """VGG block: several small convolutions, each with its activation, in place of a large one.

    Source: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition (2015).
    """
    first = _unit(convolve(inputs, outputs, recipe, stride=recipe.stride), outputs, recipe)
    later = [_unit(convolve(outputs, outputs, recipe), outputs, recipe) for _ in range(convolutions - 1)]
    return nn.Sequential(first, *later)


def inception(inputs: int, outputs: int, recipe: Recipe) -> nn.Module:
    """Inception module: 1x1, 3x3 and 5x5 convolutions and max pooling side by side, behind 1x1 reductions.

    The kernels are 1, kernel_size, kernel_size + 2. Half of the outputs come from the second branch, an eighth each
    from the third and the pool, the rest from the first; a branch without outputs is left out.

    Source: Szegedy et al., Going Deeper with Convolutions (2015).
    """
    middle, large, pooled = outputs // 2, outputs // 8, outputs // 8
    small = outputs - middle - large - pooled
    stride = recipe.stride

    def reduced(channels: int, wider: int) -> nn.Module:
        """A 1x1 reduction to three quarters of `channels`, then the convolution."""
        between = max(1, 3 * channels // 4)
        convolution = convolve(between, channels, recipe, stride=stride, wider=wider)
        return nn.Sequential(_unit(mix(inputs, between, recipe), between, recipe), _unit(convolution, channels, recipe))

    branches: list[nn.Module] = [_unit(mix(inputs, small, recipe, stride=stride), small, recipe)]
    if middle:
        branches.append(reduced(middle, wider=0))
    if large:
        branches.append(reduced(large, wider=2))
        pool = nn.MaxPool2d(3, stride=stride, padding=1)
        branches.append(nn.Sequential(pool, _unit(mix(inputs, pooled, recipe), pooled, recipe)))
    return Branches(branches)


def residual(inputs: int, outputs: int, recipe: Recipe) -> nn.Module:
    """Residual block: two convolutions learn what to add to the input, which skips them.

    Source: He et al., Deep Residual Learning for Image Recognition (2016).
    """
    body = nn.Sequential(
        _unit(convolve(inputs, outputs, recipe, stride=recipe.stride), outputs, recipe),
        convolve(outputs, outputs, recipe),
        normalize(outputs, recipe),
    )
    return Skip(body, _shortcut(inputs, outputs, recipe), activate(recipe), recipe.stochastic_depth)


def bottleneck(inputs: int, outputs: int, recipe: Recipe) -> nn.Module:
    """Bottleneck block: 1x1 to a quarter of the channels, a convolution there, 1x1 back, and a skip.

    Source: He et al., Deep Residual Learning for Image Recognition (2016).
    """
    narrow = max(1, outputs // 4)
    body = nn.Sequential(
        _unit(mix(inputs, narrow, recipe), narrow, recipe),
        _unit(convolve(narrow, narrow, recipe, stride=recipe.stride), narrow, recipe),
        mix(narrow, outputs, recipe),
        normalize(outputs, recipe),
    )
    return Skip(body, _shortcut(inputs, outputs, recipe), activate(recipe), recipe.stochastic_depth)


def _shortcut(inputs: int, outputs: int, recipe: Recipe) -> nn.Module:
    """The input as it is; a 1x1 projection where channels or stride differ."""
    if inputs == outputs and recipe.stride == 1:
        return nn.Identity()
    return nn.Sequential(mix(inputs, outputs, recipe, stride=recipe.stride), normalize(outputs, recipe))


def inverted_residual(inputs: int, outputs: int, recipe: Recipe, *, expansion: int = 4) -> nn.Module:
    """Inverted residual: 1x1 to more channels, depthwise convolution, squeeze-excite, a linear 1x1 bottleneck.

    The skip joins the narrow ends and is there where channels and size stay. The convolution is depthwise, and dilated
    where the recipe's is.

    Source: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks (2018); Tan and Le, EfficientNet:
    Rethinking Model Scaling for Convolutional Neural Networks (2019).
    """
    wide = expansion * inputs
    between = depthwise(
        wide,
        kernel_size=recipe.kernel_size,
        stride=recipe.stride,
        padding=recipe.padding,
        dilation=recipe.dilation if recipe.convolution == "dilated" else 1,
        bias=isinstance(normalize(wide, recipe), nn.Identity),
    )
    body = nn.Sequential(
        _unit(mix(inputs, wide, recipe), wide, recipe),
        _unit(between, wide, recipe),
        SqueezeExcite(wide, max(1, inputs // 4), nn.SiLU() if recipe.activation == "silu" else nn.ReLU()),
        mix(wide, outputs, recipe),
        normalize(outputs, recipe),
    )
    keeps = inputs == outputs and recipe.stride == 1
    return Skip(body, nn.Identity(), nn.Identity(), recipe.stochastic_depth) if keeps else body


BLOCKS: dict[str, Callable[[int, int, Recipe], nn.Module]] = {
    "cbr": cbr,
    "crb": crb,
    "ccc": ccc,
    "vgg": vgg,
    "inception": inception,
    "residual": residual,
    "bottleneck": bottleneck,
    "inverted-residual": inverted_residual,
}
