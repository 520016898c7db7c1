"""The manifold hypothesis made measurable: how many dimensions the activations of a layer really have.

two_nn(points)                       # of points of shape (n, d)
layer_dimensions(model, x)           # {"stages.0": 9.8, "stages.1": 7.1, ...}
"""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from reference_trainer.monitors import activations

FEWEST = 10
"""Distinct points below which no dimension is told."""

DISCARDED = 0.1
"""Share of the points, those with the largest ratio of distances, that the fit leaves out, as the paper does: the tail
is where the density varies between a point and its second neighbour."""

ROUNDING = 1e-9
"""Logarithm of a ratio of distances below which they are the same distance."""


def two_nn(points: Tensor | npt.NDArray[Any]) -> float:
    """The intrinsic dimension by TwoNN: how fast the second neighbour falls behind the first.

    points: shape (n, d). Points that coincide count once. With r1 and r2 the distances from a point to its first and
    second neighbour, mu = r2 / r1 has the distribution F(mu) = 1 - mu^-dimension, wherever the density is constant as
    far as the second neighbour; the dimension is the slope of -log(1 - F) over log mu, fitted through the origin.
    NaN for fewer than 10 distinct points, for values that are not finite, and where all points of the fit have both
    neighbours at the same distance, as on a grid. Above some ten dimensions, n points are too few and the dimension
    comes out too low. Memory grows with n squared. Raises ValueError for another shape.

    Source: Facco et al., Estimating the intrinsic dimension of datasets by a minimal neighborhood information (2017).
    """
    cloud = torch.as_tensor(points).detach().double()
    if cloud.dim() != 2:
        raise ValueError(f"points have shape {tuple(cloud.shape)}; give (n, d), as x.flatten(1) makes it")
    if not bool(cloud.isfinite().all()):
        return math.nan
    cloud = torch.unique(cloud + 0.0, dim=0)  # -0.0 becomes 0.0, which is the same place
    if len(cloud) < FEWEST:
        return math.nan
    nearest = _two_nearest(cloud)
    log_mu = (nearest[:, 1] / nearest[:, 0]).log().sort().values
    count = len(log_mu)
    kept = math.floor(count * (1.0 - DISCARDED))
    share = torch.arange(1, kept + 1, dtype=torch.float64) / count  # the empirical F at each mu
    x, y = log_mu[:kept], -torch.log1p(-share)
    return float(x @ y / (x @ x)) if float(x[-1]) > ROUNDING else math.nan


def layer_dimensions(model: nn.Module, x: Tensor) -> dict[str, float]:
    """The intrinsic dimension of the output of every activation, block and stage of a model, by dotted name.

    x: a batch of examples, as the model takes it; 500 give a dimension to within about a fifth of itself.
    A layer whose dimension cannot be told, since it gives fewer than 10 different outputs, is left out.

    Source: lecture notes, "The Maniford Hypothesis": each layer is a different manifold.
    """
    found = {name: two_nn(output) for name, output in activations(model, x).items()}
    return {name: dimension for name, dimension in found.items() if math.isfinite(dimension)}


def _two_nearest(cloud: Tensor) -> Tensor:
    """Distances to the first and the second neighbour, shape (n, 2), of distinct points."""
    centred = cloud - cloud.mean(dim=0)
    centred /= centred.abs().max()  # else the squares of very small or large values leave float64
    # Matrix products find the neighbours about ten times as fast; their distances are then taken exactly.
    places = torch.cdist(centred, centred, compute_mode="use_mm_for_euclid_dist").fill_diagonal_(math.inf)
    neighbours = places.topk(2, largest=False).indices
    exact: Tensor = torch.linalg.vector_norm(centred[neighbours] - centred[:, None], dim=2)
    return exact.sort(dim=1).values


MANIFOLD = {"two-nn": two_nn, "layer-dimensions": layer_dimensions}
"""Name -> what is measured of a manifold."""
