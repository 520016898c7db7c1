"""Divergence: the training loss climbs away from its best level and stays there.

Why it matters
    The optimization has left the region it had found. More epochs do not bring it back, and the weights at the end are
    worse than earlier ones.

Statistics
    rise    level at the end over the best level, in percent of the best level; of a loss that is not positive, in
            percent of its improvement
    lost    the same rise as a share of the improvement before it, an initial point apart: 0 at the best, 1 back at the
            start
    sure    probability that the loss has risen at all since its best, from the noise around it, its memory, and the
            best being the lowest of many (see `diagnose.measure.curve`)

Limits
    Less than a tenth of the improvement is hardly seen on the curve, and a note; less than 2 % of the level is nothing,
    whatever had been gained. A run that never improved is told by
    its start: the rise is then that over the start. A learning rate that is higher at the end than at the best is a
    restart of its schedule, which lifts a loss for a while; it counts from where the loss is above its start. Losses of
    two networks that play against each other (GAN) and of a policy (reward in the log) go up in healthy training; they
    are not judged. A loss that ends in NaN is `non-finite`; the finite part is judged here.

References
    Lecture notes: "Loss explosion? Sudden spike? Problematic data instance; exploding gradients -> weights".
"""

from __future__ import annotations

import numpy as np

from diagnose import synthetic
from diagnose.curves import Series
from diagnose.measure.curve import MOST_LOST, Curve, Rise
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    train_loss: Curve,
    axis: str,
    learning_rate: Series | None = None,
    *,
    rise_least: float = 0.2,  # of the best level; a fifth is beyond what seeds and batches do
    lost_least: float = 0.5,  # of the improvement; half of what was learned counts from a smaller rise on
    visible: float = 0.02,  # of the best level; a smaller rise is nothing that one would act on
    lost_warning: float = 0.1,  # of the improvement; less is hardly seen on the curve, and a note
    lost_error: float = 0.5,  # of the improvement: half of what had been learned is gone
    sure: float = 0.98,  # probability of a rise at all
) -> Finding | None:
    """Judge a training loss."""
    rise = train_loss.rise
    if rise is None or rise.size < (visible if rise.lost >= lost_least else rise_least) or rise.lost <= 0.0:
        return None
    certain = rise.certain
    if certain < sure or (rise.lost < 1.0 and _restarted(train_loss, rise, learning_rate)):
        return None
    best, start = float(train_loss.steps[rise.best]), train_loss.start
    severity = Severity.ERROR if rise.lost >= lost_error else Severity.WARNING
    where = (
        "above where it started"
        if rise.end > start
        else f"{100 * rise.lost:.0f} % of the way back to its start ({start:.4g})"
    )
    return Finding(
        severity=severity if rise.lost >= lost_warning else Severity.NOTE,
        confidence=min(certain, 0.99),
        summary=f"train_loss was best at {axis} {best:g} ({rise.lowest:.4g}) and ends at {rise.end:.4g}, {where}.",
        meaning="The optimization left the region it had found; the weights at the end are worse than earlier ones.",
        steps=(best, float(train_loss.steps[-1])),
        marks=(best,),
        series=("train_loss",),
        evidence=(
            Evidence("rise", 100.0 * rise.size, 100.0 * rise_least, "percent"),
            Evidence(
                "lost again",
                100.0 * rise.lost,
                100.0 * lost_warning,
                "percent of the improvement",
                rise.lost >= MOST_LOST,
            ),
            Evidence("probability of a rise", min(certain, 0.9999), sure),
        ),
    )


def _restarted(loss: Curve, rise: Rise, rate: Series | None) -> bool:
    """Whether the learning rate is higher at the end than at the best level, by more than a tenth."""
    if rate is None or len(finite := rate.finite()) < 2:
        return False
    then, now = np.interp([loss.steps[rise.turn], loss.steps[-1]], finite.steps, finite.values)
    return bool(now > 1.1 * then)


RULE = Rule(
    id="divergence",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("lower-learning-rate", "warmup", "clip-gradients", "inspect-batch", "normalize-inputs"),
    explained_by=("exploding-gradient", "non-finite", "resume-jump"),
    not_for={
        "reinforcement": "the log has a reward: the loss of a policy may rise in healthy training",
        "adversarial": "the log has a discriminator loss: adversarial losses may rise in healthy training",
    },
    measures={
        "rise_least": "how far train_loss ends above its best level (rise)",
        "visible": "how far train_loss ends above its best level (rise)",
        "lost_least": "how much of what train_loss had gained is lost again (lost)",
        "lost_warning": "how much of what train_loss had gained is lost again, for a warning (lost)",
        "lost_error": "how much of what train_loss had gained is lost again, for an error (lost)",
        "sure": "how sure it is that train_loss has risen at all (probability)",
        "rise is None": "no rise after the best can be measured: too few points, or none after it",
        "rise.lost": "how much of what train_loss had gained is lost again (lost)",
    },
    cases=(
        Case("falls, then climbs past its start", synthetic.diverging, Severity.ERROR),
        Case("healthy run", synthetic.healthy),
        Case("spikes that come back", synthetic.spiky),
        Case("warm restarts lift the loss for a while", synthetic.cyclic),
        Case("flat at chance", synthetic.stuck),
    ),
)
