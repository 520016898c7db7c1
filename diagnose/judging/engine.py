"""Supplies rules with what their signatures ask for, and collects what they say.

The signature of `Rule.check` is the contract. Parameters before the star are needs, by canonical name:

    step: Array                   the common axis of the curves below
    train_loss: Array             a curve: finite values, aligned with every other `Array` the rule asks for
    train_loss: Series            a curve as it was logged: its own steps, NaN and infinity included
    focus: Mapping[str, Series]   a family: the curves `focus/cat`, `focus/dog` ... by what comes after the name
    weight_decay: float           a hyperparameter of the run (`str`, `int`, `float`, `bool`)
    axis: str                     what the steps count: `epoch`, `step` or `row`
    last_step: float              the last step at which anything was logged
    config: Mapping[str, Any]     the whole configuration of the run
    baseline: Sequence[Run]       earlier runs of the same thing, which the user names
    runs: Sequence[Run]           comparable runs; such a rule is applied by `judge_together` and asks for nothing else

A need with the default None is optional; where all curves of a rule are optional, at least one must be there.
Parameters after the star are thresholds; `thresholds[rule.id]` overrides them.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Any, Literal

from diagnose import trials as evidence
from diagnose.curves import Array, Run, Series
from diagnose.errors import RulesError
from diagnose.judging import groups
from diagnose.measure.align import align
from diagnose.milestone import milestone
from diagnose.rule import CannotJudge, Context, Diagnosis, Finding, Fix, NotJudged, Recommendation, Rule
from diagnose.trials import TableError, Trials

Kind = Literal[
    "aligned", "series", "family", "hyperparameter", "step", "axis", "last_step", "config", "baseline", "runs"
]


@dataclass(frozen=True, slots=True)
class Need:
    """One parameter before the star of a rule's check.

    accepts: for a hyperparameter, the types its annotation allows.
    """

    name: str
    kind: Kind
    optional: bool
    accepts: tuple[type, ...] = ()


def needs(rule: Rule) -> tuple[Need, ...]:
    """What the rule asks for, in the order of its signature.

    Raises TypeError for an annotation outside the contract.
    """
    return _needs(rule.check, rule.id)


@functools.cache  # by the function: hashing a rule hashes its manual and its cases
def _needs(check: Callable[..., Any], rule: str) -> tuple[Need, ...]:
    found = []
    for name, parameter in inspect.signature(check, eval_str=True).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            continue
        optional = parameter.default is None
        if name in ("step", "axis", "last_step"):
            found.append(Need(name, typing.cast(Kind, name), optional))
            continue
        union = typing.get_origin(parameter.annotation) in (types.UnionType, typing.Union)
        options = typing.get_args(parameter.annotation) if union else (parameter.annotation,)
        options = tuple(option for option in options if option is not type(None))
        if name == "config":
            found.append(Need(name, "config", optional))
        elif name in ("baseline", "runs") and options == (Sequence[Run],):
            found.append(Need(name, typing.cast(Kind, name), optional))
        elif options == (Array,):
            found.append(Need(name, "aligned", optional))
        elif options == (Series,):
            found.append(Need(name, "series", optional))
        elif options == (Mapping[str, Series],):
            found.append(Need(name, "family", optional))
        elif options and all(option in (str, int, float, bool) for option in options):
            found.append(Need(name, "hyperparameter", optional, options))
        else:
            raise TypeError(f"rule {rule}: parameter {name!r} has the annotation {parameter.annotation!r}")
    return tuple(found)


def compares_runs(rule: Rule) -> bool:
    """Whether the rule is one of `judge_together`."""
    return any(need.kind == "runs" for need in needs(rule))


def needs_baseline(rule: Rule) -> bool:
    """Whether the rule holds a run against earlier ones."""
    return any(need.kind == "baseline" for need in needs(rule))


@functools.cache
def thresholds_of(rule: Rule) -> Mapping[str, Any]:
    """The rule's thresholds and their defaults."""
    parameters = inspect.signature(rule.check).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


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
    findings: list[Finding] = []
    missing: list[NotJudged] = []
    judged: list[str] = []
    for rule in rules:
        arguments = _arguments(run, rule, baseline)
        if isinstance(arguments, str):
            missing.append(NotJudged(rule.id, arguments))
            continue
        try:
            finding = rule.check(**arguments, **(thresholds or {}).get(rule.id, {}))
        except CannotJudge as outcome:
            missing.append(NotJudged(rule.id, str(outcome)))
            continue
        except Exception as error:  # a broken third-party rule must not lose the others' findings
            missing.append(NotJudged(rule.id, _failed(error)))
            continue
        judged.append(rule.id)
        if finding is not None:
            findings.append(_complete(finding, rule, run, catalogue, trials))
    findings = _lead_with_causes(findings, {rule.id: rule.explained_by for rule in rules})
    stage, reason = milestone(run)
    return Diagnosis(run, tuple(findings), tuple(missing), tuple(judged), stage, reason)


def judge_together(
    runs: Sequence[Run],
    rules: Sequence[Rule] | None = None,
    *,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    fixes: Mapping[str, Fix] | None = None,
    trials: Sequence[Trials] | None = None,
) -> tuple[tuple[Finding, ...], tuple[NotJudged, ...]]:
    """Apply the rules across runs to each group of comparable runs (see `diagnose.measure.between_runs`).

    rules: None for all installed ones; those that judge one run are passed over.
    thresholds, fixes, trials: as in `judge`.
    Returns the findings, group by group and worst first within each, with the names of the runs; and the rules that
    could judge no group, with the reason for the largest.
    """
    across = [rule for rule in (load_rules() if rules is None else rules) if compares_runs(rule)]
    catalogue = load_fixes() if fixes is None else fixes
    groups = sorted(groups.comparable(runs), key=len, reverse=True) if across else []
    findings: list[Finding] = []
    judged: set[str] = set()
    reasons: dict[str, str] = {}
    for group in groups:
        found = []
        for rule in across:
            try:
                finding = rule.check(group, **(thresholds or {}).get(rule.id, {}))
            except CannotJudge as outcome:
                reasons.setdefault(rule.id, str(outcome))
                continue
            except Exception as error:
                reasons.setdefault(rule.id, _failed(error))
                continue
            judged.add(rule.id)
            if finding is not None:
                finding = _complete(finding, rule, group[0], catalogue, trials)
                found.append(finding if finding.runs else replace(finding, runs=tuple(run.name for run in group)))
        findings += sorted(found, key=_worst_first)
    alone = f"no {groups.FEWEST} of the runs are comparable"
    missing = [NotJudged(rule.id, reasons.get(rule.id, alone)) for rule in across if rule.id not in judged]
    return tuple(findings), tuple(missing)


def _failed(error: Exception) -> str:
    return f"the rule failed ({type(error).__name__}: {error}); please report this"


def _lead_with_causes(findings: Sequence[Finding], explanations: Mapping[str, tuple[str, ...]]) -> list[Finding]:
    """The findings worst first, each cause directly before its effects and as high as the worst of them."""
    present = {f.rule for f in findings}
    effects: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=_worst_first):
        causes = (name for name in explanations.get(finding.rule, ()) if name in present and name != finding.rule)
        cause = next(causes, "")
        effects.setdefault(cause, []).append(replace(finding, explained_by=cause))

    def chain(cause: Finding) -> list[Finding]:
        return [cause, *(link for effect in effects.pop(cause.rule, []) for link in chain(effect))]

    chains = [chain(root) for root in effects.pop("", [])]
    while effects:  # causes that name each other: start anywhere
        chains.extend(chain(first) for first in effects.pop(next(iter(effects))))
    chains.sort(key=lambda links: min(map(_worst_first, links)))
    return [link for links in chains for link in links]


def _worst_first(finding: Finding) -> tuple[int, float, str]:
    """Sorting key: severity, then confidence, then name."""
    return -finding.severity.rank, -finding.confidence, finding.rule


def _arguments(run: Run, rule: Rule, baseline: Sequence[Run]) -> dict[str, Any] | str:
    """The arguments of the rule's check, or the reason why the run cannot supply them."""
    wanted = needs(rule)
    if compares_runs(rule):
        return "it compares several runs"
    if needs_baseline(rule) and not baseline:
        return "no --baseline was given"
    curves = {n.name: run.curve(n.name) for n in wanted if n.kind in ("aligned", "series")}
    absent = [n.name for n in wanted if n.name in curves and curves[n.name] is None and not n.optional]
    if absent:
        return f"the log has no {' and no '.join(_plain(name) for name in absent)}"
    if curves and all(curve is None for curve in curves.values()):
        return f"the log has no {' and no '.join(_plain(name) for name in curves)}"
    arguments: dict[str, Any] = {}
    for need in wanted:
        if need.kind == "family":
            family = run.family(need.name)
            if not family and not need.optional:
                return f"the log has no {need.name}"
            arguments[need.name] = family or None
        elif need.kind == "series":
            arguments[need.name] = curves[need.name]
        elif need.kind == "axis":
            arguments["axis"] = run.axis
        elif need.kind == "last_step":
            arguments["last_step"] = run.last_step
        elif need.kind == "config":
            arguments["config"] = run.config
        elif need.kind == "baseline":
            arguments["baseline"] = baseline
        elif need.kind == "hyperparameter":
            value = _hyperparameter(run, need)
            if value is None and not need.optional:
                return f"the log's config has no {_plain(need.name)}"
            arguments[need.name] = value
    aligned = {n.name: curves[n.name] for n in wanted if n.kind == "aligned"}
    present = {name: curve for name, curve in aligned.items() if curve is not None}
    if present:
        steps, values = align(list(present.values()))
        if steps.size < rule.min_points:
            return f"only {steps.size} points of {' with '.join(_plain(n) for n in present)}; needs {rule.min_points}"
        arguments |= dict.fromkeys(aligned) | dict(zip(present, values, strict=True))
        if any(n.kind == "step" for n in wanted):
            arguments["step"] = steps
    longest = max((len(c) for c in curves.values() if c is not None), default=rule.min_points)
    if longest < rule.min_points:
        return f"only {longest} points; needs {rule.min_points}"
    return arguments


def _hyperparameter(run: Run, need: Need) -> Any:
    """The run's value where it has one of the accepted types (an int serves where a float is wanted), else None."""
    value = run.hyperparameter(need.name)
    if isinstance(value, bool) and bool not in need.accepts:
        return None
    if isinstance(value, int) and float in need.accepts and int not in need.accepts:
        return float(value)
    return value if isinstance(value, need.accepts) else None


def _plain(name: str) -> str:
    """A canonical name as it is said in a sentence."""
    return name.replace("_", " ") if name in ("learning_rate", "grad_norm") else name


def _complete(
    finding: Finding, rule: Rule, run: Run, catalogue: Mapping[str, Fix], trials: Sequence[Trials] | None
) -> Finding:
    """The finding with its rule's id and its fixes in the run's own numbers, those first that helped in trials."""
    tried = [row for row in (load_trials() if trials is None else trials) if row.rule == rule.id]
    finding = replace(finding, rule=rule.id)
    context = Context(run, finding)
    offered = []
    for name in evidence.order(tried, rule.id, finding.cause, finding.fixes or rule.fixes):
        fix = catalogue.get(name)
        if fix is None:
            continue
        concrete = fix.phrase(context) if fix.phrase is not None else None
        tally = evidence.of(tried, rule.id, finding.cause, name, "published")
        offered.append(Recommendation(fix.id, concrete or fix.title, fix.why, fix.source, tally))
    return replace(finding, recommendations=tuple(offered))


@functools.cache
def load_rules() -> tuple[Rule, ...]:
    """All installed rules, ours first, from the entry-point group `diagnose.rules`.

    Raises RulesError where a foreign package shadows ours or two rules share an id.
    """
    found: dict[str, Rule] = {}
    for point in sorted(entry_points(group="diagnose.rules"), key=lambda p: (p.name != "builtin", p.name)):
        for rule in _load(point):
            if rule.id in found:
                raise RulesError(f"two installed rules are called {rule.id!r}; the second comes from {point.value!r}")
            found[rule.id] = rule
    if not found:
        raise RulesError("no rules are installed; install the distribution again: pip install training-diagnose")
    return tuple(found.values())


def _load(point: Any) -> Iterable[Rule]:
    """The rules behind one entry point."""
    try:
        rules = list(point.load()())
    except (ImportError, AttributeError, TypeError) as error:
        raise RulesError(_foreign(point, str(error))) from error
    if not all(isinstance(rule, Rule) for rule in rules):
        raise RulesError(_foreign(point, "it does not hold rules of diagnose"))
    return rules


def _foreign(point: Any, reason: str) -> str:
    package = point.value.partition(":")[0]
    if point.name != "builtin":
        return f"the rules of {point.value!r} cannot be loaded: {reason}; update or remove that package"
    return (
        f"the installed package {package!r} is not the one of training-diagnose ({reason}); another distribution "
        "uses the same import name: install training-diagnose on its own, with pipx or `uv tool install`"
    )


@functools.cache
def load_fixes() -> Mapping[str, Fix]:
    """The catalogue of fixes by id, from the entry-point group `diagnose.fixes`.

    Raises RulesError where it is broken.
    """
    catalogue: dict[str, Fix] = {}
    for point in sorted(entry_points(group="diagnose.fixes"), key=lambda p: (p.name != "builtin", p.name)):
        try:
            catalogue |= {fix.id: fix for fix in point.load()}
        except (ImportError, AttributeError, TypeError) as error:
            raise RulesError(_foreign(point, str(error))) from error
    return catalogue


@functools.cache
def load_trials() -> tuple[Trials, ...]:
    """The trials of fixes, from the entry-point group `diagnose.trials`.

    Raises RulesError where a table is broken.
    """
    found: list[Trials] = []
    for point in sorted(entry_points(group="diagnose.trials"), key=lambda p: (p.name != "builtin", p.name)):
        try:
            found += point.load()()
        except (ImportError, AttributeError, TypeError) as error:
            raise RulesError(_foreign(point, str(error))) from error
        except (OSError, TableError) as error:
            raise RulesError(f"{error}; or remove the file: the fixes then come as the rules name them") from error
    return tuple(found)
