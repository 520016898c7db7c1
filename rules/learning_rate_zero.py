"""Zero learning rate: the learning rate is 0, or as good as 0, throughout or for the last part of the run.

Why it matters
    Nothing is learned at a rate of zero: the steps are lost.

Statistics
    zero    share of the steps, up to the last, in which the learning rate is 0, or less than a 1e-7th of its peak: a
            weight in 32 bits has 24 of them for its digits, and a step that is so much smaller than the first changes
            none of them [1]

Limits
    A rate of zero from the first to the last step is a warning unless the loss falls (then the log has rounded it); one
    that is reached on the way is a note. The last point of a schedule is often 0, hence the least share. A value
    that a log with few decimals may show as 0 is no zero.

References
    [1] IEEE 754, binary32: the least relative difference is 2^-24, 6e-8
    Lecture notes: "Tuning the learning rate".
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

NOTHING = 1e-20
"""A rate that changes no weight in 32 bits, whatever the optimizer."""


def check(
    axis: str,
    learning_rate: Series,
    train_loss: Series | None = None,
    *,
    share_least: float = 0.1,  # of the run at a rate of 0; the last point of a schedule is often 0
    gone: float = 1e-7,  # of the highest rate; steps that float32 cannot add to a weight
) -> Finding | None:
    """Judge the curve of the learning rate; the loss tells whether the zero is one."""
    rate = learning_rate.finite()
    if len(rate) < 5:
        raise CannotJudge("fewer than 5 points of learning rate")
    spent = np.abs(rate.values) <= max(gone * float(np.abs(rate.values).max()), NOTHING)
    above = np.flatnonzero(~spent)
    start = float(rate.steps[above[-1] + 1]) if above.size and above[-1] + 1 < len(rate) else float(rate.steps[0])
    whole = max(float(rate.steps[-1] - rate.steps[0]), 1e-300)
    share = 1.0 if not above.size else (float(rate.steps[-1]) - start) / whole if spent[-1] else 0.0
    if share < share_least or (above.size and _rounded(rate.values[above])):
        return None
    falls = train_loss is not None and _falls(train_loss.finite(), start)
    severity = Severity.NOTE if falls or above.size else Severity.WARNING
    last = float(rate.values[-1])
    what = "is 0" if last == 0.0 else f"{'has fallen to' if above.size else 'is'} {last:.2g}, which is as good as 0,"
    return Finding(
        severity=severity,
        confidence=0.9 if falls else 0.95,
        summary=(
            f"The learning rate {what} {f'from {axis} {start:g} on' if above.size else 'throughout'}, "
            f"{100 * share:.0f} % of the run."
        ),
        meaning=(
            "The loss falls all the same: the log seems to round the rate."
            if falls
            else "Nothing is learned at a rate of 0: the steps are lost."
        ),
        steps=(start, float(rate.steps[-1])),
        series=("learning_rate",),
        evidence=(Evidence("zero", 100.0 * share, 100.0 * share_least, "percent of the run"),),
        fixes=("fit-schedule", "train-shorter") if above.size else ("raise-learning-rate", "check-frozen-weights"),
        cause="schedule-ends-early" if above.size else "rate-zero",
    )


def _falls(loss: Series, start: float) -> bool:
    """Whether a loss of at least ten points falls from `start` on."""
    return len(loss) >= 10 and statistics.mann_kendall(loss.values[loss.steps >= start]).p_falling < 0.01


def _rounded(values: Array) -> bool:
    """Whether the zeros that follow may be smaller values in a log of few decimals.

    They may where all values are multiples of the power of ten of the smallest, and one more fall like the largest of
    those before takes the smallest below half of that unit.
    """
    if values.min() <= 0.0:  # a rate below 0 is no rounded one
        return False
    unit = 10.0 ** math.floor(math.log10(values.min()) + 1e-9)
    multiples = values / unit
    whole = bool(np.all(np.abs(multiples - np.rint(multiples)) < 1e-6 * multiples))
    fall = float((values[:-1] / values[1:]).max(initial=1.0))
    return whole and float(multiples[-1]) <= 0.5 * fall * (1.0 + 1e-9)


RULE = Rule(
    id="learning-rate-zero",
    group="schedule",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("raise-learning-rate", "check-frozen-weights", "fit-schedule"),
    measures={
        "share_least": "the part of the run at a learning rate of 0 (share)",
        "gone": "the learning rate, of its highest",
    },
    cases=(
        Case(
            "zero throughout, the loss flat", partial(synthetic.scheduled, np.zeros(200), floor=4.0), Severity.WARNING
        ),
        Case(
            "decayed to zero after two thirds",
            partial(synthetic.scheduled, np.append(np.linspace(1e-3, 1e-6, 134), np.zeros(66))),
            Severity.NOTE,
        ),
        Case(
            "in even steps to zero, on the way",
            partial(synthetic.scheduled, np.repeat([4e-4, 3e-4, 2e-4, 0.0], 50)),
            Severity.NOTE,
        ),
        Case("4e-53 throughout", partial(synthetic.scheduled, np.full(200, 4e-53), floor=4.0), Severity.WARNING),
        Case(
            "halved at every step, down to 1e-63",
            partial(synthetic.scheduled, 1e-3 * np.exp2(-np.arange(200.0))),
            Severity.NOTE,
        ),
        Case("decayed to zero at the end", partial(synthetic.scheduled, np.linspace(1e-3, 0.0, 200))),
        Case("no learning from a rate that is not zero", partial(synthetic.scheduled, np.full(200, 1e-3), floor=4.0)),
    ),
)
