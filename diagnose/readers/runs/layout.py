"""How curves are laid out in a table: several runs below or beside each other, one row per split.

Wide is the norm (a column per curve). Long tables name the split, or the run, in a column; an export from the Weights &
Biases interface puts the run before the metric in every column name (`relu - train/loss`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from diagnose.names import roles
from diagnose.names.roles import Facets
from diagnose.readers.runs import comparison
from diagnose.readers.tables.table import Column, Table

Mask = npt.NDArray[np.bool_]

_MANY = 64  # distinct names from which a text column is data, and not the names of runs
_MOST_LOOKED_AT = 64  # columns that may name runs, or count; a log has a handful
_MOST_SHARED = 1_000_000  # runs x columns that they share
_SEPARATOR = " - "  # between run and metric in an export of the W&B interface
_ENVELOPE = ("__MIN", "__MAX")  # of the points that one exported point stands for
_VALUE_NAMES = frozenset({"value", "values", "val", "scalar", "metric_value", "y"})
_PLACE = re.compile(r"([A-Za-z]{1,20})[ _:#-]{0,3}(\d{1,12})(?:\s?/\s?\d{1,12})?:?")
_RUN_WORDS = frozenset(
    ("run", "runs", "experiment", "exp", "trial", "fold", "seed", "replicate", "repeat", "cv", "job")
)
_SPLIT_WORDS = frozenset(("set", "split", "phase", "mode", "stage", "subset", "partition", "dataset", "data", "loop"))


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The table of one run.

    facets: what the name of each column, of numbers and of text, means without that of the run.
    name: name of the run, "" where the table holds only one.
    prefix: what stands before the metric in the names of its columns.
    shared: its rows are shared with other runs, so that a blank tail is innocent: another run was longer.
    notes: what had to be decided, in sentences for the user.
    """

    table: Table
    facets: Mapping[str, Facets]
    name: str = ""
    prefix: str = ""
    shared: bool = False
    notes: tuple[str, ...] = field(default=())

    def metric(self, column: str) -> str:
        """The column's name without that of the run."""
        return column.removeprefix(self.prefix)


def parts(table: Table, facets: Mapping[str, Facets]) -> list[Part]:
    """The runs that a table holds, in the order of the log, each with a column per curve.

    facets: what the name of each column, of numbers and of text, means.
    """
    upright = comparison.upright(table)
    if upright is not table:
        table, facets = upright, roles.named(upright.columns)
    whole = _by_metric(_with_counters(Part(table, facets)))
    found = _beside_each_other(whole) or _compared(whole) or _below_each_other(whole) or [whole]
    return [_by_split(part) for part in found]


def _with_counters(whole: Part) -> Part:
    """The table with its text columns of numbered places (`epoch1`, `Epoch 2`) as columns of numbers that count."""
    counters = {name: column for name, cells in whole.table.text.items() if (column := _counter(cells)) is not None}
    if not counters:
        return whole
    named = {name: kind for name, (kind, _) in counters.items() if kind not in whole.table.columns}
    columns = {named[name]: counters[name][1] for name in named} | dict(whole.table.columns)
    text = {name: cells for name, cells in whole.table.text.items() if name not in named}
    facets = {**whole.facets, **roles.named(named.values())}
    return replace(whole, table=replace(whole.table, columns=columns, text=text), facets=facets)


def _counter(cells: Sequence[str]) -> tuple[str, Column] | None:
    """(`epoch` or another word that counts, the numbers) of cells that all are that word and a number; else None."""
    first = _PLACE.fullmatch(cells[0]) if cells else None
    word = first[1].casefold() if first else ""
    if not word or not roles.parse(word).counts:
        return None
    places = [_PLACE.fullmatch(cell) for cell in cells]
    numbers = [float(place[2]) for place in places if place is not None and place[1].casefold() == word]
    if len(numbers) < len(cells):
        return None
    return word, Column(np.array(numbers), np.ones(len(numbers), dtype=np.bool_))


def _beside_each_other(whole: Part) -> list[Part]:
    """Runs of an export from the W&B interface, by the prefix of their columns; none where it is no such export."""
    table = whole.table
    runs: dict[str, dict[str, Facets]] = {}
    for column in table.columns:
        run, found, metric = column.rpartition(_SEPARATOR)
        if found and not metric.endswith(_ENVELOPE):
            runs.setdefault(run, {})[column] = roles.parse(metric)
    if not runs or not _is_export(whole, runs):
        return []
    shared = {c: v for c, v in table.columns.items() if _SEPARATOR not in c}
    if len(runs) * len(shared) > _MOST_SHARED:
        return []
    common = {c: whole.facets[c] for c in (*shared, *table.text)}
    many = f"one of {len(runs)} runs in the file, by the names of its columns"
    return [
        Part(
            replace(table, columns=shared | {c: table.columns[c] for c in columns}),
            common | columns,
            name=run,
            prefix=run + _SEPARATOR,
            shared=True,
            notes=(many,) if len(runs) > 1 else (),
        )
        for run, columns in runs.items()
    ]


def _compared(whole: Part) -> list[Part]:
    """Runs that a table compares, each in columns of its own; none where it compares none."""
    runs = comparison.by_column(whole.table, whole.facets)
    taken = {column for columns in runs.values() for column in columns}
    shared = {name: column for name, column in whole.table.columns.items() if name not in taken}
    common = {name: whole.facets[name] for name in (*shared, *whole.table.text)}
    return [
        Part(
            replace(whole.table, columns=shared | {name: whole.table.columns[name] for name in columns}, roles={}),
            common | {name: roles.parse(metric) for name, metric in columns.items()},
            name=run,
            shared=True,
            notes=(f"one of {len(runs)} runs in the file, by the names of its columns",),
        )
        for run, columns in runs.items()
    ]


def _is_export(whole: Part, runs: Mapping[str, Mapping[str, Facets]]) -> bool:
    """Whether `run - metric` is the scheme of the columns: envelopes stand beside them, or the metrics are known."""
    if any(column.endswith(_ENVELOPE) for column in whole.table.columns):
        return True
    known = all(metric.quantity for columns in runs.values() for metric in columns.values())
    plain = [c for c in whole.table.columns if _SEPARATOR not in c and not whole.facets[c].counts]
    return known and not plain and not any(roles.parse(run).quantity for run in runs)


def _below_each_other(whole: Part) -> list[Part]:
    """Runs of a long table, by a column that names them; none where no column does.

    A column names runs when the x axis, which goes back and forth over the whole table, counts up within each name.
    """
    columns = whole.table.columns
    axis = [c for n, c in columns.items() if whole.facets[n].quantity in roles.AXES and c.logged.all()][
        :_MOST_LOOKED_AT
    ]
    for name, labels in _labels(whole)[:_MOST_LOOKED_AT]:
        groups = _groups(labels)
        if not 2 <= len(groups) <= _MANY or min(map(len, groups.values())) < roles.FEW_POINTS:
            continue
        if axis and not any(_sorts(column.values, list(groups.values())) for column in axis):
            continue
        if not axis and not _names_runs(whole, name):
            continue
        note = f"one of {len(groups)} runs in the file, by the column {name}"
        return [
            replace(
                whole,
                table=_rows_of(whole.table, rows, {name}),
                name=f"{name} {label}" if label.isdigit() else label,
                notes=(note,),
            )
            for label, rows in groups.items()
        ]
    return []


def _labels(whole: Part) -> list[tuple[str, list[str]]]:
    """Columns that may name runs: text without splits, and whole numbers under a name such as `seed` or `fold`."""
    text = whole.table.text
    found = [(n, cells) for n, cells in text.items() if all(cells[:1]) and not _splits(whole.facets[n], cells)]
    for name, column in whole.table.columns.items():
        named = _names_runs(whole, name) and not whole.facets[name].quantity
        if named and column.logged.all() and bool(np.all(column.values == np.rint(column.values))):
            found.append((name, [f"{value:g}" for value in column.values]))
    return found


def _names_runs(whole: Part, column: str) -> bool:
    """Whether the name of a column has a word for runs."""
    return not _RUN_WORDS.isdisjoint(whole.facets[column].words)


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


def _by_metric(whole: Part) -> Part:
    """A column per metric where a text column names the metric and one column holds all values."""
    table = whole.table
    holders = [name for name in table.columns if name.strip().casefold() in _VALUE_NAMES]
    if len(holders) != 1:
        return whole
    values = table.columns[holders[0]]
    for name, cells in table.text.items():
        groups = _groups(cells)
        labels = roles.named(groups)
        if not any(facets.quantity in roles.METRICS for facets in labels.values()):
            continue
        columns = {n: c for n, c in table.columns.items() if n != holders[0]}
        for label, rows in groups.items():
            there = np.zeros(table.rows, dtype=np.bool_)
            there[rows] = True
            columns[label] = replace(values, logged=values.logged & there)
        text = {n: t for n, t in table.text.items() if n != name}
        return replace(whole, table=replace(table, columns=columns, text=text), facets={**whole.facets, **labels})
    return whole


def _by_split(part: Part) -> Part:
    """A column per split (`val/loss`) where a text column names the split of each row."""
    table = part.table
    for name, cells in table.text.items():
        splits = _splits(part.facets[name], cells)
        if not splits:
            continue
        array = np.asarray(cells, dtype=object)
        rows = {label: array == label for label in splits}
        columns: dict[str, Column] = {}
        for column_name, column in table.columns.items():
            if part.facets[column_name].counts:
                columns[column_name] = column
                continue
            for label, there in rows.items():
                logged = column.logged & there
                if logged.any():
                    columns[f"{label}/{column_name}"] = replace(column, logged=logged)
        text = {other: values for other, values in table.text.items() if other != name}
        fixed = {role: column for role, column in table.roles.items() if column in columns}
        new = {c: roles.parse(part.metric(c)) for c in columns if c not in part.facets}
        table = replace(table, columns=columns, text=text, roles=fixed)
        return replace(part, table=table, facets={**part.facets, **new})
    return part


def _splits(facets: Facets, cells: Sequence[str]) -> list[str]:
    """The splits that a text column names, in order; none where it names anything else.

    facets: of the column's own name.
    """
    distinct = list(dict.fromkeys(cells[:1000])) if len(set(cells)) <= 8 else []
    labels = [label for label in dict.fromkeys((*distinct, *(set(cells) if distinct else ()))) if label]
    if not labels or not all(roles.parse(label).only_split for label in labels):
        return []
    return labels if len(labels) > 1 or not _SPLIT_WORDS.isdisjoint(facets.words) else []
