"""Logs on disk, written from runs with a known illness."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diagnose.curves import Run


def write_csv(run: Run, path: Path) -> Path:
    """Write the series of a run, which share their steps, as a CSV with an epoch column."""
    columns = list(run.series.values())
    rows = np.column_stack([columns[0].steps, *(c.values for c in columns)])
    lines = [",".join(["epoch", *(c.name for c in columns)])]
    lines += [",".join(f"{value:.8g}" for value in row) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path
