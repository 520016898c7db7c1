"""Frozen metric: an accuracy stays at exactly the same value, to the last digit, for most of the run.

Why it matters
    A network that changes does not answer exactly as well at every epoch. Either one class is predicted for everything,
    or the metric is computed on something that does not move (the wrong tensor, a cached result, an empty set).

Statistics
    share   longest stretch of points with exactly the same value, as a share of the curve
    value   where it stands; the majority share or 1/k is the mark of a constant answer

Limits
    An accuracy of (nearly) 1 or exactly 0 on a task that has not begun may stand still for good reasons: 1 is left
    alone, and so is one that rose gradually to where it stands, or a validation accuracy beside a training set that is
    fitted: a network that has settled answers the same. Where the training accuracy itself stands still to its fourth
    decimal, or twenty validations repeat it while the training loss has more than a twentieth of its start left,
    nothing has settled: a network that goes on learning moves some of its answers. Very small validation sets repeat
    values by chance; what counts is one unbroken stretch.

References
    Lecture notes: "Loss goes down and accuracy goes down: threshold metric is not met; imbalance?"
    Godbole et al., Deep Learning Tuning Playbook (2023), on looking at more than one metric
"""

from __future__ import annotations

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import shapes, statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

LEAST_POINTS = 5


def check(
    axis: str,
    train_accuracy: Series | None = None,
    val_accuracy: Series | None = None,
    train_loss: Series | None = None,
    *,
    share_warning: float = 0.6,  # of the points; "most of the run"
    points_warning: int = 6,  # in a row; fewer equal values happen by rounding, unless there is no other value at all
    accuracy_done: float = 0.995,  # nothing left to move
    points_settled: int = 20,  # in a row; over so many a network that learns on changes its answer to some example
    loss_fitted: float = 0.05,  # of its first level; a training loss above it has something left to learn
    accuracy_fitted: float = 0.99,  # of the training set: the decisions on new examples are settled as well
) -> Finding | None:
    """Judge each accuracy on its own; the longer frozen one is reported."""
    found: list[tuple[float, str, Series, int, int]] = []
    judged = False
    for role, curve in (("val_accuracy", val_accuracy), ("train_accuracy", train_accuracy)):
        if curve is None or len(finite := curve.finite()) < LEAST_POINTS:
            continue
        judged = True
        start, stop = shapes.longest_still(finite.values)
        share = (stop - start) / len(finite)
        enough = stop - start >= points_warning or share == 1.0
        training_still = _still(train_accuracy, finite.steps[start:stop], accuracy_done)
        long = stop - start >= points_settled and _is_fine(float(finite.values[start]))
        learns_on = long and _above(train_loss, loss_fitted)
        if shapes.settled(finite.values, start, stop) and not training_still and not learns_on:
            continue
        if role == "val_accuracy" and _fitted(train_accuracy, finite.steps[start:stop], accuracy_fitted):
            continue
        if enough and share >= share_warning and finite.values[start] < accuracy_done:
            found.append((share, role, finite, start, stop))
    if not judged:
        raise CannotJudge(f"the log has no accuracy with at least {LEAST_POINTS} points")
    if not found:
        return None
    share, role, curve, start, stop = max(found, key=lambda item: item[0])
    value = float(curve.values[start])
    both = " (train_accuracy too)" if len(found) == 2 and role == "val_accuracy" else ""
    return Finding(
        severity=Severity.WARNING,
        confidence=statistics.confidence(0.4 + 3.0 * (share - share_warning) + 0.1 * min(stop - start, 20)),
        summary=(
            f"{role} is exactly {value:.6g} for {stop - start} of {len(curve)} points, from {axis} "
            f"{curve.steps[start]:g} to {curve.steps[stop - 1]:g}{both}."
        ),
        meaning=(
            "The network predicts one class for everything, or the metric is computed on something that does not move."
        ),
        steps=(float(curve.steps[start]), float(curve.steps[stop - 1])),
        series=tuple(item[1] for item in sorted(found, key=lambda item: -item[0])),
        evidence=(
            Evidence("share", 100.0 * share, 100.0 * share_warning, "percent"),
            Evidence("value", value),
        ),
    )


def _above(train_loss: Series | None, share: float) -> bool:
    """Whether the training loss ends above this share of its first level."""
    values = np.empty(0) if train_loss is None else train_loss.finite().values
    if values.size < LEAST_POINTS:
        return False
    count = statistics.ends(values.size, 0.1, 2)
    return statistics.level(values, values.size - count, values.size) > share * statistics.level(values, 0, count)


def _still(train_accuracy: Series | None, steps: Array, done: float) -> bool:
    """Whether the training accuracy has one and the same value over the given steps, with more than three decimals, and
    something left to gain.
    """
    if train_accuracy is None or len(finite := train_accuracy.finite()) == 0:
        return False
    meanwhile = finite.values[(finite.steps >= steps[0]) & (finite.steps <= steps[-1])]
    if meanwhile.size < LEAST_POINTS or np.ptp(meanwhile) > 0.0:
        return False
    value = float(meanwhile[0])
    return value < done and _is_fine(value)


def _is_fine(value: float) -> bool:
    """Whether an accuracy has more than three decimals: rounded to fewer it stands still while it moves."""
    return abs(value - round(value, 3)) > 1e-9


def _fitted(train_accuracy: Series | None, steps: Array, least: float) -> bool:
    """Whether nothing was left to learn over the given steps: the training set was fitted already."""
    if train_accuracy is None or not steps.size or len(finite := train_accuracy.finite()) == 0:
        return False
    meanwhile = finite.values[(finite.steps >= steps[0]) & (finite.steps <= steps[-1])]
    return meanwhile.size > 0 and statistics.median(meanwhile) >= least


RULE = Rule(
    id="frozen-metric",
    group="metric",
    doc=__doc__,
    check=check,
    min_points=LEAST_POINTS,
    fixes=("check-metric", "class-weights", "balanced-metric", "inspect-data"),
    explained_by=("non-finite", "non-convergence"),
    measures={
        "share_warning": "the longest part in which the metric does not change (share)",
        "points_warning": "the points in a row without a change",
        "points_settled": "the points in a row without a change",
        "accuracy_done": "the value at which it stands still",
        "loss_fitted": "the training loss at the end, of its start",
        "accuracy_fitted": "the training accuracy meanwhile",
        "len((finite := curve.finite()))": "the points of the metric",
        "found": "a metric that stands still for long enough",
    },
    cases=(
        Case("accuracy exactly at the majority share", synthetic.imbalanced, Severity.WARNING),
        Case("healthy run", synthetic.healthy),
        Case("noisy at chance", synthetic.stuck),
        Case("settled beside a fitted training set", synthetic.settled),
    ),
)
