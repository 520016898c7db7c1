"""Diagnoses made by hand, so that what a report says of them does not change with the rules."""

from __future__ import annotations

import numpy as np
import pytest

from diagnose.curves import Run, Series
from diagnose.names.kinds import Kind
from diagnose.rule import Diagnosis, Evidence, Finding, NotJudged, Recommendation, Severity
from diagnose.trials import Tally


def run(name: str = "run", *, source: str = "run.csv", notes: tuple[str, ...] = ()) -> Run:
    epochs = np.arange(1.0, 41.0)
    loss = 2.0 * np.exp(-epochs / 8.0) + 0.1
    val = 2.0 * np.exp(-epochs / 6.0) + 0.4 + 0.02 * np.maximum(epochs - 15.0, 0.0)
    return Run(
        name=name,
        series={"loss": Series("loss", epochs, loss), "val_loss": Series("val_loss", epochs, val)},
        roles={"train_loss": "loss", "val_loss": "val_loss"},
        source=source,
        format="keras-csv",
        axis="epoch",
        notes=notes,
    )


OVERFITTING = Finding(
    severity=Severity.ERROR,
    confidence=0.97,
    summary="val_loss was best at epoch 17 (0.558) and ends 62 % above it (0.9).",
    meaning="What was learned after epoch 17 fits the training sample, not the task.",
    steps=(17.0, 40.0),
    marks=(17.0,),
    series=("val_loss", "train_loss"),
    evidence=(Evidence("GL", 61.9, 5.0, "percent"), Evidence("best", 17.0)),
    rule="overfitting",
    measured=True,
    recommendations=(
        Recommendation(
            "early-stopping",
            "stop at epoch 17",
            "later epochs fit the sample",
            "notes",
            Tally(20, 20, 19, "accuracy", 2.1),
        ),
        Recommendation("weight-decay", "weight_decay 0 -> 0.01", "small weights fit less noise", "notes"),
        Recommendation("dropout", "add dropout", "no unit can rely on another", "notes"),
        Recommendation("more-data", "collect more data", "the gap closes", "notes"),
    ),
)

SLOW = Finding(
    severity=Severity.NOTE,
    confidence=0.6,
    summary="train_loss is still falling.",
    meaning="It can be trained longer.",
    steps=(30.0, 40.0),
    series=("train_loss",),
    rule="slow-convergence",
)


@pytest.fixture
def ill() -> Diagnosis:
    return Diagnosis(
        run=run(notes=("the epoch restarts at row 12: judged from there",)),
        findings=(OVERFITTING,),
        not_judged=(
            NotJudged("frozen-metric", "the log has no accuracy"),
            NotJudged("loss-accuracy-conflict", "the log has no accuracy"),
            NotJudged("plateau", "only 40 points; needs 50"),
        ),
        judged=("overfitting", "loss-spike"),
        milestone="learn-the-right-thing",
        milestone_reason="val_loss is 5 times train_loss",
    )


@pytest.fixture
def healthy() -> Diagnosis:
    return Diagnosis(
        run=run("fine", source="fine.csv"),
        findings=(),
        not_judged=(),
        judged=("overfitting", "loss-spike"),
        milestone="learn-everything",
        milestone_reason="the training set is not fitted yet",
        kind=Kind("classification", "the log has val_accuracy"),
        rests_on=("overfitting",),
    )


@pytest.fixture
def noted() -> Diagnosis:
    return Diagnosis(run=run("slow", source="slow.csv"), findings=(SLOW,), not_judged=(), judged=("slow-convergence",))


@pytest.fixture
def unjudged() -> Diagnosis:
    missing = (NotJudged("overfitting", "the log has no val_loss"),)
    return Diagnosis(run=run("odd", source="odd.csv"), findings=(), not_judged=missing, judged=())
