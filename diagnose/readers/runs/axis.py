"""Which column is the x axis of a table, and the step of every row.

Logs count in many ways: epochs from 0 or 1, a global step, a batch number that starts again with every epoch, fractions
of an epoch, a bare index, or nothing at all. The axis is right when the points of a curve do not collapse onto one step
and do not go back without reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array
from diagnose.names.roles import Facets
from diagnose.readers.tables.table import Column, Table

Mask = npt.NDArray[np.bool_]

_COLLAPSE = 0.02  # share of points that may fall on the step before them and still be an accident
_LEAST_FALLS = 2
_SHUFFLED = 0.2  # share of rows that go back from which the rows are in another order than the training
_MOST_COUNTERS = 64  # that are compared; a log has a handful
_CROWD = 4.0  # points per step from which an axis is too coarse, and not merely repeated


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """The x axis of a table.

    name: `epoch`, `step`, or `row` where the log has no axis of its own.
    steps: shape (rows,), finite.
    column: the column that is the axis, which is then no series; "" where it was made of several or of none.
    notes: what had to be decided, in sentences for the user.
    """

    name: str
    steps: Array
    column: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Counter:
    """A column that may be the axis.

    steps: shape (rows,), a row without a cell filled from the row before.
    whole: all of them are whole numbers.
    passing: it counts through the whole training, as its name says (`global_step`).
    """

    column: str
    kind: str
    steps: Array
    whole: bool
    passing: bool = False


def find(
    table: Table, facets: Mapping[str, Facets], curves: Sequence[str], given: tuple[str, str] | None = None
) -> Axis:
    """The axis on which the points of `curves` (at least one, the first is the main one) lie best.

    facets: what the names of the columns mean.
    given: (axis name, column) where the user or the format says which column it is.
    """
    masks = [table.columns[name].logged for name in curves]
    curve = table.columns[curves[0]]
    main = curve.logged
    if given is not None:
        counter = _counter(given[1], given[0], table.columns[given[1]], table.rows)
        return _settle(counter, curve) if counter is not None else _rows(table.rows)
    found = (_recognise(name, facets[name], table, main) for name in table.columns)
    counters = list(islice((counter for counter in found if counter is not None), _MOST_COUNTERS))
    combined = _combine(counters, table.columns, main)
    if combined is not None:
        return combined
    counters = [_unwrap(c, curve, counters) for c in counters]
    if not counters:
        return _index(table, facets)
    counters = [c for c in counters if not c.column.startswith("_")] or counters  # W&B's own `_step` counts calls
    falls = [_share(c.steps, main, np.less) for c in counters]
    counters = [c for c, share in zip(counters, falls, strict=True) if share == min(falls)]
    ties = [max(_share(c.steps, mask, np.equal) for mask in masks) for c in counters]
    good = [c for c, share in zip(counters, ties, strict=True) if share <= min(ties) + _COLLAPSE]
    return _settle(min(good, key=_order), curve)


def out_of_order(axis: Axis, logged: Mask) -> npt.NDArray[np.intp] | None:
    """The order in which the rows go up, where the log has them the wrong way round or shuffled; else None.

    logged: shape (rows,), the rows in which the main curve has a point.
    A table may have its newest row first. Rows that a program sorted by something else have steps that all differ and
    go back again and again, which no resume does.
    """
    there = axis.steps[logged]
    falls = int(np.count_nonzero(there[1:] < there[:-1]))
    distinct = falls > 0 and np.unique(there).size == there.size
    if not distinct or falls < max(_LEAST_FALLS, _SHUFFLED * (there.size - 1)):
        return None
    return np.argsort(axis.steps, kind="stable")


def _recognise(name: str, facets: Facets, table: Table, main: Mask) -> _Counter | None:
    """The column as a counter where its name is that of an axis and its values count something."""
    column = table.columns[name]
    if not facets.counts or (facets.quantity == "index" and next(iter(table.columns)) != name):
        return None
    if np.count_nonzero(column.logged & main) < 0.5 * np.count_nonzero(main):
        return None
    counter = _counter(name, facets.quantity, column, table.rows)
    if counter is None:
        return None
    there = counter.steps[main]
    counter = replace(counter, passing="global" in facets.words)
    return counter if there.size < 2 or bool(np.any(there != there[0])) else None  # a constant counts nothing


def _counter(name: str, kind: str, column: Column, rows: int) -> _Counter | None:
    """The column as a counter with its gaps filled; None where it holds no number."""
    there = column.logged & np.isfinite(column.values)
    if not there.any():
        return None
    steps = column.values if there.all() else _fill(column.values, there)
    whole = bool(np.all(steps == np.rint(steps)))
    return _Counter(name, "epoch" if kind == "epoch" else kind, steps, whole)


def _fill(values: Array, there: Mask) -> Array:
    """Values with every gap filled from the row before, and the first gap from the first value."""
    last = np.where(there, np.arange(values.size), 0)
    np.maximum.accumulate(last, out=last)
    filled = values[last]
    first = int(np.argmax(there))
    filled[:first] = values[first]
    return filled


def _share(steps: Array, mask: Mask, relation: np.ufunc) -> float:
    """Share of the rows in `mask` whose step stands in `relation` (equal, less) to that of the row before."""
    there = steps if mask.all() else steps[mask]
    if there.size < 2:
        return 0.0
    return float(np.count_nonzero(relation(there[1:], there[:-1]))) / (there.size - 1)


def _order(counter: _Counter) -> tuple[int, int]:
    """Whole epochs read best, then steps, then fractions of epochs, then an index."""
    if counter.kind == "epoch":
        return (0 if counter.whole else 2, 0)
    return (1 if counter.kind == "step" else 3, 0 if counter.passing else 1)


def _settle(counter: _Counter, curve: Column) -> Axis:
    """The counter as an axis; where the points of the main curve share a step they are spread up to the next.

    A step that is logged twice was written twice. An epoch that is logged twice is too coarse a count, unless the two
    points are the same.
    """
    name = "epoch" if counter.kind == "epoch" else "row" if counter.kind == "index" else "step"
    plain = Axis(name, counter.steps, counter.column)
    rows = np.flatnonzero(curve.logged)
    there, values = counter.steps[rows], curve.values[rows]
    ties = np.flatnonzero(there[1:] == there[:-1])
    if ties.size <= max(1, _COLLAPSE * rows.size):
        return plain
    per_step = rows.size / (rows.size - ties.size)
    differ = float(np.mean(values[ties] != values[ties + 1]))
    if per_step <= _CROWD and (name != "epoch" or differ < 0.5):
        return plain
    note = f"several rows share one {counter.column}: they are spread evenly up to the next"
    return Axis(name, _spread(counter.steps, rows), "", (note,))


def _spread(steps: Array, rows: npt.NDArray[np.intp]) -> Array:
    """Steps with each run of equal values in `rows` spread evenly up to the next; the rows between follow them."""
    there = steps[rows]
    starts = np.flatnonzero(np.concatenate(([True], there[1:] != there[:-1])))
    lengths = np.diff(np.append(starts, there.size))
    gaps = np.diff(there[starts])
    usual = float(np.median(gaps[gaps > 0])) if np.any(gaps > 0) else 1.0
    room = np.append(np.where(gaps > 0, np.minimum(gaps, usual), usual), usual)
    place = np.arange(there.size) - np.repeat(starts, lengths)
    spread = steps.copy()
    spread[rows] += place * np.repeat(room / lengths, lengths)
    before = np.maximum(np.searchsorted(rows, np.arange(steps.size), side="right") - 1, 0)
    same = steps[rows[before]] == steps
    return np.where(same, spread[rows[before]], spread)


def _rows(rows: int) -> Axis:
    return Axis("row", np.arange(rows, dtype=np.float64))


def _index(table: Table, facets: Mapping[str, Facets]) -> Axis:
    """A first column that counts up evenly is an index whatever its name; else the row number is the axis."""
    name = next(iter(table.columns), None)
    if name is not None and not facets[name].quantity:
        column = table.columns[name]
        gaps = np.diff(column.values)
        even = column.logged.all() and gaps.size > 1 and gaps[0] > 0 and bool(np.all(gaps == gaps[0]))
        if even and bool(np.all(column.values == np.rint(column.values))):
            return Axis("step", column.values, name)
    return _rows(table.rows)


def _combine(counters: Sequence[_Counter], columns: Mapping[str, Column], main: Mask) -> Axis | None:
    """A global step of an epoch and a counter that starts again with every epoch; None where there is no such pair."""
    epochs = [c for c in counters if c.kind == "epoch" and c.whole]
    inner = [c for c in counters if c.kind == "step"]
    if not epochs or not inner:
        return None
    epoch = epochs[0]
    at_epoch = epoch.steps[main]
    if len({c for c in inner if _restarts_with(at_epoch, c.steps[main])}) < len(inner):
        return None  # another counter goes through: it is the axis
    counter = inner[0]
    low, high = float(counter.steps[main].min()), float(counter.steps[main].max())
    per_epoch = high + (1 if low == 0 else 0)
    place = np.where(columns[counter.column].logged, np.minimum(counter.steps, per_epoch), per_epoch)
    steps = (epoch.steps - float(at_epoch.min())) * per_epoch + place
    note = (
        f"{counter.column} starts again with every {epoch.column}: the step is counted through, {per_epoch:g} per epoch"
    )
    return Axis("step", steps, "", (note,))


def _restarts_with(epoch: Array, inner: Array) -> bool:
    """Whether the counter goes back where the epoch goes up, nearly always and never on its own."""
    back = inner[1:] < inner[:-1]
    up = epoch[1:] > epoch[:-1]
    backs, ups = int(np.count_nonzero(back)), int(np.count_nonzero(up))
    together = int(np.count_nonzero(back & up))
    return ups > 0 and together >= 0.9 * ups and together >= 0.8 * backs


def _unwrap(counter: _Counter, curve: Column, counters: Sequence[_Counter]) -> _Counter:
    """Count a counter through that starts again with every epoch, where no column counts the epochs.

    That the counter starts again with every training instead shows in the curve, which then starts again with it.
    """
    if counter.kind != "step" or any(c.kind == "epoch" for c in counters):
        return counter
    steps = counter.steps[curve.logged]
    values = curve.values[curve.logged]
    back = np.flatnonzero(steps[1:] < steps[:-1]) + 1
    if back.size < 2:
        return counter
    lengths = steps[back - 1]
    if lengths.min() < 0.9 * lengths.max() or steps[back].max() > steps[0] + 0.1 * lengths.max():
        return counter
    before, after = values[back - 1], values[back]
    known = np.isfinite(before) & np.isfinite(after)
    if not known.any() or not np.isfinite(values[0]):
        return counter
    jump = float(np.median(np.abs(after - before)[known]))
    to_start = float(np.median(np.abs(after - values[0])[known]))
    if jump >= 0.5 * to_start:
        return counter
    per_round = float(lengths.max()) + (1 if steps.min() == 0 else 0)
    rounds = np.cumsum(np.concatenate(([False], counter.steps[1:] < counter.steps[:-1])))
    return replace(counter, steps=counter.steps + rounds * per_round)
