"""Logs said in another way: changes to a table after which the verdict is to be the same.

A log is read into its table once and written as CSV; each relation changes the table or writes it in another format.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import diagnose
from diagnose.errors import ReadError
from diagnose.names import roles
from diagnose.names.roles import AXES
from diagnose.readers import Source, tables
from diagnose.rule import Diagnosis

UNITS = (1e-3, 1e3)
"""Factors of another unit of the loss: sums over a batch instead of means, nats times a constant."""

AXIS_NAMES = {"epoch": "Epochs", "step": "global_step"}
"""What the axis is called elsewhere, by what it counts."""

Verdict = tuple[tuple[str, str], ...]
"""Rule and severity of each finding, sorted."""


@dataclass(frozen=True)
class Log:
    """A table as text: column -> its cells, "" where nothing was logged; and which of them are numbers."""

    columns: Mapping[str, Sequence[str]]
    numbers: frozenset[str]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The cells of each row."""
        return list(zip(*self.columns.values(), strict=True))

    def reordered(self, places: Sequence[int]) -> Log:
        """The rows in another order, or some of them twice."""
        return replace(self, columns={name: [cells[i] for i in places] for name, cells in self.columns.items()})

    def scaled(self, names: Sequence[str], factor: float) -> Log:
        """The numbers of these columns times a factor."""

        def times(cell: str) -> str:
            return f"{float(cell) * factor:.15g}" if cell else cell

        columns = {n: [times(c) for c in cells] if n in names else cells for n, cells in self.columns.items()}
        return replace(self, columns=columns)


def table_of(source: str | Path | Source) -> Log | None:
    """The table of a log as text; None where it cannot be read, holds several, or one in percent."""
    try:
        found = tables(source)
    except ReadError:
        return None
    if len(found) != 1 or any(column.percent for column in found[0].columns.values()):
        return None
    numbers = {
        name: [f"{value:.15g}" if there else "" for value, there in zip(column.values, column.logged, strict=True)]
        for name, column in found[0].columns.items()
    }
    return Log({**numbers, **found[0].text}, frozenset(numbers))


# --- written


def as_delimited(log: Log, delimiter: str = ",") -> str:
    """A header and a line per row."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(log.columns)
    writer.writerows(log.rows)
    return stream.getvalue()


def _json_cell(cell: str) -> float | str | None:
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell


def as_json_lines(log: Log) -> str:
    """An object per row, without what was not logged."""
    rows = (zip(log.columns, map(_json_cell, row), strict=True) for row in log.rows)
    return "".join(json.dumps({name: cell for name, cell in row if cell is not None}) + "\n" for row in rows)


def as_json_rows(log: Log) -> str:
    """One list of an object per row."""
    return "[" + ",\n".join(as_json_lines(log).splitlines()) + "]\n"


FORMATS: Mapping[str, tuple[str, Callable[[Log], str]]] = {
    "as TSV": ("tsv", lambda log: as_delimited(log, "\t")),
    "with semicolons": ("csv", lambda log: as_delimited(log, ";")),
    "as JSON lines": ("jsonl", as_json_lines),
    "as a list in JSON": ("json", as_json_rows),
}
"""Relation -> suffix of the file, and how it is written."""


# --- changed


def _named(log: Log, *quantities: str) -> list[str]:
    """The columns whose names mean one of these."""
    parsed = {name: roles.parse(name) for name in log.numbers}
    return [name for name, facets in parsed.items() if facets.quantity in quantities and not facets.extreme]


def _axis(log: Log, said: Diagnosis) -> str | None:
    """The column that is the axis; None where none is, or several may be."""
    names = _named(log, said.run.axis) if said.run.axis in AXES else []
    return names[0] if len(names) == 1 else None


def _orders(log: Log, said: Diagnosis) -> dict[str, Log]:
    """The rows in other orders and the last one twice, where the axis tells the right one."""
    axis = _axis(log, said)
    others = [name for name in _named(log, *AXES) if name != axis]
    if axis is None or others or not all(log.columns[axis]):
        return {}
    steps = np.array(list(map(float, log.columns[axis])))
    if steps.size < 3 or not bool(np.all(np.diff(steps) > 0)):
        return {}
    places = list(range(steps.size))
    shuffled = random.Random(0).sample(places, len(places))
    return {
        "last row twice": log.reordered([*places, places[-1]]),
        "newest row first": log.reordered(places[::-1]),
        "rows shuffled": log.reordered(shuffled),
    }


def _percent(log: Log) -> dict[str, Log]:
    """Fractions as percentages."""
    names = _named(log, "accuracy")
    values = np.array([float(cell) for name in names for cell in log.columns[name] if cell])
    finite = values[np.isfinite(values)]
    if not finite.size or finite.min() < 0.0 or not 0.2 < finite.max() <= 1.0:
        return {}
    return {"accuracies in percent": log.scaled(names, 100.0)}


def _renamed(log: Log, said: Diagnosis) -> dict[str, Log]:
    """The axis under another name."""
    axis, name = _axis(log, said), AXIS_NAMES.get(said.run.axis, "")
    if axis is None or not name or name in log.columns:
        return {}
    columns = {name if n == axis else n: cells for n, cells in log.columns.items()}
    return {"axis renamed": Log(columns, (log.numbers - {axis}) | {name})}


def relations(log: Log, said: Diagnosis) -> dict[str, Log]:
    """Name of a relation -> the changed log; those that mean nothing for this log are left out."""
    losses = _named(log, "loss")
    found = {
        "columns reversed": replace(log, columns=dict(reversed(log.columns.items()))),
        **_orders(log, said),
        **_renamed(log, said),
        **_percent(log),
    }
    return found | ({f"loss times {unit:g}": log.scaled(losses, unit) for unit in UNITS} if losses else {})


# --- judged


def judged(text: str, suffix: str, folder: Path) -> Diagnosis | str:
    """What is said of a log; the error where it is refused."""
    path = folder / f"run.{suffix}"
    path.write_text(text)
    try:
        report = diagnose.diagnose(str(path))
    except ReadError as error:
        return str(error)
    return report.diagnoses[0] if len(report) == 1 else f"{len(report)} runs"


def verdict(said: Diagnosis | str) -> Verdict:
    """The findings, or the error as the only one."""
    if isinstance(said, str):
        return ((said, "error"),)
    return tuple(sorted((finding.rule, finding.severity.value) for finding in said.findings))


def changes(log: Log, folder: Path) -> dict[str, tuple[Verdict, Verdict]]:
    """Relation -> the verdict on the log and on the changed log.

    Empty where the log, written as CSV, is not judged as one run.
    """
    said = judged(as_delimited(log), "csv", folder)
    if isinstance(said, str):
        return {}
    before = verdict(said)
    texts = {name: ("csv", as_delimited(changed)) for name, changed in relations(log, said).items()}
    plain = said.run.format == "csv"  # the header of a CSV may tell the framework; what it fixes is lost in JSON
    formats = {name: found for name, found in FORMATS.items() if plain or found[0] in ("csv", "tsv")}
    texts |= {name: (suffix, write(log)) for name, (suffix, write) in formats.items()}
    return {name: (before, verdict(judged(text, suffix, folder))) for name, (suffix, text) in texts.items()}
