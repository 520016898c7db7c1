"""The terminal: how wide it is and what it can show, one line per complaint, and a progress bar."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from diagnose.errors import UserError

if TYPE_CHECKING:
    from diagnose.judging.many import Progress
    from diagnose.reports.page import Page

WIDTH = 80
"""Columns of a report that goes to no terminal."""

MIN_WIDTH = 40
"""Columns below which a report falls apart."""

MAX_WIDTH = 100
"""Columns from which on a wider terminal makes lines no easier to read."""

MANY = 20
"""Sources from which on a progress bar is worth showing at once."""


def page(plain: bool, width: int | None, color: str) -> Page:
    """The page that stdout is: its width, and what it can show."""
    from diagnose.reports.curve import BRAILLE
    from diagnose.reports.page import Page

    kind = os.environ.get("TERM", "")
    terminal = sys.stdout.isatty()
    if width is None:
        width = max(MIN_WIDTH, min(shutil.get_terminal_size((WIDTH, 24)).columns, MAX_WIDTH))
    try:
        ("\u28ff" + BRAILLE.dot + BRAILLE.axis).encode(sys.stdout.encoding or "ascii")
        drawable = kind != "linux"  # the kernel's console has no braille
    except (UnicodeEncodeError, LookupError):
        drawable = False
    auto = terminal and kind != "dumb" and not os.environ.get("NO_COLOR")
    return Page(
        width=width,
        picture=not plain and kind != "dumb",
        ascii=not drawable,
        color=color == "always" or (color == "auto" and auto),
    )


def file_page(plain: bool, width: int | None) -> Page:
    """The page that a file is: without colours, with all characters."""
    from diagnose.reports.page import Page

    return Page(width or WIDTH, picture=not plain)


def write(text: str) -> None:
    """Write to stdout; a reader that has gone away (`| head`) is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What Python flushes at exit must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(source: str, message: str) -> None:
    """One line on stderr."""
    from diagnose.reports.words import one_line, place

    sys.stderr.write(f"{place(source)}: {one_line(message)}\n")


def complain_of(error: Exception) -> None:
    """One line on stderr for a wrong call, what the user can mend, or a fault of ours."""
    if isinstance(error, typer.TyperException):
        message = error.format_message()
        if message.startswith("Usage:"):  # a group of commands that was called without one shows its help
            sys.stderr.write(f"{message}\n")
            return
    elif isinstance(error, UserError):
        message = str(error)
    else:
        fault = f"{type(error).__name__}: {error}"
        message = f"a fault in diagnose ({fault}); please report this; DIAGNOSE_TRACEBACK=1 shows where it happened"
    complain("diagnose", message)


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A progress bar on stderr for more than `MANY` sources, or work of more than a second; only on a terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    started = time.monotonic()
    bar: Any = None
    task: Any = None

    def step(done: int, total: int, name: str) -> None:
        nonlocal bar, task
        if bar is None and (total > MANY or (done and time.monotonic() - started > 1.0)):
            from rich.console import Console
            from rich.progress import Progress as Bar

            bar = Bar(console=Console(stderr=True), transient=True)
            bar.start()
            task = bar.add_task("reading logs", total=total)
        if bar is not None:
            bar.update(task, completed=done)

    try:
        yield step
    finally:
        if bar is not None:
            bar.stop()


Step = Callable[[int, str], None]
"""Called with how much is done, and what to say beside the bar."""


@contextmanager
def bar(total: int, title: str) -> Iterator[Step | None]:
    """A progress bar on stderr for work of a known length that takes its time; None where stderr is no terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[said]}"), console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=total, said="")
        yield lambda done, said: shown.update(task, completed=done, said=said)
