"""The one model of a curve: a trend, noise of a known size and memory around it, and estimates with standard errors.

    curve = Curve(series.finite())
    rise = curve.rise                          # since the best level; None where nothing follows it
    rise.size, rise.certain                    # 0.12: ends 12 % above its best; the probability that it rose at all

Rules hold an *effect* (what a practitioner minds) and a *certainty* (how sure) against such an estimate: two numbers,
never one threshold for both.

The model: on its scale (the logarithm of a positive loss, whose noise goes with its level) a curve is a smooth trend
plus an autoregression of order one, whose standard deviation may differ between stretches. The mean of m points then
has the variance sd^2 * min(1, time / m), `time` being the integrated autocorrelation time (1 + phi) / (1 - phi)
[Priestley, Spectral Analysis and Time Series, 1981, 5.3.2]. phi is integrated out over a grid, weighted by the
restricted likelihood of the residuals [Harville, Maximum Likelihood Approaches to Variance Component Estimation, 1977],
so that a trend which is fitted does not count as memory, nor the degrees of freedom that it takes as calm.

A stretch of fewer than `LONG` points says too little of its own noise: what it says is weighed against what real
curves are like (`PRIOR`, `PRIOR_DEGREES`), and noise is never taken for zero.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array, Series
from diagnose.measure import statistics

EVEN = 0.003
"""Standard error, as a share of the level, below which a level need not be taken over more points."""

LONG = 16
"""Points from which on a stretch tells the size and the memory of its noise by itself."""

PRIOR = 0.02
"""Standard deviation of one point as a share of the level: the middle one of real curves. Validation losses of 8 to 40
points in the corpus of logs have 0.017 to 0.044, training losses 0.007 to 0.020, evaluations of AlgoPerf 0.003 to
0.012."""

PRIOR_DEGREES = 2.0
"""Degrees of freedom of the prior: real curves lie within a factor of five around it."""

MEMORY = 0.6
"""Autocorrelation time of a short run in roots of its points, which tell the less of it the fewer they are: 1.3 of five
to 3.3 of thirty.
"""

SHORT_TIME = 2.0
"""Autocorrelation time, in points, of stretches too short to tell: phi = 1/3."""

MOST = 200
"""Points to which a stretch is brought by means of blocks before its noise is measured: the cost stays bounded."""

_PHI = np.array([0.0, 0.2, 0.4, 0.55, 0.7, 0.8, 0.87, 0.92, 0.95])
"""Grid of autocorrelations of neighbours. Beyond the last, noise cannot be told from a trend."""

_FIRST = np.sqrt(1.0 - _PHI**2)
"""By how much the first point of a stretch, which has none before it, counts less than its whole variance."""

_REFITS = 3
"""Times that a trend is fitted anew with less weight on points far off it, of which a jump to another level is one."""

STEP = 5.0
"""Standard deviations of the differences of neighbours from which on a change of level is a step, and no noise."""

PAIR = 1.4
"""Standard deviations of a point by which 95 % of two of them lie from their mean at most: 1.96 / sqrt(2)."""

MOST_LOST = 10.0
"""Times of what a curve had fallen; a greater rise is told as more than that."""

PEAK_DEGREES = 1.0
"""Degrees of freedom of the prior where one point is held against it: a loss of single batches has ten times the noise.
"""

PEAK = 0.005
"""Probability below which the highest peak of a short curve is no noise."""

_CALM = 3.0
"""Of the prior over phi, exp(-_CALM * phi): most logs hold one value per epoch, and those are nearly independent."""


class Noise(NamedTuple):
    """Noise of one stretch, as a mixture over what its memory may be.

    weight: probability of each memory, shape (k,). sd: standard deviation of a point, shape (k,). time: its integrated
    autocorrelation time in points, shape (k,). degrees: degrees of freedom of the standard deviations.
    """

    weight: Array
    sd: Array
    time: Array
    degrees: float

    def of_mean(self, points: float) -> Array:
        """Variance of the mean of so many neighbouring points, shape (k,)."""
        return np.asarray(self.sd**2 * np.minimum(1.0, self.time / max(points, 1.0)))

    @property
    def size(self) -> float:
        """Standard deviation of a point, over the memories."""
        return math.sqrt(float(self.weight @ self.sd**2))

    @property
    def memory(self) -> float:
        """Autocorrelation time in points, over the memories."""
        return float(self.weight @ (self.sd**2 * self.time)) / max(float(self.weight @ self.sd**2), 1e-300)


class Estimate(NamedTuple):
    """A measured number: its value, and its standard error under each memory that the noise may have.

    errors, weight: shape (k,). degrees: of Student's t.
    """

    value: float
    errors: Array
    weight: Array
    degrees: float

    @property
    def error(self) -> float:
        """The standard error."""
        return math.sqrt(float(self.weight @ self.errors**2))

    def exceeds(self, limit: float) -> float:
        """The probability that the true number is above `limit`."""
        return math.fsum(
            weight * statistics.student_above((limit - self.value) / max(error, 1e-300), self.degrees)
            for weight, error in zip(self.weight.tolist(), self.errors.tolist(), strict=True)
            if weight > 1e-4
        )


@dataclass(frozen=True, eq=False)
class Rise:
    """How a curve stands at its end against its best level.

    best: index of the lowest logged point. lowest: the value there. end: level over the last tenth of what follows.
    size: end over the best level, as a share of it; of a curve that is not positive, of what it had fallen.
    lost: the same as a share of what it had fallen before, initial point apart; at most `MOST_LOST`.
    turn: index where the smoothed curve is lowest. tail: points that make the end.
    """

    curve: Curve
    best: int
    lowest: float
    end: float
    size: float
    lost: float
    turn: int
    tail: int

    @functools.cached_property
    def estimate(self) -> Estimate:
        """The rise on the curve's scale, see `Curve.risen`."""
        return self.curve.risen(self.turn)

    @functools.cached_property
    def certain(self) -> float:
        """The probability that the curve has risen at all since its best level."""
        curve = self.curve
        return _turns(curve.calm, PRIOR * curve._unit()) if len(curve) < 2 * LONG else self.estimate.exceeds(0.0)


class Fall(NamedTuple):
    """How far a curve has come down from its first level to the lowest one after it.

    points: how many of the first points make that level.
    start, lowest: the two levels, as values of the curve.
    noise: standard deviation of a point, on the scale.
    estimate: the fall on the curve's scale; the lowest of many noisy levels is taken for as much higher as such a
        lowest lies.
    """

    points: int
    start: float
    lowest: float
    noise: float
    estimate: Estimate


@dataclass(frozen=True, eq=False)
class Curve:
    """A finite curve and what it measures. series: at least one point, all finite."""

    series: Series

    def __len__(self) -> int:
        return len(self.series)

    @property
    def steps(self) -> Array:
        """Shape (n,)."""
        return self.series.steps

    @property
    def values(self) -> Array:
        """Shape (n,), as logged."""
        return self.series.values

    @functools.cached_property
    def positive(self) -> bool:
        """Whether the scale is the logarithm."""
        return float(self.values.min()) > 0.0

    @functools.cached_property
    def scaled(self) -> Array:
        """The values on the scale on which noise is even, shape (n,)."""
        return np.log(self.values) if self.positive else self.values

    @functools.cached_property
    def window(self) -> int:
        """Points over which a level is taken: as many as bring its error below `EVEN`, from 3 to an eighth of all;
        1 where there are fewer than 12, which are too few.
        """
        if len(self) < 32:
            return 3 if len(self) >= 12 else 1
        noise = self.noise(len(self) // 2, len(self))
        wanted = noise.memory * (noise.size / (EVEN * self._unit())) ** 2
        return max(3, int(min(wanted, len(self) / 8.0))) | 1

    @functools.cached_property
    def smooth(self) -> Array:
        """Running median over `window` points, on the scale."""
        return statistics.rolling_median(self.scaled, self.window)

    def at(self, scaled: float) -> float:
        """A level on the scale as a value of the curve."""
        return math.exp(min(scaled, 700.0)) if self.positive else scaled

    @functools.cached_property
    def first(self) -> int:
        """Index of the first point that tells of the training: 1 where the fall from the first, which then shows no
        more than initialization, is ten times what the rest of the run spans, else 0.
        """
        rest = self.values[1:]
        if rest.size < 4:
            return 0
        second = statistics.median(rest[: max(1, rest.size // 20)])
        return int(float(self.values[0]) - second > 10.0 * (second - float(rest.min())))

    @functools.cached_property
    def start(self) -> float:
        """Where the curve comes from: the higher of the value at `first` and the level of a twentieth from there on, so
        that one low point of a noisy log is no start.
        """
        stop = self.first + max(1, min(statistics.ends(len(self), 0.05, 2), len(self) - self.first))
        return max(float(self.values[self.first]), statistics.median(self.values[self.first : stop]))

    def noise(self, start: int, stop: int) -> Noise:
        """The noise of the points [start, stop) around a trend through them."""
        if stop - start >= LONG:
            return _noise([self.scaled[start:stop]], falling=True)
        return _short_noise(self.calm[start:stop], self._unit())

    def level(self, start: int, stop: int) -> Estimate:
        """The level of the points [start, stop), on the scale: their median, or the mean of one or two."""
        part = self.scaled[start:stop]
        noise = self.noise(max(0, start - part.size), stop)
        return Estimate(statistics.median(part), np.sqrt(noise.of_mean(part.size)), noise.weight, noise.degrees)

    @functools.cached_property
    def rise(self) -> Rise | None:
        """The rise since the best level; None where fewer than two points follow it."""
        y, turn = self.scaled, self._turn()
        after = len(self) - 1 - turn
        if after < 2:
            return None
        tail = max(1, round(after / 10))
        end, level = self.at(statistics.median(y[-tail:])), self.at(self._lowest(turn))
        fallen = max(self.start - level, 1e-12 * abs(level), 1e-300)
        size = end / level - 1.0 if self.positive else (end - level) / fallen
        best = int(np.argmin(self.values))
        lost = min((end - level) / fallen, MOST_LOST)
        return Rise(self, best, float(self.values[best]), end, size, lost, turn, tail)

    def _lowest(self, turn: int) -> float:
        """The best level, on the scale."""
        return float(self.smooth[turn]) if turn else float(min(self.smooth[0], self.scaled[0]))

    def risen(self, turn: int) -> Estimate:
        """By how much the last third of what follows the best level lies above it.

        The lowest of many noisy levels is taken for half as much lower as such a lowest lies: a curve that turns is low
        for a while only.
        """
        y, lowest = self.scaled, self._lowest(turn)
        after = len(self) - 1 - turn
        noise = self._noise_around(turn)
        width = self.window if turn else 1
        third = max(2, round(after / 3))
        near = int(np.count_nonzero(y <= lowest + 2.5 * noise.size))
        spread = math.sqrt(float(noise.weight @ noise.of_mean(width)))
        bias = 0.5 * _lowest_of(near / max(noise.memory if after >= LONG else 1.0, width)) * spread
        errors = np.sqrt(noise.of_mean(third) + noise.of_mean(width))
        end = _middle(y[turn:], third)
        if third == 2:  # one point alone is no level: neighbours that differ by noise lie so far from their mean
            end = min(end, float(y[-2:].min()) + PAIR * noise.size)
        return Estimate(end - lowest - bias, errors, noise.weight, noise.degrees)

    @functools.cached_property
    def falls(self) -> tuple[Fall, ...]:
        """The falls from the level of the first points to the lowest level after them: of the first fiftieth of the
        points, of twice as many and so on up to a third. Empty for fewer than 4 points.
        """
        size, width = len(self), self.window
        if size < 4:
            return ()
        noise = self.noise(1, max(int(np.argmin(self.smooth)) + 1, min(size, LONG + 1)))
        memory = max(noise.memory if size >= LONG else 1.0, width)
        lowest = np.minimum.accumulate(self.smooth[::-1])[::-1]
        of_lowest = noise.of_mean(width)
        spread = math.sqrt(float(noise.weight @ of_lowest))
        usual = noise.size
        first, falls = max(1, size // 50), []
        while first <= max(size // 3, 2):
            level, low = statistics.median(self.scaled[:first]), float(lowest[first])
            near = np.count_nonzero(self.scaled[first:] <= low + 2.5 * usual)
            bias = _lowest_of(near / memory) * spread
            errors = np.sqrt(noise.of_mean(first) + of_lowest)
            estimate = Estimate(level - low - bias, errors, noise.weight, noise.degrees)
            falls.append(Fall(first, self.at(level), self.at(low), usual, estimate))
            first *= 2
        return tuple(falls)

    @functools.cached_property
    def peaks(self) -> tuple[Array, Array]:
        """How far each point of a short curve stands above both its neighbours: in standard deviations of what noise
        does there, and the probability that noise does it, both of shape (n,); 0 and 1 for a point that is no peak.

        A point is held against the line between its neighbours. What the others but these do in the same direction is
        noise: a curve that falls ever more slowly bends the other way. Each tells a third of a degree of freedom, half
        of them being below the line and neighbours sharing points.
        """
        y, size = self.scaled, len(self)
        z, chance = np.zeros(size), np.ones(size)
        if size < 4:
            return z, chance
        bulge = np.concatenate([[0.0], y[1:-1] - 0.5 * (y[:-2] + y[2:]), [0.0]])
        squares = np.maximum(bulge, 0.0) ** 2 / 0.75  # half of a variance of 1.5, on average
        near = np.convolve(squares, np.ones(3), mode="same")
        degrees = PEAK_DEGREES + (size - 5) / 3.0
        known = PEAK_DEGREES * (PRIOR * self._unit()) ** 2
        for place in 1 + np.flatnonzero((y[1:-1] > y[:-2]) & (y[1:-1] > y[2:])):
            variance = (known + (squares.sum() - near[place]) / 3.0) / degrees
            z[place] = bulge[place] / math.sqrt(1.5 * variance)
            chance[place] = statistics.student_above(float(z[place]), degrees)
        return z, chance

    @functools.cached_property
    def calm(self) -> Array:
        """The curve on its scale, of a short one without the peaks that are no noise: brought to the line between their
        neighbours, shape (n,).
        """
        if len(self) >= 2 * LONG:
            return self.scaled
        out = np.flatnonzero(self.peaks[1] * len(self) < PEAK)
        calm = self.scaled.copy()
        calm[out] = 0.5 * (calm[out - 1] + calm[out + 1])
        return calm

    @functools.cached_property
    def end(self) -> float:
        """The level over the last tenth."""
        return self.at(statistics.median(self.scaled[-max(1, round(len(self) / 10)) :]))

    @functools.cached_property
    def flipped(self) -> Curve:
        """The curve turned over, so that what was its highest level is its best."""
        return Curve(Series(self.series.name, self.steps, -self.values))

    def moved(self, since: float) -> float:
        """By how much the level at the end is above that around the step `since`, in the unit of the values."""
        place = max(int(self.steps.searchsorted(since, side="right")) - 1, 0)
        half = self.window // 2
        tail = max(1, round((len(self) - 1 - place) / 10))
        around = self.scaled[max(0, place - half) : place + half + 1]
        return self.at(statistics.median(self.scaled[-tail:])) - self.at(statistics.median(around))

    def _turn(self) -> int:
        """Where the smoothed curve is lowest; 0 where all of it lies above the first point, beyond its noise."""
        turn = int(np.argmin(self.smooth))
        lowest = float(self.smooth[turn])
        if self.scaled[0] >= lowest:
            return turn
        return 0 if self.scaled[0] < lowest - 4.0 * self.noise(1, len(self)).size else turn

    def _noise_around(self, turn: int) -> Noise:
        """The noise since the best level; its memory also from as many points before it."""
        after = self.scaled[turn:]
        before = self.scaled[max(0, 2 * turn - len(self) + 1) : turn]
        if after.size >= LONG:
            return _noise([after, before] if before.size >= LONG else [after], falling=False)
        return _short_noise(self.calm[turn:], self._unit(), before=self.calm[max(0, turn - 10) : turn + 1])

    def _unit(self) -> float:
        """What the prior's share is a share of, on the scale."""
        return (
            1.0 if self.positive else max(abs(statistics.median(self.values)), 0.1 * float(np.ptp(self.values)), 1e-300)
        )


def _turns(y: Array, prior: float) -> float:
    """The probability that a short curve turns upwards, by the ratio of the likelihoods of two fits: one that falls and
    then rises, and one that only falls [Bartholomew, A Test of Homogeneity for Ordered Alternatives, 1959].

    y: at least 3 points. prior: standard deviation of a point as the prior has it. What the points say of the noise:
    bends downwards, which neither a fall that slows down nor a rise that sets in has, and what the fit leaves; half a
    degree of freedom each. Two-sided, for the turn that fits best was chosen.
    """
    falling, rising = _in_order(y.tolist()), [(0.0, 0), *_in_order(y[::-1].tolist())]
    turned = [(a + b, m + n) for (a, m), (b, n) in zip(falling, reversed(rising[:-1]), strict=True)]
    (without, _), (left, levels) = falling[-1], min(turned)
    bends = np.minimum(np.diff(y, 2), 0.0)
    degrees = PRIOR_DEGREES + 0.5 * bends.size + 0.5 * max(y.size - levels - 1, 0)
    squares = PRIOR_DEGREES * prior**2 + float(bends @ bends) / 6.0 + 0.5 * left
    gained = max(without - left, 0.0) * degrees / max(squares, 1e-300) / (MEMORY * math.sqrt(y.size))
    return max(1.0 - 2.0 * statistics.student_above(math.sqrt(gained), degrees), 0.0)


def _in_order(y: list[float]) -> list[tuple[float, int]]:
    """Of every prefix of the values the sum of squares around the fit that nowhere rises, and how many levels that has,
    by pooling adjacent violators [Ayer et al., An Empirical Distribution Function for Sampling with Incomplete
    Information, 1955].
    """
    pools: list[tuple[float, int]] = []  # mean and size of each level
    total, found = 0.0, []
    for value in y:
        mean, size = value, 1
        while pools and pools[-1][0] <= mean:
            other, count = pools.pop()
            total += (mean - other) ** 2 * size * count / (size + count)
            mean, size = (mean * size + other * count) / (size + count), size + count
        pools.append((mean, size))
        found.append((total, len(pools)))
    return found


def _lowest_of(count: float) -> float:
    """By how many standard deviations the lowest of so many Gaussian values lies below their mean, on average.

    Blom's approximation of the expected order statistic, Phi^-1((n - 0.375) / (n + 0.25)) [Blom 1958]; the quantile by
    Tukey's lambda, 4.91 * (p^0.14 - (1 - p)^0.14), which is right to 0.01 up to a count of 1,000.
    """
    if count <= 1.0:
        return 0.0
    p = (count - 0.375) / (count + 0.25)
    return float(4.91 * (p**0.14 - (1.0 - p) ** 0.14))


def _noise(stretches: list[Array], *, falling: bool) -> Noise:
    """The noise of the first of these stretches of `LONG` points or more; their memory is one and the same.

    falling: whether the first of them may hold the fall of the curve; the others do.
    """
    measured: list[tuple[Array, float, float, int]] = []
    weight = -_CALM * _PHI
    for stretch in stretches:
        size = -(-stretch.size // MOST)
        if measured and size > 1:
            break  # its memory is that of blocks of another length
        count = stretch.size // size
        even = _without_outliers(stretch)
        even = even if falling or measured else _without_step(even)
        blocks = even[stretch.size - count * size :].reshape(count, size)
        levels = blocks.sum(axis=1) / size
        likelihood, variance, degrees = _likelihoods(levels, falling or bool(measured))
        weight = weight + likelihood
        within = (blocks - levels[:, None]).ravel()
        measured.append((variance, float(within @ within) / within.size, degrees, size))
    variance, of_block, degrees, size = measured[0]
    weight = np.exp(weight - weight.max())
    of_point = variance + of_block
    time = variance / np.maximum(of_point, 1e-300) * size * (1.0 + _PHI) / (1.0 - _PHI)
    return Noise(weight / weight.sum(), np.sqrt(of_point), time, degrees)


def _likelihoods(y: Array, falling: bool) -> tuple[Array, Array, float]:
    """For each phi of the grid the restricted log-likelihood and the variance of a point; the degrees of freedom."""
    basis = _basis(y.size, falling)
    gram, inverse, logarithm = _gram(y.size, falling)
    weighted = gram
    degrees = float(y.size - basis.shape[1])
    white = _without_memory(y)
    shared = white[:, 1:] @ basis[1:] - _PHI[:, None] * (white[:, 1:] @ basis[:-1])
    shared += (_FIRST[:, None] * white[:, :1]) * basis[0]
    residual = _without_memory(y - (inverse @ shared[:, :, None])[:, :, 0] @ basis.T)
    weight, far = _drawn_in(residual)
    for _ in range(_REFITS if far else 0):
        places = np.flatnonzero((weight < 1.0).any(axis=0))
        trend = _whitened(basis, places)
        missing = np.swapaxes((1.0 - weight[:, places])[:, :, None] * trend, 1, 2)
        weighted = gram - missing @ trend
        fitted = np.linalg.solve(weighted, shared[:, :, None] - missing @ white[:, places, None])
        residual = _without_memory(y - fitted[:, :, 0] @ basis.T)
        anew, far = _drawn_in(residual)
        if not far:
            break
        weight = anew
    if weighted is not gram:
        logarithm = np.linalg.slogdet(weighted)[1]
    innovation = np.maximum((weight * residual**2).sum(axis=1) / degrees, 1e-300)
    likelihood = -0.5 * degrees * np.log(innovation) + np.log(_FIRST) - 0.5 * logarithm
    return likelihood, innovation / _FIRST**2, degrees


def _drawn_in(residual: Array) -> tuple[Array, bool]:
    """Weights that draw far residuals in to four usual ones, shape (phi, n), and whether there are any."""
    size = np.abs(residual)
    middle = size.shape[1] // 2
    ordered = np.sort(size, axis=1)
    median = ordered[:, middle] if size.shape[1] % 2 else 0.5 * (ordered[:, middle - 1] + ordered[:, middle])
    usual = 4.0 * statistics.GAUSSIAN_MAD * median[:, None]
    far = (size > usual) & (usual > 0.0)
    if not far.any():
        return np.ones(1), False
    return np.where(far, usual / np.maximum(size, 1e-300), 1.0), True


def _without_memory(y: Array) -> Array:
    """The values with the memory of each phi taken out, shape (phi, n); y: shape (n,), or (phi, n)."""
    y = y if y.ndim == 2 else y[None]
    white = np.empty((_PHI.size, y.shape[1]))
    white[:, 0] = _FIRST * y[:, 0]
    rest = np.multiply(_PHI[:, None], y[:, :-1], out=white[:, 1:])
    np.subtract(y[:, 1:], rest, out=rest)
    return white


@functools.lru_cache(maxsize=512)
def _gram(n: int, falling: bool) -> tuple[Array, Array, Array]:
    """Of the trends of `_basis`, the memory of each phi taken out, the products with each other, shape (phi, p, p),
    their inverse, and the logarithm of their determinant, shape (phi,).
    """
    trend = _whitened(_basis(n, falling), np.arange(n))
    gram = np.swapaxes(trend, 1, 2) @ trend
    return gram, np.asarray(np.linalg.inv(gram), np.float64), np.asarray(np.linalg.slogdet(gram)[1])


def _whitened(basis: Array, places: npt.NDArray[np.intp]) -> Array:
    """These points of the trends of `_basis` with the memory of each phi taken out, shape (phi, places, p)."""
    white = basis[places] - _PHI[:, None, None] * basis[places - 1]
    white[:, places == 0] = _FIRST[:, None, None] * basis[0]
    return white


@functools.lru_cache(maxsize=512)
def _basis(n: int, falling: bool) -> Array:
    """Trends that a stretch of n >= `LONG` points may have, orthonormal, shape (n, p), as far as n allows: of one that
    falls decays at several rates and a cubic, of another a parabola and a growth that sets in late.
    """
    u = (np.arange(n) + 0.5) / n
    columns = [np.ones(n), u, *([np.exp(-u / 0.15), np.exp(-u / 0.04)] if falling else [u**2])]
    columns += [u**2 if falling else np.exp((u - 1.0) / 0.15)] if n >= 24 else []
    columns += [np.exp(-u / 0.012)] if n >= 40 and falling else []
    columns += [u**3] if n >= 60 and falling else []
    basis: Array = np.linalg.qr(np.stack(columns, axis=1))[0]
    return basis


def _without_outliers(y: Array) -> Array:
    """The points with those more than four standard deviations off a running median of five drawn in to there."""
    middle = statistics.rolling_median(y, 5)
    away = y - middle
    limit = 4.0 * statistics.spread(away) / 0.8  # a point is part of its own median
    return np.asarray(middle + np.minimum(np.maximum(away, -limit), limit))


def _without_step(y: Array) -> Array:
    """The points with the largest change of level, if it is beyond what neighbours differ by, taken out of those after.

    A step is one great difference of neighbours after which the level stays; whatever memory the noise has, that
    difference is an outlier among the others.
    """
    steps = y[1:] - y[:-1]
    place = int(np.argmax(np.abs(steps))) + 1
    before, after = y[max(0, place - 5) : place], y[place : place + 5]
    if min(before.size, after.size) < 2:
        return y
    change = statistics.median(after) - statistics.median(before)
    if abs(change) < STEP * statistics.spread(steps):
        return y
    return np.concatenate([y[:place], y[place:] - change])


def _middle(y: Array, last: int) -> float:
    """The level of the last points: their mean without outliers, of a short stretch their median."""
    return float(_without_outliers(y)[-last:].mean()) if y.size >= LONG else statistics.median(y[-last:])


def _short_noise(after: Array, unit: float, before: Array | None = None) -> Noise:
    """The noise of a few points around a line or a parabola, with what the points before say, and the prior.

    before: the last points of the fall before. Whatever goes up there is noise: for white noise around a level, the
    mean of the squared rises from point to point is the variance, and a fall only makes it less.
    """
    squares, degrees = _around_trend(after)
    if before is not None and before.size >= 3:
        step = np.maximum(np.diff(before), 0.0)
        squares += 0.5 * float(step @ step)
        degrees += 0.5 * step.size
    total = PRIOR_DEGREES + degrees
    sd = math.sqrt((PRIOR_DEGREES * (PRIOR * unit) ** 2 + squares) / total)
    return Noise(np.ones(1), np.array([sd]), np.array([SHORT_TIME]), total)


def _around_trend(y: Array) -> tuple[float, float]:
    """Sum of squares around the line, from five points on the parabola, or from eight on two levels, whichever leaves
    the smallest variance; and the degrees of freedom left, (0, 0) for fewer than four points.
    """
    if y.size < 4:
        return 0.0, 0.0
    fits = []
    for degree in (1, 2) if y.size >= 5 else (1,):
        powers = _powers(y.size, degree)
        residual = y - powers @ (powers.T @ y)
        fits.append((float(residual @ residual), float(y.size - degree - 1)))
    if y.size >= 8:
        fits.append((_around_step(y), float(y.size - 3)))
    return min(fits, key=lambda fit: fit[0] / fit[1])


def _around_step(y: Array) -> float:
    """Sum of squares around two levels, the second from where it leaves the least, which takes a degree of freedom."""
    before = np.arange(1.0, y.size)
    total = np.cumsum(y)
    apart = (total[:-1] - before / y.size * total[-1]) ** 2 * y.size / (before * (y.size - before))
    return max(float(((y - y.mean()) ** 2).sum() - apart.max()), 0.0)


@functools.lru_cache(maxsize=64)
def _powers(n: int, degree: int) -> Array:
    """Orthonormal polynomials, shape (n, degree + 1)."""
    powers: Array = np.linalg.qr(np.vander(np.linspace(-1.0, 1.0, n), degree + 1, increasing=True))[0]
    return powers
