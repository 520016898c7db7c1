"""Curves logged at different cadences, brought to one axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diagnose.curves import Array, Series
from diagnose.measure import binning


def align(curves: Sequence[Series]) -> tuple[Array, list[Array]]:
    """Bring curves logged at different cadences to one axis.

    The axis is that of the curve with the fewest finite points. A denser curve is averaged over the steps since the
    axis point before (what a person comparing an epoch's validation with its training reads off); where it has no
    point in between, it is interpolated linearly. Axis points outside the range of another curve are dropped.

    Returns the steps, shape (n,), and one array of shape (n,) per curve, all finite.
    """
    finite = [curve.finite() for curve in curves]
    first = finite[0].steps
    if all(c.steps is first or np.array_equal(c.steps, first) for c in finite):
        return first, [c.values for c in finite]
    axis = np.unique(min(finite, key=len).steps)
    low = max((float(c.steps[0]) for c in finite if len(c)), default=0.0)
    high = min((float(c.steps[-1]) for c in finite if len(c)), default=0.0)
    # Training is logged within an epoch and validation after it: allow one axis interval on either side.
    slack = float(np.median(np.diff(axis))) if axis.size > 1 else 0.0
    axis = axis[(axis >= low - slack) & (axis <= high + slack)]
    if axis.size == 0 or any(len(c) == 0 for c in finite):
        return axis[:0], [axis[:0] for _ in finite]
    return axis, [_resample(c, axis) for c in finite]


def _resample(curve: Series, axis: Array) -> Array:
    """Mean of the curve over (previous axis point, axis point]; linear interpolation where that holds no point."""
    edges = np.concatenate([[0], np.searchsorted(curve.steps, axis, side="right")])
    return binning.filled(binning.means(curve.values, edges), axis, curve.steps, curve.values)
