"""Groups of images of one class that a model tells by different features: clusters of their relevance maps.

Source: Lapuschkin et al., Unmasking Clever Hans Predictors and Assessing What Machines Really Learn (2019), on spectral
relevance analysis (SpRAy): heat maps, shrunk and normalized, are grouped by spectral clustering, and the gap between
the eigenvalues of the Laplacian tells how many groups there are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from diagnose.integrations.captum import methods as attribution
from diagnose.integrations.captum.places import candidates
from diagnose.integrations.captum.scores import Scores

SIDE = 8
"""Cells along each side of a map when maps are compared."""

MOST_GROUPS = 4
"""Groups that are looked for at most."""

FEWEST = 10
"""Images of a class below which it has no groups."""

SMALLEST = 3
"""Images of a group below which it is an oddity and no group."""

STRUCTURE = 0.5
"""Silhouette from which on groups are taken for real: "a reasonable structure" [Kaufman and Rousseeuw, Finding Groups
in Data (1990)]."""


@dataclass(frozen=True, slots=True)
class Group:
    """Images of one class that are told by one feature.

    images: their numbers, the most typical first. of: images of the class. place: where most of the relevance lies.
    silhouette: how well the groups of this class stand apart, up to 1.
    """

    target: str
    images: tuple[int, ...]
    of: int
    place: str
    silhouette: float


def groups(
    scores: Scores, model: nn.Module, *, method: str | None = None, progress: Callable[[int, str], None] | None = None
) -> list[Group]:
    """The groups of every class that has more than one; the smallest group, which is the odd one, first."""
    explain = attribution.METHODS[method or scores.methods[0]](model, scores.layer)
    found: list[Group] = []
    for target in dict.fromkeys(mosaic.target for mosaic in scores.mosaics):
        mine = torch.from_numpy(np.flatnonzero(scores.labels == target))
        asked = torch.full((len(mine),), target)
        device = next(model.parameters()).device
        maps = torch.cat(list(attribution.relevance(explain, scores.images[mine].to(device), asked.to(device))))
        found += of_maps(maps, scores.classes[target], mine.tolist())
        if progress is not None:
            progress(len(mine), "clusters")
    return found


def of_maps(maps: Tensor, target: str, images: Sequence[int]) -> list[Group]:
    """The groups among relevance maps, shape (n, height, width), of one class; none where they are all alike.

    images: the number of each map's image.
    """
    points, numbers = _shrunk(maps, images)
    if len(points) < FEWEST:
        return []
    from sklearn.cluster import SpectralClustering
    from sklearn.metrics import silhouette_score

    links = _neighbours(points)
    count = _eigengap(links)
    if count < 2:
        return []
    method = SpectralClustering(count, affinity="precomputed", random_state=0, assign_labels="cluster_qr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # groups without a link between them are what is looked for
        labels = method.fit_predict(links)
    sizes = np.bincount(labels, minlength=count)
    if sizes.min() < SMALLEST:
        return []
    silhouette = float(silhouette_score(points, labels))
    if silhouette < STRUCTURE:
        return []
    found = []
    for label in np.argsort(sizes, kind="stable"):
        at = np.flatnonzero(labels == label)
        centre = points[at].mean(axis=0)
        order = at[np.argsort(((points[at] - centre) ** 2).sum(axis=1), kind="stable")]
        found.append(Group(target, tuple(numbers[place] for place in order), len(points), _densest(centre), silhouette))
    return found


def _shrunk(maps: Tensor, images: Sequence[int]) -> tuple[np.ndarray, list[int]]:
    """Positive relevance in SIDE x SIDE cells that sum to 1, shape (n, cells), without the maps that have none."""
    cells = functional.adaptive_avg_pool2d(maps.clamp(min=0.0)[:, None], SIDE).flatten(1).double()
    total = cells.sum(dim=1)
    kept = torch.nonzero(total > 0.0).flatten()
    return np.asarray(cells[kept] / total[kept, None]), [images[place] for place in kept.tolist()]


def _neighbours(points: np.ndarray) -> np.ndarray:
    """Which maps are among each other's nearest, shape (n, n), symmetric, 0 to 1."""
    from sklearn.neighbors import kneighbors_graph

    near = kneighbors_graph(points, max(3, round(np.sqrt(len(points)))), include_self=True).toarray()
    links: np.ndarray = 0.5 * (near + near.T)
    return links


def _eigengap(links: np.ndarray) -> int:
    """How many groups there are: the eigenvalues of the normalized Laplacian before their widest gap."""
    degree = links.sum(axis=1)
    laplacian = np.eye(len(links)) - links / np.sqrt(np.outer(degree, degree))
    values = np.linalg.eigvalsh(laplacian)[: MOST_GROUPS + 1]
    return int(np.argmax(np.diff(values))) + 1


def _densest(centre: np.ndarray) -> str:
    """The place in which a mean map is densest, in words."""
    cells = torch.from_numpy(centre).reshape(SIDE, SIDE)
    return max(candidates(SIDE, SIDE), key=lambda place: float(cells[place.mask].mean())).name
