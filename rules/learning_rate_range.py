"""Learning rate range: the learning rate is outside what its optimizer usually works with.

Why it matters
    It is the hyperparameter that decides first whether anything is learned: steps that are too long throw the weights
    about, steps that are too short leave them where they began.

Statistics
    learning_rate  of the config, or the peak of its curve where the config has none, against the range of its
                   optimizer: 1e-7 .. 1e-2 for Adam and its kin (1e-3 is the default of [1], down to 1e-7 in
                   fine-tuning), a third of that for sign-based ones [2], 1e-4 .. 0.5 for SGD, above that with the
                   batch size as in [3]
    ceiling        1: no learning rate should reach it, whatever the optimizer

Limits
    The literature's ranges, not this problem's optimum: outside them is a note, and a warning only from 1 on, or from
    0.1 on with Adam. Adadelta, Adafactor, L-BFGS, Prodigy, LARS, LAMB and Muon count their learning rate differently
    and are not judged, as optimizers of unknown name are not. A schedule that multiplies by a factor of its own (Noam)
    makes the number mean nothing. A rate of 0 belongs to other rules.

References
    [1] Kingma and Ba, Adam: A Method for Stochastic Optimization (2015)
    [2] Chen et al., Symbolic Discovery of Optimization Algorithms (2023): Lion wants a rate 3 to 10 times smaller
    [3] Goyal et al., Accurate, Large Minibatch SGD (2017): 0.1 per 256 examples of batch
    Lecture notes: "Learning Rate: always smaller than 1; search by orders of magnitude; in case of doubt, go small".
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import NamedTuple

from diagnose import synthetic
from diagnose.names import optimizers
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


class Range(NamedTuple):
    """Learning rates from `low` to `high` are usual; from `harmful` on they do harm."""

    low: float
    high: float
    harmful: float


def check(
    learning_rate: float,
    last_step: float,
    optimizer: str | None = None,
    batch_size: int | None = None,
    scheduler: str | None = None,
    *,
    ceiling: float = 1.0,  # "always smaller than 1"
    adaptive_low: float = 1e-7,  # the smallest rates of preference tuning and of late fine-tuning
    adaptive_high: float = 1e-2,  # ten times the default of [1]
    adaptive_harmful: float = 0.1,  # every weight may move by it in every step; weights are about that large themselves
    sign_factor: float = 1 / 3,  # the least that [2] divides Adam's rate by
    sgd_low: float = 1e-4,  # a tenth of PyTorch's default
    sgd_high: float = 0.5,  # five times the reference of [3] for 256 examples
    sgd_per_256: float = 0.4,  # four times the reference of [3]: what recipes with strong regularization still use
) -> Finding | None:
    """Judge one number."""
    if learning_rate <= 0.0 or not math.isfinite(learning_rate):
        return None
    if scheduler is not None and re.search(r"noam|lambda|inv", scheduler.casefold()):
        raise CannotJudge(f"the schedule {scheduler} multiplies the learning rate by a factor of its own")
    kind = None if optimizer is None else optimizers.known(optimizer)
    if optimizer is not None and kind is None:
        raise CannotJudge(f"the optimizer {optimizer[:40]!r} is unknown, and so is its usual learning rate")
    scaled = sgd_per_256 * (batch_size or 0) / 256.0
    adaptive = Range(adaptive_low, adaptive_high, adaptive_harmful)
    ranges = {
        None: Range(0.0, math.nextafter(ceiling, 0.0), math.inf),  # it may be one whose natural rate is 1
        "sgd": Range(sgd_low, max(sgd_high, scaled), max(ceiling, scaled)),
        "adaptive": adaptive,
        "adagrad": Range(0.0, ceiling, ceiling),
        "sign": Range(*(sign_factor * rate for rate in adaptive)),
    }
    usual = ranges.get(kind.family if kind else None)
    if usual is None:
        raise CannotJudge(f"{optimizer} counts its learning rate differently; it has no usual range")
    if usual.low <= learning_rate <= usual.high and learning_rate < usual.harmful:
        return None

    small = learning_rate < usual.low
    harmful = learning_rate >= usual.harmful
    limit = usual.low if small else usual.harmful if harmful else usual.high
    expected = f"it should stay below {limit:g}" if harmful else f"{usual.low:g} to {usual.high:g} is usual"
    name = optimizer or "an optimizer that the config does not name"
    return Finding(
        severity=Severity.WARNING if harmful else Severity.NOTE,
        confidence=0.95 if harmful else 0.9,
        summary=f"The learning rate is {learning_rate:g} with {name}; {expected}.",
        meaning=(
            "Steps this short may not leave the place where the weights began within the run."
            if small
            else "Steps this long overshoot: the loss swings or diverges, or settles where it cannot be refined."
        ),
        steps=(0.0, last_step),
        series=(),
        evidence=(Evidence("learning_rate", learning_rate, limit),),
        fixes=("raise-learning-rate", "typical-learning-rate") if small else (),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="learning-rate-range",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("typical-learning-rate", "lower-learning-rate", "warmup"),
    precedence=1,
    cases=(
        Case("SGD at 10", _configured(optimizer="SGD", learning_rate=10.0), Severity.WARNING),
        Case("Adam at 0.5", _configured(optimizer="torch.optim.Adam", learning_rate=0.5), Severity.WARNING),
        Case("Adam at 0.02", _configured(optimizer="adam", learning_rate=0.02), Severity.NOTE),
        Case("SGD at 1e-5", _configured(optimizer="sgd", learning_rate=1e-5), Severity.NOTE),
        Case("1.5 with an unnamed optimizer", _configured(learning_rate=1.5), Severity.NOTE),
        Case("Adam at 1e-3", synthetic.healthy),
        Case("fine-tuning with AdamW at 2e-5", _configured(optimizer="adamw_torch", learning_rate=2e-5)),
        Case("SGD at 3.2 for a batch of 8192", _configured(optimizer="sgd", learning_rate=3.2, batch_size=8192)),
        Case("Adadelta at 1", _configured(optimizer="Adadelta", learning_rate=1.0)),
        Case("Noam schedule over 1", _configured(optimizer="adam", learning_rate=1.0, scheduler="noam")),
    ),
)
