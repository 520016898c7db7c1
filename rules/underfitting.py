"""Underfitting: training and validation end close together, flat, and poor.

Why it matters
    The network cannot even fit its training set: more epochs or more regularization make nothing better. It is the
    milestone "learn everything" that is missed.

Statistics
    accuracy  train_accuracy at the end, against what a fitted training set reaches
    gap       train_accuracy minus val_accuracy at the end, in points
    slope     fall of train_loss over the last third, in percent of its improvement

Limits
    Needs a training accuracy: what is a poor loss depends on the task. Hard tasks (thousands of classes, noisy labels)
    have a low ceiling; the finding is a note unless the accuracy is close to chance. Strong augmentation lowers the
    training accuracy on purpose.

References
    Goodfellow, Bengio and Courville, Deep Learning (2016), section 5.2
    Lecture notes: milestone "learn everything: growing capacity, hyperparameter refinement; goal: overfit".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from diagnose import synthetic
from diagnose.curves import Array
from diagnose.measure import statistics
from diagnose.names import traits
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    step: Array,
    train_loss: Array,
    train_accuracy: Array,
    val_accuracy: Array,
    axis: str,
    num_classes: int | None = None,
    config: Mapping[str, Any] | None = None,
    *,
    accuracy_note: float = 0.7,  # below it, a training set is far from fitted
    accuracy_warning: float = 3.0,  # times chance (1 / num_classes), where the number of classes is known
    gap_most: float = 0.05,  # five points; with more the network generalizes worse than it fits
    slope_most: float = 0.05,  # of the improvement, over the last third; more is `slow-convergence`
) -> Finding | None:
    """Judge aligned curves of shape (n,); accuracies as fractions."""
    if train_accuracy.min() < 0.0 or train_accuracy.max() > 1.0:
        return None
    size = train_loss.size
    count = statistics.ends(size)
    accuracy = statistics.level(train_accuracy, size - count, size)
    gap = accuracy - statistics.level(val_accuracy, size - count, size)
    if accuracy >= accuracy_note or abs(gap) > gap_most:
        return None
    start, end = statistics.level(train_loss, 0, count), statistics.level(train_loss, size - count, size)
    earlier = statistics.level(train_loss, size - size // 3 - count, size - size // 3)
    noise = statistics.jitter(train_loss)
    improvement = start - end
    slope = (earlier - end) / improvement if improvement > 0.0 else 0.0
    chance = 3.0 * 1.25 * noise * math.sqrt(2.0 / count) / max(improvement, noise, 1e-300)  # of two medians of noise
    if improvement < 3.0 * noise or slope > slope_most + chance:
        return None  # nothing learned at all is `non-convergence`; still falling is `slow-convergence`
    poor = num_classes is not None and accuracy < accuracy_warning / num_classes
    return Finding(
        severity=Severity.WARNING if poor else Severity.NOTE,
        confidence=statistics.confidence(0.6 + 3.0 * (accuracy_note - accuracy)),
        summary=(
            f"train_accuracy has levelled off at {accuracy:.3g}, val_accuracy {100 * abs(gap):.2g} points from it; "
            f"train_loss fell by {100 * slope:.2g} % of its improvement in the last third."
        ),
        meaning="The network cannot fit its training set: it lacks capacity, or is held back by regularization.",
        steps=(float(step[size - size // 3 - 1]), float(step[-1])),
        series=("train_accuracy", "val_accuracy", "train_loss"),
        cause="regularization" if traits.held_back(config or {}) else "",
        evidence=(
            Evidence("accuracy", accuracy, accuracy_note),
            Evidence("gap", 100.0 * gap, 100.0 * gap_most, "points"),
            Evidence("slope", 100.0 * slope, 100.0 * slope_most, "percent of the improvement"),
        ),
    )


RULE = Rule(
    id="underfitting",
    doc=__doc__,
    check=check,
    min_points=10,
    fixes=("larger-network", "less-regularization", "raise-learning-rate", "normalize-inputs"),
    measures={
        "accuracy_note": "the training accuracy at the end",
        "accuracy_warning": "the training accuracy at the end, against that of guessing",
        "gap_most": "how far training and validation accuracy lie apart (gap)",
        "slope_most": "how far the training still improves in the last third (slope)",
    },
    cases=(
        Case("both accuracies flat at 0.45", synthetic.underfit, Severity.NOTE),
        Case("healthy run", synthetic.healthy),
        Case("flat at chance is non-convergence", synthetic.stuck),
    ),
)
