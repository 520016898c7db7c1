"""Which of many runs are trainings of one thing, so that they can be held against each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array, Run
from diagnose.measure.between_runs import CURVES

FEWEST = 3
"""Runs from which on there is something to say about them together."""

_IDENTITY = ("dataset", "model", "loss_function")
"""Hyperparameters by which runs are trainings of one thing."""

_START_FACTOR = 2.0
"""Between the first levels of runs of one thing: they start from chance."""

_LENGTH_FACTOR = 1.25
"""Between their last steps."""

_ALIKE = 0.7
"""Share of the runs that must be alike in both."""


def comparable(runs: Sequence[Run]) -> list[list[Run]]:
    """The groups of at least `FEWEST` runs that look like trainings of one thing, in the order of their first run.

    Of one format, with the same main curves under the same names and the same model, data and loss where the config
    says them; those below one folder before those elsewhere; and most of them of one length, from one first level.
    """
    groups: list[list[Run]] = []
    rest: list[Run] = []
    for group in _by([run for run in runs if _main(run)], lambda run: (_kin(run), _folder(run))):
        if len(group) >= FEWEST:
            groups.append(group)
        else:
            rest += group
    groups += [group for group in _by(rest, _kin) if len(group) >= FEWEST]
    return [alike for group in groups if len(alike := _alike(group)) >= FEWEST]


def _by(runs: Iterable[Run], key: Callable[[Run], Hashable]) -> list[list[Run]]:
    """The runs in groups of one key, in the order of their first."""
    groups: dict[Hashable, list[Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return list(groups.values())


def _kin(run: Run) -> Hashable:
    """What runs of one thing have in common."""
    return run.format, run.axis, _main(run), tuple(str(run.config.get(name)) for name in _IDENTITY)


def _main(run: Run) -> tuple[tuple[str, str], ...]:
    """The roles of the compared curves and their columns."""
    return tuple((role, run.roles[role]) for role in CURVES if run.curve(role) is not None)


def _folder(run: Run) -> str:
    """The folder above that of the log: each run of a search mostly has a folder of its own."""
    return str(PurePath(run.source).parent.parent)


def _alike(runs: Sequence[Run]) -> list[Run]:
    """The runs with the usual length and first level; none where too many have others."""
    role = _main(runs[0])[0][0]
    starts = np.array([_start(run, role) for run in runs])
    lengths = np.array([_length(run, role) for run in runs])
    if not (np.isfinite(starts).any() and np.isfinite(lengths).any()):
        return []
    with np.errstate(invalid="ignore", divide="ignore"):
        close = _near_the_middle(starts, _START_FACTOR) & _near_the_middle(lengths, _LENGTH_FACTOR)
    if int(close.sum()) < _ALIKE * len(runs):
        return []
    return [run for run, keep in zip(runs, close, strict=True) if keep]


def _near_the_middle(values: Array, factor: float) -> npt.NDArray[np.bool_]:
    """Which of the values, shape (n,), lie within this factor of their median; NaN does not."""
    middle = float(np.nanmedian(values))
    if middle <= 0.0:
        return np.abs(values - middle) <= (factor - 1.0) * max(abs(middle), 1e-12)
    return (values <= factor * middle) & (values >= middle / factor)


def _start(run: Run, role: str) -> float:
    """The first finite value of a curve; NaN where there is none."""
    curve = run.curve(role)
    finite = None if curve is None else curve.finite().values
    return float(finite[0]) if finite is not None and finite.size else math.nan


def _length(run: Run, role: str) -> float:
    """How far the axis reaches; a run whose loss became NaN is as long as it went on. NaN for a single point."""
    curve = run.curve(role)
    return float(curve.steps[-1] - curve.steps[0]) if curve is not None and len(curve) > 1 else math.nan
