"""Judges a training with PyTorch-Ignite.

    watch = attach(trainer, {"val": evaluator}, optimizer=optimizer)
    trainer.run(loader, max_epochs=10)
    watch.report

Checked with Ignite 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events

from diagnose.live import Watch
from diagnose.report import Report


class Attached(Watch):
    """The watch of an engine. report: what it found when the training is over."""

    report: Report | None = None


def attach(
    trainer: Engine,
    evaluators: Mapping[str, Engine] | None = None,
    *,
    optimizer: Any = None,
    loss_of: Callable[[Any], Any] | None = None,
    **options: Any,
) -> Attached:
    """Watch an engine that trains.

    evaluators: split -> engine that evaluates it; its metrics are taken as `split/name` when it is done.
    optimizer: whose learning rate is taken.
    loss_of: the loss in what the engine's step returns; None for the output itself, its `loss`, or its first item.
    options: those of `diagnose.watch`; its `total` is taken from `run`.
    """
    watch = Attached(**options)
    watch.rank = idist.get_rank()
    take_loss = loss_of or _loss

    def step(engine: Engine) -> None:
        rate = {} if optimizer is None else {"learning_rate": optimizer.param_groups[0]["lr"]}
        watch.log(rate, step=engine.state.iteration, train_loss=take_loss(engine.state.output))
        if idist.get_world_size() == 1 and watch.should_stop:
            engine.terminate()

    def evaluated(engine: Engine, split: str) -> None:
        watch.log(_metrics(engine, split), step=trainer.state.iteration)

    trainer.add_event_handler(Events.STARTED, _begin, watch)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, step)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, _epoch, watch)
    trainer.add_event_handler(Events.COMPLETED | Events.TERMINATE, _end, watch)
    for split, evaluator in (evaluators or {}).items():
        evaluator.add_event_handler(Events.COMPLETED, evaluated, split)
    return watch


def _begin(engine: Engine, watch: Attached) -> None:
    """Learn how long the training is to be."""
    if engine.state.max_epochs and engine.state.epoch_length:
        watch.total = watch.total or engine.state.max_epochs * engine.state.epoch_length


def _epoch(engine: Engine, watch: Attached) -> None:
    """Take the engine's own metrics; stop all ranks where one is to stop."""
    found = _metrics(engine, "train")
    if found:
        watch.log(found, step=engine.state.iteration)
    if idist.get_world_size() > 1 and idist.all_reduce(float(watch.should_stop), "MAX"):
        engine.terminate()


def _end(engine: Engine, watch: Attached) -> None:
    """Judge the whole."""
    watch.report = watch.finish()


def _metrics(engine: Engine, split: str) -> dict[str, Any]:
    return {f"{split}/{name}": value for name, value in engine.state.metrics.items()}


def _loss(output: Any) -> Any:
    """The loss in what the step of an engine returns."""
    if isinstance(output, Mapping):
        return output.get("loss")
    return output[0] if isinstance(output, list | tuple) and output else output
