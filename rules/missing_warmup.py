"""Missing warmup: a transformer under Adam starts at its highest learning rate, and its loss rises at first.

Why it matters
    Adam's averages are empty at first and a transformer's first gradients large: the first steps at the full rate throw
    the weights away from where they began.

Statistics
    hump    how far the loss rises above its first value in the first fifth of the run

Limits
    Only for a model that is known as a transformer and an optimizer that is known as adaptive. Where the first logged
    rate lies past 2 % of the run, a warmup before it cannot be seen.

References
    Xiong et al., On Layer Normalization in the Transformer Architecture (2020)
    Lecture notes: "Tuning the learning rate".
"""

from __future__ import annotations

from functools import partial

import numpy as np

from diagnose import synthetic
from diagnose.curves import Series
from diagnose.measure import statistics
from diagnose.names import optimizers, traits
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    axis: str,
    learning_rate: Series,
    train_loss: Series,
    optimizer: str,
    model: str,
    *,
    hump_least: float = 0.05,  # of the first loss; a smaller rise is no sign of a missing warmup
) -> Finding | None:
    """Judge the start of both curves."""
    rate, loss = learning_rate.finite(), train_loss.finite()
    if len(rate) < 5 or len(loss) < 10:
        raise CannotJudge("fewer than 5 points of learning rate, or than 10 of train_loss")
    kind = optimizers.known(optimizer)
    if kind is None or kind.family != "adaptive" or not traits.is_transformer(model):
        return None
    late = rate.steps[0] > 0.02 * rate.steps[-1]
    if late or rate.values[0] < 0.99 * rate.values.max() or float(loss.values[0]) <= 0.0:
        return None
    first = loss.values[: max(10, len(loss) // 5)]
    early = statistics.rolling_median(first, 3)
    top = int(np.argmax(early))
    rise = float(early[top] - loss.values[0])
    hump = rise / float(loss.values[0])
    if top == 0 or hump < hump_least or rise < 3.0 * statistics.jitter(first):
        return None
    at = float(loss.steps[top])
    return Finding(
        severity=Severity.NOTE,
        confidence=statistics.confidence(0.8 + 3.0 * (hump - hump_least)),
        summary=(
            f"The learning rate starts at its highest value, {rate.values[0]:.3g}, and train_loss rises by "
            f"{100 * hump:.3g} % until {axis} {at:g}."
        ),
        meaning="Adam's averages are empty at first and a transformer's first gradients large: a warmup spares it.",
        steps=(float(loss.steps[0]), at),
        marks=(at,),
        series=("learning_rate", "train_loss"),
        evidence=(Evidence("hump", 100.0 * hump, 100.0 * hump_least, "percent"),),
    )


_DECAY = np.linspace(1e-3, 0.0, 200)

RULE = Rule(
    id="missing-warmup",
    group="schedule",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("warmup", "lower-learning-rate"),
    precedence=1,
    measures={
        "hump_least": "how far the loss climbs at the start (hump)",
    },
    cases=(
        Case(
            "transformer without warmup, the loss rises first",
            partial(synthetic.scheduled, _DECAY, hump=1.0, optimizer="adamw", model="gpt2"),
            Severity.NOTE,
        ),
        Case(
            "transformer without warmup, and without need of it",
            partial(synthetic.scheduled, _DECAY, optimizer="adamw", model="gpt2"),
        ),
        Case(
            "a convolutional network whose loss rises first",
            partial(synthetic.scheduled, _DECAY, hump=1.0, optimizer="adamw", model="resnet50"),
        ),
    ),
)
