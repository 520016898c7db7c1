"""Curves with fewer points: the extremes, which are seen, or the means, which are compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array, Run, Series
from diagnose.measure import binning

GLANCE_POINTS = 24
"""Points kept of the curve that shows a run at a glance."""


def glance(run: Run) -> str | None:
    """The column of the curve that shows a run at a glance; None where the log has none."""
    named = (run.roles.get(role) for role in ("val_loss", "train_loss", "val_accuracy", "train_accuracy", "reward"))
    return next((column for column in named if column in run.series), None)


def extremes(curve: Series, points: int) -> Series:
    """The curve with what is seen of it: of each of `points / 2` blocks the smallest, the largest and the first
    non-finite value, and both ends; the curve itself where it has no more points.
    """
    size = len(curve)
    if size <= points:
        return curve
    edges = binning.even(size, points // 2)
    block = np.repeat(np.arange(edges.size - 1), np.diff(edges))
    finite = np.isfinite(curve.values)
    keep = [np.array([0, size - 1]), _first_of_each(block, np.flatnonzero(~finite))]
    for sign in (1.0, -1.0):
        values = np.where(finite, sign * curve.values, np.inf)
        lowest = binning.reduced(np.minimum, values, edges)
        keep.append(_first_of_each(block, np.flatnonzero(finite & (values == lowest[block]))))
    index = np.unique(np.concatenate(keep))
    return Series(curve.name, curve.steps[index], curve.values[index], curve.blank_from)


def _first_of_each(block: npt.NDArray[np.intp], places: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The first of the places, which ascend, in each block."""
    found: npt.NDArray[np.intp] = places[np.unique(block[places], return_index=True)[1]]
    return found


def means(run: Run, roles: Collection[str], points: int) -> Run:
    """The run with the curves of these roles alone, each made at most `points` block means.

    A block with a NaN has a NaN as its mean.
    """
    columns = {role: column for role, column in run.roles.items() if role in roles and column in run.series}
    steps: dict[int, Array] = {}
    series: Mapping[str, Series] = {
        column: _block_means(run.series[column], points, steps) for column in columns.values()
    }
    return replace(run, series=series, roles=columns, notes=(), logged=run.points, lines=None)


def _block_means(curve: Series, points: int, steps: dict[int, Array]) -> Series:
    """The means of a curve; `steps` holds those of the steps that are done, by the identity of their array."""
    key = id(curve.steps)
    if key not in steps:
        steps[key] = binning.block_means(curve.steps, points)
    return Series(curve.name, steps[key], binning.block_means(curve.values, points), curve.blank_from)
