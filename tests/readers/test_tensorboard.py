"""TensorBoard event files: assembled byte by byte here, and those of the corpus."""

from __future__ import annotations

import itertools
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose.curves import Run
from diagnose.errors import ReadError
from diagnose.readers import expand, read, tables
from diagnose.readers.tables.table import Table

START = 1_700_000_000.0  # seconds since 1970


# --- the formats, written from their specifications -------------------------------------------------------------------


def crc32c(data: bytes) -> int:
    """Castagnoli's CRC32, bit by bit."""
    register = 0xFFFF_FFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F6_3B78 if register & 1 else 0)
    return register ^ 0xFFFF_FFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282_EAD8) & 0xFFFF_FFFF)


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: bytes | int | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def double(number: int, value: float) -> bytes:
    return varint(number << 3 | 1) + struct.pack("<d", value)


def simple(tag: str, value: float) -> bytes:
    return field(1, field(1, tag) + varint(2 << 3 | 5) + struct.pack("<f", value))


def tensor(tag: str, proto: bytes, plugin: str = "scalars") -> bytes:
    return field(1, field(1, tag) + field(8, proto) + field(9, field(1, field(1, plugin))))


def float_tensor(tag: str, value: float) -> bytes:
    return tensor(tag, field(1, 1) + field(2, b"") + field(5, struct.pack("<f", value)))


def event(wall: float, step: int, *values: bytes) -> bytes:
    counted = field(2, step) if step else b""
    return record(double(1, wall) + counted + field(5, b"".join(values)))


def first(wall: float = START) -> bytes:
    return record(double(1, wall) + field(3, "brain.Event:2"))


def write(path: Path, *events: bytes, start: float = START) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(first(start) + b"".join(events))
    return path


def curve(tag: str, points: int, *, start: float = START, step: int = 0, scale: float = 1.0) -> list[bytes]:
    """Events of one falling curve, one second apart."""
    return [event(start + i, step + i, simple(tag, scale / (i + 1))) for i in range(points)]


def only(path: Path) -> Table:
    (source,) = expand([str(path)])
    (table,) = tables(source)
    return table


def runs_in(folder: Path) -> list[Run]:
    return [run for source in expand([str(folder)]) for run in read(source)]


def name(number: float = START, host: str = "host") -> str:
    return f"events.out.tfevents.{number:.0f}.{host}"


# --- values -----------------------------------------------------------------------------------------------------------


def test_torch_scalars_with_every_point_in_order(tmp_path: Path) -> None:
    path = write(
        tmp_path / "exp" / name(),
        *(event(START + i, i, simple("loss", 1 / (i + 1)), simple("lr", 0.5)) for i in range(12_000)),
    )
    table = only(path)
    assert table.format == "tensorboard"
    assert table.name == "exp"
    assert table.axis == "step"
    assert table.rows == 12_000
    assert table.columns["step"].values.tolist() == list(range(12_000))
    assert np.array_equal(table.columns["loss"].values, np.float32(1 / np.arange(1.0, 12_001.0)))
    assert table.columns["loss"].logged.all()


@given(st.lists(st.floats(width=32), min_size=1, max_size=40), st.sampled_from(["simple", "tensor"]))
def test_any_float_comes_back(values: list[float], kind: str) -> None:
    import io

    build = simple if kind == "simple" else float_tensor
    data = first() + b"".join(event(START + i, i, build("train/loss", v)) for i, v in enumerate(values))
    (table,) = tables(io.BytesIO(data))
    assert np.array_equal(table.columns["train/loss"].values, np.array(values), equal_nan=True)


HALF = struct.unpack("<H", struct.pack("<e", 1.5))[0]


@pytest.mark.parametrize(
    "proto",
    [
        field(1, 1) + field(2, b"") + field(5, struct.pack("<f", 1.5)),
        field(1, 1) + field(4, struct.pack("<f", 1.5)),
        field(1, 1) + varint(5 << 3 | 5) + struct.pack("<f", 1.5),  # not packed
        field(1, 2) + field(6, struct.pack("<d", 1.5)),
        field(1, 2) + field(4, struct.pack("<d", 1.5)),
        field(1, 19) + field(13, varint(HALF)),
        field(1, 19) + field(4, struct.pack("<e", 1.5)),
        field(1, 14) + field(13, varint(0x3FC0)),
        field(1, 14) + field(4, b"\xc0\x3f"),
        field(1, 1) + field(2, field(2, field(1, 1))) + field(5, struct.pack("<f", 1.5)),  # shape (1,)
    ],
)
def test_tensors_of_one_element(tmp_path: Path, proto: bytes) -> None:
    table = only(write(tmp_path / name(), event(START, 0, tensor("x", proto)), event(START, 1, float_tensor("x", 2))))
    assert table.columns["x"].values.tolist() == [1.5, 2.0]


def test_integers_count_as_numbers(tmp_path: Path) -> None:
    protos = [
        field(1, 9) + field(10, varint(-3)),
        field(1, 3) + field(7, varint(7)),
        field(1, 3) + field(4, b"\1\0\0\0"),
    ]
    table = only(write(tmp_path / name(), *(event(START, i, tensor("n", p)) for i, p in enumerate(protos))))
    assert table.columns["n"].values.tolist() == [-3, 7, 1]


def test_what_is_no_scalar_is_passed_over(tmp_path: Path) -> None:
    text = tensor("note", field(1, 7) + field(8, "hello"), plugin="text")
    vector = tensor("v", field(1, 1) + field(2, field(2, field(1, 2))) + field(5, struct.pack("<ff", 1, 2)))
    one = field(1, 1) + field(5, struct.pack("<f", 1.0))
    histogram = field(1, field(1, "weights") + field(5, b"\x01\x02"))
    table = only(
        write(
            tmp_path / name(), event(START, 1, text, vector, histogram, tensor("image", one, "images"), simple("a", 1))
        )
    )
    assert list(table.columns) == ["a"]


def test_hyperparameters_of_the_plugin(tmp_path: Path) -> None:
    entries = field(1, field(1, "lr") + field(2, double(2, 0.25))) + field(
        1, field(1, "opt") + field(2, field(3, "sgd"))
    )
    session = field(9, field(1, field(1, "hparams") + field(2, field(3, entries))))
    begin = event(START, 0, field(1, field(1, "_hparams_/session_start_info") + session))
    write(tmp_path / name(), *curve("loss", 9))
    write(tmp_path / f"{START:.3f}" / name(), begin)
    (run,) = runs_in(tmp_path)
    assert run.config["learning_rate"] == 0.25
    assert run.config["optimizer"] == "sgd"


def test_lightnings_hyperparameters_lie_beside(tmp_path: Path) -> None:
    write(tmp_path / name(), *curve("loss", 9))
    (tmp_path / "hparams.yaml").write_text("batch_size: 32\n")
    (run,) = runs_in(tmp_path)
    assert run.config["batch_size"] == 32


# --- steps ------------------------------------------------------------------------------------------------------------


def test_without_steps_the_order_is_the_axis(tmp_path: Path) -> None:
    events = [event(START + i, 0, simple("loss", 9.0 - i)) for i in range(9)]
    table = only(write(tmp_path / name(), *events))
    assert table.axis is None
    assert table.columns["loss"].values.tolist() == [9.0 - i for i in range(9)]
    (run,) = read(tmp_path / name())
    assert run.axis == "row"


def test_a_validation_curve_that_counts_epochs_is_placed_by_time(tmp_path: Path) -> None:
    events = []
    for i in range(1000):
        events.append(event(START + i, i, simple("train/loss", 1 / (i + 1))))
        if i % 100 == 99:
            events.append(event(START + i + 0.5, i // 100, simple("val/loss", 2 / (i + 1))))
    (run,) = read(write(tmp_path / name(), *events))
    assert np.abs(run.series["val/loss"].steps - (99.5 + 100 * np.arange(10))).max() <= 0.5
    assert any("val/loss counts otherwise than train/loss" in note for note in run.notes)


def test_validation_on_another_cadence_stays_where_it_is(tmp_path: Path) -> None:
    events = []
    for i in range(300):
        events.append(event(START + i, i, simple("train/loss", 1 / (i + 1))))
        if i % 50 == 49:
            events.append(event(START + i + 0.5, i, simple("val/loss", 2 / (i + 1))))
    (run,) = read(write(tmp_path / name(), *events))
    assert run.series["val/loss"].steps.tolist() == [49, 99, 149, 199, 249, 299]
    assert not run.notes


def test_curves_replayed_one_after_the_other_stay_where_they_are(tmp_path: Path) -> None:
    late = curve("val/loss", 50, start=START + 50)
    (run,) = read(write(tmp_path / name(), *curve("train/loss", 50), *late))
    assert run.series["val/loss"].steps.tolist() == list(range(50))


def test_negative_steps(tmp_path: Path) -> None:
    table = only(write(tmp_path / name(), *curve("loss", 6, step=-2)))
    assert table.columns["step"].values.tolist() == [-2, -1, 0, 1, 2, 3]


# --- several files ----------------------------------------------------------------------------------------------------


def test_files_of_a_folder_follow_one_another(tmp_path: Path) -> None:
    write(tmp_path / name(START + 100, "b"), *curve("loss", 10, start=START + 100, step=10), start=START + 100)
    write(tmp_path / name(START, "z"), *curve("loss", 10))
    (run,) = runs_in(tmp_path)
    assert run.source == str(tmp_path)
    assert run.series["loss"].steps.tolist() == list(range(20))


def test_a_resume_goes_back_and_replaces(tmp_path: Path) -> None:
    write(tmp_path / name(START), *curve("loss", 100))
    write(tmp_path / name(START + 200), *curve("loss", 60, start=START + 200, step=60, scale=0.5), start=START + 200)
    (run,) = runs_in(tmp_path)
    assert run.series["loss"].steps.tolist() == list(range(120))
    assert any("goes back" in note for note in run.notes)


def test_a_file_that_starts_anew_is_another_run(tmp_path: Path) -> None:
    for i in range(3):
        start = START + 1000 * i
        write(tmp_path / "exp" / name(start), *curve("loss", 10 + i, start=start), start=start)
    found = runs_in(tmp_path)
    assert [len(run.series["loss"]) for run in found] == [10, 11, 12]
    assert [run.name for run in found] == [f"exp 2023-11-14 {time}" for time in ("22:13:20", "22:30:00", "22:46:40")]


def test_a_stub_does_not_hide_the_other_trainings(tmp_path: Path) -> None:
    write(tmp_path / name(START), *curve("loss", 2))
    write(tmp_path / name(START + 900), *curve("loss", 20, start=START + 900), start=START + 900)
    (run,) = runs_in(tmp_path)
    assert len(run.series["loss"]) == 20


def test_an_empty_file_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / name(START - 9)).write_bytes(b"")
    write(tmp_path / name(), *curve("loss", 8))
    (run,) = runs_in(tmp_path)
    assert len(run.series["loss"]) == 8


def test_a_lone_training_folder_is_named_by_the_run_above(tmp_path: Path) -> None:
    for exp in ("a", "b"):
        write(tmp_path / exp / "train" / name(), *curve("loss", 8))
    assert [run.name for run in runs_in(tmp_path)] == ["a", "b"]


def test_folders_are_runs(tmp_path: Path) -> None:
    for folder in ("a", "b", "deep/er"):
        write(tmp_path / folder / name(), *curve("loss", 8))
    assert [run.name for run in runs_in(tmp_path)] == ["a", "b", "er"]


@pytest.mark.parametrize("val", ["validation", "val", "eval"])
def test_train_and_validation_folders_are_one_run(tmp_path: Path, val: str) -> None:
    write(tmp_path / "logs/train" / name(), *curve("epoch_loss", 10))
    write(tmp_path / "logs" / val / name(START + 1), *curve("epoch_loss", 10), start=START + 1)
    (run,) = runs_in(tmp_path)
    assert run.name == "logs"
    assert run.axis == "epoch"
    assert run.roles["train_loss"] == "train/epoch_loss"
    assert run.roles["val_loss"] == f"{val}/epoch_loss"


def test_trainings_that_share_a_pair_of_folders_are_told_apart(tmp_path: Path) -> None:
    for i in range(3):
        start = START + 1000 * i
        write(tmp_path / "train" / name(start), *curve("epoch_loss", 10 + i, start=start), start=start)
        late = start + 5
        write(tmp_path / "validation" / name(late), *curve("epoch_loss", 10 + i, start=late), start=late)
    found = runs_in(tmp_path)
    assert [(len(r.series["train/epoch_loss"]), len(r.series["validation/epoch_loss"])) for r in found] == [
        (10, 10),
        (11, 11),
        (12, 12),
    ]


def test_evaluation_folder_of_an_estimator(tmp_path: Path) -> None:
    write(tmp_path / name(), *curve("loss", 10))
    write(tmp_path / "eval" / name(), *curve("loss", 10))
    (run,) = runs_in(tmp_path)
    assert (run.roles["train_loss"], run.roles["val_loss"]) == ("loss", "eval/loss")


def test_folders_of_torchs_add_scalars(tmp_path: Path) -> None:
    write(tmp_path / name(), *curve("lr", 10))
    for key in ("train", "val"):
        write(tmp_path / f"Loss_{key}" / name(), *curve("Loss", 10))
    (run,) = runs_in(tmp_path)
    assert (run.roles["train_loss"], run.roles["val_loss"]) == ("Loss/train", "Loss/val")
    assert "lr" in run.series


def test_runs_named_by_a_word_for_a_split_stay_apart(tmp_path: Path) -> None:
    for folder in ("train_resnet", "train_vgg", "exp_val_1"):
        write(tmp_path / folder / name(), *curve("loss", 8))
    assert len(runs_in(tmp_path)) == 3


def test_the_named_file_is_read_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "train" / name(), *curve("loss", 8))
    write(tmp_path / "validation" / name(), *curve("loss", 8))
    (run,) = read(path)
    assert list(run.series) == ["loss"]


# --- what a crash leaves ----------------------------------------------------------------------------------------------


@given(st.integers(min_value=1, max_value=3000))
def test_a_cut_file_keeps_what_is_complete(cut: int) -> None:
    import io

    parts = [first(), *curve("loss", 50)]
    whole = b"".join(parts)
    (table,) = tables(io.BytesIO(whole[: max(-cut, 200 - len(whole))]))
    found = table.columns["loss"].values
    assert np.array_equal(found, np.float32(1 / np.arange(1.0, found.size + 1)))
    sizes = set(itertools.accumulate(map(len, parts)))
    ends = len(whole[: max(-cut, 200 - len(whole))])
    assert any("breaks off" in note for note in table.notes) == (ends not in sizes)


def test_a_record_with_a_wrong_checksum_is_left_out(tmp_path: Path) -> None:
    events = curve("loss", 10)
    events[4] = events[4][:-6] + b"\xff" + events[4][-5:]
    table = only(write(tmp_path / name(), *events))
    assert table.columns["step"].values.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert table.notes == ("1 record is damaged and left out",)


def test_a_wrong_length_ends_the_file(tmp_path: Path) -> None:
    events = curve("loss", 10)
    events[6] = b"\xff" * 8 + events[6][8:]
    table = only(write(tmp_path / name(), *events))
    assert table.rows == 6
    assert "is damaged at byte" in table.notes[0]


def test_zeros_after_the_end(tmp_path: Path) -> None:
    table = only(write(tmp_path / name(), *curve("loss", 10), bytes(4096)))
    assert table.rows == 10
    assert table.notes


@given(st.data())
def test_no_damage_is_a_traceback(data: st.DataObject) -> None:
    import io

    whole = bytearray(first() + b"".join(curve("loss", 8)))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(60, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        for table in tables(io.BytesIO(bytes(whole))):
            assert math.isfinite(table.rows)
    except ReadError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said


@pytest.mark.parametrize("events", [[], [record(double(1, START) + field(4, b"graph"))]])
def test_a_file_without_scalars_says_so(tmp_path: Path, events: list[bytes]) -> None:
    path = write(tmp_path / name(), *events)
    with pytest.raises(ReadError, match="no scalar"):
        read(path)


def test_an_event_that_is_no_message(tmp_path: Path) -> None:
    table = only(write(tmp_path / name(), *curve("loss", 8), record(b"\x0f" * 40)))
    assert table.rows == 8
    assert table.notes == ("1 record is damaged and left out",)


# --- the real writer, and the corpus ----------------------------------------------------------------------------------


def test_a_file_of_the_real_writer(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(tmp_path))
    for i in range(100):
        value = Summary.Value(tag="loss", simple_value=1 / (i + 1))
        writer.add_event(Event(wall_time=START + i, step=i, summary=Summary(value=[value])))
    writer.close()
    (run,) = runs_in(tmp_path)
    assert run.series["loss"].steps.tolist() == list(range(100))


def test_the_corpus_is_read_whole(corpus: Path) -> None:
    (pair,) = runs_in(corpus / "runs" / "r042")
    assert len(pair.series["train/epoch_loss"]) == len(pair.series["validation/epoch_loss"]) == 250
    (long,) = runs_in(corpus / "runs" / "r058")
    assert len(long.series["episode_reward"]) >= 10_915
    assert any("breaks off" in note for note in long.notes)
    (broken,) = runs_in(corpus / "runs" / "r272")
    assert np.isnan(broken.series["batch_loss"].values).sum() == 2040
