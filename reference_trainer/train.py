"""The loop: a recipe in, a log out.

result = train(Recipe(model="cnn"), lambda columns: CsvLog(Path("run.csv"), columns, {}))
result.rows[-1]["val_accuracy"]

The same recipe gives the same rows, bit for bit, on one machine: everything random follows the recipe's seed, and one
thread computes, so that sums are always taken in the same order (the models are too small to gain from a second).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from reference_trainer import monitors, regularizers
from reference_trainer.adversarial import Adversaries
from reference_trainer.data import TASKS, Data
from reference_trainer.learner import THROUGHPUT, Learner, Result, batches, reproducible
from reference_trainer.logs import Log, Logs, Row
from reference_trainer.policies import search
from reference_trainer.recipe import Recipe
from reference_trainer.self_training import SELF_TRAINING

Progress = Callable[[int, Mapping[str, float]], None]
"""Called after every epoch with its number and its last row."""


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
        learner = learner_of(recipe, data)
        log = closing.enter_context(Logs([]) if open_log is None else open_log(learner.columns()))
        tell = progress or (lambda epoch, row: None)
        stopping = stopping_of(learner)
        throughput = monitors.Throughput()
        rows: list[Row] = []
        for epoch in range(1, recipe.epochs + 1):
            for row in one_epoch(learner, epoch, throughput):
                rows.append(row)
                log.write(row)
            learner.after_epoch(rows[-1])
            tell(epoch, rows[-1])
            if stopping is not None and stopping.update(epoch, learner.stops_on(rows[-1]), learner.judged):
                break
            if epoch == recipe.resume_at:
                learner.resume(with_optimizer=recipe.restore_optimizer)
        if stopping is not None:
            stopping.restore(learner.judged)
        learner.judged.eval()
        return Result(recipe, rows, learner.judged.to("cpu"))


def one_epoch(learner: Learner, epoch: int, throughput: monitors.Throughput) -> Iterator[Row]:
    """Every training example once, and the validation: each row of the log, as soon as it is known."""
    recipe, steps = learner.recipe, learner.span.epoch
    learner.model.train()
    examples = batches(learner.data, learner.batch_size, shuffle=recipe.shuffle, balance=recipe.balance)
    for step, batch in enumerate(examples, start=1 + (epoch - 1) * steps):
        last = step == epoch * steps
        due = last if recipe.log_every is None else step % recipe.log_every == 0
        x, y = learner.prepared(*_corrupted(*batch, step, recipe))
        for player in learner.players:  # the model; of adversaries the discriminator, and then the generator
            outputs = player.forward(x)
            loss = player.loss(outputs, y)
            objective = learner.objective(loss)
            player.optimizer.zero_grad()
            if objective.requires_grad:  # nothing is learned where everything is frozen
                objective.backward()
            if due:
                player.watch()
            if recipe.gradient_clip is not None:
                regularizers.clip_gradients(player.model, recipe.gradient_clip)
            player.optimizer.step()
            learner.after_step(player)
            player.meter.add(loss, outputs, y)
        throughput.add(len(y))
        row: Row = {"epoch": epoch, "step": step}
        if due:
            row |= {THROUGHPUT: throughput.rate()} | learner.measured()
        if last:
            learner.judged.eval()
            row |= learner.validate()
            throughput.skip()
        if due or last:
            yield row


def stopping_of(learner: Learner) -> regularizers.EarlyStopping | None:
    """The recipe's early stopping; None where it has none."""
    recipe = learner.recipe
    if recipe.patience is None:
        return None
    higher = recipe.stop_on == "metric" and learner.metric.higher
    return regularizers.EarlyStopping(
        recipe.patience, higher=higher, min_delta=recipe.min_delta, keep=recipe.restore_best
    )


def learner_of(recipe: Recipe, data: Data | None = None) -> Learner:
    """What the recipe trains, before its first step, on the task's data or on others."""
    if data is None:
        data = SELF_TRAINING[recipe.self_training](recipe, search(recipe, TASKS[recipe.task](recipe), fit), fit)
    return Adversaries(recipe, data, fit) if recipe.kind == "generation" else Learner(recipe, data)


def fit(recipe: Recipe, data: Data) -> nn.Module:
    """The model that the recipe makes of other data, in evaluation mode."""
    return train(recipe, data=data).model


def unlogged(recipe: Recipe) -> tuple[str, ...]:
    """The columns that a CSV does without: the throughput, which no second training repeats, and with one row per epoch
    the step, so that the log speaks of epochs.
    """
    return (THROUGHPUT, "step") if recipe.log_every is None else (THROUGHPUT,)


def _corrupted(x: Tensor, y: Tensor, step: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """The batch as it is, or spoiled where the recipe wants it so at this step: inputs scaled, labels shuffled."""
    if step in recipe.corrupt_at or (recipe.corrupt_every is not None and step % recipe.corrupt_every == 0):
        return x * recipe.corruption, y[torch.randperm(len(y))]
    return x, y
