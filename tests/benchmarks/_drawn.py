"""Runs drawn from a known law, with the truth beside them: the healthy curve, the effect in it, and the noise."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from _kinds import KINDS, MINDED, Plan, log_uniform
from _noise import Noise, deviations, drawn, visibility

from diagnose.curves import Array, Run, Series

Z = (2.0, 30.0)
"""Range over which the oracle's z is spread, evenly on its logarithm."""

SPIKE_HEIGHT = (5.0, 50.0)  # standard deviations of the noise at its point
MOST_EPOCHS = 300  # longer logs are of steps
CALM = (0.01, 0.2)  # of the best level; the noise of runs without an effect that it could hide
LEAST_LOSS = 0.01  # of the best level; what the tails of the noise may leave of a positive loss
EXAMPLES = 50_000  # on which an accuracy is measured


@dataclass(frozen=True, eq=False)
class Drawn:
    """A run and the truth about it.

    kind: the rule that must speak, or the shape of a healthy run.
    role: the curve that bears the effect.
    healthy: its noiseless curve without the effect, shape (n,).
    template, size, level, onset: of the effect, as in `Plan`.
    noise: its law; the scale is relative to the best level of a curve.
    z: how clearly the oracle sees the effect; infinite where there is no noise on it, 0 in a healthy run.
    """

    run: Run
    kind: str
    role: str
    healthy: Array
    template: Array
    size: float
    level: float
    onset: int
    noise: Noise
    z: float

    @property
    def minded(self) -> bool:
        """Whether the effect is as large as what its rule minds."""
        return self.kind in MINDED and self.size >= MINDED[self.kind][0]

    @property
    def clear(self) -> bool:
        """Whether the effect is about twice that."""
        return self.kind in MINDED and self.size >= MINDED[self.kind][1]


def random_of(*names: str | int) -> np.random.Generator:
    """A generator of its own for each combination of names and numbers, the same on every machine."""
    return np.random.default_rng([zlib.crc32(str(name).encode()) for name in names])


def draw(kind: str, noise: Noise, points: int, seed: int, span: tuple[float, float] = Z) -> Drawn:
    """A run of a kind of `KINDS`, with its noise scaled so that z lies in `span`, above where `most_noise` says so."""
    rng = random_of(kind, noise.name, points, seed)
    plan = KINDS[kind](points, rng)
    curve = {**plan.curves, **plan.exact}[plan.role]
    healthy = curve - plan.effect
    unit = deviations(replace(noise, scale=1.0), curve, float(healthy.min()))
    whole = visibility(noise, plan.effect, unit)
    noise = replace(noise, scale=_scale(plan, whole, span, unit, rng))
    bests = {role: float(values.min()) for role, values in plan.curves.items()} | {plan.role: float(healthy.min())}
    losses = {role: _noisy(values, bests[role], noise, rng) for role, values in plan.curves.items()}
    z = math.inf if plan.role in plan.exact else whole / noise.scale
    run = run_of(kind, {**losses, **_accuracies(plan, rng), **plan.exact})
    return Drawn(run, kind, plan.role, healthy, plan.template, plan.size, plan.level, plan.onset, noise, z)


def _scale(plan: Plan, whole: float, span: tuple[float, float], unit: Array, rng: np.random.Generator) -> float:
    """The standard deviation of the noise, relative to the best level.

    whole: the oracle's z at a scale of 1; unit: the standard deviation of each point at that scale.
    """
    if whole == 0.0:
        wanted = log_uniform(rng, *CALM)
    elif plan.by_height:
        wanted = float(plan.effect[plan.onset] / unit[plan.onset]) / log_uniform(rng, *SPIKE_HEIGHT)
    else:
        wanted = whole / log_uniform(rng, *span)
    return min(wanted, plan.most_noise)


def _noisy(curve: Array, best: float, noise: Noise, rng: np.random.Generator) -> Array:
    """A loss with noise, positive as a loss is; best: its best level."""
    return np.maximum(curve + drawn(noise, deviations(noise, curve, best), rng), LEAST_LOSS * best)


def _accuracies(plan: Plan, rng: np.random.Generator) -> dict[str, Array]:
    """The accuracies as shares of examples that were counted."""
    return {role: rng.binomial(EXAMPLES, curve) / EXAMPLES for role, curve in plan.accuracies.items()}


def run_of(name: str, curves: Mapping[str, Array], steps: Array | None = None) -> Run:
    """A run whose columns are called by their canonical names; steps: 0, 1, 2 ... where none are given."""
    size = len(next(iter(curves.values())))
    along = np.arange(size, dtype=np.float64) if steps is None else steps
    series = {role: Series(role, along, np.asarray(values, dtype=np.float64)) for role, values in curves.items()}
    axis = "epoch" if size <= MOST_EPOCHS and steps is None else "step"
    return Run(name, series, {role: role for role in series}, source=f"drawn:{name}", format="drawn", axis=axis)
