"""A bias check as a picture: Focus by class, the mosaics of the lowest Focus with their relevance, and the groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diagnose.errors import SettingsError
from diagnose.integrations.captum import methods as attribution
from diagnose.integrations.captum import places as where
from diagnose.integrations.captum.clusters import Group
from diagnose.integrations.captum.mosaics import tiled
from diagnose.integrations.captum.scores import Row, Scores

FORMATS = (".png", ".svg", ".pdf")

LOWEST = 6
"""Mosaics that are shown."""

MOST_GROUPS = 4
"""Groups that are shown."""

MOST_CLASSES = 30
"""Classes that the distribution shows, those of the lowest Focus."""


def check_path(path: Path) -> None:
    """Raises SettingsError where no picture can be written there, before the work begins."""
    if path.suffix.lower() not in FORMATS:
        raise SettingsError(f"{path}: a picture ends in {', '.join(FORMATS)}")


def draw(scores: Scores, model: nn.Module, path: Path, groups: Sequence[Group] = ()) -> None:
    """Draw the check by its first method. Raises SettingsError where the file cannot be written."""
    from matplotlib.figure import Figure

    blocks = [_lowest(scores, exchanged=False), *([_lowest(scores, exchanged=True)] if scores.places else [])]
    shown = groups[:MOST_GROUPS]
    rows = 1 + 2 * len(blocks) + len(shown)
    figure = Figure(figsize=(2.0 * LOWEST, 2.1 * rows + 0.4), layout="constrained")
    grid = figure.add_gridspec(rows, LOWEST)
    _distribution(figure.add_subplot(grid[0, :]), scores)
    for number, lowest in enumerate(blocks):
        panels = [
            [figure.add_subplot(grid[1 + 2 * number + line, column]) for line in (0, 1)] for column in range(LOWEST)
        ]
        _mosaics(panels, scores, model, lowest, exchanged=number == 1)
    for line, group in enumerate(shown, start=1 + 2 * len(blocks)):
        for column, number in enumerate(group.images[:LOWEST]):
            axes = _bare(figure.add_subplot(grid[line, column]))
            axes.imshow(_shown(scores.images[number]))
            if column == 0:
                axes.set_title(f"{group.target}: {len(group.images)} of {group.of}\nby {group.place}", fontsize=7)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror}); name another with --plot") from error


def _distribution(axes: Any, scores: Scores) -> None:
    """Focus of every mosaic by class, plain and after the exchange, against chance."""
    medians = scores.medians()
    names = sorted(medians, key=lambda name: np.nan_to_num(medians[name], nan=1.0))[:MOST_CLASSES]
    names = [name for name in medians if name in names]
    for shift, colour, label, exchanged in ((-0.15, "tab:blue", "Focus", False), (0.15, "tab:red", "exchanged", True)):
        for position, name in enumerate(names):
            values = [row.exchanged if exchanged else row.focus for row in scores.of() if row.target == name]
            spread = np.linspace(-0.08, 0.08, len(values)) + position + shift
            axes.scatter(spread, values, s=5, color=colour, alpha=0.5, label=label if position == 0 else None)
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle="--")
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel(f"Focus ({scores.methods[0]})", fontsize=8)
    axes.legend(fontsize=7, loc="lower right")


def _lowest(scores: Scores, *, exchanged: bool) -> list[Row]:
    """The mosaics of the lowest Focus, plain or after the exchange."""
    known = [row for row in scores.of() if not np.isnan(_value(row, exchanged))]
    return sorted(known, key=lambda row: _value(row, exchanged))[:LOWEST]


def _value(row: Row, exchanged: bool) -> float:
    return row.exchanged if exchanged else row.focus


def _mosaics(
    panels: Sequence[Any], scores: Scores, model: nn.Module, lowest: Sequence[Row], *, exchanged: bool
) -> None:
    """Mosaics, and below each the same with its relevance over it. panels: two axes each."""
    for pair in panels:
        for axes in pair:
            _bare(axes)
    if not lowest:
        return
    chosen = [scores.mosaics[row.mosaic - 1] for row in lowest]
    four = scores.images[torch.tensor([mosaic.images for mosaic in chosen])]
    if exchanged:
        four = where.exchanged(four, chosen, scores.places)
    squares = tiled(four, own_size=scores.own_size)
    device = next(model.parameters()).device
    explain = attribution.METHODS[scores.methods[0]](model, scores.layer)
    targets = torch.tensor([mosaic.target for mosaic in chosen], device=device)
    maps = torch.cat(list(attribution.relevance(explain, squares.to(device), targets)))
    for (plain, over), row, square, relevance in zip(panels, lowest, squares, maps, strict=False):
        plain.imshow(_shown(square))
        kind = "exchanged" if exchanged else "Focus"
        plain.set_title(f"mosaic {row.mosaic}: {row.target}, {kind} {_value(row, exchanged):.2f}", fontsize=7)
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
