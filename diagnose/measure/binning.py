"""Bins: a curve in stretches that lie side by side, and one number for each.

Edges, indices of shape (bins + 1,), ascend. Bin i holds the points `edges[i] <= index < edges[i + 1]` of a curve whose
points stand in the order of its axis, and none where both edges are the same.

The number of an empty bin is NaN; `filled` puts the curve itself in its place. A NaN among the points makes the number
of its bin NaN, and of no other; infinities add up as they do in IEEE 754.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array

Edges = npt.NDArray[np.intp]


def even(size: int, count: int) -> Edges:
    """Edges of `count` bins of equally many points, the first ones with one more where the count does not divide them
    (as `np.array_split` has it); a bin per point where there are fewer points than bins.
    """
    count = min(size, count)
    each, more = divmod(size, max(count, 1))
    index = np.arange(count + 1)
    return index * each + np.minimum(index, more)


def equal(steps: Array, low: float, high: float, count: int) -> Edges:
    """Edges of `count` equal stretches of the axis from `low` to `high`.

    steps: shape (n,), ascending, within these. A step where two stretches meet is in the later one, `high` in the last.
    """
    share = (steps - low) / ((high - low) or 1.0)
    return placed(np.minimum((share * count).astype(np.intp), count - 1), count)


def placed(bins: npt.NDArray[np.intp], count: int) -> Edges:
    """Edges of `count` bins of which each point knows its own; bins: shape (n,), ascending."""
    return np.searchsorted(bins, np.arange(count + 1))


def reduced(reduce: np.ufunc, values: Array, edges: Edges) -> Array:
    """One number per bin, shape (bins,), by a function such as `np.minimum` that reduces any number of points."""
    numbers = np.full(edges.size - 1, np.nan)
    some = edges[1:] > edges[:-1]
    numbers[some] = reduce.reduceat(values[: edges[-1]], edges[:-1][some])
    return numbers


def means(values: Array, edges: Edges) -> Array:
    """The mean of each bin, shape (bins,)."""
    with np.errstate(invalid="ignore", over="ignore"):  # infinity minus infinity, and sums of the very large
        result: Array = reduced(np.add, values, edges) / np.diff(edges)
    return result


def block_means(values: Array, count: int) -> Array:
    """Means of at most `count` blocks of equally many points, shape (min(n, count),)."""
    if values.size <= count:
        return values.astype(np.float64)
    return means(values, even(values.size, count))


def filled(numbers: Array, places: Array, steps: Array, values: Array) -> Array:
    """The numbers of bins, those of empty ones by a line between the points of the finite curve (steps, values).

    places: where on the axis each bin stands, shape (bins,).
    """
    return np.where(np.isnan(numbers), np.interp(places, steps, values), numbers)
