"""Judges a training with Accelerate: a tracker beside the others.

    tracker = DiagnoseTracker(on_error="stop")
    accelerator = Accelerator(log_with=[tracker])
    accelerator.init_trackers("run", config=config)
    ...
        accelerator.log({"train_loss": loss}, step=step)
        if tracker.agreed(accelerator):
            break
    accelerator.end_training()
    tracker.report

Checked with Accelerate 1.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker

from diagnose.live import Watch
from diagnose.report import Report


class DiagnoseTracker(GeneralTracker):  # type: ignore[misc]
    """options: those of `diagnose.watch`. report: what it found when the training is over."""

    name = "diagnose"
    requires_logging_directory = False
    main_process_only = True

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.watch = Watch(**options)
        self.report: Report | None = None

    @property
    def tracker(self) -> Watch:
        """The watch."""
        return self.watch

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Take the hyperparameters of the run."""
        self.watch.configure(values)

    def log(self, values: Mapping[str, Any], step: int | None = None, **_: Any) -> None:
        """Take what is logged; Accelerate calls it on the main process alone."""
        self.watch.log(values if step is None else {**values, "step": step})

    def finish(self) -> None:
        """Judge the whole."""
        self.report = self.watch.finish()

    def agreed(self, accelerator: Accelerator) -> bool:
        """Whether the training is to stop; every process asks at the same step, and all are told the same."""
        if self.watch.should_stop:
            accelerator.set_trigger()
        return bool(accelerator.check_trigger())

    def state_dict(self) -> dict[str, Any]:
        """For `accelerator.register_for_checkpointing(tracker)`."""
        return self.watch.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.watch.load_state_dict(state)
