"""Runs of the same thing beside each other: by how much their curves differ.

Curves are compared over the steps that all of them cover, as means over equal stretches of the axis ("bins"), so that
runs logged at different cadences meet on one axis. Differences are counted in the direction in which a curve gets
worse, in shares of the level of a loss and in points of an accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array, Series
from diagnose.measure import binning, statistics

CURVES = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
"""Roles whose levels are compared between runs."""

Bins = npt.NDArray[np.float64]
"""Shape (runs, bins): the mean of each run's curve in each stretch of the axis."""

_MOST_BINS = 48


def binned(curves: Sequence[Series]) -> tuple[Array, Bins] | None:
    """Means over equal stretches of the axis that all curves cover: the middles of the bins, and the means.

    As many bins as the sparsest curve has points there, at most 48. None for fewer than 5 bins.
    """
    finite = [curve.finite() for curve in curves]
    if min(map(len, finite), default=0) < 5:
        return None
    low = max(float(curve.steps[0]) for curve in finite)
    high = min(float(curve.steps[-1]) for curve in finite)
    if not high > low:
        return None
    inside = [(c.steps >= low) & (c.steps <= high) for c in finite]
    count = min(_MOST_BINS, *(int(keep.sum()) for keep in inside))
    if count < 5:
        return None
    middles = low + (high - low) / count * (np.arange(count, dtype=np.float64) + 0.5)
    rows = []
    for curve, keep in zip(finite, inside, strict=True):
        edges = binning.equal(curve.steps[keep], low, high, count)
        rows.append(binning.filled(binning.means(curve.values[keep], edges), middles, curve.steps, curve.values))
    return middles, np.array(rows)


def worse_by(role: str) -> float:
    """1 for a curve that gets worse upward (a loss), -1 for one that gets worse downward."""
    return 1.0 if role.endswith("loss") else -1.0


def scale(role: str, bins: Bins) -> float:
    """What a difference between runs is counted in: the usual late level of a positive loss, but at least a twentieth
    of its fall; the fall alone where a loss is not positive; one for an accuracy (100 where it is in percent).
    """
    usual = np.median(bins, axis=0)
    if not role.endswith("loss"):
        return 100.0 if float(np.abs(usual).max()) > 1.5 else 1.0
    late = float(usual[usual.size // 2 :].mean())
    fall = float(usual.max() - usual.min())
    if float(bins.min()) > 0.0:
        return max(late, 0.05 * fall)
    return max(fall, 1e-12)


class Departure(NamedTuple):
    """How far one value lies from those of its siblings.

    excess: value minus their mean. sd: of the prediction. p: chance of one so high or higher among siblings.
    """

    excess: float
    sd: float
    p: float


PRIOR_DEGREES = 8.0
"""Degrees of freedom of what is known beforehand about the spread between runs."""


def departure(value: float, siblings: Array, prior_sd: float) -> Departure:
    """Moderated t prediction of one value from its siblings'.

    The variance between runs is shrunk towards `prior_sd`^2 with `PRIOR_DEGREES` degrees of freedom, as few siblings
    say little about it [Smyth, Linear models and empirical Bayes methods (2004)]. Where they spread more than that
    says, the observed variance counts, with half of those degrees. The value of a new run has 1 + 1/n of the variance.
    """
    n = siblings.size
    observed = float(np.var(siblings, ddof=1)) if n > 1 else 0.0
    degrees = PRIOR_DEGREES + n - 1
    variance = (PRIOR_DEGREES * prior_sd**2 + (n - 1) * observed) / degrees
    if observed > variance:
        variance, degrees = observed, 0.5 * PRIOR_DEGREES + n - 1
    sd = math.sqrt(variance * (1.0 + 1.0 / n))
    excess = value - float(siblings.mean())
    return Departure(excess, sd, statistics.student_above(excess / sd, degrees) if sd > 0.0 else 0.5)


def noise(bins: Bins) -> float:
    """The standard deviation of one bin around a smooth curve, the usual one of the runs."""
    return float(np.median([statistics.jitter(row) for row in bins]))


def smoothed(bins: Bins, width: int) -> Bins:
    """Running means over `width` bins, shape (runs, bins - width + 1)."""
    total = np.cumsum(np.pad(bins, ((0, 0), (1, 0))), axis=1)
    means: Bins = (total[:, width:] - total[:, :-width]) / width
    return means
