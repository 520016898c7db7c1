"""A training as names and numbers, free of torch: what `train` is given and what is written beside its log.

Recipe(model="cnn", optimizer="adam")                   # the rest has defaults that go with the model
Recipe(model="unet").task                               # "segmentation": the task that the model is made for
Recipe(model="unet", task="digits")                     # RecipeError: unet learns segmentation, not digits
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from diagnose.errors import SettingsError, unknown

MODEL_TASKS: Mapping[str, tuple[str, ...]] = {
    "linear": ("digits", "digits-imbalanced", "digits-few", "digits-noisy", "digits-colour", "diabetes"),
    "mlp": ("digits", "digits-imbalanced", "digits-few", "digits-noisy", "digits-colour", "diabetes"),
    "cnn": ("digits", "digits-imbalanced", "digits-few", "digits-noisy", "digits-colour"),
    "vgg": ("digits", "digits-imbalanced", "digits-few", "digits-noisy", "digits-colour"),
    "inception": ("digits", "digits-imbalanced", "digits-few", "digits-noisy", "digits-colour"),
    "resnet": ("digits", "digits-imbalanced", "digits-few", "digits-noisy", "digits-colour"),
    "bottleneck-resnet": ("digits", "digits-imbalanced", "digits-few", "digits-noisy", "digits-colour"),
    "efficientnet": ("digits", "digits-imbalanced", "digits-few", "digits-noisy", "digits-colour"),
    "rnn": ("digits-rows",),
    "lstm": ("digits-rows",),
    "gru": ("digits-rows",),
    "transformer": ("digits-rows",),
    "encoder-decoder": ("segmentation",),
    "unet": ("segmentation",),
    "upscaler": ("super-resolution",),
    "gan": ("generation",),
}
"""Model -> the tasks it can learn, the one it learns by default first."""

KINDS: Mapping[str, str] = {
    "digits": "classification",
    "digits-imbalanced": "classification",
    "digits-few": "classification",
    "digits-noisy": "classification",
    "digits-rows": "classification",
    "digits-colour": "classification",
    "segmentation": "segmentation",
    "super-resolution": "super-resolution",
    "generation": "generation",
    "diabetes": "regression",
}
"""Task -> what is learned; it decides the loss and the metric."""

LEARNING_RATES: Mapping[str, float] = {
    "sgd": 0.1,
    "momentum": 0.05,
    "nesterov": 0.05,
    "adagrad": 0.02,
    "adadelta": 1.0,
    "rmsprop": 1e-3,
    "adam": 2e-3,
    "adamw": 2e-3,
}
"""Optimizer -> a learning rate that works with the models here."""

PRESETS: Mapping[str, Mapping[str, float]] = {
    "digits-imbalanced": {"imbalance": 10.0},
    "digits-few": {"examples": 100},
    "digits-noisy": {"label_noise": 0.3},
}
"""Task -> what it stands for, where the recipe leaves it at its default."""

EPOCHS: Mapping[str, int] = {"unet": 20, "encoder-decoder": 20}
"""Model -> the epochs it needs, where they are not 30."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "task": tuple(KINDS),
    "model": tuple(MODEL_TASKS),
    "descent": ("batch", "mini-batch", "stochastic"),
    "optimizer": tuple(LEARNING_RATES),
    "scheduler": ("constant", "step", "cosine", "warmup", "warmup-cosine", "plateau", "one-cycle", "warm-restarts"),
    "activation": ("relu", "leaky-relu", "prelu", "elu", "selu", "sigmoid", "tanh"),
    "initialization": ("kaiming", "glorot", "lecun", "orthogonal", "small-normal", "zeros", "too-large"),
    "normalization": ("batch", "none"),
    "block": ("cbr", "crb", "ccc", "vgg", "inception", "residual", "bottleneck", "inverted-residual"),
    "convolution": ("plain", "dilated", "depthwise-separable"),
    "padding": ("same", "valid"),
    "pooling": ("max", "average", "none"),
    "head": ("flatten", "global-average", "adaptive", "spatial-pyramid", "atrous-pyramid"),
    "dropout_kind": ("dropout", "dropconnect", "standout", "gaussian", "spatial"),
    "augmentation": ("none", "shift-flip", "mixup", "adamixup", "cutout", "cutmix", "auto"),
    "self_training": ("none", "noisy-student"),
    "artefact": (
        *(
            "none",
            "patch",
            "border",
            "watermark",
            "letter",
            "margin",
            "tint",
            "bright-half",
            "noise",
            "texture",
            "sticker",
        ),
        "two-marks",
    ),
    "loss_function": ("default", "cross-entropy", "cross-entropy-of-softmax", "nll-of-logits", "mse"),
    "metric": ("default", "argmax-of-one-output"),
    "frozen": ("none", "body", "all"),
    "precision": ("float32", "float16", "bfloat16"),
}
"""Field -> the names it may hold; `parts` lists what they are, and a test compares."""

CONVOLUTIONAL = ("cnn", "vgg", "inception", "resnet", "bottleneck-resnet", "efficientnet")
"""Models that are built of `block`, `convolution`, `pooling` and `head`."""

NORMALIZED = ("mlp", *CONVOLUTIONAL, "encoder-decoder", "unet", "upscaler", "gan")
"""Models with batch norms, where the recipe wants them."""

DROPPING = ("mlp", "rnn", *CONVOLUTIONAL)
"""Models with a place for every kind of dropout but, without feature maps, the spatial one."""

OF_IMAGES = ("shift-flip", "cutout", "cutmix", "auto")
"""Augmentations that move or cut pixels."""

SGD = ("sgd", "momentum", "nesterov")
"""Optimizers that are SGD to PyTorch, with another momentum."""

BLOCKS: Mapping[str, str] = {
    "vgg": "vgg",
    "inception": "inception",
    "resnet": "residual",
    "bottleneck-resnet": "bottleneck",
    "efficientnet": "inverted-residual",
}
"""Convolutional models that are named after their block."""


MODEL_OF_KIND: Mapping[str, str] = {
    "classification": "cnn",
    "segmentation": "unet",
    "super-resolution": "upscaler",
    "generation": "gan",
    "regression": "mlp",
}
"""What is learned -> the model that learns it by default."""

LOSSES_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "classification": ("cross-entropy", "cross-entropy-of-softmax", "nll-of-logits", "mse"),
    "segmentation": (),
    "super-resolution": ("mse",),
    "generation": (),
    "regression": ("mse",),
}
"""What is learned -> the loss functions that go with it, beside the default."""

FITTING: Mapping[str, str] = {"sigmoid": "glorot", "tanh": "glorot", "selu": "lecun"}
"""Activation -> the initialization that keeps its signal at one scale; Kaiming's for all others."""


def fitting(activation: str) -> str:
    """The initialization that goes with the activation."""
    return FITTING.get(activation, "kaiming")


LEFT_OUT = ("task", "model", "block", "initialization")
"""Fields whose name may be left out, since it follows from the others."""


class RecipeError(SettingsError):
    """A recipe that cannot be trained; `str()` names the choice and the next step, in one line."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training, completely: the same recipe gives the same log.

    task, model: what is learned, by what; either may be left out where the other says it.

    examples, val_examples: how many training and validation examples are kept; None for all.
    label_noise: share of the training labels that are replaced by random ones.
    imbalance: training examples of the most frequent class per example of the rarest; 1 for as they come.
    leak: copies of every validation example in the training set; 0 for a clean split.
    normalize_inputs: inputs have mean 0 and standard deviation 1 (for generation, pixels go from -1 to 1); else they
        are as they come (pixels of 0 to 16).
    shuffle: batches are drawn anew in every epoch; else they come in the order of the classes.
    balance: the examples are drawn so that every class comes equally often.
    artefact: a mark on the images of one class, in training and validation. Of the task digits-colour.
    artefact_class: the class that is marked.
    artefact_share: share of its images that are.

    width: channels of the first stage, or units of a hidden layer; None for the model's own.
    depth: stages, or hidden layers; None for the model's own.
    kernel_size, stride, padding, dilation, pool_size: of the convolutions (`dilation` of the dilated ones) and pools.
    bias: the value that biases start at.
    frozen: which weights are kept from learning.

    descent: whether a step sees all examples, a batch of them, or one.
    learning_rate: the highest of the schedule; None for one that works with the optimizer.
    momentum: of `momentum` and `nesterov`.
    weight_decay: the optimizer's own: decoupled in AdamW, added to the gradient in the others.
    warmup: share of the steps over which the `warmup` schedules rise.
    schedule_epochs: the epochs that the schedule is made for; None for those of the run.
    decay_every: epochs between the cuts of the `step` schedule, and between `warm-restarts`; None for a third.
    gradient_clip: largest norm of the gradient; None for no clipping.
    precision: of the weights and of everything that is computed with them; losses are not scaled.
    epochs: passes over the training examples; None for as many as the model needs.
    weight_average: the share that a moving average of the weights keeps at each step; the average is what is validated
        and kept. None for the weights themselves.
    resume_at: epoch after which the training is stopped and resumed from its checkpoint; None for never.
    restore_optimizer: the checkpoint holds the state of the optimizer.

    l1, l2: factors of the sums of absolute and squared weights in the loss.
    max_norm_constraint: largest norm of a unit's incoming weights; None for no constraint.
    dropout: share of units (of weights for DropConnect) that are dropped; the standard deviation for Gaussian dropout
        is that of a Bernoulli mask with this share.
    patience: epochs without a better validation loss after which the training stops and the best weights are taken;
        None for no early stopping.

    class_weights: the classes count in the loss by the inverse of their share.
    stable_logits: queries and keys are normalized (QK-norm), and a z-loss keeps the logits of classes small.

    corrupt_at, corrupt_every: steps (from 1) whose batch has its inputs scaled by `corruption` and its labels shuffled.
    log_every: steps between the rows of the training curve; None for one row per epoch.
    log_manifold: log the intrinsic dimension of each layer's activations.
    """

    task: str = ""
    model: str = ""

    examples: int | None = None
    val_examples: int | None = None
    label_noise: float = 0.0
    imbalance: float = 1.0
    leak: int = 0
    normalize_inputs: bool = True
    shuffle: bool = True
    balance: bool = False
    augmentation: str = "none"
    self_training: str = "none"
    artefact: str = "none"
    artefact_class: int = 3
    artefact_share: float = 1.0

    width: int | None = None
    depth: int | None = None
    block: str = ""
    convolution: str = "plain"
    kernel_size: int = 3
    stride: int = 1
    padding: str = "same"
    dilation: int = 2
    pooling: str = "max"
    pool_size: int = 2
    head: str = "adaptive"
    normalization: str = "batch"
    activation: str = "relu"
    initialization: str = ""
    bias: float = 0.0
    frozen: str = "none"

    descent: str = "mini-batch"
    batch_size: int = 32
    optimizer: str = "adam"
    learning_rate: float = None  # type: ignore[assignment] # it follows from the optimizer
    momentum: float = 0.9
    weight_decay: float = 0.0
    scheduler: str = "cosine"
    warmup: float = 0.1
    schedule_epochs: int | None = None
    decay_every: int | None = None
    epochs: int = None  # type: ignore[assignment] # it follows from the model
    gradient_clip: float | None = None
    precision: str = "float32"
    weight_average: float | None = None
    resume_at: int | None = None
    restore_optimizer: bool = True

    l1: float = 0.0
    l2: float = 0.0
    max_norm_constraint: float | None = None
    dropout: float = 0.0
    dropout_kind: str = "dropout"
    label_smoothing: float = 0.0
    patience: int | None = None

    loss_function: str = "default"
    metric: str = "default"
    class_weights: bool = False
    stable_logits: bool = False

    corrupt_at: tuple[int, ...] = ()
    corrupt_every: int | None = None
    corruption: float = 30.0
    log_every: int | None = None
    log_manifold: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Fill in what follows from the rest, and refuse what cannot be. Raises RecipeError."""
        for name, valid in CHOICES.items():
            chosen = getattr(self, name)
            if chosen not in valid and (chosen or name not in LEFT_OUT):
                raise RecipeError(unknown(name.replace("_", " "), chosen, valid))
        self._settle("model", MODEL_OF_KIND[KINDS[self.task]] if self.task not in ("", "digits-rows") else "")
        self._settle("model", "lstm" if self.task == "digits-rows" else "cnn")
        self._settle("task", MODEL_TASKS[self.model][0])
        self._settle("block", BLOCKS.get(self.model, "cbr"))
        self._settle("initialization", fitting(self.activation))
        for name, value in PRESETS.get(self.task, {}).items():
            if getattr(self, name) in (None, 0.0, 1.0):
                object.__setattr__(self, name, value)
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", LEARNING_RATES[self.optimizer])
        if self.epochs is None:
            object.__setattr__(self, "epochs", EPOCHS.get(self.model, 30))
        seen = {"batch": self.examples, "stochastic": 1}.get(self.descent, self.batch_size)
        if 1 in (seen, self.examples) or self.model not in NORMALIZED:
            object.__setattr__(self, "normalization", "none")  # one example has no statistics of its own
        self._check_combination()
        self._check_numbers()

    def _settle(self, name: str, value: str) -> None:
        """Give a field that was left out its value."""
        if not getattr(self, name):
            object.__setattr__(self, name, value)

    def _check_combination(self) -> None:
        """Raises RecipeError for parts that do not go together."""
        learned = MODEL_TASKS[self.model]
        if self.task not in learned:
            makers = [model for model, tasks in MODEL_TASKS.items() if self.task in tasks]
            raise RecipeError(
                f"{self.model} learns {' or '.join(learned)}, not {self.task}; models for {self.task}: "
                f"{', '.join(makers)}"
            )
        for name in CLASSIFICATION:
            if self._chosen(name) and self.kind != "classification":
                raise RecipeError(
                    f"{name} is for classification, not for {self.kind}; leave it out or choose --task digits"
                )
        for name in ONE_LOSS:
            if self._chosen(name) and self.kind == "generation":
                raise RecipeError(f"{name} needs a loss that falls, which adversaries have not; leave it out")
        for clash, said in CLASHES:
            if clash(self):
                raise RecipeError(said(self))

    def _chosen(self, name: str) -> bool:
        """Whether a field holds something else than where nothing is said."""
        return bool(getattr(self, name) != DEFAULTS[name])

    def _check_numbers(self) -> None:
        """Raises RecipeError for numbers out of their range."""
        lowest = {
            "examples": 1, "val_examples": 1, "imbalance": 1, "width": 1, "depth": 1, "kernel_size": 1, "stride": 1,
            "dilation": 1, "pool_size": 1, "batch_size": 1, "epochs": 1, "decay_every": 1, "patience": 1,
            "log_every": 1, "corrupt_every": 1, "resume_at": 1,
            "schedule_epochs": 1, "weight_average": 0, "leak": 0, "learning_rate": 0, "momentum": 0,
            "weight_decay": 0, "warmup": 0, "l1": 0, "l2": 0, "dropout": 0, "label_smoothing": 0, "label_noise": 0,
            "seed": 0, "artefact_class": 0, "artefact_share": 0,
        }  # fmt: skip
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and not value >= low:
                raise RecipeError(f"{name} is {value}; it must be at least {low}")
        for name in ("dropout", "label_smoothing", "label_noise", "warmup", "weight_average"):
            if (getattr(self, name) or 0.0) >= 1.0:
                raise RecipeError(f"{name} is {getattr(self, name)}; it is a share and must be below 1")
        if self.artefact_class > 9:
            raise RecipeError(f"artefact_class is {self.artefact_class}; the classes go from 0 to 9")
        if self.artefact_share > 1.0:
            raise RecipeError(f"artefact_share is {self.artefact_share}; it is a share and must be at most 1")
        for name in ("max_norm_constraint", "gradient_clip"):
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise RecipeError(f"{name} is {value}; it must be above 0, or left out")

    @property
    def kind(self) -> str:
        """What is learned: `classification`, `regression` ..."""
        return KINDS[self.task]

    @property
    def loss_functions(self) -> tuple[str, ...]:
        """Those that go with what is learned."""
        return ("default", *LOSSES_OF_KIND[self.kind])

    @property
    def digest(self) -> str:
        """Eight characters that change with the recipe, and not with a new field that it leaves at its default."""
        chosen = {name: value for name, value in asdict(self).items() if value != DEFAULTS[name]}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:8]

    def config(self) -> dict[str, Any]:
        """The recipe as it is written beside its log: what is not used is left out, names are the rules' own."""
        unused = {name for names, used in USED for name in names if not used(self)}
        said = {name: value for name, value in asdict(self).items() if value not in (None, ()) and name not in unused}
        if self.optimizer in SGD:
            said |= {"optimizer": "sgd", "nesterov": self.optimizer == "nesterov"}
            said["momentum"] = 0.0 if self.optimizer == "sgd" else self.momentum
        if self.descent == "stochastic":
            said["batch_size"] = 1
        if self.kind == "classification":
            said["num_classes"] = 10
        said["early_stopping"] = self.patience is not None
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in fields(Recipe)}
"""The fields of a recipe, and what each holds where nothing is said."""

NAMES = tuple(DEFAULTS)
"""The fields of a recipe."""


# --- what goes with what, read from top to bottom ---------------------------------------------------------------------

CLASSIFICATION = (
    *("label_noise", "imbalance", "leak", "label_smoothing", "self_training", "augmentation", "metric"),
    *("balance", "class_weights", "stable_logits"),
)
"""Fields that need classes."""

ONE_LOSS = ("patience", "resume_at", "frozen", "l1", "l2", "max_norm_constraint", "log_manifold", "weight_average")
"""Fields that need one loss that falls; with them the `plateau` schedule."""

CLASHES: tuple[tuple[Callable[[Recipe], bool], Callable[[Recipe], str]], ...] = (
    (
        lambda recipe: recipe.scheduler == "plateau" and recipe.kind == "generation",
        lambda recipe: "scheduler needs a loss that falls, which adversaries have not; leave it out",
    ),
    (
        lambda recipe: recipe.artefact != "none" and recipe.task != "digits-colour",
        lambda recipe: f"an artefact is planted on digits-colour, not on {recipe.task}; choose that task",
    ),
    (
        lambda recipe: recipe.class_weights and recipe.loss_function not in ("default", "cross-entropy"),
        lambda recipe: f"class_weights are for the cross-entropy, not for {recipe.loss_function}; leave them out",
    ),
    (
        lambda recipe: recipe.augmentation in OF_IMAGES and recipe.task == "digits-rows",
        lambda recipe: f"augmentation {recipe.augmentation} is for images, not for {recipe.task}; try mixup",
    ),
    (
        lambda recipe: recipe.loss_function not in recipe.loss_functions,
        lambda recipe: (
            f"loss function {recipe.loss_function} is not for {recipe.kind}; valid: {', '.join(recipe.loss_functions)}"
        ),
    ),
    (
        lambda recipe: bool(recipe.dropout) and recipe.dropout_kind == "spatial" and recipe.model not in CONVOLUTIONAL,
        lambda recipe: f"spatial dropout drops whole feature maps, and {recipe.model} has none; try --model cnn",
    ),
    (
        lambda recipe: bool(recipe.dropout) and recipe.dropout_kind != "dropout" and recipe.model not in DROPPING,
        lambda recipe: f"{recipe.model} takes plain dropout only; {recipe.dropout_kind} works with mlp and cnn",
    ),
    (
        lambda recipe: recipe.block != BLOCKS.get(recipe.model, recipe.block),
        lambda recipe: f"{recipe.model} is made of the block {BLOCKS[recipe.model]}; try --model cnn",
    ),
)
"""Whether two choices of a recipe do not go together, and what is then said."""

USED: tuple[tuple[tuple[str, ...], Callable[[Recipe], bool]], ...] = (
    (("balance",), lambda recipe: recipe.balance),
    (("class_weights",), lambda recipe: recipe.class_weights),
    (("stable_logits",), lambda recipe: recipe.stable_logits),
    (("artefact", "artefact_class", "artefact_share"), lambda recipe: recipe.artefact != "none"),
    (("block", "convolution", "kernel_size", "stride", "padding"), lambda recipe: recipe.model in CONVOLUTIONAL),
    (("pooling", "pool_size", "head"), lambda recipe: recipe.model in CONVOLUTIONAL),
    (("dilation",), lambda recipe: recipe.model in CONVOLUTIONAL and recipe.convolution == "dilated"),
    (("loss_function",), lambda recipe: recipe.loss_function != "default"),
    (("metric",), lambda recipe: recipe.metric != "default"),
    (("momentum",), lambda recipe: recipe.optimizer in SGD),
    (("weight_decay",), lambda recipe: recipe.weight_decay != 0.0 or not recipe.l2),  # else `l2` is what the rules read
    (("corruption",), lambda recipe: bool(recipe.corrupt_at) or recipe.corrupt_every is not None),
    (("warmup",), lambda recipe: recipe.scheduler.startswith("warmup")),
    (("restore_optimizer",), lambda recipe: recipe.resume_at is not None),
    (("batch_size",), lambda recipe: recipe.descent != "batch"),
)
"""Fields -> whether the recipe uses them, where that is not always so; those that it does not use are not written."""
