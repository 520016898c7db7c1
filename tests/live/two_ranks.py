"""One of two processes that train together: `torchrun two_ranks.py FRAMEWORK FOLDER`; writes the steps that it did.

The input of rank 1 becomes infinite at step 40 of 120. Its loss is NaN then, and so are the weights of both.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

STEPS, BAD = 120, 40
RANK = int(os.environ["RANK"])

torch.manual_seed(0)
X = torch.randn(2 * 40 * 12, 8)
Y = (X[:, 0] > 0).long()


def spoiled(x: Any, step: int) -> Any:
    return x * math.inf if step >= BAD and RANK == 1 else x


def lightning(folder: Path) -> int:
    from lightning.pytorch import LightningModule, Trainer

    from diagnose.integrations.lightning import DiagnoseCallback

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(8, 2)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = cross_entropy(self.net(spoiled(batch[0], self.global_step)), batch[1])
            self.log("train_loss", loss, on_step=False, on_epoch=True, sync_dist=True)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    trainer = Trainer(
        max_steps=STEPS, accelerator="cpu", devices=2, strategy="ddp", callbacks=[DiagnoseCallback(on_error="stop")],
        default_root_dir=folder, logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, log_every_n_steps=4, use_distributed_sampler=True,
    )  # fmt: skip
    trainer.fit(Module(), DataLoader(TensorDataset(X, Y), batch_size=40))
    return int(trainer.global_step)


def transformers(folder: Path) -> int:
    from transformers import Trainer, TrainingArguments

    from diagnose.integrations.transformers import DiagnoseCallback

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(8, 2)
            self.calls = 0

        def forward(self, x: Any, labels: Any) -> dict[str, Any]:
            output = self.net(spoiled(x, self.calls))
            self.calls += 1
            return {"loss": cross_entropy(output, labels), "logits": output}

    rows = [{"x": a, "labels": b} for a, b in zip(X, Y, strict=True)]
    arguments = TrainingArguments(
        str(folder), max_steps=STEPS, per_device_train_batch_size=40, logging_steps=2, save_strategy="no", report_to=[],
        use_cpu=True, disable_tqdm=True, logging_nan_inf_filter=False, ddp_backend="gloo",
    )  # fmt: skip
    trainer = Trainer(Model(), arguments, train_dataset=rows, callbacks=[DiagnoseCallback(on_error="stop")])
    trainer.train()
    return int(trainer.state.global_step)


def accelerate(folder: Path) -> int:
    from accelerate import Accelerator

    from diagnose.integrations.accelerate import DiagnoseTracker

    tracker = DiagnoseTracker(on_error="stop")
    accelerator = Accelerator(log_with=[tracker], cpu=True)
    accelerator.init_trackers("test")
    net = nn.Linear(8, 2)
    loader = DataLoader(TensorDataset(X, Y), batch_size=40)
    net, optimizer, loader = accelerator.prepare(net, torch.optim.SGD(net.parameters(), lr=0.1), loader)
    step = 0
    while step < STEPS:
        for x, y in loader:
            loss = cross_entropy(net(spoiled(x, step)), y)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            accelerator.log({"train_loss": float(loss)}, step=step)
            step += 1
            if tracker.agreed(accelerator):
                accelerator.end_training()
                return step
    accelerator.end_training()
    return step


def ignite(folder: Path) -> int:
    import ignite.distributed as idist
    from ignite.engine import Engine

    from diagnose.integrations.ignite import attach

    done = 0
    with idist.Parallel(backend="gloo") as parallel:

        def run(_: int) -> None:
            nonlocal done
            net = idist.auto_model(nn.Linear(8, 2))
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

            def step(engine: Any, batch: Any) -> Any:
                loss = cross_entropy(net(spoiled(batch[0], engine.state.iteration)), batch[1])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                return loss

            trainer = Engine(step)
            attach(trainer, on_error="stop")
            loader = DataLoader(TensorDataset(X, Y), batch_size=80)
            done = trainer.run(loader, max_epochs=STEPS // len(loader)).iteration

        parallel.run(run)
    return done


if __name__ == "__main__":
    name, folder = sys.argv[1], Path(sys.argv[2])
    trained = {"lightning": lightning, "transformers": transformers, "accelerate": accelerate, "ignite": ignite}
    steps = trained[name](folder)
    (folder / f"rank{RANK}.txt").write_text(str(steps))
