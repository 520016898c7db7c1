"""How long each step took, from whatever a log says of time."""

from __future__ import annotations

import numpy as np

from diagnose.curves import Series


def per_step(times: Series) -> Series:
    """The time that a step took, at every point but the first, in the unit of the log.

    times: finite. One that never falls is the time so far, another the time of each point. The first point is left out:
    it holds what was set up and compiled.
    """
    moved = np.diff(times.values)
    if bool(np.all(moved >= 0.0)):
        return Series(times.name, times.steps[1:], moved / np.maximum(np.diff(times.steps), 1e-300))
    return Series(times.name, times.steps[1:], times.values[1:])
