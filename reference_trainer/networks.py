"""Networks that are more than their parts one after the other; `models.py` gives them their sizes.

The last layer is the `classifier`, whatever it puts out. Shapes: n examples, c channels, h x w pixels.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reference_trainer.attentions import ATTENTIONS, PADDING, encoder_layer, positions_of
from reference_trainer.blocks import BLOCKS, AtrousPyramid, activate, normalize, simple
from reference_trainer.convolutions import plain, transposed
from reference_trainer.recipe import Recipe


class Recurrent(nn.Module):
    """Reads a sequence (n, steps, features) and answers (n, outputs) from the last state."""

    def __init__(self, body: nn.RNNBase, hidden: nn.Module, outputs: int) -> None:
        super().__init__()
        self.body = body
        self.hidden = hidden
        self.classifier = nn.Linear(body.hidden_size, outputs)

    def forward(self, sequence: Tensor) -> Tensor:
        """Logits of shape (n, outputs)."""
        states, _ = self.body(sequence)
        logits: Tensor = self.classifier(self.hidden(states[:, -1]))
        return logits


class Residual(nn.Module):
    """x + hidden(x), of one size."""

    def __init__(self, hidden: nn.Module) -> None:
        super().__init__()
        self.hidden = hidden

    def forward(self, x: Tensor) -> Tensor:
        """Units of the same shape."""
        added: Tensor = x + self.hidden(x)
        return added


class Resized(nn.Module):
    """Images interpolated to another height and width."""

    def __init__(self, size: tuple[int, ...]) -> None:
        super().__init__()
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, *size)."""
        return interpolate(images, self.size, mode="bilinear", align_corners=False)


class Transformer(nn.Module):
    """A post-norm encoder over (n, steps, features); answers (n, outputs) from the mean of the steps."""

    def __init__(self, inputs: tuple[int, ...], outputs: int, recipe: Recipe, width: int, depth: int) -> None:
        super().__init__()
        embedding = nn.Linear(inputs[1], width)
        self.positions = positions_of(recipe, inputs[0], width)
        self.embedding = embedding
        self.stages = nn.ModuleList(encoder_layer(width, recipe) for _ in range(depth))
        self.mask = ATTENTIONS[recipe.attention]
        self.classifier = nn.Linear(width, outputs)

    def forward(self, sequence: Tensor) -> Tensor:
        """Logits of shape (n, outputs)."""
        states = self.positions(self.embedding(sequence))
        mask = self.mask(states.shape[1], states.device)
        for stage in self.stages:
            states = stage(states, src_mask=mask)
        logits: Tensor = self.classifier(states.mean(dim=1))
        return logits


class Characters(nn.Module):
    """A decoder over character numbers (n, steps), 0 for padding; at every step it tells the next: (n, outputs, steps).

    No step sees what comes after it, and none sees padding.
    """

    def __init__(self, inputs: tuple[int, ...], outputs: int, recipe: Recipe, width: int, depth: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(outputs, width, padding_idx=PADDING)
        self.positions = positions_of(recipe, inputs[0], width)
        self.stages = nn.ModuleList(encoder_layer(width, recipe) for _ in range(depth))
        self.mask = ATTENTIONS[recipe.attention]
        self.classifier = nn.Linear(width, outputs)

    def forward(self, characters: Tensor) -> Tensor:
        """Logits of shape (n, outputs, steps)."""
        told = characters.long()
        states = self.positions(self.embedding(told))
        mask, padding = self.mask(told.shape[1], told.device), told == PADDING
        for stage in self.stages:
            states = stage(states, src_mask=mask, src_key_padding_mask=padding)
        logits: Tensor = self.classifier(states)
        return logits.transpose(1, 2)


class EncoderDecoder(nn.Module):
    """Halves maps `depth` times and doubles them again by transposed convolutions, with or without skips.

    pyramid: the smallest maps are looked at with several dilations at once.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        recipe: Recipe,
        width: int,
        depth: int,
        *,
        skips: bool,
        pyramid: bool = False,
    ) -> None:
        super().__init__()
        self.skips = skips
        recipe = simple(recipe)
        widths = [width << stage for stage in range(depth + 1)]
        upward = widths[::-1]
        pairs = list(pairwise(upward))
        joined = 2 if skips else 1
        self.encoder = nn.ModuleList(
            BLOCKS["vgg"](before, after, recipe)
            for before, after in zip([channels, *widths], widths[:-1], strict=False)
        )
        self.pooling = nn.MaxPool2d(2)
        bottom = BLOCKS["vgg"](widths[-2], widths[-1], recipe)
        self.bottom = nn.Sequential(bottom, AtrousPyramid(widths[-1], widths[-1], recipe)) if pyramid else bottom
        self.upsampling = nn.ModuleList(transposed(below, here, kernel_size=2) for below, here in pairs)
        self.decoder = nn.ModuleList(BLOCKS["vgg"](joined * here, here, recipe) for _, here in pairs)
        self.dropout = nn.Dropout(recipe.dropout)
        self.classifier = nn.Conv2d(width, outputs, kernel_size=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Logits of shape (n, outputs, h, w)."""
        passed = []
        for stage in self.encoder:
            maps = stage(maps)
            passed.append(maps)
            maps = self.pooling(maps)
        maps = self.dropout(self.bottom(maps))
        for up, stage, skip in zip(self.upsampling, self.decoder, reversed(passed), strict=True):
            maps = up(maps)
            maps = stage(torch.cat([skip, maps], dim=1) if self.skips else maps)
        logits: Tensor = self.classifier(maps)
        return logits


class Upscaler(nn.Module):
    """Doubles images (n, c, h, w): bicubic interpolation, plus what the network adds to it.

    scale: learned factor of what is added; it starts at 0.1, so that any initialization starts near the interpolation.
    """

    def __init__(self, channels: int, outputs: int, recipe: Recipe, width: int, depth: int) -> None:
        super().__init__()
        recipe = simple(recipe)
        self.stages = nn.Sequential(
            *(BLOCKS["cbr"](width if stage else channels, width, recipe) for stage in range(depth))
        )
        self.upsampling = nn.Sequential(transposed(width, width), activate(recipe), nn.Dropout(recipe.dropout))
        self.classifier = plain(width, outputs)
        self.scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, images: Tensor) -> Tensor:
        """Images of shape (n, outputs, 2h, 2w)."""
        added: Tensor = self.classifier(self.upsampling(self.stages(images)))
        doubled: Tensor = interpolate(images, scale_factor=2, mode="bicubic", align_corners=False)
        return doubled + self.scale * added


class Gan(nn.Module):
    """A generator, noise (n, latent) -> images, and a discriminator, images -> logits (n,) of being real.

    Images are from -1 (black) to 1 (white), as a tanh ends. The discriminator has no batch norm, which would let it
    judge whole batches, and twice the width: one as narrow as the generator does not see what is wrong.
    """

    def __init__(
        self, size: tuple[int, ...], channels: int, recipe: Recipe, width: int, depth: int, latent: int
    ) -> None:
        super().__init__()
        self.latent = latent
        low = (size[0] >> depth, size[1] >> depth)
        wide = width << depth
        project = nn.Linear(latent, wide * math.prod(low))
        start = nn.Sequential(project, nn.Unflatten(1, (wide, *low)), normalize(wide, recipe), activate(recipe))
        doublings = [self._doubling(width << stage, recipe) for stage in reversed(range(depth))]
        self.generator = nn.Sequential(start, *doublings, plain(width, channels), nn.Tanh())
        widths = [channels, *(2 * width << stage for stage in range(depth))]
        halvings = [self._halving(before, after, recipe) for before, after in pairwise(widths)]
        logit = nn.Linear(wide * math.prod(low), 1)
        self.discriminator = nn.Sequential(*halvings, nn.Flatten(), logit, nn.Flatten(start_dim=0))

    @staticmethod
    def _doubling(channels: int, recipe: Recipe) -> nn.Module:
        return nn.Sequential(transposed(2 * channels, channels), normalize(channels, recipe), activate(recipe))

    @staticmethod
    def _halving(before: int, after: int, recipe: Recipe) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Dropout2d(recipe.dropout),
        )

    def forward(self, noise: Tensor) -> Tensor:
        """Images of shape (n, c, h, w) that the generator makes of `noise` (n, latent)."""
        images: Tensor = self.generator(noise)
        return images

    def sample(self, count: int) -> Tensor:
        """`count` new images, from normal noise; gradients flow to the generator."""
        like = next(self.parameters())
        noise = torch.randn(count, self.latent, dtype=like.dtype, device=like.device)
        images: Tensor = self(noise)
        return images
