"""Loss spike: the loss jumps up for one or a few points, far beyond its local jitter.

Why it matters
    A batch, a number format or the optimizer's state went wrong for a moment. A spike that comes back costs the steps
    of the recovery and warns of divergence; one that does not has damaged the weights.

Statistics
    z       height of the peak over the higher of the medians just before and just after it, in local standard
            deviations (1.4826 * running median of the absolute residuals [1]; of the logarithm where the loss is
            positive). Long curves need more: the highest of n Gaussian values grows with sqrt(2 ln n). Of fewer than
            20 points the height is that over the line between the neighbours, and the noise that of the whole curve,
            with the probability that it reaches so far.
    height  the same height in percent of that level
    spike score  share of all points 7 standard deviations or more from the mean of the last 1,000 [2], for comparison

    A step down (a learning-rate decay) has no peak over the level before it, and is no spike. Points in the first 5 %
    of the curve, and points where a logged learning rate rises (warmup, restart), are left alone. Noise with long tails
    has them on both sides: the peak must also stand further out than the deepest dip, and where that is beyond the
    reach of a Gaussian, twice as far. A peak that neither doubles the level nor reaches half a percent of all that the
    loss has fallen, initial point apart, is none: on a plot that is less than two pixels. A validation loss that jumps
    alone and comes back is a note where the jump neither doubles the level nor reaches a tenth of the fall: near a loss
    of zero, that is a matter of one or two validation examples.

Limits
    Fewer than 6 points are not judged, nor the first two and the last. A loss logged as a long running average hides
    spikes; one whose average restarts at every epoch jumps there, and such small jumps, a whole number of periods
    apart, are left alone.
    The cause (batch, logits, optimizer state) needs the gradient norm.

References
    [1] Hampel, The Influence Curve and Its Role in Robust Estimation (1974)
    [2] OLMo et al., 2 OLMo 2 Furious (arXiv 2501.00656)
    PaLM (arXiv 2204.02311) restarts 100 steps before a spike and skips 200-500 batches
    Lecture notes: "Loss explosion? Sudden spike? Problematic data instance; exploding gradients -> weights".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.measure.curve import Curve
from diagnose.names import traits
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

LEAST_POINTS = 6
LOCAL = 20  # points from which on a peak has a neighbourhood; the noise of fewer is that of the whole curve
PHASE_LOCKED_HEIGHT = 0.25  # of the local level; restarts of a running mean at the epochs stay below it
PLAIN_MOST = (
    100_000  # points; skewed noise reaches any number of standard deviations in longer logs (exponential: ln n)
)
MOST_MARKS = 24  # places named in a finding; more cannot be told apart on a curve
RESUMED = ("restore-state", "lower-learning-rate", "warmup", "inspect-batch", "clip-gradients")
"""Fixes where the training went on from a checkpoint."""

VALIDATION_ALONE = ("lower-learning-rate", "average-weights", "larger-batch", "clip-gradients")
"""Fixes where the training loss is calm: no batch is to blame, the weights were bad on new data for a moment."""


class Spikes(NamedTuple):
    """The spikes of one curve.

    peaks: indices of the peaks, shape (k,).
    z, height: of each peak, shape (k,); height as a share of the level around it.
    settled: True where the level after the peak stays clearly above the level before it, shape (k,).
    """

    peaks: np.ndarray
    z: Array
    height: Array
    settled: np.ndarray


NO_SPIKES = Spikes(np.empty(0, dtype=np.intp), np.empty(0), np.empty(0), np.empty(0, dtype=np.bool_))
"""Of a curve without any."""


class Limits(NamedTuple):
    """The thresholds of `check`."""

    z_warning: float
    z_plain: float
    height_warning: float
    dip_factor: float
    skip_start: float
    sight: float
    doubled: float
    chance: float


def check(
    axis: str,
    train_loss: Curve | None = None,
    val_loss: Curve | None = None,
    learning_rate: Series | None = None,
    grad_norm: Series | None = None,
    config: Mapping[str, Any] | None = None,
    *,
    z_warning: float = 4.5,  # local standard deviations; the corpus's readers saw a spike from about 5 on
    z_plain: float = 8.0,  # the same without the logarithm, where the noise of a positive loss is skewed upwards
    height_warning: float = 0.1,  # of the local level; a smaller bump is invisible on the curve
    dip_factor: float = 2.0,  # times the deepest dip; of noise with long tails (t, 3 degrees) 1 in 9 peaks passes it
    skip_start: float = 0.05,  # of the curve; the first steps fall too fast for a local level
    chance: float = 0.005,  # probability that the highest of fewer than 20 points is noise
    sight: float = 0.005,  # of the fall to the level around the peak; less is a pixel or two of a plot
    doubled: float = 1.0,  # of the level; twice the level is seen in any case
    alone: float = 0.1,  # of the fall, for a validation loss that jumps alone; less is a matter of a few examples
) -> Finding | None:
    """Judge the training loss and the validation loss, each on its own; the clearer one is reported."""
    limits = Limits(z_warning, z_plain, height_warning, dip_factor, skip_start, sight, doubled, chance)
    found = []
    judged = False
    for role, curve in (("train_loss", train_loss), ("val_loss", val_loss)):
        if curve is None or len(curve) < LEAST_POINTS:
            continue
        judged = True
        spikes = find_spikes(curve, learning_rate, limits)
        if spikes.peaks.size:
            found.append((role, curve, spikes))
    if not judged:
        raise CannotJudge(f"no loss with at least {LEAST_POINTS} points")
    if not found:
        return None
    found.sort(key=lambda item: -float(item[2].z.max()))
    role, curve, spikes = found[0]
    said = _recurrence(curve, spikes, axis) + _precursor(curve, spikes, grad_norm)
    finding = _finding(role, curve, spikes, axis, limits, [item[0] for item in found], said)
    if traits.resumed(config or {}):
        return replace(finding, cause="resume", fixes=RESUMED)
    if train_loss is None or len(found) > 1 or role == "train_loss":
        return finding
    if finding.severity is Severity.WARNING and not _in_sight(curve, spikes, alone, doubled).any():
        finding = replace(finding, severity=Severity.NOTE)
    return replace(finding, cause="validation-alone", fixes=VALIDATION_ALONE)


def find_spikes(curve: Curve, learning_rate: Series | None, limits: Limits) -> Spikes:
    """All spikes of a finite curve, strongest point of each; linear in its points.

    A positive loss is measured on its logarithm, where noise in proportion to the level is symmetric and even. On the
    plain scale its noise is skewed; there a spike must stand far out from the other excursions as well.
    """
    size, values = len(curve), curve.scaled
    index = np.arange(size)
    inside = (index >= max(2, math.ceil(limits.skip_start * size))) & (index < size - (2 if size >= LOCAL else 1))
    window = _window(size)
    middle = statistics.rolling_median(curve.values, window)
    level = np.log(middle) if curve.positive else middle  # a log keeps the order
    around = _around(values, level, window)
    share = _share(around, curve.values, curve.positive)
    tall = inside & (share >= limits.height_warning) & ~_rising_rate(curve, learning_rate, window)
    if not tall.any():  # then none of them is a spike, however far it stands out
        return NO_SPIKES
    seen = _excursions(values, level, around, window, inside)
    z, high = _far_out(curve, seen, middle, inside, limits) if size >= LOCAL else _far_out_of_few(curve, inside, limits)
    starts, stops = statistics.stretches(_close_gaps(tall & high, window // 2))
    peaks = np.array([a + int(np.argmax(share[a:b])) for a, b in zip(starts, stops, strict=True)], dtype=np.intp)
    if _phase_locked(peaks):
        peaks = peaks[share[peaks] >= PHASE_LOCKED_HEIGHT]
    shift = _levels_later(values, peaks, window) - around.before[peaks]
    settled = (shift > 5.0 * seen.noise[peaks]) & (shift > 0.5 * math.log1p(limits.height_warning))
    spikes = Spikes(peaks, z[peaks], share[peaks], settled)
    visible = _in_sight(curve, spikes, limits.sight, limits.doubled)
    return Spikes(*(part[visible] for part in spikes))


def _far_out(
    curve: Curve, seen: _Excursions, middle: Array, inside: npt.NDArray[np.bool_], limits: Limits
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Each point's height in local standard deviations and whether that is beyond the noise, both of shape (n,)."""
    size, z = len(curve), seen.z
    gaussian = math.sqrt(2.0 * math.log(size)) + 1.2  # the highest of `size` Gaussian values, and a margin
    tails = limits.dip_factor if seen.deepest > gaussian else 1.0  # noise within a Gaussian's reach needs no margin
    high = z >= max(limits.z_warning, gaussian, tails * seen.deepest)
    if not (curve.positive and size <= PLAIN_MOST):
        return z, high
    window = _window(size)
    plain = _excursions(curve.values, middle, _around(curve.values, middle, window), window, inside)
    tenth = float(np.partition(plain.z[inside], -min(10, size // 10))[-min(10, size // 10)])
    far = plain.z >= max(limits.z_plain, limits.dip_factor * plain.deepest, 2.5 * tenth)
    return np.where(far, np.maximum(z, plain.z), z), high | far


def _far_out_of_few(curve: Curve, inside: npt.NDArray[np.bool_], limits: Limits) -> tuple[Array, npt.NDArray[np.bool_]]:
    """The same for a curve too short to have neighbourhoods, by what its other points do [Bonferroni]."""
    z, chance = curve.peaks
    return z, chance * np.count_nonzero(inside) <= limits.chance


def _window(size: int) -> int:
    """Points that make the level around a peak."""
    return min(max(5, int(0.05 * size) | 1), 25)


def _in_sight(curve: Curve, spikes: Spikes, share: float, height: float) -> npt.NDArray[np.bool_]:
    """True, shape (k,), for a peak that rises by `height` of the level around it, or by `share` of what the curve has
    fallen to there; a loss that is not positive or has not fallen is all in sight.
    """
    if not curve.positive:
        return np.ones(spikes.peaks.shape, dtype=np.bool_)
    peak = curve.values[spikes.peaks]
    around = peak / (1.0 + spikes.height)
    return np.asarray((spikes.height >= height) | (peak - around >= share * (curve.start - around)))


def _share(around: _Around, loss: Array, positive: bool) -> Array:
    """Height as a share of the level; a loss that crosses zero has none, and its range stands in."""
    if positive:
        return np.expm1(np.minimum(around.height, 50.0))
    span = float(np.quantile(loss, 0.95) - np.quantile(loss, 0.05))
    return around.height / np.maximum(np.maximum(np.abs(around.before), np.abs(around.after)), max(span, 1e-300))


def _levels_later(values: Array, peaks: npt.NDArray[np.intp], window: int) -> Array:
    """Where the curve stands after each peak once it had time to recover, shape (k,): the median of the stretch from
    three windows after the peak to ten, or to the next peak or the end where those come first.
    """
    levels = []
    for peak, end in itertools.pairwise([*peaks.tolist(), values.size]):
        stop = min(peak + 10 * window, end)
        start = min(peak + 3 * window, max(peak + 1, stop - window))
        levels.append(statistics.median(values[start:stop]) if stop > start else float(values[peak]))
    return np.array(levels, dtype=np.float64)


class _Around(NamedTuple):
    """Each point against the medians of the points before and after it, all of shape (n,).

    before, after: those medians. height: over the higher of them.
    """

    before: Array
    after: Array
    height: Array


def _around(values: Array, middle: Array, window: int) -> _Around:
    half = window // 2
    index = np.arange(values.size)
    before = middle[np.maximum(index - 1 - half, 0)]
    after = middle[np.minimum(index + 1 + half, values.size - 1)]
    return _Around(before, after, values - np.maximum(before, after))


class _Excursions(NamedTuple):
    """What each point does against the noise around it.

    noise: local standard deviation, shape (n,). z: height / noise, shape (n,).
    deepest: the deepest dip below the lower of the medians before and after it, in standard deviations.
    """

    noise: Array
    z: Array
    deepest: float


def _excursions(
    values: Array, middle: Array, around: _Around, window: int, inside: npt.NDArray[np.bool_]
) -> _Excursions:
    noise = _noise(values - middle, window, values)
    dips = ((np.minimum(around.before, around.after) - values) / noise)[inside]
    return _Excursions(noise, around.height / noise, float(dips.max()) if dips.size else 0.0)


def _noise(residuals: Array, window: int, values: Array) -> Array:
    """Local standard deviation around the running median: the larger of the one before and the one after each point.

    The noise often falls at a learning-rate decay; the last swing before it is no spike of the calm after it.
    """
    wide = min(4 * window + 1, residuals.size)
    # A point is part of its own median: Gaussian residuals are smaller than the noise by 1 - 1.3 / window (measured for
    # windows 5 to 51 on 200,000 values).
    local = statistics.GAUSSIAN_MAD / (1.0 - 1.3 / window) * statistics.rolling_median(np.abs(residuals), wide)
    index = np.arange(residuals.size)
    local = np.maximum(local[np.maximum(index - wide // 2, 0)], local[np.minimum(index + wide // 2, index.size - 1)])
    floor = max(0.9 * statistics.jitter(values), 1e-9 * float(np.abs(values).max()), 1e-300)
    return np.maximum(local, floor)


def _phase_locked(peaks: np.ndarray) -> bool:
    """Whether at least four peaks lie whole multiples of one period (8 points or more) apart.

    A running mean that restarts at every epoch jumps there without any spike of the loss; four places chosen at random
    share such a period in less than 1 of 100 curves (sum of 1 / g^3 over g >= 8).
    """
    return peaks.size >= 4 and math.gcd(*np.diff(peaks).tolist()) >= 8


def _close_gaps(mask: np.ndarray, gap: int) -> np.ndarray:
    """The mask with gaps of at most `gap` points between True points filled: one excursion is one spike."""
    places = np.flatnonzero(mask)
    closed = mask.copy()
    for a, b in itertools.pairwise(places):
        if 1 < b - a <= gap:
            closed[a:b] = True
    return closed


def _rising_rate(curve: Curve, learning_rate: Series | None, window: int) -> np.ndarray:
    """True where the learning rate has risen by more than a tenth within the last `window` points."""
    if learning_rate is None or len(learning_rate) < 2:
        return np.zeros(len(curve), dtype=np.bool_)
    rate = learning_rate.values
    rate = rate if np.isfinite(rate).all() else np.nan_to_num(rate)
    if not np.array_equal(curve.steps, learning_rate.steps):
        rate = np.interp(curve.steps, learning_rate.steps, rate)
    earlier = np.concatenate([np.repeat(rate[:1], min(window, rate.size)), rate[:-window]])
    return rate > 1.1 * earlier


def _recurrence(curve: Curve, spikes: Spikes, axis: str) -> str:
    """That the spikes come a whole number of periods apart, where they do, as a sentence to append."""
    if not _phase_locked(spikes.peaks):
        return ""
    period = math.gcd(*np.diff(spikes.peaks).tolist())
    length = period * float(curve.steps[-1] - curve.steps[0]) / (len(curve) - 1)
    return f" They come multiples of {length:g} {axis}s apart, as at the turn of an epoch."


def _precursor(curve: Curve, spikes: Spikes, grad_norm: Series | None) -> str:
    """What the gradient norm did just before the highest spike, where it is logged, as a sentence to append."""
    peak = int(spikes.peaks[np.argmax(spikes.z)])
    before = float(curve.steps[max(peak - 10, 0)])
    norm = None if grad_norm is None else grad_norm.finite()
    if norm is None or not (near := (norm.steps >= before) & (norm.steps <= curve.steps[peak])).any():
        return ""
    usual = statistics.median(norm.values)
    highest = float(norm.values[near].max())
    if usual <= 0.0 or highest < 3.0 * usual:
        return " The gradient norm was calm before it: look at the batch rather than at the optimizer."
    return f" The gradient norm rose to {highest:.3g} before it, {highest / usual:.3g} times its median."


def _finding(
    role: str, curve: Curve, spikes: Spikes, axis: str, limits: Limits, roles: list[str], said: str
) -> Finding:
    """The finding for the clearest curve; said: sentences to append to what was measured."""
    order = np.argsort(-spikes.z)
    top = int(order[0])
    place = float(curve.steps[spikes.peaks[top]])
    marks = tuple(sorted(float(curve.steps[p]) for p in spikes.peaks[order[:MOST_MARKS]]))
    count = spikes.peaks.size
    z = float(min(spikes.z[top], 1e6))
    height = float(spikes.height[top])
    many = f"{count} spikes, the highest" if count > 1 else "One spike:"
    rise = f"{100 * height:.0f} % above" if height < 10 else f"{1 + height:.3g} times"
    stays = bool(spikes.settled[top])
    meaning = (
        "The loss came back: a batch or the optimizer's state went wrong for a moment. Spikes cost the steps of their "
        "recovery and often come before a divergence."
    )
    if stays:
        meaning = "The loss did not come back to its old level: the spike damaged the weights or the optimizer's state."
    elif role == "val_loss":
        meaning = (
            "The validation loss jumped and came back: for that moment the weights were bad on new data, as with a "
            "learning rate that is too high or unsettled batch-norm statistics."
        )
    return Finding(
        severity=Severity.ERROR if stays else Severity.WARNING,
        confidence=statistics.confidence(0.7 + 0.25 * min(z - limits.z_warning, 12.0)),
        summary=(
            f"{many} at {axis} {place:g}: {role} {curve.values[spikes.peaks[top]]:.4g} is {rise} the level around it, "
            f"{z:.3g} local standard deviations.{said}"
        ),
        meaning=meaning,
        steps=(marks[0], marks[-1]),
        marks=marks,
        series=tuple(roles),
        evidence=(
            Evidence("z", z, limits.z_warning, "standard deviations"),
            Evidence("height", 100.0 * height, 100.0 * limits.height_warning, "percent"),
            Evidence("spikes", float(count)),
            Evidence("spike score", statistics.spike_score(curve.values), None, "percent"),
        ),
    )


RULE = Rule(
    id="loss-spike",
    doc=__doc__,
    check=check,
    min_points=LEAST_POINTS,
    not_for={"reinforcement": "the log has a reward: the losses of policy and critic jump in healthy training"},
    fixes=("clip-gradients", "lower-learning-rate", "inspect-batch", "warmup", "larger-batch"),
    measures={
        "z_warning": "how far the highest point stands out from those around it, in their noise (z)",
        "z_plain": "the same without the logarithm (z)",
        "height_warning": "how high it rises above the level around it (height)",
        "doubled": "how high it rises above the level around it (height)",
        "skip_start": "the place of the point, from the start of the curve",
        "chance": "how likely so high a point is by chance",
        "alone": "how high it rises, of all that the loss has fallen to there",
        "found": "a point high enough in one of the losses",
        "len(curve)": "the points of the loss",
        "size": "the points of the loss",
    },
    cases=(
        Case("three isolated spikes of the training loss", synthetic.spiky, Severity.WARNING),
        Case("healthy run", synthetic.healthy),
        Case("the loss steps down at a learning-rate decay", synthetic.decayed),
        Case("warm restarts of a known schedule", synthetic.cyclic),
        Case("negative loss, healthy", synthetic.negative),
    ),
)
