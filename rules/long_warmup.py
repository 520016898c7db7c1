"""Long warmup: the learning rate rises for more of the run than a warmup needs.

Why it matters
    The steps of a warmup are spent at a rate that learns little: what they take is missing from the rest.

Statistics
    warmup     share of the run in which the rate rises in a straight line to its highest value

Limits
    A schedule that rises in a curve (one cycle) is meant to rise for long. A run that was stopped early has a long
    warmup by no fault of its own: the rate must have fallen to half of its highest value by the end.

References
    Godbole et al., Deep Learning Tuning Playbook (2023), on a tenth of the run
    Lecture notes: "Tuning the learning rate".
"""

from __future__ import annotations

from functools import partial

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    axis: str,
    learning_rate: Series,
    scheduler: str | None = None,
    *,
    share_most: float = 0.1,  # of the run; the usual upper end of a warmup
) -> Finding | None:
    """Judge the curve of the learning rate."""
    rate = learning_rate.finite()
    if len(rate) < 5:
        raise CannotJudge("fewer than 5 points of learning rate")
    peak = int(np.argmax(rate.values >= 0.999 * rate.values.max()))
    high = float(rate.values[peak])
    if peak < 2 or rate.values[0] > 0.5 * high or rate.values[-1] > 0.5 * high:
        return None
    if scheduler is not None and "cycl" in scheduler.casefold().replace("-", ""):
        return None
    since = rate.steps[: peak + 1] - rate.steps[0]
    straight = rate.values[0] + (high - rate.values[0]) * since / since[-1]
    whole = float(rate.steps[-1] - rate.steps[0])
    share = float(since[-2]) / whole  # the peak may lie anywhere after the point before it
    if share <= share_most or float(np.abs(rate.values[: peak + 1] - straight).max()) > 0.05 * high:
        return None
    top = float(rate.steps[peak])
    return Finding(
        severity=Severity.NOTE,
        confidence=statistics.confidence(0.7 + 5.0 * (share - share_most)),
        summary=f"The learning rate warms up until {axis} {top:g}, {100 * float(since[-1]) / whole:.0f} % of the run.",
        meaning="At most a tenth is usual; a warmup that goes on for longer spends steps at a rate that learns little.",
        steps=(float(rate.steps[0]), top),
        marks=(top,),
        series=("learning_rate",),
        evidence=(Evidence("warmup", 100.0 * share, 100.0 * share_most, "percent of the run"),),
    )


def _ramp(up: float, down: float, size: int = 200) -> Array:
    """A rate that rises to 1e-3 over the share `up` of the points and falls to `down` of it from there."""
    peak = round(up * size)
    return 1e-3 * np.concatenate([np.arange(1, peak + 1) / max(peak, 1), np.linspace(1.0, down, size - peak)])


RULE = Rule(
    id="long-warmup",
    group="schedule",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("shorter-warmup", "train-longer"),
    precedence=1,
    measures={
        "share_most": "the part of the run in which the learning rate climbs (share)",
    },
    cases=(
        Case("warmup over a third", partial(synthetic.scheduled, _ramp(0.33, 0.0)), Severity.NOTE),
        Case("warmup over a twentieth, then a decay", partial(synthetic.scheduled, _ramp(0.05, 0.0))),
        Case("stopped while it warmed up", partial(synthetic.scheduled, _ramp(0.9, 0.99))),
        Case("learning rate cut twice", synthetic.decayed),
    ),
)
