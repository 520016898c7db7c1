"""Several validation sets of one run: kept apart, each judged, and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from diagnose.cli import app

EPOCHS = 40
TIME = np.linspace(0.0, 1.0, EPOCHS)
RNG = np.random.default_rng(0)


def noisy(curve: Any) -> Any:
    return np.round(curve * (1.0 + 0.01 * RNG.standard_normal(EPOCHS)), 4)


FALLING = 2.0 * np.exp(-3.0 * TIME) + 0.2
TURNING = FALLING + 1.5 * np.clip(TIME - 0.5, 0.0, None)
CLIMBING = 0.8 + 0.4 * TIME


def judged(folder: Path, **columns: Any) -> dict[str, Any]:
    """The JSON report of one run whose log has these columns, a row per epoch."""
    lines = [",".join(("epoch", *columns))]
    lines += [",".join(map(str, (i, *row))) for i, row in enumerate(zip(*columns.values(), strict=True))]
    path = folder / "run.csv"
    path.write_text("\n".join(lines) + "\n")
    found = CliRunner().invoke(app, [str(path), "--format", "json"])
    run: dict[str, Any] = json.loads(found.stdout)["runs"][0]
    return run


def found(run: dict[str, Any], rule: str) -> dict[str, Any]:
    [finding] = [finding for finding in run["findings"] if finding["rule"] == rule]
    return dict(finding)


@pytest.mark.parametrize(
    ("columns", "sets"),
    [
        (("train_loss", "val_a/loss", "val_b/loss"), {"val_loss": "val_a/loss", "val_loss[b]": "val_b/loss"}),
        (("loss", "eval_en_loss", "eval_de_loss"), {"val_loss": "eval_de_loss", "val_loss[en]": "eval_en_loss"}),
        (
            ("train_loss", "val_loss/dataloader_idx_0", "val_loss/dataloader_idx_1"),
            {"val_loss": "val_loss/dataloader_idx_0", "val_loss[1]": "val_loss/dataloader_idx_1"},
        ),
        (
            ("validation_0-logloss", "validation_1-logloss", "validation_2-logloss"),
            {"val_loss": "validation_1-logloss", "val_loss[2]": "validation_2-logloss"},
        ),
        (("train_loss", "val_loss", "test_loss"), {"val_loss": "val_loss", "val_loss[test]": "test_loss"}),
        (
            ("training's l2", "valid_1's l2", "valid_2's l2"),
            {"val_loss": "valid_1's l2", "val_loss[2]": "valid_2's l2"},
        ),
        (
            ("train_loss", "val_loss/dataloader_idx_0", "ood_val_loss/dataloader_idx_1"),
            {"val_loss": "val_loss/dataloader_idx_0", "val_loss[ood]": "ood_val_loss/dataloader_idx_1"},
        ),
        (("loss", "val_loss", "val_ood_loss"), {"val_loss": "val_loss", "val_loss[ood]": "val_ood_loss"}),
    ],
)
def test_sets_are_kept_apart(tmp_path: Path, columns: tuple[str, ...], sets: dict[str, str]) -> None:
    run = judged(tmp_path, **{column: noisy((1.0 + 0.1 * i) * FALLING) for i, column in enumerate(columns)})
    assert {role: column for role, column in run["roles"].items() if role.startswith("val_loss")} == sets
    assert any("each judged" in note for note in run["notes"])
    assert not run["not_read"]


@pytest.mark.parametrize(
    "columns",
    [
        ("loss", "val_box_loss", "val_cls_loss"),
        ("train_loss", "valid_loss", "valid_nll_loss"),
        ("loss", "head_a_loss", "head_b_loss", "val_head_a_loss", "val_head_b_loss"),
        ("train_loss_epoch", "test_loss", "avg_test_loss"),
        ("train_loss", "val_loss", "val_acc_cat", "val_acc_dog"),
    ],
)
def test_parts_and_classes_are_no_sets(tmp_path: Path, columns: tuple[str, ...]) -> None:
    run = judged(tmp_path, **{column: noisy((1.0 + 0.1 * i) * FALLING) for i, column in enumerate(columns)})
    assert not any("[" in role for role in run["roles"])


def test_parts_that_add_up_are_no_sets(tmp_path: Path) -> None:
    one, other = noisy(FALLING), noisy(0.5 * FALLING)
    run = judged(tmp_path, loss=noisy(FALLING), val_north_loss=one, val_south_loss=other, val_loss=one + other)
    assert not any("[" in role for role in run["roles"])


def test_opposite_trends_are_forgetting(tmp_path: Path) -> None:
    columns = {"train_loss": FALLING, "val_old/loss": CLIMBING, "val_new/loss": FALLING + 0.1}
    run = judged(tmp_path, **{name: noisy(curve) for name, curve in columns.items()})
    finding = found(run, "forgetting")
    assert finding["series"] == ["val_loss[old]", "val_loss"]
    assert "val_old/loss rises" in finding["summary"]
    assert [other["rule"] for other in run["findings"] if other["rule"] == "overfitting"] == []


def test_accuracies_of_tasks_that_part_are_forgetting(tmp_path: Path) -> None:
    columns = {"train_loss": FALLING, "val_acc_task1": 0.9 - 0.3 * TIME, "val_acc_task2": 0.9 - 0.3 * FALLING}
    run = judged(tmp_path, **{name: noisy(curve) for name, curve in columns.items()})
    assert found(run, "forgetting")["series"] == ["val_accuracy", "val_accuracy[2]"]


def test_each_set_is_judged(tmp_path: Path) -> None:
    late = 2.2 * np.exp(-TIME) + 0.2
    flat = np.where(TIME < 0.5, late, late[EPOCHS // 2])
    run = judged(tmp_path, **{"train_loss": noisy(FALLING), "val_a/loss": noisy(flat), "val_b/loss": noisy(TURNING)})
    finding = found(run, "overfitting")
    assert finding["series"] == ["val_loss[b]", "train_loss"]
    assert "val_loss[b]" in finding["summary"]


def test_what_is_wrong_on_both_sets_is_said_once(tmp_path: Path) -> None:
    columns = {"train_loss": FALLING, "val_a/loss": TURNING, "val_b/loss": TURNING + 0.2}
    run = judged(tmp_path, **{name: noisy(curve) for name, curve in columns.items()})
    assert "The same on val_b/loss." in found(run, "overfitting")["summary"]


def test_a_baseline_is_held_against_the_same_set(tmp_path: Path) -> None:
    columns = {"train_loss": FALLING, "val_a/loss": FALLING, "val_b/loss": 4.0 * FALLING}
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    judged(earlier, **{name: noisy(curve) for name, curve in columns.items()})
    lines = ",".join(("epoch", *columns)) + "\n"
    for i, row in enumerate(zip(*map(noisy, columns.values()), strict=True)):
        lines += ",".join(map(str, (i, *row))) + "\n"
    (tmp_path / "run.csv").write_text(lines)
    call = [str(tmp_path / "run.csv"), "--baseline", str(earlier / "run.csv"), "--format", "json"]
    [run] = json.loads(CliRunner().invoke(app, call).stdout)["runs"]
    assert "baseline-regression" in run["judged"]
    assert "baseline-regression" not in {finding["rule"] for finding in run["findings"]}
