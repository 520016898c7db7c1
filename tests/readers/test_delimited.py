"""Delimited text: what is written in any dialect is read back, and NaN and blank never change places."""

from __future__ import annotations

import contextlib
import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagnose.errors import ReadError
from diagnose.readers import tables
from diagnose.readers.tables.cells import number
from diagnose.readers.tables.delimited import LARGE
from diagnose.readers.tables.delimited import read as read_delimited
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.names import printable
from diagnose.readers.tables.table import Table

NAN = float("nan")
BLANK = None


def table(text: str | bytes, name: str = "log.csv") -> Table:
    """The one table in a text."""
    data = text if isinstance(text, bytes) else text.encode()
    found = read_delimited(Document(name, data=data), "csv")
    assert len(found) == 1
    return found[0]


def cells(of: Table, name: str) -> list[float | None]:
    """A column as the log says it: NaN where NaN was logged, None where nothing was."""
    column = of.columns[name]
    return [float(v) if there else None for v, there in zip(column.values, column.logged, strict=True)]


def same(a: list[float | None], b: list[float | None]) -> bool:
    return len(a) == len(b) and all(
        x is y is None or (x is not None and y is not None and (x == y or (math.isnan(x) and math.isnan(y))))
        for x, y in zip(a, b, strict=True)
    )


# --- any dialect ------------------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.none(),
    st.just(NAN),
    st.sampled_from([math.inf, -math.inf]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**6), 10**6).map(float),
)
NAMES = ("epoch", "train_loss", "val_loss", "val acc", "lr")


@st.composite
def logs(draw: st.DrawFn) -> dict[str, list[float | None]]:
    """A small log: an epoch column and one to four columns of anything."""
    rows = draw(st.integers(3, 12))
    width = draw(st.integers(1, 4))
    columns: dict[str, list[float | None]] = {"epoch": [float(i) for i in range(rows)]}
    for name in NAMES[1 : width + 1]:
        columns[name] = draw(st.lists(VALUES, min_size=rows, max_size=rows))
    return columns


def spell(value: float | None, decimal: str) -> str:
    return "" if value is None else repr(value).replace(".", decimal)


def write(
    columns: dict[str, list[float | None]], delimiter: str, decimal: str, end: str, pad: bool, quote: bool = False
) -> str:
    rows = [list(columns), *([spell(v, decimal) for v in row] for row in zip(*columns.values(), strict=True))]
    if pad:
        rows = [[cell.rjust(12) for cell in row] for row in rows]
    if quote:
        rows = [[f'"{cell}"' for cell in row] for row in rows]
    return "".join(delimiter.join(row) + end for row in rows)


@settings(max_examples=150, deadline=None)
@given(
    logs(),
    st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), ("|", ".")]),
    st.sampled_from(["\n", "\r\n", "\r\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_table_in_any_dialect_is_read_back_exactly(
    columns: dict[str, list[float | None]],
    marks: tuple[str, str],
    end: str,
    encoding: str,
    pad: bool,
    quote: bool,
    packed: bool,
) -> None:
    delimiter, decimal = marks
    text = write(columns, delimiter, decimal, end, pad, quote and delimiter != "|" and not pad)
    data = text.encode(encoding)
    read = table(gzip.compress(data) if packed else data)
    assert list(read.columns) == list(columns)
    for name, values in columns.items():
        assert same(cells(read, name), values), name


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    logs(), st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n", "\r\r\n"]), st.booleans(), st.booleans()
)
def test_both_paths_give_the_same_table(
    tmp_path: Path, columns: dict[str, list[float | None]], delimiter: str, end: str, pad: bool, cut: bool
) -> None:
    columns = {**columns, "time": [float(i) for i in range(len(columns["epoch"]))]}
    text = write(columns, delimiter, ".", end, pad)
    path = tmp_path / "log.csv"
    path.write_bytes((text.rpartition(delimiter)[0] if cut else text).encode())
    slow, fast = (read_delimited(Document.open(path), "csv", large=large)[0] for large in (LARGE, 0))
    assert list(slow.columns) == list(fast.columns)
    assert slow.rows == fast.rows
    assert slow.notes == fast.notes
    for name in slow.columns:
        assert same(cells(slow, name), cells(fast, name)), name


def test_both_paths_agree_on_text_columns_and_spellings(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "step,split,loss,note\n1,train,nan,a\n2,val,NA,\n3,train,-inf,None\n4,val,,b\n5,train,1e400,c\n6,val,None,d\n"
    )
    slow, fast = (read_delimited(Document.open(path), "csv", large=large)[0] for large in (LARGE, 0))
    assert slow.text == fast.text == {"split": ["train", "val"] * 3, "note": ["a", "", "", "b", "c", "d"]}
    assert same(cells(slow, "loss"), [NAN, BLANK, -math.inf, BLANK, math.inf, BLANK])
    assert same(cells(slow, "loss"), cells(fast, "loss"))


def test_a_large_file_goes_through_pyarrow_with_nan_and_blank_apart(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    rows = 120_000
    with path.open("w") as stream:
        stream.write("step,train_loss,val_loss\n")
        for i in range(rows):
            stream.write(f"{i},{'nan' if i == 777 else 1 / (i + 1)},{'' if i % 10 else 0.5}\n")
    assert path.stat().st_size > LARGE
    read = tables(path)[0]
    assert read.rows == rows
    assert bool(np.isnan(read.columns["train_loss"].values[777]))
    assert bool(read.columns["train_loss"].logged.all())
    assert int(read.columns["val_loss"].logged.sum()) == rows // 10


def test_a_large_untidy_file_is_read_like_a_small_one(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [f"{i},{0.5 + i % 7},0.25" for i in range(180_000)]
    rows[100_000:100_000] = ["epoch,loss,val_loss", "5", "6,93.1%,0.5"]
    path.write_text("epoch,loss,val_loss\n" + "\n".join(rows) + "\n")
    assert path.stat().st_size > LARGE
    read = tables(path)[0]
    assert read.rows == 180_002
    assert cells(read, "loss")[100_000:100_003] == [BLANK, 93.1, 0.5 + 100_000 % 7]
    assert any("the header stands again at line 100002" in note for note in read.notes)
    assert any("line 100003 is shorter" in note for note in read.notes)


# --- cells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0.5", 0.5),
        (" 1e-3 ", 1e-3),
        ("93.1%", 93.1),
        ("tensor(0.53)", 0.53),
        ("tensor(0.53, device='cuda:0', grad_fn=<NllLossBackward0>)", 0.53),
        ("tensor([0.])", 0.0),
        ("tensor(nan)", NAN),
        ("[0.53]", 0.53),
        ("[[0.53]]", 0.53),
        ("(0.5, 0.6)", 0.5),
        ("np.float32(0.25)", 0.25),
        ("array([0.25, 0.5])", 0.25),
        ("1.86G", 1.86e9),
        ("12 ms", 0.012),
        ("3/100", 3.0),
        ("1,234.5", 1234.5),
        ("-nan(ind)", NAN),
        ("1.#QNAN", NAN),
        ("-1.#INF", -math.inf),
        ("Infinity", math.inf),
    ],
)
def test_spellings_of_a_number(cell: str, value: float) -> None:
    found = number(cell)
    assert found is not None
    assert found == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    "cell",
    ["20_1", "True", "2024-01-01 10:00:00", "2024-01-01", "0:00:19", "run3", "conv(3)", "5/3", "", "--", "12 apples"],
)
def test_text_is_no_number(cell: str) -> None:
    assert number(cell) is None


def test_decimal_commas_keep_their_thousands() -> None:
    read = table("epoch;loss\n0;1.234,5\n1;0,25\n2;12\n")
    assert cells(read, "loss") == [1234.5, 0.25, 12.0]


def test_thousands_are_no_decimals() -> None:
    read = table('step,loss\n"1,000",0.5\n"2,000",0.4\n"3,000",0.3\n')
    assert cells(read, "step") == [1000.0, 2000.0, 3000.0]


def test_decimal_commas_in_quotes() -> None:
    read = table('epoch,loss\n0,"0,53"\n1,"0,4871"\n2,"0,4"\n')
    assert cells(read, "loss") == [0.53, 0.4871, 0.4]


def test_percent_signs_are_remembered() -> None:
    read = table("epoch,acc,loss\n0,10.5%,2\n1,50%,1\n")
    assert read.columns["acc"].percent
    assert not read.columns["loss"].percent


def test_words_and_times_are_text_columns() -> None:
    read = table("time,split,best,loss\n2024-01-01 10:00:00,train,True,1\n2024-01-01 10:01:00,val,False,2\n")
    assert list(read.columns) == ["loss"]
    assert read.text["split"] == ["train", "val"]
    assert read.text["best"] == ["True", "False"]


def test_a_word_among_numbers_is_not_logged_and_noted() -> None:
    read = table("epoch,loss\n0,1\n1,2\n2,diverged\n3,4\n")
    assert cells(read, "loss") == [1, 2, BLANK, 4]
    assert any("'diverged'" in note for note in read.notes)


def test_printed_tensors_do_not_split_the_line() -> None:
    read = table("epoch,loss\n0,tensor(0.53, device='cuda:0')\n1,tensor(0.4, device='cuda:0')\n")
    assert cells(read, "loss") == [0.53, 0.4]


# --- headers ----------------------------------------------------------------------------------------------------------


def test_one_column_without_header_is_called_as_its_file() -> None:
    read = table("0.5\n0.4\n0.3\n", name="train_loss.txt")
    assert cells(read, "train_loss") == [0.5, 0.4, 0.3]


def test_one_column_with_header() -> None:
    assert cells(table("loss\n0.5\n0.4\n"), "loss") == [0.5, 0.4]


def test_one_row_without_header_is_a_curve() -> None:
    assert cells(table("0.5,0.4,0.3,0.2\n", name="val_acc.csv"), "val_acc") == [0.5, 0.4, 0.3, 0.2]


def test_rows_that_start_with_their_name_are_curves() -> None:
    lines = [f"{name}," + ",".join(str(i / 8) for i in range(9 - k)) for k, name in enumerate(["loss", "val_loss"])]
    read = table("\n".join(lines))
    assert cells(read, "loss")[-1] == 1.0
    assert cells(read, "val_loss")[-2:] == [0.875, BLANK]


def test_counter_and_curve_without_header() -> None:
    read = table("0 0.9\n1 0.8\n2 0.7\n", name="loss.txt")
    assert list(read.columns) == ["index", "loss"]


def test_columns_without_header_are_numbered() -> None:
    assert list(table("0.5,0.6\n0.4,0.7\n").columns) == ["column 1", "column 2"]


def test_unnamed_index_column() -> None:
    assert list(table(",loss,lr\n0,1,2\n1,1,2\n").columns) == ["index", "loss", "lr"]


def test_names_that_are_one_short_leave_out_the_index() -> None:
    read = table("loss lr\n1 0.5 0.1\n2 0.4 0.1\n3 0.3 0.1\n")
    assert cells(read, "loss") == [0.5, 0.4, 0.3]


def test_a_frame_without_names() -> None:
    assert cells(table(",0\n0,0.5\n1,0.4\n2,0.2\n", name="val_loss.csv"), "val_loss") == [0.5, 0.4, 0.2]


def test_names_may_be_numbers_among_words() -> None:
    assert "column 2" in table("epoch,0,1,loss\n0,1,2,3\n1,2,3,4\n").columns


def test_repeated_names_are_told_apart() -> None:
    assert list(table("loss,loss,loss\n1,2,3\n4,5,6\n").columns) == ["loss", "loss (2)", "loss (3)"]


def test_names_with_blanks_in_an_aligned_table() -> None:
    read = table("Epoch   Train Loss   Val Loss\n1       0.5          0.6\n2       0.4          0.7\n")
    assert cells(read, "Val Loss") == [0.6, 0.7]


def test_json_in_the_first_line_is_configuration() -> None:
    read = table('#{"t_start": 1.5, "env_id": "CartPole"}\nr,l,t\n33,33,1\n12,12,2\n')
    assert read.config == {"t_start": 1.5, "env_id": "CartPole"}
    assert cells(read, "r") == [33, 12]


@pytest.mark.parametrize("first", ["# made by train.py\n", "sep=;\n", "\n\n", "Run of Monday\nseed 3\n", "% x\n% y\n"])
def test_lines_before_the_table_are_passed_over(first: str) -> None:
    assert cells(table(first + "epoch;loss\n0;1.5\n1;2.5\n2;3.5\n3;4.5\n4;1\n5;1\n"), "loss")[:2] == [1.5, 2.5]


def test_names_in_a_comment_as_savetxt_writes_them() -> None:
    assert cells(table("# epoch loss\n0 0.5\n1 0.25\n"), "loss") == [0.5, 0.25]


def test_a_mark_at_the_end_of_a_line_is_an_empty_cell() -> None:
    read = table("epoch|loss\n0|\n1|\n2|\n")
    assert list(read.columns) == ["epoch", "loss"]
    assert cells(read, "loss") == [None, None, None]


def test_markdown_table() -> None:
    read = table("| epoch | loss |\n|-------|------|\n| 1 | 0.5 |\n| 2 | 0.4 |\n")
    assert cells(read, "loss") == [0.5, 0.4]


# --- damage -----------------------------------------------------------------------------------------------------------


def test_short_and_long_rows() -> None:
    read = table("a,loss,c\n1,2,3\n4,5\n6,7,8,9\n10,11,12\n")
    assert cells(read, "c") == [3, BLANK, 8, 12]
    assert cells(read, "column 4") == [BLANK, BLANK, 9, BLANK]
    assert any("line 3 is shorter" in note for note in read.notes)
    assert any("line 4 is longer" in note for note in read.notes)


def test_a_comma_at_the_end_of_every_row_is_no_column() -> None:
    assert list(table("a,loss,\n1,2,\n3,4,\n").columns) == ["a", "loss"]
    assert list(table("a,loss\n1,2,\n3,4,\n").columns) == ["a", "loss"]


def test_the_last_line_may_be_cut() -> None:
    read = table("epoch,loss,lr\n0,1,0.1\n1,2,0.1\n2,3")
    assert cells(read, "loss") == [1, 2]
    assert read.notes == ("line 4 is cut: kept the 2 rows before it",)


def test_a_last_line_without_end_may_be_whole() -> None:
    assert cells(table("epoch,loss\n0,1\n1,2"), "loss") == [1, 2]


def test_a_header_in_the_middle_is_no_row() -> None:
    read = table("epoch,loss\n0,1\n1,2\nepoch,loss\n0,3\n1,4\n")
    assert cells(read, "loss") == [1, 2, 3, 4]
    assert read.notes == ("the header stands again at line 4: several logs in one file",)


def test_another_header_starts_another_table() -> None:
    text = b"epoch,loss\n0,1\n1,2\nepoch,lr,loss\n0,0.1,3\n1,0.1,4\n"
    first, second = read_delimited(Document("log.csv", data=text), "csv")
    assert cells(first, "loss") == [1, 2]
    assert cells(second, "loss") == [3, 4]


def test_comments_blank_lines_and_zero_bytes_inside() -> None:
    assert cells(table("epoch,loss\n0,1\n\n# resumed\n1,2\n\0\0\0\n2,3\n"), "loss") == [1, 2, 3]


def test_an_open_quote_does_not_swallow_the_rest() -> None:
    rows = "".join(f"{i},{i / 2},ok\n" for i in range(200))
    read = table('epoch,loss,note\n0,1,"oops\n' + rows)
    assert read.rows == 201


def test_a_quoted_cell_may_have_several_lines() -> None:
    read = table('epoch,loss,note\n0,1,"one\ntwo\nthree, four"\n1,2,"x"\n2,3,y\n')
    assert cells(read, "loss") == [1, 2, 3]
    assert read.text["note"][0].startswith("one")


@pytest.mark.parametrize("text", ["epoch,loss\n", "epoch,loss\n1,2\n", "epoch;loss\n\n\n"])
def test_without_two_rows_there_is_no_curve(text: str) -> None:
    with pytest.raises(ReadError, match="row"):
        read_delimited(Document("log.csv", data=text.encode()), "csv")


@pytest.mark.parametrize(
    "text",
    [
        "one, two and three\nthen, four\nand five, six, seven\n" * 5,
        "def f(a, b):\n    return a + b\n\nprint(f(1, 2), f(3, 4))\n",
        "Epoch 1 loss: 0.5\nEpoch 2 loss: 0.4\nEpoch 3 loss: 0.3\n",
        "Epoch 1, loss=0.5, acc=0.1\nEpoch 2, loss=0.4, acc=0.2\n",
        "Epoch 1 0.5\nEpoch 2 0.4\nEpoch 3 0.3\n",
        "2024-01-01 10:00:00,123 INFO loss 0.5\n2024-01-01 10:00:01,124 INFO loss 0.4\n",
        "name,city\nann,rome\nbob,oslo\n",
        '{"loss": 1, "x": 2}\n{"loss": 1, "x": 2}\n',
        "numpy==1.26\ntorch==2.3\n",
    ],
)
def test_lines_that_are_no_table(text: str) -> None:
    assert Document("notes.txt", data=text.encode()).dialect is None


# --- names ------------------------------------------------------------------------------------------------------------


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("epoch,\x1b[31mloss\x1b[0m,set\n0,1,\x1b]0;x\x07\n1,2,b\n")
    read = tables(path)[0]
    assert list(read.columns) == ["epoch", r"\x1b[31mloss\x1b[0m"]
    assert read.text["set"] == [r"\x1b]0;x\x07", "b"]


@given(st.text())
def test_printable_text_is_printable_and_stays(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(min_size=1, max_size=300)
    | st.text(alphabet="0123456789.,;|\t\n\"'%# eanlos{[(-", max_size=200).map(str.encode)
)
def test_no_bytes_crash_the_readers(data: bytes) -> None:
    message = ""
    try:
        document = Document("log", data=data)
        document.refuse_binary()
        if document.dialect is not None:
            read_delimited(document, "csv")
    except ReadError as error:
        message = str(error)
    assert "\n" not in message


def test_a_curve_in_one_row_may_be_followed_by_blanks(tmp_path: Path) -> None:
    path = tmp_path / "loss.csv"
    path.write_text("0.8,0.7,0.6,0.5,0.4,0.3,0.2,0.1\n \n")
    [table] = tables(path)
    assert table.rows == 8


def test_a_row_of_another_length_beside_a_curve_in_one_row_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "loss.txt"
    path.write_text("1708 0.124 0\n1709 0[.07,,4.22,0.0,6.43,18446744073709551616\n\ufeff")
    with contextlib.suppress(ReadError):
        assert tables(path)


@pytest.mark.parametrize(
    "text",
    [
        "epoch,loss,name\n0,1.5,a\n1,,b\n2,nan,\n3,1_0,c\n",
        "loss\n1\n2\n\n3\n",
        "epoch,loss\n0,1\n1,2\nepoch,loss\n2,3\n3,4\n",
        "epoch,loss\n0, 1\n1,12%\n2,-\n3,0.4",
        "epoch;loss\n0;1,5\n1;2,5\n2;3,5\n",
        "epoch,loss\n0,1,\n1,2,\n2,3,\n",
    ],
)
def test_a_table_cut_at_once_is_the_one_that_is_cut_line_by_line(text: str) -> None:
    at_once = read_delimited(Document("log.csv", data=text.encode()), "csv")
    by_line = read_delimited(Document("log.csv", data=f"{text.rstrip()}\n# end\n".encode()), "csv")
    assert len(at_once) == len(by_line)
    for one, other in zip(at_once, by_line, strict=True):
        assert (one.rows, list(one.columns), one.text) == (other.rows, list(other.columns), other.text)
        assert (one.notes, list(one.lines)) == (other.notes, list(other.lines))
        for name, column in one.columns.items():
            assert np.array_equal(column.values, other.columns[name].values, equal_nan=True)
            assert np.array_equal(column.logged, other.columns[name].logged)
            assert column.percent == other.columns[name].percent
