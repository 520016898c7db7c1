"""A noisy student learns more from the same labels than its teacher; without spare examples nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import mean
from typing import Any

import pytest
import torch

from reference_trainer.data import TASKS, Data
from reference_trainer.losses import probabilities
from reference_trainer.recipe import CHOICES, Recipe
from reference_trainer.self_training import CONFIDENT, SELF_TRAINING, balanced, noisy_student, none, teacher
from reference_trainer.train import fit, train

LABELLED = 100


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def prepared(**chosen: Any) -> tuple[Recipe, Data, Data]:
    """A recipe, its data, and what self-training makes of them."""
    defaults = {"model": "mlp", "examples": LABELLED, "epochs": 10, "self_training": "noisy-student"}
    recipe = Recipe(**{**defaults, **chosen})
    data = TASKS[recipe.task](recipe)
    return recipe, data, SELF_TRAINING[recipe.self_training](recipe, data, fit)


def test_the_parts_are_those_of_the_recipe() -> None:
    assert tuple(SELF_TRAINING) == CHOICES["self_training"]


def test_without_self_training_the_data_stay_as_they_are() -> None:
    recipe = Recipe(examples=10)
    data = TASKS["digits"](recipe)
    assert none(recipe, data, fit) is data


def test_without_spare_examples_the_data_stay_as_they_are() -> None:
    recipe = Recipe(model="mlp", self_training="noisy-student")
    data = TASKS["digits"](recipe)
    assert noisy_student(recipe, data, fit) is data
    without = replace(data, spare=None)
    assert noisy_student(recipe, without, fit) is without
    plain = train(Recipe(model="mlp", epochs=1)).rows[0]
    student = train(Recipe(model="mlp", epochs=1, self_training="noisy-student")).rows[0]
    assert plain["val_loss"] == student["val_loss"]


@pytest.mark.parametrize("task", ["digits", "digits-rows"])
def test_labels_are_probabilities_and_the_labelled_come_first(task: str) -> None:
    _, before, after = prepared(task=task, model="mlp" if task == "digits" else "gru", epochs=6, self_training_rounds=1)
    assert torch.equal(after.x[:LABELLED], before.x)
    assert torch.equal(after.y[:LABELLED], probabilities(before.y, 10))
    assert before.spare is not None
    assert LABELLED < len(after.x) == len(after.y) <= LABELLED + len(before.spare)
    assert after.y.shape == (len(after.x), 10)
    assert after.y.min() >= 0.0
    torch.testing.assert_close(after.y.sum(dim=1), torch.ones(len(after.y)))
    assert torch.equal(after.val_x, before.val_x)
    assert torch.equal(after.val_y, before.val_y)
    assert not after.y.requires_grad


def test_only_confident_answers_are_learned_and_they_stay_soft() -> None:
    _, _, after = prepared()
    told = after.y[LABELLED:].max(dim=1).values
    assert told.min() >= CONFIDENT
    assert float((told < 0.95).float().mean()) > 0.05


def test_every_class_is_learned_as_often() -> None:
    _, _, after = prepared()
    counts = torch.bincount(after.y[LABELLED:].argmax(dim=1), minlength=10)
    assert len(counts.unique()) == 1


def test_the_surest_are_kept_and_the_few_come_again() -> None:
    answers = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.95, 0.05], [0.4, 0.6], [0.51, 0.49]])
    answers = torch.cat([answers, torch.tensor([[0.3, 0.3]])])  # of nothing confident
    assert balanced(answers).tolist() == [3, 0, 1, 4, 4, 4]  # six confident answers, three of each class
    assert balanced(torch.full((4, 10), 0.1)).tolist() == []


def test_teachers_are_noised_and_narrower_and_label_without_noise() -> None:
    """Each as noisy as the student; half as wide, then wider; in eval, on the examples as they are."""
    recipe = Recipe(
        model="mlp",
        width=40,
        dropout=0.1,
        augmentation="shift-flip",
        examples=LABELLED,
        batch_size=20,
        epochs=8,
        self_training="noisy-student",
        self_training_rounds=3,
        log_every=2,
        log_manifold=True,
    )
    data = TASKS["digits"](recipe)
    trained: list[tuple[Recipe, Data]] = []

    def watched(own: Recipe, given: Data) -> torch.nn.Module:
        trained.append((own, given))
        model = fit(own, given)
        model.register_forward_pre_hook(lambda module, inputs: labelled_from.append((module.training, inputs[0])))
        return model

    labelled_from: list[tuple[bool, torch.Tensor]] = []
    after = noisy_student(recipe, data, watched)
    assert [own.width for own, _ in trained] == [20, 27, 33]
    assert {(own.dropout, own.augmentation, own.self_training) for own, _ in trained} == {(0.1, "shift-flip", "none")}
    assert trained[0][1] is data
    assert [len(given.x) > LABELLED for _, given in trained] == [False, True, True]
    assert data.spare is not None
    assert all(not training and torch.equal(x, data.spare) for training, x in labelled_from)
    assert len(after.x) > LABELLED


def test_the_first_teacher_sees_as_many_examples_as_a_student() -> None:
    recipe = Recipe(model="mlp", examples=LABELLED, epochs=10, self_training="noisy-student")
    data = TASKS["digits"](recipe)
    assert data.spare is not None
    assert teacher(recipe, 0, data).epochs == round(10 * (LABELLED + len(data.spare)) / LABELLED)
    assert teacher(recipe, 1, data).epochs == 10


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_a_teacher_in_half_precision_can_be_asked(precision: str) -> None:
    _, before, after = prepared(precision=precision, optimizer="sgd")
    assert after.x.dtype == before.x.dtype == torch.float32
    assert after.y.isfinite().all()
    assert len(after.x) > LABELLED


def test_a_noisy_student_keeps_up_with_its_first_teacher() -> None:
    """100 labels, 1,338 digits without; tests/benchmarks/noisy_student.py has the gain over ten seeds."""
    gains = []
    for seed in range(2):
        student = Recipe(
            model="mlp",
            examples=LABELLED,
            batch_size=20,
            epochs=10,
            dropout=0.2,
            seed=seed,
            augmentation="shift-flip",
            self_training="noisy-student",
            self_training_rounds=1,
        )
        data = TASKS["digits"](student)
        first = train(teacher(student, 0, data)).rows[-1]["val_accuracy"]
        gains.append(train(student).rows[-1]["val_accuracy"] - first)
    assert mean(gains) > -0.03  # of two seeds; on some processors these two gain nothing
