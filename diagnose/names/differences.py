"""What differs between the configurations of runs, apart from seeds, paths and names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from diagnose.curves import Array, Run

_BOOKKEEPING = re.compile(
    r"(^|[_./-])(seed|id|uuid|name|tags?|notes?|dir|path|folder|file|root|group|user|host(name)?|date|time(stamp)?|port|"
    r"rank|gpus?|device|devices|workers|num_workers|version|wandb|verbose|debug|resume|log\w*|save\w*|output\w*|"
    r"checkpoint\w*|project|entity|job\w*|run\w*|exp\w*)($|[_./-])",
    re.IGNORECASE,
)


def settings(run: Run) -> dict[str, float | str | bool]:
    """The plain values of the config, apart from bookkeeping such as seeds, paths and names; numbers as floats."""
    found: dict[str, float | str | bool] = {}
    for name, value in run.config.items():
        if _BOOKKEEPING.search(name):
            continue
        if isinstance(value, bool | str):
            found[name] = value
        elif isinstance(value, int | float) and math.isfinite(value):
            found[name] = float(value)
    return found


def varied(runs: Sequence[Run]) -> Mapping[str, list[float | str | bool]]:
    """The settings that all of the runs know and not all have alike, with one value per run; {} without a config."""
    return {
        name: known
        for name, values in differing(runs).items()
        if len(known := [value for value in values if value is not None]) == len(values)
    }


def differing(runs: Sequence[Run]) -> Mapping[str, list[float | str | bool | None]]:
    """The settings that not all of the runs have alike, with one value per run; None where a run does not know it."""
    known = [settings(run) for run in runs]
    names = dict.fromkeys(name for config in known for name in config)
    columns = {name: [config.get(name) for config in known] for name in names}
    return {name: values for name, values in columns.items() if len(set(values)) > 1}


def searched(runs: Sequence[Run], *, most: int = 4) -> Mapping[str, Array]:
    """The numbers that vary between the runs of a search, one value per run.

    Empty where more than `most` settings vary, or more than half of many: then they are no search, but different
    trainings.
    """
    columns = varied(runs)
    shared = len(set(settings(runs[0])).intersection(*(settings(run) for run in runs[1:]))) if runs else 0
    if len(columns) > most or (len(columns) > 2 and len(columns) > 0.5 * shared):
        return {}
    return {
        name: np.array(values, dtype=np.float64)
        for name, values in columns.items()
        if all(isinstance(value, float) and not isinstance(value, bool) for value in values)
    }


def differences(run: Run, others: Sequence[Run]) -> list[str]:
    """Settings of a run that none of the others has, as `batch_size 64 -> 128`, the well-known names first."""
    own = settings(run)
    found = []
    for name in own:
        values = [config[name] for other in others if name in (config := settings(other))]
        if values and own[name] not in values:
            usual = max(set(values), key=values.count)
            found.append(f"{name} {_said(usual)} -> {_said(own[name])}")
    return found


def _said(value: float | str | bool) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:40]
