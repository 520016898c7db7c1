"""Every kind of model learns its task with the recipe's defaults; the bars are those of the README."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from torch.nn.functional import interpolate

from diagnose.engine import judge
from diagnose.readers import read
from diagnose.rule import Severity
from reference_trainer.adversarial import judge as judge_of_digits
from reference_trainer.adversarial import modes
from reference_trainer.data import TASKS
from reference_trainer.logs import CsvLog
from reference_trainer.losses import metric_of
from reference_trainer.recipe import Recipe
from reference_trainer.train import train


def learned(model: str, folder: Path) -> Mapping[str, float]:
    """The last row of the recipe's defaults, of which nothing but notes may be said."""
    result = train(Recipe(model=model))
    columns = tuple(dict.fromkeys(name for row in result.rows for name in row))
    log = CsvLog(folder / f"{model}.csv", columns, result.recipe.config())
    for row in result.rows:
        log.write(row)
    log.close()
    (run,) = read(folder / f"{model}.csv")
    diagnosis = judge(run)
    assert len(diagnosis.judged) >= 10
    assert [finding.rule for finding in diagnosis.findings if finding.severity is not Severity.NOTE] == []
    return result.rows[-1]


@pytest.mark.parametrize(
    ("model", "bars"),
    [
        ("cnn", {"val_accuracy": 0.97}),
        ("mlp", {"val_accuracy": 0.95}),
        ("lstm", {"val_accuracy": 0.90}),
        ("gru", {"val_accuracy": 0.90}),
        ("transformer", {"val_accuracy": 0.90}),
        ("gan", {"sample_confidence": 0.85, "sample_entropy": 0.90}),
    ],
)
def test_a_model_learns_its_task(model: str, bars: Mapping[str, float], tmp_path: Path) -> None:
    last = learned(model, tmp_path)
    assert {score: last[score] for score, bar in bars.items() if last[score] < bar} == {}


@pytest.mark.parametrize("model", ["vgg", "inception", "resnet", "bottleneck-resnet", "efficientnet", "rnn"])
def test_five_epochs_teach_the_others_most_digits(model: str) -> None:
    assert train(Recipe(model=model, epochs=5)).rows[-1]["val_accuracy"] >= 0.93


def test_skips_find_strokes_that_pass_no_bottleneck(tmp_path: Path) -> None:
    with_skips = learned("unet", tmp_path)["val_iou"]
    assert with_skips >= 0.80
    assert with_skips > learned("encoder-decoder", tmp_path)["val_iou"] + 0.1


def test_the_upscaler_beats_bicubic_interpolation(tmp_path: Path) -> None:
    recipe = Recipe(model="upscaler")
    data = TASKS[recipe.task](recipe)
    psnr = metric_of(recipe, data.peak)
    bicubic = interpolate(data.val_x, scale_factor=2, mode="bicubic", align_corners=False)
    bicubic = bicubic.clamp(data.val_y.min(), data.val_y.max())
    assert learned("upscaler", tmp_path)["val_psnr"] > psnr.finish(psnr.measure(bicubic, data.val_y)) + 3.0


def test_the_judge_of_samples_knows_real_digits() -> None:
    data = TASKS["generation"](Recipe(model="gan"))
    classifier = judge_of_digits(data)
    assert (classifier(data.val_x).argmax(dim=1) == data.val_y).float().mean() > 0.96
    confidence, entropy = modes(data.val_x, classifier)
    assert confidence > 0.95
    assert entropy > 0.95
