"""The benchmark that replays logs, on a corpus of two that is made here."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from diagnose import synthetic
from tests.conftest import ROOT
from tests.written import write_csv

sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))  # the scripts import each other as they do when they are run

import live
import live_overhead

sys.path.remove(str(ROOT / "tests" / "benchmarks"))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A corpus of a healthy log and one that overfits."""
    columns = "id repo commit path format framework task n_points series".split()  # noqa: SIM905
    columns += ["train_loss_col", "val_loss_col", "train_acc_col", "val_acc_col", "notes"]
    runs = {"r1": synthetic.healthy(), "r2": synthetic.overfit()}
    with (tmp_path / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        for name in runs:
            writer.writerow({"id": name, "repo": name, "path": "run.csv", "train_loss_col": "train_loss"})
    (tmp_path / "labels.csv").write_text("id,healthy,overfitting\nr1,yes,no\nr2,no,yes\n")
    for name, run in runs.items():
        (tmp_path / "runs" / name).mkdir(parents=True)
        write_csv(run, tmp_path / "runs" / name / "run.csv")
    return tmp_path


@pytest.mark.parametrize("plan", ["known", "unknown"])
def test_a_replay_counts_what_is_told(two: Path, plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--corpus", str(two), "--plan", plan]) == 0
    said = capsys.readouterr().out
    assert "healthy runs with anything told at any time: 0 of 1" in said
    assert "overfitting: 1 of 1 told" in said


def test_the_last_verdict_is_compared_with_that_of_the_file(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--corpus", str(two), "--final", "--most", "64", "1000"]) == 0
    said = capsys.readouterr().out
    assert "1000 points kept: 2 of 2 logs have the verdict of the file" in said
    assert "of the 1 that were thinned: " in said


def test_what_it_costs_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert live_overhead.main(["--steps", "500", "--milliseconds", "0.01", "--rows", "2000"]) == 0
    assert "us a row" in capsys.readouterr().out
