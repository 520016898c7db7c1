"""Judges a training with the Trainer of Hugging Face, or one of TRL.

    trainer = Trainer(..., callbacks=[DiagnoseCallback()])

Checked with transformers 5.24 and TRL 1.16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from diagnose.live import Watch
from diagnose.report import Report


class DiagnoseCallback(TrainerCallback, ExportableState):  # type: ignore[misc]
    """options: those of `diagnose.watch`; its `total` is taken from the trainer.

    watch, report: the watch while it trains, and what it found when the training is over. The state goes into the
    checkpoint, and comes back with `resume_from_checkpoint`.
    """

    def __init__(self, **options: Any) -> None:
        self.watch = Watch(**options)
        self.report: Report | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Learn the rank and the length of the training, and go on from what a checkpoint holds."""
        self.watch.rank = args.process_index
        self.watch.total = self.watch.total or (state.max_steps if state.max_steps > 0 else None)
        kept = (state.stateful_callbacks or {}).get(type(self).__name__)
        kept = kept[0] if isinstance(kept, list) and kept else kept
        if state.global_step > 0 and isinstance(kept, Mapping) and "watch" in kept:
            self.watch.load_state_dict(kept["watch"])

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Take what is logged, which every rank is told at the same step; stop where that was asked for, on all."""
        if logs and "train_runtime" not in logs:  # the summary at the end
            self.watch.log(logs, step=state.global_step)
        if _any_rank(self.watch.should_stop, args):
            control.should_training_stop = True

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Judge the whole."""
        self.report = self.watch.finish()

    def state(self) -> dict[str, Any]:
        """What goes into the checkpoint; `on_train_begin` goes on from it."""
        return {"args": {}, "attributes": {}, "watch": self.watch.state_dict()}


def _any_rank(wanted: bool, args: TrainingArguments) -> bool:
    """Whether any rank wants it; all must ask."""
    if args.world_size == 1 or not torch.distributed.is_initialized():
        return wanted
    flag = torch.tensor(float(wanted), device=args.device)
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
    return bool(flag.item())
