"""What a recipe gave before a part was added beside it, it gives still: `unchanged.csv` holds the last rows.

On the machine that wrote the file the rows are equal to the last bit; on others, sums are taken in another order, which
a training magnifies: five in a hundred are allowed for, and a validation example or two.
`python -m tests.reference_trainer.test_unchanged` writes it anew.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from typing import Any

import pytest

from reference_trainer.healthy import HEALTHY
from reference_trainer.learner import THROUGHPUT
from reference_trainer.recipe import Recipe
from reference_trainer.train import train
from tests.conftest import ROOT

RECORD = ROOT / "tests" / "reference_trainer" / "unchanged.csv"

SHORT: Mapping[str, Any] = {"examples": 96, "val_examples": 40, "epochs": 2, "seed": 5}
"""Three steps per epoch."""

PARTS: Mapping[str, tuple[str, ...]] = {
    "block": ("cbr", "crb", "ccc", "vgg", "inception", "residual", "bottleneck", "inverted-residual"),
    "convolution": ("dilated", "depthwise-separable"),
    "pooling": ("average", "none"),
    "head": ("flatten", "global-average", "spatial-pyramid"),
    "normalization": ("none",),
    "activation": ("leaky-relu", "prelu", "elu", "selu", "sigmoid", "tanh"),
    "augmentation": ("shift-flip", "mixup", "adamixup", "cutout", "cutmix", "auto"),
    "dropout_kind": ("dropout", "gaussian", "spatial"),
    "optimizer": ("sgd", "nesterov", "adagrad", "adadelta", "rmsprop", "adamw"),
}
"""Field of a CNN -> the names that stand for what they stood for."""

MODELS = ("vgg", "inception", "resnet", "bottleneck-resnet", "rnn", "lstm", "encoder-decoder", "upscaler", "gan")


def recipes() -> dict[str, dict[str, Any]]:
    """Name -> fields of a recipe."""
    healthy = {name: {**fields, "epochs": 2, "seed": 5} for name, fields in HEALTHY.items()}
    parts = {
        f"{field} {name}": {**SHORT, field: name, **({"dropout": 0.3} if field == "dropout_kind" else {})}
        for field, names in PARTS.items()
        for name in names
    }
    return healthy | parts | {f"model {name}": {**SHORT, "model": name} for name in MODELS}


def last_row(fields: Mapping[str, Any]) -> dict[str, str]:
    """The last row of the log, to the last bit; the throughput, which no second training repeats, apart."""
    row = train(Recipe(**fields)).rows[-1]
    return {name: float(value).hex() for name, value in row.items() if name != THROUGHPUT}


def recorded() -> dict[str, tuple[dict[str, Any], dict[str, str]]]:
    """Name -> the fields of the recipe, and its last row."""
    with RECORD.open(newline="", encoding="utf-8") as stream:
        return {name: (json.loads(fields), json.loads(row)) for name, fields, row in csv.reader(stream)}


@pytest.mark.parametrize("name", recorded() if RECORD.exists() else [])
def test_a_recipe_gives_what_it_gave(name: str) -> None:
    fields, row = recorded()[name]
    found = last_row(fields)
    assert list(found) == list(row)
    ours, theirs = ({key: float.fromhex(value) for key, value in each.items()} for each in (found, row))
    assert ours == pytest.approx(theirs, rel=0.05, abs=0.03)


if __name__ == "__main__":
    with RECORD.open("w", newline="", encoding="utf-8") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerows([name, json.dumps(f), json.dumps(last_row(f))] for name, f in recipes().items())
