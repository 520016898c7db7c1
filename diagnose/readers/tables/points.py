"""Points that were logged one at a time, each with its metric and step, to a table: the way of TensorBoard, MLflow,
DVCLive and Sacred. (W&B and trackio keep what one call logged together: `records`.)

What was logged in a row at one step becomes one row:

- A step that is repeated is one row as long as no metric comes again; one that does begins another row.
- A step that goes back begins a row like any other. Whether that is a resume or another training is asked of the table
  (`diagnose.readers.runs.trainings`).
- Metrics that are logged at other steps, now and then or in a stretch of their own, stand in rows of their own. Where
  they go by another counter, time tells at which step of the main curve they came: the loss of a batch goes by global
  steps, the validation loss beside it by epochs, and a tracker counts what it is told to count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array
from diagnose.names import roles
from diagnose.readers.tables.names import unique
from diagnose.readers.tables.table import Column, Table, in_proportion

Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

_FEWEST_APART = 3  # points from which a metric may be said to go by another counter
_APART = 2.0  # longest steps between two points of one counter by which the last points of two may differ
_LENGTH = 0.1  # of the whole training, instead of those where it is larger


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points in any order.

    names: the metrics.
    metric: shape (n,), each point's place in `names`.
    steps: shape (n,), finite.
    values: shape (n,); NaN and infinity are values that were logged as such.
    order: shape (n,), goes up from each logging call to the next: time, the place in a file, or the number of an
        attempt. Points of one order go by their steps.
    times: shape (n,), when each was logged, in any unit; None where that is not known.
    """

    names: Sequence[str]
    metric: Index
    steps: Array
    values: Array
    order: npt.NDArray[np.int64]
    times: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Count:
    """The steps of all points by one counter.

    steps: shape (n,), by the counter of the main curve.
    apart: shape (n,), True where a point's own step is by another counter.
    slower: shape (n,), True where that counter is the slower one.
    moved: the metrics that go by other counters.
    """

    steps: Array
    apart: Mask
    slower: Mask
    moved: Sequence[int] = ()


def attempts(steps: Array) -> npt.NDArray[np.int64]:
    """The number of the attempt of every point of one metric: a run that is resumed goes back and on."""
    back = np.concatenate(([False], steps[1:] < steps[:-1]))
    return np.cumsum(back, dtype=np.int64)


def _main(points: Points) -> int:
    """The metric whose counter is the x axis: the main curve, or the longest where none is known by its name."""
    sizes = np.bincount(points.metric, minlength=len(points.names))
    facts = {name: roles.ColumnFacts(int(size)) for name, size in zip(points.names, sizes, strict=True)}
    found = roles.assign(list(facts), stats=facts)
    curve = next((found[role] for role in roles.MAIN_ROLES if role in found), None)
    return int(np.argmax(sizes)) if curve is None else list(points.names).index(curve)


def table(
    points: Points,
    format: str,
    *,
    by_epoch: Callable[[str], bool] = lambda name: False,
    fixed: bool = False,
    name: str = "",
    config: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """The points of one run as a table in the order of logging, with a column for the steps where they count anything.

    by_epoch: whether the format knows a metric of that name to be logged once per epoch.
    fixed: the steps are the x axis where the main curve has more than one, whatever else counts in the log.
    The column is called `epoch` where the main curve counts one by one and is logged by the epoch, or another metric
    counts faster; else `step`. Metrics that go by a slower counter than the main curve get a column `epoch` for it.
    Raises ReadError where the points do not make rows: nearly every one of very many metrics has steps of its own.
    """
    reference = _main(points)
    points = _sorted(points)
    of_metric = _of_metric(points)
    count = _count(points, of_metric, reference)
    row = _rows(count, points.metric, len(points.names))
    rows = int(row[-1]) + 1 if row.size else 0
    kept, left_out = in_proportion(rows, {str(i): there.size for i, there in enumerate(of_metric) if there.size})
    at = points.steps[of_metric[reference]]
    one_by_one = bool(np.all(np.diff(at) <= 1))
    faster = bool(np.any(count.apart & ~count.slower))
    counter = "epoch" if one_by_one and (faster or by_epoch(points.names[reference])) else "step"
    columns = _counters(points, count, row, rows, counter)
    is_axis = fixed and counter in columns and bool(np.any(at != at[:1]))
    logged = [(points.names[i], there) for i, there in enumerate(of_metric) if str(i) in kept]
    names = unique((*columns, *(metric for metric, _ in logged)))[len(columns) :]
    for metric, (_, there) in zip(names, logged, strict=True):
        columns[metric] = _column(rows, row[there], points.values[there])
    return Table(
        format,
        columns,
        rows,
        name=name,
        axis=counter if is_axis else None,
        config=dict(config or {}),
        notes=(*notes, *left_out, *_said([points.names[metric] for metric in count.moved], points.names[reference])),
    )


def _sorted(points: Points) -> Points:
    chosen = np.lexsort((points.steps, points.order))
    return Points(
        points.names,
        points.metric[chosen],
        points.steps[chosen],
        points.values[chosen],
        points.order[chosen],
        None if points.times is None else points.times[chosen],
    )


def _of_metric(points: Points) -> list[Index]:
    """The places of each metric's points, in their order."""
    sizes = np.bincount(points.metric, minlength=len(points.names))
    return np.split(np.argsort(points.metric, kind="stable"), np.cumsum(sizes)[:-1])


# --- counters ---------------------------------------------------------------------------------------------------------


def _count(points: Points, of_metric: Sequence[Index], reference: int) -> _Count:
    """The steps of all points by the counter of the metric `reference`.

    A metric that was logged over the same time and ended on quite another step has another counter. One with more
    points than the main curve is spread between its points; any other stands at the nearest of them, of two that are
    equally near at the earlier.
    """
    steps = points.steps.copy()
    apart, slower = np.zeros_like(steps, dtype=np.bool_), np.zeros_like(steps, dtype=np.bool_)
    moved: list[int] = []
    curve = of_metric[reference]
    if points.times is None or not _tells_time(points.steps[curve], points.times[curve]):
        return _Count(steps, apart, slower)
    clock = _Clock.of(points.steps[curve], points.times[curve])
    for metric, there in enumerate(of_metric):
        if metric == reference or not clock.covers(points.times[there]):
            continue
        own, place = points.steps[there], clock.between(points.times[there])
        if clock.agrees(own, place):
            continue
        steps[there] = place if there.size > curve.size else clock.nearest(points.times[there])
        apart[there], slower[there] = True, own[-1] < place[-1]
        moved.append(metric)
    return _Count(steps, apart, slower, moved)


def _tells_time(at: Array, then: Array) -> bool:
    """Whether a curve of these steps and times tells the step at any time: it has points enough, and both go on."""
    going = bool(np.all(np.diff(then) >= 0)) and bool(np.any(then != then[:1])) and bool(np.any(at != at[:1]))
    return at.size >= roles.FEW_POINTS and going


@dataclass(frozen=True, slots=True, eq=False)
class _Clock:
    """A curve of which step and time of every point are known, and what it says of the step at other times.

    at, then: shape (n,), steps and times. gap: the longest way from a step to the next.
    outer_at, outer_then: shape (n + 2,), with one more point before and after at the distance of its neighbour.
    """

    at: Array
    then: Array
    gap: float
    outer_at: Array
    outer_then: Array

    @classmethod
    def of(cls, at: Array, then: Array) -> _Clock:
        """The clock of a curve that tells the time."""
        outer = [np.concatenate(([2 * x[0] - x[1]], x, [2 * x[-1] - x[-2]])) for x in (at, then)]
        return cls(at, then, float(np.max(np.diff(at))), *outer)

    def covers(self, times: Array) -> bool:
        """Whether a metric was logged over the same time, up to one point before and one after it."""
        inner = times[1:-1]
        within = (inner >= self.outer_then[0]) & (inner <= self.outer_then[-1])
        return times.size >= _FEWEST_APART and bool(np.all(within))

    def between(self, times: Array) -> Array:
        """The steps at these times, between those of the points."""
        return np.interp(times, self.outer_then, self.outer_at)

    def nearest(self, times: Array) -> Array:
        """The steps of the points that are nearest to these times."""
        after = np.clip(np.searchsorted(self.then, times), 1, self.then.size - 1)
        late = times - self.then[after - 1] > self.then[after] - times
        return self.at[np.where(late, after, after - 1)]

    def agrees(self, own: Array, place: Array) -> bool:
        """Whether the steps of a metric end where those of the curve do."""
        longest = max(self.gap, float(np.max(np.abs(np.diff(own)))), _LENGTH * abs(float(place[-1])))
        return abs(float(own[-1] - place[-1])) <= _APART * longest


def _said(moved: Sequence[str], reference: str) -> list[str]:
    """The note on metrics that go by other counters."""
    if not moved:
        return []
    shown = ", ".join(moved[:3]) + (f" and {len(moved) - 3} more" if len(moved) > 3 else "")
    counts = "counts" if len(moved) == 1 else "count"
    return [f"{shown} {counts} otherwise than {reference}: placed by the time of writing"]


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(count: _Count, metric: Index, metrics: int) -> Index:
    """The row of each point: a new one where the step changes, or where a metric comes again at the same step."""
    if not metric.size:
        return np.zeros(0, dtype=np.intp)
    changes = (count.steps[1:] != count.steps[:-1]) | (count.apart[1:] != count.apart[:-1])
    stretch = np.concatenate(([0], np.cumsum(changes))).astype(np.intp)
    if np.unique(stretch * metrics + metric).size == stretch.size:
        return stretch
    rows: list[int] = []
    row, last = -1, -1
    seen: set[int] = set()
    for part, which in zip(stretch.tolist(), metric.tolist(), strict=True):
        if part != last or which in seen:
            row, last = row + 1, part
            seen.clear()
        seen.add(which)
        rows.append(row)
    return np.array(rows, dtype=np.intp)


def _counters(points: Points, count: _Count, row: Index, rows: int, counter: str) -> dict[str, Column]:
    """The columns that count: the main counter in every row, and `epoch` in the rows of a slower one."""
    columns: dict[str, Column] = {}
    if bool(np.any(count.steps != count.steps[:1])):  # without steps, a tracker writes 0 at every point
        columns[counter] = _column(rows, row, count.steps)
    slower = points.steps[count.slower]
    if bool(np.any(slower != slower[:1])) and "epoch" not in (counter, *points.names):
        columns["epoch"] = _column(rows, row[count.slower], slower)
    return columns


def _column(rows: int, row: Index, values: Array) -> Column:
    dense = np.full(rows, np.nan)
    logged = np.zeros(rows, dtype=np.bool_)
    dense[row] = values
    logged[row] = True
    return Column(dense, logged)
