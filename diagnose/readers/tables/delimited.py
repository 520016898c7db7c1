"""From delimited text to tables, by one of two paths with one result.

Small or untidy sources go through the standard library line by line; large tidy ones go through pyarrow. What a cell
means is said in `diagnose.readers.tables.cells`, how the lines are cut in `diagnose.readers.tables.dialect`.
"""

from __future__ import annotations

import csv
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice, zip_longest

import numpy as np

from diagnose import limits
from diagnose.errors import ReadError
from diagnose.readers.tables import arrow_csv
from diagnose.readers.tables.cells import NOT_LOGGED, Cells, number, parse, unwrap_tensors
from diagnose.readers.tables.dialect import Dialect, cut, is_rule
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.names import unique
from diagnose.readers.tables.table import Column, Table

LARGE = 2_000_000
"""Bytes from which pyarrow is worth its import (about 0.1 s)."""

_CHUNK = 20_000  # rows that are held as strings at a time
_MARKS = tuple("<=>")  # of a merge conflict
_MOST_EXTRA = 64  # cells beyond the header that a row may have and still be kept


def read(document: Document, format: str, *, names: Sequence[str] | None = None, large: int = LARGE) -> list[Table]:
    """Read a document as delimited text: one table, or several where its columns change part-way.

    format: what `Table.format` says.
    names: the columns where the format knows better than the header.
    large: size in bytes from which pyarrow is tried first.
    Raises ReadError where there is no table, no row, or one row only.
    """
    dialect = document.dialect
    if dialect is None:
        raise ReadError("this is no table: its lines do not have the same number of cells with numbers in them")
    columns = tuple(names) if names is not None else dialect.names
    if len(columns) > limits.current().columns:
        raise ReadError(f"there are {len(columns):,} columns, more than {limits.said('columns')}")
    if dialect.across:
        tables = [_across(document, dialect, format, columns)]
    else:
        fast = arrow_csv.read(document, dialect, columns) if document.size >= large else None
        tables = [_from_arrow(fast, dialect, format)] if fast else _read_lines(document, dialect, format, columns)
    rows = max((table.rows for table in tables), default=0)
    if rows < 2:
        raise ReadError(
            "there is one row only: no curve to judge" if rows else "there is a header, but no row under it"
        )
    return [table for table in tables if table.rows > 1]


def _table(
    columns: Mapping[str, Column | list[str]],
    rows: int,
    dialect: Dialect,
    format: str,
    notes: Sequence[str] = (),
    lines: Sequence[int] = (),
) -> Table:
    return Table(
        format,
        {name: column for name, column in columns.items() if isinstance(column, Column)},
        rows,
        text={name: column for name, column in columns.items() if not isinstance(column, Column)},
        config=dict(dialect.config),
        notes=(*dialect.notes, *notes),
        lines=lines,
    )


def _from_arrow(fast: arrow_csv.Columns, dialect: Dialect, format: str) -> Table:
    columns: dict[str, Column | list[str]] = dict(fast.numbers)
    columns |= {name: join(chunks) for name, chunks in fast.others.items()}
    notes = [cut_note(dialect.first + fast.rows + 1, fast.rows)] if fast.cut else []
    return _table({name: columns[name] for name in fast.names}, fast.rows, dialect, format, notes)


def _read_lines(document: Document, dialect: Dialect, format: str, names: Sequence[str]) -> list[Table]:
    """The path through the standard library."""
    section = _at_once(document, dialect, names)
    if section is not None:
        return [section.table(dialect, format)] if section.rows else []
    try:
        return [s.table(dialect, format) for s in _sections(document, dialect, names, dialect.quoted) if s.rows]
    except _UnbalancedQuoteError:
        return [s.table(dialect, format) for s in _sections(document, dialect, names, quoted=False) if s.rows]


def _at_once(document: Document, dialect: Dialect, names: Sequence[str]) -> _Section | None:
    """The rows of a short tidy text, cut at every delimiter at once; None where a line has to be looked at by itself.

    Tidy is a text without quotes, comments and blank lines between the rows, whose rows are of one width and hold no
    word of the header.
    """
    if not document.whole or document.growing or dialect.tensors or dialect.delimiter in "| ":
        return None
    lines = list(islice(document.lines(), dialect.first, None))
    while lines and not lines[-1]:
        lines.pop()
    text = "\n".join(lines)
    between = len(names) - 1
    if '"' in text or "#" in text or not all(line.count(dialect.delimiter) == between and line for line in lines):
        return None
    cells = text.replace("\n", dialect.delimiter).split(dialect.delimiter) if lines else []
    if lines and len(max(cells, key=len)) > csv.field_size_limit():
        return None
    section = _Section(tuple(names), dialect.header, dialect.decimal)
    section.add_columns([cells[j :: len(names)] for j in range(len(names))], len(lines))
    has_text = any(chunk.texts for chunks in section.chunks for chunk in chunks)
    if has_text and not section.words.isdisjoint(map(str.strip, cells)):
        return None  # the header stands again, or another one
    section.lines.extend(range(dialect.first + 1, dialect.first + 1 + len(lines)))
    return section


class _UnbalancedQuoteError(Exception):
    """A quote that was opened and not closed swallowed rows."""


def _swallowed(row: list[str], dialect: Dialect, width: int) -> bool:
    """True where a cell of several lines holds rows of the table (a note in a W&B export does not)."""
    return any(sum(line.count(dialect.delimiter) >= width - 1 for line in cell.split("\n")) > 2 for cell in row)


def _sections(document: Document, dialect: Dialect, names: Sequence[str], quoted: bool) -> list[_Section]:
    """Read all rows; a header with other names starts a new section. Raises _UnbalancedQuoteError."""
    section = _Section(tuple(names), dialect.header, dialect.decimal)
    sections = [section]
    batch: list[list[str]] = []
    line = dialect.first
    try:
        for count, row in cut(_data_lines(document, dialect), dialect.delimiter, quoted):
            if quoted and dialect.first + count > line + 2 and _swallowed(row, dialect, section.width):
                raise _UnbalancedQuoteError
            line = dialect.first + count
            if len(row) != section.width or not section.words.isdisjoint(row):
                header = tuple(cell.strip() for cell in row)
                if section.is_its_header(header):
                    section.begin_again(batch, line)
                    continue
                if section.is_new_header(header):
                    section.add(batch)
                    section, batch = _Section(unique(header), header, dialect.decimal, began=line), []
                    sections.append(section)
                    continue
                section.note_width(row, line)
            batch.append(row)
            section.lines.append(line)
            if len(batch) == _CHUNK:
                section.add(batch)
                batch = []
    except csv.Error as error:
        if quoted:
            raise _UnbalancedQuoteError from error
        section.notes.append(f"line {line + 1} is damaged ({error}): kept the rows before it")
    if batch and not document.growing and document.ends_mid_line and len(batch[-1]) < section.width:
        batch.pop()
        section.lines.pop()
        section.short.remove(line)
        section.notes.append(cut_note(line, section.rows + len(batch)))
    section.add(batch)
    return sections


def cut_note(line: int, rows: int) -> str:
    """What to tell the user about a last line without an end."""
    return f"line {line} is cut: kept the {rows} rows before it"


def _data_lines(document: Document, dialect: Dialect) -> Iterator[str]:
    """The lines of the data: no comments and no rules."""
    lines = islice(document.lines(), dialect.first, None)
    comment = "#" if not any(name.startswith("#") for name in dialect.header) else "\0"
    ruled = dialect.delimiter in "| "
    for line in lines:
        if line.startswith(comment) or ((ruled or line[:1] in _MARKS) and is_rule(line)):
            yield "\n"
        else:
            yield (unwrap_tensors(line) if dialect.tensors else line) + "\n"


class _Section:
    """The rows under one header, as they come in."""

    def __init__(self, names: tuple[str, ...], header: tuple[str, ...], decimal: str, began: int = 0) -> None:
        self.names = list(names)
        self.header = header
        self.decimal = decimal
        self.words = frozenset(name for name in header if number(name, decimal) is None) - NOT_LOGGED
        self.width = len(names)
        self.rows = 0
        self.lines = array("q")
        self.began = began
        self.repeats: list[int] = []
        self.notes: list[str] = []
        self.short: list[int] = []
        self.long: list[int] = []
        self.chunks: list[list[Cells]] = [[] for _ in names]

    def is_its_header(self, row: tuple[str, ...]) -> bool:
        return bool(self.header) and self.header in (row, ("", *row))

    def is_new_header(self, row: tuple[str, ...]) -> bool:
        """True for a row of words of which one at least is a column here, as in a log that another run appended to."""
        words = [cell for cell in row if cell not in NOT_LOGGED and number(cell, self.decimal) is None]
        return len(words) == len(row) > 1 and not set(self.header).isdisjoint(row) and len(set(row)) == len(row)

    def begin_again(self, batch: list[list[str]], line: int) -> None:
        """Note the header's return, and leave out a short row before it: a run was killed in the middle of a line."""
        self.repeats.append(line)
        if batch and self.short and self.short[-1] == self.lines[-1]:
            batch.pop()
            self.lines.pop()
            self.short.pop()

    def note_width(self, row: list[str], line: int) -> None:
        if len(row) < self.width:
            self.short.append(line)
        elif any(cell.strip() for cell in row[self.width :]):
            self.long.append(line)

    def add(self, batch: list[list[str]]) -> None:
        """Parse rows column by column; the cells beyond the header become columns of their own."""
        if not batch:
            return
        columns = list(islice(zip_longest(*batch, fillvalue=""), self.width + _MOST_EXTRA))
        while len(columns) > len(self.names) and not any(cell.strip() for cell in columns[-1]):
            columns.pop()
        for j in range(len(self.names), len(columns)):
            self.names.append(f"column {j + 1}")
            self.chunks.append([_blank(self.rows)] if self.rows else [])
        columns += [("",) * len(batch)] * (len(self.names) - len(columns))
        self.add_columns(columns, len(batch))

    def add_columns(self, columns: Sequence[Sequence[str]], rows: int) -> None:
        """Parse the cells of so many rows, one sequence for each column."""
        for chunks, column in zip(self.chunks, columns, strict=True):
            chunks.append(parse(column, self.decimal))
        self.rows += rows

    def table(self, dialect: Dialect, format: str) -> Table:
        columns: dict[str, Column | list[str]] = {}
        for j, (name, chunks) in enumerate(zip(unique(self.names), self.chunks, strict=True)):
            column = join(chunks)
            named = any(self.header[j : j + 1]) if self.header else j < self.width
            if named or not isinstance(column, Column) or column.logged.any():  # a comma at the end is no column
                columns[name] = column
            if isinstance(column, Column) and (odd := [text for c in chunks for text in c.texts.values()]):
                self.notes.append(f"{name}: {_cells(len(odd))} such as {odd[0][:40]!r} not read as numbers")
        return _table(columns, self.rows, dialect, format, [*self._notes(), *self.notes], self.lines)

    def _notes(self) -> Iterator[str]:
        if self.began:
            yield f"the columns change at line {self.began}: read as a log of its own"
        if self.repeats:
            yield f"the header stands again at line {_some(self.repeats)}: several logs in one file"
        if self.short:
            yield f"line {_some(self.short)} is shorter than the header: its last cells count as not logged"
        if self.long:
            yield f"line {_some(self.long)} is longer than the header: the cells beyond it are kept as columns"


def _some(lines: list[int]) -> str:
    return str(lines[0]) + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else "")


def _cells(count: int) -> str:
    return "one cell" if count == 1 else f"{count} cells"


def _blank(rows: int) -> Cells:
    return Cells(np.full(rows, np.nan), np.zeros(rows, dtype=np.bool_), {})


def join(chunks: Sequence[Cells]) -> Column | list[str]:
    """The stretches of a column as one: numbers, or strings where more than half of the filled cells are text."""
    if not chunks:
        return Column(np.empty(0), np.empty(0, dtype=np.bool_))
    texts = sum(len(c.texts) for c in chunks)
    numbers = sum(int(c.logged.sum()) for c in chunks)
    if texts > numbers:
        return list(chain.from_iterable(_strings(c) for c in chunks))
    values = chunks[0].values if len(chunks) == 1 else np.concatenate([c.values for c in chunks])
    logged = chunks[0].logged if len(chunks) == 1 else np.concatenate([c.logged for c in chunks])
    return Column(values, logged, percent=sum(c.percents for c in chunks) > 0.5 * numbers)


def _strings(cells: Cells) -> list[str]:
    """The strings of a stretch of a text column, "" where blank; split names repeat, so they are interned."""
    if cells.strings is not None:
        return ["" if cell in NOT_LOGGED else sys.intern(cell) for cell in cells.strings]
    return [f"{value:.17g}" if ok else "" for value, ok in zip(cells.values, cells.logged, strict=True)]


def _across(document: Document, dialect: Dialect, format: str, names: Sequence[str]) -> Table:
    """A headerless table that lies on its side: one row per curve. Raises ReadError where some rows are no curves."""
    cells = cut(_data_lines(document, dialect), dialect.delimiter, dialect.quoted)
    rows = [row for _, row in cells if any(cell.strip("\ufeff \t") for cell in row)]
    if len(rows) != len(names):
        raise ReadError(f"this is no table: {len(names)} of its {len(rows)} rows are curves without a header")
    curves = rows if dialect.across == "values" else [row[1:] for row in rows]
    longest = max(map(len, curves))
    padded = (curve + [""] * (longest - len(curve)) for curve in curves)
    columns = {name: join([parse(curve, dialect.decimal)]) for name, curve in zip(names, padded, strict=True)}
    return _table(columns, longest, dialect, format)
