"""The loop: a recipe in, a log out.

result = train(Recipe(model="cnn"), lambda columns: CsvLog(Path("run.csv"), columns, {}))
result.rows[-1]["val_accuracy"]

The same recipe gives the same rows, bit for bit, on one machine: everything random follows the recipe's seed, and one
thread computes, so that sums are always taken in the same order (the models are too small to gain from a second).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from reference_trainer import manifold, models, monitors, optimizers, regularizers
from reference_trainer.augmentations import AUGMENTATIONS
from reference_trainer.data import TASKS, Data
from reference_trainer.initializers import initialize
from reference_trainer.logs import Log
from reference_trainer.losses import class_weights, labels, loss_of, metric_of, probabilities
from reference_trainer.recipe import Recipe
from reference_trainer.schedules import SCHEDULES, Span
from reference_trainer.self_training import SELF_TRAINING

Progress = Callable[[int, Mapping[str, float]], None]
"""Called after every epoch with its number and its last row."""

THROUGHPUT = "examples_per_second"
"""The one column that differs between two trainings of one recipe."""

PROBE = 256
"""Training examples on which activations are looked at."""

DIMENSION = "intrinsic_dimension/"
"""What the name of a layer has before it in the log."""

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Result:
    """What came of a recipe.

    rows: one mapping per row of the log, in order; a quantity that was not measured at a row is absent from it.
    model: in evaluation mode, with the weights of the last epoch (their average, where the recipe keeps one), or of
        the best with early stopping.
    """

    recipe: Recipe
    rows: list[dict[str, float]]
    model: nn.Module


def train(
    recipe: Recipe,
    open_log: Callable[[tuple[str, ...]], Log] | None = None,
    progress: Progress | None = None,
    data: Data | None = None,
) -> Result:
    """Train as the recipe says.

    open_log: makes the log out of the names of its columns; a row is written as soon as it is known, and the log is
        closed at the end, or when the training is interrupted.
    data: instead of the task's.
    """
    # Gradients are switched on because a teacher or a judge may be trained within a validation.
    with reproducible(recipe.seed), torch.enable_grad(), ExitStack() as closing:
        if data is None:
            data = TASKS[recipe.task](recipe)
            data = SELF_TRAINING[recipe.self_training](recipe, data)
        learner = _learner(recipe, data)
        log = None if open_log is None else closing.enter_context(open_log(learner.columns()))
        stopping = regularizers.EarlyStopping(recipe.patience) if recipe.patience else None
        throughput = monitors.Throughput()
        rows: list[dict[str, float]] = []
        step = 0
        for epoch in range(1, recipe.epochs + 1):
            learner.model.train()
            for x, y in batches(data, learner.batch_size, shuffle=recipe.shuffle, balance=recipe.balance):
                step += 1
                last = step == epoch * learner.span.epoch
                due = last if recipe.log_every is None else step % recipe.log_every == 0
                if _is_corrupted(step, recipe):
                    x, y = x * recipe.corruption, y[torch.randperm(len(y))]
                learner.update(x, y, watch=due)
                throughput.add(len(x))
                row: dict[str, float] = {"epoch": epoch, "step": step}
                if due:
                    row |= {THROUGHPUT: throughput.rate()} | learner.measured()
                if last:
                    learner.judged.eval()
                    row |= learner.validate()
                    throughput.skip()
                if due or last:
                    rows.append(row)
                    if log is not None:
                        log.write(row)
            learner.schedule_epoch(row)
            if progress is not None:
                progress(epoch, row)
            if stopping is not None and stopping.update(epoch, row["val_loss"], learner.judged):
                break
            if epoch == recipe.resume_at:
                learner.resume(with_optimizer=recipe.restore_optimizer)
        if stopping is not None:
            stopping.restore(learner.judged)
        learner.judged.eval()
        return Result(recipe, rows, learner.judged)


class Learner:
    """A supervised training between two batches: the model, what moves its weights, and what was measured since."""

    def __init__(self, recipe: Recipe, data: Data) -> None:
        self.recipe, self.data = recipe, data
        self.dtype = DTYPES[recipe.precision]
        self.batch_size = optimizers.DESCENTS[recipe.descent](recipe, len(data.x))
        steps = len(data.x) // self.batch_size
        self.span = Span(steps * (recipe.schedule_epochs or recipe.epochs), steps)
        self.sums: Tensor  # of the metric, since the last row
        self.average: AveragedModel | None = None
        self.build()
        self.reset()

    def build(self) -> None:
        """The model and everything that trains it, anew."""
        recipe = self.recipe
        self.model = models.build(recipe, self.data.inputs, self.data.outputs).to(self.dtype)
        initialize(self.model, recipe)
        freeze(self.model, recipe.frozen)
        self.loss = loss_of(recipe, self.data.y)
        self.metric = metric_of(recipe, self.data.peak)
        self.augment = AUGMENTATIONS[recipe.augmentation](self.data.inputs, self.data.classes)
        groups = regularizers.decay_groups(nn.ModuleList([self.model, self.augment]), recipe.weight_decay)
        self.optimizer = optimizers.OPTIMIZERS[recipe.optimizer](groups, recipe)
        self.schedule = SCHEDULES[recipe.scheduler](self.optimizer, recipe, self.span)
        self.updates = monitors.Updates(self.model)
        if recipe.weight_average is not None:
            follow = get_ema_avg_fn(recipe.weight_average)
            self.average = AveragedModel(self.model, avg_fn=follow, use_buffers=True)

    @property
    def judged(self) -> nn.Module:
        """What is validated and kept: the model, or the model with the average of its weights."""
        return self.model if self.average is None else self.average.module

    def update(self, x: Tensor, y: Tensor, *, watch: bool) -> None:
        """One step with one batch; with `watch` the gradient and the change of the weights are measured."""
        recipe = self.recipe
        if recipe.augmentation != "none":
            x, y = self.augment(x, probabilities(y, self.data.classes))
        x, y = x.to(self.dtype), y.to(self.dtype) if y.is_floating_point() else y
        outputs = self.model(x)
        loss = self.loss(outputs, y)
        if recipe.l1 or recipe.l2:
            loss = loss + self.penalties()
        objective = loss
        if (penalty := self.augment.penalty()) is not None:
            objective = objective + penalty
        self.optimizer.zero_grad()
        if objective.requires_grad:  # nothing is learned where everything is frozen
            objective.backward()
        if watch:
            self.grad_norm = monitors.gradient_norm(self.model)
            self.updates.before()
        if recipe.gradient_clip is not None:
            regularizers.clip_gradients(self.model, recipe.gradient_clip)
        self.rate = self.optimizer.param_groups[0]["lr"]
        self.optimizer.step()
        if recipe.max_norm_constraint is not None:
            regularizers.max_norm(self.model, recipe.max_norm_constraint)
        if self.average is not None:
            self.average.update_parameters(self.model)
        if not isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step()
        if watch:
            self.update_ratio = self.updates.ratio()
        self.total.add_(loss.detach(), alpha=len(x))
        self.examples += len(x)
        self.sums = self.sums + self.metric.measure(outputs.detach(), y)

    def penalties(self) -> Tensor | float:
        """What L1 and L2 add to the loss, in training and in validation, so that both mean the same."""
        factors = {"l1": self.recipe.l1, "l2": self.recipe.l2}
        return sum(factor * regularizers.PENALTIES[name](self.model) for name, factor in factors.items() if factor)

    def measured(self) -> dict[str, float]:
        """The means since the last call, and what was seen at the last step."""
        row = {
            "train_loss": float(self.total) / self.examples,
            f"train_{self.metric.name}": self.metric.finish(self.sums),
            "learning_rate": self.rate,
            "grad_norm": self.grad_norm,
            "update_ratio": self.update_ratio,
        }
        self.reset()
        return row

    def reset(self) -> None:
        """Begin new means."""
        self.total = torch.zeros((), dtype=torch.float64)
        self.examples = 0
        self.sums = torch.zeros((), dtype=torch.float64)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss and metric on the validation examples, and what the activations look like; `judged` is in eval mode."""
        data = self.data
        x = data.val_x.to(self.dtype)
        outputs, dead = monitors.evaluated(self.judged, x)
        y = data.val_y.to(self.dtype) if data.val_y.is_floating_point() else data.val_y
        row = {
            "val_loss": float(self.loss(outputs, y) + self.penalties()),
            f"val_{self.metric.name}": self.metric.finish(self.metric.measure(outputs, y)),
        }
        if dead is not None:
            row["dead_relu_share"] = dead
        if data.classes:
            accuracies = monitors.class_accuracies(outputs, y, data.classes)
            row |= {f"val_accuracy/{label}": value for label, value in accuracies.items()}
        if self.recipe.log_manifold:
            dimensions = manifold.layer_dimensions(self.judged, data.x[:PROBE].to(self.dtype))
            row |= {DIMENSION + name: value for name, value in dimensions.items()}
        return row

    def columns(self) -> tuple[str, ...]:
        """The names that rows may have, in the order of the log."""
        score, probe = self.metric.name, self.data.x[:PROBE].to(self.dtype)
        dead = monitors.dead_relu_share(self.model, probe) is not None
        layers = monitors.activations(self.model, probe) if self.recipe.log_manifold else {}
        return (
            *("epoch", "step", "train_loss", f"train_{score}", "val_loss", f"val_{score}"),
            *("learning_rate", "grad_norm", "update_ratio", *(["dead_relu_share"] if dead else []), THROUGHPUT),
            *(f"val_accuracy/{label}" for label in range(self.data.classes)),
            *(DIMENSION + name for name in layers),
        )

    def schedule_epoch(self, row: Mapping[str, float]) -> None:
        """Tell a schedule that waits for the validation loss what it was."""
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(row["val_loss"])

    def resume(self, *, with_optimizer: bool) -> None:
        """Stop, and go on from a checkpoint as a new process would; without the optimizer's state it begins anew."""
        checkpoint = io.BytesIO()
        parts = ("model", "augment", "optimizer", "schedule", *(["average"] if self.average is not None else []))
        state = {part: getattr(self, part) for part in parts}
        torch.save({name: part.state_dict() for name, part in state.items()}, checkpoint)
        checkpoint.seek(0)
        self.build()
        loaded: dict[str, Any] = torch.load(checkpoint, weights_only=True)
        self.model.load_state_dict(loaded["model"])
        self.augment.load_state_dict(loaded["augment"])
        if self.average is not None:
            self.average.load_state_dict(loaded["average"])
        if with_optimizer:
            self.optimizer.load_state_dict(loaded["optimizer"])
        self.schedule.load_state_dict(loaded["schedule"])


def unlogged(recipe: Recipe) -> tuple[str, ...]:
    """The columns that a CSV does without: the throughput, which no second training repeats, and with one row per epoch
    the step, so that the log speaks of epochs.
    """
    return (THROUGHPUT, "step") if recipe.log_every is None else (THROUGHPUT,)


def _learner(recipe: Recipe, data: Data) -> Learner:
    from reference_trainer.adversarial import Adversaries

    return Adversaries(recipe, data) if recipe.kind == "generation" else Learner(recipe, data)


def batches(data: Data, size: int, *, shuffle: bool, balance: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
    """The training examples in whole batches of `size`, in a new order or as they are; what is left over waits.

    A batch of one or two would have a gradient of its own size, and no statistics for a batch norm.
    balance: drawn with replacement, every class as often as any other.
    """
    count = len(data.x)
    order = torch.randperm(count) if shuffle else torch.arange(count)
    if balance:
        order = torch.multinomial(class_weights(data.y, data.classes)[labels(data.y)], count, replacement=True)
    for chosen in order[: count - count % size].split(size):
        yield data.x[chosen], data.y[chosen]


def freeze(model: nn.Module, which: str) -> None:
    """Keep weights from learning: `none`, `all`, or the `body`, which is everything but the last layer."""
    if which == "none":
        return
    model.requires_grad_(False)
    if which == "body":
        model.classifier.requires_grad_(True)


def _is_corrupted(step: int, recipe: Recipe) -> bool:
    """Whether the recipe wants the batch of this step spoiled."""
    return step in recipe.corrupt_at or (recipe.corrupt_every is not None and step % recipe.corrupt_every == 0)


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Everything random follows `seed`, and one thread computes; both are as before afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
