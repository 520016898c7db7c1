"""Validation is training: the validation curve repeats the training curve in every digit.

Why it matters
    What is called validation was computed on the training data, or one column was written twice: nothing in this log
    tells how the network does on new data, and early stopping follows the training loss.

Statistics
    equal   share of the points logged for both losses at which they have the same value, in every digit

Limits
    Fewer than 5 common points are not judged, nor is a loss that never moves. Losses that are rounded to two or three
    digits may meet by chance: they must do so at every point.

References
    Kapoor and Narayanan, Leakage and the Reproducibility Crisis in Machine-Learning-based Science (2023)
    Lecture notes: "Validation set"; milestone "learn the right thing".
"""

from __future__ import annotations

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    step: Array,
    train_loss: Array,
    val_loss: Array,
    axis: str,
    *,
    equal_least: float = 1.0,  # of the points; two independent numbers do not agree in every digit
    different_least: float = 3.0,  # values; a loss that hardly moves may stand still in both
) -> Finding | None:
    """Judge aligned losses of shape (n,)."""
    equal = float(np.mean(train_loss == val_loss))
    if equal < equal_least or np.unique(train_loss).size < different_least:
        return None
    return Finding(
        severity=Severity.ERROR,
        confidence=0.97,
        summary=f"val_loss equals train_loss in every digit at all {step.size} {axis}s that log both.",
        meaning="The validation was computed on the training data, or one column was written twice.",
        steps=(float(step[0]), float(step[-1])),
        series=("val_loss", "train_loss"),
        evidence=(Evidence("equal", 100.0 * equal, 100.0 * equal_least, "percent"),),
    )


RULE = Rule(
    id="validation-is-training",
    group="metric",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("check-split", "check-metric"),
    precedence=-1,
    measures={
        "equal_least": "the share of points at which both losses are the same (equal)",
        "different_least": "the different values of train_loss",
    },
    cases=(
        Case("one column written twice", synthetic.repeated, Severity.ERROR),
        Case("healthy run", synthetic.healthy),
        Case("both flat at chance", synthetic.stuck),
    ),
)
