"""Loss-accuracy conflict: the loss falls while its accuracy falls with it, or stays at the share of one class.

Why it matters
    The raw output improves, but the thresholded decision does not: the model may answer with the majority class for
    everything, and a falling loss hides it.

Statistics
    loss change      (level at the end - level at the start) / standard deviation of the noise around the loss
    accuracy change  the same levels of the accuracy, in points (hundredths)
    tau              Mann-Kendall trend of the accuracy over the stretch in which the loss falls [1]
    chance           ln k and 1 / k: a loss that falls below the one beside an accuracy at the other, for k classes

Limits
    An accuracy near 1 that has nothing left to gain is no conflict, nor is one that rose gradually to where it stands;
    one that is near chance and noisy may be early, not ill, unless the number of classes is known and the loss has
    fallen below that of random answers. A metric that is no accuracy (a reward, an error rate) is not judged as one.
    Fewer than 8 points are not judged. An accuracy frozen at a value that is not an answer at all is the metric's
    fault; look there first.

References
    [1] Mann, Nonparametric Tests Against Trend (1945)
    Lecture notes: "Loss goes down and accuracy goes down: raw outcome improves, but threshold metric is not met;
    imbalance?"
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import shapes, statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

LEAST_POINTS = 8
NEAR_ONE = 0.1  # missing to 1, below which what is still goes with what is missing
LEAST_GAIN = 0.05  # of what an accuracy could still gain; near 1, two points are all of it


class Conflict(NamedTuple):
    """A conflict in one pair of curves.

    kind: `falls`, `stays`, `chance`; loss_change in standard deviations; accuracy_start, accuracy_end: levels in
    [0, 1].
    """

    kind: str
    loss_change: float
    accuracy_start: float
    accuracy_end: float
    tau: float
    steps: tuple[float, float]


def check(
    axis: str,
    train_loss: Series | None = None,
    train_accuracy: Series | None = None,
    val_loss: Series | None = None,
    val_accuracy: Series | None = None,
    num_classes: int | None = None,
    *,
    loss_fall: float = 4.0,  # standard deviations of the noise around the loss that count as falling
    loss_share: float = 0.05,  # of its level; a smaller fall need not show in an accuracy
    accuracy_fall: float = 0.02,  # two points; smaller losses of accuracy are within what seeds do
    accuracy_still: float = 0.002,  # a fifth of a point over the whole stretch is "stays put"
    halved: float = 0.5,  # of its first level; a loss that falls so far shows in an accuracy that is its own
    still_share: float = 0.6,  # of the points; a shorter stretch without change is a plateau
    accuracy_done: float = 0.97,  # nothing left to gain
    trend_p: float = 0.01,  # nominal, of a falling accuracy
    chance_loss: float = 0.9,  # of ln k; a loss that is lower has learned something, of whatever it measures
    chance_accuracy: float = 1.5,  # times 1 / k; a largest class and the noise of small sets lie below it
) -> Finding | None:
    """Judge each split that has both a loss and an accuracy; validation first."""
    limits = (loss_fall, loss_share, accuracy_fall, accuracy_still, still_share, accuracy_done, trend_p, halved)
    pairs = [("val", val_loss, val_accuracy), ("train", train_loss, train_accuracy)]
    if val_accuracy is not None and val_loss is None:
        pairs.append(("val", train_loss, val_accuracy))
    complete = [(split, a, b) for split, a, b in pairs if a is not None and b is not None]
    if not complete:
        raise CannotJudge("the log has no loss and accuracy of one split")
    judged = False
    for split, loss, accuracy in complete:
        joined = _join(loss.finite(), accuracy.finite())
        if joined is None:
            continue
        judged = True
        conflict = _conflict(*joined, *limits, num_classes, (chance_loss, chance_accuracy))
        if conflict is not None:
            loss_role = "train_loss" if loss is train_loss else "val_loss"
            return _finding(conflict, loss_role, f"{split}_accuracy", axis, accuracy_fall, loss_fall, trend_p)
    if not judged:
        raise CannotJudge(f"fewer than {LEAST_POINTS} points with both a loss and an accuracy")
    return None


def _join(loss: Series, accuracy: Series) -> tuple[Array, Array, Array] | None:
    """Steps, loss and accuracy at the accuracy's steps; None where there are too few or the metric is no accuracy."""
    keep = (accuracy.steps >= loss.steps[0]) & (accuracy.steps <= loss.steps[-1]) if len(loss) else np.zeros(0, bool)
    if keep.sum() < LEAST_POINTS:
        return None
    values = accuracy.values[keep]
    if values.min() < 0.0 or values.max() > 1.0:
        return None
    steps = accuracy.steps[keep]
    return steps, np.interp(steps, loss.steps, loss.values), values


def _conflict(
    step: Array,
    loss: Array,
    accuracy: Array,
    loss_fall: float,
    loss_share: float,
    accuracy_fall: float,
    accuracy_still: float,
    still_share: float,
    accuracy_done: float,
    trend_p: float,
    halved: float,
    num_classes: int | None,
    chance: tuple[float, float],
) -> Conflict | None:
    """The conflict in aligned curves of shape (n,), where there is one."""
    count = statistics.ends(loss.size)
    after = statistics.level(accuracy, accuracy.size - count, accuracy.size)
    if after >= accuracy_done:
        return None
    change = _fall(loss, loss_share)
    if change >= loss_fall:
        before = statistics.level(accuracy, 0, count)
        trend = statistics.mann_kendall(accuracy)
        lost = before - after
        if lost >= max(accuracy_fall, 3.0 * statistics.jitter(accuracy)) and trend.p_falling < trend_p:
            return Conflict("falls", change, before, after, trend.tau, (float(step[0]), float(step[-1])))
        if num_classes is not None and num_classes > 1 and _below_chance(loss, after, num_classes, *chance):
            return Conflict("chance", change, before, after, trend.tau, (float(step[0]), float(step[-1])))
    rises = _rises(accuracy, trend_p)
    if change >= loss_fall and _fall(loss, halved) and not rises and _unmoved(accuracy, accuracy_fall):
        held = statistics.median(accuracy)
        return Conflict("stays", change, held, held, 0.0, (float(step[0]), float(step[-1])))
    start, stop = shapes.longest_still(accuracy, accuracy_still * min(1.0, (1.0 - after) / NEAR_ONE))
    if shapes.settled(accuracy, start, stop):
        return None
    if stop - start < max(still_share * accuracy.size, LEAST_POINTS - 2):
        return None
    change = _fall(loss[start:stop], loss_share)
    if change < loss_fall:
        return None
    held = statistics.median(accuracy[start:stop])
    return Conflict("stays", change, held, held, 0.0, (float(step[start]), float(step[stop - 1])))


def _rises(accuracy: Array, p: float) -> bool:
    """Whether an accuracy rises for sure, and by what is seen of all that it could still gain."""
    count = statistics.ends(accuracy.size)
    before, after = (
        statistics.level(accuracy, 0, count),
        statistics.level(accuracy, accuracy.size - count, accuracy.size),
    )
    return after - before > LEAST_GAIN * (1.0 - before) and statistics.mann_kendall(accuracy).p_rising < p


def _unmoved(accuracy: Array, least: float) -> bool:
    """Whether no level of an accuracy, of thirds of the run, is `least` away from the first points, noise included."""
    first = accuracy[: max(2, accuracy.size // 20)]
    levels = [statistics.median(first), *(statistics.median(third) for third in np.array_split(accuracy, 3))]
    error = 1.25 * statistics.jitter(accuracy) * math.sqrt(2.0 / first.size)  # of two medians
    return max(levels) - min(levels) + error < least


def _below_chance(loss: Array, accuracy: float, classes: int, loss_most: float, accuracy_most: float) -> bool:
    """Whether the loss ends below that of random answers while the answers are right no more often than those."""
    end = statistics.level(loss, loss.size - statistics.ends(loss.size), loss.size)
    return accuracy <= accuracy_most / classes and end < loss_most * float(np.log(classes))


def _fall(loss: Array, share: float) -> float:
    """By how many standard deviations of its noise the loss falls; 0 for less than `share` of its level."""
    count = statistics.ends(loss.size)
    drop = statistics.level(loss, 0, count) - statistics.level(loss, loss.size - count, loss.size)
    if drop <= share * float(np.abs(loss[:count]).max()):
        return 0.0
    return min(drop / max(statistics.jitter(loss), 1e-6 * drop), 1e6)


def _finding(
    conflict: Conflict, loss: str, accuracy: str, axis: str, accuracy_fall: float, loss_fall: float, trend_p: float
) -> Finding:
    points = 100.0 * (conflict.accuracy_end - conflict.accuracy_start)
    if conflict.kind == "falls":
        summary = (
            f"{loss} falls by {conflict.loss_change:.3g} standard deviations of its noise while {accuracy} falls from "
            f"{conflict.accuracy_start:.3f} to {conflict.accuracy_end:.3f}."
        )
        meaning = (
            "The outputs get closer to the targets while the decisions get worse: the loss is earned on one class "
            "(imbalance), the metric measures something else, or its labels are wrong."
        )
    elif conflict.kind == "chance":
        summary = (
            f"{loss} falls by {conflict.loss_change:.3g} standard deviations of its noise, below that of random "
            f"answers, while {accuracy} ends at {conflict.accuracy_end:.3f}, that of random answers."
        )
        meaning = (
            "The loss rewards something else than right answers: it may not fit the outputs (logits where it expects "
            "log-probabilities), or the metric or its labels are wrong."
        )
    else:
        summary = (
            f"{loss} falls by {conflict.loss_change:.3g} standard deviations of its noise while {accuracy} stays at "
            f"{conflict.accuracy_end:.4f}."
        )
        meaning = (
            "The answer never changes: most likely one class is predicted for everything, and "
            f"{conflict.accuracy_end:.1%} is its share of the data; or the metric is computed wrongly."
        )
    return Finding(
        severity=Severity.WARNING,
        confidence=statistics.confidence(1.2 + 0.05 * min(conflict.loss_change, 20.0)),
        summary=summary,
        meaning=meaning,
        steps=conflict.steps,
        series=(accuracy, loss),
        evidence=(
            Evidence("loss change", -conflict.loss_change, -loss_fall, "standard deviations"),
            Evidence("accuracy change", points, -100.0 * accuracy_fall, "points"),
            Evidence("tau", conflict.tau),
        ),
        fixes=("check-loss", "check-metric", "check-labels") if conflict.kind == "chance" else (),
        cause={"chance": "chance", "stays": "one-answer", "falls": "both-fall"}[conflict.kind],
    )


RULE = Rule(
    id="loss-accuracy-conflict",
    doc=__doc__,
    check=check,
    min_points=LEAST_POINTS,
    fixes=("check-metric", "check-loss", "class-weights", "balanced-metric", "inspect-data", "balance-data"),
    explained_by=("non-finite", "frozen-metric"),
    measures={
        "loss_fall": "how far the loss falls, in its own noise",
        "accuracy_fall": "how far the accuracy falls",
        "accuracy_done": "the accuracy at the end",
        "trend_p": "how likely so steady a fall of the accuracy is by chance (Mann-Kendall p)",
        "still_share": "the points in a row in which the accuracy stands still",
        "chance_loss": "the loss at the end, against that of guessing (ln k)",
        "chance_accuracy": "the accuracy at the end, against that of guessing (1 / k)",
        "drop": "how far the loss falls",
        "change": "how far the loss falls, in its own noise",
        "after": "the accuracy at the end",
        "lost": "how far the accuracy falls",
        "keep.sum()": "the points that both curves have",
        "conflict is not None": "the two curves contradict each other",
        "stop - start": "the points in a row in which the accuracy stands still",
    },
    cases=(
        Case("accuracy stays at the majority share", synthetic.imbalanced, Severity.WARNING),
        Case("loss and accuracy fall together", synthetic.conflicting, Severity.WARNING),
        Case("the loss falls far below ln 10, the accuracy stays at chance", synthetic.unrewarded, Severity.WARNING),
        Case("healthy run", synthetic.healthy),
        Case("settled beside a falling loss", synthetic.settled),
        Case("overfitting lifts the loss", synthetic.overfit),
        Case("flat at chance", synthetic.stuck),
    ),
)
