"""Lightning's CSVLogger: `metrics.csv` with `epoch` and `step`, where one step may take several sparse rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diagnose.readers.tables import delimited
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table

NAME = "lightning-csv"

_MOST_FALLS = 2  # the rows of `trainer.test()` may go back to the best checkpoint's step; a resume may too


def recognise(document: Document) -> bool:
    """Whether there is a column `epoch` and a column `step`, as Lightning always writes."""
    return document.dialect is not None and {"epoch", "step"} <= set(document.dialect.header)


def read(document: Document) -> list[Table]:
    """Read the metrics; a `step` that starts again in every epoch is not Lightning's, and is left to be worked out."""
    return [_with_axis(table) for table in delimited.read(document, NAME)]


def _with_axis(table: Table) -> Table:
    step = table.columns.get("step")
    if step is None:
        return replace(table, format="csv")
    falls = int((np.diff(step.values[step.logged]) < 0).sum())
    return replace(table, axis="step") if falls <= _MOST_FALLS else replace(table, format="csv")
