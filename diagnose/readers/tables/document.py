"""A source as bytes and text: decompression, encoding, and the refusal of what is plainly no log.

A `Document` reads only its head until a reader asks for more, so that a 240 MB CSV is never held as text. Where the
head is all there is, the file is opened once: who recognises it and who reads it share the bytes and the decoded text.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from diagnose import files, limits
from diagnose.errors import LimitError, ReadError
from diagnose.names import roles
from diagnose.readers.tables import prefix

if TYPE_CHECKING:
    from diagnose.readers.tables.dialect import Dialect

HEAD_BYTES = 256 * 1024
"""How much of a file decides what it is."""

_GZIP = b"\x1f\x8b"
_PIECE = 64 * 1024  # bytes that are unpacked at a time: an error loses one piece, not everything
_ANY_RATIO = 16_000_000  # bytes, unpacked, up to which nothing is said of the ratio

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its prefix
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_ASIAN = ("gb18030", "big5", "cp932", "cp949")

_MAGIC = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook; save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook; save the sheet as CSV"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ\x00", "an xz archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x7fELF", "a program"),
    (b"\x80\x02", "a pickle; export the history as CSV or JSON"),
    (b"\x80\x03", "a pickle; export the history as CSV or JSON"),
    (b"\x80\x04", "a pickle; export the history as CSV or JSON"),
    (b"\x80\x05", "a pickle; export the history as CSV or JSON"),
    (b"\x89HDF", "an HDF5 file; export the history as CSV or JSON"),
    (b"\x93NUMPY", "a NumPy array whose name says no curve; call it train_loss.npy, or save its columns as CSV"),
    (b"SQLite format 3\x00", "an SQLite database, but neither MLflow's nor trackio's; export the curves as CSV"),
    (b"PAR1", "a Parquet file; export it as CSV"),
    (b"ARROW1", "an Arrow file; export it as CSV"),
)

_VERTICALS = "\u2502\u2503\u2551"
_DRAWN = {code: "|" if chr(code) in _VERTICALS else "-" for code in range(0x2500, 0x2580)}  # boxes, in plain signs
_OF_TABLE = re.compile(rf"[{_VERTICALS}]|\A[\s\u2500-\u257f]+\Z")  # and no bar of progress
_CONTROL = dict.fromkeys({*range(32)} - {*b"\t\n\r\f\x1b\b"})  # for `str.translate`, which leaves them out


class Document:
    """One source: a file on disk, or bytes that came from a pipe.

    path: where the bytes are on disk, uncompressed, or None (pipe, gzip); fast readers may open it themselves.
    name: the file's base name without `.gz`; "<stdin>" for a pipe.
    notes: what had to be decided to get at the bytes, in sentences for the user.
    growing: whether `lines` leaves out a last line without an end, which may be half written; set by who knows.

    Of a gzip file no more is unpacked than is asked for.
    """

    growing = False

    def __init__(
        self, name: str, data: bytes | None = None, path: Path | None = None, notes: tuple[str, ...] = ()
    ) -> None:
        """Raises ReadError where there are no bytes, or a gzip stream in them is broken from the start."""
        self._packed: Path | bytes | None = None
        if data is not None and data.startswith(_GZIP):
            self._packed, data = data, None
        self._start(name, data, path, notes)

    def _start(self, name: str, data: bytes | None, path: Path | None, notes: tuple[str, ...]) -> None:
        self.name = name if self._packed is None else name.removesuffix(".gz")
        self.path = path
        self.notes = notes
        self._data = data
        self._returns = False  # whether a line was ended by a lone carriage return
        if path is None and not self.head_bytes:
            raise ReadError("the file is empty")

    @classmethod
    def open(cls, path: Path, *, pipes: bool = False) -> Document:
        """Open a regular file.

        pipes: whether it may be a named pipe too, which can be read only once. Raises ReadError where it cannot be
        opened, is empty, or its gzip stream is broken, LimitError where it is too large.
        """
        bounds = limits.current()
        try:
            if pipes and files.is_pipe(path):
                return cls(path.name, data=files.piped(path, bounds.held_bytes, bounds.pipe_seconds))
            with files.opened(path) as stream:
                head = stream.read(HEAD_BYTES + 1)
                size = len(head) if len(head) <= HEAD_BYTES else stream.seek(0, io.SEEK_END)
        except (OSError, ValueError) as error:
            raise ReadError(f"cannot be opened ({(getattr(error, 'strerror', None) or str(error)).lower()})") from error
        if not head:
            raise ReadError("the file is empty")
        if size > bounds.log_bytes:
            raise LimitError(f"the file is larger than {limits.said('log_bytes', 'bytes')}")
        document = cls.__new__(cls)
        document._packed = path if head.startswith(_GZIP) else None
        if document._packed is None:
            document._beginning = head
        document._start(path.name, None, path if document._packed is None else None, ())
        return document

    def bare(self) -> Document:
        """The document without what stands around a log and says nothing of the training; itself where nothing does.

        That is what a logger wrote before every line (see `tables.prefix`), and the lines drawn around tables.
        """
        if b"\0" in self.head_bytes[:64]:
            return self
        drawn = not self.head_text.isascii() and any(mark in self.head_text for mark in _VERTICALS)
        beginning = prefix.pattern(self.head_lines)
        if (beginning is None and not drawn) or self.size > limits.current().held_bytes:
            return self
        lines = self.lines()
        if beginning is not None:
            lines = (beginning.sub("", line, count=1) for line in lines)
        if drawn:
            lines = (line.translate(_DRAWN) if _OF_TABLE.search(line) else line for line in lines)
        return Document(self.name, "\n".join(lines).encode() + b"\n", notes=self.notes)

    @property
    def stem(self) -> str:
        """The name without its last suffix."""
        return self.name.rpartition(".")[0] or self.name

    @cached_property
    def data(self) -> bytes | None:
        """The bytes, uncompressed, where they have no file of their own; else None. Raises LimitError."""
        if self._packed is None:
            return self._data
        whole = io.BytesIO()
        try:
            for piece in _unpacked(self._packed):
                whole.write(piece)
        except _BrokenGzipError:
            self.notes = (*self.notes, "the gzip stream is cut: kept what could be unpacked")
        return whole.getvalue()

    @cached_property
    def size(self) -> int:
        """Number of bytes, uncompressed."""
        if self.data is not None:
            return len(self.data)
        if self.whole:
            return len(self._beginning)
        assert self.path is not None
        return self.path.stat().st_size

    @cached_property
    def _beginning(self) -> bytes:
        """The head, and one byte more where there is one."""
        if self._packed is not None:
            return _head(self._packed)
        if self._data is not None:
            return self._data[: HEAD_BYTES + 1]
        with self.stream() as stream:
            return stream.read(HEAD_BYTES + 1)

    @cached_property
    def head_bytes(self) -> bytes:
        """The first `HEAD_BYTES` bytes."""
        return self._beginning[:HEAD_BYTES]

    @property
    def whole(self) -> bool:
        """True where the head is all there is."""
        return len(self._beginning) <= HEAD_BYTES

    @cached_property
    def encoding(self) -> str:
        """Name of the codec: from the byte-order mark, else UTF-8 where it decodes, else Windows-1252.

        Chinese, Japanese and Korean in the encodings of Windows are told by the words of a training log among them.
        """
        head = self.head_bytes
        for mark, codec in _BOMS:
            if head.startswith(mark):
                return codec
        if len(head) >= 4 and head[1::2].count(0) > 0.4 * len(head) / 2 and head[0::2].count(0) == 0:
            return "utf-16-le"  # no mark; every second byte of Western text is zero
        if len(head) >= 4 and head[0::2].count(0) > 0.4 * len(head) / 2 and head[1::2].count(0) == 0:
            return "utf-16-be"
        if _decoded(head, "utf-8") is not None:
            return "utf-8"
        known = {codec: roles.known_words(text) for codec in _ASIAN if (text := _decoded(head, codec)) is not None}
        return max(known, key=lambda codec: known[codec]) if any(known.values()) else "cp1252"

    def refuse_binary(self) -> None:
        """Raise ReadError where the head is no text, or plainly no log, with what it is and what to do instead."""
        head = self.head_bytes
        for magic, what in _MAGIC:
            if head.startswith(magic):
                raise ReadError(f"this is {what}")
        if head.startswith(b"version https://git-lfs"):
            raise ReadError("this is a Git LFS pointer, not the log itself; run: git lfs pull")
        start = self.head_text[:8192]
        if not self.head_text.strip("\x00 \t\r\n\ufeff"):
            raise ReadError("the file is empty")
        control = len(start) - len(start.translate(_CONTROL))
        if control > 8 + 0.02 * len(start):  # a few stray bytes are no binary
            raise ReadError("this is a binary file, not a text log")
        if start.lstrip("\ufeff \t\r\n")[:14].lower().startswith(("<!doctype html", "<html")):
            raise ReadError("this is a web page, not the log itself; download the raw file")

    @cached_property
    def _decoded_head(self) -> str:
        """The head as text, its line ends as they are."""
        return self.head_bytes.decode(self.encoding, errors="replace")

    @cached_property
    def head_text(self) -> str:
        """The decoded head, line ends made `\\n`; the last line may be cut."""
        return _unify(self._decoded_head)

    @cached_property
    def head_lines(self) -> list[str]:
        """The complete lines of the head; the cut last one only where it is the only one."""
        lines = self.head_text.split("\n")
        return lines[:-1] if not self.whole and len(lines) > 1 else lines

    @cached_property
    def dialect(self) -> Dialect | None:
        """How the lines are a table, or None where they are none; see `diagnose.readers.tables.dialect`."""
        from diagnose.readers.tables.dialect import sniff

        if not self.whole and len(self.head_lines) == 1:
            return None  # a line longer than the head
        return sniff(self.head_lines, stem=self.stem, whole=self.whole)

    @cached_property
    def text(self) -> str:
        """The whole decoded text, line ends made `\\n`. Raises LimitError where it is too much to hold."""
        if self.size > limits.current().held_bytes:
            raise LimitError(f"the file is larger than {limits.said('held_bytes', 'bytes')} and has to be held whole")
        text = self._decoded_head if self.whole else self._bytes().decode(self.encoding, errors="replace")
        self._returns |= "\r" in text and text.count("\r") > text.count("\r\n")
        return self.head_text if self.whole else _unify(text)

    @property
    def has_lines(self) -> bool:
        """Whether an editor counts the lines of the file as `lines` and `text` do, once one of them was read.

        It does not in a gzip file, nor where a progress bar returned to the start of its line.
        """
        return self.path is not None and not self._returns

    def stream(self) -> BinaryIO:
        """The bytes, uncompressed, as an open file; the caller closes it."""
        if self.data is not None:
            return io.BytesIO(self.data)
        if self.whole:
            return io.BytesIO(self._beginning)
        assert self.path is not None
        try:
            return files.opened(self.path)
        except OSError as error:  # it was there when it was recognised
            raise ReadError(f"cannot be opened ({(error.strerror or str(error)).lower()})") from error

    def lines(self) -> Iterator[str]:
        """The decoded lines without their ends, one at a time; line ends count as in `text`."""
        if self.whole and not self.growing and self._packed is None and "\r" not in self._decoded_head:
            yield from self.head_text.removesuffix("\n").split("\n")
            return
        with io.TextIOWrapper(self.stream(), encoding=self.encoding, errors="replace", newline="\n") as stream:
            for line in stream:
                if self.growing and not line.endswith("\n"):
                    yield from line.split("\r")[:-1]  # earlier states of a progress bar
                    return
                stripped = line.rstrip("\r\n").replace("\0", "")
                if "\r" in stripped:  # a progress bar, or the line ends of an old Macintosh
                    self._returns = True
                    yield from stripped.split("\r")
                else:
                    yield stripped

    @cached_property
    def ends_mid_line(self) -> bool:
        """True where the last line has no line end, as a log has that is cut or still being written."""
        if self.data is not None:
            tail = self.data[-4:]
        elif self.whole:
            tail = self._beginning[-4:]
        else:
            with self.stream() as stream:
                stream.seek(max(0, self.size - 4))
                tail = stream.read(4)
        return not tail.rstrip(b"\0").endswith((b"\n", b"\r"))  # the zero bytes are UTF-16's

    @cached_property
    def json(self) -> Any:
        """The whole text as one JSON value, NaN and Infinity tokens allowed.

        Raises ValueError where it is none, ReadError where it holds too many values.
        """
        return json.loads(self.json_text("json_values"))

    def json_text(self, limit: str) -> str:
        """The whole text of JSON. limit: on its values. Raises ReadError where it holds more."""
        text = self.text.lstrip("\ufeff")
        if text.count(",") > getattr(limits.current(), limit):
            raise ReadError(f"the JSON holds more than {limits.said(limit, 'values')}, as no training log does")
        return text

    def _bytes(self) -> bytes:
        if self.data is not None:
            return self.data
        with self.stream() as stream:
            return stream.read()


def _decoded(head: bytes, codec: str) -> str | None:
    """The text of a head, of which the last character may be cut; None where it is in another encoding."""
    try:
        return codecs.getincrementaldecoder(codec)().decode(head)
    except UnicodeDecodeError:
        return None


class _BrokenGzipError(Exception):
    """A gzip stream that ends early, or goes on with something else."""


def _unpacked(packed: Path | bytes) -> Iterator[bytes]:
    """The bytes of a gzip stream of one or more members, in pieces.

    Raises _BrokenGzipError behind what a cut stream still holds, LimitError where it unpacks to too much.
    """
    with io.BytesIO(packed) if isinstance(packed, bytes) else files.opened(packed) as stream:
        unpacker = gzip.GzipFile(fileobj=stream)
        bounds = limits.current()
        done = 0
        try:
            while piece := unpacker.read1(_PIECE):
                done += len(piece)
                if done > bounds.unpacked_bytes:
                    raise LimitError(f"the gzip file unpacks to more than {limits.said('unpacked_bytes', 'bytes')}")
                if done > max(_ANY_RATIO, bounds.unpacked_ratio * stream.tell()):
                    ratio = limits.said("unpacked_ratio")
                    raise LimitError(f"the gzip file unpacks to more than its size times {ratio}; unpack it first")
                yield piece
        except (EOFError, OSError, zlib.error) as error:
            raise _BrokenGzipError(str(error)) from error


def _head(packed: Path | bytes) -> bytes:
    """The first bytes of a gzip stream, one more than `HEAD_BYTES`. Raises ReadError where it is broken before any."""
    found = b""
    try:
        for piece in _unpacked(packed):
            found += piece
            if len(found) > HEAD_BYTES:
                break
    except _BrokenGzipError as error:
        if not found:
            raise ReadError(f"the gzip stream is broken ({error}); compress the log again") from error
    return found[: HEAD_BYTES + 1]


def _unify(text: str) -> str:
    """Make every line end `\\n`, also the `\\r\\r\\n` that Keras' CSVLogger writes on Windows; leave out zero bytes.

    A crash on a network disk leaves blocks of them, as does a program that goes on writing to a file that was emptied.
    """
    text = text.replace("\0", "")
    if "\r" not in text:
        return text
    return text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
