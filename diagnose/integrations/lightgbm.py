"""Judges a boosting with LightGBM.

    callback = DiagnoseCallback()
    lightgbm.train(params, train, valid_sets=[train, val], valid_names=["train", "val"], callbacks=[callback])
    callback.report

Checked with LightGBM 4.7.
"""

from __future__ import annotations

from typing import Any

import lightgbm

from diagnose.live import Watch
from diagnose.report import Report


class DiagnoseCallback:
    """options: those of `diagnose.watch`. report: what it found when the training is over.

    LightGBM calls it after each round, and before callbacks that stop the training early.
    """

    order = 20
    before_iteration = False

    def __init__(self, **options: Any) -> None:
        self.watch = Watch(**options)

    @property
    def report(self) -> Report:
        """What was found, with the rounds so far."""
        return self.watch.finish()

    def __call__(self, env: Any) -> None:
        """Take what the round measured; raise LightGBM's EarlyStopException where the training is to stop."""
        results = env.evaluation_result_list or []
        self.watch.log({f"{data}/{name}": value for data, name, value, *_ in results}, iteration=env.iteration)
        if self.watch.should_stop:
            raise lightgbm.callback.EarlyStopException(env.iteration, results)
