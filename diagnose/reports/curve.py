"""A picture of a curve for the terminal, in characters.

Each column of the picture stands for an equal stretch of the axis. The main curve fills the range between the smallest
and largest value of its stretch, so that a single spike among a million points is still seen; a second curve shows as
one dot per column at the median. Time is linear in the number of points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array, Series
from diagnose.measure import binning, statistics
from diagnose.reports.panels import LOG_DECADES
from diagnose.reports.words import number

HEIGHT = 7
"""Rows of a plot."""

LEAST_PLOT = 16
"""Columns of a plot below which it shows nothing."""

Grid = npt.NDArray[np.bool_]
"""Dots of a picture, shape (rows, columns), row 0 at the top."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters a picture is made of; `fine` draws 4 x 2 dots per character."""

    fine: bool
    dot: str
    axis: str
    corner: str
    line: str
    swatch: str


BRAILLE = Glyphs(fine=True, dot="\N{MIDDLE DOT}", axis="│", corner="└", line="─", swatch="⠤⠤⠤")
ASCII = Glyphs(fine=False, dot=".", axis="|", corner="+", line="-", swatch="***")


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn curve.

    legend: which sign is which curve, in words.
    rows: the lines of the picture, the axis and its marks included.
    """

    legend: str
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Scale:
    """A range of values and how it maps to the height of the picture."""

    low: float
    high: float
    log: bool

    def height(self, values: Array) -> Array:
        """Values as heights in [0, 1], 0 at the bottom; a flat range lies in the middle."""
        low, high = self._bend(np.array([self.low, self.high]))
        if high - low < np.finfo(np.float64).tiny:  # by less, a division overflows
            return np.where(np.isnan(values), np.nan, 0.5)
        return np.asarray((self._bend(values) - low) / (high - low))

    @property
    def middle(self) -> float:
        """The value at half the height."""
        return math.sqrt(self.low * self.high) if self.log else self.low / 2 + self.high / 2

    def _bend(self, values: Array) -> Array:
        # Halved, so that the difference of two values near the ends of the float range stays finite.
        return np.log10(values) if self.log else values / 2


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """A curve in equal stretches of the axis; NaN where a stretch has no finite point.

    broken: True where a stretch holds a NaN or an infinity.
    """

    low: Array
    high: Array
    median: Array
    broken: Grid


def draw(
    main: Series,
    other: Series | None = None,
    *,
    labels: tuple[str, str] = ("", ""),
    marks: Sequence[float] = (),
    steps: tuple[float, float] | None = None,
    axis: str = "step",
    shared_scale: bool = True,
    width: int = 76,
    height: int = HEIGHT,
    glyphs: Glyphs = BRAILLE,
) -> Picture | None:
    """Draw one curve, or two, with the marked places under the axis.

    labels: names of the two curves for the legend.
    marks: steps to point at with `^`; where there are none, `steps` (first, last) is underlined instead.
    shared_scale: False gives the second curve a scale of its own, labelled at the right.
    width, height: characters, all of the picture and of the plot.
    Returns None where the main curve has no finite point, or the width is too small for a picture.
    """
    curves = [main] if other is None or not np.isfinite(other.values).any() else [main, other]
    if not np.isfinite(main.values).any():
        return None
    first = min(float(c.steps[0]) for c in curves)
    last = max(float(c.steps[-1]) for c in curves)
    if shared_scale or len(curves) == 1:
        scales = [_scale(curves)] * len(curves)
    else:
        scales = [_scale([c]) for c in curves]
    left = _labels(scales[0], height)
    right = _labels(scales[1], height) if scales[-1] is not scales[0] else [""] * height
    margin = max(map(len, left))
    plot = width - margin - 2 - max(map(len, right)) - 1
    if plot < LEAST_PLOT:
        return None

    drawn = _columns(main, first, last, plot * (2 if glyphs.fine else 1))
    canvas = _outline(drawn, scales[0], height, glyphs)
    broken: Grid = np.any(drawn.broken.reshape(plot, -1), axis=1)
    if len(curves) == 2:
        _dots(canvas, _columns(curves[1], first, last, plot), scales[1], glyphs.dot)

    rows = [f"{left[row]:>{margin}} {glyphs.axis}{''.join(canvas[row])} {right[row]}".rstrip() for row in range(height)]
    rows.append(f"{'':{margin}} {glyphs.corner}{glyphs.line * plot}")
    pointers = _pointers(plot, first, last, marks, steps, broken)
    if pointers.strip():
        rows.append(f"{'':{margin}}  {pointers}".rstrip())
    rows.append(f"{'':{margin}}  {_ticks(plot, first, last, marks, axis)}".rstrip())
    return Picture(_legend(labels[: len(curves)], scales, pointers, glyphs), tuple(rows))


def overlay(
    curves: Sequence[Series],
    signs: Sequence[str],
    *,
    axis: str,
    width: int = 76,
    height: int = 11,
    glyphs: Glyphs = BRAILLE,
) -> Picture | None:
    """Draw several curves over each other on one scale, each by its sign at the medians; the first lies on top.

    width, height: characters, all of the picture and of the plot.
    Returns None where no curve has a finite point, or the width is too small for a picture.
    """
    finite = [curve for curve in curves if np.isfinite(curve.values).any()]
    if not finite:
        return None
    scale = _scale(finite)
    left = _labels(scale, height)
    margin = max(map(len, left))
    plot = width - margin - 3
    if plot < LEAST_PLOT:
        return None
    first = min(float(c.steps[0]) for c in finite)
    last = max(float(c.steps[-1]) for c in finite)
    canvas = [[" "] * plot for _ in range(height)]
    for series, sign in zip(curves, signs, strict=True):
        _dots(canvas, _columns(series, first, last, plot), scale, sign)
    rows = [f"{left[row]:>{margin}} {glyphs.axis}{''.join(canvas[row])}".rstrip() for row in range(height)]
    rows.append(f"{'':{margin}} {glyphs.corner}{glyphs.line * plot}")
    rows.append(f"{'':{margin}}  {_ticks(plot, first, last, (), axis)}".rstrip())
    return Picture("log scale" if scale.log else "", tuple(rows))


def describe(series: Series, axis: str) -> str:
    """The curve in words, for who cannot see it: start, lowest and highest place, end, and what is not finite."""
    finite = series.finite()
    if not len(finite):
        return f"none of its {len(series)} values is finite"

    def at(index: int) -> str:
        return f"{number(finite.values[index])} at {axis} {number(finite.steps[index], 6)}"

    words = (
        f"starts at {at(0)}, lowest {at(int(finite.values.argmin()))}, "
        f"highest {at(int(finite.values.argmax()))}, ends at {at(-1)}"
    )
    lost = len(series) - len(finite)
    return words if not lost else f"{words}; {lost} of {len(series)} values are not finite"


def _scale(curves: Sequence[Series]) -> _Scale:
    values = [c.values[np.isfinite(c.values)] for c in curves]
    low = min(float(v.min()) for v in values)
    high = max(float(v.max()) for v in values)
    return _Scale(low, high, log=low > 0 and math.log10(high) - math.log10(low) > LOG_DECADES)


def _columns(series: Series, first: float, last: float, columns: int) -> _Columns:
    """Gather the points of each stretch; an empty stretch between two points is bridged."""
    curve = series.finite()
    edges = binning.equal(curve.steps, first, last, columns)
    low, high = (binning.reduced(ends, curve.values, edges) for ends in (np.minimum, np.maximum))
    with np.errstate(over="ignore"):  # the mean of the two middle values near the end of the float range
        median = np.clip(statistics.medians(curve.values, edges), low, high)
    broken: Grid = np.diff(binning.equal(series.steps, first, last, columns)) > np.diff(edges)
    _bridge(low, high, median, broken)
    return _Columns(low, high, median, broken)


def _bridge(low: Array, high: Array, median: Array, broken: Grid) -> None:
    """Fill stretches without points, in place: between two medians by a line, between two broken ones as broken."""
    lost = broken & np.isnan(median)
    occupied = np.flatnonzero(lost | ~np.isnan(median))
    for before, after in itertools.pairwise(occupied):
        gap = np.arange(before + 1, after)
        if lost[before] and lost[after]:
            broken[gap] = True
        elif gap.size and not lost[before] and not lost[after]:
            line = np.interp(gap, [before, after], [median[before], median[after]])
            low[gap] = high[gap] = median[gap] = line


def _outline(columns: _Columns, scale: _Scale, height: int, glyphs: Glyphs) -> list[list[str]]:
    """The main curve as characters, shape (height, columns): a line through the medians, thickened to the range."""
    levels = height * (4 if glyphs.fine else 1)
    low, high, middle = (_rows(scale, v, levels) for v in (columns.low, columns.high, columns.median))
    # Neighbours meet half-way, so that the line has no holes where it is steep.
    meet = (middle[:-1] + middle[1:]) / 2
    top = np.fmin(high, np.fmin(np.append(meet, np.nan), np.insert(meet, 0, np.nan)))
    bottom = np.fmax(low, np.fmax(np.append(meet, np.nan), np.insert(meet, 0, np.nan)))
    row = np.arange(levels)[:, None]
    dots: Grid = (row >= np.round(top)) & (row <= np.round(bottom))
    if glyphs.fine:
        return _braille(dots)
    return [["*" if dot else " " for dot in line] for line in dots]


def _braille(dots: Grid) -> list[list[str]]:
    """Dots, shape (4 h, 2 w), as braille characters, shape (h, w)."""
    # Bit of each dot of a cell in Unicode's numbering: 1-2-3-7 down the left side, 4-5-6-8 down the right.
    bits = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
    rows, columns = dots.shape[0] // 4, dots.shape[1] // 2
    cells = dots.reshape(rows, 4, columns, 2).transpose(0, 2, 1, 3)
    codes = (cells * bits).sum(axis=(2, 3))
    return [[chr(0x2800 + int(code)) if code else " " for code in line] for line in codes]


def _dots(canvas: list[list[str]], columns: _Columns, scale: _Scale, dot: str) -> None:
    """Put the second curve where the first left room, in place."""
    for column, row in enumerate(_rows(scale, columns.median, len(canvas))):
        if not np.isnan(row) and canvas[round(row)][column] == " ":
            canvas[round(row)][column] = dot


def _rows(scale: _Scale, values: Array, levels: int) -> Array:
    """The row, counted from the top, on which each value lies; fractional, NaN kept."""
    return np.asarray((1.0 - scale.height(values)) * (levels - 1))


def _labels(scale: _Scale, height: int) -> list[str]:
    """Values beside the rows: top, middle and bottom; only the middle of a flat curve."""
    labels = [""] * height
    labels[height // 2] = _label(scale.middle)
    if scale.high > scale.low:
        labels[0], labels[-1] = _label(scale.high), _label(scale.low)
    return labels


def _label(value: float) -> str:
    """A value in at most nine characters."""
    return number(value, 3) if abs(value) < 1e6 else f"{value:.3g}"


def _pointers(
    plot: int, first: float, last: float, marks: Sequence[float], steps: tuple[float, float] | None, broken: Grid
) -> str:
    """The line under the axis: `x` where values are not finite, `^` at the marks or `^--^` under the stretch."""
    line = ["x" if lost else " " for lost in broken]
    if marks:
        for mark in marks:
            line[_column(mark, first, last, plot)] = "^"
    elif steps is not None:
        start, end = (_column(step, first, last, plot) for step in steps)
        for column in range(start, end + 1):
            if line[column] == " ":
                line[column] = "-"
        line[start] = line[end] = "^"
    return "".join(line)


def _ticks(plot: int, first: float, last: float, marks: Sequence[float], axis: str) -> str:
    """The numbers under the axis: first and last step with the unit, and the marked steps that find room."""
    start, end = number(first, 6), f"{axis} {number(last, 6)}"
    line = [" "] * plot
    line[: len(start)] = start
    line[plot - len(end) :] = end
    for mark in marks:
        text = number(mark, 6)
        at = min(max(_column(mark, first, last, plot) - len(text) // 2, 0), plot - len(text))
        if all(c == " " for c in line[max(at - 2, 0) : at + len(text) + 2]):
            line[at : at + len(text)] = text
    return "".join(line[:plot])


def _column(step: float, first: float, last: float, plot: int) -> int:
    share = (step - first) / ((last - first) or 1.0)
    return min(max(int(share * plot), 0), plot - 1) if math.isfinite(share) else 0


def _legend(labels: Sequence[str], scales: Sequence[_Scale], pointers: str, glyphs: Glyphs) -> str:
    """Which sign is which curve, the scales where they are not plain, and what the signs under the axis mean."""
    own = scales[0] is not scales[-1]
    parts = []
    for label, sign, side, scale in zip(
        labels, (glyphs.swatch, glyphs.dot * 3), ("left", "right"), scales, strict=False
    ):
        parts.append(f"{sign} {label}" + (f" ({side}{', log scale' if scale.log else ''})" if own else ""))
    if not own and scales[0].log:
        parts.append("log scale")
    if "x" in pointers:
        parts.append("x not finite")
    return "   ".join(parts)
