"""Clipping saturated: most steps have their gradient clipped.

Why it matters
    Clipping is meant for rare extreme gradients. Where it cuts nearly every step, the step length is the clip value
    times the learning rate whatever the gradient says, and the rate is higher than the training can bear.

Statistics
    share   share of the steps that are clipped, without the first twentieth: those within a thousandth of the highest
            gradient norm where that is a ceiling (logged after clipping), or those above the configured clip value
            (logged before it)

Limits
    Needs 20 points. A norm rounded to few different values has no ceiling that could be told from rounding. Adaptive
    optimizers divide by the gradient's own scale, so that steady clipping costs them little; many recipes for large
    language models live with it: this is a note.

References
    Godbole et al., Deep Learning Tuning Playbook (2023): more than half of the steps clipped, lower the learning rate
    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks (2013)
    Lecture notes: "Loss explosion? Exploding gradients -> weights".
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

LEAST_POINTS = 20


def check(
    axis: str,
    grad_norm: Series,
    gradient_clip: float | None = None,
    *,
    share_most: float = 0.5,  # of the steps, from the Tuning Playbook
    tolerance: float = 1e-3,  # of the ceiling: how evenly clipped norms are logged (float16 has 3 digits)
) -> Finding | None:
    """Judge how often the norm is at its ceiling, or above the configured one."""
    norm = grad_norm.finite()
    skip = len(norm) // 20
    steps, values = norm.steps[skip:], norm.values[skip:]
    if values.size < LEAST_POINTS:
        raise CannotJudge(f"fewer than {LEAST_POINTS} points of grad norm")
    ceiling = float(values.max())
    if ceiling <= 0.0:
        return None
    pinned = values >= (1.0 - tolerance) * ceiling
    clip = gradient_clip if gradient_clip is not None and gradient_clip > 0.0 else math.inf  # 0 and -1 switch it off
    above = values > (1.0 + tolerance) * clip
    if above.mean() > share_most:
        clipped, limit, how = above, clip, f"above the configured clip value of {clip:g}"
    elif pinned.mean() > share_most and _is_ceiling(values, pinned, clip, tolerance):
        clipped, limit, how = pinned, ceiling, f"pinned at its ceiling of {ceiling:.4g}"
    else:
        return None
    share = float(clipped.mean())
    return Finding(
        severity=Severity.NOTE,
        confidence=statistics.confidence(1.2 + 4.0 * (share - share_most)),
        summary=f"grad_norm is {how} in {100 * share:.0f} % of the logged {axis}s (median {np.median(values):.3g}).",
        meaning="Clipping sets the length of most steps, not the gradient: the learning rate is rather high here.",
        steps=(float(steps[0]), float(steps[-1])),
        series=("grad_norm",),
        evidence=(
            Evidence("share", 100.0 * share, 100.0 * share_most, "percent"),
            Evidence("clip value", limit),
        ),
    )


def _is_ceiling(values: Array, pinned: np.ndarray, clip: float, tolerance: float) -> bool:
    """Whether the highest value is a clip value and no product of rounding or a norm that was never measured."""
    if abs(float(values.max()) / clip - 1.0) <= tolerance:
        return True
    rest = values[~pinned]
    return rest.size >= 3 and bool(np.unique(rest).size >= 0.5 * rest.size)


RULE = Rule(
    id="clipping-saturated",
    group="gradient",
    doc=__doc__,
    check=check,
    min_points=LEAST_POINTS,
    fixes=("lower-learning-rate", "warmup", "normalize-inputs"),
    measures={
        "share_most": "the share of the steps that are clipped (share)",
        "tolerance": "how far the highest norms lie from the limit",
    },
    cases=(
        Case("four of five norms at the clip value", synthetic.clipped, Severity.NOTE),
        Case("four of five above the configured value", partial(synthetic.clipped, pinned=False), Severity.NOTE),
        Case("few above the configured value", partial(synthetic.clipped, pinned=False, excess=-0.8)),
        Case("few at the clip value", partial(synthetic.clipped, excess=-0.8)),
        Case("calm gradients", synthetic.calm_gradients),
        Case("six bursts", synthetic.bursting_gradients),
    ),
)
