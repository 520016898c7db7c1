"""Staircase loss: the training loss drops at every turn of an epoch and hardly moves within the epochs.

Why it matters
    What is learned between two epochs is learned about examples that were seen before: the network recognises them.
    In the fine-tuning of language models one pass is often enough to memorise, and the training loss then says nothing
    about new data.

Statistics
    drop   fall of the level from the last quarter of an epoch to the first quarter of the next, less the fall over the
           same distance within those two epochs; the median over all turns
    height the drop in standard deviations of single points around the curve [2]
    z      the drop times the root of the number of turns, in standard deviations of the falls within the epochs
           (1.4826 * median absolute deviation [1])
    share  sum of the drops over the improvement since the end of the first epoch

    Where the epochs are not logged, the length is sought at which evenly spaced turns, counted from the start, drop
    most clearly; five epochs and twice the z are asked for then.

Limits
    Needs 8 points per epoch and 3 epochs. A loss that is a running mean since the start of the epoch drops there by
    itself: it grows calmer within every epoch, and is not judged. A learning rate that is lowered at every turn has the
    same effect; it can be told only where it is logged. No harm is proven without a validation loss: this is a note.

References
    [1] Hampel, The Influence Curve and Its Role in Robust Estimation (1974)
    [2] Gasser, Sroka and Jennen-Steinmetz, Residual variance and residual pattern in nonlinear regression (1986)
    Howard and Whitaker, Can LLMs learn from a single example? (fast.ai, 2023), describe the shape and its cause
    Tirumala et al., Memorization Without Overfitting (2022)
    Lecture notes: "Early Stopping: overfitting is the end of the road".
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import binning, epochs, statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

BINS = 8  # parts of an epoch; a quarter on each side of a turn is two of them


class Stairs(NamedTuple):
    """What happens at the turns of the epochs of one curve.

    firsts: indices of the first points of the epochs. drop: the median. falling: share of the turns that drop at all.
    """

    firsts: epochs.Indices
    drop: float
    z: float
    share: float
    falling: float


def check(
    axis: str,
    train_loss: Series | None = None,
    train_loss_step: Series | None = None,
    epoch: Series | None = None,
    learning_rate: Series | None = None,
    *,
    z_least: float = 6.0,  # standard deviations; tests/rules/test_rates.py measures the rates
    share_least: float = 0.5,  # of the improvement after the first epoch: most of it happens at the turns
    falling_least: float = 0.8,  # of the turns; one learning-rate decay is no staircase
    height_least: float = 1.0,  # standard deviations of the noise of single points; a lower step cannot be seen
    calming: float = 2.0,  # times calmer at the end of the epochs than at their start; a plain loss has 0.7 .. 1.4
) -> Finding | None:
    """Judge the training loss as finely as it is logged."""
    known = epochs.finest(train_loss, train_loss_step)
    if known is None or not epochs.within_epochs(known[1].steps, axis):
        raise CannotJudge("the training loss has no points within the epochs")
    role, curve = known
    firsts = epochs.starts(curve.steps, epoch, axis)
    stairs, factor = (measure(curve.values, firsts), 1.0) if firsts.size else (_search(curve.values), 2.0)
    if stairs is None:
        raise CannotJudge(f"fewer than 3 whole epochs with {BINS} points of {role} each")
    if stairs.z < factor * z_least or stairs.share < share_least or stairs.falling < falling_least:
        return None
    height = stairs.drop / max(statistics.jitter(curve.values), 1e-9 * abs(stairs.drop))
    if height < height_least:
        return None
    if epochs.settling(curve.values, stairs.firsts) >= calming:
        raise CannotJudge(f"{role} is a running mean that starts anew with every epoch, and drops there by itself")
    turns = stairs.firsts[1:]
    if learning_rate is not None and _follows(curve.steps, stairs.firsts, learning_rate.finite()):
        return None
    marks = tuple(float(step) for step in curve.steps[turns][:24])
    return Finding(
        severity=Severity.NOTE,
        confidence=statistics.confidence(1.0 + 0.15 * min(stairs.z / factor - z_least, 15.0)),
        summary=(
            f"{role} drops by {stairs.drop:.3g} at the turn of an epoch ({stairs.z:.3g} standard deviations over "
            f"{turns.size} turns); these drops are {100 * min(stairs.share, 1.0):.0f} % of its improvement since the "
            "first epoch."
        ),
        meaning=(
            "The network recognises examples it has seen before: it memorises them. Judge it by a validation loss, "
            "which often rises by then."
        ),
        steps=(marks[0], float(curve.steps[-1])),
        marks=marks,
        series=(role,),
        evidence=(
            Evidence("z", min(stairs.z, 1e6), factor * z_least, "standard deviations"),
            Evidence("share", 100.0 * min(stairs.share, 10.0), 100.0 * share_least, "percent of the improvement"),
            Evidence("height", min(height, 1e6), height_least, "standard deviations of single points"),
            Evidence("epochs", float(stairs.firsts.size)),
        ),
    )


def measure(values: Array, firsts: epochs.Indices) -> Stairs | None:
    """The stairs at given turns; None where there are fewer than 3 whole epochs."""
    level = epochs.whole_bins(values, firsts, BINS)
    if len(level) < 3:
        return None
    flat = level.ravel()
    total = np.concatenate([[0.0], np.cumsum(flat)])
    at = np.arange(2, flat.size - 1)
    falls = np.zeros(flat.size)
    falls[at] = (2.0 * total[at] - total[at - 2] - total[at + 2]) / 2.0
    fall = falls.reshape(level.shape)
    within = fall[:, 2:-1]
    usual = within.mean(axis=1)
    excess = fall[1:, 0] - (usual[:-1] + usual[1:]) / 2.0
    noise = max(statistics.spread((within - usual[:, None]).ravel()), 1e-9 * float(np.abs(flat).max()), 1e-300)
    drop = float(np.median(excess))
    improvement = max(float(level[0, -2:].mean() - level[-1, -2:].mean()), 1e-300)
    share = min(max(float(excess.sum()), 0.0) / improvement, 10.0)
    return Stairs(firsts, drop, drop * math.sqrt(excess.size) / noise, share, float((excess > 0.0).mean()))


def _search(values: Array, *, most: int = 40, points: int = 16, fine: int = 4096) -> Stairs | None:
    """The clearest stairs of 5 to `most` epochs of equal length, each of at least `points` points.

    Curves with more than twice `fine` points are searched in the means of about `fine` blocks.
    """
    most = min(most, values.size // points)
    if most < 5:
        return None
    # Cheap refusal first: without sudden falls beyond the usual ones there are no stairs to look for.
    level = binning.block_means(values, 4 * most)
    fall = -np.diff(level)[level.size // 10 :]
    if np.count_nonzero(fall - np.median(fall) > 2.5 * statistics.spread(fall)) < 3:
        return Stairs(np.zeros(1, dtype=np.intp), 0.0, 0.0, 0.0, 0.0)
    each = max(values.size // fine, 1)
    short = binning.block_means(values, values.size // each)
    best: Stairs | None = None
    clearest = 0.0
    for count in np.arange(5.0, most, 1.0 / BINS):  # each moves the last turn by one part of an epoch
        stairs = measure(short, _even(short.size, count))
        if stairs is not None and (best is None or stairs.z > best.z):
            best, clearest = stairs, count
    return None if best is None else best._replace(firsts=_even(values.size, clearest))


def _even(size: int, count: float) -> epochs.Indices:
    """First points of epochs of equal length, `count` of them in `size` points."""
    return np.arange(0.0, size - 1.0, size / count).astype(np.intp)


def _follows(steps: Array, firsts: epochs.Indices, rate: Series) -> bool:
    """Whether the learning rate falls by a tenth at half of the turns or more, and less from there to the next."""
    if len(rate) < 2:
        return False
    at = np.interp(steps, rate.steps, rate.values)
    turns = firsts[1:]
    before, after = at[turns - 1], at[np.minimum(turns + 1, at.size - 1)]
    return bool(np.mean(after < 0.9 * before) >= 0.5)


RULE = Rule(
    id="staircase-loss",
    doc=__doc__,
    check=check,
    min_points=3 * BINS,
    fixes=("fewer-epochs", "early-stopping", "more-data", "lower-learning-rate"),
    cases=(
        Case("fine-tuning that drops at every epoch", synthetic.staircase, Severity.NOTE),
        Case(
            "the same, epochs not logged", partial(synthetic.staircase, epochs=8, drop=0.2, logged=False), Severity.NOTE
        ),
        Case("steps of six epochs, falling smoothly", synthetic.steps_of_epochs),
        Case("running mean that starts anew with every epoch", synthetic.running_mean),
        Case("healthy run", synthetic.healthy),
        Case("learning rate cut twice", synthetic.decayed),
        Case("spikes on a falling loss", synthetic.spiky),
    ),
)
