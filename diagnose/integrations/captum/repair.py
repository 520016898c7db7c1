"""What to do about a region that a class is told by: images to look at and to collect, and a last layer trained anew.

rows = suggestions(model, scores, paths)                 # a list for a person
made = retrained(model, scores)                          # before and after

Source: Kirichenko et al., Last Layer Re-Training is Sufficient for Robustness to Spurious Correlations (2023), on deep
feature reweighting (DFR): the features of a biased network hold more than the bias, and its last layer, fitted anew to
balanced groups of held-out images, goes by the rest. The groups here are the images as they are and the same with the
region of images of other classes.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from diagnose.errors import SettingsError
from diagnose.integrations.captum.counterfactual import Effect, balanced
from diagnose.integrations.captum.heads import Scores2d, scores_of
from diagnose.integrations.captum.pixels import Pixels
from diagnose.integrations.captum.scores import Scores
from diagnose.integrations.captum.slices import features, last_linear

Labels = npt.NDArray[np.int64]

COPIES = 3
"""Times that each training image is given the region of another."""

STRENGTH = 0.1
"""Inverse strength of the penalty on the last layer's weights."""

COLUMNS = ("what", "class", "path", "answer", "why")


@dataclass(frozen=True, slots=True)
class Repair:
    """The last layer before and after, on the half of the images that it was not fitted to.

    accuracy: of the images as they are. recall: of the class when its region comes from other classes. transfer: of its
    region to other classes. Each before and after, from 0 to 1.
    """

    target: str
    region: str
    accuracy: tuple[float, float]
    recall: tuple[float, float]
    transfer: tuple[float, float]


@torch.no_grad()
def suggestions(
    model: nn.Module, scores: Scores, effects: Sequence[Effect], paths: Sequence[Path]
) -> list[tuple[str, ...]]:
    """Rows of `COLUMNS`: images whose answer goes along with the region, and what to collect.

    effects: those that were found, one per class.
    """
    scored = scores_of(model, scores.images)
    rows: list[tuple[str, ...]] = []
    for effect in effects:
        name, region = scores.classes[effect.target], effect.region.name
        own, donors = _exchange(scores, effect, seed=0)
        after = _answers(scored, scores.images, effect, own, donors)
        for number, donor, answer in zip(own, donors, after, strict=True):
            file = str(paths[number]) if paths else f"image {number}"
            if scores.labels[number] == effect.target and answer != effect.target:
                why = f"is no longer {name} with {region} of {scores.classes[scores.labels[donor]]}"
            elif scores.labels[donor] == effect.target and answer == effect.target:
                why = f"becomes {name} with {region} of {name}"
            else:
                continue
            rows.append(("look at", scores.classes[scores.labels[number]], file, scores.classes[answer], why))
        rows.append(("collect", name, "", "", f"images of {name} that differ from these in {region}"))
        rows.append(("collect", "others", "", "", f"images of other classes with {region} as in those of {name}"))
    return rows


def write(rows: Sequence[tuple[str, ...]], path: Path) -> None:
    """Write the list. Raises SettingsError where the file cannot be written."""
    try:
        with path.open("w", newline="", encoding="utf-8") as stream:
            lines = csv.writer(stream, lineterminator="\n")
            lines.writerow(COLUMNS)
            lines.writerows(rows)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror}); name another with --suggest") from error


@torch.no_grad()
def retrained(model: nn.Module, scores: Scores, effect: Effect, *, seed: int = 0) -> Repair:
    """Fit the last layer anew to half of the images, in place, and compare on the other half.

    Raises SettingsError where the model has no last linear layer with an output per class.
    """
    last = last_linear(model)
    if (
        last is None
        or last[1].out_features != len(scores.classes)
        or isinstance(scores_of(model, scores.images), Scores2d)
    ):
        raise SettingsError(
            "the model does not end in a linear layer with an output per class, and --retrain fits no other; leave it "
            "out"
        )
    layer = last[1]
    half = np.random.default_rng(seed).permutation(len(scores.labels)) % 2 == 0
    inside, outside = np.flatnonzero(half), np.flatnonzero(~half)
    before = _judged(model, scores, effect, outside)
    mixed = (_mixed(scores, effect, inside, seed + copy) for copy in range(COPIES))
    plain = Pixels(scores.images[torch.from_numpy(inside)])
    points = np.concatenate([features(model, plain), *(features(model, one) for one in mixed)])
    labels = np.concatenate([scores.labels[inside]] * (1 + COPIES))
    weights = np.concatenate([np.full(len(inside), 1.0), np.full(COPIES * len(inside), 1.0 / COPIES)])
    _fit(layer, points, labels, weights)
    after = _judged(model, scores, effect, outside)
    accuracy, recall, transfer = zip(before, after, strict=True)
    return Repair(scores.classes[effect.target], effect.region.name, accuracy, recall, transfer)


def _fit(layer: nn.Linear, points: npt.NDArray[np.float64], labels: Labels, weights: npt.NDArray[np.float64]) -> None:
    """Put the weights of a penalized logistic regression on standardized features into the layer, classes balanced."""
    from sklearn.linear_model import LogisticRegression

    middle, spread = points.mean(axis=0), points.std(axis=0) + 1e-9
    counts = np.bincount(labels, minlength=layer.out_features)
    fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit(
        (points - middle) / spread, labels, sample_weight=weights / counts[labels] * counts.mean()
    )
    slopes, offsets = fitted.coef_ / spread, fitted.intercept_
    if len(fitted.classes_) == 2:
        slopes, offsets = np.concatenate([-slopes, slopes]) / 2.0, np.concatenate([-offsets, offsets]) / 2.0
    offsets = offsets - slopes @ middle
    rows = torch.as_tensor(fitted.classes_)
    layer.weight[rows] = torch.as_tensor(slopes, dtype=layer.weight.dtype, device=layer.weight.device)
    if layer.bias is not None:
        layer.bias[rows] = torch.as_tensor(offsets, dtype=layer.weight.dtype, device=layer.weight.device)


def _mixed(scores: Scores, effect: Effect, own: Labels, seed: int) -> Pixels:
    """The images with the region of images of other classes."""
    donors = balanced(scores.labels, own, np.random.default_rng(seed))
    i, j = torch.from_numpy(own), torch.from_numpy(donors)
    return Pixels(effect.region.mix(scores.images[i], scores.images[j], i, j))


def _judged(model: nn.Module, scores: Scores, effect: Effect, own: Labels) -> tuple[float, float, float]:
    """Accuracy as they are, recall of the class without the region, and transfer, on some images."""
    labels = scores.labels[own]
    plain = torch.cat([model(some).argmax(dim=1) for some in Pixels(scores.images[torch.from_numpy(own)]).batches(64)])
    donors = balanced(scores.labels, own, np.random.default_rng(0))
    after = _answers(model, scores.images, effect, own, donors)
    mine, given = labels == effect.target, scores.labels[donors] == effect.target
    accuracy = float((plain.cpu().numpy() == labels).mean())
    return accuracy, float((after[mine] == effect.target).mean()), float((after[given] == effect.target).mean())


def _exchange(scores: Scores, effect: Effect, seed: int) -> tuple[Labels, Labels]:
    """The images that the model gets right, and a donor of another class for each."""
    own = np.flatnonzero(scores.labels == scores.predicted)
    return own, balanced(scores.labels, own, np.random.default_rng(seed))


def _answers(model: nn.Module, images: Pixels, effect: Effect, own: Labels, donors: Labels) -> Labels:
    found = []
    for start in range(0, len(own), 64):
        i, j = (torch.from_numpy(part[start : start + 64]) for part in (own, donors))
        found.append(model(effect.region.mix(images[i], images[j], i, j)).argmax(dim=1).cpu().numpy())
    answers: Labels = np.concatenate(found)
    return answers
