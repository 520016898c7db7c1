"""How the learning rate moves over the steps of a training.

A schedule is asked for by name and stepped after every batch, but for `plateau`, which is told the validation loss at
the end of each epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from reference_trainer.recipe import Recipe

CUT = 0.1
"""What a cut multiplies the learning rate by: an order of magnitude, as the lecture notes search it."""


@dataclass(frozen=True)
class Span:
    """The length of a training: `steps` in all, `epoch` of them in an epoch."""

    steps: int
    epoch: int


def constant(optimizer: Optimizer, recipe: Recipe, span: Span) -> LRScheduler:
    """The same learning rate throughout.

    Source: PyTorch, torch.optim.lr_scheduler.ConstantLR.
    """
    return lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0)


def step(optimizer: Optimizer, recipe: Recipe, span: Span) -> LRScheduler:
    """Cut to a tenth every so many epochs.

    Source: He et al., Deep Residual Learning for Image Recognition (2016).
    """
    return lr_scheduler.StepLR(optimizer, step_size=_stretch(recipe, span), gamma=CUT)


def cosine(optimizer: Optimizer, recipe: Recipe, span: Span) -> LRScheduler:
    """Down to 0 along half a cosine.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017).
    """
    return lr_scheduler.CosineAnnealingLR(optimizer, T_max=span.steps)


def warmup(optimizer: Optimizer, recipe: Recipe, span: Span) -> LRScheduler:
    """Up in a straight line over the first steps, then constant.

    Source: Goyal et al., Accurate, Large Minibatch SGD (2017).
    """
    return _rise(optimizer, recipe, span)


def warmup_cosine(optimizer: Optimizer, recipe: Recipe, span: Span) -> LRScheduler:
    """Up in a straight line over the first steps, then down to 0 along half a cosine.

    Source: Goyal et al., Accurate, Large Minibatch SGD (2017), with the decay of Loshchilov and Hutter (2017).
    """
    rise = _rise(optimizer, recipe, span)
    fall = lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(span.steps - rise.total_iters, 1))
    return lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[rise.total_iters])


def plateau(optimizer: Optimizer, recipe: Recipe, span: Span) -> ReduceLROnPlateau:
    """Cut to a tenth when the validation loss has not improved for more than five epochs.

    Source: lecture notes, "When stuck, reduce it"; PyTorch, torch.optim.lr_scheduler.ReduceLROnPlateau.
    """
    return ReduceLROnPlateau(optimizer, factor=CUT, patience=5)


def one_cycle(optimizer: Optimizer, recipe: Recipe, span: Span) -> LRScheduler:
    """Up and down once, with the momentum, where the optimizer has one, going the other way.

    Source: Smith and Topin, Super-Convergence: Very Fast Training Using Large Learning Rates (2019).
    """
    group = optimizer.param_groups[0]
    inertia = group.get("momentum") or group.get("betas", (0.0,))[0]
    return lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=span.steps + 1, cycle_momentum=inertia > 0.0
    )


def warm_restarts(optimizer: Optimizer, recipe: Recipe, span: Span) -> LRScheduler:
    """Down along half a cosine, again and again.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017).
    """
    return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=_stretch(recipe, span))


def _rise(optimizer: Optimizer, recipe: Recipe, span: Span) -> lr_scheduler.LinearLR:
    """The first `recipe.warmup` of the steps, from a hundredth of the learning rate on."""
    return lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=max(round(recipe.warmup * span.steps), 1))


def _stretch(recipe: Recipe, span: Span) -> int:
    """Steps between two cuts or restarts."""
    epochs = recipe.decay_every or max(round(recipe.epochs / 3), 1)
    return epochs * span.epoch


SCHEDULES: dict[str, Callable[[Optimizer, Recipe, Span], LRScheduler | ReduceLROnPlateau]] = {
    "constant": constant,
    "step": step,
    "cosine": cosine,
    "warmup": warmup,
    "warmup-cosine": warmup_cosine,
    "plateau": plateau,
    "one-cycle": one_cycle,
    "warm-restarts": warm_restarts,
}
