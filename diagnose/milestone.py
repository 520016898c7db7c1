"""Which of the lecture notes' training milestones a run is working on.

    learn anything          better than random; little capacity, rough hyperparameters; the goal is to underfit
    learn everything        the training set is fitted; growing capacity, finer hyperparameters; the goal is to overfit
    learn the right thing   what was learned holds on new data; regularization

The milestone named is the one to aim at next: a run that has not learned anything aims at the first. What the rules
found counts with what the curves show here: a run whose loss is that of random answers has learned nothing, however far
it fell to get there, and one that overfits needs no more capacity.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from diagnose.curves import Run
from diagnose.measure import statistics
from diagnose.measure.curve import Curve
from diagnose.names import roles

LEARNED_NOISE = 3.0
"""Standard deviations of its noise by which an accuracy must have risen to count as having learned anything."""

LEARNED_SURE = 0.98
"""Probability of a fall at all from which on a loss counts as having learned something."""

FITTED_ACCURACY = 0.95
"""Training accuracy from which on the training set counts as fitted."""

FITTED_SHARE = 0.05
"""Share of its first level below which a positive training loss counts as fitted."""

GAP_LOSS = 1.5
"""Validation loss over training loss that shows a gap (the corpus's definition of a generalization gap)."""

GAP_ACCURACY = 0.1
"""Training accuracy minus validation accuracy that shows a gap."""

TITLES = {
    "learn-anything": "learn anything",
    "learn-everything": "learn everything",
    "learn-the-right-thing": "learn the right thing",
    "unknown": "unknown",
}
"""How the milestones are said to the user."""


class Milestone(NamedTuple):
    """A key of `TITLES`, and why, in one sentence without a full stop."""

    stage: str
    reason: str


def milestone(
    run: Run, problems: Collection[str], learns_by: Sequence[str], curve_of: Callable[[str], Curve | None]
) -> Milestone:
    """The milestone the run is working on, from its training and validation curves.

    problems: ids of the rules that found more than a note.
    learns_by: the kinds of `diagnose.names.kinds.PARADIGMS` that the run is of.
    curve_of: the model of the curve that plays a role, as the rules were given it.
    """
    if learns_by:
        return Milestone("unknown", f"the milestones are those of supervised training; this one is {learns_by[0]}")
    if "non-finite" in problems:
        return Milestone("learn-anything", "a loss is not finite (non-finite)")
    train = _levels(run, "train_loss")
    val = _levels(run, "val_loss")
    still = "frozen-metric" in problems  # then the accuracies say nothing
    accuracy, val_accuracy = (None if still else _levels(run, f"{split}_accuracy") for split in ("train", "val"))
    comparable = roles.same_metric(run.roles.get("train_accuracy", ""), run.roles.get("val_accuracy", ""))
    if train is None and val is None and accuracy is None and val_accuracy is None:
        return Milestone("unknown", "the log has no curve to tell it from")
    loss = curve_of("train_loss" if train is not None else "val_loss") if train or val else None
    if loss is not None and not _rises(accuracy or val_accuracy) and not _falls(loss):
        which = "training" if train is not None else "validation"
        return Milestone("learn-anything", f"the {which} loss has not fallen beyond its noise")
    if "non-convergence" in problems:
        return Milestone("learn-anything", "nothing was learned (non-convergence)")
    reason = _fitted(train, val, accuracy, val_accuracy if comparable else None)
    if "divergence" in problems and not reason:
        return Milestone("learn-anything", "what was learned is lost again (divergence)")
    if not reason and "overfitting" in problems:
        reason = "validation turned (overfitting)"
    if reason:
        return Milestone("learn-the-right-thing", reason)
    if accuracy is not None:
        return Milestone("learn-everything", f"the training set is not fitted yet (accuracy {accuracy.end:.3f})")
    return Milestone("learn-everything", "the loss has fallen, and nothing shows that the training set is fitted yet")


class _Levels(NamedTuple):
    """Levels of one curve at the start and the end, and its noise."""

    start: float
    end: float
    noise: float


def _fitted(train: _Levels | None, val: _Levels | None, accuracy: _Levels | None, val_accuracy: _Levels | None) -> str:
    """What shows that the training set is fitted, or fitted better than the validation set; "" where nothing does."""
    if accuracy is not None and FITTED_ACCURACY <= accuracy.end <= 1.0:
        return f"the training set is fitted (accuracy {accuracy.end:.3f})"
    points = accuracy.end - val_accuracy.end if accuracy and val_accuracy else 0.0
    if points >= GAP_ACCURACY:
        return f"training accuracy is {100.0 * points:.0f} points above validation accuracy"
    if train is not None and val is not None and train.end > 0.0 and val.end >= GAP_LOSS * train.end:
        return f"val_loss is {val.end / train.end:.2g} times train_loss"
    if train is not None and accuracy is None and train.start > 0.0 and 0.0 <= train.end <= FITTED_SHARE * train.start:
        return f"train_loss has fallen to {100.0 * train.end / train.start:.2g} % of its start"
    return ""


def _levels(run: Run, role: str) -> _Levels | None:
    curve = run.curve(role)
    values = None if curve is None else curve.finite().values
    if values is None or values.size < 4:
        return None
    count = statistics.ends(values.size, 0.1, 2)
    start = statistics.level(values, 0, count)
    end = statistics.level(values, values.size - count, values.size)
    return _Levels(start, end, statistics.jitter(values))


def _falls(loss: Curve) -> bool:
    """Whether a loss has come down from a level of its first points, beyond its noise."""
    return any(fall.estimate.exceeds(0.0) > LEARNED_SURE for fall in loss.falls)


def _rises(accuracy: _Levels | None) -> bool:
    """Whether an accuracy has risen beyond its noise."""
    return accuracy is not None and accuracy.end - accuracy.start > max(LEARNED_NOISE * accuracy.noise, 0.02)
