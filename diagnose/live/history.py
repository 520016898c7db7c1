"""What a training has logged, in constant memory, and the table that the readers would have made of it.

    history = History()
    history.add([{"step": 0.0, "train_loss": 2.3}])           # a mapping per call, keys as they come
    from_tables([history.table()], "live")                    # runs, as of a file with these rows

A column of more than `MOST` points is thinned to every second one, again and again. What is kept are points as they
were logged, no means: noise keeps its size. A point that stands far out of its neighbours, as a spike does, and one
that is not finite, is kept in the place of its neighbour.
"""

from __future__ import annotations

import base64
import zlib
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array
from diagnose.names import roles
from diagnose.readers.tables.names import printable
from diagnose.readers.tables.table import Column, Table

FORMAT = "live"

MOST = 2**15
"""Points kept of a column: judging so many takes a tenth of a second."""

MOST_COLUMNS = 1000
"""Names that are followed; what else a training logs is weights and histograms."""

_BLOCK = 64  # points over which neighbours are compared when a column is thinned
_FAR = 8.0  # standard deviations from the middle of its block; Gaussian noise is never there


class Curve:
    """The points of one column: the number of the row, the value of the axis in it, and the value, of each."""

    __slots__ = ("axis", "rows", "values")

    def __init__(self) -> None:
        self.rows = array("q")
        self.axis = array("d")
        self.values = array("d")

    def extend(self, rows: range, axis: Sequence[float], values: Sequence[float]) -> None:
        """Add points, one for each row."""
        self.rows.extend(rows)
        self.axis.extend(axis)
        self.values.extend(values)

    def thin(self) -> None:
        """Keep every second point, or its neighbour where that one stands out."""
        keep = thinned(np.frombuffer(self.values, dtype=np.float64))
        for name in self.__slots__:
            old = getattr(self, name)
            setattr(self, name, array(old.typecode, np.frombuffer(old, dtype=old.typecode)[keep].tobytes()))


class History:
    """The columns of a log that grows.

    axis: the column that counts, `step` where the caller says no other; "" before the first row.
    rows: rows so far. whole: whether nothing was thinned.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.axis = ""
        self.counted = True
        self.rows = 0
        self.whole = True
        self.curves: dict[str, Curve] = {}

    def add(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Add what calls have logged, as floats. A row without the axis stands where the one before it stood."""
        start = 0
        while start < len(rows):
            names = rows[start].keys()
            stop = start + 1
            while stop < len(rows) and rows[stop].keys() == names:
                stop += 1
            self._add_alike(rows[start:stop], list(names))
            start = stop

    def _add_alike(self, rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> None:
        """Add rows that have the same names."""
        if not self.axis:
            self._choose_axis(names)
        numbers = range(self.rows, self.rows + len(rows))
        if not self.counted:
            places = [float(number) for number in numbers]
        elif self.axis in names:
            places = [row[self.axis] for row in rows]
        else:
            places = [self._last()] * len(rows)
        for name in names:
            curve = self.curves.get(name)
            if curve is None:
                if len(self.curves) >= MOST_COLUMNS:
                    continue
                curve = self.curves[name] = Curve()
            curve.extend(numbers, places, [row[name] for row in rows])
            while len(curve.rows) > self.most:
                curve.thin()
                self.whole = False
        self.rows += len(rows)

    def table(self, *, name: str = "", config: Mapping[str, Any] | None = None) -> Table:
        """The table of the rows that are kept, top to bottom."""
        curves = {name: curve for name, curve in self.curves.items() if name != self.axis or not self.counted}
        taken = [np.array(curve.rows, dtype=np.int64) for curve in curves.values()]
        rows = np.unique(np.concatenate(taken)) if taken else np.empty(0, dtype=np.int64)
        axis = np.full(rows.size, np.nan)
        columns: dict[str, Column] = {}
        for (column, curve), own in zip(curves.items(), taken, strict=True):
            at = np.searchsorted(rows, own)
            values, logged = np.full(rows.size, np.nan), np.zeros(rows.size, dtype=np.bool_)
            values[at], logged[at], axis[at] = curve.values, True, curve.axis
            columns[printable(column)] = Column(values, logged)
        counted = {self.axis: Column(axis, np.isfinite(axis))} if self.counted or not self.whole else {}
        return Table(
            FORMAT,
            {**counted, **columns},
            int(rows.size),
            name=name,
            axis=self.axis if counted else None,
            unit="" if self.counted else "row" if counted else "",
            config=dict(config or {}),
        )

    def state(self) -> dict[str, Any]:
        """The history as plain values that JSON and `torch.save` can hold."""
        packed = {name: [_packed(getattr(c, part)) for part in Curve.__slots__] for name, c in self.curves.items()}
        return {"axis": self.axis, "counted": self.counted, "rows": self.rows, "whole": self.whole, "columns": packed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become what `state` was made of."""
        self.axis, self.counted = str(state["axis"]), bool(state["counted"])
        self.rows, self.whole = int(state["rows"]), bool(state["whole"])
        self.curves = {}
        for name, parts in state["columns"].items():
            curve = self.curves[name] = Curve()
            for part, packed in zip(Curve.__slots__, parts, strict=True):
                getattr(curve, part).frombytes(zlib.decompress(base64.b64decode(packed)))

    def _choose_axis(self, names: Sequence[str]) -> None:
        """`step` where it is logged, else the first column that counts, else the rows."""
        counters = ["step", *(name for name in names if roles.parse(name).quantity in roles.AXES)]
        named = next((name for name in counters if name in names), "")
        self.axis, self.counted = named or "row", bool(named)

    def _last(self) -> float:
        curve = self.curves.get(self.axis)
        return curve.values[-1] if curve is not None and len(curve.values) else float(self.rows)


def thinned(values: Array) -> npt.NDArray[np.intp]:
    """The places kept of values of shape (n,), one of each two neighbours: the first, or the one that stands out.

    A value stands out where it is not finite, or `_FAR` standard deviations from the median of its block, by the median
    of the distances from it; of two that do, the further one is kept. The last of an odd number is kept.
    """
    size = values.size
    pairs = size // 2
    far = _distance(values)[: 2 * pairs].reshape(pairs, 2)
    second = (far[:, 1] > _FAR) & (far[:, 1] > far[:, 0])
    keep = 2 * np.arange(pairs) + second
    return np.append(keep, size - 1) if size % 2 else keep


def _distance(values: Array) -> Array:
    """How far each value lies from the median of its block, in standard deviations; infinite where not finite."""
    far = np.zeros(values.size)
    finite = np.isfinite(values)
    for start in range(0, values.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        there = values[part][finite[part]]
        if there.size:
            away = np.abs(values[part] - np.median(there))
            spread = 1.4826 * float(np.median(away[finite[part]]))
            far[part] = away / max(spread, 1e-12 * float(np.abs(there).max()), np.finfo(np.float64).tiny)
    far[~finite] = np.inf
    return far


def _packed(numbers: array[Any]) -> str:
    return base64.b64encode(zlib.compress(numbers.tobytes(), 1)).decode("ascii")
