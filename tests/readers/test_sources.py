"""What the user names, and what is read for it."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from diagnose.errors import ReadError
from diagnose.readers import FORMATS, expand, no_log, read, registry, tables
from diagnose.readers.formats.frame import from_frame

LOG = "epoch,loss,val_loss\n" + "".join(f"{i},{1 / (i + 1)},{2 / (i + 1)}\n" for i in range(12))
CURVE = "0.9,0.8,0.7,0.6,0.5,0.4\n"


def labels(found: list, folder: Path) -> list[str]:
    return [source.label.replace(str(folder) + "/", "") for source in found]


def test_every_format_is_a_module_of_one_shape() -> None:
    from importlib import import_module

    for name in FORMATS:
        module = import_module(f"{registry.__package__}.formats.{name}")
        assert isinstance(module.NAME, str)
        assert module.__doc__
        assert callable(module.recognise)
        assert callable(module.read)


def test_a_directory_gives_its_logs_in_order(tmp_path: Path) -> None:
    for name in ("b/metrics.csv", "a/metrics.csv", "a/log", "c/deep/er/x.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(LOG)
    for name in (".git/x.csv", "a/README.md", "a/train.py", "a/args.yaml", "b/.hidden.csv", "venv/x.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(LOG)
    (tmp_path / "a/notes.txt").write_text("We should train longer, and look at the data.\n" * 5)
    (tmp_path / "a/model").write_bytes(bytes(1000))
    found = expand([str(tmp_path)])
    assert labels(found, tmp_path) == ["a/log", "a/metrics.csv", "b/metrics.csv", "c/deep/er/x.csv"]
    assert {source.folder for source in found} == {str(tmp_path)}
    assert not any(source.error for source in found)


def test_a_directory_without_logs(tmp_path: Path) -> None:
    for name in ("a.md", "b.txt", "c.py"):
        (tmp_path / name).write_text("nothing of interest\n")
    (source,) = expand([str(tmp_path)])
    assert source.error == no_log(str(tmp_path)) == "no training log among its 3 files"
    with pytest.raises(ReadError, match="no training log"):
        read(source)


def test_an_empty_directory(tmp_path: Path) -> None:
    assert expand([str(tmp_path)])[0].error == "the directory is empty"


def test_a_named_file_is_a_source_whatever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text("nothing of interest\n")
    (source,) = expand([str(path)])
    assert source.paths == (path,)
    assert not source.folder
    with pytest.raises(ReadError, match="no training log"):
        read(source)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(LOG)
    assert expand([str(tmp_path / "resluts.csv")])[0].error == "no such file; did you mean results.csv?"
    assert expand([str(tmp_path / "qqq")])[0].error == "no such file"
    assert expand([str(tmp_path / "no" / "where")])[0].error == "no such file"
    assert expand(["x" * 5000])[0].error == "no such file"
    assert expand(["x\0y"])[0].error == "no such file"


def test_patterns_that_the_shell_left(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.txt"):
        (tmp_path / name).write_text(LOG)
    assert labels(expand([str(tmp_path / "*.csv")]), tmp_path) == ["a.csv", "b.csv"]
    assert expand([str(tmp_path / "*.tsv")])[0].error == "no file matches the pattern"


def test_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "run[1].csv"
    path.write_text(LOG)
    assert expand([str(path)])[0].paths == (path,)


def test_each_source_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(LOG)
    assert len(expand([str(path), str(tmp_path), str(path), "-", "-"])) == 2


def test_labels_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m.csv"
    path.write_text(LOG)
    labels = [source.label for source in expand([str(path), str(tmp_path), "no\x1bthing"])]
    assert len(labels) == 2
    assert all(map(str.isprintable, labels))


def test_the_last_checkpoint_speaks_for_all(tmp_path: Path) -> None:
    state = json.dumps({"log_history": [{"step": i, "loss": 1 / (i + 1)} for i in range(9)]})
    for step in (500, 1000, 1500):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    assert labels(expand([str(tmp_path)]), tmp_path) == ["checkpoint-1500/trainer_state.json"]
    (tmp_path / "trainer_state.json").write_text(state)
    assert labels(expand([str(tmp_path)]), tmp_path) == ["trainer_state.json"]


# --- one run in several files -----------------------------------------------------------------------------------------


def test_files_of_one_curve_each_are_one_run(tmp_path: Path) -> None:
    for name in ("train_loss", "val_loss", "train_acc", "val_acc"):
        (tmp_path / f"{name}.csv").write_text(CURVE)
    (source,) = expand([str(tmp_path)])
    (table,) = tables(source)
    assert list(table.columns) == ["train_acc", "train_loss", "val_acc", "val_loss"]
    assert table.rows == 6
    assert len(read(source)) == 1


def test_two_runs_in_files_of_one_curve_each(tmp_path: Path) -> None:
    for model in ("resnet", "vgg"):
        for name in ("train_loss", "val_loss"):
            (tmp_path / f"{model}_{name}.txt").write_text(CURVE.replace(",", "\n"))
    assert [len(source.paths) for source in expand([str(tmp_path)])] == [2, 2]


def test_files_of_the_same_quantity_are_runs_of_their_own(tmp_path: Path) -> None:
    for name in ("run1_loss", "run2_loss", "run3_loss"):
        (tmp_path / f"{name}.csv").write_text(CURVE)
    assert [len(source.paths) for source in expand([str(tmp_path)])] == [1, 1, 1]


def test_curves_of_different_lengths_are_padded_as_not_logged(tmp_path: Path) -> None:
    (tmp_path / "train_loss.csv").write_text(CURVE)
    (tmp_path / "val_loss.csv").write_text("0.9,0.8,nan\n")
    (table,) = tables(expand([str(tmp_path)])[0])
    assert table.columns["val_loss"].logged.tolist() == [True] * 3 + [False] * 3
    assert any("3 and 6 points" in note for note in table.notes)


# --- streams and frames -----------------------------------------------------------------------------------------------


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(LOG.encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    (run,) = read(expand(["-"])[0])
    assert run.source == "-"
    assert run.roles["val_loss"] == "val_loss"


@pytest.mark.parametrize("stream", [io.BytesIO(LOG.encode()), io.StringIO(LOG)])
def test_open_files(stream: io.IOBase) -> None:
    assert tables(stream)[0].rows == 12


def test_what_is_no_source() -> None:
    with pytest.raises(ReadError, match="int cannot be read"):
        tables(3)  # type: ignore[arg-type]


def test_a_frame_keeps_its_named_index() -> None:
    table = from_frame(pd.DataFrame({"loss": [1.0, 2.0]}, index=pd.Index([10, 20], name="step")))
    assert table.columns["step"].values.tolist() == [10, 20]
    assert "index" not in from_frame(pd.DataFrame({"loss": [1.0, 2.0]})).columns


def test_a_frame_whose_loss_turns_to_nan_logged_it() -> None:
    table = from_frame(pd.DataFrame({"loss": [1.0, 0.5, np.nan, np.nan], "acc": [0.1, 0.2, 0.1, 0.1]}))
    assert table.columns["loss"].logged.all()


def test_a_frame_with_two_cadences_has_cells_that_were_not_logged() -> None:
    train = [1.0, np.nan] * 10
    val = [np.nan, 2.0] * 10
    every_tenth = [np.nan if i % 10 == 9 else 1.0 for i in range(40)]
    table = from_frame(pd.DataFrame({"train": train, "val": val}))
    assert table.columns["train"].logged.tolist() == [True, False] * 10
    assert table.columns["val"].logged.tolist() == [False, True] * 10
    assert from_frame(pd.DataFrame({"x": every_tenth})).columns["x"].logged.sum() == 36


def test_a_frame_with_a_lone_nan_logged_it() -> None:
    values = np.ones(50)
    values[20] = np.nan
    assert from_frame(pd.DataFrame({"x": values})).columns["x"].logged.all()


@pytest.mark.parametrize("dtype", ["Float64", "Int64"])
def test_nullable_dtypes_say_what_was_not_logged(dtype: str) -> None:
    table = from_frame(pd.DataFrame({"x": pd.array([1, None, 3], dtype=dtype)}))
    assert table.columns["x"].logged.tolist() == [True, False, True]


def test_text_booleans_and_times_of_a_frame_are_text() -> None:
    frame = pd.DataFrame(
        {
            "split": ["train", None],
            "best": [True, False],
            "time": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            "acc": ["93.1%", "94%"],
            "loss": pd.Series([1.5, None], dtype=object),
        }
    )
    table = from_frame(frame)
    assert list(table.columns) == ["acc", "loss"]
    assert table.columns["acc"].percent
    assert table.columns["loss"].logged.tolist() == [True, False]
    assert table.text["split"] == ["train", ""]
    assert table.text["best"] == ["True", "False"]


def test_columns_of_several_levels() -> None:
    frame = pd.DataFrame(
        [[1.0, 2.0], [3.0, 4.0]], columns=pd.MultiIndex.from_tuples([("loss", "train"), ("loss", "val")])
    )
    assert list(from_frame(frame).columns) == ["loss/train", "loss/val"]


def test_rows_of_a_frame_that_take_turns() -> None:
    nan = np.nan
    frame = pd.DataFrame(
        {
            "step": [1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 5.0],
            "loss": [1.0, 0.9, nan, 0.8, nan, nan, nan, nan],
            "val_loss": [nan, nan, 1.0, nan, nan, 0.9, nan, nan],
            "val_acc": [nan, nan, 0.5, nan, nan, 0.6, nan, nan],
            "test_loss": [nan, nan, nan, nan, nan, nan, nan, 0.9],
        }
    )
    columns = from_frame(frame).columns
    assert columns["loss"].logged.tolist() == [True, True, False, True, True, False, True, False]
    assert columns["val_loss"].logged.sum() == 2
    assert columns["step"].logged.all()


def test_a_step_between_the_regular_ones_is_of_another_column() -> None:
    steps = [5, 10, 15, 18, 20, 25, 30, 36]
    loss = [1.0, 0.9, 0.8, np.nan, 0.7, 0.6, np.nan, np.nan]
    frame = pd.DataFrame({"step": steps, "loss": loss, "val_loss": [np.nan] * 3 + [1.0] * 5})
    assert from_frame(frame).columns["loss"].logged.tolist() == [True] * 3 + [False] + [True] * 3 + [False]


@pytest.mark.parametrize(
    "names", [("train_loss", "train_mae", "val_loss", "val_mae"), ("loss", "mae", "val_loss", "val_mae")]
)
def test_a_training_that_broke_is_logged_beside_its_learning_rate(names: tuple[str, ...]) -> None:
    broken = [1.0, 0.9, 0.8, np.nan, np.nan]
    frame = pd.DataFrame({"epoch": range(5), "lr": [0.1] * 5} | dict.fromkeys(names, broken))
    assert all(from_frame(frame).columns[name].logged.all() for name in names)


def test_a_row_of_the_validation_alone_is_no_row_of_the_training() -> None:
    nan = np.nan
    frame = pd.DataFrame(
        {
            "epoch": [1, 2, 3, 4],
            "train_loss": [1.0, 0.9, nan, nan],
            "train_acc": [0.1, 0.2, 0.1, nan],
            "val_loss": [1.0, 0.9, nan, 0.8],
            "val_acc": [0.1, 0.2, 0.1, 0.3],
        }
    )
    assert from_frame(frame).columns["train_loss"].logged.tolist() == [True, True, True, False]


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame({"loss": [1.0]})])
def test_a_frame_without_a_curve(frame: pd.DataFrame) -> None:
    with pytest.raises(ReadError):
        tables(frame)


# --- the corpus -------------------------------------------------------------------------------------------------------


def test_a_directory_of_many_runs(corpus: Path, tmp_path: Path) -> None:
    for i in range(40):
        shutil.copy(corpus / "runs" / "r284" / "results.csv", tmp_path / f"run{i}.csv")
    assert len(expand([str(tmp_path)])) == 40
