"""Plateau: the training loss stops improving long before the end, and not because it has nothing left to gain.

Why it matters
    The epochs on the plateau cost as much as the others and bring nothing: reduce the learning rate there, stop, or
    give the network more capacity.

Statistics
    from    first point after which the level of train_loss (block medians) changes by less than its noise
    share   share of the run spent on the plateau

Limits
    Flat is what a finished run looks like: this is a note. A loss that has fallen to nearly nothing, or a fitted
    training set (accuracy 0.99), is done and left alone, and so is a run whose logged learning rate has decayed. One
    that rises again does not stay (`divergence`). No improvement at all is `non-convergence`.

References
    Prechelt, Early Stopping - But When? (1998)
    Lecture notes: "When stuck, reduce it" (the learning rate); "For less footprint, less epochs".
"""

from __future__ import annotations

import math

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.rule import Case, Evidence, Finding, Rule, Severity

BLOCKS = 40


def check(
    step: Array,
    train_loss: Array,
    axis: str,
    train_accuracy: Series | None = None,
    learning_rate: Series | None = None,
    *,
    share_note: float = 0.5,  # of the run; half of the epochs without visible gain
    gain_most: float = 0.01,  # of the improvement that the plateau may still bring
    done_level: float = 0.02,  # of the start; a loss that has fallen to a fiftieth is finished
    decayed: float = 0.1,  # of its peak; a learning rate that has come down so far has ended the training as planned
) -> Finding | None:
    """Judge a training loss of shape (n,)."""
    if (
        train_accuracy is not None
        and len(train_accuracy)
        and train_accuracy.finite().values[-1:].max(initial=0) >= 0.99
    ):
        return None
    rate = np.empty(0) if learning_rate is None else learning_rate.finite().values
    if rate.size and float(rate[-1]) <= decayed * float(rate.max()):
        return None
    level = statistics.block_medians(train_loss, BLOCKS)
    start = max(float(level[0]), statistics.median(level[:3])) if train_loss.size < 200 else float(level[0])
    end = statistics.median(level[-max(3, level.size // 10) :])
    improvement = start - end
    noise = statistics.jitter(train_loss)
    if improvement <= 4.0 * noise or (end > 0.0 and end < done_level * start):
        return None
    # The curve is on its plateau from the first level on that no later level undercuts by more than the allowed gain.
    gain = level - np.minimum.accumulate(level[::-1])[::-1]
    by_chance = 6.0 * noise / math.sqrt(train_loss.size / level.size)  # the lowest of 40 levels lies 2.2 below the mean
    reached = np.flatnonzero(gain > max(gain_most * improvement, by_chance))
    first = int(reached[-1]) + 1 if reached.size else 0
    share = 1.0 - first / level.size
    if share < share_note or end - level[first:].min() > max(gain_most * improvement, by_chance):
        return None  # it ends above what it had reached
    begin = float(step[min(int(first * step.size / level.size), step.size - 1)])
    return Finding(
        severity=Severity.NOTE,
        confidence=statistics.confidence(0.8 + 3.0 * (share - share_note)),
        summary=(
            f"From {axis} {begin:g} on, {100 * share:.0f} % of the run, train_loss stays at {end:.4g} and gains less "
            f"than {100 * gain_most:.0f} % of its improvement."
        ),
        meaning="Nothing more is learned with this learning rate and this capacity.",
        steps=(begin, float(step[-1])),
        marks=(begin,),
        series=("train_loss",),
        evidence=(Evidence("share", 100.0 * share, 100.0 * share_note, "percent"),),
    )


RULE = Rule(
    id="plateau",
    doc=__doc__,
    check=check,
    min_points=12,
    fixes=("decay-learning-rate", "larger-network", "train-shorter"),
    explained_by=("vanishing-gradient",),
    not_for={"reinforcement": "the log has a reward: the loss of a policy need not fall"},
    measures={
        "share_note": "the part of the run that brings nothing more (share)",
        "gain_most": "what the loss ends above the best of that part",
        "done_level": "the loss at the end, of its start",
        "decayed": "the learning rate at the end, of its peak",
        "improvement": "all that the loss has improved",
    },
    cases=(
        Case("flat from a fifth of the run on", synthetic.plateaued, Severity.NOTE),
        Case("healthy run that falls to its end", synthetic.falling),
        Case("flat at chance", synthetic.stuck),
        Case("falls, then climbs past its start", synthetic.diverging),
    ),
)
