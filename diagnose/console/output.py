"""Where a report goes: the standard output or a file, and a picture beside it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from diagnose.console.terminal import write
from diagnose.errors import SettingsError
from diagnose.reports import FORMATS


def check_places(form: str, out: str | None, plot: str | None) -> None:
    """Raises SettingsError where the report or its picture could not be written, before any log is read."""
    if out is not None:
        check_file(Path(out))
    elif not FORMATS[form].for_terminal and sys.stdout.isatty():
        name = f"report{FORMATS[form].suffixes[0]}"
        raise SettingsError(f"a page is for a browser: --format {form} --out {name}")
    if plot is not None:
        from diagnose.reports import plot as picture

        picture.check(Path(plot))


def check_file(path: Path) -> None:
    """Raises SettingsError where no file can be written."""
    if path.is_dir() or not path.parent.is_dir():
        why = "is a directory" if path.is_dir() else f"there is no directory {path.parent}"
        raise SettingsError(f"{path}: {why}; name a file with --out")


def deliver(text: str, out: str | None) -> None:
    """Write to a file, or to the standard output where none is named. Raises SettingsError where that fails."""
    if out is None:
        write(text)
    else:
        write_file(out, text)


def write_file(path: str, content: str) -> None:
    """Write a file at once, so that nobody reads half of it: into another file beside it, which then takes its name.

    What is no regular file (a terminal, a pipe) is written to as it is. Raises SettingsError where that fails.
    """
    target = Path(path)
    try:
        if target.exists() and not target.is_file():
            target.write_text(content, encoding="utf-8", errors="backslashreplace", newline="\n")
            return
        target = target.resolve()  # the file behind a symbolic link
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            partial.write_text(content, encoding="utf-8", errors="backslashreplace", newline="\n")
            if target.exists():
                shutil.copymode(target, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({(error.strerror or str(error)).lower()})") from error
