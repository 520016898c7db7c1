"""One run spread over files of one folder: a curve each (`train_loss.txt`, `val_loss.npy`), or a set of data each.

Files of one curve have no header and are called by different quantities of one thing. Files of one set of data each
(`train.csv` and `val.csv`) have names that differ in the set alone, and count by a column that they share. One that
holds the steps (`steps.csv`) stands beside one that holds the epochs of the same training (`metrics.csv`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array
from diagnose.errors import ReadError
from diagnose.names import roles
from diagnose.names.roles import Facets, parse
from diagnose.readers.formats import json_history, numpy_array
from diagnose.readers.tables import delimited, points
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.names import INDEX, printable
from diagnose.readers.tables.table import Column, Table

NAME = "csv-set"

_LARGEST = 50_000_000  # bytes; a single curve is smaller

_STEPS = frozenset({"step", "steps", "batch", "batches", "iter", "iters", "iteration", "iterations"})
_EPOCHS = frozenset({"epoch", "epochs"})
_LOGS = frozenset({"metrics", "metric", "log", "logs", "history", "results", "per"})
"""Words of the names of files: what one counts, and that it is a log at all."""


def group(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    """The sets among the files of one directory, each in the order of its names.

    `train_loss` and `val_loss` are a set, or `resnet_loss` and `resnet_acc`, or `log_train.csv` and `log_val.csv`; not
    `run1` and `run2`.
    """
    named = [(parse(_stem(path)), path) for path in sorted(paths)]
    sets = list(_of_curves((f, path) for f, path in named if f.quantity))
    for more in (_of_splits, _of_spans):
        taken = {path for members in sets for path in members}
        sets += more((f, path) for f, path in named if path not in taken)
    return sets


def _stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).stem


def _of_curves(named: Iterable[tuple[Facets, Path]]) -> Iterator[tuple[Path, ...]]:
    """The sets of files that hold one curve each, and are called by different quantities of one thing."""

    def thing(item: tuple[Facets, Path]) -> tuple[str, ...]:
        return tuple(word for word in item[0].words if word not in roles.SPLITS and not parse(word).is_metric)

    for _, members in groupby(sorted(named, key=lambda item: (thing(item), item[1])), key=thing):
        facets, files = zip(*members, strict=True)
        kinds = {(f.split, f.quantity, f.kind, f.span) for f in facets}
        if len(files) > 1 and len(kinds) == len(files) and all(map(_is_one_curve, files)):
            yield files


def _of_splits(named: Iterable[tuple[Facets, Path]]) -> Iterator[tuple[Path, ...]]:
    """The pairs of tables whose names differ in the set of data alone, the training's first."""

    def thing(item: tuple[Facets, Path]) -> tuple[str, ...]:
        return (*(word for word in item[0].words if word not in roles.SPLITS), item[1].suffix)

    for _, group_ in groupby(sorted(named, key=lambda item: (thing(item), item[1])), key=thing):
        by_split: dict[str, list[Path]] = {}
        for facets, path in group_:
            by_split.setdefault(facets.split or "train", []).append(path)
        held_out = by_split.keys() & {"val", "test"}
        if "train" not in by_split or len(held_out) != 1 or any(len(files) > 1 for files in by_split.values()):
            continue
        pair = (by_split["train"][0], by_split[held_out.pop()][0])
        headers = [_header_of_log(path) for path in pair]
        if all(headers) and _shared(headers):
            yield pair


def _of_spans(named: Iterable[tuple[Facets, Path]]) -> Iterator[tuple[Path, ...]]:
    """The pairs of tables of which one holds the steps of a training and the other its epochs, the steps first."""

    def thing(facets: Facets) -> frozenset[str]:
        return frozenset(facets.words) - roles.SPLITS.keys() - _LOGS - _STEPS - _EPOCHS

    candidates = [(facets, path) for facets, path in named if set(facets.words) & (_STEPS | _EPOCHS | _LOGS)]
    fine = [(facets, path) for facets, path in candidates if set(facets.words) & _STEPS]
    coarse = [item for item in candidates if item not in fine]
    for facets, path in fine:
        beside = [other for them, other in coarse if thing(them) == thing(facets)]
        if len(beside) == 1 and [thing(f) for f, _ in fine].count(thing(facets)) == 1:
            counted = [
                {parse(name).quantity for name in _header_of_log(p) if parse(name).counts} for p in (path, *beside)
            ]
            if "step" in counted[0] and counted[1] == {"epoch"}:
                yield path, beside[0]


def _opened(path: Path) -> Document | None:
    """The file, where it is of a size that one curve may have; else None."""
    try:
        document = Document.open(path)
        return document if document.size <= _LARGEST else None
    except ReadError:
        return None


def _is_one_curve(path: Path) -> bool:
    document = _opened(path)
    if document is None:
        return False
    if path.suffix == numpy_array.SUFFIX:
        return numpy_array.is_curve(document)
    try:
        document.refuse_binary()
    except ReadError:
        return False
    dialect = document.dialect
    if dialect is not None and not dialect.header and dialect.names in ((document.stem,), (INDEX, document.stem)):
        return True
    return json_history.is_list(document)


def _header_of_log(path: Path) -> tuple[str, ...]:
    """The names of a table that counts and measures something; () where the file is another."""
    document = _opened(path)
    if document is None or path.suffix == numpy_array.SUFFIX:
        return ()
    try:
        document.refuse_binary()
    except ReadError:
        return ()
    header = document.dialect.header if document.dialect is not None else ()
    known = [parse(name) for name in header]
    return header if any(f.is_metric for f in known) and any(f.counts for f in known) else ()


def _shared(headers: Sequence[Sequence[str]]) -> list[str]:
    """The columns that count and stand in every header, epochs first."""
    common = [name for name in headers[0] if parse(name).counts and all(name in header for header in headers)]
    return sorted(common, key=lambda name: parse(name).quantity != "epoch")


def read(paths: Sequence[Path]) -> Table:
    """Read the files of a set into one table.

    Curves by a column that counts are put into the order of it; others stand beside each other, a row per position, and
    a shorter one is not logged at its end. Raises ReadError with the file's name where one of them cannot be read.
    """
    tables = _counted_alike([_table(path) for path in paths])
    name = printable(paths[0].absolute().parent.name)
    note = f"one run read from {', '.join(path.name for path in paths)}"
    if shared := _shared([tuple(table.columns) for table in tables]):
        return replace(_below(tables, shared), name=name, notes=(note, *_notes(tables)))
    curves = {name: column for table in tables for name, column in table.columns.items()}
    rows = max(table.rows for table in tables)
    lengths = sorted({table.rows for table in tables})
    points_ = f"the curves have {' and '.join(map(str, lengths))} points; aligned at their start"
    columns = {name: _padded(curve, rows) for name, curve in curves.items()}
    said = [points_] if len(lengths) > 1 else []
    return Table(NAME, columns, rows, name=name, notes=(note, *_notes(tables), *said))


def _counted_alike(tables: list[Table]) -> list[Table]:
    """The tables; of one by steps and one by epochs without a common count the epochs get the step where they end."""
    if len(tables) != 2 or _shared([tuple(table.columns) for table in tables]):
        return tables
    (steps, step), (epochs, epoch) = ((table, next(filter(_counts, table.columns), "")) for table in tables)
    if parse(step).quantity != "step" or parse(epoch).quantity != "epoch" or steps.rows < epochs.rows:
        return tables
    ends = np.ceil(np.arange(1, epochs.rows + 1) * steps.rows / epochs.rows).astype(np.intp) - 1
    placed = {step: _cut(steps.columns[step], ends), **epochs.columns}
    note = f"{epochs.rows} epochs spread evenly over {steps.rows} steps"
    return [steps, replace(epochs, columns=placed, notes=(*epochs.notes, note))]


def _counts(name: str) -> bool:
    return parse(name).counts


def _notes(tables: Sequence[Table]) -> list[str]:
    return [note for table in tables for note in table.notes]


def _table(path: Path) -> Table:
    """The table of one file, its curves called by the file where they do not say themselves what they are."""
    try:
        document = Document.open(path)
        if path.suffix == numpy_array.SUFFIX:
            (table,) = numpy_array.read(document)
        elif document.dialect is None or json_history.is_list(document):
            (table,) = json_history.read(document)
        else:
            table = delimited.read(document, NAME)[0]
    except ReadError as error:
        raise ReadError(f"{path.name}: {error}") from error
    named = document.dialect is not None and bool(document.dialect.header)
    stem = document.stem
    split = next((word for word in parse(stem).words if word in roles.SPLITS), "")
    columns = {_spelled(name, stem, split, named=named): column for name, column in table.columns.items()}
    return replace(table, columns=columns, text={}, lines=())


def _spelled(name: str, stem: str, split: str, *, named: bool) -> str:
    """The name of a column among those of all files."""
    facets = parse(name)
    if facets.counts:
        return name
    if not named:
        return stem
    return f"{split}/{name}" if split and not facets.split else name


def _below(tables: Sequence[Table], shared: Sequence[str]) -> Table:
    """One table of the rows of all, in the order of what they share; trainings that follow one another stay apart."""
    rows = [table.rows for table in tables]
    names = dict.fromkeys(name for table in tables for name in table.columns)
    columns = {name: _joined([table.columns.get(name) for table in tables], rows) for name in names}
    attempts = np.concatenate([points.attempts(table.columns[shared[0]].values) for table in tables])
    order = np.lexsort([*(columns[name].values for name in reversed(shared)), attempts])
    return Table(NAME, {name: _cut(column, order) for name, column in columns.items()}, sum(rows))


def _joined(parts: Sequence[Column | None], rows: Sequence[int]) -> Column:
    """The column of all files, not logged where a file has none."""
    values: list[Array] = [
        np.full(n, np.nan) if part is None else part.values for part, n in zip(parts, rows, strict=True)
    ]
    logged = [np.zeros(n, dtype=np.bool_) if part is None else part.logged for part, n in zip(parts, rows, strict=True)]
    return Column(
        np.concatenate(values), np.concatenate(logged), any(part.percent for part in parts if part is not None)
    )


def _cut(column: Column, order: npt.NDArray[np.intp]) -> Column:
    return Column(column.values[order], column.logged[order], column.percent)


def _padded(curve: Column, rows: int) -> Column:
    missing = rows - len(curve.values)
    return Column(
        np.concatenate([curve.values, np.full(missing, np.nan)]),
        np.concatenate([curve.logged, np.zeros(missing, dtype=np.bool_)]),
        curve.percent,
    )
