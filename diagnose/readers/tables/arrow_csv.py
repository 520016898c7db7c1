"""Large tidy CSV through pyarrow: the same cells as the line-by-line path, or None where pyarrow refuses.

Numbers arrive as float64 and blank cells as nulls, so that a NaN that was logged and a value that was not stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diagnose.readers.tables.cells import NOT_LOGGED, Cells, parse
from diagnose.readers.tables.dialect import Dialect
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Column


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What pyarrow read.

    names: all columns in the order of the log.
    numbers: the columns that are numbers throughout.
    others: the parsed cells of the columns that hold text in the sample.
    rows: number of rows.
    cut: True where the last line is cut and was left out.
    """

    names: tuple[str, ...]
    numbers: Mapping[str, Column]
    others: Mapping[str, list[Cells]]
    rows: int
    cut: bool


def read(document: Document, dialect: Dialect, names: Sequence[str]) -> Columns | None:
    """Read all columns; None where the source is not that tidy."""
    if not _tidy(document, dialect, names):
        return None
    import pyarrow as pa
    from pyarrow import csv

    invalid: list[Any] = []

    def keep_invalid(row: Any) -> str:
        invalid.append(row)
        return "skip" if len(invalid) == 1 else "error"

    numeric = dict(zip(names, dialect.numeric, strict=True))
    try:
        table = csv.read_csv(
            str(document.path) if document.data is None else pa.BufferReader(document.data),
            read_options=csv.ReadOptions(column_names=list(names), skip_rows=dialect.first),
            parse_options=csv.ParseOptions(delimiter=dialect.delimiter, invalid_row_handler=keep_invalid),
            convert_options=csv.ConvertOptions(
                column_types={name: pa.float64() if ok else pa.string() for name, ok in numeric.items()},
                null_values=sorted(NOT_LOGGED),
                quoted_strings_can_be_null=True,
                decimal_point=dialect.decimal,
            ),
        )
    except pa.ArrowInvalid:  # ragged rows, a header in the middle, percent signs, text further down
        return None
    if invalid and not _is_last_line(document, invalid[0]):
        return None
    rows = table.num_rows
    numbers: dict[str, Column] = {}
    others: dict[str, list[Cells]] = {}
    for name in names:
        chunks = table.column(0).chunks
        table = table.remove_column(0)  # lets go of what has been copied
        if numeric[name]:
            numbers[name] = _column(chunks, rows)
        else:
            others[name] = [parse(chunk.to_pylist(), dialect.decimal) for chunk in chunks]
        del chunks
    return Columns(tuple(names), numbers, others, rows, cut=bool(invalid))


def _tidy(document: Document, dialect: Dialect, names: Sequence[str]) -> bool:
    return (
        not (document.growing and document.ends_mid_line)
        and document.encoding in ("utf-8", "utf-8-sig")
        and dialect.delimiter not in ("|", " ")
        and dialect.quoted
        and not dialect.tensors
        and len(names) == len(dialect.numeric)
        and len(dialect.header) in (0, len(names))
        and all(dialect.header[1:])  # a column without a name may be a comma at the end
        and (dialect.first <= 1 or b"\r\r" not in document.head_bytes)  # to pyarrow, two line ends to skip
    )


def _is_last_line(document: Document, row: Any) -> bool:
    """True where the row that pyarrow refused is the cut end of the file."""
    if not document.ends_mid_line or row.actual_columns > row.expected_columns:
        return False
    end: bytes = row.text.encode()
    if document.data is not None:
        return document.data.endswith(end)
    with document.stream() as stream:
        stream.seek(max(0, document.size - len(end)))
        return stream.read() == end


def _column(chunks: Sequence[Any], rows: int) -> Column:
    """The numbers of the chunks, from their buffers: pyarrow's own `to_numpy` imports pandas, a third of a second."""
    values = np.empty(rows)
    logged = np.ones(rows, dtype=np.bool_)
    at = 0
    for chunk in filter(len, chunks):
        end = at + len(chunk)
        valid, data = chunk.buffers()
        values[at:end] = np.frombuffer(data, np.float64, len(chunk), chunk.offset * values.itemsize)
        if chunk.null_count:
            bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
            logged[at:end] = bits[chunk.offset : chunk.offset + len(chunk)]
        at = end
    values[~logged] = np.nan
    return Column(values, logged)
