"""What a configuration says of a training, and the causes that rules name by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from diagnose import synthetic
from diagnose.curves import Run, Series
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.names import optimizers, traits
from diagnose.names.roles import assign
from diagnose.rule import Finding

RULES = {rule.id: rule for rule in load_rules()}

STUCK = replace(synthetic.stuck(), config={})
"""A run that learns nothing, of which nothing else is known."""

NO_FIX = ""
"""Instead of the first fix: the finding leaves the order to its rule."""


def found(rule: str, run: Run, **config: Any) -> Finding:
    (finding,) = judge(replace(run, config={**run.config, **config}), [RULES[rule]]).findings
    return finding


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("facebook/opt-125m", True),
        ("google/vit-base", True),
        ("Transformer", True),
        ("resnet50", False),
        ("mlp", False),
    ],
)
def test_transformers_are_known_by_name(model: str, said: bool) -> None:
    assert traits.is_transformer(model) is said


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"fp16": True}, True),
        ({"precision": "16-mixed"}, True),
        ({"precision": 16}, True),
        ({"precision": "torch.float16"}, True),
        ({"precision": "bf16-mixed"}, False),
        ({"precision": "bfloat16"}, False),
        ({"precision": "32-true"}, False),
        ({}, False),
    ],
)
def test_half_precision_is_float16_alone(config: dict[str, Any], said: bool) -> None:
    assert traits.half_precision(config) is said


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"resume_from_checkpoint": "last.ckpt"}, True),
        ({"trainer/ckpt_path": "a.ckpt"}, True),
        ({"resume": True}, True),
        ({"resume_at": 12}, True),
        ({"resume_from_checkpoint": None}, False),
        ({"resume": "False"}, False),
        ({"checkpoint_every": 5}, False),
        ({}, False),
    ],
)
def test_a_resume_is_known_in_several_spellings(config: dict[str, Any], said: bool) -> None:
    assert traits.resumed(config) is said


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"normalize_inputs": False}, True),
        ({"data.normalise": "none"}, True),
        ({"normalize_inputs": True}, False),
        ({"normalization": "none"}, False),  # of layers
    ],
)
def test_raw_inputs_are_said_by_the_config(config: dict[str, Any], said: bool) -> None:
    assert traits.raw_inputs(config) is said


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"examples": 24}, True),
        ({"data/num_training_samples": 999}, True),
        ({"train_size": 1000}, False),
        ({"train_size": 0.8}, False),  # a share
        ({"train_size": 1.0}, False),
        ({"train_size": True}, False),
        ({"batch_size": 32, "num_workers": 4}, False),
    ],
)
def test_few_examples_are_said_by_the_config(config: dict[str, Any], said: bool) -> None:
    assert traits.few_examples(config) is said


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"l2": 0.13}, True),
        ({"dropout": 0.8}, True),
        ({"dropout": 0.5}, False),
        ({"weight_decay": 0.1, "optimizer": "sgd"}, True),
        ({"weight_decay": 0.1, "optimizer": "AdamW"}, False),
        ({"weight_decay": "auto"}, False),
    ],
)
def test_what_holds_a_network_back(config: dict[str, Any], said: bool) -> None:
    assert traits.held_back(config) is said


def test_optimizers_have_a_usual_rate() -> None:
    assert optimizers.usual_rate("torch.optim.AdamW") == 1e-3
    assert optimizers.usual_rate("SGD") == 0.1
    assert optimizers.usual_rate("adadelta") is None
    assert optimizers.usual_rate("mine") is None


# --- causes -----------------------------------------------------------------------------------------------------------


ADAM = {"learning_rate": 1e-5, "optimizer": "adam"}

CAUSES: list[tuple[str, Run, dict[str, Any], str, str]] = [
    ("non-convergence", STUCK, {"learning_rate": 10.0}, "rate-too-high", "typical-learning-rate"),
    ("non-convergence", STUCK, {"learning_rate": 0.0}, "rate-too-low", "raise-learning-rate"),
    ("non-convergence", STUCK, {"normalize_inputs": False}, "raw-inputs", "normalize-inputs"),
    ("non-convergence", STUCK, {"initialization": "zeros"}, "initialization", "initialize-weights"),
    ("non-convergence", STUCK, {}, "labels", NO_FIX),
    ("loss-spike", synthetic.spiky(), {"resume_from": "a.pt"}, "resume", "restore-state"),
    ("loss-spike", synthetic.spiky(), {}, "bad-batch", NO_FIX),
    ("non-finite", synthetic.non_finite(), {"precision": "fp16"}, "half-precision", NO_FIX),
    ("non-finite", synthetic.non_finite(), {}, "bad-input", NO_FIX),
    ("underfitting", synthetic.underfit(), {"l2": 0.5}, "regularization", NO_FIX),
    ("underfitting", synthetic.underfit(), {}, "", NO_FIX),
    ("overfitting", synthetic.overfit(), {"data.num_train_samples": 240}, "few-examples", NO_FIX),
    ("overfitting", synthetic.overfit(), {"num_train_samples": 50_000}, "", NO_FIX),
    ("slow-convergence", synthetic.falling(), ADAM, "rate-too-low", "typical-learning-rate"),
    ("slow-convergence", synthetic.falling(), {**ADAM, "model": "bert"}, "", NO_FIX),
    ("slow-convergence", synthetic.falling(), {**ADAM, "learning_rate": 1e-3}, "", NO_FIX),
    ("loss-accuracy-conflict", synthetic.imbalanced(), {}, "class-imbalance", NO_FIX),
    ("loss-accuracy-conflict", synthetic.conflicting(), {}, "both-fall", NO_FIX),
    ("loss-accuracy-conflict", synthetic.unrewarded(), {}, "loss", "check-loss"),
    ("vanishing-gradient", synthetic.vanishing_gradients(), {}, "", NO_FIX),
]


@pytest.mark.parametrize(("rule", "run", "config", "cause", "first"), CAUSES)
def test_a_finding_names_its_cause_and_its_fixes_follow(
    rule: str, run: Run, config: dict[str, Any], cause: str, first: str
) -> None:
    finding = found(rule, run, **config)
    assert finding.cause == cause
    assert (finding.fixes[0] if finding.fixes else "") == first


def dead(share: float) -> Run:
    """A run that learns nothing, with that share of dead units."""
    run = STUCK
    steps = run.series[run.roles["train_loss"]].steps
    series = {**run.series, "dead_relu_share": Series("dead_relu_share", steps, np.full(steps.size, share))}
    return replace(run, series=series, roles={**run.roles, "dead_units": "dead_relu_share"})


def test_dead_units_are_a_cause() -> None:
    assert found("non-convergence", dead(1.0)).cause == "dead-units"
    assert found("non-convergence", dead(0.3)).cause == "labels"


def test_a_transformer_without_warmup_is_a_cause() -> None:
    run = STUCK
    steps = run.series[run.roles["train_loss"]].steps
    for first, cause in ((1.0, "no-warmup"), (0.1, "labels")):
        rate = Series("lr", steps, 1e-3 * np.minimum(np.linspace(first, 2.0, steps.size), 1.0))
        warmed = replace(run, series={**run.series, "lr": rate}, roles={**run.roles, "learning_rate": "lr"})
        assert found("non-convergence", warmed, model="vit_b_16").cause == cause
        assert found("non-convergence", warmed, model="resnet").cause == "labels"


@pytest.mark.parametrize("name", ["dead_relu_share", "dead_neurons", "train/dead_units", "dead relus fraction"])
def test_the_share_of_dead_units_has_a_role(name: str) -> None:
    assert assign(["loss", name])["dead_units"] == name


def test_a_deadline_is_no_dead_unit() -> None:
    assert "dead_units" not in assign(["loss", "dead_time", "relu_count", "deadline"])
