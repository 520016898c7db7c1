"""A policy that is searched for suits the data it was found on, and may harm others."""

from __future__ import annotations

from dataclasses import replace
from statistics import mean

import pytest
import torch

from reference_trainer.augmentations import OPERATIONS, LearnedPolicy
from reference_trainer.data import TASKS
from reference_trainer.learner import reproducible
from reference_trainer.policies import FARTHEST, STRENGTHS, found, search
from reference_trainer.recipe import Recipe
from reference_trainer.train import fit, learner_of, train

RECIPE = Recipe(model="mlp", examples=200, batch_size=20, epochs=25, augmentation="learned")

TURNED = ((("rotate", 0.8, FARTHEST), ("noise", 0.0, 0.0)),)
"""What a search on turned digits finds first: turn them."""


def test_the_policy_is_of_the_known_operations_at_the_strengths_that_were_tried() -> None:
    with reproducible(0):
        policy = found(replace(RECIPE, epochs=2), TASKS["digits"](RECIPE), fit)
    for pair in policy:
        for name, probability, magnitude in pair:
            assert name in OPERATIONS
            assert probability in (0.0, 0.8)
            assert magnitude >= 0.0
    assert len(STRENGTHS) * len(OPERATIONS) + 1 == 28  # trainings, as the part says


def test_the_search_is_made_once_and_validation_takes_no_part() -> None:
    recipe = replace(RECIPE, epochs=1)
    with reproducible(0):
        data = TASKS["digits"](recipe)
        spoiled = replace(data, val_x=torch.full_like(data.val_x, torch.nan))
    with reproducible(1):
        first = search(recipe, data, fit)
    with reproducible(1):
        again = search(recipe, spoiled, fit)
    assert first.policy is not None
    assert first.policy == again.policy
    assert search(recipe, first, fit) is first
    assert search(replace(recipe, augmentation="none"), data, fit) is data
    assert isinstance(learner_of(recipe, first).augment, LearnedPolicy)


def test_a_search_on_turned_digits_finds_that_they_may_be_turned() -> None:
    with reproducible(0):
        policy = found(RECIPE, TASKS["digits-turned"](replace(RECIPE, task="digits-turned")), fit)
    turns = [magnitude for pair in policy for name, _, magnitude in pair if name == "rotate"]
    assert max(turns, default=0.0) > 45.0


def test_what_was_learned_on_turned_digits_helps_there_and_harms_upright_ones() -> None:
    """The danger of the notes, over three seeds: a 6 that may be turned as far as one likes is a 9."""
    gains = {}
    for task in ("digits-turned", "digits"):
        gains[task] = []
        for seed in range(3):
            recipe = replace(RECIPE, task=task, seed=seed)
            with reproducible(seed):
                data = TASKS[task](recipe)
            with_it = train(recipe, data=replace(data, policy=TURNED)).rows[-1]["val_accuracy"]
            without = train(replace(recipe, augmentation="none"), data=data).rows[-1]["val_accuracy"]
            gains[task].append(with_it - without)
    assert mean(gains["digits-turned"]) > 0.0
    assert mean(gains["digits"]) < -0.03


@pytest.mark.parametrize("task", ["digits", "digits-turned"])
def test_a_policy_of_another_task_is_found_on_its_examples(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("reference_trainer.policies.found", lambda recipe, data, fit: seen.append(data) or TURNED)
    recipe = replace(RECIPE, policy_task=task)
    with reproducible(0):
        data = TASKS["digits"](recipe)
        search(recipe, data, fit)
    assert (seen[0] is data) == (task == "digits")
