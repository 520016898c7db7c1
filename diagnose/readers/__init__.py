"""One file per log format; from any source to `Run`s.

runs = read("metrics.csv")         # also "-", an open file, a pandas DataFrame, the curves themselves
sources = expand(["logs/"])        # the logs in a directory; each of them can be read
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

import numpy as np

from diagnose import files, limits
from diagnose.curves import Run
from diagnose.errors import LimitError, ReadError
from diagnose.readers.registry import FORMATS, format_of, format_of_folder
from diagnose.readers.source import STDIN, Source
from diagnose.readers.sources import expand, no_log
from diagnose.readers.tables.document import HEAD_BYTES, Document
from diagnose.readers.tables.names import printable
from diagnose.readers.tables.table import Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "STDIN", "Source", "ended", "expand", "from_tables", "no_log", "read", "tables"]


def read(
    source: str | Path | Source | BinaryIO | TextIO | pd.DataFrame, *, overrides: Mapping[str, str] | None = None
) -> list[Run]:
    """Read the runs in one source.

    source: a path, "-" for the standard input, a `Source` from `expand`, an open file, or a pandas DataFrame.
    overrides: canonical name -> column, where the user says what a column means.
    Raises ReadError, whose text is one line without the path, where the source is no training log.
    """
    return from_tables(tables(source), _label(source), overrides)


def from_tables(found: Sequence[Table], label: str, overrides: Mapping[str, str] | None = None) -> list[Run]:
    """The runs in tables that a reader made. Raises ReadError as `read` does; label: for `Run.source`."""
    from diagnose.readers.runs.assemble import runs

    made: list[Run] = []
    failed: list[ReadError | ValueError] = []
    for table in found:
        try:
            made += runs(_safe(table), source=label, overrides=overrides or {})
        except (ReadError, ValueError) as error:
            failed.append(error)
    if failed and not made:
        raise failed[0]
    if failed:
        note = f"{len(failed)} of the runs in the source left out: {failed[0]}"
        made = [replace(run, notes=(*run.notes, note)) for run in made]
    return made


def ended(run: Run) -> bool:
    """Whether the log says that the training is over: the exit record of a `.wandb` file does; no other format can."""
    from diagnose.readers.formats.wandb_file import FORMAT, NO_EXIT

    return run.format == FORMAT and NO_EXIT not in run.notes


def tables(source: str | Path | Source | BinaryIO | TextIO | pd.DataFrame) -> list[Table]:
    """Read the tables in one source, before anyone asks what their columns mean. Raises ReadError as `read` does."""
    with np.errstate(over="ignore", invalid="ignore"):  # a log holds infinities, and numbers that overflow
        return _tables(source)


def _tables(source: str | Path | Source | BinaryIO | TextIO | pd.DataFrame) -> list[Table]:
    if isinstance(source, Source) and source.error:
        raise ReadError(source.error)
    if isinstance(source, Source) and source.address:
        from diagnose.readers import remote

        with remote.fetched(source.address) as path:
            return _tables(path)
    if isinstance(source, Source) and len(source.paths) > 1:
        return _of_several(source.paths)
    if hasattr(source, "iloc"):
        from diagnose.readers.formats.frame import from_frame

        return [_safe(from_frame(cast("pd.DataFrame", source)))]
    if isinstance(source, Mapping | list | tuple):
        from diagnose.readers.formats import python_values

        return [_safe(table) for table in python_values.from_values(source)]
    if (folder := _folder(source)) is not None:
        return _of_folder(folder, source.notes if isinstance(source, Source) else ())
    document = _document(source)
    bare = document.bare()
    module = format_of(bare)
    if module is None:
        raise ReadError(_unknown(document))
    found = [_with_config(_safe(table), document) for table in module.read(bare)]
    found = found if document.has_lines else [replace(table, lines=()) for table in found]
    packed = _label(source).endswith(".gz")  # else the run is named by its path, which then would leave `.csv`
    return [replace(table, name=printable(document.stem)) if packed and not table.name else table for table in found]


def _unknown(document: Document) -> str:
    """What to say of a document in no known format."""
    if not document.whole and len(document.head_lines) == 1:
        return f"its first line is longer than {HEAD_BYTES:,} bytes, as no training log's is"
    return "this is no training log: neither a table with numbers, nor JSON with curves, nor lines with them"


def _of_several(paths: Sequence[Path]) -> list[Table]:
    """The tables that are spread over several files."""
    from diagnose.readers.formats import csv_set, tensorboard

    if not tensorboard.is_event_file(paths[0].name):
        return [_safe(csv_set.read(paths))]
    first = Document("", data=None, path=paths[0])
    return [_with_config(_safe(table), first) for table in tensorboard.read_folder(paths)]


def _folder(source: Any) -> Path | None:
    """The directory that a source is; None where it is anything else."""
    path = source.paths[0] if isinstance(source, Source) and source.paths else source
    return Path(path) if isinstance(path, str | Path) and os.path.isdir(path) else None  # noqa: PTH112 - never raises


def _of_folder(folder: Path, notes: tuple[str, ...]) -> list[Table]:
    """The tables of a directory that is one run; `notes` are those of the source."""
    module = format_of_folder(folder)
    if module is None:
        raise ReadError("this directory is no run by itself; the logs in it are found by `expand`")
    return [_safe(replace(table, notes=(*table.notes, *notes))) for table in module.read(folder)]


def _label(source: Any) -> str:
    """What `Run.source` says."""
    if isinstance(source, Source):
        return str(source.paths[0]) if len(source.paths) == 1 else source.label
    if isinstance(source, str | Path):
        return str(source)
    return str(getattr(source, "name", "")) or type(source).__name__


def _document(source: Any) -> Document:
    if isinstance(source, Source):
        named = not source.folder and not source.growing
        document = Document.open(source.paths[0], pipes=named) if source.paths else _document(STDIN)
        document.growing = source.growing
        return document
    if source == STDIN:
        return Document("<stdin>", data=_standard_input())
    if isinstance(source, str | Path):
        return Document.open(Path(source), pipes=True)
    if not hasattr(source, "read"):
        raise ReadError(f"a {type(source).__name__} cannot be read; give a path, an open file or a DataFrame")
    data = source.read()
    return Document(
        Path(str(getattr(source, "name", "<stream>"))).name, data.encode() if isinstance(data, str) else data
    )


def _standard_input() -> bytes:
    """All of the standard input. Raises LimitError where that is too much."""
    most = limits.current().held_bytes
    data = files.beginning(sys.stdin.buffer, most + 1)
    if len(data) > most:
        raise LimitError(f"the standard input is larger than {limits.said('held_bytes', 'bytes')}")
    return data


def _with_config(table: Table, document: Document) -> Table:
    """The table with the notes of its document and the configuration that lies beside it."""
    from diagnose.readers.runs import sidecar

    if document.path is None:
        return replace(table, notes=(*document.notes, *table.notes)) if document.notes else table
    config, notes = sidecar.config(document.path, table.format)
    if not config and not notes:
        return table
    return replace(table, config={**config, **table.config}, notes=(*table.notes, *notes))


def _safe(table: Table) -> Table:
    """The table with nothing in its names and strings that could steer a terminal."""
    strings = (*table.columns, *table.text, *table.notes, table.name)
    if all(map(str.isprintable, strings)) and all(all(map(str.isprintable, cells)) for cells in table.text.values()):
        return table
    return replace(
        table,
        columns={printable(name): column for name, column in table.columns.items()},
        text={printable(name): [printable(cell) for cell in cells] for name, cells in table.text.items()},
        name=printable(table.name),
        axis=None if table.axis is None else printable(table.axis),
        roles={role: printable(name) for role, name in table.roles.items()},
        notes=tuple(printable(note) for note in table.notes),
    )
