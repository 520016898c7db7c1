"""A bias check as a picture: Focus by class, mosaics of the lowest Focus, exchanged regions, and slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diagnose.errors import SettingsError
from diagnose.integrations.captum import methods as attribution
from diagnose.integrations.captum.counterfactual import Effect, balanced
from diagnose.integrations.captum.heads import scores_of
from diagnose.integrations.captum.mosaics import tiled
from diagnose.integrations.captum.page import found_effects
from diagnose.integrations.captum.scores import Row, Scores
from diagnose.integrations.captum.slices import Slice

FORMATS = (".png", ".svg", ".pdf")

LOWEST = 6
"""Mosaics that are shown."""

MOST_SHOWN = 4
"""Slices, and regions, that are shown."""

MOST_CLASSES = 30
"""Classes that the distribution shows, those of the lowest Focus."""


def check_path(path: Path) -> None:
    """Raises SettingsError where no picture can be written there, before the work begins."""
    if path.suffix.lower() not in FORMATS:
        raise SettingsError(f"{path}: a picture ends in {', '.join(FORMATS)}")


def draw(scores: Scores, model: nn.Module, path: Path, slices: Sequence[Slice] = ()) -> None:
    """Draw the check by its first method. Raises SettingsError where the file cannot be written."""
    from matplotlib.figure import Figure

    effects, shown = found_effects(scores)[:MOST_SHOWN], slices[:MOST_SHOWN]
    rows = 3 + 2 * len(effects) + len(shown)
    figure = Figure(figsize=(2.0 * LOWEST, 2.1 * rows + 0.4), layout="constrained")
    grid = figure.add_gridspec(rows, LOWEST)

    def line(number: int) -> list[Any]:
        return [figure.add_subplot(grid[number, column]) for column in range(LOWEST)]

    _distribution(figure.add_subplot(grid[0, :]), scores)
    _mosaics(list(zip(line(1), line(2), strict=True)), scores, model)
    for number, effect in enumerate(effects):
        _exchanged(line(3 + 2 * number), line(4 + 2 * number), scores, model, effect)
    for number, one in enumerate(shown, start=3 + 2 * len(effects)):
        for column, (axes, image) in enumerate(zip(line(number), one.images, strict=False)):
            _bare(axes).imshow(_shown(scores.images[image : image + 1][0]))
            if column == 0:
                name = scores.classes[one.target]
                axes.set_title(f"{name}: {len(one.images)} of {one.of}\nrecall {one.recall:.2f}", fontsize=7)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror}); name another with --plot") from error


@torch.no_grad()
def _exchanged(above: Sequence[Any], below: Sequence[Any], scores: Scores, model: nn.Module, effect: Effect) -> None:
    """Images of the class, and the same with the region of other classes; what the model answers to each."""
    mine = np.flatnonzero((scores.labels == effect.target) & (scores.predicted == effect.target))[:LOWEST]
    everything = np.arange(len(scores.labels))
    donors = balanced(scores.labels, mine, np.random.default_rng(0), everything)
    i, j = torch.from_numpy(mine), torch.from_numpy(donors)
    plain = scores.images[i]
    changed = effect.region.mix(plain, scores.images[j], i, j)
    device = next((p.device for p in model.parameters()), plain.device)
    answers = scores_of(model, scores.images.on(device))(changed.to(device)).argmax(dim=1).tolist()
    for axes in (*above, *below):
        _bare(axes)
    for upper, lower, image, other, answer in zip(above, below, plain, changed, answers, strict=False):
        upper.imshow(_shown(image))
        upper.set_title(scores.classes[effect.target], fontsize=7)
        lower.imshow(_shown(other))
        lower.set_title(f"answered {scores.classes[answer]}", fontsize=7)
    below[0].set_title(f"{effect.region.name}\nof other images", fontsize=7)


def _distribution(axes: Any, scores: Scores) -> None:
    """Focus of every mosaic by class, against chance."""
    medians = scores.medians()
    names = sorted(medians, key=lambda name: np.nan_to_num(medians[name], nan=1.0))[:MOST_CLASSES]
    names = [name for name in medians if name in names]
    for position, name in enumerate(names):
        values = [row.focus for row in scores.of() if row.target == name]
        axes.scatter(np.linspace(-0.15, 0.15, len(values)) + position, values, s=5, color="tab:blue", alpha=0.5)
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle="--")
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel(f"Focus ({scores.methods[0]})", fontsize=8)


def _mosaics(panels: Sequence[Any], scores: Scores, model: nn.Module) -> None:
    """The mosaics of the lowest Focus, and below each the same with its relevance over it. panels: two axes each."""
    for pair in panels:
        for axes in pair:
            _bare(axes)
    known: list[Row] = sorted((row for row in scores.of() if not np.isnan(row.focus)), key=lambda row: row.focus)
    lowest = known[:LOWEST]
    if not lowest:
        return
    chosen = [scores.mosaics[row.mosaic - 1] for row in lowest]
    squares = tiled(scores.images[torch.tensor([mosaic.images for mosaic in chosen])], own_size=scores.own_size)
    device = next(model.parameters()).device
    explain = attribution.METHODS[scores.methods[0]](scores_of(model, scores.images.on(device)), scores.layer)
    targets = torch.tensor([mosaic.target for mosaic in chosen], device=device)
    maps = torch.cat(list(attribution.relevance(explain, squares.to(device), targets)))
    for (plain, over), row, square, relevance in zip(panels, lowest, squares, maps, strict=False):
        plain.imshow(_shown(square))
        plain.set_title(f"mosaic {row.mosaic}: {row.target}, Focus {row.focus:.2f}", fontsize=7)
        over.imshow(_shown(square).mean(axis=-1), cmap="gray")
        over.imshow(relevance.clamp(min=0.0).numpy(), cmap="inferno", alpha=0.6)
        for axes in (plain, over):
            axes.axhline(square.shape[-2] / 2 - 0.5, color="white", linewidth=0.8)
            axes.axvline(square.shape[-1] / 2 - 0.5, color="white", linewidth=0.8)


def _bare(axes: Any) -> Any:
    axes.set_axis_off()
    return axes


def _shown(image: Tensor) -> np.ndarray:
    """An image, shape (channels, height, width), as matplotlib wants it: from 0 to 1, colours last."""
    low, high = image.min(), image.max()
    scaled = ((image - low) / (high - low).clamp(min=1e-6)).permute(1, 2, 0)
    return np.asarray(scaled if scaled.shape[-1] == 3 else scaled[..., :1].expand(-1, -1, 3))
