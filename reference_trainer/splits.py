"""The three splits of the blind trial: faults, models and data of which none occurs in two of them. Free of torch.

`development` is what rules, causes and remedies were built on: `FAULTS` on `BENCHES`. `ranking` is there to order the
advice by, `test` to say how good it is; what is read off the test split is not to be mended on it. Frozen: a change of
a fault, model or data set here is a new trial, and what was measured before counts no more.

SPLITS["test"].faults["dropout-of-95"].ill(recipe)      # Recipe -> Recipe
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reference_trainer.recipe import Recipe

STEPS = 15
"""Steps of an epoch: 480 examples in batches of 32."""


@dataclass(frozen=True)
class Planted:
    """A fault. symptom: what it mostly shows as. source: where such a bug is described."""

    ill: Callable[[Recipe], Recipe]
    symptom: str
    source: str


@dataclass(frozen=True)
class Split:
    """data: name in `reference_trainer.apart`. models: name -> fields of its recipe."""

    data: str
    models: Mapping[str, Mapping[str, Any]]
    faults: Mapping[str, Planted]


def _set(**fields: Any) -> Callable[[Recipe], Recipe]:
    return lambda recipe: replace(recipe, **fields)


def _longer(recipe: Recipe) -> Recipe:
    return replace(recipe, epochs=5 * recipe.epochs, scheduler="constant", examples=200)


def _wide(recipe: Recipe) -> Recipe:
    return replace(recipe, width=40, examples=80, epochs=4 * recipe.epochs, scheduler="constant")


_BASE: Mapping[str, Any] = {"task": "digits", "examples": 480, "epochs": 10, "width": 8}

_DEEPFD = "Cao et al., DeepFD: Automated Fault Diagnosis and Localization for Deep Learning Programs (2022)"
_AUTOTRAINER = "Zhang et al., AUTOTRAINER: An Automatic DNN Training Problem Detection and Repair System (2021)"
_UMLAUT = "Schoop et al., UMLAUT: Debugging Deep Learning Programs using Program Structure and Model Behavior (2021)"
_HUMBATOVA = "Humbatova et al., Taxonomy of Real Faults in Deep Learning Systems (2020)"

TEST: Mapping[str, Planted] = {
    "missing-value-in-a-batch": Planted(_set(corrupt_at=(4 * STEPS,), corruption=math.inf), "nan", _HUMBATOVA),
    "weight-decay-as-percent": Planted(_set(optimizer="sgd", learning_rate=0.1, weight_decay=50.0), "nan", _HUMBATOVA),
    "momentum-above-one": Planted(_set(optimizer="momentum", momentum=1.3, learning_rate=0.02), "nan", _DEEPFD),
    "dropout-of-95": Planted(_set(dropout=0.95), "not-learning", _UMLAUT),
    "small-weights": Planted(
        _set(initialization="small-normal", normalization="none", optimizer="sgd", learning_rate=0.05),
        "not-learning",
        _AUTOTRAINER,
    ),
    "schedule-by-batches": Planted(_set(schedule_epochs=1, scheduler="cosine"), "not-learning", _HUMBATOVA),
    "clipped-to-nothing": Planted(
        _set(optimizer="sgd", learning_rate=0.1, gradient_clip=1e-3), "not-learning", _HUMBATOVA
    ),
    "average-too-slow": Planted(_set(weight_average=0.9999), "not-learning", _HUMBATOVA),
    "adams-rate-for-adadelta": Planted(_set(optimizer="adadelta", learning_rate=1e-3), "not-learning", _DEEPFD),
    "batch-of-all": Planted(_set(batch_size=480), "slow", _DEEPFD),
    "trained-far-too-long": Planted(_longer, "overfitting", _UMLAUT),
    "momentum-of-995": Planted(_set(optimizer="momentum", momentum=0.995, learning_rate=0.05), "spikes", _DEEPFD),
    "smoothed-away": Planted(_set(label_smoothing=0.95), "not-learning", _HUMBATOVA),
    "flipped-digits": Planted(_set(augmentation="shift-flip"), "harmful-augmentation", _UMLAUT),
}

RANKING: Mapping[str, Planted] = {
    "overflowing-batch": Planted(_set(corrupt_at=(4 * STEPS,), corruption=1e38), "nan", _HUMBATOVA),
    "l1-outweighs-the-loss": Planted(_set(l1=0.05), "not-learning", _AUTOTRAINER),
    "softmax-twice": Planted(_set(loss_function="cross-entropy-of-softmax"), "slow", _UMLAUT),
    "body-frozen": Planted(_set(frozen="body"), "not-learning", _HUMBATOVA),
    "max-norm-too-tight": Planted(_set(max_norm_constraint=0.02), "not-learning", _HUMBATOVA),
    "warmup-never-ends": Planted(_set(scheduler="warmup", warmup=0.99), "slow", _HUMBATOVA),
    "too-wide-for-its-data": Planted(_wide, "overfitting", _AUTOTRAINER),
    "regression-loss": Planted(_set(loss_function="mse", optimizer="sgd", learning_rate=0.01), "slow", _DEEPFD),
    "one-example-a-step": Planted(_set(descent="stochastic", epochs=4), "spikes", _DEEPFD),
}

SPLITS: Mapping[str, Split] = {
    "ranking": Split(
        "photographs",
        {"efficientnet": {**_BASE, "model": "efficientnet"}, "inception": {**_BASE, "model": "inception"}},
        RANKING,
    ),
    "test": Split(
        "mnist",
        {
            "vgg": {**_BASE, "model": "vgg"},
            "bottleneck-resnet": {**_BASE, "model": "bottleneck-resnet", "normalization": "none"},
        },
        TEST,
    ),
}
"""Those beside the development split, which is `FAULTS` on `BENCHES`."""

HELD_BACK = 0.2
"""Share of each data set that no training and no validation sees."""
