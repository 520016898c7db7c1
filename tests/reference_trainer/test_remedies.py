"""Every fix of the catalogue that touches training is a change of a recipe, and the one that its advice names."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from diagnose.judging.installed import load_fixes, load_rules
from diagnose.rule import Action, Change, Context, Finding, Severity
from diagnose.synthetic import overfit
from reference_trainer import models
from reference_trainer.faults import FAULTS
from reference_trainer.initializers import initialize
from reference_trainer.recipe import Recipe
from reference_trainer.remedies import ALL_DIGITS, DEPTHS, JUDGED_EPOCHS, NO_TRAINING, REMEDIES, WIDTHS, apply
from reference_trainer.train import train

MLP = Recipe(model="mlp")


def test_every_fix_is_executable_or_says_why_not() -> None:
    assert set(REMEDIES) | set(NO_TRAINING) == set(load_fixes())
    assert not set(REMEDIES) & set(NO_TRAINING)


@pytest.mark.parametrize("model", WIDTHS)
def test_the_sizes_are_those_of_the_models(model: str) -> None:
    recipe = Recipe(model=model)
    inputs = (8, 8) if recipe.task == "digits-rows" else (1, 8, 8)

    def weights(**sizes: int) -> int:
        built = models.build(replace(recipe, **sizes), inputs, 10)
        return sum(parameter.numel() for parameter in built.parameters())

    assert weights(width=WIDTHS[model], depth=DEPTHS[model]) == weights()


def test_all_digits_are_as_many_as_are_trained_on() -> None:
    result = train(Recipe(model="linear", epochs=1, batch_size=1))
    assert result.rows[-1]["step"] == ALL_DIGITS


SAID: dict[str, tuple[Recipe, dict[str, Any]]] = {
    "lower-learning-rate": (replace(MLP, learning_rate=0.01), {"learning_rate": 0.001}),
    "lower-far": (replace(MLP, learning_rate=0.02), {"learning_rate": 0.0001}),
    "raise-learning-rate": (replace(MLP, learning_rate=1e-5), {"learning_rate": 1e-4}),
    "typical-learning-rate": (replace(MLP, learning_rate=1e-5), {"learning_rate": 1e-3}),
    "scale-learning-rate": (replace(MLP, batch_size=256, learning_rate=1e-4), {"learning_rate": 0.1}),
    "weight-decay": (MLP, {"weight_decay": 0.01, "optimizer": "adamw"}),
    "dropout": (MLP, {"dropout": 0.2}),
    "usual-dropout": (replace(MLP, dropout=0.8), {"dropout": 0.5}),
    "larger-batch": (MLP, {"batch_size": 64}),
    "power-of-two-batch": (replace(MLP, batch_size=30), {"batch_size": 32}),
    "train-longer": (replace(MLP, epochs=20), {"epochs": 30}),
    "train-shorter": (MLP, {"epochs": 13}),
    "fewer-epochs": (MLP, {"epochs": 3}),
    "early-stopping": (replace(MLP, epochs=80), {"patience": 4}),
    "clip-gradients": (replace(MLP, gradient_clip=2.0), {"gradient_clip": 1.0}),
    "usual-momentum": (replace(MLP, optimizer="momentum", momentum=0.5), {"momentum": 0.9}),
    "decouple-weight-decay": (replace(MLP, weight_decay=0.001), {"optimizer": "adamw", "weight_decay": 0.01}),
    "raise-from-zero": (replace(MLP, learning_rate=0.0), {"learning_rate": 1e-3}),
}
"""Fix (or a name of its own) -> a recipe, and the fields after the advice that the catalogue has for that run."""


@pytest.mark.parametrize("name", SAID)
def test_what_is_done_is_what_the_advice_says(name: str) -> None:
    recipe, fields = SAID[name]
    fix = load_fixes()[{"raise-from-zero": "raise-learning-rate", "lower-far": "lower-learning-rate"}.get(name, name)]
    run = replace(overfit(), config=recipe.config(), axis="epoch")
    finding = Finding(Severity.ERROR, 0.9, "", "", (1.0, 30.0), ("val_loss",), marks=(12.0,))
    changes = fix.offered(Context(run, finding)).changes
    changed = apply(fix.id, recipe, changes)
    assert changed is not None
    assert {field: getattr(changed, field) for field in fields} == fields
    named = {change.name: change.new for change in changes if isinstance(change, Change)}
    done = {name: getattr(changed, name) for name in named}
    assert done == {name: "adamw" if new == "AdamW" else new for name, new in named.items()}


@pytest.mark.parametrize(("epoch", "patience"), [(2, 6), (4, 4), (12, 4), (70, 7)])
def test_a_training_that_stops_early_leaves_a_log_that_can_be_judged(epoch: int, patience: int) -> None:
    stop = Action("stop", (("axis", "epoch"), ("at", epoch)))
    changed = apply("early-stopping", replace(MLP, epochs=80), (stop,))
    assert changed is not None
    assert changed.patience == patience
    least = next(rule.min_points for rule in load_rules() if rule.id == "overfitting")
    assert epoch + patience >= JUDGED_EPOCHS >= least


def test_a_new_activation_changes_no_initialization_but_that_of_the_old_one() -> None:
    zeros = apply("relu-activation", replace(MLP, activation="tanh", initialization="zeros"), ())
    glorot = apply("relu-activation", replace(MLP, activation="tanh", initialization="glorot"), ())
    assert zeros is not None
    assert glorot is not None
    assert (zeros.initialization, glorot.initialization) == ("zeros", "kaiming")


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "normalize-inputs": ({"normalize_inputs": False}, {"normalize_inputs": True}),
    "stable-precision": ({"precision": "float16"}, {"precision": "float32"}),
    "initialize-weights": ({"initialization": "zeros", "bias": -20.0}, {"initialization": "kaiming", "bias": 0.0}),
    "inspect-batch": ({"corrupt_at": (3,), "corrupt_every": 7}, {"corrupt_at": (), "corrupt_every": None}),
    "inspect-data": ({"label_noise": 0.4}, {"label_noise": 0.0}),
    "check-labels": ({"task": "digits-noisy"}, {"task": "digits", "label_noise": 0.0}),
    "check-inputs": ({"corrupt_at": (3,), "corruption": math.inf}, {"corrupt_at": ()}),
    "check-frozen-weights": ({"frozen": "all"}, {"frozen": "none"}),
    "check-metric": ({"metric": "argmax-of-one-output"}, {"metric": "default"}),
    "check-loss": ({"loss_function": "nll-of-logits"}, {"loss_function": "default"}),
    "check-split": ({"leak": 5}, {"leak": 0}),
    "class-weights": ({"imbalance": 9.0}, {"class_weights": True}),
    "balance-data": ({"imbalance": 9.0}, {"balance": True}),
    "label-smoothing": ({}, {"label_smoothing": 0.1}),
    "larger-validation-set": ({"val_examples": 2}, {"val_examples": None}),
    "average-weights": ({}, {"weight_average": 0.99}),
    "decay-learning-rate": ({"scheduler": "constant"}, {"scheduler": "cosine"}),
    "warmup": ({"scheduler": "constant"}, {"scheduler": "warmup", "warmup": 0.1}),
    "shorter-warmup": ({"scheduler": "warmup", "warmup": 0.4}, {"warmup": 0.1}),
    "fit-schedule": ({"schedule_epochs": 9}, {"schedule_epochs": None}),
    "restore-state": ({"resume_at": 9, "restore_optimizer": False}, {"restore_optimizer": True}),
    "shuffle-data": ({"shuffle": False}, {"shuffle": True}),
    "smaller-network": ({}, {"width": 16}),
    "larger-network": ({}, {"width": 256, "depth": 3}),
    "simplify": ({"dropout": 0.5}, {"depth": 1, "dropout": 0.0}),
    "less-regularization": ({"l2": 0.1, "dropout": 0.5, "augmentation": "mixup"}, {"l2": 0.0, "augmentation": "none"}),
    "more-data": ({"task": "digits-few"}, {"task": "digits", "examples": None, "epochs": 15}),
    "usual-max-norm": ({"max_norm_constraint": 0.1, "weight_decay": 0.1}, {"max_norm_constraint": 3.5}),
    "residual-connections": (
        {"activation": "sigmoid", "normalization": "none"},
        {"skips": True, "activation": "sigmoid", "normalization": "none"},
    ),
    "normalization-layers": ({"activation": "sigmoid", "normalization": "none"}, {"normalization": "batch"}),
    "relu-activation": ({"activation": "sigmoid", "normalization": "none"}, {"activation": "relu"}),
    "data-augmentation": ({}, {"augmentation": "cutmix"}),
    "plain-augmentation": ({"augmentation": "auto"}, {"augmentation": "cutout"}),
    "usual-kernel": ({"model": "cnn", "kernel_size": 7}, {"kernel_size": 3}),
    "usual-pooling": ({"model": "cnn", "pool_size": 4}, {"pool_size": 2}),
    "stabilize-logits": ({"model": "transformer"}, {"stable_logits": True}),
}
"""Fix -> the fields of a recipe, and those after it."""


@pytest.mark.parametrize("fix", CHANGES)
def test_a_fix_changes_the_recipe(fix: str) -> None:
    before, after = CHANGES[fix]
    recipe = Recipe(**{"model": "mlp", **before})
    changed = apply(fix, recipe, ())
    assert changed is not None
    assert changed != recipe
    assert {name: getattr(changed, name) for name in after} == after


def test_every_remedy_is_tested() -> None:
    assert set(REMEDIES) == set(CHANGES) | {name for name in SAID if name in REMEDIES}


def test_skips_of_a_convolutional_network_are_residual_blocks() -> None:
    changed = apply("residual-connections", Recipe(model="cnn", normalization="none"), ())
    assert changed is not None
    assert (changed.block, changed.normalization) == ("residual", "none")


@pytest.mark.parametrize("fix", ["residual-connections", "normalization-layers"])
def test_skips_or_norms_alone_bring_the_gradient_back_to_eight_layers_of_sigmoids(fix: str) -> None:
    """The gradient of the first layer, over that of the last, at the first step."""
    ill = FAULTS["vanishing-gradients"].recipe()
    well = apply(fix, ill, ())
    assert well is not None
    passed = {}
    for name, recipe in (("ill", ill), ("well", well)):
        torch.manual_seed(0)
        module = models.build(recipe, (1, 8, 8), 10)
        initialize(module, recipe)
        torch.nn.functional.cross_entropy(module(torch.randn(64, 1, 8, 8)), torch.arange(64) % 10).backward()
        first, *_, last = (p.grad.norm() for p in module.parameters() if p.dim() >= 2 and p.grad is not None)
        passed[name] = float(first / last)
    assert passed["ill"] < 1e-3
    assert passed["well"] > 100.0 * passed["ill"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fix_gives_a_recipe_or_none_for_every_fault(fault: str) -> None:
    recipe = FAULTS[fault].recipe()
    changed = [apply(fix, recipe, ()) for fix in REMEDIES]
    assert {type(each) for each in changed} == {Recipe, type(None)}
    assert any(each not in (None, recipe) for each in changed)


@pytest.mark.parametrize(
    ("fix", "fields"),
    [
        ("data-augmentation", {"task": "diabetes", "model": "mlp"}),
        ("label-smoothing", {"task": "diabetes", "model": "mlp"}),
        ("class-weights", {"task": "diabetes", "model": "mlp"}),
        ("dropout", {"model": "linear"}),
        ("smaller-network", {"model": "linear"}),
        ("usual-kernel", {"model": "mlp"}),
        ("more-data", {"model": "mlp"}),
        ("residual-connections", {"model": "lstm"}),
        ("normalization-layers", {"model": "linear"}),
        ("average-weights", {"model": "gan"}),
    ],
)
def test_what_cannot_be_done_is_none(fix: str, fields: dict[str, Any]) -> None:
    assert apply(fix, Recipe(**fields), ()) is None


DOUBLE = (Change("batch_size", 64, 32),)


def test_a_larger_batch_does_not_pass_the_spoiled_examples_by() -> None:
    changed = apply("larger-batch", FAULTS["corrupted-batches"].recipe(), DOUBLE)
    assert changed is not None
    assert changed.corrupt_at == (450, 650)
    steps = changed.epochs * (ALL_DIGITS // changed.batch_size)
    assert max(changed.corrupt_at) < steps
    often = apply("larger-batch", Recipe(model="mlp", corrupt_every=60), DOUBLE)
    assert often is not None
    assert often.corrupt_every == 30


def test_a_remedy_trains() -> None:
    for fix in ("class-weights", "balance-data", "average-weights"):
        changed = apply(fix, Recipe(model="mlp", task="digits-imbalanced", epochs=2), ())
        assert changed is not None
        assert torch.isfinite(torch.tensor(train(changed).rows[-1]["val_loss"]))
