"""Kinds of runs before their noise: eight that are ill, each named by the rule that must speak, and five healthy ones.

A kind is a function of a number of points and a random generator; it returns the noiseless curves and the effect in
them (`Plan`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from diagnose.curves import Array

MOST_NOISE = 0.2  # of the best level: a positive loss has little more
CLASSES = 10

MINDED: Mapping[str, tuple[float, float]] = {
    "overfitting": (0.05, 0.10),
    "overconfidence": (0.05, 0.10),
    "divergence": (0.20, 0.40),
    "non-convergence": (0.10, 0.20),
    "loss-spike": (0.10, 0.20),
    "oscillation": (0.5, 1.0),
    "noisy-validation": (1.0, 2.0),
    "frozen-metric": (0.6, 0.8),
}
"""Rule -> the size of an effect that it minds, and the one from which it is clear: twice that, or well over most of the
points of a metric.
"""


@dataclass(frozen=True, eq=False)
class Plan:
    """A run before its noise.

    curves: role -> noiseless losses, the effect included, each of shape (n,).
    role: the curve that bears the effect.
    template: course of the effect, shape (n,); its highest value is 1. Zero in a healthy run.
    size: of the effect, relative to `level`.
    level: the best level of the healthy curve; for a spike the level at its place, for swings the improvement.
    onset: index of the first point of the effect; n in a healthy run.
    accuracies: role -> noiseless accuracies. exact: role -> what has no noise, such as a learning rate.
    most_noise: standard deviation, relative to the best level of a curve.
    by_height: whether the noise is drawn by the height of the effect over the noise of its first point, not by z.
    """

    curves: Mapping[str, Array]
    role: str
    template: Array
    size: float
    level: float
    onset: int
    accuracies: Mapping[str, Array] = field(default_factory=dict)
    exact: Mapping[str, Array] = field(default_factory=dict)
    most_noise: float = MOST_NOISE
    by_height: bool = False

    @property
    def effect(self) -> Array:
        """What is added to the healthy curve, shape (n,), in its unit."""
        return self.size * self.level * self.template


# --- what the kinds are made of ---------------------------------------------------------------------------------------


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between two positive ones, even on its logarithm."""
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def _onset(points: int, low: float, high: float, rng: np.random.Generator) -> int:
    """Index of an onset between two shares of the run, with a point before and one after it."""
    return int(np.clip(round(rng.uniform(low, high) * (points - 1)), 1, points - 2))


def _fall(time: Array, rng: np.random.Generator) -> Array:
    """An exponential or a power law that falls from 1 at time 0 to 0 at time 1 and stays there."""
    time = np.clip(time, 0.0, 1.0)
    if rng.random() < 0.5:
        speed = rng.uniform(3.0, 10.0)
        raw, last = np.exp(-speed * time), math.exp(-speed)
    else:
        stretch, power = log_uniform(rng, 10.0, 100.0), rng.uniform(0.5, 1.5)
        raw, last = (1.0 + stretch * time) ** -power, (1.0 + stretch) ** -power
    return (raw - last) / (1.0 - last)


def _since(points: int, onset: int) -> Array:
    """Time since the onset: 0 up to it, 1 at the end, shape (n,)."""
    return np.clip((np.arange(points) - onset) / (points - 1 - onset), 0.0, None)


def _accuracy(loss: Array) -> Array:
    """An accuracy that goes with a cross-entropy: chance where it is high, 1 where it is 0."""
    return 1.0 / CLASSES + (1.0 - 1.0 / CLASSES) * np.exp(-loss)


def _levels(rng: np.random.Generator) -> tuple[float, float]:
    """A best level, and how far above it the loss starts, in shares of it."""
    return log_uniform(rng, 0.05, 0.6), log_uniform(rng, 0.3, 5.0)


# --- ill runs ---------------------------------------------------------------------------------------------------------


def _climbing(points: int, rng: np.random.Generator) -> Plan:
    """The validation loss ends 5 to 50 % above its best while the training loss falls on.

    The effect is measured from a loss that would have stayed at its best: no one can see how far it would have fallen.
    """
    best, gain = _levels(rng)
    onset, size = _onset(points, 0.25, 0.7, rng), log_uniform(rng, 0.05, 0.5)
    since = _since(points, onset)
    template = (since, -np.expm1(-4.0 * since) / -math.expm1(-4.0), since**2)[int(rng.integers(3))]
    healthy = best * (1.0 + gain * _fall(np.arange(points) / onset, rng))
    floor = best * rng.uniform(0.1, 0.8)
    train = floor + (best * (1.0 + gain) - floor) * _fall(np.linspace(0.0, 1.0, points), rng)
    val = healthy + size * best * template
    return Plan({"train_loss": train, "val_loss": val}, "val_loss", template, size, best, onset)


def overfitting(points: int, rng: np.random.Generator) -> Plan:
    """The validation loss climbs; the validation accuracy, where it is logged, falls with it."""
    plan = _climbing(points, rng)
    if rng.random() < 0.5:
        return plan
    return replace(plan, accuracies=_accuracies(plan.curves["train_loss"], plan.curves["val_loss"]))


def overconfidence(points: int, rng: np.random.Generator) -> Plan:
    """The validation loss climbs while the validation accuracy holds what it has."""
    plan = _climbing(points, rng)
    return replace(plan, accuracies=_accuracies(plan.curves["train_loss"], plan.curves["val_loss"] - plan.effect))


def _accuracies(train: Array, val: Array) -> dict[str, Array]:
    return {"train_accuracy": _accuracy(train), "val_accuracy": _accuracy(val)}


def divergence(points: int, rng: np.random.Generator) -> Plan:
    """In the second half the training loss leaves its best level: a ramp, a step that stays, or exponential growth."""
    best, gain = _levels(rng)
    onset, size = _onset(points, 0.5, 0.8, rng), log_uniform(rng, 0.2, 4.0)
    since = _since(points, onset)
    stays = np.where(np.arange(points) > onset, 1.0, 0.0)
    template = (since, stays, np.expm1(5.0 * since) / math.expm1(5.0))[int(rng.integers(3))]
    train = best * (1.0 + gain * _fall(np.arange(points) / onset, rng) + size * template)
    curves = {"train_loss": train}
    if rng.random() < 0.5:
        curves["val_loss"] = rng.uniform(1.0, 1.25) * train
    return Plan(curves, "train_loss", template, size, best, onset)


def non_convergence(points: int, rng: np.random.Generator) -> Plan:
    """The loss lies flat: at ln k, or up to four times that after a first point of up to 20,000.

    The effect is what a learning curve would have fallen by, a tenth of the level to nine.
    """
    classes = int(rng.choice([2, 10, 100, 1000]))
    absurd = rng.random() < 0.5
    level = math.log(classes) * (rng.uniform(1.0, 4.0) if absurd else 1.0)
    flat = np.full(points, level)
    if absurd:
        flat += log_uniform(rng, 1e2, 2e4) * np.exp(-np.arange(points) * max(20.0, 600.0 / points))
    curves = {"train_loss": flat}
    if rng.random() < 0.5:
        curves["val_loss"] = flat
    roles = [role.replace("loss", "accuracy") for role in curves] if absurd or rng.random() < 0.5 else []
    return Plan(
        curves,
        "train_loss",
        1.0 - _fall(np.linspace(0.0, 1.0, points), rng),
        rng.uniform(0.1, 0.9),
        level,
        0,
        accuracies={role: np.full(points, 1.0 / classes) for role in roles},
    )


def loss_spike(points: int, rng: np.random.Generator) -> Plan:
    """One point of the training loss stands 10 to 200 % above the level around it."""
    best, gain = _levels(rng)
    healthy = best * (1.0 + gain * _fall(np.linspace(0.0, 1.0, points), rng))
    place = int(np.clip(round(rng.uniform(0.3, 0.9) * (points - 1)), 2, points - 3))
    template = np.where(np.arange(points) == place, 1.0, 0.0)
    size, level = log_uniform(rng, 0.1, 2.0), float(healthy[place])
    spiked = healthy + size * level * template
    return Plan({"train_loss": spiked}, "train_loss", template, size, level, place, by_height=True)


def oscillation(points: int, rng: np.random.Generator) -> Plan:
    """In the second half the training loss swings by half of its improvement to four times; in half of the runs the
    validation loss goes with it, in the others there is none.
    """
    plan = _swinging("train_loss", points, log_uniform(rng, 0.5, 4.0), rng)
    if rng.random() < 0.5:
        return plan
    return replace(plan, curves={**plan.curves, "val_loss": rng.uniform(1.0, 1.25) * plan.curves["train_loss"]})


def noisy_validation(points: int, rng: np.random.Generator) -> Plan:
    """In the second half the validation loss swings by its improvement to four times; the training loss is calm."""
    plan = _swinging("val_loss", points, log_uniform(rng, 1.0, 4.0), rng)
    calm = plan.curves["val_loss"] - plan.effect
    return replace(plan, curves={"train_loss": rng.uniform(0.8, 1.0) * calm, **plan.curves})


def _swinging(role: str, points: int, size: float, rng: np.random.Generator) -> Plan:
    """Swings up and down again, three to twelve in the second half; size: from top to bottom, of the improvement.

    The noise stays below a tenth of that, so that it is not itself the swings.
    """
    best, gain = _levels(rng)[0], rng.uniform(0.3, 0.4)  # so little is gained that the loss stays positive
    onset = points // 2
    late = points - onset
    cycles = rng.uniform(min(3.0, late / 2.0), min(late / 2.0, 12.0))
    place = np.arange(points) - onset
    swing = np.cos(2.0 * math.pi * cycles / late * place) * rng.uniform(0.7, 1.0, points)
    template = np.where(place >= 0, 0.5 * swing, 0.0)
    curve = best * (1.0 + gain * _fall(np.arange(points) / onset, rng) + size * gain * template)
    return Plan({role: curve}, role, template, size, gain * best, onset, most_noise=min(MOST_NOISE, 0.1 * size * gain))


def frozen_metric(points: int, rng: np.random.Generator) -> Plan:
    """The validation accuracy, or both, stays at one value from the first point on, for 60 to 100 % of the run.

    The effect adds nothing to a curve, so its level is 0; its size is the share of the run.
    """
    plan = decay(points, rng)
    share = rng.uniform(0.6, 1.0)
    still = np.arange(points) < max(round(share * points), 2)
    accuracy = rng.choice([0.1, 0.5, 0.9]) + np.where(still, 0.0, rng.uniform(0.0, 0.05, points))
    both = rng.random() < 0.5
    return replace(
        plan,
        role="val_accuracy",
        template=still.astype(np.float64),
        size=share,
        level=0.0,
        onset=0,
        accuracies={} if both else {"train_accuracy": _accuracy(plan.curves["train_loss"])},
        exact={"val_accuracy": accuracy} | ({"train_accuracy": accuracy} if both else {}),
    )


# --- healthy runs -----------------------------------------------------------------------------------------------------


def _healthy(shape: Array, rng: np.random.Generator, rate: Array | None = None) -> Plan:
    """Training and validation losses of one shape, from 1 to 0; accuracies and the rate are logged in half of the runs.

    The noise stays below a twentieth of the improvement: its 90 % range is no swing that anybody minds.
    """
    best, gain = _levels(rng)
    train = best * (1.0 + gain * shape)
    val = rng.uniform(1.0, 1.25) * train
    accuracies = _accuracies(train, val) if rng.random() < 0.5 else {}
    exact = {"learning_rate": rate} if rate is not None and rng.random() < 0.5 else {}
    return Plan(
        {"train_loss": train, "val_loss": val},
        "train_loss",
        np.zeros(shape.size),
        0.0,
        best,
        shape.size,
        accuracies=accuracies,
        exact=exact,
        most_noise=gain / 20.0,
    )


def decay(points: int, rng: np.random.Generator) -> Plan:
    """An exponential or a power law."""
    return _healthy(_fall(np.linspace(0.0, 1.0, points), rng), rng)


def initialization(points: int, rng: np.random.Generator) -> Plan:
    """The same behind a first point at initialization, 10 to 1000 times above the next."""
    plan = decay(points, rng)
    lift = np.ones(points)
    lift[0] = log_uniform(rng, 10.0, 1000.0)
    curves = {role: curve * lift for role, curve in plan.curves.items()}
    return replace(plan, curves=curves, accuracies=_accuracies(*curves.values()) if plan.accuracies else {})


def rate_steps(points: int, rng: np.random.Generator) -> Plan:
    """The learning rate is cut tenfold once or twice, and both losses drop."""
    time = np.linspace(0.0, 1.0, points)
    cuts = [rng.uniform(0.45, 0.6), rng.uniform(0.7, 0.85)][: int(rng.integers(1, 3))]
    shape = _fall(time / cuts[0], rng)
    floor = 0.0
    for cut in cuts:
        depth = rng.uniform(0.1, 0.4)
        floor += depth
        shape = shape + depth * np.where(time < cut, 1.0, np.exp(-60.0 * np.clip(time - cut, 0.0, None)))
    rate = 1e-3 * 0.1 ** np.sum([time >= cut for cut in cuts], axis=0)
    return _healthy(shape / (1.0 + floor), rng, rate)


def restarts(points: int, rng: np.random.Generator) -> Plan:
    """Two warm restarts lift both losses, the second by less; they come down with the rate, along a cosine."""
    time = np.linspace(0.0, 1.0, points)
    phase = 3.0 * time - np.minimum(np.floor(3.0 * time), 2.0)
    lift = rng.uniform(0.1, 0.5) * np.where(time < 1.0 / 3.0, 0.0, np.where(time < 2.0 / 3.0, 1.0, 0.6))
    warm = 0.5 * (1.0 + np.cos(math.pi * phase))
    return _healthy(_fall(time, rng) + lift * warm, rng, 1e-3 * warm)


def flat_tail(points: int, rng: np.random.Generator) -> Plan:
    """An early fast fall, then a long tail that gains another 1 to 5 % of it."""
    time = np.linspace(0.0, 1.0, points)
    tail = rng.uniform(0.01, 0.05)
    return _healthy((1.0 - tail) * np.exp(-rng.uniform(30.0, 100.0) * time) + tail * (1.0 - time), rng)


Kind = Callable[[int, np.random.Generator], Plan]

ILL: Mapping[str, Kind] = {
    "overfitting": overfitting,
    "overconfidence": overconfidence,
    "divergence": divergence,
    "non-convergence": non_convergence,
    "loss-spike": loss_spike,
    "oscillation": oscillation,
    "noisy-validation": noisy_validation,
    "frozen-metric": frozen_metric,
}
"""The rule that must speak -> a run in which it must."""

HEALTHY: Mapping[str, Kind] = {
    "decay": decay,
    "initialization": initialization,
    "rate-steps": rate_steps,
    "restarts": restarts,
    "flat-tail": flat_tail,
}
"""Shape -> a run in which no rule may warn."""

KINDS: Mapping[str, Kind] = {**ILL, **HEALTHY}
