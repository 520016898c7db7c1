"""Resume jump: the training loss lies higher from one step on, without a spike and without coming back.

Why it matters
    A loss that is lifted at one step and falls on from there is what a resume with something missing looks like: the
    optimizer's averages, the scheduler, the position of the data or the random state. The steps since the checkpoint
    are partly lost. A change of the data or of the loss in the middle of a run looks the same.

Statistics
    jump    difference of the medians of the stretches after and before the step, each a twentieth of the curve (5 to
            51 points); of the logarithm where the loss is positive
    z       the jump in standard deviations of the points around those medians (1.4826 * median absolute deviation [1])
            or of the jitter of the whole curve, whichever is larger
    kept    share of the jump that is still there a tenth of the curve later, the fall over as long a stretch before the
            jump put back
    astray  share of the points within a tenth of the curve that lie on the wrong side of the middle of the jump

Limits
    Needs 20 points, a tenth of them after the jump; the first tenth is left alone. A rise with a peak is `loss-spike`,
    one that goes on or ends above the start is `divergence`, and one where a logged rate rises is a restart. A curve
    with other rises half as high swings. The losses of a policy or of adversarial networks are not judged.

References
    [1] Hampel, The Influence Curve and Its Role in Robust Estimation (1974)
    PyTorch documentation, Saving and Loading a General Checkpoint
    Lecture notes: "Diagnosing the model: loss explosion? sudden spike?".
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import epochs, statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

LEAST_POINTS = 20


class Jump(NamedTuple):
    """The clearest rise of a curve from one point to the next.

    place: index of the first point after it. size: rise of the level. before: level before it.
    z: the size in standard deviations. abrupt: share of the size that the three points on each side already show.
    kept: share of it that is still there later. rival: the highest other rise as a share of it.
    overshoot: how far the first points after it stand above their level, as a share of it.
    going_on: how much the level still rises after it, as a share of it.
    astray: share of the points around it that lie on the wrong side of its middle.
    """

    place: int
    size: float
    before: float
    z: float
    abrupt: float
    kept: float
    rival: float
    overshoot: float
    going_on: float
    astray: float


def check(
    axis: str,
    train_loss: Series | None = None,
    train_loss_step: Series | None = None,
    learning_rate: Series | None = None,
    *,
    z_least: float = 3.5,  # standard deviations; tests/rules/test_rates.py measures the rates
    height_least: float = 0.1,  # of the level; less is not seen on the curve
    abrupt_least: float = 0.7,  # of the jump, within three points: a slope is no jump
    kept_least: float = 0.75,  # of the jump, a tenth of the curve later: a spike would have recovered
    astray_most: float = 0.1,  # of the points around the jump on the wrong side of its middle; two levels are apart
    rival_most: float = 0.5,  # of the jump; a curve with other rises of that height swings
) -> Finding | None:
    """Judge the training loss as finely as it is logged."""
    known = epochs.finest(train_loss, train_loss_step)
    if known is None or len(known[1]) < LEAST_POINTS:
        raise CannotJudge(f"fewer than {LEAST_POINTS} points of the training loss")
    role, curve = known
    positive = float(curve.values.min()) > 0.0
    values = np.log(curve.values) if positive else curve.values
    jump = find_jump(values)
    if jump is None or jump.z < z_least or jump.abrupt < abrupt_least or jump.kept < kept_least:
        return None
    start = statistics.level(values, 0, statistics.ends(values.size, 0.05, 3))
    beyond = jump.before + jump.size * (1.0 + max(jump.going_on, 0.0)) > start
    if jump.rival > rival_most or jump.overshoot > 0.5 or jump.going_on > 0.5 or jump.astray > astray_most or beyond:
        return None
    # A loss that crosses zero has no level to take a share of: its range stands in.
    height = math.expm1(min(jump.size, 50.0)) if positive else jump.size / max(float(np.ptp(values)), 1e-300)
    if height < height_least or _rate_rises(curve.steps, learning_rate, jump.place):
        return None
    step = float(curve.steps[jump.place])
    level = math.exp(jump.before) if positive else jump.before
    return Finding(
        severity=Severity.WARNING,
        confidence=statistics.confidence(0.6 + 0.15 * min(jump.z - z_least, 10.0) + 2.0 * (jump.kept - kept_least)),
        summary=(
            f"{role} rises by {100 * height:.3g} %{'' if positive else ' of its range'} at {axis} {step:g}, from "
            f"{level:.4g}, in one step ({jump.z:.3g} standard deviations), and stays there."
        ),
        meaning=(
            "Something changed at that step: most often a resume that did not restore the optimizer, the schedule or "
            "the position in the data, else the data or the loss itself."
        ),
        steps=(step, float(curve.steps[-1])),
        marks=(step,),
        series=(role,),
        evidence=(
            Evidence("z", min(jump.z, 1e6), z_least, "standard deviations"),
            Evidence("height", 100.0 * min(height, 1e6), 100.0 * height_least, "percent"),
            Evidence("kept", 100.0 * min(jump.kept, 10.0), 100.0 * kept_least, "percent of the jump"),
        ),
    )


def find_jump(values: Array) -> Jump | None:
    """The clearest rise of a curve of shape (n,) that has a tenth of its points before and after it."""
    size = values.size
    window = min(max(5, size // 20), 51) | 1
    half = window // 2
    later = max(2 * window, size // 10)
    first, last = later, size - later
    if last <= first:
        return None
    middle = statistics.rolling_median(values, window)
    index = np.arange(half + 1, size - half)
    rise = middle[index + half] - middle[index - 1 - half]
    place = first + int(np.argmax(rise[first - half - 1 : last - half - 1]))
    # Medians do not say at which of a few points the step is: the largest rise of three points against three does.
    near = np.arange(max(place - half, 3), min(place + half + 1, size - 3))
    threes = statistics.rolling_median(values, 3)
    sharp = threes[near + 1] - threes[near - 2]
    place = int(near[np.argmax(sharp)])
    before, after = values[max(place - window, 0) : place], values[place : place + window]
    low, high = statistics.median(before), statistics.median(after)
    jump = high - low
    if jump <= 0.0:
        return None
    around = statistics.spread(np.concatenate([before - low, after - high]))
    noise = max(around, statistics.jitter(values), 1e-9 * max(abs(low), abs(high)))
    end = statistics.level(values, place + later - window, place + later)
    fall = max(statistics.level(values, place - later, place - later + window) - low, 0.0)
    earlier, afterwards = values[max(place - later, 0) : place], values[place : place + later]
    middle_of_it = low + jump / 2.0
    others = rise[np.abs(index - place) > window]
    return Jump(
        place,
        jump,
        low,
        jump / noise,
        float(sharp.max()) / jump,
        (end - low + fall) / jump,
        max(float(others.max()), 0.0) / jump if others.size else 0.0,
        max(float(values[place : place + 3].max()) - high - 3.0 * noise, 0.0) / jump,
        (statistics.level(values, size - window, size) - high) / jump,
        float(np.mean(np.append(earlier >= middle_of_it, afterwards <= middle_of_it))),
    )


def _rate_rises(steps: Array, rate: Series | None, place: int) -> bool:
    """Whether the learning rate is higher after the jump than before it by more than a tenth."""
    if rate is None or len(finite := rate.finite()) < 2:
        return False
    at = np.interp(steps[[max(place - 2, 0), min(place + 2, steps.size - 1)]], finite.steps, finite.values)
    return bool(at[1] > 1.1 * at[0])


RULE = Rule(
    id="resume-jump",
    doc=__doc__,
    check=check,
    min_points=LEAST_POINTS,
    fixes=("restore-state", "inspect-data", "warmup"),
    not_for=dict.fromkeys(
        ("reinforcement", "adversarial"), "losses of a policy or of adversarial networks may rise at any time"
    ),
    measures={
        "z_least": "how far the loss jumps at the resume, in its noise (z)",
        "height_least": "how far the loss jumps, of its level (height)",
        "abrupt_least": "how much of the jump comes at once",
        "kept_least": "how much of the jump is still there later",
    },
    cases=(
        Case("the level nearly doubles from one step on", synthetic.resumed, Severity.WARNING),
        Case("healthy run", synthetic.healthy),
        Case("spikes that come back", synthetic.spiky),
        Case("falls, then climbs past its start", synthetic.diverging),
        Case("warm restarts of a known schedule", synthetic.cyclic),
        Case("learning rate cut twice", synthetic.decayed),
        Case("fine-tuning that drops at every epoch", synthetic.staircase),
        Case("negative loss, healthy", synthetic.negative),
        Case("epoch for epoch up and down", synthetic.oscillating),
    ),
)
