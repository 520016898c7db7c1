"""Seeded mutations of logs: what a crash, an editor, another program or an enemy makes of one.

mutated(data, others, random.Random(7))      # bytes in, bytes out; the same seed, the same bytes
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Sequence

MOST_BYTES = 400_000
"""Of a mutated log: what is quadratic shows at this size."""

NUMBERS = (
    *(b"nan", b"inf", b"-inf", b"1e308", b"-1e308", b"5e-324", b"1e400", b"0", b"-0", b"1e-300", b"9" * 400, b"0x10"),
    *(
        b"1,5",
        b"1.000.000",
        b"1_000",
        b"12%",
        b"1.5GB",
        b"3/100",
        b"tensor(0.5)",
        b"[0.5, 0.6]",
        b"1.#QNAN",
        b"--",
        b"",
    ),
)
"""Spellings of numbers, and of what is none."""

TOKENS = (
    *(
        b"\0",
        b"\r",
        b"\n",
        b"\r\n",
        b"\t",
        b" ",
        b",",
        b";",
        b"|",
        b'"',
        b"'",
        b"#",
        b"{",
        b"}",
        b"[",
        b"]",
        b"(",
        b")",
    ),
    *(b":", b"=", b"%", b"/", b"\\", b"$", b"&", b"<", b">", b"\x1b[2J", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80"),
    *(b"\xe2\x80\xae", b"\xef\xbf\xbf", b"epoch", b"loss", b"val_loss", b"accuracy", b"step", b"tensor(", b"Epoch 1/2"),
)
"""Bytes that mean something to a reader."""

Mutation = Callable[[bytes, Sequence[bytes], random.Random], bytes]


def _cut(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def _flip(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        if changed:
            changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def _insert(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.choice(TOKENS) * dice.choice((1, 1, 1, 3, 200)) + data[at:]


def _stretch(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    """One token a hundred thousand times: what is quadratic in the length of a cell or a line shows."""
    at = dice.randrange(len(data) + 1)
    token = dice.choice((*TOKENS, *NUMBERS, b"1", b"a", b"a 1 ", b"1,111"))
    return data[:at] + token * (dice.choice((1_000, 20_000, 100_000)) // max(len(token), 1)) + data[at:]


def _delete(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + data[at + dice.choice((1, 2, 5, 50, 5_000)) :]


def _number(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    """Another number in place of one, or of several."""
    import re

    found = list(re.finditer(rb"\d[\d.eE+-]*", data))
    for match in sorted(dice.sample(found, min(len(found), dice.choice((1, 3, 20)))), key=lambda m: -m.start()):
        data = data[: match.start()] + dice.choice(NUMBERS) + data[match.end() :]
    return data


def _lines(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    """Lines that come twice, are gone, or stand elsewhere."""
    lines = data.split(b"\n")
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(lines))
        kind = dice.choice(("twice", "gone", "elsewhere", "shuffled", "reversed"))
        if kind == "twice":
            lines[at:at] = [lines[at]] * dice.choice((1, 2, 500))
        elif kind == "gone" and len(lines) > 1:
            del lines[at]
        elif kind == "elsewhere":
            lines.insert(dice.randrange(len(lines)), lines.pop(at))
        elif kind == "shuffled":
            dice.shuffle(lines)
        else:
            lines.reverse()
    return b"\n".join(lines)


def _delimiter(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    old, new = dice.sample((b",", b";", b"\t", b"|", b" ", b".", b":", b"\n", b'"', b"\r\n"), 2)
    return data.replace(old, new, dice.choice((1, 10, -1)))


def _splice(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    """The beginning of this log and the end of another."""
    other = dice.choice(others)
    return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other) + 1) :]


def _repeat(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    return data * dice.choice((2, 5, 50))


def _encode(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    text = data.decode("utf-8", errors="replace")
    packed = gzip.compress(data, mtime=0)
    return dice.choice(
        (text.encode("utf-16"), text.encode("utf-16-le"), text.encode("utf-32"), packed, packed[: len(packed) * 2 // 3])
    )


MUTATIONS: Sequence[Mutation] = (
    *(_cut, _flip, _insert, _stretch, _delete, _number, _number, _lines, _delimiter, _splice, _repeat, _encode),
)


def mutated(data: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    """A log after one to five mutations. others: logs to splice with, at least one."""
    for _ in range(dice.choice((1, 1, 2, 3, 5))):
        data = dice.choice(MUTATIONS)(data, others, dice)[:MOST_BYTES]
    return data
