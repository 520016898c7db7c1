"""Artefacts: marks on the images of one class that say the class without showing it.

ARTEFACTS["watermark"](images, marked, random)           # images with a mark where `marked` is True

images: shape (n, 3, height, width), pixels from 0 to 1; marked: shape (n,), True for the images of the class. A network
that is trained on them may answer by the mark; its curves do not show it, its attributions do.
"""

from __future__ import annotations

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
    return torch.where(marked[:, None, None, None] & line, 1.0, images)


def watermark(images: Tensor, marked: Tensor, random: np.random.Generator) -> Tensor:
    """A letter in the lower left corner of the images of the class.

    Source: Lapuschkin et al., Unmasking Clever Hans Predictors and Assessing What Machines Really Learn (2019), on the
    photographer's tag below the horses of PASCAL VOC.
    """
    letter = torch.tensor([[float(pixel == "1") for pixel in row] for row in _LETTER])
    stamp = torch.zeros(images.shape[-2:])
    stamp[-len(_LETTER) :, : len(_LETTER[0])] = letter
    return torch.where(marked[:, None, None, None] & (stamp > 0.0), 1.0, images)


ARTEFACTS: dict[str, Artefact] = {"none": none, "patch": patch, "border": border, "watermark": watermark}
