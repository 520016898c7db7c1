"""The report as a picture in a file: the curves, the findings where they lie on them, the learning rate below.

One run fills a picture: a strip with a bar per finding, then a panel per quantity. Several runs share one as a grid of
their main panels, or have a page each in a PDF. Curves differ in line style as well as in colour (Okabe and Ito,
Color Universal Design, 2008), and what is found is drawn in black, grey and white, so that print and any eye keep it.
"""

from __future__ import annotations

import math
import os
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diagnose import extras
from diagnose.errors import SettingsError
from diagnose.measure.downsample import extremes
from diagnose.report import Report
from diagnose.reports import panels
from diagnose.reports.comparison import LETTERS, Comparison
from diagnose.reports.page import shorten
from diagnose.reports.panels import Curve, Mark, Panel
from diagnose.reports.phrases import labelled, verdict
from diagnose.reports.words import count, one_line, span
from diagnose.rule import Diagnosis, Severity, verdict_word

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")

WIDTH = 8.0
"""Inches."""

DPI = 150

DRAWN_POINTS = 4000
"""Points drawn of a curve, more than a picture has columns."""

MOST_CELLS = 48
"""Runs in a grid; of more, the worst are drawn, and the picture says how many are not."""

MOST_PAGES = 200
"""Pages of a PDF, likewise."""

STROKES = (
    "-",
    (0, (5, 1.5)),
    "-.",
    (0, (1, 1.2)),
    (0, (7, 1.5, 1, 1.5, 1, 1.5)),
    (0, (3, 1)),
    (0, (9, 2)),
    (0, (2, 3)),
)
"""Line styles, by the style of a curve."""

COLORS: Mapping[str, tuple[str, ...]] = {
    "light": ("#0072B2", "#D55E00", "#009E73", "#A0528A", "#B07A00", "#3D93C4", "#000000", "#777777"),
    "dark": ("#56B4E9", "#E69F00", "#2FC79A", "#CC79A7", "#F0E442", "#D55E00", "#FFFFFF", "#AAAAAA"),
}
"""The palette of Okabe and Ito, its light colours darkened on white, its dark ones lightened on black, so that each
stands out by 3 to 1 or more."""

WHOLE_STEPS = 4.0
"""Steps on an axis from which on its numbers are whole."""

_INK = {"light": ("white", "#1a1a1a", "#8a8a8a"), "dark": ("#14181d", "#f0f0f0", "#7d858e")}
_HEIGHTS = {"loss": 3.0, "learning rate": 1.1, "gradient norm": 1.1}
_HEIGHT = 1.8
_BAR = 0.28
_LINE = 0.2


def check(path: Path, option: str = "--plot") -> None:
    """Raises SettingsError where no picture can be written there, before any work is done."""
    if path.suffix.lower() not in SUFFIXES:
        raise SettingsError(f"{one_line(str(path))}: is no name of a picture; name a .png, .svg or .pdf with {option}")
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        why = "is a directory" if path.is_dir() else "cannot be written"
        raise SettingsError(f"{one_line(str(path))}: {why}; name another place with {option}")
    if find_spec("matplotlib") is None:
        raise SettingsError(extras.missing(f"{option} needs matplotlib", "plot"))


def draw(report: Report, path: Path, *, style: str = "light") -> None:
    """Draw the runs into a .png, .svg or .pdf, worst first; a PDF has a page for each. Nothing where there is no run.

    Raises SettingsError where it cannot be written.
    """
    runs = labelled(report.worst_first)

    def figures() -> list[Any]:
        if path.suffix.lower() != ".pdf" and len(runs) > 1:
            return [lambda: _grid(runs, style)]
        pages = [lambda d=d, name=name: run_figure(d, name, style) for d, name in runs[:MOST_PAGES]]
        left = len(runs) - MOST_PAGES
        return [*pages, lambda: _words(f"{count(left, 'run')} more not drawn")] if left > 0 else pages

    if runs:
        save(figures(), path, style)


def save(figures: Sequence[Any], path: Path, style: str) -> None:
    """Make each figure by its function, and write them into one file. Raises SettingsError where that fails."""
    import matplotlib as mpl

    ground, ink, faint = _INK[style]
    look: Any = {
        "figure.facecolor": ground,
        "savefig.facecolor": ground,
        "axes.facecolor": ground,
        "axes.edgecolor": faint,
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "grid.color": faint,
        "grid.alpha": 0.25,
        "grid.linewidth": 0.5,
        "text.color": ink,
        "axes.labelcolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "axes.formatter.limits": (-3, 5),  # powers of ten from which on a scale is told beside the axis
        "font.size": 9.0,
        "text.parse_math": False,  # a name with dollars in it is a name
        "svg.fonttype": "none",  # text that can be searched and read aloud
        "svg.hashsalt": "diagnose",
    }
    still: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    try:
        with mpl.rc_context(look), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # glyphs that the font lacks, ranges near the end of the floats
            suffix = path.suffix.lower()
            # The first levels of compression save most of the room, the others cost a tenth of a second.
            quick: Any = {"pil_kwargs": {"compress_level": 2}} if suffix == ".png" else {}
            if suffix == ".pdf":
                from matplotlib.backends.backend_pdf import PdfPages

                with PdfPages(path, metadata=still[suffix]) as pages:
                    for make in figures:
                        pages.savefig(_made(make))
            else:
                _made(figures[0]).savefig(path, dpi=DPI, format=suffix[1:], metadata=still.get(suffix), **quick)
    except OSError as error:
        raise SettingsError(f"{one_line(str(path))}: cannot be written ({error.strerror or error})") from error


def _made(make: Callable[[], Figure]) -> Figure:
    """A figure; where it fails, one that says so, so that the others are drawn."""
    try:
        return make()
    except Exception as fault:
        return _words(f"not drawn for a fault in diagnose ({type(fault).__name__}: {one_line(str(fault))[:200]})")


def run_figure(diagnosis: Diagnosis, label: str, style: str) -> Figure:
    """One run: the strip of findings, and a panel per quantity on one axis."""
    shown = panels.of_run(diagnosis)
    found = [f for f in diagnosis.findings if any(f.rule == mark.rule for panel in shown for mark in panel.marks)]
    title = _wrapped(f"{label}: {verdict(diagnosis)}", 88)
    if not shown:
        return _words(f"{title}\nno curve to draw")
    heights = [_HEIGHTS.get(panel.title, _HEIGHT) for panel in shown]
    strip = [_BAR * len(found)] if found else []
    top = _LINE * (title.count("\n") + 1) + 0.15
    figure, axes = _stack([*strip, *heights], top)
    _titled(figure, title)
    axis = diagnosis.run.axis
    if found:
        marks = {mark.rule: mark for panel in reversed(shown) for mark in panel.marks}
        _strip(axes[0], [marks[f.rule] for f in found], _extent(shown), axis, style)
    for ax, panel in zip(axes[len(strip) :], shown, strict=True):
        draw_panel(ax, panel, style, axis)
    low, high = _extent(shown)
    room = 0.012 * (high - low) or 0.5
    axes[-1].set_xlim(low - room, high + room)
    axes[-1].locator_params(axis="x", nbins=9, integer=high - low >= WHOLE_STEPS)
    axes[-1].set_xlabel(axis)
    return figure


def draw_comparison(compared: Comparison, path: Path, *, style: str = "light") -> None:
    """Draw the curves of several runs over each other. Raises SettingsError where the file cannot be written."""

    def figure() -> Figure:
        shown = [panel for _, panel in compared.panels]
        title = _wrapped("; ".join(f"{a}: {b}" for a, b in zip(LETTERS, compared.labels, strict=False)), 88)
        if not shown:
            return _words(f"{title}\nno curve to draw")
        made, axes = _stack([_HEIGHTS["loss"] * 0.8] * len(shown), _LINE * (title.count("\n") + 1) + 0.15)
        _titled(made, title)
        for ax, panel in zip(axes, shown, strict=True):
            letters = tuple(replace(curve, name=curve.name[0]) for curve in panel.curves)
            draw_panel(ax, replace(panel, curves=letters), style, compared.axis)
        axes[-1].set_xlabel(compared.axis)
        return made

    save([figure], path, style)


def _titled(figure: Figure, title: str) -> None:
    figure.text(0.15 / WIDTH, 1.0 - 0.1 / figure.get_figheight(), title, va="top", fontsize=10.5, fontweight="bold")


def _stack(heights: Sequence[float], top: float) -> tuple[Figure, Any]:
    """A figure with axes of these heights below each other, on one x axis, and room for a title; all in inches."""
    from matplotlib.figure import Figure as Drawn

    below, left, right, gap = 0.5, 0.85, 0.15, 0.2
    height = sum(heights) + gap * (len(heights) - 1) + top + below
    figure = Drawn(figsize=(WIDTH, height))
    axes = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False,
        gridspec_kw={
            "height_ratios": heights, "hspace": gap * len(heights) / sum(heights), "left": left / WIDTH,
            "right": 1.0 - right / WIDTH, "top": 1.0 - top / height, "bottom": below / height,
        },
    )[:, 0]  # fmt: skip
    for ax in axes:
        ax.yaxis.set_label_coords(-0.65 / (WIDTH - left - right), 0.5)
    return figure, axes


def _extent(shown: Sequence[Panel]) -> tuple[float, float]:
    """The first and the last step of all curves."""
    steps = [curve.series.steps for panel in shown for curve in panel.curves]
    return min(float(s[0]) for s in steps), max(float(s[-1]) for s in steps)


def _grid(runs: Sequence[tuple[Diagnosis, str]], style: str) -> Figure:
    """The main panel of each run, worst first."""
    drawn = [(d, name, shown[0]) for d, name in runs[:MOST_CELLS] if (shown := panels.of_run(d))]
    left = len(runs) - len(drawn)
    columns = min(2 if len(drawn) <= 6 else 4, max(len(drawn), 1))
    rows = max(math.ceil(len(drawn) / columns), 1)
    figure = _figure(5.2 * columns if columns <= 2 else 3.7 * columns, 2.9 * rows + 0.5)
    if not drawn:
        return _words("no run with a curve")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (diagnosis, name, panel) in zip(axes, drawn, strict=False):
        draw_panel(ax, panel, style, diagnosis.run.axis, words=False)
        ax.set_xlabel(diagnosis.run.axis)
        said = ", ".join(f.rule for f in diagnosis.findings if f.severity is not Severity.NOTE)
        words = _wrapped(verdict_word(diagnosis).upper() + (": " if said else "") + said, 52)
        ax.set_title(f"{shorten(name, 44)}\n{words}", fontsize=8.5, loc="left")
    for ax in axes[len(drawn) :]:
        ax.set_visible(False)
    if left:
        figure.suptitle(f"{count(left, 'run')} more not drawn", x=0.99, ha="right", fontsize=9)
    return figure


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure as Drawn

    return Drawn(figsize=(width, height), layout="constrained")


def _words(text: str) -> Figure:
    """A figure without a curve."""
    figure = _figure(WIDTH, 1.6)
    figure.text(0.02, 0.5, text, va="center")
    return figure


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False))


def _strip(ax: Axes, marks: Sequence[Mark], extent: tuple[float, float], axis: str, style: str) -> None:
    """One bar per finding over its stretch: filled for an error, grey for a warning, empty for a note."""
    ground, ink, faint = _INK[style]
    fill = {Severity.ERROR: ink, Severity.WARNING: faint, Severity.NOTE: ground}
    low, high = extent
    for row, mark in enumerate(marks):
        length = max(mark.last - mark.first, 0.004 * (high - low))
        look: Any = {"color": fill[mark.severity], "edgecolor": ink, "linewidth": 0.8}
        ax.barh(row, length, left=mark.first, height=0.28, **look)
        if len(mark.at) > 1:
            ax.plot(mark.at, [row] * len(mark.at), "|", color=ink, markersize=8)
        left = mark.first < (low + high) / 2
        ax.annotate(
            f"{mark.severity.upper()} {panels.caption(mark, axis)}", (mark.first if left else mark.last, row), (0, 7.5),
            va="center", ha="left" if left else "right", fontsize=7.5, textcoords="offset points",
        )  # fmt: skip
    ax.set_ylim(len(marks) - 0.6, -0.75)
    ax.set_axis_off()


def draw_panel(ax: Axes, panel: Panel, style: str, axis: str, *, words: bool = True) -> None:
    """The curves of a panel with what was found in them; words: with the step at a single mark."""
    from matplotlib.ticker import FuncFormatter, NullFormatter, ScalarFormatter

    ink = _INK[style][1]
    handles, names = [], []
    for curve in panel.curves:
        series = extremes(curve.series, DRAWN_POINTS)
        look = {**stroke(curve.style, style), **_dotted(series.steps)}
        handles += ax.plot(series.steps, _drawable(series.values), **look)
        name = one_line(curve.name)
        names.append(f" {name}" if name.startswith("_") else name)  # matplotlib leaves names with _ out of a legend
    if panel.log:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.yaxis.set_major_formatter(ScalarFormatter(useOffset=False, useMathText=False))
    ax.set_ylabel(panel.title + (" (log)" if panel.log else ""))
    seen: set[tuple[int, tuple[float, ...]]] = set()
    shaded: set[tuple[float, float]] = set()
    for mark in panel.marks:
        if mark.partial and mark.severity is not Severity.NOTE and (mark.first, mark.last) not in shaded:
            shaded.add((mark.first, mark.last))
            ax.axvspan(mark.first, mark.last, color=ink, alpha=0.06, linewidth=0)
        if mark.on >= 0 and mark.at and (mark.on, mark.at) not in seen:
            seen.add((mark.on, mark.at))
            _marked(ax, mark, panel.curves[mark.on], ink, axis if words else "")
    gone = [stretch for curve in panel.curves for stretch in panels.lost(curve.series)]
    if gone:
        for first, last in gone:
            ax.axvspan(first, last, facecolor="none", edgecolor=ink, hatch="xx", alpha=0.25, linewidth=0)
        places = [step for stretch in gone for step in dict.fromkeys(stretch)]
        bottom = ax.get_xaxis_transform()
        handles += ax.plot(places, [0.04] * len(places), "x", color=ink, transform=bottom, linestyle="none")
        names.append("not finite")
    ax.legend(handles, names, frameon=False, fontsize=8, loc="best", handlelength=3.2)


def stroke(index: int, style: str) -> dict[str, Any]:
    """Colour, line style and width of a curve by its style."""
    colors = COLORS[style]
    turn = (index + index // len(colors)) % len(STROKES)
    return {"color": colors[index % len(colors)], "linestyle": STROKES[turn], "linewidth": 1.5}


def _dotted(steps: Any) -> dict[str, Any]:
    """Points as dots where they are so few that a line hides where they are."""
    return {"marker": ".", "markersize": 4} if steps.size <= 25 else {}


def _drawable(values: Any) -> Any:
    """NaN where nothing can be drawn: infinities, and what overflows a picture."""
    return np.where(np.abs(values) < 1e300, values, np.nan)


def _marked(ax: Axes, mark: Mark, curve: Curve, ink: str, axis: str) -> None:
    """Signs on the curve at the marks; from a single mark that begins a stretch, the rise since as an arrow.

    axis: what the steps count, for the words beside a single mark; "" for none.
    """
    heights = [panels.value_at(curve.series, step) for step in mark.at]
    ax.plot(mark.at, heights, "v" if len(mark.at) > 1 else "o", color=ink, fillstyle="none", markersize=7, zorder=5)
    for step in mark.at:
        ax.axvline(step, color=ink, linewidth=0.7, linestyle=":", alpha=0.7)
    finite = curve.series.finite()
    if axis and len(mark.at) == 1 and math.isfinite(heights[0]):
        said = span((mark.at[0], mark.at[0]), axis)
        right = mark.at[0] > float(np.mean(curve.series.steps[[0, -1]]))
        low_down = ax.transLimits.transform(ax.transScale.transform((0.0, heights[0])))[1] < 0.2
        ax.annotate(
            said, (mark.at[0], heights[0]), (-7 if right else 7, 7 if low_down else -13), textcoords="offset points",
            fontsize=8, ha="right" if right else "left",
            bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "alpha": 0.7, "pad": 0.8},
        )  # fmt: skip
    if not mark.level or not len(finite):
        return
    end = min(mark.last, float(finite.steps[-1]))
    height = panels.value_at(curve.series, end)
    ax.plot([mark.at[0], end], [heights[0]] * 2, color=ink, linewidth=0.8, linestyle=(0, (2, 2)))
    if height != heights[0]:
        ax.annotate("", (end, height), (end, heights[0]), arrowprops={"arrowstyle": "->", "color": ink, "lw": 1.1})
