"""A run as its log stood earlier, and where to look at it: whether a finding has held need not be waited for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from diagnose.curves import Run, Series

BACK = 1.05
"""Between the lengths of two looks back."""

LOOKS_BACK = 16
"""Looks back at most: they reach to less than half of the run."""


def until(run: Run, step: float) -> Run:
    """The run as its log stood after this step."""
    cut = {}
    for column, series in run.series.items():
        count = int(np.searchsorted(series.steps, step, side="right"))
        blank = series.blank_from if series.blank_from is not None and series.blank_from <= step else None
        cut[column] = Series(series.name, series.steps[:count], series.values[:count], blank)
    return replace(run, series=cut, logged=0, lines=None)


def before(run: Run, since: float) -> Iterator[Run]:
    """The run at up to `LOOKS_BACK` earlier lengths after the step `since`, the shortest first."""
    played = [run.series[column] for column in run.roles.values() if column in run.series]
    if not played:
        return
    steps = max(played, key=len).steps
    places: list[int] = []
    length = float(steps.size)
    while len(places) < LOOKS_BACK and length > 2:
        length = min(length / BACK, length - 1.0)
        if steps[int(length) - 1] <= since:
            break
        places.append(int(length))
    for place in reversed(places):
        yield until(run, float(steps[place - 1]))
