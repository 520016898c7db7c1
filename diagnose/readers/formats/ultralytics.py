"""Ultralytics and YOLOv5: `results.csv`, one row per epoch, names and values padded with blanks by older versions."""

from __future__ import annotations

from dataclasses import replace

from diagnose.readers.tables import delimited
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table

NAME = "ultralytics-csv"


def recognise(document: Document) -> bool:
    """Whether there are `epoch`, training losses, and either its metrics or its learning rates per group."""
    header = document.dialect.header if document.dialect is not None else ()
    return (
        "epoch" in header
        and any(name.startswith("train/") and name.endswith("loss") for name in header)
        and any(name.startswith(("metrics/", "lr/pg", "x/lr")) for name in header)
    )


def read(document: Document) -> list[Table]:
    """Read the results. Epochs that were rolled back after a NaN are not in the file."""
    return [replace(table, axis="epoch") for table in delimited.read(document, NAME)]
