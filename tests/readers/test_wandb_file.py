"""The binary log of a W&B run: assembled byte by byte here, those of the corpus, and one of the real client."""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose.errors import ReadError
from diagnose.readers import expand, read, tables
from diagnose.readers.tables.table import Table
from tests.readers.test_tensorboard import field

BLOCK = 32 * 1024
HEADER = b":W&B\xe1\xbe\x00"


# --- the format, written from its specification -----------------------------------------------------------------------


def piece(kind: int, data: bytes) -> bytes:
    crc = zlib.crc32(bytes([kind]) + data)
    return crc.to_bytes(4, "little") + len(data).to_bytes(2, "little") + bytes([kind]) + data


def log_of(*records: bytes) -> bytes:
    """A LevelDB log behind W&B's header."""
    out = bytearray(HEADER)
    for record in records:
        begun = False
        while True:
            room = BLOCK - len(out) % BLOCK
            if room < 7:
                out += bytes(room)
                continue
            part, record = record[: room - 7], record[room - 7 :]
            out += piece((3 if begun else 2) if record else (4 if begun else 1), part)
            begun = True
            if not record:
                break
    return bytes(out)


def item(key: str | list[str], value: Any) -> bytes:
    name = field(1, key) if isinstance(key, str) else b"".join(field(2, part) for part in key)
    return field(1, name + field(16, json.dumps(value)))


def history(step: int, **values: Any) -> bytes:
    items = b"".join(item(key, value) for key, value in {**values, "_step": step}.items())
    return field(1, step + 1) + field(2, items + field(2, field(1, step)))


def run_record(identity: str = "abcd1234", **config: Any) -> bytes:
    update = b"".join(item(key, value) for key, value in config.items())
    labels = field(10, "first") + field(10, "try")
    return field(17, field(1, identity) + field(3, "project") + field(4, update) + field(8, "sunny-sky-1") + labels)


def metric(name: str, axis: str) -> bytes:
    return field(12, field(2 if "*" in name else 1, name) + field(4, axis))


EXIT = field(18, field(1, 0))


def losses(count: int, **more: Any) -> list[bytes]:
    return [history(i, loss=1 / (i + 1), **more) for i in range(count)]


def only(data: bytes) -> Table:
    (table,) = tables(io.BytesIO(data))
    return table


# --- values -----------------------------------------------------------------------------------------------------------


def test_a_run() -> None:
    table = only(log_of(run_record(lr=0.1, batch_size=64), *losses(30), EXIT))
    assert (table.format, table.name, table.rows, table.notes) == ("wandb-run", "sunny-sky-1", 30, ())
    assert table.columns["loss"].values.tolist() == [1 / (i + 1) for i in range(30)]
    assert table.columns["_step"].values.tolist() == list(range(30))
    assert table.config["lr"] == 0.1
    assert isinstance(table.config["batch_size"], int)
    assert table.config["wandb"] == {"run_id": "abcd1234", "project": "project", "tags": ["first", "try"]}


def test_the_config_is_normalised_and_later_updates_count() -> None:
    later = field(5, item("lr", 0.5) + item(["optimizer", "momentum"], 0.9) + field(2, field(1, "gone")))
    data = log_of(run_record(lr=0.1, gone=3, optimizer={"name": "sgd"}), later, *losses(9), EXIT)
    (run,) = read(io.BytesIO(data))
    assert run.config["learning_rate"] == 0.5
    assert run.config["optimizer"] == "sgd"
    assert run.config["momentum"] == 0.9
    assert "gone" not in run.config


@given(st.lists(st.floats(), min_size=1, max_size=60))
def test_any_number_comes_back(values: list[float]) -> None:
    table = only(log_of(*(history(i, **{"train/loss": value}) for i, value in enumerate(values)), EXIT))
    assert np.array_equal(table.columns["train/loss"].values, np.array(values), equal_nan=True)


@pytest.mark.parametrize(("said", "meant"), [("NaN", np.nan), ("Infinity", np.inf), ("-Infinity", -np.inf)])
def test_strings_that_are_numbers(said: str, meant: float) -> None:
    table = only(log_of(history(0, loss=1.0), history(1, loss=said), EXIT))
    assert np.array_equal(table.columns["loss"].values, [1.0, meant], equal_nan=True)
    assert table.columns["loss"].logged.all()


def test_nested_keys_media_and_words() -> None:
    nested = field(2, field(1, field(2, "val") + field(2, "loss") + field(16, "0.5")) + item("loss", 1.0))
    picture = field(2, item(["image", "_type"], "image-file") + item(["image", "width"], 32) + item("loss", 0.5))
    histogram = history(2, loss=0.25, weights={"_type": "histogram", "values": [1, 2]}, note="hello", gone=None)
    table = only(log_of(nested, picture, histogram, EXIT))
    assert list(table.columns) == ["val/loss", "loss", "_step"]
    assert list(table.text) == ["note"]
    assert table.columns["val/loss"].logged.tolist() == [True, False, False]


def test_a_key_and_a_value_of_any_length() -> None:
    long = "k" * 300
    digits = "0." + "1" * 200
    row = field(2, field(1, field(1, long) + field(16, digits)) + field(1, field(1, "a") + field(16, digits)))
    table = only(log_of(row, EXIT))
    assert table.columns[long].values.tolist() == table.columns["a"].values.tolist() == [float(digits)]


def test_a_step_without_its_item() -> None:
    rows = [field(2, item("loss", 1.0) + field(2, field(1, step))) for step in (5, 6, 7)]
    assert only(log_of(*rows, EXIT)).columns["_step"].values.tolist() == [5, 6, 7]


def test_the_defined_axis_of_all_metrics() -> None:
    rows = [history(i, **{"train/loss": 1 / (i + 1), "train/global_step": 500 * i}) for i in range(20)]
    (run,) = read(io.BytesIO(log_of(metric("*", "train/global_step"), *rows, EXIT)))
    assert run.axis == "step"
    assert run.series["train/loss"].steps.tolist() == [500.0 * i for i in range(20)]


def test_records_that_nobody_asks_for() -> None:
    others = [field(number, b"\x0a\x03abc") for number in (3, 4, 6, 7, 8, 10, 11, 13, 20, 21, 22, 100)]
    assert only(log_of(*others, *losses(5), EXIT)).rows == 5


# --- blocks, and what a crash leaves ----------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2 * BLOCK + 100), min_size=1, max_size=12))
def test_records_over_the_borders_of_blocks(sizes: list[int]) -> None:
    rows = [history(i, loss=float(i), note="x" * size) for i, size in enumerate(sizes)]
    table = only(log_of(*rows, EXIT))
    assert table.columns["loss"].values.tolist() == list(range(len(sizes)))
    assert table.notes == ()


@pytest.mark.parametrize("short", range(9))
def test_the_end_of_a_block_too_short_for_a_header(short: int) -> None:
    start = len(log_of(history(0, loss=0.0, note="")))
    rows = [history(0, loss=0.0, note="x" * (BLOCK - start - short - 4)), *losses(5)]
    assert only(log_of(*rows, EXIT)).rows == 6


def test_cut_at_a_border_of_blocks() -> None:
    whole = log_of(run_record(), *losses(3000), EXIT)
    assert len(whole) > 3 * BLOCK
    table = only(whole[: 2 * BLOCK])
    assert table.columns["loss"].values.tolist() == [1 / (i + 1) for i in range(table.rows)]
    assert table.rows > 1000
    assert table.notes[0] == f"the file breaks off: kept the {table.rows} complete rows of the history"
    assert "crashed or is still running" in table.notes[1]


@given(st.integers(8, 5000))
def test_cut_anywhere(cut: int) -> None:
    whole = log_of(run_record(), *losses(40))
    if len(run_record()) + 7 + len(losses(1)[0]) + 14 > cut:
        with pytest.raises(ReadError):
            only(whole[:cut])
        return
    table = only(whole[:cut])
    assert table.columns["loss"].values.tolist() == [1 / (i + 1) for i in range(table.rows)]
    assert "no exit record: the run crashed or is still running" in table.notes


def test_how_the_run_ended() -> None:
    assert only(log_of(*losses(5), field(18, field(1, 255)))).notes == ("the run ended with exit code 255",)
    assert only(log_of(*losses(5))).notes == ("no exit record: the run crashed or is still running",)


def test_a_damaged_block_costs_that_block() -> None:
    whole = bytearray(log_of(*losses(3000), EXIT))
    whole[BLOCK + 500] ^= 0xFF
    table = only(bytes(whole))
    assert 1500 < table.rows < 3000
    assert table.columns["loss"].values[-1] == 1 / 3000
    assert any("wrong checksum" in note for note in table.notes)


@given(st.data())
def test_no_damage_is_a_traceback(data: st.DataObject) -> None:
    records = [run_record(lr=1), metric("*", "x"), *losses(6, nested={"a": [1, 2]}), EXIT]
    broken = [bytearray(record) for record in records]
    for _ in range(data.draw(st.integers(1, 10))):
        record = broken[data.draw(st.integers(0, len(broken) - 1))]
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    try:
        only(log_of(*map(bytes, broken)))  # the checksums are right: what is inside is not
    except ReadError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said


def test_what_cannot_be_read_says_why() -> None:
    with pytest.raises(ReadError, match="logged no history"):
        only(log_of(run_record(), EXIT))
    with pytest.raises(ReadError, match="unknown version"):
        only(b":W&B\xe1\xbe\x07" + log_of(*losses(5))[7:])


# --- folders ----------------------------------------------------------------------------------------------------------


def run_folder(folder: Path) -> Path:
    (folder / "files").mkdir(parents=True)
    (folder / "logs").mkdir()
    (folder / "run-abcd1234.wandb").write_bytes(log_of(run_record(), *losses(20), EXIT))
    lines = "".join(f"epoch {i} loss {1 / (i + 1):.4f} val_loss {2 / (i + 1):.4f}\n" for i in range(20))
    (folder / "files" / "output.log").write_text(lines)
    (folder / "logs" / "debug.log").write_text(lines)
    (folder / "files" / "config.yaml").write_text("lr:\n  value: 0.1\n")
    (folder / "files" / "history.csv").write_text("epoch,loss\n" + "".join(f"{i},{i}\n" for i in range(20)))
    return folder


@pytest.mark.parametrize("door", ["", "wandb", "wandb/run-20240101_000000-abcd1234"])
def test_a_run_is_read_once_from_any_folder(tmp_path: Path, door: str) -> None:
    folder = run_folder(tmp_path / "wandb" / "run-20240101_000000-abcd1234")
    (tmp_path / "wandb" / "latest-run").symlink_to(folder)
    (tmp_path / "wandb" / "logs").mkdir()
    calls = "".join(json.dumps({"level": "INFO", "pid": i, "loss": 1}) + "\n" for i in range(20))
    (tmp_path / "wandb" / "logs" / "core-debug-20240101_000000.log").write_text(calls)
    (source,) = expand([str(tmp_path / door)])
    assert source.paths[0].name == "run-abcd1234.wandb"
    (run,) = read(source)
    assert run.name == "sunny-sky-1"
    assert run.roles["train_loss"] == "loss"


def test_runs_of_a_folder(tmp_path: Path) -> None:
    for number in range(3):
        run_folder(tmp_path / f"offline-run-2024010{number}_000000-abcd1234")
    assert len(expand([str(tmp_path)])) == 3


# --- the real client, and the corpus ----------------------------------------------------------------------------------


def test_a_log_of_the_real_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    with wandb.init(project="test", mode="offline", config={"lr": 0.1}, dir=tmp_path) as run:
        for i in range(50):
            run.log({"loss": 1 / (i + 1), "nested": {"a": i}, "broken": float("nan")})
    wandb.teardown()  # the client's own process writes the last records after the run has ended
    (source,) = expand([str(tmp_path)])
    (found,) = read(source)
    assert found.series["loss"].values.tolist() == [1 / (i + 1) for i in range(50)]
    assert found.series["nested/a"].values.tolist() == list(range(50))
    assert np.isnan(found.series["broken"].values).all()
    assert found.config["learning_rate"] == 0.1


def test_the_corpus_is_read_whole(corpus: Path) -> None:
    (cut,) = read(expand([str(corpus / "runs" / "r050")])[0])
    assert len(cut.series["train_loss_local"]) == 4112
    assert any("breaks off" in note for note in cut.notes)
    (trainer,) = read(expand([str(corpus / "runs" / "r254")])[0])
    assert (trainer.name, trainer.axis) == ("reddit_wiki", "step")
    assert trainer.series["train/loss"].steps.tolist() == [500.0 * i for i in range(1, 25)]
