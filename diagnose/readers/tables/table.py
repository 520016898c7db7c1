"""The table every reader makes of its source, before anyone asks what the columns mean.

A cell is in one of three states that must never be confused: a number (NaN and infinity included, where the log says
so), not logged (blank), or text. `Column` keeps the first two apart with a mask; text columns keep their strings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from diagnose import limits
from diagnose.curves import Array
from diagnose.errors import ReadError

_ANY_CELLS = 1_000_000
"""Rows x columns up to which a table may be as sparse as it likes; 9 MB."""

_FEW = 5
"""Values of a column below which a table that is out of proportion does without it: they are no curve."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One numeric column.

    values: shape (rows,); anything where `logged` is False.
    logged: shape (rows,), True where the cell held a number, NaN and infinity included.
    percent: True where the cells carried a `%` sign.
    """

    values: Array
    logged: npt.NDArray[np.bool_]
    percent: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows as they stand in the log, top to bottom.

    format: name of the format, such as `lightning-csv`.
    columns: numeric columns by name, in the order of the log.
    text: columns of strings (a split name, a run name), "" where blank; same number of rows.
    rows: number of rows.
    name: name of the run where the source knows one, else "".
    axis: name of the column that is the x axis where the format fixes it, else None and it is recognised by name.
    roles: canonical name -> column where the format fixes it (a Keras `loss` is the training loss); the rest is
        recognised by name.
    unit: what the axis counts, where that is neither epochs nor steps.
    config: hyperparameters that came with the log.
    notes: what the reader had to decide, in sentences for the user.
    lines: the line of the source, from 1, on which each row stands; empty where that is not known.
    """

    format: str
    columns: Mapping[str, Column]
    rows: int
    text: Mapping[str, list[str]] = field(default_factory=dict)
    name: str = ""
    axis: str | None = None
    unit: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    lines: Sequence[int] = ()


def in_proportion(
    rows: int, sizes: Mapping[str, int], *, needed: bool = True
) -> tuple[frozenset[str], tuple[str, ...]]:
    """The columns of which a dense table can be made, and a note where some are left out.

    rows: of the table. sizes: column -> how many values it has. needed: whether one must be left.
    A log with a new name in every row would be a table of the square of its size: then, and where there are too many
    columns, those that are no curve are left out. Raises ReadError where the others are still too many, or none.
    """
    if _is_dense(rows, sizes) and len(sizes) <= limits.current().columns:
        return frozenset(sizes), ()
    kept = {name: size for name, size in sizes.items() if size >= _FEW}
    if (needed and not kept) or not _is_dense(rows, kept):
        most = "limits.cells, limits.sparse-cells"
        raise ReadError(f"{rows:,} rows with {len(sizes):,} different names are no training log ({most})")
    if len(kept) > limits.current().columns:
        raise ReadError(f"there are {len(kept):,} columns, more than {limits.said('columns')}")
    return frozenset(kept), (f"{len(sizes) - len(kept):,} names with fewer than {_FEW} values are left out",)


def _is_dense(rows: int, sizes: Mapping[str, int]) -> bool:
    cells = rows * len(sizes)
    bounds = limits.current()
    return cells <= max(_ANY_CELLS, min(bounds.cells, bounds.sparse_cells * sum(sizes.values())))
