"""Hit rate and false-alarm rate of every rule over seeded noisy runs.

The everyday suite takes a few dozen seeds per case and noise; `python tests/benchmarks/seeded_rates.py` takes hundreds
and prints the table of the manual.
"""

from __future__ import annotations

import inspect

import pytest

from diagnose.judging.installed import load_rules
from diagnose.rule import Case, Rule, Severity
from tests.cases import judged

SEEDS = range(1, 101)
NOISES = (0.02, 0.05, 0.10)


def seeded(wanted: bool) -> list[tuple[Rule, Case]]:
    """Cases that are built from a seed and a noise, firing ones or silent ones."""
    return [
        (rule, case)
        for rule in load_rules()
        for case in rule.cases
        if bool(case.expect) is wanted and {"seed", "noise"} <= set(inspect.signature(case.build).parameters)
    ]


def fires(rule: Rule, case: Case, seed: int, noise: float) -> bool:
    """Whether the rule finds anything; where a warning or an error is to come, no less than a warning."""
    found, _ = judged(rule, case.build(seed=seed, noise=noise))  # type: ignore[call-arg]
    least = Severity.WARNING if case.expect in (Severity.WARNING, Severity.ERROR) else Severity.NOTE
    return any(f.severity.rank >= least.rank for f in found)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("rule", "case"), seeded(True), ids=lambda x: getattr(x, "id", getattr(x, "title", None)))
def test_hits(rule: Rule, case: Case, noise: float) -> None:
    hits = sum(fires(rule, case, seed, noise) for seed in SEEDS)
    assert hits >= 0.95 * len(SEEDS)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("rule", "case"), seeded(False), ids=lambda x: getattr(x, "id", getattr(x, "title", None)))
def test_false_alarms(rule: Rule, case: Case, noise: float) -> None:
    alarms = sum(fires(rule, case, seed, noise) for seed in SEEDS)
    assert alarms <= 0.02 * len(SEEDS)
