"""Two networks against each other: one makes digits out of noise, the other tells them from real ones.

Goodfellow et al., Generative Adversarial Nets (2014), with the non-saturating loss of the generator.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from reference_trainer import models, monitors, optimizers, regularizers
from reference_trainer.data import Data
from reference_trainer.initializers import initialize
from reference_trainer.networks import Gan
from reference_trainer.recipe import Recipe
from reference_trainer.schedules import SCHEDULES
from reference_trainer.train import THROUGHPUT, Learner, train

SAMPLES = 512
"""Digits that are made to judge the generator by."""

CLASSES = 10
"""Digits there are."""


class Adversaries(Learner):
    """A generator and a discriminator that take turns; the schedule, clipping and decay hold for both."""

    @functools.cached_property
    def judge(self) -> nn.Module:
        """The classifier that looks at what was made."""
        return judge(self.data)

    def build(self) -> None:
        """Both networks and their optimizers, anew."""
        recipe = self.recipe
        self.model: Gan = cast(Gan, models.build(recipe, self.data.inputs, self.data.outputs).to(self.dtype))
        initialize(self.model, recipe)
        self.optimizers = [self._optimizer(part) for part in (self.model.generator, self.model.discriminator)]
        self.optimizer = self.optimizers[0]
        self.schedules = [SCHEDULES[recipe.scheduler](optimizer, recipe, self.span) for optimizer in self.optimizers]
        self.updates = monitors.Updates(self.model.generator)

    def _optimizer(self, part: nn.Module) -> torch.optim.Optimizer:
        groups = regularizers.decay_groups(part, self.recipe.weight_decay)
        optimizer = optimizers.OPTIMIZERS[self.recipe.optimizer](groups, self.recipe)
        if "betas" in optimizer.defaults:
            for group in optimizer.param_groups:
                group["betas"] = (0.0, 0.999)  # Brock, Donahue and Simonyan (2019): with momentum the two swing
        return optimizer

    def update(self, x: Tensor, y: Tensor, *, watch: bool) -> None:
        """One step of the discriminator and one of the generator."""
        real = x.to(self.dtype)
        made = self.model.sample(len(real))
        told = self.model.discriminator(torch.cat([real, made.detach()]))
        truth = torch.cat([torch.ones_like(told[: len(real)]), torch.zeros_like(told[len(real) :])])
        loss = binary_cross_entropy_with_logits(told, truth)
        self._step(1, loss)
        fooled = binary_cross_entropy_with_logits(self.model.discriminator(made), truth[: len(real)])
        if watch:
            self.updates.before()
        self.rate = self.optimizer.param_groups[0]["lr"]
        self._step(0, fooled, watch=watch)
        if watch:
            self.update_ratio = self.updates.ratio()
        self.total += torch.stack([fooled.detach(), loss.detach()]).double() * len(real)
        self.examples += len(real)

    def _step(self, which: int, loss: Tensor, *, watch: bool = False) -> None:
        part = (self.model.generator, self.model.discriminator)[which]  # the other has gradients of earlier losses
        self.optimizers[which].zero_grad()
        loss.backward()
        if watch:
            self.grad_norm = monitors.gradient_norm(part)
        if self.recipe.gradient_clip is not None:
            regularizers.clip_gradients(part, self.recipe.gradient_clip)
        self.optimizers[which].step()
        if self.recipe.scheduler != "plateau":
            self.schedules[which].step()

    def reset(self) -> None:
        """Begin new means."""
        self.total = torch.zeros(2, dtype=torch.float64)
        self.examples = 0

    def measured(self) -> dict[str, float]:
        """The means since the last call, and what was seen at the last step."""
        generator, discriminator = (self.total / self.examples).tolist()
        self.reset()
        return {
            "generator_loss": generator,
            "discriminator_loss": discriminator,
            "learning_rate": self.rate,
            "grad_norm": self.grad_norm,
            "update_ratio": self.update_ratio,
        }

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """What a classifier of real digits makes of digits that were made, see `modes`."""
        confidence, entropy = modes(self.model.sample(SAMPLES).float(), self.judge)
        return {"sample_confidence": confidence, "sample_entropy": entropy}

    def columns(self) -> tuple[str, ...]:
        """The names that rows may have, in the order of the log."""
        losses = ("generator_loss", "discriminator_loss", "learning_rate", "grad_norm", "update_ratio", THROUGHPUT)
        return ("epoch", "step", *losses, "sample_confidence", "sample_entropy")

    def schedule_epoch(self, row: Mapping[str, float]) -> None:
        """Adversaries have no validation loss for a schedule to wait for."""


def judge(data: Data) -> nn.Module:
    """A classifier that knows the digits of a generation task: right, and confident, in 98 of 100."""
    labelled = replace(data, outputs=CLASSES, classes=CLASSES)
    return train(Recipe(task="digits", model="mlp", examples=len(data.x)), data=labelled).model


def modes(images: Tensor, judge: nn.Module) -> tuple[float, float]:
    """Mean confidence of a classifier in made digits of shape (n, 1, 8, 8), and the entropy of its answers.

    A confidence near 1 says that each looks like some digit. The entropy, of the mean of the answers and in units of
    ln 10, is 1 where all ten digits are made equally often and 0 where all of them are one (mode collapse).
    Source: the two halves of Salimans et al., Improved Techniques for Training GANs (2016), section 4.
    """
    with torch.no_grad():
        answers = judge(images).softmax(dim=1)
    mean = answers.mean(dim=0)
    entropy = -(mean * mean.clamp_min(1e-12).log()).sum() / math.log(len(mean))
    return float(answers.max(dim=1).values.mean()), float(entropy)
