"""Logs as people write them, whatever the framework: which column plays which role, over which axis.

Each is a whole file of our own making, read through the public door. The curves are those of a sound run: a loss that
falls towards 0.3, a validation loss a little above it, an accuracy that rises towards 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from diagnose.curves import Run
from diagnose.errors import ReadError
from diagnose.names.roles import MAIN_ROLES
from diagnose.readers import read

POINTS = 20


def loss(i: float) -> float:
    """A training loss at point i, with some noise that is the same each time."""
    return round(2 * math.exp(-i / 8) + 0.3 + 0.01 * ((7 * i) % 5), 4)


def val_loss(i: float) -> float:
    return round(loss(i) + 0.1 + 0.01 * ((3 * i) % 5), 4)


def accuracy(i: float) -> float:
    return round(1 - 0.8 * math.exp(-i / 7), 4)


def lines(form: Callable[[int], str], points: Iterable[int] = range(POINTS)) -> str:
    """A log of one line, or one block of lines, per point."""
    return "".join(f"{form(i)}\n" for i in points)


@dataclass(frozen=True)
class Log:
    """A file and what a person reads in it.

    name, text: the file.
    roles: role -> column, all main roles.
    axis: `epoch`, `step` or `row`; "" where it is not asked.
    first: the first value of the training loss, where that is in question. points: of the longest main curve.
    """

    name: str
    text: str
    roles: dict[str, str] = field(default_factory=dict)
    axis: str = ""
    first: float | None = None
    points: int = POINTS


def roles(**named: str) -> dict[str, str]:
    return named


def mllog(key: str, value: object, **metadata: object) -> str:
    """A line of MLPerf's logger."""
    message = {"namespace": "", "time_ms": 1, "event_type": "POINT_IN_TIME", "key": key, "value": value}
    return f":::MLLOG {json.dumps(message | {'metadata': {'file': 'train.py', 'lineno': 1} | metadata})}"


EPOCHS = "epoch,train_loss,val_loss\n"

BOTH = roles(train_loss="train_loss", val_loss="val_loss")

BOOSTING = (
    Log(
        "xgboost with names.txt",
        lines(lambda i: f"[{i}]\ttrain-logloss:{loss(i)}\teval-logloss:{val_loss(i)}"),
        roles(train_loss="train-logloss", val_loss="eval-logloss"),
    ),
    Log(
        "xgboost without names.txt",
        lines(lambda i: f"[{i}]\tvalidation_0-logloss:{loss(i)}\tvalidation_1-logloss:{val_loss(i)}"),
        roles(train_loss="validation_0-logloss", val_loss="validation_1-logloss"),
    ),
    Log(
        "xgboost one set.txt",
        lines(lambda i: f"[{i}]\tvalidation_0-logloss:{loss(i)}"),
        roles(val_loss="validation_0-logloss"),
    ),
    Log(
        "an error rate.txt",
        lines(lambda i: f"[{i}]\ttrain-error:{1 - accuracy(i):.4f}\ttest-error:{1.05 - accuracy(i):.4f}"),
        roles(train_loss="train-error", val_loss="test-error"),
    ),
    Log(
        "evals_result.json",
        json.dumps(
            {
                "train": {"logloss": [loss(i) for i in range(POINTS)]},
                "test": {"logloss": [val_loss(i) for i in range(POINTS)]},
            }
        ),
        roles(train_loss="train/logloss", val_loss="test/logloss"),
    ),
    Log(
        "learn_error.tsv",
        "iter\tMultiClass\tAccuracy\n" + lines(lambda i: f"{i}\t{loss(i)}\t{accuracy(i)}"),
        roles(train_loss="learn/MultiClass", train_accuracy="learn/Accuracy"),
        axis="step",
    ),
)

MLPERF = (
    Log(
        "mlperf.log",
        mllog("global_batch_size", 64)
        + "\n"
        + lines(
            lambda i: "\n".join(
                (mllog("train_loss", loss(i), epoch_num=i), mllog("eval_accuracy", accuracy(i), epoch_num=i))
            )
        ),
        roles(train_loss="train_loss", val_accuracy="eval_accuracy"),
        axis="epoch",
    ),
    Log(
        "mlperf samples.log",
        lines(lambda i: "0: " + mllog("eval_accuracy", accuracy(i), epoch_num=150_000 * (i + 1))),
        roles(val_accuracy="eval_accuracy"),
        axis="step",
    ),
    Log(
        "mlperf stats.log",
        lines(lambda i: mllog("tracked_stats", {"throughput": 100.0, "loss": loss(i)}, step=10 * i)),
        roles(train_loss="loss"),
        axis="step",
    ),
)

NAMES = (
    Log(
        "a metric on lines of its own beside a loss of training.log",
        lines(lambda i: f"Epoch: {i}, train loss: {loss(i)}\nmIoU: {accuracy(i)}, pixel acc: {accuracy(i + 1)}"),
        roles(train_loss="train loss", val_accuracy="pixel acc"),
        axis="epoch",
    ),
    Log(
        "precision beside an average precision.log",
        lines(
            lambda i: (
                f"Epoch {i}\nLoss: {loss(i)}\nVal Loss: {val_loss(i)}\nmAP@0.5: {accuracy(i)}\nPrecision: {accuracy(i)}"
            )
        ),
        roles(train_loss="Loss", val_loss="Val Loss", val_accuracy="mAP@0.5"),
        axis="epoch",
    ),
    Log(
        "a split alone.log",
        lines(lambda i: f"step {i} loss={2 * loss(i)} val={2 * val_loss(i)}"),
        roles(train_loss="loss", val_loss="val"),
        axis="step",
    ),
    Log(
        "two letters for a split.log",
        lines(lambda i: f"Ep {i} | tr_loss {loss(i)} | va_loss {val_loss(i)} | va_auc {accuracy(i)}"),
        roles(train_loss="tr_loss", val_loss="va_loss", val_accuracy="va_auc"),
        axis="epoch",
    ),
    Log(
        "a table under the progress of a notebook.txt",
        "Qwen\n [460/500 1:31:55 < 06:44, 0.08 it/s, Epoch 4.12/5]\nStep\tTraining Loss\tValidation Loss\n"
        + lines(lambda i: f"{10 * i}\t{loss(i)}\t{val_loss(i)}"),
        roles(train_loss="Training Loss", val_loss="Validation Loss"),
        axis="step",
    ),
    Log(
        "scores of scikit-learn.json",
        json.dumps({"loss_curve": [*map(loss, range(POINTS))], "val_scores": [*map(accuracy, range(POINTS))]}),
        roles(train_loss="loss_curve", val_accuracy="val_scores"),
    ),
    Log(
        "a total.log",
        lines(lambda i: f"[epoch: {i + 1}/200, iter: 448/448] total: {loss(i)} "),
        roles(train_loss="total"),
        axis="epoch",
    ),
    Log(
        "the accuracy of training beside that of validation.csv",
        "epoch,train_loss,val_loss,val_accuracy,accuracy\n"
        + lines(lambda i: f"{i},{loss(i)},{val_loss(i)},{accuracy(i) - 0.05},{accuracy(i)}"),
        BOTH | roles(train_accuracy="accuracy", val_accuracy="val_accuracy"),
    ),
    Log(
        "an accuracy of validation alone.csv",
        "epoch,train_loss,valid_loss,accuracy\n" + lines(lambda i: f"{i},{loss(i)},{val_loss(i)},{accuracy(i)}"),
        roles(train_loss="train_loss", val_loss="valid_loss", val_accuracy="accuracy"),
    ),
    Log(
        "word accuracy.csv",
        "epoch,train_loss,val_loss,val_per,val_wacc\n"
        + lines(lambda i: f"{i},{loss(i)},{val_loss(i)},{1 - accuracy(i)},{accuracy(i)}"),
        BOTH | roles(val_accuracy="val_wacc"),
    ),
    Log(
        "folders of axes.csv",
        "epoch/epoch,epoch/loss,epoch/val_loss\n" + lines(lambda i: f"{i},{loss(i)},{val_loss(i)}"),
        roles(train_loss="epoch/loss", val_loss="epoch/val_loss"),
        axis="epoch",
    ),
    Log(
        "folders of steps.csv",
        "batch/batch_step,batch/loss\n" + lines(lambda i: f"{5 * i},{loss(i)}"),
        roles(train_loss="batch/loss"),
        axis="step",
    ),
    Log(
        "a policy.csv",
        "step,policy_loss,value_loss,entropy,reward\n"
        + lines(lambda i: f"{i},{-0.01 * i},{loss(i)},{val_loss(i)},{i}"),
        roles(reward="reward"),
    ),
    Log(
        "a policy with a total.csv",
        "step,loss,policy_loss,value_loss,reward\n" + lines(lambda i: f"{i},{loss(i)},{-0.01 * i},{val_loss(i)},{i}"),
        roles(train_loss="loss", reward="reward"),
    ),
)

LANGUAGES = (
    Log(
        "chinese.csv",
        "轮次,训练损失,验证损失,训练准确率,验证准确率\n"
        + lines(lambda i: f"{i},{loss(i)},{val_loss(i)},{accuracy(i)},{accuracy(i) - 0.1}"),
        roles(train_loss="训练损失", val_loss="验证损失", train_accuracy="训练准确率", val_accuracy="验证准确率"),
        axis="epoch",
    ),
    Log(
        "chinese.log",
        lines(
            lambda i: f"第{i + 1}轮 训练损失\uff1a{loss(i)}\uff0c验证损失\uff1a{val_loss(i)}\uff0c准确率: {accuracy(i)}"
        ),
        roles(train_loss="训练损失", val_loss="验证损失", val_accuracy="准确率"),
        axis="epoch",
    ),
    Log(
        "spanish.csv",
        "epoca,perdida_entrenamiento,perdida_validacion\n" + lines(lambda i: f"{i},{loss(i)},{val_loss(i)}"),
        roles(train_loss="perdida_entrenamiento", val_loss="perdida_validacion"),
        axis="epoch",
    ),
)

VALUES = (
    Log(
        "a score in seconds.csv",
        "epoch,loss,score\n" + lines(lambda i: f"{i},{loss(i)},{123.4 + i % 3}"),
        roles(train_loss="loss"),
    ),
    Log(
        "a score that is a fraction.csv",
        "epoch,loss,score\n" + lines(lambda i: f"{i},{loss(i)},{accuracy(i)}"),
        roles(train_loss="loss", train_accuracy="score"),
    ),
    Log(
        "a count of hits.csv",
        "epoch,loss,acc\n" + lines(lambda i: f"{i},{loss(i)},{500 + 30 * i}"),
        roles(train_loss="loss"),
    ),
    Log(
        "accuracies by their sets alone.csv",
        "epoch,loss,train,val,test\n"
        + lines(lambda i: f"{i},{loss(i)},{accuracy(i)},{accuracy(i) - 0.1},{accuracy(i) - 0.1}"),
        roles(train_loss="loss", train_accuracy="train", val_accuracy="val"),
    ),
    Log(
        "losses by their sets alone.csv",
        "epoch,train,val\n" + lines(lambda i: f"{i},{loss(i)},{val_loss(i)}"),
        roles(train_loss="train", val_loss="val"),
    ),
    Log(
        "accuracy.csv",
        "epoch,train,val\n" + lines(lambda i: f"{i},{100 * accuracy(i)},{90 * accuracy(i)}"),
        roles(train_accuracy="train", val_accuracy="val"),
    ),
    Log(
        "index, falling, rising.txt",
        lines(lambda i: f"{i} {loss(i)} {accuracy(i)}"),
        roles(train_loss="column 2", train_accuracy="column 3"),
    ),
    Log(
        "losses.txt",
        lines(lambda i: f"{i}\t{loss(i)}\t{val_loss(i)}"),
        roles(train_loss="column 2", val_loss="column 3"),
    ),
    Log("val_loss.csv", lines(lambda i: f"1,{loss(i)}"), roles(val_loss="column 2")),
    Log("one value a line.txt", lines(lambda i: f"{loss(i)}"), roles(train_loss="one value a line"), axis="row"),
    Log("val_acc.txt", lines(lambda i: f"{accuracy(i)}"), roles(val_accuracy="val_acc"), axis="row"),
)

CONSOLES = (
    Log(
        "python 2.log",
        lines(
            lambda i: (
                f"('Epoch : ', {i}, ' batch : ', 436)\n437it [09:29,  1.30s/it]\n('Losses', {{u'ner': {loss(i)}}})"
            )
        ),
        roles(train_loss="Losses ner"),
        axis="step",
    ),
    Log(
        "sentences.txt",
        lines(lambda i: f"Loss at epoch {i // 4} and iteration {500 * (i % 4)} is {loss(i)}\nLR is 0.1"),
        roles(train_loss="Loss"),
        axis="step",
    ),
    Log(
        "losses in brackets.log",
        lines(
            lambda i: (
                f"[Epoch 0/30, Batch {i}/7329] [Losses: x {loss(i) / 4:.4f}, cls {loss(i) / 2:.4f}, "
                f"total {loss(i)}, recall: {accuracy(i)}, precision: {accuracy(i)}]"
            )
        ),
        roles(train_loss="total", train_accuracy="precision"),
        first=loss(0),
    ),
    Log(
        "thousands.log",
        lines(
            lambda i: (
                f"23-05-05 21:26:{i:02d} - INFO: [epoch: 0, iter: {100 * i + 500:7,d}, lr:(2.0e-04,)] l_pix: {loss(i)}"
            )
        ),
        roles(train_loss="l_pix"),
        axis="step",
    ),
    Log(
        "starred.log",
        lines(
            lambda i: (
                f"Epoch: [{i}][80/108]\tLoss {loss(i):.4f} ({loss(i):.4f})\tERR 23.9 (28.3)\n"
                f"Test: [0/4]\tLoss {loss(i)} ({loss(i)})\tERR 25.7 (25.7)\n * ERR 24.7 LOSS {val_loss(i)}"
            )
        ),
        roles(train_loss="Loss", val_loss="Test Loss"),
    ),
    Log(
        "under headings.log",
        lines(
            lambda i: (
                f"Epoch {i}\n  Training time is 31.0 secs\n  Training measures:\n"
                f"    loss = {loss(i)}, accuracy = {accuracy(i)}\n"
                f"  Validation measures:\n    accuracy = {accuracy(i) - 0.01:.4f}, AUC = 0.5"
            )
        ),
        roles(train_loss="loss", train_accuracy="accuracy", val_accuracy="Validation accuracy"),
        axis="epoch",
    ),
    Log(
        "batches without a number.log",
        lines(lambda i: f"Epoch {i}\n" + "\n".join(f"loss: {loss(i + k / 4)}" for k in range(4)), range(5)),
        roles(train_loss="loss"),
        first=loss(0),
    ),
    Log(
        "of two sets.log",
        lines(
            lambda i: (
                f"2024-03-01 12:00:00,123 - INFO - a.board -      Training |  Validation\n"
                f"2024-03-01 12:00:00,123 - INFO - a.board - accuracy  |   {accuracy(i)}  |  {accuracy(i) - 0.01:.4f}\n"
                f"2024-03-01 12:00:00,123 - INFO - a.board - loss      |   {loss(i)}  |  {val_loss(i)}\n"
                f"2024-03-01 12:00:00,124 - INFO - a.trainer - Epoch {i}/19"
            )
        ),
        roles(
            train_loss="Training loss",
            val_loss="Validation loss",
            train_accuracy="Training accuracy",
            val_accuracy="Validation accuracy",
        ),
        axis="epoch",
        first=loss(0),
    ),
    Log(
        "in three letters.log",
        lines(lambda i: f"s:{100 * i} tel:{val_loss(i)}\ns:{100 * i} trl:{loss(i)}"),
        roles(train_loss="trl", val_loss="tel"),
        axis="step",
    ),
    Log(
        "equal signs.log",
        lines(
            lambda i: (
                f"[Epoch {i}] train=accuracy: {accuracy(i)}, loss: {loss(i)}\n"
                f"[Epoch {i}] validation: accuracy: {accuracy(i) - 0.01:.4f} loss: {val_loss(i)}"
            )
        ),
        roles(
            train_loss="train loss",
            train_accuracy="train accuracy",
            val_loss="validation loss",
            val_accuracy="validation accuracy",
        ),
        axis="epoch",
    ),
    Log(
        "without a name.txt",
        lines(lambda i: f"epoch {i // 5}, batch {i % 5}: {loss(i)}"),
        roles(train_loss="unnamed"),
        axis="step",
    ),
    Log(
        "list so far.txt",
        "[]\n" + lines(lambda i: f"{[loss(k) for k in range(i + 1)]}", range(4, POINTS)),
        roles(train_loss="value"),
    ),
    Log(
        "below a text.log",
        "Model: sequential\n"
        + "______\nlayer (Dense), 128\n" * 15
        + "\n"
        + EPOCHS
        + lines(lambda i: f"{i},{loss(i)},{val_loss(i)}"),
        BOTH,
        axis="epoch",
    ),
    Log(
        "cycles.log",
        lines(lambda i: f"after cycle={i} avg(utility)={10 * i} avg(num_wins)=0.35"),
        roles(reward="avg(utility)"),
        axis="step",
    ),
    Log(
        "examples between.log",
        lines(
            lambda i: (
                f"[{100 * i + 1}/200000] Train loss: {loss(i)}, Valid loss: {val_loss(i)}\n" + "one two | three\n" * 14
            )
        ),
        roles(train_loss="Train loss", val_loss="Valid loss"),
        axis="step",
    ),
    Log(
        "sections.log",
        lines(
            lambda i: (
                f"**Epoch: {i:03d}/020 | Train. Acc.: {100 * accuracy(i):.3f}% | Loss: {loss(i)}\n"
                f"**Epoch: {i:03d}/020 | Test. Acc.: {100 * accuracy(i) - 1:.3f}% | Loss: {val_loss(i)}\n"
                f"Test loss decreased (inf --> {val_loss(i)})."
            )
        ),
        roles(train_loss="Train. Loss", train_accuracy="Train. Acc", val_loss="Test. Loss", val_accuracy="Test. Acc"),
        axis="epoch",
    ),
    Log(
        "lists.txt",
        f"Training finished\nTrain losses: {[loss(i) for i in range(POINTS)]}\n"
        f"Val losses: {[val_loss(i) for i in range(POINTS)]}\n",
        roles(train_loss="Train losses", val_loss="Val losses"),
    ),
)

TABLES = (
    Log(
        "merged.csv",
        EPOCHS
        + "<<<<<<< HEAD\n"
        + lines(lambda i: f"{i},{loss(i)},{val_loss(i)}")
        + "=======\n>>>>>>> 0123abc (other)\n",
        BOTH,
        axis="epoch",
    ),
    Log(
        "between texts.log",
        "Model: sequential\n"
        + "______\n" * 20
        + EPOCHS
        + lines(lambda i: f"{i},{loss(i)},{val_loss(i)}")
        + "\n\nResults:\n tp fp fn\n"
        + "-----\n"
        + "advise 19 12 119 61.3%\n" * 4,
        BOTH,
        axis="epoch",
    ),
    Log(
        "one blank too many.tsv",
        "EPOCH\tTRAIN_LOSS\tTRAIN_F1\tDEV_LOSS\n" + lines(lambda i: f"{i}\t{loss(i)}\t\t_\t{val_loss(i)}"),
        roles(train_loss="TRAIN_LOSS", val_loss="DEV_LOSS"),
        axis="epoch",
    ),
    Log(
        "names in two rows.csv",
        ",train,train,val,val\n,loss,acc,loss,acc\n"
        + lines(lambda i: f"{i},{loss(i)},{accuracy(i)},{val_loss(i)},{accuracy(i) - 0.01:.4f}"),
        roles(train_loss="train loss", train_accuracy="train acc", val_loss="val loss", val_accuracy="val acc"),
    ),
    Log(
        "drawn.txt",
        "\u250c\u2500\u252c\u2500\u2510\n\u2502 epoch \u2502 train loss \u2502\n\u251c\u2500\u253c\u2500\u2524\n"
        + lines(lambda i: f"\u2502 {i} \u2502 {loss(i)} \u2502"),
        roles(train_loss="train loss"),
        axis="epoch",
    ),
    Log(
        "json between messages.log",
        lines(lambda i: f'{{"epoch": {i}, "train_loss": {loss(i)}}}\nElapsed 00:0{i % 9}\nsaved'),
        roles(train_loss="train_loss"),
        axis="epoch",
    ),
)

ESPNET_TRAIN = "[train] iter_time=0.1, loss_ctc={0}, acc={1}, loss={0}, optim0_lr0=2e-4, total_count=100"
ESPNET_VALID = "[valid] loss_ctc={0}, cer_ctc=0.3, acc={1}, wer=0.9, loss={0}, time=20.1 seconds, total_count=9"

SENTENCES = (
    Log(
        "the place before the value.txt",
        lines(lambda i: f"Cost after iteration {100 * i}: {loss(i)}"),
        roles(train_loss="Cost"),
        axis="step",
    ),
    Log(
        "the place in the middle.txt",
        lines(lambda i: f"Train loss at step {100 * i} is {loss(i)}"),
        roles(train_loss="Train loss"),
        axis="step",
    ),
    Log(
        "deeplearning4j.log",
        lines(lambda i: f"06:38:16.402 [main] INFO o.d.ScoreIterationListener - Score at iteration {i} is {loss(i)}"),
        roles(train_loss="Score"),
        axis="step",
    ),
    Log(
        "so far.txt",
        lines(lambda i: f"Epoch {i // 5}, Step {i % 5 + 1}, used time {3.1 * i} (s), avg loss so far is {loss(i)}"),
        roles(train_loss="avg loss"),
    ),
    Log(
        "in brackets.txt",
        lines(lambda i: f"Epoch {i // 5}, batch {i % 5}, loss is: [{loss(i)}], acc is: [{accuracy(i)}]"),
        roles(train_loss="loss", train_accuracy="acc"),
    ),
    Log(
        "lightgbm.txt",
        lines(
            lambda i: (
                f"[{i + 1}]\ttraining's auc: {accuracy(i)}\ttraining's binary_logloss: {loss(i)}"
                f"\tvalid_1's auc: {accuracy(i) - 0.1:.4f}\tvalid_1's binary_logloss: {val_loss(i)}"
            )
        ),
        roles(
            train_loss="training's binary_logloss",
            val_loss="valid_1's binary_logloss",
            train_accuracy="training's auc",
            val_accuracy="valid_1's auc",
        ),
    ),
    Log(
        "catboost.txt",
        lines(lambda i: f"{i}:\tlearn: {loss(i)}\ttest: {val_loss(i)}\tbest: {val_loss(i)} ({i})\ttotal: {10 * i}ms"),
        roles(train_loss="learn", val_loss="test"),
    ),
    Log(
        "sets alone.txt",
        lines(lambda i: f"{i} train {loss(i)} val {val_loss(i)}"),
        roles(train_loss="train", val_loss="val"),
    ),
    Log(
        "graphs.txt",
        lines(
            lambda i: f"Epoch: {i + 1:03d}, Loss: {loss(i)}, Train: {accuracy(i)}, Val: {accuracy(i) - 0.1}, Test: 0.8"
        ),
        roles(train_loss="Loss", train_accuracy="Train", val_accuracy="Val"),
    ),
    Log(
        "espnet.log",
        lines(
            lambda i: (
                f"[host] 2021-01-01 10:00:00,123 (trainer:289) INFO: {i + 1}epoch results: "
                + ESPNET_TRAIN.format(loss(i), accuracy(i))
                + ", "
                + ESPNET_VALID.format(val_loss(i), accuracy(i))
            )
        ),
        roles(train_loss="loss", val_loss="valid loss", train_accuracy="acc", val_accuracy="valid acc"),
        axis="epoch",
    ),
    Log(
        "blocks.log",
        lines(
            lambda i: (
                f"2025-12-27 22:27:52.157\tnode-03:0\tolmo.train:990\tINFO\t[step={10 * i}/10000,epoch=0]\n"
                f"    optim/total_grad_norm=0.4\n    train/CrossEntropyLoss={loss(i)}\n"
                + "".join(f"    System/memory {k}=38,869\n" for k in range(9))
            )
        ),
        roles(train_loss="train/CrossEntropyLoss"),
        axis="step",
    ),
    Log(
        "quickstart.txt",
        lines(
            lambda e: (
                f"Epoch {e + 1}\n-------------------------------\n"
                + lines(lambda b: f"loss: {loss(5 * e + b):>7f}  [{6400 * b + 64:>5d}/60000]", range(5))
                + f"Test Error: \n Accuracy: {100 * accuracy(5 * e):.1f}%, Avg loss: {val_loss(5 * e):>8f} \n"
            ),
            range(5),
        ),
        roles(train_loss="loss", val_loss="Test Avg loss", val_accuracy="Test Accuracy"),
        axis="step",
        points=25,
    ),
)

TERMS = (
    Log(
        "pix2pix.txt",
        "================ Training Loss (Sat Jun 18 08:01:30 2022) ================\n"
        + lines(
            lambda i: (
                f"(epoch: {i + 1}, iters: 100, data: 0.2) G_GAN: {val_loss(i)} G_L1: {10 * loss(i):.3f} "
                f"D_real: {accuracy(i)} D_fake: {accuracy(19 - i)} "
            )
        ),
        roles(train_loss="G_GAN"),
        axis="epoch",
    ),
    Log(
        "autoencoder.txt",
        lines(lambda i: f"Epoch {i}: Recon {10 * loss(i):.3f}  KLD {val_loss(i)}"),
        roles(train_loss="Recon"),
    ),
    Log(
        "mxnet.log",
        lines(lambda i: f"Epoch[{i}] Train-SmoothL1={loss(i)}\nEpoch[{i}] Validation-SmoothL1={val_loss(i)}"),
        roles(train_loss="Train-SmoothL1", val_loss="Validation-SmoothL1"),
    ),
)

BYTES = (
    Log("zeros first.log", 300 * "\0" + lines(lambda i: f"Epoch {i}: loss {loss(i)}"), roles(train_loss="loss")),
    Log("zeros within.log", lines(lambda i: f"Epoch {i}:\0\0 loss {loss(i)}"), roles(train_loss="loss")),
)

UP_AND_DOWN = [(7 * i) % POINTS for i in range(POINTS)]  # every point once, in another order

ROWS = (
    Log(
        "the newest first.csv",
        EPOCHS + lines(lambda i: f"{i},{loss(i)},{val_loss(i)}", reversed(range(POINTS))),
        BOTH,
        axis="epoch",
        first=loss(0),
    ),
    Log(
        "shuffled.csv",
        EPOCHS + lines(lambda i: f"{i},{loss(i)},{val_loss(i)}", UP_AND_DOWN),
        BOTH,
        axis="epoch",
        first=loss(0),
    ),
    Log(
        "decimal commas.txt",
        lines(lambda i: f"{loss(i)}".replace(".", ",")),
        roles(train_loss="decimal commas"),
        first=loss(0),
    ),
    Log(
        "decimal commas with a name.csv",
        "loss\n" + lines(lambda i: f"{loss(i)}".replace(".", ",")),
        roles(train_loss="loss"),
        first=loss(0),
    ),
    Log(
        "octave.log",
        "% mean class accuracy (train set)\t\n" + lines(lambda i: f" {100 * accuracy(i):.4e}\t"),
        roles(train_accuracy="mean class accuracy (train set)"),
    ),
    Log("pairs.txt", lines(lambda i: f"{i} {loss(i)}"), roles(train_loss="pairs")),
    Log(
        "padded before a resume.csv",
        EPOCHS + lines(lambda i: f"{i},nan,nan", range(10)) + lines(lambda i: f"{i + 10},{loss(i)},{val_loss(i)}"),
        BOTH,
        axis="epoch",
        first=loss(0),
    ),
)

LISTS = (
    Log("train_loss.txt", str([loss(i) for i in range(POINTS)]), roles(train_loss="value")),
    Log(
        "named lists.txt",
        f"train_loss: {[loss(i) for i in range(POINTS)]}\nval_loss: {[val_loss(i) for i in range(POINTS)]}\n",
        BOTH,
    ),
    Log(
        "lists of NumPy.txt",
        f"train_loss = [{' '.join(f'{loss(i)}' for i in range(POINTS))}]\n",
        roles(train_loss="train_loss"),
    ),
    Log(
        "a list that is cut off.txt",
        f"train_loss = {[loss(i) for i in range(POINTS)]}\nval_loss = {[val_loss(i) for i in range(POINTS)]}"[:-9],
        BOTH,
    ),
)

FILES = (
    Log(
        "marks.txt",
        "epoch,train_loss,val_loss\n" + lines(lambda i: f"{i}\t{loss(i)}\t{val_loss(i)}"),
        roles(train_loss="train_loss", val_loss="val_loss"),
        "epoch",
    ),
    Log(
        "lightgbm.log",
        lines(lambda i: f"[{10 * i}]\ttraining's l2: {loss(i)}\tvalid_1's l2: {val_loss(i)}"),
        roles(train_loss="training's l2", val_loss="valid_1's l2"),
    ),
    Log("val_log.csv", "epoch,loss\n" + lines(lambda i: f"{i},{val_loss(i)}"), roles(val_loss="loss"), "epoch"),
    Log(
        "valid_results.txt",
        lines(lambda i: f"epoch: {i} loss: {val_loss(i)} accuracy: {accuracy(i)}"),
        roles(val_loss="loss", val_accuracy="accuracy"),
    ),
    Log("test_run.csv", "epoch,loss\n" + lines(lambda i: f"{i},{loss(i)}"), roles(train_loss="loss")),
    Log("train_val.csv", "epoch,loss\n" + lines(lambda i: f"{i},{loss(i)}"), roles(train_loss="loss")),
    Log("train_loss.txt", lines(lambda i: f"epoch{i + 1}\t{loss(i)}"), roles(train_loss="column 2"), "epoch"),
    Log(
        "log.txt",
        lines(lambda e: f"Epoch {e}\n" + lines(lambda i: f"{loss(e + i / 10)}", range(10)).strip(), range(3)),
        roles(train_loss="log"),
        points=30,
    ),
    Log("losses.txt", lines(lambda i: f"{i}: {loss(i)}"), roles(train_loss="losses")),
    Log("high.txt", lines(lambda i: f"{5 * i} {500 if not i else 9 + i % 4 + 0.5}"), roles(train_loss="high")),
    Log(
        "played.log",
        lines(lambda i: f"Episode {10 * i}\tAverage Score: {7.5 * i}\tEpsilon: {1 / (1 + i):.3f}"),
        roles(reward="Average Score"),
    ),
    Log(
        "spacy.txt",
        "E    #   LOSS NER  ENTS_F  SCORE\n---  --  --------  ------  -----\n"
        + lines(lambda i: f"{i // 4}  {200 * i}  {100 * loss(i)}  {100 * accuracy(i)}  {accuracy(i)}"),
        roles(train_loss="LOSS NER", val_accuracy="SCORE"),
    ),
    Log(
        "history.json",
        f'{{"epochs": {list(range(1, POINTS + 1))}, "train_loss": {[loss(i) for i in range(POINTS)]}}}',
        roles(train_loss="train_loss"),
        "epoch",
    ),
    Log(
        "arguments.log",
        lines(
            lambda run: (
                "Config: {'batch_size': 8, 'weight_decay': 0.1, 'optimizer': 1, 'seed': 3, 'momentum': 0.9}\n"
                + lines(lambda i: f"Step {50 * i}: Loss={loss(i)}, LR=1e-3").strip()
            ),
            range(3),
        ),
        roles(train_loss="Loss"),
        "step",
    ),
)

LOGS = (
    *FILES,
    *BOOSTING,
    *MLPERF,
    *NAMES,
    *LANGUAGES,
    *VALUES,
    *SENTENCES,
    *TERMS,
    *BYTES,
    *ROWS,
    *LISTS,
    *CONSOLES,
    *TABLES,
)


def written(log: Log, folder: Path) -> Path:
    path = folder / log.name
    path.write_text(log.text, encoding="utf-8")
    return path


def found(run: Run) -> dict[str, str]:
    return {role: column for role, column in run.roles.items() if role in MAIN_ROLES}


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
def test_the_columns_play_the_roles_that_a_person_gives_them(log: Log, tmp_path: Path) -> None:
    run = read(written(log, tmp_path))[-1]
    assert found(run) == log.roles
    assert max(len(run.series[column]) for column in log.roles.values()) == log.points
    assert not log.axis or run.axis == log.axis
    if log.first is not None:
        assert run.series[run.roles["train_loss"]].values[0] == log.first


def test_a_run_that_was_killed_within_a_line_is_no_fault_of_the_log(tmp_path: Path) -> None:
    first = EPOCHS + lines(lambda i: f"{i},{loss(i)},{val_loss(i)}", range(7)) + "7,0.4\n"
    path = tmp_path / "started again.csv"
    path.write_text(first + EPOCHS + lines(lambda i: f"{i},{loss(i)},{val_loss(i)}"))
    [run] = read(path)
    assert run.points == POINTS
    assert not any("shorter" in note for note in run.notes)


def test_a_loss_that_is_no_number_at_first_is_kept_where_another_is_one(tmp_path: Path) -> None:
    path = tmp_path / "one is no number.csv"
    path.write_text(EPOCHS + lines(lambda i: f"{i},{'nan' if i < 10 else loss(i)},{val_loss(i)}"))
    [run] = read(path)
    assert len(run.series["train_loss"]) == POINTS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.txt", lines(lambda i: f"{7 * i:06d}")),
        ("boxes.txt", lines(lambda i: f"{i} {0.9 - i / 99} {20.5 + i} {40.5 - i}")),
        ("counts.csv", "generation,top_score,turns\n" + lines(lambda i: f"{i},{i + 3},{2 * i}")),
        ("labels.txt", lines(lambda i: f"{i},{i % 3}")),
        ("durations.txt", lines(lambda i: f"test: {12.5 + i % 4}")),
    ],
)
def test_lists_of_other_things_are_no_curves(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ReadError, match="no loss among"):
        read(path)


def test_what_the_values_decided_is_told(tmp_path: Path) -> None:
    path = tmp_path / "numbers.txt"
    path.write_text(lines(lambda i: f"{i} {loss(i)} {accuracy(i)}"))
    [run] = read(path)
    assert "column 2 is taken for the train_loss, by its values" in run.notes
