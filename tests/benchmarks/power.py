"""Power of the rules against an oracle, and their false alarms, by noise and length.

    python tests/benchmarks/power.py [--seeds 20] [--jobs auto] [--only overfitting] [--plot P.png] [--out P.csv]
    python tests/benchmarks/power.py --curves algoperf.parquet        the same effects planted in real healthy curves

The oracle knows the healthy curve, the course of the effect and the law of the noise: its z is that of the likelihood
ratio, and at a false-alarm rate of 1 % it sees an effect with probability Phi(z - 2.33). A hit is a warning or an error
of the rule the effect is made for (for a spike, with a mark next to it); a rule that does not judge misses. A clear
effect is at least twice what the rule minds. Every warning or error of any rule on a healthy run is an alarm.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import _hit_rates
from _kinds import ILL
from _planted import WHOLE
from _power import EDGES, Outcome, bin_of, cells, of_all, outcomes, share
from seeded_rates import chosen

from diagnose import parallel
from diagnose.measure.statistics import wilson

POINTS = (5, 6, 8, 10, 12, 15, 20, 30, 50, 100, 300, 1000, 10_000)
SURE, SEEN = 8.0, 5.0  # the oracle's z at which a rule, too, should see a clear effect; and at which it may


def percent(found: Sequence[Outcome]) -> str:
    """A cell of the table, six wide: the share in percent; `n/j` where none of the runs was judged, `-` without any."""
    hit, count = share(found)
    if not count:
        return f"{'-':>6}"
    return f"{100 * hit / count:6.0f}" if any(outcome.judged for outcome in found) else f"{'n/j':>6}"


def line(name: str, found: Sequence[Outcome], points: Sequence[int]) -> str:
    """One line of a table: the share at each length, over all lengths with its interval, and the number of runs."""
    hit, count = share(found)
    low, high = wilson(hit, count)
    by_length = "".join(percent([o for o in found if o.cell.points == n]) for n in points)
    whole = f"{100 * hit / count:7.1f}  {100 * low:.1f} to {100 * high:.1f}" if count else f"{'-':>7}"
    return f"{name:24}{by_length}{whole}  ({count})"


def head(title: str, points: Sequence[int]) -> str:
    """The head of a table over lengths."""
    lengths = "".join(f"{'whole' if n == WHOLE else n:>6}" for n in points)
    return f"{title:24}{lengths}    all  95 %  (runs)"


def power_lines(found: Sequence[Outcome], points: Sequence[int], noises: Sequence[str]) -> Iterator[str]:
    """The table of one rule's hits: clear effects that the oracle sees well, by noise as well, and all that it sees."""
    sure = [o for o in found if o.z >= SURE and o.clear]
    yield head(found[0].cell.kind, points)
    yield line(f"  z >= {SURE:g}, clear", sure, points)
    yield line(f"  z >= {SEEN:g}", [o for o in found if o.z >= SEEN], points)
    yield line(f"  z < {EDGES[2]:g}", [o for o in found if o.z < EDGES[2]], points)
    if len(noises) > 1:
        for noise in noises:
            yield line(f"    {noise}", [o for o in sure if o.cell.noise == noise], points)


def alarm_lines(found: Sequence[Outcome], points: Sequence[int], by: Callable[[Outcome], str]) -> Iterator[str]:
    """The table of alarms on healthy runs by noise, or by shape, each with the rules that gave them."""
    for name in dict.fromkeys(map(by, found)):
        of_name = [o for o in found if by(o) == name]
        yield line(f"  {name}", of_name, points)
        named = Counter(rule for o in of_name for rule in o.found)
        if named:
            yield "      " + ", ".join(f"{rule} {count}" for rule, count in named.most_common())


def table(found: Sequence[Outcome]) -> Iterator[str]:
    """Everything in words: hits by rule, alarms by noise and by shape, drawn and planted apart."""
    for source in dict.fromkeys(o.cell.source for o in found):
        here = [o for o in found if o.cell.source == source]
        points = sorted({o.cell.points for o in here}, key=lambda n: math.inf if n == WHOLE else n)
        noises = list(dict.fromkeys(o.cell.noise for o in here))
        ill = [kind for kind in ILL if any(o.cell.kind == kind for o in here)]
        yield f"\n{source}: hits by number of points, percent ('n/j': not judged, '-': no such run)"
        for kind in ill:
            yield from power_lines([o for o in here if o.cell.kind == kind], points, noises)
        healthy = [o for o in here if o.cell.kind not in ILL]
        yield f"\n{source}: alarms on healthy runs, percent"
        yield head("noise", points)
        yield from alarm_lines(healthy, points, lambda o: o.cell.noise)
        if len({o.cell.kind for o in healthy}) > 1:
            yield head("shape", points)
            yield from alarm_lines(healthy, points, lambda o: o.cell.kind)
        yield line("  all", healthy, points)


def write_csv(found: Sequence[Outcome], path: Path) -> None:
    """One row per cell and bin of z: of ill runs the hits of their rule, of healthy ones the alarms of each rule."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        names = "source,kind,rule,noise,points,z_from,z_to,clear,runs,judged,hits,share,low,high"
        writer.writerow(names.split(","))
        groups: dict[tuple[Any, ...], list[Outcome]] = {}
        for o in found:
            groups.setdefault((o.cell, *bin_of(o.z), o.clear), []).append(o)
        for (cell, low, high, clear), members in groups.items():
            rules = [cell.kind] if cell.kind in ILL else ["any", *sorted({rule for o in members for rule in o.found})]
            for rule in rules:
                count = sum(o.hit if rule in ("any", cell.kind) else rule in o.found for o in members)
                where = (cell.source, cell.kind, rule, cell.noise, cell.points or "whole", low, high, int(clear))
                numbers = (len(members), sum(o.judged for o in members), count)
                shares = (count / len(members), *wilson(count, len(members)))
                writer.writerow([*where, *numbers, *(f"{value:.4f}" for value in shares)])


def main(argv: list[str] | None = None) -> int:
    """Print the tables; 0 always, since this measures and the tests judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="runs per kind, noise and length (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="RULE", help="only the effects and the alarms of this rule")
    parser.add_argument("--points", type=int, nargs="+", default=POINTS, help="lengths (default: %(default)s)")
    parser.add_argument("--jobs", default="1", help="processes, or auto (default: %(default)s)")
    parser.add_argument("--curves", default="", metavar="PATH", help="parquet file of real curves to plant effects in")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw the hit rate over the oracle's z")
    parser.add_argument("--out", type=Path, metavar="CSV", help="write one row per cell and bin of z")
    arguments = parser.parse_args(argv)
    if arguments.only:
        chosen([arguments.only])
    if arguments.curves and not Path(arguments.curves).exists():
        sys.exit(f"{arguments.curves}: not there; the curves are kept beside the repository, say where with --curves")
    wanted = cells(arguments.points, arguments.seeds, arguments.only, arguments.curves)
    found = of_all(outcomes, wanted, parallel.workers(arguments.jobs))
    print(f"{arguments.seeds} seeds per kind, noise and length; {len(found)} runs", *table(found), sep="\n")
    if arguments.out:
        write_csv(found, arguments.out)
    if arguments.plot:
        _hit_rates.plot(found, arguments.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
