"""CSV that a framework writes: one row of `LAYOUTS` says how each is known by its header, and what then is fixed.

A table that a framework writes needs no reader of its own, since `diagnose.readers.tables.delimited` cuts it into
cells: a new one is one more row here. What its rows do not fix is recognised by the names of the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from diagnose.readers.runs.guesses import held_out
from diagnose.readers.tables import delimited
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table

NAME = "known-csv"

Header = tuple[str, ...]
"""The cells of the first line, stripped."""

FIRST = ""
"""Instead of the name of an axis: the first column, whatever it is called."""

_OF_RUN = " - "  # between run and metric in a chart of W&B
_MOST_FALLS = 2  # the rows of `trainer.test()` may go back to the best checkpoint's step; a resume may too


@dataclass(frozen=True, slots=True)
class Layout:
    """What one framework writes.

    name: what `Table.format` says.
    known: whether a header is this framework's.
    axis: the column that is the x axis, `FIRST`, or None where there is none.
    roles: canonical name -> column, where the name does not say it.
    rises: the axis counts through, by which a table is told from others with that header; where it does not, the table
        is any CSV.
    """

    name: str
    known: Callable[[Header], bool]
    axis: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    rises: bool = False


def _is_wandb_history(header: Header) -> bool:
    """A history from the API of Weights & Biases."""
    return "_step" in header and bool({"_runtime", "_timestamp"} & set(header))


def _is_wandb_chart(header: Header) -> bool:
    """A chart from its pages: an axis, then `RUN - metric` with `__MIN` and `__MAX` (older exports leave those out)."""
    return len(header) > 1 and _OF_RUN not in header[0] and all(_OF_RUN in name for name in header[1:])


def _is_monitor(header: Header) -> bool:
    """Stable-Baselines3's monitor: reward, length in steps and end time in seconds of each episode."""
    return set(header[:3]) == {"r", "l", "t"}


def _is_progress(header: Header) -> bool:
    """Stable-Baselines3's logger."""
    return "time/total_timesteps" in header


def _is_ultralytics(header: Header) -> bool:
    """Ultralytics and YOLOv5: training losses, and either its metrics or its learning rates per group."""
    return (
        "epoch" in header
        and any(name.startswith("train/") and name.endswith("loss") for name in header)
        and any(name.startswith(("metrics/", "lr/pg", "x/lr")) for name in header)
    )


def _is_lightning(header: Header) -> bool:
    """Lightning's CSVLogger, of which one step may take several sparse rows."""
    return {"epoch", "step"} <= set(header)


def _is_keras(header: Header) -> bool:
    """Keras' CSVLogger: the metrics in alphabetical order. `loss` is that of training, regularization included."""
    return header[:1] == ("epoch",) and "loss" in header and list(header[1:]) == sorted(header[1:])


def _is_spacy(header: Header) -> bool:
    """spaCy's table of a training: epoch, step, losses, and what was measured on the development set."""
    return header[:2] == ("E", "#") and "SCORE" in header


LAYOUTS = (
    Layout("wandb-history-csv", _is_wandb_history, axis="_step"),
    Layout("wandb-export-csv", _is_wandb_chart, axis=FIRST),
    Layout("sb3-monitor-csv", _is_monitor, roles={"reward": "r"}),
    Layout("sb3-progress-csv", _is_progress, axis="time/total_timesteps"),
    Layout("ultralytics-csv", _is_ultralytics, axis="epoch"),
    Layout("spacy-table", _is_spacy, axis="#", roles={"val_accuracy": "SCORE"}),
    Layout("lightning-csv", _is_lightning, axis="step", rises=True),
    Layout("keras-csv", _is_keras, axis="epoch", roles={"train_loss": "loss", "val_loss": "val_loss"}),
)
"""In order of precedence."""


def recognise(document: Document) -> bool:
    """Whether the header is that of one of `LAYOUTS`."""
    return _layout(document) is not None


def read(document: Document) -> list[Table]:
    """Read the table, and fix what its framework fixes. Raises ReadError as `delimited.read` does."""
    layout = _layout(document)
    assert layout is not None
    return [_fixed(table, layout, document) for table in delimited.read(document, layout.name)]


def _layout(document: Document) -> Layout | None:
    """The first layout to which the header belongs."""
    dialect = document.dialect
    return None if dialect is None else next((layout for layout in LAYOUTS if layout.known(dialect.header)), None)


def _fixed(table: Table, layout: Layout, document: Document) -> Table:
    """The table with its axis and roles, as far as it has the columns: they may change part-way through a log."""
    assert document.dialect is not None
    axis = document.dialect.names[0] if layout.axis == FIRST else layout.axis
    if layout.rises and not _rises(table, axis):
        return replace(table, format="csv")
    fixed = {} if held_out(document.stem) else layout.roles
    roles = {role: name for role, name in fixed.items() if name in table.columns}
    return replace(table, axis=axis if axis in table.columns else None, roles=roles)


def _rises(table: Table, axis: str | None) -> bool:
    """Whether the axis counts through: one that starts again with every epoch is left to be worked out."""
    column = table.columns.get(axis or "")
    return column is not None and int((np.diff(column.values[column.logged]) < 0).sum()) <= _MOST_FALLS
