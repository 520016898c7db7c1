"""Reward flat: the reward has not risen beyond its noise.

Why it matters
    The policy that the run ends with earns no more than the one it began with: nothing was learned yet, or nothing was
    left to learn.

Statistics
    gain    how far the reward comes up from the level of its first points (a fiftieth of the run, twice as many and so
            on) to its highest level after them, in standard deviations of a point
    sure    probability that it has risen at all (see `diagnose.measure.curve`)

Limits
    A policy that was good from the start, or was trained before, looks the same: this is a note. Fewer than 10 points
    are not judged.

References
    Henderson et al., Deep Reinforcement Learning that Matters (2018)
    Lecture notes: milestone "learn anything: better than random".
"""

from __future__ import annotations

from diagnose import synthetic
from diagnose.measure.curve import Curve
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    reward: Curve,
    axis: str,
    *,
    gain_least: float = 0.5,  # standard deviations of a point; episodes differ by more than policies that learn slowly
    sure: float = 0.998,  # probability of a rise at all; the first level is chosen among several
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
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=f"{reward.series.name} has not risen beyond its noise from {axis} {first:g} to {last:g}.",
        meaning="The policy at the end earns no more than the one at the start.",
        steps=(first, last),
        series=("reward",),
        evidence=(Evidence("gain", gain, gain_least, "standard deviations"),),
    )


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
    },
    cases=(
        Case("the reward stays where it began", synthetic.unrewarded_policy, Severity.NOTE),
        Case("the reward rises and levels off", synthetic.rewarded),
    ),
)
