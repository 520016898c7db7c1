"""MLPerf: lines `:::MLLOG {"key": "eval_accuracy", "value": 0.7, "metadata": {"epoch_num": 3}}` among any others.

Source: mlperf_logging/mllog, MLPerf Training 0.6 (`:::MLL`, the key before the JSON) to 5.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from diagnose.names import roles
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.records import table_from_records
from diagnose.readers.tables.table import Table

NAME = "mllog"

_LINE = re.compile(r":::MLL(?:OG)?\s+(?:[\d.]+\s+)?(?:\"?(\w+)\"?:?\s+)?(\{.*)")
_PLACES = ("step", "step_num", "iteration", "samples_count", "epoch_num", "epoch")
"""What the metadata call the place of a value, the finest first."""

_FEW = 2
_MOST_EPOCHS = 10_000  # more are samples, which some benchmarks log as `epoch_num`


def recognise(document: Document) -> bool:
    """Whether two lines at least of the head are MLPerf's."""
    return len(list(islice(_messages(document.head_lines), _FEW))) == _FEW


def read(document: Document) -> list[Table]:
    """Read the metrics, each message a row, and the hyperparameters that are logged before the training.

    Raises ReadError where no message holds a metric.
    """
    rows: list[dict[str, Any]] = []
    config: dict[str, Any] = {}
    lines: list[int] = []
    for number, message in _messages(document.lines()):
        values = _values(message)
        metrics = {name: value for name, value in values.items() if roles.is_metric_name(name)}
        if metrics:
            rows.append(_place(message.get("metadata")) | values)
            lines.append(number)
        else:
            config |= values
    counts_samples = max((row.get("epoch", 0) for row in rows), default=0) > _MOST_EPOCHS
    if counts_samples:
        rows = [{"step" if name == "epoch" else name: value for name, value in row.items()} for row in rows]
    return [table_from_records(rows, NAME, config=config, lines=lines)]


def _messages(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The messages with the number of their line, from 1."""
    for number, line in enumerate(lines, 1):
        found = _LINE.search(line) if ":::MLL" in line else None
        if found is None:
            continue
        try:
            message = json.loads(found[2])
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict):
            yield number, {"key": found[1]} | message


def _values(message: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a message by name: its value, or the values of a mapping."""
    key, value = message.get("key"), message.get("value")
    if isinstance(value, dict):
        return {str(name): inner for name, inner in value.items() if isinstance(inner, int | float)}
    return {str(key): value} if isinstance(value, int | float) and not isinstance(value, bool) else {}


def _place(metadata: Any) -> dict[str, Any]:
    """Where a message stands in the training; {} where it does not say."""
    metadata = metadata if isinstance(metadata, dict) else {}
    found = next((name for name in _PLACES if isinstance(metadata.get(name), int | float)), None)
    return {} if found is None else {"epoch" if found.startswith("epoch") else "step": metadata[found]}
