"""The SQLite database of MLflow, its default store since 3.7: one table for each active run that logs metrics.

A metric's NaN stands there as 0 with the flag `is_nan`, an infinity as the largest float.

Source: mlflow/store/tracking/dbmodels/models.py and sqlalchemy_store.py, MLflow 3.17.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from diagnose.errors import ReadError
from diagnose.readers.formats import mlflow_store
from diagnose.readers.tables import points, sqlite
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table

if TYPE_CHECKING:
    from sqlite3 import Connection

NAME = "mlflow-sqlite"

_COLUMNS = frozenset({"key", "value", "timestamp", "run_uuid"})
_SINCE_1_0 = frozenset({"step", "is_nan"})

_RUNS = """
    SELECT r.run_uuid, CAST(coalesce(nullif(r.name, ''), t.value, '') AS TEXT), CAST(coalesce(r.status, '') AS TEXT),
           coalesce(r.lifecycle_stage, '') = 'deleted' OR coalesce(e.lifecycle_stage, '') = 'deleted'
    FROM runs r
    LEFT JOIN experiments e ON e.experiment_id = r.experiment_id
    LEFT JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'mlflow.runName'
    ORDER BY r.start_time, r.run_uuid
"""
_PARAMS = "SELECT run_uuid, key, value FROM params"
_METRICS = """
    SELECT run_uuid, key, coalesce(CAST(step AS INTEGER), 0), coalesce(CAST(timestamp AS INTEGER), 0), value, is_nan
    FROM metrics
    WHERE typeof(value) IN ('real', 'integer') AND typeof(key) = 'text' AND key NOT LIKE ? || '%'
    ORDER BY run_uuid
"""


class _Run(NamedTuple):
    """name, status: as MLflow has them; deleted: by itself or with its experiment."""

    name: str
    status: str
    deleted: bool


def recognise(document: Document) -> bool:
    """Whether the document is an SQLite database with the metrics of MLflow. Raises ReadError where it is locked."""
    return sqlite.has_columns(document, "metrics", _COLUMNS)


def read(document: Document) -> list[Table]:
    """Read every active run with metrics, in the order in which they started.

    Raises ReadError where there is none, or the database is locked, damaged, or of MLflow before 1.0.
    """
    with sqlite.opened(document) as connection:
        if not sqlite.names(connection, "metrics") >= _SINCE_1_0:
            raise ReadError("a database of MLflow before 1.0; bring a copy up to date with: mlflow db upgrade")
        runs = {uuid: _Run(name, status, bool(deleted)) for uuid, name, status, deleted in connection.execute(_RUNS)}
        active = {uuid: run for uuid, run in runs.items() if not run.deleted}
        params = _params(connection)
        found = dict(_tables(_metrics(connection), active, params))
    left_out = mlflow_store.left_out(deleted=len(runs) - len(active), silent=len(active) - len(found))
    if not found:
        raise ReadError(f"the MLflow database holds no run to judge{f' ({left_out[0]})' if left_out else ''}")
    return [replace(found[uuid], notes=(*found[uuid].notes, *left_out)) for uuid in active if uuid in found]


def _tables(
    metrics: Iterable[tuple[str, Iterable[tuple[Any, ...]]]],
    runs: Mapping[str, _Run],
    params: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[str, Table]]:
    """Run after run with its table; the rows of one run are held at a time."""
    for uuid, rows in metrics:
        if uuid in runs:
            name, status, _ = runs[uuid]
            notes = mlflow_store.ending(status)
            yield uuid, points.table(_points(rows), NAME, name=name or str(uuid), config=params.get(uuid), notes=notes)


def _params(connection: Connection) -> dict[str, dict[str, Any]]:
    """Run -> name -> value, a string."""
    params: dict[str, dict[str, Any]] = {}
    for uuid, key, value in connection.execute(_PARAMS):
        params.setdefault(uuid, {})[key] = value
    return params


def _metrics(connection: Connection) -> Iterator[tuple[str, Iterable[tuple[Any, ...]]]]:
    """Run after run with its rows, by one query."""
    return groupby(connection.execute(_METRICS, (mlflow_store.SYSTEM,)), key=itemgetter(0))


def _points(rows: Iterable[tuple[Any, ...]]) -> points.Points:
    """The points of one run."""
    _, keys, steps, times, values, is_nan = zip(*rows, strict=True)
    place = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    numbers = np.array(values, dtype=np.float64)
    numbers[np.abs(numbers) == sys.float_info.max] *= np.inf
    numbers[np.array(is_nan, dtype=np.bool_)] = np.nan
    return points.Points(
        list(place),
        np.fromiter(map(place.__getitem__, keys), dtype=np.intp, count=len(keys)),
        np.array(steps, dtype=np.float64),
        numbers,
        np.array(times, dtype=np.int64),
        np.array(times, dtype=np.float64),
    )
