"""Words shared by the reports: numbers, steps, counted nouns, and text from a log made safe to print."""

from __future__ import annotations

import math
import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that move the cursor, change the reading direction, break the line, or cannot be encoded."""


def visible(text: str) -> str:
    """The text with control, format and surrogate characters and line breaks as visible escapes, such as `\\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _HIDDEN or _is_none(c) else c for c in text)


def _is_none(character: str) -> bool:
    """Whether this is one of Unicode's noncharacters, such as U+FFFF, which XML forbids."""
    return ord(character) & 0xFFFE == 0xFFFE


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def one_line(text: str) -> str:
    """The text on one line, white space collapsed, safe to print."""
    return visible(" ".join(text.split()))


def place(source: str) -> str:
    """What to call a source in a sentence, on one line."""
    return "<stdin>" if source == "-" else one_line(source)


def number(value: float, digits: int = 4) -> str:
    """The value to `digits` significant digits; whole numbers below 1e15 in full, so that a count stays a count."""
    if not math.isfinite(value):
        return str(float(value))
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    if 1e-4 <= abs(value) < 1e7:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{digits}g}"


def count(amount: int, noun: str) -> str:
    """The amount with its noun in the singular or plural: `1 note`, `2 notes`."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def span(steps: tuple[float, float], axis: str) -> str:
    """Where something is on the axis: `epoch 31`, `epochs 31-99`."""
    first, last = (number(step, 6) for step in steps)
    return f"{axis} {first}" if first == last else f"{axis}s {first}-{last}"
