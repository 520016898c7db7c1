"""One run in several files of a folder, and NumPy arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diagnose.curves import Run
from diagnose.errors import ReadError
from diagnose.readers import expand, read

LOSSES = [2.0 / (1 + i) for i in range(12)]
HIGHER = [loss + 0.5 for loss in LOSSES]


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def of_folder(folder: Path) -> list[Run]:
    return [run for source in expand([str(folder)]) for run in read(source)]


def table(losses: list[float], head: str = "epoch,loss") -> str:
    return f"{head}\n" + "".join(f"{i},{loss}\n" for i, loss in enumerate(losses))


@pytest.mark.parametrize(("train", "val"), [("train", "val"), ("log", "val_log"), ("run_train", "run_valid")])
def test_tables_of_training_and_validation_are_one_run(tmp_path: Path, train: str, val: str) -> None:
    written(tmp_path, **{f"{train}__csv": table(LOSSES), f"{val}__csv": table(HIGHER)})
    (run,) = of_folder(tmp_path)
    assert run.axis == "epoch"
    np.testing.assert_allclose(run.series[run.roles["train_loss"]].values, LOSSES)
    np.testing.assert_allclose(run.series[run.roles["val_loss"]].values, HIGHER)
    assert run.series[run.roles["val_loss"]].steps.tolist() == list(range(12))


def test_runs_whose_names_say_no_set_stay_apart(tmp_path: Path) -> None:
    written(tmp_path, run_a__csv=table(LOSSES), run_b__csv=table(HIGHER))
    assert [run.name for run in of_folder(tmp_path)] == ["run_a", "run_b"]


def test_steps_of_an_epoch_stand_before_its_validation(tmp_path: Path) -> None:
    steps = "epoch,iteration,loss\n" + "".join(f"{i // 3},{i % 3},{loss}\n" for i, loss in enumerate(LOSSES))
    written(tmp_path, a_loss__txt=steps, a_val_loss__txt=table(HIGHER[:4], "epoch,val_loss"))
    (run,) = of_folder(tmp_path)
    assert run.axis == "step"
    assert len(run.series[run.roles["train_loss"]]) == 12
    assert run.series[run.roles["val_loss"]].steps.tolist() == [3, 6, 9, 12]


def test_a_table_of_steps_beside_one_of_epochs(tmp_path: Path) -> None:
    metrics = table(HIGHER[:4], "epoch,val_loss")
    written(tmp_path, steps__csv=table(LOSSES, "step,loss"), metrics__csv=metrics)
    (run,) = of_folder(tmp_path)
    assert run.series[run.roles["val_loss"]].steps.tolist() == [2, 5, 8, 11]
    assert len(run.series[run.roles["train_loss"]]) == 12
    assert "4 epochs spread evenly over 12 steps" in run.notes


def test_trainings_that_follow_one_another_in_both_files_stay_apart(tmp_path: Path) -> None:
    twice = table(LOSSES) + "".join(f"{i},{loss}\n" for i, loss in enumerate(HIGHER))
    written(tmp_path, train__csv=twice, val__csv=twice)
    (run,) = of_folder(tmp_path)
    np.testing.assert_allclose(run.series[run.roles["train_loss"]].values, HIGHER)
    np.testing.assert_allclose(run.series[run.roles["val_loss"]].values, HIGHER)


def test_lists_in_files_called_after_their_curve(tmp_path: Path) -> None:
    written(tmp_path, loss__txt=str(LOSSES), val_loss__txt=str(HIGHER))
    (run,) = of_folder(tmp_path)
    assert run.roles["train_loss"] == "loss"
    np.testing.assert_allclose(run.series[run.roles["val_loss"]].values, HIGHER)


def test_curves_whose_names_hold_settings_too(tmp_path: Path) -> None:
    curves = {"train_loss_ns50_ep100__txt": LOSSES, "train_acc_ns50_ep100__txt": [1 - loss / 3 for loss in LOSSES]}
    written(tmp_path, **{name: "\n".join(map(str, values)) for name, values in curves.items()})
    (run,) = of_folder(tmp_path)
    assert run.roles == {"train_loss": "train_loss_ns50_ep100", "train_accuracy": "train_acc_ns50_ep100"}


def test_arrays_called_after_their_curve_are_one_run(tmp_path: Path) -> None:
    np.save(tmp_path / "loss.npy", LOSSES)
    np.save(tmp_path / "val_loss.npy", np.array([HIGHER], dtype=np.float32))
    np.save(tmp_path / "depth.npy", np.zeros((50, 50)))
    (run,) = of_folder(tmp_path)
    np.testing.assert_allclose(run.series[run.roles["train_loss"]].values, LOSSES)
    np.testing.assert_allclose(run.series[run.roles["val_loss"]].values, HIGHER, rtol=1e-6)


def test_an_array_by_itself(tmp_path: Path) -> None:
    np.save(tmp_path / "val_accuracy.npy", np.linspace(0.1, 0.9, 20))
    np.save(tmp_path / "losses.npy", np.array([LOSSES, HIGHER]))
    (run,) = read(tmp_path / "val_accuracy.npy")
    assert run.roles["val_accuracy"] == "val_accuracy"
    (run,) = read(tmp_path / "losses.npy")
    np.testing.assert_allclose(run.series[run.roles["train_loss"]].values, LOSSES)


def test_arrays_that_are_no_curve_are_refused_with_a_reason(tmp_path: Path) -> None:
    np.save(tmp_path / "embedding.npy", np.zeros(99))
    np.save(tmp_path / "loss_images.npy", np.zeros((4, 4, 3)))
    np.save(tmp_path / "loss_names.npy", np.array(["a", "b"]))
    np.save(tmp_path / "loss_objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "loss.npy", LOSSES)
    whole = (tmp_path / "loss.npy").read_bytes()
    (tmp_path / "loss.npy").write_bytes(whole[:-9])
    (tmp_path / "loss_head.npy").write_bytes(whole[:20])
    reasons = {
        "embedding": "name says no curve",
        "loss_images": "shape",
        "loss_names": "words",
        "loss_objects": "words",
    }
    for name, reason in (reasons | {"loss": "is cut", "loss_head": "damaged"}).items():
        with pytest.raises(ReadError, match=reason):
            read(tmp_path / f"{name}.npy")
