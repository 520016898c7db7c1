"""The SQLite database of trackio, one for each project: a table for each run, and its configuration.

Before 0.24 a run went by its name alone. The metrics of a logging call are one JSON object, with NaN as a string.

Source: trackio/sqlite_storage.py and utils.py, trackio 0.43.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from diagnose.errors import ReadError
from diagnose.readers.tables import sqlite
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.records import table_from_records
from diagnose.readers.tables.table import Table

if TYPE_CHECKING:
    from sqlite3 import Connection

NAME = "trackio"

_COLUMNS = frozenset({"run_name", "step", "timestamp", "metrics"})


def recognise(document: Document) -> bool:
    """Whether the document is an SQLite database with the metrics of trackio. Raises ReadError where it is locked."""
    return sqlite.has_columns(document, "metrics", _COLUMNS)


def read(document: Document) -> list[Table]:
    """Read every run, in the order in which they were begun.

    Raises ReadError where there is none, or the database is locked or damaged.
    """
    with sqlite.opened(document) as connection:
        key = "run_id" if "run_id" in sqlite.names(connection, "metrics") else "run_name"
        configs = _configs(connection, key)
        # The name of the column is one of the two above.
        rows = connection.execute(
            f"SELECT {key}, run_name, coalesce(CAST(id AS INTEGER), 0), step, metrics FROM metrics "
            f"ORDER BY {key}, timestamp, id"
        )
        found = list(_tables(groupby(rows, key=itemgetter(0)), configs))
    if not found:
        raise ReadError("no run in the trackio database has logged anything")
    return [table for _, table in sorted(found, key=itemgetter(0))]


def _tables(
    runs: Iterable[tuple[str, Iterable[tuple[Any, ...]]]], configs: dict[str, dict[str, Any]]
) -> Iterator[tuple[int, Table]]:
    """Run after run with the number of its first row; the rows of one run are held at a time."""
    for run, group in runs:
        rows = list(group)
        records = [record for _, _, _, step, metrics in rows if (record := _record(step, metrics)) is not None]
        broken = len(rows) - len(records)
        notes = [f"{broken} of {len(rows)} logging calls are no JSON object and left out"] if broken else []
        try:
            table = table_from_records(
                records, NAME, name=str(rows[-1][1] or run), axis="step", config=configs.get(run), notes=notes
            )
        except ReadError:  # a run that logged pictures or texts only
            continue
        yield rows[0][2], table


def _record(step: Any, metrics: Any) -> dict[str, Any] | None:
    """The metrics of one logging call with its step, None where they are no JSON object."""
    values = _object(metrics)
    return None if values is None else {**values, "step": step}


def _configs(connection: Connection, key: str) -> dict[str, dict[str, Any]]:
    """Run -> its configuration, without the entries of trackio's own (`_Username`)."""
    if not sqlite.names(connection, "configs") >= {key, "config"}:
        return {}
    rows = connection.execute(f"SELECT {key}, config FROM configs")
    return {
        run: {name: value for name, value in (_object(config) or {}).items() if not name.startswith("_")}
        for run, config in rows
    }


def _object(text: Any) -> dict[str, Any] | None:
    """The JSON object in a cell, which may be text or bytes."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
