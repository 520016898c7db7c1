"""The cases that rules carry, judged the way their rule wants them: for tests, and for the pictures of the manual."""

from __future__ import annotations

from collections.abc import Sequence

from diagnose.curves import Run
from diagnose.judging.engine import judge, judge_together
from diagnose.judging.needs import compares_runs
from diagnose.rule import Finding, NotJudged, Rule


def judged(rule: Rule, built: Run | Sequence[Run]) -> tuple[Sequence[Finding], Sequence[NotJudged]]:
    """What one rule says about a run, about runs together, or about a run (the first) and its baseline (the others)."""
    if not isinstance(built, Run) and compares_runs(rule):
        return judge_together(built, [rule])
    run, *baseline = [built] if isinstance(built, Run) else built
    diagnosis = judge(run, [rule], baseline=baseline)
    return diagnosis.findings, diagnosis.not_judged
