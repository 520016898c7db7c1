"""The configuration that has the log's own name: `run.yaml` beside `run.csv`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from diagnose.readers import expand, read, tables
from diagnose.readers.runs import sidecar
from diagnose.readers.tables.table import Table

ROWS = [(epoch, 2.0 / (epoch + 1), 2.1 / (epoch + 1)) for epoch in range(8)]
LOGS = {
    "csv": "iteration;loss\n" + "".join(f"{e};{loss}\n" for e, loss, _ in ROWS),
    "keras-csv": "epoch,loss,val_loss\n" + "".join(f"{e},{loss},{val}\n" for e, loss, val in ROWS),
    "lightning-csv": "epoch,step,train_loss\n" + "".join(f"{e},{e * 10},{loss}\n" for e, loss, _ in ROWS),
    "ultralytics-csv": "epoch,train/box_loss,metrics/mAP_0.5\n" + "".join(f"{e},{a},{b}\n" for e, a, b in ROWS),
    "jsonl": "".join(json.dumps({"epoch": e, "loss": loss, "val_loss": val}) + "\n" for e, loss, val in ROWS),
    "json": json.dumps({"loss": [loss for _, loss, _ in ROWS], "val_loss": [val for *_, val in ROWS]}),
    "text-log": "".join(f"Epoch {e}: train loss {loss:.4f}, val loss {val:.4f}\n" for e, loss, val in ROWS),
}
"""What the log is -> its text."""


def log_with(folder: Path, text: str, name: str = "run.csv", **files: str) -> Table:
    """The table of a log with YAML files beside it."""
    (folder / name).write_text(text)
    for stem, content in files.items():
        (folder / f"{stem}.yaml").write_text(content)
    return tables(folder / name)[0]


@pytest.mark.parametrize("kind", LOGS)
def test_every_format_of_text_has_the_configuration_of_its_own_name(kind: str, tmp_path: Path) -> None:
    table = log_with(tmp_path, LOGS[kind], name="exp.1.log", **{"exp.1": "optim: adam\nlr: 0.01\n"})
    assert table.config == {"optimizer": "adam", "learning_rate": 0.01}
    assert not table.notes
    (run,) = read(tmp_path / "exp.1.log")
    assert run.config == {"optimizer": "adam", "learning_rate": 0.01}


def test_the_other_suffix_counts_and_other_names_do_not(tmp_path: Path) -> None:
    (tmp_path / "run.yml").write_text("lr: 0.5\n")
    table = log_with(tmp_path, LOGS["csv"], other="batch_size: 8\n", run2="epochs: 3\n", config="momentum: 0.9\n")
    assert table.config == {"learning_rate": 0.5}


def test_files_of_the_format_complete_it(tmp_path: Path) -> None:
    table = log_with(tmp_path, LOGS["lightning-csv"], run="lr: 0.5\n", hparams="lr: 0.1\noptim: sgd\n")
    assert table.config == {"learning_rate": 0.5, "optimizer": "sgd"}


def test_what_the_log_says_itself_goes_first(tmp_path: Path) -> None:
    monitor = '#{"t_start": 1.0, "env_id": "CartPole-v1"}\nr,l,t\n33.0,33,1.2\n12.0,12,1.5\n'
    table = log_with(tmp_path, monitor, run="env_id: Pong\nlr: 0.5\n")
    assert (table.config["env_id"], table.config["learning_rate"]) == ("CartPole-v1", 0.5)


@pytest.mark.parametrize("text", ["lr: [0.1\n", "- 1\n- 2\n", "just words", "\x00", "3\n"])
def test_a_yaml_that_is_no_configuration_costs_a_note_at_most(text: str, tmp_path: Path) -> None:
    table = log_with(tmp_path, LOGS["keras-csv"], run=text)
    assert (table.rows, table.config) == (8, {})
    (note,) = table.notes
    assert note.startswith("run.yaml could not be read (")
    assert "\n" not in note
    (found,) = read(tmp_path / "run.csv")
    assert found.roles["train_loss"] == "loss"


def test_an_empty_yaml_and_a_folder_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "run.yml").mkdir()
    table = log_with(tmp_path, LOGS["csv"], run="")
    assert (table.config, table.notes) == ({}, ())


def test_a_log_that_is_called_yaml_is_no_configuration_of_itself(tmp_path: Path) -> None:
    table = log_with(tmp_path, LOGS["text-log"], name="run.yaml")
    assert (table.config, table.notes) == ({}, ())


def test_a_json_of_the_same_name_may_be_a_log(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"lr": 0.1}')
    assert not log_with(tmp_path, LOGS["csv"]).config


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    name = "a" * 251 + ".csv"  # 255 bytes: one more is no name
    assert log_with(tmp_path, LOGS["csv"], name=name).rows == 8


def test_a_packed_log_and_a_pipe_have_nothing_beside_them(tmp_path: Path) -> None:
    (tmp_path / "run.csv.gz").write_bytes(gzip.compress(LOGS["csv"].encode()))
    (tmp_path / "run.csv.yaml").write_text("lr: 0.1\n")
    assert not tables(tmp_path / "run.csv.gz")[0].config


@pytest.mark.parametrize("format", ["dvclive", "mlflow-sqlite", "tensorboard", "trackio", "wandb-run"])
def test_a_store_has_no_configuration_of_its_name(format: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.yaml").write_text("lr: 0.1\n")
    assert sidecar.config(tmp_path / "metrics.json", format) == ({}, ())


def test_a_folder_has_one_source_and_not_the_yaml_too(tmp_path: Path) -> None:
    log_with(tmp_path, LOGS["csv"], run="lr: 0.1\n")
    (source,) = expand([str(tmp_path)])
    (run,) = read(source)
    assert run.config == {"learning_rate": 0.1}
