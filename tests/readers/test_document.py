"""Bytes to text: encodings, line ends, gzip, and what is plainly no log."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from diagnose.errors import ReadError
from diagnose.readers import tables
from diagnose.readers.tables.document import HEAD_BYTES, Document

TEXT = "epoch,loss\n0,1.5\n1,0.5\n"


def write(folder: Path, data: bytes, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    document = Document.open(write(tmp_path, TEXT.replace("\n", end).encode(encoding)))
    document.refuse_binary()
    assert document.text == TEXT
    assert [line for line in document.lines() if line] == TEXT.split()
    assert not document.ends_mid_line


def test_a_windows_codepage(tmp_path: Path) -> None:
    assert Document.open(write(tmp_path, "époque,loss\n".encode("cp1252"))).text == "époque,loss\n"


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("gbk", "当前损失值: 0.5 | 准确率: 10%\n"),
        ("big5", "訓練損失: 0.5\n"),
        ("cp932", "学習 損失 0.5 エポック 3\n"),
        ("cp949", "훈련 손실: 0.5\n"),
        ("cp1252", "perte d'entraînement à l'époque 3: 0.5\n"),
    ],
)
def test_the_encodings_of_windows_are_told_by_the_words_of_a_log(tmp_path: Path, codec: str, text: str) -> None:
    assert Document.open(write(tmp_path, (text * 9).encode(codec))).text == text * 9


def test_a_character_cut_at_the_end_of_the_head_is_still_utf8(tmp_path: Path) -> None:
    document = Document.open(write(tmp_path, b"x" * (HEAD_BYTES - 1) + "é\n".encode()))
    assert document.encoding == "utf-8"


def test_the_cut_line_of_the_head_is_left_out(tmp_path: Path) -> None:
    line = b"0123456789,0.5\n"
    document = Document.open(write(tmp_path, line * (HEAD_BYTES // len(line) + 10)))
    assert not document.whole
    assert set(document.head_lines) == {"0123456789,0.5"}


def test_the_end_of_a_line(tmp_path: Path) -> None:
    assert Document.open(write(tmp_path, b"a,b\n1,2")).ends_mid_line
    assert not Document.open(write(tmp_path, b"a,b\n1,2\r\n")).ends_mid_line
    assert Document("x", data="a\n1".encode("utf-16-le")).ends_mid_line
    assert not Document("x", data="a\n1\n".encode("utf-16-le")).ends_mid_line


def test_gzip_whatever_its_name(tmp_path: Path) -> None:
    for name in ("log.csv.gz", "log.csv"):
        document = Document.open(write(tmp_path, gzip.compress(TEXT.encode()), name))
        assert document.text == TEXT
        assert document.name == "log.csv"


def test_gzip_of_several_members() -> None:
    data = gzip.compress(b"epoch,loss\n") + gzip.compress(b"0,1.5\n1,0.5\n")
    assert Document("log.csv.gz", data=data).text == TEXT


def test_a_cut_gzip_keeps_what_is_there() -> None:
    lines = "".join(f"{i},{i * 7919 % 1009}\n" for i in range(20_000))
    document = Document("log.csv.gz", data=gzip.compress(lines.encode())[:-5_000])
    assert lines.startswith(document.text)
    assert len(document.text) > len(lines) // 2
    assert document.notes == ("the gzip stream is cut: kept what could be unpacked",)


def test_a_gzipped_run_is_named_without_suffixes(tmp_path: Path) -> None:
    assert tables(write(tmp_path, gzip.compress(TEXT.encode()), "mine.csv.gz"))[0].name == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(TEXT.encode(),))
    writer.start()
    document = Document.open(pipe, pipes=True)
    writer.join()
    assert document.text == TEXT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b" \n\t\r\n ", "empty"),
        (b"\x1f\x8b\x08\x00nonsense here", "gzip"),
        (b"PK\x03\x04\x14\x00rest of a workbook", "save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1old workbook", "save the sheet as CSV"),
        (b"\x80\x04\x95pickle", "pickle"),
        (b"\x18\x00\x00\x00\x00\x00\x00\x00abcd\x1a\x0dbrain.Event:2", "TensorBoard"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html><body>1,2</body></html>", "web page"),
        (bytes(range(256)) * 40, "binary"),
        (b"epoch,loss\n" + bytes(100), "no row under it"),
        (bytes(100), "empty"),
        (b"BZh91AY&SY", "unpack"),
    ],
)
def test_what_is_plainly_no_log(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ReadError, match=message) as caught:
        tables(write(tmp_path, data))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such file"):
        Document.open(tmp_path / "nowhere.csv")
    with pytest.raises(ReadError, match="directory"):
        Document.open(tmp_path)


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user who may read what all may, also where the tests run as root, who may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_file_without_permission() -> None:
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = write(Path(name), TEXT.encode())
        with without_rights():
            assert Document.open(path).text == TEXT
        path.chmod(0)
        with without_rights(), pytest.raises(ReadError, match="permission"):
            Document.open(path)


def test_a_large_file_of_garbage_is_refused_on_its_head(tmp_path: Path) -> None:
    path = write(tmp_path, b"1234567890 abc," * 1_000_000)
    document = Document.open(path)
    assert document.dialect is None
    assert "text" not in vars(document)
    with pytest.raises(ReadError):
        tables(path)
