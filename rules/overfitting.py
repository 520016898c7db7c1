"""Overfitting: the validation loss climbs away from its best value while the training loss does not.

Why it matters
    Epochs after the best validation loss fit the training sample, not the task: the checkpoint at the end is worse
    than one that was already there.

Statistics
    GL      generalization loss in percent, 100 * (val_loss / best val_loss - 1) [1], of the level at the end over the
            lowest level, so that one lucky epoch is no minimum. Where the loss is not positive, the rise is given in
            percent of the improvement instead.
    lost    the same rise as a share of the improvement before it, an initial point apart. A loss with a high floor (the
            entropy of language) loses much of its gain within a few percent of GL, so a fifth lost counts from half the
            threshold on.
    sure    probability that val_loss has risen at all since its best, from the noise around it, its memory, and the
            best being the lowest of many (see `diagnose.measure.curve`)

Limits
    GL needs a positive loss and exaggerates when the best loss is near zero; a rise below half a percent of the
    improvement is left alone. A training loss that climbs with the validation loss is `divergence` or a restart of
    the schedule. Where there is no validation loss, an accuracy that falls by two points from its best level while
    the training loss falls, or the training accuracy holds, is judged. Fewer than 5 validations are not judged, and
    two must follow the best: one high point at the end is no trend.

References
    [1] Prechelt, Early Stopping - But When? (1998)
    Lecture notes: "Early Stopping: overfitting is the end of the road"; milestone "learn the right thing".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from diagnose import synthetic
from diagnose.measure.curve import MOST_LOST, Curve, Rise
from diagnose.names import traits
from diagnose.names.kinds import SUPERVISED
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

MEANING = (
    "What was learned after {axis} {best:g} fits the training sample, not the task; the last checkpoint is worse on "
    "new data than the best one."
)


def check(
    axis: str,
    train_loss: Curve | None = None,
    val_loss: Curve | None = None,
    val_accuracy: Curve | None = None,
    train_accuracy: Curve | None = None,
    config: Mapping[str, Any] | None = None,
    *,
    gl_warning: float = 5.0,  # percent; the most patient criterion tried in [1]
    gl_error: float = 20.0,  # percent; four times the warning: a checkpoint that clearly should not be used
    lost_warning: float = 0.2,  # of the improvement; a fifth of what was gained is lost, at half of gl_warning or more
    lost_least: float = 0.005,  # of the improvement; a smaller rise is not seen on the curve
    points_warning: float = 0.02,  # of the accuracy, two points; smaller losses are within what seeds do
    sure: float = 0.98,  # probability of a rise, or of a fall of the accuracy, at all
    train_share: float = 0.3,  # of the rise of val_loss; a training loss that rises more is no overfitting
) -> Finding | None:
    """Judge the validation loss, or the validation accuracy where there is none; each curve on its own steps."""
    judged = val_loss or val_accuracy
    if judged is None or (val_loss is None and train_loss is None and train_accuracy is None):
        raise CannotJudge("the log has no val_loss")
    rise = judged.rise if val_loss is not None else judged.flipped.rise
    if rise is None or rise.lost < lost_least:
        return None
    gl = 100.0 * rise.size
    if val_loss is not None and gl < gl_warning and not (gl >= 0.5 * gl_warning and rise.lost >= lost_warning):
        return None
    certain = rise.certain
    if certain < sure:
        return None
    train_rise = None if train_loss is None else train_loss.moved(float(judged.steps[rise.best]))
    cause = "few-examples" if traits.few_examples(config or {}) else ""
    if val_loss is None:
        if train_rise is not None:
            training = "train_loss" if train_rise <= 0.0 else ""
        else:
            held = train_accuracy is not None and train_accuracy.moved(float(judged.steps[rise.best])) >= 0.0
            training = "train_accuracy" if held else ""
        found = _of_accuracy(judged, rise, certain, points_warning, sure, axis, training)
        return None if found is None or not training else replace(found, cause=cause)
    if train_rise is not None and train_rise > train_share * (rise.end - judged.at(float(judged.smooth[rise.turn]))):
        return None
    best = float(judged.steps[rise.best])
    of_what = "above its best level" if judged.positive else "of its improvement above its best level"
    moving = "" if train_rise is None else f", while train_loss {'fell on' if train_rise < 0.0 else 'stayed low'}"
    return Finding(
        severity=Severity.ERROR if gl >= gl_error else Severity.WARNING,
        confidence=min(certain, 0.99),
        summary=(
            f"val_loss was best at {axis} {best:g} ({rise.lowest:.4g}) and ends at {rise.end:.4g}, {gl:.3g} % "
            f"{of_what}{moving}."
        ),
        meaning=MEANING.format(axis=axis, best=best),
        steps=(best, float(judged.steps[-1])),
        marks=(best,),
        cause=cause,
        series=("val_loss", "train_loss") if train_loss is not None else ("val_loss",),
        evidence=(
            Evidence("GL", gl, gl_warning, "percent"),
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


def _of_accuracy(
    accuracy: Curve, rise: Rise, certain: float, points: float, sure: float, axis: str, training: str
) -> Finding | None:
    """The finding about an accuracy that fell while training went on; rise: of the accuracy turned over; training: the
    curve that tells so.
    """
    values = accuracy.values
    if values.min() < 0.0 or values.max() > 1.0:
        return None  # no accuracy: its points have no meaning
    lost = -accuracy.flipped.at(float(accuracy.flipped.smooth[rise.turn])) + rise.end
    if lost < points:
        return None
    best = float(accuracy.steps[rise.best])
    return Finding(
        severity=Severity.WARNING,
        confidence=min(certain, 0.99),
        summary=(
            f"val_accuracy was best at {axis} {best:g} ({-rise.lowest:.4g}) and ends {100 * lost:.3g} points below its "
            f"level there ({-rise.end:.4g}), while {training} {'fell on' if training == 'train_loss' else 'held'}."
        ),
        meaning=MEANING.format(axis=axis, best=best),
        steps=(best, float(accuracy.steps[-1])),
        marks=(best,),
        series=("val_accuracy", training),
        evidence=(
            Evidence("lost", 100.0 * lost, 100.0 * points, "points"),
            Evidence("probability of a fall", min(certain, 0.9999), sure),
        ),
    )


RULE = Rule(
    id="overfitting",
    doc=__doc__,
    check=check,
    min_points=5,
    essential_for=(*SUPERVISED, "boosting"),
    fixes=(
        "early-stopping",
        "shallower-trees",
        "sample-rows",
        "data-augmentation",
        "weight-decay",
        "dropout",
        "smaller-network",
        "more-data",
    ),
    measures={
        "gl_warning": "how far val_loss ends above its best level (generalization loss, GL)",
        "gl_error": "how far val_loss ends above its best level, for an error (GL)",
        "lost_warning": "how much of what val_loss had gained is lost again (lost)",
        "lost_least": "how much of what val_loss had gained is lost again (lost)",
        "sure": "how sure it is that val_loss has risen at all (probability)",
        "train_share": "how far train_loss has risen since then, for each unit that val_loss has",
        "points_warning": "how much of val_accuracy is lost since its best",
        "rise": "val_loss rises after its best (its rise)",
        "rise is None": "no rise after the best can be measured: too few points, or none after it",
    },
    cases=(
        Case("val_loss turns at 30 % of the run", synthetic.overfit, Severity.ERROR),
        Case("training loss memorised and flat", synthetic.memorized, Severity.ERROR),
        Case("both losses still falling", synthetic.healthy),
        Case("cyclic learning rate lifts both losses", synthetic.cyclic),
        Case("negative loss, healthy", synthetic.negative),
    ),
)
