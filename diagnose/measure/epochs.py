"""Where the epochs lie in a curve that is logged several times per epoch.

The rules about what happens at the turn of an epoch share this; a curve with one point per epoch has no such turn.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array, Series
from diagnose.measure import binning, statistics

Indices = npt.NDArray[np.intp]


def finest(train_loss: Series | None, train_loss_step: Series | None) -> tuple[str, Series] | None:
    """The training loss with the most finite points, with its canonical name; None where there is none."""
    known = [("train_loss", train_loss), ("train_loss_step", train_loss_step)]
    found = [(role, curve.finite()) for role, curve in known if curve is not None]
    return max(found, key=lambda item: len(item[1]), default=None)


def within_epochs(steps: Array, axis: str) -> bool:
    """Whether the points lie closer than one per epoch, as far as the axis says."""
    return axis != "epoch" or (steps.size > 1 and statistics.median(np.diff(steps)) < 0.5)


def starts(steps: Array, epoch: Series | None, axis: str) -> Indices:
    """Indices of the first point of every epoch, ascending, the first one 0; empty where the epochs are not known.

    steps: shape (n,), those of the curve. epoch: the logged number of the epoch, whole or in fractions (of which 2.0
    still belongs to the second epoch, as a mean over the steps before it does); None where it is the axis or not
    logged.
    """
    if epoch is not None and len(counted := epoch.finite()):
        places = np.clip(np.searchsorted(counted.steps, steps, side="right") - 1, 0, None)
        number = counted.values[places]
    elif axis == "epoch":
        number = steps
    else:
        return np.empty(0, dtype=np.intp)
    if bool(np.any(number != np.rint(number))):
        number = np.ceil(number - 1e-6)
    turns = np.flatnonzero(np.diff(number) > 0) + 1
    return np.concatenate([np.zeros(1, dtype=np.intp), turns])


def whole_bins(values: Array, firsts: Indices, bins: int) -> Array:
    """Means of `bins` equal parts of every epoch, shape (epochs, bins), for the longest stretch of whole epochs.

    An epoch is whole with at least as many points as bins and a length within a tenth of the usual one: the first one
    of a resumed log and the last one of an interrupted run are not.
    """
    edges = np.append(firsts, values.size)
    lengths = np.diff(edges)
    usual = float(np.median(lengths))
    start, stop = statistics.longest_run((lengths >= max(bins, math.ceil(0.9 * usual))) & (lengths <= 1.1 * usual))
    whole = np.arange(start, stop)
    offsets = np.arange(bins) / bins
    cuts = (firsts[whole, None] + np.floor(offsets * lengths[whole, None])).astype(np.intp)
    return binning.means(values, np.append(cuts, edges[stop])).reshape(-1, bins)


def settling(values: Array, firsts: Indices) -> float:
    """How much calmer a curve is in the last quarter of its epochs than in the first, as a ratio.

    Median absolute difference of neighbours. A running mean that starts anew with every epoch calms down with the
    inverse of the points it holds, so the ratio is about the number of points per quarter; of a plain loss it is 1.
    1 where no epoch has 8 points.
    """
    change = np.abs(np.diff(values))
    edges = np.append(firsts, values.size)
    lengths = np.diff(edges)
    long = lengths >= 8
    if not long.any():
        return 1.0
    index = np.arange(change.size)
    place = np.searchsorted(firsts, index, side="right") - 1
    phase = (index - firsts[place]) / lengths[place]
    inside = long[place] & (index + 1 < edges[place + 1])
    early = change[inside & (phase < 0.25)]
    late = change[inside & (phase >= 0.75 - 1.0 / lengths[place])]
    if not early.size or not late.size:
        return 1.0
    return statistics.median(early) / max(statistics.median(late), 1e-12 * float(np.abs(values).max()), 1e-300)
