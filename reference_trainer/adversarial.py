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
from torch.optim import Optimizer

from reference_trainer.data import Data
from reference_trainer.learner import THROUGHPUT, Fit, Learner, Player
from reference_trainer.networks import Gan
from reference_trainer.recipe import Recipe
from reference_trainer.schedules import SCHEDULES

SAMPLES = 512
"""Digits that are made to judge the generator by."""

CLASSES = 10
"""Digits there are."""


class Adversaries(Learner):
    """A generator and a discriminator that take turns; the schedule, clipping and decay hold for both.

    fit: trains the judge of what was made.
    """

    def __init__(self, recipe: Recipe, data: Data, fit: Fit) -> None:
        self.fit = fit
        super().__init__(recipe, data)

    @functools.cached_property
    def judge(self) -> nn.Module:
        """The classifier that looks at what was made."""
        return judge(self.data, self.fit)

    def _players(self) -> tuple[Player, ...]:
        """The discriminator, and then the generator, which meets what the other has just learned."""
        self.gan = cast(Gan, self.model)
        turns = (
            (self.gan.discriminator, self._tell, self._told_apart),
            (self.gan.generator, self._deceive, self._deceived),
        )
        players = []
        for part, forward, loss in turns:
            optimizer = self._optimizer(part)
            if part is self.gan.discriminator:
                for group in optimizer.param_groups:
                    group["lr"] *= self.recipe.discriminator_rate
            schedule = SCHEDULES[self.recipe.scheduler](optimizer, self.recipe, self.span)
            players.append(Player(part, optimizer, schedule, forward, loss))
        return tuple(players)

    def _optimizer(self, part: nn.Module) -> Optimizer:
        """The recipe's optimizer, without momentum where that is one of Adam's."""
        optimizer = super()._optimizer(part)
        if "betas" in optimizer.defaults:
            for group in optimizer.param_groups:
                group["betas"] = (0.0, 0.999)  # Brock, Donahue and Simonyan (2019): with momentum the two swing
        return optimizer

    def _tell(self, real: Tensor) -> Tensor:
        """Logits of being real: of n real images, and then of n that are made, shape (2n,)."""
        self.made = self.gan.sample(len(real))
        logits: Tensor = self.gan.discriminator(torch.cat([real, self.made.detach()]))
        return logits

    def _told_apart(self, logits: Tensor, y: Tensor) -> Tensor:
        """What the discriminator has to lower."""
        real, made = logits.chunk(2)
        return binary_cross_entropy_with_logits(logits, torch.cat([torch.ones_like(real), torch.zeros_like(made)]))

    def _deceive(self, real: Tensor) -> Tensor:
        """Logits of being real: of the images that were made, shape (n,)."""
        logits: Tensor = self.gan.discriminator(self.made)
        return logits

    def _deceived(self, logits: Tensor, y: Tensor) -> Tensor:
        """What the generator has to lower."""
        return binary_cross_entropy_with_logits(logits, torch.ones_like(logits))

    def measured(self) -> dict[str, float]:
        """The means since the last call, and what was seen at the generator's last step."""
        discriminator, generator = self.players
        losses = {"generator_loss": generator.meter.loss(), "discriminator_loss": discriminator.meter.loss()}
        for player in self.players:
            player.meter.reset()
        return losses | generator.seen()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """What a classifier of real digits makes of digits that were made, see `modes`."""
        confidence, entropy = modes(self.gan.sample(SAMPLES).float(), self.judge)
        return {"sample_confidence": confidence, "sample_entropy": entropy}

    def columns(self) -> tuple[str, ...]:
        """The names that rows may have, in the order of the log."""
        losses = ("generator_loss", "discriminator_loss", "learning_rate", "grad_norm", "update_ratio", THROUGHPUT)
        return ("epoch", "step", *losses, "sample_confidence", "sample_entropy")

    def after_epoch(self, row: Mapping[str, float]) -> None:
        """Adversaries have no validation loss for a schedule to wait for."""


def judge(data: Data, fit: Fit) -> nn.Module:
    """A classifier that knows the digits of a generation task: right, and confident, in 98 of 100."""
    labelled = replace(data, outputs=CLASSES, classes=CLASSES)
    return fit(Recipe(task="digits", model="mlp", examples=len(data.x)), labelled)


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
