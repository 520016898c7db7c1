"""A user's images: found, brought to one size, kept as bytes. Every failure is one clear line."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from diagnose.errors import SettingsError, unknown
from diagnose.integrations.captum.models import short
from diagnose.integrations.captum.pixels import Pixels

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""Files that are taken for images."""

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation that models trained on ImageNet expect, for pixels from 0 to 1."""

LIMIT = 40
"""Images of a class that are read where nothing else is asked for: a recall of them is known to within 15 points."""

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels of a model's input -> the colours that PIL makes of an image."""


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images on disk as pixels.

    labels: shape (n,), by `classes`. paths: one per image. notes: what had to be decided, in sentences for the user.
    """

    pixels: Pixels
    labels: Tensor
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def load(
    folder: Path,
    *,
    channels: int,
    size: tuple[int, int] | None = None,
    classes: Sequence[Sequence[str]] | None = None,
    limit: int = LIMIT,
) -> Images:
    """Read a folder with one folder of images per class.

    size: height and width; None for those of the first image. Other images are resized to it.
    classes: the names that each of the model's outputs goes by, in their order, see `class_names`; None for the folders
        in alphabetical order.
    limit: images of a class that are read, evenly spaced in the order of their names.
    Raises SettingsError.
    """
    if channels not in MODES:
        raise SettingsError(f"the model takes images of {channels} channels; files hold 1, 3 or 4")
    found = _files(folder)
    names, outputs = _outputs(folder, list(found), classes)
    chosen = {
        name: [every[place] for place in np.linspace(0, len(every) - 1, min(len(every), limit)).astype(int)]
        for name, every in found.items()
    }
    paths = [path for files in chosen.values() for path in files]
    labels = [outputs[name] for name, files in chosen.items() for _ in files]
    raw, resized = _decoded(paths, channels, size)
    notes, total = [], sum(map(len, found.values()))
    if len(paths) < total:
        notes.append(f"{len(paths)} of {total} images are used, at most {limit} of each class; more with --limit")
    if resized:
        notes.append(f"{resized} of {len(paths)} images were resized to {raw.shape[3]} x {raw.shape[2]}")
    return Images(Pixels(raw), torch.tensor(labels), names, tuple(paths), tuple(notes))


def _decoded(paths: Sequence[Path], channels: int, size: tuple[int, int] | None) -> tuple[Tensor, int]:
    """The bytes of all images, shape (n, channels, height, width), in a temporary file; and how many were resized."""
    kept: npt.NDArray[np.uint8] | None = None
    resized = 0
    for number, path in enumerate(paths):
        image = _opened(path, channels)
        size = size or (image.height, image.width)
        if (image.height, image.width) != size:
            image, resized = image.resize((size[1], size[0]), 2), resized + 1  # 2: bilinear
        if kept is None:
            with tempfile.TemporaryFile() as stream:
                kept = np.memmap(stream, dtype=np.uint8, mode="w+", shape=(len(paths), channels, *size))
        kept[number] = np.asarray(image, dtype=np.uint8).reshape(*size, channels).transpose(2, 0, 1)
    assert kept is not None
    return torch.from_numpy(kept), resized


def _opened(path: Path, channels: int):  # type: ignore[no-untyped-def]  # an image of PIL, which is imported late
    """The decoded image. Raises SettingsError."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            return opened.convert(MODES[channels])
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise SettingsError(f"{path}: cannot be read as an image ({short(error)}); repair it or take it out") from error


def _outputs(
    folder: Path, found: Sequence[str], classes: Sequence[Sequence[str]] | None
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The name of each output, and the output of each folder. Raises SettingsError where a folder has none."""
    if classes is None:
        return tuple(found), {name: number for number, name in enumerate(found)}
    known = {alias: number for number, aliases in enumerate(classes) for alias in aliases}
    for name in found:
        if name not in known:
            raise SettingsError(f"--data {folder}: {unknown('class', name, known)}; --classes must name every folder")
    return tuple(aliases[-1] for aliases in classes), {name: known[name] for name in found}


def class_names(given: str) -> list[tuple[str, ...]]:
    """The names of the model's outputs, in order, of what stands behind --classes: names with commas, or a file.

    A file has a class a line, or is JSON: a list, or a dict by number as ImageNet's class index. A number before a name
    is its output; a synset such as n01440764, and each name after it, are names of the same class. Raises
    SettingsError.
    """
    path = Path(given)
    if "," in given or not path.suffix or not path.is_file():
        return [(name.strip(),) for name in given.split(",")]
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            return _of_json(json.loads(text))
    except (OSError, ValueError) as error:
        raise SettingsError(f"--classes {path}: cannot be read ({short(error)}); give one name a line") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise SettingsError(f"--classes {path}: is empty; give one name a line, in the order of the model's outputs")
    numbered = [re.match(r"(\d+)[\s:,;]+(.+)", line) for line in lines]
    if all(numbered):
        pairs = sorted((int(match[1]), match[2]) for match in numbered if match)
        if [number - pairs[0][0] for number, _ in pairs] == list(range(len(pairs))):
            lines = [name for _, name in pairs]
    return [_aliases(line) for line in lines]


def _of_json(found: object) -> list[tuple[str, ...]]:
    """Raises ValueError where it is neither a list nor a dict by number."""
    if isinstance(found, Mapping):
        found = [found[key] for key in sorted(found, key=int)]
    if not isinstance(found, list) or not found:
        raise ValueError("neither a list of names nor a dict by number")
    return [tuple(map(str, one)) if isinstance(one, list) else _aliases(str(one)) for one in found]


def _aliases(line: str) -> tuple[str, ...]:
    """The names in a line: `n01440764 tench, Tinca tinca` is n01440764, and `tench`."""
    synset = re.match(r"(n\d{8})[\s:,;]+(.+)", line)
    if synset is None:
        return (line,)
    return synset[1], synset[2].partition(",")[0].strip()


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


def normalized(pixels: Pixels, how: str) -> Pixels:
    """Pixels as the model expects them.

    how: `none`, `imagenet`, `images` (mean 0 and standard deviation 1 over these images), or `MEAN,.../STD,...`.
    Raises SettingsError.
    """
    if how == "none":
        return pixels
    mean, spread = _moments(pixels) if how == "images" else IMAGENET if how == "imagenet" else _numbers(how)
    if len(mean) not in (1, pixels.shape[0]) or len(spread) != len(mean):
        raise SettingsError(f"--normalize {how}: {len(mean)} means for images of {pixels.shape[0]} channels")
    shift, scale = (torch.tensor(values)[None, :, None, None] for values in (mean, spread))
    return replace(pixels, shift=shift, scale=scale)


def _moments(pixels: Pixels) -> tuple[tuple[float], tuple[float]]:
    """Mean and standard deviation of all pixels, from sums over batches."""
    total = squares = count = 0.0
    for some in pixels.batches(64):
        values = some.double()
        total, squares, count = total + float(values.sum()), squares + float((values**2).sum()), count + values.numel()
    mean = total / count
    return (mean,), (max((squares - count * mean**2) / (count - 1), 1e-12) ** 0.5,)


def _numbers(how: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Means and standard deviations of `0.5,0.5,0.5/0.2,0.2,0.2`."""
    try:
        mean, spread = (tuple(float(number) for number in side.split(",")) for side in how.split("/"))
    except ValueError:
        raise SettingsError(f"--normalize {how}: give none, imagenet, images, or MEAN,.../STD,...") from None
    if not all(value > 0.0 for value in spread):
        raise SettingsError(f"--normalize {how}: a standard deviation must be above 0")
    return mean, spread
