"""The cases that rules carry, judged the way their rule wants them."""

from __future__ import annotations

from collections.abc import Sequence

from diagnose.curves import Run
from diagnose.judging.engine import judge, judge_together
from diagnose.judging.needs import compares_runs, needs_baseline
from diagnose.rule import Finding, NotJudged, Rule


def judged(rule: Rule, built: Run | Sequence[Run]) -> tuple[Sequence[Finding], Sequence[NotJudged]]:
    """What one rule says about a run, about runs together, or about a run (the first) and its baseline (the others)."""
    if isinstance(built, Run):
        diagnosis = judge(built, [rule])
    elif compares_runs(rule):
        return judge_together(built, [rule])
    else:
        assert needs_baseline(rule)
        diagnosis = judge(built[0], [rule], baseline=built[1:])
    return diagnosis.findings, diagnosis.not_judged
