"""How the lines of a text are a table: delimiter, decimal mark, header, and what stands before it.

Everything is decided on the first lines, by how well the cells come out: as many cells in every row, and numbers in
them. What looks like a table of words, a program or prose is none.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby, pairwise, zip_longest
from typing import Any

from diagnose.readers.tables.cells import NOT_LOGGED, number, numbers, unwrap_tensors
from diagnose.readers.tables.names import INDEX, unique

WHITESPACE = " "
"""The delimiter that stands for runs of blanks and tabs."""

_SAMPLE_LINES = 64
_DELIMITERS = ("\t", ";", ",", "|", WHITESPACE)  # of equally good ones the first: a TSV is also a whitespace table
_COMMENT = ("#", "%", "//")
_LEAST_CONSISTENT = 0.5  # share of rows with the usual number of cells; ragged logs are still tables, prose is not
_CERTAIN = 0.98  # score from which no other delimiter is tried
_CONFLICT = ("<<<<<<< ", "=======", ">>>>>>> ")
_LEAST_ROWS = 6  # of a table within a text, its names among them
_LONGEST_PREAMBLE = 20  # lines of other text before the table
_COMMA_DECIMAL = re.compile(r"[+-]?[\d.]*,\d+(?:[eE][+-]?\d+)?\s*%?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_ONE_COMMA = re.compile(r"[+-]?\d+,\d+")
_PLACE = re.compile(r"\W{0,9}(?:epoch|iteration|iter|step|round|fold|run)[ _:#-]{0,3}\d{1,9}\W{0,9}", re.IGNORECASE)
"""What stands above the values of an epoch, where each is a line, and is the name of none."""
_LONGEST_NAME = 200  # characters; a header cell that is longer is prose


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to read a table.

    delimiter: one character; `WHITESPACE` means runs of blanks and tabs.
    decimal: "." or ",".
    names: the columns, unique and printable.
    header: the cells of the header line as they stand there, stripped; empty where there is none.
    first: index of the first line of the data, from 0.
    numeric: per column, True where the sample holds numbers or nothing.
    quoted: False where quotes are ordinary characters.
    tensors: True where cells are printed PyTorch tensors, whose commas are no delimiters.
    across: "" as usual; "values" where one row holds a whole curve; "rows" where each row is a name and its curve.
    config: hyperparameters from a `#{json}` line.
    notes: what had to be decided, in sentences for the user.
    """

    delimiter: str
    decimal: str
    names: tuple[str, ...]
    header: tuple[str, ...]
    first: int
    numeric: tuple[bool, ...]
    quoted: bool = True
    tensors: bool = False
    across: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def cut(lines: Iterable[str], delimiter: str, quoted: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Cut lines into rows of cells (not stripped), each with the number of lines read so far; blank lines are left out.

    Raises csv.Error where the quotes make no sense.
    """
    if delimiter == WHITESPACE:
        yield from ((i, row) for i, line in enumerate(lines, 1) if (row := line.split()))
    elif delimiter == "|":  # the tables that people and chat tools draw have a mark at both ends as well
        bare = ((i, line.strip()) for i, line in enumerate(lines, 1))
        framed = ((i, line[1:-1] if len(line) > 1 and line[0] == line[-1] == "|" else line) for i, line in bare)
        yield from ((i, line.split("|")) for i, line in framed if line)  # a mark at one end alone: a cell is empty
    else:
        reader = csv.reader(
            lines,
            delimiter=delimiter,
            skipinitialspace=True,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        )
        yield from ((reader.line_num, row) for row in reader if row)


def is_rule(line: str) -> bool:
    """True for the line of dashes that a table for people has under its header, and for what marks a merge conflict."""
    if line.startswith(_CONFLICT):
        return True
    return len(line) > 2 and not line.strip("-=+|: \t") and ("--" in line or "==" in line)


def sniff(lines: Sequence[str], *, stem: str = "", whole: bool = True) -> Dialect | None:
    """Say how the lines are a table, or None where they are none.

    lines: the first lines of a text, all of them where `whole` is True.
    stem: what a curve without a name is called.
    """
    found = _sniff(lines, stem, whole)
    start = _below_text(lines) if found is None else 0
    if not start or (below := _sniff(lines[start:], stem, whole)) is None:
        return found
    note = f"the {start} lines before the table were left out"
    return replace(below, first=start + below.first, across="", notes=(note, *below.notes))


def _below_text(lines: Sequence[str]) -> int:
    """Where a table begins among other lines: the first of the most that follow one another with as many of one mark.

    0 where there is none, or where nothing stands before it.
    """
    filled = [i for i, line in enumerate(lines) if line.strip()]
    longest, start = _LEAST_ROWS - 1, 0
    for mark in _DELIMITERS[:-1]:
        for count, group in groupby(filled, key=lambda i: lines[i].count(mark)):
            rows = list(group) if count else []
            if len(rows) > longest:
                longest, start = len(rows), rows[0]
    return start


def _sniff(lines: Sequence[str], stem: str, whole: bool) -> Dialect | None:
    """How these lines are a table from the first of them on, a few others apart."""
    preamble = _Preamble.of(lines)
    if not preamble.body or preamble.body[0][1].lstrip("\ufeff \t")[:1] in ("{", "<"):  # JSON, HTML, XML
        return None
    tensors = any("tensor(" in line for _, line in preamble.body[1:])
    best = max(_cuts(preamble, tensors), key=lambda c: (c.score, c.width > 1), default=None)
    return None if best is None else _describe(best, preamble, stem=stem, tensors=tensors, whole=whole)


@dataclass(frozen=True, slots=True)
class _Preamble:
    """The first lines, sorted.

    body: the lines that are neither blank, nor a rule, nor a leading comment, with their indices.
    comment: the last leading comment without its mark.
    config: what a `#{json}` comment says.
    forced: the delimiter that a `sep=;` line asks for (Excel), or "".
    """

    body: list[tuple[int, str]]
    comment: str
    config: dict[str, Any]
    forced: str

    @classmethod
    def of(cls, lines: Sequence[str]) -> _Preamble:
        body: list[tuple[int, str]] = []
        config: dict[str, Any] = {}
        comment = forced = ""
        for i, line in enumerate(lines):
            text = line.strip("\ufeff \t")
            if not text or is_rule(text):
                continue
            if not body and text.startswith(_COMMENT):
                comment = text.lstrip("#%/ \t")
                config |= _json_object(comment)
            elif not body and text.lower().startswith("sep=") and len(text) == 5:
                forced = text[4]
            else:
                body.append((i, line))
            if len(body) == _SAMPLE_LINES:
                break
        return cls(body, comment, config, forced)


def _json_object(text: str) -> dict[str, Any]:
    if not text.startswith("{"):
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class _Cut:
    """The sample cut into rows in one way.

    ends: per row, the index of the line after it.
    width: the usual number of cells.
    score: share of consistent rows times share of numbers among the cells.
    """

    delimiter: str
    decimal: str
    quoted: bool
    rows: list[list[str]]
    ends: list[int]
    width: int
    score: float

    def is_number(self, cell: str) -> bool:
        return cell not in NOT_LOGGED and number(cell, self.decimal) is not None

    def is_text(self, cell: str) -> bool:
        return cell not in NOT_LOGGED and number(cell, self.decimal) is None

    def is_row(self, row: Sequence[str]) -> bool:
        """Whether half of the cells are numbers, as in no sentence."""
        return 2 * sum(map(self.is_number, row)) >= len(row)

    def are_numbers(self, column: Sequence[str]) -> bool:
        """Whether most cells of a column, of which none is blank, are numbers; of none, they are."""
        return not column or numbers(column, self.decimal) > 0.5 * len(column)


def _cuts(preamble: _Preamble, tensors: bool) -> Iterator[_Cut]:
    """The ways to cut the sample that give consistent rows; one column is the last guess."""
    lines = [unwrap_tensors(line) if tensors and i else line for i, (_, line) in enumerate(preamble.body)]
    single: str | None = None  # the first that leaves the lines whole
    for delimiter in [preamble.forced] if preamble.forced else _DELIMITERS:
        if delimiter == "," and single is not None and lines[-1].count(",") == 1:
            column = _cut_by(single, lines, preamble)
            if column is not None and _has_decimal_commas(column):
                yield replace(column, delimiter=";", decimal=",", score=1.0)
                return
        if delimiter != WHITESPACE and not any(delimiter in line for line in lines):
            single = single or delimiter
            continue
        found = _cut_by(delimiter, lines, preamble)
        if found is None or found.width == 1:
            single = single or (None if found is None else delimiter)
            continue
        yield found
        if found.score > _CERTAIN:
            return
    column = _cut_by(single, lines, preamble) if single else None
    if column is not None:
        yield replace(column, delimiter=",", score=0.5 * column.score)  # below any table with half of it numbers


def _has_decimal_commas(single: _Cut) -> bool:
    """Whether the one column of a cut holds numbers with a decimal comma, and not a counter and a whole number."""
    header = int(bool(single.rows) and single.is_text(single.rows[0][0]) and "," not in single.rows[0][0])
    cells = [row[0] for row in single.rows[header:]]
    if len(cells) < 2 or not all(map(_ONE_COMMA.fullmatch, cells)):
        return False
    whole = [int(cell.partition(",")[0]) for cell in cells]
    return bool(header) or not all(former < later for former, later in pairwise(whole))


def _cut_by(delimiter: str, lines: list[str], preamble: _Preamble) -> _Cut | None:
    """The sample cut at one delimiter; None where the rows do not agree on their width."""
    for quoted in (True, False):
        try:
            pairs = list(cut(lines, delimiter, quoted))
        except csv.Error:
            continue
        if len(pairs) > 0.5 * len(lines):
            break  # else an unbalanced quote swallowed the rest
    else:
        return None
    rows = [[cell.strip() for cell in row] for _, row in pairs]
    width, consistent = _width(rows)
    if consistent < _LEAST_CONSISTENT:
        return None
    least = max(width - 1, min(width, 2))  # a line without a delimiter is none of a table of several columns
    cells = [c for row in rows[1:] or rows if least <= len(row) <= width + 1 for c in row if c not in NOT_LOGGED]
    decimal = _decimal_mark(cells)
    found = numbers(cells, decimal)
    ends = [preamble.body[count - 1][0] + 1 for count, _ in pairs]
    return _Cut(delimiter, decimal, quoted, rows, ends, width, consistent * found / max(1, len(cells)))


def _width(rows: list[list[str]]) -> tuple[int, float]:
    """The usual number of cells, and the share of rows that have it (the header may differ)."""
    below = rows[1:] or rows
    width, count = max(Counter(map(len, below)).items(), key=lambda item: (item[1], item[0]))
    return width, count / len(below)


def _decimal_mark(cells: Sequence[str]) -> str:
    """The comma where more cells read as 0,53 than as 0.53, unless all of the former can be thousands."""
    commas = dots = thousands = 0
    if not any("," in cell for cell in cells):
        return "."
    for cell in cells:
        if "," in cell:
            commas += _COMMA_DECIMAL.fullmatch(cell) is not None
            thousands += _THOUSANDS.fullmatch(cell) is not None
        elif "." in cell:
            dots += 1
    return "," if commas > dots and commas > thousands else "."


def _describe(best: _Cut, preamble: _Preamble, *, stem: str, tensors: bool, whole: bool) -> Dialect | None:
    """The dialect of the best cut, or None where even that is no table."""
    at = _header_row(best, preamble)
    if at is not None and len(best.rows[at : at + 2]) == 2 and len(best.rows[at]) == len(best.rows[at + 1]):
        best = replace(best, width=len(best.rows[at]))  # more usual further down: another log was appended
    data = next((i for i, row in enumerate(best.rows) if any(map(best.is_number, row))), None)
    start = at if at is not None else data
    if start is None or start > _LONGEST_PREAMBLE:
        return None
    body = best.rows[start if at is None else at + 1 :]
    header = _header_cells(best, at, preamble)
    first = best.ends[at] if at is not None else (best.ends[start - 1] if start else preamble.body[0][0])
    columns = _columns(body, best.width)
    numeric = tuple(map(best.are_numbers, columns))
    if not _is_table(best, header, body, columns, numeric):
        return None
    across = "" if header or not whole else _across(best, body, numeric)
    if across:
        names = unique([stem] if across == "values" else [row[0] for row in body])
        numeric = (True,) * len(names)
    else:
        names = unique(_names(best, header, columns, numeric, stem))
        numeric = (numeric + (True,) * len(names))[: len(names)]
    return Dialect(
        best.delimiter,
        best.decimal,
        names,
        header,
        first,
        numeric,
        quoted=best.quoted,
        tensors=tensors,
        across=across,
        config=preamble.config,
        notes=(f"the {start} lines before the table were left out",) if start else (),
    )


def _header_row(best: _Cut, preamble: _Preamble) -> int | None:
    """Index of the row that holds the names: the last row of words above the first numbers."""
    first = next((i for i, row in enumerate(best.rows) if best.is_row(row)), len(best.rows))
    if first == len(best.rows):
        first = next((i for i, row in enumerate(best.rows) if any(map(best.is_number, row))), len(best.rows))
    if first == len(best.rows):  # no numbers at all: a header may stand alone
        return None if any(map(best.is_text, chain.from_iterable(best.rows[1:]))) else 0
    for i in range(first - 1, -1, -1):
        row = best.rows[i]
        if any(map(best.is_text, row)):
            return i if _may_name(row, best, preamble.body[i][1]) else None
    row, below = best.rows[first], best.rows[first + 1 :]
    for j, cell in enumerate(row):  # a word above numbers: a header with names such as 0 and 1 among its words
        under = [r[j] for r in below if j < len(r) and r[j] not in NOT_LOGGED]
        if best.is_text(cell) and under and best.are_numbers(under):
            return first
    counted = row[1:] == [str(k) for k in range(len(row) - 1)]
    return first if len(row) > 1 and row[0] == "" and counted else None  # a DataFrame without names


def _may_name(row: list[str], best: _Cut, line: str) -> bool:
    """True where a row of words fits above the table."""
    if max(map(len, row)) > _LONGEST_NAME:
        return False
    if len(row) in (best.width, best.width - 1, best.width + 1):
        return True
    if len(row) == 1 and any(len(_split_by(mark, row[0])) == best.width for mark in _DELIMITERS):
        return True
    if best.delimiter == WHITESPACE:
        return len(_wide_split(line)) == best.width
    return len(row) >= max(2, 0.5 * best.width)


def _split_by(mark: str, line: str) -> list[str]:
    """The cells of a header at one delimiter."""
    return line.split() if mark == WHITESPACE else [cell.strip() for cell in line.split(mark)]


def _wide_split(line: str) -> list[str]:
    """The names of a whitespace table whose names have blanks themselves."""
    return re.split(r"\s{2,}|\t", line.strip())


def _header_cells(best: _Cut, at: int | None, preamble: _Preamble) -> tuple[str, ...]:
    if at is None:  # np.savetxt puts the names into a comment
        names = [c.strip() for _, row in cut([preamble.comment], best.delimiter) for c in row]
        if len(names) == best.width - 1 and not any(row[-1] for row in best.rows if len(row) == best.width):
            return (*names, "") if all(map(best.is_text, names)) else ()  # the rows end in a delimiter
        return tuple(names) if len(names) == best.width and all(map(best.is_text, names)) else ()
    header = best.rows[at]
    if len(header) == 1 < best.width:  # the names stand apart by another mark than the numbers
        cells = (_split_by(mark, header[0]) for mark in _DELIMITERS)
        header = next((names for names in cells if len(names) == best.width), header)
    if best.delimiter == WHITESPACE and len(header) != best.width:
        wide = _wide_split(preamble.body[at][1])
        header = wide if len(wide) == best.width else header
    while len(header) > best.width and not header[-1]:
        header = header[:-1]
    rows = [row for row in best.rows[at + 1 :] if len(row) == best.width]
    if len(header) == best.width - 1 and any(row[-1] for row in rows):  # else the rows end in a delimiter
        blank = next((j for j, cells in enumerate(zip(*rows, strict=True)) if not any(cells)), 0)
        header = [*header[:blank], "", *header[blank:]]  # R and pandas leave out the name of the index
    above = best.rows[at - 1] if at else []
    if len(header) != len(set(header)) and len(above) == len(header) and not any(map(best.is_number, above)):
        header = [f"{folder} {name}".strip() for folder, name in zip(above, header, strict=True)]  # names in two rows
    return tuple(header)


def _columns(rows: list[list[str]], width: int) -> list[list[str]]:
    """The cells of each column that are not blank."""
    columns = list(zip_longest(*rows, fillvalue=""))[:width]
    filled = [[cell for cell in column if cell not in NOT_LOGGED] for column in columns]
    return filled + [[] for _ in range(width - len(filled))]


def _is_table(
    best: _Cut,
    header: tuple[str, ...],
    body: list[list[str]],
    columns: list[list[str]],
    numeric: tuple[bool, ...],
) -> bool:
    """Tell a table from lines of text that happen to have as many delimiters each."""
    filled = [(column, is_numeric) for column, is_numeric in zip(columns, numeric, strict=True) if column]
    if not body:
        return best.width > 1 and best.delimiter != WHITESPACE and bool(header)
    if not any(is_numeric for _, is_numeric in filled):
        return False
    words = [column for column, is_numeric in filled if not is_numeric]
    if best.width == 1:
        return not words
    if any(cell.endswith((":", "=")) or re.match(r"[A-Za-z_]\w*=", cell) for column in words for cell in column):
        return False  # `name: number` and `name=number` are for the reader of plain text
    if not header:  # words without a header that names them: `Epoch 3 0.51`
        words = [column for column in words if not all(any(c.isdigit() for c in cell) for cell in column)]
        return not words or bool(_named_rows(best, body))
    return best.delimiter != WHITESPACE or len(words) < 0.5 * best.width


def _across(best: _Cut, body: list[list[str]], numeric: tuple[bool, ...]) -> str:
    """How a headerless table lies on its side, or ""."""
    if len(body) == 1 and best.width > 2 and all(numeric):
        return "values"
    return "rows" if _named_rows(best, body) else ""


def _named_rows(best: _Cut, body: list[list[str]]) -> bool:
    """True where each row is a name and then its curve, and the rows are longer than the table is high."""
    names = [row[0] for row in body]
    return (
        best.width > max(5, len(body))
        and len(set(names)) == len(names)
        and all(map(best.is_text, names))
        and not any(best.is_text(cell) for row in body for cell in row[1:])
    )


def _names(
    best: _Cut, header: tuple[str, ...], columns: list[list[str]], numeric: tuple[bool, ...], stem: str
) -> list[str]:
    """The names of the columns; numbers are no names, and a single curve without a name is called as its file."""
    names = [name if best.is_text(name) else "" for name in header]
    if len(names) == 1 and _PLACE.fullmatch(names[0]):
        names = [""]
    names += [""] * (best.width - len(names))
    if any(names[1:]) or (names[0] and len(names) > 1):
        return names
    if best.width > 1 and not names[0] and numeric[0] and _counts(columns[0], best.decimal):
        names[0] = INDEX
    unnamed = [j for j, name in enumerate(names) if not name]
    for j in unnamed:
        names[j] = stem if len(unnamed) == 1 and stem else f"column {j + 1}"
    return names


def _counts(column: list[str], decimal: str) -> bool:
    """True for whole numbers that never fall: a counter."""
    values = [number(cell, decimal) for cell in column]
    whole = [v for v in values if v is not None and v == v and abs(v) != float("inf") and v == int(v)]
    return len(values) == len(whole) > 1 and whole == sorted(whole) and whole[0] < whole[-1]
