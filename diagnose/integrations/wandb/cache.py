"""What earlier audits found, in a SQLite file in the user's cache directory: runs by id and content, and the verdicts
of the last audit of each project.

A run is kept as the JSON of the report for other programs, with what an audit needs beside it (see `outcomes`). An
entry holds as long as the server says the same of the run (`fingerprint`), the same was asked (`question`), and this
program has not changed since. No key is stored, nor any history: only what an audit keeps of a run.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import diagnose
from diagnose._version import __version__
from diagnose.integrations.wandb import outcomes
from diagnose.judging.source import Outcome

SCHEMA = 2
"""Raised where the tables change; a file of another schema is begun anew."""

KEPT_DAYS = 90
"""Days after which an entry that no audit has asked for is dropped."""

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    place TEXT, id TEXT, question TEXT, fingerprint TEXT, document BLOB, beside BLOB, used REAL,
    PRIMARY KEY (place, id, question)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audits (place TEXT PRIMARY KEY, at REAL, verdicts TEXT) WITHOUT ROWID;
"""


def default_path() -> Path:
    """Where the cache lies: the user's cache directory, as the system says it."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("diagnose", appauthor=False)) / "audits.sqlite"


def question(*parts: Any) -> str:
    """A digest of what was asked, and of the program that answers."""
    return hashlib.sha256(repr((_program(), *parts)).encode()).hexdigest()[:32]


def _program() -> tuple[Any, ...]:
    """The version, and size and time of every file of the installed rules and of this package."""
    from importlib.util import find_spec

    folders = [Path(diagnose.__file__).parent]
    spec = find_spec("rules")
    folders += [Path(place) for place in (spec.submodule_search_locations or ())] if spec is not None else []
    files = sorted(path for folder in folders for pattern in ("*.py", "*.csv") for path in folder.rglob(pattern))
    return (__version__, *((path.name, (known := path.stat()).st_size, known.st_mtime_ns) for path in files))


class Cache:
    """The file; it may be used from one thread. One that cannot be opened is as good as empty.

    One that is damaged, which may show at any question, is set aside under another name and begun anew.
    said: what happened to it, in sentences for the user.
    """

    def __init__(self, path: Path | None) -> None:
        """Open the file at `path`, made where it is missing; None: remember nothing."""
        self._path = path
        self._base: sqlite3.Connection | None = None
        self.said: list[str] = []
        self._open()

    def _open(self) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._base = _opened(self._path)
        except sqlite3.OperationalError:  # held by another audit, or no place to write
            self._base = None
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
        except OSError:
            self._base = None

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        """Rename the damaged file, once; a second time nothing is remembered."""
        assert self._path is not None
        if self._base is not None:
            self._base.close()
            self._base = None
        damaged = self._path.with_name(f"{self._path.name}.damaged")
        again = bool(self.said)
        try:
            for end in ("-wal", "-shm"):
                self._path.with_name(self._path.name + end).unlink(missing_ok=True)
            self._path.replace(damaged)
        except OSError:
            again = True
        self.said.append(f"the cache of earlier audits is damaged ({error}); it is now {damaged}, and begun anew")
        if not again:
            self._open()

    def _rows(self, query: str, *values: str) -> list[Any]:
        """What a question yields; nothing where there is no file, or a damaged one."""
        if self._base is None:
            return []
        try:
            return self._base.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            return []
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            return []

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        if self._base is not None:
            self._base.close()

    def has(self, place: str, asked: str) -> bool:
        """Whether any run of the project is remembered."""
        return bool(self._rows("SELECT 1 FROM runs WHERE place=? AND question=? LIMIT 1", place, asked))

    def runs(self, place: str, asked: str, known: Mapping[str, str]) -> Iterator[tuple[str, Outcome]]:
        """(id, outcome) of the runs in `known`, id -> fingerprint, that are unchanged."""
        unchanged = [
            name
            for name, fingerprint in self._rows(
                "SELECT id, fingerprint FROM runs WHERE place=? AND question=?", place, asked
            )
            if known.get(name) == fingerprint
        ]
        query = "SELECT document, beside FROM runs WHERE place=? AND id=? AND question=?"
        for name in unchanged:  # one at a time: all of them are too much to hold
            for document, beside in self._rows(query, place, name, asked):
                outcome = _unpacked(document, beside)
                if outcome is not None:
                    yield name, outcome

    def keep(self, place: str, asked: str, found: Sequence[tuple[str, str, Outcome]]) -> None:
        """Remember (id, fingerprint, outcome) of runs."""
        if self._base is None:
            return
        now = time.time()
        rows = [(place, name, asked, fingerprint, *_packed(outcome), now) for name, fingerprint, outcome in found]
        self._write("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def last_audit(self, place: str) -> tuple[float, dict[str, str]] | None:
        """When the project was audited last (seconds since 1970), and id -> verdict; None where it was not."""
        for at, verdicts in self._rows("SELECT at, verdicts FROM audits WHERE place=?", place):
            try:
                return float(at), {str(name): str(verdict) for name, verdict in json.loads(verdicts).items()}
            except (AttributeError, TypeError, ValueError):
                break
        return None

    def close_audit(self, place: str, asked: str, verdicts: Mapping[str, str]) -> None:
        """Remember the verdicts of a whole audit, and that its runs were asked for; drop what is old."""
        now = time.time()
        self._write("INSERT OR REPLACE INTO audits VALUES (?, ?, ?)", [(place, now, json.dumps(dict(verdicts)))])
        self._write("UPDATE runs SET used=? WHERE place=? AND question=?", [(now, place, asked)])
        self._write("DELETE FROM runs WHERE used < ?", [(now - 86_400.0 * KEPT_DAYS,)])

    def _write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows; a full disk or a file held by another audit only makes the next audit slower."""
        if self._base is None:
            return
        try:
            with self._base:
                self._base.executemany(statement, rows)
        except sqlite3.OperationalError:
            self._base.rollback()
        except sqlite3.DatabaseError as error:
            self._set_aside(error)


def _opened(path: Path) -> sqlite3.Connection:
    """The file, made where it is missing, for its owner alone. Raises OSError and what SQLite raises."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    base = sqlite3.connect(path, timeout=5.0)
    try:
        version = base.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA):
            base.executescript("DROP TABLE IF EXISTS runs; DROP TABLE IF EXISTS audits; DROP TABLE IF EXISTS parts;")
        base.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_TABLES}")
        base.execute(f"PRAGMA user_version={SCHEMA}")
    except sqlite3.Error:
        base.close()
        raise
    return base


# --- outcomes as bytes ------------------------------------------------------------------------------------------------


def _packed(outcome: Outcome) -> tuple[bytes, bytes]:
    """The document of an outcome and what stands beside it, as compressed JSON."""
    document, beside = (zlib.compress(json.dumps(part).encode(), level=1) for part in outcomes.written(outcome))
    return document, beside


def _unpacked(document: bytes, beside: bytes) -> Outcome | None:
    """The outcome; None where the bytes are no longer one."""
    try:
        return outcomes.read(json.loads(zlib.decompress(document)), json.loads(zlib.decompress(beside)))
    except Exception:  # whatever the bytes are: the run is read again
        return None
