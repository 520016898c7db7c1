"""Softmax twice: the loss stands on the floor that a softmax before a cross-entropy leaves.

Why it matters
    A cross-entropy that takes logits applies a softmax itself. Given probabilities it can never reach zero: the best
    that a certain and right answer earns is ln(1 + (k - 1) / e). Gradients are small everywhere, and learning is slow.

Statistics
    floor    ln(1 + (k - 1) / e), the loss of k classes where the probability of the right one is 1; 1.461 for ten
    above    level of train_loss over its last tenth, as a share of the floor above it

Limits
    Needs the number of classes, from the config. Label smoothing raises the floor of a sound loss (0.1 to 0.5 for ten
    classes), but not to that height. Fewer than 6 points are not judged.

References
    PyTorch documentation, CrossEntropyLoss: "The input is expected to contain the unnormalized logits"
    Schoop, Huang and Hartmann, UMLAUT: Debugging Deep Learning Programs using Program Structure (2021)
    Lecture notes: "Softmax"; "Diagnosing the model".
"""

from __future__ import annotations

import math

from diagnose import synthetic
from diagnose.measure.curve import Curve
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    train_loss: Curve,
    axis: str,
    num_classes: int,
    *,
    above_most: float = 0.05,  # of the floor; a network that is right in most cases ends that near to it
    below_most: float = 0.005,  # of the floor; the loss of a batch cannot lie below it but for its rounding
    fallen_least: float = 0.1,  # of ln k; the loss of random answers has to be left first
) -> Finding | None:
    """Judge the training loss of a classifier."""
    if num_classes < 3:
        raise CannotJudge("the floor of two classes lies too near to other losses")
    floor = math.log1p((num_classes - 1) / math.e)
    above = train_loss.end / floor - 1.0
    lowest = float(train_loss.values.min()) / floor - 1.0
    left = train_loss.end < (1.0 - fallen_least) * math.log(num_classes)
    if not (lowest >= -below_most and above <= above_most and left):
        return None
    start, last = float(train_loss.steps[0]), float(train_loss.steps[-1])
    return Finding(
        severity=Severity.WARNING,
        confidence=0.9,
        summary=(
            f"train_loss ends at {train_loss.end:.4g} ({axis} {last:g}) and never falls below {floor:.4g} = "
            f"ln(1 + {num_classes - 1} / e), the least that a softmax before the cross-entropy of {num_classes} "
            f"classes leaves."
        ),
        meaning="The loss takes logits and seems to be given probabilities: leave the softmax of the last layer out.",
        steps=(start, last),
        series=("train_loss",),
        evidence=(Evidence("above the floor", 100.0 * above, 100.0 * above_most, "percent"),),
    )


RULE = Rule(
    id="softmax-twice",
    group="metric",
    doc=__doc__,
    check=check,
    min_points=6,
    fixes=("check-loss",),
    precedence=-1,
    measures={
        "above_most": "how far the loss ends above the least that such a loss can reach",
        "below_most": "the lowest loss, against that least",
        "fallen_least": "the loss at the end, against that of guessing (ln k)",
    },
    cases=(
        Case("ten classes, ends at 1.47", synthetic.softmaxed, Severity.WARNING),
        Case("healthy run", synthetic.healthy_with_classes),
        Case("answers at random", synthetic.stuck),
    ),
)
