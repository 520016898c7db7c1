"""Oscillation: late in the run the training loss still swings as much as it has improved.

Why it matters
    The steps are too long for the valley, or the gradients too noisy: the network jumps between the walls instead of
    going down, and the last checkpoint is as good or bad as chance has it.

Statistics
    swings  90 % range of train_loss around its slow running median over the second half, in percent of its improvement

Limits
    The loss of single batches is noisy in every healthy run: long logs are judged on means of 100 blocks first, where
    only swings that last longer than a few batches are left, and point by point only where the swings are as large
    as all that was gained. Where the validation loss, which is always that of the same examples, swings less than
    half as far, or by less than half of what it has improved, the weights are calm and the batches are not.
    Policies and adversarial networks are not judged.

References
    LeCun et al., Efficient BackProp (1998), section 4.7, on learning rates beyond twice the optimum
    Lecture notes: "Learning rate: in case of doubt, go small. When stuck, reduce it"; batch size and stochasticity.
"""

from __future__ import annotations

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array
from diagnose.measure import binning, shapes, statistics
from diagnose.measure.curve import Curve
from diagnose.rule import Case, Evidence, Finding, Rule, Severity

BLOCKS = 100

LONG = 200
"""Points beyond which they are taken for single batches."""

FEWEST_VALIDATIONS = 5
"""Validations that would show swings of the weights as rises."""

LEAST_VALIDATIONS = 12
"""Validations from which on their swings are compared with those of the training loss: six in the second half."""


def check(
    train_loss: Curve,
    axis: str,
    val_loss: Curve | None = None,
    *,
    swing_warning: float = 0.5,  # of the improvement: half of all that was gained, up and down again
    level_least: float = 0.1,  # of the level; smaller swings are invisible next to the loss itself
    batch_warning: float = 1.0,  # of the improvement, for the points of a long log, which are single batches
    batch_level_least: float = 0.1,  # of the level, for the same
    calm_most: float = 0.5,  # of the swings, or of its own improvement; so calm a validation loss follows calm weights
) -> Finding | None:
    """Judge a training loss, beside the validation loss where there is one."""
    loss, long = train_loss.values, len(train_loss) > LONG
    swings = shapes.late_swings(_of_blocks(loss))
    found = _swings_too_far(swings, swing_warning, level_least)
    if long and not found:
        swings = shapes.late_swings(loss)
        found = _swings_too_far(swings, batch_warning, batch_level_least)
        swing_warning, level_least = batch_warning, batch_level_least
    if not found or _calm(val_loss, swings, calm_most):
        return None
    scale = abs(swings.level) or 1.0
    half = train_loss.steps[len(train_loss) // 2 :]
    return Finding(
        severity=Severity.WARNING,
        confidence=statistics.confidence(0.8 + 1.5 * min(swings.share - swing_warning, 2.0)),
        summary=(
            f"In the second half train_loss swings by {swings.size:.4g} around {swings.level:.4g}, "
            f"{100 * swings.share:.0f} % of all it has improved."
        ),
        meaning="The steps are too long, or the gradients too noisy, to settle: progress is lost as it is made.",
        steps=(float(half[0]), float(half[-1])),
        series=("train_loss",),
        evidence=(
            Evidence("swings", 100.0 * swings.share, 100.0 * swing_warning, "percent of the improvement"),
            Evidence("swings over level", 100.0 * swings.size / scale, 100.0 * level_least, "percent"),
        ),
    )


def _swings_too_far(swings: shapes.Swings, share: float, level: float) -> bool:
    """Whether the swings reach both shares, in a curve that has improved at all."""
    return swings.improvement > 0.0 and swings.share >= share and swings.size >= level * (abs(swings.level) or 1.0)


def _of_blocks(loss: Array) -> Array:
    """A long curve as means of blocks, of which single batches are no more a part."""
    return binning.block_means(loss, BLOCKS) if loss.size > LONG else loss


def _calm(val_loss: Curve | None, swings: shapes.Swings, most: float) -> bool:
    """Whether the validation loss is long enough to be judged and swings by less than `most` of these swings, or of
    what it has improved itself; of few validations, whether none rises by so much over the one before.
    """
    if val_loss is None or len(val_loss) < FEWEST_VALIDATIONS:
        return False
    if len(val_loss) < LEAST_VALIDATIONS:
        return float(np.diff(val_loss.values).max()) < most * swings.size
    of_validation = shapes.late_swings(_of_blocks(val_loss.values))
    return of_validation.size < most * swings.size or of_validation.share < most


RULE = Rule(
    id="oscillation",
    doc=__doc__,
    check=check,
    min_points=8,
    fixes=("lower-learning-rate", "decay-learning-rate", "larger-batch"),
    explained_by=("non-convergence", "divergence", "learning-rate-range"),
    not_for=dict.fromkeys(
        ("reinforcement", "adversarial"), "the loss of a policy or of adversarial networks swings in healthy training"
    ),
    measures={
        "swing_warning": "how far train_loss still swings late in the run (swings)",
        "batch_warning": "how far single points of train_loss swing late in the run (swings)",
        "level_least": "the same swings, of the loss's level",
        "batch_level_least": "the same swings, of the loss's level",
        "calm_most": "how far val_loss swings, against train_loss",
        "found": "swings that are wide enough",
    },
    cases=(
        Case("train_loss swings by its whole improvement", synthetic.oscillating, Severity.WARNING),
        Case("the validation loss swings with it", synthetic.oscillating_with_validation, Severity.WARNING),
        Case("healthy run", synthetic.healthy),
        Case("small batches swing, the validation loss is calm", synthetic.small_batches),
        Case("warm restarts", synthetic.cyclic),
        Case("spikes that come back", synthetic.spiky),
    ),
)
