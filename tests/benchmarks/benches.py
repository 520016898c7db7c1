"""Trains the benches of the trials without their faults: what is ill by itself no fix of a fault can heal.

    python tests/benchmarks/benches.py
    python tests/benchmarks/benches.py --seeds 20 --only exploding-gradients

Counts, for each task of `reference_trainer.benches`, the runs that give no warning and no error. Exits with 1 where a
bench is sound in fewer than `LEAST` of its runs.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from diagnose import parallel
from diagnose.rule import Severity
from reference_trainer.benches import BENCHES
from reference_trainer.faults import FAULTS
from reference_trainer.trials import FIRST_SEED, trained

LEAST = 0.8
"""Share of the seeded runs of a bench, without its fault, that give no warning and no error."""


def alarms(run: tuple[str, str, int]) -> tuple[str, ...]:
    """The rules that warn of the bench without its fault; run: fault, task and seed."""
    fault, task, seed = run
    _, diagnosis, _ = trained(FAULTS[fault].sound(**{**BENCHES[fault][task], "seed": seed}))
    findings = () if diagnosis is None else diagnosis.findings
    return tuple(finding.rule for finding in findings if finding.severity is not Severity.NOTE)


def main(argv: list[str] | None = None) -> int:
    """Print a table; 1 where a bench is not sound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="runs of each bench, with the seeds that rank the fixes")
    parser.add_argument("--only", choices=BENCHES, action="append", help="only this fault; repeatable")
    parser.add_argument("--jobs", default="auto", help="processes; auto: one per core")
    options = parser.parse_args(argv)
    seeds = range(FIRST_SEED["ranking"], FIRST_SEED["ranking"] + options.seeds)
    benches = [(fault, task) for fault in options.only or BENCHES for task in BENCHES[fault]]
    wanted = [(fault, task, seed) for fault, task in benches for seed in seeds]
    where = parallel.Processes(parallel.workers(options.jobs), most_chunk=1)
    found = dict(parallel.as_it_comes(alarms, wanted, where))
    if lost := [run for run, rules in found.items() if isinstance(rules, parallel.Lost)]:
        sys.exit(f"{len(lost)} runs were killed, the first {lost[0]}; if memory ran out, use fewer --jobs")
    poor = quiet = 0
    for fault, task in benches:
        of_bench = [found[fault, task, seed] for seed in seeds]
        sound = sum(not rules for rules in of_bench)
        quiet += sound
        poor += sound < LEAST * len(seeds)
        named = Counter(rule for rules in of_bench for rule in rules)
        print(f"{fault:32}{task:36}{sound:4} of {len(seeds)}  {', '.join(f'{rule} {n}' for rule, n in named.items())}")
    below = f"{poor} of {len(benches)} benches below {LEAST:.0%}"
    print(f"sound without their fault: {quiet} of {len(wanted)} runs; {below}")
    return int(poor > 0)


if __name__ == "__main__":
    sys.exit(main())
