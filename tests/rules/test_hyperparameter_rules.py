"""What the rules about hyperparameters say of real configurations, and what they leave alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from diagnose import synthetic
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.names import config, optimizers
from diagnose.rule import Diagnosis, Severity

IDS = frozenset(
    [
        "batch-size",
        "convolution-reach",
        "dropout-rate",
        "epochs-against-curve",
        "initialization-mismatch",
        "input-normalization",
        "kernel-size",
        "l2-with-adaptive-optimizer",
        "learned-augmentation",
        "learning-rate-range",
        "learning-rate-scaling",
        "missing-augmentation",
        "missing-early-stopping",
        "momentum-range",
        "pooling-size",
        "small-batch-normalization",
        "weight-norm-constraint",
    ]
)
RULES = [rule for rule in load_rules() if rule.id in IDS]


def judged(**raw: Any) -> Diagnosis:
    """The rules about hyperparameters on healthy curves with a configuration as a user writes it."""
    return judge(synthetic.configured(**config.normalise(raw)), RULES)


def said(diagnosis: Diagnosis) -> dict[str, str]:
    return {finding.rule: finding.severity.value for finding in diagnosis.findings}


HEALTHY = [
    # Recipes that are known to train well, in the words of their tools.
    {"optimizer": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "batch_size": 256, "epochs": 60},
    {"optim": "adamw_torch", "learning_rate": 5e-5, "weight_decay": 0.01, "per_device_train_batch_size": 8},
    {"optim": "paged_adamw_8bit", "learning_rate": 2e-4, "lora_dropout": 0.05, "gradient_accumulation_steps": 4},
    {"optimizer": {"type": "SGD", "lr": 0.02, "momentum": 0.9, "weight_decay": 1e-4}, "samples_per_gpu": 2},
    {"optimizer": "auto", "lr0": 0.01, "momentum": 0.937, "weight_decay": 5e-4, "batch": -1, "augment": False,
     "mosaic": 1.0, "auto_augment": "randaugment", "dropout": 0.0, "patience": 100},
    {"opt": "lamb", "lr": 5e-3, "weight_decay": 0.02, "aa": "rand-m7-mstd0.5-inc1", "batch_size": 2048},
    {"opt": "lars", "lr": 4.8, "batch_size": 4096},
    {"optimizer": "adadelta", "learning_rate": 1.0, "batch_size": 64},
    {"optimizer": "LBFGS", "lr": 1},
    {"optimizer": "adafactor", "learning_rate": 1.0, "relative_step": True},
    {"optimizer": "Prodigy", "lr": 1.0},
    {"optimizer": "lion", "lr": 1e-4, "weight_decay": 0.1},
    {"optimizer": "adam", "lr": 2.0, "decay_method": "noam", "warmup_steps": 8000},
    {"optimizer": "sgd", "lr": 3.2, "momentum": 0.9, "batch_size": 8192},
    {"optimizer": "Adam", "lr": 1e-3, "weight_decay": 0},
    {"activation": "relu", "kernel_initializer": "he_normal", "kernel_size": "(3, 3)", "strides": "(1, 1)"},
    {"activation": "gelu_new", "init": "normal"},
    {"activation": "tanh", "initialization": "xavier_uniform", "dropout": 0.5},
    {"kernel_size": 4, "stride": 2, "pool_size": 2},
    {"learning_rate": 3e-7, "optimizer": "adamw"},
    {"ema": {"decay": 0.9999}, "optimizer": "adam", "decay": 1e-6},
    {"max_norm": 1.0, "weight_decay": 1e-4},
    {"optimizer": None, "lr": None, "normalize": None},
    {"normalize": "imagenet", "augmentation": "flip"},
]  # fmt: skip


@pytest.mark.parametrize("raw", HEALTHY, ids=str)
def test_says_nothing_of_a_usual_recipe(raw: dict[str, Any]) -> None:
    assert said(judged(**raw)) == {}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"optimizer": "adam", "lr": 1.0}, {"learning-rate-range": "warning"}),
        ({"optimizer": "SGD", "lr": 1.0, "momentum": 0.9}, {"learning-rate-range": "warning"}),
        ({"optimizer": "adam", "lr": 0.02}, {"learning-rate-range": "note"}),
        ({"optimizer": "lion", "lr": 0.02}, {"learning-rate-range": "note"}),
        ({"optimizer": "sgd", "lr": 1e-3, "batch_size": 4096}, {"learning-rate-scaling": "note"}),
        ({"optimizer": "Adam", "wd": 5e-4}, {"l2-with-adaptive-optimizer": "note"}),
        ({"optimizer": "rmsprop", "l2": 0.01}, {"l2-with-adaptive-optimizer": "note"}),
        ({"optimizer": "SGD", "momentum": 0}, {"momentum-range": "note"}),
        ({"kernel_initializer": "zeros"}, {"initialization-mismatch": "warning"}),
        ({"activation": "torch.nn.LeakyReLU", "init": "xavier_normal_"}, {"initialization-mismatch": "note"}),
        ({"activation": "selu", "init": "he_normal"}, {"initialization-mismatch": "note"}),
        ({"batch_size": "100"}, {"batch-size": "note"}),
        ({"kernel_constraint": 20, "weight_decay": 1e-4}, {"weight-norm-constraint": "note"}),
        ({"dropout": 0.9}, {"dropout-rate": "note"}),
        ({"do_normalize": "off"}, {"input-normalization": "note"}),
        ({"aa": "v0"}, {"learned-augmentation": "note"}),
        ({"aug_policy": "AutoAugmentPolicy.CIFAR10"}, {"learned-augmentation": "note"}),
        ({"kernel_size": [4, 4], "stride": 1}, {"kernel-size": "note"}),
        ({"pool_size": "(8, 8)"}, {"pooling-size": "note"}),
    ],
    ids=str,
)
def test_says_what_is_unusual(raw: dict[str, Any], expected: dict[str, str]) -> None:
    assert said(judged(**raw)) == expected


def test_advice_is_in_the_numbers_of_the_run() -> None:
    def first(**raw: Any) -> str:
        return judged(**raw).findings[0].recommendations[0].title

    assert first(optimizer="torch.optim.SGD", lr=10.0).endswith("learning_rate 10 -> 0.1")
    assert first(optimizer="Adam", weight_decay=5e-4).endswith("optimizer Adam -> AdamW, weight_decay 0.0005 -> 0.01")
    assert first(batch_size=100).endswith("batch_size 100 -> 128")
    assert first(dropout=0.8).endswith("dropout 0.8 -> 0.5")
    assert first(optimizer="sgd", lr=0.01, batch_size=8192).endswith("learning_rate 0.01 -> 3.2")
    assert first(optimizer="sgd", momentum=0.0).endswith("momentum 0 -> 0.9")


def test_learning_rate_is_read_from_its_curve_where_the_config_has_none() -> None:
    run = synthetic.healthy()  # its learning rate is 1e-3 throughout
    scaled = {**run.series, "learning_rate": type(run.series["learning_rate"])("lr", *_times(run, 500.0))}
    run = synthetic.configured(type(run)("r", scaled, run.roles), optimizer="adam")
    assert said(judge(run, RULES)) == {"learning-rate-range": "warning"}


def _times(run: Any, factor: float) -> tuple[Any, Any]:
    rate = run.series["learning_rate"]
    return rate.steps, factor * rate.values


@pytest.mark.parametrize("seed", range(20))
def test_curve_and_config_together(seed: int) -> None:
    """Seeded curves at 5 % noise: what is missing is missed, and healthy curves are left alone."""
    ill = synthetic.configured(synthetic.overfit(seed, noise=0.05), epochs=100, augmentation=False)
    assert {"missing-early-stopping", "missing-augmentation"} <= set(said(judge(ill, RULES)))
    well = synthetic.configured(synthetic.healthy(seed, noise=0.05), epochs=60, augmentation=False)
    assert said(judge(well, RULES)) == {}


def test_a_bare_log_is_not_judged() -> None:
    diagnosis = judge(synthetic.configured(synthetic.negative()), RULES)
    assert diagnosis.findings == ()
    assert {missing.rule for missing in diagnosis.not_judged} == IDS


@pytest.mark.parametrize(
    ("name", "family", "decoupled"),
    [
        ("Adam", "adaptive", False),
        ("adam_w", "adaptive", True),
        ("<class 'torch.optim.adam.Adam'>", "adaptive", False),
        ("Adam (\nParameter Group 0\n    amsgrad: False\n)", "adaptive", False),
        ("AdamWeightDecay", "adaptive", True),
        ("sgd_torch", "sgd", False),
        ("sign_sgd", "sign", False),
        ("L-BFGS", "self-scaled", False),
        ("DAdaptAdam", "self-scaled", False),
    ],
)
def test_optimizers_by_name(name: str, family: str, decoupled: bool) -> None:
    assert optimizers.known(name) == (family, decoupled)


@pytest.mark.parametrize("name", ["auto", "", "MuonWithAuxAdam", "ranger"])
def test_unknown_optimizers(name: str) -> None:
    assert optimizers.known(name) is None


def test_real_configs_get_no_warning(corpus: Path) -> None:
    """The healthy runs of the corpus that came with a config, judged by the config alone."""
    sources = [*corpus.glob("runs/*/*/files/config.yaml"), *corpus.glob("runs/*/dvclive/params.yaml")]
    sources += corpus.glob("runs/*/mlruns/*/*/params")
    assert sources
    for path in sources:
        diagnosis = judge(synthetic.configured(**config.load(path)), RULES)
        assert diagnosis.worst in (None, Severity.NOTE), path
