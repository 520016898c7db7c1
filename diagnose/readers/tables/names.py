"""Names of columns: safe to print, unique, never empty."""

from __future__ import annotations

from collections.abc import Iterable

INDEX = "index"
"""What an unnamed first column is called: the counter that pandas and R write."""


def printable(text: str) -> str:
    r"""The text with control characters written out (`\x1b`), so that a log cannot steer the user's terminal."""
    if text.isprintable():
        return text
    spaced = text.replace("\u00a0", " ").replace("\ufeff", "")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in spaced)


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """The names made printable and told apart: a second `loss` becomes `loss (2)`, a blank one tells its place."""
    taken: dict[str, None] = {}
    for i, raw in enumerate(names):
        name = printable(raw.strip().strip("\"'").strip()) or (INDEX if i == 0 else f"column {i + 1}")
        free, copy = name, 2
        while free in taken:
            free, copy = f"{name} ({copy})", copy + 1
        taken[free] = None
    return tuple(taken)
