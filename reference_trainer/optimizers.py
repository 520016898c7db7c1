"""How the weights follow the gradient: how many examples a step sees, and what it makes of them.

Learning rates, momenta and decays come from the recipe; everything else is PyTorch's default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from reference_trainer.recipe import Recipe

Groups = Sequence[dict[str, Any]]


def batch(recipe: Recipe, examples: int) -> int:
    """Every step sees all examples: the exact gradient, one step per epoch.

    Source: lecture notes, "Batch GD".
    """
    return examples


def mini_batch(recipe: Recipe, examples: int) -> int:
    """Every step sees a batch of examples.

    Source: lecture notes, "Mini-Batch GD".
    """
    return min(recipe.batch_size, examples)


def stochastic(recipe: Recipe, examples: int) -> int:
    """Every step sees one example.

    Source: Robbins and Monro, A Stochastic Approximation Method (1951).
    """
    return 1


DESCENTS: dict[str, Callable[[Recipe, int], int]] = {
    "batch": batch,
    "mini-batch": mini_batch,
    "stochastic": stochastic,
}
"""How many examples a step sees, of how many there are."""


def sgd(groups: Groups, recipe: Recipe) -> Optimizer:
    """A step along the negative gradient.

    Source: Robbins and Monro, A Stochastic Approximation Method (1951).
    """
    return torch.optim.SGD(groups, lr=recipe.learning_rate, fused=_fused(recipe))


def momentum(groups: Groups, recipe: Recipe) -> Optimizer:
    """SGD with inertia: a fraction of the previous step is added.

    Source: Polyak, Some Methods of Speeding up the Convergence of Iteration Methods (1964).
    """
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, fused=_fused(recipe))


def nesterov(groups: Groups, recipe: Recipe) -> Optimizer:
    """Momentum that takes the gradient where the step will lead.

    Source: Sutskever et al., On the Importance of Initialization and Momentum in Deep Learning (2013).
    """
    inert = recipe.momentum > 0.0  # without momentum PyTorch refuses, and there is nothing to look ahead to
    return torch.optim.SGD(
        groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=inert, fused=_fused(recipe)
    )


def adagrad(groups: Groups, recipe: Recipe) -> Optimizer:
    """A learning rate for each weight, that falls with the sum of its squared gradients.

    Source: Duchi, Hazan and Singer, Adaptive Subgradient Methods (2011).
    """
    return torch.optim.Adagrad(groups, lr=recipe.learning_rate, fused=_fused(recipe))


def adadelta(groups: Groups, recipe: Recipe) -> Optimizer:
    """Adagrad with a window, in the unit of the weights: its natural learning rate is 1.

    Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method (2012).
    """
    return torch.optim.Adadelta(groups, lr=recipe.learning_rate)


def rmsprop(groups: Groups, recipe: Recipe) -> Optimizer:
    """A gradient divided by the running root mean square of its size.

    Source: Tieleman and Hinton, Lecture 6.5 of Neural Networks for Machine Learning (2012).
    """
    return torch.optim.RMSprop(groups, lr=recipe.learning_rate)


def adam(groups: Groups, recipe: Recipe) -> Optimizer:
    """Momentum and RMSprop together, both corrected for their start at zero.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization (2015).
    """
    return torch.optim.Adam(groups, lr=recipe.learning_rate, fused=_fused(recipe))


def adamw(groups: Groups, recipe: Recipe) -> Optimizer:
    """Adam with a weight decay that does not pass through the adaptive scaling.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019).
    """
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=_fused(recipe))


def _fused(recipe: Recipe) -> bool:
    """PyTorch's one kernel for all weights; in half precision it computes in float32 and hides what overflows."""
    return recipe.precision == "float32"


OPTIMIZERS: dict[str, Callable[[Groups, Recipe], Optimizer]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
}
