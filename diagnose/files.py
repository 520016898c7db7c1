"""The one door through which files are opened: regular files alone, and no more of one than may be held.

A pipe blocks who opens it until somebody writes, and a device never ends. Both may lie in any folder, under any name,
behind a link. All errors are OSError, with the reason in words.
"""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_PIECE = 1 << 20  # bytes
_folder: ContextVar[Path | None] = ContextVar("folder", default=None)


@contextmanager
def within(folder: Path) -> Iterator[None]:
    """Let nothing be opened in this thread that lies outside a folder, a link out of it included."""
    token = _folder.set(folder.resolve())
    try:
        yield
    finally:
        _folder.reset(token)


def _check(path: Path) -> None:
    """Raises OSError where the file must not be opened."""
    folder = _folder.get()
    if folder is not None and not path.resolve().is_relative_to(folder):
        raise OSError(errno.EACCES, "it lies outside the folder that may be read")


def opened(path: Path) -> BinaryIO:
    """A regular file, open for reading. Raises OSError for anything else, at once."""
    _check(path)
    place = os.open(path, os.O_RDONLY | _NONBLOCK | _BINARY)
    try:
        mode = os.fstat(place).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, "is a directory")
        if not stat.S_ISREG(mode):
            what = next((name for known, name in _KINDS if known(mode)), "no regular file")
            raise OSError(errno.EINVAL, f"it is {what}, and no regular file")
        return os.fdopen(place, "rb")
    except BaseException:
        os.close(place)
        raise


def content(path: Path, most: int) -> bytes:
    """All bytes of a regular file. Raises OSError where there are more than `most`."""
    with opened(path) as stream:
        data = beginning(stream, most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes")
    return data


def text(path: Path, most: int) -> str:
    """The first `most` bytes of a regular file as UTF-8; what is none is replaced."""
    with opened(path) as stream:
        return beginning(stream, most).decode("utf-8", errors="replace")


def beginning(stream: BinaryIO, most: int) -> bytes:
    """The first `most` bytes, with no more memory than there are bytes."""
    found = io.BytesIO()
    while most > 0 and (piece := stream.read(min(most, _PIECE))):
        found.write(piece)
        most -= len(piece)
    return found.getvalue()


def is_pipe(path: Path) -> bool:
    """Whether there is a named pipe; one that the shell makes for `<(command)` is one too."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def piped(path: Path, most: int, patience: float) -> bytes:
    """What is written to a named pipe, up to its end.

    patience: seconds of silence after which nothing more is expected. Raises OSError then, and for more than `most`
    bytes.
    """
    _check(path)
    place = os.open(path, os.O_RDONLY | _NONBLOCK)
    try:
        parts: list[bytes] = []
        left = most
        while piece := _piece(place, patience):
            parts.append(piece)
            left -= len(piece)
            if left < 0:
                raise OSError(errno.EFBIG, f"more than {most:,} bytes come out of it")
        return b"".join(parts)
    finally:
        os.close(place)


def _piece(place: int, patience: float) -> bytes:
    """The next bytes of a pipe; none at its end. Raises OSError where nothing comes."""
    end = time.monotonic() + patience
    while True:
        ready, _, _ = select.select([place], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            raise OSError(errno.ETIMEDOUT, f"nobody wrote to the pipe for {patience:g} seconds")
        try:
            return os.read(place, _PIECE)
        except BlockingIOError:  # it was ready, and somebody else took it
            continue
