"""Collapse: the reward, or the diversity of a generator's samples, falls back from its best level and stays there.

Why it matters
    The policy has lost what it had learned. The data that it now gathers are those of a bad policy, so that it seldom
    finds back by itself; a checkpoint from before is the better one. A generator that has collapsed makes a few things
    over and over, and its discriminator drives it from one to the next.

Statistics
    fall    best level minus the level at the end, in percent of the best level
    lost    the same fall as a share of what the curve had gained, a first point apart; 1 is back at the start
    sure    probability that the curve has fallen at all since its best, from the noise around it, its memory, and the
            best being the highest of many (see `diagnose.measure.curve`)
    share   of a diversity that goes from 0 to 1, as a normalized entropy does: its level at the end, from one point in
            five on. A generator of ten things with 0.5 makes three of them, 10^0.5, whether it ever made more or not

Limits
    Rewards are noisy, and a better policy may be told by few episodes: fewer than 10 points are not judged. A reward
    whose task grows harder as the policy learns (a curriculum, self-play) falls in healthy training. A diversity above
    1 (an inception score) is judged by its fall alone.

References
    Henderson et al., Deep Reinforcement Learning that Matters (2018)
    Salimans et al., Improved Techniques for Training GANs (2016), section 4: the entropy of the answers of a classifier
    Metz et al., Unrolled Generative Adversarial Networks (2017), on mode collapse
    Lecture notes: "Diagnosing the model: loss explosion?"; milestone "learn anything: better than random".
"""

from __future__ import annotations

import numpy as np

from diagnose import synthetic
from diagnose.measure.curve import MOST_LOST, Curve
from diagnose.rule import Case, Evidence, Finding, Rule, Severity

_WHAT = {
    "reward": "The policy has lost what it had learned; a checkpoint from the best level is better than the last.",
    "diversity": "The generator makes a few things over and over; a checkpoint from the best level is better.",
}


def check(
    axis: str,
    reward: Curve | None = None,
    diversity: Curve | None = None,
    *,
    lost_note: float = 0.25,  # of the gain; less is what policies swing by
    lost_warning: float = 0.5,  # of the gain; half of what was learned is gone
    lost_error: float = 0.8,  # of the gain: hardly anything is left
    fall_least: float = 0.2,  # of the best level; less is what policies swing by
    sure: float = 0.98,  # probability of a fall at all
    share_least: float = 0.5,  # of the largest diversity: three things of ten, ten of a hundred
) -> Finding | None:
    """Judge the reward of training, or else the diversity of what is made."""
    score, role = (reward, "reward") if reward is not None else (diversity, "diversity")
    if score is None:
        return None
    fallen = _fallen(score, role, axis, (lost_note, lost_warning, lost_error), fall_least, sure)
    return fallen or (_poor(score, axis, share_least) if role == "diversity" else None)


def _fallen(
    score: Curve, role: str, axis: str, lost: tuple[float, float, float], fall_least: float, sure: float
) -> Finding | None:
    """The finding of a curve that falls back from its best. lost: shares of the gain of a note, a warning, an error."""
    turned = score.flipped
    rise = turned.rise
    if rise is None or rise.lost < lost[0]:
        return None
    best, end = -turned.at(float(turned.smooth[rise.turn])), -rise.end
    fall = (best - end) / max(abs(best), 1e-300)
    certain = rise.certain
    if fall < fall_least or certain < sure:
        return None
    place = float(score.steps[rise.best])
    severity = Severity.ERROR if rise.lost >= lost[2] else Severity.WARNING
    return Finding(
        severity=severity if rise.lost >= lost[1] else Severity.NOTE,
        confidence=min(certain, 0.99),
        summary=(
            f"{score.series.name} was best at {axis} {place:g} ({-rise.lowest:.4g}) and ends at {end:.4g}, "
            f"{'more than ' if fall > MOST_LOST else ''}{100 * min(fall, MOST_LOST):.3g} % below its best level."
        ),
        meaning=_WHAT[role],
        steps=(place, float(score.steps[-1])),
        marks=(place,),
        series=(role,),
        evidence=(
            Evidence("fall", 100.0 * min(fall, MOST_LOST), 100.0 * fall_least, "percent", bound=fall > MOST_LOST),
            Evidence(
                "lost again",
                100.0 * rise.lost,
                100.0 * lost[1],
                "percent of the gain",
                bound=rise.lost >= MOST_LOST,
            ),
            Evidence("probability of a fall", min(certain, 0.9999), sure),
        ),
    )


def _poor(score: Curve, axis: str, share_least: float) -> Finding | None:
    """The finding of a diversity, from 0 to 1, that is low over the last fifth of the training."""
    last = score.values[-max(len(score) // 5, 1) :]
    level = float(np.median(last))
    if score.values.min() < 0.0 or score.values.max() > 1.0 or level >= share_least:
        return None
    return Finding(
        severity=Severity.WARNING,
        confidence=0.9,
        summary=f"{score.series.name} ends at {level:.3g} of 1: samples are of few kinds.",
        meaning=_WHAT["diversity"].partition(";")[0] + ", and has not learned to make others.",
        steps=(float(score.steps[0]), float(score.steps[-1])),
        series=("diversity",),
        evidence=(Evidence("share", level, share_least),),
    )


RULE = Rule(
    id="collapse",
    group="reward",
    doc=__doc__,
    check=check,
    min_points=10,
    essential_for=("reinforcement",),
    fixes=("lower-learning-rate", "clip-gradients", "larger-batch"),
    explained_by=("learning-rate-zero", "learning-rate-range"),
    measures={
        "fall_least": "how far the reward has fallen from its best (fall)",
        "sure": "how sure it is that the reward has fallen at all (probability)",
    },
    cases=(
        Case("the reward falls back below its start", synthetic.collapsed, Severity.ERROR),
        Case("the reward rises and levels off", synthetic.rewarded),
        Case("a generator that makes three digits of ten", synthetic.few_modes, Severity.WARNING),
        Case("a generator that makes all of them", synthetic.many_modes),
    ),
)
