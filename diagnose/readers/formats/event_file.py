"""One TensorBoard event file: every scalar in it, and the hyperparameters.

The file is a TFRecord: per record its length, a masked CRC32C of the length, the protocol buffer `Event`, and a masked
CRC32C of that. Scalars are the `simple_value` of torch and TensorFlow 1 or the one-element tensors of Keras and
TensorFlow 2; the data of plugins (pictures, histograms, graphs, texts) is passed over. What stands before the place
where a file breaks off is kept; a record with a wrong checksum is left out.

Source: tensorflow/core/util/event.proto, framework/summary.proto and tensor.proto; tensorboard/plugins/hparams/
plugin_data.proto; tensorflow/core/lib/io/record_writer.h.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from diagnose.readers.tables import protobuf
from diagnose.readers.tables.document import Document

_FRAME = struct.Struct("<QI")  # length and its checksum
_CHECKSUM = 4  # bytes
_BATCH = 65_536  # records checked at a time; 10 MB of a log of scalars
_CHECKED = 4096  # bytes; a longer record holds a graph or a picture and is not worth the time
_LARGEST = 1 << 31  # bytes; protocol buffers end there

_WALL_TIME, _STEP, _SUMMARY = 1, 2, 5  # fields of Event
_TAG, _SIMPLE_VALUE, _TENSOR, _METADATA = 1, 2, 8, 9  # fields of Summary.Value
_FORMATS = {1: "<f", 2: "<d", 3: "<i", 4: "<B", 5: "<h", 6: "<b", 9: "<q", 10: "<?", 17: "<H", 19: "<e", 22: "<I"}
_FORMATS |= {23: "<Q"}
"""Type of a tensor -> how its one element lies in `tensor_content`."""
_FLOAT_KIND, _BFLOAT16 = 1, 14
_FLOAT = struct.Struct("<f")


@dataclass(frozen=True, slots=True, eq=False)
class Scalars:
    """The points of a file in the order in which they were written.

    tags: the names of the curves.
    tag: shape (n,), index into `tags`.
    step, wall, value: shape (n,); `wall` in seconds since 1970.
    config: hyperparameters of the plugin `hparams`.
    started: when the file was begun, in seconds since 1970.
    """

    tags: tuple[str, ...]
    tag: npt.NDArray[np.intp]
    step: npt.NDArray[np.float64]
    wall: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    config: dict[str, Any]
    started: float
    notes: tuple[str, ...] = ()

    def points_of(self, index: int) -> npt.NDArray[np.intp]:
        """The places of the points of one tag."""
        return np.flatnonzero(self.tag == index)


def read(document: Document, most: int | None = None) -> Scalars:
    """Read an event file, or of a long one the first `most` records. Raises no error: what cannot be read is noted."""
    events = _Events()
    broken: list[str] = []
    damaged = 0
    with document.stream() as stream:
        frames = islice(_frames(stream, document.size, broken), most)
        while batch := list(islice(frames, _BATCH)):
            intact = _intact(batch)
            damaged += len(batch) - len(intact)
            for payload in intact:
                damaged += not events.add(payload)
    if damaged:
        broken.append(f"{'1 record is' if damaged == 1 else f'{damaged} records are'} damaged and left out")
    return events.scalars(tuple(broken))


def _frames(stream: BinaryIO, size: int, broken: list[str]) -> Iterator[tuple[bytes, int]]:
    """(event, masked checksum) of the records, up to where the file breaks off."""
    left = size
    while len(head := stream.read(_FRAME.size)) == _FRAME.size:
        length, check = _FRAME.unpack(head)
        left -= _FRAME.size + length + _CHECKSUM
        if left < 0 or length > _LARGEST or not length:
            known = length and check == int(_mask(_crc32c([head[:8]]))[0])
            place = f"at byte {size - left - length - _FRAME.size - _CHECKSUM}"
            what = "breaks off within a record" if known else f"is damaged {place}"
            broken.append(f"the file {what}: kept what stands before it")
            return
        payload = stream.read(length + _CHECKSUM)
        yield payload[:-_CHECKSUM], int.from_bytes(payload[-_CHECKSUM:], "little")
    if head:
        broken.append("the file breaks off within a record: kept what stands before it")


class _Events:
    """The scalars of the events so far."""

    def __init__(self) -> None:
        self.tags: dict[str, int] = {}
        self.plugins: dict[str, str] = {}
        self.known: dict[bytes, int] = {}
        self.places: dict[tuple[int, int], int] = {}
        self.points = array("d")  # tag, step, wall time and value of one point after the other
        self.config: dict[str, Any] = {}
        self.started = math.inf

    def add(self, payload: bytes) -> bool:
        """Take in one event; False where it is none."""
        wall, step, summaries = 0.0, 0, []
        try:
            for number, value in protobuf.fields(payload):
                if number == _SUMMARY and isinstance(value, bytes):
                    summaries.append(value)
                elif number == _STEP and isinstance(value, int):
                    step = protobuf.signed(value)
                elif number == _WALL_TIME and isinstance(value, bytes):
                    (wall,) = struct.unpack("<d", value)
            self.started = min(self.started, wall)
            for summary in summaries:
                if summary[:1] == b"\x0a" and len(summary) - 2 == summary[1] < 128:  # a single short value
                    self._value(summary[2:], step, wall)
                    continue
                for value in protobuf.messages(summary, 1):
                    self._value(value, step, wall)
        except (ValueError, struct.error):
            return False
        return True

    def _value(self, message: bytes, step: int, wall: float) -> None:
        """One value of a summary.

        The values of a tag differ in the four bytes of a float only: what stands around them is looked up.
        """
        shape = (len(message), message[1] if len(message) > 1 else 0)
        at = self.places.get(shape)
        if at is not None:
            tag = self.known.get(message[:at] + message[at + 4 :])
            if tag is not None:
                self.points.extend((tag, step, wall, _FLOAT.unpack_from(message, at)[0]))
                return
        fields = dict(protobuf.fields(message))
        name = fields.get(_TAG)
        if not isinstance(name, bytes):
            return
        decoded = name.decode("utf-8", errors="replace")
        if self._plugin(decoded, fields.get(_METADATA)) not in ("", "scalars"):
            return
        number = _scalar(fields)
        if number is None:
            return
        tag = self.tags.setdefault(decoded, len(self.tags))
        self.points.extend((tag, step, wall, number))
        at = _place(message, fields, number)
        if at is not None:
            self.places[shape] = at
            self.known[message[:at] + message[at + 4 :]] = tag

    def _plugin(self, tag: str, metadata: object) -> str:
        """The plugin that the values of a tag belong to, told by its first value; its hyperparameters are taken."""
        if isinstance(metadata, bytes):
            for data in protobuf.messages(metadata, 1):
                plugin = self.plugins.setdefault(tag, protobuf.text(data, 1))
                if plugin == "hparams":
                    self.config |= _hyperparameters(data)
        return self.plugins.get(tag, "")

    def scalars(self, notes: tuple[str, ...]) -> Scalars:
        """The points as arrays."""
        tag, step, wall, value = np.array(self.points).reshape(-1, 4).T
        started = self.started if math.isfinite(self.started) else 0.0
        return Scalars(tuple(self.tags), tag.astype(np.intp), step, wall, value, self.config, started, notes)


def _place(message: bytes, fields: dict[int, int | bytes], number: float) -> int | None:
    """Where the four bytes of a float stand in a value; None where it is no float, or they stand there twice."""
    tensor = fields.get(_TENSOR)
    kind = protobuf.integer(tensor, 1) if isinstance(tensor, bytes) else _FLOAT_KIND
    if kind != _FLOAT_KIND or not number or not math.isfinite(number):  # a zero may be a field left out
        return None
    raw = _FLOAT.pack(number)
    at = message.find(raw)
    return at if at >= 0 and message.rfind(raw) == at else None


def _scalar(fields: dict[int, int | bytes]) -> float | None:
    """The number of a summary's value; None where it is none."""
    simple, tensor = fields.get(_SIMPLE_VALUE), fields.get(_TENSOR)
    if isinstance(simple, bytes):
        return float(struct.unpack("<f", simple)[0])
    return _element(tensor) if isinstance(tensor, bytes) else None


def _element(tensor: bytes) -> float | None:
    """The only element of a `TensorProto`; None where it has more, or is no number."""
    kind, content, typed = 0, b"", []
    for number, value in protobuf.fields(tensor):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, bytes):
            if any(protobuf.integer(dim, 1) != 1 for dim in protobuf.messages(value, 2)):
                return None
        elif number == 4 and isinstance(value, bytes):
            content = value
        elif number in (5, 6, 7, 10, 11, 13, 16, 17):
            typed.append((number, value))
    if content:
        if kind == _BFLOAT16 and len(content) == 2:
            return float(struct.unpack("<f", b"\0\0" + content)[0])
        if kind not in _FORMATS or len(content) != struct.calcsize(_FORMATS[kind]):
            return None
        return float(struct.unpack(_FORMATS[kind], content)[0])
    return _typed(kind, *typed[0]) if len(typed) == 1 else 0.0 if kind in _FORMATS and not typed else None


def _typed(kind: int, number: int, value: int | bytes) -> float | None:
    """The only element of `float_val`, `double_val`, `int_val` ..., packed or not."""
    if isinstance(value, bytes) and number in (5, 6):
        code = "<f" if number == 5 else "<d"
        return float(struct.unpack(code, value)[0]) if len(value) == struct.calcsize(code) else None
    numbers = [value] if isinstance(value, int) else protobuf.varints(value)
    if len(numbers) != 1:
        return None
    if number == 13:  # half_val: the 16 bits of a half or a bfloat16
        bits = struct.pack("<H", numbers[0] & 0xFFFF)
        return float(struct.unpack("<f", b"\0\0" + bits)[0] if kind == _BFLOAT16 else struct.unpack("<e", bits)[0])
    return float(protobuf.signed(numbers[0]))


def _hyperparameters(plugin_data: bytes) -> dict[str, Any]:
    """The hyperparameters that a session of the plugin `hparams` began with."""
    found: dict[str, Any] = {}
    for content in protobuf.messages(plugin_data, 2):
        for session in protobuf.messages(content, 3):
            for entry in protobuf.messages(session, 1):
                for value in protobuf.messages(entry, 2):
                    for number, raw in protobuf.fields(value):
                        if number == 2 and isinstance(raw, bytes):
                            found[protobuf.text(entry, 1)] = struct.unpack("<d", raw)[0]
                        elif number == 3 and isinstance(raw, bytes):
                            found[protobuf.text(entry, 1)] = raw.decode("utf-8", errors="replace")
                        elif number == 4:
                            found[protobuf.text(entry, 1)] = bool(raw)
    return found


# --- checksums --------------------------------------------------------------------------------------------------------


def _intact(batch: list[tuple[bytes, int]]) -> list[bytes]:
    """The events whose checksum is right, in their order; those too long to check count as right.

    Events of like length are checked together, which makes it a fraction of the time of reading them.
    """
    wrong: set[int] = set()
    by_width: dict[int, list[int]] = {}
    for i, (payload, _) in enumerate(batch):
        if 4 <= len(payload) <= _CHECKED:
            by_width.setdefault(1 << (len(payload) - 1).bit_length(), []).append(i)
    for members in by_width.values():
        found = _mask(_crc32c([batch[i][0] for i in members]))
        wanted = np.array([batch[i][1] for i in members], dtype=np.uint32)
        wrong.update(members[i] for i in np.flatnonzero(found != wanted))
    return [payload for i, (payload, _) in enumerate(batch) if i not in wrong]


def _crc32c(payloads: list[bytes]) -> npt.NDArray[np.uint32]:
    """CRC32C of payloads of 4 bytes or more, all at once.

    Zero bytes before a payload leave a register of zero as it is, so all are brought to one width; the initial value of
    ones is the same as the first four bytes inverted. Two bytes are taken at a time.
    """
    width = max(map(len, payloads)) + 1 & ~1
    rows = np.frombuffer(b"".join(p.rjust(width, b"\0") for p in payloads), dtype=np.uint8).reshape(-1, width).copy()
    first = width - np.array([len(p) for p in payloads])
    rows[np.arange(len(payloads))[:, None], first[:, None] + np.arange(4)] ^= 0xFF
    pairs = np.ascontiguousarray(rows.view("<u2").T)
    register = np.zeros(len(payloads), dtype=np.uint32)
    table = _table()
    for pair in pairs:
        register = table[(register ^ pair) & 0xFFFF] ^ (register >> 16)
    return ~register


def _table() -> npt.NDArray[np.uint32]:
    """The register after two bytes, for each two bytes; Castagnoli's polynomial, reflected."""
    register = np.arange(1 << 16, dtype=np.uint32)
    for _ in range(16):
        register = (register >> np.uint32(1)) ^ (register & np.uint32(1)) * np.uint32(0x82F63B78)
    return register


def _mask(crc: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The checksum as TFRecord stores it."""
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)
