"""Overfitting: the validation loss climbs away from its best value while the training loss does not.

Why it matters
    Epochs after the best validation loss fit the training sample, not the task: the checkpoint at the end is worse
    than one that was already there.

Statistics
    GL      generalization loss in percent, 100 * (val_loss / best val_loss - 1) [1], of the level at the end over the
            lowest level (running median, so that one lucky epoch is no minimum). Where the loss is not positive, the
            rise is given in percent of the improvement instead.
    lost    the same rise as a share of the improvement before it. A loss with a high floor (the entropy of language)
            loses much of its gain within a few percent of GL, so a fifth lost counts from half the threshold on.
    tau     Mann-Kendall trend of val_loss since its best [2], and its p-value
    jitter  the rise over the standard deviation of val_loss around its running median

Limits
    GL needs a positive loss and exaggerates when the best loss is near zero; a rise below 1 % of the improvement is
    left alone. A training loss that climbs with the validation loss is `divergence` or a restart of the schedule.
    Fewer than 8 validations are not judged.

References
    [1] Prechelt, Early Stopping - But When? (1998)
    [2] Mann, Nonparametric Tests Against Trend (1945)
    Lecture notes: "Early Stopping: overfitting is the end of the road"; milestone "learn the right thing".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from diagnose import synthetic
from diagnose.curves import Array
from diagnose.measure import shapes, statistics
from diagnose.names import traits
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    step: Array,
    train_loss: Array,
    val_loss: Array,
    axis: str,
    config: Mapping[str, Any] | None = None,
    *,
    gl_warning: float = 5.0,  # percent; the most patient criterion tried in [1]
    lost_warning: float = 0.2,  # of the improvement; a fifth of what was gained is lost, at half of gl_warning or more
    gl_error: float = 20.0,  # percent; four times the warning: a checkpoint that clearly should not be used
    trend_p: float = 0.01,  # nominal; the tail starts at a minimum, tests/rules/test_rates.py measures the real rate
    jitter: float = 1.5,  # standard deviations of val_loss that the rise must exceed
    train_share: float = 0.3,  # of the rise of val_loss; a training loss that rises more is no overfitting
    least_improvement: float = 0.01,  # of the improvement of val_loss; a smaller rise is invisible on the curve
) -> Finding | None:
    """Judge aligned losses of shape (n,)."""
    climb = shapes.climb(val_loss)
    if climb is None or climb.rise <= jitter * climb.noise:
        return None
    if climb.lost < least_improvement or climb.trend.p_rising > trend_p:
        return None
    if climb.gl < gl_warning and not (climb.gl >= 0.5 * gl_warning and climb.lost >= lost_warning):
        return None
    window = statistics.ends(train_loss.size, 0.05, 3) | 1
    train = statistics.rolling_median(train_loss, window)
    train_rise = statistics.end_level(train_loss, climb.tail) - float(train[climb.best])
    if train_rise > train_share * climb.rise:
        return None

    best = float(step[climb.best])
    of_what = "above it" if float(val_loss.min()) > 0.0 else "of its improvement above it"
    moving = "fell on" if train_rise < 0.0 else "stayed low"
    return Finding(
        severity=Severity.ERROR if climb.gl >= gl_error else Severity.WARNING,
        confidence=statistics.confidence(1.4 + 1.2 * math.log(max(climb.gl / gl_warning, 2.5 * climb.lost))),
        summary=(
            f"val_loss was best at {axis} {best:g} ({climb.lowest:.4g}) and ends {climb.gl:.3g} % {of_what} "
            f"({climb.end:.4g}), while train_loss {moving}."
        ),
        meaning=(
            f"What was learned after {axis} {best:g} fits the training sample, not the task; the last checkpoint "
            "is worse on new data than the best one."
        ),
        steps=(best, float(step[-1])),
        marks=(best,),
        cause="few-examples" if traits.few_examples(config or {}) else "",
        series=("val_loss", "train_loss"),
        evidence=(
            Evidence("GL", climb.gl, gl_warning, "percent"),
            Evidence("lost again", 100.0 * climb.lost, 100.0 * lost_warning, "percent of the improvement"),
            Evidence("tau", climb.trend.tau, 0.0),
            Evidence("p of the trend", climb.trend.p_rising, trend_p),
            Evidence("rise", climb.rise / climb.noise if climb.noise else 1e6, jitter, "standard deviations"),
        ),
    )


RULE = Rule(
    id="overfitting",
    doc=__doc__,
    check=check,
    min_points=8,
    fixes=("early-stopping", "data-augmentation", "weight-decay", "dropout", "smaller-network", "more-data"),
    cases=(
        Case("val_loss turns at 30 % of the run", synthetic.overfit, Severity.ERROR),
        Case("training loss memorised and flat", synthetic.memorized, Severity.ERROR),
        Case("both losses still falling", synthetic.healthy),
        Case("cyclic learning rate lifts both losses", synthetic.cyclic),
        Case("negative loss, healthy", synthetic.negative),
    ),
)
