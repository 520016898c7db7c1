"""YOLOv3 to YOLOv7: `results.txt`, a table without a header: `0/29  1.86G  0.0985 ...`."""

from __future__ import annotations

import re
from dataclasses import replace

from diagnose.readers.tables import delimited
from diagnose.readers.tables.dialect import WHITESPACE
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table

NAME = "yolo-results-txt"

_COLUMNS = (
    "epoch",
    "gpu_mem",
    "train/box_loss",
    "train/obj_loss",
    "train/cls_loss",
    "train/total_loss",
    "targets",
    "img_size",
    "metrics/precision",
    "metrics/recall",
    "metrics/mAP_0.5",
    "metrics/mAP_0.5:0.95",
    "val/box_loss",
    "val/obj_loss",
    "val/cls_loss",
)
"""The order in which train.py of YOLOv5 up to version 5 writes them; YOLOv7 kept it."""

_FIRST_CELLS = re.compile(r"\s*\d+/\d+\s+[\d.]+[GM]\s")
_ROLES = {"train_loss": "train/box_loss", "val_loss": "val/box_loss"}  # of the total there is no validation value


def recognise(document: Document) -> bool:
    """Whether the first line starts with `epoch/epochs` and a memory size, and has the fifteen cells."""
    dialect = document.dialect
    return (
        dialect is not None
        and dialect.delimiter == WHITESPACE
        and len(dialect.names) == len(_COLUMNS)
        and _FIRST_CELLS.match(document.head_text) is not None
    )


def read(document: Document) -> list[Table]:
    """Read the results and name the columns."""
    tables = delimited.read(document, NAME, names=_COLUMNS)
    return [replace(table, axis="epoch", roles=_ROLES) for table in tables]
