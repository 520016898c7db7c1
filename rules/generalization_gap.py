"""Generalization gap: validation ends clearly worse than training, without climbing.

Why it matters
    The network has learned things about the training sample that do not hold on new data. How much of a gap is too much
    depends on the task; a large one says that regularization or data will help more than capacity.

Statistics
    ratio   val_loss over train_loss at the end (positive losses)
    points  train_accuracy minus val_accuracy at the end, in points (hundredths)

Limits
    Dropout, augmentation and label smoothing are active in the training loss and off in validation, which hides a gap;
    a training loss near zero makes the ratio large without consequence. A small gap is normal, so this is a note unless
    the accuracies differ widely; an R2 or a correlation is no accuracy in this. A climbing val_loss is `overfitting`.

References
    Zhang et al., Understanding Deep Learning Requires Rethinking Generalization (2017)
    Lecture notes: milestone "learn the right thing: regularization".
"""

from __future__ import annotations

import math

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.names import roles
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

LEAST_POINTS = 5


def check(
    axis: str,
    train_loss: Series | None = None,
    val_loss: Series | None = None,
    train_accuracy: Series | None = None,
    val_accuracy: Series | None = None,
    *,
    ratio_note: float = 1.5,  # val over train; what readers of curves called clearly worse
    points_note: float = 0.10,  # ten points of accuracy, likewise
    points_warning: float = 0.25,  # a quarter of all answers right in training and wrong in validation
) -> Finding | None:
    """Judge the ends of each pair of curves."""
    losses = _ends(train_loss, val_loss)
    accuracies = _ends(train_accuracy, val_accuracy)
    if train_accuracy is not None and val_accuracy is not None:
        accuracies = accuracies if roles.same_metric(train_accuracy.name, val_accuracy.name) else None
    if losses is None and accuracies is None:
        raise CannotJudge("the log has no curve for both training and validation")
    ratio = losses[1] / losses[0] if losses is not None and min(losses) > 0.0 else math.nan
    points = accuracies[0] - accuracies[1] if accuracies is not None else math.nan
    if not (ratio >= ratio_note or points >= points_note):
        return None
    said, series, evidence = [], [], []
    if ratio >= ratio_note and losses is not None:
        said.append(f"val_loss ends at {ratio:.3g} times train_loss ({losses[1]:.4g} against {losses[0]:.4g})")
        series += ["val_loss", "train_loss"]
        evidence.append(Evidence("ratio", min(ratio, 1e6), ratio_note))
    if points >= points_note and accuracies is not None:
        said.append(f"val_accuracy ends {100 * points:.3g} points below train_accuracy ({accuracies[1]:.4g})")
        series += ["val_accuracy", "train_accuracy"]
        evidence.append(Evidence("points", 100.0 * points, 100.0 * points_note, "points"))
    curves = [c for c in (train_loss, val_loss, train_accuracy, val_accuracy) if c is not None and len(c)]
    # The share of variance explained is no share of right answers: it varies with the variance of a small set.
    explained = val_accuracy is not None and roles.parse(val_accuracy.name).kind == "correlation"
    strength = max(
        math.log(ratio / ratio_note) if ratio >= ratio_note else 0.0,
        5.0 * (points - points_note) if points >= points_note else 0.0,
    )
    return Finding(
        severity=Severity.WARNING if points >= points_warning and not explained else Severity.NOTE,
        confidence=statistics.confidence(1.2 + 1.5 * min(strength, 2.0)),
        summary=", and ".join(said) + ".",
        meaning="Part of what was learned holds for the training sample alone; capacity is not what is missing.",
        steps=(min(float(c.steps[0]) for c in curves), max(float(c.steps[-1]) for c in curves)),
        series=tuple(series),
        evidence=tuple(evidence),
    )


def _ends(train: Series | None, val: Series | None) -> tuple[float, float] | None:
    """Levels of both curves at the end; None where one is missing or short."""
    if train is None or val is None:
        return None
    a, b = train.finite().values, val.finite().values
    if min(a.size, b.size) < LEAST_POINTS:
        return None
    return _end(a), _end(b)


def _end(values: Array) -> float:
    """Level at the end: of a line through the last fifth, which follows a moving curve, or of its median where the
    noise is more than 5 % of the level.
    """
    count = statistics.ends(values.size, 0.2)
    middle = statistics.level(values, values.size - count, values.size)
    noisy = statistics.jitter(values[-2 * count :]) > 0.05 * abs(middle)
    return middle if noisy else statistics.end_level(values, count)


RULE = Rule(
    id="generalization-gap",
    doc=__doc__,
    check=check,
    min_points=LEAST_POINTS,
    fixes=("data-augmentation", "weight-decay", "dropout", "more-data", "smaller-network"),
    explained_by=("overfitting",),
    measures={
        "ratio_note": "val_loss at the end, over train_loss (ratio)",
        "points_note": "train_accuracy at the end, less val_accuracy (gap)",
        "points_warning": "train_accuracy at the end, less val_accuracy, for a warning (gap)",
    },
    cases=(
        Case("val_loss at twice train_loss, both flat", synthetic.gap, Severity.NOTE),
        Case("healthy run", synthetic.healthy),
        Case("negative loss, healthy", synthetic.negative),
    ),
)
