"""YAML that a stranger may have written, as plain values: nothing is imported, called, or unfolded beyond measure.

The C composer of PyYAML calls itself for each level, and a document of brackets ends the interpreter; aliases and merge
keys make a small document unfold to billions of nodes; a number in base 60 may have a million digits. So the events
are counted first (`_check`), which neither recurses nor builds anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnose import limits
from diagnose.errors import ConfigError

_LONGEST_NUMBER = 100  # characters; a longer one is an identifier
_GUARDED = ("bool", "int", "float", "timestamp")
_BROKEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What PyYAML raises for a scalar that is not what its tag says, beside its own errors."""


def load(text: str) -> Any:
    """The value of a document. Objects of Python (`!!python/object`), as Lightning writes them, stand as their plain
    parts. Raises ConfigError where it is no YAML, or beyond the limits.
    """
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        """Builds plain values only; nothing is imported or called."""

    Loader.add_multi_constructor("", _foreign)
    for name in _GUARDED:
        tag = f"tag:yaml.org,2002:{name}"
        Loader.add_constructor(tag, _guarded(base.yaml_constructors[tag]))
    try:
        _check(text, base)
        return yaml.load(text, Loader=Loader)
    except ConfigError:
        raise
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark is not None else ""
        problem = " ".join(str(error.problem or error.context or "it cannot be parsed").split())
        raise ConfigError(f"is no YAML ({line}{problem}); correct it there") from None
    except (yaml.YAMLError, *_BROKEN) as error:  # a control character, or a date that does not exist
        raise ConfigError(f"is no YAML ({' '.join(str(error).split())[:120]}); correct it there") from None
    except RecursionError:
        raise ConfigError("is nested too deeply; give the configuration of one run") from None


def _check(text: str, loader: Any) -> None:
    """Raise ConfigError where the document is too deep, or too large with its aliases unfolded."""
    import yaml

    bounds = limits.current()
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]  # anchor, and nodes in it so far
    sizes: dict[str, int] = {}
    for event in yaml.parse(text, Loader=loader):
        size = 1
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, 0))
            if len(open_nodes) > bounds.config_depth:
                raise ConfigError(f"is nested deeper than {limits.said('config_depth', 'levels')}")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, inside = open_nodes.pop()
            size += inside
        elif isinstance(event, yaml.AliasEvent):
            anchor, size = None, sizes.get(event.anchor or "", 1)  # 1 within itself, where it is a reference only
        elif isinstance(event, yaml.ScalarEvent):
            anchor = event.anchor
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        open_nodes[-1] = (open_nodes[-1][0], open_nodes[-1][1] + size)
        if open_nodes[-1][1] > bounds.config_nodes:
            raise ConfigError(f"unfolds to more than {limits.said('config_nodes', 'nodes')}")


def _guarded(construct: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The constructor of a scalar, which leaves the text where that is no such scalar, or too long for one."""

    def made(loader: Any, node: Any) -> Any:
        if len(node.value) > _LONGEST_NUMBER:
            return node.value
        try:
            return construct(loader, node)
        except _BROKEN:
            return node.value

    return made


def _foreign(loader: Any, suffix: str, node: Any) -> Any:
    """The plain value of a node with a tag that is not YAML's own; of a class or function, its name."""
    if node.id == "mapping":
        return loader.construct_mapping(node, deep=True)
    if node.id == "sequence":
        return loader.construct_sequence(node, deep=True)
    return node.value or suffix.rpartition(":")[2]
