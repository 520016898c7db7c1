"""Learning-rate restart: the learning rate goes up again after it had come down.

Why it matters
    The loss rises for a while after each restart, and the network of that while is worse: which epoch is kept matters.

Statistics
    restarts   times that the rate at least doubles after it had fallen to half of its highest value or less

Limits
    Warm restarts are a schedule of their own, and a resume that began the schedule anew looks the same: a note.

References
    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017)
    Lecture notes: "Tuning the learning rate".
"""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np

from diagnose import synthetic
from diagnose.curves import Series
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

MOST_MARKS = 24  # places named in a finding; more cannot be told apart on a curve


def check(
    axis: str,
    learning_rate: Series,
    *,
    rise_least: float = 2.0,  # times the rate before; smaller rises are corrections
    fallen_most: float = 0.5,  # of the highest rate so far; a rise from above it is no restart
) -> Finding | None:
    """Judge the curve of the learning rate."""
    rate = learning_rate.finite()
    if len(rate) < 5:
        raise CannotJudge("fewer than 5 points of learning rate")
    values = rate.values
    slope = np.sign(np.diff(values))
    moving = np.flatnonzero(slope)
    turns = moving[1:][slope[moving[1:]] != slope[moving[:-1]]]  # the last points before the direction changes
    ends = np.append(turns, values.size - 1)
    highest = np.maximum.accumulate(values)
    places = [
        int(low)
        for low, high in itertools.pairwise(ends)
        if values[high] >= rise_least * max(float(values[low]), 1e-300) and values[low] <= fallen_most * highest[low]
    ]
    if not places:
        return None
    marks = tuple(float(rate.steps[place]) for place in places[:MOST_MARKS])
    times = "once" if len(places) == 1 else f"{len(places)} times"
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=(
            f"The learning rate restarts {times}, at {axis} {', '.join(f'{mark:g}' for mark in marks[:5])}"
            f"{' ...' if len(places) > 5 else ''}."
        ),
        meaning="The loss rises for a while after each restart: that is the schedule, or a resume that began it anew.",
        steps=(marks[0], float(rate.steps[-1])),
        marks=marks,
        series=("learning_rate",),
        evidence=(Evidence("restarts", float(len(places)), 1.0),),
    )


RULE = Rule(
    id="learning-rate-restart",
    group="schedule",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("end-of-cycle", "restore-state"),
    precedence=1,
    measures={
        "rise_least": "by how much the learning rate rises",
        "fallen_most": "how low it had fallen",
    },
    cases=(
        Case("warm restarts", synthetic.cyclic, Severity.NOTE),
        Case("learning rate cut twice", synthetic.decayed),
        Case("raised by half at the end", partial(synthetic.scheduled, np.repeat([1e-3, 2e-4, 3e-4], [100, 50, 50]))),
    ),
)
