"""A user's model and images: built, loaded, brought to one size. Every failure is one clear line."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diagnose.errors import SettingsError, unknown

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""Files that are taken for images."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation that models trained on ImageNet expect, for pixels from 0 to 1."""

MOST_PER_CLASS = 100
"""Images of a class that are read, evenly spaced in the order of their names: all are held in memory."""

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels of a model's input -> the colours that PIL makes of an image."""

_HOLDERS = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Keys under which checkpoints keep the weights."""

_PREFIXES = ("module.", "model.", "_orig_mod.", "net.")
"""What wrappers put before the names of weights."""


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images on disk as tensors.

    pixels: shape (n, channels, height, width). labels: shape (n,), by `classes`. paths: one per image.
    notes: what had to be decided, in sentences for the user.
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def build(spec: str) -> nn.Module:
    """The model that `package.module:name` names: a module, or a function or class that makes one without arguments.

    Raises SettingsError.
    """
    where, colon, name = spec.partition(":")
    if not colon or not where or not name:
        raise SettingsError(f"--model {spec}: not of the form package.module:function, such as mypkg.net:build")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - the command is typed where the package lies
    try:
        found: Any = importlib.import_module(where)
    except ModuleNotFoundError as error:
        raise SettingsError(f"--model {spec}: no module {error.name}; call from the folder that holds it") from error
    except Exception as error:
        raise SettingsError(f"--model {spec}: importing {where} failed ({_short(error)})") from error
    finally:
        sys.path.pop(0)
    for part in name.split("."):
        if not hasattr(found, part):
            raise SettingsError(f"--model {spec}: {unknown('name in ' + where, part, _public(found))}")
        found = getattr(found, part)
    if not isinstance(found, nn.Module):
        try:
            found = found()
        except Exception as error:
            raise SettingsError(
                f"--model {spec}: cannot be built ({_short(error)}); name a function that takes no arguments"
            ) from error
    if not isinstance(found, nn.Module):
        raise SettingsError(f"--model {spec}: makes a {type(found).__name__}, not a torch.nn.Module")
    return found.eval()


def _public(module: Any) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_")]


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint of plain tensors into the model. Raises SettingsError."""
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise SettingsError(f"--weights {path}: does not exist") from error
    except pickle.UnpicklingError as error:
        raise SettingsError(
            f"--weights {path}: holds more than weights, and is not loaded since it could run code; save "
            "model.state_dict() alone"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise SettingsError(f"--weights {path}: is no checkpoint of PyTorch ({_short(error)})") from error
    weights = _weights(loaded)
    if weights is None:
        raise SettingsError(f"--weights {path}: holds no weights by name; save model.state_dict()")
    wanted = model.state_dict()
    weights = _renamed(weights, wanted)
    missing = [name for name in wanted if name not in weights]
    extra = [name for name in weights if name not in wanted]
    other = [name for name in wanted if name in weights and wanted[name].shape != weights[name].shape]
    for what, names in (("lacks", missing), ("has in another shape", other), ("has beside those of the model", extra)):
        if names:
            raise SettingsError(
                f"--weights {path}: does not fit the model: it {what} {names[0]}"
                + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            )
    model.load_state_dict(weights)


def _weights(loaded: Any) -> dict[str, Tensor] | None:
    """The weights by name, wherever a checkpoint keeps them."""
    if isinstance(loaded, Mapping):
        if loaded and all(isinstance(value, Tensor) for value in loaded.values()):
            return {str(name): value for name, value in loaded.items()}
        for key in _HOLDERS:
            if key in loaded and (found := _weights(loaded[key])) is not None:
                return found
    return None


def _renamed(weights: dict[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights without what a wrapper put before every name."""
    for prefix in _PREFIXES:
        bare = {name.removeprefix(prefix): value for name, value in weights.items()}
        if all(name.startswith(prefix) for name in weights) and len(bare.keys() & wanted.keys()) > len(
            weights.keys() & wanted.keys()
        ):
            return bare
    return weights


def channels(model: nn.Module) -> int:
    """Channels of the images that the model takes: those of its first convolution, else 3."""
    first = next((part for part in model.modules() if isinstance(part, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels


def load(
    folder: Path, *, channels: int, size: tuple[int, int] | None = None, classes: Sequence[str] | None = None
) -> Images:
    """Read a folder with one folder of images per class; pixels from 0 to 1.

    size: height and width; None for those of the first image. Other images are resized to it.
    classes: names of the model's outputs in their order; None for the folders in alphabetical order.
    Raises SettingsError.
    """
    from PIL import Image, UnidentifiedImageError

    if channels not in MODES:
        raise SettingsError(f"the model takes images of {channels} channels; files hold 1, 3 or 4")
    found = _files(folder)
    names = tuple(classes) if classes else tuple(found)
    for name in found:
        if name not in names:
            raise SettingsError(f"--data {folder}: {unknown('class', name, names)}; --classes must name every folder")
    pixels, labels, paths, resized, total = [], [], [], 0, sum(map(len, found.values()))
    for name, every in found.items():
        files = [every[place] for place in np.linspace(0, len(every) - 1, min(len(every), MOST_PER_CLASS)).astype(int)]
        for path in files:
            try:
                with Image.open(path) as opened:
                    image = opened.convert(MODES[channels])
            except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                raise SettingsError(
                    f"{path}: cannot be read as an image ({_short(error)}); repair it or take it out"
                ) from error
            size = size or (image.height, image.width)
            if (image.height, image.width) != size:
                image, resized = image.resize((size[1], size[0]), Image.Resampling.BILINEAR), resized + 1
            array = np.asarray(image, dtype=np.float32).reshape(*size, channels) / 255.0
            pixels.append(torch.from_numpy(array).permute(2, 0, 1))
            labels.append(names.index(name))
            paths.append(path)
    assert size is not None
    notes = []
    if len(paths) < total:
        notes.append(f"{len(paths)} of {total} images are used, at most {MOST_PER_CLASS} of each class")
    if resized:
        notes.append(f"{resized} of {len(paths)} images were resized to {size[1]} x {size[0]}")
    return Images(torch.stack(pixels), torch.tensor(labels), names, tuple(paths), tuple(notes))


def _files(folder: Path) -> dict[str, list[Path]]:
    """Class -> its images, in alphabetical order. Raises SettingsError."""
    if not folder.is_dir():
        raise SettingsError(f"--data {folder}: is no folder; give one with a folder of images per class")
    found = {}
    for part in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = sorted(path for path in part.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        if files:
            found[part.name] = files
    if not found:
        raise SettingsError(f"--data {folder}: holds no folder with images ({', '.join(sorted(SUFFIXES)[:6])} ...)")
    if len(found) < 2:
        raise SettingsError(f"--data {folder}: holds one class only ({next(iter(found))}); a mosaic needs two")
    return found


def normalized(pixels: Tensor, how: str) -> Tensor:
    """Pixels as the model expects them.

    how: `none`, `imagenet`, `images` (mean 0 and standard deviation 1 over these images), or `MEAN,.../STD,...`.
    Raises SettingsError.
    """
    if how == "none":
        return pixels
    if how == "images":
        return (pixels - pixels.mean()) / pixels.std().clamp(min=1e-6)
    mean, spread = IMAGENET if how == "imagenet" else _numbers(how)
    if len(mean) not in (1, pixels.shape[1]) or len(spread) != len(mean):
        raise SettingsError(f"--normalize {how}: {len(mean)} means for images of {pixels.shape[1]} channels")
    shift, scale = (torch.tensor(values)[None, :, None, None] for values in (mean, spread))
    return (pixels - shift) / scale


def _numbers(how: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Means and standard deviations of `0.5,0.5,0.5/0.2,0.2,0.2`."""
    try:
        mean, spread = (tuple(float(number) for number in side.split(",")) for side in how.split("/"))
    except ValueError:
        raise SettingsError(f"--normalize {how}: give none, imagenet, images, or MEAN,.../STD,...") from None
    if not all(value > 0.0 for value in spread):
        raise SettingsError(f"--normalize {how}: a standard deviation must be above 0")
    return mean, spread


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200].rstrip(": ")
