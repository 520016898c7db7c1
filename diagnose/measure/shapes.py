"""Shapes of curves that several rules ask about: a climb since the best value, a stretch without change, late swings.

Shapes are measured here and judged in the rules. Arrays are finite, of shape (n,).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from diagnose.curves import Array
from diagnose.measure import statistics

FEW = 16
"""Points of a second half below which a running median follows its swings."""

NORMAL_90 = 1.645
"""Standard deviations on either side of a Gaussian mean within which 90 % lie."""


NORMAL_98 = 2.054
"""Standard deviations above a Gaussian mean below which 98 % lie."""


class Climb(NamedTuple):
    """How a loss stands at its end against its best level.

    best: index of the lowest point of the running median.
    lowest, end: level there, and at the last point.
    rise: end - lowest. lost: rise as a share of the improvement before it, at most 10 (10 also where there was none).
    gl: generalization loss in percent [Prechelt 1998] for a positive loss, else 100 * lost.
    noise: standard deviation of the points around the running median since the best.
    trend: Mann-Kendall trend since the best.
    tail: how many points make the end.
    """

    best: int
    lowest: float
    end: float
    rise: float
    lost: float
    gl: float
    noise: float
    trend: statistics.Trend
    tail: int


def climb(loss: Array) -> Climb | None:
    """The climb of a loss since its best level; None where fewer than 4 points follow it."""
    window = statistics.ends(loss.size, 0.05, 3) | 1
    smooth = statistics.rolling_median(loss, window)
    best = int(np.argmin(smooth))
    tail = loss[best:]
    if tail.size < 4:
        return None
    count = min(statistics.ends(loss.size), tail.size // 2)
    lowest = float(smooth[best])
    end = statistics.end_level(loss, count)
    rise = end - lowest
    improvement = float(max(loss[0], smooth[0])) - lowest
    lost = min(rise / improvement, 10.0) if improvement > 0.1 * rise else 10.0
    gl = 100.0 * rise / lowest if float(loss.min()) > 0.0 else 100.0 * lost
    noise = max(statistics.spread(tail - smooth[best:]), statistics.jitter(tail))
    return Climb(best, lowest, end, rise, lost, gl, noise, statistics.mann_kendall(tail), count)


def longest_still(values: Array, tolerance: float = 0.0) -> tuple[int, int]:
    """Start and stop (exclusive) of the longest stretch that stays within `tolerance` of its first value."""
    changes = np.flatnonzero(np.abs(np.diff(values)) > tolerance) + 1
    edges = np.concatenate([[0], changes, [values.size]])
    longest = int(np.argmax(np.diff(edges)))
    start, stop = int(edges[longest]), int(edges[longest + 1])
    drifted = np.flatnonzero(np.abs(values[start:stop] - values[start]) > tolerance)
    return start, stop if drifted.size == 0 else start + int(drifted[0])


def settled(accuracy: Array, start: int, stop: int, rise: float = 0.03) -> bool:
    """Whether a still stretch [start, stop) is where an accuracy has settled: it lasts to the end, at the highest level
    within a hundredth, and the accuracy rose to it through at least 4 different values, by `rise` or by a third of what
    was missing to 1.
    """
    before = accuracy[:start]
    if stop < accuracy.size or np.unique(before).size < 4:
        return False
    level = float(accuracy[start])
    return (
        level - float(before[0]) >= min(rise, (1.0 - float(before[0])) / 3.0) and level >= float(accuracy.max()) - 0.01
    )


class Swings(NamedTuple):
    """Late swings of a curve against what it has improved.

    size: 90 % range of the residuals around a slow running median over the second half; of so few points that the range
        is uncertain, what it has at least.
    improvement: level at the start minus level over the second half (negative where the curve rose).
    level: median of the second half.
    """

    size: float
    improvement: float
    level: float

    @property
    def share(self) -> float:
        """Size over improvement; at most 100, and 100 where nothing improved."""
        return min(self.size / self.improvement, 100.0) if self.improvement > 0.01 * self.size else 100.0


def late_swings(values: Array) -> Swings:
    """The swings of the second half of a curve of at least 8 points.

    Of fewer than `FEW` points a median would follow half of each swing; they are held against a line, and the range is
    that of Gaussian residuals of the least variance that their sum of squares leaves at 98 % [chi-squared].
    """
    tail = values[values.size // 2 :]
    if tail.size < FEW:
        line = np.polynomial.Polynomial.fit(np.arange(tail.size), tail, 1)
        residual = tail - line(np.arange(tail.size))
        low, high = 0.0, 2.0 * NORMAL_90 * float(np.sqrt(residual @ residual / _chi_squared_98(tail.size - 2)))
    else:
        slow = statistics.rolling_median(tail, min(max(5, (tail.size // 5) | 1), 101))
        low, high = statistics.quantiles(tail - slow, 0.05, 0.95)
    level = statistics.median(tail)
    start = max(
        float(values[0]) if values.size < 200 else -np.inf, statistics.level(values, 0, max(2, values.size // 20))
    )
    return Swings(high - low, start - level, level)


def _chi_squared_98(degrees: int) -> float:
    """The 98 % quantile of chi-squared; [Wilson and Hilferty, The Distribution of Chi-Square, 1931], right to 1 %."""
    part = 2.0 / (9.0 * degrees)
    return float(degrees * (1.0 - part + NORMAL_98 * np.sqrt(part)) ** 3)
