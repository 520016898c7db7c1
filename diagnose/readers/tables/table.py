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

from diagnose.curves import Array


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
