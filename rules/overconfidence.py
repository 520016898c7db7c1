"""Overconfidence: the validation loss climbs while the validation accuracy holds or rises.

Why it matters
    The decisions are as good as ever, but the probabilities behind them are not: the network grows certain of its
    mistakes. Where the probabilities are used (thresholds, ranking, ensembles) the later checkpoint is worse.

Statistics
    GL       generalization loss of val_loss in percent at the end, as in `overfitting` [1]
    accuracy change of val_accuracy since the best val_loss, in points (hundredths)

Limits
    A falling accuracy makes it plain `overfitting`. A ranking metric (mAP, AUC) is not an accuracy but is read the same
    way. Fewer than 5 validations with both curves are not judged.

References
    [1] Prechelt, Early Stopping - But When? (1998)
    Guo et al., On Calibration of Modern Neural Networks (2017)
    Lecture notes: "raw outcome improves, but threshold metric is not met", seen from the other side.
"""

from __future__ import annotations

from diagnose import synthetic
from diagnose.measure.curve import Curve
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    val_loss: Curve,
    val_accuracy: Curve,
    axis: str,
    *,
    gl_warning: float = 5.0,  # percent, as in overfitting
    lost_warning: float = 0.2,  # of the improvement, as in overfitting
    lost_least: float = 0.005,  # of the improvement, as in overfitting
    sure: float = 0.98,  # probability of a rise at all, as in overfitting
    accuracy_held: float = 0.005,  # half a point; an accuracy that falls by more is plain overfitting
) -> Finding | None:
    """Judge both validation curves, each on its own steps."""
    rise = val_loss.rise
    if rise is None or rise.lost < lost_least:
        return None
    gl = 100.0 * rise.size
    if gl < gl_warning and not (gl >= 0.5 * gl_warning and rise.lost >= lost_warning):
        return None
    certain = rise.certain
    if certain < sure:
        return None
    change = val_accuracy.moved(float(val_loss.steps[rise.best]))
    if change < -accuracy_held:
        return None
    best = float(val_loss.steps[rise.best])
    after = val_accuracy.end
    moved = "rises" if change > accuracy_held else "holds"
    return Finding(
        severity=Severity.WARNING,
        confidence=min(certain, 0.99),
        summary=(
            f"val_loss was best at {axis} {best:g} ({rise.lowest:.4g}) and ends {gl:.3g} % above its best level while "
            f"val_accuracy {moved}: {after - change:.4g} then, {after:.4g} at the end."
        ),
        meaning=(
            "The decisions stay right, but the network grows too certain, of its mistakes as well: its probabilities "
            "can no longer be taken at their word."
        ),
        steps=(best, float(val_loss.steps[-1])),
        marks=(best,),
        series=("val_loss", "val_accuracy"),
        evidence=(
            Evidence("GL", gl, gl_warning, "percent"),
            Evidence("accuracy change", 100.0 * change, -100.0 * accuracy_held, "points"),
            Evidence("probability of a rise", min(certain, 0.9999), sure),
        ),
    )


RULE = Rule(
    id="overconfidence",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("label-smoothing", "temperature-scaling", "early-stopping", "weight-decay", "data-augmentation"),
    explained_by=("overfitting",),
    measures={
        "gl_warning": "how far val_loss ends above its best level (generalization loss, GL)",
        "lost_warning": "how much of what val_loss had gained is lost again (lost)",
        "lost_least": "how much of what val_loss had gained is lost again (lost)",
        "sure": "how sure it is that val_loss has risen at all (probability)",
        "accuracy_held": "how val_accuracy has moved since the best val_loss",
        "rise is None": "no rise after the best can be measured: too few points, or none after it",
    },
    cases=(
        Case("val_loss climbs, val_accuracy rises", synthetic.overconfident, Severity.WARNING),
        Case("both climb away: plain overfitting", synthetic.overfit),
        Case("healthy run", synthetic.healthy),
    ),
)
