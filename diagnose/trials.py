"""Trials of fixes: what became of a finding when a fix was tried on reference runs that had it.

A table of trials is a CSV with the columns `COLUMNS`, one line per rule, cause, fix, fault, task and set of seeds. The
seeds that rank the fixes are others than those whose rates are published, so that the first of several is not praised
for its luck.
"""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from diagnose.errors import TableError
from diagnose.measure import statistics
from diagnose.names import optimizers

Purpose = Literal["ranking", "published"]

HALF = 0.5
"""Share of resolved trials: a fix whose whole interval lies below it is one that rarely helps."""

HELPS = 0.2
"""Share of resolved runs: a fix that resolves more for sure goes before one that was not tried."""

NO_DIFFERENCE = math.nan
"""Gain where what was measured before and after is not the same thing."""


@dataclass(frozen=True, slots=True)
class Trials:
    """One fix, tried on one task with a fault that gave the finding.

    rule, cause: of the finding (see `Finding`); fix: id in the catalogue.
    fault, task: what was caused on purpose, and in what.
    kind, optimizer: of the runs: a kind of training (see `diagnose.names.kinds`), and the optimizer's name.
    seeds: which set of seeds it was.
    runs: those in which the finding came and the fix with it; trials: those of them in which it could be tried (a
        table of numbers has nothing to augment); resolved: those after which the finding was gone, no other warning or
        error had come, and the validation metric was not worse than before.
    metric: `accuracy` or `r2`, in which the gain is measured.
    gain, gain_low, gain_high: mean change of the best validation metric in points (hundredths), and its 95 % interval;
        NaN where before and after cannot be compared.
    cost: CPU time of the training after over that before, the median of the trials.
    date: day of the last trial. versions: of the libraries.
    """

    rule: str
    cause: str
    fix: str
    fault: str
    task: str
    kind: str
    optimizer: str
    seeds: Purpose
    runs: int
    trials: int
    resolved: int
    metric: str
    gain: float
    gain_low: float
    gain_high: float
    cost: float
    date: str = ""
    versions: str = ""


COLUMNS = tuple(field.name for field in fields(Trials))


class Table(tuple[Trials, ...]):
    """Trials of which those of one fix are put together once, however many findings ask for them (see `of`)."""

    @functools.cached_property
    def pooled(self) -> dict[tuple[str, ...], Tally]:
        """The trials of each rule, cause, fix and set of seeds."""
        grouped: dict[tuple[str, ...], list[Trials]] = {}
        for row in self:
            grouped.setdefault((row.rule, row.cause, row.fix, row.seeds), []).append(row)
        return {key: pool(rows) for key, rows in grouped.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Trials of one fix put together. Everything is as in `Trials`; metric is "" where there were several, or where the
    user's run does not measure it. faults: how many different ones it was tried on.

    What is not known, a NaN, equals itself: findings of one log are equal however often it is judged.
    """

    runs: int
    trials: int
    resolved: int
    metric: str = ""
    gain: float = NO_DIFFERENCE
    gain_low: float = NO_DIFFERENCE
    gain_high: float = NO_DIFFERENCE
    cost: float = math.nan
    faults: int = 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tally) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share of resolved trials (Wilson), as fractions."""
        return statistics.wilson(self.resolved, self.trials)

    @property
    def helped(self) -> tuple[float, float]:
        """The same of all runs with the finding: where a fix cannot be tried, it does not help."""
        return statistics.wilson(self.resolved, self.runs)

    @property
    def rare(self) -> bool:
        """Whether the fix resolves less than half of the trials for sure, of several faults: what fails on one may be
        right for another that looks the same.
        """
        return self.trials > 0 and self.faults > 1 and self.interval[1] < HALF

    def without_gain(self) -> Tally:
        """The same without the gain, for a run whose metric is another."""
        return replace(self, metric="", gain=NO_DIFFERENCE, gain_low=NO_DIFFERENCE, gain_high=NO_DIFFERENCE)


NOT_TRIED = Tally(0, 0, 0)


def read(path: Path) -> tuple[Trials, ...]:
    """The table in a file. Raises TableError where it is something else, OSError where it cannot be read."""
    with path.open(newline="", encoding="utf-8") as stream:
        lines = csv.DictReader(stream)
        if tuple(lines.fieldnames or ()) != COLUMNS:
            raise TableError(
                f"{path}: has not the columns of a table of trials; make it: diagnose reference trials --table {path}"
            )
        try:
            return tuple(_row(line) for line in lines)
        except (TypeError, ValueError) as error:
            raise TableError(
                f"{path}, line {lines.line_num}: {error}; make it: diagnose reference trials --table {path}"
            ) from error


def _row(line: Mapping[str, str]) -> Trials:
    kinds = {
        "runs": int,
        "trials": int,
        "resolved": int,
        "gain": float,
        "gain_low": float,
        "gain_high": float,
        "cost": float,
    }
    cells: dict[str, Any] = {
        name: kinds[name](value or "nan") if name in kinds else value for name, value in line.items()
    }
    return Trials(**cells)


def write(rows: Iterable[Trials], path: Path) -> None:
    """Write a table; a number that is not known is a blank cell. Raises OSError."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        lines = csv.writer(stream, lineterminator="\n")
        lines.writerow(COLUMNS)
        lines.writerows([_cell(getattr(row, name)) for name in COLUMNS] for row in rows)


def _cell(value: str | float) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if math.isfinite(value) else ""
    return str(value)


def pool(rows: Sequence[Trials]) -> Tally:
    """The trials of several faults and tasks put together.

    The gain is the mean over all trials of comparable rows; its interval comes from those within the rows (a stratified
    mean: Cochran, Sampling Techniques, 1977, section 5.3). The cost is the mean of the rows' medians, by their trials.
    """
    runs, count, resolved = (sum(getattr(row, name) for row in rows) for name in ("runs", "trials", "resolved"))
    faults = len({row.fault for row in rows if row.trials})
    metrics = {row.metric for row in rows if row.trials}
    metric = metrics.pop() if len(metrics) == 1 else ""
    if count == 0:
        return Tally(runs, 0, 0)
    priced = [row for row in rows if math.isfinite(row.cost) and row.trials]
    weight = sum(row.trials for row in priced)
    cost = sum(row.trials * row.cost for row in priced) / weight if weight else math.nan
    compared = [row for row in rows if math.isfinite(row.gain) and row.trials]
    weight = sum(row.trials for row in compared)
    if not weight:
        return Tally(runs, count, resolved, metric, cost=cost, faults=faults)
    gain = sum(row.trials * row.gain for row in compared) / weight
    half = math.hypot(*(row.trials * (row.gain_high - row.gain_low) / 2.0 for row in compared)) / weight
    return Tally(runs, count, resolved, metric, gain, gain - half, gain + half, cost, faults)


def alike(row: Trials, kind: str, optimizer: object) -> bool:
    """Whether trials were on runs like one of this kind and optimizer: the kind is the same, and so is the family of
    the optimizer where both name one.
    """
    known = optimizers.known(optimizer) if isinstance(optimizer, str) else None
    ours = optimizers.known(row.optimizer)
    return row.kind == kind and (known is None or ours is None or known.family == ours.family)


def of(rows: Iterable[Trials], rule: str, cause: str, fix: str, seeds: Purpose) -> Tally:
    """All trials of a fix for a finding of `rule` with `cause`; with "", those whose log did not tell the cause."""
    table = rows if isinstance(rows, Table) else Table(rows)
    return table.pooled.get((rule, cause, fix, seeds), NOT_TRIED)


def published(table: Iterable[Trials], rule: str) -> dict[str, list[Trials]]:
    """The published rows of a rule by the cause of its finding, as they come."""
    found: dict[str, list[Trials]] = {}
    for row in table:
        if row.rule == rule and row.seeds == "published":
            found.setdefault(row.cause, []).append(row)
    return found


def order(rows: Sequence[Trials], rule: str, cause: str, fixes: Sequence[str]) -> list[str]:
    """The fixes in the order to try: by the lower end of the interval of the share of runs that they resolved.

    The runs are those of the ranking seeds. A fix that was not tried stands behind those that resolve at least a fifth
    of the runs for sure, and before the others. Equals come by the lower end of their gain, then as they are given.
    """
    table = rows if isinstance(rows, Table) else Table(rows)
    known = {fix: of(table, rule, cause, fix, "ranking") for fix in fixes}

    def place(fix: str) -> tuple[int, float, float]:
        tally = known[fix]
        if not tally.trials:
            return 1, 0.0, 0.0
        low = tally.helped[0]
        gain = tally.gain_low if math.isfinite(tally.gain_low) else 0.0
        return (0 if low >= HELPS else 2), -low, -gain

    return sorted(fixes, key=place)


def failures_last(rows: Sequence[Trials], rule: str, cause: str, fixes: Sequence[str]) -> list[str]:
    """The fixes as they are given, but for those that resolve no fifth of the runs for sure, which come last."""
    table = rows if isinstance(rows, Table) else Table(rows)
    known = {fix: of(table, rule, cause, fix, "ranking") for fix in fixes}
    return sorted(fixes, key=lambda fix: known[fix].trials > 0 and known[fix].helped[0] < HELPS)
