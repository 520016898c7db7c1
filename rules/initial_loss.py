"""Initial loss: the first loss lies far above that of random answers.

Why it matters
    A network that knows nothing should say so: all classes alike, a loss of ln k. One that begins with certain and
    wrong answers was given weights or inputs at the wrong scale, and spends its first epochs on unlearning them;
    saturated or dead units that this leaves behind do not come back.

Statistics
    first   the first logged training loss over ln k, the loss of k classes answered at random [1]

Limits
    Needs the number of classes from the config and an accuracy: the losses of detection and of several tasks are sums
    that start anywhere. A loss that is summed over the batch starts at batch_size times ln k and is left alone where
    the config has the batch size. The first point of a log is often the mean over an epoch, in which a learning rate
    that is far too high can do the same; a log that begins later than a twentieth of the run is not judged.

References
    [1] Karpathy, A Recipe for Training Neural Networks (2019): "verify loss @ init"
    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks (2010)
    Lecture notes: "Weight initialization: small numbers, half positive, half negative".
"""

from __future__ import annotations

import math

from diagnose import synthetic
from diagnose.curves import Series
from diagnose.measure import epochs
from diagnose.names import roles
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    axis: str,
    train_loss: Series,
    num_classes: int,
    last_step: float,
    train_loss_step: Series | None = None,
    train_accuracy: Series | None = None,
    val_accuracy: Series | None = None,
    batch_size: int | None = None,
    *,
    first_note: float = 4.0,  # times ln k; a sound network starts within a tenth of it, a mean of hot first steps at 2
    first_warning: float = 10.0,  # times ln k
    summed: float = 0.5,  # of batch_size * ln k: a first loss this near to it is a sum over the batch
) -> Finding | None:
    """Judge the first point of the finest training loss."""
    accuracy = train_accuracy or val_accuracy
    if accuracy is None or roles.parse(accuracy.name).kind != "accuracy" or num_classes < 2:
        raise CannotJudge("it is about classification, and the log has no accuracy")
    known = epochs.finest(train_loss, train_loss_step)
    if known is None:
        raise CannotJudge("the training loss has no finite points")
    role, curve = known
    begin, first = float(curve.steps[0]), float(curve.values[0])
    if begin > 1.0 and begin > 0.05 * last_step:
        raise CannotJudge(f"the training loss begins at {axis} {begin:g} only")
    chance = math.log(num_classes)
    share = first / chance
    if share < first_note or (batch_size is not None and abs(share / batch_size - 1.0) <= summed):
        return None
    return Finding(
        severity=Severity.WARNING if share >= first_warning else Severity.NOTE,
        confidence=0.9,
        summary=(
            f"{role} begins at {first:.4g} ({axis} {begin:g}), {share:.3g} times ln {num_classes} = {chance:.4g}, the "
            f"loss of {num_classes} classes answered at random."
        ),
        meaning=(
            "The network begins with certain and wrong answers: its weights or its inputs are at the wrong scale, or "
            "the first steps were far too long."
        ),
        steps=(begin, begin),
        marks=(begin,),
        series=(role,),
        evidence=(Evidence("first over chance", share, first_note),),
    )


RULE = Rule(
    id="initial-loss",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("initialize-weights", "normalize-inputs", "lower-learning-rate", "warmup"),
    measures={
        "first_note": "the first loss, against that of guessing (ln k)",
        "first_warning": "the first loss, against that of guessing (ln k)",
        "summed": "how far it is from a sum over the batch",
    },
    cases=(
        Case("begins at 22, ten classes", synthetic.unlearned, Severity.NOTE),
        Case("answers at random from the first step on", synthetic.stuck),
        Case("healthy run", synthetic.healthy_with_classes),
    ),
)
