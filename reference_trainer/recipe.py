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

_DIGITS = ("digits", "digits-imbalanced", "digits-few", "digits-noisy", "digits-turned", "digits-colour")

MODEL_TASKS: Mapping[str, tuple[str, ...]] = {
    "linear": (*_DIGITS, "diabetes"),
    "mlp": (*_DIGITS, "diabetes"),
    "cnn": _DIGITS,
    "vgg": _DIGITS,
    "inception": _DIGITS,
    "resnet": _DIGITS,
    "bottleneck-resnet": _DIGITS,
    "efficientnet": _DIGITS,
    "rnn": ("digits-rows",),
    "lstm": ("digits-rows",),
    "gru": ("digits-rows",),
    "transformer": ("digits-rows", "characters"),
    "encoder-decoder": ("segmentation",),
    "unet": ("segmentation",),
    "deeplab": ("segmentation",),
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
    "digits-turned": "classification",
    "digits-colour": "classification",
    "characters": "language-model",
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

EPOCHS: Mapping[str, int] = {"unet": 20, "encoder-decoder": 20, "deeplab": 20}
"""Model -> the epochs it needs, where they are not 30."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "task": tuple(KINDS),
    "model": tuple(MODEL_TASKS),
    "descent": ("batch", "mini-batch", "stochastic"),
    "optimizer": tuple(LEARNING_RATES),
    "scheduler": ("constant", "step", "cosine", "warmup", "warmup-cosine", "plateau", "one-cycle", "warm-restarts"),
    "activation": ("relu", "leaky-relu", "prelu", "elu", "selu", "sigmoid", "tanh", "silu"),
    "initialization": ("kaiming", "glorot", "lecun", "orthogonal", "small-normal", "zeros", "too-large"),
    "normalization": ("batch", "none", "layer", "group", "instance", "rms"),
    "block": ("cbr", "crb", "ccc", "vgg", "inception", "residual", "bottleneck", "inverted-residual"),
    "convolution": ("plain", "dilated", "depthwise-separable"),
    "padding": ("same", "valid"),
    "pooling": ("max", "average", "none"),
    "head": ("flatten", "global-average", "adaptive", "spatial-pyramid", "atrous-pyramid", "pyramid-module"),
    "dropout_kind": ("dropout", "dropconnect", "standout", "standout-notes", "gaussian", "spatial"),
    "augmentation": (
        *("none", "shift-flip", "mixup", "adamixup", "cutout", "cutout-depth", "cutmix", "auto", "randaugment"),
        "learned",
    ),
    "policy_task": ("own", "digits", "digits-turned"),
    "attention": ("full", "causal"),
    "positions": ("learned", "sinusoidal", "rotary", "none"),
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
    "stop_on": ("loss", "metric"),
    "device": ("cpu", "cuda", "auto"),
    "frozen": ("none", "body", "all"),
    "precision": ("float32", "float16", "bfloat16"),
}
"""Field -> the names it may hold; `parts` lists what they are, and a test compares."""

CONVOLUTIONAL = ("cnn", "vgg", "inception", "resnet", "bottleneck-resnet", "efficientnet")
"""Models that are built of `block`, `convolution`, `pooling` and `head`."""

NORMALIZED = ("mlp", *CONVOLUTIONAL, "encoder-decoder", "unet", "deeplab", "upscaler", "gan")
"""Models with normalization layers, where the recipe wants them."""

DROPPING = ("mlp", "rnn", *CONVOLUTIONAL)
"""Models with a place for every kind of dropout but, without feature maps, the spatial one."""

OF_IMAGES = ("shift-flip", "cutout", "cutout-depth", "cutmix", "auto", "randaugment", "learned")
"""Augmentations that move or cut pixels."""

SKIPPING = ("residual", "bottleneck", "inverted-residual")
"""Blocks that are added to their input, and can be left out."""

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
    "language-model": "transformer",
    "segmentation": "unet",
    "super-resolution": "upscaler",
    "generation": "gan",
    "regression": "mlp",
}
"""What is learned -> the model that learns it by default."""

LOSSES_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "classification": ("cross-entropy", "cross-entropy-of-softmax", "nll-of-logits", "mse"),
    "language-model": (),
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


STOCHASTIC_DEPTH: Mapping[str, float] = {"efficientnet": 0.2}
"""Model -> the share of its blocks that are skipped at random, where that is not 0."""

ACTIVATION: Mapping[str, str] = {"efficientnet": "silu"}
"""Model -> its activation where none is named, if that is not ReLU."""


LEFT_OUT = ("task", "model", "block", "activation", "initialization", "attention")
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
    augment_operations, augment_magnitude: of RandAugment: how many operations an image gets (N), and how strong they
        are on a scale from 0 to 10 (M).
    policy_task: the task on whose held-out examples a learned augmentation is searched.
    self_training_rounds: of Noisy Student: how often a student is trained, each but the last the teacher of the next.
    discriminator_rate: learning rate of a GAN's discriminator over that of its generator.
    artefact: a mark on the images of one class, in training and validation. Of the task digits-colour.
    artefact_class: the class that is marked.
    artefact_share: share of its images that are.

    width: channels of the first stage, or units of a hidden layer; None for the model's own.
    depth: stages, or hidden layers; None for the model's own.
    compound: the exponent phi of an EfficientNet's compound scaling, by which depth, width and resolution grow.
    kernel_size, stride, padding, dilation: of the convolutions (`dilation` of the dilated ones).
    pool_size, pool_stride, pool_padding: side of a pooling window in pixels, pixels from one to the next, and pixels of
        border around the map; pool_stride: None for windows side by side.
    normalization_groups: into which the channels are parted by group normalization, as far as they can be.
    normalization_momentum: share of the new batch in the running statistics of batch normalization.
    normalization_epsilon: added to the variance before its root is divided by.
    skips: the hidden layers of an mlp learn what to add to their input.
    stochastic_depth: share of the residual blocks that are skipped at random in training; None for the model's own.
    attention: what a step of a transformer sees; without it what the task allows.
    positions: how a transformer is told the order of the steps.
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
    device: where everything is computed; auto takes a GPU where there is one.
    precision: of the weights and of everything that is computed with them; losses are not scaled.
    epochs: passes over the training examples; None for as many as the model needs.
    weight_average: the share that a moving average of the weights keeps at each step; the average is what is validated
        and kept. None for the weights themselves.
    resume_at: epoch after which the training is stopped and resumed from its checkpoint; None for never.
    restore_optimizer: the checkpoint holds the state of the optimizer.

    l1, l2: factors of the sums of absolute and squared weights in the loss.
    max_norm_constraint: largest norm of a unit's incoming weights; None for no constraint.
    dropout: share of units (of weights for DropConnect, of what nothing excites for Standout) that are dropped; the
        standard deviation for Gaussian dropout is that of a Bernoulli mask with this share.
    patience: epochs without a better validation loss after which the training stops and the best weights are taken;
        None for no early stopping.
    stop_on: whether early stopping looks at the validation loss or at the validation metric.
    min_delta: by how much that must be better than its best to count, in its own unit.
    restore_best: early stopping takes the best weights at the end; else the last ones stay.

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
    augment_operations: int = 2
    augment_magnitude: float = 3.0
    policy_task: str = "own"
    self_training: str = "none"
    self_training_rounds: int = 2
    artefact: str = "none"
    artefact_class: int = 3
    artefact_share: float = 1.0

    width: int | None = None
    depth: int | None = None
    compound: int = 0
    block: str = ""
    convolution: str = "plain"
    kernel_size: int = 3
    stride: int = 1
    padding: str = "same"
    dilation: int = 2
    pooling: str = "max"
    pool_size: int = 2
    pool_stride: int | None = None
    pool_padding: int = 0
    head: str = "adaptive"
    normalization: str = "batch"
    normalization_groups: int = 4
    normalization_momentum: float = 0.1
    normalization_epsilon: float = 1e-5
    skips: bool = False
    stochastic_depth: float = None  # type: ignore[assignment] # it follows from the model
    attention: str = ""
    positions: str = "learned"
    activation: str = ""
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
    discriminator_rate: float = 1.0
    device: str = "cpu"
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
    stop_on: str = "loss"
    min_delta: float = 0.0
    restore_best: bool = True

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
        self._settle("activation", ACTIVATION.get(self.model, "relu"))
        self._settle("initialization", fitting(self.activation))
        self._settle("attention", "causal" if self.kind == "language-model" else "full")
        if self.stochastic_depth is None:
            object.__setattr__(self, "stochastic_depth", STOCHASTIC_DEPTH.get(self.model, 0.0))
        for name, value in PRESETS.get(self.task, {}).items():
            if getattr(self, name) in (None, 0.0, 1.0):
                object.__setattr__(self, name, value)
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", LEARNING_RATES[self.optimizer])
        if self.epochs is None:
            object.__setattr__(self, "epochs", EPOCHS.get(self.model, 30))
        seen = {"batch": self.examples, "stochastic": 1}.get(self.descent, self.batch_size)
        alone = self.normalization == "batch" and 1 in (seen, self.examples)  # one example has no statistics of a batch
        if alone or self.model not in NORMALIZED:
            object.__setattr__(self, "normalization", "none")
        self._check_numbers()
        self._check_combination()

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
            "dilation": 1, "pool_size": 1, "pool_stride": 1, "normalization_groups": 1, "augment_operations": 1,
            "self_training_rounds": 1, "batch_size": 1, "epochs": 1, "decay_every": 1, "patience": 1,
            "log_every": 1, "corrupt_every": 1, "resume_at": 1,
            "schedule_epochs": 1, "weight_average": 0, "leak": 0, "learning_rate": 0, "momentum": 0,
            "weight_decay": 0, "warmup": 0, "l1": 0, "l2": 0, "dropout": 0, "label_smoothing": 0, "label_noise": 0,
            "seed": 0, "artefact_class": 0, "artefact_share": 0, "compound": 0, "pool_padding": 0,
            "stochastic_depth": 0, "normalization_momentum": 0, "augment_magnitude": 0, "min_delta": 0,
            "discriminator_rate": 0,
        }  # fmt: skip
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and not value >= low:
                raise RecipeError(f"{name} is {value}; it must be at least {low}")
        for name in ("dropout", "label_smoothing", "label_noise", "warmup", "weight_average", "stochastic_depth"):
            if (getattr(self, name) or 0.0) >= 1.0:
                raise RecipeError(f"{name} is {getattr(self, name)}; it is a share and must be below 1")
        highest = {
            "artefact_class": (9, "the classes go from 0 to 9"),
            "artefact_share": (1, "it is a share and must be at most 1"),
            "normalization_momentum": (1, "it is a share and must be at most 1"),
            "augment_magnitude": (10, "it goes from 0 to 10"),
        }
        for name, (high, said) in highest.items():
            if getattr(self, name) > high:
                raise RecipeError(f"{name} is {getattr(self, name)}; {said}")
        for name in ("max_norm_constraint", "gradient_clip", "normalization_epsilon"):
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
        unused |= {name for name in QUIET if not self._chosen(name)}
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


DEFAULTS: Mapping[str, Any] = {
    **{field.name: field.default for field in fields(Recipe)},
    "activation": "relu",
    "attention": "full",
    "stochastic_depth": 0.0,  # what those left out come to in most
}
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
        lambda recipe: recipe.normalization == "instance" and recipe.model == "mlp",
        lambda recipe: "instance normalization is over the pixels of a map, and mlp has none; try layer",
    ),
    (
        lambda recipe: recipe.pool_padding > recipe.pool_size // 2,
        lambda recipe: (
            f"pool_padding is {recipe.pool_padding}; windows of {recipe.pool_size} take at most "
            f"{recipe.pool_size // 2}, since others would lie outside the map"
        ),
    ),
    (
        lambda recipe: recipe.compound > 0 and recipe.model != "efficientnet",
        lambda recipe: f"compound scaling is an EfficientNet's, not of {recipe.model}; set width and depth",
    ),
    (
        lambda recipe: recipe.skips and recipe.model != "mlp",
        lambda recipe: f"skips are an option of mlp; for {recipe.model} there is --model resnet",
    ),
    (
        lambda recipe: recipe.stochastic_depth > 0.0 and recipe.block not in SKIPPING,
        lambda recipe: f"stochastic_depth skips residual blocks, and {recipe.block} is none; try --model resnet",
    ),
    (
        lambda recipe: (recipe.attention, recipe.positions) != ("full", "learned") and recipe.model != "transformer",
        lambda recipe: f"attention and positions are a transformer's, not of {recipe.model}; leave them out",
    ),
    (
        lambda recipe: recipe.kind == "language-model" and recipe.attention == "full",
        lambda recipe: "attention full sees the character that is to be told; choose causal",
    ),
    (
        lambda recipe: recipe.kind == "language-model" and bool(recipe.corrupt_at or recipe.corrupt_every),
        lambda recipe: "corrupt_at and corrupt_every scale inputs, which characters do not stand; leave them out",
    ),
    (
        lambda recipe: recipe.discriminator_rate != 1.0 and recipe.kind != "generation",
        lambda recipe: f"discriminator_rate is for two networks, not for {recipe.model}; choose --model gan",
    ),
    (
        lambda recipe: recipe.policy_task != "own" and recipe.augmentation != "learned",
        lambda recipe: "policy_task is of a learned augmentation; choose --augmentation learned",
    ),
    (
        lambda recipe: recipe.block != BLOCKS.get(recipe.model, recipe.block),
        lambda recipe: f"{recipe.model} is made of the block {BLOCKS[recipe.model]}; try --model cnn",
    ),
)
"""Whether two choices of a recipe do not go together, and what is then said."""

QUIET = (
    *(
        "pool_stride",
        "pool_padding",
        "normalization_groups",
        "normalization_momentum",
        "normalization_epsilon",
        "skips",
    ),
    *(
        "stochastic_depth",
        "compound",
        "attention",
        "positions",
        "augment_operations",
        "augment_magnitude",
        "policy_task",
    ),
    *("self_training_rounds", "discriminator_rate", "stop_on", "min_delta", "restore_best", "device"),
)
"""Fields that are written only where they hold something else than where nothing is said."""

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
