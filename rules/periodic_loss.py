"""Periodic loss: the training loss has the same ups and downs every so many steps.

Why it matters
    Batches that come in the same order in every epoch give correlated gradients, and the order itself is learned.
    A running mean that starts anew with every epoch makes the same picture and is harmless, but hides the real curve.

Statistics
    autocorrelation  of the residuals around a running median of the loss (of its logarithm where it is positive), at
                     the period: the share of their variance that comes back [1]. Residuals are cut at 8 standard
                     deviations, so that two big spikes are no period.
    z                the autocorrelation over its standard error by Bartlett's formula [1]
    height           range of the mean cycle, in percent of the level

Limits
    At least 4 cycles and 40 points, a period of at least 4 points. Logs with one point per epoch are not judged. Where
    a learning rate is logged that repeats with the same period (a cyclic schedule), it explains the loss. A rare kind
    of batch, or an evaluation that disturbs the training, can be periodic as well. Most often harmless: a note.

References
    [1] Box, Jenkins and Reinsel, Time Series Analysis (1994), ch. 2
    Bottou, Stochastic Gradient Descent Tricks (2012): shuffle the examples anew in every epoch
    Lecture notes: "Diagnosing the model: data corrupted? preprocessing?".
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import binning, epochs, statistics
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

LEAST_POINTS = 40
LEAST_CYCLES = 4
SHORTEST = 4  # points; alternations of 2 or 3 points are oscillations
WINDOW = 25  # points of the running median that is taken away
FINE = 200_000  # points; enough cycles of any short period
COARSE = 512  # blocks; a period much longer than WINDOW shows in the means of blocks
RARE_BATCH = ("inspect-batch", "shuffle-data", "log-plain-loss", "inspect-data")
"""Fixes where the period is not that of the epoch."""


class Period(NamedTuple):
    """A repetition in a curve: its length in points, the autocorrelation there, and that in standard errors."""

    points: float
    correlation: float
    z: float


def check(
    axis: str,
    train_loss: Series | None = None,
    train_loss_step: Series | None = None,
    epoch: Series | None = None,
    learning_rate: Series | None = None,
    *,
    correlation_least: float = 0.3,  # share of the variance of the residuals; less cannot be seen on the curve
    z_least: float = 4.5,  # standard errors; tests/rules/test_rates.py measures the rates
    height_least: float = 0.01,  # of the level, peak to peak of the mean cycle
    calming: float = 2.0,  # times calmer at the end of the cycle than at its start; a plain loss has 0.7 .. 1.4
) -> Finding | None:
    """Judge the training loss as finely as it is logged."""
    known = epochs.finest(train_loss, train_loss_step)
    if known is None or not epochs.within_epochs(known[1].steps, axis):
        raise CannotJudge("the training loss has no points within the epochs")
    role, curve = known
    if len(curve) < LEAST_POINTS:
        raise CannotJudge(f"fewer than {LEAST_POINTS} points of {role}")
    skip = len(curve) // 20
    steps, loss = curve.steps[skip:], curve.values[skip:]
    positive = float(loss.min()) > 0.0
    values = np.log(loss) if positive else loss
    period = find_period(values, correlation_least, z_least)
    if period is None:
        return None
    if learning_rate is not None and _repeats(steps, learning_rate.finite(), period.points, correlation_least):
        return None
    cycle = _cycle(values, period.points)
    span = float(cycle.max() - cycle.min())
    height = math.expm1(min(span, 50.0)) if positive else span / max(float(np.ptp(values)), 1e-300)
    if height < height_least:
        return None
    turn = int(np.argmax(np.abs(np.diff(cycle, append=cycle[:1])))) + 1
    firsts = np.arange(turn * period.points / cycle.size, values.size - 1.0, period.points).astype(np.intp)
    turns = epochs.starts(curve.steps, epoch, axis)
    of_epoch = _is_epoch(period.points, turns)
    mean = epochs.settling(values[firsts[0] :], firsts - firsts[0]) >= calming and (of_epoch or turns.size <= 2)
    length = period.points * float(np.median(np.diff(steps)))
    return Finding(
        severity=Severity.NOTE,
        confidence=statistics.confidence(0.8 + 0.15 * min(period.z - z_least, 10.0) + 1.5 * period.correlation),
        summary=(
            f"{role} repeats itself every {length:.4g} {axis}s ({period.points:.4g} points"
            f"{', one epoch' if of_epoch else ''}): {100 * period.correlation:.0f} % of the variance around its trend "
            f"comes back, a swing of {100 * height:.3g} %."
        ),
        meaning=(
            "The logged loss looks like a mean that starts anew with each period: its jumps there are no events of the "
            "training."
            if mean
            else "The batches seem to come in the same order every time: hard and easy ones return with the period."
        ),
        steps=(float(steps[0]), float(steps[-1])),
        marks=tuple(float(step) for step in steps[firsts][:24]),
        series=(role,),
        evidence=(
            Evidence("autocorrelation", period.correlation, correlation_least),
            Evidence("z", min(period.z, 1e6), z_least, "standard errors"),
            Evidence("height", 100.0 * min(height, 1e4), 100.0 * height_least, "percent"),
        ),
        fixes=("log-plain-loss", "shuffle-data") if mean else () if of_epoch else RARE_BATCH,
        cause="running-mean" if mean else "epoch" if of_epoch else "rare-batch",
    )


def find_period(values: Array, least: float, z_least: float) -> Period | None:
    """The period of a curve of shape (n,), in points; n log n. None where nothing repeats.

    Short periods are looked for in the last `FINE` points, long ones in block means of the whole curve.
    """
    recent = values[-FINE:]
    found = _repetition(recent, WINDOW, recent.size // LEAST_CYCLES, least, z_least)
    if found is None and values.size >= 2 * COARSE:
        blocks = binning.block_means(values, COARSE)
        found = _repetition(blocks, COARSE // 8 + 1, COARSE // 16, least, z_least)
        if found is not None:
            return found._replace(points=found.points * values.size / COARSE)
    return found


def _repetition(values: Array, window: int, longest: int, least: float, z_least: float) -> Period | None:
    """The shortest of the clear periods of at most `longest` points that come back a second and a third time."""
    residuals = values - statistics.rolling_median(values, window)
    scale = statistics.spread(residuals)
    if scale <= 0.0 or longest < SHORTEST:
        return None
    correlation = autocorrelation(np.clip(residuals, -8.0 * scale, 8.0 * scale), 3 * longest)
    lags = np.arange(SHORTEST, longest + 1)
    # Neighbours that resemble each other make every lag less certain: Bartlett's formula over the lags below half.
    below = np.cumsum(correlation[1:] ** 2)[lags // 2 - 1]
    z = correlation[lags] * np.sqrt((values.size - lags) / (1.0 + 2.0 * below))
    # A trend that the median left is no repetition: the correlation must have gone before it comes back.
    valley = np.minimum.accumulate(correlation)[lags - 1]
    clear = (z >= z_least) & (correlation[lags] >= least) & (valley < 0.5 * correlation[lags])
    clear &= np.minimum(correlation[2 * lags], correlation[3 * lags]) >= 0.5 * correlation[lags]
    if not clear.any():
        return None
    among = np.flatnonzero(clear & (z >= 0.8 * z[clear].max()))
    lag = int(lags[among[0]])
    near = correlation[lag : lag + max(lag // 4, 2)]  # the top of the first hill
    lag += int(np.argmax(near))
    at = min(lag - SHORTEST, lags.size - 1)
    return Period(float(lag), float(correlation[lag]), float(z[at]))


def autocorrelation(values: Array, most: int) -> Array:
    """Autocorrelation at the lags 0..most, each averaged over the pairs it has, shape (most + 1,); by FFT, n log n."""
    centred = values - values.mean()
    size = 1 << (values.size + most).bit_length()
    spectrum = np.fft.rfft(centred, size)
    products = np.fft.irfft(spectrum * np.conj(spectrum), size)[: most + 1]
    pairs = values.size - np.arange(most + 1)
    result: Array = products / pairs / max(float(products[0]) / values.size, 1e-300)
    return result


def _cycle(values: Array, period: float) -> Array:
    """The mean cycle around a running median, in at most 64 parts."""
    trend = statistics.rolling_median(values, min(round(period) | 1, 1001))
    parts = min(64, int(period))
    part = ((np.arange(values.size) % period) * (parts / period)).astype(np.intp)
    part = np.minimum(part, parts - 1)
    order = np.argsort(part, kind="stable")
    return binning.means((values - trend)[order], binning.placed(part[order], parts))


def _repeats(steps: Array, rate: Series, period: float, least: float) -> bool:
    """Whether the learning rate repeats itself with that period."""
    if len(rate) < 3 or float(np.ptp(rate.values)) == 0.0:
        return False
    values = np.interp(steps, rate.steps, rate.values)
    trend = statistics.rolling_median(values, round(period) | 1)
    lag = round(period)
    return bool(autocorrelation(values - trend, lag)[lag] >= least)


def _is_epoch(points: float, firsts: epochs.Indices) -> bool:
    """Whether a period is the length of an epoch, within a twentieth."""
    return firsts.size > 2 and abs(points / float(np.median(np.diff(firsts))) - 1.0) <= 0.05


RULE = Rule(
    id="periodic-loss",
    doc=__doc__,
    check=check,
    min_points=LEAST_POINTS,
    fixes=("shuffle-data", "log-plain-loss", "inspect-data"),
    cases=(
        Case("the same batches in the same order in every epoch", synthetic.unshuffled, Severity.NOTE),
        Case("the same, epochs not logged", partial(synthetic.unshuffled, logged=False), Severity.NOTE),
        Case("steps of six epochs, falling smoothly", synthetic.steps_of_epochs),
        Case("healthy run", synthetic.healthy),
        Case("warm restarts, one point per epoch", synthetic.cyclic),
        Case("three spikes", synthetic.spiky),
    ),
    explained_by=("staircase-loss",),
)
