"""Weights & Biases as CSV: a history from its API (`_step`), and a chart from its web pages (`RUN - metric`)."""

from __future__ import annotations

from dataclasses import replace

from diagnose.readers.tables import delimited
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table

NAME = "wandb"

_OF_RUN = " - "


def recognise(document: Document) -> bool:
    """Whether the columns are those of a history or of a chart."""
    header = document.dialect.header if document.dialect is not None else ()
    return _is_history(header) or _is_chart(header)


def read(document: Document) -> list[Table]:
    """Read either. A chart may hold several runs; they are taken apart where tables become runs."""
    header = document.dialect.header if document.dialect is not None else ()
    if _is_history(header):
        return [replace(table, axis="_step") for table in delimited.read(document, "wandb-history-csv")]
    return [_with_axis(table) for table in delimited.read(document, "wandb-export-csv")]


def _is_history(header: tuple[str, ...]) -> bool:
    return "_step" in header and bool({"_runtime", "_timestamp"} & set(header))


def _is_chart(header: tuple[str, ...]) -> bool:
    """An x axis, then `RUN - metric` each with its `__MIN` and `__MAX` (older exports leave those out)."""
    curves = header[1:]
    return bool(curves) and _OF_RUN not in header[0] and all(_OF_RUN in name for name in curves)


def _with_axis(table: Table) -> Table:
    axis = next(iter(table.columns), "")
    return table if _OF_RUN in axis else replace(table, axis=axis)
