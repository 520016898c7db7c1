"""Why each rule has a finding on a run, or none: the engine's own judgement, with what a rule compared (see
`diagnose.judging.conditions`), what it lacks, and what kept it silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diagnose.curves import Run
from diagnose.errors import ReadError, nearest
from diagnose.judging.conditions import witness_of
from diagnose.judging.engine import judge
from diagnose.judging.inputs import handed
from diagnose.judging.installed import known_rules
from diagnose.judging.needs import arguments, compares_runs, needs, needs_baseline
from diagnose.judging.source import Wanted, read_runs
from diagnose.names.hyperparameters import HYPERPARAMETERS
from diagnose.names.kinds import unread
from diagnose.readers import expand
from diagnose.rule import CannotJudge, Condition, Diagnosis, Finding, Rule, Severity, Why

_MOST_NAMED = 4  # columns in a hint


def runs_of(path: str, wanted: Wanted) -> list[Run]:
    """The runs in a log, or in the logs of a folder. Raises ReadError, naming the log, where one cannot be read."""
    runs: list[Run] = []
    for source in expand([path], sure=0):
        try:
            runs += read_runs(source, wanted)
        except ReadError as error:
            raise type(error)(f"{source.label}: {error}") from None
    if not runs:
        raise ReadError(f"{path}: holds no log; name one")
    return runs


def reasons(run: Run, wanted: Wanted, names: Sequence[str]) -> list[Why]:
    """Why these rules have a finding on the run, or none; `wanted` says which rules the project applies, and how."""
    if wanted.config:
        run = replace(run, config={**run.config, **wanted.config})
    left_out = wanted.settings.ignored_for(run.source)
    applied = [name for name in wanted.rules if name not in left_out and not compares_runs(known_rules()[name])]
    baseline = [other for other in wanted.baseline if (other.source, other.name) != (run.source, run.name)]
    diagnosis = judge(run, [known_rules()[name] for name in applied], thresholds=wanted.thresholds, baseline=baseline)
    found = []
    for name in names:
        rule = known_rules()[name]
        if compares_runs(rule):
            found.append(Why(name, "not-judged", "it holds several runs against each other: give diagnose all of them"))
            continue
        if needs_baseline(rule) and not baseline:
            said = "it holds the run against earlier ones: name some as `baseline` in the settings"
            found.append(Why(name, "not-judged", said))
            continue
        why = _compared(rule, run, baseline, wanted.thresholds.get(name, {}))
        found.append(_in_context(why, diagnosis) if name in applied else _left_out(why, name in left_out))
    return found


def _compared(rule: Rule, run: Run, baseline: Sequence[Run], thresholds: Mapping[str, Any]) -> Why:
    """What the rule says of the run alone, with its conditions."""
    with np.errstate(all="ignore"):
        try:
            given = arguments(rule, handed(run, baseline))
        except CannotJudge as lack:
            return Why(rule.id, "not-judged", str(lack), hints=tuple(_hints(rule, run)))
        witness = witness_of(rule)
        said: Finding | CannotJudge | None
        conditions: tuple[Condition, ...] = ()
        try:
            if witness is None:
                said = rule.check(**given, **thresholds)
            else:
                said, conditions = witness.judge(given, thresholds)
        except CannotJudge as outcome:
            said = outcome
        except Exception as error:
            said = CannotJudge(f"the rule failed ({type(error).__name__}: {error}); please report this")
    recorded = witness is not None
    if isinstance(said, CannotJudge):
        return Why(rule.id, "not-judged", str(said), conditions, recorded, tuple(_hints(rule, run)))
    return Why(rule.id, "silent" if said is None else "fired", "", conditions, recorded, finding=said)


def _in_context(why: Why, diagnosis: Diagnosis) -> Why:
    """The same, as it stands in the diagnosis of the run: there a rule may have been kept silent."""
    missing = next((m for m in diagnosis.not_judged if m.rule == why.rule), None)
    if missing is not None:
        return replace(why, outcome="not-judged", reason=missing.reason)
    shown = next((f for f in diagnosis.findings if f.rule == why.rule), None)
    if shown is not None:
        return replace(why, outcome="fired", finding=shown, reason=_stands(shown))
    if why.finding is None:
        return why
    loud = {f.rule for f in diagnosis.findings if f.severity is not Severity.NOTE}
    louder = [name for name in loud if why.rule in known_rules()[name].silences]
    reason = (
        f"{louder[0]} was found, and beside it this means nothing" if louder else "another validation set denies it"
    )
    return replace(why, outcome="silenced", reason=reason)


def _stands(finding: Finding) -> str:
    """Where a finding stands among the others."""
    return f"explained by {finding.explained_by}, under which it is told" if finding.explained_by else ""


def _left_out(why: Why, of_file: bool) -> Why:
    where = "per-file-ignores of the settings leave it out for this log" if of_file else "the settings leave it out"
    if why.outcome == "not-judged":
        return replace(why, outcome="left-out", reason=f"{where}; and {why.reason}")
    would = "it would have a finding" if why.finding is not None else "it would have none"
    return replace(why, outcome="left-out", reason=f"{where} (ignore, select); without that {would}")


def _hints(rule: Rule, run: Run) -> Iterator[str]:
    """For each curve and hyperparameter that the rule lacks: what may be meant by another name, and what to type."""
    spare = [column for column in run.series if column not in run.roles.values()] or unread(run)
    for need in needs(rule):
        if not need.asked or (need.optional and _has_curve(rule, run)):
            continue
        if need.curve and run.curve(need.name) is None:
            near = nearest(need.name, spare)
            said = f"the nearest column without a role is {near}; if it is that" if near else _among(spare)
            yield f"{need.name}: {said}: --map {need.name}={near or 'COLUMN'}"
        elif need.name in HYPERPARAMETERS and not need.optional and run.hyperparameter(need.name) is None:
            others = [key for key in run.config if key not in HYPERPARAMETERS]
            near = nearest(need.name, others)
            said = (
                f"the nearest key of the configuration that means nothing here is {near}" if near else "if you know it"
            )
            yield f"{need.name}: {said}: --set {need.name}=VALUE, or --config FILE"


def _has_curve(rule: Rule, run: Run) -> bool:
    """Whether the run has any of the rule's curves, so that it does without the others."""
    return any(run.curve(need.name) is not None for need in needs(rule) if need.asked and need.curve)


def _among(columns: Sequence[str]) -> str:
    if not columns:
        return "no column is left without a role; if one holds it"
    more = "" if len(columns) <= _MOST_NAMED else f" and {len(columns) - _MOST_NAMED} more"
    return f"if one of the columns without a role holds it ({', '.join(columns[:_MOST_NAMED])}{more})"
