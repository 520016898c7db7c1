"""How often a rule fires on seeded synthetic runs that should make it, and on those that should not: a table.

A table is a CSV with the columns of `Measured`, a line per rule and noise. `tests/benchmarks/seeded_rates.py --write`
makes it.
"""

from __future__ import annotations

import csv
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from diagnose.errors import TableError

TABLE = "rates.csv"
"""The table beside the modules of rules."""


class Measured(NamedTuple):
    """The rates of one rule at one noise.

    rule: its id. seeds: runs of each case.
    noise: standard deviation of the noise relative to the value.
    hits: share of the runs that should give a finding and do; false_alarms: of those that should give none and do; each
        the mean over the cases, NaN where the rule has no such case.
    """

    rule: str
    seeds: int
    noise: float
    hits: float
    false_alarms: float


def read(path: Path) -> tuple[Measured, ...]:
    """The table in a file. Raises TableError where it is something else, OSError where it cannot be read."""
    again = f"make it: python tests/benchmarks/seeded_rates.py --write {path}"
    with path.open(newline="", encoding="utf-8") as stream:
        head, *rows = list(csv.reader(stream)) or [[]]
    if tuple(head) != Measured._fields:
        raise TableError(f"{path}: has not the columns of a table of rates; {again}")
    try:
        return tuple(Measured(rule, int(seeds), *map(float, shares)) for rule, seeds, *shares in rows)
    except (TypeError, ValueError) as error:
        raise TableError(f"{path}: {error}; {again}") from error


def of_rule(check: Callable[..., Any]) -> tuple[Measured, ...]:
    """The rows of the rule with that check, from the table beside its module; none where there is no table.

    Raises as `read`.
    """
    module = Path(inspect.getfile(check))
    beside = module.with_name(TABLE)
    rule = module.stem.replace("_", "-")
    return tuple(row for row in read(beside) if row.rule == rule) if beside.exists() else ()


def write(rows: Iterable[Measured], path: Path) -> None:
    """Write a table, in the order of the rules' names. Raises OSError."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        lines = csv.writer(stream, lineterminator="\n")
        lines.writerow(Measured._fields)
        for rule, seeds, *shares in sorted(rows, key=lambda row: (row.rule, row.noise)):
            lines.writerow([rule, seeds, *(f"{share:.4g}" for share in shares)])
