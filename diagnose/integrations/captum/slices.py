"""Slices: images of a class with a feature in common and a worse recall than the rest of it.

found = slices(model, pixels, labels, predicted)         # the worst first

What the last layer is given of each image is clustered within each class. Source: Eyuboglu et al., Domino: Discovering
Systematic Errors with Cross-Modal Embeddings (2022); d'Eon et al., The Spotlight: A General Method for Discovering
Systematic Errors in Deep Learning Models (2022), on the model's own last features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from diagnose.integrations.captum.heads import inner
from diagnose.integrations.captum.pixels import Pixels

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

FEWEST = 10
"""Images of a class below which it has no slices."""

SMALLEST = 3
"""Images of a slice below which it is an oddity."""

MOST = 4
"""Clusters of a class at most."""

DIRECTIONS = 8
"""Principal directions of the features that are clustered."""

GAP = 0.1
"""How much worse the recall of a slice is at the least."""

P_MOST = 0.05
"""Of Fisher's exact test, times the slices of all classes. The features are those by which the model errs, so that
this sorts out the smallest and proves nothing."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice of a class.

    images: their numbers, the most typical first. of: images of the class. recall: of the slice, and `rest` of the
    others of the class, from 0 to 1. answered: class that most of its missed images are taken for.
    """

    target: int
    images: tuple[int, ...]
    of: int
    recall: float
    rest: float
    answered: int
    p: float


@torch.no_grad()
def features(model: nn.Module, pixels: Pixels, batch: int = 64) -> Array:
    """What the last linear layer is given of each image, shape (n, features); the scores of a model without one."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any) -> None:
        kept.append(inputs[0])

    last = last_linear(model)
    hook = None if last is None else last[1].register_forward_pre_hook(keep)
    found = []
    try:
        for some in pixels.batches(batch):
            kept.clear()
            scores = model(some)
            given = kept[-1] if kept else scores
            found.append(given.reshape(len(some), -1, given.shape[-1]).mean(dim=1).float().cpu())
    finally:
        if hook is not None:
            hook.remove()
    return np.asarray(torch.cat(found), dtype=np.float64)


def last_linear(model: nn.Module) -> tuple[str, nn.Linear] | None:
    """The last linear layer of the user's model, with its name; None where it has none."""
    layers = [(name, layer) for name, layer in inner(model).named_modules() if isinstance(layer, nn.Linear)]
    return layers[-1] if layers else None


def slices(model: nn.Module, pixels: Pixels, labels: Labels, predicted: Labels) -> list[Slice]:
    """The slices of all classes whose recall is worse, the worst first."""
    points = features(model, pixels)
    found = [one for target in np.unique(labels) for one in _of_class(points, labels, predicted, int(target))]
    worse = [one for one in found if one.rest - one.recall >= GAP and one.p * len(found) <= P_MOST]
    return sorted(worse, key=lambda one: one.recall - one.rest)


def _of_class(points: Array, labels: Labels, predicted: Labels, target: int) -> list[Slice]:
    """All clusters of a class."""
    from scipy.stats import fisher_exact

    mine = np.flatnonzero(labels == target)
    if len(mine) < FEWEST:
        return []
    own = _directions(points[mine])
    clusters = _clusters(own)
    right = predicted[mine] == target
    found = []
    for number in np.unique(clusters):
        inside = clusters == number
        if not SMALLEST <= inside.sum() < len(mine):
            continue
        table = np.array([[part.sum(), (~part).sum()] for part in (right[inside], right[~inside])])
        p = float(fisher_exact(table, alternative="less").pvalue)
        distance = ((own - own[inside].mean(axis=0)) ** 2).sum(axis=1)
        order = [int(mine[place]) for place in np.argsort(distance, kind="stable") if inside[place]]
        missed = predicted[mine][inside & ~right]
        answered = int(np.bincount(missed).argmax()) if missed.size else target
        recall, rest = float(right[inside].mean()), float(right[~inside].mean())
        found.append(Slice(target, tuple(order), len(mine), recall, rest, answered, p))
    return found


def _directions(points: Array) -> Array:
    """The points along their first principal directions, shape (n, directions)."""
    centred = points - points.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    found: Array = (left * lengths)[:, :DIRECTIONS]
    return found


def _clusters(points: Array) -> Labels:
    """The cluster of each point, of the number of clusters that stand apart best [Rousseeuw, Silhouettes (1987)]."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    best, found = -1.0, np.zeros(len(points), dtype=np.int64)
    for count in range(2, min(MOST, len(points) // SMALLEST) + 1):
        if len(np.unique(points.round(9), axis=0)) < count:
            break
        numbers = KMeans(count, n_init=4, random_state=0).fit_predict(points)
        quality = float(silhouette_score(points, numbers)) if len(np.unique(numbers)) > 1 else -1.0
        if quality > best:
            best, found = quality, numbers.astype(np.int64)
    return found
