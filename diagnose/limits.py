"""What one log, one configuration or one folder may cost: the one table of limits.

A log that somebody else wrote may be made to take hours or all memory. What goes beyond a limit is answered by one line
that names the limit; none is reached by any real log known to us.

limit              default          of what
`log_bytes`        4,000,000,000    a log on disk, or at an address
`held_bytes`       1,000,000,000    a log that is held as a whole: JSON, the standard input, a named pipe
`pipe_seconds`     30               silence of a named pipe
`unpacked_bytes`   500,000,000      a gzip file, unpacked
`unpacked_ratio`   200              unpacked bytes per packed one, from 16 MB on; logs of text have 3 to 30
`json_values`      10,000,000       values in one JSON document; 72 bytes each, and 230 in a table
`line_values`      30,000,000       values in a file of JSON lines; about 60 bytes each
`columns`          10,000           columns of a table
`cells`            100,000,000      rows x columns of a table made of records or points; 9 bytes each
`sparse_cells`     200              cells for each value in such a table, from a million cells on
`query_steps`      2,000,000,000    steps of SQLite's machine for one database; about 20 for each point
`files`            2,000,000        entries below one folder, or that one pattern matches
`config_bytes`     1,000,000        a configuration, and a settings file
`config_depth`     64               levels of a YAML document
`config_nodes`     100,000          nodes of a YAML document, what its aliases repeat counted each time
`server_seconds`   600              one answer of a W&B server, its history included

`[tool.diagnose.limits]` changes them, with hyphens: `unpacked-bytes = 2_000_000_000`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits; the module's table says what each is of."""

    log_bytes: int = 4_000_000_000
    held_bytes: int = 1_000_000_000
    pipe_seconds: float = 30.0
    unpacked_bytes: int = 500_000_000
    unpacked_ratio: int = 200
    json_values: int = 10_000_000
    line_values: int = 30_000_000
    columns: int = 10_000
    cells: int = 100_000_000
    sparse_cells: int = 200
    query_steps: int = 2_000_000_000
    files: int = 2_000_000
    config_bytes: int = 1_000_000
    config_depth: int = 64
    config_nodes: int = 100_000
    server_seconds: float = 600.0


NAMES = tuple(field.name.replace("_", "-") for field in fields(Limits))
"""The limits as settings spell them."""

DEFAULTS = Limits()

_current: ContextVar[Limits] = ContextVar("limits", default=DEFAULTS)


def current() -> Limits:
    """The limits that hold here."""
    return _current.get()


def changed(values: Mapping[str, float]) -> Limits:
    """The limits with some set, by their names in settings."""
    if not values:
        return DEFAULTS
    known = {name.replace("-", "_"): value for name, value in values.items()}
    return replace(DEFAULTS, **{name: type(getattr(DEFAULTS, name))(value) for name, value in known.items()})


@contextmanager
def held(limits: Limits) -> Iterator[None]:
    """Let other limits hold for what is done within, in this thread."""
    token = _current.set(limits)
    try:
        yield
    finally:
        _current.reset(token)


def said(name: str, unit: str = "") -> str:
    """A limit as an error names it: `500,000,000 bytes (limits.unpacked-bytes)`."""
    value = getattr(current(), name)
    return f"{value:,}{unit and f' {unit}'} (limits.{name.replace('_', '-')})"
