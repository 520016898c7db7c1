"""A CSV that grows by one batch of lines at a time and survives being killed: what is in it need not be done again.

done = {outcome.trial: outcome for outcome in read(path, COLUMNS, parse)}
outcomes = resumed(trials, done, work, path, COLUMNS, lambda outcome: [line(outcome)])
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from diagnose.errors import SettingsError


class Named(Protocol):
    """What is worked on; the name is what a bar of progress shows."""

    @property
    def name(self) -> str:
        """Of the work."""


Item = TypeVar("Item", bound=Named)
Answer = TypeVar("Answer")

Write = Callable[[Iterable[Sequence[Any]]], None]
"""Appends lines, and has them on disk when it returns."""

Progress = Callable[[int, int, str], None]
"""Called with how many are done of how many, and which was done last."""


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


def read(path: Path, columns: Sequence[str], parse: Callable[[Sequence[str]], Answer]) -> Iterator[Answer]:
    """What `parse` makes of each line; it raises ValueError for cells that are none of its own. Raises LedgerError."""
    for cells in lines(path, columns):
        try:
            yield parse(cells)
        except ValueError as error:
            raise LedgerError(f"{path}: holds a line that is no training ({error}); name another file") from error


def resumed(
    wanted: Sequence[Item],
    done: Mapping[Item, Answer],
    work: Callable[[Sequence[Item]], Iterable[tuple[Item, Answer]]],
    path: Path,
    columns: Sequence[str],
    told: Callable[[Answer], Iterable[Sequence[Any]]],
    progress: Progress | None = None,
) -> list[Answer]:
    """The answers for all that is wanted: those `done`, in the order wanted, and then those of `work` as they come.

    work: the items that are left -> each with its answer. told: an answer -> its lines in the file at `path`, which are
    on disk before the next answer is asked for. Raises LedgerError where the file cannot be written.
    """
    tell = progress or (lambda done, total, name: None)
    found = [done[item] for item in wanted if item in done]
    with appending(path, columns) as write:
        tell(len(found), len(wanted), "")
        for item, answer in work([item for item in wanted if item not in done]):
            write(told(answer))
            found.append(answer)
            tell(len(found), len(wanted), item.name)
    return found


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
