"""Drawn and planted runs, judged: what the benchmark of the rules' power counts, in as many processes as are wanted."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import _planted
from _drawn import Drawn, draw
from _kinds import HEALTHY, ILL
from _noise import NOISES
from _planted import PLANTED

from diagnose import parallel
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.judging.needs import compares_runs, needs_baseline
from diagnose.rule import Diagnosis, Rule

Item = TypeVar("Item")
Result = TypeVar("Result")

EDGES = (0.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, math.inf)
"""Bins of the oracle's z."""


class Cell(NamedTuple):
    """Runs of one kind, noise and length. planted: path of the healthy curves; "" for drawn ones."""

    kind: str
    noise: str
    points: int
    seeds: int
    only: str = ""
    planted: str = ""

    @property
    def source(self) -> str:
        return "planted" if self.planted else "drawn"


class Outcome(NamedTuple):
    """What was said of one run: whether its rule judged and hit, or, of a healthy one, which rules gave an alarm."""

    cell: Cell
    z: float
    clear: bool
    judged: bool
    found: tuple[str, ...]

    @property
    def hit(self) -> bool:
        return bool(self.found)


def single_run_rules(only: str = "") -> list[Rule]:
    """The installed rules that judge one run by itself; the one called `only` where it is given."""
    rules = [rule for rule in load_rules() if not compares_runs(rule) and not needs_baseline(rule)]
    return [rule for rule in rules if only in ("", rule.id)]


def loud(diagnosis: Diagnosis) -> tuple[str, ...]:
    """The rules that give a warning or an error."""
    return tuple(finding.rule for finding in diagnosis.findings if finding.severity.rank > 0)


def hits(diagnosis: Diagnosis, truth: Drawn) -> tuple[str, ...]:
    """The rules that are loud; of the rule for spikes only where a mark is at most a point from the spike."""
    steps = next(iter(truth.run.series.values())).steps
    near = steps[max(truth.onset - 1, 0) : truth.onset + 2]
    misplaced = truth.kind == "loss-spike" and not any(mark in near for f in diagnosis.findings for mark in f.marks)
    return () if misplaced else loud(diagnosis)


def truths(cell: Cell) -> Iterator[Drawn]:
    """The cell's runs, each with its truth; those whose planted effect turned out smaller than minded are left out."""
    for seed in range(cell.seeds):
        if not cell.planted:
            yield draw(cell.kind, NOISES[cell.noise], cell.points, seed)
            continue
        real = _planted.chosen(cell.planted, cell.kind, cell.points, seed)
        truth = _planted.plant(cell.kind, real, seed) if cell.kind in PLANTED else _planted.healthy(real)
        if truth.minded or cell.kind not in PLANTED:
            yield truth


def outcomes(cell: Cell) -> list[Outcome]:
    """Draw the cell's runs and judge them: an ill one by its rule, a healthy one by all."""
    ill = cell.kind in ILL
    rules = single_run_rules(cell.kind if ill else cell.only)
    found = []
    for truth in truths(cell):
        diagnosis = judge(truth.run, rules, fixes={}, trials=())
        rules_found = hits(diagnosis, truth) if ill else loud(diagnosis)
        found.append(Outcome(cell, truth.z, truth.clear, bool(diagnosis.judged), rules_found))
    return found


def cells(points: Sequence[int], seeds: int, only: str = "", curves: str = "") -> list[Cell]:
    """Every cell, with those of planted effects where curves are given: as many runs as there are drawn of a length."""
    ill = [kind for kind in ILL if only in ("", kind)]
    wanted = [Cell(kind, noise, n, seeds, only) for kind in (*ill, *HEALTHY) for noise in NOISES for n in points]
    if curves:
        kinds = [kind for kind in (*PLANTED, "real") if kind in (*ill, "real")]
        many = seeds * len(NOISES)
        wanted += [Cell(kind, "real", n, many, only, curves) for kind in kinds for n in _planted.POINTS]
    return wanted


def of_all(work: Callable[[Item], list[Result]], items: Sequence[Item], jobs: int) -> list[Result]:
    """What `work` answers to all items, in their order, whatever the number of processes."""
    if jobs == 1:
        return [result for item in items for result in work(item)]
    every: list[Result] = []
    for item, results in zip(items, parallel.in_order(work, items, parallel.Processes(jobs, _prepare)), strict=True):
        if isinstance(results, parallel.Lost):
            sys.exit(f"{item}: its process ended without an answer; run it alone with --jobs 1")
        every += results
    return every


def _prepare() -> None:
    """Load the rules, once in each process."""
    load_rules()


def share(found: Iterable[Outcome]) -> tuple[int, int]:
    """How many hit (or, of healthy runs, alarmed), and of how many."""
    every = list(found)
    return sum(outcome.hit for outcome in every), len(every)


def bin_of(z: float) -> tuple[float, float]:
    """The bin of `EDGES` that holds z; infinity is in the last."""
    place = max(i for i, edge in enumerate(EDGES[:-1]) if z >= edge)
    return EDGES[place], EDGES[place + 1]
