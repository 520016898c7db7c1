"""Stable-Baselines3: the logger's `progress.csv`, and `monitor.csv` with its `#{json}` line."""

from __future__ import annotations

from dataclasses import replace

from diagnose.readers.tables import delimited
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table

NAME = "sb3"

_TIMESTEPS = "time/total_timesteps"
_MONITOR = ("r", "l", "t")  # reward, length in steps and end time in seconds of each episode


def recognise(document: Document) -> bool:
    """Whether the columns are a monitor's, or count the timesteps as the logger does."""
    header = document.dialect.header if document.dialect is not None else ()
    return header[:3] == _MONITOR or _TIMESTEPS in header


def read(document: Document) -> list[Table]:
    """Read either file. A monitor has one row per episode and no axis; its first line is kept as configuration."""
    dialect = document.dialect
    if dialect is not None and dialect.header[:3] == _MONITOR:
        return [replace(table, roles={"reward": "r"}) for table in delimited.read(document, "sb3-monitor-csv")]
    return [replace(table, axis=_TIMESTEPS) for table in delimited.read(document, "sb3-progress-csv")]
