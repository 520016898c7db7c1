"""SQLite databases of experiment trackers, opened so that nothing of them changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from diagnose import limits
from diagnose.errors import LimitError, ReadError
from diagnose.readers.tables.document import Document

if TYPE_CHECKING:
    from sqlite3 import Connection

MAGIC = b"SQLite format 3\x00"

_PATIENCE = 3.0  # seconds to wait while another program writes
_STRIDE = 100_000  # steps of SQLite's machine between two looks at how many there were
_LARGEST_CELL = 100_000_000  # bytes
_WAL = slice(18, 20)  # bytes of the header that are 2, 2 where the database keeps a write-ahead log, else 1, 1


@contextmanager
def opened(document: Document) -> Iterator[Connection]:
    """A read-only connection to the database, which reads tables and no views: a view may be a program without end.

    What SQLite says against it, then or later, is raised as ReadError; LimitError where it takes too many steps.
    """
    import sqlite3

    try:
        with closing(_connect(document)) as connection:
            _restrict(connection)
            yield connection
    except sqlite3.Error as error:
        if "interrupted" in str(error):
            raise LimitError(f"the database takes more than {limits.said('query_steps', 'steps')} to read") from error
        raise ReadError(_in_words(str(error))) from error


def _restrict(connection: Connection) -> None:
    """Bound what the schema of a stranger can make SQLite do."""
    import sqlite3

    left = limits.current().query_steps // _STRIDE

    def count() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    def allow(action: int, _one: object, _two: object, _base: object, view: str | None) -> int:
        return sqlite3.SQLITE_DENY if view is not None or action == sqlite3.SQLITE_RECURSIVE else sqlite3.SQLITE_OK

    connection.text_factory = lambda data: data.decode("utf-8", errors="replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_CELL)
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.set_authorizer(allow)
    connection.set_progress_handler(count, _STRIDE)


def has_columns(document: Document, table: str, columns: frozenset[str]) -> bool:
    """Whether the document is a database with a table of that name that has these columns."""
    if not document.head_bytes.startswith(MAGIC):
        return False
    with opened(document) as connection:
        return columns <= names(connection, table)


def names(connection: Connection, table: str) -> frozenset[str]:
    """The columns of a table, none where there is no such table."""
    return frozenset(name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)))


def _connect(document: Document) -> Connection:
    import sqlite3

    if document.path is None:
        assert document.data is not None
        connection = sqlite3.connect(":memory:")
        data = bytearray(document.data)
        data[_WAL] = b"\x01\x01"  # in memory there is no room for a log
        connection.deserialize(bytes(data))
        return connection
    # Even a reader creates the files of a write-ahead log, unless it is told that nobody writes: then there is no log.
    logs = document.head_bytes[_WAL] == b"\x02\x02"
    quiet = logs and not document.path.with_name(document.path.name + "-wal").exists()
    address = f"file:{quote(str(document.path.absolute()))}?mode=ro{'&immutable=1' if quiet else ''}"
    return sqlite3.connect(address, uri=True, timeout=_PATIENCE)


def _in_words(message: str) -> str:
    """What SQLite's message means to the user."""
    if "locked" in message or "busy" in message:
        return "the database is locked by a program that writes to it; try again when it is done, or give a copy"
    if "prohibited" in message or "authorized" in message:
        return "a view of the SQLite database stands where a tracker has a table; only tables are read"
    if "malformed" in message or "not a database" in message or "disk I/O" in message:
        return f"the SQLite database is damaged or cut off ({message}); copy it again"
    return f"the SQLite database cannot be read ({message})"
