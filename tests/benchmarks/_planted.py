"""Effects planted in real healthy curves, whose noise is their own.

The curves are those of the AlgoPerf benchmark (a parquet file with columns run, step, train_loss, val_loss,
train_metric, val_metric, metric); which of them are healthy is told from the dense curve alone (`is_clean`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from _drawn import Drawn, random_of, run_of
from _kinds import divergence, loss_spike, overconfidence, overfitting
from _noise import Noise, visibility

from diagnose.curves import Array
from diagnose.measure.statistics import GAUSSIAN_MAD

WHOLE = 0
"""Stands for all points of a curve where a number of points is asked for."""

POINTS = (8, 10, 15, 20, 30, WHOLE)
"""Lengths to which a curve is thinned."""

LEAST_POINTS = 12  # fewer tell too little of the noise
LEAST_NOISE = 1e-6  # of the level; the oracle of a curve without any would see everything

PLANTED = {
    "overfitting": overfitting,
    "overconfidence": overconfidence,
    "divergence": divergence,
    "loss-spike": loss_spike,
}
"""The kinds whose template and size can be laid on another curve."""


@dataclass(frozen=True, eq=False)
class Real:
    """A healthy curve: its steps, losses and accuracies by role (each of shape (n,)), and the noise of each loss."""

    name: str
    steps: Array
    curves: Mapping[str, Array]
    noises: Mapping[str, float]


def second_differences(values: Array) -> float:
    """Robust standard deviation of the noise around a smooth curve of at least 3 points [Gasser et al. 1986]."""
    return float(GAUSSIAN_MAD * np.median(np.abs(np.diff(values, 2))) / np.sqrt(6.0))


def smooth(values: Array) -> Array:
    """Running median of 3; the ends keep their value."""
    inner = np.median(np.lib.stride_tricks.sliding_window_view(values, 3), axis=1)
    return np.concatenate([values[:1], inner, values[-1:]])


def rise(values: Array) -> float:
    """How far a curve ends (median of its last tenth, at least 2 points) above its lowest level, as a share of it."""
    lowest = float(smooth(values).min())
    return float(np.median(values[-max(2, values.size // 10) :])) / lowest - 1.0


def is_clean(train: Array, val: Array) -> bool:
    """Whether nothing is wrong with a pair of losses, as far as a dense curve tells it mechanically."""
    return (
        rise(val) < 0.01
        and rise(train) < 0.02
        and not jumps(train)
        and not jumps(val)
        and float(train[-1]) < 0.9 * float(train[0])
    )


def jumps(values: Array) -> bool:
    """Whether a point lies 10 % above the median of its four neighbours."""
    windows = np.lib.stride_tricks.sliding_window_view(values, 5)
    around = np.median(windows[:, [0, 1, 3, 4]], axis=1)
    return bool(np.any(windows[:, 2] > 1.1 * around))


@functools.lru_cache(maxsize=1)
def clean(path: str) -> tuple[Real, ...]:
    """The healthy curves of the file, in its order."""
    import pandas as pd

    frame = pd.read_parquet(path)
    found = (_real(str(name), rows) for name, rows in frame.groupby("run", observed=True, sort=False))
    return tuple(real for real in found if real is not None)


def _real(name: str, rows: Any) -> Real | None:
    """One run of the file, or None where it is short, not positive, or not clean."""
    rows = rows[np.isfinite(rows.train_loss) & np.isfinite(rows.val_loss)]
    losses = {role: rows[role].to_numpy(np.float64) for role in ("train_loss", "val_loss")}
    if len(rows) < LEAST_POINTS or min(map(np.min, losses.values())) <= 0.0 or not is_clean(*losses.values()):
        return None
    noises = {
        role: max(second_differences(values), LEAST_NOISE * float(values.min())) for role, values in losses.items()
    }
    metrics = rows[["train_metric", "val_metric"]].to_numpy(np.float64)
    known = rows.metric.iloc[0] == "accuracy" and bool(np.isfinite(metrics).all())
    accuracies = {"train_accuracy": metrics[:, 0], "val_accuracy": metrics[:, 1]} if known else {}
    return Real(name, rows.step.to_numpy(np.float64), losses | accuracies, noises)


def thinned(real: Real, points: int) -> Real:
    """The curve at evenly spaced points, the ends among them; as it is for `WHOLE` and for more than there are."""
    size = real.steps.size
    if points == WHOLE or points >= size:
        return real
    keep = np.round(np.linspace(0.0, size - 1.0, points)).astype(int)
    return Real(real.name, real.steps[keep], {role: v[keep] for role, v in real.curves.items()}, real.noises)


def chosen(path: str, name: str, points: int, seed: int) -> Real:
    """A healthy curve for a seed, thinned: in an order that depends on the name, no curve twice before all were used.

    Only curves with accuracies serve for overconfidence.
    """
    reals = [real for real in clean(path) if name != "overconfidence" or "val_accuracy" in real.curves]
    order = random_of(name, points).permutation(len(reals))
    return thinned(reals[order[seed % len(reals)]], points)


def healthy(real: Real) -> Drawn:
    """The curve as it is."""
    return _with(real, "real", "val_loss", real.curves, np.zeros(real.steps.size), 0.0, real.steps.size)


def plant(kind: str, real: Real, seed: int) -> Drawn:
    """The curve with an effect of `PLANTED`: multiplied by 1 + a times the template after the onset.

    The factor a makes up for what the curve falls after the onset, so that it ends by about the drawn size above its
    level there; the truth is the size that is then measured (`rise`; for a spike the drawn one).
    """
    points = real.steps.size
    plan = PLANTED[kind](points, random_of(kind, real.name, points, seed))
    base = real.curves[plan.role]
    level = float(smooth(base)[plan.onset])
    end = level if plan.by_height else float(np.median(base[-max(2, points // 10) :]))
    planted = base * (1.0 + ((1.0 + plan.size) * level / end - 1.0) * plan.template)
    kept = {role: values for role, values in real.curves.items() if "loss" in role or kind == "overconfidence"}
    if kind == "divergence":
        kept.pop("val_loss")
    size = plan.size if plan.by_height else max(rise(planted), 0.0)
    return _with(real, kind, plan.role, kept | {plan.role: planted}, plan.template, size, plan.onset)


def _with(
    real: Real, kind: str, role: str, curves: Mapping[str, Array], template: Array, size: float, onset: int
) -> Drawn:
    """A run of these curves, with the oracle's z by the noise of the curve."""
    base = real.curves[role]
    level = float(smooth(base)[min(onset, base.size - 1)])
    noise = Noise("real", scale=real.noises[role] / level)
    z = visibility(noise, size * level * template, np.full(base.size, real.noises[role]))
    return Drawn(run_of(kind, curves, real.steps), kind, role, base, template, size, level, onset, noise, z)
