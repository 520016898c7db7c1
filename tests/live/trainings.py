"""One small training per framework, with a fault where one is asked for; each takes seconds and downloads nothing."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

FAULTS = ("sound", "nan", "rate", "overfit", "frozen")

SAYS = {
    "nan": {"non-finite"},
    "rate": {"non-convergence", "divergence", "oscillation", "loss-spike", "non-finite", "learning-rate-range"},
    "overfit": {"overfitting", "overconfidence", "generalization-gap"},
    "frozen": {"non-convergence", "frozen-metric", "learning-rate-zero"},
}
"""Fault -> the findings of which one is right."""

EPOCHS = 30
NAN_FROM = 10
"""Epoch from which on an input is infinite."""


class Setting(NamedTuple):
    """The data of a training, two classes of points in eight dimensions, and its rate and width."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    rate: float
    width: int


class Trained(NamedTuple):
    """What became of a training. watch: of its callback. epochs: how many it did. report: what it found."""

    watch: Any
    epochs: float
    report: Any


def setting(fault: str) -> Setting:
    """The data and the rate of a fault."""
    rng = np.random.default_rng(0)
    few = fault == "overfit"
    size = 40 if few else 400
    x = rng.normal(size=(size + 400, 8)).astype(np.float32)
    noise = rng.normal(scale=3.0 if few else 0.3, size=size + 400)
    y = (x[:, 0] + x[:, 1] + noise > 0).astype(np.int64)
    rate = {"rate": 300.0, "frozen": 0.0, "overfit": 0.5}.get(fault, 0.1)
    return Setting(x[:size], y[:size], x[size:], y[size:], rate, 256 if few else 16)


def torch_parts(given: Setting) -> tuple[Any, Any, Any]:
    """A network, its optimizer, and the loader of the training data."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = nn.Sequential(nn.Linear(8, given.width), nn.ReLU(), nn.Linear(given.width, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=given.rate, momentum=0.9 if given.width > 16 else 0.0)
    data = TensorDataset(torch.tensor(given.x), torch.tensor(given.y))
    return net, optimizer, DataLoader(data, batch_size=40, shuffle=True)


def poisoned(fault: str, epoch: int, x: Any) -> Any:
    """The inputs of a batch, infinite from `NAN_FROM` on where the fault is that."""
    return x * math.inf if fault == "nan" and epoch >= NAN_FROM else x


def plain(fault: str, **options: Any) -> Trained:
    """A loop of one's own."""
    import torch
    from torch.nn.functional import cross_entropy

    import diagnose

    given = setting(fault)
    net, optimizer, loader = torch_parts(given)
    x_val, y_val = torch.tensor(given.x_val), torch.tensor(given.y_val)
    watch = diagnose.watch(total=EPOCHS, every=1, **options)
    epoch = 0
    for epoch in range(EPOCHS):
        total = torch.zeros(())
        for x, y in loader:
            loss = cross_entropy(net(poisoned(fault, epoch, x)), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        with torch.no_grad():
            val_loss = cross_entropy(net(x_val), y_val)
        watch.log(epoch=epoch, train_loss=total / len(loader), val_loss=val_loss)
        if watch.should_stop:
            break
    return Trained(watch, epoch + 1, watch.finish())


def keras(fault: str, **options: Any) -> Trained:
    """Keras, on the backend that KERAS_BACKEND names."""
    import keras as framework

    from diagnose.integrations.keras import DiagnoseCallback

    given = setting(fault)
    framework.utils.set_random_seed(0)
    layers = [framework.layers.Dense(given.width, activation="relu"), framework.layers.Dense(2)]
    model = framework.Sequential([framework.Input((8,)), *layers])
    sgd = framework.optimizers.SGD(given.rate, momentum=0.9 if given.width > 16 else 0.0)
    model.compile(sgd, framework.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
    callback = DiagnoseCallback(every=1, **options)
    validation = (given.x_val, given.y_val)

    class Poison(framework.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if fault == "nan" and epoch == NAN_FROM:
                self.model.layers[0].set_weights([w * np.nan for w in self.model.layers[0].get_weights()])

    history = model.fit(
        given.x,
        given.y,
        batch_size=40,
        epochs=EPOCHS,
        verbose=0,
        validation_data=validation,
        callbacks=[Poison(), callback],
    )
    return Trained(callback.watch, len(history.epoch), callback.report)


def lightning(fault: str, **options: Any) -> Trained:
    """Lightning."""
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    from diagnose.integrations.lightning import DiagnoseCallback

    given = setting(fault)
    net, optimizer, loader = torch_parts(given)

    class Module(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = cross_entropy(self.net(poisoned(fault, self.current_epoch, batch[0])), batch[1])
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            self.log("val_loss", cross_entropy(self.net(batch[0]), batch[1]))

        def configure_optimizers(self) -> Any:
            return optimizer

    callback = DiagnoseCallback(every=1, **options)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            max_epochs=EPOCHS, accelerator="cpu", callbacks=[callback], default_root_dir=folder,
            enable_checkpointing=False, **quiet,
        )  # fmt: skip
        val = DataLoader(TensorDataset(torch.tensor(given.x_val), torch.tensor(given.y_val)), batch_size=400)
        trainer.fit(Module(), loader, val)
    return Trained(callback.watch, trainer.global_step / len(loader), callback.report)


def transformers(fault: str, **options: Any) -> Trained:
    """The Trainer of Hugging Face, with a network of a few weights."""
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy
    from transformers import Trainer, TrainingArguments

    from diagnose.integrations.transformers import DiagnoseCallback

    given = setting(fault)
    net, optimizer, loader = torch_parts(given)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net
            self.calls = 0

        def forward(self, x: Any, labels: Any) -> dict[str, Any]:
            self.calls += self.training
            output = self.net(poisoned(fault, self.calls // len(loader), x) if self.training else x)
            return {"loss": cross_entropy(output, labels), "logits": output}

    def rows(x: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
        return [{"x": torch.tensor(a), "labels": torch.tensor(b)} for a, b in zip(x, y, strict=True)]

    callback = DiagnoseCallback(every=1, **options)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=EPOCHS, per_device_train_batch_size=40, logging_strategy="epoch",
            eval_strategy="epoch", save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
            per_device_eval_batch_size=400, max_grad_norm=0.0,
        )  # fmt: skip
        still = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
        trainer = Trainer(
            Model(), arguments, train_dataset=rows(given.x, given.y), eval_dataset=rows(given.x_val, given.y_val),
            optimizers=(optimizer, still), callbacks=[callback],
        )  # fmt: skip
        trainer.train()
    return Trained(callback.watch, trainer.state.epoch, callback.report)


def ignite(fault: str, **options: Any) -> Trained:
    """PyTorch-Ignite."""
    import torch
    from ignite.engine import Engine, Events, create_supervised_evaluator
    from ignite.metrics import Loss
    from torch.nn.functional import cross_entropy

    from diagnose.integrations.ignite import attach

    given = setting(fault)
    net, optimizer, loader = torch_parts(given)

    def step(engine: Any, batch: Any) -> float:
        loss = cross_entropy(net(poisoned(fault, engine.state.epoch - 1, batch[0])), batch[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss)

    trainer = Engine(step)
    evaluator = create_supervised_evaluator(net, metrics={"loss": Loss(cross_entropy)})
    held = [(torch.tensor(given.x_val), torch.tensor(given.y_val))]
    watch = attach(trainer, {"val": evaluator}, every=5, **options)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluator.run(held))
    state = trainer.run(loader, max_epochs=EPOCHS)
    return Trained(watch, state.iteration / len(loader), watch.report)


def accelerate(fault: str, **options: Any) -> Trained:
    """Accelerate."""
    import torch
    from accelerate import Accelerator
    from torch.nn.functional import cross_entropy

    from diagnose.integrations.accelerate import DiagnoseTracker

    given = setting(fault)
    tracker = DiagnoseTracker(every=1, total=EPOCHS, **options)
    accelerator = Accelerator(log_with=[tracker], cpu=True)
    accelerator.init_trackers("test", config={"momentum": 0.0})
    net, optimizer, loader = accelerator.prepare(*torch_parts(given))
    x_val, y_val = torch.tensor(given.x_val), torch.tensor(given.y_val)
    epoch = 0
    for epoch in range(EPOCHS):
        losses = []
        for x, y in loader:
            loss = cross_entropy(net(poisoned(fault, epoch, x)), y)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            losses.append(float(loss))
        with torch.no_grad():
            val_loss = float(cross_entropy(net(x_val), y_val))
        accelerator.log({"train_loss": float(np.mean(losses)), "val_loss": val_loss}, step=epoch)
        if tracker.agreed(accelerator):
            break
    accelerator.end_training()
    return Trained(tracker.watch, epoch + 1, tracker.report)


TREES = 60


def _boosted(fault: str) -> tuple[Setting, float, int]:
    given = setting(fault)
    return given, {"rate": 300.0, "frozen": 0.0, "overfit": 0.5}.get(fault, 0.1), 6 if fault == "overfit" else 2


def xgboost(fault: str, **options: Any) -> Trained:
    """XGBoost."""
    import xgboost as framework

    from diagnose.integrations.xgboost import DiagnoseCallback

    given, rate, depth = _boosted(fault)
    train, val = framework.DMatrix(given.x, given.y), framework.DMatrix(given.x_val, given.y_val)
    callback = DiagnoseCallback(every=1, total=TREES, **options)
    model = framework.train(
        {"objective": "binary:logistic", "max_depth": depth, "eta": rate, "nthread": 1, "min_child_weight": 0},
        train,
        TREES,
        evals=[(train, "train"), (val, "val")],
        callbacks=[callback],
        verbose_eval=False,
    )
    return Trained(callback.watch, model.num_boosted_rounds() * EPOCHS / TREES, callback.report)


def lightgbm(fault: str, **options: Any) -> Trained:
    """LightGBM."""
    import lightgbm as framework

    from diagnose.integrations.lightgbm import DiagnoseCallback

    given, rate, depth = _boosted(fault)
    train = framework.Dataset(given.x, given.y)
    val = framework.Dataset(given.x_val, given.y_val, reference=train)
    callback = DiagnoseCallback(every=1, total=TREES, **options)
    model = framework.train(
        {"objective": "binary", "num_leaves": 2**depth, "learning_rate": max(rate, 1e-9), "verbose": -1,
         "num_threads": 1, "min_data_in_leaf": 1},
        train,
        TREES,
        valid_sets=[train, val],
        valid_names=["train", "val"],
        callbacks=[callback],
    )  # fmt: skip
    return Trained(callback.watch, model.current_iteration() * EPOCHS / TREES, callback.report)


NETWORKS: dict[str, Callable[..., Trained]] = {
    "keras": keras,
    "lightning": lightning,
    "transformers": transformers,
    "ignite": ignite,
    "accelerate": accelerate,
}
"""Frameworks of networks, by the name of what is imported."""

BOOSTINGS: dict[str, Callable[..., Trained]] = {"xgboost": xgboost, "lightgbm": lightgbm}
