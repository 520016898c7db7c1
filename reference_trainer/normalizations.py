"""Normalization layers: `NORMALIZATIONS[recipe.normalization](channels, recipe, maps=True)`.

maps: of shape (n, channels, height, width); else units of shape (n, channels). Each has a learned scale and, but for
RMS, a learned shift per channel. What is normalized over: of a batch the examples and pixels of a channel; of a layer
all that an example has; of a group its channels and their pixels; of an instance the pixels of a channel; of RMS the
channels of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from reference_trainer.recipe import Recipe


def batch(channels: int, recipe: Recipe, *, maps: bool = True) -> nn.Module:
    """Batch normalization: each channel is standardised over the batch, in eval by running statistics.

    Source: PyTorch, torch.nn.BatchNorm2d; Ioffe and Szegedy, Batch Normalization: Accelerating Deep Network Training by
    Reducing Internal Covariate Shift (2015).
    """
    made = nn.BatchNorm2d if maps else nn.BatchNorm1d
    return made(channels, eps=recipe.normalization_epsilon, momentum=recipe.normalization_momentum)


def none(channels: int, recipe: Recipe, *, maps: bool = True) -> nn.Module:
    """No normalization.

    Source: PyTorch, torch.nn.Identity.
    """
    return nn.Identity()


def layer(channels: int, recipe: Recipe, *, maps: bool = True) -> nn.Module:
    """Layer normalization: each example is standardised over all its channels and pixels.

    Source: PyTorch, torch.nn.LayerNorm, torch.nn.GroupNorm of one group; Ba, Kiros and Hinton, Layer Normalization
    (2016).
    """
    eps = recipe.normalization_epsilon
    return nn.GroupNorm(1, channels, eps=eps) if maps else nn.LayerNorm(channels, eps=eps)


def group(channels: int, recipe: Recipe, *, maps: bool = True) -> nn.Module:
    """Group normalization: each example is standardised over the channels of a group and their pixels.

    There are as many of the recipe's groups as divide the channels.

    Source: PyTorch, torch.nn.GroupNorm; Wu and He, Group Normalization (2018).
    """
    return nn.GroupNorm(math.gcd(recipe.normalization_groups, channels), channels, eps=recipe.normalization_epsilon)


def instance(channels: int, recipe: Recipe, *, maps: bool = True) -> nn.Module:
    """Instance normalization: each channel of each example is standardised over its pixels.

    Made of groups of one channel, which take maps of one pixel, too; nothing but the shift is left of those.

    Source: PyTorch, torch.nn.GroupNorm; Ulyanov, Vedaldi and Lempitsky, Instance Normalization: The Missing Ingredient
    for Fast Stylization (2016).
    """
    return nn.GroupNorm(channels, channels, eps=recipe.normalization_epsilon)


class ChannelRms(nn.Module):
    """Divides the channels of each pixel by their root mean square: (n, channels, ...) -> the same shape."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.eps = eps

    def forward(self, maps: Tensor) -> Tensor:
        """The maps, each pixel scaled."""
        last = maps.movedim(1, -1)
        return nn.functional.rms_norm(last, last.shape[-1:], self.weight, self.eps).movedim(-1, 1)


def rms(channels: int, recipe: Recipe, *, maps: bool = True) -> nn.Module:
    """RMS normalization: the channels of each pixel are divided by their root mean square, and not centred.

    Source: PyTorch, torch.nn.RMSNorm; Zhang and Sennrich, Root Mean Square Layer Normalization (2019).
    """
    return ChannelRms(channels, recipe.normalization_epsilon)


NORMALIZATIONS: dict[str, Callable[..., nn.Module]] = {
    "batch": batch,
    "none": none,
    "layer": layer,
    "group": group,
    "instance": instance,
    "rms": rms,
}
"""Name -> channels, recipe, maps -> the layer."""
