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
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from diagnose.curves import Run, Series
from diagnose.judging.inputs import GIVEN, RUN, Key, Known, Lack, absent, order, parameters, plain, supply
from diagnose.judging.installed import load_inputs
from diagnose.judging.providers import array, curve, series
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
    return any(need.name == "runs" for need in needs(rule))


def needs_baseline(rule: Rule) -> bool:
    """Whether the rule holds a run against earlier ones."""
    return any(need.name == "baseline" for need in needs(rule))


@functools.cache
def thresholds_of(rule: Rule) -> Mapping[str, Any]:
    """The rule's thresholds and their defaults."""
    signature = inspect.signature(rule.check)
    return {p.name: p.default for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}


def arguments(rule: Rule, known: Known) -> dict[str, Any]:
    """The arguments of the rule's check, of what is known of a run (see `diagnose.judging.inputs.handed`).

    Raises CannotJudge with the reason why the run cannot supply them: first what the caller was to hand over, then
    the curves, then the rest in the order of the signature, and then the number of points.
    """
    wanted = needs(rule)
    given = {need.name: _supplied(need, known) for need in wanted if need.name in GIVEN}
    curves = _curves(wanted, known[RUN])
    for need in wanted:
        if need.asked and need.name not in given:
            given[need.name] = _supplied(need, known)
    aligned = [n.name for n in wanted if n.keys[0].provider is array and given[n.name] is not None]
    if aligned and (count := given[aligned[0]].size) < rule.min_points:
        raise CannotJudge(f"only {count} points of {' with '.join(map(plain, aligned))}; needs {rule.min_points}")
    for need in wanted:
        if need.keys[0].provider is curve and not need.optional and len(given[need.name]) < rule.min_points:
            count = len(given[need.name])
            raise CannotJudge(f"only {count} points of {plain(need.name)}; needs {rule.min_points}")
    if curves and (longest := max(map(len, curves))) < rule.min_points:
        raise CannotJudge(f"only {longest} points; needs {rule.min_points}")
    return given


def _curves(wanted: Sequence[Need], run: Run) -> list[Series]:
    """The curves that the log has of those wanted. Raises CannotJudge where one that must be there is not."""
    curves = {need.name: run.curve(need.name) for need in wanted if need.curve}
    found = [curve for curve in curves.values() if curve is not None]
    if len(found) < len(curves):
        missing = [n.name for n in wanted if n.curve and curves[n.name] is None and not n.optional]
        if missing or not found:
            raise CannotJudge(absent(missing or curves))
    return found


def _supplied(need: Need, known: Known) -> Any:
    """The value of a need, or None where the run lacks it. Raises CannotJudge where it may not lack it."""
    value = supply(need.keys, known, load_inputs())
    if not isinstance(value, Lack):
        return value
    if need.optional:
        return None
    raise CannotJudge(value.reason)
