"""Convolutions, poolings, and the heads that make features of maps. Maps are (n, channels, height, width).

CONVOLUTIONS["dilated"](16, 32, kernel_size=3, stride=1, padding="same", dilation=2)
POOLINGS["max"](2)
HEADS["spatial-pyramid"](32, (4, 4))                    # the module, and its number of features
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def plain(
    inputs: int,
    outputs: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    padding: str = "same",
    dilation: int = 1,
    bias: bool = True,
) -> nn.Module:
    """Convolution: every output sees a dense square of all input channels.

    `dilation` is not used. Sizes: ceil(size / stride) with `same` padding; ceil((size - kernel_size + 1) / stride)
    with `valid`.

    Source: PyTorch, torch.nn.Conv2d; LeCun et al., Gradient-Based Learning Applied to Document Recognition (1998).
    """
    return _convolution(inputs, outputs, kernel_size, stride, padding, 1, bias=bias)


def dilated(
    inputs: int,
    outputs: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    padding: str = "same",
    dilation: int = 2,
    bias: bool = True,
) -> nn.Module:
    """Dilated (atrous) convolution: a kernel with gaps, which sees further with the parameters of a plain one.

    Sizes are those of a plain convolution with a kernel of dilation * (kernel_size - 1) + 1.

    Source: PyTorch, torch.nn.Conv2d; Yu and Koltun, Multi-Scale Context Aggregation by Dilated Convolutions (2016).
    """
    return _convolution(inputs, outputs, kernel_size, stride, padding, dilation, bias=bias)


def depthwise_separable(
    inputs: int,
    outputs: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    padding: str = "same",
    dilation: int = 1,
    bias: bool = True,
) -> nn.Module:
    """Depthwise separable convolution: one kernel per input channel, then a 1x1 convolution over the channels.

    `dilation` is not used. It has kernel_size * kernel_size * inputs + inputs * outputs weights, and the 1x1
    convolution has the bias.

    Source: PyTorch, torch.nn.Conv2d; Chollet, Xception: Deep Learning with Depthwise Separable Convolutions (2017).
    """
    return nn.Sequential(
        depthwise(inputs, kernel_size=kernel_size, stride=stride, padding=padding, bias=False),
        pointwise(inputs, outputs, bias=bias),
    )


CONVOLUTIONS: dict[str, Callable[..., nn.Module]] = {
    "plain": plain,
    "dilated": dilated,
    "depthwise-separable": depthwise_separable,
}


def transposed(inputs: int, outputs: int, *, kernel_size: int = 4, bias: bool = True) -> nn.Module:
    """Transposed convolution with stride 2: doubles height and width.

    An even kernel covers all outputs equally often, which keeps checkerboards away.

    Source: PyTorch, torch.nn.ConvTranspose2d; Dumoulin and Visin, A Guide to Convolution Arithmetic for Deep Learning
    (2016).
    """
    low, odd = (kernel_size - 1) // 2, kernel_size % 2
    return nn.ConvTranspose2d(inputs, outputs, kernel_size, stride=2, padding=low, output_padding=odd, bias=bias)


def pointwise(inputs: int, outputs: int, *, stride: int = 1, bias: bool = True) -> nn.Module:
    """1x1 convolution: mixes the channels of every place, to change their number.

    Source: PyTorch, torch.nn.Conv2d; Lin et al., Network In Network (2014).
    """
    return nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=bias)


MORE_CONVOLUTIONS: dict[str, Callable[..., nn.Module]] = {"transposed": transposed, "1x1": pointwise}


def depthwise(
    channels: int,
    *,
    kernel_size: int = 3,
    stride: int = 1,
    padding: str = "same",
    dilation: int = 1,
    bias: bool = True,
) -> nn.Module:
    """The first half of a depthwise separable convolution: every channel has a kernel of its own."""
    return _convolution(channels, channels, kernel_size, stride, padding, dilation, groups=channels, bias=bias)


def _convolution(
    inputs: int,
    outputs: int,
    kernel_size: int,
    stride: int,
    padding: str,
    dilation: int,
    *,
    groups: int = 1,
    bias: bool = True,
) -> nn.Module:
    """A Conv2d; `same` pads as much as the kernel takes away, so that the size is ceil(size / stride).

    Where that is an odd number of pixels (even kernels), the extra one goes to the right and to the bottom, as in
    PyTorch's own `padding="same"`, which knows stride 1 only.
    """
    total = dilation * (kernel_size - 1) if padding == "same" else 0
    around, odd = divmod(total, 2)
    layer = nn.Conv2d(inputs, outputs, kernel_size, stride, around, dilation, groups=groups, bias=bias)
    return nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), layer) if odd else layer


class Pooling(nn.Module):
    """Pools windows of `size` pixels, `size` pixels apart; maps smaller than a window pass as they are."""

    def __init__(self, pool: nn.Module, size: int) -> None:
        super().__init__()
        self.pool = pool
        self.size = size

    def forward(self, maps: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h // size, w // size), or `maps` where h or w is below `size`."""
        pooled: Tensor = maps if min(maps.shape[2:]) < self.size else self.pool(maps)
        return pooled


def max_pooling(size: int) -> nn.Module:
    """Max pooling: the largest value of every window; small maps are left alone.

    Source: PyTorch, torch.nn.MaxPool2d; Scherer et al., Evaluation of Pooling Operations in Convolutional Architectures
    for Object Recognition (2010).
    """
    return Pooling(nn.MaxPool2d(size), size)


def average_pooling(size: int) -> nn.Module:
    """Average pooling: the mean of every window; small maps are left alone.

    Source: PyTorch, torch.nn.AvgPool2d; LeCun et al., Gradient-Based Learning Applied to Document Recognition (1998).
    """
    return Pooling(nn.AvgPool2d(size), size)


def no_pooling(size: int) -> nn.Module:
    """No pooling: maps keep their size, or shrink by strides only.

    Source: PyTorch, torch.nn.Identity; Springenberg et al., Striving for Simplicity: The All Convolutional Net (2015).
    """
    return nn.Identity()


POOLINGS: dict[str, Callable[[int], nn.Module]] = {"max": max_pooling, "average": average_pooling, "none": no_pooling}


class SpatialPyramid(nn.Module):
    """Max pools the maps into grids of `levels` cells a side: (n, c, h, w) -> (n, c * sum of squared levels)."""

    def __init__(self, levels: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        self.levels = nn.ModuleList(nn.Sequential(nn.AdaptiveMaxPool2d(cells), nn.Flatten()) for cells in levels)

    def forward(self, maps: Tensor) -> Tensor:
        """The grids of all levels, the coarsest first."""
        return torch.cat([level(maps) for level in self.levels], dim=1)


class AtrousPyramid(nn.Module):
    """Looks at maps with several dilations at once: (n, c, h, w) -> (n, c, h, w).

    Branches: a 1x1 convolution, a dilated 3x3 convolution per rate, and the mean of the whole map; a 1x1 convolution
    brings them together.
    """

    def __init__(self, channels: int, rates: tuple[int, ...] = (1, 2, 3)) -> None:
        super().__init__()
        atrous = [nn.Sequential(dilated(channels, channels, dilation=rate), nn.ReLU()) for rate in rates]
        self.branches = nn.ModuleList([nn.Sequential(pointwise(channels, channels), nn.ReLU()), *atrous])
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), pointwise(channels, channels), nn.ReLU())
        self.projection = nn.Sequential(pointwise((len(rates) + 2) * channels, channels), nn.ReLU())

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of the same shape."""
        seen = [branch(maps) for branch in self.branches]
        projected: Tensor = self.projection(torch.cat([*seen, self.whole(maps).expand_as(maps)], dim=1))
        return projected


def flatten(channels: int, size: tuple[int, int]) -> tuple[nn.Module, int]:
    """Flatten: every pixel of every map is a feature.

    Source: PyTorch, torch.nn.Flatten; LeCun et al., Gradient-Based Learning Applied to Document Recognition (1998).
    """
    return nn.Flatten(), channels * size[0] * size[1]


def global_average(channels: int, size: tuple[int, int]) -> tuple[nn.Module, int]:
    """Global average pooling: the mean of every map is a feature.

    Source: PyTorch, torch.nn.AdaptiveAvgPool2d; Lin et al., Network In Network (2014).
    """
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), channels


def adaptive(channels: int, size: tuple[int, int]) -> tuple[nn.Module, int]:
    """Adaptive average pooling: the means of the four quarters of every map, whatever its size.

    Source: PyTorch, torch.nn.AdaptiveAvgPool2d; lecture notes, "Spatial Pyramid Pooling (SPP)".
    """
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()), 4 * channels


def spatial_pyramid(channels: int, size: tuple[int, int]) -> tuple[nn.Module, int]:
    """Spatial pyramid pooling: the maxima of every map over grids of 1x1, 2x2 and 4x4 cells.

    Source: He et al., Spatial Pyramid Pooling in Deep Convolutional Networks for Visual Recognition (2014).
    """
    return SpatialPyramid((1, 2, 4)), (1 + 4 + 16) * channels


def atrous_pyramid(channels: int, size: tuple[int, int]) -> tuple[nn.Module, int]:
    """Atrous spatial pyramid pooling: convolutions of dilation 1, 2, 3 side by side, then the mean of every map.

    Rates are those that maps of 8x8 pixels have room for.

    Source: Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation (2017).
    """
    return nn.Sequential(AtrousPyramid(channels), nn.AdaptiveAvgPool2d(1), nn.Flatten()), channels


HEADS: dict[str, Callable[[int, tuple[int, int]], tuple[nn.Module, int]]] = {
    "flatten": flatten,
    "global-average": global_average,
    "adaptive": adaptive,
    "spatial-pyramid": spatial_pyramid,
    "atrous-pyramid": atrous_pyramid,
}
