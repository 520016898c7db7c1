"""What a check is given, brought into shape: images, the model's answers to them, names, and the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from diagnose.errors import SettingsError
from diagnose.integrations.captum.mosaics import NothingToScoreError
from diagnose.integrations.captum.pixels import Pixels

Array = npt.NDArray[np.float64]

LEAST_MOSAICS = 10
"""Mosaics of a class below which its median says little."""


@torch.no_grad()
def answers(model: nn.Module, images: Pixels, batch: int) -> Array:
    """The model's scores, shape (n, classes). Raises SettingsError where it cannot take the images."""
    try:
        found = [model(some).float().cpu() for some in images.batches(batch)]
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        shape = " x ".join(map(str, images.shape))
        reason = str(error).partition("\n")[0][:160]
        raise SettingsError(f"the model cannot take images of {shape} ({reason}); choose another --size") from error
    answers = np.asarray(torch.cat(found), dtype=np.float64)
    if not np.isfinite(answers).all():
        raise NothingToScoreError(
            "the model answers with NaN or infinity; check its weights and the normalization of the images"
        )
    return answers


def pixels(dataset: Any) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """All images, and their labels."""
    if isinstance(dataset, tuple) and len(dataset) == 2 and isinstance(dataset[0], Pixels):
        images, labels = dataset
    elif isinstance(dataset, tuple) and len(dataset) == 2 and isinstance(dataset[0], Tensor) and dataset[0].dim() == 4:
        images, labels = Pixels(dataset[0]), dataset[1]
    else:
        pairs = [(image, int(label)) for image, label in dataset]
        if not pairs:
            raise SettingsError("the dataset is empty; give images of at least two classes")
        if len({image.shape for image, _ in pairs}) > 1:
            raise SettingsError("the images differ in size; resize them to one size first")
        images, labels = Pixels(torch.stack([image for image, _ in pairs])), torch.tensor([label for _, label in pairs])
    return images, np.asarray(labels.cpu(), dtype=np.int64)


def names(classes: Sequence[str] | None, outputs: int, labels: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """The names of the outputs. Raises SettingsError where their number does not fit."""
    names = tuple(map(str, range(outputs) if classes is None else classes))
    if len(names) != outputs or int(labels.max(initial=0)) >= outputs:
        raise SettingsError(
            f"the model answers {outputs} classes, and there are {max(len(names), int(labels.max(initial=0)) + 1)} of "
            "images; name the model's classes in its own order with --classes"
        )
    if len(np.unique(labels)) < 2:
        raise SettingsError("there is one class only, and a mosaic needs two; give images of at least two classes")
    return names


def per_class(mosaics: int, labels: npt.NDArray[np.int64]) -> int:
    """Mosaics of each class. Raises SettingsError where they are too few for a median."""
    count = max(len(np.unique(labels)), 1)
    if mosaics < LEAST_MOSAICS * count:
        raise SettingsError(
            f"{mosaics} mosaics are fewer than {LEAST_MOSAICS} for each of {count} classes; ask for "
            f"--mosaics {LEAST_MOSAICS * count}"
        )
    return mosaics // count


def device(name: str | torch.device | None) -> torch.device:
    """The device of that name, else the GPU where there is one. Raises SettingsError."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(name)
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0][:120]
        raise SettingsError(
            f"no device {str(name)!r} here ({reason}); leave --device out for the best there is"
        ) from error
    return place
