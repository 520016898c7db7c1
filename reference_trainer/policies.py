"""The search for an augmentation policy: what a learned augmentation is made of, before the training begins.

search(recipe, data, fit)                               # data with the policy that the recipe's augmentation takes
"""

from __future__ import annotations

from dataclasses import replace

import torch

from reference_trainer.augmentations import OPERATIONS, STRONGEST, Operation, Policy
from reference_trainer.data import TASKS, Data
from reference_trainer.learner import DTYPES, Fit
from reference_trainer.losses import cross_entropy
from reference_trainer.recipe import Recipe

STRENGTHS = (3.0, 6.0, 10.0)
"""Strengths at which every operation is tried, of 10."""

FARTHEST = 180.0
"""Degrees of the largest rotation that the search may try; whether that is too much, the held-out examples tell."""

HELD_OUT = 0.3
"""Share of the training examples that the search judges by."""

KEPT = 4
"""Operations that make up the policy, at most."""

IDLE: Operation = ("noise", 0.0, 0.0)
"""What changes nothing."""


def search(recipe: Recipe, data: Data, fit: Fit) -> Data:
    """The data with a policy, where the recipe's augmentation is a learned one and none has been found yet.

    Every operation is tried alone, at three strengths, on a network like the recipe's; those that give a lower
    cross-entropy on held-out training examples than none are kept, each at its best strength, up to four, and go in
    pairs. Where none does, the policy changes nothing. The validation examples take no part. The paper's search is one
    by reinforcement over whole policies, of thousands of trainings; this is its greedy form, of 28.

    Source: Cubuk et al., AutoAugment: Learning Augmentation Strategies from Data (2019); Lim et al., Fast AutoAugment
    (2019), on searching within the training examples.
    """
    if recipe.augmentation != "learned" or data.policy is not None:
        return data
    other = recipe.policy_task not in ("own", recipe.task)
    judged = TASKS[recipe.policy_task](replace(recipe, task=recipe.policy_task)) if other else data
    return replace(data, policy=found(recipe, judged, fit))


def found(recipe: Recipe, data: Data, fit: Fit) -> Policy:
    """The policy that the search finds on the training examples of these data."""
    child = replace(recipe, self_training="none", patience=None, log_every=None, log_manifold=False)
    parts = _parted(data)
    plain = _loss(child, parts, (IDLE, IDLE), fit)
    best: list[tuple[float, Operation]] = []
    for name in OPERATIONS:
        tried = [(name, 0.8, _magnitude(name, strength)) for strength in STRENGTHS]
        losses = [_loss(child, parts, (operation, IDLE), fit) for operation in tried]
        loss = min(losses)
        if loss < plain:
            best.append((loss, tried[losses.index(loss)]))
    kept = [operation for _, operation in sorted(best)[:KEPT]]
    if len(kept) < 2:
        return ((kept[0] if kept else IDLE, IDLE),)
    return tuple((one, other) for number, one in enumerate(kept) for other in kept[number + 1 :])


def _magnitude(name: str, strength: float) -> float:
    """The magnitude of an operation at a strength of 0 to 10."""
    return (FARTHEST if name == "rotate" else STRONGEST[name]) * strength / 10.0


def _parted(data: Data) -> Data:
    """The training examples alone, in two parts: to learn from and to judge by."""
    held = round(HELD_OUT * len(data.x))
    return replace(data, x=data.x[held:], y=data.y[held:], val_x=data.x[:held], val_y=data.y[:held], spare=None)


def _loss(recipe: Recipe, data: Data, pair: tuple[Operation, Operation], fit: Fit) -> float:
    """Cross-entropy on the held-out part of a network trained with one pair of operations; finer than an accuracy."""
    model = fit(recipe, replace(data, policy=(pair,)))
    with torch.no_grad():
        outputs = model(data.val_x.to(DTYPES[recipe.precision])).float()
    return float(cross_entropy(outputs, data.val_y))
