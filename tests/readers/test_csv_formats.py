"""The formats of the CSV family: each is recognised by its content, and real logs are read to the last cell."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from diagnose.names.roles import ROLES
from diagnose.readers import expand, tables
from diagnose.readers.formats.known_csv import FIRST, LAYOUTS, Layout
from diagnose.readers.registry import format_of
from diagnose.readers.runs import sidecar
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table
from tests.manifest import of_manifest

FAMILY = {
    "lightning-csv": "lightning-csv",
    "keras-csv": "keras-csv",
    "custom-csv": "csv",
    "custom-tsv": "tsv",
    "flair-tsv": "tsv",
    "yolov5-csv": "ultralytics-csv",
    "ultralytics-csv": "ultralytics-csv",
    "yolo-results-txt": "yolo-results-txt",
    "progress-csv": "csv",
    "monitor-csv": "sb3-monitor-csv",
    "wandb-ui-csv": "wandb-export-csv",
    "wandb-api-history-csv": "wandb-history-csv",
    "headerless-csv": "csv",
    "headerless-csv-set": "csv-set",
}
"""Format in the corpus' manifest -> `Table.format`."""


def read(text: str, name: str = "log.csv") -> Table:
    """The one table that the recognised format makes of a text."""
    document = Document(name, data=text.encode())
    module = format_of(document)
    assert module is not None
    (table,) = module.read(document)
    assert isinstance(table, Table)
    return table


def manifest(corpus: Path) -> list[dict[str, str]]:
    return [row for row in of_manifest(corpus) if row["format"] in FAMILY]


# --- the corpus -------------------------------------------------------------------------------------------------------


def test_every_real_log_of_the_family_has_its_columns_and_points(corpus: Path) -> None:
    wrong = []
    for run in manifest(corpus):
        found = expand([str(corpus / "runs" / run["id"])])
        if len(found) != 1 or found[0].error:
            wrong.append((run["id"], found))
            continue
        (table,) = tables(found[0])
        names = {"index" if name == "col0" else name for name in run["series"].split(";")}  # col0: no name in the log
        longest = max(int(table.columns[name].logged.sum()) for name in names & set(table.columns))
        if table.format != FAMILY[run["format"]] or names - set(table.columns) or longest < int(run["n_points"]):
            wrong.append((run["id"], table.format, names - set(table.columns), longest))
    assert not wrong


def test_every_cell_of_real_logs_is_read_as_it_stands(corpus: Path) -> None:
    cells = 0
    for run in manifest(corpus):
        (path, *others) = sorted((corpus / "runs" / run["id"]).iterdir())
        if others or run["format"] in ("yolo-results-txt", "headerless-csv"):
            continue
        text = path.read_text().replace("\r\r\n", "\n").replace("\n\n", "\n")
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        rows = list(csv.reader(lines, delimiter="\t" if "\t" in lines[0] else ","))
        (table,) = tables(path)
        assert table.rows == len(rows) - 1, run["id"]
        for j, name in enumerate(rows[0]):
            column = table.columns.get(name.strip() or "index")
            for i, row in enumerate(rows[1:] if column is not None else ()):
                assert column is not None
                assert bool(column.logged[i]) == (row[j].strip() not in ("", "NA")), (run["id"], name, i)
                if column.logged[i]:
                    value = float(row[j])
                    assert column.values[i] == value or (math.isnan(value) and math.isnan(column.values[i]))
                    cells += 1
    assert cells > 100_000


def test_logged_nan_of_a_real_log_is_kept(corpus: Path) -> None:
    (table,) = tables(corpus / "runs" / "r141" / "metrics.csv")
    losses = [column for name, column in table.columns.items() if "loss" in name]
    assert sum(int(np.isnan(column.values[column.logged]).sum()) for column in losses) == 14


# --- each format ------------------------------------------------------------------------------------------------------

HEADERS = {
    "wandb-history-csv": "loss,_timestamp,_step",
    "wandb-export-csv": "Step,a - loss,a - loss__MIN,a - loss__MAX",
    "sb3-monitor-csv": "r,l,t",
    "sb3-progress-csv": "time/iterations,time/total_timesteps,train/loss",
    "ultralytics-csv": "epoch,train/box_loss,metrics/mAP_0.5",
    "spacy-table": "E,#,LOSS NER,ENTS_F,SCORE",
    "lightning-csv": "epoch,step,train_loss",
    "keras-csv": "epoch,acc,loss,val_loss",
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_known_header_belongs_to_its_framework(layout: Layout) -> None:
    header = tuple(HEADERS[layout.name].split(","))
    assert next(other for other in LAYOUTS if other.known(header)) is layout
    assert not layout.known(())
    assert not layout.known(("iteration", "value"))
    assert layout.axis is None or layout.axis == FIRST or layout.axis in header
    table = read(",".join(header) + "\n" + "".join(",".join([str(row)] * len(header)) + "\n" for row in range(3)))
    assert table.format == layout.name
    assert set(table.roles) <= set(ROLES)
    assert set(table.roles.values()) <= set(header)


def test_known_headers_have_names_of_their_own() -> None:
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS) == len(HEADERS)


def test_columns_that_change_part_way_keep_only_what_is_there() -> None:
    text = "epoch,loss,val_loss\n0,3,4\n1,2,3\nstep,loss\n0,5\n1,4\n"
    document = Document("log.csv", data=text.encode())
    module = format_of(document)
    assert module is not None
    first, second = module.read(document)
    assert (first.axis, dict(first.roles)) == ("epoch", {"train_loss": "loss", "val_loss": "val_loss"})
    assert (second.axis, dict(second.roles)) == (None, {"train_loss": "loss"})


def test_lightning_counts_in_steps() -> None:
    table = read("epoch,step,train_loss,val_loss\n0,49,1.5,\n0,49,,1.25\n1,99,nan,\n1,99,,1.0\n")
    assert (table.format, table.axis) == ("lightning-csv", "step")
    assert table.columns["train_loss"].logged.tolist() == [True, False, True, False]


def test_a_step_that_starts_again_every_epoch_is_not_lightning() -> None:
    rows = "".join(f"{e},{s},{1 / (e + s + 1)}\n" for e in range(6) for s in range(5))
    table = read("epoch,step,loss\n" + rows)
    assert (table.format, table.axis) == ("csv", None)


def test_keras_history_on_windows() -> None:
    table = read("epoch,loss,val_loss\r\r\n0,0.5,NA\r\r\n1,0.4,0.6\r\r\n")
    assert (table.format, table.axis) == ("keras-csv", "epoch")
    assert dict(table.roles) == {"train_loss": "loss", "val_loss": "val_loss"}
    assert table.columns["val_loss"].logged.tolist() == [False, True]


def test_ultralytics_with_padding() -> None:
    table = read(
        "   epoch,  train/box_loss,  metrics/mAP_0.5,  x/lr0\n   0,   0.5,   0.1,   0.01\n   1,   0.4,   0.2,   0.01\n"
    )
    assert (table.format, table.axis) == ("ultralytics-csv", "epoch")
    assert table.columns["metrics/mAP_0.5"].values.tolist() == [0.1, 0.2]


def test_ultralytics_classification() -> None:
    table = read("epoch,time,train/loss,metrics/accuracy_top1,val/loss,lr/pg0\n1,9,2,0.1,2,0.1\n2,18,1,0.5,2,0.1\n")
    assert table.format == "ultralytics-csv"


def test_yolo_results_have_names() -> None:
    line = "{}/29   1.86G  0.098  0.093  0  0.19  24  416  0.1  0.2  0.3  0.15  0.09  0.05  0\n"
    table = read("".join(line.format(i) for i in range(3)), name="results.txt")
    assert (table.format, table.axis) == ("yolo-results-txt", "epoch")
    assert table.columns["epoch"].values.tolist() == [0, 1, 2]
    assert table.columns["train/total_loss"].values[0] == 0.19
    assert table.columns["val/box_loss"].values[0] == 0.09
    assert table.columns["gpu_mem"].values[0] == 1.86e9


def test_stable_baselines() -> None:
    monitor = read('#{"t_start": 1.0, "env_id": "CartPole-v1"}\nr,l,t\n33.0,33,1.2\n12.0,12,1.5\n')
    assert monitor.format == "sb3-monitor-csv"
    assert monitor.config["env_id"] == "CartPole-v1"
    assert dict(monitor.roles) == {"reward": "r"}
    progress = read("time/iterations,time/total_timesteps,train/loss\n1,2048,\n2,4096,0.5\n")
    assert (progress.format, progress.axis) == ("sb3-progress-csv", "time/total_timesteps")


def test_wandb_history_and_chart() -> None:
    history = read("loss,_timestamp,_step,_runtime,sample\n1.5,1e9,0,1,\n0.5,1e9,1,2,\n")
    assert (history.format, history.axis) == ("wandb-history-csv", "_step")
    chart = read(
        '"Step","a - loss","a - loss__MIN","a - loss__MAX","b - loss"\n"0","1","1","1","2"\n"1","0.5","0.5","0.5",""\n'
    )
    assert (chart.format, chart.axis) == ("wandb-export-csv", "Step")
    assert chart.columns["b - loss"].logged.tolist() == [True, False]


def test_any_other_table() -> None:
    assert read("iteration\tloss\n0\t1\n1\t2\n").format == "tsv"
    assert read("iteration   loss\n0   1\n1   2\n").format == "text-table"
    assert read("iteration;loss\n0;1\n1;2\n").format == "csv"


def test_content_decides_and_not_the_name() -> None:
    assert read("epoch,loss\n0,1\n1,2\n", name="weights.json").format == "keras-csv"


# --- the configuration beside the log ---------------------------------------------------------------------------------

LIGHTNING = "epoch,step,loss\n0,1,2\n1,2,1\n"
ULTRALYTICS = "epoch,train/box_loss,metrics/mAP_0.5\n0,1,2\n1,2,1\n"


def beside(folder: Path, log: str, **files: str) -> Table:
    (folder / "metrics.csv").write_text(log)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return tables(folder / "metrics.csv")[0]


def test_lightning_hyperparameters(tmp_path: Path) -> None:
    table = beside(
        tmp_path, LIGHTNING, hparams="lr: 0.1\noptim:\n  name: sgd\nact: !!python/object:torch.nn.ReLU {}\nxs: [1, 2]\n"
    )
    assert table.config["learning_rate"] == 0.1
    assert table.config["optimizer"] == "sgd"
    assert not table.notes


def test_yolov5_hyperparameters(tmp_path: Path) -> None:
    table = beside(tmp_path, ULTRALYTICS, opt="epochs: 3\nhyp:\n  lr0: 0.01\n", hyp="lr0: 0.5\nmomentum: 0.9\n")
    assert table.config == {"epochs": 3, "learning_rate": 0.01, "momentum": 0.9}


def test_only_the_files_of_the_format_count(tmp_path: Path) -> None:
    assert not beside(tmp_path, "iteration,loss\n0,1\n1,2\n", hparams="lr: 0.1\n").config


@pytest.mark.parametrize("text", ["lr: [0.1\n", "a: b: c", "\x00", "- 1\n- 2\n", "", "just words"])
def test_a_broken_configuration_never_fails_the_log(tmp_path: Path, text: str) -> None:
    table = beside(tmp_path, LIGHTNING, hparams=text)
    assert table.rows == 2
    assert [note[:30] for note in table.notes] == (["hparams.yaml could not be read"] if text else [])
    assert not any("\n" in note for note in table.notes)


def test_a_configuration_that_unfolds_without_end_is_bounded(tmp_path: Path) -> None:
    bomb = "a0: &a0 {x: 1}\n" + "".join(
        f"a{i}: &a{i} {{" + ", ".join(f"k{j}: *a{i - 1}" for j in range(9)) + "}\n" for i in range(1, 9)
    )
    (tmp_path / "hparams.yaml").write_text(bomb)
    found, _ = sidecar.config(tmp_path / "metrics.csv", "lightning-csv")
    assert len(found) < 100_000
