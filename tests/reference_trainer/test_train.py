"""The loop does what the recipe says, each part of it, and the same every time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reference_trainer import models, monitors, regularizers
from reference_trainer.attentions import SelfAttention
from reference_trainer.augmentations import AUGMENTATIONS
from reference_trainer.data import TASKS
from reference_trainer.learner import DIMENSION, THROUGHPUT, Learner, Result, batches, device_of, freeze, reproducible
from reference_trainer.logs import Log, Row
from reference_trainer.losses import loss_of
from reference_trainer.optimizers import OPTIMIZERS
from reference_trainer.recipe import CHOICES, CONVOLUTIONAL, MODEL_TASKS, Recipe, RecipeError
from reference_trainer.regularizers import DROPOUTS
from reference_trainer.schedules import SCHEDULES
from reference_trainer.train import learner_of, one_epoch, train

SMALL: Mapping[str, Any] = {"examples": 96, "val_examples": 40, "epochs": 2}
"""Three steps per epoch."""

SUPERVISED = [model for model in MODEL_TASKS if model != "gan"]

NOT_FOR = (("mlp", "spatial"), ("mlp", "instance"))
"""Choices that a recipe refuses: an mlp has no maps."""

PAIRS = [(model, task) for model, tasks in MODEL_TASKS.items() for task in tasks]


class Recorder(Log):
    """A log that keeps what it is given.

    closed: the exit code it was closed with; None while it is open.
    """

    def __init__(self) -> None:
        self.columns: tuple[str, ...] = ()
        self.rows: list[Row] = []
        self.closed: int | None = None

    def open(self, columns: tuple[str, ...]) -> Recorder:
        self.columns = columns
        return self

    def write(self, row: Mapping[str, float]) -> None:
        assert self.closed is None
        assert set(row) <= set(self.columns), set(row) - set(self.columns)
        self.rows.append(dict(row))

    def close(self, exit_code: int = 0) -> None:
        self.closed = exit_code


def test_the_log_is_closed_at_the_end_and_after_an_interrupt() -> None:
    recipe = Recipe(model="linear", epochs=2, examples=64)
    log = Recorder()
    train(recipe, log.open)
    assert (log.closed, len(log.rows)) == (0, 2)

    def interrupt(epoch: int, row: Mapping[str, float]) -> None:
        raise KeyboardInterrupt

    log = Recorder()
    with pytest.raises(KeyboardInterrupt):
        train(recipe, log.open, interrupt)
    assert (log.closed, len(log.rows)) == (1, 1)


def repeatable(rows: list[Row]) -> list[dict[str, str]]:
    """The rows without the throughput, to the last bit, NaN equal to NaN."""
    return [{name: float(value).hex() for name, value in row.items() if name != THROUGHPUT} for row in rows]


def learner(recipe: Recipe) -> Learner:
    """The recipe's training before its first step, as `train` begins it."""
    with reproducible(recipe.seed):
        return learner_of(recipe, TASKS[recipe.task](recipe))


def an_epoch(part: Learner) -> Iterator[Row]:
    """The rows of a first epoch, each before the next step."""
    return one_epoch(part, 1, monitors.Throughput())


def state(model: nn.Module) -> dict[str, Tensor]:
    """Copies of the parameters."""
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def moved(before: Mapping[str, Tensor], model: nn.Module) -> set[str]:
    """Names of the parameters that have changed."""
    return {name for name, value in model.named_parameters() if not torch.equal(before[name], value)}


def assert_trained(result: Result, *, still: bool = False) -> None:
    """All rows and weights are finite, and the weights have moved, or not where they should be `still`."""
    assert all(math.isfinite(value) for row in result.rows for value in row.values())
    assert all(value.isfinite().all() for value in result.model.state_dict().values())
    assert (moved(state(learner(result.recipe).model), result.model) == set()) == still


# --- every part trains ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "task"), PAIRS)
def test_every_model_trains_three_finite_steps_on_each_of_its_tasks(model: str, task: str) -> None:
    result = train(Recipe(**{**SMALL, "epochs": 1}, model=model, task=task))
    assert [row["step"] for row in result.rows] == [3]
    assert_trained(result)
    assert not result.model.training


@pytest.mark.parametrize(
    ("model", "field", "name"),
    [
        (model, field, name)
        for field, valid in CHOICES.items()
        for name in valid
        for model in ("mlp", "cnn")
        if field not in ("task", "model") and (model, name) not in NOT_FOR
    ],
)
def test_every_choice_trains_three_finite_steps(model: str, field: str, name: str) -> None:
    """But for float16, in which Adam's epsilon is 0: a fault, and no fault of the choice."""
    chosen = {**SMALL, "epochs": 1, "model": model, "optimizer": "sgd", "learning_rate": 0.01, "dropout": 0.2}
    if field == "artefact":
        chosen |= {"task": "digits-colour"}
    if field == "policy_task":
        chosen |= {"augmentation": "learned"}
    if field in ("attention", "positions"):
        chosen |= {"model": "transformer"}
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU here")
    result = train(Recipe(**{**chosen, field: name}))
    steps = {("descent", "batch"): 1, ("descent", "stochastic"): 96}.get((field, name), 3)
    assert result.rows[-1]["step"] == steps or (name == "noisy-student" and result.rows[-1]["step"] > 3)
    assert_trained(result, still=(field, name) == ("frozen", "all"))


@pytest.mark.parametrize("model", CONVOLUTIONAL)
@pytest.mark.parametrize("field", ["convolution", "padding", "pooling", "head", "normalization", "activation"])
def test_every_convolutional_model_takes_every_choice(model: str, field: str) -> None:
    for name in CHOICES[field]:
        depth = 1 if field == "padding" else 2  # eight pixels do not last longer
        recipe = Recipe(**{**SMALL, "epochs": 1, "model": model, "depth": depth, field: name})
        part = learner(recipe)
        (row,) = an_epoch(part)
        assert math.isfinite(row["train_loss"])
        assert row["update_ratio"] > 0.0


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (model, kind)
        for model in ("mlp", "rnn", *CONVOLUTIONAL)
        for kind in DROPOUTS
        if kind != "spatial" or model in CONVOLUTIONAL
    ],
)
def test_every_dropout_trains_in_every_model_that_has_a_place_for_it(model: str, kind: str) -> None:
    result = train(Recipe(**{**SMALL, "epochs": 1, "examples": 64}, model=model, dropout=0.4, dropout_kind=kind))
    plain = train(replace(result.recipe, dropout=0.0))
    assert_trained(result)
    assert result.rows[0]["train_loss"] != plain.rows[0]["train_loss"]


@pytest.mark.parametrize("model", ["lstm", "gru", "transformer", "encoder-decoder", "unet", "upscaler"])
def test_plain_dropout_trains_in_the_other_models(model: str) -> None:
    result = train(Recipe(**{**SMALL, "epochs": 1}, model=model, dropout=0.4, depth=2))
    assert_trained(result)
    assert result.rows[0]["train_loss"] != train(replace(result.recipe, dropout=0.0)).rows[0]["train_loss"]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (model, name)
        for model in ("mlp", "cnn", "lstm")
        for name in AUGMENTATIONS
        if name not in ("none", "learned") and (model != "lstm" or "mixup" in name)  # rows are no images
    ],
)
def test_every_augmentation_changes_the_training_and_nothing_but_it(model: str, name: str) -> None:
    result = train(Recipe(**{**SMALL, "epochs": 1}, model=model, augmentation=name))
    assert_trained(result)
    still = replace(result.recipe, learning_rate=0.0, normalization="none")  # what is trained on leaves no trace
    changed, plain = train(still).rows[0], train(replace(still, augmentation="none")).rows[0]
    assert changed["train_loss"] != plain["train_loss"]
    assert changed["val_loss"] == plain["val_loss"]


def test_adamixup_learns_its_own_networks() -> None:
    part = learner(Recipe(**SMALL, model="mlp", augmentation="adamixup"))
    before = state(part.augment)
    list(an_epoch(part))
    assert moved(before, part.augment) == set(before)


def test_the_loss_of_adamixups_own_networks_is_not_logged() -> None:
    """An answer of zeros costs ln 10, whatever the labels were mixed to."""
    rows = train(Recipe(**SMALL, model="mlp", augmentation="adamixup", initialization="zeros", frozen="all")).rows
    assert [row["train_loss"] for row in rows] == pytest.approx([math.log(10.0)] * 2, rel=1e-6)


# --- the same every time ----------------------------------------------------------------------------------------------


@pytest.fixture
def other_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.set_num_threads(2)
        torch.manual_seed(12345)
        torch.rand(7)
        yield
    torch.set_num_threads(threads)


REPEATED: list[dict[str, Any]] = [
    {"model": "mlp", "dropout": 0.5, "dropout_kind": "standout", "log_manifold": True},
    {"model": "cnn", "augmentation": "cutmix", "log_every": 2},
    {"model": "mlp", "augmentation": "adamixup", "optimizer": "momentum"},
    {"model": "mlp", "self_training": "noisy-student", "augmentation": "auto"},
    {"model": "lstm", "label_noise": 0.3, "corrupt_every": 2},
    {"model": "transformer", "dropout": 0.1, "resume_at": 1},
    {"model": "unet", "patience": 1},
    {"model": "gan"},
    {"task": "diabetes", "l1": 1e-3, "max_norm_constraint": 1.0},
    {"model": "mlp", "precision": "float16"},
]


@pytest.mark.parametrize("chosen", REPEATED, ids=str)
def test_the_same_recipe_gives_the_same_rows_whatever_is_around_it(chosen: dict[str, Any], other_threads: None) -> None:
    recipe = Recipe(**SMALL, **chosen, seed=3)
    random, threads = torch.get_rng_state(), torch.get_num_threads()
    first = train(recipe)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.get_num_threads() == threads == 2
    torch.set_num_threads(1)
    torch.manual_seed(999)
    again = train(recipe)
    assert repeatable(first.rows) == repeatable(again.rows)
    for value, other in zip(first.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        assert torch.equal(value.nan_to_num(), other.nan_to_num())
    assert repeatable(train(replace(recipe, seed=4)).rows) != repeatable(first.rows)


def test_all_is_as_before_after_an_error(other_threads: None) -> None:
    random = torch.get_rng_state()

    def fail() -> None:
        with reproducible(0):
            torch.rand(3)
            assert torch.get_num_threads() == 1
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.get_num_threads() == 2


def test_a_model_is_trained_within_an_evaluation() -> None:
    recipe = Recipe(**SMALL, model="mlp")
    with torch.no_grad():
        assert repeatable(train(recipe).rows) == repeatable(train(recipe).rows)
        assert_trained(train(recipe))
    with torch.no_grad():
        inside = train(recipe)
        assert not torch.is_grad_enabled()
    assert repeatable(inside.rows) == repeatable(train(recipe).rows)


# --- rows and columns -------------------------------------------------------------------------------------------------


def test_one_row_per_epoch() -> None:
    rows = train(Recipe(**{**SMALL, "epochs": 4}, model="mlp")).rows
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 3), (2, 6), (3, 9), (4, 12)]
    assert all({"train_loss", "val_loss", "learning_rate", THROUGHPUT} <= set(row) for row in rows)


@pytest.mark.parametrize("every", [1, 2, 3, 4, 50])
def test_a_row_every_so_many_steps_and_one_per_epoch(every: int) -> None:
    rows = train(Recipe(**{**SMALL, "epochs": 4}, model="mlp", log_every=every)).rows
    expected = sorted({*range(every, 13, every), *range(3, 13, 3)})
    assert [row["step"] for row in rows] == expected
    assert [row["epoch"] for row in rows] == [(step + 2) // 3 for step in expected]
    for row in rows:
        assert ("train_loss" in row) == ("grad_norm" in row) == (row["step"] % every == 0)
        assert ("val_loss" in row) == (row["step"] % 3 == 0)


def test_the_training_loss_is_the_mean_since_the_row_before() -> None:
    chosen = {**SMALL, "epochs": 2, "model": "mlp"}
    fine = [row["train_loss"] for row in train(Recipe(**chosen, log_every=1)).rows]
    assert [row["train_loss"] for row in train(Recipe(**chosen)).rows] == pytest.approx(
        [sum(fine[:3]) / 3, sum(fine[3:]) / 3], rel=1e-6
    )
    assert [row["train_loss"] for row in train(Recipe(**chosen, log_every=2)).rows if "train_loss" in row] == (
        pytest.approx([sum(fine[step : step + 2]) / 2 for step in (0, 2, 4)], rel=1e-6)
    )


@pytest.mark.parametrize("model", MODEL_TASKS)
@pytest.mark.parametrize("more", [{}, {"log_every": 2, "log_manifold": True, "resume_at": 1}], ids=["plain", "more"])
def test_the_columns_are_those_of_the_rows(model: str, more: dict[str, Any]) -> None:
    chosen = {**more} if model != "gan" else {"log_every": 2} if more else {}
    log = Recorder()
    result = train(Recipe(**SMALL, **chosen, model=model), log.open)
    assert log.rows == result.rows
    assert len(set(log.columns)) == len(log.columns)
    never = set(log.columns) - {name for row in log.rows for name in row}
    assert all(name.startswith(DIMENSION) for name in never), never  # a layer that is dead throughout has none
    assert any(name.startswith(DIMENSION) for row in log.rows for name in row) == chosen.get("log_manifold", False)
    assert log.columns[:2] == ("epoch", "step")


@pytest.mark.parametrize(
    "chosen", [*REPEATED, {"model": "mlp", "initialization": "zeros", "log_manifold": True}], ids=str
)
def test_no_row_has_what_is_no_column(chosen: dict[str, Any]) -> None:
    train(Recipe(**SMALL, **chosen), Recorder().open)


def test_a_class_without_validation_examples_is_absent_from_the_row() -> None:
    log = Recorder()
    train(Recipe(**{**SMALL, "val_examples": 3}, model="linear"), log.open)
    assert {f"val_accuracy/{label}" for label in range(10)} <= set(log.columns)
    assert len([name for name in log.rows[0] if name.startswith("val_accuracy/")]) <= 3


def test_a_row_is_written_before_the_next_step_and_told_after_every_epoch() -> None:
    log, told = Recorder(), []
    train(
        Recipe(**SMALL, model="mlp", log_every=1), log.open, lambda epoch, row: told.append((epoch, len(log.rows), row))
    )
    assert [(epoch, written) for epoch, written, _ in told] == [(1, 3), (2, 6)]
    assert [row for _, _, row in told] == [log.rows[2], log.rows[5]]


def test_the_throughput_is_that_of_the_training_without_the_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    now, validate = [0.0], Learner.validate

    def slow(self: Learner) -> dict[str, float]:
        now[0] += 1000.0
        return validate(self)

    def prepared(self: Learner, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        now[0] += 0.5
        return plain(self, x, y)

    plain = Learner.prepared
    monkeypatch.setattr(Learner, "validate", slow)
    monkeypatch.setattr(Learner, "prepared", prepared)
    monkeypatch.setattr(monitors, "Throughput", partial(monitors.Throughput, clock=lambda: now[0]))
    for every in (None, 1):
        rows = train(Recipe(**SMALL, model="mlp", log_every=every)).rows
        assert {row[THROUGHPUT] for row in rows} == {64.0}


def test_what_validation_says_is_what_the_model_does() -> None:
    result = train(Recipe(**SMALL, model="cnn"))
    data = learner(result.recipe).data
    outputs = result.model(data.val_x).detach()
    last = result.rows[-1]
    assert last["val_loss"] == pytest.approx(float(nn.functional.cross_entropy(outputs, data.val_y)), rel=1e-6)
    right = outputs.argmax(dim=1) == data.val_y
    assert last["val_accuracy"] == int(right.sum()) / 40
    for label in range(10):
        if (data.val_y == label).any():
            assert last[f"val_accuracy/{label}"] == pytest.approx(float(right[data.val_y == label].float().mean()))


def test_data_can_be_brought_along() -> None:
    recipe = Recipe(**SMALL, model="mlp")
    own = learner(Recipe(examples=64, seed=9)).data
    result = train(recipe, data=own)
    assert result.rows[-1]["step"] == 4
    assert result.rows[-1]["val_loss"] == pytest.approx(
        float(loss_of(recipe)(result.model(own.val_x), own.val_y).detach())
    )


# --- batches ----------------------------------------------------------------------------------------------------------


def test_batches_hold_every_example_once_in_a_new_order_each_time() -> None:
    data = learner(Recipe(examples=96)).data
    first, second = (torch.cat([x for x, _ in batches(data, 32, shuffle=True)]) for _ in range(2))
    assert not torch.equal(first, second)
    for seen in (first, second):
        assert len(torch.unique(torch.cat([seen, data.x]), dim=0)) == 96
    assert torch.equal(torch.cat([x for x, _ in batches(data, 32, shuffle=False)]), data.x)


def test_what_is_left_over_waits() -> None:
    data = learner(Recipe(examples=70)).data
    assert [len(x) for x, _ in batches(data, 32, shuffle=True)] == [32, 32]
    missed = {
        example.numpy().tobytes()
        for _ in range(20)
        for example in data.x
        if not (torch.cat([x for x, _ in batches(data, 32, shuffle=True)]) == example).flatten(1).all(1).any()
    }
    assert len(missed) > 30  # others every time


def test_labels_stay_with_their_examples() -> None:
    data = learner(Recipe(examples=96)).data
    label = {example.numpy().tobytes(): int(y) for example, y in zip(data.x, data.y, strict=True)}
    for x, y in batches(data, 32, shuffle=True):
        assert [label[example.numpy().tobytes()] for example in x] == y.tolist()


# --- NaN --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chosen",
    [
        {"model": "mlp", "normalization": "none", "optimizer": "sgd", "learning_rate": 1e30},
        {"model": "mlp", "precision": "float16"},
        *(
            {"model": "mlp", "precision": "float16", "dropout": 0.3, "dropout_kind": kind}
            for kind in DROPOUTS
            if kind != "spatial"
        ),
        {"model": "upscaler", "optimizer": "sgd", "learning_rate": 1e30},
        {"task": "diabetes", "optimizer": "sgd", "learning_rate": 1e30, "normalization": "none", "patience": 90},
    ],
    ids=str,
)
def test_nan_stands_in_the_rows_to_the_end(chosen: dict[str, Any]) -> None:
    log = Recorder()
    result = train(Recipe(**{**SMALL, "epochs": 6}, **chosen, scheduler="constant"), log.open)
    assert len(result.rows) == len(log.rows) == 6
    assert math.isnan(result.rows[-1]["train_loss"])
    assert math.isnan(result.rows[-1]["val_loss"])


# --- early stopping ---------------------------------------------------------------------------------------------------

OVERFITTING: Mapping[str, Any] = {
    "model": "mlp", "normalization": "none", "examples": 48, "batch_size": 8, "scheduler": "constant",
    "learning_rate": 0.01, "epochs": 60,
}  # fmt: skip


def test_early_stopping_ends_in_time_with_the_best_weights() -> None:
    whole, stopped = train(Recipe(**OVERFITTING)), train(Recipe(**OVERFITTING, patience=4))
    losses = [row["val_loss"] for row in stopped.rows]
    best = losses.index(min(losses))
    assert len(losses) == best + 1 + 4 < 60
    assert repeatable(whole.rows[: len(losses)]) == repeatable(stopped.rows)
    data = learner(stopped.recipe).data
    found = float(nn.functional.cross_entropy(stopped.model(data.val_x).detach(), data.val_y))
    assert found == pytest.approx(min(losses), rel=1e-6)
    assert found < losses[-1]


def test_early_stopping_restores_the_best_weights_of_a_training_that_ends_first() -> None:
    result = train(Recipe(**OVERFITTING, patience=59))
    losses = [row["val_loss"] for row in result.rows]
    assert len(losses) == 60
    data = learner(result.recipe).data
    assert float(nn.functional.cross_entropy(result.model(data.val_x).detach(), data.val_y)) == pytest.approx(
        min(losses)
    )


@pytest.mark.parametrize(("stop_on", "column", "best"), [("loss", "val_loss", min), ("metric", "val_accuracy", max)])
def test_early_stopping_looks_at_what_it_is_told(stop_on: str, column: str, best: Callable[..., float]) -> None:
    rows = train(Recipe(**OVERFITTING, patience=3, stop_on=stop_on, min_delta=0.01)).rows
    values, kept = [row[column] for row in rows], [0]
    for epoch, value in enumerate(values):
        gain = value - values[kept[-1]] if best is max else values[kept[-1]] - value
        if gain > 0.01:
            kept.append(epoch)
    assert len(values) == kept[-1] + 1 + 3


def test_early_stopping_leaves_the_last_weights_where_it_is_told_to() -> None:
    result = train(Recipe(**OVERFITTING, patience=4, restore_best=False))
    data = learner(result.recipe).data
    found = float(nn.functional.cross_entropy(result.model(data.val_x).detach(), data.val_y))
    assert found == pytest.approx(result.rows[-1]["val_loss"], rel=1e-6)


# --- device -----------------------------------------------------------------------------------------------------------


def test_auto_takes_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, device in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert device_of(Recipe(device="auto")).type == device
        assert device_of(Recipe(device="cpu")).type == "cpu"


def test_a_device_that_is_not_there_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RecipeError, match="device is cuda; PyTorch sees no GPU here, choose --device cpu, or auto"):
        train(Recipe(**SMALL, device="cuda"))


@pytest.mark.parametrize(
    "chosen",
    [
        *({"model": model} for model in MODEL_TASKS),
        *({"task": "characters", "positions": name} for name in CHOICES["positions"]),
        *({"model": "mlp", "dropout": 0.5, "dropout_kind": kind} for kind in DROPOUTS if kind != "spatial"),
        *({"model": "cnn", "augmentation": name} for name in AUGMENTATIONS),
        *({"model": "cnn", "normalization": name} for name in CHOICES["normalization"]),
        *({"model": "cnn", "head": name} for name in CHOICES["head"]),
        {"model": "cnn", "l1": 1e-3, "label_smoothing": 0.1},
        {"model": "efficientnet", "compound": 1},
    ],
    ids=str,
)
def test_all_of_a_step_is_on_one_device(chosen: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """On PyTorch's device without memory, where nothing from another may take part: there is one on every machine."""
    monkeypatch.setattr("reference_trainer.learner.device_of", lambda recipe: torch.device("meta"))
    recipe = Recipe(**{**SMALL, **chosen})
    part = learner_of(recipe, TASKS[recipe.task](recipe))
    x, y = part.prepared(part.data.x[:32], part.data.y[:32])
    for player in part.players:
        outputs = player.forward(x)
        loss = part.objective(player.loss(outputs, y))
        loss.backward()
        assert loss.device.type == outputs.device.type == "meta"


@pytest.mark.parametrize("model", ["mlp", "cnn", "unet", "upscaler", "gan", "transformer"])
def test_a_recipe_learns_the_same_on_the_gpu(model: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU here")
    here, there = (train(Recipe(**SMALL, model=model, device=device)) for device in ("cpu", "cuda"))
    assert there.rows[0].keys() == here.rows[0].keys()
    assert all(math.isfinite(value) for row in there.rows for value in row.values())
    assert {parameter.device.type for parameter in there.model.parameters()} == {"cpu"}


# --- freezing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", SUPERVISED)
def test_frozen_weights_stay(model: str) -> None:
    chosen = {**SMALL, "epochs": 1, "model": model, "weight_decay": 0.1}
    for frozen in ("all", "body"):
        recipe = Recipe(**chosen, frozen=frozen)
        before = state(learner(recipe).model)
        changed = moved(before, train(recipe).model)
        head = {name for name in before if name.startswith("classifier.")}
        assert head
        assert changed == (set() if frozen == "all" else head)


def test_what_is_frozen_needs_no_gradient() -> None:
    model = learner(Recipe(model="mlp")).model
    freeze(model, "none")
    assert all(parameter.requires_grad for parameter in model.parameters())
    freeze(model, "all")
    assert not any(parameter.requires_grad for parameter in model.parameters())
    rows = train(Recipe(**SMALL, model="mlp", frozen="all")).rows
    assert {(row["grad_norm"], row["update_ratio"]) for row in rows} == {(0.0, 0.0)}


# --- resuming ---------------------------------------------------------------------------------------------------------

ORDERED: Mapping[str, Any] = {
    "model": "mlp", "examples": 96, "val_examples": 40, "epochs": 6, "shuffle": False, "log_every": 1
}  # fmt: skip
"""Nothing is random but the first weights: a new process draws another order of the examples."""


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_checkpoint_with_the_optimizers_state_is_no_interruption(optimizer: str) -> None:
    plain = Recipe(**ORDERED, optimizer=optimizer, scheduler="constant")
    assert repeatable(train(plain).rows) == repeatable(train(replace(plain, resume_at=3)).rows)


@pytest.mark.parametrize("scheduler", SCHEDULES)
def test_the_schedule_goes_on_after_a_checkpoint(scheduler: str) -> None:
    plain = Recipe(**ORDERED, optimizer="momentum", scheduler=scheduler)
    assert repeatable(train(plain).rows) == repeatable(train(replace(plain, resume_at=3)).rows)


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "sgd"])
def test_a_checkpoint_without_the_optimizers_state_is_one(optimizer: str) -> None:
    plain = Recipe(**ORDERED, optimizer=optimizer, scheduler="constant")
    rows, resumed = (repeatable(train(replace(plain, **more)).rows) for more in (
        {}, {"resume_at": 3, "restore_optimizer": False}
    ))  # fmt: skip
    assert rows[:9] == resumed[:9]
    assert rows[9]["train_loss"] == resumed[9]["train_loss"]  # the weights were kept: the first loss is the same
    assert rows[10]["train_loss"] != resumed[10]["train_loss"]


def test_sgd_has_no_state_to_lose() -> None:
    plain = Recipe(**ORDERED, optimizer="sgd", scheduler="constant")
    resumed = replace(plain, resume_at=3, restore_optimizer=False)
    assert repeatable(train(plain).rows) == repeatable(train(resumed).rows)


@pytest.mark.parametrize("model", SUPERVISED)
def test_a_checkpoint_holds_everything_that_was_learned(model: str) -> None:
    part = learner(Recipe(**SMALL, model=model))
    with reproducible(0):
        list(an_epoch(part))
        before = {name: value.clone() for name, value in part.model.state_dict().items()}
        part.resume(with_optimizer=True)
    for name, value in part.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_checkpoint_holds_what_adamixup_has_learned() -> None:
    part = learner(Recipe(**SMALL, model="mlp", augmentation="adamixup"))
    before = state(part.augment)
    part.resume(with_optimizer=True)
    assert moved(before, part.augment) == set()


# --- corruption -------------------------------------------------------------------------------------------------------

STILL: Mapping[str, Any] = {**ORDERED, "epochs": 3, "normalization": "none", "learning_rate": 0.0}
"""Weights that do not move: what a step sees is all that tells it from another."""


@pytest.mark.parametrize(
    ("chosen", "spoiled"), [({"corrupt_at": (2, 7)}, {2, 7}), ({"corrupt_every": 4}, {4, 8})], ids=str
)
def test_only_the_steps_that_are_named_are_corrupted(chosen: dict[str, Any], spoiled: set[int]) -> None:
    clean, corrupted = train(Recipe(**STILL)), train(Recipe(**STILL, **chosen))
    for row, other in zip(repeatable(clean.rows), repeatable(corrupted.rows), strict=True):
        step = int(float.fromhex(row["step"]))
        if step not in spoiled:
            assert row == other
    loss = {row["step"]: row["train_loss"] for row in corrupted.rows}
    assert all(
        loss[step] > 3.0 * max(value for other, value in loss.items() if other not in spoiled) for step in spoiled
    )


def test_a_corrupted_batch_has_long_inputs_and_wrong_labels() -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    recipe = Recipe(**STILL, corrupt_at=(2,), corruption=7.0)
    prepared = Learner.prepared

    def watched(self: Learner, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        seen.append((x, y))
        return prepared(self, x, y)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "prepared", watched)
        train(recipe)
    (clean_x, clean_y), (x, y) = seen[4], seen[1]  # the same batch, an epoch later
    assert torch.equal(x, 7.0 * clean_x)
    assert not torch.equal(y, clean_y)
    assert y.sort().values.tolist() == clean_y.sort().values.tolist()


# --- regularization ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["mlp", "cnn", "lstm", "transformer", "unet"])
def test_the_max_norm_holds_at_the_end(model: str) -> None:
    limit = 0.4
    recipe = Recipe(**SMALL, model=model, max_norm_constraint=limit, learning_rate=0.01)

    def longest(model: nn.Module) -> float:
        layers = [part for part in model.modules() if isinstance(part, nn.Linear | nn.Conv2d | nn.RNNBase)]
        rows = [p.flatten(1).norm(dim=1).max() for layer in layers for p in layer.parameters(False) if p.dim() > 1]
        return float(torch.stack(rows).detach().max())

    assert longest(train(recipe).model) <= limit * (1.0 + 1e-5)
    assert longest(train(replace(recipe, max_norm_constraint=None)).model) > limit


def change(recipe: Recipe, part: str = "") -> float:
    """How far the recipe's one step moves the weights."""
    before, result = state(learner(recipe).model), train(recipe)
    assert result.rows[-1]["step"] == 1
    steps = [p - before[name] for name, p in result.model.named_parameters() if name.startswith(part)]
    return float(torch.cat([step.detach().flatten() for step in steps]).norm())


def test_clipping_bounds_the_step_and_not_the_norm_that_is_logged() -> None:
    recipe = Recipe(model="mlp", optimizer="sgd", learning_rate=0.5, scheduler="constant", descent="batch", epochs=1)
    norm = train(recipe).rows[0]["grad_norm"]
    assert change(recipe) == pytest.approx(0.5 * norm, rel=1e-3)
    clipped = replace(recipe, gradient_clip=0.1 * norm)
    assert change(clipped) == pytest.approx(0.05 * norm, rel=1e-3)
    assert train(clipped).rows[0]["grad_norm"] == norm
    assert change(replace(recipe, gradient_clip=2.0 * norm)) == pytest.approx(0.5 * norm, rel=1e-3)


def test_adversaries_are_clipped_one_by_one() -> None:
    """Each has a step of the whole limit, whatever gradient the other has left over."""
    recipe = Recipe(
        model="gan", optimizer="sgd", learning_rate=1.0, scheduler="constant", descent="batch", epochs=1,
        examples=64, gradient_clip=1e-3,
    )  # fmt: skip
    for part in ("generator.", "discriminator."):
        assert change(recipe, part) == pytest.approx(1e-3, rel=1e-2)
    clipped, free = (train(replace(recipe, gradient_clip=limit)).rows[0] for limit in (1e-3, None))
    assert clipped["grad_norm"] > 1e-2  # before the clipping, as everywhere
    assert clipped["discriminator_loss"] == free["discriminator_loss"]


@pytest.mark.parametrize("name", regularizers.PENALTIES)
@pytest.mark.parametrize("task", ["digits", "diabetes", "segmentation"])
def test_a_penalty_is_part_of_both_losses(name: str, task: str) -> None:
    model = {"segmentation": "unet"}.get(task, "mlp")
    still = {**SMALL, "model": model, "task": task, "learning_rate": 0.0, "scheduler": "constant"}
    plain, penalized = train(Recipe(**still)), train(Recipe(**still, **{name: 0.01}))
    expected = 0.01 * float(regularizers.PENALTIES[name](plain.model).detach())
    assert expected > 0.1
    for row, other in zip(plain.rows, penalized.rows, strict=True):
        for loss in ("train_loss", "val_loss"):
            assert other[loss] - row[loss] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", regularizers.PENALTIES)
def test_a_penalty_shrinks_the_weights(name: str) -> None:
    sizes = [
        float(regularizers.PENALTIES[name](train(Recipe(**SMALL, model="mlp", **{name: factor})).model).detach())
        for factor in (0.0, 0.1)
    ]
    assert sizes[1] < 0.99 * sizes[0]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weight_decay_shrinks_weights_and_no_biases(optimizer: str) -> None:
    chosen = {**SMALL, "model": "mlp", "optimizer": optimizer, "learning_rate": 0.01, "scheduler": "constant"}
    plain, decayed = (train(Recipe(**chosen, weight_decay=decay, bias=1.0)).model for decay in (0.0, 2.0))
    assert float(regularizers.l2(decayed).detach()) < 0.9 * float(regularizers.l2(plain).detach())
    biases = [p.detach() for name, p in decayed.named_parameters() if name.endswith("bias") and "classifier" in name]
    assert all((bias > 0.9).all() for bias in biases)


def test_label_smoothing_raises_the_lowest_loss() -> None:
    chosen = {"model": "mlp", "examples": 32, "val_examples": 20, "epochs": 120, "learning_rate": 0.01}
    plain, smoothed = (train(Recipe(**chosen, label_smoothing=amount)).rows[-1] for amount in (0.0, 0.3))
    floor = -(0.73 * math.log(0.73) + 9 * 0.03 * math.log(0.03))  # the entropy of what is to be learned
    assert plain["train_loss"] < 0.1
    assert floor <= smoothed["train_loss"] < 1.2 * floor


# --- the rest of the recipe -------------------------------------------------------------------------------------------


def test_without_shuffling_every_epoch_is_the_same() -> None:
    rows = train(Recipe(**STILL)).rows
    losses = [row["train_loss"] for row in rows]
    assert losses[:3] == losses[3:6] == losses[6:]
    assert len(set(losses)) == 3


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_everything_is_computed_in_the_precision_of_the_recipe(precision: str) -> None:
    part = learner(Recipe(**SMALL, model="cnn", precision=precision, optimizer="momentum"))
    dtype = getattr(torch, precision)
    list(an_epoch(part))
    assert {p.dtype for p in part.model.parameters()} == {dtype}
    state = [
        value
        for held in part.players[0].optimizer.state.values()
        for value in held.values()
        if isinstance(value, Tensor)
    ]
    assert {value.dtype for value in state} == {dtype}


def test_activations_are_looked_at_on_training_examples_without_effect() -> None:
    recipe = Recipe(**SMALL, model="cnn", dropout=0.3)
    watched = train(replace(recipe, log_manifold=True)).rows
    assert any(name.startswith(DIMENSION) for name in watched[0])
    bare = [{name: v for name, v in row.items() if not name.startswith(DIMENSION)} for row in watched]
    assert repeatable(bare) == repeatable(train(recipe).rows)


def test_dead_relus_are_told_and_live_ones_too() -> None:
    dead = train(Recipe(**SMALL, model="mlp", normalization="none", bias=-50.0)).rows
    assert [row["dead_relu_share"] for row in dead] == [1.0, 1.0]
    assert train(Recipe(**SMALL, model="mlp")).rows[0]["dead_relu_share"] < 0.2
    assert "dead_relu_share" not in train(Recipe(**SMALL, model="mlp", activation="tanh")).rows[0]


def test_a_metric_that_cannot_move_does_not() -> None:
    chosen = {**SMALL, "epochs": 5, "model": "mlp"}
    rows = train(Recipe(**chosen, metric="argmax-of-one-output")).rows
    assert len({row["val_accuracy"] for row in rows}) == 1
    assert [row["val_loss"] for row in rows] == [row["val_loss"] for row in train(Recipe(**chosen)).rows]


# --- classes, averages, schedules of another length -------------------------------------------------------------------


def test_balanced_batches_hold_every_class_equally_often() -> None:
    recipe = Recipe(model="mlp", task="digits-imbalanced")
    part = learner(recipe)
    plain, balanced = (
        torch.cat([y for _, y in batches(part.data, 32, shuffle=True, balance=wanted)]) for wanted in (False, True)
    )
    assert len(plain) == len(balanced)
    counts = torch.bincount(balanced, minlength=10)
    assert float(torch.bincount(plain, minlength=10)[0]) > 0.4 * len(plain)
    assert float(counts.max()) < 2.0 * len(balanced) / 10


def test_the_average_of_the_weights_is_what_is_validated_and_kept() -> None:
    recipe = Recipe(model="linear", epochs=2, weight_average=0.9, log_every=1)
    part = learner(recipe)
    follow = [parameter.clone() for parameter in part.model.parameters()]
    first = True
    for _ in an_epoch(part):
        new = [parameter.detach() for parameter in part.model.parameters()]
        follow = [b.clone() if first else 0.9 * a + 0.1 * b for a, b in zip(follow, new, strict=True)]
        first = False
    for kept, known in zip(part.judged.parameters(), follow, strict=True):
        torch.testing.assert_close(kept, known)
    assert not torch.equal(next(part.judged.parameters()), next(part.model.parameters()))
    part.judged.eval()
    outputs = part.judged(part.data.val_x)
    assert part.validate()["val_loss"] == pytest.approx(float(part.loss(outputs, part.data.val_y).detach()))


def test_a_checkpoint_holds_the_average() -> None:
    plain = Recipe(**ORDERED, scheduler="constant", weight_average=0.9)
    assert repeatable(train(plain).rows) == repeatable(train(replace(plain, resume_at=3)).rows)


def test_a_schedule_may_be_made_for_another_length() -> None:
    short, whole = (train(Recipe(model="linear", epochs=3, schedule_epochs=count)).rows for count in (6, 3))
    assert short[-1]["learning_rate"] == pytest.approx(0.5 * Recipe().learning_rate, rel=0.03)
    assert whole[-1]["learning_rate"] < 0.01 * Recipe().learning_rate


def test_scaled_queries_change_nothing_where_they_are_normalized() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(8, 2, 0.0, normalized=True, rotary=False)
    sequence = torch.randn(3, 5, 8)
    before, _ = attention(sequence, sequence, sequence)
    with torch.no_grad():
        attention.projection.weight[:16] *= 100.0
        attention.projection.bias[:16] *= 100.0
    after, _ = attention(sequence, sequence, sequence)
    torch.testing.assert_close(before, after, rtol=1e-3, atol=1e-3)
    model = models.build(Recipe(model="transformer", stable_logits=True), (8, 8), 10)
    assert sum(isinstance(module, SelfAttention) for module in model.modules()) == 2
    model.eval()
    with torch.no_grad():
        assert model(torch.randn(4, 8, 8)).shape == (4, 10)
