"""Hit and false-alarm rates of every curve rule over seeded synthetic runs.

    python tests/benchmarks/seeded_rates.py [--seeds 200] [--rules overfitting,divergence] [--write rules/rates.csv]

Every case of a rule whose `build` takes `seed` and `noise` is built anew with every seed at noise 2 %, 5 % and 10 %: a
case that expects a finding counts towards the rule's hits, one that expects silence towards its false alarms.
"""

from __future__ import annotations

import argparse
import functools
import inspect
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import cast

from diagnose import synthetic
from diagnose.curves import Run
from diagnose.judging.engine import judge, judge_together
from diagnose.judging.installed import load_rules
from diagnose.judging.needs import compares_runs, needs, needs_baseline
from diagnose.rates import Measured, write
from diagnose.rule import Case, Finding, Rule

NOISES = (0.02, 0.05, 0.10)
HIT_BAR, FALSE_BAR = 0.95, 0.02


def seedable(case: Case) -> bool:
    """Whether the case can be built with a seed and a noise."""
    return {"seed", "noise"} <= set(inspect.signature(case.build).parameters)


@functools.lru_cache(maxsize=4096)
def build(case: Case, seed: int, noise: float) -> Run | Sequence[Run]:
    """The case's run, or runs, with a seed and a noise."""
    return case.build(seed=seed, noise=noise)  # type: ignore[call-arg]  # `seedable` asked


def found(rule: Rule, built: Run | Sequence[Run]) -> Finding | None:
    """The rule's finding in a run; in runs together, or in the first beside the others as its baseline."""
    if compares_runs(rule):
        return next(iter(judge_together(cast("Sequence[Run]", built), [rule], fixes={})[0]), None)
    run, *baseline = [built] if isinstance(built, Run) else built
    return next(iter(judge(run, [rule], fixes={}, baseline=baseline).findings), None)


def chosen(names: Sequence[str] | None = None) -> list[Rule]:
    """The rules that read a curve or compare runs, those named only where names are given."""
    rules = [rule for rule in load_rules() if any(n.curve or n.name == "runs" for n in needs(rule))]
    unknown = sorted(set(names or ()) - {rule.id for rule in rules})
    if unknown:
        sys.exit(f"no curve rule is called {', '.join(unknown)}; there are {', '.join(rule.id for rule in rules)}")
    return [rule for rule in rules if not names or rule.id in names]


def rate(rule: Rule, case: Case, noise: float, seeds: int) -> float:
    """Share of the seeds at which the rule fires on the case."""
    return sum(found(rule, build(case, seed, noise)) is not None for seed in range(seeds)) / seeds


Rates = Mapping[Case, Sequence[float]]
"""Share of the seeds at which a rule fires on each of its cases, by noise."""


def rates_of(rule: Rule, seeds: int, noises: Sequence[float]) -> Rates:
    """The rates of a rule over its cases that take a seed."""
    return {case: [rate(rule, case, noise, seeds) for noise in noises] for case in rule.cases if seedable(case)}


def means(rates: Rates, *, firing: bool) -> list[float]:
    """The mean over the cases that expect a finding, or over those that expect silence, by noise; empty without one."""
    rows = [row for case, row in rates.items() if (case.expect is not None) == firing]
    return [sum(column) / len(column) for column in zip(*rows, strict=True)] if rows else []


def lines_of(rule: Rule, rates: Rates, noises: Sequence[float], *, verbose: bool) -> Iterator[tuple[str, bool]]:
    """The rule's line of the table and those of its cases, each with whether it misses a bar."""
    mean = {"hit": means(rates, firing=True), "false": means(rates, firing=False)}
    low = any(r < HIT_BAR for r in mean["hit"]) or any(r > FALSE_BAR for r in mean["false"])
    cells = "".join(_cells(mean[kind], len(noises)) for kind in ("hit", "false"))
    yield f"{rule.id:32}{cells}{'  misses a bar' if low else ''}", low
    for case, row in rates.items():
        bad = min(row) < HIT_BAR if case.expect else max(row) > FALSE_BAR
        if bad or verbose:
            side = (row, []) if case.expect else ([], row)
            yield f"    {case.title[:26]:28}{''.join(_cells(part, len(noises)) for part in side)}", bad
    skipped = [case.title for case in rule.cases if not seedable(case)]
    if skipped:
        yield f"    takes no seed and noise: {'; '.join(skipped)}", False


def _cells(rates: Sequence[float], count: int) -> str:
    return "".join(f"{100 * r:7.1f}" for r in rates) if rates else f"{'-':>7}" * count


def healthy_alarms(seeds: int, noises: Sequence[float]) -> list[str]:
    """Rules that fire (a warning or an error) on healthy synthetic runs, whichever cases they have."""
    counts: dict[str, list[int]] = {}
    rules = [rule for rule in chosen() if not compares_runs(rule) and not needs_baseline(rule)]
    for place, noise in enumerate(noises):
        for seed in range(seeds):
            for finding in judge(synthetic.healthy(seed=seed, noise=noise), rules, fixes={}).findings:
                if finding.severity.rank > 0:
                    counts.setdefault(finding.rule, [0] * len(noises))[place] += 1
    lines = [f"    {rule:28}{_cells([c / seeds for c in row], len(noises))}" for rule, row in sorted(counts.items())]
    return ["\nwarnings and errors of all curve rules on the healthy run, percent", *(lines or ["    none"])]


def main(argv: list[str] | None = None) -> int:
    """Print the table; the cases that miss a bar on lines of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=200, help="runs per case and noise (default: %(default)s)")
    parser.add_argument("--rules", help="only these rules, separated by commas")
    parser.add_argument("--write", type=Path, help="also write the table that the pages of the rules show")
    parser.add_argument("--verbose", action="store_true", help="every case, not only those that miss a bar")
    arguments = parser.parse_args(argv)
    rules = chosen(arguments.rules.split(",") if arguments.rules else None)
    noises = "".join(f"{100 * noise:6g}%" for noise in NOISES)
    print(f"{arguments.seeds} seeds, percent; bars: hits {100 * HIT_BAR:g}, false alarms {100 * FALSE_BAR:g}")
    print(f"{'rule':32}{'hits at noise':>21}{'false alarms':>21}\n{'':32}{noises}{noises}")
    met, seeded = 0, [rule for rule in rules if any(case.expect and seedable(case) for case in rule.cases)]
    rows: list[Measured] = []
    for rule in rules:
        rates = rates_of(rule, arguments.seeds, NOISES)
        by_noise = zip_longest(NOISES, means(rates, firing=True), means(rates, firing=False), fillvalue=math.nan)
        rows += [Measured(rule.id, arguments.seeds, *figures) for figures in by_noise] if rates else []
        (first, missed), *rest = lines_of(rule, rates, NOISES, verbose=arguments.verbose)
        met += rule in seeded and not missed
        print(first, *(line for line, _ in rest), sep="\n", flush=True)
    print(f"\n{met} of {len(seeded)} curve rules with seeded cases that expect a finding meet the bars")
    print("\n".join(healthy_alarms(arguments.seeds, NOISES)))
    if arguments.write:
        write(rows, arguments.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
