"""Learning from examples without labels: what is done to the data before the training begins.

SELF_TRAINING["noisy-student"](recipe, data, fit)       # fit(recipe, data) trains a teacher
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from reference_trainer.data import Data
from reference_trainer.learner import DTYPES, Fit
from reference_trainer.losses import probabilities
from reference_trainer.models import width_of
from reference_trainer.recipe import Recipe

CONFIDENT = 0.5
"""Probability from which on the teacher's answer is worth learning; a few classes share what is left."""

SMALLEST = 0.5
"""Width of the first teacher over that of the last student; those between grow evenly."""


def none(recipe: Recipe, data: Data, fit: Fit) -> Data:
    """The labelled examples alone.

    Source: lecture notes, "Noisy Student (Not Using)".
    """
    return data


def noisy_student(recipe: Recipe, data: Data, fit: Fit) -> Data:
    """A teacher labels what has no labels; a larger student learns from both under noise, and teaches the next.

    The recipe is that of the last student. Before it come `self_training_rounds` teachers, each wider than the one
    before, all trained under the noise of the recipe: its dropout, augmentation and stochastic depth. A teacher labels
    without noise (in eval, the examples as they are). Its answers are kept as probabilities, where it is confident, and
    as many of every class: those it is surest of, some of them twice or more where there are too few. The examples
    without labels are those that the recipe's `examples` left over; where there are none, the data stay as they are.

    Source: Xie et al., Self-Training with Noisy Student Improves ImageNet Classification (2020).
    """
    if data.spare is None or not len(data.spare):
        return data
    taught = data
    for number in range(recipe.self_training_rounds):
        taught = pseudo_labelled(data, data.spare, fit(teacher(recipe, number, taught), taught), recipe)
    return taught


def teacher(recipe: Recipe, number: int, data: Data) -> Recipe:
    """The recipe of a teacher, counted from 0: as noisy as the student, and not as wide.

    data: what it learns from. It sees as many examples as it would if those without labels were among them.
    """
    share = SMALLEST + (1.0 - SMALLEST) * number / recipe.self_training_rounds
    width = width_of(recipe)
    spare = 0 if data.spare is None or number else len(data.spare)
    return replace(
        recipe,
        self_training="none",
        width=None if width is None else max(round(share * width), 1),
        epochs=round(recipe.epochs * (1 + spare / len(data.x))),
        log_every=None,
        log_manifold=False,
    )


@torch.no_grad()
def pseudo_labelled(data: Data, spare: Tensor, model: torch.nn.Module, recipe: Recipe) -> Data:
    """The labelled examples, and behind them those that the model labels with confidence, as many of every class."""
    answers = model(spare.to(DTYPES[recipe.precision])).float().softmax(dim=1)
    chosen = balanced(answers)
    y = torch.cat([probabilities(data.y, data.classes), answers[chosen]])
    return replace(data, x=torch.cat([data.x, spare[chosen]]), y=y)


def balanced(answers: Tensor) -> Tensor:
    """Which examples are kept, by their answers of shape (n, classes): the confident ones, as many of every class.

    As many as there are confident answers per class in the mean; of a class with more the surest are kept, of one with
    fewer the surest come again. A class without a confident answer has none. Returns indices.
    """
    confidence, label = answers.max(dim=1)
    sure = confidence >= CONFIDENT
    each = round(int(sure.sum()) / answers.shape[1])
    kept = []
    for number in range(answers.shape[1]):
        members = torch.nonzero(sure & (label == number)).flatten()
        members = members[confidence[members].argsort(descending=True, stable=True)]
        if len(members):
            kept.append(members.repeat(-(-each // len(members)))[:each])
    return torch.cat(kept) if kept else torch.zeros(0, dtype=torch.long)


SELF_TRAINING: dict[str, Callable[[Recipe, Data, Fit], Data]] = {"none": none, "noisy-student": noisy_student}
