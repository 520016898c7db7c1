"""Hugging Face Trainer: `trainer_state.json`, or the bare list `log_history` of one. TRL's trainers write the same."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from diagnose.errors import ReadError
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.records import load_json, table_from_records
from diagnose.readers.tables.table import Table

NAME = "huggingface"

_CONFIG_KEYS = ("train_batch_size", "num_train_epochs", "max_steps", "logging_steps", "eval_steps", "save_steps")


def recognise(document: Document) -> bool:
    """Whether the head shows a `log_history`, or a list whose first record is one of its rows."""
    head = document.head_text.lstrip("\ufeff \t\n")
    if head.startswith("{"):
        return '"log_history"' in head
    if not head.startswith("["):
        return False
    start = head.find("{", 1, 200)
    if start < 0 or head[1:start].strip():
        return False
    try:
        first, _ = json.JSONDecoder().raw_decode(head, start)
    except (ValueError, RecursionError):
        return False
    return {"step", "epoch"} <= first.keys() and any(
        key in ("loss", "learning_rate", "grad_norm") or key.startswith("eval_") for key in first
    )


def read(document: Document) -> list[Table]:
    """Read the state. The axis is `step`; the summary row at the end of a training is no point of a curve.

    Raises ReadError where the JSON is broken or nothing was logged.
    """
    state, cut = load_json(document, start='"log_history"')
    history = state.get("log_history") if isinstance(state, dict) else state
    if not isinstance(history, list):
        raise ReadError("log_history is no list, so there is no curve to judge")
    records = [row for row in history if isinstance(row, dict)]
    points = [row for row in records if "train_runtime" not in row]
    if not points:
        raise ReadError("log_history holds no logged step; set logging_steps below the number of training steps")
    notes = [*cut, *_summary_notes(records), *_filter_notes(points)]
    return [
        table_from_records(
            points,
            "hf-trainer-state",
            axis="step" if any("step" in row for row in points) else "epoch",
            roles={"train_loss": "loss"},
            config=_config(state),
            notes=notes,
        )
    ]


def _config(state: Any) -> dict[str, Any]:
    """The few hyperparameters that the state repeats from the training arguments."""
    if not isinstance(state, dict):
        return {}
    return {key: state[key] for key in _CONFIG_KEYS if isinstance(state.get(key), int | float)}


def _summary_notes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the summary row says, since it is taken out of the curves."""
    means = [
        row["train_loss"]
        for row in records
        if "train_runtime" in row and isinstance(row.get("train_loss"), int | float)
    ]
    return [f"the Trainer's summary row (train_loss {means[-1]:.4g}, the mean of the run) is no point"] if means else []


def _filter_notes(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """A note where the Trainer's default `logging_nan_inf_filter=True` has hidden a NaN behind a loss of exactly 0."""
    hidden = [row for row in points if row.get("loss") == 0.0 and _is_nan(row.get("grad_norm"))]
    eval_nan = any(_is_nan(value) for row in points for key, value in row.items() if key.endswith("_loss"))
    zero = any(row.get("loss") == 0.0 for row in points)
    if not hidden and not (eval_nan and zero):
        return []
    place = f" from step {hidden[0]['step']}" if hidden and "step" in hidden[0] else ""
    return [f"the loss of exactly 0.0{place} is a NaN that the Trainer's logging_nan_inf_filter hides"]


def _is_nan(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() == "nan"
    return isinstance(value, float) and math.isnan(value)
