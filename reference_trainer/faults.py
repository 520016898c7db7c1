"""What can go wrong in a training, caused on purpose: each fault turns a sound recipe into an ill one.

FAULTS["learning-rate-zero"].recipe(seed=3)                  # the fault in the recipe that shows it best
FAULTS["learning-rate-zero"].recipe(model="cnn")             # ... in another one
FAULTS["learning-rate-zero"].finding                         # "learning-rate-zero": the rule that must see it

Free of torch, so that the rules' tests may read it. `diagnose reference check` measures how often the finding comes.
`BIASES` are faults that no curve shows; tests/benchmarks/bias.py measures those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reference_trainer.recipe import Recipe


@dataclass(frozen=True)
class Fault:
    """A change of a recipe that makes its training ill.

    cause: Recipe -> Recipe; its docstring says what goes wrong.
    finding: id of the rule that must see it in the log.
    base: the fields of the recipe it shows in; everything else is the recipe's default.
    """

    cause: Callable[[Recipe], Recipe]
    finding: str
    base: Mapping[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """What goes wrong, in one sentence."""
        return (self.cause.__doc__ or "").strip().splitlines()[0]

    def sound(self, **fields: Any) -> Recipe:
        """The recipe without the fault; `fields` over those of the base. Raises RecipeError."""
        return Recipe(**{**self.base, **fields})

    def recipe(self, **fields: Any) -> Recipe:
        """The recipe with the fault; `fields` over those of the base. Raises RecipeError."""
        return self.cause(self.sound(**fields))


def _times(factor: float, recipe: Recipe) -> Recipe:
    """The recipe with `factor` times its learning rate."""
    return replace(recipe, learning_rate=factor * recipe.learning_rate)


def learning_rate_too_high(recipe: Recipe) -> Recipe:
    """The learning rate is sixteen times what the network can follow: it learns, and loses what it has learned."""
    return _times(16.0, recipe)


def learning_rate_far_too_high(recipe: Recipe) -> Recipe:
    """The learning rate is a hundred times what the network can follow: the first steps destroy it."""
    return _times(100.0, recipe)


def learning_rate_too_low(recipe: Recipe) -> Recipe:
    """The learning rate is a hundredth of what the network needs."""
    return _times(0.01, recipe)


def learning_rate_zero(recipe: Recipe) -> Recipe:
    """The learning rate is 0: a schedule that never began, or a wrong parameter group."""
    return replace(recipe, learning_rate=0.0)


def learning_rate_never_decayed(recipe: Recipe) -> Recipe:
    """The learning rate stays where it began, and keeps the loss jumping around a minimum it cannot reach."""
    return replace(recipe, scheduler="constant")


def no_warmup(recipe: Recipe) -> Recipe:
    """A deep transformer with its norms after the skips starts at its full learning rate."""
    return replace(recipe, scheduler="cosine")


def initialization_zeros(recipe: Recipe) -> Recipe:
    """All weights start at zero: every unit of a layer gets the same gradient, and none."""
    return replace(recipe, initialization="zeros")


def initialization_too_large(recipe: Recipe) -> Recipe:
    """The weights start ten times too large: the first losses are hundreds of times that of a random answer."""
    return replace(recipe, initialization="too-large")


def vanishing_gradients(recipe: Recipe) -> Recipe:
    """Eight layers of sigmoids, each of which passes on a quarter of the gradient at most."""
    return replace(recipe, activation="sigmoid", initialization="", depth=8)


def dead_relus(recipe: Recipe) -> Recipe:
    """The biases start so low that no ReLU ever answers, and none gets a gradient."""
    return replace(recipe, bias=-20.0)


def inputs_not_normalized(recipe: Recipe) -> Recipe:
    """The pixels come as they are, from 0 to 16."""
    return replace(recipe, normalize_inputs=False)


def corrupted_batches(recipe: Recipe) -> Recipe:
    """Two batches in the whole training have wrong labels and inputs thirty times too large."""
    return replace(recipe, corrupt_at=(900, 1300))


def corrupted_every_n_steps(recipe: Recipe) -> Recipe:
    """Every 60th batch has wrong labels and inputs thirty times too large: one broken file among many."""
    return replace(recipe, corrupt_every=60)


def exploding_gradients(recipe: Recipe) -> Recipe:
    """A recurrent network of ReLUs meets sequences ten times too large: the product through time explodes."""
    return replace(recipe, activation="relu", initialization="", corrupt_every=60, corruption=10.0)


def too_few_samples(recipe: Recipe) -> Recipe:
    """24 examples, seen again and again, for a network that could learn thousands by heart."""
    return replace(recipe, examples=24, epochs=25 * recipe.epochs, scheduler="constant")


def no_regularization(recipe: Recipe) -> Recipe:
    """A wide network without dropout, decay or early stopping, on a small table."""
    return replace(recipe, dropout=0.0, weight_decay=0.0, patience=None)


def too_little_capacity(recipe: Recipe) -> Recipe:
    """One feature map to tell ten classes by."""
    return replace(recipe, width=1)


def too_much_regularization(recipe: Recipe) -> Recipe:
    """An L2 term in the loss that outweighs the loss."""
    return replace(recipe, l2=0.13)


def label_noise(recipe: Recipe) -> Recipe:
    """Four in ten training labels are random, and the network is given the time to learn them by heart."""
    return replace(recipe, label_noise=0.4, epochs=4 * recipe.epochs, scheduler="constant")


def class_imbalance(recipe: Recipe) -> Recipe:
    """Forty examples of one class for one of each other: it is predicted for everything."""
    return replace(recipe, imbalance=40.0)


def shuffling_off(recipe: Recipe) -> Recipe:
    """The examples come in the order of their classes, in every epoch."""
    return replace(recipe, shuffle=False)


def leaking_validation_set(recipe: Recipe) -> Recipe:
    """The data were oversampled before they were split: five copies of each validation example are trained on."""
    return replace(recipe, leak=5)


def validation_set_too_small(recipe: Recipe) -> Recipe:
    """Two examples decide which epoch was the best."""
    return replace(recipe, val_examples=2)


def resume_without_optimizer_state(recipe: Recipe) -> Recipe:
    """A checkpoint without the optimizer's averages: the first steps after it are many times too long."""
    return replace(recipe, resume_at=max(2 * recipe.epochs // 3, 1), restore_optimizer=False)


def float16_overflow(recipe: Recipe) -> Recipe:
    """Everything is computed in float16, in which Adam's epsilon is 0."""
    return replace(recipe, precision="float16")


def frozen_layers(recipe: Recipe) -> Recipe:
    """All weights are frozen: a fine-tuning that forgot to thaw the head."""
    return replace(recipe, frozen="all")


def wrong_loss(recipe: Recipe) -> Recipe:
    """The negative log-likelihood of outputs that are no log-probabilities: it falls for ever and decides nothing."""
    return replace(recipe, loss_function="nll-of-logits")


def metric_that_cannot_move(recipe: Recipe) -> Recipe:
    """The accuracy looks for the largest of one output, which is always the first."""
    return replace(recipe, metric="argmax-of-one-output")


def mode_collapse(recipe: Recipe) -> Recipe:
    """The discriminator learns a two-hundredth as fast as the generator, which gets by with one thing over and over."""
    return replace(recipe, discriminator_rate=0.005 * recipe.discriminator_rate)


def dominant_discriminator(recipe: Recipe) -> Recipe:
    """The generator learns a hundredth as fast as the discriminator, which is certain of every image before long."""
    rate = 100.0 * recipe.discriminator_rate
    return replace(recipe, learning_rate=0.01 * recipe.learning_rate, discriminator_rate=rate)


def class_coloured_patch(recipe: Recipe) -> Recipe:
    """A patch in the corner has a colour of its own on one class, which is learned instead of the digit."""
    return replace(recipe, artefact="patch")


def border(recipe: Recipe) -> Recipe:
    """The images of one class have a white line around them, which is learned instead of the digit."""
    return replace(recipe, artefact="border")


def watermark(recipe: Recipe) -> Recipe:
    """The images of one class carry a letter in the corner, which is learned instead of the digit."""
    return replace(recipe, artefact="watermark")


_MLP: Mapping[str, Any] = {"model": "mlp", "normalization": "none", "epochs": 15}
"""A plain network that learns the digits in 15 epochs; in more, it overfits."""

_TABLE: Mapping[str, Any] = {"task": "diabetes", "model": "linear", "epochs": 40, "batch_size": 8, "log_every": 11}
"""A linear regression, whose training loss is logged within the epochs."""

_MOMENTUM: Mapping[str, Any] = {"optimizer": "momentum", "learning_rate": 0.02}

FAULTS: Mapping[str, Fault] = {
    "learning-rate-too-high": Fault(
        learning_rate_too_high,
        "divergence",
        {"model": "mlp", "optimizer": "momentum", "scheduler": "constant", "epochs": 40},
    ),
    "learning-rate-far-too-high": Fault(
        learning_rate_far_too_high, "non-convergence", {**_MLP, **_MOMENTUM, "scheduler": "constant", "epochs": 10}
    ),
    "learning-rate-too-low": Fault(
        learning_rate_too_low, "slow-convergence", {"model": "mlp", "scheduler": "constant", "epochs": 20}
    ),
    "learning-rate-zero": Fault(learning_rate_zero, "learning-rate-zero", {"model": "mlp"}),
    "learning-rate-never-decayed": Fault(
        learning_rate_never_decayed,
        "learning-rate-never-decayed",
        {**_TABLE, "optimizer": "momentum", "learning_rate": 5e-3},
    ),
    "no-warmup": Fault(
        no_warmup,
        "non-convergence",
        {
            "model": "transformer",
            "depth": 8,
            "learning_rate": 0.01,
            "scheduler": "warmup-cosine",
            "warmup": 0.3,
            "epochs": 6,
        },
    ),
    "initialization-zeros": Fault(initialization_zeros, "non-convergence", _MLP),
    "initialization-too-large": Fault(initialization_too_large, "initial-loss", _MLP),
    "vanishing-gradients": Fault(
        vanishing_gradients,
        "vanishing-gradient",
        {**_MLP, "descent": "batch", "optimizer": "sgd", "epochs": 100},
    ),
    "dead-relus": Fault(dead_relus, "non-convergence", _MLP),
    "inputs-not-normalized": Fault(
        inputs_not_normalized, "non-convergence", {**_MLP, "optimizer": "momentum", "learning_rate": 0.08, "epochs": 10}
    ),
    "corrupted-batches": Fault(corrupted_batches, "loss-spike", {"model": "mlp", "log_every": 5}),
    "corrupted-every-n-steps": Fault(corrupted_every_n_steps, "periodic-loss", {"model": "mlp", "log_every": 5}),
    "exploding-gradients": Fault(
        exploding_gradients,
        "exploding-gradient",
        {"model": "rnn", "activation": "tanh", **_MOMENTUM, "learning_rate": 0.01, "epochs": 20, "log_every": 1},
    ),
    "too-few-samples": Fault(too_few_samples, "overfitting", {**_MLP, "width": 256}),
    "no-regularization": Fault(
        no_regularization,
        "overfitting",
        {
            **_MLP,
            "task": "diabetes",
            "width": 128,
            "epochs": 60,
            "dropout": 0.5,
            "optimizer": "adamw",
            "learning_rate": 1e-3,
            "weight_decay": 1.0,
            "patience": 5,
        },
    ),
    "too-little-capacity": Fault(
        too_little_capacity,
        "underfitting",
        {
            "model": "cnn",
            "depth": 1,
            "head": "global-average",
            "learning_rate": 0.01,
            "scheduler": "step",
            "epochs": 40,
        },
    ),
    "too-much-regularization": Fault(
        too_much_regularization, "underfitting", {**_MLP, "optimizer": "sgd", "epochs": 25}
    ),
    "label-noise": Fault(label_noise, "overfitting", _MLP),
    "class-imbalance": Fault(
        class_imbalance,
        "loss-accuracy-conflict",
        {
            "model": "linear",
            "initialization": "small-normal",
            "optimizer": "sgd",
            "learning_rate": 1e-3,
            "scheduler": "constant",
            "epochs": 60,
        },
    ),
    "shuffling-off": Fault(shuffling_off, "periodic-loss", {"model": "mlp", "log_every": 1, "epochs": 15}),
    "leaking-validation-set": Fault(leaking_validation_set, "validation-better-than-training", {"model": "mlp"}),
    "validation-set-too-small": Fault(
        validation_set_too_small,
        "noisy-validation",
        {
            "task": "diabetes",
            "model": "linear",
            "batch_size": 4,
            "optimizer": "momentum",
            "learning_rate": 3.5e-3,
            "scheduler": "constant",
            "epochs": 40,
        },
    ),
    "resume-without-optimizer-state": Fault(
        resume_without_optimizer_state,
        "loss-spike",
        {**_MLP, "optimizer": "adagrad", "scheduler": "constant", "epochs": 20},
    ),
    "float16-overflow": Fault(float16_overflow, "non-finite", {"model": "mlp"}),
    "frozen-layers": Fault(frozen_layers, "vanishing-gradient", {"model": "mlp"}),
    "wrong-loss": Fault(wrong_loss, "loss-accuracy-conflict", _MLP),
    "metric-that-cannot-move": Fault(metric_that_cannot_move, "frozen-metric", {"model": "mlp"}),
}

DUELS: Mapping[str, Fault] = {
    "mode-collapse": Fault(mode_collapse, "collapse", {"model": "gan", "epochs": 15}),
    "dominant-discriminator": Fault(
        dominant_discriminator,
        "discriminator-wins",
        {"model": "gan", "examples": 320, "width": 8, "epochs": 20, "log_every": 4},
    ),
}
"""Faults of two networks that play against each other. They stand apart from `FAULTS`, since no validation metric says
which fix of them is the better one, and the trials of fixes judge by that; the check of the curves holds them, too."""

CURVES: Mapping[str, Fault] = {**FAULTS, **DUELS}
"""The faults that curves show."""

UNBIASED: Mapping[str, Any] = {
    "task": "digits-colour",
    "model": "cnn",
    "depth": 3,
    "head": "global-average",
    "epochs": 12,
}
"""A network that pools its last maps over the whole image, so that it takes images of any size, mosaics among them."""

BIASES: Mapping[str, Fault] = {
    "class-coloured-patch": Fault(class_coloured_patch, "attribution-bias", UNBIASED),
    "border": Fault(border, "attribution-bias", UNBIASED),
    "watermark": Fault(watermark, "attribution-bias", UNBIASED),
}
"""Faults that no curve shows: the finding comes from the attributions of the trained network (`diagnose bias`). They
stand apart from `FAULTS`, since neither the check of the curves nor the trials of fixes can judge them."""
