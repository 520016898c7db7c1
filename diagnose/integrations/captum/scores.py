"""The check of a model: what regions of the image are worth to each class, and the Focus of its relevance.

scores = focus(model, dataset, layer="features.28")
scores.effects                                           # counterfactual effects, see `counterfactual`
scores.medians()                                         # Focus: {"cat": 0.91, "dog": 0.47}
scores.write(Path("focus.csv"))                          # then: diagnose focus.csv

Focus is how much of the relevance of a class lies on the images of that class: Arias-Duart, Pares, Garcia-Gasulla and
Gimenez-Abalos, Focus! Rating XAI Methods and Finding Biases (2022), arXiv 2109.15035.
"""

from __future__ import annotations

import copy
import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from diagnose.errors import SettingsError, unknown
from diagnose.integrations.captum import counterfactual, inputs, segments, soundness
from diagnose.integrations.captum import methods as attribution
from diagnose.integrations.captum import regions as where
from diagnose.integrations.captum.counterfactual import Effect
from diagnose.integrations.captum.heads import scores_of
from diagnose.integrations.captum.layers import check_layer
from diagnose.integrations.captum.mosaics import Mosaic, draw, quarters, takes_double_size, tiled
from diagnose.integrations.captum.pixels import Pixels
from diagnose.readers.formats import focus_csv
from diagnose.readers.tables.table import Column, Table

Array = npt.NDArray[np.float64]
Step = Callable[[int, str], None]

SANITY_MOSAICS = 100
"""Mosaics, evenly over the classes, on which randomly initialised copies are tried."""

COPIES = 3
"""Randomly initialised copies, which share the mosaics: one draw may happen to look at bright images."""

BATCH = 32
"""Mosaics that are attributed at once."""

BOXES = (4, 6)
"""Boxes that wander are a quarter or a sixth of each side, no larger than the windows that are judged."""

POINTING = "saliency"
"""The method that points at boxes beside the first one that is asked for: it needs no layer and is fine."""

RECORDED = 3
"""Effects that are recorded of each class, and as many that may be the thing's."""


@dataclass(frozen=True, slots=True)
class Row:
    """One mosaic, seen by one method.

    weights: `trained`, or `random` for the randomly initialised copy.
    focus: positive relevance on the images of the target over all positive relevance; NaN where there is none.
    others, stolen: the two other images' classes, and the share of the positive relevance that each took.
    """

    mosaic: int
    target: str
    method: str
    weights: str
    focus: float
    others: tuple[str, str]
    stolen: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What came of a check.

    rows: mosaic by mosaic within each method.
    classes: names by number. layer: name of the layer that GradCAM looked at; "" where no method asked for one.
    mosaics, images: what was looked at, for pictures. own_size: whether mosaics were shrunk to the size of an image.
    labels, predicted: shape (images,), class numbers.
    effects: what regions are worth, the largest first; empty where it was not tried.
    """

    rows: tuple[Row, ...]
    classes: tuple[str, ...]
    layer: str
    mosaics: tuple[Mosaic, ...]
    images: Pixels
    labels: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    own_size: bool
    effects: tuple[Effect, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods in the order in which they were asked for."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    def of(self, method: str | None = None, weights: str = "trained") -> list[Row]:
        """The rows of one method, the first where none is named."""
        name = method or self.methods[0]
        return [row for row in self.rows if row.method == name and row.weights == weights]

    def medians(self, method: str | None = None) -> dict[str, float]:
        """Median Focus of each class; NaN where no mosaic had positive relevance."""
        found: dict[str, list[float]] = {}
        for row in self.of(method):
            found.setdefault(row.target, []).append(row.focus)
        return {name: _median(values) for name, values in found.items()}

    def sanity(self, method: str | None = None) -> float:
        """Median Focus of the randomly initialised copies; NaN where it was not tried."""
        return _median([row.focus for row in self.of(method, "random")])

    def best_effects(self) -> list[Effect]:
        """The `RECORDED` largest effects of each class above their references, the largest first."""
        found: dict[tuple[int, bool], list[Effect]] = {}
        for effect in self.effects:
            if len(mine := found.setdefault((effect.target, effect.apart), [])) < RECORDED:
                mine.append(effect)
        return sorted((one for mine in found.values() for one in mine), key=lambda one: -one.excess)

    def table(self) -> Table:
        """The table of the check, row by row; numbers have six digits, so that a file of them is judged alike."""
        rows, effects = self.rows, self.best_effects()
        blank = [float("nan")] * len(effects)
        nothing = [float("nan")] * len(rows)
        numbers: dict[str, Sequence[float]] = {
            "schema": [focus_csv.SCHEMA] * (len(effects) + len(rows)),
            "mosaic": [*range(1, len(effects) + 1), *(row.mosaic for row in rows)],
            "focus": blank + [row.focus for row in rows],
            "stolen_1": blank + [row.stolen[0] for row in rows],
            "stolen_2": blank + [row.stolen[1] for row in rows],
            "fall": [one.fall for one in effects] + nothing,
            "transfer": [one.transfer for one in effects] + nothing,
            "reference": [one.reference for one in effects] + nothing,
            "p_value": [one.corrected for one in effects] + nothing,
            "images": [float(one.own) for one in effects] + nothing,
            "area": [one.region.area for one in effects] + nothing,
            "apart": [float(one.apart) for one in effects] + nothing,
        }
        none = [""] * len(effects)
        words = {
            "target": [self.classes[one.target] for one in effects] + [row.target for row in rows],
            "method": [focus_csv.COUNTERFACTUAL] * len(effects) + [row.method for row in rows],
            "weights": ["trained"] * len(effects) + [row.weights for row in rows],
            "other_1": none + [row.others[0] for row in rows],
            "other_2": none + [row.others[1] for row in rows],
            "region": [one.region.name for one in effects] + [""] * len(rows),
        }
        columns = {name: _column(values) for name, values in numbers.items()}
        return Table(focus_csv.NAME, columns, len(effects) + len(rows), text=words)

    def write(self, path: Path) -> None:
        """Write the table, which `diagnose` reads. Raises SettingsError where the file cannot be written."""
        made = self.table()
        cells = {**made.text, **{name: _cells(column) for name, column in made.columns.items()}}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="", encoding="utf-8") as stream:
                lines = csv.writer(stream, lineterminator="\n")
                lines.writerow(focus_csv.COLUMNS)
                lines.writerows(zip(*(cells[name] for name in focus_csv.COLUMNS), strict=True))
        except OSError as error:
            raise SettingsError(f"{path}: cannot be written ({error.strerror}); name another with --out") from error


def _column(values: Sequence[float]) -> Column:
    """Numbers of six digits; NaN was not measured."""
    rounded = np.array([float(f"{value:.6g}") for value in values], dtype=np.float64)
    return Column(rounded, ~np.isnan(rounded))


def _cells(column: Column) -> list[str]:
    return [f"{value:.6g}" if here else "" for value, here in zip(column.values, column.logged, strict=True)]


def _median(values: Sequence[float]) -> float:
    finite = [value for value in values if not np.isnan(value)]
    return float(np.median(finite)) if finite else float("nan")


def focus(  # noqa: PLR0913 - each has a default that fits, and one is named at a time
    model: nn.Module,
    dataset: Iterable[tuple[Tensor, int]] | tuple[Tensor | Pixels, Tensor],
    *,
    layer: str | None = None,
    methods: Sequence[str] = ("gradcam",),
    mosaics: int = 200,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    all_images: bool = False,
    effects: bool = True,
    sanity: bool = True,
    own_size: bool | None = None,
    things: Tensor | None = None,
    device: str | torch.device | None = None,
    batch: int = BATCH,
    progress: Step | None = None,
) -> Scores:
    """Check a classifier of images.

    model: images of shape (n, channels, height, width) to answers that `heads` takes. It is left as it was.
    dataset: pairs of image and class number, or all images and all labels.
    layer: name of the layer for GradCAM; None for the last one with maps, or with tokens that make a grid.
    mosaics: in all, shared evenly among the classes, at least `inputs.LEAST_MOSAICS` for each.
    classes: names of the model's outputs; None for their numbers.
    all_images: draw mosaics from all images, and not from those alone that the model classifies correctly.
    effects, sanity: whether to try regions, and randomly initialised copies.
    own_size: mosaics as large as one image; None for where the model takes no image of twice its size.
    things: where the thing is in each image, shape (n, height, width), true or false; None for a segmentation.
    device: None for the GPU where there is one.
    progress: told how many images are done (see `work`), and of what.
    Raises SettingsError (MethodError among it) where the model or the data cannot be scored; the text is one line.
    """
    for name in methods:
        if name not in attribution.METHODS:
            raise SettingsError(unknown("method", name, attribution.METHODS))
    place = inputs.device(device)
    training, home = model.training, next((p.device for p in model.parameters()), torch.device("cpu"))
    images, labels = inputs.pixels(dataset)
    try:
        images = images.on(place)
        scored = scores_of(model.eval().to(place), images)
        if layer is not None:
            check_layer(scored, layer)
        answers = inputs.answers(scored, images, batch)
        names = inputs.names(classes, answers.shape[1], labels)
        predicted = answers.argmax(axis=1)
        soundness.check(predicted, labels, names)
        usable = np.flatnonzero(predicted == labels)
        found = attribution.layer_for(scored, methods, layer, images[:1])
        drawn = _drawn(labels, np.arange(len(labels)) if all_images else usable, mosaics, seed)
        small = not takes_double_size(scored, images[:1][0]) if own_size is None else own_size
        check = _Check(scored, images, labels, drawn, names, small, batch, progress)
        rows = [row for name in methods for row in check.rows(name, found, sanity=sanity, seed=seed)]
        tried = check.effects(methods[0], found, usable, things, seed) if effects else []
    finally:
        model.train(training).to(home)
    return Scores(
        rows=tuple(rows),
        classes=names,
        layer=found,
        mosaics=tuple(drawn),
        images=images.on(torch.device("cpu")),
        labels=labels,
        predicted=predicted,
        own_size=small,
        effects=tuple(tried),
    )


def _drawn(labels: npt.NDArray[np.int64], usable: npt.NDArray[np.int64], mosaics: int, seed: int) -> list[Mosaic]:
    """The mosaics, of images that are usable. Raises SettingsError where they are too few."""
    per_class = inputs.per_class(mosaics, labels[usable])
    return [_renumbered(mosaic, usable) for mosaic in draw(labels[usable], per_class=per_class, seed=seed)]


def work(
    mosaics: int, methods: int, images: int = 0, classes: int = 0, *, effects: bool = True, sanity: bool = True
) -> int:
    """How many images and mosaics `focus` will put through the model, about, for a progress bar."""
    searched = counterfactual.work(classes, images) if effects else 0
    return methods * (mosaics + min(mosaics, SANITY_MOSAICS) * sanity) + searched


def of_maps(maps: Tensor, mosaics: Sequence[Mosaic]) -> tuple[Array, Array]:
    """Focus, shape (n,), and the share of the positive relevance in each quarter, shape (n, 4), of relevance maps.

    maps: shape (n, height, width). Both are NaN where a map has no positive relevance.
    """
    sums = quarters(maps)
    total = sums.sum(dim=1, keepdim=True)
    shares = np.asarray(torch.where(total > 0.0, sums / total, torch.nan), dtype=np.float64)
    inside = np.array([mosaic.inside for mosaic in mosaics], dtype=np.float64).reshape(-1, 4)
    return (shares * inside).sum(axis=1), shares


@torch.no_grad()
def random_copy(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy with weights as its layers draw them before any training."""
    fresh = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in fresh.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
            else:
                for parameter in part.parameters(recurse=False):
                    parameter.normal_(0.0, 0.02)
    return fresh.eval()


@dataclass(frozen=True, slots=True, eq=False)
class _Check:
    """One model, its images and the mosaics drawn from them."""

    model: nn.Module
    images: Pixels
    labels: npt.NDArray[np.int64]
    mosaics: Sequence[Mosaic]
    names: tuple[str, ...]
    own_size: bool
    batch: int
    progress: Step | None

    def effects(
        self, method: str, layer: str, usable: npt.NDArray[np.int64], things: Tensor | None, seed: int
    ) -> list[Effect]:
        """What regions are worth; beside those that are tried of every image, the background and boxes that wander."""
        masks = segments.things(self.images) if things is None else things
        extra = [where.background(masks), where.thing(masks)]
        for pointing in dict.fromkeys((method, POINTING)):
            extra += self._boxes(pointing, layer)
        return counterfactual.search(
            self.model,
            self.images,
            self.labels,
            usable,
            extra,
            known=things is not None,
            seed=seed,
            batch=2 * self.batch,
            progress=self.progress,
        )

    def _boxes(self, method: str, layer: str) -> list[where.Region]:
        """Where each image has most relevance for its class, in boxes of several sizes."""
        explain = attribution.METHODS[method](self.model, layer)
        height, width = self.images.shape[1:]
        sizes = [(max(2, round(height / part)), max(2, round(width / part))) for part in BOXES]
        boxes: list[list[Tensor]] = [[] for _ in sizes]
        for start in range(0, len(self.images), self.batch):
            some = self.images[start : start + self.batch]
            targets = torch.from_numpy(self.labels[start : start + self.batch]).to(some.device)
            [maps] = attribution.relevance(explain, some, targets, batch=self.batch)
            for found, (tall, wide) in zip(boxes, sizes, strict=True):
                found.append(where.densest(maps, tall, wide))
        return [
            where.wandering(torch.cat(found), f"{method} 1/{part}", f"{tall} x {wide} pixels wherever {method} points")
            for part, (tall, wide), found in zip(BOXES, sizes, boxes, strict=True)
        ]

    def rows(self, method: str, layer: str, *, sanity: bool, seed: int) -> list[Row]:
        """The rows of one method: the model's, then those of randomly initialised copies."""
        explain = attribution.METHODS[method](self.model, layer)
        plain, shares = self._focus(explain, self.mosaics, method)
        rows = [
            self._row(number, mosaic, method, "trained", plain[number], shares[number])
            for number, mosaic in enumerate(self.mosaics)
        ]
        if sanity:
            every = max(1, len(self.mosaics) // SANITY_MOSAICS)
            for copied in range(COPIES):
                numbers = range(every * copied, len(self.mosaics), every * COPIES)
                some = [self.mosaics[number] for number in numbers]
                explain = attribution.METHODS[method](random_copy(self.model, seed + copied), layer)
                blank, spread = self._focus(explain, some, method)
                rows += [
                    self._row(number, mosaic, method, "random", *found)
                    for number, mosaic, *found in zip(numbers, some, blank, spread, strict=True)
                ]
        return rows

    def _row(self, number: int, mosaic: Mosaic, method: str, weights: str, value: float, shares: Array) -> Row:
        one, two = (self.names[self.labels[mosaic.images[place]]] for place in mosaic.other)
        first, second = (float(shares[place]) for place in mosaic.other)
        target = self.names[mosaic.target]
        return Row(number + 1, target, method, weights, float(value), (one, two), (first, second))

    def _focus(self, explain: attribution.Explain, mosaics: Sequence[Mosaic], method: str) -> tuple[Array, Array]:
        """Focus and shares of the mosaics, batch by batch."""
        found = []
        for start in range(0, len(mosaics), self.batch):
            some = mosaics[start : start + self.batch]
            four = self._quarters(some)
            targets = torch.tensor([mosaic.target for mosaic in some], device=four.device)
            square = tiled(four, own_size=self.own_size)
            maps = torch.cat(list(attribution.relevance(explain, square, targets, batch=self.batch)))
            found.append(of_maps(maps, some))
            if self.progress is not None:
                self.progress(len(some), method)
        focus, shares = zip(*found, strict=True)
        return np.concatenate(focus), np.concatenate(shares)

    def _quarters(self, mosaics: Sequence[Mosaic]) -> Tensor:
        """The four images of each mosaic, shape (n, 4, channels, height, width)."""
        return self.images[torch.tensor([mosaic.images for mosaic in mosaics])]


def _renumbered(mosaic: Mosaic, usable: npt.NDArray[np.int64]) -> Mosaic:
    """The mosaic with its images by their number among all, not among those that are usable."""
    images = tuple(int(usable[image]) for image in mosaic.images)
    return Mosaic(mosaic.target, images, mosaic.inside)  # type: ignore[arg-type]
