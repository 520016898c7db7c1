"""Trainings that are broken off half-way and go on from their checkpoint, in a new callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.live import trainings

EPOCHS = 12


def lightning(folder: Path) -> int:
    """The points of the run that Lightning's second half reports."""
    from lightning.pytorch import LightningModule, Trainer
    from torch.nn.functional import cross_entropy

    from diagnose.integrations.lightning import DiagnoseCallback

    net, optimizer, loader = trainings.torch_parts(trainings.setting("sound"))

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = cross_entropy(self.net(batch[0]), batch[1])
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def configure_optimizers(self) -> Any:
            return optimizer

    def trainer(epochs: int, callback: Any) -> Any:
        return Trainer(
            max_epochs=epochs, accelerator="cpu", callbacks=[callback], default_root_dir=folder, logger=False,
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        )  # fmt: skip

    first = trainer(EPOCHS - 4, DiagnoseCallback())
    first.fit(Module(), loader)
    first.save_checkpoint(folder / "half.ckpt")
    callback = DiagnoseCallback()
    trainer(EPOCHS, callback).fit(Module(), loader, ckpt_path=str(folder / "half.ckpt"))
    assert callback.report is not None
    return callback.report.diagnoses[0].run.points


def transformers(folder: Path) -> int:
    """The points of the run that the second half of a Hugging Face training reports."""
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy
    from transformers import Trainer, TrainerCallback, TrainingArguments

    from diagnose.integrations.transformers import DiagnoseCallback

    given = trainings.setting("sound")

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(8, 2)

        def forward(self, x: Any, labels: Any) -> dict[str, Any]:
            output = self.net(x)
            return {"loss": cross_entropy(output, labels), "logits": output}

    class Broken(TrainerCallback):  # type: ignore[misc]
        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_training_stop = state.epoch >= EPOCHS / 2

    rows = [{"x": torch.tensor(a), "labels": torch.tensor(b)} for a, b in zip(given.x, given.y, strict=True)]

    def trainer(*callbacks: Any) -> Any:
        arguments = TrainingArguments(
            str(folder), num_train_epochs=EPOCHS, per_device_train_batch_size=40, logging_strategy="epoch",
            save_strategy="epoch", report_to=[], use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        return Trainer(Model(), arguments, train_dataset=rows, callbacks=list(callbacks))

    trainer(DiagnoseCallback(), Broken()).train()
    callback = DiagnoseCallback()
    trainer(callback).train(resume_from_checkpoint=True)
    assert callback.report is not None
    return callback.report.diagnoses[0].run.points
