"""Vanishing gradient: the gradient norm falls to nothing while the loss is still where it was.

Why it matters
    Without a gradient the weights stay where they are, however long the training goes on: saturated or dead units, a
    product of many small factors, or parameters that are cut off from the loss.

Statistics
    decades   orders of magnitude (log10) between the level of the gradient norm at the start and at the end (a tenth of
              the curve each); 99 where it ends at exactly 0
    relative  gradient norm over the loss, both at the end: independent of the unit of the loss. It catches a gradient
              that was nothing from the start.
    learned   improvement of the loss in percent of where it began

Limits
    Needs 10 points of the gradient norm and a positive loss. A gradient that vanishes because the loss has fallen is a
    training at its goal, and so is one that was trained before. The gradient norm of a policy vanishes where all its
    samples earn the same reward; it is not judged. Vanishing in single layers needs their own norms.

References
    Hochreiter, Untersuchungen zu dynamischen neuronalen Netzen (1991)
    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks (2010)
    Lecture notes: "Fail to converge? No trend? Weight init?".
"""

from __future__ import annotations

import math

from diagnose import synthetic
from diagnose.curves import Series
from diagnose.measure import statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

_NO_GRADIENT = (
    *("check-frozen-weights", "initialize-weights", "residual-connections", "normalization-layers", "relu-activation"),
)
"""The fixes where no gradient at all comes through."""


def check(
    axis: str,
    grad_norm: Series,
    train_loss: Series,
    *,
    decades_least: float = 3.0,  # orders of magnitude; noise and schedules move the norm by one at most
    relative_most: float = 1e-6,  # of the loss; below it float32 weights of order 1 hardly move
    learned_most: float = 0.2,  # of the loss at the start; more has been learned than a vanished gradient allows
    moving_most: float = 0.05,  # of the level, over the last third; the loss still moves
) -> Finding | None:
    """Judge the levels of both curves at the start and at the end."""
    norm, loss = grad_norm.finite(), train_loss.finite()
    if len(norm) < 10 or len(loss) < 10:
        raise CannotJudge("fewer than 10 finite points of grad norm or train_loss")
    if float(loss.values.min()) <= 0.0:
        raise CannotJudge("the loss is not positive: how far it is from its goal cannot be told")
    count = statistics.ends(len(norm))
    first = statistics.level(norm.values, 0, count)
    last = statistics.level(norm.values, len(norm) - count, len(norm))
    begin = statistics.level(loss.values, 0, statistics.ends(len(loss), 0.05))
    size = len(loss)
    end = statistics.level(loss.values, size - statistics.ends(size), size)
    earlier = statistics.level(loss.values, round(0.6 * size), round(0.7 * size))
    learned = (begin - end) / begin
    if learned > learned_most or abs(earlier - end) > moving_most * end:
        return None
    decades = min(math.log10(first / last), 99.0) if last > 0.0 and first > 0.0 else 99.0
    relative = last / end
    if decades < decades_least and relative > relative_most:
        return None
    if decades >= decades_least:
        how = f"grad_norm falls from {first:.3g} to {last:.3g}"
    else:
        how = f"grad_norm is {last:.3g} at the end, {relative:.2g} of the loss,"
    return Finding(
        severity=Severity.WARNING,
        confidence=statistics.confidence(
            1.0 + 0.4 * min(max(decades - decades_least, 0.0), 4.0) + 4.0 * (learned_most - max(learned, 0.0))
        ),
        summary=f"{how} while train_loss stays at {end:.4g} (it began at {begin:.4g}).",
        meaning="Nothing moves the weights any more, and yet little has been learned: the network is stuck, not done.",
        steps=(float(norm.steps[0]), float(norm.steps[-1])),
        series=("grad_norm", "train_loss"),
        evidence=(
            Evidence("decades", decades, decades_least, "orders of magnitude"),
            Evidence("relative", relative, relative_most),
            Evidence("learned", 100.0 * learned, 100.0 * learned_most, "percent"),
        ),
        fixes=_NO_GRADIENT if last == 0.0 else (),
        cause="no-gradient" if last == 0.0 else "",
    )


RULE = Rule(
    id="vanishing-gradient",
    group="gradient",
    doc=__doc__,
    check=check,
    min_points=10,
    fixes=(
        "initialize-weights",
        "residual-connections",
        "normalization-layers",
        "relu-activation",
        "normalize-inputs",
        "lower-learning-rate",
        "check-frozen-weights",
    ),
    not_for=dict.fromkeys(
        ("reinforcement", "adversarial"),
        "the gradient of a policy or of adversarial networks may vanish in healthy training",
    ),
    measures={
        "decades_least": "how far the gradient norm has shrunk (decades)",
        "relative_most": "the gradient norm at the end, of the loss",
        "learned_most": "how much of the loss at the start has been learned",
        "moving_most": "how far the loss still moves in the last third",
    },
    cases=(
        Case("five decades down, the loss near ln 10", synthetic.vanishing_gradients, Severity.WARNING),
        Case("falls with the loss", synthetic.converged_gradients),
        Case("calm gradients", synthetic.calm_gradients),
        Case("grows a hundredfold", synthetic.exploding_gradients),
    ),
)
