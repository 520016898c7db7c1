"""Collapse: the reward falls back from its best level and stays there.

Why it matters
    The policy has lost what it had learned. The data that it now gathers are those of a bad policy, so that it seldom
    finds back by itself; a checkpoint from before is the better one.

Statistics
    fall    best level minus the level at the end, in percent of the best level
    lost    the same fall as a share of what the reward had gained, a first point apart; 1 is back at the start
    sure    probability that the reward has fallen at all since its best, from the noise around it, its memory, and the
            best being the highest of many (see `diagnose.measure.curve`)

Limits
    Rewards are noisy, and a better policy may be told by few episodes: fewer than 10 points are not judged. A reward
    whose task grows harder as the policy learns (a curriculum, self-play) falls in healthy training.

References
    Henderson et al., Deep Reinforcement Learning that Matters (2018)
    Lecture notes: "Diagnosing the model: loss explosion?"; milestone "learn anything: better than random".
"""

from __future__ import annotations

from diagnose import synthetic
from diagnose.measure.curve import Curve
from diagnose.rule import Case, Evidence, Finding, Rule, Severity

MOST = 10.0
"""Times the best level, or the gain, beyond which a fall is not measured (as `measure.curve.Rise.lost` is not)."""


def check(
    reward: Curve,
    axis: str,
    *,
    lost_note: float = 0.25,  # of the gain; less is what policies swing by
    lost_warning: float = 0.5,  # of the gain; half of what was learned is gone
    lost_error: float = 0.8,  # of the gain: hardly anything is left
    fall_least: float = 0.2,  # of the best level; less is what policies swing by
    sure: float = 0.98,  # probability of a fall at all
) -> Finding | None:
    """Judge the reward of training."""
    turned = reward.flipped
    rise = turned.rise
    if rise is None or rise.lost < lost_note:
        return None
    best, end = -turned.at(float(turned.smooth[rise.turn])), -rise.end
    fall = (best - end) / max(abs(best), 1e-300)
    certain = rise.estimate.exceeds(0.0)
    if fall < fall_least or certain < sure:
        return None
    place = float(reward.steps[rise.best])
    severity = Severity.ERROR if rise.lost >= lost_error else Severity.WARNING
    return Finding(
        severity=severity if rise.lost >= lost_warning else Severity.NOTE,
        confidence=min(certain, 0.99),
        summary=(
            f"{reward.series.name} was best at {axis} {place:g} ({-rise.lowest:.4g}) and ends at {end:.4g}, "
            f"{'more than ' if fall > MOST else ''}{100 * min(fall, MOST):.3g} % below its best level."
        ),
        meaning="The policy has lost what it had learned; a checkpoint from the best level is better than the last.",
        steps=(place, float(reward.steps[-1])),
        marks=(place,),
        series=("reward",),
        evidence=(
            Evidence("fall", 100.0 * min(fall, MOST), 100.0 * fall_least, "percent", bound=fall > MOST),
            Evidence(
                "lost again", 100.0 * rise.lost, 100.0 * lost_warning, "percent of the gain", bound=rise.lost >= MOST
            ),
            Evidence("probability of a fall", min(certain, 0.9999), sure),
        ),
    )


RULE = Rule(
    id="collapse",
    doc=__doc__,
    check=check,
    min_points=10,
    essential_for=("reinforcement",),
    fixes=("lower-learning-rate", "clip-gradients", "larger-batch"),
    explained_by=("learning-rate-zero", "learning-rate-range"),
    cases=(
        Case("the reward falls back below its start", synthetic.collapsed, Severity.ERROR),
        Case("the reward rises and levels off", synthetic.rewarded),
    ),
)
