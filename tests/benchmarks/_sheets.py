"""Contact sheets of disagreements, so that one can look at the curves that the labels and the rules see differently."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diagnose.curves import Run
from diagnose.rule import Finding

ROWS, COLUMNS = 4, 3
WIDE = 30.0
"""Largest over smallest loss from which its axis is logarithmic."""

_LOSSES = (("train_loss", "tab:blue"), ("val_loss", "tab:orange"))
_SCORES = (("train_accuracy", "tab:cyan"), ("val_accuracy", "tab:red"), ("reward", "tab:green"))


class Panel(NamedTuple):
    """One run to draw: a title, the words under it, and the findings to mark."""

    run: Run
    title: str
    words: str = ""
    findings: Sequence[Finding] = ()


def draw(panels: Sequence[Panel], folder: Path, name: str) -> list[Path]:
    """Draw the panels, twelve to a sheet, as `folder`/`name`-1.png and so on; returns the paths."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for start in range(0, len(panels), ROWS * COLUMNS):
        sheet = panels[start : start + ROWS * COLUMNS]
        rows = -(-len(sheet) // COLUMNS)
        figure, grid = pyplot.subplots(rows, COLUMNS, figsize=(7 * COLUMNS, 4.2 * rows), squeeze=False)
        for axes, panel in zip(grid.flat, sheet, strict=False):
            _panel(axes, panel)
        for axes in grid.flat[len(sheet) :]:
            axes.set_visible(False)
        figure.tight_layout()
        paths.append(folder / f"{name}-{start // (ROWS * COLUMNS) + 1}.png")
        figure.savefig(paths[-1], dpi=60)
        pyplot.close(figure)
    return paths


def _panel(axes: Any, panel: Panel) -> None:
    """Losses on the left axis, logarithmic where they span much; scores on the right; findings as bands and lines."""
    drawn = [values for role, colour in _LOSSES if (values := _line(axes, panel.run, role, colour)) is not None]
    values = np.concatenate([v[np.isfinite(v)] for v in drawn]) if drawn else np.empty(0)
    if values.size and values.min() > 0.0 and values.max() > WIDE * values.min():
        axes.set_yscale("log")
    scores = axes.twinx()
    scored = [_line(scores, panel.run, role, colour, "--") for role, colour in _SCORES]
    if all(line is None for line in scored):
        scores.set_visible(False)
    for finding in panel.findings:
        axes.axvspan(*finding.steps, color="grey", alpha=0.12)
        for mark in finding.marks[:30]:
            axes.axvline(mark, color="black", linewidth=0.6, linestyle=":")
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel("\n".join(textwrap.wrap(panel.words, 95)), fontsize=8)
    if drawn:
        axes.legend(fontsize=7, loc="upper right")


def _line(axes: Any, run: Run, role: str, colour: str, style: str = "-") -> np.ndarray | None:
    """Draw one curve, with its points where they are few; returns its values."""
    curve = run.curve(role)
    if curve is None or not len(curve):
        return None
    marker = "." if len(curve) <= 60 else ""
    axes.plot(curve.steps, curve.values, color=colour, linestyle=style, marker=marker, linewidth=0.9, label=curve.name)
    return curve.values
