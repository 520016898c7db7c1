"""Mosaics: four images in a square, two of the target class and two of others, in shuffled places.

mosaics = draw(labels, per_class=20, seed=0)
compose(images, mosaics)                                 # shape (n, channels, 2 height, 2 width)

Source: Arias-Duart et al., Focus! Rating XAI Methods and Finding Biases (2022), arXiv 2109.15035.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from diagnose.errors import SettingsError

FEWEST = 4
"""Images of a class below which it is left out: two to be seen and two to be exchanged."""


class NothingToScoreError(SettingsError):
    """A model whose answers leave nothing to score, as early in a training; `str()` is one line."""


@dataclass(frozen=True, slots=True)
class Mosaic:
    """One mosaic.

    target: number of the class whose relevance is asked for.
    images: the four images by number; upper left, upper right, lower left, lower right.
    inside: for each of them, whether it is of the target class.
    """

    target: int
    images: tuple[int, int, int, int]
    inside: tuple[bool, bool, bool, bool]

    @property
    def own(self) -> tuple[int, ...]:
        """The places, from 0 to 3, of the images of the target class."""
        return tuple(place for place in range(4) if self.inside[place])

    @property
    def other(self) -> tuple[int, ...]:
        """The places, from 0 to 3, of the images of other classes."""
        return tuple(place for place in range(4) if not self.inside[place])


def draw(labels: npt.NDArray[np.int64], *, per_class: int, seed: int = 0) -> list[Mosaic]:
    """Mosaics for every class with images enough; the other classes take turns, so that every pair of classes is seen.

    labels: shape (images,), the class of each image that may be used.
    Raises NothingToScoreError where fewer than two classes have images enough.
    """
    random = np.random.default_rng(seed)
    of_class = {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}
    usable = [label for label, places in of_class.items() if len(places) >= FEWEST]
    if len(usable) < 2:
        raise NothingToScoreError(
            f"{len(usable)} class{'' if len(usable) == 1 else 'es'} with at least {FEWEST} images that the model "
            "classifies correctly; a mosaic needs two: give more images per class, or --all-images"
        )
    mosaics = []
    for target in usable:
        others = [label for label in usable if label != target]
        turns = np.concatenate([random.permutation(others) for _ in range(-(-2 * per_class // len(others)))])
        for number in range(per_class):
            pair = turns[2 * number : 2 * number + 2]
            chosen = [*random.choice(of_class[target], 2, replace=False), *_one_each(pair, of_class, random)]
            order = random.permutation(4)
            images = tuple(int(chosen[place]) for place in order)
            mosaics.append(Mosaic(target, images, tuple(bool(place < 2) for place in order)))  # type: ignore[arg-type]
    return mosaics


def _one_each(
    classes: npt.NDArray[np.int64], of_class: dict[int, npt.NDArray[np.int64]], random: np.random.Generator
) -> list[int]:
    """An image of each of two classes, which may be the same class but not the same image."""
    first = int(random.choice(of_class[int(classes[0])]))
    rest = of_class[int(classes[1])]
    return [first, int(random.choice(rest[rest != first]))]


def compose(images: Tensor, mosaics: Sequence[Mosaic], *, own_size: bool = False) -> Tensor:
    """The mosaics as images.

    images: shape (images, channels, height, width).
    own_size: the mosaics are as large as one image, each quarter shrunk, for models that take images of one size only;
        else they are twice as high and wide.
    """
    quarters = images[torch.tensor([mosaic.images for mosaic in mosaics], device=images.device)]
    return tiled(quarters, own_size=own_size)


def tiled(quarters: Tensor, *, own_size: bool = False) -> Tensor:
    """Four images each, shape (n, 4, channels, height, width), as squares of two by two."""
    upper = torch.cat([quarters[:, 0], quarters[:, 1]], dim=-1)
    lower = torch.cat([quarters[:, 2], quarters[:, 3]], dim=-1)
    squares = torch.cat([upper, lower], dim=-2)
    if not own_size:
        return squares
    return functional.interpolate(squares, quarters.shape[-2:], mode="bilinear", antialias=True)


def quarters(maps: Tensor) -> Tensor:
    """Sum of the positive relevance in each quarter, shape (n, 4), of maps of shape (n, height, width)."""
    positive = maps.clamp(min=0.0)
    down, right = maps.shape[-2] // 2, maps.shape[-1] // 2
    upper, lower = positive[:, :down], positive[:, down:]
    parts = (upper[..., :right], upper[..., right:], lower[..., :right], lower[..., right:])
    return torch.stack([part.double().sum(dim=(1, 2)) for part in parts], dim=1)


@torch.no_grad()
def takes_double_size(model: nn.Module, image: Tensor) -> bool:
    """Whether the model answers an image, shape (channels, height, width), of twice its size."""
    once = model(image[None])
    try:
        twice = model(image[None].repeat(1, 1, 2, 2))
    except (RuntimeError, ValueError, AssertionError, IndexError):
        return False
    return bool(twice.shape == once.shape)
