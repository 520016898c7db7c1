"""The inputs of rules as a graph of providers: functions that name their own inputs by their parameters.

A provider serves one name, or one type under any name. By default it serves its own name:

    def last_step(run: Run) -> float:                        # a rule's `last_step: float`
        return run.last_step

One that is told for which name it is asked serves every parameter that is annotated with the type it returns:

    def series(name: str, run: Run) -> Series | None:        # a rule's `val_loss: Series`
        return run.curve(name)

    def spectrum(series: Series, /) -> Spectrum:             # a rule's `val_loss: Spectrum`, from `val_loss: Series`
        return Spectrum(np.abs(np.fft.rfft(series.finite().values)))

A provider's parameters stand for

    run: Run                      the run that is judged
    name: str                     the name that is asked for
    arrays: tuple[str, ...]       the names that are annotated with `Array` beside it in the asking signature
    what stands before a slash    the input of that type under the name that is asked for
    anything else                 the same as in a rule (see `diagnose.judging.needs`): the input of that name, else of
                                  that type under that name; of a union, the first that the run has

A provider returns None where the log has nothing of the kind, or raises CannotJudge with the reason in its own words.
Where the run lacks something that it asks for, it is not called, and lacks the same; a parameter with the default None
gets None instead. It is called once per run: its results are shared by all rules, and are not to be changed.

Another package adds inputs as it adds rules, with a function that returns a list of providers:

    [project.entry-points."diagnose.inputs"]
    spectra = "my_package:inputs"                            # def inputs(): return [spectrum]
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from diagnose.curves import Array, Run
from diagnose.rule import CannotJudge

Provider = Callable[..., Any]

GIVEN = ("run", "baseline", "runs")
"""Inputs that have no provider: whoever calls the engine hands them over."""

TOLD = ("name", "arrays")
"""Parameters by which a provider is told what is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The providers by what they serve: a name, or a type under any name."""

    providers: Mapping[Any, Provider]


class Key(NamedTuple):
    """One input of a run, such as its `val_loss: Series`: a node of the graph.

    provider: the function that makes it; None for what is handed over.
    name: the name that is asked for; "" where the provider is not told.
    arrays: the names that are asked for as `Array` beside it; empty where the provider is not told.
    """

    provider: Provider | None
    name: str = ""
    arrays: tuple[str, ...] = ()


class Parameter(NamedTuple):
    """What one parameter of a rule or of a provider asks for.

    keys: the inputs it takes, the first that the run has.
    optional: whether it takes None where the run has none.
    before_slash: whether it is passed by its place.
    """

    name: str
    keys: tuple[Key, ...]
    optional: bool
    before_slash: bool


@dataclass(frozen=True, slots=True)
class Lack:
    """Stands for an input that the run does not have, and says why."""

    reason: str


RUN = Key(None, "run")
"""The run that is judged."""

Known = dict[Key, Any]
"""What was made of a run so far: the values of inputs, and a `Lack` for what it does not have."""


def handed(run: Run, baseline: Sequence[Run]) -> Known:
    """What is known of a run before any rule has asked; `baseline` holds earlier runs of the same thing, if any."""
    return {
        RUN: run,
        Key(None, "baseline"): baseline or Lack("no --baseline was given"),
        Key(None, "runs"): Lack("it compares several runs"),
    }


_SPOKEN = ("learning_rate", "grad_norm", "loss_terms", "r2_scores")


def plain(name: str) -> str:
    """A canonical name as it is said in a sentence."""
    return name.replace("_", " ") if name in _SPOKEN else name


def absent(names: Iterable[str]) -> str:
    """`the log has no train_loss and no val_loss`."""
    return f"the log has no {' and no '.join(map(plain, names))}"


def table(providers: Iterable[Provider]) -> Inputs:
    """The providers by what they serve.

    Raises TypeError where two serve the same, or one serves a type and does not say which.
    """
    found: dict[Any, Provider] = {}
    for provider in providers:
        for what in served(provider):
            if what in found:
                raise TypeError(f"another input serves {getattr(what, '__name__', what)} already")
            found[what] = provider
    return Inputs(found)


def served(provider: Provider) -> tuple[Any, ...]:
    """What a provider serves: its own name, or the types it returns if it is told for which name it is asked.

    Raises TypeError where it does not say what it returns.
    """
    signature = _signature(provider)
    if "name" not in _told(provider) and not any(map(_before_slash, signature.parameters.values())):
        return (provider.__name__,)
    returned = options(signature.return_annotation)
    if not returned or inspect.Signature.empty in returned:
        raise TypeError(f"{provider.__name__}() does not say what it returns")
    return returned


def parameters(
    function: Callable[..., Any], inputs: Inputs, *, asked: str = "", told: Sequence[str] = ()
) -> tuple[Parameter, ...]:
    """What the parameters before the star ask for, of a rule's check or of a provider.

    asked, told: for a provider, the name that it is asked for, and the parameters that are no inputs.
    Raises TypeError for a parameter that nothing serves.
    """
    found = [p for p in _signature(function).parameters.values() if p.kind is not p.KEYWORD_ONLY and p.name not in told]
    arrays = tuple(p.name for p in found if p.name not in inputs.providers and Array in options(p.annotation))
    return tuple(Parameter(p.name, _keys(p, inputs, arrays, asked), p.default is None, _before_slash(p)) for p in found)


def _keys(parameter: inspect.Parameter, inputs: Inputs, arrays: tuple[str, ...], asked: str) -> tuple[Key, ...]:
    """The inputs that a parameter may stand for, in the order of its union."""
    name = parameter.name
    if _before_slash(parameter):
        name = asked
    elif name in GIVEN:
        return (Key(None, name),)
    elif name in inputs.providers:
        return (key_of(inputs.providers[name], arrays=arrays),)
    wanted = options(parameter.annotation)
    if not wanted or not all(option in inputs.providers for option in wanted):
        raise TypeError(f"parameter {parameter.name!r} has the annotation {parameter.annotation!r}")
    return tuple(key_of(inputs.providers[option], name, arrays) for option in wanted)


def key_of(provider: Provider, name: str = "", arrays: tuple[str, ...] = ()) -> Key:
    """The input that a provider makes when it is asked for this name, with these arrays beside it."""
    return Key(provider, name, arrays if "arrays" in _told(provider) else ())


@functools.cache
def order(key: Key, inputs: Inputs) -> tuple[Key, ...]:
    """The input and all that it is made of, each after what it is made of itself.

    Raises TypeError where one is made of itself, or asks for what nothing serves.
    """
    graph: dict[Key, list[Key]] = {}
    waiting = [key]
    while waiting:
        node = waiting.pop()
        if node not in graph:
            graph[node] = [source for parameter in _sources(node, inputs) for source in parameter.keys]
            waiting += graph[node]
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " for ".join(map(_called, error.args[1]))
        raise TypeError(f"an input asks for itself: {circle}") from error


@functools.cache
def _sources(key: Key, inputs: Inputs) -> tuple[Parameter, ...]:
    """What the provider of an input asks for."""
    return () if key.provider is None else parameters(key.provider, inputs, asked=key.name, told=_told(key.provider))


def supply(keys: Sequence[Key], known: Known, inputs: Inputs) -> Any:
    """The first of these inputs that the run has; where it has none, the `Lack` of the first.

    known: grows by what is made. Raises CannotJudge where a provider fails.
    """
    lack: Lack | None = None
    for key in keys:
        if key not in known:
            for node in order(key, inputs):
                if node not in known:
                    known[node] = _made(node, known, inputs)
        value = known[key]
        if not isinstance(value, Lack):
            return value
        lack = lack or value
    return lack


def _made(key: Key, known: Known, inputs: Inputs) -> Any:
    """What the provider makes of its own inputs, which are known; a `Lack` where it makes nothing."""
    assert key.provider is not None
    placed: list[Any] = []
    others: dict[str, Any] = {told: getattr(key, told) for told in _told(key.provider)}
    for parameter in _sources(key, inputs):
        value = supply(parameter.keys, known, inputs)
        if isinstance(value, Lack):
            if not parameter.optional:
                return value
            value = None
        if parameter.before_slash:
            placed.append(value)
        else:
            others[parameter.name] = value
    try:
        made = key.provider(*placed, **others)
    except CannotJudge as reason:
        return Lack(str(reason))
    except Exception as fault:  # a broken input of another package must not lose the findings of other rules
        said = f"{type(fault).__name__}: {fault}"
        raise CannotJudge(f"the input {_called(key)} failed ({said}); please report this") from fault
    return Lack(absent([_called(key)])) if made is None else made


def _called(key: Key) -> str:
    return key.name or getattr(key.provider, "__name__", "")


@functools.cache
def _told(provider: Provider) -> tuple[str, ...]:
    """Those of `TOLD` that the provider has a parameter for."""
    return tuple(p.name for p in _signature(provider).parameters.values() if p.name in TOLD and not _before_slash(p))


def _before_slash(parameter: inspect.Parameter) -> bool:
    return parameter.kind is parameter.POSITIONAL_ONLY


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature with its annotations as types. Raises TypeError where one is no name of its module."""
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        raise TypeError(f"an annotation of {function.__name__}() is unknown: {error}") from error


def options(annotation: Any) -> tuple[Any, ...]:
    """The types of a union but None, or the one type."""
    union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    named = typing.get_args(annotation) if union else (annotation,)
    return tuple(option for option in named if option is not type(None))
