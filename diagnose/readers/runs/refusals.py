"""Tables that look like logs and are none: one row per run, nothing to judge."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diagnose.errors import ReadError
from diagnose.names import hyperparameters, roles
from diagnose.names.roles import Facets
from diagnose.readers.tables.table import Column, Table

_RUNS_TABLE = frozenset(
    {
        "Name",
        "State",
        "Notes",
        "User",
        "Tags",
        "Created",
        "Runtime",
        "Sweep",
        "ID",
        "Updated",
        "Hostname",
        "Description",
        "Start Time",
        "End Time",
        "Heartbeat At",
        "GPU Count",
        "GPU Type",
        "Commit",
        "GitHub",
        "Host",
    }
)
"""Columns that the table of runs in the Weights & Biases interface exports, as it spells them."""


_SHOWN = 80  # characters of a name in an error


def refuse(table: Table, facets: Mapping[str, Facets]) -> None:
    """Raise ReadError where the table is plainly no log of a training run.

    facets: what the name of each column means, here and below.
    """
    if not table.columns:
        raise ReadError("no numeric column, so nothing here is a curve")
    if not table.rows:
        raise ReadError("no row of values")
    names = [*table.columns, *table.text]
    if sum(name.strip() in _RUNS_TABLE for name in names) >= 4 or _row_per_run(table, facets):
        raise ReadError(
            "a table with one row per run (a sweep or a W&B runs table), not the log of one; export the run's history"
        )


def _row_per_run(table: Table, facets: Mapping[str, Facets]) -> bool:
    """Whether each row describes a run of its own: no axis, but an identifier per row or a set of hyperparameters.

    A log that prints its arguments at each start has them in a few rows only.
    """
    if any(facets[name].quantity in roles.AXES and _counts_up(column) for name, column in table.columns.items()):
        return False
    full = [name for name, column in table.columns.items() if 2 * np.count_nonzero(column.logged) >= table.rows]
    known = {hyperparameters.hyperparameter(name) for name in (*full, *table.text)}
    settings = known & (hyperparameters.SETTINGS - {"learning_rate", "epochs"})  # those two may be curves
    labels = [cells for cells in table.text.values() if table.rows > 1 and len(set(cells)) == table.rows]
    curves = [facets[name] for name in table.columns if facets[name].quantity in roles.METRICS]
    summaries = bool(curves) and all(curve.extreme for curve in curves)
    return len(settings) >= 3 or (bool(labels) and (summaries or len(table.text) >= 3))


def _counts_up(column: Column) -> bool:
    """Whether a column rises, apart from a restart here and there."""
    steps = np.diff(column.values[column.logged])
    rises, falls = int(np.count_nonzero(steps > 0)), int(np.count_nonzero(steps < 0))
    return rises > 0 and falls <= 0.1 * rises


def no_curve(table: Table, facets: Mapping[str, Facets]) -> ReadError:
    """The error for a table in which no column plays a main role."""
    short = {
        name: int(np.count_nonzero(column.logged)) for name, column in table.columns.items() if facets[name].is_metric
    }
    if 0 < max(short.values(), default=0) < roles.FEW_POINTS:
        return too_short(short, facets)
    names = [*table.columns, *table.text]
    shown = ", ".join(name[:_SHOWN] for name in names[:8]) + (", ..." if len(names) > 8 else "")
    return ReadError(f"no loss among {shown}; name it with --map train_loss=COLUMN")


def too_short(points: Mapping[str, int], facets: Mapping[str, Facets]) -> ReadError:
    """The error for a table whose longest main curve (of those in `points`) is no curve yet."""
    name = max(points, key=lambda column: (points[column], facets[column].quantity == "loss"))
    count = points[name]
    return ReadError(
        f"only {count} point{'' if count == 1 else 's'} of {name}; a curve needs at least {roles.FEW_POINTS}"
    )
