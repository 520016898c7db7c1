"""Judges a training with Lightning.

    trainer = Trainer(callbacks=[DiagnoseCallback()])

What the module logs by the epoch is judged; in a training of a few epochs, or where it logs no loss by the epoch, the
loss of every batch. In Fabric the loop is one's own, and `diagnose.watch` does. Checked with Lightning 2.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from diagnose.live import Watch
from diagnose.names import roles
from diagnose.report import Report

FEW_EPOCHS = 8
"""Epochs below which their means are no curve."""


class DiagnoseCallback(Callback):  # type: ignore[misc]
    """options: those of `diagnose.watch`; its `total` is taken from the trainer; a logger of TensorBoard is written to.

    watch, report: the watch while it trains, and what it found when the training is over.
    """

    def __init__(self, **options: Any) -> None:
        self.watch = Watch(**options)
        self.report: Report | None = None
        self._by_batch = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Learn the rank, the length of the training and where it logs to."""
        self.watch.rank = trainer.global_rank
        self._by_batch = self._by_batch or not (trainer.max_epochs or -1) >= FEW_EPOCHS
        steps = trainer.estimated_stepping_batches
        self.watch.total = self.watch.total or (steps if 0 < steps < float("inf") else None)
        writers = [e for logger in trainer.loggers if hasattr(e := logger.experiment, "add_scalar")]
        if self.watch.log_to == "auto":
            self.watch.log_to = ["auto", *writers]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the loss of the batch; stop where that was asked for, on all ranks in the same batch."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is not None and self._by_batch:
            self.watch.log(step=trainer.global_step - 1, epoch=trainer.current_epoch, train_loss=loss)
        elif loss is not None:
            self.watch.check(step=trainer.global_step - 1, batch_loss=loss)
        if trainer.world_size == 1 or (batch_idx + 1) % trainer.log_every_n_steps == 0:
            self._stop_where_asked(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take what the validation measured, but for the sanity check."""
        if not trainer.sanity_checking:
            self._take(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take what the epoch measured, and stop where that was asked for."""
        self._by_batch = self._by_batch or not any(map(_is_train_loss, trainer.callback_metrics))
        self._take(trainer)
        self._stop_where_asked(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the whole."""
        self.report = self.watch.finish()

    def state_dict(self) -> dict[str, Any]:
        """What goes into the checkpoint."""
        return self.watch.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.watch.load_state_dict(state_dict)

    def _take(self, trainer: Trainer) -> None:
        """Log what the module logged by the epoch."""
        values = {
            name: value
            for name, value in trainer.callback_metrics.items()
            if not name.endswith("_step") and not (self._by_batch and _is_train_loss(name))
        }
        if values:
            self.watch.log(values, step=trainer.global_step - 1, epoch=trainer.current_epoch)

    def _stop_where_asked(self, trainer: Trainer) -> None:
        if trainer.strategy.reduce_boolean_decision(self.watch.should_stop, all=False):
            trainer.should_stop = True


def _is_train_loss(name: str) -> bool:
    facets = roles.parse(name)
    return facets.quantity == "loss" and facets.split in ("", "train")
