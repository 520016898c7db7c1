"""What the shell may complete: fixed values, ids of rules, paths."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def among(valid: tuple[str, ...]) -> Callable[[str], list[str]]:
    """A completion from fixed values."""
    return lambda incomplete: [value for value in valid if value.startswith(incomplete)]


def rule_ids(incomplete: str) -> list[tuple[str, str]]:
    """Ids of rules."""
    from diagnose.judging.installed import load_rules

    return [(rule.id, rule.title) for rule in load_rules() if rule.id.startswith(incomplete)]


def selected(incomplete: str) -> list[tuple[str, str]]:
    """Ids of rules and names of their groups, also after a comma."""
    from diagnose.rule import GROUPS

    done, comma, begun = incomplete.rpartition(",")
    groups = [(name, about) for name, about in GROUPS.items() if name.startswith(begun)]
    return [(f"{done}{comma}{name}", about) for name, about in rule_ids(begun) + groups]


def paths(incomplete: str) -> list[str]:
    """Files and directories; for a single directory also what is in it, so that the shell goes on into it."""
    found = _paths(incomplete)
    return [*found, *_paths(found[0])] if len(found) == 1 and found[0].endswith(os.sep) else found


def _paths(start: str) -> list[str]:
    folder, name = os.path.split(start)
    typed = start.removesuffix(name)
    try:
        entries = sorted(Path(folder or ".").expanduser().iterdir())
    except (OSError, RuntimeError):  # no such directory; no such user
        return []
    return [
        f"{typed}{entry.name}{os.sep if entry.is_dir() else ''}"
        for entry in entries
        if entry.name.startswith(name) and (name.startswith(".") or not entry.name.startswith("."))
    ]
