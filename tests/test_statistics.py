"""The measurements: against SciPy, against their definitions, and invariant where they must be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats

from diagnose.curves import Array
from diagnose.measure import statistics


@given(st.floats(0.01, 60.0), st.booleans(), st.sampled_from([1.0, 4.5, 5.0, 8.0, 9.0, 30.0, 1000.0]))
def test_student_s_t_agrees_with_scipy(size: float, negative: bool, degrees: float) -> None:
    t = -size if negative else size
    reference = float(special.stdtr(degrees, -t))  # loses its last digits nearer to 0
    assert statistics.student_above(t, degrees) == pytest.approx(reference, rel=1e-9, abs=1e-300)


def test_student_s_t_near_its_middle() -> None:
    assert statistics.student_above(0.0, 5.0) == 0.5
    for t in (1e-9, 1e-8, 1e-3):  # Cauchy's distribution in closed form
        assert statistics.student_above(t, 1.0) == pytest.approx(0.5 - math.atan(t) / math.pi, rel=1e-14)
        assert statistics.student_above(-t, 1.0) == pytest.approx(0.5 + math.atan(t) / math.pi, rel=1e-14)


finite = st.floats(-1e6, 1e6, allow_nan=False, width=32)
curves = arrays(np.float64, st.integers(4, 60), elements=finite)


@given(curves)
def test_mann_kendall_agrees_with_scipy(values: Array) -> None:
    trend = statistics.mann_kendall(values)
    pairs = values.size * (values.size - 1) / 2
    reference = stats.kendalltau(np.arange(values.size), values, variant="c")
    score = np.sign(values[None, :] - values[:, None])[np.triu_indices(values.size, 1)].sum()
    assert trend.tau == pytest.approx(score / pairs)
    if not math.isnan(reference.statistic) and abs(trend.tau) > 0.5:
        assert (trend.tau > 0) == (reference.statistic > 0)
    assert 0.0 <= trend.p_rising <= 1.0
    assert trend.p_rising + trend.p_falling == pytest.approx(1.0)


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


def test_rank_sum_is_that_of_scipy() -> None:
    from scipy.stats import mannwhitneyu

    random = np.random.default_rng(0)
    for shift in (0.0, 0.3, 1.0):
        low, high = random.normal(size=20).round(1), (random.normal(size=35) + shift).round(1)
        theirs = mannwhitneyu(low, high, alternative="less", method="asymptotic", use_continuity=False).pvalue
        assert statistics.rank_sum(low, high) == pytest.approx(theirs, rel=1e-6)
    assert statistics.rank_sum(np.empty(0), np.ones(3)) == 0.5
    assert statistics.rank_sum(np.ones(4), np.ones(3)) == 0.5
