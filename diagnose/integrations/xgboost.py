"""Judges a boosting with XGBoost.

    callback = DiagnoseCallback()
    xgboost.train(params, train, evals=[(train, "train"), (val, "val")], callbacks=[callback])
    callback.report

Checked with XGBoost 3.2.
"""

from __future__ import annotations

from typing import Any

import xgboost

from diagnose.live import Watch
from diagnose.report import Report


class DiagnoseCallback(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """options: those of `diagnose.watch`. report: what it found when the training is over."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.watch = Watch(**options)
        self.report: Report | None = None

    def before_training(self, model: Any) -> Any:
        """Learn the rank: every worker is told the same values, so that one judges for all."""
        self.watch.rank = xgboost.collective.get_rank()
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, dict[str, Any]]) -> bool:
        """Take what the round measured; True stops the training."""
        found = {f"{data}/{name}": _last(values) for data, log in evals_log.items() for name, values in log.items()}
        self.watch.log(found, iteration=epoch)
        if xgboost.collective.get_world_size() > 1:
            return bool(xgboost.collective.broadcast(self.watch.should_stop, 0))
        return self.watch.should_stop

    def after_training(self, model: Any) -> Any:
        """Judge the whole."""
        self.report = self.watch.finish()
        return model


def _last(values: Any) -> float:
    """The last value; of cross-validation, the mean without its deviation."""
    last = values[-1]
    return float(last[0] if isinstance(last, tuple) else last)
