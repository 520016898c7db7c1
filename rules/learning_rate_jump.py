"""Learning-rate jump: the learning rate grows tenfold from one point to the next, and the loss with it.

Why it matters
    A resume with another config, a scheduler stepped twice, a restart of the warmup or a wrong unit of its steps
    multiplies the rate; the loss that jumps there is no instability of the training, and lowering the whole schedule
    is no cure.

Statistics
    factor   the rate after the jump over that before it
    rise     level of train_loss over the 5 points from the jump on above that over the 5 before, in percent

Limits
    A rate that returns to where it was before is a restart (`learning-rate-restart`), and one that climbs over the
    first tenth of the run a warmup. Where the loss does not move the jump does no harm that is seen. Fewer than 12
    points are not judged.

References
    Godbole et al., Deep Learning Tuning Playbook (2023), on learning rate schedules
    Lecture notes: "Tuning the learning rate".
"""

from __future__ import annotations

import numpy as np

from diagnose import synthetic
from diagnose.curves import Series
from diagnose.measure import statistics
from diagnose.measure.curve import Curve
from diagnose.rule import Case, Evidence, Finding, Rule, Severity

AROUND = 5  # points before and after


def check(
    train_loss: Curve,
    learning_rate: Series,
    axis: str,
    *,
    factor_least: float = 10.0,  # times; an order of magnitude
    rise_least: float = 0.1,  # of the loss before
    deviations: float = 3.0,  # of the noise of a point, which is four times that of the levels of five
    warmup: float = 0.1,  # of the run, in which a rate may climb
) -> Finding | None:
    """Judge the jumps of the rate, each by what the loss does there."""
    rate = learning_rate.finite()
    values, steps = rate.values, rate.steps
    if values.size < 2:
        return None
    highest = np.maximum.accumulate(values)
    begun = steps[1:] - steps[0] > warmup * (steps[-1] - steps[0])
    jumps = (values[1:] >= factor_least * values[:-1]) & (values[:-1] > 0.0) & (values[1:] > 1.5 * highest[:-1]) & begun
    for place in np.flatnonzero(jumps):
        at = float(steps[place + 1])
        rise = _rise(train_loss, at, deviations)
        if rise >= rise_least:
            factor = float(values[place + 1] / values[place])
            return Finding(
                severity=Severity.WARNING,
                confidence=0.9,
                summary=(
                    f"The learning rate goes from {values[place]:.3g} to {values[place + 1]:.3g} at {axis} {at:g}, and "
                    f"train_loss rises there by {100 * rise:.3g} %."
                ),
                meaning="The jump of the rate is why the loss jumps: look at what was resumed or stepped there.",
                steps=(at, float(steps[-1])),
                marks=(at,),
                series=("train_loss", "learning_rate"),
                evidence=(
                    Evidence("factor", factor, factor_least, "times"),
                    Evidence("rise", 100.0 * rise, 100.0 * rise_least, "percent"),
                ),
            )
    return None


def _rise(loss: Curve, at: float, deviations: float) -> float:
    """By how much the level of the loss rises at a step, as a share of it; 0 where that is within its noise."""
    place = int(np.searchsorted(loss.steps, at))
    before, after = loss.scaled[max(0, place - AROUND) : place], loss.scaled[place : place + AROUND]
    if before.size < 2 or after.size < 2:
        return 0.0
    low, high = statistics.median(before), statistics.median(after)
    noise = statistics.jitter(loss.scaled[max(0, place - 4 * AROUND) : place])
    if high - low <= deviations * noise:
        return 0.0
    return (loss.at(high) - loss.at(low)) / max(abs(loss.at(low)), 1e-300)


RULE = Rule(
    id="learning-rate-jump",
    group="schedule",
    doc=__doc__,
    check=check,
    min_points=12,
    fixes=("undo-rate-jump", "restore-state", "fit-schedule"),
    measures={
        "factor_least": "by how much the learning rate jumps at one step",
        "rise_least": "by how much the loss rises there (rise)",
        "deviations": "by how much the loss rises there, in its noise",
        "warmup": "how early in the run it is",
    },
    cases=(
        Case("the rate and the loss jump half-way", synthetic.rate_jump, Severity.WARNING),
        Case("a constant rate", synthetic.healthy),
        Case("the rate jumps and the loss falls on", synthetic.harmless_rate_jump),
    ),
)
