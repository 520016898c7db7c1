"""One thing to read, as `sources` and `remote` find it and `diagnose.readers` opens it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """One thing to read.

    label: what the report calls it, safe to print.
    paths: one file, or the folder of one run; several where one run is spread over them; none for the standard input
        and for an error.
    folder: the directory the user named, where the source was found in one; "" where the user named the file itself.
        A source from a folder that turns out to be no log is passed over in silence.
    error: why there is nothing to read, one line without the label; "" where there is something.
    notes: what was decided when it was found, in sentences for the user.
    address: where the one file lies that has to be fetched first, as fsspec says it; "" for what is here.
    unsure: True for a file of a folder whose head was not looked at: it may be no log.
    growing: True where it is being written: a last line without an end is then not yet there.
    """

    label: str
    paths: tuple[Path, ...] = ()
    folder: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()
    address: str = ""
    unsure: bool = False
    growing: bool = False
