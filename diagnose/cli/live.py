"""Judges what a training prints: `python train.py | diagnose --live -` passes it on, and tells what it finds on stderr.

python train.py 2>&1 | diagnose --live -
"""

from __future__ import annotations

import io
import os
import select
import sys
import time
from collections.abc import Callable, Iterator

from diagnose import limits
from diagnose.cli.watch import Following
from diagnose.console.terminal import complain
from diagnose.curves import Run
from diagnose.live.hearing import Hearing, News
from diagnose.live.pace import Pace
from diagnose.live.stalled import Rhythm
from diagnose.live.words import lines
from diagnose.report import Report
from diagnose.reports import text
from diagnose.reports.page import Page

PIECE = 65536
"""Bytes read at a time."""

TICK = 1.0
"""Seconds after which a silence is looked at."""


def on_stderr(news: News) -> None:
    """Tell news in one or two lines beside what the training prints."""
    sys.stderr.write("".join(f"diagnose: {line}\n" for line in lines(news)))
    sys.stderr.flush()


class _Heard:
    """What was printed so far, and what was told of it.

    held: everything, up to the limit on bytes. over: whether that was passed.
    """

    def __init__(self, following: Following) -> None:
        self.following = following
        self.hearings: dict[str, Hearing] = {}
        self.held = bytearray()
        self.over = False
        self.pace = Pace()
        self.rows = 0
        self.rhythm = Rhythm(time.monotonic())
        self.run: Run | None = None

    def take(self, piece: bytes) -> None:
        """Keep what was printed, and look at it where a look is due."""
        if self.over:
            return
        if len(self.held) + len(piece) > limits.current().held_bytes:
            self.over = True
            complain("diagnose", "more was printed than is held; judged up to here; write a file and --watch it")
            return
        self.held += piece
        ends = piece.count(b"\n") + piece.count(b"\r")
        if not ends:
            return
        self.rows += ends
        self.following.told(self.rhythm.changed(time.monotonic(), self.run))
        if self.pace.due(self.rows) or b"nan" in piece.lower() or b"inf" in piece.lower():
            self.look()

    def look(self) -> None:
        """Judge the whole lines."""
        began = time.perf_counter()
        whole = bytes(self.held[: max(self.held.rfind(b"\n"), self.held.rfind(b"\r")) + 1])
        for diagnosis in self.following.judge([stream(whole)]).diagnoses:
            self.run = diagnosis.run
            hearing = self.hearings.setdefault(diagnosis.run.name, Hearing(levels=self.following.levels))
            self.following.told(hearing.look(diagnosis, self.following.again))
        self.pace.looked(self.rows, time.perf_counter() - began)

    def silent(self) -> None:
        """Look whether nothing was printed for long."""
        self.following.told(self.rhythm.silent(time.monotonic(), self.run))


def stream(data: bytes) -> io.BytesIO:
    """Bytes as an open file of the name that the standard input has."""
    found = io.BytesIO(data)
    found.name = "<stdin>"
    return found


def pass_on(following: Following, page: Page) -> Report:
    """Pass the standard input on until it ends, and tell what is found; then judge the whole."""
    heard = _Heard(following)
    try:
        for piece in _pieces(sys.stdin.fileno(), heard.silent):
            _write(piece)
            heard.take(piece)
    except KeyboardInterrupt:
        pass
    report = following.judge([stream(bytes(heard.held))])
    sys.stderr.write("".join(f"diagnose: {line}\n" for line in text.headlines(report, page)))
    return report


def _pieces(source: int, silent: Callable[[], None]) -> Iterator[bytes]:
    """What comes in, as it comes; `silent` is called while nothing does."""
    while True:
        if os.name != "nt" and not select.select([source], [], [], TICK)[0]:
            silent()
            continue
        piece = os.read(source, PIECE)
        if not piece:
            return
        yield piece


def _write(piece: bytes) -> None:
    """Pass bytes on; a reader that has gone away is no error."""
    try:
        sys.stdout.buffer.write(piece)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
