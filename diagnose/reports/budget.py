"""How much of an answer fits into a number of tokens, whatever tokenizer its reader has.

tokens("val_loss was best")         # 6; a tokenizer makes 4 to 5 of it
cut("a long sentence of a log", 4)  # 'a long...'
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from diagnose.reports.words import one_line

_PIECE = re.compile(
    r"(?P<word>[A-Z]?[a-z]+|[A-Z]+)|(?P<digits>\d+)|(?P<marks>[!-/:-@\[-`{-~]+)|(?P<others>[^\x00-\x7f]+)", re.ASCII
)
_PER_TOKEN = 4
"""Characters of a text on one line that a token has at most, a space included."""

_COSTS: Mapping[str, tuple[int, int]] = {"word": (1, 3), "digits": (1, 2), "marks": (2, 3), "others": (1, 1)}
"""Tokens for so many characters of a piece, bytes where it is no ASCII."""

DOTS = "..."


def tokens(text: str) -> int:
    """At least how many tokens a text costs: a word one for every 3 letters, digits one for every 2, other marks two
    for every 3, and what is no ASCII one for every byte.

    Common vocabularies need fewer for English and for JSON, and hardly more for names that are drawn at random.
    """
    return sum(_cost(piece.lastgroup or "", piece[0]) for piece in _PIECE.finditer(text))


def _cost(kind: str, piece: str) -> int:
    size = len(piece) if kind != "others" else len(piece.encode("utf-8", "surrogatepass"))
    cost, per = _COSTS[kind]
    return -(-size * cost // per)


def fitting(items: Sequence[str], room: int) -> int:
    """How many of the items, from the first on, fit into so many tokens."""
    for kept, item in enumerate(items):
        room -= tokens(item) + 1  # the comma
        if room < 0:
            return kept
    return len(items)


def cut(text: str, most: int, *, end: bool = False) -> str:
    """The text in at most so many tokens, on one line that steers no terminal.

    end: keep the end, which tells paths apart better than the beginning.
    """
    line = one_line(text)
    longest = _PER_TOKEN * most + 1
    part = line[-longest:] if end else line[:longest]
    if len(part) == len(line) and tokens(line) <= most:
        return line
    room = most - tokens(DOTS)
    sizes = range(len(part) + 1)
    if end:
        kept = bisect_right(sizes, room, key=lambda size: tokens(part[len(part) - size :])) - 1
        return DOTS + part[len(part) - kept :]
    return part[: bisect_right(sizes, room, key=lambda size: tokens(part[:size])) - 1] + DOTS
