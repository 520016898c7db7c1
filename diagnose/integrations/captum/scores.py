"""The Focus score of a model: how much of the relevance of a class lies on the images of that class.

scores = focus(model, dataset, layer="features.28")
scores.medians()                                         # {"cat": 0.91, "dog": 0.47}
scores.write(Path("focus.csv"))                          # then: diagnose focus.csv

Source: Arias-Duart, Pares, Garcia-Gasulla and Gimenez-Abalos, Focus! Rating XAI Methods and Finding Biases (2022),
arXiv 2109.15035; the exchange of places is described in `places`.
"""

from __future__ import annotations

import copy
import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from diagnose.errors import SettingsError, unknown
from diagnose.integrations.captum import inputs
from diagnose.integrations.captum import methods as attribution
from diagnose.integrations.captum import places as where
from diagnose.integrations.captum.mosaics import Mosaic, draw, quarters, takes_double_size, tiled
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


@dataclass(frozen=True, slots=True)
class Row:
    """One mosaic, seen by one method.

    weights: `trained`, or `random` for the randomly initialised copy.
    focus: positive relevance on the images of the target over all positive relevance; NaN where there is none.
    others, stolen: the two other images' classes, and the share of the positive relevance that each took.
    exchanged: Focus after the exchange of the target's place; NaN where it was not tried.
    moved: share of the target's log-odds that went along with the place; NaN likewise.
    place: the place in words; "" likewise.
    """

    mosaic: int
    target: str
    method: str
    weights: str
    focus: float
    others: tuple[str, str]
    stolen: tuple[float, float]
    exchanged: float = float("nan")
    moved: float = float("nan")
    place: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What came of a check.

    rows: mosaic by mosaic within each method.
    classes: names by number. layer: name of the layer that GradCAM looked at.
    mosaics, images: what was looked at, for pictures. own_size: whether mosaics were shrunk to the size of an image.
    places: by class number, what was exchanged; empty where nothing was.
    right, total: images that the model classifies correctly, and all.
    """

    rows: tuple[Row, ...]
    classes: tuple[str, ...]
    layer: str
    mosaics: tuple[Mosaic, ...]
    images: Tensor
    labels: npt.NDArray[np.int64]
    own_size: bool
    right: int
    total: int
    places: Mapping[int, where.Place] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods in the order in which they were asked for."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    def of(self, method: str | None = None, weights: str = "trained") -> list[Row]:
        """The rows of one method, the first where none is named."""
        name = method or self.methods[0]
        return [row for row in self.rows if row.method == name and row.weights == weights]

    def medians(self, method: str | None = None, *, exchanged: bool = False) -> dict[str, float]:
        """Median Focus of each class, plain or after the exchange; NaN where no mosaic had positive relevance."""
        found: dict[str, list[float]] = {}
        for row in self.of(method):
            found.setdefault(row.target, []).append(row.exchanged if exchanged else row.focus)
        return {name: _median(values) for name, values in found.items()}

    def sanity(self, method: str | None = None) -> float:
        """Median Focus of the randomly initialised copies; NaN where it was not tried."""
        return _median([row.focus for row in self.of(method, "random")])

    def table(self) -> Table:
        """The table of the check, row by row; numbers have six digits, so that a file of them is judged alike."""
        rows = self.rows
        numbers: dict[str, Sequence[float]] = {
            "mosaic": [row.mosaic for row in rows],
            "focus": [row.focus for row in rows],
            "stolen_1": [row.stolen[0] for row in rows],
            "stolen_2": [row.stolen[1] for row in rows],
            "exchanged": [row.exchanged for row in rows],
            "moved": [row.moved for row in rows],
        }
        words = {
            "target": [row.target for row in rows],
            "method": [row.method for row in rows],
            "weights": [row.weights for row in rows],
            "other_1": [row.others[0] for row in rows],
            "other_2": [row.others[1] for row in rows],
            "place": [row.place for row in rows],
        }
        columns = {name: _column(values) for name, values in numbers.items()}
        return Table(focus_csv.NAME, columns, len(rows), text=words)

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
    dataset: Iterable[tuple[Tensor, int]] | tuple[Tensor, Tensor],
    *,
    layer: str | None = None,
    methods: Sequence[str] = ("gradcam",),
    mosaics: int = 200,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    all_images: bool = False,
    exchange: bool = True,
    sanity: bool = True,
    own_size: bool | None = None,
    device: str | torch.device | None = None,
    batch: int = BATCH,
    progress: Step | None = None,
) -> Scores:
    """Score a classifier of images.

    model: images of shape (n, channels, height, width) to logits of shape (n, classes). It is left as it was.
    dataset: pairs of image and class number, or all images and all labels as two tensors.
    layer: name of the layer for GradCAM; None for the last convolution.
    mosaics: in all, shared evenly among the classes, at least `inputs.LEAST_MOSAICS` for each.
    classes: names of the model's outputs; None for their numbers.
    all_images: draw from all images, and not from those alone that the model classifies correctly.
    exchange, sanity: whether to exchange places, and to try randomly initialised copies.
    own_size: mosaics as large as one image; None for where the model takes no image of twice its size.
    device: None for the GPU where there is one.
    progress: told how many mosaics are done (see `work`), and by which method.
    Raises SettingsError (MethodError among it) where the model or the data cannot be scored; the text is one line.
    """
    for name in methods:
        if name not in attribution.METHODS:
            raise SettingsError(unknown("method", name, attribution.METHODS))
    place = inputs.device(device)
    training, home = model.training, next((p.device for p in model.parameters()), torch.device("cpu"))
    images, labels = inputs.tensors(dataset)
    try:
        model.eval().to(place)
        attribution.find_layer(model, layer)
        images = images.to(place)
        answers = inputs.answers(model, images, batch)
        found, _ = attribution.find_layer(model, layer, images[:1])
        names = inputs.names(classes, answers.shape[1], labels)
        right = answers.argmax(axis=1) == labels
        usable = np.flatnonzero(right | all_images)
        per_class = inputs.per_class(mosaics, labels[usable])
        drawn = [_renumbered(mosaic, usable) for mosaic in draw(labels[usable], per_class=per_class, seed=seed)]
        small = not takes_double_size(model, images[0]) if own_size is None else own_size
        check = _Check(model, images, labels, drawn, names, small, batch, progress)
        moves = check.exchange(usable, np.random.default_rng(seed + 1)) if exchange else None
        rows = [row for name in methods for row in check.rows(name, found, moves, sanity=sanity, seed=seed)]
    finally:
        model.train(training).to(home)
    return Scores(
        rows=tuple(rows),
        classes=names,
        layer=found,
        mosaics=tuple(drawn),
        images=images.cpu(),
        labels=labels,
        own_size=small,
        right=int(right.sum()),
        total=len(labels),
        places=moves.places if moves else {},
    )


def work(mosaics: int, methods: int, *, exchange: bool = True, sanity: bool = True) -> int:
    """How many mosaics `focus` will attribute, at most, for a progress bar."""
    return methods * (mosaics * (1 + exchange) + min(mosaics, SANITY_MOSAICS) * sanity)


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
class _Moves:
    """What the exchange did. places: by class; shares: of the log-odds that moved, by mosaic."""

    places: dict[int, where.Place]
    shares: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Check:
    """One model, its images and the mosaics drawn from them."""

    model: nn.Module
    images: Tensor
    labels: npt.NDArray[np.int64]
    mosaics: Sequence[Mosaic]
    names: tuple[str, ...]
    own_size: bool
    batch: int
    progress: Step | None

    def exchange(self, usable: npt.NDArray[np.int64], random: np.random.Generator) -> _Moves:
        """Find the place of each class on images that are usable, and exchange it in every mosaic."""
        known = where.candidates(*self.images.shape[-2:])
        images, labels = self.images[torch.from_numpy(usable).to(self.images.device)], self.labels[usable]
        targets = dict.fromkeys(mosaic.target for mosaic in self.mosaics)
        places = {target: where.find(self.model, images, labels, target, known, random) for target in targets}
        before, after = [], []
        for start in range(0, len(self.mosaics), self.batch):
            some = self.mosaics[start : start + self.batch]
            four = self._quarters(some)
            before.append(where.odds(self.model, four, some))
            after.append(where.odds(self.model, where.exchanged(four, some, places), some))
        return _Moves(places, where.shares_moved(np.concatenate(before), np.concatenate(after), self.mosaics))

    def rows(self, method: str, layer: str, moves: _Moves | None, *, sanity: bool, seed: int) -> list[Row]:
        """The rows of one method: the model's, then those of randomly initialised copies."""
        explain = attribution.METHODS[method](self.model, layer)
        plain, shares = self._focus(explain, self.mosaics, method)
        after = self._focus(explain, self.mosaics, method, moves.places)[0] if moves else np.full(len(plain), np.nan)
        rows = [
            self._row(number, mosaic, method, "trained", plain[number], shares[number], after[number], moves)
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

    def _row(
        self,
        number: int,
        mosaic: Mosaic,
        method: str,
        weights: str,
        value: float,
        shares: Array,
        after: float = float("nan"),
        moves: _Moves | None = None,
    ) -> Row:
        one, two = (self.names[self.labels[mosaic.images[place]]] for place in mosaic.other)
        first, second = (float(shares[place]) for place in mosaic.other)
        target = self.names[mosaic.target]
        row = Row(number + 1, target, method, weights, float(value), (one, two), (first, second))
        if moves is None:
            return row
        moved, place = float(moves.shares[number]), moves.places[mosaic.target].name
        return Row(
            *(row.mosaic, target, method, weights, row.focus, row.others, row.stolen), float(after), moved, place
        )

    def _focus(
        self,
        explain: attribution.Explain,
        mosaics: Sequence[Mosaic],
        method: str,
        places: dict[int, where.Place] | None = None,
    ) -> tuple[Array, Array]:
        """Focus and shares of the mosaics, batch by batch."""
        found = []
        for start in range(0, len(mosaics), self.batch):
            some = mosaics[start : start + self.batch]
            four = self._quarters(some)
            if places is not None:
                four = where.exchanged(four, some, places)
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
        return self.images[torch.tensor([mosaic.images for mosaic in mosaics], device=self.images.device)]


def _renumbered(mosaic: Mosaic, usable: npt.NDArray[np.int64]) -> Mosaic:
    """The mosaic with its images by their number among all, not among those that are usable."""
    images = tuple(int(usable[image]) for image in mosaic.images)
    return Mosaic(mosaic.target, images, mosaic.inside)  # type: ignore[arg-type]
