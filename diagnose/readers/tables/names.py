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
    copies: dict[str, int] = {}  # name -> the last number behind it
    for i, raw in enumerate(names):
        name = printable(raw.strip().strip("\"'").strip()) or (INDEX if i == 0 else f"column {i + 1}")
        free = name
        while free in taken:
            copies[name] = copies.get(name, 1) + 1
            free = f"{name} ({copies[name]})"
        taken[free] = None
    return tuple(taken)
