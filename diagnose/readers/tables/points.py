"""Points that were logged one at a time, each with its metric and step, to a table: MLflow's and DVCLive's way.

What one logging call or one training step left becomes a row. A tracker counts what it is told to count: the loss of a
batch by global steps, the validation loss beside it by epochs. Where two such counters are mixed, time tells which step
an epoch belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array
from diagnose.errors import ReadError
from diagnose.names import roles
from diagnose.readers.tables.names import printable
from diagnose.readers.tables.table import Column, Table

Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

_MOST_CELLS = 200_000_000  # rows x metrics, 1.8 GB as numbers and mask
_APART = 2.0  # factor between the steps of two metrics at one time from which they are different counters


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points in any order.

    names: the metrics.
    metric: shape (n,), each point's place in `names`.
    steps: shape (n,), finite.
    values: shape (n,); NaN and infinity are values that were logged as such.
    order: shape (n,), goes up from each logging call to the next: milliseconds, or a number of the attempt.
    timed: True where `order` is time.
    """

    names: Sequence[str]
    metric: Index
    steps: Array
    values: Array
    order: npt.NDArray[np.int64]
    timed: bool


def table(
    points: Points, format: str, *, name: str = "", config: Mapping[str, Any] | None = None, notes: Sequence[str] = ()
) -> Table:
    """The points of one run as a table in the order of logging, with a column `step` where the steps count anything.

    Metrics that go by a coarser count than the others get a column `epoch`, and the steps at which they came.
    Raises ReadError where the points do not make rows: nearly every one of very many metrics has steps of its own.
    """
    points = _sorted(points)
    of_metric = _of_metric(points)
    fine = _by_finest_counter(points, of_metric)
    row = _rows(points, fine)
    rows = int(row[-1]) + 1 if row.size else 0
    if rows * len(points.names) > _MOST_CELLS:
        raise ReadError(f"{len(points.names)} metrics at {rows} different steps are no training log")
    columns = _counters(points, fine, row, rows)
    for metric, there in zip(points.names, of_metric, strict=True):
        if there.size:
            columns.setdefault(printable(metric), _column(rows, row[there], points.values[there]))
    return Table(format, columns, rows, name=name, config=dict(config or {}), notes=tuple(notes))


def _sorted(points: Points) -> Points:
    chosen = np.lexsort((points.steps, points.order))
    return Points(
        points.names,
        points.metric[chosen],
        points.steps[chosen],
        points.values[chosen],
        points.order[chosen],
        points.timed,
    )


def _of_metric(points: Points) -> list[Index]:
    """The places of each metric's points, in their order."""
    sizes = np.bincount(points.metric, minlength=len(points.names))
    return np.split(np.argsort(points.metric, kind="stable"), np.cumsum(sizes)[:-1])


def _by_finest_counter(points: Points, of_metric: Sequence[Index]) -> Mask:
    """The points of the metrics that go by the finest counter: all, where there is one counter only.

    The metric with the most points tells which step it was at the time of any other.
    """
    fine = np.ones(points.steps.size, dtype=np.bool_)
    if not points.timed or sum(there.size > 0 for there in of_metric) < 2:
        return fine
    reference = max(of_metric, key=len)
    before = np.searchsorted(reference, np.arange(points.steps.size), side="right") - 1
    meanwhile = points.steps[reference][np.maximum(before, 0)]
    larger = np.zeros_like(fine)
    for there in filter(len, of_metric):
        own, others = float(np.median(points.steps[there])), float(np.median(meanwhile[there]))
        fine[there] = own * _APART >= others
        larger[there] = own > others * _APART > 0 and there.size >= roles.FEW_POINTS
    return larger if larger.any() else fine


def _rows(points: Points, fine: Mask) -> Index:
    """The row of each point: a new one where the step changes, or where a metric comes again at the same step."""
    if not points.steps.size:
        return np.zeros(0, dtype=np.intp)
    changes = (points.steps[1:] != points.steps[:-1]) | (fine[1:] != fine[:-1])
    stretch = np.concatenate(([0], np.cumsum(changes))).astype(np.intp)
    if np.unique(stretch * len(points.names) + points.metric).size == stretch.size:
        return stretch
    rows: list[int] = []
    row, last = -1, -1
    seen: set[int] = set()
    for part, metric in zip(stretch.tolist(), points.metric.tolist(), strict=True):
        if part != last or metric in seen:
            row, last = row + 1, part
            seen.clear()
        seen.add(metric)
        rows.append(row)
    return np.array(rows, dtype=np.intp)


def _counters(points: Points, fine: Mask, row: Index, rows: int) -> dict[str, Column]:
    """The columns that count: `step` in every row, and `epoch` in the rows of a coarser count."""
    steps = points.steps[fine]
    columns: dict[str, Column] = {}
    if steps.size and bool(np.any(steps != steps[0])):  # without steps, a tracker writes 0 at every point
        last = np.maximum(np.cumsum(fine) - 1, 0)
        columns["step"] = _column(rows, row, steps[last])
    coarse = points.steps[~fine]
    if coarse.size and bool(np.any(coarse != coarse[0])) and "epoch" not in points.names:
        columns["epoch"] = _column(rows, row[~fine], coarse)
    return columns


def _column(rows: int, row: Index, values: Array) -> Column:
    dense = np.full(rows, np.nan)
    logged = np.zeros(rows, dtype=np.bool_)
    dense[row] = values
    logged[row] = True
    return Column(dense, logged)
