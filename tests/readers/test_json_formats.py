"""Formats that are JSON: Hugging Face, histories of one value, JSON Lines, OpenMMLab."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose.errors import ReadError
from diagnose.readers import tables
from diagnose.readers.formats import huggingface, json_history, jsonl, mmdet
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Table

HISTORY = {"loss": [1.0, 0.5, 0.25, 0.2], "val_loss": [1.1, 0.6, 0.4, 0.5], "accuracy": [0.5, 0.6, 0.7, 0.8]}


def read(value: Any) -> list[Table]:
    """The tables of a JSON value, or of a text that is given as it is."""
    text = value if isinstance(value, str) else json.dumps(value)
    return tables(BytesIO(text.encode()))


def lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def values(table: Table, name: str) -> list[float]:
    column = table.columns[name]
    return column.values[column.logged].tolist()


def curve(table: Table, name: str, axis: str) -> dict[float, float]:
    logged = table.columns[name].logged
    return dict(
        zip(table.columns[axis].values[logged].tolist(), table.columns[name].values[logged].tolist(), strict=True)
    )


# --- Hugging Face -----------------------------------------------------------------------------------------------------

LOG_HISTORY: list[dict[str, Any]] = [
    {"epoch": 0, "eval_loss": 3.0, "step": 0},
    *({"epoch": i / 10, "loss": 3 / i, "grad_norm": 1.0, "learning_rate": 1e-4, "step": i * 10} for i in range(1, 7)),
    {"epoch": 0.6, "train_loss": 1.2, "train_runtime": 10.0, "total_flos": 1e15, "step": 60},
]


def test_trainer_state():
    (table,) = read({"best_metric": None, "log_history": LOG_HISTORY, "train_batch_size": 4, "max_steps": 60})
    assert table.format == "hf-trainer-state"
    assert table.axis == "step"
    assert table.roles == {"train_loss": "loss"}
    assert table.config == {"train_batch_size": 4, "max_steps": 60}
    assert curve(table, "loss", "step") == {i * 10: 3 / i for i in range(1, 7)}
    assert curve(table, "eval_loss", "step") == {0: 3.0}


def test_the_summary_row_is_no_point():
    (table,) = read({"log_history": LOG_HISTORY})
    assert "train_loss" not in table.columns
    assert "train_runtime" not in table.columns
    assert table.columns["step"].values[-1] == 60
    assert any("train_loss 1.2" in note for note in table.notes)


def test_a_bare_log_history():
    (table,) = read(LOG_HISTORY[1:])
    assert table.format == "hf-trainer-state"
    assert len(values(table, "loss")) == 6


def test_the_nan_filter_is_noted():
    rows = [
        {"step": i, "epoch": i, "loss": 1.0 if i < 4 else 0.0, "grad_norm": 1.0 if i < 4 else math.nan}
        for i in range(8)
    ]
    (table,) = read({"log_history": rows})
    assert any("from step 4" in note and "logging_nan_inf_filter" in note for note in table.notes)
    (healthy,) = read({"log_history": LOG_HISTORY})
    assert not any("logging_nan_inf_filter" in note for note in healthy.notes)


def test_a_state_that_was_cut_off_keeps_its_complete_rows():
    text = json.dumps({"log_history": LOG_HISTORY})
    (table,) = read(text[: text.index('"step": 50')])
    assert len(values(table, "loss")) == 4
    assert any("breaks off" in note for note in table.notes)


def test_a_state_without_rows_is_refused():
    with pytest.raises(ReadError, match="logging_steps"):
        read({"log_history": [], "global_step": 10})


# --- one JSON value ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        HISTORY,
        {"history": HISTORY, "params": {"epochs": 4}},
        {name: {str(i): item for i, item in enumerate(items)} for name, items in HISTORY.items()},
        [dict(zip(HISTORY, row, strict=True)) for row in zip(*HISTORY.values(), strict=True)],
        {
            "columns": list(HISTORY),
            "index": [0, 1, 2, 3],
            "data": [list(r) for r in zip(*HISTORY.values(), strict=True)],
        },
        {"epochs": [dict(zip(HISTORY, row, strict=True)) for row in zip(*HISTORY.values(), strict=True)]},
        str(HISTORY),
        f"history = {HISTORY}",
        "".join(
            json.dumps(dict(zip(HISTORY, row, strict=True)), indent=1) for row in zip(*HISTORY.values(), strict=True)
        ),
    ],
    ids=["keras", "wrapped", "pandas", "records", "pandas-split", "epochs", "printed", "assigned", "one-after-another"],
)
def test_histories(value: Any):
    (table,) = read(value)
    assert {name: values(table, name) for name in table.columns} == HISTORY


def test_a_printed_history_with_nan_and_arrays():
    (table,) = read(
        "{'loss': array([1.0, nan, inf]), 'acc': [np.float64(0.5), np.float32(0.6), tensor(0.7)], 'n': None}"
    )
    assert values(table, "acc") == [0.5, 0.6, 0.7]
    assert values(table, "loss")[0] == 1.0
    assert math.isnan(values(table, "loss")[1])
    assert values(table, "loss")[2] == math.inf


def test_nan_and_null_in_lists():
    (table,) = read('{"loss": [1, NaN, 3, 4], "val_loss": [null, null, "NaN", "Infinity"]}')
    assert table.columns["loss"].logged.all()
    assert math.isnan(table.columns["loss"].values[1])
    assert table.columns["val_loss"].logged.tolist() == [False, False, True, True]


def test_what_stands_beside_the_curves():
    extras = {
        "model": "resnet",
        "best": 0.9,
        "config": {"optimizer": "adam", "lr": 0.1},
        "classes": [0, 1],
        "cm": [[1, 2]],
    }
    (table,) = read(extras | HISTORY)
    assert list(table.columns) == list(HISTORY)
    assert table.config == {"model": "resnet", "best": 0.9, "optimizer": "adam", "lr": 0.1}


def test_splits_are_put_before_the_names():
    (table,) = read({"train": {"loss": [3, 2, 1]}, "val": {"loss": [4, 3, 2]}})
    assert list(table.columns) == ["train/loss", "val/loss"]


def test_lists_of_records_per_split_share_their_axis():
    train = [{"epoch": i, "loss": 1 / (i + 1)} for i in range(6)]
    val = [{"epoch": i, "loss": 2 / (i + 1)} for i in range(0, 6, 2)]
    (table,) = read({"train": train, "val": val})
    assert np.all(np.diff(table.columns["epoch"].values) >= 0)
    assert curve(table, "train/loss", "epoch") == {i: 1 / (i + 1) for i in range(6)}
    assert curve(table, "val/loss", "epoch") == {0: 2.0, 2: 2 / 3, 4: 2 / 5}


def test_several_runs_become_several_tables():
    resnet, vgg = read({"resnet": HISTORY, "vgg": {name: items[:3] for name, items in HISTORY.items()}})
    assert (resnet.name, vgg.name) == ("resnet", "vgg")
    assert (resnet.rows, vgg.rows) == (4, 3)


@pytest.mark.parametrize("key", ["{}", "epoch_{}", "Epoch {}"])
def test_keyed_by_epoch(key: str):
    (table,) = read({key.format(i): {"loss": 1 / i, "val": {"loss": 2 / i}} for i in range(1, 12)})
    assert curve(table, "loss", "epoch") == {i: 1 / i for i in range(1, 12)}
    assert curve(table, "val/loss", "epoch") == {i: 2 / i for i in range(1, 12)}


def test_a_shorter_list_is_spread_evenly_where_it_divides():
    (table,) = read({"train_loss": [6, 5, 4, 3, 2, 1], "val_loss": [3, 2]})
    assert np.flatnonzero(table.columns["val_loss"].logged).tolist() == [2, 5]
    assert any("spread evenly" in note for note in table.notes)


def test_a_shorter_list_that_does_not_divide_counts_its_own_points():
    (table,) = read({"train_loss": [6, 5, 4, 3, 2, 1], "val_loss": [3, 2, 1, 0]})
    assert np.flatnonzero(table.columns["val_loss"].logged).tolist() == [0, 1, 2, 3]
    assert any("no axis" in note for note in table.notes)


def test_a_shorter_list_with_its_own_axis_goes_by_it():
    (table,) = read({"steps": [0, 10, 20, 30], "loss": [4, 3, 2, 1], "val_steps": [15, 30], "val_loss": [9, 8]})
    assert curve(table, "val_loss", "steps") == {15: 9, 30: 8}
    assert curve(table, "loss", "steps") == {0: 4, 10: 3, 20: 2, 30: 1}


def test_ludwig():
    features = {"label": {"loss": [2, 1], "accuracy": [0.5, 0.6]}, "combined": {"loss": [2, 1]}}
    frequency = {"frequency": 1, "period": "epoch"}
    (table,) = read({"evaluation_frequency": frequency, "training": features, "validation": features, "test": {}})
    assert table.format == "ludwig-json"
    assert {"training/label/loss", "validation/label/accuracy", "training/combined/loss"} <= table.columns.keys()


def test_parts_that_are_named_by_their_split_are_one_run():
    curves = {"loss": [0.5, 0.4, 0.3, 0.2, 0.1], "acc": [0.1, 0.2, 0.3, 0.4, 0.5]}
    (table,) = read({"train_metrics": curves, "heldout_metrics": curves})
    assert "heldout_metrics/loss" in table.columns


def test_sacred(tmp_path: Path):
    def time(second: int) -> str:
        return f"2020-01-01T00:00:{second:02d}.000000"

    metrics = {
        "train.loss": {"steps": [0, 10, 20], "timestamps": [time(0), time(2), time(4)], "values": [3.0, 2.0, 1.0]},
        "val.loss": {
            "steps": [0, 20],
            "timestamps": [time(1), time(5)],
            "values": [{"py/object": "numpy.float64", "dtype": "float64", "value": 4.0}, 2.5],
        },
    }
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(metrics))
    (tmp_path / "config.json").write_text(json.dumps({"lr": 0.1, "seed": 3, "nested": {"a": 1}}))
    (table,) = tables(path)
    assert table.format == "sacred-json"
    assert table.axis == "step"
    assert curve(table, "train.loss", "step") == {0: 3.0, 10: 2.0, 20: 1.0}
    assert curve(table, "val.loss", "step") == {0: 4.0, 20: 2.5}
    assert table.config == {"lr": 0.1, "seed": 3}


def test_sacred_keeps_a_restart_in_its_order():
    steps = [0, 10, 20, 0, 10]
    times = [f"2020-01-01T00:00:0{i}" for i in range(5)]
    (table,) = read({"loss": {"steps": steps, "timestamps": times, "values": [5, 4, 3, 2, 1]}})
    assert table.columns["step"].values.tolist() == steps
    assert values(table, "loss") == [5, 4, 3, 2, 1]


def test_sacred_without_times_goes_by_the_steps():
    metrics = {name: {"steps": [0, 10, 20], "values": [3, "NaN", None]} for name in ("loss", "val_loss")}
    (table,) = read(metrics)
    assert table.columns["step"].values.tolist() == [0, 10]
    assert table.columns["val_loss"].logged.all()


def test_sacred_places_epochs_by_their_time():
    def time(second: float) -> str:
        return f"2020-01-01T00:{int(second // 60):02d}:{second % 60:06.3f}"

    loss = {"steps": list(range(100)), "timestamps": [time(i) for i in range(100)], "values": [1.0] * 100}
    val = {"steps": list(range(5)), "timestamps": [time(20 * e + 19.4) for e in range(5)], "values": [2.0] * 5}
    (table,) = read({"loss": loss, "val_loss": val})
    assert list(curve(table, "val_loss", "step")) == [19, 39, 59, 79, 99]
    assert table.axis == "step"


def test_tensorboard_download():
    document = Document(
        "run-a-tag-train_loss.json", data=json.dumps([[1.6e9 + i, i * 10, 1 / (i + 1)] for i in range(5)]).encode()
    )
    (table,) = json_history.read(document)
    assert curve(table, "train_loss", "step") == {i * 10: 1 / (i + 1) for i in range(5)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"loss": 0.5, "accuracy": 0.9}', "no list of losses"),
        ("{}", "no list of losses"),
        ('{"loss": [1, 2, ', "line 1, column"),
        ('{"a": ' * 20_000, "too deep"),
        ('{"loss": [1, ' + "9" * 5000 + "]}", "too long"),
    ],
    ids=["summary", "empty", "cut", "deep", "digits"],
)
def test_json_that_is_no_log(text: str, message: str):
    with pytest.raises(ReadError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


# --- JSON Lines -------------------------------------------------------------------------------------------------------


def test_bare_non_finite_tokens():
    (table,) = read('{"step": 1, "loss": NaN}\n{"step": 2, "loss": -Infinity}\n{"step": 3}\n')
    assert table.columns["loss"].logged.tolist() == [True, True, False]
    assert math.isnan(table.columns["loss"].values[0])
    assert table.columns["loss"].values[1] == -math.inf


def test_a_last_line_that_is_cut_is_left_out_and_noted():
    (table,) = read(lines([{"step": i, "loss": 1.0} for i in range(5)]) + '{"step": 5, "lo')
    assert table.rows == 5
    assert table.notes == ("the last line is cut off and was left out",)


def test_other_lines_in_between_are_left_out_and_noted():
    records = lines([{"step": i, "loss": 1.0} for i in range(5)])
    (table,) = read("starting\n" + records + "saved\n")
    assert table.rows == 5
    assert table.notes == ("2 lines are no JSON object and left out",)


def test_metrics_one_level_down_and_media():
    (table,) = read(lines([{"step": i, "metrics": {"loss": 1.0, "h": {"_type": "histogram"}}} for i in range(3)]))
    assert list(table.columns) == ["step", "loss"]


@pytest.mark.parametrize(
    ("record", "format", "axis"),
    [
        ({"iteration": 19, "total_loss": 1.0, "lr": 0.1}, "detectron2-jsonl", "iteration"),
        ({"train_loss": 1.0, "test_loss": 2.0, "epoch": 0, "n_parameters": 9}, "detr-jsonl", "epoch"),
        ({"current_steps": 10, "total_steps": 20, "loss": 1.0}, "llamafactory-jsonl", "current_steps"),
        ({"anything": 1.0}, "jsonl", None),
    ],
)
def test_dialects(record: dict[str, Any], format: str, axis: str | None):
    (table,) = read(lines([record] * 5))
    assert (table.format, table.axis) == (format, axis)


def test_lists_are_flattened():
    (table,) = read(lines([{"epoch": i, "train_loss": 1, "n_parameters": 1, "coco": [0.1, 0.2]} for i in range(3)]))
    assert values(table, "coco[0]") == [0.1] * 3


# --- OpenMMLab --------------------------------------------------------------------------------------------------------


def mmdet_log(epochs: range, iterations: tuple[int, ...] = (50, 100, 150)) -> list[dict[str, Any]]:
    log: list[dict[str, Any]] = [{"env_info": "sys.platform: linux", "seed": 0}]
    for epoch in epochs:
        log += [{"mode": "train", "epoch": epoch, "iter": i, "lr": 0.1, "loss": 3.0 / i} for i in iterations]
        log.append(
            {"mode": "val", "epoch": epoch, "iter": 7, "lr": 0.1, "bbox_mAP": 0.1, "bbox_mAP_s": -1.0, "s": "0.1"}
        )
    return log


def test_mmdet_counts_iterations_through():
    (table,) = read(lines(mmdet_log(range(1, 4))))
    assert table.axis == "step"
    assert list(curve(table, "train/loss", "step")) == [50, 100, 150, 200, 250, 300, 350, 400, 450]
    assert curve(table, "val/bbox_mAP", "step") == {150: 0.1, 300: 0.1, 450: 0.1}
    assert np.all(np.diff(table.columns["step"].values) >= 0)


def test_mmdet_of_others_counts_epochs_from_0_and_names_no_iteration_of_a_validation():
    log: list[dict[str, Any]] = []
    for epoch in range(4):
        log += [{"mode": "train", "epoch": epoch, "iter": i, "loss": 3.0 / i} for i in (1, 2, 3)]
        log.append({"mode": "val", "epoch": epoch, "loss": 2.0})
    (table,) = read(lines(log))
    assert list(curve(table, "train/loss", "step")) == list(range(1, 13))
    assert curve(table, "val/loss", "step") == dict.fromkeys((3, 6, 9, 12), 2.0)


def test_mmdet_resumed_in_a_later_epoch():
    (table,) = read(lines(mmdet_log(range(5, 7))))
    assert next(iter(curve(table, "train/loss", "step"))) == 4 * 150 + 50


def test_mmdet_that_counts_iterations_itself():
    log = [{"mode": "train", "epoch": 1 + i // 500, "iter": i, "loss": 1.0} for i in range(100, 2001, 100)]
    (table,) = read(lines(log))
    assert list(curve(table, "train/loss", "step")) == list(range(100, 2001, 100))


def test_an_undefined_map_is_not_logged():
    (table,) = read(lines(mmdet_log(range(1, 4))))
    assert "val/bbox_mAP_s" not in table.columns
    assert any("val/bbox_mAP_s" in note for note in table.notes)


def test_mmdet_with_nothing_but_its_header_is_refused():
    with pytest.raises(ReadError):
        read(lines([{"env_info": "sys.platform: linux", "seed": 0}]))


def test_mmengine_puts_the_epoch_into_the_step_of_a_validation_row():
    log: list[dict[str, Any]] = []
    for epoch in (1, 2, 3):
        for i in (50, 100):
            step = (epoch - 1) * 100 + i
            log.append({"lr": 0.1, "loss": 1.0 / step, "epoch": epoch, "iter": step, "step": step})
        log.append({"coco/bbox_mAP": 0.1 * epoch, "coco/bbox_mAP_s": -1.0, "step": epoch})
    (table,) = read(lines(log))
    assert table.format == "mmengine-json"
    assert list(curve(table, "loss", "step")) == [50, 100, 150, 200, 250, 300]
    assert list(curve(table, "coco/bbox_mAP", "step")) == [100, 200, 300]
    assert "coco/bbox_mAP_s" not in table.columns


# --- anything else ----------------------------------------------------------------------------------------------------

KEYS = (
    *(
        "loss",
        "val_loss",
        "epoch",
        "step",
        "iter",
        "mode",
        "lr",
        "log_history",
        "train_runtime",
        "train",
        "history",
        "1",
        "2",
    ),
    *("values", "steps", "timestamps", "columns", "data", "config", "metrics"),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=30,
)


@given(st.lists(JSON_VALUES, min_size=1, max_size=4), st.sampled_from(["", "\n"]))
def test_any_json_is_read_or_refused(parts: list[Any], end: str):
    document = Document("log", data=end.join(map(json.dumps, parts)).encode())
    for module in (huggingface, mmdet, jsonl, json_history):
        if module.recognise(document):
            with contextlib.suppress(ReadError):
                assert all(table.rows > 0 for table in module.read(document))


JSON_FORMATS = (
    *("hf-trainer-state", "keras-history-json", "chainer-log", "ludwig-json", "custom-json"),
    *("mmdet-log-json", "detr-jsonl", "detectron2-jsonl", "llamafactory-jsonl"),
)


def test_the_corpus(corpus: Path):
    seen = 0
    for row in csv.DictReader((corpus / "manifest.csv").open(encoding="utf-8")):
        if row["format"] not in JSON_FORMATS:
            continue
        (path,) = (file for file in (corpus / "runs" / row["id"]).rglob("*") if file.is_file())
        (table,) = tables(path)
        named = [row[key] for key in ("train_loss_col", "val_loss_col", "train_acc_col", "val_acc_col") if row[key]]
        assert set(named) <= table.columns.keys(), row["id"]
        assert max(len(values(table, name)) for name in named) == int(row["n_points"]), row["id"]
        if nan := re.search(r"logged NaN=(\d+)", row["notes"]):
            assert np.isnan(values(table, row["train_loss_col"])).sum() == int(nan[1]), row["id"]
        if row["format"] == "mmdet-log-json":
            assert np.all(np.diff(table.columns["step"].values) >= 0), row["id"]
        seen += 1
    assert seen > 0
