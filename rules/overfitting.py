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

import numpy as np

from diagnose import statistics, synthetic
from diagnose.curves import Array
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    step: Array,
    train_loss: Array,
    val_loss: Array,
    axis: str,
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
    window = statistics.ends(val_loss.size, 0.05, 3) | 1
    smooth = statistics.rolling_median(val_loss, window)
    best = int(np.argmin(smooth))
    tail = val_loss[best:]
    if tail.size < 4:
        return None
    count = min(statistics.ends(val_loss.size), tail.size // 2)
    rise = statistics.end_level(val_loss, count) - float(smooth[best])
    improvement = float(max(val_loss[0], smooth[0]) - smooth[best])
    noise = max(statistics.spread(tail - smooth[best:]), statistics.jitter(tail))
    if rise <= jitter * noise or rise <= least_improvement * improvement:
        return None
    lost = min(rise / improvement, 10.0) if improvement > 0.1 * rise else 10.0  # 10: best from the first epoch on
    positive = float(val_loss.min()) > 0.0
    gl = 100.0 * rise / float(smooth[best]) if positive else 100.0 * lost
    trend = statistics.mann_kendall(tail)
    clear = gl >= gl_warning or (gl >= 0.5 * gl_warning and lost >= lost_warning)
    if not clear or trend.p_rising > trend_p:
        return None
    train = statistics.rolling_median(train_loss, window)
    train_rise = statistics.end_level(train_loss, count) - float(train[best])
    if train_rise > train_share * rise:
        return None

    severity = Severity.ERROR if gl >= gl_error else Severity.WARNING
    of_what = "above it" if positive else "of its improvement above it"
    moving = "fell on" if train_rise < 0.0 else "stayed low"
    return Finding(
        severity=severity,
        confidence=statistics.logistic(1.4 + 1.2 * float(np.log(max(gl / gl_warning, 5.0 * lost / 2.0)))),
        summary=(
            f"val_loss was best at {axis} {step[best]:g} ({smooth[best]:.4g}) and ends {gl:.3g} % {of_what} "
            f"({smooth[best] + rise:.4g}), while train_loss {moving}."
        ),
        meaning=(
            f"What was learned after {axis} {step[best]:g} fits the training sample, not the task; the last checkpoint "
            "is worse on new data than the best one."
        ),
        steps=(float(step[best]), float(step[-1])),
        marks=(float(step[best]),),
        series=("val_loss", "train_loss"),
        evidence=(
            Evidence("GL", gl, gl_warning, "percent"),
            Evidence("lost again", 100.0 * lost, 100.0 * lost_warning, "percent of the improvement"),
            Evidence("tau", trend.tau, 0.0),
            Evidence("p of the trend", trend.p_rising, trend_p),
            Evidence("rise over jitter", min(rise / noise, 1e6) if noise else 1e6, jitter, "standard deviations"),
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
