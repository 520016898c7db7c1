"""Heads: what makes features of the last maps, of shape (n, channels, height, width).

HEADS["spatial-pyramid"](32, (4, 4), recipe)            # the module, and its number of features
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reference_trainer.blocks import BLOCKS, AtrousPyramid
from reference_trainer.recipe import Recipe


class SpatialPyramid(nn.Module):
    """Max pools the maps into grids of `levels` cells a side: (n, c, h, w) -> (n, c * sum of squared levels)."""

    def __init__(self, levels: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        self.levels = nn.ModuleList(nn.Sequential(nn.AdaptiveMaxPool2d(cells), nn.Flatten()) for cells in levels)

    def forward(self, maps: Tensor) -> Tensor:
        """The grids of all levels, the coarsest first."""
        return torch.cat([level(maps) for level in self.levels], dim=1)


def flatten(channels: int, size: tuple[int, int], recipe: Recipe) -> tuple[nn.Module, int]:
    """Flatten: every pixel of every map is a feature.

    Source: PyTorch, torch.nn.Flatten; LeCun et al., Gradient-Based Learning Applied to Document Recognition (1998).
    """
    return nn.Flatten(), channels * size[0] * size[1]


def global_average(channels: int, size: tuple[int, int], recipe: Recipe) -> tuple[nn.Module, int]:
    """Global average pooling: the mean of every map is a feature.

    Source: PyTorch, torch.nn.AdaptiveAvgPool2d; Lin et al., Network In Network (2014).
    """
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), channels


def adaptive(channels: int, size: tuple[int, int], recipe: Recipe) -> tuple[nn.Module, int]:
    """Adaptive average pooling: the means of the four quarters of every map, whatever its size.

    Source: PyTorch, torch.nn.AdaptiveAvgPool2d; lecture notes, "Spatial Pyramid Pooling (SPP)".
    """
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()), 4 * channels


def spatial_pyramid(channels: int, size: tuple[int, int], recipe: Recipe) -> tuple[nn.Module, int]:
    """Spatial pyramid pooling: the maxima of every map over grids of 1x1, 2x2 and 4x4 cells.

    Source: He et al., Spatial Pyramid Pooling in Deep Convolutional Networks for Visual Recognition (2014).
    """
    return SpatialPyramid((1, 2, 4)), (1 + 4 + 16) * channels


def atrous_pyramid(channels: int, size: tuple[int, int], recipe: Recipe) -> tuple[nn.Module, int]:
    """Atrous spatial pyramid pooling: convolutions of dilation 1, 2, 3 side by side, then the mean of every map.

    Rates are those that maps of 8x8 pixels have room for. The network it was made for is `deeplab`.

    Source: Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation (2017).
    """
    pyramid = AtrousPyramid(channels, channels, recipe)
    return nn.Sequential(pyramid, nn.AdaptiveAvgPool2d(1), nn.Flatten()), channels


class PyramidModule(nn.Module):
    """Sees maps beside their means over coarser and coarser grids: (n, c, h, w) -> (n, c, h, w).

    cells: of each grid, a side. Each is brought to a share of the channels by a 1x1 convolution, and interpolated back.
    """

    def __init__(self, channels: int, recipe: Recipe, cells: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        share = max(channels // len(cells), 1)
        point = replace(recipe, convolution="plain", kernel_size=1, stride=1, padding="same")
        self.grids = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), BLOCKS["cbr"](channels, share, point)) for side in cells
        )
        self.projection = BLOCKS["cbr"](channels + len(cells) * share, channels, point)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of the same shape."""
        seen = [interpolate(grid(maps), maps.shape[2:], mode="bilinear", align_corners=False) for grid in self.grids]
        projected: Tensor = self.projection(torch.cat([maps, *seen], dim=1))
        return projected


def pyramid_module(channels: int, size: tuple[int, int], recipe: Recipe) -> tuple[nn.Module, int]:
    """Pyramid pooling module: the maps beside their means over grids of 1x1, 2x2 and 4x4 cells, then the mean of each.

    Source: Zhao et al., Pyramid Scene Parsing Network (2017).
    """
    module = PyramidModule(channels, recipe)
    return nn.Sequential(module, nn.AdaptiveAvgPool2d(1), nn.Flatten()), channels


HEADS: dict[str, Callable[[int, tuple[int, int], Recipe], tuple[nn.Module, int]]] = {
    "flatten": flatten,
    "global-average": global_average,
    "adaptive": adaptive,
    "spatial-pyramid": spatial_pyramid,
    "atrous-pyramid": atrous_pyramid,
    "pyramid-module": pyramid_module,
}
