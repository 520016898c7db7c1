"""Where in the image a class has its evidence, and what happens when that place is exchanged between images.

A mark that only one class carries leaves the Focus of that class where it was: nothing in the other images resembles
it. It betrays itself when the places are exchanged: what the class is told by then lies in the images of the others,
relevance follows it there, and Focus falls below chance. Evidence in the thing shown stays, for the most part, since a
sixteenth of the image holds little of it.

places = candidates(16, 16)                              # windows of a quarter of each side, and the frame
place = find(model, images, labels, target, places, random)
exchanged(quarters, mosaics, place)

The measure is our own; it joins Focus (Arias-Duart et al., arXiv 2109.15035) with the exchange of contexts (Arias-Duart
et al., Assessing Biases through Visual Contexts, 2023).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from diagnose.integrations.captum.mosaics import Mosaic

GRID = 4
"""Windows along each side of the image."""

PAIRS = (6, 20)
"""Pairs of images by which every place is tried, and then those that took most along."""

FINALISTS = 4
"""Places that are tried by more pairs."""

Array = npt.NDArray[np.float64]

Classes = int | npt.NDArray[np.int64]

LEAST = 1e-6
"""Probability below which log-odds are cut off."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A part of the image. mask: shape (height, width)."""

    name: str
    mask: Tensor

    @property
    def share(self) -> float:
        """Its share of the image's area."""
        return float(self.mask.float().mean())


def candidates(height: int, width: int) -> list[Place]:
    """The windows of a grid of four by four, and the frame, a sixteenth of the side wide."""
    rows, columns = (np.linspace(0, side, GRID + 1).round().astype(int) for side in (height, width))
    found = []
    for i in range(GRID):
        for j in range(GRID):
            mask = torch.zeros(height, width, dtype=torch.bool)
            mask[rows[i] : rows[i + 1], columns[j] : columns[j + 1]] = True
            found.append(Place(_said(i, j), mask))
    wide = max(1, round(min(height, width) / 16))
    frame = torch.ones(height, width, dtype=torch.bool)
    frame[wide:-wide, wide:-wide] = False
    return [*found, Place("the frame", frame)]


def _said(row: int, column: int) -> str:
    """A window in words: `the upper left corner`, `row 2, column 3 of 4`."""
    last = GRID - 1
    if row in (0, last) and column in (0, last):
        return f"the {'lower' if row else 'upper'} {'right' if column else 'left'} corner"
    return f"row {row + 1}, column {column + 1} of {GRID}"


def find(
    model: nn.Module,
    images: Tensor,
    labels: npt.NDArray[np.int64],
    target: int,
    places: Sequence[Place],
    random: np.random.Generator,
) -> Place:
    """The place that takes most of the class's evidence along when it is exchanged with images of other classes."""
    left = list(places)
    for pairs in PAIRS:
        own, other = (images[random.choice(np.flatnonzero(at), pairs)] for at in (labels == target, labels != target))
        before = _log_odds(model, torch.cat([own, other]), target)
        changed = torch.cat([half for place in left for half in swapped(own, other, place.mask)])
        after = _log_odds(model, changed, target).reshape(len(left), 2, pairs)
        moved = (before[:pairs] - after[:, 0]).mean(axis=1) + (after[:, 1] - before[pairs:]).mean(axis=1)
        left = [left[number] for number in np.argsort(-moved, kind="stable")[:FINALISTS]]
    return left[0]


def swapped(own: Tensor, others: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of images, shape (n, channels, height, width) each, with the masked part of one in the other."""
    mask = mask.to(own.device)
    return torch.where(mask, others, own), torch.where(mask, own, others)


def exchanged(quarters: Tensor, mosaics: Sequence[Mosaic], places: Mapping[int, Place]) -> Tensor:
    """The four images of each mosaic with the target's place exchanged: first own with first other, second with second.

    quarters: shape (n, 4, channels, height, width). places: by target.
    """
    changed = quarters.clone()
    for number, mosaic in enumerate(mosaics):
        own, other = list(mosaic.own), list(mosaic.other)
        pair = swapped(quarters[number, own], quarters[number, other], places[mosaic.target].mask)
        changed[number, own], changed[number, other] = pair
    return changed


def odds(model: nn.Module, quarters: Tensor, mosaics: Sequence[Mosaic], batch: int = 128) -> Array:
    """Log-odds of the target in each of the four images by itself, shape (n, 4), of images (n, 4, c, height, width)."""
    targets = np.repeat([mosaic.target for mosaic in mosaics], 4)
    return _log_odds(model, quarters.flatten(0, 1), targets, batch).reshape(-1, 4)


def shares_moved(before: Array, after: Array, mosaics: Sequence[Mosaic]) -> Array:
    """Share of the target's log-odds that went along with the exchanged place, shape (n,), by mosaic.

    before, after: log-odds of the four images, shape (n, 4). The unit is the mean distance between the target's images
    and the others in the mosaics of that target: 0 where the answers stay, 1 where they change places.
    """
    inside = np.array([mosaic.inside for mosaic in mosaics])
    side = np.where(inside, 0.5, -0.5)  # two images on each side
    distance, lost = (before * side).sum(axis=1), ((before - after) * side).sum(axis=1)
    targets = np.array([mosaic.target for mosaic in mosaics])
    shares = np.zeros(len(mosaics))
    for target in np.unique(targets):
        at = targets == target
        unit = float(distance[at].mean())
        shares[at] = lost[at] / 2.0 / unit if unit > 0.0 else 0.0
    return shares


@torch.no_grad()
def _log_odds(model: nn.Module, images: Tensor, targets: Classes, batch: int = 128) -> Array:
    """Log-odds of a class for each image, shape (n,). targets: one class for all, or shape (n,)."""
    chances = torch.cat([model(some).double().softmax(dim=1).cpu() for some in images.split(batch)])
    asked = torch.as_tensor(targets, dtype=torch.long).expand(len(images))
    chance = chances.gather(1, asked[:, None])[:, 0].clamp(LEAST, 1.0 - LEAST)
    return np.asarray((chance / (1.0 - chance)).log(), dtype=np.float64)
