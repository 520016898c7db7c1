"""The tasks: real data that scikit-learn brings along, so that nothing is downloaded.

TASKS["digits"](Recipe(seed=1))          # Data: tensors for training and validation, split anew by each seed
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import Tensor
from torch.nn import functional

from reference_trainer.artefacts import ARTEFACTS
from reference_trainer.attentions import PADDING
from reference_trainer.augmentations import Policy
from reference_trainer.recipe import Recipe

VALIDATION = 0.2
"""Share of the examples that is held out."""

LINE = 32
"""Characters of a line, at most."""

UNTOLD = -100
"""The target where there is nothing to tell, as torch.nn.CrossEntropyLoss knows it."""

BRIGHTEST = 16.0
"""Value of a white pixel of scikit-learn's digits."""


@dataclass(frozen=True)
class Data:
    """Examples to learn from and examples to be judged by.

    x, y: shape (n, *inputs) and (n,) of class numbers, (n, classes) of class probabilities, or (n, *targets).
    val_x, val_y: the same for validation.
    outputs: how many numbers (or channels) the model puts out for an example.
    classes: number of classes; 0 where nothing is classified.
    peak: distance from black to white in the unit of the images; 0 where there are none.
    spare: examples of the training set that were not kept, without their labels, shape (m, *inputs).
    policy: of a learned augmentation, once it has been searched for.
    """

    x: Tensor
    y: Tensor
    val_x: Tensor
    val_y: Tensor
    outputs: int
    classes: int = 0
    peak: float = 0.0
    spare: Tensor | None = None
    policy: Policy | None = None

    def to(self, device: torch.device) -> Data:
        """The same on another device."""
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    @property
    def inputs(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.x.shape[1:])


def digits(recipe: Recipe) -> Data:
    """1,797 handwritten digits of 8 x 8 pixels, 10 classes.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), as bundled with scikit-learn.
    """
    return _classified(*_images(), recipe)


def digits_imbalanced(recipe: Recipe) -> Data:
    """The digits with ten examples of the first class for one of each other, unless the recipe says how many.

    Source: Buda, Maki and Mazurowski, A Systematic Study of the Class Imbalance Problem (2018), on step imbalance.
    """
    return digits(recipe)


def digits_few(recipe: Recipe) -> Data:
    """100 digits to learn from, unless the recipe says how many.

    Source: lecture notes, "Training milestone: learn everything".
    """
    return digits(recipe)


def digits_noisy(recipe: Recipe) -> Data:
    """The digits with three in ten training labels replaced by random ones, unless the recipe says how many.

    Source: Zhang et al., Understanding Deep Learning Requires Rethinking Generalization (2017).
    """
    return digits(recipe)


def digits_rows(recipe: Recipe) -> Data:
    """The digits as sequences: eight rows of eight pixels, from top to bottom.

    Source: Le, Jaitly and Hinton, A Simple Way to Initialize Recurrent Networks (2015), who read MNIST in sequence.
    """
    data = digits(recipe)
    spare = None if data.spare is None else data.spare.squeeze(1)
    return replace(data, x=data.x.squeeze(1), val_x=data.val_x.squeeze(1), spare=spare)


def digits_colour(recipe: Recipe) -> Data:
    """The digits on 16 x 16 pixels in colour, where the recipe's artefact can be planted on one class.

    Source: Lapuschkin et al., Unmasking Clever Hans Predictors and Assessing What Machines Really Learn (2019).
    """
    images, y = _images()
    x = functional.interpolate(images / BRIGHTEST, scale_factor=2, mode="bilinear").expand(-1, 3, -1, -1)
    random = np.random.default_rng(recipe.seed)
    marked = (y == recipe.artefact_class) & torch.from_numpy(random.random(len(y)) < recipe.artefact_share)
    x = ARTEFACTS[recipe.artefact](x, marked, random)
    return _classified(BRIGHTEST * x, y, recipe)


def digits_turned(recipe: Recipe) -> Data:
    """The digits, each turned by an angle of its own: what is upside down is no other digit but for 6 and 9.

    Its invariances are not those of upright digits, so that what is learned here may not do for those.

    Source: Larochelle et al., An Empirical Evaluation of Deep Architectures on Problems with Many Factors of Variation
    (2007), who turned MNIST.
    """
    images, y = _images()
    angle = torch.from_numpy(np.random.default_rng(recipe.seed).uniform(0.0, 2.0 * np.pi, len(y))).float()
    rows = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    grid = functional.affine_grid(torch.cat([rows, torch.zeros(len(y), 2, 1)], dim=2), list(images.shape), False)
    return _classified(functional.grid_sample(images, grid, align_corners=False), y, recipe)


def characters(recipe: Recipe) -> Data:
    """Lines of English, character by character, of which the next is to be told; short lines are padded.

    The lines are those in which scikit-learn describes its data sets, of 32 characters at most; a longer one is cut
    into several. Targets are -100 where there is nothing to tell.

    Source: Karpathy, The Unreasonable Effectiveness of Recurrent Neural Networks (2015); the texts are scikit-learn's.
    """
    pieces = _pieces()
    letters = sorted(set("".join(pieces)))
    numbers = {letter: number for number, letter in enumerate(letters, start=1 + PADDING)}
    lines = torch.full((len(pieces), LINE + 1), PADDING)
    for row, piece in enumerate(pieces):
        lines[row, : len(piece)] = torch.tensor([numbers[letter] for letter in piece])
    x, y = lines[:, :-1], lines[:, 1:].masked_fill(lines[:, 1:] == PADDING, UNTOLD)
    x, y, val_x, val_y = _split(x.float(), y, recipe)
    x, y = x[: recipe.examples], y[: recipe.examples]
    val_x, val_y = val_x[: recipe.val_examples], val_y[: recipe.val_examples]
    return Data(x, y, val_x, val_y, outputs=1 + len(letters))


def _pieces() -> list[str]:
    """The different lines of the text in lower case, in pieces of up to LINE characters and the end of the line."""
    folder = resources.files("sklearn.datasets.descr")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".rst")), key=lambda file: file.name)
    text = "\n".join(file.read_text(encoding="utf-8") for file in files).lower()
    lines = [" ".join(line.split()) for line in text.split("\n")]
    pieces = [line[start : start + LINE] for line in lines for start in range(0, len(line), LINE)]
    return [
        piece + "\n" for piece in dict.fromkeys(pieces) if len(piece) > 1
    ]  # each once: none is trained and held out


def segmentation(recipe: Recipe) -> Data:
    """A digit in a noisy 16 x 16 field with a slope of light; its strokes are to be found, pixel by pixel.

    Source: Ronneberger, Fischer and Brox, U-Net: Convolutional Networks for Biomedical Image Segmentation (2015).
    """
    x, _, val_x, _ = _split(*_images(), recipe)
    x, val_x = x[: recipe.examples], val_x[: recipe.val_examples]
    (x, y), (val_x, val_y) = _fields(x / BRIGHTEST), _fields(val_x / BRIGHTEST)
    scale = _scale(x, recipe)
    return Data(scale(x), y, scale(val_x), val_y, outputs=1, peak=scale.width(1.0))


def super_resolution(recipe: Recipe) -> Data:
    """Digits of 4 x 4 pixels, of which those of 8 x 8 are to be made.

    Source: Dong et al., Image Super-Resolution Using Deep Convolutional Networks (2014).
    """
    y, _, val_y, _ = _split(*_images(), recipe)
    y, val_y = y[: recipe.examples], val_y[: recipe.val_examples]
    scale = _scale(y, recipe)
    y, val_y = scale(y), scale(val_y)
    x, val_x = functional.avg_pool2d(y, 2), functional.avg_pool2d(val_y, 2)
    return Data(x, y, val_x, val_y, outputs=1, peak=scale.width(BRIGHTEST))


def generation(recipe: Recipe) -> Data:
    """The digits as examples of what is to be made out of noise; pixels from -1 to 1, which a tanh can make.

    Source: Goodfellow et al., Generative Adversarial Nets (2014); Radford et al., Unsupervised Representation Learning
    with Deep Convolutional Generative Adversarial Networks (2016), on the tanh.
    """
    data = digits(replace(recipe, normalize_inputs=False))
    scale = _Scale(BRIGHTEST / 2, BRIGHTEST / 2) if recipe.normalize_inputs else _Scale(0.0, 1.0)
    x, val_x = scale(data.x), scale(data.val_x)
    return Data(x, data.y, val_x, data.val_y, outputs=1, peak=scale.width(BRIGHTEST))


def diabetes(recipe: Recipe) -> Data:
    """442 patients, ten measurements each; the progress of their diabetes a year later, in standard deviations.

    Source: Efron et al., Least Angle Regression (2004), as bundled with scikit-learn.
    """
    table, progress = load_diabetes(return_X_y=True, scaled=False)
    x, y = torch.tensor(table, dtype=torch.float32), torch.tensor(progress, dtype=torch.float32)
    x, y, val_x, val_y = _split(x, y, recipe)
    x, y = x[: recipe.examples], y[: recipe.examples]
    val_x, val_y = val_x[: recipe.val_examples], val_y[: recipe.val_examples]
    middle, spread = y.mean(), _spread(y)
    if recipe.normalize_inputs:
        low, wide = x.mean(dim=0), _spread(x)
        x, val_x = (x - low) / wide, (val_x - low) / wide
    return Data(x, ((y - middle) / spread)[:, None], val_x, ((val_y - middle) / spread)[:, None], outputs=1)


def _classified(x: Tensor, y: Tensor, recipe: Recipe) -> Data:
    """Images and their classes as the recipe wants them: split, thinned, mislabelled, scaled."""
    x, y, val_x, val_y = _split(x, y, recipe)
    keep = _imbalanced(y, recipe.imbalance)
    x, y = x[keep], y[keep]
    val_keep = _imbalanced(val_y, recipe.imbalance)
    val_x, val_y = val_x[val_keep], val_y[val_keep]
    spare = x[recipe.examples :] if recipe.examples is not None else x[:0]
    x, y = x[: recipe.examples], y[: recipe.examples]
    val_x, val_y = val_x[: recipe.val_examples], val_y[: recipe.val_examples]
    y = _noisy(y, recipe.label_noise)
    if recipe.leak:
        x, y = torch.cat([x, *[val_x] * recipe.leak]), torch.cat([y, *[val_y] * recipe.leak])
    if not recipe.shuffle:
        order = torch.argsort(y, stable=True)
        x, y = x[order], y[order]
    scale = _scale(x, recipe)
    x, val_x, spare = (scale(part) for part in (x, val_x, spare))
    return Data(x, y, val_x, val_y, outputs=10, classes=10, peak=scale.width(BRIGHTEST), spare=spare)


def _images() -> tuple[Tensor, Tensor]:
    """Pixels from 0 to 16, shape (1797, 1, 8, 8), and class numbers, shape (1797,)."""
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(labels, dtype=torch.long)


def _split(x: Tensor, y: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training and validation examples, drawn by the recipe's seed."""
    order = torch.from_numpy(np.random.default_rng(recipe.seed).permutation(len(x)))
    held_out, kept = order[: round(VALIDATION * len(x))], order[round(VALIDATION * len(x)) :]
    return x[kept], y[kept], x[held_out], y[held_out]


def _imbalanced(y: Tensor, ratio: float) -> Tensor:
    """Indices of the examples that are kept: all of class 0, one in `ratio` of every other class, at least one."""
    if ratio == 1.0:
        return torch.arange(len(y))
    kept = [torch.nonzero(y == label).flatten() for label in range(10)]
    kept = [places if label == 0 else places[: max(round(len(places) / ratio), 1)] for label, places in enumerate(kept)]
    return torch.sort(torch.cat(kept)).values


def _noisy(y: Tensor, share: float) -> Tensor:
    """The labels with `share` of them drawn anew from all classes."""
    if share == 0.0:
        return y
    wrong = torch.rand(len(y)) < share
    return torch.where(wrong, torch.randint(0, 10, y.shape), y)


def _fields(images: Tensor) -> tuple[Tensor, Tensor]:
    """A noisy field with each image, and the mask of its strokes, both of shape (n, 1, 16, 16)."""
    count = len(images)
    corner = torch.randint(0, 9, (count, 2))
    down, right = (corner[:, axis, None] + torch.arange(8) for axis in (0, 1))
    which = torch.arange(count)[:, None, None]
    clean = torch.zeros(count, 16, 16)
    clean[which, down[:, :, None], right[:, None, :]] = images.squeeze(1)
    slope = torch.randn(count, 2, 1, 1) * 0.2
    ramp = torch.linspace(-1.0, 1.0, 16)
    light = slope[:, 0] * ramp[:, None] + slope[:, 1] * ramp[None, :]
    field = clean * (0.5 + 0.5 * torch.rand(count, 1, 1)) + light + 0.1 * torch.randn(count, 16, 16)
    return field[:, None], (clean > 0.4).float()[:, None]


def _spread(values: Tensor) -> Tensor:
    """Standard deviation of each column; 1 where all values are the same, as those of a few patients may be."""
    spread = values.std(dim=0, correction=int(len(values) > 1))
    return torch.where(spread > 0.0, spread, 1.0)


@dataclass(frozen=True)
class _Scale:
    """Shifts by `middle` and divides by `spread`."""

    middle: float
    spread: float

    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.middle) / self.spread

    def width(self, span: float) -> float:
        """A distance in the new unit."""
        return span / self.spread


def _scale(x: Tensor, recipe: Recipe) -> _Scale:
    """The scale that gives the training inputs mean 0 and standard deviation 1; none where the recipe wants none."""
    return _Scale(float(x.mean()), float(x.std())) if recipe.normalize_inputs else _Scale(0.0, 1.0)


TASKS: dict[str, Callable[[Recipe], Data]] = {
    "digits": digits,
    "digits-imbalanced": digits_imbalanced,
    "digits-few": digits_few,
    "digits-noisy": digits_noisy,
    "digits-rows": digits_rows,
    "digits-turned": digits_turned,
    "digits-colour": digits_colour,
    "characters": characters,
    "segmentation": segmentation,
    "super-resolution": super_resolution,
    "generation": generation,
    "diabetes": diabetes,
}
