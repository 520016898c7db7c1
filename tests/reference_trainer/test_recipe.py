"""A recipe fills in what follows, refuses what cannot be in one line that helps, and is written as rules read it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from diagnose.names import optimizers
from diagnose.names.config import normalise
from reference_trainer.recipe import (
    BLOCKS,
    CHOICES,
    CONVOLUTIONAL,
    EPOCHS,
    FITTING,
    KINDS,
    LEARNING_RATES,
    LEFT_OUT,
    MODEL_OF_KIND,
    MODEL_TASKS,
    NAMES,
    NORMALIZED,
    QUIET,
    Recipe,
    RecipeError,
)

NAMED = [(field, name) for field, valid in CHOICES.items() for name in valid]

SETTINGS: Mapping[str, tuple[Any, ...]] = {
    "examples": (1, 60),
    "val_examples": (1, 7),
    "label_noise": (0.2,),
    "imbalance": (5.0,),
    "leak": (2,),
    "normalize_inputs": (False,),
    "shuffle": (False,),
    "width": (3,),
    "depth": (3,),
    "kernel_size": (5,),
    "stride": (2,),
    "dilation": (3,),
    "pool_size": (3,),
    "pool_stride": (1,),
    "pool_padding": (1,),
    "compound": (2,),
    "normalization_groups": (2,),
    "normalization_momentum": (0.3,),
    "normalization_epsilon": (1e-3,),
    "skips": (True,),
    "stochastic_depth": (0.3,),
    "augment_operations": (3,),
    "augment_magnitude": (7.0,),
    "self_training_rounds": (3,),
    "discriminator_rate": (0.5,),
    "min_delta": (0.01,),
    "restore_best": (False,),
    "bias": (-2.5,),
    "batch_size": (1, 48),
    "learning_rate": (0.0, 1e-5, 0.3),
    "momentum": (0.0, 0.99),
    "weight_decay": (1e-4,),
    "warmup": (0.3,),
    "decay_every": (4,),
    "epochs": (1, 7),
    "gradient_clip": (0.5,),
    "resume_at": (2,),
    "restore_optimizer": (False,),
    "l1": (1e-5,),
    "l2": (1e-4,),
    "max_norm_constraint": (3.0,),
    "dropout": (0.5,),
    "label_smoothing": (0.1,),
    "patience": (4,),
    "corrupt_at": ((900,), (900, 1300)),
    "corrupt_every": (60,),
    "corruption": (5.0,),
    "log_every": (5,),
    "log_manifold": (True,),
    "balance": (True,),
    "class_weights": (True,),
    "stable_logits": (True,),
    "weight_average": (0.9,),
    "schedule_epochs": (4,),
    "seed": (3,),
    "artefact_class": (0, 9),
    "artefact_share": (0.5,),
}
"""Field without names -> values beside its default."""

FREE = ("bias", "corruption")
"""Numbers that may be anything."""


def refused(**chosen: Any) -> str:
    """The one line that a recipe is refused with."""
    with pytest.raises(RecipeError) as caught:
        Recipe(**chosen)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Any valid recipe: what is drawn and does not go with what was drawn before is left out."""
    model = draw(st.sampled_from(tuple(MODEL_TASKS)))
    chosen: dict[str, Any] = {"model": model, "task": draw(st.sampled_from(MODEL_TASKS[model]))}
    values = {**SETTINGS, **{name: valid for name, valid in CHOICES.items() if name not in chosen}}
    for name in draw(st.lists(st.sampled_from(tuple(values)), unique=True, max_size=12)):
        more = {**chosen, name: draw(st.sampled_from(values[name]))}
        try:
            Recipe(**more)
        except RecipeError:
            continue
        chosen = more
    return Recipe(**chosen)


def test_every_field_is_tested() -> None:
    assert set(NAMES) == set(CHOICES) | set(SETTINGS)


# --- free of torch ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["recipe", "faults"])
def test_torch_is_neither_needed_nor_imported(module: str) -> None:
    code = f"import sys; sys.modules['torch'] = None; import reference_trainer.{module}"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = f"import sys, reference_trainer.{module}; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "False"


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("field", "name"), NAMED)
def test_every_name_is_taken(field: str, name: str) -> None:
    rest = {} if field in ("task", "model") else {"model": "cnn", "dropout": 0.3}
    if field == "artefact":
        rest["task"] = "digits-colour"
    if field == "policy_task":
        rest["augmentation"] = "learned"
    if field in ("attention", "positions"):
        rest["model"] = "transformer"
    assert getattr(Recipe(**{**rest, field: name}), field) == name


@pytest.mark.parametrize(("field", "name"), NAMED)
def test_a_slip_of_the_finger_is_refused_with_the_right_name(field: str, name: str) -> None:
    said = refused(**{field: name + name[-1]})
    assert said == f"no {field.replace('_', ' ')} {name + name[-1]!r}; did you mean {name}?"


@given(st.data())
def test_whatever_is_no_name_is_refused_with_names_that_are(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(tuple(CHOICES)))
    name = data.draw(st.sampled_from(CHOICES[field]))
    place = data.draw(st.integers(0, len(name)))
    letters = data.draw(st.text("abcdefghijklmnopqrstuvwxyz-_ ", max_size=2))
    wrong = name[:place] + letters + name[place + data.draw(st.integers(0, 2)) :]
    assume(wrong and wrong not in CHOICES[field])
    said = refused(**{field: wrong})
    start, _, hint = said.partition("; ")
    assert start == f"no {field.replace('_', ' ')} {wrong!r}"
    near = hint.removeprefix("did you mean ").removesuffix("?")
    assert near in CHOICES[field] or hint == f"valid: {', '.join(CHOICES[field])}"


@pytest.mark.parametrize("field", CHOICES)
def test_only_what_follows_from_the_rest_may_be_left_empty(field: str) -> None:
    if field in LEFT_OUT:
        assert getattr(Recipe(**{field: ""}), field) in CHOICES[field]
    else:
        assert f"no {field.replace('_', ' ')} ''; " in refused(**{field: ""})


# --- what follows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODEL_TASKS)
def test_the_task_follows_from_the_model(model: str) -> None:
    assert Recipe(model=model).task == MODEL_TASKS[model][0]
    assert Recipe(model=model).block == BLOCKS.get(model, "cbr")
    assert Recipe(model=model).normalization == ("batch" if model in NORMALIZED else "none")


@pytest.mark.parametrize("task", KINDS)
def test_the_model_follows_from_the_task(task: str) -> None:
    recipe = Recipe(task=task)
    assert recipe.model == ("lstm" if task == "digits-rows" else MODEL_OF_KIND[KINDS[task]])
    assert recipe.kind == KINDS[task]


def test_without_task_and_model_a_cnn_learns_digits() -> None:
    assert (Recipe().task, Recipe().model) == ("digits", "cnn")


@pytest.mark.parametrize("model", MODEL_TASKS)
def test_the_epochs_follow_from_the_model(model: str) -> None:
    assert Recipe(model=model).epochs == EPOCHS.get(model, 30)
    assert Recipe(model=model, epochs=3).epochs == 3


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
def test_the_learning_rate_follows_from_the_optimizer(optimizer: str) -> None:
    assert Recipe(optimizer=optimizer).learning_rate == LEARNING_RATES[optimizer]
    assert Recipe(optimizer=optimizer, learning_rate=0.0).learning_rate == 0.0


@pytest.mark.parametrize("model", MODEL_TASKS)
def test_activation_attention_and_stochastic_depth_follow_from_the_model(model: str) -> None:
    recipe = Recipe(model=model)
    assert recipe.activation == ("silu" if model == "efficientnet" else "relu")
    assert recipe.stochastic_depth == (0.2 if model == "efficientnet" else 0.0)
    assert recipe.attention == "full"
    assert Recipe(task="characters").attention == "causal"
    assert Recipe(model="efficientnet", activation="relu", stochastic_depth=0.0).activation == "relu"


@pytest.mark.parametrize("activation", CHOICES["activation"])
def test_the_initialization_follows_from_the_activation(activation: str) -> None:
    assert Recipe(activation=activation).initialization == FITTING.get(activation, "kaiming")
    assert Recipe(activation=activation, initialization="zeros").initialization == "zeros"


@pytest.mark.parametrize("alone", [{"descent": "stochastic"}, {"batch_size": 1}, {"examples": 1}], ids=str)
def test_one_example_is_not_normalized_over(alone: dict[str, Any]) -> None:
    assert Recipe(model="mlp", **alone).normalization == "none"


def test_a_step_of_all_examples_has_a_batch_whatever_the_batch_size() -> None:
    assert Recipe(model="mlp", descent="batch", batch_size=1).normalization == "batch"


# --- what does not go together ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODEL_TASKS)
@pytest.mark.parametrize("task", KINDS)
def test_a_model_learns_its_tasks_and_no_other(model: str, task: str) -> None:
    if task in MODEL_TASKS[model]:
        assert Recipe(model=model, task=task).kind == KINDS[task]
        return
    said = refused(model=model, task=task)
    assert said.startswith(f"{model} learns {MODEL_TASKS[model][0]}")
    assert f"not {task};" in said
    assert MODEL_OF_KIND[KINDS[task]] in said or task == "digits-rows"


IMPOSSIBLE: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"model": "unet", "task": "digits"}, ("unet learns segmentation", "not digits", "cnn")),
    ({"task": "diabetes", "label_noise": 0.1}, ("label_noise", "regression", "--task digits")),
    ({"task": "segmentation", "imbalance": 3.0}, ("imbalance", "segmentation", "--task digits")),
    ({"task": "diabetes", "leak": 2}, ("leak", "regression", "--task digits")),
    ({"task": "diabetes", "label_smoothing": 0.1}, ("label_smoothing", "regression", "--task digits")),
    ({"task": "super-resolution", "self_training": "noisy-student"}, ("self_training", "super-resolution")),
    ({"task": "segmentation", "augmentation": "mixup"}, ("augmentation", "segmentation", "--task digits")),
    ({"task": "diabetes", "metric": "argmax-of-one-output"}, ("metric", "regression", "--task digits")),
    *(
        ({"task": "digits-rows", "augmentation": name}, (name, "images", "digits-rows", "mixup"))
        for name in ("shift-flip", "cutout", "cutmix", "auto")
    ),
    ({"task": "diabetes", "balance": True}, ("balance", "regression", "--task digits")),
    ({"task": "segmentation", "class_weights": True}, ("class_weights", "segmentation", "--task digits")),
    ({"task": "diabetes", "stable_logits": True}, ("stable_logits", "regression", "--task digits")),
    ({"class_weights": True, "loss_function": "mse"}, ("class_weights", "mse", "leave them out")),
    ({"model": "gan", "weight_average": 0.9}, ("weight_average", "leave it out")),
    ({"model": "gan", "patience": 3}, ("patience", "leave it out")),
    ({"model": "gan", "resume_at": 3}, ("resume_at", "leave it out")),
    ({"model": "gan", "frozen": "body"}, ("frozen", "leave it out")),
    ({"model": "gan", "l1": 0.1}, ("l1", "leave it out")),
    ({"model": "gan", "l2": 0.1}, ("l2", "leave it out")),
    ({"model": "gan", "max_norm_constraint": 3.0}, ("max_norm_constraint", "leave it out")),
    ({"model": "gan", "log_manifold": True}, ("log_manifold", "leave it out")),
    ({"model": "gan", "scheduler": "plateau"}, ("scheduler", "leave it out")),
    ({"task": "diabetes", "loss_function": "cross-entropy"}, ("cross-entropy", "regression", "valid: default, mse")),
    ({"model": "unet", "loss_function": "mse"}, ("mse", "segmentation", "valid: default")),
    ({"model": "mlp", "dropout": 0.5, "dropout_kind": "spatial"}, ("spatial", "mlp", "--model cnn")),
    ({"model": "lstm", "dropout": 0.5, "dropout_kind": "standout"}, ("lstm", "standout", "mlp and cnn")),
    ({"model": "linear", "dropout": 0.5, "dropout_kind": "gaussian"}, ("linear", "gaussian", "mlp and cnn")),
    ({"model": "resnet", "block": "cbr"}, ("resnet", "block residual", "--model cnn")),
    ({"model": "mlp", "normalization": "instance"}, ("instance", "mlp", "try layer")),
    ({"pool_size": 2, "pool_padding": 2}, ("pool_padding is 2", "at most 1")),
    ({"model": "cnn", "compound": 1}, ("compound", "cnn", "width and depth")),
    ({"model": "cnn", "skips": True}, ("skips", "cnn", "--model resnet")),
    ({"model": "cnn", "stochastic_depth": 0.2}, ("stochastic_depth", "cbr", "--model resnet")),
    ({"model": "mlp", "attention": "causal"}, ("attention", "mlp", "leave them out")),
    ({"model": "lstm", "positions": "rotary"}, ("positions", "lstm", "leave them out")),
    ({"task": "characters", "attention": "full"}, ("attention full", "choose causal")),
    ({"task": "characters", "corrupt_every": 5}, ("corrupt_every", "leave them out")),
    ({"model": "cnn", "discriminator_rate": 0.5}, ("discriminator_rate", "cnn", "--model gan")),
    ({"model": "cnn", "policy_task": "digits"}, ("policy_task", "--augmentation learned")),
    *(
        ({"task": "digits-rows", "augmentation": name}, (name, "images", "digits-rows", "mixup"))
        for name in ("cutout-depth", "randaugment", "learned")
    ),
]


@pytest.mark.parametrize(("chosen", "words"), IMPOSSIBLE, ids=str)
def test_what_does_not_go_together_is_named_with_a_way_out(chosen: dict[str, Any], words: tuple[str, ...]) -> None:
    said = refused(**chosen)
    assert [word for word in words if word not in said] == [], said


@pytest.mark.parametrize("kind", CHOICES["dropout_kind"])
def test_a_kind_of_dropout_that_is_not_used_harms_nothing(kind: str) -> None:
    assert Recipe(model="transformer", dropout_kind=kind).dropout == 0.0


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [f.name for f in fields(Recipe) if str(f.type).partition(" ")[0] in ("int", "float") and f.name not in FREE],
)
@pytest.mark.parametrize("value", [-1, float("nan")], ids=str)
def test_no_number_is_negative_or_nan(field: str, value: float) -> None:
    assert refused(**{field: value}).startswith(f"{field} is {value}; it must be ")


@pytest.mark.parametrize(
    "field",
    [
        *("examples", "val_examples", "width", "depth", "kernel_size", "stride", "dilation", "pool_size", "batch_size"),
        *("epochs", "decay_every", "patience", "log_every", "corrupt_every", "resume_at", "imbalance", "pool_stride"),
        *("schedule_epochs", "normalization_groups", "augment_operations", "self_training_rounds"),
    ],
)
def test_what_is_counted_begins_at_one(field: str) -> None:
    assert refused(**{field: 0}) == f"{field} is 0; it must be at least 1"
    assert getattr(Recipe(**{field: 1}), field) == 1


@pytest.mark.parametrize("field", ["dropout", "label_smoothing", "label_noise", "warmup", "weight_average"])
def test_a_share_is_below_one(field: str) -> None:
    assert refused(**{field: 1.0}) == f"{field} is 1.0; it is a share and must be below 1"
    assert getattr(Recipe(**{field: 0.99}), field) == 0.99


def test_what_has_an_end_does_not_pass_it() -> None:
    assert refused(augment_magnitude=11.0) == "augment_magnitude is 11.0; it goes from 0 to 10"
    assert refused(normalization_momentum=1.5).startswith("normalization_momentum is 1.5; it is a share")
    assert refused(stochastic_depth=1.0) == "stochastic_depth is 1.0; it is a share and must be below 1"


@pytest.mark.parametrize("field", ["max_norm_constraint", "gradient_clip", "normalization_epsilon"])
def test_a_limit_is_above_zero(field: str) -> None:
    assert refused(**{field: 0.0}) == f"{field} is 0.0; it must be above 0, or left out"


# --- written ----------------------------------------------------------------------------------------------------------


@given(recipes())
def test_a_recipe_is_complete(recipe: Recipe) -> None:
    for name, valid in CHOICES.items():
        assert getattr(recipe, name) in valid
    assert Recipe(**asdict(recipe)) == recipe


@given(recipes())
def test_a_recipe_comes_back_from_yaml(recipe: Recipe) -> None:
    config = recipe.config()
    said = yaml.safe_dump(config)
    assert yaml.safe_load(said) == config
    assert normalise(yaml.safe_load(said)) == normalise(config)
    assert normalise(normalise(config)) == normalise(config)
    whole = yaml.safe_load(yaml.safe_dump({**asdict(recipe), "corrupt_at": list(recipe.corrupt_at)}))
    assert Recipe(**{**whole, "corrupt_at": tuple(whole["corrupt_at"])}) == recipe


@given(recipes())
def test_the_rules_read_what_the_recipe_says(recipe: Recipe) -> None:
    read = normalise(recipe.config())
    same = ("model", "activation", "initialization", "scheduler", "epochs", "seed", "precision", "learning_rate")
    same += ("normalize_inputs", "dropout", "label_smoothing")
    assert {name: read[name] for name in same} == {name: getattr(recipe, name) for name in same}
    for name in ("gradient_clip", "max_norm_constraint", "patience"):
        assert read.get(name) == getattr(recipe, name)
    assert read["early_stopping"] == (recipe.patience is not None)
    assert read["augmentation"] == (False if recipe.augmentation == "none" else recipe.augmentation)
    assert read.get("num_classes") == (10 if recipe.kind == "classification" else None)
    assert read["weight_decay"] == (recipe.weight_decay or recipe.l2)
    for name in ("kernel_size", "stride", "pool_size", "block", "head", "padding", "pooling", "convolution"):
        assert (name in read) == (recipe.model in CONVOLUTIONAL)
    assert ("dilation" in read) == (recipe.model in CONVOLUTIONAL and recipe.convolution == "dilated")
    assert ("warmup" in read) == recipe.scheduler.startswith("warmup")
    assert ("restore_optimizer" in read) == (recipe.resume_at is not None)
    assert ("corruption" in read) == bool(recipe.corrupt_at or recipe.corrupt_every)


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
def test_the_rules_know_the_optimizer_and_its_momentum(optimizer: str) -> None:
    read = normalise(Recipe(optimizer=optimizer, momentum=0.8).config())
    kind = optimizers.known(read["optimizer"])
    assert kind is not None
    inert = optimizer in ("momentum", "nesterov")
    if kind.family == "sgd":
        assert read["optimizer"] == "sgd"
        assert read["momentum"] == (0.8 if inert else 0.0)
        assert read["nesterov"] == (optimizer == "nesterov")
    else:
        assert read["optimizer"] == optimizer
        assert "momentum" not in read
    assert kind.decoupled == (optimizer == "adamw")


def test_an_l2_term_beside_a_weight_decay_keeps_its_name() -> None:
    read = normalise(Recipe(weight_decay=0.1, l2=0.2).config())
    assert (read["weight_decay"], read["l2"]) == (0.1, 0.2)


@pytest.mark.parametrize(("descent", "size"), [("batch", None), ("mini-batch", 16), ("stochastic", 1)])
def test_the_batch_size_is_that_of_the_steps(descent: str, size: int | None) -> None:
    assert normalise(Recipe(descent=descent, batch_size=16).config()).get("batch_size") == size


def test_the_digest_is_that_of_what_was_chosen() -> None:
    assert Recipe().digest == Recipe(model="cnn", epochs=30).digest != Recipe(seed=1).digest
    asked = {  # what one model alone has
        "compound": {"model": "efficientnet"},
        "skips": {"model": "mlp"},
        "stochastic_depth": {"model": "resnet"},
        "attention": {"model": "transformer"},
        "positions": {"model": "transformer"},
        "discriminator_rate": {"model": "gan"},
        "policy_task": {"augmentation": "learned"},
    }
    chosen = {Recipe(**{name: values[0], **asked.get(name, {})}).digest for name, values in SETTINGS.items()}
    assert len(chosen) == len(SETTINGS)


def test_new_parts_are_written_where_they_are_chosen() -> None:
    assert not set(QUIET) & set(Recipe().config())
    assert Recipe(pool_stride=1).config()["pool_stride"] == 1
    assert Recipe(model="efficientnet").config()["stochastic_depth"] == 0.2


def test_what_is_not_used_is_not_written() -> None:
    assert not {"balance", "class_weights", "stable_logits", "weight_average"} & set(Recipe().config())
    assert Recipe(class_weights=True).config()["class_weights"] is True
    assert None not in Recipe().config().values()
    assert "corrupt_at" not in Recipe().config()
    assert Recipe(corrupt_at=(3, 5)).config()["corrupt_at"] == [3, 5]
