"""Non-convergence: the training loss shows no improvement beyond its noise, or ends where random answers put it.

Why it matters
    The network has not learned anything: the first milestone is missed, and nothing later in the log means anything.

Statistics
    fall         how far the loss comes down from the level of its first points (a fiftieth of the run, twice as many
                 and so on) to its lowest level after them; it must be visible, above the noise of a point, and sure
                 (see `diagnose.measure.curve`)
    p            one-sided Mann-Kendall p-value of a falling training loss [2], which shows a fall as well
    improvement  (level at the start - level at the end), in standard deviations of the noise around the curve [1]
    chance       ln k, the loss of a k-class classifier that answers at random. A loss that ends there (or above) and
                 flat, beside an accuracy of 1 / k, has learned nothing, wherever it began: a bad start that is
                 unlearned, or the shares of the classes, is all that fell.
    rate         the peak of the learning rate, logged or configured; named where it is 0, below 1e-7, or too high
    dead units   median share of units that answer nothing to any input, where it is logged

    The cause is the first of these that shows: the rate, inputs that the config says are not normalized, weights that
    start at a constant, dead units, a transformer without a warmup.

Limits
    A log that starts after the learning is done (fine-tuning from a good checkpoint, a first epoch that was enough)
    looks the same; a high or rising accuracy excuses it, one far above chance where the classes are known, and a
    validation loss that falls. A first point far above the second is left out where it is a thousand times as high, or
    where an accuracy shows no learning: a bad start is unlearned in one step.
    The losses of a policy or of adversarial networks need not fall; they are not judged. Fewer than 6 points are not
    judged, nor 5 of a loss that is not at chance.

References
    [1] Gasser, Sroka and Jennen-Steinmetz, Residual variance and residual pattern in nonlinear regression (1986)
    [2] Mann, Nonparametric Tests Against Trend (1945)
    Lecture notes: "Fail to converge? No trend? Simplify problem/model; decrease LR; data corrupted? preprocessing?
    weight init?"; milestone "learn anything: better than random".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.measure.curve import Curve
from diagnose.names import optimizers, roles, traits
from diagnose.names.kinds import SUPERVISED
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

FIXES_OF: Mapping[str, tuple[str, ...]] = {
    "rate-too-high": ("typical-learning-rate", "lower-learning-rate", "warmup", "clip-gradients"),
    "rate-too-low": ("raise-learning-rate", "check-frozen-weights"),
    "raw-inputs": ("normalize-inputs", "lower-learning-rate", "initialize-weights", "overfit-one-batch"),
    "initialization": ("initialize-weights", "residual-connections", "lower-learning-rate", "overfit-one-batch"),
    "dead-units": (
        *("initialize-weights", "residual-connections", "normalization-layers", "lower-learning-rate"),
        "normalize-inputs",
    ),
    "no-warmup": ("warmup", "lower-learning-rate", "stabilize-logits", "clip-gradients", "overfit-one-batch"),
}
"""What most likely keeps a network from learning -> the fixes in the order to try."""

MOST_TOLD = 25  # classes; every share is that of some larger number of classes, to 2 %
R2_KNOWN = 0.1  # share of the variance; a network that has learned nothing explains none


class Limits(NamedTuple):
    """The thresholds of `_falls`."""

    improvement_least: float
    moved_least: float
    trend_improvement: float
    trend_p: float
    sure: float


def check(
    train_loss: Curve,
    axis: str,
    config: Mapping[str, Any],
    train_accuracy: Series | None = None,
    val_loss: Curve | None = None,
    val_accuracy: Series | None = None,
    learning_rate: Series | None = None,
    dead_units: Series | None = None,
    num_classes: int | None = None,
    *,
    improvement_least: float = 1.0,  # standard deviations of the noise; less than the eye sees on the curve
    moved_least: float = 0.005,  # of the level; a loss that moves by less, in whatever digit, has learned nothing
    trend_improvement: float = 0.1,  # of the level; seen in a clear trend below the noise, and in the first point
    trend_p: float = 0.01,  # a falling trend as clear as this
    sure: float = 0.99,  # probability that a level is lower than the first at all; the first is chosen among several
    absurd: float = 1000.0,  # times the level after it; a first loss that only a bad start explains, and its fall too
    accuracy_learned: float = 0.99,  # a training accuracy from which on a flat loss is a finished one
    known_least: float = 4.0,  # times 1 / num_classes; a flat loss beside it has fallen before its first point
    chance_loss: float = 0.98,  # of ln k; the shares of unequal classes alone bring a loss below it
    chance_accuracy: float = 1.5,  # times 1 / k; a largest class and the noise of small sets lie below it
    chance_slope: float = 0.01,  # of ln k, over the second half; a loss that still falls is slow
    dead_least: float = 0.9,  # of the units; with fewer dead ones the others still learn
    fewest: int = 6,  # points that tell a fall from noise; a level at chance needs one less
) -> Finding | None:
    """Judge a training loss by itself and by the accuracies and the validation loss beside it."""
    scores = [score for score in (train_accuracy, val_accuracy) if score is not None and len(score.finite()) >= 4]
    if any(_learns(s.finite().values, accuracy_learned) or _knows(s, num_classes, known_least) for s in scores):
        return None
    limits = Limits(improvement_least, moved_least, trend_improvement, trend_p, sure)
    curve = _without_start(train_loss, absurd, bool(scores))
    step, loss = curve.steps, curve.values
    count = statistics.ends(loss.size, 0.1, 2)
    start = statistics.level(loss, 0, count)
    end = statistics.level(loss, loss.size - count, loss.size)
    at_chance = _chance_level(end, train_accuracy if train_accuracy is not None else val_accuracy, num_classes)
    if loss.size < fewest and not at_chance:
        raise CannotJudge(f"only {loss.size} points of train_loss; needs {fewest}")
    noise = max(statistics.jitter(loss), 1e-9 * abs(start), np.finfo(np.float64).tiny)  # a loss of 0 has none
    cause = _cause(learning_rate, config, dead_units, dead_least)
    if _falls(curve, limits) or (val_loss is not None and _falls(_without_start(val_loss, absurd, True), limits)):
        known = ((s, k) for s in scores if (k := _classes(end, s, num_classes)) is not None)
        score, classes = next(known, (None, 0))
        if score is None:
            return None
        later = statistics.level(loss, loss.size // 2, loss.size // 2 + count)
        accuracy, random = _end(score), math.log(classes)
        error = 2.0 * 1.25 * noise / math.sqrt(count)  # two standard errors of a median
        going_on = end < random and later - end > chance_slope * random + math.sqrt(2.0) * error
        if accuracy > chance_accuracy / classes or end < chance_loss * random - error or going_on:
            return None
        role = "train_accuracy" if score is train_accuracy else "val_accuracy"
        finding = _by_chance(step, start, end, role, accuracy, classes, chance_loss, chance_accuracy)
        return replace(finding, cause=cause, fixes=FIXES_OF.get(cause, ()))
    at_fault, _ = _rate_at_fault(_rate(learning_rate, config), config.get("optimizer"))
    named = at_fault + at_chance
    improvement = (start - end) / noise
    return Finding(
        severity=Severity.ERROR,
        confidence=statistics.confidence(1.5 + 0.5 * min(math.log(loss.size / 6.0), 3.0) - max(improvement, 0.0)),
        summary=(
            f"train_loss starts at {start:.4g} and ends at {end:.4g} after {loss.size} points: an improvement of "
            f"{improvement:.2g} standard deviations of its noise.{named}"
        ),
        meaning="The network has not learned anything yet, so nothing else in this log says much.",
        steps=(float(step[0]), float(step[-1])),
        series=("train_loss",),
        evidence=(Evidence("improvement", improvement, improvement_least, "standard deviations"),),
        cause=cause,
        fixes=FIXES_OF.get(cause, ()),
    )


def _without_start(loss: Curve, absurd: float, scored: bool) -> Curve:
    """The curve without a first point that only a bad start explains: `absurd` times the level after it; or, beside an
    accuracy that shows no learning, ten times as far above the second as all that follows spans.
    """
    if not (loss.first if scored else loss.first and loss.values[0] > absurd * abs(loss.start)):
        return loss
    return Curve(Series(loss.series.name, loss.steps[1:], loss.values[1:]))


def _falls(curve: Curve, limits: Limits) -> bool:
    """Whether a loss comes down, beyond its noise and by what the eye sees, from a level of its first points; or shows
    a clear falling trend [2].
    """
    loss = curve.values
    count = statistics.ends(loss.size, 0.1, 2)
    start = statistics.level(loss, 0, count)
    fall = start - statistics.level(loss, loss.size - count, loss.size)
    visible = limits.moved_least * abs(start)
    seen = max(limits.improvement_least * statistics.jitter(loss), visible)
    enough = fall > min(seen, limits.trend_improvement * abs(start))
    if enough and statistics.mann_kendall(loss).p_falling < limits.trend_p:
        return True
    return any(
        fall.start - fall.lowest > (limits.trend_improvement * abs(fall.start) if fall.points == 1 else visible)
        and fall.estimate.value > limits.improvement_least * fall.noise
        and fall.estimate.exceeds(0.0) > limits.sure
        for fall in curve.falls
    )


def _by_chance(
    step: Array,
    start: float,
    end: float,
    role: str,
    accuracy: float,
    classes: int,
    loss_least: float,
    accuracy_most: float,
) -> Finding:
    """The finding about a loss that fell to where random answers put it, and no further."""
    chance = math.log(classes)
    return Finding(
        severity=Severity.ERROR,
        confidence=statistics.confidence(1.5 + 2.0 * (accuracy_most - accuracy * classes)),
        summary=(
            f"train_loss went from {start:.4g} to {end:.4g} and stays there: ln {classes} = {chance:.4g} is the loss "
            f"of {classes} classes answered at random, and {role} is {accuracy:.3g}."
        ),
        meaning="The network answers without looking at its inputs, so nothing else in this log says much.",
        steps=(float(step[0]), float(step[-1])),
        series=("train_loss", role),
        evidence=(
            Evidence("loss over chance", end / chance, loss_least),
            Evidence("accuracy over chance", accuracy * classes, accuracy_most),
        ),
    )


def _classes(end: float, score: Series, num_classes: int | None) -> int | None:
    """The number of classes: as configured, or the one whose random answers have this accuracy, bit for bit or where
    the loss agrees.
    """
    accuracy = _end(score)
    if num_classes is not None or not 1e-4 < accuracy <= 0.55 or end <= 0.0:
        return num_classes if num_classes is not None and num_classes > 1 else None
    if roles.parse(score.name).kind not in ("accuracy", ""):
        return None  # a precision, a recall or an overlap has no level of chance
    classes = round(1.0 / accuracy)
    told = classes <= MOST_TOLD or _is_still(score, accuracy)
    if told and abs(accuracy * classes - 1.0) <= 0.02 and end >= math.log(classes):
        return classes
    # A small set's accuracy is a fifth off by chance; of the numbers of classes that it may be, the loss tells one.
    classes = min(round(math.exp(end)), round(1.25 / accuracy)) if end < 20.0 else classes
    at_chance = classes > 1 and abs(end / math.log(classes) - 1.0) <= 0.01
    return classes if at_chance and 0.8 <= accuracy * classes <= 1.25 else None


def _is_still(score: Series, accuracy: float) -> bool:
    """Whether the second half of an accuracy stays at its end, as the share of one class of many does."""
    values = score.finite().values
    return bool(np.all(np.abs(values[values.size // 2 :] - accuracy) <= 0.02 * accuracy))


def _end(accuracy: Series | None) -> float:
    """Level of an accuracy at its end; NaN where there is none."""
    values = np.empty(0) if accuracy is None else accuracy.finite().values
    if values.size < 4:
        return math.nan
    return statistics.level(values, values.size - statistics.ends(values.size, 0.1, 2), values.size)


def _learns(accuracy: Array, learned: float) -> bool:
    """Whether the training accuracy is high at the end, or rises beyond its noise."""
    if accuracy.size < 4:
        return False
    count = statistics.ends(accuracy.size, 0.1, 2)
    end = statistics.level(accuracy, accuracy.size - count, accuracy.size)
    gain = end - statistics.level(accuracy, 0, count)
    return end >= learned or (gain > max(3.0 * statistics.jitter(accuracy), 0.02))


def _knows(accuracy: Series, num_classes: int | None, least: float) -> bool:
    """Whether a score is far above that of answers which do not look at the inputs: 1 / k, or 0 for an R2."""
    if roles.parse(accuracy.name).kind == "correlation":
        return _end(accuracy) > R2_KNOWN
    return num_classes is not None and num_classes > 1 and _end(accuracy) >= min(least / num_classes, 0.9)


def _rate(learning_rate: Series | None, config: Mapping[str, Any]) -> float | None:
    """The peak of the logged learning rate, else the one of the config; None where neither is known."""
    if learning_rate is not None and len(finite := learning_rate.finite()):
        return float(finite.values.max())
    value = config.get("learning_rate")
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _cause(
    learning_rate: Series | None, config: Mapping[str, Any], dead_units: Series | None, dead_least: float
) -> str:
    """What most likely keeps the network from learning, one of `FIXES_OF`, or "" where nothing tells."""
    rate = _rate_at_fault(_rate(learning_rate, config), config.get("optimizer"))[1]
    dead = None if dead_units is None else dead_units.finite().values
    sudden = learning_rate is not None and len(learning_rate) and _starts_high(learning_rate.finite().values)
    seen = {
        rate: bool(rate),
        "raw-inputs": traits.raw_inputs(config),
        "initialization": traits.odd_initialization(config),
        "dead-units": dead is not None and dead.size > 0 and float(np.median(dead)) >= dead_least,
        "no-warmup": sudden and traits.is_transformer(str(config.get("model", ""))),
    }
    return next((cause for cause, there in seen.items() if there), "")


def _starts_high(rate: Array) -> bool:
    """Whether a learning rate has no warmup."""
    return bool(rate.size and rate[0] >= 0.5 * rate.max())


def _rate_at_fault(rate: float | None, optimizer: object) -> tuple[str, str]:
    """What is wrong with the learning rate where that is plain, as a sentence to append and as a cause."""
    kind = optimizers.known(optimizer) if isinstance(optimizer, str) else None
    if rate is None or (kind is not None and kind.family in ("self-scaled", "layerwise")):
        return "", ""
    if rate == 0.0:
        return " The learning rate is 0 throughout.", "rate-too-low"
    high = 0.1 if kind is not None and kind.family == "adaptive" else 1.0
    if rate >= high:
        return f" The learning rate of {rate:g} is too high to learn with.", "rate-too-high"
    if rate <= 1e-7:
        return f" The learning rate of {rate:g} is too low to move the weights.", "rate-too-low"
    return "", ""


def _chance_level(end: float, score: Series | None, num_classes: int | None) -> str:
    """That the loss lies where random answers put it, where it does."""
    classes = num_classes or round(math.exp(min(max(end, 0.0), 12.0)))
    if classes < 2 or abs(end - math.log(classes)) > 0.01 * math.log(classes):
        return ""
    # Some integer is near any large exp(loss): without the number of classes, the accuracy or a usual one must agree.
    accuracy = float(np.median(score.finite().values)) if score is not None and len(score.finite()) else math.nan
    agrees = abs(accuracy * classes - 1.0) < 0.2 or classes in (2, 10, 100, 1000)
    if num_classes is None and not agrees:
        return ""
    return f" ln {classes} = {math.log(classes):.4g} is the loss of {classes} classes answered at random."


RULE = Rule(
    id="non-convergence",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=(
        "overfit-one-batch",
        "lower-learning-rate",
        "initialize-weights",
        "normalize-inputs",
        "inspect-data",
        "simplify",
    ),
    explained_by=("vanishing-gradient", "learning-rate-zero", "learning-rate-range"),
    essential_for=(*SUPERVISED, "boosting"),
    silences=(
        "noisy-validation",
        "oscillation",
        "plateau",
        "underfitting",
        "generalization-gap",
        "learning-rate-never-decayed",
        "periodic-loss",
        "staircase-loss",
    ),
    not_for={
        "reinforcement": "the log has a reward: the loss of a policy need not fall",
        "adversarial": "the log has a discriminator loss: adversarial losses need not fall",
    },
    measures={
        "improvement_least": "how far the loss has fallen, in its own noise (improvement)",
        "trend_improvement": "how far the loss has fallen, of its level",
        "trend_p": "how likely so steady a fall is by chance (Mann-Kendall p)",
        "sure": "how sure it is that the loss has fallen at all (probability)",
        "accuracy_learned": "the training accuracy at the end",
        "known_least": "the accuracy at the end, against that of guessing",
        "chance_loss": "the loss at the end, against that of guessing (ln k)",
        "chance_accuracy": "the accuracy at the end, against that of guessing (1 / k)",
        "chance_slope": "how far the loss still falls in the second half",
        "dead_least": "the share of units that never answer (dead units)",
        "absurd": "the first loss, against those after it",
    },
    cases=(
        Case("loss at ln 10, accuracy at 0.1", synthetic.stuck, Severity.ERROR),
        Case("an absurd start is unlearned, and nothing is learned", synthetic.unlearned, Severity.ERROR),
        Case("healthy run", synthetic.healthy),
        Case("negative loss, healthy", synthetic.negative),
        Case("spikes on a falling loss", synthetic.spiky),
    ),
)
