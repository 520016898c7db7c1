"""Impossible accuracy: an accuracy lies outside its range.

Why it matters
    An accuracy below 0 or above 1 was not computed as one: a sum that was not divided, or divided by another number
    than that of the examples. Whatever is chosen by it is chosen by chance.

Statistics
    outside   share of the points below 0, or above 1 (above 100 for a percentage)

Limits
    A percentage near 1 cannot be told from a fraction above it: only a score whose middle is 0.8 or more is taken for
    one. A rounding above 1 is none.

References
    Grandini, Bagli and Visani, Metrics for Multi-Class Classification (2020)
    Lecture notes: "Metrics".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diagnose import synthetic
from diagnose.curves import Series
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    accuracies: Mapping[str, Series],
    axis: str,
    *,
    slack: float = 0.005,  # of the range; what rounding and half precision make of 1
    near: float = 1.5,  # of the range; a score further out is none that was divided wrongly, but another quantity
    share_least: float = 0.05,  # of the points; a single one may be the last, partial batch
) -> Finding | None:
    """Judge the accuracies, and the other scores between 0 and 1, as they were logged."""
    long = {name: score for name, score in accuracies.items() if len(score) >= 2}
    if not long:
        raise CannotJudge("fewer than 2 points of an accuracy")
    for name, score in long.items():
        top = _top(score)
        outside = (score.values < -slack * top) | (score.values > (1.0 + slack) * top)
        if outside.mean() < share_least:
            continue
        places = score.steps[outside]
        worst = float(score.values[outside][np.argmax(np.abs(score.values[outside]))])
        return Finding(
            severity=Severity.WARNING if -slack * top <= worst <= near * top else Severity.NOTE,
            confidence=0.95,
            summary=(
                f"{name} lies outside 0 to {top:g} at {int(outside.sum())} of {len(score)} points, first at {axis} "
                f"{places[0]:g}: {worst:.4g}."
            ),
            meaning="No share of anything does: it is summed without dividing, or divided by the wrong number.",
            steps=(float(places[0]), float(places[-1])),
            series=(name,),
            evidence=(
                Evidence("outside", 100.0 * float(outside.mean()), 100.0 * share_least, "percent of the points"),
            ),
        )
    return None


def _top(score: Series) -> float:
    """The most that the score can be: 1 where its middle lies near that, else 100."""
    highest = float(score.values.max())
    return 1.0 if highest <= 1.0 or (highest <= 1.5 and float(np.median(score.values)) >= 0.8) else 100.0


RULE = Rule(
    id="impossible-accuracy",
    group="metric",
    doc=__doc__,
    check=check,
    min_points=2,
    fixes=("compute-metric-anew",),
    precedence=-1,
    measures={
        "share_least": "the share of points outside of 0 to 1 (share)",
    },
    cases=(
        Case("an accuracy of 1.2", synthetic.undivided_accuracy, Severity.WARNING),
        Case("healthy run", synthetic.healthy),
        Case("an accuracy that stands at 0.9", synthetic.imbalanced),
    ),
)
