"""Every kind of model learns its task with the recipe's defaults; the bars are those of the README."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from torch.nn.functional import interpolate

from diagnose.rule import Severity
from reference_trainer.adversarial import judge as judge_of_digits
from reference_trainer.adversarial import modes
from reference_trainer.data import TASKS
from reference_trainer.losses import metric_of
from reference_trainer.recipe import Recipe
from reference_trainer.train import fit, train
from reference_trainer.trials import trained


def learned(model: str) -> Mapping[str, float]:
    """The last row of the recipe's defaults, of which nothing but notes may be said."""
    result, diagnosis, _ = trained(Recipe(model=model))
    assert diagnosis is not None
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
def test_a_model_learns_its_task(model: str, bars: Mapping[str, float]) -> None:
    last = learned(model)
    assert {score: last[score] for score, bar in bars.items() if last[score] < bar} == {}


@pytest.mark.parametrize("model", ["vgg", "inception", "resnet", "bottleneck-resnet", "efficientnet", "rnn"])
def test_five_epochs_teach_the_others_most_digits(model: str) -> None:
    assert train(Recipe(model=model, epochs=5)).rows[-1]["val_accuracy"] >= 0.93


def test_skips_find_strokes_that_pass_no_bottleneck() -> None:
    with_skips = learned("unet")["val_iou"]
    assert with_skips >= 0.80
    assert with_skips > learned("encoder-decoder")["val_iou"] + 0.1


def test_the_upscaler_beats_bicubic_interpolation() -> None:
    recipe = Recipe(model="upscaler")
    data = TASKS[recipe.task](recipe)
    psnr = metric_of(recipe, data.peak)
    bicubic = interpolate(data.val_x, scale_factor=2, mode="bicubic", align_corners=False)
    bicubic = bicubic.clamp(data.val_y.min(), data.val_y.max())
    assert learned("upscaler")["val_psnr"] > psnr.finish(psnr.measure(bicubic, data.val_y)) + 3.0


def test_the_judge_of_samples_knows_real_digits() -> None:
    data = TASKS["generation"](Recipe(model="gan"))
    classifier = judge_of_digits(data, fit)
    assert (classifier(data.val_x).argmax(dim=1) == data.val_y).float().mean() > 0.96
    confidence, entropy = modes(data.val_x, classifier)
    assert confidence > 0.95
    assert entropy > 0.95
