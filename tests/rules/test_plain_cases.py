"""What a person sees at a glance on a short or an odd log, through the public door: files in, findings out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import diagnose
from diagnose.rule import Diagnosis, Finding


def judged(folder: Path, **columns: Sequence[float]) -> Diagnosis:
    """What is said of a CSV of these columns; an epoch per row."""
    rows = zip(*columns.values(), strict=True)
    lines = ["epoch," + ",".join(columns), *(",".join(map(repr, (i + 1, *row))) for i, row in enumerate(rows))]
    path = folder / "run.csv"
    path.write_text("\n".join(lines) + "\n")
    return diagnose.diagnose(str(path)).diagnoses[0]


def found(folder: Path, **columns: Sequence[float]) -> dict[str, Finding]:
    """The findings, by rule."""
    return {finding.rule: finding for finding in judged(folder, **columns).findings}


def milestone(folder: Path, **columns: Sequence[float]) -> str:
    """The milestone that the run is said to work on."""
    return judged(folder, **columns).milestone


def alarms(folder: Path, **columns: Sequence[float]) -> dict[str, str]:
    """The warnings and errors: rule -> severity."""
    return {rule: f.severity.value for rule, f in found(folder, **columns).items() if f.severity != "note"}


TRAIN = (0.9, 0.6, 0.45, 0.36, 0.3, 0.25, 0.21, 0.18, 0.155, 0.135)


def test_ten_epochs_whose_validation_loss_rises_by_half_are_overfitting(tmp_path: Path) -> None:
    val = (0.92, 0.66, 0.52, 0.45, 0.47, 0.5, 0.55, 0.6, 0.64, 0.68)
    finding = found(tmp_path, train_loss=TRAIN, val_loss=val)["overfitting"]
    assert finding.severity == "error"
    assert finding.marks == (4,)
    assert "best at epoch 4 (0.45) and ends at 0.68" in finding.summary


def test_five_epochs_are_enough(tmp_path: Path) -> None:
    assert alarms(tmp_path, train_loss=TRAIN[:5], val_loss=(0.9, 0.5, 0.6, 0.75, 0.9)) == {"overfitting": "error"}


@pytest.mark.parametrize("last", [0.46, 0.465])
def test_a_wiggle_is_none(tmp_path: Path, last: float) -> None:
    val = (0.92, 0.66, 0.52, 0.47, 0.455, 0.46, 0.452, 0.458, 0.45, last)
    assert not alarms(tmp_path, train_loss=TRAIN, val_loss=val)


def test_the_best_is_a_value_that_was_logged(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    epochs = np.arange(60)
    val = (0.5 + np.exp(-epochs / 6) + 0.02 * np.clip(epochs - 20, 0, None)) * np.exp(0.03 * rng.standard_normal(60))
    finding = found(tmp_path, train_loss=0.3 + np.exp(-epochs / 8), val_loss=val)["overfitting"]
    assert f"best at epoch {int(np.argmin(val)) + 1} ({val.min():.4g})" in finding.summary


@pytest.mark.parametrize("shape", ["ramp", "step"])
@pytest.mark.parametrize("points", [12, 60, 400])
def test_a_training_loss_that_climbs_from_its_best_is_a_divergence(tmp_path: Path, shape: str, points: int) -> None:
    rng = np.random.default_rng(points)
    u = np.arange(points) / points
    climb = np.clip((u - 0.6) / 0.4, 0.0, None) if shape == "ramp" else (u >= 0.7).astype(float)
    loss = (0.2 + 2.0 * np.exp(-8.0 * u)) * (1.0 + 3.0 * climb) * np.exp(0.02 * rng.standard_normal(points))
    assert alarms(tmp_path, train_loss=loss)["divergence"] in ("warning", "error")


def test_a_climb_too_small_to_be_seen_beside_the_fall_is_a_note(tmp_path: Path) -> None:
    u = np.arange(100) / 100
    loss = 2.0 * np.exp(-12.0 * u) + 0.01 * (1.0 + np.clip((u - 0.6) / 0.4, 0.0, None))
    assert found(tmp_path, train_loss=loss)["divergence"].severity == "note"


def test_a_spike_just_before_the_end_is_no_divergence(tmp_path: Path) -> None:
    loss = 0.2 + 2.0 * np.exp(-np.arange(60) / 6)
    loss[57] *= 8.0
    assert "divergence" not in alarms(tmp_path, train_loss=loss)


def test_an_absurd_start_is_not_what_was_learned(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    loss = [15057.0, *(8.0 + 0.2 * rng.standard_normal(14))]
    assert alarms(tmp_path, train_loss=loss, train_accuracy=[0.1] * 15)["non-convergence"] == "error"


def test_a_loss_that_moves_in_a_late_digit_has_learned_nothing(tmp_path: Path) -> None:
    loss = math.log(10.0) - 1e-4 * np.arange(40)
    found_ = found(tmp_path, train_loss=loss, train_accuracy=[0.1115385] * 40)
    assert found_["non-convergence"].severity == "error"
    assert next(iter(found_)) == "non-convergence"


def test_learning_everything_in_the_first_epoch_is_learning(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    loss = [2.3, *(0.25 + 0.004 * rng.standard_normal(9))]
    assert "non-convergence" not in alarms(tmp_path, train_loss=loss)


def test_an_accuracy_that_falls_without_a_validation_loss_is_overfitting(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    epochs = np.arange(50)
    accuracy = 0.9 - 0.5 * np.exp(-epochs / 4) - 0.003 * np.clip(epochs - 15, 0, None) + 0.003 * rng.standard_normal(50)
    finding = found(tmp_path, train_loss=1.5 * np.exp(-epochs / 10), val_accuracy=accuracy)["overfitting"]
    assert finding.series[0] == "val_accuracy"
    assert "points below its level there" in finding.summary


def test_a_training_accuracy_still_to_its_last_digit_needs_no_excuse(tmp_path: Path) -> None:
    rising = [0.2886345, 0.4194604, 0.5306623, 0.6770238, 0.7792313, 0.8634505]
    accuracy = [*rising, *[0.9558463] * 20]
    loss = 0.2 + 0.6 * np.exp(-np.arange(26) / 6)
    assert "frozen-metric" in alarms(tmp_path, train_loss=loss, train_accuracy=accuracy, val_accuracy=accuracy)


def test_an_accuracy_of_two_decimals_may_stand_still(tmp_path: Path) -> None:
    accuracy = [0.29, 0.42, 0.53, 0.68, 0.78, 0.86, *[0.96] * 20]
    loss = 0.2 + 0.6 * np.exp(-np.arange(26) / 6)
    assert "frozen-metric" not in alarms(tmp_path, train_loss=loss, train_accuracy=accuracy, val_accuracy=accuracy)


@pytest.mark.parametrize("size", [12, 40, 150])
def test_a_loss_that_never_moved_has_not_left_what_it_found(tmp_path: Path, size: int) -> None:
    """What it gained and lost again is noise, and neither is anything beside the level."""
    for seed in range(20):
        loss = 2.303 + 0.003 * np.random.default_rng(seed).standard_normal(size)
        told = found(tmp_path, train_loss=loss, val_loss=loss + 0.01)
        assert "divergence" not in told
        assert "non-convergence" in told or size < 15


@pytest.mark.parametrize("size", [500, 3000])
def test_a_long_log_of_noise_has_learned_nothing_and_lost_nothing(tmp_path: Path, size: int) -> None:
    told = [
        found(tmp_path, train_loss=2.303 + 0.06 * np.random.default_rng(seed).standard_normal(size))
        for seed in range(20)
    ]
    assert sum("non-convergence" in each for each in told) >= 19
    assert sum("divergence" in each for each in told) <= 1


def test_a_loss_that_climbs_slowly_does_not_stay(tmp_path: Path) -> None:
    epochs = np.arange(80)
    loss = 0.5 + 2.0 * np.exp(-epochs / 4.0) + 0.004 * np.random.default_rng(1).standard_normal(80)
    assert "plateau" in found(tmp_path, train_loss=loss)
    assert set(found(tmp_path, train_loss=loss + 0.004 * np.clip(epochs - 20, 0, None))) == {"divergence"}


def test_the_milestone_is_that_of_what_was_found(tmp_path: Path) -> None:
    learned_nothing = (4210.5, 2.41, 2.33, 2.31, 2.305, 2.304, 2.304, 2.303, 2.303, 2.303)
    assert milestone(tmp_path, train_loss=learned_nothing, train_accuracy=[0.1] * 10) == "learn-anything"
    assert milestone(tmp_path, train_loss=TRAIN) == "learn-everything"
    turned = (0.6, 0.72, 0.79, 0.81, 0.8, 0.78, 0.76, 0.75, 0.74, 0.73)
    assert milestone(tmp_path, train_loss=TRAIN, val_accuracy=turned) == "learn-the-right-thing"


def test_the_milestone_trusts_no_accuracy_that_never_moved_and_no_loss_that_is_none(tmp_path: Path) -> None:
    still = {"train_accuracy": [0.9558463] * 10, "val_accuracy": [0.9558463] * 10}
    assert milestone(tmp_path, train_loss=TRAIN, **still) == "learn-everything"
    assert milestone(tmp_path, train_loss=[*TRAIN[:6], *["nan"] * 4], train_accuracy=[0.99] * 10) == "learn-anything"
