"""Any other delimited text with names or without: CSV, TSV, and tables aligned with blanks."""

from __future__ import annotations

from diagnose.readers.tables import delimited
from diagnose.readers.tables.dialect import WHITESPACE
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table

NAME = "csv"

_FORMATS = {"\t": "tsv", "|": "text-table", WHITESPACE: "text-table"}


def recognise(document: Document) -> bool:
    """Whether the lines are a table at all."""
    return document.dialect is not None


def read(document: Document) -> list[Table]:
    """Read the table; what its columns mean is left to their names."""
    assert document.dialect is not None
    return delimited.read(document, _FORMATS.get(document.dialect.delimiter, NAME))
