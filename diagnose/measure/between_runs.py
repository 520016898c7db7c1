"""Runs of the same thing beside each other: which are comparable, what differs between them, and by how much.

Curves are compared over the steps that all of them cover, as means over equal stretches of the axis ("bins"), so that
runs logged at different cadences meet on one axis. Differences are counted in the direction in which a curve gets
worse, in shares of the level of a loss and in points of an accuracy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array, Run, Series
from diagnose.measure import statistics

CURVES = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
"""Roles whose levels are compared between runs."""

FEWEST = 3
"""Runs from which on there is something to say about them together."""

Bins = npt.NDArray[np.float64]
"""Shape (runs, bins): the mean of each run's curve in each stretch of the axis."""

_IDENTITY = ("dataset", "model", "loss_function")
_BOOKKEEPING = re.compile(
    r"(^|[_./-])(seed|id|uuid|name|tags?|notes?|dir|path|folder|file|root|group|user|host(name)?|date|time(stamp)?|port|"
    r"rank|gpus?|device|devices|workers|num_workers|version|wandb|verbose|debug|resume|log\w*|save\w*|output\w*|"
    r"checkpoint\w*|project|entity|job\w*|run\w*|exp\w*)($|[_./-])",
    re.IGNORECASE,
)
_MOST_BINS = 48
_START_FACTOR = 2.0  # between the first levels of runs of one thing: they start from chance
_LENGTH_FACTOR = 1.25  # between their last steps
_ALIKE = 0.7  # share of the runs that must be alike in both


# --- which runs belong together


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


def _by(runs: Iterable[Run], key: Any) -> list[list[Run]]:
    groups: dict[Hashable, list[Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return list(groups.values())


def _main(run: Run) -> tuple[tuple[str, str], ...]:
    """The roles of the compared curves and their columns."""
    return tuple((role, run.roles[role]) for role in CURVES if run.curve(role) is not None)


def _kin(run: Run) -> Hashable:
    return run.format, run.axis, _main(run), tuple(str(run.config.get(name)) for name in _IDENTITY)


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
    start, length = float(np.nanmedian(starts)), float(np.nanmedian(lengths))
    with np.errstate(invalid="ignore", divide="ignore"):
        close = _within(starts, start, _START_FACTOR) & _within(lengths, length, _LENGTH_FACTOR)
    if int(close.sum()) < _ALIKE * len(runs):
        return []
    return [run for run, keep in zip(runs, close, strict=True) if keep]


def _within(values: Array, middle: float, factor: float) -> npt.NDArray[np.bool_]:
    if middle <= 0.0:
        return np.abs(values - middle) <= (factor - 1.0) * max(abs(middle), 1e-12)
    return (values <= factor * middle) & (values >= middle / factor)


def _start(run: Run, role: str) -> float:
    curve = run.curve(role)
    finite = None if curve is None else curve.finite().values
    return float(finite[0]) if finite is not None and finite.size else math.nan


def _length(run: Run, role: str) -> float:
    """How far the axis reaches; a run whose loss became NaN is as long as it went on."""
    curve = run.curve(role)
    return float(curve.steps[-1] - curve.steps[0]) if curve is not None and len(curve) > 1 else math.nan


# --- what differs between their configurations


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


# --- their curves on one axis


def binned(curves: Sequence[Series]) -> tuple[Array, Bins] | None:
    """Means over equal stretches of the axis that all curves cover: the middles of the bins, and the means.

    As many bins as the sparsest curve has points there, at most 48. None for fewer than 5 bins.
    """
    finite = [curve.finite() for curve in curves]
    if min(map(len, finite), default=0) < 5:
        return None
    low = max(float(curve.steps[0]) for curve in finite)
    high = min(float(curve.steps[-1]) for curve in finite)
    if not high > low:
        return None
    inside = [(c.steps >= low) & (c.steps <= high) for c in finite]
    count = min(_MOST_BINS, *(int(keep.sum()) for keep in inside))
    if count < 5:
        return None
    width = (high - low) / count
    middles = low + width * (np.arange(count, dtype=np.float64) + 0.5)
    rows = [_means(c.steps[keep], c.values[keep], low, width, middles) for c, keep in zip(finite, inside, strict=True)]
    return middles, np.array(rows)


def _means(steps: Array, values: Array, low: float, width: float, middles: Array) -> Array:
    place = np.minimum(((steps - low) / width).astype(int), middles.size - 1)
    counts = np.bincount(place, minlength=middles.size)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(place, weights=values, minlength=middles.size) / counts
    filled = counts > 0
    return np.where(filled, means, np.interp(middles, middles[filled], means[filled]))


def worse_by(role: str) -> float:
    """1 for a curve that gets worse upward (a loss), -1 for one that gets worse downward."""
    return 1.0 if role.endswith("loss") else -1.0


def scale(role: str, bins: Bins) -> float:
    """What a difference between runs is counted in: the usual late level of a positive loss, but at least a twentieth
    of its fall; the fall alone where a loss is not positive; one for an accuracy (100 where it is in percent).
    """
    usual = np.median(bins, axis=0)
    if not role.endswith("loss"):
        return 100.0 if float(np.abs(usual).max()) > 1.5 else 1.0
    late = float(usual[usual.size // 2 :].mean())
    fall = float(usual.max() - usual.min())
    if float(bins.min()) > 0.0:
        return max(late, 0.05 * fall)
    return max(fall, 1e-12)


class Departure(NamedTuple):
    """How far one value lies from those of its siblings.

    excess: value minus their mean. sd: of the prediction. p: chance of one so high or higher among siblings.
    """

    excess: float
    sd: float
    p: float


PRIOR_DEGREES = 8.0
"""Degrees of freedom of what is known beforehand about the spread between runs."""


def departure(value: float, siblings: Array, prior_sd: float) -> Departure:
    """Moderated t prediction of one value from its siblings'.

    The variance between runs is shrunk towards `prior_sd`^2 with `PRIOR_DEGREES` degrees of freedom, as few siblings
    say little about it [Smyth, Linear models and empirical Bayes methods (2004)]. Where they spread more than that
    says, the observed variance counts, with half of those degrees. The value of a new run has 1 + 1/n of the variance.
    """
    n = siblings.size
    observed = float(np.var(siblings, ddof=1)) if n > 1 else 0.0
    degrees = PRIOR_DEGREES + n - 1
    variance = (PRIOR_DEGREES * prior_sd**2 + (n - 1) * observed) / degrees
    if observed > variance:
        variance, degrees = observed, 0.5 * PRIOR_DEGREES + n - 1
    sd = math.sqrt(variance * (1.0 + 1.0 / n))
    excess = value - float(siblings.mean())
    return Departure(excess, sd, statistics.student_above(excess / sd, degrees) if sd > 0.0 else 0.5)


def noise(bins: Bins) -> float:
    """The standard deviation of one bin around a smooth curve, the usual one of the runs."""
    return float(np.median([statistics.jitter(row) for row in bins]))


def smoothed(bins: Bins, width: int) -> Bins:
    """Running means over `width` bins, shape (runs, bins - width + 1)."""
    total = np.cumsum(np.pad(bins, ((0, 0), (1, 0))), axis=1)
    means: Bins = (total[:, width:] - total[:, :-width]) / width
    return means
