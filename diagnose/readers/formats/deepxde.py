"""DeepXDE's `loss.dat`: the step, then every term of the loss on the training points, on the test points, and metrics.

Its four names stand for more columns than four, and nothing says how many terms there are; the terms on both kinds of
points are of one size, which tells. The training minimises their sum, since their weights are in them.

Source: deepxde/utils/external.py, save_loss_history, DeepXDE 1.x.
"""

from __future__ import annotations

import numpy as np

from diagnose import limits
from diagnose.curves import Array
from diagnose.errors import ReadError
from diagnose.readers.tables.cells import number
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Column, Table

NAME = "deepxde"

_HEADER = "# step, loss_train, loss_test, metrics_test"
_FEWEST = 3  # the step and one term on each kind of points
_TINY = 1e-30  # below which a term counts as this, so that it has a logarithm


def recognise(document: Document) -> bool:
    """Whether the file starts with the names of the columns."""
    return document.head_text.startswith(_HEADER)


def read(document: Document) -> list[Table]:
    """Read the sums of the terms, the terms, and the metrics. Raises ReadError where no row is whole."""
    rows: list[list[float]] = []
    lines: list[int] = []
    for place, line in enumerate(document.text.split("\n"), 1):
        cells = [] if line.startswith("#") else [number(cell) for cell in line.split()]
        values = [cell for cell in cells if cell is not None]
        if len(values) >= _FEWEST and (not rows or len(values) == len(rows[0])):
            rows.append(values)
            lines.append(place)
    if not rows:
        raise ReadError("there is a header, but no row of losses under it")
    if len(rows[0]) > limits.current().columns:
        raise ReadError(f"there are {len(rows[0]):,} columns, more than {limits.said('columns')}")
    table = np.array(rows)
    terms = _terms(table[:, 1:])
    columns = {"step": table[:, 0]}
    for name, first in (("loss_train", 1), ("loss_test", 1 + terms)):
        columns[name] = table[:, first : first + terms].sum(axis=1)
        if terms > 1:
            columns |= {f"{name}/{i + 1}": table[:, first + i] for i in range(terms)}
    columns |= {f"metrics_test/{i + 1}": table[:, j] for i, j in enumerate(range(1 + 2 * terms, table.shape[1]))}
    logged = np.ones(len(rows), dtype=np.bool_)
    notes = (f"loss_train and loss_test are the sums of {terms} terms each",) if terms > 1 else ()
    roles = {"train_loss": "loss_train", "val_loss": "loss_test"}
    named = {name: Column(values, logged) for name, values in columns.items()}
    return [Table(NAME, named, len(rows), axis="step", roles=roles, notes=notes, lines=lines)]


def _terms(table: Array) -> int:
    """How many terms there are: as many as make the columns of training and test points the most alike."""
    sizes = np.log(np.maximum(np.abs(np.nan_to_num(table, nan=1.0, posinf=1.0, neginf=1.0)), _TINY))
    apart = {
        terms: float(np.mean(np.abs(sizes[:, :terms] - sizes[:, terms : 2 * terms])))
        for terms in range(1, table.shape[1] // 2 + 1)
    }
    return min(apart, key=lambda terms: (apart[terms], -terms))
