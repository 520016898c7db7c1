"""CatBoost's folder `catboost_info`: two tables of one training, and the same as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diagnose.errors import ReadError
from diagnose.readers import expand, read

LEARN = "iter\tRMSE\n" + "".join(f"{i}\t{9 - i / 10}\n" for i in range(30))
TEST = "iter\tRMSE\n" + "".join(f"{i}\t{9 - i / 20}\n" for i in range(30))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder as CatBoost leaves it, without the event files."""
    made = tmp_path / "catboost_info"
    made.mkdir()
    (made / "learn_error.tsv").write_text(LEARN)
    (made / "test_error.tsv").write_text(TEST)
    (made / "time_left.tsv").write_text("iter\tPassed\tRemaining\n0\t1\t9\n1\t2\t8\n")
    return made


def test_the_folder_is_one_training(folder: Path) -> None:
    [source] = expand([str(folder.parent)])
    [run] = read(source)
    assert (run.format, run.axis, run.points) == ("catboost", "step", 30)
    assert run.roles == {"train_loss": "learn/RMSE", "val_loss": "test/RMSE"}


@pytest.mark.parametrize("name", ["learn_error.tsv", "test_error.tsv"])
def test_either_file_is_read_with_the_other(folder: Path, name: str) -> None:
    [run] = read(folder / name)
    assert run.roles == {"train_loss": "learn/RMSE", "val_loss": "test/RMSE"}
    assert run.series["test/RMSE"].values[-1] == 9 - 29 / 20


def test_the_half_of_the_test_set_is_no_log(folder: Path) -> None:
    (folder / "learn_error.tsv").unlink()
    with pytest.raises(ReadError, match=r"put learn_error\.tsv beside it"):
        read(folder / "test_error.tsv")


def test_the_json_says_which_metric_is_to_be_small(tmp_path: Path) -> None:
    metrics = [{"best_value": "Max", "name": "AUC"}, {"best_value": "Min", "name": "Quantile:alpha=0.5"}]
    meta = {"learn_sets": ["learn"], "learn_metrics": metrics, "test_sets": ["test"], "test_metrics": metrics}
    iterations = [{"learn": [0.5 + i / 50, 9 - i], "iteration": i, "test": [0.5, 9 - i / 2]} for i in range(9)]
    path = tmp_path / "catboost_training.json"
    path.write_text(json.dumps({"meta": meta, "iterations": iterations}))
    [run] = read(path)
    assert run.roles == {
        "train_loss": "learn/Quantile:alpha=0.5",
        "val_loss": "test/Quantile:alpha=0.5",
        "train_accuracy": "learn/AUC",
        "val_accuracy": "test/AUC",
    }


def test_a_json_that_breaks_off_keeps_its_complete_iterations(tmp_path: Path) -> None:
    meta = {"learn_sets": ["learn"], "learn_metrics": [{"best_value": "Min", "name": "RMSE"}]}
    whole = json.dumps({"meta": meta, "iterations": [{"learn": [9.0 - i], "iteration": i} for i in range(9)]})
    path = tmp_path / "catboost_training.json"
    path.write_text(whole[: whole.rindex('{"learn"') + 5])
    [run] = read(path)
    assert run.points == 8
    assert "breaks off" in run.notes[0]
