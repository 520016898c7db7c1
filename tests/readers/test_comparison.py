"""Tables that compare runs: one per column, one per row."""

from __future__ import annotations

from pathlib import Path

import pytest

from diagnose.curves import Run
from diagnose.errors import ReadError
from diagnose.readers import read

POINTS = 12


def loss(i: float) -> float:
    return 2.0 / (1 + i)


def of(folder: Path, header: str, scales: tuple[float, ...], name: str = "log.csv") -> list[Run]:
    rows = (",".join([str(i), *(f"{loss(i / scale):.5f}" for scale in scales)]) for i in range(POINTS))
    (folder / name).write_text(header + "\n" + "\n".join(rows))
    return read(folder / name)


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("epoch,adam_loss,sgd_loss,rmsprop_loss", ["adam", "sgd", "rmsprop"]),
        ("epoch,loss_fold1,loss_fold2,loss_fold3", ["fold1", "fold2", "fold3"]),
        ("epoch,lr=0.1,lr=0.01,lr=0.001", ["lr=0.1", "lr=0.01", "lr=0.001"]),
        ("epoch,seed 1,seed 2,seed 3", ["seed 1", "seed 2", "seed 3"]),
        ("epoch,resnet18,resnet34,vgg", ["resnet18", "resnet34", "vgg"]),
    ],
)
def test_a_run_in_each_column(tmp_path: Path, header: str, names: list[str]) -> None:
    found = of(tmp_path, header, (1, 2, 3))
    assert [run.name for run in found] == names
    assert [run.roles["train_loss"] for run in found] == header.split(",")[1:]
    assert {run.axis for run in found} == {"epoch"}


def test_training_and_validation_of_each_fold(tmp_path: Path) -> None:
    header = "epoch,fold1_train_loss,fold1_val_loss,fold2_train_loss,fold2_val_loss"
    found = of(tmp_path, header, (1, 2, 3, 4))
    assert [run.roles["val_loss"] for run in found] == ["fold1_val_loss", "fold2_val_loss"]
    assert "one of 2 runs in the file, by the names of its columns" in found[0].notes


def test_the_file_says_what_its_columns_of_runs_hold(tmp_path: Path) -> None:
    found = of(tmp_path, "epoch,adam,sgd", (1, 2), "val_loss.csv")
    assert [run.roles for run in found] == [{"val_loss": "adam"}, {"val_loss": "sgd"}]


@pytest.mark.parametrize(
    "header",
    ["epoch,box_loss,cls_loss,dfl_loss", "epoch,loss,conv1_loss,conv2_loss", "epoch,adam_loss,val_loss,sgd_loss"],
)
def test_parts_of_a_loss_are_no_runs(tmp_path: Path, header: str) -> None:
    assert len(of(tmp_path, header, (1, 2, 3))) == 1


@pytest.mark.parametrize("header", ["epoch,temperature,humidity", "time,resnet18,resnet34"])
def test_measurements_are_no_runs(tmp_path: Path, header: str) -> None:
    rows = "".join(f"{i},{20 + i % 3},{60.5 - i / 9}\n" for i in range(POINTS))
    (tmp_path / "log.csv").write_text(f"{header}\n{rows}")
    with pytest.raises(ReadError, match="no loss among"):
        read(tmp_path / "log.csv")


def test_a_run_in_each_row(tmp_path: Path) -> None:
    places = ",".join(f"epoch_{i}" for i in range(1, POINTS + 1))
    rows = "".join(f"run{k}," + ",".join(f"{loss(i / k):.5f}" for i in range(POINTS)) + "\n" for k in (1, 2))
    (tmp_path / "log.csv").write_text(f"run,{places}\n{rows}")
    found = read(tmp_path / "log.csv")
    assert [(run.name, run.axis) for run in found] == [("run1", "epoch"), ("run2", "epoch")]
    assert found[0].series["run1"].steps.tolist() == list(range(1, POINTS + 1))


def test_a_metric_in_each_row(tmp_path: Path) -> None:
    places = ",".join(f"epoch_{i}" for i in range(POINTS))
    rows = "".join(
        f"{name}," + ",".join(f"{loss(i):.5f}" for i in range(POINTS)) + "\n" for name in ("loss", "val_loss")
    )
    (tmp_path / "log.csv").write_text(f"metric,{places}\n{rows}")
    (run,) = read(tmp_path / "log.csv")
    assert run.roles == {"train_loss": "loss", "val_loss": "val_loss"}
