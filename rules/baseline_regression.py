"""Baseline regression: the run is worse than earlier runs of the same thing.

Why it matters
    Some faults leave a curve of a healthy shape: corrupted labels, a lost preprocessing step, a smaller data set. They
    show only beside runs that went well, as a loss that levels off higher, an accuracy that levels off lower, a slower
    start or more noise.

Statistics
    Each of the losses and accuracies is averaged over equal stretches of the steps that the run and the baseline have
    in common; what is worse counts in percent of the level of a loss, and in points of an accuracy.
    level   mean over the second half
    end     mean over the last eighth
    best    best mean over an eighth
    speed   steps until nine tenths of the baseline's usual improvement are reached, over those of the baseline
    noise   standard deviation of the points around the curve, over that of the baseline
    p       of each under the moderated t prediction from the baseline runs [1]: the spread between few runs is
            estimated together with what is known beforehand, the noise of the curves and the usual spread of seeds [2]

Limits
    Beside five runs a loss that is 10 % higher is seen through noise of 10 % in 19 of 20 runs, beside two only one that
    is 15 % higher. Where seeds of one recipe spread by 3 %, about 3 in 100 good runs are called worse. With one
    baseline run the spread between runs is unknown: only large differences are told, as notes. A run that was stopped
    early is compared over its own steps. The baseline must have the same axis and a curve of the same role; whether it
    is the same task is the user's to know.

References
    [1] Smyth, Linear Models and Empirical Bayes Methods for Assessing Differential Expression (2004)
    [2] Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks (2021)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Run, Series
from diagnose.measure import between_runs, statistics
from diagnose.names import differences
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


class _Worse(NamedTuple):
    """One thing that is worse than in the baseline.

    role, measure: which curve, and level, end, best, speed or noise.
    excess: by how much: a share of the level of a loss, or of an accuracy of 1; of speed and noise the ratio minus 1.
    p: chance of as much among runs of the baseline, times the number of comparisons.
    step: from where it is measured.
    """

    role: str
    measure: str
    excess: float
    p: float
    step: float


def check(
    axis: str,
    config: Mapping[str, Any],
    baseline: Sequence[Run],
    train_loss: Series | None = None,
    val_loss: Series | None = None,
    train_accuracy: Series | None = None,
    val_accuracy: Series | None = None,
    *,
    p_most: float = 0.06,  # nominal; the tests measure the real rate of false alarms, which is far lower
    spread: float = 0.01,  # of a loss's level, or of an accuracy of 1: the least spread between seeds taken for granted
    least: float = 0.04,  # of a loss's level; seeds of one recipe differ by as much
    least_points: float = 0.01,  # of an accuracy of 1; likewise
    warning: float = 0.05,  # of a loss's level; five times the spread taken for granted
    error: float = 0.25,  # of a loss's level; five times the warning
    warning_points: float = 0.02,  # of an accuracy of 1
    error_points: float = 0.1,  # of an accuracy of 1; five times the warning
    slower: float = 1.5,  # times the steps; less is within what a few unlucky steps do
    noisier: float = 2.0,  # times the noise; half of it is within what the estimate varies by
    lone_level: float = 0.3,  # of a loss's level, against a single run; seeds seldom differ by as much
    lone_points: float = 0.1,  # of an accuracy of 1, against a single run
) -> Finding | None:
    """Judge the curves of a run beside those of the baseline."""
    own = {
        "train_loss": train_loss,
        "val_loss": val_loss,
        "train_accuracy": train_accuracy,
        "val_accuracy": val_accuracy,
    }
    curves = {role: curve for role, curve in own.items() if curve is not None}
    earlier = [run for run in baseline if run.axis == axis]
    compared = {role: binned for role, curve in curves.items() if (binned := _binned(role, curve, earlier))}
    if not compared:
        raise CannotJudge(f"no run of the baseline has {' or '.join(curves)} over the same {axis}s")
    usable = max(bins.shape[0] for _, bins in compared.values()) - 1
    found = [
        worse
        for role, (steps, bins) in compared.items()
        for worse in _comparisons(role, steps, bins, spread, len(compared))
    ]
    found = [worse for worse in (*found, *_both_losses(compared, spread)) if worse.p <= p_most]
    if usable < 2:
        found = [worse for worse in found if worse.measure in ("level", "end")]
        least, least_points = lone_level, lone_points
    smallest = {"speed": slower - 1.0, "noise": noisier - 1.0}
    found = [
        worse
        for worse in found
        if worse.excess >= smallest.get(worse.measure, least if worse.role in _LOSSES else least_points)
    ]
    if not found:
        return None

    sizes = {"loss": (warning, error), "accuracy": (warning_points, error_points)}
    first = max(found, key=lambda w: (_severity(w, sizes).rank, w.measure == "level", w.role in _LOSSES, w.excess))
    severity = _severity(first, sizes) if usable > 1 else Severity.NOTE
    listed = [first, *_most_telling(found, first)]
    return Finding(
        severity=severity,
        confidence=0.97 if usable > 2 else 0.94 if usable == 2 else 0.9,
        summary=_summary(first, axis, usable),
        meaning=_meaning(listed[1:], differences.differences(Run("", {}, config=config), earlier), bool(config)),
        steps=_span(curves[first.role].finite().steps, first.step, compared[first.role][0]),
        series=(first.role, *(role for role in compared if role != first.role)),
        evidence=(
            *(Evidence(f"{w.role} {w.measure}", 100.0 * w.excess, None, _unit(w)) for w in listed),
            Evidence("p", first.p, p_most),
            Evidence("baseline runs", float(usable)),
        ),
    )


def _span(steps: Array, first: float, middles: Array) -> tuple[float, float]:
    """The first and last of the run's own steps in the stretches of the axis from `first` on."""
    half = float(middles[1] - middles[0]) / 2.0
    inside = steps[(steps >= first - half) & (steps <= float(middles[-1]) + 1.01 * half)]
    return float(inside[0]), float(inside[-1])


def _most_telling(found: Sequence[_Worse], first: _Worse) -> list[_Worse]:
    """Of each curve the largest difference in level, speed and noise beside the one that is told first."""
    best: dict[tuple[str, str], _Worse] = {}
    for worse in found:
        kind = worse.role, worse.measure if worse.measure in ("speed", "noise") else "level"
        if kind not in best or worse.excess > best[kind].excess:
            best[kind] = worse
    best.pop((first.role, first.measure if first.measure in ("speed", "noise") else "level"), None)
    return list(best.values())


def _unit(worse: _Worse) -> str:
    levels = worse.measure not in ("speed", "noise") and worse.role not in _LOSSES
    return "points lower" if levels else "percent more"


_LOSSES = ("train_loss", "val_loss")
_WORDS = {"level": "levels off", "end": "ends", "best": "is at its best"}


def _severity(worse: _Worse, limits: Mapping[str, tuple[float, float]]) -> Severity:
    if worse.measure in ("speed", "noise"):
        return Severity.WARNING if worse.excess >= 1.0 and worse.measure == "speed" else Severity.NOTE
    warning, error = limits[worse.role.rpartition("_")[2]]
    return Severity.ERROR if worse.excess >= error else Severity.WARNING if worse.excess >= warning else Severity.NOTE


def _binned(role: str, curve: Series, baseline: Sequence[Run]) -> tuple[Array, between_runs.Bins] | None:
    """Steps, and means of the run (row 0) and of the baseline runs, larger for worse, in shares of the usual level."""
    others = [other for run in baseline if (other := run.curve(role)) is not None]
    own = curve.finite()
    if len(own) < 5:
        return None
    # A baseline run that covers little of the run would leave little of it to compare.
    middle = float(own.steps[0] + own.steps[-1]) / 2.0
    others = [o.finite() for o in others]
    others = [o for o in others if len(o) >= 5 and o.steps[0] <= middle <= o.steps[-1]]
    if not others:
        return None
    binned = between_runs.binned([own, *others])
    if binned is None:
        return None
    steps, bins = binned
    return steps, between_runs.worse_by(role) * bins / between_runs.scale(role, bins[1:])


def _comparisons(role: str, steps: Array, bins: between_runs.Bins, spread: float, curves: int) -> list[_Worse]:
    """Every measure of one curve against the baseline's, the p-values corrected for their number."""
    count = bins.shape[1]
    width = max(2, count // 8)
    noise = between_runs.noise(bins)
    late = count // 2
    measures = (
        ("level", bins[:, late:].mean(axis=1), count - late, late, 2.0),
        ("end", bins[:, -width:].mean(axis=1), width, count - width, 6.0),
        ("best", between_runs.smoothed(bins, width).min(axis=1), width, 0, 6.0),
    )
    found = []
    for name, values, points, start, tests in measures:
        prior = math.hypot(spread, noise / math.sqrt(points))
        excess, _, p = between_runs.departure(float(values[0]), values[1:], prior)
        found.append(_Worse(role, name, excess, tests * curves * p, float(steps[start])))
    found += _speed(role, steps, bins, curves)
    found += _noise(role, steps, bins, curves)
    return found


def _both_losses(compared: Mapping[str, tuple[Array, between_runs.Bins]], spread: float) -> list[_Worse]:
    """The mean of the levels of both losses, which tells from the noise what either alone does not."""
    pair = [compared[role] for role in _LOSSES if role in compared]
    if len(pair) < 2 or pair[0][1].shape[0] != pair[1][1].shape[0]:
        return []
    late = [bins[:, bins.shape[1] // 2 :] for _, bins in pair]
    levels = [half.mean(axis=1) for half in late]
    errors = [between_runs.noise(bins) / math.sqrt(half.shape[1]) for (_, bins), half in zip(pair, late, strict=True)]
    both = np.mean(levels, axis=0)
    _, _, p = between_runs.departure(float(both[0]), both[1:], math.hypot(spread, math.hypot(*errors) / 2.0))
    excess = [float(level[0] - level[1:].mean()) for level in levels]
    worst = int(np.argmax(excess))
    steps = pair[worst][0]
    return [_Worse(_LOSSES[worst], "level", excess[worst], 3.0 * p, float(steps[steps.size // 2]))]


def _speed(role: str, steps: Array, bins: between_runs.Bins, curves: int) -> list[_Worse]:
    """The steps until nine tenths of the usual improvement, against the baseline's; nothing where that is little."""
    width = max(2, bins.shape[1] // 8)
    smooth = between_runs.smoothed(bins, width)
    usual = np.median(smooth[1:], axis=0)
    gain = float(usual[0] - usual.min())
    if gain <= 10.0 * between_runs.noise(bins) / math.sqrt(width):
        return []
    target = float(usual[0]) - 0.9 * gain
    reached = smooth <= target
    if not reached[1:].any(axis=1).all():
        return []
    first = np.where(reached.any(axis=1), np.argmax(reached, axis=1), smooth.shape[1])
    taken = np.log((first + 1.0) / (1.0 + float(np.median(first[1:]))))
    prior = 0.1 + 1.0 / (1.0 + float(np.median(first[1:])))  # a tenth, and one stretch of the axis
    excess, _, p = between_runs.departure(float(taken[0]), taken[1:], prior)
    return [_Worse(role, "speed", math.expm1(excess), 6.0 * curves * p, float(steps[0]))]


def _noise(role: str, steps: Array, bins: between_runs.Bins, curves: int) -> list[_Worse]:
    """The noise of the second half against the baseline's."""
    late = bins[:, bins.shape[1] // 2 :]
    jitters = np.array([statistics.jitter(row) for row in late])
    if late.shape[1] < 8 or float(jitters.min()) <= 0.0:
        return []
    sizes = np.log(jitters)
    prior = 1.7 / math.sqrt(late.shape[1])  # standard error of the logarithm of such an estimate
    excess, _, p = between_runs.departure(float(sizes[0]), sizes[1:], prior)
    return [_Worse(role, "noise", math.expm1(excess), 6.0 * curves * p, float(steps[steps.size // 2]))]


def _summary(worse: _Worse, axis: str, runs: int) -> str:
    of = f"{runs} baseline runs" if runs > 1 else "the baseline run"
    if worse.measure == "speed":
        return f"{worse.role} takes {1.0 + worse.excess:.2g} times the {axis}s of {of} to improve as much."
    if worse.measure == "noise":
        return f"{worse.role} is {1.0 + worse.excess:.2g} times as noisy as in {of}."
    if worse.role in _LOSSES:
        return f"{worse.role} {_WORDS[worse.measure]} {100.0 * worse.excess:.3g} % higher than in {of}."
    return f"{worse.role} {_WORDS[worse.measure]} {100.0 * worse.excess:.3g} points lower than in {of}."


def _meaning(others: Sequence[_Worse], differences: Sequence[str], known: bool) -> str:
    curves = list(dict.fromkeys(w.role if w.measure in _WORDS else f"the {w.measure} of {w.role}" for w in others))
    said = f"Also worse: {', '.join(curves)}. " if curves else ""
    if differences:
        more = f" and {len(differences) - 4} more" if len(differences) > 4 else ""
        return f"{said}The config differs from the baseline's in {', '.join(differences[:4])}{more}."
    if known:
        return f"{said}The configs name no difference: it lies in the data, the labels, the code or the libraries."
    return f"{said}Something has changed since: the data, the labels, the code or the configuration."


_against = partial(partial, synthetic.against_baseline)

RULE = Rule(
    id="baseline-regression",
    group="comparison",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("compare-configs", "check-labels", "inspect-data", "repeat-seeds"),
    cases=(
        Case("the loss levels off 10 % higher", _against(level=0.55), Severity.WARNING),
        Case("corrupted labels: the loss levels off at twice the level", _against(level=1.0), Severity.ERROR),
        Case("15 % higher, beside two runs", _against(level=0.575, earlier=2), Severity.WARNING),
        Case("learning at a third of the speed", _against(speed=1.7), Severity.ERROR),
        Case("twice as high as the only earlier run", _against(level=1.0, earlier=1), Severity.NOTE),
        Case("another seed", _against()),
        Case("another seed, beside two runs", _against(earlier=2)),
        Case("another seed, beside one run", _against(earlier=1)),
        Case("seeds that spread by 2 %", _against(spread=0.02)),
        Case("a run that is better", _against(level=0.4)),
    ),
)
