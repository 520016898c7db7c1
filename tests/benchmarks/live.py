"""What is told while a run goes on: the corpus replayed look by look, and the last verdict against that of the file.

    python tests/benchmarks/live.py [--half home|apart|both] [--framework-runs PATH] [--plan known|unknown]
    python tests/benchmarks/live.py --final [--most 1024 32768]

Looks stand on the grid of `diagnose.live.pace`. Of the logs labelled healthy: the share with anything told at any time.
Of those that do not learn: when that is told, as a share of the run. Of those that overfit: the delay after the lowest
point of the smoothed validation loss, and after that loss stands 5 % above it for good, which is the least that the
rule calls overfitting. Of those that are not finite: whether it is told at the first look that sees it. Repositories
fall into one half, whole, by a hash of their name; the rules of hearing were fitted on the half `home`.

`--final` puts every log, row by row, into the history of a watch that keeps `--most` points of a column, and compares
what is found with what is found in the file.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import _corpus
import numpy as np
from _power import of_all, single_run_rules
from _verdicts import HARMLESS, RULES, curve_rules
from prefixes import lowest

from diagnose import parallel
from diagnose.curves import Run
from diagnose.errors import ReadError
from diagnose.judging.engine import judge
from diagnose.live.earlier import until
from diagnose.live.hearing import Hearing
from diagnose.live.history import History
from diagnose.live.pace import FIRST, RATIO
from diagnose.measure import statistics
from diagnose.measure.statistics import wilson
from diagnose.readers import expand, from_tables, tables
from diagnose.readers.tables.table import Table
from diagnose.rule import Severity

FRAMEWORKS = _corpus.BESIDE.parent / "framework_runs"
SOON = 0.2  # of the run, within which a run that does not learn is to be told
RISE = 0.05  # of the lowest level; the least rise that the rule calls overfitting


class Item(NamedTuple):
    """One log: its path, what is known of it, the rules whose findings count, and whether its length is known."""

    door: str
    labels: Mapping[str, bool]
    columns: Mapping[str, str]
    plan: bool
    most: tuple[int, ...] = ()


class Told(NamedTuple):
    """What was told of a run: rule -> the share of the run that was done.

    delays: after the lowest point and after the rise, shares of the run; NaN where nothing was told.
    missed: whether the run was not finite at a look that did not say so.
    """

    item: Item
    at: Mapping[str, float]
    delays: tuple[float, float]
    missed: bool


class Final(NamedTuple):
    """Points kept -> how the last verdict differs from that of the file; "" where it does not. rows: of the log."""

    item: Item
    rows: int
    differs: Mapping[int, str]


def half_of(repository: str) -> str:
    """The half to which a repository belongs."""
    return ("home", "apart")[hashlib.sha1(repository.encode()).digest()[0] % 2]


def items(corpus: Path, frameworks: Path | None, half: str, plan: bool, most: Sequence[int]) -> Iterator[Item]:
    """The logs of one half, or of both."""
    labels = _corpus.labels(corpus)
    for log in _corpus.logs(corpus):
        if half in ("both", half_of(log.repo)):
            yield Item(str(log.door), labels.get(log.id, {}), log.columns, plan, tuple(most))
    if frameworks is None:
        return
    with (frameworks / "verdicts.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if half in ("both", half_of(row["path"].rpartition("/")[2] + row["framework"])):
                known = {"healthy": row["practitioner"] == "healthy", "not_learning": row["fault"] == "frozen"}
                known |= {"overfitting": row["fault"] == "overfit", "non_finite": row["fault"] == "nan"}
                yield Item(str(frameworks / row["path"]), known, {}, plan, tuple(most))


def answer(item: Item) -> list[Told | Final]:
    """What is told of the runs of a log; a log that is refused has none."""
    try:
        if item.most:
            return [final(item)]
        (source,) = expand([item.door])
        runs = from_tables(tables(source), item.door)
    except (ReadError, ValueError):
        return []
    column = item.columns.get("train_loss")
    runs = [run for run in runs if column in run.series] or runs
    return [told for run in runs[:2] if (told := replayed(item, run)) is not None]


def grid(rows: int) -> list[int]:
    """The rows at which a watch looks where it costs nothing."""
    found = [FIRST]
    while found[-1] < rows:
        found.append(min(rows, max(found[-1] + 1, int(found[-1] * RATIO))))
    return found


def replayed(item: Item, run: Run) -> Told | None:
    """What a watch tells of a run; None where it has no row to look at."""
    curves = [run.series[column] for column in run.roles.values() if column in run.series]
    steps = np.unique(np.concatenate([curve.steps[np.isfinite(curve.steps)] for curve in curves]))
    if steps.size < FIRST:
        return None
    span = float(steps[-1] - steps[0])
    rules = [rule for rule in single_run_rules() if rule.id in curve_rules() - HARMLESS]
    hearing = Hearing(span * steps.size / (steps.size - 1) if item.plan else None)
    at: dict[str, float] = {}
    missed = False
    for row in grid(steps.size):
        cut = until(run, float(steps[row - 1]))
        diagnosis = judge(cut, rules, fixes={}, trials=())
        for news in hearing.look(diagnosis):
            if news.kind != "gone":
                at.setdefault(news.finding.rule, float(steps[row - 1] - steps[0]) / span)
        found = {finding.rule for finding in diagnosis.findings if finding.severity is not Severity.NOTE}
        missed = missed or ("non-finite" in found and "non-finite" not in at)
    return Told(item, at, _delays(run, at, float(steps[0]), span), missed)


def _delays(run: Run, at: Mapping[str, float], first: float, span: float) -> tuple[float, float]:
    """How long after the two onsets overfitting was told, as shares of the run."""
    loss = run.curve("val_loss")
    told = [at[rule] for rule in RULES["overfitting"] if rule in at]
    if loss is None or not told or len(loss) < FIRST:
        return np.nan, np.nan
    values = np.where(np.isfinite(loss.values), loss.values, np.inf)
    smooth = statistics.rolling_median(values, statistics.ends(values.size, 0.05, 3) | 1)
    below = np.flatnonzero(smooth < smooth.min() + RISE * abs(smooth.min()))
    risen = min(int(below[-1]) + 1, len(loss) - 1)
    place = [(float(loss.steps[index]) - first) / span for index in (lowest(loss), risen)]
    return min(told) - place[0], min(told) - place[1]


# --- the last verdict -------------------------------------------------------------------------------------------------


def final(item: Item) -> Final:
    """How the verdict of a watch that was told every row differs from that of the file."""
    (source,) = expand([item.door])
    read = tables(source)
    whole = verdicts(read, item.door)
    differs = {}
    for most in item.most:
        kept = verdicts([thinned(table, most) for table in read], item.door)
        differs[most] = " | ".join(f"{a or '-'} -> {b or '-'}" for a, b in zip(whole, kept, strict=True) if a != b)
    return Final(item, max(table.rows for table in read), differs)


def verdicts(read: Sequence[Table], label: str) -> list[str]:
    """The warnings and errors of each run, in words."""
    runs = from_tables(read, label)
    found = [judge(run, single_run_rules(), fixes={}, trials=()).findings for run in runs]
    return [", ".join(sorted(f"{f.rule} {f.severity}" for f in fs if f.severity is not Severity.NOTE)) for fs in found]


def thinned(table: Table, most: int) -> Table:
    """The table as the history of a watch keeps it; one with words in it, which a watch has not, stays as it is."""
    if table.text:
        return table
    history = History(most)
    history.axis, history.counted = "", False
    rows = [{} for _ in range(table.rows)]  # type: list[dict[str, float]]
    for name, column in table.columns.items():
        for row in np.flatnonzero(column.logged):
            rows[row][name] = float(column.values[row])
    history.axis = table.axis or next((n for n in table.columns if n in ("step", "epoch")), "") or "row"
    for row in rows:
        history.add([row])
    kept = history.table()
    columns = {name: replace(column, percent=table.columns[name].percent) for name, column in kept.columns.items()
               if name in table.columns}  # fmt: skip
    return replace(table, columns=columns, rows=kept.rows, lines=())


# --- tables -----------------------------------------------------------------------------------------------------------


def report(found: Sequence[Told | Final]) -> Iterator[str]:
    """What was measured, in lines."""
    finals = [one for one in found if isinstance(one, Final)]
    for most in finals[0].item.most if finals else ():
        cut = [one for one in finals if one.rows > most]
        same = sum(not one.differs[most] for one in finals)
        yield f"{most} points kept: {same} of {len(finals)} logs have the verdict of the file"
        yield f"  of the {len(cut)} that were thinned: {sum(not one.differs[most] for one in cut)}"
        yield from (f"  {Path(one.item.door).parent.name}: {one.differs[most]}" for one in finals if one.differs[most])
    told = [one for one in found if isinstance(one, Told)]
    if told:
        yield from _told(told)


def _told(told: Sequence[Told]) -> Iterator[str]:
    healthy = [one for one in told if one.item.labels.get("healthy")]
    loud = [one for one in healthy if one.at]
    low, high = (100.0 * end for end in wilson(len(loud), max(len(healthy), 1)))
    yield f"healthy runs with anything told at any time: {len(loud)} of {len(healthy)} ({low:.1f} to {high:.1f} %)"
    yield f"  {dict(Counter(rule for one in loud for rule in one.at))}"
    yield from (f"  {one.item.door}: {dict(one.at)}" for one in loud)
    broken = [one for one in told if one.item.labels.get("non_finite") and "non-finite" in one.at]
    yield f"not finite: {sum(not one.missed for one in broken)} of {len(broken)} told at the first look that sees it"
    stuck = [one for one in told if one.item.labels.get("not_learning")]
    times = [
        min(one.at[rule] for rule in (*RULES["not_learning"], "frozen-metric") if rule in one.at)
        for one in stuck
        if {*RULES["not_learning"], "frozen-metric"} & set(one.at)
    ]
    soon = sum(time <= SOON for time in times)
    yield f"not learning: {len(times)} of {len(stuck)} told, {soon} within a fifth; {_of(times)}"
    over = [one for one in told if one.item.labels.get("overfitting")]
    heard = [one.delays for one in over if np.isfinite(one.delays[0])]
    yield f"overfitting: {len(heard)} of {len(over)} told"
    yield f"  after the lowest point: {_of([a for a, _ in heard])}"
    yield f"  after the loss is 5 % above it for good: {_of([b for _, b in heard])}"


def _of(shares: Sequence[float]) -> str:
    """Quartiles in percent of the run."""
    if not shares:
        return "none"
    low, middle, high = (100.0 * q for q in np.quantile(shares, (0.25, 0.5, 0.75)))
    return f"median {middle:.1f} % of the run ({low:.1f} to {high:.1f})"


def main(argv: list[str] | None = None) -> int:
    """Print what was measured; 0 always, since this measures and the tests judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _corpus.add_corpus(parser)
    parser.add_argument("--framework-runs", type=Path, metavar="PATH", help="logs that real frameworks wrote")
    parser.add_argument("--half", choices=("home", "apart", "both"), default="both", help="(default: %(default)s)")
    parser.add_argument("--plan", choices=("known", "unknown"), default="known", help="length (default: %(default)s)")
    parser.add_argument("--final", action="store_true", help="compare the last verdict with that of the file")
    parser.add_argument("--most", type=int, nargs="+", default=[1024, 2**15], help="(default: %(default)s)")
    parser.add_argument("--jobs", default="1", help="processes, or auto (default: %(default)s)")
    given = parser.parse_args(argv)
    _corpus.require(given.corpus, "manifest.csv", "labels.csv", "runs")
    most = given.most if given.final else ()
    wanted = list(items(given.corpus, given.framework_runs, given.half, given.plan == "known", most))
    print(*report(of_all(answer, wanted, parallel.workers(given.jobs))), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
