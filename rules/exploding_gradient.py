"""Exploding gradient: the gradient norm grows by orders of magnitude, or bursts again and again.

Why it matters
    The gradient shows an instability before the loss does: attention logits that grow, an output layer that drifts, a
    recurrent product of large factors. Clipping hides it for a while; each step then goes in the direction of a few
    extreme examples.

Statistics
    growth  orders of magnitude (log10) between the level of the first third, without the first twentieth, and the
            highest level after it; a level is a running median over a twentieth of the curve
    bursts  single points an order of magnitude above the level around them and `z` standard deviations of log10 of the
            norm (1.4826 * median absolute deviation [1]) beyond it; a stretch of them counts once

Limits
    Needs 30 points of the total gradient norm. A norm that only comes back to where it began is no growth. Some growth
    while the loss falls is normal; an order of magnitude is not. Bursts alone are a note: clipped ones may be harmless.
    The gradients of a policy and of adversarial networks have no level to be held to, and are not judged.

References
    [1] Hampel, The Influence Curve and Its Role in Robust Estimation (1974)
    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks (2013)
    Wortsman et al., Small-scale proxies for large-scale Transformer training instabilities (arXiv 2309.14322)
    Lecture notes: "Diagnosing the model: loss explosion? sudden spike? Exploding gradients -> weights".
"""

from __future__ import annotations

import math

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

LEAST_POINTS = 30
MOST_MARKS = 24  # places named in a finding; more cannot be told apart on a curve


def check(
    axis: str,
    grad_norm: Series,
    *,
    growth_warning: float = 1.0,  # orders of magnitude beyond the earlier level
    burst_height: float = 1.0,  # orders of magnitude above the level around it
    burst_z: float = 6.0,  # standard deviations of the logarithm: norms with long tails have no bursts
    bursts_least: int = 3,  # fewer are single events, which `loss-spike` judges by what they do to the loss
) -> Finding | None:
    """Judge the logarithm of the norm."""
    steps, log = logarithm(grad_norm)
    if log.size < LEAST_POINTS:
        raise CannotJudge(f"fewer than {LEAST_POINTS} positive points of grad norm")
    skip, third = math.ceil(log.size / 20), log.size // 3
    smooth = statistics.rolling_median(log, statistics.ends(log.size, 0.05, 5) | 1)
    level = float(np.median(log[skip:third]))
    top = third + int(np.argmax(smooth[third:]))
    growth = float(smooth[top]) - level
    beyond_start = float(smooth[top]) - float(smooth[:skip].max())
    if growth >= growth_warning and beyond_start > 0.0:
        return _growth(axis, float(steps[top]), 10.0**level, growth, growth_warning, steps)
    residual = log - smooth
    high = residual >= max(burst_height, burst_z * statistics.spread(residual))
    high[:skip] = False
    starts, stops = statistics.stretches(high)
    if starts.size < bursts_least:
        return None
    peaks = np.array([a + int(np.argmax(residual[a:b])) for a, b in zip(starts, stops, strict=True)])
    peaks = np.sort(peaks[np.argsort(-residual[peaks])][:MOST_MARKS])
    return _bursts(axis, steps[peaks], float(residual[peaks].max()), starts.size, bursts_least)


def logarithm(grad_norm: Series) -> tuple[Array, Array]:
    """Steps and log10 of the finite positive points."""
    there = np.isfinite(grad_norm.values) & (grad_norm.values > 0.0)
    return grad_norm.steps[there], np.log10(grad_norm.values[there])


def _growth(axis: str, step: float, level: float, growth: float, threshold: float, steps: Array) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        confidence=statistics.confidence(0.8 + 2.0 * (min(growth, 3.0) - threshold)),
        summary=(
            f"grad_norm grows from {level:.3g} in the first third of the run to {level * 10.0**growth:.3g} around "
            f"{axis} {step:g}, by {growth:.2g} orders of magnitude."
        ),
        meaning="The training is unstable; where the loss is still calm, a spike or a divergence often follows.",
        steps=(float(steps[steps.size // 3]), float(steps[-1])),
        marks=(step,),
        series=("grad_norm",),
        evidence=(Evidence("growth", growth, threshold, "orders of magnitude"),),
    )


def _bursts(axis: str, places: Array, height: float, count: int, threshold: int) -> Finding:
    return Finding(
        severity=Severity.NOTE,
        confidence=statistics.confidence(0.8 + 0.1 * min(count, 20) + 0.5 * (min(height, 3.0) - 1.0)),
        summary=(
            f"grad_norm bursts {count} times, up to {10.0**height:.3g} times the level around it, first at {axis} "
            f"{places[0]:g}."
        ),
        meaning="A few batches pull the weights far more than all others; unclipped, one of them can undo many steps.",
        steps=(float(places[0]), float(places[-1])),
        marks=tuple(float(place) for place in places),
        series=("grad_norm",),
        evidence=(
            Evidence("bursts", float(count), float(threshold)),
            Evidence("height", height, 1.0, "orders of magnitude"),
        ),
        fixes=("clip-gradients", "inspect-batch", "lower-learning-rate"),
    )


RULE = Rule(
    id="exploding-gradient",
    group="gradient",
    doc=__doc__,
    check=check,
    min_points=LEAST_POINTS,
    fixes=(
        "clip-gradients",
        "lower-learning-rate",
        "warmup",
        "stabilize-logits",
        "initialize-weights",
        "inspect-batch",
    ),
    not_for=dict.fromkeys(
        ("reinforcement", "adversarial"),
        "the gradient of a policy or of adversarial networks has no level to be held to",
    ),
    measures={
        "growth_warning": "how far the gradient norm has grown beyond its earlier level (growth)",
        "burst_height": "how high the norm bursts above the level around it",
        "bursts_least": "the number of bursts",
    },
    cases=(
        Case("grows a hundredfold beside a calm loss", synthetic.exploding_gradients, Severity.WARNING),
        Case("six bursts to 50 times the level", synthetic.bursting_gradients, Severity.NOTE),
        Case("calm gradients", synthetic.calm_gradients),
        Case("falls with the loss", synthetic.converged_gradients),
        Case("clipped in most steps", synthetic.clipped),
    ),
)
