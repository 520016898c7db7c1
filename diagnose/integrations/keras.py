"""Judges a Keras training on any backend, and logs it to an active W&B run as `WandbMetricsLogger` does.

    model.fit(x, y, validation_data=(a, b), callbacks=[DiagnoseCallback()])

W&B's own callback imports TensorFlow; this one runs with torch and JAX as well. Checked with Keras 3.15.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any, Literal

import keras

from diagnose.live import Watch
from diagnose.report import Report


class DiagnoseCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """options: those of `diagnose.watch`; its `total` is taken from `fit`.

    log_freq: "epoch", "batch", or batches between two rows of `batch/...` in W&B; `epoch/...` is written in any case.
    initial_global_step: where `batch/batch_step` begins, for a training that goes on.
    watch, report: the watch while it trains, and what it found when the training is over.
    """

    def __init__(
        self, *, log_freq: Literal["epoch", "batch"] | int = "epoch", initial_global_step: int = 0, **options: Any
    ) -> None:
        super().__init__()
        self.watch = Watch(**options)
        self.report: Report | None = None
        self.log_freq = 1 if log_freq == "batch" else log_freq
        self.global_step = initial_global_step
        self._epoch = 0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Learn how long the training is to be, and tell W&B which axis is whose."""
        self.watch.total = self.watch.total or self.params.get("epochs")
        run = _wandb_run()
        if run is not None:
            for kind, axis in (("epoch", "epoch/epoch"), ("batch", "batch/batch_step")):
                run.define_metric(axis)
                run.define_metric(f"{kind}/*", step_metric=axis)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note which epoch it is."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log to W&B, and look at a loss that is not finite. The values are means over the epoch so far."""
        values = dict(logs or {})
        self.global_step += 1
        if isinstance(self.log_freq, int) and batch % self.log_freq == 0:
            _to_wandb("batch", "batch_step", self.global_step - 1, {**values, **self._learning_rate()})
        loss = values.get("loss", 0.0)
        if not math.isfinite(loss):
            self.watch.check(epoch=self._epoch, batch_loss=loss)
            self._stop_where_asked()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Log and judge what the epoch measured."""
        values = {**(logs or {}), **self._learning_rate()}
        _to_wandb("epoch", "epoch", epoch, values)
        self.watch.log(values, epoch=epoch)
        self._stop_where_asked()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Judge the whole."""
        self.report = self.watch.finish()

    def _stop_where_asked(self) -> None:
        if self.watch.should_stop:
            self.model.stop_training = True

    def _learning_rate(self) -> dict[str, float]:
        """The learning rate; nothing where the optimizer has none."""
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        try:
            return {"learning_rate": float(keras.ops.convert_to_numpy(rate))}
        except Exception:
            return {}


def _wandb_run() -> Any:
    return getattr(sys.modules.get("wandb"), "run", None)


def _to_wandb(kind: str, axis: str, place: int, values: Mapping[str, Any]) -> None:
    """Log `kind/name` over `kind/axis` to the active run of W&B; nothing where there is none."""
    run = _wandb_run()
    if run is not None:
        run.log({**{f"{kind}/{name}": value for name, value in values.items()}, f"{kind}/{axis}": place})
