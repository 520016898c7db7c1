"""One run spread over files of one curve each: `train_loss.csv`, `val_loss.csv`, ... without headers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from diagnose.errors import ReadError
from diagnose.names.roles import parse
from diagnose.readers.tables import delimited
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Column, Table

NAME = "csv-set"

_LARGEST = 50_000_000  # bytes; a single curve is smaller


def group(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    """The sets among the files of one directory, each in the order of its names.

    The files of a set have a header neither, hold one curve, and are called by different quantities of one thing:
    `train_loss` and `val_loss`, or `resnet_loss` and `resnet_acc`; not `run1` and `run2`.
    """
    named = [(parse(Path(path.name.removesuffix(".gz")).stem), path) for path in sorted(paths)]
    known = sorted(((f.parts + f.groups, f, p) for f, p in named if f.quantity), key=lambda item: (item[0], item[2]))
    sets = []
    for _, members in groupby(known, key=lambda item: item[0]):
        facets, files = zip(*((f, p) for _, f, p in members), strict=True)
        kinds = {(f.split, f.quantity, f.kind, f.span) for f in facets}
        if len(files) > 1 and len(kinds) == len(files) and all(map(_is_one_curve, files)):
            sets.append(files)
    return sets


def _is_one_curve(path: Path) -> bool:
    try:
        document = Document.open(path)
        document.refuse_binary()
    except ReadError:
        return False
    dialect = document.dialect if document.size <= _LARGEST else None
    return dialect is not None and not dialect.header and dialect.names == (document.stem,)


def read(paths: Sequence[Path]) -> Table:
    """Read the files of a set into one table, a row per position; a shorter curve is not logged at its end.

    Raises ReadError with the file's name where one of them cannot be read.
    """
    curves: dict[str, Column] = {}
    for path in paths:
        try:
            document = Document.open(path)
            table = delimited.read(document, NAME)[0]
        except ReadError as error:
            raise ReadError(f"{path.name}: {error}") from error
        curves[document.stem] = next(iter(table.columns.values()))
    rows = max(len(curve.values) for curve in curves.values())
    lengths = sorted({len(curve.values) for curve in curves.values()})
    return Table(
        NAME,
        {name: _padded(curve, rows) for name, curve in curves.items()},
        rows,
        notes=(
            f"one run read from {', '.join(path.name for path in paths)}",
            *(
                [f"the curves have {' and '.join(map(str, lengths))} points; aligned at their start"]
                if len(lengths) > 1
                else ()
            ),
        ),
    )


def _padded(curve: Column, rows: int) -> Column:
    missing = rows - len(curve.values)
    return Column(
        np.concatenate([curve.values, np.full(missing, np.nan)]),
        np.concatenate([curve.logged, np.zeros(missing, dtype=np.bool_)]),
        curve.percent,
    )
