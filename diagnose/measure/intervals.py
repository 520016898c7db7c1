"""How long it took from point to point, from whatever a log says of time."""

from __future__ import annotations

import numpy as np

from diagnose.curves import Series


def taken(times: Series) -> Series:
    """The time that each point but the first took, in the unit of the log.

    times: finite. One that never falls is the time so far, another the time of each point. Where points are missing, so
    that the steps between two are a multiple of the usual, the time between them is shared out; steps that differ
    otherwise count something else, such as episodes, which take as long as they take. The first point is left out: it
    holds what was set up and compiled.
    """
    moved, steps = np.diff(times.values), np.diff(times.steps)
    if not bool(np.all(moved >= 0.0)):
        return Series(times.name, times.steps[1:], times.values[1:])
    usual = float(np.median(steps))
    multiple = np.maximum(np.rint(steps / usual), 1.0) if usual > 0.0 else np.ones(steps.size)
    even = usual > 0.0 and bool(np.mean(np.abs(steps / usual - multiple) < 0.01) > 0.9)
    return Series(times.name, times.steps[1:], moved / multiple if even else moved)
