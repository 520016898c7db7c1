"""CatBoost: `learn_error.tsv` and `test_error.tsv` of one training side by side in `catboost_info`, or both as JSON.

The two tables have the columns `iter` and one per metric, and only the name of the file says on which data they were
measured. `catboost_training.json` holds the values of all sets, and whether a metric is to be small or large.

Source: catboost/libs/loggers and catboost/libs/train_lib, CatBoost 1.2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diagnose.errors import ReadError
from diagnose.readers.tables import delimited
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.records import load_json, table_from_records
from diagnose.readers.tables.table import Table

NAME = "catboost"

_SETS = {"learn": "learn_error.tsv", "test": "test_error.tsv"}
"""Set of data -> the file that holds its metrics."""

_OWN = frozenset({*_SETS.values(), "time_left.tsv", "catboost_training.json"})
_OWN_FOLDERS = frozenset({"learn", "test", "tmp"})  # the same curves as event files of TensorBoard
_AXIS = "iter"
_JSON = re.compile(r'\{\s*"meta"\s*:')
_DATA = '"iterations"'


def recognise(source: Document | Path) -> bool:
    """Whether a folder is that of one training, or a document one of its files."""
    if isinstance(source, Path):
        return (source / _SETS["learn"]).is_file()
    if source.name in _SETS.values():
        return source.head_text.startswith(_AXIS + "\t")
    return _JSON.match(source.head_text) is not None and '"learn_metrics"' in source.head_text


def read(source: Document | Path) -> list[Table]:
    """Read the training, the metrics on each set of data with the name of the set before them.

    Raises ReadError where the file is `test_error.tsv` and nothing beside it says how the training went.
    """
    if isinstance(source, Path):
        return [_of_tables(_documents(source))]
    if source.name not in _SETS.values():
        return [_of_json(source)]
    beside = _documents(source.path.parent) if source.path is not None else {}
    if source.name == _SETS["test"] and "learn" not in beside:
        raise ReadError(f"the half of a boosting log that was measured on the test set; put {_SETS['learn']} beside it")
    return [_of_tables(beside or {"learn": source})]


def rest(folders: Sequence[str], names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The folders and the files that are not part of the training."""
    return [f for f in folders if f not in _OWN_FOLDERS], [name for name in names if name not in _OWN]


def _documents(folder: Path) -> dict[str, Document]:
    """The files of the sets in a folder that are there and hold something."""
    paths = {label: folder / name for label, name in _SETS.items()}
    return {label: Document.open(path) for label, path in paths.items() if path.is_file() and path.stat().st_size}


def _of_tables(documents: Mapping[str, Document]) -> Table:
    """One table of the files of all sets, by the iteration."""
    rows: dict[float, dict[str, float]] = {}
    notes: list[str] = []
    for label, document in documents.items():
        for table in delimited.read(document, NAME):
            notes += table.notes
            for i in range(table.rows):
                row = {name: float(c.values[i]) for name, c in table.columns.items() if c.logged[i]}
                place = row.pop(_AXIS, None)
                if place is not None:
                    rows.setdefault(place, {_AXIS: place}).update({f"{label}/{name}": v for name, v in row.items()})
    return table_from_records([rows[place] for place in sorted(rows)], NAME, axis=_AXIS, notes=notes)


def _of_json(document: Document) -> Table:
    """The table of `catboost_training.json`."""
    value, notes = load_json(document, _DATA)
    iterations = value.get("iterations") if isinstance(value, dict) else value
    names, roles = _metrics(_meta(document.text))
    rows = [_row(record, names) for record in iterations or () if isinstance(record, dict)]
    return table_from_records(rows, NAME, axis=_AXIS, roles=roles, notes=notes)


def _meta(text: str) -> Mapping[str, Any]:
    """What stands first and is whole also where the file breaks off; {} where it is not."""
    try:
        meta, _ = json.JSONDecoder().raw_decode(text, text.index("{", text.index('"meta"')))
    except (ValueError, RecursionError):
        return {}
    return meta if isinstance(meta, dict) else {}


def _metrics(meta: Mapping[str, Any]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Set of data -> the names of its columns, and the roles of those that are to be small: names may be anything."""
    names: dict[str, list[str]] = {}
    roles: dict[str, str] = {}
    for kind, role in (("learn", "train_loss"), ("test", "val_loss")):
        metrics = meta.get(f"{kind}_metrics", ())
        small = [metric.get("best_value") == "Min" for metric in metrics]
        for label in meta.get(f"{kind}_sets", ()):
            names[label] = [f"{label}/{metric.get('name')}" for metric in metrics]
            roles |= {} if role in roles or True not in small else {role: names[label][small.index(True)]}
    return names, roles


def _row(record: Mapping[str, Any], names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """One iteration: where it stands and its metrics by name."""
    row = {_AXIS: record.get("iteration")}
    for label, columns in names.items():
        values = record.get(label)
        if isinstance(values, list):
            row |= dict(zip(columns, values, strict=False))
    return row
