"""Mean prediction: a regression does no better than the mean of its targets.

Why it matters
    A coefficient of determination of 0 is what a constant earns. The loss falls to the variance of the targets and
    looks like learning; nothing of the inputs was used.

Statistics
    R2    1 - mean squared error / variance of the targets [1]: the level over the last third of the points, and
          the best
    rise  level of R2 over the last third above that over the third before it

Limits
    An R2 that still rises is one that is learned late, and one that had been good is `overfitting` or a divergence.
    On data that hold nothing to be learned the mean is the best there is. Fewer than 4 points are not judged.

References
    [1] Chicco, Warrens and Jurman, The Coefficient of Determination R-squared is More Informative (2021)
    Lecture notes: "Training milestone: learn anything".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from diagnose import synthetic
from diagnose.curves import Series
from diagnose.measure import statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

LEAST = 4  # points


def check(
    r2_scores: Mapping[str, Series],
    axis: str,
    *,
    level_most: float = 0.05,  # R2; a twentieth of the variance explained
    best_most: float = 0.1,  # R2 at any point; it was never better
    rise_most: float = 0.05,  # R2; it is not on its way up
) -> Finding | None:
    """Judge the R2, on held-out data where the log has it."""
    long = {name: r2 for name, r2 in r2_scores.items() if len(r2) >= LEAST}
    if not long:
        raise CannotJudge(f"fewer than {LEAST} points of R2")
    name, r2 = next(iter(long.items()))
    third = max(1, len(r2) // 3)
    end = statistics.median(r2.values[-third:])
    rise = end - statistics.median(r2.values[-2 * third : -third])
    if end > level_most or float(r2.values.max()) > best_most or rise > rise_most:
        return None
    what = "no better than" if end >= -level_most else "worse than"
    return Finding(
        severity=Severity.ERROR,
        confidence=0.9,
        summary=(
            f"{name} is {end:.3g} over the last {third} points and never above {r2.values.max():.3g}: {what} the mean "
            f"of the targets."
        ),
        meaning="The network says the same of every example: the inputs do not reach its output, or do not tell of it.",
        steps=(float(r2.steps[0]), float(r2.steps[-1])),
        series=(name,),
        evidence=(
            Evidence("R2", end, level_most),
            Evidence("best R2", float(r2.values.max()), best_most),
            Evidence("rise", rise, rise_most),
        ),
    )


RULE = Rule(
    id="mean-prediction",
    group="metric",
    doc=__doc__,
    check=check,
    min_points=LEAST,
    fixes=("overfit-one-batch", "inspect-data", "normalize-inputs", "raise-learning-rate"),
    silences=("overfitting",),
    precedence=-1,
    measures={
        "level_most": "the share of the variance explained at the end (R2)",
        "best_most": "the best share of the variance explained (R2)",
        "rise_most": "how far that has risen",
    },
    cases=(
        Case("R2 around 0", synthetic.determined, Severity.ERROR),
        Case(
            "R2 of 0 on validation, worse at two last points", partial(synthetic.determined, drop=0.1), Severity.ERROR
        ),
        Case("R2 rises to 0.8", partial(synthetic.determined, end=0.8)),
        Case("R2 rises late", partial(synthetic.determined, end=0.9, late=True)),
    ),
)
