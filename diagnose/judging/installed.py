"""What is installed: rules, their inputs, fixes and trials, from the entry points of ours and of other packages."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from types import FunctionType
from typing import Any, TypeVar

from diagnose import extras
from diagnose.errors import RulesError, TableError
from diagnose.judging.inputs import GIVEN, TOLD, Inputs, key_of, order, served, table
from diagnose.judging.providers import PROVIDERS
from diagnose.names.hyperparameters import HYPERPARAMETERS
from diagnose.names.roles import AXES, ROLES
from diagnose.rule import Fix, Rule
from diagnose.trials import Trials

T = TypeVar("T")

TAKEN = frozenset((*ROLES, *AXES, *HYPERPARAMETERS, *GIVEN, *TOLD))
"""Names that mean something else, which an input of another package cannot have."""


@functools.cache
def load_rules() -> tuple[Rule, ...]:
    """All installed rules, ours first, from the entry-point group `diagnose.rules`.

    Raises RulesError where a foreign package shadows ours or two rules share an id.
    """
    found: dict[str, Rule] = {}
    for point, rule in _installed("rules", Rule):
        if rule.id in found:
            raise RulesError(f"two installed rules are called {rule.id!r}; the second comes from {point.value!r}")
        found[rule.id] = rule
    if not found:
        raise RulesError(f"no rules are installed; install the distribution again: {extras.install()}")
    return tuple(found.values())


@functools.cache
def known_rules() -> Mapping[str, Rule]:
    """The installed rules by id."""
    return {rule.id: rule for rule in load_rules()}


@functools.cache
def load_inputs() -> Inputs:
    """The inputs that rules may ask for: ours, and those from the entry-point group `diagnose.inputs`.

    Raises RulesError where one of another package takes the name of a curve, a hyperparameter or another input, or
    asks for what nothing supplies.
    """
    inputs = table(PROVIDERS)
    foreign = list(_installed("inputs", FunctionType))
    for count, (point, provider) in enumerate(foreign, 1):
        with _naming(point, "inputs"):
            if TAKEN.intersection(served(provider)):
                raise TypeError(f"{provider.__name__} is the name of something else")
            inputs = table([*PROVIDERS, *(each for _, each in foreign[:count])])
    for point, provider in foreign:
        with _naming(point, "inputs"):
            order(key_of(provider, "any"), inputs)
    return inputs


@functools.cache
def load_fixes() -> Mapping[str, Fix]:
    """The catalogue of fixes by id, from the entry-point group `diagnose.fixes`.

    Raises RulesError where it is broken.
    """
    return {fix.id: fix for _, fix in _installed("fixes", Fix)}


@functools.cache
def load_trials() -> tuple[Trials, ...]:
    """The trials of fixes, from the entry-point group `diagnose.trials`.

    Raises RulesError where a table is broken.
    """
    try:
        return tuple(row for _, row in _installed("trials", Trials))
    except (OSError, TableError) as error:
        raise RulesError(f"{error}; or remove the file: the fixes then come as the rules name them") from error


def _installed(what: str, kind: type[T]) -> Iterator[tuple[EntryPoint, T]]:
    """All values of the entry-point group `diagnose.WHAT`, ours first, each with where it comes from.

    An entry point holds them, or a function that returns them. Raises RulesError where one does not hold its `kind`.
    """
    points: EntryPoints = _all_points().select(group=f"diagnose.{what}")
    for point in sorted(points, key=lambda p: (p.name != "builtin", p.name)):
        with _naming(point, what):
            held = point.load()
            values = list(held() if callable(held) else held)
            if not all(isinstance(value, kind) for value in values):
                raise TypeError(f"it does not hold {what} of diagnose")
        yield from ((point, value) for value in values)


@functools.cache
def _all_points() -> Any:
    """Every entry point, to be had by `select(group=...)`; a search through all that is installed."""
    return entry_points()


@contextlib.contextmanager
def _naming(point: EntryPoint, what: str) -> Iterator[None]:
    """Names the package in whatever is wrong with what it holds, as a RulesError."""
    try:
        yield
    except (ImportError, AttributeError, TypeError) as error:
        package = point.value.partition(":")[0]
        if point.name != "builtin":
            said = f"the {what} of {point.value!r} cannot be loaded: {error}; update or remove that package"
        else:
            said = (
                f"the installed package {package!r} is not the one of training-diagnose ({error}); another "
                "distribution uses the same import name: install training-diagnose on its own, with pipx or "
                "`uv tool install`"
            )
        raise RulesError(said) from error
