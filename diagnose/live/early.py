"""The first points of a run, too few for a curve, of which one thing can be said: that a loss is NaN or infinite."""

from __future__ import annotations

import numpy as np

from diagnose.curves import Run, Series
from diagnose.names import roles
from diagnose.readers.tables.table import Table


def first_points(table: Table) -> Run | None:
    """The run with the curves that hold a value which is not finite; None where there is none.

    The other curves are left out, so that no rule takes these few points for a run.
    """
    axis = table.columns.get(table.axis or "")
    steps = np.arange(table.rows, dtype=np.float64) if axis is None else axis.values
    series = {
        name: Series(name, steps[column.logged], column.values[column.logged])
        for name, column in table.columns.items()
        if name != table.axis and not np.isfinite(column.values[column.logged]).all()
    }
    found = {role: name for role, name in roles.assign(tuple(series)).items() if role in ("train_loss", "val_loss")}
    if not found:
        return None
    counts = roles.parse(table.axis or "").quantity or "step"
    return Run(
        table.name, {name: series[name] for name in found.values()}, found, table.config, table.name, axis=counts
    )
