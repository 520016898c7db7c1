"""Experiment trackers that keep many runs in one place: MLflow, trackio, DVCLive."""

from __future__ import annotations

import gzip
import io
import json
import math
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose.curves import Run
from diagnose.errors import ReadError
from diagnose.readers import expand, read
from diagnose.readers.tables import points, sqlite
from tests.manifest import of_manifest

START = 1_700_000_000_000  # milliseconds since 1970

# The tables that matter, as MLflow 3.17 and trackio 0.43 create them.
MLFLOW = """
CREATE TABLE experiments (experiment_id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(256) NOT NULL,
    lifecycle_stage VARCHAR(32));
CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL PRIMARY KEY, name VARCHAR(250), status VARCHAR(9), start_time BIGINT,
    end_time BIGINT, lifecycle_stage VARCHAR(20), experiment_id INTEGER);
CREATE TABLE metrics ("key" VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL,
    run_uuid VARCHAR(32) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, is_nan BOOLEAN DEFAULT '0' NOT NULL,
    CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan));
CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid);
CREATE TABLE latest_metrics ("key" VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT, step BIGINT NOT NULL,
    is_nan BOOLEAN NOT NULL, run_uuid VARCHAR(32) NOT NULL);
CREATE TABLE params ("key" VARCHAR(250) NOT NULL, value VARCHAR(8000) NOT NULL, run_uuid VARCHAR(32) NOT NULL);
CREATE TABLE tags ("key" VARCHAR(250) NOT NULL, value VARCHAR(8000), run_uuid VARCHAR(32) NOT NULL);
INSERT INTO experiments VALUES (1, 'exp', 'active'), (2, 'gone', 'deleted');
"""
TRACKIO = """
CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, {run} timestamp TEXT NOT NULL, run_name TEXT NOT NULL,
    step INTEGER NOT NULL, metrics TEXT NOT NULL);
CREATE TABLE configs (id INTEGER PRIMARY KEY AUTOINCREMENT, {run} run_name TEXT NOT NULL, config TEXT NOT NULL,
    created_at TEXT NOT NULL);
"""

Point = tuple[str, float, int, int]
"""Metric, value, milliseconds since the start, step."""


def curves(epochs: int = 12) -> list[Point]:
    """Two losses of one run."""
    return [(name, a / (i + 1), 1000 * i + a, i) for i in range(epochs) for a, name in ((1, "loss"), (2, "val/loss"))]


class Mlflow:
    """An MLflow database to fill."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs = 0
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(MLFLOW)

    def add(
        self,
        name: str | None,
        logged: Iterable[Point] = (),
        params: dict[str, Any] | None = None,
        *,
        stage: str = "active",
        status: str = "FINISHED",
        experiment: int = 1,
        tag: str = "",
    ) -> str:
        self.runs += 1
        uuid = f"{1000 - self.runs:032x}"  # so that their order is not that of their start
        with closing(sqlite3.connect(self.path)) as connection, connection:
            run = (uuid, name, status, START + self.runs, stage, experiment)
            connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, NULL, ?, ?)", run)
            for key, value, time, step in logged:
                nan, large = math.isnan(value), math.copysign(1.7976931348623157e308, value)
                kept = 0.0 if nan else large if math.isinf(value) else value
                row = (key, kept, START + time, uuid, step, nan)
                connection.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", row)
            for key, text in (params or {}).items():
                connection.execute("INSERT INTO params VALUES (?, ?, ?)", (key, str(text), uuid))
            if tag:
                connection.execute("INSERT INTO tags VALUES ('mlflow.runName', ?, ?)", (tag, uuid))
        return uuid


@pytest.fixture
def mlflow(tmp_path: Path) -> Mlflow:
    return Mlflow(tmp_path / "mlflow.db")


def all_runs(path: Path) -> list[Run]:
    return [run for source in expand([str(path)]) for run in read(source)]


def refusal(path: Path) -> str:
    with pytest.raises(ReadError) as caught:
        all_runs(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- points -----------------------------------------------------------------------------------------------------------

values = st.floats(allow_nan=True, allow_infinity=True)
logs = st.dictionaries(
    st.sampled_from(["loss", "val/loss", "acc", "lr"]),
    st.dictionaries(st.integers(0, 50), values, min_size=1, max_size=20),
    min_size=1,
)


def as_points(calls: Sequence[tuple[str, float, int, int]], *, timed: bool = True) -> points.Points:
    names = list(dict.fromkeys(name for name, *_ in calls))
    return points.Points(
        names,
        np.array([names.index(name) for name, *_ in calls], dtype=np.intp),
        np.array([step for *_, step in calls], dtype=np.float64),
        np.array([value for _, value, *_ in calls], dtype=np.float64),
        np.array([time for _, _, time, _ in calls], dtype=np.int64),
        np.array([time for _, _, time, _ in calls], dtype=np.float64) if timed else None,
    )


@given(logs, st.randoms(use_true_random=False))
def test_every_point_is_kept_at_its_step(log: dict[str, dict[int, float]], random: Any) -> None:
    calls = [(name, value, step, step) for name, curve in log.items() for step, value in curve.items()]
    random.shuffle(calls)
    table = points.table(as_points(calls, timed=False), "x")
    assert table.rows == len({step for *_, step in calls})
    for name, curve in log.items():
        column = table.columns[name]
        assert np.array_equal(column.values[column.logged], [curve[step] for step in sorted(curve)], equal_nan=True)
        if "step" in table.columns:
            assert table.columns["step"].values[column.logged].tolist() == sorted(curve)


@given(st.lists(st.tuples(st.sampled_from("abc"), values, st.integers(0, 5)), min_size=1, max_size=60))
def test_no_point_is_lost_whatever_the_steps(calls: list[tuple[str, float, int]]) -> None:
    table = points.table(as_points([(name, v, time, step) for time, (name, v, step) in enumerate(calls)]), "x")
    for metric in {name for name, *_ in calls}:
        column = table.columns[metric]
        logged = [value for name, value, _ in calls if name == metric]
        assert np.array_equal(column.values[column.logged], logged, equal_nan=True)


def test_points_without_steps_have_no_axis() -> None:
    calls = [(name, 1 / (i + 1), 10 * i + a, 0) for i in range(6) for a, name in enumerate(("loss", "val_loss"))]
    table = points.table(as_points(calls), "x")
    assert list(table.columns) == ["loss", "val_loss"]
    assert table.rows == 6
    assert all(column.logged.all() for column in table.columns.values())


def test_epochs_are_placed_on_the_steps_by_their_time() -> None:
    batches = [("loss", 1 / (i + 1), 10 * i, i) for i in range(100)]
    epochs = [("val_loss", 2 / (e + 1), 10 * (20 * e + 19) + 5, e) for e in range(5)]
    table = points.table(as_points(batches + epochs), "x")
    there = table.columns["val_loss"].logged
    assert table.columns["step"].values[there].tolist() == [19, 39, 59, 79, 99]
    assert table.columns["epoch"].values[there].tolist() == [0, 1, 2, 3, 4]


def test_a_metric_without_steps_is_placed_by_its_time() -> None:
    batches = [("loss", 1 / (i + 1), 10 * i, i) for i in range(40)]
    late = [("val_loss", 2 / (e + 1), 100 * e + 95, 0) for e in range(4)]
    table = points.table(as_points(batches + late), "x")
    assert table.columns["step"].values[table.columns["val_loss"].logged].tolist() == [9, 19, 29, 39]
    assert "epoch" not in table.columns


def test_the_last_validation_may_come_long_after_the_last_step() -> None:
    batches = [("loss", 1 / (i + 1), 10 * i, i) for i in range(100)]
    epochs = [("val_loss", 2 / (e + 1), 10 * (20 * e + 19) + 90, e) for e in range(5)]
    table = points.table(as_points(batches + epochs), "x")
    assert table.columns["step"].values[table.columns["val_loss"].logged].tolist() == [28, 48, 68, 88, 99]
    assert table.notes == ("val_loss counts otherwise than loss: placed by the time of writing",)


def test_batches_are_spread_over_the_epochs_of_the_main_curve() -> None:
    batches = [("batch_loss", 1 / (i + 1), 10 * i, i) for i in range(200)]
    epochs = [("train_loss", 2 / (e + 1), 10 * (20 * e + 19) + 5, e) for e in range(10)]
    table = points.table(as_points(batches + epochs), "x", fixed=True)
    assert table.axis == "epoch"
    assert list(table.columns) == ["epoch", "batch_loss", "train_loss"]
    counted, batch = table.columns["epoch"].values, table.columns["batch_loss"].logged
    assert counted[table.columns["train_loss"].logged].tolist() == list(range(10))
    assert np.all(np.diff(counted[batch]) > 0)


def test_a_curve_that_is_logged_once_more_later_has_its_own_steps() -> None:
    calls = [
        (name, 1 / (i + 1), 100 * late + i, i) for late, name in enumerate(("loss", "val_loss")) for i in range(50)
    ]
    table = points.table(as_points(calls), "x")
    assert table.columns["step"].values[table.columns["val_loss"].logged].tolist() == list(range(50))
    assert table.notes == ()


def test_steps_that_repeat_and_go_back_stay_in_their_order() -> None:
    steps = [0, 1, 1, 2, 0, 1]
    table = points.table(as_points([("loss", float(i), i, step) for i, step in enumerate(steps)]), "x")
    assert table.columns["step"].values.tolist() == steps
    assert table.columns["loss"].values.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_metric_that_is_called_as_the_counter_is_kept() -> None:
    calls = [(name, float(i), i, i) for i in range(6) for name in ("step", "loss")]
    assert list(points.table(as_points(calls), "x").columns) == ["step", "step (2)", "loss"]


def test_metrics_at_steps_of_their_own_are_refused() -> None:
    calls = [(f"metric {i}", 1.0, i, i) for i in range(20_000)]
    with pytest.raises(ReadError, match="20,000 rows with 20,000 different names are no training log"):
        points.table(as_points(calls, timed=False), "x")


# --- MLflow, SQLite ---------------------------------------------------------------------------------------------------


def test_the_runs_of_a_database_in_the_order_of_their_start(mlflow: Mlflow) -> None:
    mlflow.add("first", curves(), {"lr": "0.01", "optimizer": "Adam"})
    mlflow.add("second", curves(9))
    first, second = all_runs(mlflow.path)
    assert (first.name, second.name) == ("first", "second")
    assert (first.format, first.axis) == ("mlflow-sqlite", "step")
    assert dict(first.roles) == {"train_loss": "loss", "val_loss": "val/loss"}
    assert first.series["val/loss"].values.tolist() == [2 / (i + 1) for i in range(12)]
    assert first.config == {"learning_rate": 0.01, "optimizer": "Adam"}
    assert first.notes == ()
    assert len(second.series["loss"]) == 9


def test_nan_and_infinity_as_mlflow_stores_them(mlflow: Mlflow) -> None:
    lost = [math.inf, -math.inf, math.nan, math.nan]
    mlflow.add("a", [*curves(8), *(("loss", v, 10_000 + i, 8 + i) for i, v in enumerate(lost))])
    (run,) = all_runs(mlflow.path)
    assert np.array_equal(run.series["loss"].values[8:], lost, equal_nan=True)


def test_deleted_and_silent_runs_are_noted(mlflow: Mlflow) -> None:
    mlflow.add("kept", curves())
    mlflow.add("deleted", curves(), stage="deleted")
    mlflow.add("of a deleted experiment", curves(), experiment=2)
    mlflow.add("silent")
    (run,) = all_runs(mlflow.path)
    assert run.name == "kept"
    assert run.notes == ("runs of the MLflow store left out: 2 were deleted, 1 logged no metric",)


def test_a_database_with_deleted_runs_only(mlflow: Mlflow) -> None:
    mlflow.add("deleted", curves(), stage="deleted")
    assert refusal(mlflow.path) == (
        "the MLflow database holds no run to judge (runs of the MLflow store left out: 1 was deleted)"
    )


def test_a_run_that_is_no_curve_does_not_stop_the_others(mlflow: Mlflow) -> None:
    mlflow.add("one point", curves(1))
    mlflow.add("good", curves())
    (run,) = all_runs(mlflow.path)
    assert run.name == "good"
    assert any("left out: only 1 point of" in note for note in run.notes)


def test_names_from_the_tag_else_the_id(mlflow: Mlflow) -> None:
    mlflow.add(None, curves(), tag="tagged")
    uuid = mlflow.add("", curves())
    assert [run.name for run in all_runs(mlflow.path)] == ["tagged", uuid]


def test_how_a_run_ended_is_noted(mlflow: Mlflow) -> None:
    for status in ("FAILED", "KILLED", "RUNNING"):
        mlflow.add(status, curves(), status=status)
    notes = [run.notes for run in all_runs(mlflow.path)]
    assert notes == [("MLflow says that the run failed",), ("MLflow says that the run was killed",), ()]


def test_metrics_of_the_machine_are_left_out(mlflow: Mlflow) -> None:
    mlflow.add("a", [*curves(), *(("system/gpu", 50.0, 300 * i, i) for i in range(100))])
    (run,) = all_runs(mlflow.path)
    assert list(run.series) == ["loss", "val/loss"]
    assert run.series["loss"].steps.tolist() == list(range(12))


def test_a_resumed_run_is_noted(mlflow: Mlflow) -> None:
    again = [("loss", 0.5 / (i + 1), 100_000 + i, i) for i in range(20, 60)]
    mlflow.add("a", [*(("loss", 1 / (i + 1), i, i) for i in range(40)), *again])
    (run,) = all_runs(mlflow.path)
    assert run.series["loss"].values[20] == 0.5 / 21
    assert any("as after a resume" in note for note in run.notes)


def test_a_database_in_a_folder_a_pipe_and_gzip(mlflow: Mlflow) -> None:
    mlflow.add("a", curves())
    data = mlflow.path.read_bytes()
    packed = mlflow.path.with_name("copy.db.gz")
    packed.write_bytes(gzip.compress(data))
    assert [run.name for run in all_runs(mlflow.path.parent)] == ["a", "a"]
    assert [run.name for run in read(io.BytesIO(data))] == ["a"]


def test_a_locked_database_is_one_line(mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.01)
    mlflow.add("a", curves())
    with closing(sqlite3.connect(mlflow.path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert refusal(mlflow.path).startswith("the database is locked by a program that writes to it; try again")
    assert len(all_runs(mlflow.path)) == 1


def test_a_foreign_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "foreign.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE metrics (loss REAL)")
    message = "this is an SQLite database, but neither MLflow's nor trackio's; export the curves as CSV"
    assert refusal(path) == message
    assert "no training log" in expand([str(tmp_path)])[0].error


def test_a_damaged_database_is_one_line(mlflow: Mlflow) -> None:
    mlflow.add("a", curves(300))
    data = mlflow.path.read_bytes()
    for size in (60, 1000, len(data) // 2):
        mlflow.path.write_bytes(data[:size])
        assert "SQLite database" in refusal(mlflow.path)


def test_a_database_of_an_old_version_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE metrics (key TEXT, value REAL, timestamp BIGINT, run_uuid TEXT)")
    assert refusal(path).endswith("bring a copy up to date with: mlflow db upgrade")


# --- MLflow, files ----------------------------------------------------------------------------------------------------


def mlflow_folder(home: Path, name: str, *, stage: str = "active", status: int = 3) -> Path:
    """A run as MLflow's file store keeps it, in an experiment with what MLflow puts beside the runs."""
    folder = home / name
    for metric in ("loss", "val/loss"):
        path = folder / "metrics" / metric
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{START + t} {v} {s}\n" for m, v, t, s in curves() if m == metric))
    (folder / "params").mkdir()
    (folder / "params" / "lr").write_text("0.01")
    (folder / "artifacts").mkdir()
    (folder / "artifacts" / "metrics.csv").write_text("epoch,loss\n" + "".join(f"{i},{i}\n" for i in range(9)))
    (folder / "meta.yaml").write_text(
        f"experiment_id: '1'\nlifecycle_stage: {stage}\nrun_id: {name}\nrun_name: 'the run''s {name}'\n"
        f"status: {status}\n"
    )
    (home / "meta.yaml").write_text("experiment_id: '1'\nlifecycle_stage: active\nname: exp\n")
    model = home / "models" / "m-1"
    model.mkdir(parents=True, exist_ok=True)
    (model / "meta.yaml").write_text("experiment_id: '1'\nmodel_id: m-1\n")
    (model / "metrics").mkdir(exist_ok=True)
    (model / "metrics" / "loss").write_text("".join(f"{START + i} {i} {i} {name}\n" for i in range(9)))
    return folder


def test_a_file_store_by_any_of_its_folders(tmp_path: Path) -> None:
    for name in ("b", "a"):
        folder = mlflow_folder(tmp_path / "mlruns" / "1", name)
    for path, count in ((tmp_path, 2), (tmp_path / "mlruns", 2), (tmp_path / "mlruns" / "1", 2), (folder, 1)):
        runs = all_runs(path)
        assert [run.name for run in runs] == ["the run's a", "the run's b"][:count]
        assert {run.format for run in runs} == {"mlflow-run"}
        assert runs[0].source == str(folder)
    assert read(folder)[0].config == {"learning_rate": 0.01}
    assert read(folder)[0].series["val/loss"].values.tolist() == [2 / (i + 1) for i in range(12)]


def test_a_deleted_run_is_read_only_where_it_is_named(tmp_path: Path) -> None:
    mlflow_folder(tmp_path / "1", "a")
    deleted = mlflow_folder(tmp_path / "1", "b", stage="deleted")
    (run,) = all_runs(tmp_path)
    assert run.notes == ("runs of the MLflow store left out: 1 was deleted",)
    assert all_runs(deleted)[0].notes == ("the run was deleted in MLflow",)


def test_an_experiment_with_deleted_runs_only(tmp_path: Path) -> None:
    mlflow_folder(tmp_path / "1", "a", stage="deleted")
    assert refusal(tmp_path) == "no run to judge (runs of the MLflow store left out: 1 was deleted)"


def test_a_run_folder_without_its_description(tmp_path: Path) -> None:
    folder = mlflow_folder(tmp_path / "1", "abc")
    for meta in (folder / "meta.yaml", folder.parent / "meta.yaml"):
        meta.unlink()
    (run,) = all_runs(folder)
    assert run.name == "abc"


def test_lines_of_the_oldest_and_newest_versions(tmp_path: Path) -> None:
    folder = mlflow_folder(tmp_path / "1", "a", status=4)
    (folder / "metrics" / "loss").write_text(
        "".join(f"{START + i} {1 / (i + 1)} {i} data abc\n" for i in range(9))
        + f"{START + 9} nan 9\n{START + 10} Infinity 10\nnonsense\n{START + 11} 0.5\n"[:-5]
    )
    (run,) = all_runs(folder)
    assert np.array_equal(run.series["loss"].values[-2:], [math.nan, math.inf], equal_nan=True)
    assert run.notes[:1] == ("MLflow says that the run failed",)
    assert "2 lines are no point of a metric and left out" in run.notes


def test_a_run_without_metrics(tmp_path: Path) -> None:
    folder = mlflow_folder(tmp_path / "1", "a")
    for path in folder.rglob("loss"):
        path.write_text("")
    assert refusal(folder) == "the MLflow run logged no metric"


# --- trackio ----------------------------------------------------------------------------------------------------------


def trackio_db(path: Path, rows: Iterable[tuple[str, str, int, Any]], *, ids: bool = True, wal: bool = True) -> Path:
    """A database of trackio from (run id, run name, step, metrics)."""
    with closing(sqlite3.connect(path)) as connection, connection:
        if wal:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(TRACKIO.format(run="run_id TEXT NOT NULL," if ids else ""))
        columns, marks = ("run_id, ", "?, ") if ids else ("", "")
        names = {}
        for i, (run, name, step, metrics) in enumerate(rows):
            names[run] = name
            text = metrics if isinstance(metrics, str | bytes) else json.dumps(metrics)
            cells = (f"2026-01-01T00:00:{i:06}", name, step, text)
            connection.execute(
                f"INSERT INTO metrics ({columns}timestamp, run_name, step, metrics) VALUES ({marks}?, ?, ?, ?)",
                (run, *cells) if ids else cells,
            )
        for run, name in names.items():
            config = json.dumps({"lr": 0.01, "_Username": "somebody"})
            connection.execute(
                f"INSERT INTO configs ({columns}run_name, config, created_at) VALUES ({marks}?, ?, '')",
                (run, name, config) if ids else (name, config),
            )
    return path


def trackio_rows(run: str, name: str, epochs: int = 12) -> list[tuple[str, str, int, Any]]:
    return [(run, name, i, {"train/loss": 1 / (i + 1), "val/loss": 2 / (i + 1)}) for i in range(epochs)]


@pytest.mark.parametrize("ids", [True, False])
def test_the_runs_of_a_trackio_project(tmp_path: Path, ids: bool) -> None:
    mixed = [row for pair in zip(trackio_rows("z", "first"), trackio_rows("a", "second"), strict=True) for row in pair]
    path = trackio_db(tmp_path / "project.db", mixed, ids=ids)
    first, second = all_runs(path)
    assert (first.name, second.name) == ("first", "second")
    assert (first.format, first.axis) == ("trackio", "step")
    assert dict(first.roles) == {"train_loss": "train/loss", "val_loss": "val/loss"}
    assert first.config == {"learning_rate": 0.01}
    assert first.series["train/loss"].steps.tolist() == list(range(12))


def test_nan_bytes_and_broken_objects(tmp_path: Path) -> None:
    tail = [
        {"train/loss": "NaN", "val/loss": "Infinity"},
        b'{"train/loss": 0.5, "val/loss": 0.25, "picture": {"_type": "trackio.image", "size": 3}}',
        "{broken",
    ]
    rows = [*trackio_rows("a", "run"), *(("a", "run", 12 + i, metrics) for i, metrics in enumerate(tail))]
    (run,) = all_runs(trackio_db(tmp_path / "project.db", rows))
    assert np.array_equal(run.series["train/loss"].values[12:], [math.nan, 0.5], equal_nan=True)
    assert run.series["val/loss"].values[12:].tolist() == [math.inf, 0.25]
    assert list(run.series) == ["train/loss", "val/loss"]
    assert "1 of 15 logging calls are no JSON object and left out" in run.notes


def test_reading_leaves_nothing_behind(tmp_path: Path) -> None:
    path = trackio_db(tmp_path / "project.db", trackio_rows("a", "run"))
    before = path.read_bytes()
    assert len(all_runs(path)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["project.db"]
    assert path.read_bytes() == before


def test_a_database_that_is_still_written_to(tmp_path: Path) -> None:
    path = trackio_db(tmp_path / "project.db", trackio_rows("a", "run"))
    with closing(sqlite3.connect(path)) as writer:
        row = ("a", "9", "run", 12, '{"train/loss": 0.01}')
        writer.execute("INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)", row)
        writer.commit()  # it stands in the write-ahead log
        assert len(all_runs(path)[0].series["train/loss"]) == 13


def test_a_project_without_metrics(tmp_path: Path) -> None:
    assert refusal(trackio_db(tmp_path / "a.db", [])) == "no run in the trackio database has logged anything"


# --- DVCLive ----------------------------------------------------------------------------------------------------------


def tsv(path: Path, metric: str, cells: Sequence[object], *, timestamp: bool = False) -> None:
    """A file of DVCLive with one row per cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join([*["timestamp"] * timestamp, "step", metric])]
    lines += ["\t".join([*[str(START + i)] * timestamp, str(i), str(cell)]) for i, cell in enumerate(cells)]
    path.write_text("\n".join(lines) + "\n")


FALLING = [1 / (i + 1) for i in range(12)]


def test_a_folder_of_dvclive(tmp_path: Path) -> None:
    home = tmp_path / "exp" / "dvclive"
    tsv(home / "plots/metrics/train/loss.tsv", "loss", [*FALLING[:10], "nan", "inf"])
    tsv(home / "plots/metrics/eval/loss.tsv", "loss", FALLING[:6])
    tsv(home / "plots/metrics/note.tsv", "note", ["a", "b"])
    tsv(home / "plots/custom/other.tsv", "other", FALLING)
    (home / "metrics.json").write_text(json.dumps({"train": {"loss": [0.1, 0.2, 0.3, 0.4, 0.5]}, "step": 11}))
    (home / "params.yaml").write_text("lr: 0.1\noptimizer: sgd\n")
    for path in (tmp_path, home, home / "plots", home / "plots" / "metrics"):
        (run,) = all_runs(path)
        assert (run.name, run.format, run.axis) == ("exp/dvclive", "dvclive", "step")
        assert dict(run.roles) == {"train_loss": "train/loss", "val_loss": "eval/loss"}
        assert np.array_equal(run.series["train/loss"].values[10:], [math.nan, math.inf], equal_nan=True)
        assert len(run.series["eval/loss"]) == 6
        assert run.config == {"learning_rate": 0.1, "optimizer": "sgd"}
        assert "note.tsv holds no number and is left out" in run.notes


@pytest.mark.parametrize("named", ["", "scalars", "scalars/train"])
def test_the_layout_before_1_0(tmp_path: Path, named: str) -> None:
    home = tmp_path / "dvclive"
    for metric in ("train/loss", "train/acc"):
        tsv(home / f"scalars/{metric}.tsv", metric, FALLING, timestamp=True)
    (run,) = all_runs(home / named)
    assert list(run.series) == ["train/acc", "train/loss"]
    assert run.series["train/loss"].steps.tolist() == list(range(12))


def test_the_oldest_layout(tmp_path: Path) -> None:
    for metric in ("loss", "val_loss"):
        tsv(tmp_path / "dvclive" / f"{metric}.tsv", metric, FALLING, timestamp=True)
    (run,) = all_runs(tmp_path)
    assert list(run.series) == ["loss", "val_loss"]


def test_tables_that_are_not_of_dvclive_stay_runs_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tsv(tmp_path / f"{name}.tsv", "loss", FALLING)
    assert [run.format for run in all_runs(tmp_path)] == ["tsv", "tsv"]


def test_other_logs_beside_dvclive_are_found(tmp_path: Path) -> None:
    tsv(tmp_path / "plots/metrics/loss.tsv", "loss", FALLING)
    (tmp_path / "log.csv").write_text("epoch,train_loss\n" + "".join(f"{i},{v}\n" for i, v in enumerate(FALLING)))
    assert [run.format for run in all_runs(tmp_path)] == ["dvclive", "csv"]


def test_a_resumed_and_a_cut_file(tmp_path: Path) -> None:
    path = tmp_path / "plots/metrics/loss.tsv"
    tsv(path, "loss", [1 / (i + 1) for i in range(40)])
    again = "".join(f"{i}\t{0.5 / (i + 1)}\n" for i in range(20, 60))
    path.write_text(path.read_text() + again + "60")
    (run,) = all_runs(tmp_path)
    assert run.series["loss"].steps.tolist() == list(range(60))
    assert run.series["loss"].values[20] == 0.5 / 21
    assert any("as after a resume" in note for note in run.notes)


# --- the corpus -------------------------------------------------------------------------------------------------------


def test_the_main_columns_of_the_corpus(corpus: Path) -> None:
    inside = {"mlflow-run": "mlruns/*/*", "dvclive": "dvclive"}
    rows = [row for row in of_manifest(corpus) if row["format"] in inside]
    assert len(rows) == 8
    for row in rows:
        (folder,) = (corpus / "runs" / row["id"]).glob(inside[row["format"]])
        (run,) = all_runs(folder)
        assert run.format == row["format"]
        assert run.roles["train_loss"] == row["train_loss_col"]
        assert run.roles.get("val_loss", "") == row["val_loss_col"]
        assert run.roles.get("train_accuracy", "") == row["train_acc_col"]
