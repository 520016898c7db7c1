"""Noisy validation: the validation loss swings as much as it has improved.

Why it matters
    The best checkpoint, early stopping and every comparison between runs then pick a lucky epoch, not a better network.

Statistics
    swings  90 % range of val_loss around its slow running median over the second half, in percent of its improvement

Limits
    A val_loss that has not improved, or that climbs, is another finding; swings are then held against its level. Where
    the training loss swings as well, `oscillation` explains it.
    Fewer than 8 validations are not judged.

References
    Godbole et al., Deep Learning Tuning Playbook (2023), on the variance of validation and retrospective selection
    Lecture notes: "For more reliability, more epochs"; batch size and stochasticity.
"""

from __future__ import annotations

from diagnose import synthetic
from diagnose.measure import binning, shapes, statistics
from diagnose.measure.curve import Curve
from diagnose.rule import Case, Evidence, Finding, Rule, Severity

BLOCKS = 200


def check(
    val_loss: Curve,
    axis: str,
    *,
    swing_warning: float = 1.0,  # of the improvement: as large as all that was gained
    level_least: float = 0.2,  # of the level; smaller swings are hardly seen next to the loss itself
) -> Finding | None:
    """Judge a validation loss."""
    loss = val_loss.values
    swings = shapes.late_swings(binning.block_means(loss, BLOCKS) if loss.size > 2 * BLOCKS else loss)
    scale = abs(swings.level) or 1.0
    if swings.share < swing_warning or swings.size < level_least * scale:
        return None
    half = val_loss.steps[loss.size // 2 :]
    against = (
        f"{100 * swings.share:.0f} % of all it has improved"
        if swings.share < 100.0
        else f"{100 * swings.size / scale:.0f} % of its level, without any improvement"
    )
    return Finding(
        severity=Severity.WARNING,
        confidence=statistics.confidence(0.8 + 1.0 * min(swings.share - swing_warning, 3.0)),
        summary=f"In the second half val_loss swings by {swings.size:.4g} around {swings.level:.4g}, {against}.",
        meaning="One validation says little: the best checkpoint is a lucky one, and early stopping stops at random.",
        steps=(float(half[0]), float(half[-1])),
        series=("val_loss",),
        evidence=(
            Evidence("swings", 100.0 * swings.share, 100.0 * swing_warning, "percent of the improvement"),
            Evidence("swings over level", 100.0 * swings.size / scale, 100.0 * level_least, "percent"),
        ),
    )


RULE = Rule(
    id="noisy-validation",
    doc=__doc__,
    check=check,
    min_points=8,
    fixes=("larger-validation-set", "average-weights", "lower-learning-rate"),
    explained_by=("oscillation", "divergence", "non-convergence"),
    measures={
        "swing_warning": "how far val_loss swings late in the run (swings)",
        "level_least": "the same swings, of the loss's level",
    },
    cases=(
        Case("val_loss swings by twice its improvement", synthetic.noisy_validation, Severity.WARNING),
        Case("healthy run", synthetic.healthy),
        Case("overfitting", synthetic.overfit),
    ),
)
