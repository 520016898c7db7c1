"""A CSV that grows by one batch of lines at a time and survives being killed: what is in it need not be done again."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diagnose.errors import SettingsError

Write = Callable[[Iterable[Sequence[Any]]], None]
"""Appends lines, and has them on disk when it returns."""


class LedgerError(SettingsError):
    """A file that is no such CSV or cannot be written; `str()` says why and what to do, in one line."""


def lines(path: Path, columns: Sequence[str]) -> list[list[str]]:
    """The lines below the header; none where there is no file. A line that was cut off is dropped, also from the file.

    Raises LedgerError where the file is something else.
    """
    if not path.exists() or not path.stat().st_size:
        return []
    try:
        found = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path}: cannot be read ({error}); name another with --out") from error
    if found[0].strip() != ",".join(columns):
        raise LedgerError(f"{path}: has other columns than {', '.join(columns)}; name another file with --out")
    if not found[-1].endswith("\n"):  # killed while it wrote
        path.write_text("".join(found[:-1]), encoding="utf-8")
        found = found[:-1]
    return list(csv.reader(found[1:]))


@contextmanager
def appending(path: Path, columns: Sequence[str]) -> Iterator[Write]:
    """A function that appends lines to the file at `path`; the file is begun with a header. Raises LedgerError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not path.exists() or not path.stat().st_size
        stream = path.open("a", newline="", encoding="utf-8")
    except OSError as error:
        raise LedgerError(f"{path}: cannot be written ({error.strerror}); name another with --out") from error
    rows = csv.writer(stream, lineterminator="\n")

    def write(found: Iterable[Sequence[Any]]) -> None:
        rows.writerows(found)
        stream.flush()

    with stream:
        if fresh:
            rows.writerow(columns)
        yield write
