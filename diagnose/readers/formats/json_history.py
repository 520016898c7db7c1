"""One JSON value that holds a whole training: Keras `History.history` and its kin, Chainer, Ludwig, Sacred, exports.

What they have in common is looked for, not their names: lists of numbers that are as long as each other, or lists of
records, at any depth.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, pairwise
from typing import Any

import numpy as np

from diagnose.curves import Array
from diagnose.errors import ReadError
from diagnose.names import roles
from diagnose.names.roles import is_metric_name
from diagnose.readers.tables import points
from diagnose.readers.tables.cells import NOT_LOGGED, number
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.names import unique
from diagnose.readers.tables.records import (
    MAX_LIST,
    as_float,
    head_records,
    load_json,
    sibling_json,
    table_from_records,
)
from diagnose.readers.tables.table import Table

NAME = "json-history"

_CONFIG_KEY = re.compile(r"config|args|arguments|h(?:yper)?_?params?|hyper_?parameters|params|parameters|settings")
_WRAPPERS = frozenset(  # folders that say nothing of what they hold
    ["history", "log_history", "logs", "log", "metrics", "epochs", "training_history", "results", "data"]
)
_MAX_DEPTH = 6  # levels of nesting that are searched for curves

_REPR = re.compile(r"\s*(?:\w+\s*=\s*)?\{\s*'[^'\n]{1,80}'\s*:\s*(?:(?:np\.)?array\(|tensor\()?\[")
_LIST = re.compile(  # numbers between brackets that end the line, or the file, and perhaps a name before them
    r"(?:\A|(?<=\n))[ \t]*(?:([A-Za-z][\w /.-]{0,60})[:=][ \t]*)?\[([^\[\]]*)(?:\][ \t]*,?[ \t]*(?=\n|\Z)|\Z)"
)
_EMPTY_LISTS = re.compile(r"\A\ufeff?\s*(?:\[\]\s*)*")  # as a history is before the first epoch
_LEAST_LIST = 5  # numbers; `[1, 2000] loss: 2.187` is a line of a log
_LIST_TOKEN = re.compile(r"[^,\s]+")
_ONLY = "value"
_REPR_CALL = re.compile(r"(?:\w{1,10}\.)?(?:float\d*|int\d*|array|tensor|Tensor)\(([^()]*)\)")
_REPR_OPTION = re.compile(r",\s*(?:dtype|device|grad_fn)=[^,()\[\]]*")
_REPR_TOKEN = re.compile(r"'(?:[^'\\]|\\[\s\S])*(?:'|\\?\Z)|\bnan\b|\binf\b|\bNone\b|\bTrue\b|\bFalse\b")
_REPR_JSON = {"nan": "NaN", "inf": "Infinity", "None": "null", "True": "true", "False": "false"}


@dataclass
class _Found:
    """What the search through a JSON value came upon.

    curves: name with its path -> list of values.
    records: path -> list of records.
    config: name -> scalar.
    """

    curves: dict[str, list[Any]] = field(default_factory=dict)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)


def recognise(document: Document) -> bool:
    """Whether the document starts like one JSON value (or the printed dict of a Keras History) and is no JSON Lines."""
    head = document.head_text.lstrip("\ufeff \t\n")
    if _REPR.match(head) or is_list(document):
        return True
    return bool(re.match(r'\{\s*"|\[\s*[\[{]|\[\s*\]|\{\s*\}', head)) and not head_records(document)


def read(document: Document) -> list[Table]:
    """Read the curves, one table per run where the JSON holds several.

    Raises ReadError where the JSON is broken or holds no curve.
    """
    value, notes = _load(document)
    if _is_sacred(value):
        return [_sacred(value, _scalars(sibling_json(document, "config.json")))]
    if isinstance(value, list) and (rows := _tensorboard_rows(value, document.name)):
        return [table_from_records(rows, "tensorboard-json", axis="step")]
    return of_value(value, notes=notes)


def of_value(value: Any, format: str = "", *, notes: tuple[str, ...] = ()) -> list[Table]:
    """The tables of the runs in a JSON value; format: what `Table.format` says where the value does not decide it.

    Raises ReadError where it holds no curve.
    """
    runs = _runs(value) or {"": value}
    return [_table(run, name, format or _kind(run), notes) for name, run in runs.items()]


def _load(document: Document) -> tuple[Any, tuple[str, ...]]:
    """The JSON value and notes; a printed Python dict, or printed lists, are translated first."""
    if is_list(document):
        return _lists(_EMPTY_LISTS.sub("", document.text)), ()
    if not _REPR.match(document.head_text.lstrip("\ufeff")):
        return load_json(document)
    text = document.json_text("json_values")
    text = text[text.index("{") :]
    text = _REPR_CALL.sub(lambda call: _REPR_OPTION.sub("", call[1]), text)
    text = _REPR_TOKEN.sub(lambda m: _REPR_JSON.get(m[0]) or json.dumps(m[0][1:-1]), text)
    try:
        return json.loads(text.replace("(", "[").replace(")", "]")), ()
    except (ValueError, RecursionError) as error:
        raise ReadError("looks like a printed Python dict but cannot be read; save it with json.dump") from error


def is_list(document: Document) -> bool:
    """Whether the document is lists of numbers as Python, NumPy or JSON prints them, each perhaps with its name.

    It starts with one, or two with the name of a metric stand among its lines.
    """
    head = _EMPTY_LISTS.sub("", document.head_text)
    lists = (found for found in _LIST.finditer(head) if len(_numbers(found[2], _LEAST_LIST)) == _LEAST_LIST)
    first = next(lists, None)
    if first is None or first.start() == 0:
        return first is not None
    names = [found[1] for found in chain([first], lists) if is_metric_name(found[1] or "")]
    return len(names) == len(set(names)) > 1  # a list that comes again and again is printed for each epoch


def _lists(text: str) -> dict[str, list[float | None]]:
    """The lists of numbers that a text prints one after another, each by the name before it, or by its place."""
    found = [((list_[1] or "").strip(), _numbers(list_[2])) for list_ in _LIST.finditer(text)]
    found = [(name, numbers) for name, numbers in found if numbers]
    whole = [later[: len(former)] == former for (_, former), (_, later) in pairwise(found)]
    if whole and all(whole) and not any(name for name, _ in found):
        found = found[-1:]  # the list so far, printed after every epoch
    unnamed = sum(not name for name, _ in found)
    names = unique(name or (_ONLY if unnamed == 1 else f"column {i}") for i, (name, _) in enumerate(found, 1))
    return dict(zip(names, (numbers for _, numbers in found), strict=True))


def _numbers(text: str, most: int | None = None) -> list[float | None]:
    """The first numbers of a list, None where one was not logged, up to what is none: a last one that is cut off."""
    numbers: list[float | None] = []
    for token in _LIST_TOKEN.findall(text)[:most]:
        value = number(token)
        if value is None and token not in NOT_LOGGED:
            break
        numbers.append(value)
    return numbers


def _table(value: Any, name: str, format: str, notes: tuple[str, ...]) -> Table:
    """The table of one run."""
    found = _Found()
    _search(value, "", found, 0)
    rows, remarks = _curve_records(found.curves)
    records = _merged_records(found.records)
    if records and _metric_cells(records) >= _metric_cells(rows):
        rows, remarks = records, []
    if not rows:
        raise ReadError("the JSON holds no list of losses or metrics over the epochs, so there is no curve to judge")
    return table_from_records(rows, format, name=name, config=found.config, notes=(*notes, *remarks))


def _kind(value: Any) -> str:
    """The format's name."""
    if isinstance(value, list):
        first = value[0] if value else None
        is_chainer = isinstance(first, dict) and {"epoch", "iteration"} <= first.keys()
        return "chainer-log" if is_chainer else "json-records"
    if isinstance(value, dict) and "training" in value and "validation" in value:
        parts = value["training"]
        if isinstance(parts, dict) and all(isinstance(part, dict) for part in parts.values()):
            return "ludwig-json"
    return NAME


def _search(value: Any, path: str, found: _Found, depth: int) -> None:
    """Collect lists of numbers, lists of records and scalars below `value`."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        if by_epoch := _keyed_by_epoch(value):
            found.records[path] = by_epoch
        elif isinstance(value.get("columns"), list) and _is_matrix(value.get("data")):
            names = [str(name) for name in value["columns"]]
            found.records[path] = [dict(zip(names, row, strict=False)) for row in value["data"]]
        else:
            for key, inner in value.items():
                _search_item(str(key), inner, path, found, depth)
    elif isinstance(value, list):
        records = [row for row in value if isinstance(row, dict)]
        if records and 2 * len(records) >= len(value):
            found.records[path] = records
        elif _is_curve(value):
            found.curves[path or _ONLY] = value


def _search_item(key: str, inner: Any, path: str, found: _Found, depth: int) -> None:
    name = f"{path}/{key}" if path else key
    if _CONFIG_KEY.fullmatch(key.lower()) and isinstance(inner, dict):
        found.config.update(_scalars(inner))
    elif isinstance(inner, dict) and (values := _keyed_by_index(inner)) is not None:
        found.curves[name] = values  # pandas' to_json: {"loss": {"0": 0.5, "1": 0.4}}
    elif isinstance(inner, dict | list):
        wraps = key.lower() in _WRAPPERS and not (isinstance(inner, list) and _is_curve(inner))
        _search(inner, path if wraps else name, found, depth + 1)
    elif inner is not None and not path:
        found.config[key] = inner


def _scalars(config: Mapping[str, Any]) -> dict[str, Any]:
    """The scalar entries of a configuration, one level deep."""
    return {str(key): value for key, value in config.items() if isinstance(value, str | int | float)}


def _is_value(item: Any) -> bool:
    return item is None or isinstance(item, float | int) or (isinstance(item, str) and number(item[:64]) is not None)


def _is_curve(value: Sequence[Any]) -> bool:
    """Whether a list holds one number (or one short list of numbers) per epoch."""
    if not value or all(item is None for item in value):
        return False
    return all(_is_value(item) or (_is_short_list(item)) for item in value)


def _is_short_list(item: Any) -> bool:
    return isinstance(item, list) and len(item) <= MAX_LIST and all(_is_value(inner) for inner in item)


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, list) for row in value)


def _keyed_by_index(value: Mapping[str, Any]) -> list[Any] | None:
    """The values of {"0": 0.5, "1": 0.4} in order; None where the keys are no such index."""
    if (
        len(value) < 2
        or not all(key.isdecimal() and len(key) < 13 for key in value)
        or not all(map(_is_value, value.values()))
    ):
        return None
    return [value[key] for key in sorted(value, key=int)]


def _keyed_by_epoch(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The records of {"1": {"loss": ...}, "epoch_2": {...}} in order, with the epoch put into each."""
    if len(value) < 2 or not all(isinstance(inner, dict) for inner in value.values()):
        return None
    places = [place for key in value if (place := _place(key)) is not None]
    cells = (cell for record in value.values() for cell in record.values())
    if len(places) < len(value) or any(isinstance(cell, list) and len(cell) > MAX_LIST for cell in cells):
        return None
    rows = [{"epoch": place} | inner for place, inner in zip(places, value.values(), strict=True)]
    return sorted(rows, key=lambda row: int(row["epoch"]) if isinstance(row["epoch"], int) else 0)


def _place(key: str) -> int | None:
    """The number of the epoch or step that a key is (`3`, `epoch_3`); None where it is anything else."""
    *counter, number_ = roles.words(key) or ("",)
    counts = not counter or (len(counter) == 1 and roles.parse(counter[0]).ends_in_counter)
    return int(number_) if counts and number_.isdecimal() and len(number_) < 13 else None


def _metric_cells(records: Iterable[Mapping[str, Any]]) -> int:
    """How many cells of the records belong to a metric."""
    cells = Counter(str(key) for record in records for key in record)
    return sum(count for key, count in cells.items() if is_metric_name(key))


def _last(name: str) -> str:
    """The last part of a path."""
    return name.rpartition("/")[2]


def _merged_records(found: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The records of all lists as one sequence of rows.

    Of several lists the names get their path, and rows are put in the order of the axis they share; without one they
    are put side by side.
    """
    lists = {path: rows for path, rows in found.items() if _metric_cells(rows)} or dict(list(found.items())[:1])
    if len(lists) <= 1:
        return next(iter(lists.values()), [])
    shared = set.intersection(*(set().union(*rows) for rows in lists.values()))
    axis = next((key for key in sorted(shared) if roles.parse(key).ends_in_counter), None)
    placed = [
        (row[axis] if axis and isinstance(row.get(axis), int | float) else i, path, row)
        for path, rows in lists.items()
        for i, row in enumerate(rows)
    ]
    placed.sort(key=lambda item: item[0])
    return [
        {key if key == axis else f"{path}/{key}" if path else key: value for key, value in row.items()}
        for _, path, row in placed
    ]


def _curve_records(curves: Mapping[str, list[Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows from lists of values, and notes on lists of another length than the longest.

    Lists of metrics decide how long the training is (lists of any name where there are none); lists of other lengths
    that are no metrics are no curves. A shorter list with an axis of its own (`val_steps`) goes by it where the longest
    has one too; one whose length divides the longest is spread evenly, each value at the end of its stretch; else it
    counts its own points.
    """
    metrics = {name: values for name, values in curves.items() if is_metric_name(name)} or dict(curves)
    longest = max(map(len, metrics.values()), default=0)
    rows: list[dict[str, Any]] = [{} for _ in range(longest)]
    axes = _axes(curves, metrics)
    axis = axes.get(longest)
    spread: list[str] = []
    apart: list[str] = []
    for name, values in curves.items():
        if len(values) == longest:
            _fill(rows, name, values, range(longest))
        elif name not in metrics:
            continue
        elif axis and (own := axes.get(len(values))):
            rows += [{axis: place, name: value} for place, value in zip(curves[own], values, strict=True)]
        elif longest % len(values) == 0:
            stretch = longest // len(values)
            _fill(rows, name, values, range(stretch - 1, longest, stretch))
            if len(values) > 1:
                spread.append(name)
        else:
            _fill(rows, name, values, range(len(values)))
            apart.append(name)
    if axis:
        rows.sort(key=lambda row: as_float(row[axis]))
    notes = []
    if spread:
        notes.append(f"{_some(spread)}: fewer values than {longest}, spread evenly")
    if apart:
        notes.append(f"{_some(apart)}: fewer values than {longest} and no axis, so all are counted from the start")
    return rows, notes


def _fill(rows: list[dict[str, Any]], name: str, values: Iterable[Any], places: Iterable[int]) -> None:
    for place, value in zip(places, values, strict=True):
        rows[place][name] = value


def _some(names: Sequence[str]) -> str:
    """The first of the names, and how many more there are."""
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _axes(curves: Mapping[str, list[Any]], metrics: Mapping[str, list[Any]]) -> dict[int, str]:
    """Length -> the first list of so many non-decreasing numbers that is named like an axis."""
    axes: dict[int, str] = {}
    for name, values in curves.items():
        known = len(values) in axes or name in metrics
        if not known and roles.parse(name).ends_in_counter and _is_sorted(values):
            axes[len(values)] = name
    return axes


def _is_sorted(values: Sequence[Any]) -> bool:
    if not all(isinstance(value, int | float) for value in values):
        return False
    return all(former <= later for former, later in pairwise(values))


def _runs(value: Any) -> dict[str, Any]:
    """The runs of {"resnet": {"train_loss": [...], "val_loss": [...]}, "vgg": {...}}; {} where it is one run.

    Parts of one run are told apart from runs by their names (train, val ...) and by what they hold: runs hold the same
    two or more curves each.
    """
    if not isinstance(value, dict):
        return {}
    parts = {str(key): inner for key, inner in value.items() if isinstance(inner, dict) and not _is_config(key)}
    if len(parts) < 2 or any(roles.parse(key).only_split for key in parts) or _keyed_by_epoch(value):
        return {}
    leaves = []
    for inner in parts.values():
        found = _Found()
        _search(inner, "", found, 1)
        leaves.append({name for name, values in found.curves.items() if len(values) > 1} | set(_record_keys(found)))
    common = set.intersection(*leaves)
    if len(common) < 2 or not any(is_metric_name(name) for name in common):
        return {}
    return parts


def _is_config(key: Any) -> bool:
    return bool(_CONFIG_KEY.fullmatch(str(key).lower()))


def _record_keys(found: _Found) -> Iterator[str]:
    """The names of metrics in the lists of records."""
    for rows in found.records.values():
        yield from (str(key) for row in rows[:5] for key in row)


def _is_sacred(value: Any) -> bool:
    """Whether this is the `metrics.json` of Sacred's FileStorageObserver."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(m, dict) and isinstance(m.get("values"), list) and "steps" in m for m in value.values())
    )


def _sacred(value: Mapping[str, Any], config: Mapping[str, Any]) -> Table:
    """The table of all points of Sacred. Raises ReadError where no value is a number."""
    logged = [point for place, metric in enumerate(value.values()) for point in _sacred_points(place, metric)]
    if not logged:
        raise ReadError("no number among the records, so there is no curve to judge")
    metric, steps, values = (np.array(numbers) for numbers in zip(*(point[:3] for point in logged), strict=True))
    times = _moments([point[3] for point in logged])
    if times is None:
        order = np.concatenate([points.attempts(steps[metric == place]) for place in range(len(value))])
    else:
        order = np.rint(1e6 * times).astype(np.int64)
    found = points.Points(list(value), metric.astype(np.intp), steps, values, order, times)
    return points.table(found, "sacred-json", fixed=True, config=config)


def _sacred_points(place: int, metric: Mapping[str, Any]) -> Iterator[tuple[int, float, float, str]]:
    """(place, step, value, time of logging) of the points of one metric that are numbers."""
    steps = metric["steps"] if isinstance(metric["steps"], list) else []
    times = metric.get("timestamps") or []
    for i, (step, raw) in enumerate(zip(steps, metric["values"], strict=False)):
        inner = raw["value"] if isinstance(raw, dict) and "value" in raw else raw
        value = number(inner[:64]) if isinstance(inner, str) else inner
        if isinstance(step, int | float) and isinstance(value, int | float) and math.isfinite(at := as_float(step)):
            yield place, at, as_float(value), str(times[i]) if i < len(times) else ""


def _moments(stamps: Sequence[str]) -> Array | None:
    """Seconds since 1970 of times in ISO 8601, those of no zone in UTC; None where one of them is none."""
    try:
        read = [datetime.fromisoformat(stamp) for stamp in stamps]
    except ValueError:
        return None
    return np.array([(moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() for moment in read])


def _tensorboard_rows(value: Sequence[Any], document_name: str) -> list[dict[str, Any]]:
    """The rows of TensorBoard's JSON download of one scalar, [[wall time, step, value], ...]; [] where it is none."""
    if len(value) < 2 or not all(isinstance(row, list) and len(row) == 3 and _is_short_list(row) for row in value):
        return []
    if Counter(isinstance(row[1], int) for row in value)[False] or not _is_sorted([row[0] for row in value]):
        return []
    tag = re.search(r"-tag-(.+?)(?:\.json)?\Z", document_name)
    return [{"step": step, tag[1] if tag else "value": number_} for _, step, number_ in value]
