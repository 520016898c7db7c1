"""Arrays in, numbers out: the measurements that the rules share.

Everything here is linear or n log n in the number of points, expects finite values, and names the source of its
formula.

SciPy is asked where runs are compared or relevance is judged, and imported there: `scipy.special` takes 0.25 s and
`scipy.stats` 0.5 s, as much as a whole run takes otherwise. What one ordinary run needs is computed by NumPy alone, and
tests/test_statistics.py holds it to SciPy's answers.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array
from diagnose.measure.binning import Edges, block_means, even

GAUSSIAN_MAD = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation, 1 / Phi^-1(3/4)."""


NORMAL_95 = 1.959964
"""Standard deviations on either side of a Gaussian mean within which 95 % lie."""

MOST_WORK = 2_000_000
"""Points times window up to which a running median is computed point by point (0.04 s)."""

MOST_SORTED = 1000
"""Values up to which sorting is faster than to part them around the middle."""

BLOCK_SAMPLE = 100
"""Points, evenly spaced, from which the median of one block of a wide running median is taken."""

SAMPLE = 100_000
"""Points from which a robust scale is taken of a longer curve, evenly spaced: the standard error is 0.4 % then."""

LONG_WINDOW = 75
"""Widest window of a running median that is computed point by point."""


def median(values: Array) -> float:
    """The median of finite values; `np.median` without its checks for NaN, which cost more than the median of a few.

    Raises ValueError for an empty array.
    """
    if values.size == 0:
        raise ValueError("the median of no values")
    middle = values.size // 2
    parted = values.copy()  # the method costs a third of the function, and rules ask for a hundred medians per run
    if values.size <= MOST_SORTED:
        parted.sort()
    else:
        parted.partition((middle - 1, middle))
    if values.size % 2:
        return float(parted[middle])
    low, high = parted[middle - 1 : middle + 1].tolist()
    return float(low + (high - low) / 2.0)


def quantiles(values: Array, *shares: float) -> list[float]:
    """The quantiles of finite values at these shares, by lines between neighbours, as `np.quantile` has them."""
    ordered = np.sort(values)
    places = [share * (values.size - 1) for share in shares]
    return np.interp(places, np.arange(values.size), ordered).tolist()


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share, as fractions [Wilson, Probable Inference, 1927]; (0, 1) without trials.

    That of `scipy.stats.binomtest`, for which every run with an advice would wait.
    """
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, NORMAL_95**2
    centre = share + z2 / (2 * trials)
    half = NORMAL_95 * math.sqrt(share * (1.0 - share) / trials + z2 / (4 * trials * trials))
    low, high = ((centre + side * half) / (1.0 + z2 / trials) for side in (-1, 1))
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)


def student_above(t: float, degrees: float) -> float:
    """The chance that Student's t with so many degrees of freedom is `t` or more.

    Half of the incomplete beta function I_x(degrees/2, 1/2) at x = degrees / (degrees + t^2) for a positive t
    [Abramowitz & Stegun 26.7.1]. That of `scipy.special.stdtr`, for which every run would wait.
    """
    whole = degrees + t * t
    tail = 0.5 * _incomplete_beta(0.5 * degrees, 0.5, degrees / whole, t * t / whole)
    return tail if t > 0 else 1.0 - tail


def _incomplete_beta(a: float, b: float, x: float, y: float) -> float:
    """I_x(a, b) by its continued fraction with Lentz' method [Press et al., Numerical Recipes, 6.4]; y is 1 - x."""
    if x <= 0.0 or y <= 0.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _incomplete_beta(b, a, y, x)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    fraction = d
    for m in range(1, 200):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / (1.0 + term * d)
            c = 1.0 + term / c
            fraction *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return math.exp(logarithm) * fraction / a


def bootstrap_median(values: Array, *, samples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the median: percentiles of the medians of samples drawn with replacement [Efron 1979].

    NaN for no value. The seed makes the same values give the same interval. That of `scipy.stats.bootstrap`, whose
    name for the seed differs between the versions that are allowed.
    """
    if values.size == 0:
        return math.nan, math.nan
    drawn = np.random.default_rng(seed).integers(0, values.size, (samples, values.size))
    low, high = np.percentile(np.median(values[drawn], axis=1), (2.5, 97.5))
    return float(low), float(high)


def rank_sum(low: Array, high: Array) -> float:
    """One-sided p that values of `low` are not the smaller ones [Mann and Whitney 1947], by the normal approximation
    with the correction for ties; 0.5 where either is empty or all values are the same.
    """
    if not low.size or not high.size or np.ptp(np.concatenate([low, high])) == 0.0:
        return 0.5
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(low, high, use_continuity=False, alternative="less", method="asymptotic").pvalue)


def spread(values: Array) -> float:
    """Robust standard deviation: 1.4826 times the median absolute deviation [Hampel 1974].

    0 for fewer than 2 values. Long arrays are sampled, see `SAMPLE`. Of short ones that of
    `scipy.stats.median_abs_deviation`, for which every run would wait.
    """
    if values.size < 2:
        return 0.0
    values = values[:: -(-values.size // SAMPLE)]
    return GAUSSIAN_MAD * median(np.abs(values - median(values)))


def jitter(values: Array) -> float:
    """Robust standard deviation of the noise around a smooth curve, in the unit of the values.

    Second differences cancel any locally straight trend; for independent noise of variance s^2 they have variance
    6 s^2 (Gasser, Sroka and Jennen-Steinmetz 1986 use the same residual). 0 for fewer than 4 values. Long arrays are
    sampled, see `SAMPLE`.
    """
    if values.size < 4:
        return 0.0
    stride = -(-values.size // SAMPLE)
    second = values[2::stride] - 2.0 * values[1:-1:stride] + values[:-2:stride]
    return GAUSSIAN_MAD * median(np.abs(second)) / math.sqrt(6.0)


def rolling_median(values: Array, window: int) -> Array:
    """Centred running median; the ends are padded by reflection. `window` is odd and is cut to the array's length.

    Wide windows, and those of long arrays, run over the medians of blocks, 25 or 5 to a window, and step from block to
    block: on a million points that takes a tenth of the time, and no import of scipy.ndimage (0.3 s).
    Shape (n,) in, shape (n,) out.
    """
    window = min(window, values.size - 1 + values.size % 2)
    if window < 3:
        return values.copy()
    if window > LONG_WINDOW or values.size * window > MOST_WORK:
        fine = window >= 25 and values.size // (window // 25) * 25 <= MOST_WORK
        count = 25 if fine else min(5, window)
        return _stepwise_median(values, max(window // count, 1), count)
    half = window // 2
    padded = np.concatenate([values[half:0:-1], values, values[-2 : -half - 2 : -1]])
    if window == 3:
        return _median_of_three(padded[:-2], padded[1:-1], padded[2:])
    if window == 5:
        return _median_of_five(*(padded[place : place + values.size] for place in range(5)))
    # Of the same memory, at a tenth of the cost of `sliding_window_view`; `partition` is of a copy.
    stride = padded.strides[0]
    windows = np.ndarray((values.size, window), padded.dtype, padded, strides=(stride, stride)).copy()
    windows.partition(half, axis=1)
    return windows[:, half].copy()


def _median_of_three(a: Array, b: Array, c: Array) -> Array:
    """The middle one of three, shape (n,): without the rows that a partition sorts, at a quarter of its cost."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.maximum(low, np.minimum(high, c), out=low)


def _median_of_five(a: Array, b: Array, c: Array, d: Array, e: Array) -> Array:
    """The middle one of five, shape (n,): neither the lowest nor the highest of four, with the fifth."""
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return _median_of_three(low, high, e)


def _stepwise_median(values: Array, size: int, count: int) -> Array:
    """Running median over the medians of blocks of `size` points, `count` to a window, repeated to shape (n,)."""
    if size == 1:
        parts = np.array_split(values, -(-values.size * count // MOST_WORK))
        return np.concatenate([rolling_median(part, count) for part in parts])
    whole = values.size // size * size
    sampled = values[:whole].reshape(-1, size)[:, :: max(size // BLOCK_SAMPLE, 1)]
    levels = np.median(sampled, axis=1)
    smooth = np.repeat(rolling_median(levels, count), size)
    return np.append(smooth, np.full(values.size - whole, smooth[-1]))


def medians(values: Array, edges: Edges) -> Array:
    """The median of each bin of finite values, shape (bins,); NaN for an empty one. See `diagnose.measure.binning`."""
    starts, widths = edges[:-1], np.diff(edges)
    found = np.full(widths.size, np.nan)
    for width in set(widths.tolist()) - {0}:  # one or two, of even bins
        alike = widths == width
        rows = values[starts[alike][:, None] + np.arange(width)]
        low, high = (width - 1) // 2, width // 2
        rows.partition((low, high), axis=1)
        found[alike] = rows[:, low] + (rows[:, high] - rows[:, low]) / 2.0
    return found


def block_medians(values: Array, count: int) -> Array:
    """Medians of at most `count` blocks of equally many points, shape (min(n, count),): a long noisy curve made short
    without moving its level.
    """
    return medians(values, even(values.size, count))


class Trend(NamedTuple):
    """Kendall's tau in [-1, 1] and the one-sided p-value of an upward trend."""

    tau: float
    p_rising: float

    @property
    def p_falling(self) -> float:
        """The one-sided p-value of a downward trend."""
        return 1.0 - self.p_rising


def mann_kendall(values: Array, *, most: int = 400) -> Trend:
    """Mann-Kendall trend test, with the correction of the variance for ties [Mann 1945; Kendall 1975, ch. 4].

    Curves longer than `most` are first made `most` block means, so that the cost stays bounded.
    Fewer than 3 values, or a constant curve, have tau 0 and p 0.5. Score and variance are those of
    `scipy.stats.kendalltau`, for which every run would wait; it has tau-b, and a p without correction for continuity.
    """
    values = block_means(values, most)
    n = values.size
    if n < 3:
        return Trend(0.0, 0.5)
    ordered = np.sort(values)
    ties = np.diff(np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])))
    pairs = n * (n - 1) / 2.0
    ranks = np.searchsorted(ordered, values).astype(np.int32)  # narrow: n * n comparisons
    rising = int(np.count_nonzero((ranks[None, :] > ranks[:, None]) & _later(n)))
    score = 2.0 * rising - (pairs - float((ties * (ties - 1)).sum()) / 2.0)  # rising pairs minus falling ones
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18.0
    if variance <= 0.0:
        return Trend(0.0, 0.5)
    z = (score - math.copysign(1.0, score)) / math.sqrt(variance) if score else 0.0
    return Trend(score / pairs, 0.5 * math.erfc(z / math.sqrt(2.0)))


@functools.lru_cache(maxsize=64)
def _later(n: int) -> npt.NDArray[np.bool_]:
    """Mask of shape (n, n), True where the column comes after the row."""
    return np.triu(np.ones((n, n), dtype=np.bool_), 1)


def generalization_loss(val_loss: Array) -> Array:
    """GL in percent at every point, 100 * (E(t) / E_opt(t) - 1), E_opt the lowest loss so far [Prechelt 1998].

    Needs positive losses; elsewhere the value is infinite or meaningless, so callers look at the sign first.
    """
    lowest = np.minimum.accumulate(val_loss)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 100.0 * (val_loss / lowest - 1.0)


def spike_score(values: Array, window: int = 1000, deviations: float = 7.0) -> float:
    """Spike score in percent: values at least `deviations` standard deviations from the mean of the last `window`.

    OLMo et al., 2 OLMo 2 Furious (arXiv 2501.00656), section 3; the window is what there is at the start, from ten
    points on. 0 for fewer.
    """
    if values.size <= 10:
        return 0.0
    centred = values - median(values)  # keeps the sums of squares from cancelling
    sums = np.concatenate([[0.0], np.cumsum(centred)])
    squares = np.concatenate([[0.0], np.cumsum(np.square(centred))])
    index = np.arange(10, values.size)
    first = np.maximum(index - window, 0)
    count = index - first
    mean = (sums[index] - sums[first]) / count
    variance = np.maximum((squares[index] - squares[first]) / count - np.square(mean), 0.0)
    far = np.abs(centred[10:] - mean) >= deviations * np.sqrt(variance)
    return 100.0 * float(np.count_nonzero(far & (variance > 0.0))) / values.size


def level(values: Array, start: int, stop: int) -> float:
    """Median of a stretch of the curve, `values[start:stop]`."""
    return median(values[max(start, 0) : max(stop, start + 1, 1)])


def end_level(values: Array, count: int) -> float:
    """Level at the last point: a least-squares line through the last `count` points, evaluated there.

    Unlike their median it does not lag behind a curve that is still moving.
    """
    tail = values[-max(count, 1) :]
    if tail.size < 3:
        return float(tail.mean())
    time = np.arange(tail.size) - (tail.size - 1) / 2.0
    slope = float(time @ tail) / float(time @ time)
    return float(tail.mean()) + slope * float(time[-1])


def ends(size: int, share: float = 0.1, least: int = 3) -> int:
    """How many points make the 'beginning' and the 'end' of a curve of `size` points: a share, at least `least`."""
    return max(min(least, size), round(share * size))


def confidence(score: float) -> float:
    """How sure a rule is of a finding where no model of noise tells it: from 0.8 at a low score to 0.99 at a high one.

    score: logit-like; about 1 for evidence that just passes its thresholds, 4 for several times as much.
    What the rule hands over is no probability yet: the engine makes it one (see `diagnose.calibration`).
    """
    return 0.8 + 0.19 * 0.5 * (1.0 + math.tanh(0.5 * score))


def longest_run(mask: np.ndarray) -> tuple[int, int]:
    """Start and stop of the longest stretch of True in a boolean array; (0, 0) where there is none."""
    starts, stops = stretches(mask)
    if starts.size == 0:
        return 0, 0
    longest = int(np.argmax(stops - starts))
    return int(starts[longest]), int(stops[longest])


def stretches(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and stops (exclusive) of all stretches of True in a boolean array."""
    padded = np.concatenate([[False], mask, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return edges[0::2], edges[1::2]
