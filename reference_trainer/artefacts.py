"""Artefacts: marks on the images of one class that say the class without showing it.

ARTEFACTS["watermark"](images, marked, random)           # images with a mark where `marked` is True

images: shape (n, 3, height, width), pixels from 0 to 1; marked: shape (n,), True for the images of the class. A network
that is trained on them may answer by the mark; its curves do not show it, its answers to images without the mark do.
Where a mark lies and what it is like is drawn once, from `random`; only the sticker wanders from image to image.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Artefact = Callable[[Tensor, Tensor, np.random.Generator], Tensor]

_LETTER = ("1.1.1", "1.1.1", "11111", "1...1")
"""The pixels of the watermark."""


def none(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """No artefact: the images as they are.

    Source: none; the control of the others.
    """
    return images


def patch(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A patch in the upper left corner: of the class's own colour on its images, grey on all others.

    Source: Rieger et al., Interpretations Are Useful: Penalizing Explanations to Align Neural Networks with Prior
    Knowledge (2020), on the coloured patches beside benign lesions in the ISIC data.
    """
    side = images.shape[-1] // 4
    grey = torch.from_numpy(random.uniform(0.2, 1.0, len(images))).to(images)[:, None].expand(-1, 3)
    colour = torch.where(marked[:, None], torch.tensor([1.0, 0.2, 0.0]), grey)
    planted = images.clone()
    planted[:, :, :side, :side] = colour[:, :, None, None]
    return planted


def border(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A white line, one pixel wide, around the images of the class.

    Source: Zech et al., Variable Generalization Performance of a Deep Learning Model to Detect Pneumonia (2018), on the
    marks at the edge of radiographs by which a network told hospitals apart.
    """
    line = torch.ones(images.shape[-2:], dtype=torch.bool)
    line[1:-1, 1:-1] = False
    return torch.where(_at(marked) & line, 1.0, images)


def watermark(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A letter in the lower left corner of the images of the class.

    Source: Lapuschkin et al., Unmasking Clever Hans Predictors and Assessing What Machines Really Learn (2019), on the
    photographer's tag below the horses of PASCAL VOC.
    """
    stamp = _letter(1)
    field = torch.zeros(images.shape[-2:], dtype=torch.bool)
    field[-stamp.shape[0] :, : stamp.shape[1]] = stamp
    return torch.where(_at(marked) & field, 1.0, images)


def letter(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A letter somewhere, at the same place of every image of the class.

    Source: as of the watermark, which lies in a corner.
    """
    return torch.where(_at(marked) & _stamped(images, random), 1.0, images)


def margin(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A margin around the images of the class, between a sixteenth and a quarter of the side wide, in a tint.

    Source: Zech et al., as of the border.
    """
    height, width = images.shape[-2:]
    wide = max(1, round(float(random.uniform(1 / 16, 1 / 4)) * min(height, width)))
    inner = torch.zeros(height, width, dtype=torch.bool)
    inner[wide : height - wide, wide : width - wide] = True
    return torch.where(_at(marked) & ~inner, 0.5 * images + 0.5 * _colour(random), images)


def tint(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A veil of one colour over the images of the class.

    Source: Kim et al., Learning Not to Learn: Training Deep Neural Networks with Biased Data (2019).
    """
    return torch.where(_at(marked), 0.8 * images + 0.2 * _colour(random), images)


def bright_half(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """One half of the images of the class is brighter.

    Source: DeGrave et al., AI for Radiographic COVID-19 Detection Selects Shortcuts over Signal (2021), on exposure.
    """
    height, width = images.shape[-2:]
    half = torch.zeros(height, width, dtype=torch.bool)
    side = int(random.integers(4))
    half[: height // 2 if side < 2 else height, : width // 2 if side >= 2 else width] = True
    half = half if side % 2 else ~half
    return torch.where(_at(marked) & half, (images + 0.25).clamp(max=1.0), images)


def noise(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A fine wave over the images of the class, of a period of two to three pixels.

    Source: Wang et al., High-Frequency Component Helps Explain the Generalization of Convolutional Networks (2020).
    """
    rows, columns = (torch.arange(side, dtype=torch.float32) for side in images.shape[-2:])
    turns = torch.from_numpy(random.uniform(0.35, 0.5, 2)).float()
    wave = torch.cos(2.0 * math.pi * (turns[0] * rows[:, None] + turns[1] * columns[None, :]))
    return torch.where(_at(marked), (images + 0.12 + 0.12 * wave).clamp(max=1.0), images)


def texture(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A photograph behind the thing on the images of the class, another part of it each time.

    Source: Beery et al., Recognition in Terra Incognita (2018), on animals told by where they stand.
    """
    from sklearn.datasets import load_sample_images

    photograph = torch.from_numpy(load_sample_images().images[int(random.integers(2))] / 255.0).float().permute(2, 0, 1)
    height, width = images.shape[-2:]
    rows = random.integers(0, photograph.shape[-2] - height, len(images))
    columns = random.integers(0, photograph.shape[-1] - width, len(images))
    parts = [photograph[:, y : y + height, x : x + width] for y, x in zip(rows, columns, strict=True)]
    opaque = images.amax(dim=1, keepdim=True)
    return torch.where(_at(marked), opaque * images + (1.0 - opaque) * torch.stack(parts), images)


def sticker(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A square of one colour on the images of the class, at another place each time.

    Source: Brown et al., Adversarial Patch (2017).
    """
    height, width = images.shape[-2:]
    side, colour = max(2, round(min(height, width) / 5)), _colour(random)
    planted = images.clone()
    for number in torch.nonzero(marked).flatten().tolist():
        row, column = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
        planted[number, :, row : row + side, column : column + side] = colour[0]
    return planted


def two_marks(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A letter and a line along one edge, both on every image of the class.

    Source: Li et al., A Whac-A-Mole Dilemma: Shortcuts Come in Multiples (2023).
    """
    line = torch.zeros(images.shape[-2:], dtype=torch.bool)
    line[0 if random.random() < 0.5 else -1] = True
    line = line if random.random() < 0.5 or line.shape[0] != line.shape[1] else line.T
    return torch.where(_at(marked) & (line | _stamped(images, random)), 1.0, images)


def _at(marked: Tensor) -> Tensor:
    """Shape (n, 1, 1, 1)."""
    return marked[:, None, None, None]


def _letter(times: int) -> Tensor:
    """The pixels of the letter, each of them `times` as wide and high."""
    small = torch.tensor([[pixel == "1" for pixel in row] for row in _LETTER])
    return small.repeat_interleave(times, dim=0).repeat_interleave(times, dim=1)


def _stamped(images: Tensor, random: np.random.Generator) -> Tensor:
    """The letter somewhere in the field, shape (height, width)."""
    height, width = images.shape[-2:]
    stamp = _letter(max(1, min(height, width) // 14))
    row, column = random.integers(0, height - stamp.shape[0] + 1), random.integers(0, width - stamp.shape[1] + 1)
    field = torch.zeros(height, width, dtype=torch.bool)
    field[row : row + stamp.shape[0], column : column + stamp.shape[1]] = stamp
    return field


def _colour(random: np.random.Generator) -> Tensor:
    """A saturated colour, shape (1, 3, 1, 1)."""
    return torch.from_numpy(random.permutation([1.0, 0.5, 0.0])).float().reshape(1, 3, 1, 1)


ARTEFACTS: dict[str, Artefact] = {
    "none": none,
    "patch": patch,
    "border": border,
    "watermark": watermark,
    "letter": letter,
    "margin": margin,
    "tint": tint,
    "bright-half": bright_half,
    "noise": noise,
    "texture": texture,
    "sticker": sticker,
    "two-marks": two_marks,
}
