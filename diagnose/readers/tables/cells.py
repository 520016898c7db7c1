"""Cells of a delimited log: strings in, numbers with a mask out.

A cell is a number (NaN and infinity where the log says so), not logged, or text. The libraries that write logs spell
each of these in several ways; this file is the one place that knows them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array

NOT_LOGGED = frozenset(
    ["", "-", "--", "NA", "N/A", "n/a", "na", "#N/A", "<NA>", "None", "none", "NONE", "null", "NULL", "Null"]
)
"""Cells that say "no value here". `NA` is what Keras' CSVLogger writes for a missing key. `nan` is not among them."""

_PADDING = " \t\r\n\u00a0\"'"  # quotes are left where they are not balanced

_MULTIPLIERS = {"k": 1e3, "K": 1e3, "M": 1e6, "MB": 1e6, "MiB": 2.0**20, "G": 1e9, "GB": 1e9, "GiB": 2.0**30}
_MULTIPLIERS |= {"s": 1.0, "sec": 1.0, "ms": 1e-3, "it/s": 1.0}

# Each pattern takes time in proportion to the cell: no two parts that follow one another match the same.
_UNIT = re.compile(r"([+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z]+(?:/s)?)")
_PROGRESS = re.compile(r"(\d{1,18})\s*/\s*(\d{1,18})")
_CLOCK = re.compile(r"\d:\d\d")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_WRAPPER = re.compile(r"(?:(?:\w+\.)?(?:tensor|Tensor|array|Array|float\d*|int\d*))?\((.*)\)|\[(.*)\]", re.DOTALL)
_C_RUNTIME_NAN = re.compile(r"[+-]?(?:nan\(\w*\)|1\.#(?:QNAN|SNAN|IND)\w*)", re.IGNORECASE)
_C_RUNTIME_INF = re.compile(r"([+-]?)1\.#INF\w*", re.IGNORECASE)
_MOST_WRAPPERS = 8  # around one number, percent signs among them
_TENSOR = re.compile(r"tensor\(\s*([^\s,()]+?)(?:,(?:[^()]|\([^()]*\))*)?\)")


def number(cell: str, decimal: str = ".", wrappers: int = _MOST_WRAPPERS) -> float | None:
    """The number in a cell, or None where it is text. A percentage keeps its scale: `93.1%` is 93.1.

    Understands decimal commas where `decimal` says so, thousands separators, units (`1.86G`, `12ms`), progress (`3/100`
    is 3), wrappers (`tensor(0.53)`, `[0.53]`, `(0.5, 0.6)` is its first number) and the NaN spellings of C runtimes.
    wrappers: how many may stand around each other.
    """
    text = cell.strip()
    if decimal == "," and "," in text:
        text = text.replace(".", "").replace(",", ".")
    if "_" not in text:  # float() reads the run name 20_1 as 201
        try:
            return float(text)
        except ValueError:
            pass
    return _dressed_number(text, decimal, wrappers)


def numbers(cells: Sequence[str], decimal: str = ".") -> int:
    """How many of the cells are numbers."""
    if decimal == "." and "_" not in "".join(cells):
        try:
            return len(list(map(float, cells)))  # the usual case
        except ValueError:
            pass
    return sum(number(cell, decimal) is not None for cell in cells)


def _dressed_number(text: str, decimal: str, wrappers: int) -> float | None:
    if not wrappers or text.isalpha():
        return None  # the usual text: a word
    if text.endswith("%"):
        return number(text[:-1], decimal, wrappers - 1)
    if text.endswith(":") and text[:-1].isdecimal():  # the place of a value: `12: 0.53`
        return float(text[:-1])
    if unit := _UNIT.fullmatch(text):
        factor = _MULTIPLIERS.get(unit[2])
        return None if factor is None else float(unit[1]) * factor
    if progress := _PROGRESS.fullmatch(text):
        return float(progress[1]) if int(progress[1]) <= int(progress[2]) else None
    if _THOUSANDS.fullmatch(text):
        return float(text.replace(",", ""))
    if _C_RUNTIME_NAN.fullmatch(text):
        return float("nan")
    if infinite := _C_RUNTIME_INF.fullmatch(text):
        return float(infinite[1] + "inf")
    wrapped = _WRAPPER.fullmatch(text)
    return number(_first(wrapped), decimal, wrappers - 1) if wrapped and _first(wrapped) else None


def _first(wrapped: re.Match[str]) -> str:
    """The first element inside a wrapper; "" where it holds a clock, as the state of a progress bar does."""
    inner = (wrapped[1] if wrapped[1] is not None else wrapped[2]).strip()
    if _CLOCK.search(inner):
        return ""
    if inner.startswith(("[", "(")):
        return inner
    return re.split(r"[,\s]", inner, maxsplit=1)[0]


def unwrap_tensors(line: str) -> str:
    """Replace printed PyTorch tensors by their number, so that their commas do not split the line."""
    return _TENSOR.sub(r"\1", line) if "tensor(" in line else line


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A stretch of one column.

    values: shape (n,); anything where `logged` is False.
    logged: shape (n,), True where the cell held a number.
    texts: position -> cell, where the cell is neither a number nor blank.
    percents: how many cells carried a `%` sign.
    strings: the stripped cells, where any of them is text; else None.
    """

    values: Array
    logged: npt.NDArray[np.bool_]
    texts: dict[int, str]
    percents: int = 0
    strings: list[str] | None = None


def parse(cells: Sequence[str], decimal: str = ".") -> Cells:
    """Parse a stretch of one column."""
    if decimal == "." and "_" not in "".join(cells):
        try:
            return _parse_at_once(cells)
        except ValueError:
            pass
    return _parse_slowly(cells, decimal)


def _parse_at_once(cells: Sequence[str]) -> Cells:
    """Cells that are numbers as Python writes them, or empty. Raises ValueError where one is neither."""
    if "" not in cells:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
        return Cells(values, np.ones(len(cells), dtype=np.bool_), {})
    logged = np.fromiter(map(bool, cells), np.bool_, len(cells))
    values = np.full(len(cells), np.nan)
    values[logged] = np.fromiter(map(float, filter(None, cells)), np.float64)
    return Cells(values, logged, {})


def _parse_slowly(cells: Sequence[str], decimal: str) -> Cells:
    values = np.full(len(cells), np.nan)
    logged = np.zeros(len(cells), dtype=np.bool_)
    texts: dict[int, str] = {}
    percents = 0
    for i, cell in enumerate(cells):
        text = cell.strip(_PADDING)
        if text in NOT_LOGGED:
            continue
        value = number(text, decimal)
        if value is None:
            texts[i] = text
        else:
            values[i] = value
            logged[i] = True
            percents += text.endswith("%")
    return Cells(values, logged, texts, percents, [cell.strip(_PADDING) for cell in cells] if texts else None)
