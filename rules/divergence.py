"""Divergence: the training loss climbs away from its best level and stays there.

Why it matters
    The optimization has left the region it had found. More epochs do not bring it back, and the weights at the end are
    worse than earlier ones.

Statistics
    rise    (level at the end - best level) / (level at the start - best level): 0 at the best, 1 back at the start.
            For a positive loss that spans decades the same ratio is also taken on the logarithm, and the larger counts.
    jitter  the rise over the standard deviation of the noise around the curve [1]

Limits
    A run that never improved and then rises is told by its start: the rise is then measured over the start. Losses of
    two networks that play against each other (GAN) and of a policy (reward in the log) go up in healthy training; they
    are not judged. A loss that ends in NaN is `non-finite`; the finite part is judged here.

References
    [1] Gasser, Sroka and Jennen-Steinmetz, Residual variance and residual pattern in nonlinear regression (1986)
    Lecture notes: "Loss explosion? Sudden spike? Problematic data instance; exploding gradients -> weights".
"""

from __future__ import annotations

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array
from diagnose.measure import statistics
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    step: Array,
    train_loss: Array,
    axis: str,
    *,
    rise_warning: float = 0.5,  # of the improvement: half of what had been learned is lost
    rise_error: float = 0.9,  # of the improvement: (almost) back at the start
    jitter: float = 6.0,  # standard deviations of the noise; six, so that a noisy flat curve does not diverge
    decades: float = 10.0,  # end over best level from which the logarithmic ratio counts
) -> Finding | None:
    """Judge a training loss of shape (n,)."""
    size = train_loss.size
    smooth = statistics.rolling_median(train_loss, statistics.ends(size, 0.05, 3) | 1)
    best = int(np.argmin(smooth))
    count = min(statistics.ends(size), max((size - best) // 2, 1))
    if size - best < 3:
        return None
    start = statistics.level(train_loss, 0, statistics.ends(size, 0.05, 2))
    end = statistics.level(train_loss, size - count, size)
    lowest = float(smooth[best])
    noise = max(statistics.jitter(train_loss), 1e-9 * abs(lowest))
    if end - lowest <= jitter * noise:
        return None
    share = _share(start, end, lowest, train_loss, decades)
    if share < rise_warning:
        return None
    severity = Severity.ERROR if share >= rise_error else Severity.WARNING
    where = (
        "above where it started" if end > start else f"{100 * share:.0f} % of the way back to its start ({start:.4g})"
    )
    return Finding(
        severity=severity,
        confidence=statistics.confidence(0.8 + 3.0 * (min(share, 1.5) - rise_warning)),
        summary=(f"train_loss was best at {axis} {step[best]:g} ({lowest:.4g}) and ends at {end:.4g}, {where}."),
        meaning="The optimization left the region it had found; the weights at the end are worse than earlier ones.",
        steps=(float(step[best]), float(step[-1])),
        marks=(float(step[best]),),
        series=("train_loss",),
        evidence=(
            Evidence("rise", share, rise_warning, "of the improvement"),
            Evidence("rise over jitter", min((end - lowest) / noise, 1e6), jitter, "standard deviations"),
        ),
    )


def _share(start: float, end: float, lowest: float, loss: Array, decades: float) -> float:
    """The rise since the best level in shares of the improvement before it; at most 10."""
    improvement = max(start - lowest, 1e-3 * abs(lowest), 1e-30)
    share = (end - lowest) / improvement
    if float(loss.min()) > 0.0 and end >= decades * lowest and start > lowest:
        share = max(share, float(np.log(end / lowest) / np.log(max(start / lowest, 1.001))))
    return min(share, 10.0)


RULE = Rule(
    id="divergence",
    doc=__doc__,
    check=check,
    min_points=8,
    fixes=("lower-learning-rate", "warmup", "clip-gradients", "inspect-batch", "normalize-inputs"),
    explained_by=("exploding-gradient", "non-finite"),
    not_for={
        "reinforcement": "the log has a reward: the loss of a policy may rise in healthy training",
        "adversarial": "the log has a discriminator loss: adversarial losses may rise in healthy training",
    },
    cases=(
        Case("falls, then climbs past its start", synthetic.diverging, Severity.ERROR),
        Case("healthy run", synthetic.healthy),
        Case("spikes that come back", synthetic.spiky),
        Case("warm restarts lift the loss for a while", synthetic.cyclic),
        Case("flat at chance", synthetic.stuck),
    ),
)
