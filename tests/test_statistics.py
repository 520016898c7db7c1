"""The measurements: against SciPy, against their definitions, and invariant where they must be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage, special, stats

from diagnose.curves import Array
from diagnose.measure import statistics


@given(st.floats(-60.0, 60.0))
def test_student_s_t_is_that_of_one_and_of_two_degrees_of_freedom(t: float) -> None:
    cauchy, two = 0.5 - math.atan(t) / math.pi, 0.5 - t / (2.0 * math.sqrt(2.0 + t * t))
    assert statistics.student_above(t, 1.0) == pytest.approx(cauchy, abs=1e-8)
    assert statistics.student_above(t, 2.0) == pytest.approx(two, abs=1e-8)


def test_the_constants_of_a_gaussian_are_scipys() -> None:
    assert pytest.approx(special.ndtri(0.975), abs=1e-6) == statistics.NORMAL_95
    assert pytest.approx(1.0 / special.ndtri(0.75), abs=1e-4) == statistics.GAUSSIAN_MAD


finite = st.floats(-1e6, 1e6, allow_nan=False, width=32)
curves = arrays(np.float64, st.integers(4, 60), elements=finite)


@given(curves | arrays(np.float64, st.integers(3, 60), elements=st.integers(0, 5).map(float)))
def test_mann_kendall_agrees_with_scipy(values: Array) -> None:
    trend = statistics.mann_kendall(values)
    pairs = values.size * (values.size - 1) / 2
    score = float(np.sign(values[None, :] - values[:, None])[np.triu_indices(values.size, 1)].sum())
    assert trend.tau == pytest.approx(score / pairs)
    assert trend.p_rising + trend.p_falling == pytest.approx(1.0)
    if score == 0.0:
        assert trend.p_rising == 0.5
        return
    # SciPy's two-sided p is that of the score over its standard deviation, ours that of the score less one.
    z = stats.norm.isf(stats.kendalltau(np.arange(values.size), values, method="asymptotic").pvalue / 2.0)
    expected = stats.norm.sf(math.copysign(z, score) * (1.0 - 1.0 / abs(score)))
    assert trend.p_rising == pytest.approx(expected, rel=1e-6)


@given(curves)
def test_spread_is_scipys_median_absolute_deviation(values: Array) -> None:
    expected = stats.median_abs_deviation(values, scale="normal")
    assert statistics.spread(values) == pytest.approx(expected, rel=1e-4)


@given(curves, st.integers(1, 15))
def test_rolling_median_is_scipys(values: Array, half: int) -> None:
    window = min(2 * half + 1, values.size - 1 + values.size % 2)
    expected = ndimage.median_filter(values, size=window, mode="mirror")
    np.testing.assert_array_equal(statistics.rolling_median(values, 2 * half + 1), expected)


@given(arrays(np.float64, st.integers(2, 60), elements=st.floats(0.0, 1.0)), st.integers(0, 9))
def test_the_interval_of_a_median_is_scipys(values: Array, seed: int) -> None:
    drawn = np.random.default_rng(seed)
    theirs = stats.bootstrap((values,), np.median, n_resamples=100, method="percentile", random_state=drawn)
    interval = theirs.confidence_interval
    assert statistics.bootstrap_median(values, samples=100, seed=seed) == pytest.approx((interval.low, interval.high))


def test_mann_kendall_p_is_nominal_on_noise() -> None:
    rng = np.random.default_rng(7)
    p = np.array([statistics.mann_kendall(rng.standard_normal(40)).p_rising for _ in range(2000)])
    assert 0.005 <= (p < 0.01).mean() <= 0.02
    assert 0.04 <= (p < 0.05).mean() <= 0.065


def test_mann_kendall_of_a_long_curve_keeps_the_direction() -> None:
    rng = np.random.default_rng(3)
    values = np.linspace(1.0, 0.0, 200_000) + rng.standard_normal(200_000)
    assert statistics.mann_kendall(values).p_falling < 1e-6


@given(curves, st.floats(0.01, 100.0), st.floats(-1e3, 1e3))
def test_jitter_and_spread_follow_the_unit_and_ignore_the_level(values: Array, scale: float, shift: float) -> None:
    tolerance = 1e-6 * (1.0 + float(np.abs(values).max())) * max(scale, 1.0) + 1e-6 * abs(shift)
    for measure in (statistics.jitter, statistics.spread):
        assert measure(scale * values + shift) == pytest.approx(scale * measure(values), abs=tolerance)


def test_jitter_ignores_a_straight_trend_and_finds_the_noise() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(5000)
    assert statistics.jitter(np.linspace(0.0, 900.0, 5000)) == pytest.approx(0.0, abs=1e-9)
    assert statistics.jitter(noise + np.linspace(0.0, 900.0, 5000)) == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("size", [5, 50, 5000])
@pytest.mark.parametrize("window", [3, 25, 75])
def test_rolling_median_is_the_median_of_the_window(size: int, window: int) -> None:
    values = np.random.default_rng(size).standard_normal(size)
    smooth = statistics.rolling_median(values, window)
    half = min(window, size - 1 + size % 2) // 2
    middle = size // 2
    assert smooth.shape == values.shape
    assert smooth[middle] == np.median(values[middle - half : middle + half + 1])


def test_a_wide_running_median_follows_the_exact_one() -> None:
    rng = np.random.default_rng(5)
    trend = np.exp(-np.linspace(0.0, 4.0, 20_000))
    smooth = statistics.rolling_median(trend + 0.1 * rng.standard_normal(trend.size), 1001)
    assert smooth.shape == trend.shape
    assert np.abs(smooth - trend)[500:-500].max() < 0.03


@given(arrays(np.float64, st.integers(1, 50), elements=finite))
def test_median_is_numpys(values: Array) -> None:
    assert statistics.median(values) == pytest.approx(float(np.median(values)))


@pytest.mark.parametrize("window", [3, 5, 9, 25, 75])
def test_a_long_running_median_follows_the_exact_one(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    values = np.sin(np.linspace(0.0, 6.0, 30_000)) + 0.01 * rng.standard_normal(30_000)
    exact = statistics.rolling_median(values, window)
    monkeypatch.setattr(statistics, "MOST_WORK", 20_000)
    stepwise = statistics.rolling_median(values, window)
    assert stepwise.shape == exact.shape
    assert np.abs(stepwise - exact).max() < 0.05


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0.01, 100.0)))
def test_generalization_loss_is_prechelts(values: Array) -> None:
    lowest = [values[: i + 1].min() for i in range(values.size)]
    expected = [100.0 * (v / low - 1.0) for v, low in zip(values, lowest, strict=True)]
    np.testing.assert_allclose(statistics.generalization_loss(values), expected, rtol=1e-9, atol=1e-9)


def test_end_level_does_not_lag_behind_a_moving_curve() -> None:
    values = np.linspace(0.0, 10.0, 101)
    assert statistics.end_level(values, 10) == pytest.approx(10.0)
    assert statistics.level(values, 91, 101) < 9.6


@given(arrays(np.bool_, st.integers(0, 80)))
def test_stretches_cover_exactly_the_true_points(mask: np.ndarray) -> None:
    rebuilt = np.zeros_like(mask)
    for start, stop in zip(*statistics.stretches(mask), strict=True):
        assert stop > start
        rebuilt[start:stop] = True
    np.testing.assert_array_equal(rebuilt, mask)


def test_spike_score_is_the_share_of_far_points() -> None:
    values = np.random.default_rng(2).standard_normal(4000)
    assert statistics.spike_score(values) == 0.0
    values[[1500, 2500, 3500]] += 50.0
    assert statistics.spike_score(1e6 + values) == pytest.approx(100.0 * 3 / 4000)


def test_the_interval_of_a_median_holds_it_in_about_95_of_100_samples() -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        low, high = statistics.bootstrap_median(random.exponential(size=40), samples=300)
        held += low <= math.log(2.0) <= high
    assert 0.9 <= held / 200 <= 0.99


def test_the_interval_of_nothing_is_nothing() -> None:
    assert all(math.isnan(end) for end in statistics.bootstrap_median(np.empty(0)))
    assert statistics.bootstrap_median(np.array([0.3])) == (0.3, 0.3)


def test_rank_sum_is_small_where_the_first_values_are_the_smaller_ones() -> None:
    low, high = np.arange(20.0), np.arange(10.0, 30.0)
    assert statistics.rank_sum(low, high) < 1e-3
    assert statistics.rank_sum(low, high) + statistics.rank_sum(high, low) == pytest.approx(1.0)


def test_rank_sum_of_nothing_or_of_one_value_says_nothing() -> None:
    assert statistics.rank_sum(np.empty(0), np.ones(3)) == 0.5
    assert statistics.rank_sum(np.ones(3), np.empty(0)) == 0.5
    assert statistics.rank_sum(np.ones(4), np.ones(3)) == 0.5
