"""Records (mappings, one per logging call, keys as they come) to columns, for every JSON-like format.

A JSON log keeps "not logged" and "logged as NaN" apart by itself: a missing key or null is the first, the token NaN or
the string "NaN" the second. This module carries the difference over into `Column.logged`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from diagnose import files, limits
from diagnose.errors import ReadError
from diagnose.readers.tables.cells import NOT_LOGGED, number
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.names import printable
from diagnose.readers.tables.table import Column, Table, in_proportion

MAX_LIST = 32
"""Longest list that is taken as several metrics; a longer one is a histogram or a prediction."""

_MAX_DEPTH = 8  # levels of nesting; deeper is a configuration or a graph, no metric

_LONGEST_NUMBER = 64  # characters; a longer string is a text and not worth a look


def table_from_records(
    records: Iterable[Mapping[str, Any]],
    format: str,
    *,
    name: str = "",
    axis: str | None = None,
    roles: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    percent: Collection[str] = (),
    lines: Sequence[int] = (),
) -> Table:
    """Make a table with one row per record.

    Nested mappings become `outer/inner`, short lists `name[0]`, `name[1]` ...; mappings with a `_type` (Weights &
    Biases histograms and media) and longer lists are left out; numbers in strings count as numbers. A column that is
    both numbers and words becomes what most of its cells are. `percent` names columns known to hold percentages,
    beside those whose strings carry the sign. `axis` and `roles` that name a column the records do not have are
    dropped. `lines` are those of the source on which the records stand. Raises ReadError where the records hold no
    number, or a new key in nearly every record.
    """
    cells = _Cells(set(percent))
    rows = 0
    for record in records:
        cells.add(rows, "", record, 0)
        rows += 1
    sizes = {key: len(row) for key, (row, _) in cells.numbers.items() if len(row) >= len(cells.words.get(key, ()))}
    kept, left_out = in_proportion(rows, sizes)
    columns = {printable(key): _column(rows, *cells.numbers[key], key in cells.percent) for key in sizes if key in kept}
    sizes = {key: len(words) for key, words in cells.words.items() if printable(key) not in columns}
    kept, left_out_words = in_proportion(rows, sizes, needed=False)
    text = {printable(key): [cells.words[key].get(i, "") for i in range(rows)] for key in sizes if key in kept}
    if not columns:
        raise ReadError("no number among the records, so there is no curve to judge")
    return Table(
        format=format,
        columns=columns,
        rows=rows,
        text=text,
        name=name,
        axis=axis if axis in columns else None,
        roles={role: column for role, column in (roles or {}).items() if column in columns},
        config=dict(config or {}),
        notes=(*notes, *left_out, *left_out_words),
        lines=lines,
    )


def _column(rows: int, row: list[int], values: list[float], percent: bool) -> Column:
    """A dense column from the rows that hold a value; of two values in one row the later counts."""
    if len(row) == rows and row[0] == 0 and row[-1] == rows - 1 and rows == len(set(row)):
        return Column(np.array(values, dtype=np.float64), np.ones(rows, dtype=np.bool_), percent)
    dense = np.full(rows, np.nan)
    logged = np.zeros(rows, dtype=np.bool_)
    dense[row] = values
    logged[row] = True
    return Column(dense, logged, percent)


class _Cells:
    """The cells seen so far, sparse: per column the rows and their values, and the strings apart."""

    def __init__(self, percent: set[str]) -> None:
        self.numbers: dict[str, tuple[list[int], list[float]]] = {}
        self.words: dict[str, dict[int, str]] = {}
        self.percent = percent

    def add(self, row: int, prefix: str, record: Mapping[str, Any], depth: int) -> None:
        """Put the values of one (nested) record into `row`."""
        for key, value in record.items():
            self._put(row, f"{prefix}{key}", value, depth)

    def _put(self, row: int, name: str, value: Any, depth: int) -> None:
        if isinstance(value, float | int):  # bool too: a flag is 0 or 1
            self._number(row, name, as_float(value))
        elif isinstance(value, str):
            self._string(row, name, value)
        elif isinstance(value, Mapping):
            if depth < _MAX_DEPTH and "_type" not in value:
                self.add(row, f"{name}/", value, depth + 1)
        elif isinstance(value, list) and len(value) <= MAX_LIST:
            for i, item in enumerate(value):
                if isinstance(item, float | int | str):
                    self._put(row, f"{name}[{i}]", item, depth)

    def _number(self, row: int, name: str, value: float) -> None:
        cell = self.numbers.get(name)
        if cell is None:
            cell = self.numbers[name] = ([], [])
        cell[0].append(row)
        cell[1].append(value)

    def _string(self, row: int, name: str, value: str) -> None:
        value = value.strip()
        found = number(value) if len(value) <= _LONGEST_NUMBER else None
        if found is not None:
            self._number(row, name, found)
            if value.endswith("%"):
                self.percent.add(name)
        elif value not in NOT_LOGGED:
            self.words.setdefault(name, {})[row] = value


def as_float(value: float) -> float:
    """The value as a float; an integer too large for one is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def load_json(document: Document, start: str = "{") -> tuple[Any, tuple[str, ...]]:
    """The document as one JSON value, and notes.

    Of a file that was cut off, or that holds several objects one after another, the complete objects from the first
    `{` after the text `start` on are kept as a list. Raises ReadError that names the place where it is broken.
    """
    try:
        return document.json, ()
    except json.JSONDecodeError as error:
        records, whole = _complete_objects(document.text, document.text.find(start))
        if len(records) > 1:
            return records, () if whole else (f"the JSON breaks off: kept the {len(records)} complete records",)
        raise ReadError(
            f"the JSON is broken at line {error.lineno}, column {error.colno} ({error.msg}); was the file cut off?"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ReadError("the JSON is nested too deeply, or a number in it is too long to read") from error


def _complete_objects(text: str, start: int) -> tuple[list[Any], bool]:
    """The complete JSON objects that follow one another from the first `{` at or after `start`, and whether all are."""
    decoder = json.JSONDecoder()
    found: list[Any] = []
    at = text.find("{", max(start, 0))
    while text[at : at + 1] == "{":
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        found.append(value)
        while text[at : at + 1] in (" ", "\t", "\n", ","):
            at += 1
    return found, not text[at:].strip()


def head_records(document: Document, limit: int = 20) -> list[dict[str, Any]]:
    """The JSON objects on the first lines, at most `limit` of them; [] where the document is no JSON Lines.

    It is taken for JSON Lines where at least two of the first lines are an object each, and so is one in four: a
    console has messages between them.
    """
    lines = [line for line in document.head_lines[: 4 * limit] if line and not line.isspace()][:limit]
    records = [record for record in map(parse_line, lines) if record is not None]
    return records if len(records) >= max(2, len(lines) / 4) else []


def parse_line(line: str) -> dict[str, Any] | None:
    """The JSON object a line holds; None where it holds anything else."""
    line = line.strip(" \t\ufeff")
    if not (line.startswith("{") and line.endswith("}")):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_lines(document: Document) -> tuple[list[dict[str, Any]], list[int], tuple[str, ...]]:
    """All JSON objects of a JSON Lines document in order, the line of each, and notes on the lines that are none.

    A last line that was cut off while it was written is left out and noted.
    """
    every = document.json_text("line_values").split("\n")
    numbers = [number for number, line in enumerate(every, 1) if line and not line.isspace()]
    lines = [every[number - 1] for number in numbers]
    try:
        together = json.loads(f"[{','.join(lines)}]")  # one call: half the time of a call per line
        if all(isinstance(record, dict) for record in together):
            return together, numbers, ()
    except (ValueError, RecursionError):
        pass
    parsed = [parse_line(line) for line in lines]
    records = [record for record in parsed if record is not None]
    numbers = [number for number, record in zip(numbers, parsed, strict=True) if record is not None]
    notes = []
    broken = len(parsed) - len(records)
    if parsed and parsed[-1] is None and lines[-1].lstrip().startswith("{"):
        notes.append("the last line is cut off and was left out")
        broken -= 1
    if broken:
        notes.append(f"{broken} {'line is' if broken == 1 else 'lines are'} no JSON object and left out")
    return records, numbers, tuple(notes)


def sibling_json(document: Document, name: str) -> dict[str, Any]:
    """The JSON object in the file `name` beside the document; {} where there is none to read."""
    if document.path is None:
        return {}
    try:
        value = json.loads(files.content(document.path.parent / name, limits.current().config_bytes))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
