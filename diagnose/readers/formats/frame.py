"""A pandas DataFrame as a table.

pandas cannot tell a NaN that was logged from a value that was not, outside its nullable dtypes. A column of floats
whose NaN cells come and go is one that is logged on another cadence; one that turns to NaN and stays there diverged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array
from diagnose.errors import ReadError
from diagnose.readers.tables.cells import NOT_LOGGED, parse
from diagnose.readers.tables.delimited import join
from diagnose.readers.tables.names import INDEX, unique
from diagnose.readers.tables.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

_SPARSE = 0.3  # share of NaN cells before the last number from which they are gaps of the cadence, not events


def from_frame(frame: pd.DataFrame) -> Table:
    """The numeric and text columns of a frame; an index with a name or with numbers of its own is the first column.

    Raises ReadError where there are fewer than two rows.
    """
    rows = len(frame)
    if rows < 2:
        raise ReadError("the DataFrame has one row only: no curve to judge" if rows else "the DataFrame is empty")
    named: list[tuple[str, Column | list[str]]] = []
    if _is_meaningful(frame.index):
        for level in range(frame.index.nlevels):
            values = frame.index.get_level_values(level).to_series()
            named.append((str(frame.index.names[level] or INDEX), _column(values)))
    for position, label in enumerate(frame.columns):
        name = "/".join(str(part) for part in label if part != "") if isinstance(label, tuple) else str(label)
        named.append((name, _column(frame.iloc[:, position])))
    names = unique(name for name, _ in named)
    columns = dict(zip(names, (column for _, column in named), strict=True))
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


def _column(series: Any) -> Column | list[str]:
    dtype = series.dtype
    if getattr(dtype, "kind", "O") in "iuf" and dtype.kind != "b":
        missing = np.asarray(series.isna(), dtype=np.bool_)
        values = np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
        if isinstance(dtype, np.dtype):
            return Column(values, _logged(values))
        return Column(values, ~missing)  # nullable: <NA> was not logged
    cells = ["" if missing else str(cell) for cell, missing in zip(series, series.isna(), strict=True)]
    if all(isinstance(cell, float | int) and not isinstance(cell, bool) for cell in series if cell is not None):
        values = np.array([np.nan if cell is None else float(cell) for cell in series])
        return Column(values, np.array([cell is not None for cell in series]))
    if getattr(dtype, "kind", "O") in "bmM":
        return cells
    column = join([parse(cells)])
    return column if isinstance(column, Column) else [cell if cell not in NOT_LOGGED else "" for cell in cells]


def _logged(values: Array) -> npt.NDArray[np.bool_]:
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


def _comes_and_goes(there: npt.NDArray[np.bool_]) -> bool:
    """True where the gaps are many, or evenly spaced, as when training and validation take turns in the rows."""
    gaps = np.flatnonzero(there[:-1] & ~there[1:])
    if gaps.size == 0:
        return False
    if np.mean(~there) >= _SPARSE:
        return True
    spacing = np.diff(gaps)
    return bool(spacing.size > 1 and np.ptp(spacing) <= max(1, 0.1 * float(np.median(spacing))))
