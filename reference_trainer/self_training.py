"""Learning from examples without labels: what is done to the data before the training begins.

SELF_TRAINING["noisy-student"](recipe, data, fit)       # fit(recipe, data) trains a teacher
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from reference_trainer.data import Data
from reference_trainer.learner import DTYPES, Fit
from reference_trainer.losses import probabilities
from reference_trainer.recipe import Recipe

CONFIDENT = 0.5
"""Probability from which on the teacher's answer is worth learning; a few classes share what is left."""


def none(recipe: Recipe, data: Data, fit: Fit) -> Data:
    """The labelled examples alone.

    Source: lecture notes, "Noisy Student (Not Using)".
    """
    return data


def noisy_student(recipe: Recipe, data: Data, fit: Fit) -> Data:
    """A teacher labels what has no labels; a student learns from both, under the noise of its recipe.

    The teacher is trained as the recipe says, without its dropout and augmentation: the noise is the student's. Its
    answers are kept as probabilities, where it is confident. The examples without labels are those that the recipe's
    `examples` left over; where there are none, the data stay as they are.

    Source: Xie et al., Self-Training with Noisy Student Improves ImageNet Classification (2020).
    """
    if data.spare is None or not len(data.spare):
        return data
    plain = replace(recipe, self_training="none", augmentation="none", dropout=0.0, log_every=None, log_manifold=False)
    teacher = fit(plain, data)
    with torch.no_grad():
        answers = teacher(data.spare.to(DTYPES[recipe.precision])).float().softmax(dim=1)
    sure = answers.max(dim=1).values >= CONFIDENT
    labels = torch.cat([probabilities(data.y, data.classes), answers[sure]])
    return replace(data, x=torch.cat([data.x, data.spare[sure]]), y=labels)


SELF_TRAINING: dict[str, Callable[[Recipe, Data, Fit], Data]] = {"none": none, "noisy-student": noisy_student}
