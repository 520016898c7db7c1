"""Reward flat: the reward has not risen beyond its noise.

Why it matters
    The policy that the run ends with earns no more than the one it began with: nothing was learned yet, or nothing was
    left to learn.

Statistics
    gain    how far the reward comes up from the level of its first points (a fiftieth of the run, twice as many and so
            on) to its highest level after them, in standard deviations of a point
    sure    probability that it has risen at all (see `diagnose.measure.curve`)
    risen   probability that the last third lies above the first by as much as a point is off by chance

Limits
    A policy that was good from the start, or was trained before, looks the same: a reward that is mostly at its highest
    is a note, and so is one of which it is not sure that it has not risen. Fewer than 10 points are not judged.

References
    Henderson et al., Deep Reinforcement Learning that Matters (2018)
    Lecture notes: milestone "learn anything: better than random".
"""

from __future__ import annotations

from functools import partial

import numpy as np

from diagnose import synthetic
from diagnose.measure.curve import Curve, Estimate
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    reward: Curve,
    axis: str,
    *,
    gain_least: float = 0.5,  # standard deviations of a point; episodes differ by more than policies that learn slowly
    sure: float = 0.998,  # probability of a rise at all; the first level is chosen among several
    risen_most: float = 0.02,  # probability of a rise by the noise of a point; with more, it may have begun to learn
    highest: float = 0.5,  # of the points; a policy that mostly earns the most it ever earns has nothing left to learn
) -> Finding | None:
    """Judge the reward of training."""
    gains = [
        fall.estimate.value / max(fall.noise, 1e-300)
        for fall in reward.flipped.falls
        if fall.estimate.exceeds(0.0) > sure
    ]
    gain = max(gains, default=0.0)
    if gain >= gain_least:
        return None
    first, last = float(reward.steps[0]), float(reward.steps[-1])
    risen = _risen(reward)
    plain = risen < risen_most and float(np.mean(reward.values >= reward.values.max())) < highest
    return Finding(
        severity=Severity.WARNING if plain else Severity.NOTE,
        confidence=0.9,
        summary=f"{reward.series.name} has not risen beyond its noise from {axis} {first:g} to {last:g}.",
        meaning="The policy at the end earns no more than the one at the start.",
        steps=(first, last),
        series=("reward",),
        evidence=(
            Evidence("gain", gain, gain_least, "standard deviations"),
            Evidence("probability of a rise", risen, risen_most),
        ),
    )


def _risen(reward: Curve) -> float:
    """The probability that the last third lies above the first by a standard deviation of a point."""
    third = len(reward) // 3
    before, after = reward.level(0, third), reward.level(len(reward) - third, len(reward))
    size = reward.noise(0, len(reward)).size
    errors = np.hypot(before.error, after.errors)
    return Estimate(after.value - before.value, errors, after.weight, after.degrees).exceeds(size)


RULE = Rule(
    id="reward-flat",
    group="reward",
    doc=__doc__,
    check=check,
    min_points=10,
    essential_for=("reinforcement",),
    fixes=("lower-learning-rate", "train-longer", "larger-batch"),
    explained_by=("learning-rate-zero", "collapse"),
    measures={
        "gain_least": "how far the reward has risen, in its noise (gain)",
        "sure": "how sure it is that the reward has risen at all (probability)",
        "risen_most": "how likely it has risen by the noise of a point (probability)",
        "highest": "the points at the highest reward of all",
    },
    cases=(
        Case("the reward stays where it began", partial(synthetic.unrewarded_policy, episodes=1000), Severity.WARNING),
        Case("the reward rises and levels off", synthetic.rewarded),
    ),
)
