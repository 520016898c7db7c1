"""The step: a network, what moves its weights, and what was measured since the last row of the log.

learner = Learner(recipe, data)
x, y = learner.prepared(x, y)
for player in learner.players:           # `train` shows the step: forward, loss, backward, clip, step
    outputs = player.forward(x)
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from reference_trainer import manifold, models, monitors, optimizers, regularizers
from reference_trainer.augmentations import augmentation_of
from reference_trainer.data import Data
from reference_trainer.initializers import initialize
from reference_trainer.losses import Metric, class_weights, labels, loss_of, metric_of, probabilities
from reference_trainer.recipe import Recipe, RecipeError
from reference_trainer.schedules import SCHEDULES, Span

Fit = Callable[[Recipe, Data], nn.Module]
"""Trains a recipe on data and gives the model in evaluation mode: `train` hands itself to what needs a teacher."""

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


class Meter:
    """The loss and the sums of a metric over the examples since the last row.

    A batch is kept as it comes, which costs a step next to nothing; what it comes to is computed once for a row. A
    metric whose sums do not depend on their order is measured on all batches at once.
    """

    def __init__(self, metric: Metric | None = None) -> None:
        self.metric = metric
        self.reset()

    def reset(self) -> None:
        """Begin new means."""
        self.losses: list[Tensor] = []
        self.counts: list[int] = []
        self.seen: list[tuple[Tensor, Tensor]] = []

    def add(self, loss: Tensor, outputs: Tensor, y: Tensor) -> None:
        """Count a batch: its mean loss, a scalar, its outputs and its targets."""
        self.losses.append(loss.detach())
        self.counts.append(len(y))
        if self.metric is not None:
            self.seen.append((outputs.detach(), y))

    def loss(self) -> float:
        """The mean loss of an example."""
        total = 0.0
        for loss, count in zip(torch.stack(self.losses).tolist(), self.counts, strict=True):
            total += loss * count
        return total / sum(self.counts)

    def score(self) -> float:
        """The metric of all examples. Raises RuntimeError where there is none."""
        if self.metric is None:
            raise RuntimeError("this meter has no metric; give it one")
        if self.metric.whole:
            outputs, y = (torch.cat(parts) for parts in zip(*self.seen, strict=True))
            return self.metric.finish(self.metric.measure(outputs, y))
        sums = torch.zeros((), dtype=torch.float64, device=self.losses[0].device)
        for outputs, y in self.seen:
            sums = sums + self.metric.measure(outputs, y)
        return self.metric.finish(sums)


class Player:
    """A network that learns, what moves its weights, and what is seen of both.

    forward: inputs of a batch -> outputs. loss: outputs and targets -> their mean loss, a scalar that is logged.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        schedule: LRScheduler | ReduceLROnPlateau,
        forward: Callable[[Tensor], Tensor],
        loss: Callable[[Tensor, Tensor], Tensor],
        metric: Metric | None = None,
    ) -> None:
        self.model, self.optimizer, self.schedule = model, optimizer, schedule
        self.forward, self.loss = forward, loss
        self.meter = Meter(metric)
        self.updates = monitors.Updates(model)

    def watch(self) -> None:
        """Look at the gradient, the learning rate and the weights; between `backward` and what clips the gradient."""
        self.grad_norm = monitors.gradient_norm(self.model)
        self.rate = self.optimizer.param_groups[0]["lr"]
        self.updates.before()

    def seen(self) -> dict[str, float]:
        """What the last step was like that was watched; before the weights move again."""
        return {"learning_rate": self.rate, "grad_norm": self.grad_norm, "update_ratio": self.updates.ratio()}


class Learner:
    """A supervised training between two batches."""

    def __init__(self, recipe: Recipe, data: Data) -> None:
        self.device = device_of(recipe)
        self.recipe, self.data = recipe, data.to(self.device)
        self.dtype = DTYPES[recipe.precision]
        self.batch_size = optimizers.DESCENTS[recipe.descent](recipe, len(data.x))
        steps = len(data.x) // self.batch_size
        self.span = Span(steps * (recipe.schedule_epochs or recipe.epochs), steps)
        self.average: AveragedModel | None = None
        self.build()

    def build(self) -> None:
        """The model and everything that trains it, anew."""
        recipe = self.recipe
        self.model = models.build(recipe, self.data.inputs, self.data.outputs).to(self.dtype)
        initialize(self.model, recipe)
        self.model.to(self.device)
        freeze(self.model, recipe.frozen)
        augment = augmentation_of(recipe, self.data.inputs, self.data.classes, self.data.policy)
        self.augment = augment.to(self.device)
        self.players = self._players()
        if recipe.weight_average is not None:
            follow = get_ema_avg_fn(recipe.weight_average)
            self.average = AveragedModel(self.model, avg_fn=follow, use_buffers=True)

    def _players(self) -> tuple[Player, ...]:
        """Those that take turns at each batch: here the model alone."""
        recipe = self.recipe
        self.criterion = loss_of(recipe, self.data.y)
        self.metric = metric_of(recipe, self.data.peak)
        factors = {"l1": recipe.l1, "l2": recipe.l2}
        self.penalties = [(factor, regularizers.PENALTIES[name]) for name, factor in factors.items() if factor]
        optimizer = self._optimizer(nn.ModuleList([self.model, self.augment]))
        schedule = SCHEDULES[recipe.scheduler](optimizer, recipe, self.span)
        return (Player(self.model, optimizer, schedule, self.model, self.loss, self.metric),)

    def _optimizer(self, part: nn.Module) -> Optimizer:
        """The recipe's optimizer of the weights of a part."""
        groups = regularizers.decay_groups(part, self.recipe.weight_decay)
        return optimizers.OPTIMIZERS[self.recipe.optimizer](groups, self.recipe)

    @property
    def judged(self) -> nn.Module:
        """What is validated and kept: the model, or the model with the average of its weights."""
        return self.model if self.average is None else self.average.module

    def prepared(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """A batch as the network sees it: augmented, and in the precision of the recipe."""
        if self.recipe.augmentation != "none":
            x, y = self.augment(x, probabilities(y, self.data.classes))
        return x.to(self.dtype), y.to(self.dtype) if y.is_floating_point() else y

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The loss with what L1 and L2 add to it, in training and in validation, so that both mean the same."""
        loss = self.criterion(outputs, y)
        terms = [factor * penalty(self.model) for factor, penalty in self.penalties]
        return loss + sum(terms) if terms else loss

    def objective(self, loss: Tensor) -> Tensor:
        """What is minimized: the loss, and that of an augmentation's own networks, which is not logged."""
        penalty = self.augment.penalty()
        return loss if penalty is None else loss + penalty

    def after_step(self, player: Player) -> None:
        """What follows a step of the optimizer: the weights are constrained and averaged, the schedule goes on."""
        if self.recipe.max_norm_constraint is not None:
            regularizers.max_norm(player.model, self.recipe.max_norm_constraint)
        if self.average is not None:
            self.average.update_parameters(self.model)
        if not isinstance(player.schedule, ReduceLROnPlateau):
            player.schedule.step()

    def measured(self) -> dict[str, float]:
        """The means since the last call, and what was seen at the last step."""
        (player,) = self.players
        row = {
            "train_loss": player.meter.loss(),
            f"train_{self.metric.name}": player.meter.score(),
            **player.seen(),
        }
        player.meter.reset()
        return row

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss and metric on the validation examples, and what the activations look like; `judged` is in eval mode."""
        data = self.data
        x = data.val_x.to(self.dtype)
        outputs, dead = monitors.evaluated(self.judged, x)
        y = data.val_y.to(self.dtype) if data.val_y.is_floating_point() else data.val_y
        row = {
            "val_loss": float(self.loss(outputs, y)) + 0.0,  # a loss of -0.0 is one of 0.0
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

    def stops_on(self, row: Mapping[str, float]) -> float:
        """What early stopping looks at in a row with validation."""
        return row["val_loss" if self.recipe.stop_on == "loss" else f"val_{self.metric.name}"]

    def after_epoch(self, row: Mapping[str, float]) -> None:
        """Tell a schedule that waits for the validation loss what it was."""
        for player in self.players:
            if isinstance(player.schedule, ReduceLROnPlateau):
                player.schedule.step(row["val_loss"])

    def resume(self, *, with_optimizer: bool) -> None:
        """Stop, and go on from a checkpoint as a new process would; without the optimizer's state it begins anew.

        The means of the row that is under way go on, too.
        """
        checkpoint = io.BytesIO()
        torch.save({name: part.state_dict() for name, part in self._parts().items()}, checkpoint)
        checkpoint.seek(0)
        meters = [player.meter for player in self.players]
        self.build()
        for player, meter in zip(self.players, meters, strict=True):
            player.meter = meter
        loaded: dict[str, Any] = torch.load(checkpoint, map_location=self.device, weights_only=True)
        for name, part in self._parts().items():
            if name != "optimizer" or with_optimizer:
                part.load_state_dict(loaded[name])

    def _parts(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        (player,) = self.players
        average = {} if self.average is None else {"average": self.average}
        trained = {"optimizer": player.optimizer, "schedule": player.schedule}
        return {"model": self.model, "augment": self.augment, **average, **trained}


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


def device_of(recipe: Recipe) -> torch.device:
    """Where the recipe is computed. Raises RecipeError where there is no such device."""
    there = torch.cuda.is_available()
    if recipe.device == "cuda" and not there:
        raise RecipeError("device is cuda; PyTorch sees no GPU here, choose --device cpu, or auto")
    return torch.device("cuda" if there and recipe.device != "cpu" else "cpu")


def freeze(model: nn.Module, which: str) -> None:
    """Keep weights from learning: `none`, `all`, or the `body`, which is everything but the last layer."""
    if which == "none":
        return
    model.requires_grad_(False)
    if which == "body":
        model.classifier.requires_grad_(True)


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
