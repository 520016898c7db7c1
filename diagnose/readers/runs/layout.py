"""How curves are laid out in a table: several runs below or beside each other, one row per split.

Wide is the norm (a column per curve). Long tables name the split, or the run, in a column; an export from the Weights &
Biases interface puts the run before the metric in every column name (`relu - train/loss`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from diagnose.names import roles
from diagnose.readers.tables.table import Column, Table

Mask = npt.NDArray[np.bool_]

_MANY = 64  # distinct names from which a text column is data, and not the names of runs
_SEPARATOR = " - "  # between run and metric in an export of the W&B interface
_ENVELOPE = ("__MIN", "__MAX")  # of the points that one exported point stands for
_VALUE_NAMES = frozenset({"value", "values", "val", "scalar", "metric_value", "y"})
_RUN_WORDS = frozenset(
    ("run", "runs", "experiment", "exp", "trial", "fold", "seed", "replicate", "repeat", "cv", "job")
)
_SPLIT_WORDS = frozenset(("set", "split", "phase", "mode", "stage", "subset", "partition", "dataset", "data", "loop"))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The table of one run.

    name: name of the run, "" where the table holds only one.
    prefix: what stands before the metric in the names of its columns.
    shared: its rows are shared with other runs, so that a blank tail is innocent: another run was longer.
    notes: what had to be decided, in sentences for the user.
    """

    table: Table
    name: str = ""
    prefix: str = ""
    shared: bool = False
    notes: tuple[str, ...] = field(default=())

    def metric(self, column: str) -> str:
        """The column's name without that of the run."""
        return column.removeprefix(self.prefix)


def parts(table: Table) -> list[Part]:
    """The runs that a table holds, in the order of the log, each with a column per curve."""
    table = _by_metric(table)
    found = _beside_each_other(table) or _below_each_other(table) or [Part(table)]
    return [replace(part, table=_by_split(part.table)) for part in found]


def _beside_each_other(table: Table) -> list[Part]:
    """Runs of an export from the W&B interface, by the prefix of their columns; none where it is no such export."""
    names: dict[str, list[str]] = {}
    for column in table.columns:
        run, found, metric = column.rpartition(_SEPARATOR)
        if found and not metric.endswith(_ENVELOPE):
            names.setdefault(run, []).append(column)
    if not names or not _is_export(table, names):
        return []
    shared = {c: v for c, v in table.columns.items() if _SEPARATOR not in c}
    many = f"one of {len(names)} runs in the file, by the names of its columns"
    return [
        Part(
            replace(table, columns=shared | {c: table.columns[c] for c in columns}),
            name=run,
            prefix=run + _SEPARATOR,
            shared=True,
            notes=(many,) if len(names) > 1 else (),
        )
        for run, columns in names.items()
    ]


def _is_export(table: Table, names: Mapping[str, Sequence[str]]) -> bool:
    """Whether `run - metric` is the scheme of the columns: envelopes stand beside them, or the metrics are known."""
    if any(column.endswith(_ENVELOPE) for column in table.columns):
        return True
    metrics = [column.rpartition(_SEPARATOR)[2] for columns in names.values() for column in columns]
    known = all(roles.parse(metric).quantity for metric in metrics)
    plain = [
        c for c in table.columns if _SEPARATOR not in c and roles.parse(c).quantity not in ("epoch", "step", "index")
    ]
    return known and not plain and not any(roles.parse(run).quantity for run in names)


def _below_each_other(table: Table) -> list[Part]:
    """Runs of a long table, by a column that names them; none where no column does.

    A column names runs when the x axis, which goes back and forth over the whole table, counts up within each name.
    """
    axis = [c for n, c in table.columns.items() if roles.parse(n).quantity in ("epoch", "step") and c.logged.all()]
    for name, labels in _labels(table):
        groups = _groups(labels)
        if not 2 <= len(groups) <= _MANY or min(map(len, groups.values())) < roles.FEW_POINTS:
            continue
        if axis and not any(_sorts(column.values, list(groups.values())) for column in axis):
            continue
        if not axis and not _RUN_WORDS & set(roles.words(name)):
            continue
        note = f"one of {len(groups)} runs in the file, by the column {name}"
        return [
            Part(_rows_of(table, rows, {name}), name=f"{name} {label}" if label.isdigit() else label, notes=(note,))
            for label, rows in groups.items()
        ]
    return []


def _labels(table: Table) -> list[tuple[str, list[str]]]:
    """Columns that may name runs: text without splits, and whole numbers under a name such as `seed` or `fold`."""
    found = [(n, cells) for n, cells in table.text.items() if all(cells[:1]) and not _splits(n, cells)]
    for name, column in table.columns.items():
        named = bool(_RUN_WORDS & set(roles.words(name))) and not roles.parse(name).quantity
        if named and column.logged.all() and bool(np.all(column.values == np.rint(column.values))):
            found.append((name, [f"{value:g}" for value in column.values]))
    return found


def _groups(labels: Sequence[str]) -> dict[str, npt.NDArray[np.intp]]:
    """Rows by label, in the order in which the labels come; empty where there are too many or a row has none."""
    distinct = dict.fromkeys(labels)
    if len(distinct) > _MANY or "" in distinct:
        return {}
    array = np.asarray(labels, dtype=object)
    return {label: np.flatnonzero(array == label) for label in distinct}


def _sorts(values: npt.NDArray[np.float64], groups: Sequence[npt.NDArray[np.intp]]) -> bool:
    """Whether an axis that goes back or repeats over all rows counts up within the groups."""
    whole = int(np.count_nonzero(values[1:] <= values[:-1]))
    within = sum(int(np.count_nonzero(np.diff(values[rows]) <= 0)) for rows in groups)
    return whole > 0 and within <= 0.1 * whole


def _rows_of(table: Table, rows: npt.NDArray[np.intp], without: set[str]) -> Table:
    columns = {
        name: Column(column.values[rows], column.logged[rows], column.percent)
        for name, column in table.columns.items()
        if name not in without
    }
    text = {name: [cells[i] for i in rows] for name, cells in table.text.items() if name not in without}
    lines = [table.lines[i] for i in rows] if table.lines else ()
    return replace(table, columns=columns, text=text, rows=int(rows.size), lines=lines)


def _by_metric(table: Table) -> Table:
    """The table with a column per metric where a text column names the metric and one column holds all values."""
    holders = [name for name in table.columns if name.strip().casefold() in _VALUE_NAMES]
    if len(holders) != 1:
        return table
    values = table.columns[holders[0]]
    for name, cells in table.text.items():
        groups = _groups(cells)
        if not any(roles.parse(label).quantity in ("loss", "accuracy", "reward") for label in groups):
            continue
        columns = {n: c for n, c in table.columns.items() if n != holders[0]}
        for label, rows in groups.items():
            there = np.zeros(table.rows, dtype=np.bool_)
            there[rows] = True
            columns[label] = replace(values, logged=values.logged & there)
        return replace(table, columns=columns, text={n: t for n, t in table.text.items() if n != name})
    return table


def _by_split(table: Table) -> Table:
    """The table with a column per split (`val/loss`) where a text column names the split of each row."""
    for name, cells in table.text.items():
        splits = _splits(name, cells)
        if not splits:
            continue
        array = np.asarray(cells, dtype=object)
        rows = {label: array == label for label in splits}
        columns: dict[str, Column] = {}
        for column_name, column in table.columns.items():
            if roles.parse(column_name).quantity in ("epoch", "step", "index"):
                columns[column_name] = column
                continue
            for label, there in rows.items():
                logged = column.logged & there
                if logged.any():
                    columns[f"{label}/{column_name}"] = replace(column, logged=logged)
        text = {other: values for other, values in table.text.items() if other != name}
        fixed = {role: column for role, column in table.roles.items() if column in columns}
        return replace(table, columns=columns, text=text, roles=fixed)
    return table


def _splits(name: str, cells: Sequence[str]) -> list[str]:
    """The splits that a text column names, in order; none where it names anything else."""
    distinct = list(dict.fromkeys(cells[:1000])) if len(set(cells)) <= 8 else []
    labels = [label for label in dict.fromkeys((*distinct, *(set(cells) if distinct else ()))) if label]
    if not labels or not all(_is_split(label) for label in labels):
        return []
    return labels if len(labels) > 1 or _SPLIT_WORDS & set(roles.words(name)) else []


def _is_split(label: str) -> bool:
    """Whether a label is the name of a split and nothing else."""
    facets = roles.parse(label)
    return bool(facets.split) and not facets.quantity and not facets.parts and not facets.groups
