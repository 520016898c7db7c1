"""What a rule's signature asks for, and its supply from a run.

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from diagnose.curves import Array, Run, Series
from diagnose.measure.align import align
from diagnose.rule import Rule

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


def arguments(run: Run, rule: Rule, baseline: Sequence[Run]) -> dict[str, Any] | str:
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
