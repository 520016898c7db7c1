"""What a reader of a running log is told: every rule on every prefix of healthy and ill runs.

    python tests/benchmarks/prefixes.py [--seeds 2] [--points 30 100 300] [--only overfitting] [--jobs auto]
    python tests/benchmarks/prefixes.py --corpus corpus/             the labelled logs as well

The prefixes have all lengths up to 60 points and a tenth more each from there on. Of healthy runs: the share with a
warning or an error at any prefix, by rule, and the length of the first such prefix. Of ill runs with a clear effect
that the oracle of `power.py` sees with a z of 8 or more: the delay, the points after the onset until the rule speaks
and stays to the end, as a share of the run. The corpus gives the runs labelled healthy, without the alarms that its
README allows, and those labelled overfitting, whose onset is the lowest point of the smoothed validation loss.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import _corpus
import numpy as np
from _drawn import draw
from _kinds import HEALTHY, ILL
from _noise import NOISES
from _power import loud, of_all, single_run_rules
from _verdicts import HARMLESS, RULES, curve_rules
from seeded_rates import chosen

from diagnose import parallel
from diagnose.curves import Run, Series
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.live.earlier import until
from diagnose.measure import statistics
from diagnose.measure.statistics import wilson
from diagnose.rule import Rule

POINTS = (30, 100, 300)
SHORTEST = 5
EVERY = 60  # points up to which every length is tried
GROWTH = 1.1  # from one length to the next beyond
SEEN_FROM, SEEN_TO = 8.0, 30.0  # the oracle's z of ill runs
BINS = (8, 12, 20, 30, 60)
"""Lengths by which the first alarms are counted."""


class Item(NamedTuple):
    """One run to draw, or to read where `log` is given, and what is asked of it."""

    kind: str
    ill: bool
    noise: str = ""
    points: int = 0
    seed: int = 0
    log: _corpus.Log | None = None
    only: str = ""


class Alarms(NamedTuple):
    """A healthy run: rule -> the length of the first prefix with an alarm."""

    item: Item
    first: dict[str, int]


class Delay(NamedTuple):
    """An ill run: the points after the onset until its rule speaks and stays, as a share of the run.

    share: below 0 where it speaks before the onset; None where it does not stay to the end, or never speaks.
    """

    item: Item
    share: float | None


def lengths(size: int) -> list[int]:
    """The lengths of the prefixes of a curve of `size` points, the whole curve among them."""
    found = list(range(min(SHORTEST, size), min(EVERY, size) + 1))
    while found[-1] < size:
        found.append(min(max(found[-1] + 1, int(GROWTH * found[-1])), size))
    return found


def spoken(run: Run, along: Series, rules: Sequence[Rule]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The length of every prefix, in points of the curve `along`, and the rules that are loud there."""
    for length in lengths(len(along)):
        cut = until(run, float(along.steps[length - 1]))
        yield length, loud(judge(cut, rules, fixes={}, trials=()))


def first_alarms(found: Iterable[tuple[int, tuple[str, ...]]]) -> dict[str, int]:
    """Rule -> the first length at which it is loud; `any` -> the first of all."""
    first: dict[str, int] = {}
    for length, rules in found:
        for rule in (*rules, *(["any"] if rules else [])):
            first.setdefault(rule, length)
    return first


def settled_at(found: Sequence[tuple[int, tuple[str, ...]]]) -> int | None:
    """The length from which on some rule is loud at every prefix to the end; None where the last one is silent."""
    start = None
    for length, rules in reversed(found):
        if not rules:
            break
        start = length
    return start


# --- the runs ---------------------------------------------------------------------------------------------------------


def drawn_items(points: Sequence[int], seeds: int, only: str) -> list[Item]:
    """Healthy and ill runs of every kind, noise and length."""
    kinds = [kind for kind in (*ILL, *HEALTHY) if kind in HEALTHY or only in ("", kind)]
    return [
        Item(kind, kind in ILL, noise, n, seed, only=only)
        for kind in kinds
        for noise in NOISES
        for n in points
        for seed in range(seeds)
    ]


def corpus_items(corpus: Path, only: str) -> list[Item]:
    """The logs labelled healthy, and those labelled overfitting."""
    _corpus.require(corpus, "manifest.csv", "labels.csv", "runs")
    labels = _corpus.labels(corpus)
    found = []
    for log in _corpus.logs(corpus):
        known = labels.get(log.id, {})
        if known.get("healthy"):
            found.append(Item("corpus", False, log=log, only=only))
        if known.get("overfitting") and only in ("", *RULES["overfitting"]):
            found.append(Item("corpus overfitting", True, log=log, only=only))
    return found


def answer(item: Item) -> list[Alarms | Delay]:
    """What is said along an item's runs: a chart exported from a service may hold several, a refused log has none."""
    if item.log is not None:
        runs = [diagnosis.run for diagnosis in _corpus.of_manifest(_corpus.outcome(item.log))]
        return [found for run in runs if (found := _of_log(item, run)) is not None]
    truth = draw(item.kind, NOISES[item.noise], item.points, item.seed, (SEEN_FROM, SEEN_TO))
    if not item.ill:
        return [alarms(item, truth.run, truth.run.series["train_loss"], single_run_rules(item.only))]
    if not truth.clear or truth.z < SEEN_FROM:
        return []
    return [delay(item, truth.run, truth.run.series[truth.role], truth.onset, [item.kind])]


def _of_log(item: Item, run: Run) -> Alarms | Delay | None:
    """The same of a run of the corpus; None where it lacks the curves."""
    roles = ("val_loss",) if item.ill else ("train_loss", "val_loss")
    along = next((curve for role in roles if (curve := run.curve(role)) is not None and len(curve) >= SHORTEST), None)
    if along is None:
        return None
    if item.ill:
        return delay(item, run, along, lowest(along), RULES["overfitting"])
    allowed = curve_rules() - HARMLESS
    return alarms(item, run, along, [rule for rule in single_run_rules(item.only) if rule.id in allowed])


def lowest(curve: Series) -> int:
    """Index of the lowest point of a running median over a twentieth of the curve, 3 points at least."""
    values = np.where(np.isfinite(curve.values), curve.values, np.inf)
    return int(np.argmin(statistics.rolling_median(values, statistics.ends(values.size, 0.05, 3) | 1)))


def alarms(item: Item, run: Run, along: Series, rules: Sequence[Rule]) -> Alarms:
    """The first alarms of these rules along a healthy run."""
    return Alarms(item, first_alarms(spoken(run, along, rules)))


def delay(item: Item, run: Run, along: Series, onset: int, names: Sequence[str]) -> Delay:
    """When one of these rules speaks to stay along an ill run; onset: index in the curve `along`."""
    rules = [rule for rule in load_rules() if rule.id in names]
    start = settled_at(list(spoken(run, along, rules)))
    return Delay(item, None if start is None else (start - 1 - onset) / len(along))


# --- tables -----------------------------------------------------------------------------------------------------------


def alarm_table(title: str, found: Sequence[Alarms]) -> Iterator[str]:
    """How many of healthy runs had an alarm at any prefix, by rule, and at which length the first."""
    edges = "".join(f"{f'<= {edge}':>7}" for edge in BINS)
    yield f"{title[:38]:38} percent  95 %{'':12}first at {edges}   more  median"
    for rule in sorted({rule for run in found for rule in run.first}, key=lambda name: (name != "any", name)):
        at = np.array([run.first[rule] for run in found if rule in run.first])
        low, high = wilson(at.size, len(found))
        counts = np.histogram(at, (0, *(edge + 0.5 for edge in BINS), np.inf))[0]
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        cells = "".join(f"{count:7}" for count in counts)
        yield f"  {rule:36}{100 * at.size / len(found):8.1f}  {interval:16}{'':9}{cells}{np.median(at):8g}"
    if not any(run.first for run in found):
        yield f"  no alarm{'':28}{0.0:8.1f}  0.0 to {100 * wilson(0, len(found))[1]:.1f}"


def delay_line(title: str, found: Sequence[Delay]) -> str:
    """The delay of one rule: quartiles over the runs in which it stays, and how many times it never does."""
    shares = np.array([run.share for run in found if run.share is not None])
    low, high = wilson(shares.size, len(found))
    stays = f"{100 * shares.size / len(found):6.1f}  {f'{100 * low:.1f} to {100 * high:.1f}':16}"
    if not shares.size:
        return f"{title[:38]:38}{len(found):6}  {stays}"
    quartiles = "".join(f"{100 * share:8.1f}" for share in np.quantile(shares, (0.25, 0.5, 0.75)))
    return f"{title[:38]:38}{len(found):6}  {stays}{quartiles}{100 * float(np.mean(shares < 0.0)):10.1f}"


def table(found: Sequence[Alarms | Delay]) -> Iterator[str]:
    """Both tables: healthy runs by source, by noise, by shape and by length; ill runs by kind and by length."""
    healthy = [run for run in found if isinstance(run, Alarms)]
    yield "healthy runs with an alarm at any prefix"
    drawn = [run for run in healthy if run.item.log is None]
    yield from alarm_table(f"drawn, {len(drawn)} runs", drawn)
    for by in (_noise, _kind, _points):
        yield from _any(drawn, by)
    logs = [run for run in healthy if run.item.log is not None]
    if logs:
        yield from alarm_table(f"corpus, {len(logs)} runs", logs)
    yield "\nill runs: how many the rule finds to stay, and its delay after the onset, percent of the run"
    yield f"{'':38}{'runs':>6}  {'stays':>6}  {'95 %':16}{'25 %':>8}{'50 %':>8}{'75 %':>8}{'too early':>10}"
    ill = [run for run in found if isinstance(run, Delay)]
    for kind in dict.fromkeys(run.item.kind for run in ill):
        of_kind = [run for run in ill if run.item.kind == kind]
        yield delay_line(kind, of_kind)
        for points in sorted({run.item.points for run in of_kind} - {0}):
            yield delay_line(f"    {points} points", [run for run in of_kind if run.item.points == points])


def _noise(run: Alarms) -> str:
    return run.item.noise


def _kind(run: Alarms) -> str:
    return run.item.kind


def _points(run: Alarms) -> str:
    return f"{run.item.points} points"


def _any(found: Sequence[Alarms], by: Callable[[Alarms], str]) -> Iterator[str]:
    """The line of all rules together, for each group of drawn runs."""
    for name in dict.fromkeys(map(by, found)):
        runs = [run for run in found if by(run) == name]
        count = sum("any" in run.first for run in runs)
        low, high = wilson(count, len(runs))
        yield f"  {f'{name}, any rule':36}{100 * count / len(runs):8.1f}  {100 * low:.1f} to {100 * high:.1f}"


def main(argv: list[str] | None = None) -> int:
    """Print the tables; 0 always, since this measures and the tests judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2, help="runs per kind, noise and length (default: %(default)s)")
    parser.add_argument("--points", type=int, nargs="+", default=POINTS, help="lengths (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="RULE", help="only this rule, on its ill runs and healthy ones")
    parser.add_argument("--jobs", default="1", help="processes, or auto (default: %(default)s)")
    parser.add_argument("--corpus", type=Path, metavar="PATH", help="directory of the labelled corpus")
    arguments = parser.parse_args(argv)
    if arguments.only:
        chosen([arguments.only])
    items = drawn_items(arguments.points, arguments.seeds, arguments.only)
    if arguments.corpus:
        items += corpus_items(arguments.corpus, arguments.only)
    print(*table(of_all(answer, items, parallel.workers(arguments.jobs))), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
