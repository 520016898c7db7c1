"""Plain text logs: many trainers' ways to print, and what must not be taken for a point."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import diagnose.readers
from diagnose.curves import Run
from diagnose.errors import ReadError
from diagnose.readers import tables
from diagnose.readers.formats import text_log
from diagnose.readers.formats.log_line import parse_line
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table
from tests.manifest import of_manifest


def read(text: str) -> Table:
    (table,) = tables(BytesIO(text.encode()))
    assert table.format == "text-log"
    return table


def curve(table: Table, name: str, axis: str = "") -> dict[float, float]:
    """Place -> value of one column."""
    logged = table.columns[name].logged
    places = table.columns[axis or table.axis or ""].values[logged].tolist()
    return dict(zip(places, table.columns[name].values[logged].tolist(), strict=True))


def runs(text: str) -> list[Run]:
    return diagnose.readers.read(BytesIO(text.encode()))


def recognised(text: str) -> bool:
    return text_log.recognise(Document("log", data=text.encode()))


# --- one line ---------------------------------------------------------------------------------------------------------


NAN, INF = math.nan, math.inf
LINES: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "Epoch: 1/2.. Training Loss: 0.5.. Test Loss: 0.4": ({"epoch": 1}, {"Training Loss": 0.5, "Test Loss": 0.4}),
    "Epoch 1/9 - Loss: 0.5 (train) 0.6 (val)": ({"epoch": 1}, {"train Loss": 0.5, "val Loss": 0.6}),
    "[ Info: epoch 3: test loss = 5.0f-1": ({"epoch": 3}, {"test loss": 0.5}),
    "\U0001f680 Epoch 3 | \U0001f4c9 Train Loss: 0.5 | \u2705 Val Acc: 75%": (
        {"epoch": 3},
        {"Train Loss": 0.5, "Val Acc": 75.0},
    ),
    "INFO:tensorflow:Saving dict for global step 90: loss = 0.5": ({"step": 90}, {"eval loss": 0.5}),
    "[Epoch 3] train: 0.5 / 0.2  valid: 0.6 / 0.1": ({"epoch": 3}, {"train": 0.5, "valid": 0.6}),
    "Epoch 3: perda total (loss) = 0.5": ({"epoch": 3}, {"loss": 0.5}),
    "PERFORMANCE ON TEST SET: Batch Loss = 0.5": ({}, {"TEST Batch Loss": 0.5}),
    "batch step: 3, loss: 0.5": ({"step": 3}, {"loss": 0.5}),
    "Losses {'ner': 0.5}": ({}, {"Losses ner": 0.5}),
    "epoch 3 test accuracy: 24.24%, (597769/2466093)": ({"epoch": 3}, {"test accuracy": 24.24}),
    "Epoch 3/10, Train Loss: 0.5": ({"epoch": 3}, {"Train Loss": 0.5}),
    "Epoch 1/2, step 10/542, loss = 0.0296": ({"epoch": 1, "step": 10}, {"loss": 0.0296}),
    "Epoch [1][50/7330]\tlr: 2.5e-03, loss: 1.2": ({"epoch": 1, "step": 50}, {"lr": 0.0025, "loss": 1.2}),
    "[1/5][20/300] G: 1.7 D(G(z)): 0.5 / 0.01": ({"epoch": 1, "step": 20}, {"G": 1.7, "D(G(z))": 0.5}),
    "[1,  2000] loss: 2.187": ({"epoch": 1, "step": 2000}, {"loss": 2.187}),
    "2019-06-11 13:45:02,441 epoch 1 - iter 0/149 - loss 0.7": ({"epoch": 1, "step": 0}, {"loss": 0.7}),
    "{'loss': 6.5, 'learning_rate': 5e-07, 'epoch': 0.2}": ({"epoch": 0.2}, {"loss": 6.5, "learning_rate": 5e-7}),
    "{'loss': '-0.06', 'kl/mean': 'nan', 'epoch': '0.5'}": ({"epoch": 0.5}, {"loss": -0.06, "kl/mean": NAN}),
    "iter 0: loss 10.98, time 24.1ms, mfu -100.00%": ({"step": 0}, {"loss": 10.98, "mfu": -100.0}),
    "step 250: train loss 2.4, val loss 2.5": ({"step": 250}, {"train loss": 2.4, "val loss": 2.5}),
    "step:0/10 step_avg:nanms val_loss:10.8": ({"step": 0}, {"val_loss": 10.8}),
    "Epoch 1 | Train Loss: 3.2 Acc: 31% | Val Loss: 2.0 Acc: 55%": (
        {"epoch": 1},
        {"Train Loss": 3.2, "Train Acc": 31.0, "Val Loss": 2.0, "Val Acc": 55.0},
    ),
    "train_loss=1, acc=2, val_loss=3, acc=4, lr=5": (
        {},
        {"train_loss": 1.0, "train_acc": 2.0, "val_loss": 3.0, "val_acc": 4.0, "lr": 5.0},
    ),
    "Loss: 1, Val_Loss: 2, Accuracy: 3, Val_Accuracy: 4": (
        {},
        {"Loss": 1.0, "Val_Loss": 2.0, "Accuracy": 3.0, "Val_Accuracy": 4.0},
    ),
    "DEV : loss 0.23 - score 0.8115": ({}, {"DEV loss": 0.23, "DEV score": 0.8115}),
    "| epoch 001 | valid on 'valid' subset | loss 8.9 | num_updates 40": (
        {"epoch": 1, "step": 40},
        {"valid loss": 8.9},
    ),
    "Test set: Average loss: 0.05, Accuracy: 9837/10000 (98%)": (
        {},
        {"Test Average loss": 0.05, "Test Accuracy": 0.9837},
    ),
    "Heldout: loss 0.05, accuracy 0.98": ({}, {"Heldout loss": 0.05, "Heldout accuracy": 0.98}),
    "\x1b[32m[2025-10-20 22:31:30 a]\x1b[0m(m.py 190): INFO Train: [3/50]\tloss 1.7 (1.9)": (
        {"count": 3},
        {"loss": 1.7},
    ),
    "epoch 2 loss tensor(0.5, device='cuda:0') val_loss nan": ({"epoch": 2}, {"loss": 0.5, "val_loss": NAN}),
    "step 1,000 | loss -inf": ({"step": 1000}, {"loss": -INF}),
    "I0101 12:00:00.123456  4321 solver.cpp:228] Iteration 100, loss = 0.5": ({"step": 100}, {"loss": 0.5}),
    "LOSS train 0.5 valid 0.6": ({}, {"LOSS train": 0.5, "LOSS valid": 0.6}),
    "resnet18 Epoch 3: Loss = 0.4": ({"epoch": 3}, {"Loss": 0.4}),
    "Best Epoch: 3, loss 0.4": ({}, {"Best Epoch": 3.0, "loss": 0.4}),
    ">> eval @ step 500: loss 2.1": ({"step": 500}, {"eval loss": 2.1}),
    "Training loss (for one batch) at step 200: 0.5": ({"step": 200}, {"Training loss": 0.5}),
    " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.345": (
        {},
        {"val AP @0.50_0.95": 0.345},
    ),
    " Average Recall     (AR) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = 0.4": (
        {},
        {"val AR_small_100 @0.50_0.95": 0.4},
    ),
    "TRAIN in epoch 0 , step 50, loss = 3.5": ({"epoch": 0, "step": 50}, {"loss": 3.5}),
    "(epoch: 11, iters: 100, time: 1.283) , D_A: 0.057, G_A: 0.517": (
        {"epoch": 11, "step": 100},
        {"time": 1.283, "D_A": 0.057, "G_A": 0.517},
    ),
    "train/val loss: 0.5 / 0.6": ({}, {"train loss": 0.5, "val loss": 0.6}),
    "Epoch 2: acc (train/val): 51%/49%": ({"epoch": 2}, {"train acc": 51.0, "val acc": 49.0}),
    "time=2023-01-01T10:00:00Z level=info msg=train epoch=3 loss=0.4": ({"epoch": 3}, {"loss": 0.4}),
    "INFO valid: {'epoch': 3, 'loss': 0.5}": ({"epoch": 3}, {"valid loss": 0.5}),
    "{'train': {'loss': 0.5}, 'val': {'loss': 0.4}}": ({}, {"loss": 0.5, "val loss": 0.4}),
    "Epoch(val) [2][50/50]  coco/bbox_mAP: 0.3": ({"epoch": 2, "step": 50}, {"val coco/bbox_mAP": 0.3}),
}


@pytest.mark.parametrize("text", LINES)
def test_lines(text: str):
    places, values = LINES[text]
    line = parse_line(text)
    assert line is not None
    assert line.places == places
    assert {name: value for name, (value, _) in line.values.items()} == pytest.approx(values, nan_ok=True, abs=0)


@pytest.mark.parametrize(
    "text",
    [
        "2021-11-25 00:05:49.052091",
        "Downloading https://example.org/v1.2.3/model-2.bin from 192.168.0.1",
        '  File "/usr/lib/python3.11/train.py", line 12, in main',
        "Saving model to ckpt_12.pt took 3.5s",
        "",
        "loss",
        "wandb:   train_loss 0.5",
    ],
)
def test_lines_without_points(text: str):
    line = parse_line(text)
    assert line is None or not line.values


def test_a_running_average_is_kept_beside_the_batch_and_is_what_a_validation_line_is_worth():
    train = parse_line("Train: [3/50] loss 1.75 (1.96) Acc@1 37.5 (24.31)")
    assert train is not None
    assert train.averages == {"loss_avg": 1.96, "Acc@1_avg": 24.31}
    validation = parse_line("Test: [3/50] Loss 1.75 (1.96)")
    assert validation is not None
    assert validation.values == {"Test Loss": (1.96, False)}


# --- one trainer's log ------------------------------------------------------------------------------------------------


def keras(epoch: int, states: Callable[[int, str], str]) -> str:
    rest = f"loss: {1 / epoch:.4f} - accuracy: {0.5 + epoch / 20:.4f}"
    last = f"{rest} - val_loss: {1.5 / epoch:.4f} - val_accuracy: {0.4 + epoch / 20:.4f}"
    running = "".join(states(k, f"loss: {1 / epoch + 1 / k:.4f} - accuracy: 0.1000") for k in (1, 7, 12))
    return f"Epoch {epoch}/6\n{running}{states(12, last)}\n"


@pytest.mark.parametrize(
    "state",
    [
        lambda k, values: f"\r{k:2d}/12 [{'=' * k}>{'.' * (12 - k)}] - ETA: 3s - {values}",
        lambda k, values: "\b" * 60 + f"\r{k:2d}/12 [{'=' * k}] - 1s 5ms/step - {values}",
        lambda k, values: (
            f"\r\x1b[1m{k}/12\x1b[0m \x1b[32m{'━' * k}\x1b[0m\x1b[37m{'━' * (12 - k)}\x1b[0m 1s 5ms/step - {values}"
        ),
        lambda k, values: f"{k:2d}/12 [{'=' * k}>{'.' * (12 - k)}] - ETA: 3s - {values}\n",
    ],
    ids=["carriage-return", "backspace", "keras-3", "captured"],
)
def test_keras_keeps_the_last_state_of_each_bar(state: Callable[[int, str], str]):
    table = read("".join(keras(epoch, state) for epoch in range(1, 7)))
    assert table.axis == "epoch"
    assert table.rows == 6
    assert curve(table, "loss") == {e: float(f"{1 / e:.4f}") for e in range(1, 7)}
    assert curve(table, "val_accuracy") == {e: float(f"{0.4 + e / 20:.4f}") for e in range(1, 7)}


def test_keras_one_line_per_epoch_and_its_checkpoint_messages():
    text = "".join(
        f"Epoch {e}/8\n100/100 - 2s - loss: {1 / e:.4f} - val_loss: {2 / e:.4f} - 2s/epoch - 20ms/step\n"
        f"\nEpoch {e:05d}: val_loss improved from {2.5 / e:.5f} to {2 / e:.5f}, saving model to best.h5\n"
        for e in range(1, 9)
    )
    table = read(text)
    assert list(table.columns) == ["epoch", "loss", "val_loss"]
    assert list(curve(table, "val_loss")) == list(range(1, 9))


def test_lightning_bars():
    def bar(name: str, k: int, rest: str) -> str:
        return f"\r{name}: {k:3d}%|{'█' * (k // 10)}{' ' * (10 - k // 10)}| {k}/100 [00:01<00:01, 35.53it/s{rest}]"

    text = "".join(
        "".join(bar(f"Epoch {e}", k, f", v_num=0, train_loss={1 / (e + 1) + (100 - k):.3f}") for k in (0, 50, 100))
        + bar("Validation DataLoader 0", 100, "")
        + bar(f"Epoch {e}", 100, f", v_num=0, train_loss={1 / (e + 1):.3f}, val_loss={2 / (e + 1):.3f}")
        for e in range(6)
    )
    table = read(text)
    assert list(table.columns) == ["epoch", "train_loss", "val_loss"]
    assert curve(table, "train_loss") == {e: round(1 / (e + 1), 3) for e in range(6)}


def test_one_bar_over_the_whole_training():
    text = "".join(
        f"\r {k:3d}%|{'█' * (k // 10)}| {k * 10}/1000 [00:10<00:20, 4.1it/s, loss={3 - k / 50:.3f}]"
        for k in range(0, 101, 5)
    )
    table = read(text)
    assert curve(table, "loss") == {k * 10: round(3 - k / 50, 3) for k in range(0, 101, 5)}


def test_nanogpt():
    text = "number of parameters: 123.59M\n"
    for i in range(0, 501, 10):
        if i % 100 == 0:
            text += f"step {i}: train loss {9 - i / 100:.4f}, val loss {9.5 - i / 100:.4f}\n"
        text += f"iter {i}: loss {9 - i / 100:.4f}, time {24 + i % 7:.2f}ms, mfu -100.00%\n"
    table = read(text)
    assert table.axis == "step"
    assert curve(table, "val loss") == {i: round(9.5 - i / 100, 4) for i in range(0, 501, 100)}
    assert len(curve(table, "loss")) == 51


def test_fairseq():
    text = "".join(
        f"| epoch {e:03d} | loss {10 - e:.3f} | ppl {500 / e:.2f} | num_updates {e * 400} | lr 0.0001 | clip 0.000\n"
        f"| epoch {e:03d} | valid on 'valid' subset | loss {11 - e:.3f} | ppl {600 / e:.2f} | num_updates {e * 400}\n"
        f"| saved checkpoint checkpoint{e}.pt (epoch {e} @ {e * 400} updates) (writing took 3.5 seconds)\n"
        for e in range(1, 9)
    )
    table = read(text)
    assert curve(table, "loss") == {e * 400: 10 - e for e in range(1, 9)}
    assert curve(table, "valid loss") == {e * 400: 11 - e for e in range(1, 9)}


def test_timm_keeps_the_last_average_of_each_validation():
    text = "".join(
        "".join(
            f"Train: {e} [{b:4d}/101 ({b:3d}%)]  Loss: {7 - e:#.4g} ({7.5 - e:#.4g})  Time: 0.4s, 9.0/s  LR: 1e-03\n"
            for b in (0, 50, 100)
        )
        + "".join(
            f"Test: [{b:4d}/40]  Time: 0.2 (0.3)  Loss: 9.0 ({6 - e + b:.4f})  Acc@1: 5.0 ({e + b:.2f})\n"
            for b in (0, 40)
        )
        for e in range(6)
    )
    table = read(text)
    assert table.axis == "step"
    assert list(curve(table, "Loss"))[:5] == [0, 50, 100, 101, 151]
    assert list(curve(table, "Test Loss").values()) == [46 - e for e in range(6)]
    assert curve(table, "Test Acc@1", "epoch") == {e: e + 40 for e in range(6)}


def test_a_starred_line_sums_up_the_validation_before_it():
    text = "".join(
        "".join(f"Epoch: [{e}][{b:4d}/25]\tTime  0.5 ( 0.9)\tLoss {7 - e:.4e} ({7 - e:.4e})\n" for b in (0, 10, 20))
        + "".join(f"Test: [{b:3d}/12]\tLoss {7 - e:.4e} ({8 - e:.4e})\tAcc@1   1.0 (  1.5)\n" for b in (0, 10))
        + f" * Acc@1 {e + 0.65:.3f} Acc@5 {5 * e:.3f}\n"
        for e in range(6)
    )
    table = read(text)
    assert curve(table, "Test Acc@1", "epoch") == {e: round(e + 0.65, 3) for e in range(6)}
    assert curve(table, "Test Loss", "epoch") == {e: 8 - e for e in range(6)}
    assert curve(table, "Test Acc@5", "epoch") == {e: 5 * e for e in range(6)}


def test_steps_that_restart_every_epoch_count_through():
    text = "".join(
        f"Epoch {e}/3, step {s}/542, loss = {1 / (e + s):.4f}\n" for e in (1, 2, 3) for s in range(100, 542, 100)
    )
    table = read(text)
    assert table.axis == "step"
    assert list(curve(table, "loss")) == [(e - 1) * 542 + s for e in (1, 2, 3) for s in range(100, 542, 100)]
    assert sorted(set(table.columns["epoch"].values)) == [1, 2, 3]


def test_the_mean_that_closes_an_epoch_is_a_column_of_its_own():
    text = "".join(
        "".join(f"Epoch [{e}/5], Batch [{b}/30], Loss: {1 / (e + b):.4f}\n" for b in (10, 20, 30))
        + f"Epoch [{e}/5], Loss: {1 / e:.4f}\n"
        for e in range(1, 6)
    )
    table = read(text)
    assert len(curve(table, "Loss")) == 15
    assert curve(table, "Loss_epoch", "epoch") == {e: round(1 / e, 4) for e in range(1, 6)}


def test_the_line_that_closes_an_epoch_tells_which_one_the_steps_before_were_of():
    text = "".join(
        "".join(f"Batch {b}/300 - loss: {1 / (e + b):.6f}\n" for b in (100, 200, 300))
        + f"Epoch {e} - train loss: {1 / e:.4f} - val loss: {2 / e:.4f}\n"
        for e in range(1, 7)
    )
    table = read(text + "Batch 100/300 - loss: 0.5\n")
    assert list(curve(table, "loss", "step")) == [100 * i for i in range(1, 20)]
    assert list(curve(table, "val loss", "step")) == [300 * e for e in range(1, 7)]
    assert curve(table, "train loss", "epoch") == {e: round(1 / e, 4) for e in range(1, 7)}


def test_an_epoch_that_a_line_names_beside_the_learning_rate_holds_for_those_below():
    text = "".join(
        f"epoch {e} lr {0.1 / (e + 1):.4e}\ntrain_acc {50 + e}.25\nvalid_acc {40 + e}.25\n" for e in range(8)
    )
    table = read(text)
    assert table.axis == "epoch"
    assert curve(table, "valid_acc") == {e: 40.25 + e for e in range(8)}


def test_a_bar_that_is_shorter_than_the_training_is_an_evaluation():
    text = "".join(
        f"Epoch {e}/6\n100/100 [====] - 5s 50ms/step - loss: {1 / e:.4f} - val_loss: {2 / e:.4f}\n" for e in range(1, 7)
    )
    table = read(text + "20/20 [====] - 1s 20ms/step - loss: 0.9912\nTest accuracy: 0.7\n")
    assert curve(table, "loss") == {e: round(1 / e, 4) for e in range(1, 7)}
    text = "".join(
        f"100%|###| 50/50 [00:10<00:00, 5it/s, loss={1 / e:.4f}]\n"
        f"100%|###| 10/10 [00:02<00:00, 5it/s, loss={2 / e:.4f}]\nEpoch {e}: val_acc=0.{40 + e}\n"
        for e in range(1, 7)
    )
    assert list(curve(read(text), "eval loss").values()) == [round(2 / e, 4) for e in range(1, 7)]


def test_trainings_of_several_models_start_their_epochs_again():
    text = "".join(
        f"{model} Epoch {e}: Loss = {1 / e:.4f}, Val Loss = {2 / e:.4f}\n"
        for model in ("resnet18", "vgg16")
        for e in range(1, 7)
    )
    table = read(text)
    assert table.axis == "epoch"
    assert list(table.columns) == ["epoch", "Loss", "Val Loss"]


def test_flair():
    text = "2019-06-11 13:44:59,899 Evaluation method: MICRO_F1_SCORE\n"
    for e in range(1, 7):
        text += "".join(
            f"2019-06-11 13:45:02,441 epoch {e} - iter {i}/149 - loss {1 / (e + i):.8f}\n" for i in range(0, 149, 14)
        )
        text += f"2019-06-11 13:54:52,676 EPOCH {e} done: loss {1 / e:.4f} - lr 0.1000 - bad epochs 0\n"
        text += f"2019-06-11 13:55:49,388 DEV : loss {2 / e:.8f} - score 0.8{e}\n"
    text += "MICRO_AVG: acc 0.8469 - f1-score 0.9171\nMACRO_AVG: acc 0.5856 - f1-score 0.6546\n"
    table = read(text)
    assert len(curve(table, "loss")) == 66
    assert curve(table, "DEV loss", "epoch") == {e: float(f"{2 / e:.8f}") for e in range(1, 7)}
    assert np.all(np.diff(table.columns["step"].values) >= 0)
    assert "acc" not in table.columns


def test_blocks_under_headings():
    text = "".join(
        f"=== Epoch {e} ===\nTraining:\n  loss: {1 / e:.4f}\n  accuracy: 0.{50 + e}\n"
        f"Validation:\n  loss: {2 / e:.4f}\n  accuracy: 0.{40 + e}\nlr: 0.001\n"
        for e in range(1, 11)
    )
    table = read(text)
    assert table.axis == "epoch"
    assert list(table.columns) == ["epoch", "loss", "accuracy", "Validation loss", "Validation accuracy", "lr"]
    assert curve(table, "Validation loss") == {e: round(2 / e, 4) for e in range(1, 11)}


def test_accuracy_only_with_epochs_on_lines_of_their_own():
    text = "".join(
        f' epoch {e}\n\n100%|{"█" * 10}| 625/625 [03:47<00:00, 27.42it/s]\n-- "test accuracy 0.{60 + e}\n'
        for e in range(8)
    )
    assert curve(read(text), "test accuracy") == {e: (60 + e) / 100 for e in range(8)}


def test_epoch_lines_that_a_console_lost_are_counted_on():
    text = "".join((f" epoch {e}\n" if e in (0, 1, 4, 5) else "") + f"test accuracy 0.{60 + e}\n" for e in range(8))
    assert list(curve(read(text), "test accuracy")) == list(range(8))


def test_caffe():
    text = ""
    for i in range(0, 1001, 50):
        if i % 250 == 0:
            text += f"I0101 12:00:00.1  4321 solver.cpp:330] Iteration {i}, Testing net (#0)\n"
            loss = 3 - i / 500
            text += (
                f"I0101 12:00:01.0  4321 solver.cpp:397]     Test net output #0: loss = {loss} (* 1 = {loss} loss)\n"
            )
        text += (
            f"I0101 12:00:02.1  4321 solver.cpp:218] Iteration {i} (50 iter/s, 1s/50 iters), loss = {2 - i / 1000}\n"
        )
    table = read(text)
    assert curve(table, "loss") == {i: 2 - i / 1000 for i in range(0, 1001, 50)}
    assert curve(table, "Test loss") == {i: 3 - i / 500 for i in range(0, 1001, 250)}


def test_darknet():
    text = "".join(
        f"\n {i}: {1000 / i:.6f}, {1100 / i:.6f} avg loss, 0.001000 rate, 3.12 seconds, {i * 64} images\n"
        for i in range(1, 41)
    )
    table = read(text)
    assert curve(table, "avg loss") == {i: float(f"{1100 / i:.6f}") for i in range(1, 41)}


def test_hugging_face_console_between_progress_bars():
    text = ""
    for i in range(1, 31):
        text += f"\r {i}%|█▏    | {i}/400 [00:{i:02d}<05:00,  1.3it/s]\n"
        text += f"{{'loss': {3 / i:.4f}, 'grad_norm': nan, 'epoch': {i / 10:.2f}}}\n"
        if i % 10 == 0:
            text += f"{{'eval_loss': {4 / i:.4f}, 'eval_runtime': 1.2, 'epoch': {i / 10:.1f}}}\n"
    text += "{'train_runtime': 123.4, 'train_loss': 0.35, 'epoch': 3.0}\n"
    table = read(text)
    assert curve(table, "loss") == {i / 10: round(3 / i, 4) for i in range(1, 31)}
    assert curve(table, "eval_loss") == {i / 10: round(4 / i, 4) for i in (10, 20, 30)}
    assert np.isnan(table.columns["grad_norm"].values[table.columns["grad_norm"].logged]).all()
    assert "train_loss" not in table.columns


def test_a_validation_stands_at_the_end_of_its_epoch_where_the_training_prints_in_every_second():
    train = {epoch: f"step {5 * epoch} epoch {epoch} loss {1 / epoch:.3f}\n" for epoch in range(2, 13, 2)}
    text = "".join(
        train.get(epoch, "") + f"Validation: epoch {epoch} val_loss 0.{epoch:02}\n" for epoch in range(1, 13)
    )
    assert list(curve(read(text), "val_loss")) == [5.0 * epoch for epoch in range(1, 13)]


def test_a_test_after_each_epoch_is_counted_where_only_some_epochs_are_named():
    train = {epoch: f"Train Epoch: {epoch} [32/130]\tLoss: {1 / epoch:.3f}\n" for epoch in range(1, 13, 3)}
    text = "".join(train.get(epoch, "") + f"Test set: Average loss: 0.{epoch:02}\n" for epoch in range(1, 13))
    assert len(curve(read(text), "Test Average loss")) == 12


def test_a_position_within_an_epoch_counts_through_where_no_line_counts_the_epochs():
    lines = (f"loss: {2 / (1 + i):.4f}  [{32 + 30 * (i % 5):5d}/  170]" for i in range(30))
    (run,) = runs("\n".join(lines))
    assert len(run.series[run.roles["train_loss"]]) == 30


def test_like_lines_of_which_every_second_stands_under_a_heading():
    text = "".join(
        f"epoch: {i}, loss is: {1 / (i + 1):.3f}\ntesting in eval mode ...\nepoch: {i}, loss is: 0.{i + 10}\n"
        for i in range(8)
    )
    table = read(text)
    assert curve(table, "loss") == pytest.approx({i: 1 / (i + 1) for i in range(8)}, abs=1e-3)
    assert curve(table, "testing loss") == {i: (i + 10) / 100 for i in range(8)}


def test_validations_under_epochs_that_print_no_training_are_kept():
    train = {epoch: f"loss: {1 / epoch:.3f}  [{224 * epoch % 1300:5d}/ 1300]\n" for epoch in range(1, 41, 5)}
    text = "".join(
        f"Epoch {epoch}\n-----\n" + train.get(epoch, "") + f"Test Error: \n Avg loss: 0.{epoch:02}\n"
        for epoch in range(1, 41)
    )
    assert list(curve(read(text), "Test Avg loss")) == list(range(1, 41))


# --- tables and languages of a console --------------------------------------------------------------------------------


def test_a_box_is_one_point_that_the_counter_in_it_places():
    boxes = ""
    for i in range(1, 9):
        boxes += "---------------------------------\n| rollout/           |          |\n"
        boxes += f"|    ep_rew_mean     | {20 + i}     |\n| time/              |          |\n"
        boxes += f"|    iterations      | {i}        |\n|    total_timesteps | {512 * i}      |\n"
        boxes += f"| train/             |          |\n|    loss            | {10 / i:.3f}     |\n" * (i > 1)
        boxes += "---------------------------------\n"
    table = read("Using cpu device\n" + boxes)
    assert curve(table, "rollout/ep_rew_mean") == {512.0 * i: 20.0 + i for i in range(1, 9)}
    assert list(curve(table, "train/loss")) == [512.0 * i for i in range(2, 9)]


@pytest.mark.parametrize(
    ("names", "loss"),
    [("Epoch GPU_mem box_loss obj_loss Instances Size", "box_loss"), ("Epoch gpu_mem box obj labels img_size", "box")],
)
def test_names_that_stand_anew_above_the_values_of_each_epoch(names: str, loss: str):
    text = ""
    for i in range(6):
        text += f"\n{names}\n"
        for batch in (1, 80):
            bar = f"640: {batch * 100 // 80:3d}%|####| {batch}/80 [00:10<00:00,  7.9it/s]"
            text += f"\r  {i}/5  3.5G  {(2 if batch == 1 else 1) / (i + 1):.5f}  0.02  18  {bar}"
        text += "\n      Class  Images  Instances  P  R  mAP50  mAP50-95: 100%|####| 4/4 [00:01<00:00]\n"
        text += f"        all     128        929  0.5  0.4  {i / 10}  {i / 20}\n"
    table = read(text)
    assert curve(table, loss) == pytest.approx({i: 1 / (i + 1) for i in range(6)}, abs=1e-5)
    assert curve(table, "mAP50-95") == pytest.approx({i: i / 20 for i in range(6)})


def test_one_row_of_names_above_a_table_is_left_to_the_readers_of_tables():
    text = "epoch  train_loss  valid_loss\n" + "".join(f"{i}  {1 / (i + 1):.3f}  0.{i}\n" for i in range(9))
    assert not recognised(text)


def test_a_bar_over_the_whole_training_that_is_drawn_twice_at_a_count():
    bars = [f"  1%|# | {i}/20 [00:00<00:01, 53.7it/s, loss={1 / i:.3f}]" for i in range(1, 21)]
    stale = [f"  1%|# | {i}/20 [00:00<00:01, 55.1it/s, loss={1 / (i - 1):.3f}]" for i in range(2, 21)]
    states = [bars[0], *itertools.chain.from_iterable(zip(stale, bars[1:], strict=True))]
    assert list(curve(read("\r".join(states)), "loss").values()) == [round(1 / i, 3) for i in range(1, 21)]


def test_states_of_a_bar_that_were_written_out_of_order_are_one():
    def epoch(n: int) -> str:
        states = (f"{k}/41 [====] - loss: {5 / (n + k):.4f}" for k in (1, 31, 28, 41))
        return f"Epoch {n}/6\n" + "\n".join(states)

    table = read("\n".join(map(epoch, range(1, 7))))
    assert list(curve(table, "loss")) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("mark", [".", ","])
def test_german_with_points_or_commas(mark: str):
    line = "Epoche {} von 9: Trainingsverlust={}{}, Validierungsgenauigkeit={}{}"
    text = "\n".join(line.format(i, i, f"{mark}25", 0, f"{mark}{i}5") for i in range(1, 9))
    table = read(text)
    assert curve(table, "Trainingsverlust") == {i: i + 0.25 for i in range(1, 9)}
    assert curve(table, "Validierungsgenauigkeit") == pytest.approx({i: i / 10 + 0.05 for i in range(1, 9)})


def test_thousands_are_no_decimals():
    text = "\n".join(f"step: {i},000 loss: {i},500 tokens: 12,345" for i in range(1, 9))
    assert curve(read(text), "loss") == {1000 * i: 1000 * i + 500 for i in range(1, 9)}


def test_a_configuration_dump_is_no_curve():
    dump = "lr = 0.1\n" + "".join(
        f"loss_{name}=dict(type='L1', loss_weight={w}.0),\n" for w, name in enumerate("abcdefg")
    )
    table = read(dump + "".join(f"Epoch {e} loss: {1 / e:.3f}\n" for e in range(1, 11)))
    assert list(table.columns) == ["epoch", "loss"]


def test_settings_that_each_start_prints_are_no_curve():
    start = "loss_weights: {'bce': 1, 'dice': 1}\n"
    epochs = "".join(f"Epoch: {i} | train_loss: {1 / (i + 1):.3f}\n" for i in range(8))
    assert "dice" not in read((start + epochs) * 3).columns


def test_percent_is_told_and_nan_is_a_value():
    table = read("".join(f"Epoch {e}: loss={'nan' if e > 5 else 1 / e} acc=9{e}.5%\n" for e in range(1, 10)))
    assert table.columns["acc"].percent
    assert not table.columns["loss"].percent
    assert table.columns["loss"].logged.all()
    assert np.isnan(table.columns["loss"].values).sum() == 4


# --- properties -------------------------------------------------------------------------------------------------------

STYLES = {
    "Train Loss|Train Acc|Val Loss|Val Acc": "Epoch {}/99 | Train Loss: {} Acc: {} | Val Loss: {} Acc: {}",
    "loss|accuracy|val_loss|val_accuracy": "Epoch {}: loss: {} - accuracy: {} - val_loss: {} - val_accuracy: {}",
    "train_loss|train_acc|val_loss|val_acc": "[12:13:14] epoch={} train_loss={} train_acc={} val_loss={} val_acc={}",
    "train loss|train acc|valid loss|valid acc": "epoch {} train loss {} train acc {} valid loss {} valid acc {}",
    "loss|eval/acc|eval/loss|f1": "{{'epoch': {}, 'loss': {}, 'eval/acc': {}, 'eval/loss': {}, 'f1': {}}}",
    "loss_train|acc_train|loss_val|acc_val": "Epoch: {:04d} loss_train: {} acc_train: {} loss_val: {} acc_val: {}",
    "loss|acc|Val loss|Val acc": "Epoch {}\n  Train: loss={} acc={}\n  Val:   loss={} acc={}",
}
PRINTED = st.tuples(
    st.floats(-1e6, 1e6) | st.just(math.nan) | st.just(math.inf), st.sampled_from(["{:.4f}", "{:.3e}", "{:g}", "{}"])
).map(lambda pair: pair[1].format(pair[0]))


@pytest.mark.parametrize("names", STYLES)
@given(rows=st.lists(st.tuples(PRINTED, PRINTED, PRINTED, PRINTED), min_size=6, max_size=20))
def test_what_was_printed_is_read_back(names: str, rows: list[tuple[str, str, str, str]]):
    text = "".join(STYLES[names].format(epoch, *row) + "\n" for epoch, row in enumerate(rows, 1))
    table = read(text)
    for name, column in zip(names.split("|"), zip(*rows, strict=True), strict=True):
        expected = {float(epoch): float(value) for epoch, value in enumerate(column, 1)}
        assert curve(table, name) == pytest.approx(expected, nan_ok=True, abs=0, rel=0)


WORDS = st.sampled_from(
    [
        *(
            "epoch",
            "step",
            "loss",
            "acc",
            "val",
            "train",
            "nan",
            "0.5",
            "1e-3",
            "12",
            "Validation:",
            "it [",
            "100%|\u2588|",
        ),
        *(":", "=", "|", "[", "]", "(", ")", "/", "%", "-", "'", "{", "}", "*", "#", ",", ";", "\u2501", "\xe9"),
        *("\b", "\r", "\x1b[32m", "\n"),
    ]
)


LOG_LINES = st.builds("epoch {} loss {:.3f}\n".format, st.integers(0, 30), st.floats(0.0, 9.0))


@given(
    st.text(max_size=400)
    | st.lists(WORDS, max_size=200).map(" ".join)
    | st.lists(WORDS, max_size=200).map("".join)
    | st.lists(LOG_LINES | LOG_LINES | LOG_LINES | WORDS, max_size=60).map("".join)
)
@example("".join(f"epoch {epoch} loss {1.0 / epoch:.3f}\n" for epoch in range(1, 9)))  # one that is read
def test_any_text_is_read_or_refused(text: str):
    document = Document("log", data=(text or " ").encode(errors="replace"))
    text_log.recognise(document)
    with contextlib.suppress(ReadError):
        (table,) = text_log.read(document)
        assert all(column.values.shape == (table.rows,) for column in table.columns.values())


# --- what is no log ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "We trained for 10 epochs. The loss was 0.5 at first and 0.1 later.\n" * 3 + "The end of the story.\n" * 40,
        "<html><body>" + "<p>loss: 0.5</p>\n" * 20,
        "".join(f"def f{i}():\n    loss = 0.0\n    return loss + 1\n" for i in range(20)),
        "epoch,loss,acc\n" + "".join(f"{i},{1 / (i + 1)},0.5\n" for i in range(20)),
        "loss:\n  weight: 1.0\noptimizer:\n  lr: 0.1\n" * 3,
        '{\n "loss": 0.5,\n' * 10,
        "loss " * 100_000,
        "0123456789 loss=" * 20_000,
        "\n",
    ],
    ids=["prose", "html", "code", "csv", "yaml", "json", "words", "one-line", "blank"],
)
def test_is_not_recognised(text: str):
    assert not recognised(text)


def test_few_lines_are_refused_with_the_reason():
    with pytest.raises(ReadError, match="5 lines"):
        text_log.read(Document("log", data=b"epoch 1 loss 0.5\nepoch 2 loss 0.4\n"))


def test_the_corpus(corpus: Path):
    seen = 0
    for row in of_manifest(corpus):
        if row["format"] != "text-log":
            continue
        (path,) = (file for file in (corpus / "runs" / row["id"]).rglob("*") if file.is_file())
        (table,) = tables(path)
        assert table.format == "text-log", row["id"]
        named = [row[key] for key in ("train_loss_col", "val_loss_col") if row[key]]
        assert set(named) <= table.columns.keys(), row["id"]
        assert table.axis is not None, row["id"]
        places = table.columns[table.axis].values[table.columns[table.axis].logged]
        assert all(former <= later for former, later in itertools.pairwise(places)), row["id"]
        seen += 1
    assert seen > 0
