"""What is installed: rules, fixes and trials, from the entry points of ours and of other packages."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any

from diagnose.errors import RulesError
from diagnose.rule import Fix, Rule
from diagnose.trials import TableError, Trials


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


@functools.cache
def known_rules() -> Mapping[str, Rule]:
    """The installed rules by id."""
    return {rule.id: rule for rule in load_rules()}
