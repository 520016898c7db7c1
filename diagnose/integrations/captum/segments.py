"""The thing and its background: masks of the user's, or a segmentation that needs nothing to be downloaded.

things(pixels)                                           # True where the thing is, shape (n, height, width)

Source: Zhu et al., Saliency Optimization from Robust Background Detection (2014), on the background as what is like the
edges of the image; Achanta et al., SLIC Superpixels Compared to State-of-the-Art Superpixel Methods (2012).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from diagnose.errors import SettingsError
from diagnose.integrations.captum.models import short
from diagnose.integrations.captum.pixels import Pixels

Array = npt.NDArray[np.float64]

SIDE = 96
"""Pixels of the longer side at which images are segmented."""

SUPERPIXELS = 120

LEAST, MOST = 0.05, 0.7
"""Shares of the image between which a thing is taken for one; else it is the oval in the middle of half the area."""


def things(pixels: Pixels) -> Tensor:
    """Where the thing is in each image, by segmentation; the oval in its middle where nothing stands out."""
    height, width = pixels.shape[1:]
    scale = min(1.0, SIDE / max(height, width))
    small = max(1, round(height * scale)), max(1, round(width * scale))
    found = [
        _thing(np.asarray(image.permute(1, 2, 0), dtype=np.float64))
        for some in pixels.batches(64)
        for image in functional.interpolate(some.float().cpu(), small, mode="bilinear", antialias=True)
    ]
    masks = torch.from_numpy(np.stack(found)).float()[:, None]
    return functional.interpolate(masks, (height, width), mode="nearest")[:, 0] > 0.5


def _thing(image: Array) -> npt.NDArray[np.bool_]:
    """The mask of one image, shape (height, width, channels)."""
    from scipy.ndimage import binary_fill_holes
    from skimage.filters import threshold_otsu
    from skimage.segmentation import slic

    image = (image - image.min()) / max(float(np.ptp(image)), 1e-9)
    parts = slic(image, SUPERPIXELS, compactness=0.1, start_label=0, channel_axis=-1, enforce_connectivity=True)
    sizes = np.maximum(np.bincount(parts.ravel()), 1)
    means = np.stack(
        [np.bincount(parts.ravel(), image[..., c].ravel()) / sizes for c in range(image.shape[-1])], axis=1
    )
    edge = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    away = np.sort(np.linalg.norm(means[:, None] - means[None, edge], axis=-1), axis=1)
    distance = away[:, : max(1, len(edge) // 4)].mean(axis=1)  # from the quarter of the edge that is most alike
    mask = np.zeros(parts.shape, dtype=bool)
    if np.ptp(distance) > 0.0:
        mask = binary_fill_holes((distance > threshold_otsu(distance))[parts])
    return mask if LEAST <= mask.mean() <= MOST else _oval(*parts.shape)


def _oval(height: int, width: int) -> npt.NDArray[np.bool_]:
    """The oval of half the area."""
    rows, columns = np.linspace(-1.0, 1.0, height)[:, None], np.linspace(-1.0, 1.0, width)[None, :]
    oval: npt.NDArray[np.bool_] = rows**2 + columns**2 <= 2.0 / np.pi
    return oval


def of_files(folder: Path, data: Path, paths: tuple[Path, ...], shape: tuple[int, int]) -> Tensor:
    """The user's masks, under `folder` as the images are under `data`, with any suffix; not black is the thing.

    shape: height and width that the masks are brought to. Raises SettingsError.
    """
    from PIL import Image

    found = []
    for path in paths:
        inside = path.relative_to(data)
        here = next(iter(sorted((folder / inside.parent).glob(f"{inside.stem}.*"))), None)
        if here is None:
            raise SettingsError(f"--masks {folder}: has no mask for {inside}; give one for every image, or none")
        try:
            with Image.open(here) as opened:
                mask = np.asarray(opened.convert("L").resize((shape[1], shape[0]), 0))  # 0: nearest
        except (OSError, ValueError, SyntaxError) as error:
            raise SettingsError(f"{here}: cannot be read as a mask ({short(error)})") from error
        found.append(mask > 0)
    return torch.from_numpy(np.stack(found))
