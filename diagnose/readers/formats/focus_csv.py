"""The table of a bias check (`diagnose bias --out focus.csv`): effects of regions, and mosaics by attribution method.

Each method is a run of its own, a row per mosaic, with a column per class: `focus/CLASS`, `stolen/CLASS/OTHER`, and
`focus_random/CLASS` for the rows of a randomly initialised copy of the model. The effects, which no method has a part
in, go with the first one, as columns of one value by class and region: `fall/CLASS/REGION`, `transfer/CLASS/REGION`,
and so on by the names of `EFFECTS`. Tables of schema 1, which have no such column, have no effects, but
`exchanged/CLASS` and `moved/CLASS/PLACE`: Focus after the exchange of one place, and the share of the log-odds that
went along.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array
from diagnose.errors import ReadError
from diagnose.readers.tables import delimited
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Column, Table

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

NAME = "focus-csv"

SCHEMA = 2
"""The version of the table; the reader takes older ones, too."""

EFFECTS = ("fall", "transfer", "reference", "p_value", "images", "area", "apart")
"""What is recorded of each effect, see `diagnose.integrations.captum.counterfactual`. `apart` came later: where it is
missing, every region was."""

COUNTERFACTUAL = "counterfactual"
"""What stands for the method in rows of effects."""

COLUMNS = (
    *("schema", "mosaic", "target", "method", "weights", "focus", "other_1", "stolen_1", "other_2", "stolen_2"),
    *("region", *EFFECTS),
)
"""The columns of the table, in their order."""

_MARKS = frozenset({"mosaic", "target", "method", "focus"})
"""Columns that no other table has together."""


def recognise(document: Document) -> bool:
    """Whether the header is that of a bias check."""
    return document.dialect is not None and set(document.dialect.header) >= _MARKS


def read(document: Document) -> list[Table]:
    """One table per attribution method. Raises ReadError where the table lacks what makes one."""
    return [found for table in delimited.read(document, NAME) for found in by_method(table)]


def by_method(table: Table) -> Iterator[Table]:
    """The table of each attribution method, in the order of the rows. Raises ReadError as `read` does."""
    numbers, words = _Numbers(table), _Words(table)
    methods, weights = words("method"), words("weights", "trained")
    effects = np.flatnonzero([name == COUNTERFACTUAL for name in methods])
    for method in dict.fromkeys(name for name in methods if name != COUNTERFACTUAL):
        here = np.array([name == method for name in methods])
        trained = here & np.array([name != "random" for name in weights])
        if np.count_nonzero(trained) > 1:
            found = _table(table, method, numbers, words, trained, here & ~trained)
            yield _with_effects(found, numbers, words, effects) if effects.size else found
            effects = effects[:0]


def _table(table: Table, method: str, numbers: _Numbers, words: _Words, trained: Mask, random: Mask) -> Table:
    """The mosaics of one method, each class in columns of its own."""
    rows = np.flatnonzero(trained)
    columns = {"mosaic": Column(numbers("mosaic")[rows], np.ones(rows.size, dtype=np.bool_))}
    columns["focus"] = _at(numbers("focus"), rows, np.ones(rows.size, dtype=np.bool_))
    targets = words("target")
    own = np.array([targets[row] for row in rows])
    for target in dict.fromkeys(own.tolist()):
        mine = own == target
        columns[f"focus/{target}"] = _at(numbers("focus"), rows, mine)
        if np.isfinite(numbers("exchanged")[rows][mine]).any():
            columns[f"exchanged/{target}"] = _at(numbers("exchanged"), rows, mine)
            place = next((word for word, here in zip(_of(words("place"), rows), mine, strict=True) if here), "")
            columns[f"moved/{target}/{place}"] = _at(numbers("moved"), rows, mine)
        columns |= _thefts(target, mine, rows, numbers, words)
    for target in dict.fromkeys(targets[row] for row in np.flatnonzero(random)):
        at = np.array([row for row in np.flatnonzero(random) if targets[row] == target])
        values = np.full(rows.size, np.nan)
        values[: at.size] = numbers("focus")[at][: rows.size]
        columns[f"focus_random/{target}"] = Column(values, ~np.isnan(values))
    return Table(
        NAME,
        columns,
        int(rows.size),
        name=method,
        axis="mosaic",
        unit="mosaic",
        roles={"focus": "focus"},
        config={"attribution_method": method, "mosaics": int(rows.size)},
        notes=table.notes,
    )


def _with_effects(found: Table, numbers: _Numbers, words: _Words, effects: Rows) -> Table:
    """The table of a method with the effects, each a column of one value, by class and region."""
    columns = dict(found.columns)
    first = np.arange(found.rows) == 0
    targets, regions = _of(words("target"), effects), _of(words("region"), effects)
    for row, target, region in zip(effects, targets, regions, strict=True):
        for name in EFFECTS:
            columns[f"{name}/{target}/{region}"] = _at(
                np.full(found.rows, numbers(name)[row]), np.arange(found.rows), first
            )
    return replace(found, columns=columns, config={**found.config, "effects": int(effects.size)})


def _thefts(target: str, mine: Mask, rows: Rows, numbers: _Numbers, words: _Words) -> dict[str, Column]:
    """What the other images of the target's mosaics took, by their class; the larger where both are of one class."""
    found: dict[str, Array] = {}
    for side in ("1", "2"):
        others, taken = _of(words(f"other_{side}"), rows), numbers(f"stolen_{side}")[rows]
        for row in np.flatnonzero(mine):
            if others[row]:
                values = found.setdefault(others[row], np.full(rows.size, np.nan))
                values[row] = np.fmax(values[row], taken[row])
    return {f"stolen/{target}/{other}": Column(values, ~np.isnan(values)) for other, values in found.items()}


def _of(words: Sequence[str], rows: Rows) -> list[str]:
    return [words[row] for row in rows]


def _at(values: Array, rows: Rows, mine: Mask) -> Column:
    """The values of some rows, logged where they are a class's own and a number."""
    here = values[rows]
    return Column(here, mine & ~np.isnan(here))


class _Numbers:
    """Numeric columns by name, NaN where a cell is blank."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __call__(self, name: str) -> Array:
        column = self.table.columns.get(name)
        if column is None:
            if name in ("mosaic", "focus"):
                raise ReadError(f"the column {name} of this bias check holds no numbers; run `diagnose bias` again")
            return np.full(self.table.rows, np.nan)
        return np.where(column.logged, column.values, np.nan)


class _Words:
    """Columns of names: class names may be numbers."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __call__(self, name: str, default: str = "") -> list[str]:
        if name in self.table.text:
            return self.table.text[name]
        column = self.table.columns.get(name)
        if column is None:
            return [default] * self.table.rows
        return [f"{value:.15g}" if here else "" for value, here in zip(column.values, column.logged, strict=True)]
