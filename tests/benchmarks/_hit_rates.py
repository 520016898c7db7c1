"""The picture of the rules' power: hit rates over the oracle's z."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _kinds import ILL
from _power import EDGES, Outcome, bin_of, share

from diagnose.measure.statistics import wilson

CRITICAL = 2.326  # the standard normal quantile of 99 %


def plot(found: Sequence[Outcome], path: Path) -> None:
    """Hit rate over the oracle's z, a panel per rule: clear effects and all of them, drawn and planted; the oracle."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = [kind for kind in ILL if any(o.cell.kind == kind for o in found)]
    columns = min(4, len(kinds))
    rows = -(-len(kinds) // columns)
    figure, grid = pyplot.subplots(rows, columns, figsize=(4.5 * columns, 3.6 * rows), squeeze=False)
    for axes, kind in zip(grid.flat, kinds, strict=False):
        _panel(axes, kind, [o for o in found if o.cell.kind == kind])
    for axes in grid.flat[len(kinds) :]:
        axes.set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _panel(axes: Any, kind: str, found: Sequence[Outcome]) -> None:
    """One rule: shares with Wilson intervals at the middle of each bin of z, and the oracle's own rate."""
    grid = [1.02**i for i in range(300)]
    axes.plot(grid, [0.5 * math.erfc((CRITICAL - z) / math.sqrt(2.0)) for z in grid], "k:", label="oracle")
    for shift, source in enumerate(("drawn", "planted")):
        for clear, colour in ((True, "tab:blue"), (False, "tab:orange")):
            part = [o for o in found if o.cell.source == source and o.clear == clear]
            bars = [_bar(bin_[0], members) for bin_ in _bins() if (members := [o for o in part if bin_of(o.z) == bin_])]
            if bars:
                at, middle, below, above = (list(column) for column in zip(*bars, strict=True))
                at = [z * (1.0 + 0.04 * (2 * shift + clear)) for z in at]
                style = "--" if shift else "-"
                label = f"{source}, {'clear' if clear else 'small'}"
                axes.errorbar(at, middle, (below, above), color=colour, linestyle=style, marker=".", label=label)
    axes.set(
        xscale="log", xlim=(1.5, 300.0), ylim=(-0.03, 1.03), title=kind, xlabel="z of the oracle", ylabel="hit rate"
    )
    axes.legend(fontsize=7)


def _bins() -> list[tuple[float, float]]:
    return list(itertools.pairwise(EDGES))


def _bar(low: float, members: Sequence[Outcome]) -> tuple[float, float, float, float]:
    """Median z (the lower edge of its bin where it is infinite), share, and how far its interval reaches either way."""
    hit, count = share(members)
    bottom, top = wilson(hit, count)
    z = sorted(o.z for o in members)[count // 2]
    return (z if math.isfinite(z) else low), hit / count, hit / count - bottom, top - hit / count
