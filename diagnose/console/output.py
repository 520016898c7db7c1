"""Where a report goes: the standard output or a file, and a picture beside it."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
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


def check_apart(sources: Sequence[str], baseline: Sequence[str], config: str | None, **outputs: str | None) -> None:
    """Raises SettingsError where an output would take the place of what is read, or of another output.

    sources, baseline: as the user named them. outputs: name of an option -> the file it names. Files are told apart by
    what they are, so that no link leads around this. A file that is not there yet takes the place of none.
    """
    named = {option: Path(path) for option, path in outputs.items() if path is not None}
    for option, target in named.items():
        if not os.path.isfile(target):  # noqa: PTH113 - never raises
            continue
        what = _read_as(target, sources, baseline, config)
        if what:
            raise SettingsError(f"{target}: is {what}, and would be overwritten; name another file with --{option}")
    if len({path.resolve() for path in named.values()}) < len(named):
        options = " and ".join(f"--{option}" for option in named)
        raise SettingsError(f"{next(iter(named.values()))}: is named by {options}; give each a file of its own")


def _read_as(target: Path, sources: Sequence[str], baseline: Sequence[str], config: str | None) -> str:
    """What an existing file is to this call; "" where nothing reads it."""
    if any(_is_among(target, path) for path in _read(sources)):
        return "a log that is read"
    if any(_is_among(target, path) for path in _read(baseline)):
        return "a run of the baseline"
    if target.suffix.lower() in _CONFIGURATIONS or (config is not None and _is_among(target, Path(config))):
        return "a configuration"
    return ""


_CONFIGURATIONS = frozenset({".yaml", ".yml", ".toml"})
"""Ends of the names of files that may lie beside a log or hold settings; a report has none of them."""


def _read(named: Sequence[str]) -> Iterator[Path]:
    """The files, and the folders that are one run, behind what the user named."""
    from diagnose.readers import STDIN, expand

    for source in expand([name for name in named if "://" not in name], sure=0):
        yield from source.paths
    if STDIN in named:
        yield Path("/dev/stdin")


def _is_among(target: Path, path: Path) -> bool:
    """Whether a file is the one at `path`, or lies in the folder there."""
    try:
        if path.is_dir():
            return target.resolve().is_relative_to(path.resolve())
        return target.samefile(path)
    except OSError:
        return False


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
        partial = target.with_name(f".diagnose-{secrets.token_hex(8)}")
        try:
            with partial.open("x", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:  # never a link
                stream.write(content)
            if target.exists():
                shutil.copymode(target, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({(error.strerror or str(error)).lower()})") from error
