"""Overconfidence: the validation loss climbs while the validation accuracy holds or rises.

Why it matters
    The decisions are as good as ever, but the probabilities behind them are not: the network grows certain of its
    mistakes. Where the probabilities are used (thresholds, ranking, ensembles) the later checkpoint is worse.

Statistics
    GL       generalization loss of val_loss in percent at the end, as in `overfitting` [1]
    accuracy change of val_accuracy since the best val_loss, in points (hundredths)

Limits
    A falling accuracy makes it plain `overfitting`. A ranking metric (mAP, AUC) is not an accuracy but is read the same
    way. Fewer than 8 validations with both curves are not judged.

References
    [1] Prechelt, Early Stopping - But When? (1998)
    Guo et al., On Calibration of Modern Neural Networks (2017)
    Lecture notes: "raw outcome improves, but threshold metric is not met", seen from the other side.
"""

from __future__ import annotations

import math

from diagnose import synthetic
from diagnose.curves import Array
from diagnose.measure import shapes, statistics
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    step: Array,
    val_loss: Array,
    val_accuracy: Array,
    axis: str,
    *,
    gl_warning: float = 5.0,  # percent, as in overfitting
    lost_warning: float = 0.2,  # of the improvement, as in overfitting
    trend_p: float = 0.01,  # nominal, of a climbing val_loss
    jitter: float = 1.5,  # standard deviations of val_loss that the rise must exceed
    accuracy_held: float = 0.005,  # half a point; an accuracy that falls by more is plain overfitting
) -> Finding | None:
    """Judge aligned validation curves of shape (n,)."""
    climb = shapes.climb(val_loss)
    if climb is None or climb.rise <= jitter * climb.noise or climb.lost < 0.01 or climb.trend.p_rising > trend_p:
        return None
    if climb.gl < gl_warning and not (climb.gl >= 0.5 * gl_warning and climb.lost >= lost_warning):
        return None
    smooth = statistics.rolling_median(val_accuracy, statistics.ends(val_accuracy.size, 0.05, 3) | 1)
    before = float(smooth[climb.best])
    after = statistics.level(val_accuracy, val_accuracy.size - climb.tail, val_accuracy.size)
    if after < before - accuracy_held:
        return None
    best = float(step[climb.best])
    moved = "rises" if after > before + accuracy_held else "holds"
    return Finding(
        severity=Severity.WARNING,
        confidence=statistics.confidence(1.4 + 1.2 * math.log(max(climb.gl / gl_warning, 2.5 * climb.lost))),
        summary=(
            f"val_loss climbs {climb.gl:.3g} % above its best ({climb.lowest:.4g} at {axis} {best:g}) while "
            f"val_accuracy {moved}: {before:.4g} then, {after:.4g} at the end."
        ),
        meaning=(
            "The decisions stay right, but the network grows too certain, of its mistakes as well: its probabilities "
            "can no longer be taken at their word."
        ),
        steps=(best, float(step[-1])),
        marks=(best,),
        series=("val_loss", "val_accuracy"),
        evidence=(
            Evidence("GL", climb.gl, gl_warning, "percent"),
            Evidence("accuracy change", 100.0 * (after - before), -100.0 * accuracy_held, "points"),
            Evidence("p of the trend", climb.trend.p_rising, trend_p),
        ),
    )


RULE = Rule(
    id="overconfidence",
    doc=__doc__,
    check=check,
    min_points=8,
    fixes=("label-smoothing", "temperature-scaling", "early-stopping", "weight-decay", "data-augmentation"),
    explained_by=("overfitting",),
    cases=(
        Case("val_loss climbs, val_accuracy rises", synthetic.overconfident, Severity.WARNING),
        Case("both climb away: plain overfitting", synthetic.overfit),
        Case("healthy run", synthetic.healthy),
    ),
)
