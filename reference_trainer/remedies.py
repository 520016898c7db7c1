"""The fixes of the catalogue as changes of a recipe: what a user who takes the advice does, done to a reference run.

REMEDIES["lower-learning-rate"](recipe, (Change("learning_rate", 0.02),))   # the recipe with 0.02
REMEDIES["normalize-inputs"](recipe, ())                                    # the recipe with normalized inputs
REMEDIES["data-augmentation"](Recipe(task="diabetes", model="mlp"), ())     # None: there is nothing to augment

A remedy is given the changes of the advice: the new value of a hyperparameter that they name is what is tried. What
says "check that ..." is taken for done, and the mistake for found, if it was there. Free of torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from diagnose.rule import Action, Change, Changes
from reference_trainer.recipe import CONVOLUTIONAL, LEARNING_RATES, NORMALIZED, Recipe, RecipeError, fitting

Remedy = Callable[[Recipe, Changes], Recipe | None]
"""(recipe, changes of the advice) -> the recipe with the advice taken; the same recipe where it had been taken before;
None where the reference trainer cannot take it in this recipe."""

ADAPTIVE = ("adam", "adamw", "rmsprop", "adagrad")

WIDTHS: Mapping[str, int] = {"mlp": 64, "cnn": 16, "rnn": 64, "lstm": 64, "gru": 64, "transformer": 32}
"""Model -> its width where the recipe names none, for those whose width is changed here; a test compares."""


DEPTHS: Mapping[str, int] = {"mlp": 2, "cnn": 2, "rnn": 1, "lstm": 1, "gru": 1, "transformer": 2}
"""Model -> its depth where the recipe names none."""

ALL_DIGITS = 1438
"""Training examples of the digits."""

LEAST_EPOCHS = 15
"""Epochs below which a log says little."""

ABSURD = 1e6
"""Times its usual size from which on an input is seen to be wrong at a glance."""

JUDGED_EPOCHS = 8
"""Epochs of a log that was stopped early, at least; `overfitting` judges from fewer on, and a test compares."""


def set_to(**fields: Any) -> Remedy:
    """The recipe with these fields."""
    return lambda recipe, changes: replace(recipe, **fields)


def value(changes: Changes, name: str) -> Any:
    """What the changes set a hyperparameter to; None where they do not name it."""
    return next((change.new for change in changes if isinstance(change, Change) and change.name == name), None)


def last_epoch(changes: Changes) -> float | None:
    """The epoch at which the changes say to stop; None where they name none."""
    for change in changes:
        if isinstance(change, Action) and change.id == "stop":
            stop: dict[str, Any] = dict(change.arguments)
            return stop["at"] if stop["axis"] == "epoch" else None
    return None


def early_stopping(recipe: Recipe, changes: Changes) -> Recipe | None:
    """Stop when the best validation loss is a tenth of the epochs back (four at least); keep the weights of the best.

    A tenth of those up to the named epoch, where the changes name one; then so many at least that the log has the
    epochs that its judgement takes.
    """
    named = last_epoch(changes)
    length = recipe.epochs if named is None else named
    patience = max(4, round(length / 10), math.ceil(JUDGED_EPOCHS - length))
    return replace(recipe, patience=recipe.patience or patience)


def data_augmentation(recipe: Recipe, changes: Changes) -> Recipe | None:
    """CutMix for images, Mixup for sequences."""
    if recipe.kind != "classification" or recipe.augmentation != "none":
        return None
    return replace(recipe, augmentation="mixup" if recipe.task == "digits-rows" else "cutmix")


def plain_augmentation(recipe: Recipe, changes: Changes) -> Recipe | None:
    """CutOut, or Mixup for sequences, instead of a policy that was searched for."""
    if recipe.augmentation == "none":
        return None
    return replace(recipe, augmentation="mixup" if recipe.task == "digits-rows" else "cutout")


def weight_decay(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The named decay, else 0.01 with AdamW and 1e-4 with SGD."""
    optimizer = "adamw" if recipe.optimizer == "adam" else recipe.optimizer
    usual = 0.01 if recipe.optimizer in ADAPTIVE else 1e-4
    return replace(recipe, optimizer=optimizer, weight_decay=value(changes, "weight_decay") or usual)


def dropout(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The named share, else 0.2."""
    if recipe.model in ("linear", "gan"):
        return None
    return replace(recipe, dropout=max(value(changes, "dropout") or 0.2, recipe.dropout))


def smaller_network(recipe: Recipe, changes: Changes) -> Recipe | None:
    """A quarter of the width."""
    return _width(recipe, 0.25)


def larger_network(recipe: Recipe, changes: Changes) -> Recipe | None:
    """Four times the width, and a layer or stage more where their number is known."""
    wider, depth = _width(recipe, 4.0), recipe.depth or DEPTHS.get(recipe.model)
    return wider if wider is None or depth is None else replace(wider, depth=1 + depth)


def _width(recipe: Recipe, factor: float) -> Recipe | None:
    width = recipe.width or WIDTHS.get(recipe.model)
    return None if width is None else replace(recipe, width=max(round(factor * width), 1))


def more_data(recipe: Recipe, changes: Changes) -> Recipe | None:
    """All examples of the task, in about as many steps; None where all are used already: no more can be collected."""
    if recipe.examples is None:
        return None
    few = recipe.task == "digits-few"
    epochs = round(recipe.epochs * recipe.examples / ALL_DIGITS)
    return replace(recipe, examples=None, task="digits" if few else recipe.task, epochs=max(epochs, LEAST_EPOCHS))


def learning_rate(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The named rate; where none is named and it was 0, the usual one of the optimizer."""
    named = value(changes, "learning_rate")
    if named is not None:
        return replace(recipe, learning_rate=named)
    if recipe.learning_rate == 0.0:
        return replace(recipe, learning_rate=1e-3 if recipe.optimizer in ADAPTIVE else 0.1)
    return None


def warmup(recipe: Recipe, changes: Changes) -> Recipe | None:
    """A rise over the first tenth of the steps, before a constant rate or a cosine."""
    rising = {"constant": "warmup", "cosine": "warmup-cosine"}
    if recipe.scheduler.startswith("warmup"):
        return replace(recipe, warmup=max(recipe.warmup, 0.1))
    return replace(recipe, scheduler=rising[recipe.scheduler], warmup=0.1) if recipe.scheduler in rising else None


def clip_gradients(recipe: Recipe, changes: Changes) -> Recipe | None:
    """Clip at the named norm, else at 1."""
    return replace(recipe, gradient_clip=value(changes, "gradient_clip") or 1.0)


def larger_batch(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The named size, else twice as many; spoiled examples are met after as many examples as before."""
    if recipe.descent != "mini-batch":
        return None
    size = round(value(changes, "batch_size") or 2 * recipe.batch_size)
    share = recipe.batch_size / size
    return replace(
        recipe,
        batch_size=size,
        corrupt_at=tuple(max(round(share * step), 1) for step in recipe.corrupt_at),
        corrupt_every=recipe.corrupt_every and max(round(share * recipe.corrupt_every), 1),
    )


def power_of_two_batch(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The named size."""
    named = value(changes, "batch_size")
    return None if named is None else replace(recipe, batch_size=round(named))


def initialize_weights(recipe: Recipe, changes: Changes) -> Recipe | None:
    """Kaiming's or Glorot's, as fits the activation; biases at zero."""
    return replace(recipe, initialization="", bias=0.0)


def simplify(recipe: Recipe, changes: Changes) -> Recipe | None:
    """A single hidden layer, and no regularization."""
    simpler = less_regularization(recipe, changes)
    return simpler if simpler is None or recipe.model in ("linear", "gan") else replace(simpler, depth=1)


def less_regularization(recipe: Recipe, changes: Changes) -> Recipe | None:
    """No dropout, decay, penalty, constraint, augmentation or smoothing."""
    return replace(
        recipe,
        dropout=0.0,
        weight_decay=0.0,
        l1=0.0,
        l2=0.0,
        label_smoothing=0.0,
        max_norm_constraint=None,
        augmentation="none",
    )


def decay_learning_rate(recipe: Recipe, changes: Changes) -> Recipe | None:
    """Half a cosine down to 0, after the warmup where there is one."""
    falling = {"constant": "cosine", "warmup": "warmup-cosine"}
    return replace(recipe, scheduler=falling.get(recipe.scheduler, recipe.scheduler))


def train_longer(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The named number of epochs, else half as many again."""
    return replace(recipe, epochs=round(value(changes, "epochs") or 1.5 * recipe.epochs))


def train_shorter(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The named number of epochs; None where the changes name none."""
    named = last_epoch(changes)
    return None if named is None else replace(recipe, epochs=min(max(round(named), 1), recipe.epochs))


def fewer_epochs(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The named number of epochs, else three."""
    return replace(recipe, epochs=min(recipe.epochs, value(changes, "epochs") or 3))


def scale_learning_rate(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The named rate, after a warmup."""
    scaled = learning_rate(recipe, changes)
    return None if scaled is None else warmup(scaled, changes) or scaled


def usual_momentum(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The named momentum, else 0.9; plain SGD gets one."""
    if recipe.optimizer not in ("sgd", "momentum", "nesterov"):
        return None
    optimizer = "momentum" if recipe.optimizer == "sgd" else recipe.optimizer
    return replace(recipe, optimizer=optimizer, momentum=value(changes, "momentum") or 0.9)


def decouple_weight_decay(recipe: Recipe, changes: Changes) -> Recipe | None:
    """AdamW with the named decay, and no L2 term."""
    decay = value(changes, "weight_decay") or max(recipe.weight_decay, 0.01)
    rate = recipe.learning_rate if recipe.optimizer in ADAPTIVE else LEARNING_RATES["adamw"]
    return replace(recipe, optimizer="adamw", weight_decay=decay, learning_rate=rate, l2=0.0)


def usual_max_norm(recipe: Recipe, changes: Changes) -> Recipe | None:
    """A largest norm of 3.5, and no decay beside it."""
    return replace(recipe, max_norm_constraint=3.5, weight_decay=0.0, l2=0.0)


def usual_dropout(recipe: Recipe, changes: Changes) -> Recipe | None:
    """At most the named share, else half of the units."""
    return replace(recipe, dropout=min(recipe.dropout, value(changes, "dropout") or 0.5))


def usual_kernel(recipe: Recipe, changes: Changes) -> Recipe | None:
    """Kernels of 3 x 3, a stride of 1."""
    return replace(recipe, kernel_size=3, stride=1) if recipe.model in CONVOLUTIONAL else None


def usual_pooling(recipe: Recipe, changes: Changes) -> Recipe | None:
    """Pools of 2 x 2, side by side, without a border."""
    return replace(recipe, pool_size=2, pool_stride=None, pool_padding=0) if recipe.model in CONVOLUTIONAL else None


def residual_connections(recipe: Recipe, changes: Changes) -> Recipe | None:
    """Skips between the layers of an mlp, residual blocks in a convolutional network, and nothing else."""
    changes_of: dict[str, dict[str, Any]] = {"mlp": {"skips": True}, "cnn": {"block": "residual"}}
    return replace(recipe, **changes_of[recipe.model]) if recipe.model in changes_of else None


def normalization_layers(recipe: Recipe, changes: Changes) -> Recipe | None:
    """Batch normalization, where the model can have it and has none."""
    if recipe.model not in NORMALIZED:
        return None
    return replace(recipe, normalization="batch") if recipe.normalization == "none" else recipe


def relu_activation(recipe: Recipe, changes: Changes) -> Recipe | None:
    """ReLU; the initialization changes with the activation that it fitted, one that fitted none is another advice's."""
    fitted = recipe.initialization == fitting(recipe.activation)
    return replace(recipe, activation="relu", initialization="" if fitted else recipe.initialization)


def shorter_warmup(recipe: Recipe, changes: Changes) -> Recipe | None:
    """At most a tenth of the steps."""
    return replace(recipe, warmup=min(recipe.warmup, 0.1))


def check_labels(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The wrong labels are found and put right."""
    return replace(recipe, label_noise=0.0, task="digits" if recipe.task == "digits-noisy" else recipe.task)


def check_inputs(recipe: Recipe, changes: Changes) -> Recipe | None:
    """The batches with values that are no numbers, or absurd ones, are found and left out."""
    return recipe if recipe.corruption < ABSURD else replace(recipe, corrupt_at=(), corrupt_every=None)


REMEDIES: Mapping[str, Remedy] = {
    "early-stopping": early_stopping,
    "data-augmentation": data_augmentation,
    "weight-decay": weight_decay,
    "dropout": dropout,
    "smaller-network": smaller_network,
    "more-data": more_data,
    "lower-learning-rate": learning_rate,
    "raise-learning-rate": learning_rate,
    "warmup": warmup,
    "clip-gradients": clip_gradients,
    "inspect-batch": set_to(corrupt_at=(), corrupt_every=None),
    "larger-batch": larger_batch,
    "normalize-inputs": set_to(normalize_inputs=True),
    "stable-precision": set_to(precision="float32"),
    "initialize-weights": initialize_weights,
    "inspect-data": check_labels,
    "simplify": simplify,
    "check-frozen-weights": set_to(frozen="none"),
    "check-metric": set_to(metric="default"),
    "check-loss": set_to(loss_function="default"),
    "class-weights": set_to(class_weights=True),
    "balance-data": set_to(balance=True),
    "label-smoothing": set_to(label_smoothing=0.1),
    "larger-network": larger_network,
    "less-regularization": less_regularization,
    "check-split": set_to(leak=0),
    "larger-validation-set": set_to(val_examples=None),
    "average-weights": set_to(weight_average=0.99),
    "decay-learning-rate": decay_learning_rate,
    "train-longer": train_longer,
    "train-shorter": train_shorter,
    "typical-learning-rate": learning_rate,
    "scale-learning-rate": scale_learning_rate,
    "usual-momentum": usual_momentum,
    "decouple-weight-decay": decouple_weight_decay,
    "power-of-two-batch": power_of_two_batch,
    "usual-max-norm": usual_max_norm,
    "usual-dropout": usual_dropout,
    "plain-augmentation": plain_augmentation,
    "usual-kernel": usual_kernel,
    "usual-pooling": usual_pooling,
    "shuffle-data": set_to(shuffle=True),
    "fewer-epochs": fewer_epochs,
    "restore-state": set_to(restore_optimizer=True),
    "residual-connections": residual_connections,
    "normalization-layers": normalization_layers,
    "relu-activation": relu_activation,
    "stabilize-logits": set_to(stable_logits=True),
    "shorter-warmup": shorter_warmup,
    "fit-schedule": set_to(schedule_epochs=None),
    "check-labels": check_labels,
    "check-inputs": check_inputs,
}
"""Fix of the catalogue -> what it does to a recipe."""

NO_TRAINING: Mapping[str, str] = {
    "overfit-one-batch": "it tells where to look, and changes nothing",
    "balanced-metric": "it changes what is measured, and not what is learned",
    "temperature-scaling": "it changes the outputs after the training",
    "print-gradient-norms": "it tells where to look, and changes nothing",
    "count-classes": "it tells where to look, and changes nothing",
    "locate-non-finite": "it tells where to look, and changes nothing",
    "check-reward": "it tells where to look, and changes nothing",
    "check-training-loop": "the reference trainer's loop is in order",
    "deeper-trees": "it is for trees, which the reference trainer does not grow",
    "profile-input": "it is looked at, on the machine that was slow",
    "shallower-trees": "it is for trees, which the reference trainer does not grow",
    "sample-rows": "it is for trees, which the reference trainer does not grow",
    "evaluate-training-set": "it changes what is measured, and not what is learned",
    "log-plain-loss": "it changes what is logged, and not what is learned",
    "end-of-cycle": "it changes which checkpoint is taken, and not what is learned",
    "search-by-magnitude": "it asks for more runs",
    "random-search": "it asks for more runs",
    "widen-search": "it asks for more runs",
    "compare-configs": "it asks for the runs before",
    "repeat-seeds": "it asks for more runs",
    "inspect-examples": "it tells where to look, and changes nothing",
    "mask-artefact": "what it resolves is seen in attributions, which the trials do not read",
    "collect-counter-examples": "what it resolves is seen in attributions, which the trials do not read",
    "cutout": "what it resolves is seen in attributions, which the trials do not read",
    "replay-old-data": "the reference trainer has one task",
    "train-fewer-weights": "the reference trainer has one task",
    "compute-metric-anew": "it changes what is measured, and not what is learned",
    "weigh-loss-terms": "the reference trainer's loss has one term",
    "find-the-stall": "it is looked at, on the machine that stood still",
    "undo-rate-jump": "it takes back what no fault of the reference trainer does",
    "save-more-often": "it changes what is lost at a break, and not what is learned",
    "unmask-labels": "the reference trainer masks no label",
}
"""Fix that is no change of a training -> why."""


def apply(fix: str, recipe: Recipe, changes: Changes) -> Recipe | None:
    """The recipe with the advice taken; None where the reference trainer cannot take it in this recipe."""
    try:
        return REMEDIES[fix](recipe, changes)
    except RecipeError:  # labels to smooth in a regression, a block of a model that has none
        return None
