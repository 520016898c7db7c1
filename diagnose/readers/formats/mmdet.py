"""OpenMMLab: `*.log.json` of mmdet, mmseg, mmcls ... before version 3, and `vis_data/scalars.json` of mmengine.

Both count iterations in their own way. The old one restarts `iter` every epoch and puts the length of the validation
set into the `iter` of a validation row; mmengine puts the epoch into the `step` of a validation row. The global step is
worked out here: epochs before * iterations per epoch + iter, and a validation row stands at the last training step.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from diagnose.readers.tables.document import Document
from diagnose.readers.tables.records import head_records, read_lines, table_from_records
from diagnose.readers.tables.table import Table

NAME = "mmdet"

_STEP = "step"
_PLACE = frozenset({"mode", "epoch", "iter", "step"})  # where a row stands, no metric


def recognise(document: Document) -> bool:
    """Whether the first lines have a mode, epoch and iter each, or iter and step as mmengine writes them."""
    records = head_records(document)
    old = any({"mode", "epoch", "iter"} <= record.keys() for record in records)
    return old or any({"iter", "step", "lr"} <= record.keys() for record in records)


def read(document: Document) -> list[Table]:
    """Read the log. Columns are `train/loss`, `val/bbox_mAP` ... (mmengine: as logged) over the global `step`.

    A mAP of -1 means "no such object in the validation set" and counts as not logged.
    """
    records, _, notes = read_lines(document)
    old = [record for record in records if {"mode", "epoch"} <= record.keys() or {"mode", "iter"} <= record.keys()]
    if any("iter" in record for record in old):
        rows, left_out = _by_mode(old)
        format = "mmdet-log-json"
    else:
        rows, left_out = _mmengine([record for record in records if "step" in record])
        format = "mmengine-json"
    if left_out:
        notes = (*notes, f"{', '.join(left_out)}: -1 means undefined and counts as not logged")
    return [table_from_records(rows, format, axis=_STEP, notes=notes)]


def _by_mode(records: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of the old format, with `mode/` before the names; and the metrics that were undefined somewhere."""
    iterations = _iterations_per_epoch(records)
    first = min((_whole(r.get("epoch")) for r in records if r["mode"] == "train"), default=1)
    first = min(first, 1)  # a resumed log starts later; others count their epochs from 0
    step = 0
    rows: list[dict[str, Any]] = []
    undefined: dict[str, None] = {}
    for record in records:
        mode = record["mode"]
        if mode == "train" and "iter" in record:
            step = _whole(record["iter"]) + max(_whole(record.get("epoch")) - first, 0) * iterations
        row: dict[str, Any] = {_STEP: step, "epoch": record.get("epoch")}
        for key, value in record.items():
            if key in _PLACE or isinstance(value, str):  # a string repeats the numbers for copying
                continue
            if _is_undefined(key, value):
                undefined[f"{mode}/{key}"] = None
            else:
                row[f"{mode}/{key}"] = value
        rows.append(row)
    return rows, list(undefined)


def _iterations_per_epoch(records: Sequence[dict[str, Any]]) -> int:
    """Iterations per epoch where `iter` restarts with the epochs; 0 where it counts through.

    The log does not say the number; the last logged iteration of an epoch is short of it by less than the interval.
    """
    train = [(_whole(r.get("epoch")), _whole(r["iter"])) for r in records if r["mode"] == "train" and "iter" in r]
    restarts = any(later[0] > former[0] and later[1] <= former[1] for former, later in pairwise(train))
    resumed = bool(train) and train[0][0] > 1 and not _counts_through(train)
    return max(iteration for _, iteration in train) if restarts or resumed else 0


def _counts_through(train: Sequence[tuple[int, int]]) -> bool:
    """Whether a log that starts after epoch 1 may count its iterations through: it then starts with a high one."""
    first = train[0][1]
    interval = min((later[1] - first for later in train[1:] if later[1] > first), default=first)
    return first > interval


def _mmengine(records: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of mmengine, and the metrics that were undefined somewhere."""
    step = 0
    rows: list[dict[str, Any]] = []
    undefined: dict[str, None] = {}
    for record in records:
        if "iter" in record:
            step = _whole(record["step"])
        row = {key: value for key, value in record.items() if key != "iter" and not _is_undefined(key, value)}
        undefined.update(dict.fromkeys(key for key in record if key not in row and key != "iter"))
        row[_STEP] = max(step, _whole(record["step"])) if "iter" not in record else step
        rows.append(row)
    return rows, list(undefined)


def _is_undefined(name: str, value: Any) -> bool:
    """Whether a cell is COCO's -1 for an average precision or recall over no object."""
    return value == -1 and any(word in name for word in ("AP", "AR"))


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and abs(value) < 2**53 else 0  # NaN and infinity are 0
