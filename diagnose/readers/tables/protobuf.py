"""The wire format of protocol buffers, as far as two logs need it: the fields of one message, in their order.

Source: protobuf.dev/programming-guides/encoding. Messages inside of messages come as bytes and are taken apart by the
caller, so that what nobody asks for (pictures, graphs) costs nothing.
"""

from __future__ import annotations

Field = tuple[int, int | bytes]
"""Number of a field, and its value: an unsigned integer for a varint, else the bytes of it."""

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


def fields(message: bytes) -> list[Field]:
    """The fields of a message. Raises ValueError where the bytes are none, or end within a field."""
    found: list[Field] = []
    at, end = 0, len(message)
    while at < end:
        key = message[at]
        at += 1
        if key > 127:
            key, at = _varint(message, at - 1)
        wire = key & 7
        value: int | bytes
        if wire == _BYTES:
            size, at = (message[at], at + 1) if at < end and message[at] < 128 else _varint(message, at)
        elif wire == _VARINT:
            value, at = (message[at], at + 1) if at < end and message[at] < 128 else _varint(message, at)
            found.append((key >> 3, value))
            continue
        elif wire == _FIXED_32:
            size = 4
        elif wire == _FIXED_64:
            size = 8
        else:
            raise ValueError(f"wire type {wire} is none")
        value = message[at : at + size]
        at += size
        if at > end:
            raise ValueError("the message ends within a field")
        found.append((key >> 3, value))
    return found


def varints(packed: bytes) -> list[int]:
    """The unsigned integers of a packed repeated field. Raises ValueError where the last one is cut."""
    found = []
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        found.append(value)
    return found


def signed(value: int) -> int:
    """The int32 or int64 that a varint stands for: two's complement in 64 bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


def messages(message: bytes, number: int) -> list[bytes]:
    """All values of the field `number` that are bytes: strings, and messages of their own."""
    return [value for found, value in fields(message) if found == number and isinstance(value, bytes)]


def text(message: bytes, number: int) -> str:
    """The last string in the field `number`, "" where there is none; bytes that are no UTF-8 are replaced."""
    found = messages(message, number)
    return found[-1].decode("utf-8", errors="replace") if found else ""


def integer(message: bytes, number: int) -> int:
    """The last varint in the field `number` as a signed integer; 0, the default of the format, where there is none."""
    found = [value for field, value in fields(message) if field == number and isinstance(value, int)]
    return signed(found[-1]) if found else 0


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The unsigned integer that starts at `at`, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("the message ends within a number")
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
