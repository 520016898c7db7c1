"""A run as SVG, for pages without scripts: panels below each other with their findings, and sparklines.

Strokes and fills are classes (`s0` ... for curves, `ink`, `faint`, `band` ...), so that a page chooses its colours; see
`STYLE`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from diagnose.curves import Array, Series
from diagnose.measure.downsample import extremes
from diagnose.reports import panels
from diagnose.reports.markup import Markup, join, tag
from diagnose.reports.panels import Mark, Panel
from diagnose.reports.words import number, one_line
from diagnose.rule import Severity

WIDTH = 640.0
"""Units of the picture; a page scales it."""

DRAWN_POINTS = 480
"""Points drawn of a curve."""

LEFT, RIGHT, TOP, BOTTOM = 56.0, 10.0, 18.0, 34.0
"""Units around a panel: the numbers beside it, and those below the last one."""

GAP = 26.0
HEIGHTS = {"loss": 190.0, "learning rate": 80.0, "gradient norm": 80.0}
HEIGHT = 130.0

STYLES = 8
"""Styles of curves, `s0` to `s7`."""

DASHES = ("", "7 2.5", "8 2.5 2 2.5", "2 2", "10 2 2 2 2 2", "4 3", "1 3", "12 3")

STYLE = "".join(f".s{i}{{stroke:var(--c{i})}}.d{i}{{stroke-dasharray:{dash}}}" for i, dash in enumerate(DASHES) if dash)
"""Colours of the curves from the properties --c0 to --c7, and their dashes, as CSS."""
STYLE = ".s0{stroke:var(--c0)}" + STYLE


class _Frame:
    """Maps steps and values of one panel to the picture."""

    def __init__(self, panel: Panel, top: float, extent: tuple[float, float]) -> None:
        self.top, self.height = top, HEIGHTS.get(panel.title, HEIGHT)
        self.first, self.last = extent
        values = np.concatenate([c.series.values[np.isfinite(c.series.values)] for c in panel.curves])
        self.log = panel.log
        self.low, self.high = float(values.min()), float(values.max())
        if self.high == self.low:
            room = abs(self.low) * 0.1 or 1.0
            self.low, self.high = (self.low / 2, self.high * 2) if self.log else (self.low - room, self.high + room)

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.top + self.height

    def x(self, steps: Array | float) -> Array:
        """Places of steps."""
        share = (np.asarray(steps, dtype=np.float64) - self.first) / ((self.last - self.first) or 1.0)
        return np.asarray(LEFT + share * (WIDTH - LEFT - RIGHT))

    def y(self, values: Array | float) -> Array:
        """Places of values, NaN kept; halved, so that the range of the largest floats is finite."""
        bend = np.log10 if self.log else lambda v: v / 2
        low, high = bend(np.float64(self.low)), bend(np.float64(self.high))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (bend(np.asarray(values, dtype=np.float64)) - low) / (high - low)
        return np.asarray(self.top + 4.0 + (1.0 - share) * (self.height - 8.0))


def picture(shown: Sequence[Panel], axis: str, title: str) -> Markup:
    """The panels below each other on one axis; title: the picture in words."""
    steps = [c.series.steps for panel in shown for c in panel.curves]
    extent = min(float(s[0]) for s in steps), max(float(s[-1]) for s in steps)
    top = TOP
    parts = []
    for panel in shown:
        frame = _Frame(panel, top, extent)
        parts.append(_panel(panel, frame))
        top = frame.bottom + GAP
    height = top - GAP + BOTTOM
    parts.append(_steps(extent, axis, top - GAP))
    return tag(
        "svg", tag("title", title), *parts, viewBox=f"0 0 {WIDTH:g} {height:g}", role="img", class_="curves",
        preserveAspectRatio="xMinYMin",
    )  # fmt: skip


def _panel(panel: Panel, frame: _Frame) -> Markup:
    marks = [mark for mark in panel.marks if mark.partial and mark.severity is not Severity.NOTE]
    bands = {(mark.first, mark.last) for mark in marks}
    parts = [_band(frame, *band, "band") for band in sorted(bands)]
    for value in ticks(frame.low, frame.high, log=frame.log):
        y = _n(float(frame.y(value)))
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", tick(value), x=LEFT - 6, y=y, dy="0.32em", text_anchor="end"))
    for curve in panel.curves:
        parts += [_band(frame, *gone, "lost") for gone in panels.lost(curve.series)]
        path = _path(extremes(curve.series, DRAWN_POINTS), frame)
        parts.append(tag("path", d=path, class_=_stroke(curve.style)))
    parts += [_marked(mark, panel, frame) for mark in panel.marks if mark.on >= 0]
    parts.append(tag("text", panel.title, x=LEFT, y=frame.top - 5, class_="name"))
    return tag("g", *parts)


def _band(frame: _Frame, first: float, last: float, class_: str) -> Markup:
    x, end = float(frame.x(first)), float(frame.x(last))
    width = max(end - x, 1.5)
    return tag("rect", x=_n(x), y=frame.top, width=_n(width), height=frame.height, class_=class_)


def _path(series: Series, frame: _Frame) -> str:
    """The line, broken where values are not finite; a point alone becomes a dot by its round cap."""
    xs, ys = frame.x(series.steps), frame.y(series.values)
    words = []
    pen = False
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        if not math.isfinite(y):
            pen = False
            continue
        words.append(f"{'L' if pen else 'M'}{_n(x)} {_n(y)}" + ("" if pen else "h0"))
        pen = True
    return "".join(words)


def _marked(mark: Mark, panel: Panel, frame: _Frame) -> Markup:
    """Rings at the marks, and the level since where a single one begins a stretch."""
    series = panel.curves[mark.on].series
    parts = []
    for step in mark.at:
        x, y = float(frame.x(step)), float(frame.y(panels.value_at(series, step)))
        parts.append(tag("line", x1=_n(x), x2=_n(x), y1=frame.top, y2=frame.bottom, class_="mark"))
        if math.isfinite(y):
            parts.append(tag("circle", cx=_n(x), cy=_n(y), r=4.5, class_="ring"))
    if mark.level:
        level = _n(float(frame.y(panels.value_at(series, mark.at[0]))))
        start, end = _n(float(frame.x(mark.first))), _n(float(frame.x(mark.last)))
        parts.append(tag("line", x1=start, x2=end, y1=level, y2=level, class_="level"))
    return join(*parts)


def _steps(extent: tuple[float, float], axis: str, top: float) -> Markup:
    first, last = extent
    width = WIDTH - LEFT - RIGHT
    parts = [tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=top, y2=top, class_="frame")]
    for value in ticks(first, last):
        x = LEFT + (value - first) / ((last - first) or 1.0) * width
        parts.append(tag("text", number(value, 6), x=_n(x), y=top + 15, text_anchor="middle"))
    parts.append(tag("text", axis, x=LEFT + width / 2, y=top + 30, text_anchor="middle"))
    return join(*parts)


def sparkline(series: Series, width: int = 96, height: int = 22) -> Markup:
    """A curve as small as a word, without axes; its place in a table says what it is."""
    finite = series.finite()
    if len(finite) < panels.FEWEST:
        return Markup("")
    small = extremes(finite, 40)
    values, steps = small.values / 2, small.steps
    low, high = float(values.min()), float(values.max())
    # A curve that fell far from its start shows where it ended rather than where it began.
    if low > 0.0 and high / low > 10.0:
        values = np.log(values)
        low, high = float(values.min()), float(values.max())
    xs = (steps - steps[0]) / ((steps[-1] - steps[0]) or 1.0) * (width - 2) + 1
    ys = (high - values) / ((high - low) or 1.0) * (height - 4) + 2
    path = "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in zip(xs, ys, strict=True))
    return tag("svg", tag("path", d=path), class_="spark", viewBox=f"0 0 {width} {height}", aria_hidden="true")


def legend(shown: Sequence[Panel]) -> Markup:
    """Which line is which curve."""
    named = {curve.name: curve.style for panel in shown for curve in panel.curves}
    keys = (tag("span", sign(style), one_line(name), class_="key") for name, style in named.items())
    return tag("p", *keys, class_="legend")


def sign(style: int) -> Markup:
    """The line of a curve as it stands in a legend."""
    line = tag("path", d="M0 4h28", class_=_stroke(style))
    return tag("svg", line, class_="sign", viewBox="0 0 28 8", aria_hidden="true")


def _stroke(style: int) -> str:
    """The classes of a curve; from the ninth style on, colours come back with other dashes."""
    return f"curve s{style % STYLES} d{(style + style // STYLES) % STYLES}"


def ticks(low: float, high: float, *, log: bool = False, most: int = 8) -> list[float]:
    """Round numbers between two ends, at most about `most`; powers of ten on a logarithmic scale."""
    if log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        by = max(1, math.ceil((last - first + 1) / most))
        return [10.0**power for power in range(first, last + 1, by)]
    span = high / 2 - low / 2
    if not (math.isfinite(span) and span > 0.0):
        return [low]
    rough = 2.0 * (span / most)
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)][: 2 * most]


def tick(value: float) -> str:
    """A number beside an axis: `0.25`, `1e-05`."""
    return f"{value:.6g}"


def _n(value: float) -> str:
    """A length to a tenth."""
    return f"{value:.1f}".removesuffix(".0")
