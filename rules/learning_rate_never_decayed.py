"""Never decayed: the learning rate is never lowered, and the loss jumps around a level that it cannot get below.

Why it matters
    A rate that stays high keeps the weights jumping around the minimum; lowered, it lets them settle.

Statistics
    noise      standard deviation of the loss around its running median over the last third, in percent of the whole
               improvement, beside a rate that stays within 1 % and a level that moves by less than that deviation

Limits
    A calm curve has little to gain from a decay, and a loss that still falls is not held up by its rate: a note in any
    case. Needs 30 points of loss.

References
    Godbole et al., Deep Learning Tuning Playbook (2023)
    Lecture notes: "Tuning the learning rate".
"""

from __future__ import annotations

from functools import partial

import numpy as np

from diagnose import synthetic
from diagnose.curves import Series
from diagnose.measure import statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    learning_rate: Series,
    train_loss: Series,
    *,
    noise_least: float = 0.05,  # of the improvement; calmer curves have little to gain from a decay
) -> Finding | None:
    """Judge a rate beside the last third of a training loss."""
    rate, loss = learning_rate.finite(), train_loss.finite()
    if len(rate) < 5 or len(loss) < 30:
        raise CannotJudge("fewer than 5 points of learning rate, or than 30 of train_loss")
    values, size = rate.values, len(loss)
    later = values[int(np.argmax(values)) :]
    if later.size < 0.7 * values.size or later.min() < 0.99 * later.max() or later.max() <= 0.0:
        return None
    tail = loss.values[-(size // 3) :]
    noise = statistics.spread(tail - statistics.rolling_median(tail, min(25, tail.size // 2) | 1))
    half = tail.size // 2
    moved = statistics.level(tail, 0, half) - statistics.level(tail, half, tail.size)
    improvement = statistics.level(loss.values, 0, statistics.ends(size, 0.05)) - statistics.median(tail)
    if improvement <= 0.0 or noise < noise_least * improvement or abs(moved) > noise:
        return None
    share = noise / improvement
    return Finding(
        severity=Severity.NOTE,
        confidence=statistics.confidence(0.6 + 5.0 * min(share - noise_least, 0.2)),
        summary=(
            f"The learning rate stays at {later.max():.3g} to the end while train_loss swings by {100 * share:.2g} % "
            "of its whole improvement and falls no further."
        ),
        meaning="A constant rate keeps the weights jumping around the minimum; lowered, it lets them settle.",
        steps=(float(loss.steps[-tail.size]), float(loss.steps[-1])),
        series=("learning_rate", "train_loss"),
        evidence=(Evidence("noise", 100.0 * share, 100.0 * noise_least, "percent of the improvement"),),
    )


RULE = Rule(
    id="learning-rate-never-decayed",
    group="schedule",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("decay-learning-rate", "average-weights", "larger-batch"),
    not_for={"reinforcement": "the log has a reward: the loss of a policy need not settle"},
    precedence=1,
    measures={
        "noise_least": "how much the loss still swings at the end (noise)",
    },
    cases=(
        Case(
            "never decayed under a noisy loss",
            partial(synthetic.scheduled, np.full(200, 1e-3), swing=0.3),
            Severity.NOTE,
        ),
        Case("never decayed under a calm loss", partial(synthetic.scheduled, np.full(200, 1e-3), floor=0.5)),
        Case("decayed under a noisy loss", partial(synthetic.scheduled, np.linspace(1e-3, 0.0, 200), swing=0.3)),
        Case("learning rate cut twice", synthetic.decayed),
    ),
)
