"""Logs that lie elsewhere, at any address that fsspec knows: `s3://bucket/run.csv`, `gs://...`, `https://...`, and
patterns and folders of them. A file is fetched when it is read, and forgotten afterwards.

The way in is fsspec's: keys and endpoints come from where its file systems look for them.
"""

from __future__ import annotations

import contextlib
import glob
import re
import tempfile
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from diagnose import extras, limits
from diagnose.errors import LimitError, ReadError
from diagnose.readers.source import Source
from diagnose.readers.tables.names import printable

_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("abfs", "az"), "adlfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("ssh", "sftp"), "paramiko"),
    "hf": "huggingface_hub",
}
"""What has to be installed for a protocol."""

MOST_FILES = 10_000
"""Files of a folder that are looked at; more is a mistake in the address."""


def expand(address: str, *, passed: Callable[[str], bool]) -> Iterator[Source]:
    """The files behind an address: itself, those that match its pattern, or the logs in a folder.

    passed: whether a file of that name in a folder is no log.
    """
    label = shown(address)
    try:
        with _plain(address):
            system, path = _system(address)
            if glob.has_magic(path) and not address.startswith("http"):
                found = sorted(str(match) for match in system.glob(path) if not system.isdir(match))
                if not found:
                    yield Source(label, error="no file matches the pattern")
                yield from (_source(system, match) for match in found[:MOST_FILES])
            elif address.startswith("http") or system.isfile(path):
                yield Source(label, address=address)
            elif system.isdir(path):
                names = sorted(str(name) for name in system.find(path))
                logs = [name for name in names if not passed(PurePosixPath(name).name)]
                if not logs:
                    yield Source(label, error=f"no training log among its {len(names)} files")
                for name in logs[:MOST_FILES]:
                    yield _source(system, name, folder=label)
            else:
                yield Source(label, error=_missing(system, path))
    except ReadError as error:
        yield Source(label, error=str(error))


@contextlib.contextmanager
def fetched(address: str) -> Iterator[Path]:
    """The file at an address, fetched to a folder that is gone afterwards. Raises ReadError."""
    name = re.sub(r"[?#].*", "", PurePosixPath(address).name) or "log"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / name
        with _plain(address):
            system, path = _system(address)
            size = system.info(path).get("size")
            if size is not None and size > limits.current().log_bytes:
                raise LimitError(f"the file is larger than {limits.said('log_bytes', 'bytes')}")
            system.get_file(path, str(target))
        yield target


def shown(address: str) -> str:
    """The address as it may be printed: without a password, or the signature in a query."""
    return printable(re.sub(r"[?].*", "", re.sub(r"(?<=://)[^/@]*@", "", address)))


def _source(system: Any, path: str, folder: str = "") -> Source:
    address = str(system.unstrip_protocol(path))
    return Source(shown(address), folder=folder, address=address)


def _system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises ReadError where it is not installed."""
    protocol = address.partition("://")[0]
    try:
        import fsspec
    except ImportError as error:
        raise ReadError(extras.missing("addresses need fsspec", "remote")) from error
    try:
        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        package = _PACKAGES.get(protocol, f"the fsspec package for {protocol}")
        raise ReadError(f"{protocol}:// needs {package}, which is not installed: pip install {package}") from error
    except ValueError as error:
        raise ReadError(f"fsspec knows no protocol {protocol!r} ({error})") from error
    return system, str(path)


def _missing(system: Any, path: str) -> str:
    """What to say of a path that is not there, with the nearest name beside it."""
    parent, _, name = path.rstrip("/").rpartition("/")
    try:
        names = [str(entry).rpartition("/")[2] for entry in system.ls(parent, detail=False)]
    except Exception:  # no such bucket, or no permission to list it: the address alone is wrong, then
        return "no such file"
    near = get_close_matches(name, names, n=1)
    return f"no such file; did you mean {printable(near[0])}?" if near else "no such file"


@contextlib.contextmanager
def _plain(address: str) -> Iterator[None]:
    """Whatever a file system raises, as one line."""
    try:
        yield
    except (ReadError, GeneratorExit):
        raise
    except FileNotFoundError as error:
        raise ReadError("no such file") from error
    except PermissionError as error:
        raise ReadError(f"permission denied; check the credentials for {address.partition('://')[0]}://") from error
    except Exception as error:
        said = " ".join(str(error).replace(address, shown(address)).split())[:200] or type(error).__name__
        hint = "; check the credentials" if "credential" in said.casefold() else ""
        raise ReadError(f"cannot be fetched ({printable(said)}{hint})") from error
