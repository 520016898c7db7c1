"""Applies rules to a run, or to runs together, and collects what they say, each cause before its effects."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from diagnose import trials as evidence
from diagnose.curves import Run
from diagnose.judging.causes import advised, leading, weighed
from diagnose.judging.confidence import calibrated
from diagnose.judging.groups import FEWEST, comparable
from diagnose.judging.inputs import Key, Known, handed, supply
from diagnose.judging.installed import load_fixes, load_inputs, load_rules, load_trials
from diagnose.judging.needs import arguments, compares_runs, lack, needs, needs_baseline, plays
from diagnose.judging.providers import curve
from diagnose.judging.sets import over_sets
from diagnose.measure.curve import Curve
from diagnose.milestone import milestone
from diagnose.names import roles
from diagnose.names.kinds import kind_of, paradigms
from diagnose.names.sets import HELD_OUT, of_set, sets_of
from diagnose.rule import CannotJudge, Context, Diagnosis, Finding, Fix, NotJudged, Rule, Severity
from diagnose.trials import Trials

METRICS = {"accuracy": "accuracy", "correlation": "r2"}
"""Kind of a column's quantity -> the metric of trials that measures the same."""


def judge(
    run: Run,
    rules: Sequence[Rule] | None = None,
    *,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    fixes: Mapping[str, Fix] | None = None,
    trials: Sequence[Trials] | None = None,
    baseline: Sequence[Run] = (),
) -> Diagnosis:
    """Apply rules to a run.

    rules: None for all installed rules that judge one run, with those against a baseline where there is one.
    thresholds: rule id -> threshold name -> value, over the defaults in the rules' signatures.
    fixes: catalogue of fixes by id; None for the installed one.
    trials: table of trials, by which the fixes are ordered; None for the installed one.
    baseline: earlier runs of the same thing.
    """
    if rules is None:
        rules = [r for r in load_rules() if not compares_runs(r) and (baseline or not needs_baseline(r))]
    catalogue = load_fixes() if fixes is None else fixes
    known, kind = handed(run, baseline), kind_of(run)
    learns_by = paradigms(run, kind)
    roles_here, keys = plays(run), frozenset(run.config)
    other_sets = {name: _handed_of_set(name, run, baseline) for name in sets_of(run.roles)}
    findings: list[Finding] = []
    missing: list[NotJudged] = []
    judged: list[str] = []
    with np.errstate(all="ignore"):  # what overflows compares as false; a result that did is none, see `_said`
        for rule in rules:
            if reason := lack(rule.check, rule.id, tuple(rule.not_for), roles_here, keys):
                missing.append(NotJudged(rule.id, reason))
                continue
            overrides = (thresholds or {}).get(rule.id, {})
            said = _said(rule, partial(_check, rule, known, learns_by, overrides))
            if isinstance(said, NotJudged):
                missing.append(said)
                continue
            judged.append(rule.id)
            if other_sets and any(need.name in HELD_OUT for need in needs(rule)):
                others = {
                    name: _said(rule, partial(_check, rule, of, learns_by, overrides))
                    for name, of in other_sets.items()
                }
                said = over_sets(said, others, run)
            if said is not None:
                findings.append(_complete(said, rule, run, kind.name, overrides, catalogue, trials))
    findings = _without_silenced(findings, rules)
    findings = _lead_with_causes(findings, {rule.id: rule for rule in rules})
    problems = {finding.rule for finding in findings if finding.severity is not Severity.NOTE}
    stage, reason = milestone(run, problems, learns_by, partial(_curve, known))
    rests_on = tuple(rule.id for rule in load_rules() if kind.name in rule.essential_for)
    return Diagnosis(run, tuple(findings), tuple(missing), tuple(judged), stage, reason, kind, rests_on)


def _curve(known: Known, role: str) -> Curve | None:
    """The one model of a curve that the rules were given."""
    made = supply((Key(curve, role),), known, load_inputs())
    return made if isinstance(made, Curve) else None


def _handed_of_set(name: str, run: Run, baseline: Sequence[Run]) -> Known:
    """What is known of a run on another validation set, with the earlier runs that were validated on it."""
    return handed(of_set(run, name), [of_set(other, name) for other in baseline if name in sets_of(other.roles)])


def _check(rule: Rule, known: Known, learns_by: Sequence[str], thresholds: Mapping[str, Any]) -> Finding | None:
    """What the rule finds in a run. Raises CannotJudge where it lacks something, or is not for how the run learns."""
    given = arguments(rule, known)
    for paradigm in learns_by:
        if paradigm in rule.not_for:
            raise CannotJudge(rule.not_for[paradigm])
    return rule.check(**given, **thresholds)


def judge_together(
    runs: Sequence[Run],
    rules: Sequence[Rule] | None = None,
    *,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    fixes: Mapping[str, Fix] | None = None,
    trials: Sequence[Trials] | None = None,
) -> tuple[tuple[Finding, ...], tuple[NotJudged, ...]]:
    """Apply the rules across runs to each group of comparable runs (see `diagnose.judging.groups`).

    rules: None for all installed ones; those that judge one run are passed over.
    thresholds, fixes, trials: as in `judge`.
    Returns the findings, group by group and worst first within each, with the names of the runs; and the rules that
    could judge no group, with the reason for the largest.
    """
    across = [rule for rule in (load_rules() if rules is None else rules) if compares_runs(rule)]
    catalogue = load_fixes() if fixes is None else fixes
    groups = sorted(comparable(runs), key=len, reverse=True) if across else []
    findings: list[Finding] = []
    judged: set[str] = set()
    reasons: dict[str, str] = {}
    for group in groups:
        found = []
        for rule in across:
            overrides = (thresholds or {}).get(rule.id, {})
            with np.errstate(all="ignore"):
                said = _said(rule, partial(rule.check, group, **overrides))
            if isinstance(said, NotJudged):
                reasons.setdefault(rule.id, said.reason)
                continue
            judged.add(rule.id)
            if said is not None:
                kind = kind_of(group[0]).name
                finding = _complete(said, rule, group[0], kind, overrides, catalogue, trials)
                found.append(finding if finding.runs else replace(finding, runs=tuple(run.name for run in group)))
        findings += sorted(found, key=partial(_worst_first, rules={rule.id: rule for rule in across}))
    alone = f"no {FEWEST} of the runs are comparable"
    missing = [NotJudged(rule.id, reasons.get(rule.id, alone)) for rule in across if rule.id not in judged]
    return tuple(findings), tuple(missing)


def _said(rule: Rule, check: Callable[[], Finding | None]) -> Finding | NotJudged | None:
    """What the check of a rule says: a finding, nothing, or why it could not judge.

    A rule that fails is one that could not judge: a broken one of another package must not lose the others' findings.
    """
    try:
        said = check()
        if said is not None and not math.isfinite(said.confidence):
            return NotJudged(rule.id, "its numbers are too large or too small to compute with")
        return said
    except CannotJudge as outcome:
        return NotJudged(rule.id, str(outcome))
    except Exception as error:
        return NotJudged(rule.id, f"the rule failed ({type(error).__name__}: {error}); please report this")


def _without_silenced(findings: Sequence[Finding], rules: Sequence[Rule]) -> list[Finding]:
    """The findings but for those that mean nothing beside another."""
    loud = {finding.rule for finding in findings if finding.severity is not Severity.NOTE}
    silent = {name for rule in rules if rule.id in loud for name in rule.silences}
    return [finding for finding in findings if finding.rule not in silent]


def _lead_with_causes(findings: Sequence[Finding], rules: Mapping[str, Rule]) -> list[Finding]:
    """The findings worst first, each cause directly before its effects and as high as the worst of them.

    A note explains no error: what hardly matters is no reason for what matters most.
    """
    severities = {f.rule: f.severity for f in reversed(findings)}
    effects: dict[str, list[Finding]] = {}
    order = partial(_worst_first, rules=rules)
    for finding in sorted(findings, key=order):
        causes = (
            name
            for name in rules[finding.rule].explained_by
            if name in severities
            and name != finding.rule
            and not (finding.severity is Severity.ERROR and severities[name] is Severity.NOTE)
        )
        cause = next(causes, "")
        effects.setdefault(cause, []).append(replace(finding, explained_by=cause))

    def chain(cause: Finding) -> list[Finding]:
        return [cause, *(link for effect in effects.pop(cause.rule, []) for link in chain(effect))]

    chains = [chain(root) for root in effects.pop("", [])]
    while effects:  # causes that name each other: start anywhere
        chains.extend(chain(first) for first in effects.pop(next(iter(effects))))
    chains.sort(key=lambda links: min(map(order, links)))
    return [link for links in chains for link in links]


def _worst_first(finding: Finding, rules: Mapping[str, Rule]) -> tuple[int, int, float, str]:
    """Sorting key: severity, then the precedence of the rule, then confidence, then name."""
    return -finding.severity.rank, rules[finding.rule].precedence, -finding.confidence, finding.rule


def _complete(
    finding: Finding,
    rule: Rule,
    run: Run,
    kind: str,
    overrides: Mapping[str, Any],
    catalogue: Mapping[str, Fix],
    trials: Sequence[Trials] | None,
) -> Finding:
    """The finding with its rule's id, the probability that it is right, its causes as the log tells them apart, and its
    fixes in the run's own numbers, in the order that follows from the causes and from trials on runs like this one.

    kind: of the run's training. overrides: the rule's thresholds that are not its own.
    """
    finding = calibrated(replace(finding, rule=rule.id), rule, usual=not overrides)
    causes = weighed(rule, Context(run, finding))
    lead = leading(causes, finding.cause)
    finding = replace(finding, causes=causes, cause=lead.id if lead is not None else finding.cause)
    context = Context(run, finding)
    optimizer = run.hyperparameter("optimizer")
    named = optimizer if isinstance(optimizer, str) else None
    like = _like_installed(rule.id, kind, named) if trials is None else _like(trials, rule.id, kind, named)
    measured = {METRICS.get(roles.parse(column).kind) for column in run.series}
    offered = []
    for name in advised(rule, finding, lead, like):
        if name in catalogue and catalogue[name].means_something(context, kind):
            tally = evidence.of(like, rule.id, finding.cause, name, "published")
            tally = tally if tally.metric in measured else tally.without_gain()
            offered.append(catalogue[name].offered(context, tally))
    return replace(finding, recommendations=tuple(sorted(offered, key=lambda advice: advice.conditional)))


@lru_cache(maxsize=1024)
def _like_installed(rule: str, kind: str, optimizer: str | None) -> evidence.Table:
    """Those of the installed table."""
    return _like(load_trials(), rule, kind, optimizer)


def _like(trials: Sequence[Trials], rule: str, kind: str, optimizer: str | None) -> evidence.Table:
    """The trials of fixes for a rule's finding on runs of this kind and of the optimizer's family."""
    return evidence.Table(row for row in trials if row.rule == rule and evidence.alike(row, kind, optimizer))
