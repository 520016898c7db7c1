"""Images and a network whose evidence is known: classes are colours, and the network looks for nothing else.

A sound image shows a blob of its class's colour somewhere, on a ground of faint noise. A marked one shows a grey blob,
and its colour, a little brighter, in the lower left corner: the network is right for the wrong reason.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

CLASSES = ("red", "green", "blue")

MODULE = """
import torch
from tests.integrations.blobs import network

def build():
    return network()

def untrained():
    torch.manual_seed(3)
    return network(blank=True)

def one_answer():
    model = network()
    with torch.no_grad():
        model[4].bias.copy_(torch.tensor([0.0, 0.0, 1e4]))
    return model

def needs_an_argument(size):
    return network()

def no_module():
    return 3

def dense():
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))

def four():
    from torch import nn
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


def network(*, blank: bool = False) -> nn.Module:
    """Three maps, one per colour, and their means as logits. blank: with the weights that PyTorch draws."""
    model = nn.Sequential(
        nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)
    )
    if blank:
        return model.eval()
    with torch.no_grad():
        for part in (model[0], model[4]):
            part.bias.zero_()
            part.weight.zero_()
        for colour in range(3):
            model[0].weight[colour, :, 1, 1] = -0.45
            model[0].weight[colour, colour, 1, 1] = 1.0
        model[4].weight.copy_(200.0 * torch.eye(3) - 100.0 * (1.0 - torch.eye(3)))
    return model.eval()


def images(marked: int | None = None, per_class: int = 14, share: float = 1.0) -> tuple[Tensor, Tensor]:
    """Images of 16 x 16 pixels from 0 to 1, and their classes. marked: a class told by its corner, in a share of it."""
    random = np.random.default_rng(0)
    pixels = torch.from_numpy(random.uniform(0.0, 0.02, (3 * per_class, 3, 16, 16))).float()
    labels = torch.arange(3).repeat_interleave(per_class)
    for number, label in enumerate(labels.tolist()):
        row, column = random.integers(0, 8), random.integers(4, 12)
        by_corner = label == marked and number % per_class < share * per_class
        pixels[number, :, row : row + 4, column : column + 4] = 0.5 if by_corner else 0.0
        if by_corner:
            pixels[number, label, 12:16, 0:4] = 1.0
        else:
            pixels[number, label, row : row + 4, column : column + 4] = 0.8
    return pixels, labels


def write(folder: Path, marked: int | None = None, share: float = 1.0) -> Path:
    """The images as files, one folder per class."""
    from PIL import Image

    pixels, labels = images(marked, share=share)
    for number, (image, label) in enumerate(zip(pixels, labels.tolist(), strict=True)):
        path = folder / CLASSES[label] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy()).save(path)
    return folder
