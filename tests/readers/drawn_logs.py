"""Draws console logs as people print them: prefixes, separators, names, number forms, layouts and the lines between.

Everything is drawn apart from everything else, so that most logs are of a dialect that nobody has seen; a log comes
with the curves that a person reads in it.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from diagnose.curves import Run

Curves = dict[str, list[float]]
"""Role -> values, in the order of the training."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "train_loss": (
        *("train_loss", "Train Loss", "training loss", "trn_loss", "loss/train", "loss", "Loss", "tr_loss", "avg loss"),
        *("train/loss", "Training Loss", "mean_loss", "epoch loss", "train_ce", "NLL", "L_train", "TrainLoss", "cost"),
        *("average training loss", "Loss_train", "total loss", "train xent"),
    ),
    "val_loss": (
        *("val_loss", "Val Loss", "validation loss", "valid_loss", "eval_loss", "dev loss", "loss/val", "test loss"),
        *("Validation Loss", "Test Loss", "val/loss", "vl_loss", "val_ce", "L_val", "ValLoss", "val cost", "Loss_val"),
        *("Average validation loss", "held-out loss", "val xent", "loss_valid"),
    ),
    "train_accuracy": (
        *("train_acc", "Train Acc", "training accuracy", "acc", "accuracy", "Acc@1", "train_top1", "tr_acc"),
        *("Train Accuracy", "Acc_train", "train/acc", "TrainAcc", "train prec@1", "acc/train"),
    ),
    "val_accuracy": (
        *("val_acc", "Val Acc", "validation accuracy", "valid_acc", "eval_accuracy", "dev acc", "Test Accuracy"),
        *("val_top1", "Acc_val", "val/acc", "ValAcc", "val prec@1", "acc/val", "test_accuracy"),
    ),
    "learning_rate": ("lr", "LR", "learning_rate", "learning rate", "Learning Rate", "lr_0"),
}

ROLES = (
    ("train_loss",),
    ("train_loss", "val_loss"),
    ("train_loss", "val_accuracy"),
    ("train_loss", "val_loss", "val_accuracy"),
    ("train_loss", "train_accuracy", "val_accuracy"),
    ("train_loss", "train_accuracy", "val_loss", "val_accuracy"),
)

PREFIXES: tuple[Callable[[int], str], ...] = (
    lambda i: "",
    lambda i: "",
    lambda i: f"[2024-03-{1 + i % 28:02d} 12:{i % 60:02d}:07] ",
    lambda i: f"2024-03-01 12:{i % 60:02d}:07,123 - INFO - ",
    lambda i: f"03/01/2024 12:{i % 60:02d}:07 - INFO - __main__ -   ",
    lambda i: f"2024-03-01T12:{i % 60:02d}:07.123456789Z ",
    lambda i: f"Mar 01 12:{i % 60:02d}:07 gpu03 python[812]: ",
    lambda i: f"I0301 12:{i % 60:02d}:07.12345 1234 solver.py:228] ",
    lambda i: f"12:{i % 60:02d}:07 | INFO     | __main__:train:87 - ",
    lambda i: f"[INFO|trainer.py:{300 + i % 3}] 2024-03-01 12:00:{i % 60:02d} >> ",
    lambda i: f"[{7.3 * i:9.2f}s] ",
    lambda i: f"[12:{i % 60:02d}:07] ",
    lambda i: "INFO:root:",
    lambda i: "\x1b[32mINFO\x1b[0m ",
    lambda i: "(train_fn pid=4321) ",
    lambda i: "[rank0]: ",
    lambda i: "trainer-1  | ",
    lambda i: "[1,0]<stdout>: ",
    lambda i: "0: ",
    lambda i: ">> ",
)

SIGNS = (": ", " = ", "=", ":", " ", "\t", " : ", ":   ", " is ", " -> ")
SEPARATORS = (", ", " | ", " ", "  ", "; ", " - ", "\t", " || ", " / ", " \u00b7 ")

EPOCHS: tuple[Callable[[int, int], str], ...] = (
    lambda e, n: f"Epoch {e}",
    lambda e, n: f"Epoch {e}/{n}",
    lambda e, n: f"epoch: {e}",
    lambda e, n: f"[{e}/{n}]",
    lambda e, n: f"({e}/{n})",
    lambda e, n: f"Epoch [{e}/{n}]",
    lambda e, n: f"[Epoch {e}]",
    lambda e, n: f"<epoch {e}>",
    lambda e, n: f"epoch={e}",
    lambda e, n: f"Ep {e:03d}",
    lambda e, n: f"ep. {e}",
    lambda e, n: f"E{e}",
    lambda e, n: f"EPOCH {e} of {n}",
    lambda e, n: f"Epoch #{e}",
    lambda e, n: f"Epoch: {e:04d}",
    lambda e, n: f"Epoch({e})",
    lambda e, n: f"=== Epoch {e} ===",
    lambda e, n: f"Finished epoch {e}",
)
STEPS: tuple[Callable[[int, int], str], ...] = (
    lambda e, n: f"it {e}",
    lambda e, n: f"iter {100 * e}",
    lambda e, n: f"step {50 * e}/{50 * n}",
    lambda e, n: f"Iteration {500 * e}",
)
WITHIN: tuple[Callable[[int], str], ...] = (
    lambda s: f"step {s}/300",
    lambda s: f"[{s}/300]",
    lambda s: f"batch {s}",
    lambda s: f"Iter {s}",
    lambda s: f"iter: {s}/300",
)

BETWEEN: tuple[Callable[[int], str], ...] = (
    lambda i: f"Saving checkpoint to ckpt/epoch_{i}.pt",
    lambda i: f"EarlyStopping counter: {i % 4 + 1} out of 5",
    lambda i: "-" * 60,
    lambda i: f"Time elapsed: {33.2 * i:.1f} s",
    lambda i: f"GPU mem: {4 + i % 7 / 9:.2f} GB",
    lambda i: "",
    lambda i: f"new best val: model saved (prev {i})",
    lambda i: f"UserWarning: lr_scheduler.step() called before optimizer.step() ({i})",
    lambda i: f"Elapsed {i // 60:02d}:{i % 60:02d}, ETA 00:{59 - i % 60:02d}:12",
)

HEADS = (("Train: ", "Val: "), ("[train] ", "[val] "), ("Training ", "Validation "), ("TRAIN | ", "VALID | "))
SETTINGS = "Namespace(batch_size=64, epochs=90, seed=42)\nUsing device: cuda:0\nNumber of parameters: 1,234,567"

_TRAINING = ("train_loss", "train_accuracy", "learning_rate")


@dataclass
class Drawn:
    """A log. text: the file. curves: what a person reads in it."""

    text: str
    curves: Curves

    def misread(self, run: Run) -> str:
        """In what a run that was read differs from the curves, up to the digits that the log shows; "" in nothing."""
        for role, wanted in self.curves.items():
            found = run.curve(role)
            if found is None:
                return f"no {role}"
            shown = [found.values, found.values / 100.0]  # a percentage may be read as it stands
            if len(found) != len(wanted) or not any(np.allclose(x, wanted, rtol=0.002, atol=0.002) for x in shown):
                return f"{role} has {len(found)} points from {found.values[0]:g}, not {len(wanted)} from {wanted[0]:g}"
        return ""


def sound(source: random.Random, points: int) -> Curves:
    """The curves of a run that learns."""
    fall = [math.exp(-4 * i / points) for i in range(points)]
    return {
        "train_loss": [round(0.2 + 2.3 * f + source.gauss(0, 0.01), 4) for f in fall],
        "val_loss": [round(0.35 + 2.3 * f + source.gauss(0, 0.02), 4) for f in fall],
        "train_accuracy": [round(1 - 0.85 * f + source.gauss(0, 0.003), 4) for f in fall],
        "val_accuracy": [round(0.95 - 0.85 * f + source.gauss(0, 0.005), 4) for f in fall],
        "learning_rate": [float(f"{1e-3 * (1 - i / (points + 1)):.3g}") for i in range(points)],
    }


class Writer:
    """Everything that was drawn for one log; `LAYOUTS` write with it."""

    def __init__(self, source: random.Random) -> None:
        self.source = source
        self.points = source.choice([8, 12, 20, 40])
        self.roles = source.choice(ROLES) + (("learning_rate",) if source.random() < 0.3 else ())
        every = sound(source, self.points)
        self.curves: Curves = {role: every[role] for role in self.roles}
        self.coarse = every["train_loss"]
        self.names = {role: source.choice(NAMES[role]) for role in self.roles}
        self.separator = source.choice(SEPARATORS)
        self.sign = source.choice([s for s in SIGNS if s.strip() or self.separator.strip()])
        self.digits = source.choice(["{:.4f}"] * 4 + ["{:.4e}", "{}", "{:10.4f}"])
        self.percent = source.choice([None, None, "{:.2f}%", "{:.2f}"])
        self.first = source.choice([0, 1])
        self.prefix = source.choice(PREFIXES)
        self.between = [source.choice(BETWEEN) for _ in range(source.choice([0, 0, 1, 2]))]
        self.head = source.choice(HEADS)
        self.step = source.choice(WITHIN)
        self.bar = source.choice("|\u2502 \t;")
        self.rule = source.choice(["-" * 40, "|---" * (len(self.roles) + 1) + "|"])
        self.label = source.choice(["", "metrics: ", "log: "])
        self.as_json = source.random() < 0.5
        self.names_place = source.choice(EPOCHS)
        self.lines: list[str] = []

    def write(self, i: int, *texts: str) -> None:
        """Lines of the program, at point i."""
        self.lines += [self.prefix(i) + text for text in texts]

    def place(self, i: int) -> str:
        return self.names_place(i + self.first, self.points - 1 + self.first)

    def value(self, role: str, value: float) -> str:
        if role == "learning_rate":
            return f"{value:.3e}"
        if "accuracy" in role and self.percent:
            return self.percent.format(100 * value)
        return self.digits.format(value)

    def pair(self, role: str, i: int, name: str = "") -> str:
        return (name or self.names[role]) + self.sign + self.value(role, self.curves[role][i])

    def joined(self, *parts: str) -> str:
        return self.separator.join(parts)

    def of(self, split: str) -> list[str]:
        """The roles of the log that are measured on a split."""
        return [role for role in self.roles if role.startswith(split)]


def one_line(log: Writer, i: int) -> None:
    log.write(i, log.joined(log.place(i), *(log.pair(role, i) for role in log.roles)))


def two_lines(log: Writer, i: int) -> None:
    held_out = log.of("val")
    log.write(i, log.joined(log.place(i), *(log.pair(role, i) for role in log.roles if role in _TRAINING)))
    if held_out:
        log.write(i, log.joined(log.place(i), *(log.pair(role, i) for role in held_out)))


def announced(log: Writer, i: int) -> None:
    log.write(i, log.place(i), log.joined(*(log.pair(role, i) for role in log.roles)))


def block(log: Writer, i: int) -> None:
    log.write(i, log.place(i), *("  " + log.pair(role, i) for role in log.roles))


def headed(log: Writer, i: int) -> None:
    log.curves.pop("learning_rate", None)
    log.write(i, log.place(i))
    for head, split in zip(log.head, ("train", "val"), strict=True):
        if roles := log.of(split):
            log.write(i, head + log.joined(*(log.pair(role, i, "loss" if "loss" in role else "acc") for role in roles)))


def split_first(log: Writer, i: int) -> None:
    log.curves.pop("learning_rate", None)
    for head, split in zip(log.head, ("train", "val"), strict=True):
        if roles := log.of(split):
            pairs = (log.pair(role, i, role.split("_")[1]) for role in roles)
            log.write(i, log.joined(f"{head.strip('[]: |')} {log.place(i)}", *pairs))


def steps(log: Writer, i: int) -> None:
    if not i:
        log.curves = {"train_loss": []} | {role: log.curves[role] for role in log.of("val")}
    for step in (1, 2, 3):
        loss = round(log.coarse[i] + 0.01 * (3 - step), 4)
        log.curves["train_loss"].append(loss)
        named = "loss" + log.sign + log.value("train_loss", loss)
        log.write(i, log.joined(log.place(i), log.step(100 * step), named))
    if held_out := log.of("val"):
        log.write(i, log.joined(log.place(i), *(log.pair(role, i) for role in held_out)))


def table(log: Writer, i: int) -> None:
    framed = log.bar in "|\u2502"
    names = [name.replace(" ", "_") if log.bar == " " else name for name in log.names.values()]

    def row(*cells: str) -> str:
        text = f" {log.bar} ".join(f"{cell:>12}" for cell in cells)
        return f"{log.bar} {text} {log.bar}" if framed else text

    if not i:
        log.write(i, row("epoch", *names), *([log.rule] if framed else []))
    log.write(i, row(str(i + log.first), *(log.value(role, log.curves[role][i]) for role in log.roles)))


def mapping(log: Writer, i: int) -> None:
    record = {"epoch": i + log.first} | {log.names[role]: log.curves[role][i] for role in log.roles}
    log.write(i, log.label + (json.dumps(record) if log.as_json else str(record)))


LAYOUTS: Mapping[str, Callable[[Writer, int], None]] = {
    layout.__name__: layout
    for layout in (one_line, two_lines, announced, block, headed, split_first, steps, table, mapping)
}


def draw(layout: str, seed: int) -> Drawn:
    """A log of that layout; the seed decides all else."""
    log = Writer(random.Random(f"{layout} {seed}"))
    if layout in ("one_line", "two_lines") and log.source.random() < 0.2:
        log.names_place = log.source.choice(STEPS)
    preamble = [SETTINGS] if log.source.random() < 0.5 else []
    for i in range(log.points):
        LAYOUTS[layout](log, i)
        log.write(i, *(text(i + log.first) for text in log.between))
    return Drawn("\n".join([*preamble, *log.lines]) + "\n", log.curves)
