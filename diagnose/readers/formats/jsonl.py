"""JSON Lines, one object per logging call: detectron2, DETR, LLaMA-Factory, W&B and trackio exports, people's own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from diagnose.errors import ReadError
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.records import head_records, read_lines, table_from_records
from diagnose.readers.tables.table import Table

NAME = "jsonl"

# format, keys that every one of its logs has, axis
_DIALECTS = (
    ("llamafactory-jsonl", {"current_steps", "total_steps"}, "current_steps"),
    ("detectron2-jsonl", {"iteration", "total_loss"}, "iteration"),
    ("detr-jsonl", {"epoch", "train_loss", "n_parameters"}, "epoch"),
)


def recognise(document: Document) -> bool:
    """Whether most of the first lines are a JSON object each, and there are two at least."""
    return bool(head_records(document))


def read(document: Document) -> list[Table]:
    """Read all lines; a last line that is cut off is left out and noted.

    Raises ReadError where the lines hold no number.
    """
    records, lines, notes = read_lines(document)
    if not records:
        raise ReadError("no line is a JSON object")
    format, axis = _dialect(set().union(*(record.keys() for record in records[:20])))
    return [table_from_records(map(_unpack, records), format, axis=axis, notes=notes, lines=lines)]


def _dialect(keys: Collection[str]) -> tuple[str, str | None]:
    """The format's name and axis by the keys of the first records."""
    return next(((name, axis) for name, typical, axis in _DIALECTS if typical <= set(keys)), (NAME, None))


def _unpack(record: dict[str, Any]) -> dict[str, Any]:
    """A record with what stands under a key `metrics` one level up, as trackio and others nest it."""
    metrics = record.get("metrics")
    if not isinstance(metrics, dict):
        return record
    return {key: value for key, value in record.items() if key != "metrics"} | metrics
