"""Keras' CSVLogger: `epoch` first, then the metrics in alphabetical order, with `val_` before those of validation."""

from __future__ import annotations

from dataclasses import replace

from diagnose.readers.tables import delimited
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table

NAME = "keras-csv"


def recognise(document: Document) -> bool:
    """Whether the header is `epoch` and then sorted names with `loss` among them."""
    header = document.dialect.header if document.dialect is not None else ()
    return header[:1] == ("epoch",) and "loss" in header and list(header[1:]) == sorted(header[1:])


def read(document: Document) -> list[Table]:
    """Read the history. `loss` is the training loss, regularization included."""
    return [_with_roles(table) for table in delimited.read(document, NAME)]


def _with_roles(table: Table) -> Table:
    roles = {"train_loss": "loss", "val_loss": "val_loss"}
    return replace(table, axis="epoch", roles={role: name for role, name in roles.items() if name in table.columns})
