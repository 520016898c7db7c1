"""Learning rate scaling: a large batch with SGD and a learning rate that was not scaled with it.

Why it matters
    A batch k times as large gives k times fewer updates per epoch, each with a gradient that is less noisy but no
    longer: at the old learning rate, the same number of epochs covers a fraction of the way.

Statistics
    reference  0.1 * batch / 256, the learning rate that the linear scaling rule gives [1], and the share of it that
               the run uses

Limits
    The rule holds for SGD; for Adam the factor is nearer to its root [2], and Adam is not judged. The number of devices
    is unknown: with several the true share is smaller still. Fine-tuning wants a small rate, whatever the batch. The
    finding stays a note.

References
    [1] Goyal et al., Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour (2017)
    [2] Malladi et al., On the SDEs and Scaling Rules for Adaptive Gradient Algorithms (2022)
    Lecture notes: "Learning Rate: fix the batch size (or viceversa). Theory: double one, double the other??".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.names import optimizers
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    optimizer: str,
    learning_rate: float,
    batch_size: int,
    last_step: float,
    gradient_accumulation_steps: int | None = None,
    *,
    large_batch: int = 1024,  # examples; four times the reference of [1], below it an unscaled rate costs little
    reference: float = 0.1,  # learning rate for 256 examples in [1]
    share_least: float = 0.1,  # of the scaled reference; an order of magnitude, the step in which rates are searched
) -> Finding | None:
    """Judge three numbers."""
    kind = optimizers.known(optimizer)
    if kind is None or kind.family != "sgd":
        raise CannotJudge("linear scaling of the learning rate is a rule for SGD")
    batch = batch_size * max(gradient_accumulation_steps or 1, 1)
    expected = reference * batch / 256.0
    if batch < large_batch or not 0.0 < learning_rate < share_least * expected:
        return None
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=(
            f"The learning rate is {learning_rate:g} for a batch of {batch}; linear scaling from {reference:g} for 256 "
            f"gives {expected:.2g}."
        ),
        meaning="A large batch makes few updates per epoch; at this learning rate each of them goes only a short way.",
        steps=(0.0, last_step),
        series=(),
        evidence=(Evidence("share of the scaled learning rate", learning_rate / expected, share_least),),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="learning-rate-scaling",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("scale-learning-rate", "warmup"),
    explained_by=("learning-rate-range",),
    precedence=1,
    measures={
        "large_batch": "the batch size, accumulation included",
        "share_least": "the learning rate, against the scaled reference",
    },
    cases=(
        Case("0.01 for 8192", _configured(optimizer="sgd", learning_rate=0.01, batch_size=8192), Severity.NOTE),
        Case(
            "0.001 for 128 accumulated 16 times",
            _configured(optimizer="SGD", learning_rate=1e-3, batch_size=128, gradient_accumulation_steps=16),
            Severity.NOTE,
        ),
        Case("3.2 for 8192", _configured(optimizer="sgd", learning_rate=3.2, batch_size=8192)),
        Case("0.01 for 64", _configured(optimizer="sgd", learning_rate=0.01, batch_size=64)),
        Case("Adam, not judged", _configured(optimizer="adam", learning_rate=1e-3, batch_size=8192)),
    ),
)
