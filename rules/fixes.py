"""The catalogue of fixes: what to change, why it helps, and where the advice comes from.

Written from the practical tips of the project's lecture notes (cited by their headings) and the literature they stand
on. `phrase` says the same in the run's own numbers where the log or its config has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from diagnose.rule import Context, Fix

NOTES = "lecture notes, "
PLAYBOOK = "Godbole et al., Deep Learning Tuning Playbook (2023)"


def _number(value: Any) -> float | None:
    """The value as a finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _scaled(name: str, factor: float, *, least: float = 0.0, most: float = math.inf) -> Callable[[Context], str | None]:
    """`name OLD -> NEW`, NEW being OLD times `factor`, kept within [least, most]."""

    def phrase(context: Context) -> str | None:
        old = _number(context.run.hyperparameter(name))
        if old is None or old <= 0.0:
            return None
        new = min(max(old * factor, least), most)
        return f"{name} {old:g} -> {new:g}" if new != old else None

    return phrase


def _adaptive(context: Context) -> bool:
    """Whether the run's optimizer scales its steps per parameter."""
    name = str(context.run.config.get("optimizer", "")).lower()
    return any(part in name for part in ("adam", "adagrad", "adadelta", "rmsprop", "lion", "lamb"))


def _stop(context: Context) -> str | None:
    if not context.finding.marks:
        return None
    return f"stop at {context.run.axis} {context.finding.marks[0]:g} and keep that checkpoint"


def _lower_rate(context: Context) -> str | None:
    concrete = _scaled("learning_rate", 0.1)(context)
    return f"lower the learning rate by an order of magnitude: {concrete}" if concrete else None


def _raise_rate(context: Context) -> str | None:
    old = _number(context.run.hyperparameter("learning_rate"))
    if old == 0.0:
        return "set a learning rate above 0: 1e-3 for Adam, 0.1 for SGD with momentum, then search by powers of ten"
    concrete = _scaled("learning_rate", 10.0, most=0.9)(context)
    return f"raise the learning rate by an order of magnitude: {concrete}" if concrete else None


def _decay(context: Context) -> str | None:
    old = _number(context.run.config.get("weight_decay"))
    if old is None:
        return None
    target = 0.01 if _adaptive(context) else 1e-4
    new = max(3.0 * old, target)
    kind = "decoupled weight decay (AdamW)" if _adaptive(context) else "weight decay"
    return f"use {kind}: weight_decay {old:g} -> {new:g}"


def _dropout(context: Context) -> str | None:
    old = _number(context.run.config.get("dropout"))
    if old is None or not 0.0 <= old < 0.5:
        return None
    return f"raise dropout: dropout {old:g} -> {min(old + 0.2, 0.5):g}"


def _clip(context: Context) -> str | None:
    norm = context.run.curve("grad_norm")
    if norm is not None and len(finite := norm.finite()) >= 10:
        ordered = sorted(finite.values.tolist())
        limit = ordered[int(0.9 * (len(ordered) - 1))]
        if limit > 0.0:
            return f"clip the gradient norm at {limit:.3g}, the 90th percentile of this run"
    old = _number(context.run.config.get("gradient_clip"))
    return f"clip the gradient norm harder: gradient_clip {old:g} -> {old / 2:g}" if old else None


def _warm_up(context: Context) -> str | None:
    rate = context.run.curve("learning_rate")
    if rate is not None and len(rate) >= 5 and rate.values[0] < 0.5 * rate.values.max():
        peak = float(rate.steps[rate.values.argmax()])
        return f"warm up longer than the present {peak:g} {context.run.axis}s" if peak > 0.0 else None
    total = context.run.last_step
    if context.run.axis == "step" and total >= 100:
        return f"warm the learning rate up over the first {round(0.05 * total):g} steps (5 % of the run)"
    return None


def _batch(context: Context) -> str | None:
    old = _number(context.run.config.get("batch_size"))
    if old is None or old < 1:
        return None
    return (
        f"double the batch size, the learning rate kept: batch_size {old:g} -> {2 ** math.ceil(math.log2(2 * old)):g}"
    )


def _inspect(context: Context) -> str | None:
    marks = context.finding.marks
    if not marks:
        return None
    named = ", ".join(f"{mark:g}" for mark in marks[:5])
    return f"look at the batches at {context.run.axis} {named}"


def _weights(context: Context) -> str | None:
    activation = str(context.run.config.get("activation", "")).lower()
    if not activation:
        return None
    scheme = "Kaiming" if "relu" in activation else "Glorot"
    return f"initialize with {scheme}, which fits {activation}; biases at zero"


def _precision(context: Context) -> str | None:
    precision = str(context.run.config.get("precision", "")).lower()
    if context.run.config.get("fp16") is True or precision in ("16", "16-mixed", "fp16", "float16", "half"):
        return "train in bfloat16, or in float32, instead of float16"
    return None


CATALOGUE: tuple[Fix, ...] = (
    Fix(
        "early-stopping",
        "stop at the best validation loss and keep that checkpoint",
        "everything after it fits the training sample",
        NOTES + "Regularization: Early Stopping",
        _stop,
    ),
    Fix(
        "data-augmentation",
        "augment the data: flips and shifts first, then Mixup, CutOut or CutMix",
        "more variants of each example are harder to memorise",
        NOTES + "Data Augmentation",
    ),
    Fix(
        "weight-decay",
        "use weight decay, decoupled (AdamW) with an adaptive optimizer",
        "smaller weights fit less noise; an L2 term in the loss is uneven under adaptive optimizers",
        NOTES + "Parameter Norm Penalty Method",
        _decay,
    ),
    Fix(
        "dropout",
        "add dropout (0.2 to 0.5; spatial dropout in convolutions), with a max-norm of 3 to 4",
        "no unit can rely on a single other one",
        NOTES + "Dropout and its variants",
        _dropout,
    ),
    Fix(
        "smaller-network",
        "make the network smaller: fewer layers or filters",
        "less capacity memorises less",
        NOTES + "Training milestone: learn the right thing",
    ),
    Fix(
        "more-data",
        "collect more training data, or start from weights trained on more",
        "the gap between training and validation closes with the size of the sample",
        PLAYBOOK,
    ),
    Fix(
        "lower-learning-rate",
        "lower the learning rate by an order of magnitude",
        "steps that are too long jump out of the valley; in case of doubt, go small",
        NOTES + "Learning Rate",
        _lower_rate,
    ),
    Fix(
        "raise-learning-rate",
        "raise the learning rate by an order of magnitude",
        "steps that are too short leave the loss where it starts; search by orders of magnitude, below 1",
        NOTES + "Learning Rate",
        _raise_rate,
    ),
    Fix(
        "warmup",
        "warm the learning rate up over the first 1 to 10 % of the steps",
        "the first gradients are large and the optimizer's averages are not filled yet",
        PLAYBOOK,
        _warm_up,
    ),
    Fix(
        "clip-gradients",
        "clip the gradient norm at its 90th percentile (1.0 where it is not logged)",
        "one exploding gradient can no longer move the weights far",
        NOTES + "Diagnosing the model: exploding gradients; percentile from the " + PLAYBOOK,
        _clip,
    ),
    Fix(
        "inspect-batch",
        "look at the batches at these steps for corrupted or extreme examples",
        "a single problematic instance is enough for a spike",
        NOTES + "Diagnosing the model: problematic data instance",
        _inspect,
    ),
    Fix(
        "larger-batch",
        "double the batch size, the learning rate kept",
        "the mean over more examples is less at the mercy of one",
        NOTES + "Batch Size",
        _batch,
    ),
    Fix(
        "normalize-inputs",
        "normalize the inputs to mean 0 and standard deviation 1",
        "inputs of very different scale make the loss steep in some directions and flat in others",
        NOTES + "Diagnosing the model: preprocessing",
    ),
    Fix(
        "stable-precision",
        "train in bfloat16 or float32, with loss scaling where float16 must stay",
        "float16 overflows above 65504",
        "Micikevicius et al., Mixed Precision Training (2018)",
        _precision,
    ),
    Fix(
        "overfit-one-batch",
        "try to overfit a single batch first",
        "a network that cannot memorise one batch has a bug in its loss, labels or gradients, not a tuning problem",
        NOTES + "Training milestone: learn anything",
    ),
    Fix(
        "initialize-weights",
        "initialize with Kaiming for ReLU, with Glorot otherwise; biases at zero",
        "weights that are too small or too large let the signal vanish or explode from layer to layer",
        NOTES + "Weight Initialization",
        _weights,
    ),
    Fix(
        "inspect-data",
        "check that inputs and labels belong together: show twenty training examples with their labels",
        "shuffled or corrupted labels leave nothing to learn",
        NOTES + "Diagnosing the model: data corrupted?",
    ),
    Fix(
        "simplify",
        "make it simpler: fewer classes, a smaller network without regularization, an easier sample of the data",
        "little capacity and an easy problem make it easier to learn anything at all",
        NOTES + "Training milestone: learn anything",
    ),
    Fix(
        "check-frozen-weights",
        "check that the optimizer holds the parameters and that they require gradients",
        "frozen or unregistered weights cannot move",
        PLAYBOOK,
    ),
    Fix(
        "check-metric",
        "print the confusion matrix at two epochs",
        "it shows at once whether one class is predicted for everything, or the metric is computed wrongly",
        NOTES + "Diagnosing the model: threshold metric is not met",
    ),
    Fix(
        "class-weights",
        "weight the classes in the loss by the inverse of their share",
        "rare classes then count as much as the majority",
        NOTES + "Diagnosing the model: imbalance?",
    ),
    Fix(
        "balanced-metric",
        "judge with balanced accuracy or macro F1 instead of accuracy",
        "accuracy rewards answering with the majority class",
        NOTES + "Diagnosing the model: imbalance?",
    ),
    Fix(
        "balance-data",
        "sample the rare classes more often, or collect more of them",
        "every batch then shows every class",
        NOTES + "Diagnosing the model: imbalance?",
    ),
)
"""All fixes, in no particular order; the rules name them by id in the order to try."""
