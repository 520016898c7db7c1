"""A pandas DataFrame as a table.

pandas cannot tell a NaN that was logged from a value that was not, outside its nullable dtypes. Where rows take turns
(training, validation, test), a row that holds nothing that a column is ever logged with is another's, and so is one at
a step between the regular ones. Of what is left, a column whose NaN cells come and go is logged on another cadence; one
that turns to NaN and stays there diverged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array
from diagnose.errors import ReadError
from diagnose.names.roles import parse as parse_name
from diagnose.readers.tables.cells import NOT_LOGGED, parse
from diagnose.readers.tables.delimited import join
from diagnose.readers.tables.names import INDEX, unique
from diagnose.readers.tables.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

Rows = npt.NDArray[np.bool_]

_SPARSE = 0.3  # share of NaN cells before the last number from which they are gaps of the cadence, not events


def from_frame(frame: pd.DataFrame) -> Table:
    """The numeric and text columns of a frame; an index with a name or with numbers of its own is the first column.

    Raises ReadError where there are fewer than two rows.
    """
    rows = len(frame)
    if rows < 2:
        raise ReadError("the DataFrame has one row only: no curve to judge" if rows else "the DataFrame is empty")
    named: list[tuple[str, pd.Series[Any]]] = []
    if _is_meaningful(frame.index):
        for level in range(frame.index.nlevels):
            values = frame.index.get_level_values(level).to_series()
            named.append((str(frame.index.names[level] or INDEX), values))
    for position, label in enumerate(frame.columns):
        name = "/".join(str(part) for part in label if part != "") if isinstance(label, tuple) else str(label)
        named.append((name, frame.iloc[:, position]))
    names = unique(name for name, _ in named)
    series = dict(zip(names, (column for _, column in named), strict=True))
    turns = _of_others({name: values for name, values in series.items() if _is_plain(values.dtype)})
    columns = {name: _column(values, turns.get(name)) for name, values in series.items()}
    return Table(
        "dataframe",
        {name: column for name, column in columns.items() if isinstance(column, Column)},
        rows,
        text={name: column for name, column in columns.items() if not isinstance(column, Column)},
    )


def _is_meaningful(index: Any) -> bool:
    """False for the counter that pandas makes itself."""
    counter = index.nlevels == 1 and index.name is None and index.dtype.kind in "iu"
    return not (counter and bool((index == np.arange(len(index))).all()))


def _is_plain(dtype: Any) -> bool:
    """Whether a column is of numpy's numbers, in which NaN has two meanings."""
    return isinstance(dtype, np.dtype) and dtype.kind in "iuf"


def _of_others(series: Mapping[str, Any]) -> dict[str, Rows]:
    """Column -> the rows that are another's: something is logged there, and nothing that this column is logged with; or
    something of another split, and nothing of its own; or a step lies between those that the column is logged at.

    series: the columns of numbers; those that count the rows are in all of them.
    """
    names = {name: parse_name(name) for name in series}
    values = {name: column.to_numpy(dtype=np.float64) for name, column in series.items()}
    metrics = [name for name, facets in names.items() if not facets.counts]
    splits = np.array([names[name].split for name in metrics])
    there = {name: ~np.isnan(values[name]) for name in metrics}
    if all(rows.all() for rows in there.values()):
        return {}
    kinds, kind_of = np.unique(np.column_stack(list(there.values())), axis=0, return_inverse=True)
    anything: Rows = np.any(kinds, axis=1)
    found = {}
    for place, name in enumerate(metrics):
        together: Rows = np.any(kinds[kinds[:, place]], axis=0)
        another: Rows = anything & ~np.any(kinds[:, together], axis=1)
        own = splits == names[name].split
        if own.sum() > 1:
            another |= np.any(kinds[:, ~own & (splits != "")], axis=1) & ~np.any(kinds[:, own], axis=1)
        found[name] = another[kind_of.reshape(-1)]
        for counter in series.keys() - set(metrics):
            found[name] |= _between(values[counter], there[name])
    return found


def _between(steps: Array, there: Rows) -> Rows:
    """The rows whose step lies off the regular ones that a column is logged at; none where these are not regular."""
    logged = steps[there]
    if logged.size < 3 or not bool(np.all(np.isfinite(steps) & (steps == np.round(steps)) & (np.abs(steps) < 2**53))):
        return np.zeros(steps.shape, dtype=np.bool_)
    spacing = max(int(np.gcd.reduce(np.diff(logged).astype(np.int64))), 1)
    return np.asarray((steps - logged[0]) % spacing != 0)


def _column(series: Any, of_others: Rows | None) -> Column | list[str]:
    """A column of the frame. of_others: the rows that are another's; None where each row may be its own."""
    dtype = series.dtype
    if getattr(dtype, "kind", "O") in "iuf" and dtype.kind != "b":
        missing = np.asarray(series.isna(), dtype=np.bool_)
        values = np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
        if isinstance(dtype, np.dtype):
            logged = np.zeros(values.shape, dtype=np.bool_)
            own = ~of_others if of_others is not None else ~logged
            logged[own] = _logged(values[own])
            return Column(values, logged)
        return Column(values, ~missing)  # nullable: <NA> was not logged
    cells = ["" if missing else str(cell) for cell, missing in zip(series, series.isna(), strict=True)]
    if all(isinstance(cell, float | int) and not isinstance(cell, bool) for cell in series if cell is not None):
        values = np.array([np.nan if cell is None else float(cell) for cell in series])
        return Column(values, np.array([cell is not None for cell in series]))
    if getattr(dtype, "kind", "O") in "bmM":
        return cells
    column = join([parse(cells)])
    return column if isinstance(column, Column) else [cell if cell not in NOT_LOGGED else "" for cell in cells]


def _logged(values: Array) -> Rows:
    """Which cells of a column of floats were logged, NaN among them where it looks like an event of the training."""
    there = ~np.isnan(values)
    if there.all():
        return there
    if not there.any():
        return there
    first, last = np.flatnonzero(there)[[0, -1]]
    inside = there[first : last + 1]
    if first > 0 or _comes_and_goes(inside):
        return there
    return np.ones(values.shape, dtype=np.bool_)


def _comes_and_goes(there: Rows) -> bool:
    """True where the gaps are many, or evenly spaced, as when training and validation take turns in the rows."""
    gaps = np.flatnonzero(there[:-1] & ~there[1:])
    if gaps.size == 0:
        return False
    if np.mean(~there) >= _SPARSE:
        return True
    spacing = np.diff(gaps)
    return bool(spacing.size > 1 and np.ptp(spacing) <= max(1, 0.1 * float(np.median(spacing))))
