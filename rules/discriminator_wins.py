"""Discriminator wins: the discriminator's loss has fallen to nothing, and the generator learns nothing more from it.

Why it matters
    A discriminator that is certain of every example has no slope left to pass on: the generator's gradient vanishes,
    and its samples stay as they are or collapse onto a few.

Statistics
    level   median of the discriminator's loss over its last tenth; ln 2 per term of a discriminator that is in doubt
    share   the same as a share of its level at the start

Limits
    A critic's loss (Wasserstein) has no such floor and goes below zero: a loss that is not positive is not judged. So
    is one of fewer than 10 points.

References
    Arjovsky and Bottou, Towards Principled Methods for Training Generative Adversarial Networks (2017), section 2
    Goodfellow et al., Generative Adversarial Nets (2014), section 3: the generator's gradient early in learning
    Lecture notes: "Vanishing gradient"; "Label smoothing".
"""

from __future__ import annotations

from diagnose import synthetic
from diagnose.measure.curve import Curve
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    discriminator_loss: Curve,
    axis: str,
    *,
    level_most: float = 0.05,  # 7 % of ln 2: the discriminator is right, and says so, in 19 of 20 cases
    share_most: float = 0.2,  # of its first level; a loss in another unit is small from the start
) -> Finding | None:
    """Judge the loss of the discriminator."""
    if not discriminator_loss.positive:
        raise CannotJudge("the discriminator's loss is not positive, as that of a critic: it has no floor")
    end = discriminator_loss.end
    share = end / discriminator_loss.start
    if end > level_most or share > share_most:
        return None
    below = discriminator_loss.values > level_most
    place = float(discriminator_loss.steps[int(below.nonzero()[0][-1]) if below.any() else 0])
    return Finding(
        severity=Severity.WARNING,
        confidence=0.9,
        summary=(
            f"The discriminator's loss has fallen from {discriminator_loss.start:.4g} to {end:.3g}, and stays below "
            f"{level_most:g} from {axis} {place:g} on."
        ),
        meaning="It is certain of every example: nothing is left that the generator could learn from.",
        steps=(place, float(discriminator_loss.steps[-1])),
        marks=(place,),
        series=("discriminator_loss",),
        evidence=(Evidence("level", end, level_most), Evidence("share", 100.0 * share, 100.0 * share_most, "percent")),
    )


RULE = Rule(
    id="discriminator-wins",
    group="adversarial",
    doc=__doc__,
    check=check,
    min_points=10,
    fixes=("lower-learning-rate", "label-smoothing", "smaller-network"),
    measures={
        "level_most": "the loss of the discriminator at the end",
        "share_most": "that loss, of its first level (share)",
    },
    cases=(
        Case("the discriminator is certain", synthetic.outplayed, Severity.WARNING),
        Case("the discriminator is in doubt", synthetic.adversaries),
    ),
)
