"""The binary log of one W&B run, `run-ID.wandb`: history, configuration, name, tags, and how the run ended.

The file is a LevelDB log behind a header of 7 bytes: blocks of 32 KiB that hold pieces of records, each with a CRC32
over its type and its data; a record is the protocol buffer `Record` of the client's `wandb_internal.proto`. The format
is the same from client 0.13 to 0.31. What a crash left is kept, and the notes say that the file breaks off.

Source: wandb/proto/wandb_internal.proto; github.com/google/leveldb, doc/log_format.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO
from zlib import crc32

from diagnose.errors import ReadError
from diagnose.readers.tables import protobuf
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.records import table_from_records
from diagnose.readers.tables.table import Table

NAME = "wandb_file"

FORMAT = "wandb-run"
"""What `Run.format` says."""

MAGIC = b":W&B"

NO_EXIT = "no exit record: the run crashed or is still running"
"""The note of a run that has not said how it ended."""

_HEADER = MAGIC + b"\xe1\xbe\x00"  # ident, magic number 0xBEE1, version 0
_BLOCK = 32 * 1024  # bytes
_PIECE_HEADER = 7  # bytes: CRC32, length, type
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4

_HISTORY, _CONFIG, _METRIC, _RUN, _EXIT = 2, 5, 12, 17, 18  # fields of Record
_VALUE_JSON = b"\x82\x01"  # what begins the field 16 of an item; JSON holds no byte of value 1
_MOST_KEYS = 10_000  # remembered

_UPDATE, _REMOVE = 1, 2  # fields of ConfigRecord


def recognise(document: Document) -> bool:
    """Whether the file begins as a W&B log does."""
    return document.head_bytes.startswith(MAGIC)


def read(document: Document) -> list[Table]:
    """Read the run. Raises ReadError where the version is unknown or nothing was logged."""
    head = document.head_bytes
    if len(head) >= len(_HEADER) and not head.startswith(_HEADER):
        raise ReadError("a W&B run file of an unknown version; export the run's history as CSV")
    run = _Run()
    with document.stream() as stream:
        for record in _records(stream, run):
            run.add(record)
    run.cut |= run.exit_code is None and document.size % _BLOCK == 0  # what was not yet flushed is lost
    notes = run.notes()
    if not run.history:
        raise ReadError(f"the W&B run logged no history{'; ' + notes[0] if notes else ''}")
    return [
        table_from_records(run.history, FORMAT, name=run.name, axis=run.axis(), config=run.described(), notes=notes)
    ]


class _Run:
    """What the records said so far."""

    def __init__(self) -> None:
        self.history: list[dict[str, Any]] = []
        self.keys: dict[bytes, list[str]] = {}
        self.config: dict[str, Any] = {}
        self.id = self.name = self.project = ""
        self.tags: list[str] = []
        self.step_metrics: dict[str, str] = {}
        self.exit_code: int | None = None
        self.cut = False
        self.damaged = 0

    def add(self, record: bytes) -> None:
        """Take in one record; one that is no protocol buffer counts as damaged."""
        try:
            for number, value in protobuf.fields(record):
                if not isinstance(value, bytes):
                    continue
                if number == _HISTORY:
                    self.history.append(_history(value, self.keys))
                elif number == _CONFIG:
                    self._configure(value)
                elif number == _METRIC:
                    self._define(value)
                elif number == _RUN:
                    self._describe(value)
                elif number == _EXIT:
                    self.exit_code = protobuf.integer(value, 1)
        except ValueError:
            self.damaged += 1

    def _configure(self, message: bytes) -> None:
        for item in protobuf.messages(message, _UPDATE):
            *path, last = _path(item)
            value = _json(_raw(item))
            into = self.config
            for key in path:
                into = _inner(into, key)
            into[last] = value
        for item in protobuf.messages(message, _REMOVE):
            self.config.pop(_path(item)[0], None)

    def _define(self, message: bytes) -> None:
        """A metric for which the user, or a framework, defined an x axis."""
        name = protobuf.text(message, 1) or protobuf.text(message, 2)
        axis = protobuf.text(message, 4)
        if name and axis:
            self.step_metrics[name] = axis

    def _describe(self, message: bytes) -> None:
        for number, value in protobuf.fields(message):
            if not isinstance(value, bytes):
                continue
            if number == 4:
                self._configure(value)
            elif number in (1, 3, 8):
                setattr(self, {1: "id", 3: "project", 8: "name"}[number], value.decode("utf-8", errors="replace"))
        self.tags = [tag.decode("utf-8", errors="replace") for tag in protobuf.messages(message, 10)] or self.tags
        self.name = self.name or self.id

    def axis(self) -> str | None:
        """The x axis that was defined for all metrics, where it was logged as one of them."""
        axes = {axis for name, axis in self.step_metrics.items() if name != axis}
        every = self.step_metrics.get("*") or (next(iter(axes)) if len(axes) == 1 else None)
        logged = sum(1 for row in self.history if every in row)
        return every if logged >= 0.5 * len(self.history) else None

    def described(self) -> Mapping[str, Any]:
        """The configuration, and what the run is called on the server."""
        known = {"run_id": self.id, "project": self.project, "tags": self.tags}
        return {"wandb": {key: value for key, value in known.items() if value}} | self.config

    def notes(self) -> list[str]:
        """How the file and the run ended, in sentences."""
        notes = []
        if self.cut:
            notes.append(f"the file breaks off: kept the {len(self.history)} complete rows of the history")
        if self.damaged:
            pieces = "1 damaged piece" if self.damaged == 1 else f"{self.damaged} damaged pieces"
            notes.append(f"{pieces} of the file (wrong checksum) left out")
        if self.exit_code is None:
            notes.append(NO_EXIT)
        elif self.exit_code:
            notes.append(f"the run ended with exit code {self.exit_code}")
        return notes


def _history(message: bytes, known: dict[bytes, list[str]]) -> dict[str, Any]:
    """One call of `log`: key -> value, with `_step`.

    known: the start of an item, up to its value -> its nested key; items differ in their values only.
    """
    row: dict[str, Any] = {}
    step: bytes | None = None
    for number, item in protobuf.fields(message):
        if number == 2 and isinstance(item, bytes):
            step = item
        if number != 1 or not isinstance(item, bytes):
            continue
        at = item.rfind(_VALUE_JSON)
        head, raw = item[:at], item[at + 3 :]
        path = known.get(head)
        if path is None or not 0 <= at <= len(item) - 3 or len(raw) != item[at + 2]:
            path, raw = _path(item), _raw(item)
            if (
                raw
                and len(raw) < 128
                and item.endswith(_VALUE_JSON + bytes([len(raw)]) + raw)
                and len(known) < _MOST_KEYS
            ):
                known[item[: -3 - len(raw)]] = path
        into = row
        for key in path[:-1]:
            into = _inner(into, key)
        try:
            into[path[-1]] = float(raw)  # most are numbers, and this is ten times as fast as JSON
        except ValueError:
            into[path[-1]] = _json(raw)
    if step is not None and "_step" not in row:
        row["_step"] = protobuf.integer(step, 1)
    return row


def _inner(outer: dict[str, Any], key: str) -> dict[str, Any]:
    """The mapping under a key, made where there is none."""
    if not isinstance(outer.get(key), dict):
        outer[key] = {}
    inner: dict[str, Any] = outer[key]
    return inner


def _path(item: bytes) -> list[str]:
    """The nested key of an item of a history or a configuration, or its plain key."""
    nested = protobuf.messages(item, 2)
    return [key.decode("utf-8", errors="replace") for key in nested] or [protobuf.text(item, 1)]


def _raw(item: bytes) -> bytes:
    """The JSON of an item."""
    return (protobuf.messages(item, 16) or [b"null"])[-1]


def _json(raw: bytes) -> Any:
    """The value of some JSON; None where it is none."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


# --- the LevelDB log --------------------------------------------------------------------------------------------------


def _records(stream: BinaryIO, run: _Run) -> Iterator[bytes]:
    """The complete records of the file; what is damaged or cut is told to `run`."""
    start = len(_HEADER)
    parts: list[bytes] | None = None  # the pieces so far of a record of several; None outside of one
    while block := stream.read(_BLOCK):
        at, start = start, 0
        while at + _PIECE_HEADER <= len(block):
            size, kind = block[at + 4] | block[at + 5] << 8, block[at + 6]
            begin, end = at + _PIECE_HEADER, at + _PIECE_HEADER + size
            if kind == 0 and size == 0:
                break  # the rest of the block is padding
            if end > len(block):
                run.cut |= len(block) < _BLOCK
                run.damaged += len(block) == _BLOCK
                parts = None
                break
            if crc32(block[at + 6 : end]) != int.from_bytes(block[at : at + 4], "little"):
                run.damaged += 1
                parts = None
                break  # the length may be wrong too: the next block is the next place that is known
            at = end
            if kind == _FULL:
                yield block[begin:end]
            elif kind == _FIRST:
                parts = [block[begin:end]]
            elif parts is not None:
                parts.append(block[begin:end])
                if kind == _LAST:
                    yield b"".join(parts)
                    parts = None
        else:
            run.cut |= len(block) < _BLOCK and any(block[at:])
    run.cut |= parts is not None
