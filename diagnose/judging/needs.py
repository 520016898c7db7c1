"""What a rule's signature asks for, and its supply from a run.

The signature of `Rule.check` is the contract. Parameters before the star are needs, by canonical name:

    step: Array                   the common axis of the curves below
    train_loss: Array             a curve: finite values, aligned with every other `Array` the rule asks for
    train_loss: Series            a curve as it was logged: its own steps, NaN and infinity included
    train_loss: Curve             a curve's finite part with the one model of it: levels, rises, noise
    focus: Mapping[str, Series]   a family: the curves `focus/cat`, `focus/dog` ... by what comes after the name
    weight_decay: float           a hyperparameter of the run (`str`, `int`, `float`, `bool`)
    axis: str                     what the steps count: `epoch`, `step` or `row`
    last_step: float              the last step at which anything was logged
    resumes: Sequence[tuple[float, float]]   the step reached before each resume, and the one to which the log went back
    speeds: Sequence[Speed]       what was done per second, and the times that points took
    config: Mapping[str, Any]     the whole configuration of the run
    validation_losses: Mapping[str, Curve]   those on two or more validation sets, by role; `validation_accuracies` too
    perplexities, loss_terms, times, accuracies, r2_scores   columns that play no role, see
                                  `diagnose.names.columns`
    baseline: Sequence[Run]       earlier runs of the same thing, which the user names
    runs: Sequence[Run]           comparable runs; such a rule is applied by `judge_together` and asks for nothing else

Each is made by a provider (`diagnose.judging.providers`); other packages may add some (`diagnose.judging.inputs`).
A need with the default None is optional; where all curves of a rule are optional, at least one must be there.
Parameters after the star are thresholds; `thresholds[rule.id]` overrides them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Set
from typing import Any, NamedTuple

from diagnose.curves import Run
from diagnose.judging.inputs import GIVEN, RUN, Key, Known, Lack, absent, order, parameters, plain, supply
from diagnose.judging.installed import load_inputs
from diagnose.judging.providers import HYPERPARAMETERS, array, axis, config, curve, last_step, series, unset
from diagnose.names.kinds import PARADIGMS
from diagnose.rule import CannotJudge, Rule


class Need(NamedTuple):
    """One parameter before the star of a rule's check; or a curve that only tells whether the rule is for a run.

    keys: the inputs it stands for, of which the first that the run has is taken.
    curve: whether it is made of the curve of its name.
    asked: whether it is a parameter.
    """

    name: str
    keys: tuple[Key, ...]
    optional: bool
    curve: bool
    asked: bool = True


def needs(rule: Rule) -> tuple[Need, ...]:
    """What the rule asks for, in the order of its signature, and then the curves of the paradigms it is not for.

    Raises TypeError for an annotation outside the contract, or an unknown paradigm.
    """
    return _needs(rule.check, rule.id, tuple(rule.not_for))


@functools.cache  # by the function: hashing a rule hashes its manual and its cases
def _needs(check: Callable[..., Any], rule: str, not_for: tuple[str, ...]) -> tuple[Need, ...]:
    known = load_inputs()
    try:
        asked = parameters(check, known)
    except TypeError as error:
        raise TypeError(f"rule {rule}: {error}") from None
    found = []
    for name, keys, optional, _ in asked:
        is_curve = any(Key(series, name) in order(key, known) for key in keys)
        found.append(Need(name, keys, optional, is_curve))
    for paradigm in not_for:
        if paradigm not in PARADIGMS:
            raise TypeError(f"rule {rule}: {paradigm!r} is no paradigm; valid: {', '.join(PARADIGMS)}")
        role = PARADIGMS[paradigm]
        found.append(Need(role, (Key(series, role),), optional=True, curve=True, asked=False))
    return tuple(found)


def compares_runs(rule: Rule) -> bool:
    """Whether the rule is one of `judge_together`."""
    return _is_given(rule, "runs")


def needs_baseline(rule: Rule) -> bool:
    """Whether the rule holds a run against earlier ones."""
    return _is_given(rule, "baseline")


def _is_given(rule: Rule, name: str) -> bool:
    """Whether the rule asks for this one of `GIVEN`."""
    plan = _plan(rule.check, rule.id, tuple(rule.not_for))
    return any(need.name == name for need in plan.given)


@functools.cache
def thresholds_of(rule: Rule) -> Mapping[str, Any]:
    """The rule's thresholds and their defaults."""
    signature = inspect.signature(rule.check)
    return {p.name: p.default for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}


class _Plan(NamedTuple):
    """What is asked for a rule in turn, worked out once.

    given: what the caller was to hand over. curves: names, and whether each may be absent. others: the rest.
    arrays: names that are aligned. models: names of curves with a model, which must be there.
    """

    given: tuple[Need, ...]
    curves: tuple[tuple[str, bool], ...]
    others: tuple[Need, ...]
    arrays: tuple[str, ...]
    models: tuple[str, ...]


@functools.cache
def _plan(check: Callable[..., Any], rule: str, not_for: tuple[str, ...]) -> _Plan:
    wanted = _needs(check, rule, not_for)
    return _Plan(
        given=tuple(need for need in wanted if need.name in GIVEN),
        curves=tuple({need.name: need.optional for need in wanted if need.curve}.items()),
        others=tuple(need for need in wanted if need.asked and need.name not in GIVEN),
        arrays=tuple(need.name for need in wanted if need.keys[0].provider is array),
        models=tuple(need.name for need in wanted if need.keys[0].provider is curve and not need.optional),
    )


def arguments(rule: Rule, known: Known) -> dict[str, Any]:
    """The arguments of the rule's check, of what is known of a run (see `diagnose.judging.inputs.handed`).

    Raises CannotJudge with the reason why the run cannot supply them: first what the caller was to hand over, then
    the curves, then the rest in the order of the signature, and then the number of points.
    """
    plan = _plan(rule.check, rule.id, tuple(rule.not_for))
    given = {need.name: _supplied(need, known) for need in plan.given}
    run = known[RUN]
    curves = {name: found for name, _ in plan.curves if (found := run.curve(name)) is not None}
    if len(curves) < len(plan.curves) and (reason := _without_curve(plan, curves.keys())):
        raise CannotJudge(reason)
    for need in plan.others:
        given[need.name] = _supplied(need, known)
    aligned = [name for name in plan.arrays if given[name] is not None]
    if aligned and (count := given[aligned[0]].size) < rule.min_points:
        raise CannotJudge(f"only {count} points of {' with '.join(map(plain, aligned))}; needs {rule.min_points}")
    for name in plan.models:
        if (count := len(given[name])) < rule.min_points:
            raise CannotJudge(f"only {count} points of {plain(name)}; needs {rule.min_points}")
    if curves and (longest := max(map(len, curves.values()))) < rule.min_points:
        raise CannotJudge(f"only {longest} points; needs {rule.min_points}")
    return given


def plays(run: Run) -> frozenset[str]:
    """The roles for which the run has a curve."""
    return frozenset(role for role, column in run.roles.items() if column in run.series)


@functools.lru_cache(maxsize=1 << 14)  # sixty rules for each of so many sets: logs of one program have one in common
def lack(check: Callable[..., Any], rule: str, not_for: tuple[str, ...], roles: Set[str], keys: Set[str]) -> str:
    """Why a rule cannot judge a run with curves of these roles and a config with these keys, whatever they hold: the
    reason that `arguments` raises; "" where only the run itself can tell.

    check, rule, not_for: of the rule.
    """
    plan = _plan(check, rule, not_for)
    if any(need.name != RUN.name and not need.optional for need in plan.given):
        return ""
    return _without_curve(plan, roles) or _without_setting(plan, roles | keys)


def _without_curve(plan: _Plan, roles: Set[str]) -> str:
    """Which curves of a rule are not among these roles, where it cannot do without; else ""."""
    missing = [name for name, optional in plan.curves if not optional and name not in roles]
    if missing:
        return absent(missing)
    none = plan.curves and not any(name in roles for name, _ in plan.curves)
    return absent(name for name, _ in plan.curves) if none else ""


def _without_setting(plan: _Plan, known: Set[str]) -> str:
    """Which hyperparameter of a rule is not among what is known, where that is the first thing the rule lacks."""
    for need in plan.others:
        provider = need.keys[0].provider
        if provider in HYPERPARAMETERS and not need.optional and need.name not in known:
            return unset(need.name)
        if not need.optional and provider not in _SURE:
            return ""
    return ""


_SURE = (series, axis, last_step, config)
"""Providers that make something of every run in which the curves of a rule are."""


def _supplied(need: Need, known: Known) -> Any:
    """The value of a need, or None where the run lacks it. Raises CannotJudge where it may not lack it."""
    value = known.get(need.keys[0])  # made for another rule, most often; no input is None
    if value is None or (isinstance(value, Lack) and len(need.keys) > 1):
        value = supply(need.keys, known, load_inputs())
    if not isinstance(value, Lack):
        return value
    if need.optional:
        return None
    raise CannotJudge(value.reason)
