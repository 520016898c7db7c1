"""The model of a curve against SciPy, closed forms, and drawn noise whose size and memory are known."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, signal, stats

from diagnose.curves import Series
from diagnose.measure import curve as model
from diagnose.measure.curve import Curve, Estimate

Array = npt.NDArray[np.float64]


def curve(values: Array | list[float]) -> Curve:
    array = np.asarray(values, dtype=np.float64)
    return Curve(Series("loss", np.arange(array.size, dtype=np.float64), array))


def autoregression(rng: np.random.Generator, size: int, phi: float) -> Array:
    """Standard Gaussian noise in which neighbours have the correlation phi, from its stationary distribution."""
    shocks = rng.standard_normal(size) * math.sqrt(1.0 - phi * phi)
    shocks[0] = rng.standard_normal()
    return np.asarray(signal.lfilter([1.0], [1.0, -phi], shocks))


def decay(size: int, rate: float = 6.0) -> Array:
    return 0.3 + 0.7 * np.exp(-rate * (np.arange(size) + 1.0) / size)


# --- estimates


@given(st.floats(-50.0, 50.0), st.floats(0.01, 10.0), st.floats(1.0, 200.0), st.floats(-50.0, 50.0))
def test_the_probability_of_an_estimate_is_students(value: float, error: float, degrees: float, limit: float) -> None:
    expected = stats.t.sf((limit - value) / error, degrees)
    assert Estimate(value, np.array([error]), np.ones(1), degrees).exceeds(limit) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("count", [2, 3, 5, 10, 30, 100])
def test_the_lowest_of_many_values_lies_where_the_integral_says(count: int) -> None:
    def density(x: float) -> float:
        return float(x * count * stats.norm.pdf(x) * stats.norm.sf(x) ** (count - 1))

    expected = integrate.quad(density, -12.0, 12.0)[0]
    assert model._lowest_of(count) == pytest.approx(-expected, abs=0.05)


def test_one_value_is_not_selected() -> None:
    assert model._lowest_of(1.0) == 0.0


# --- noise


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_noise_is_measured_apart_from_the_trend(phi: float) -> None:
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        values = decay(400) * np.exp(0.05 * autoregression(rng, 400, phi))
        found.append(curve(values).noise(100, 400))
    assert np.median([noise.size for noise in found]) == pytest.approx(0.05, rel=0.2)
    time = (1.0 + phi) / (1.0 - phi)
    assert 0.5 * time < np.median([noise.memory for noise in found]) < 2.5 * time


def test_a_trend_without_noise_leaves_next_to_none() -> None:
    assert curve(decay(300)).noise(100, 300).size < 1e-3


def test_the_noise_of_few_points_is_never_zero_and_near_that_of_real_curves() -> None:
    noise = curve([1.0, 0.8, 0.7, 0.65, 0.62]).noise(0, 5)
    assert 0.2 * model.PRIOR < noise.size < 2.0 * model.PRIOR


def test_outliers_do_not_make_noise() -> None:
    rng = np.random.default_rng(0)
    values = decay(300) * np.exp(0.02 * rng.standard_normal(300))
    values[[120, 200, 260]] *= 5.0
    assert curve(values).noise(50, 300).size < 0.04


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_a_level_lies_within_its_standard_errors_as_often_as_it_says(phi: float) -> None:
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = 0.4 * np.exp(0.03 * autoregression(rng, 200, phi))
        level = curve(values).level(150, 200)
        inside += abs(level.value - math.log(0.4)) < 1.96 * level.error
    assert 0.88 <= inside / 200 <= 1.0


# --- the rise since the best


def test_the_best_step_and_value_are_those_that_were_logged() -> None:
    values = [1.0, 0.6, 0.45, 0.44, 0.47, 0.5, 0.56, 0.61, 0.65, 0.68]
    rise = curve(values).rise
    assert rise is not None
    assert (rise.best, rise.lowest) == (3, 0.44)
    assert rise.end == pytest.approx(0.68)
    assert rise.size == pytest.approx(0.68 / 0.44 - 1.0)
    assert rise.lost == pytest.approx((0.68 - 0.44) / (1.0 - 0.44))


def test_a_plain_rise_of_ten_points_is_certain() -> None:
    rise = curve([1.0, 0.6, 0.45, 0.44, 0.47, 0.5, 0.56, 0.61, 0.65, 0.68]).rise
    assert rise is not None
    assert rise.estimate.exceeds(0.0) > 0.999


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("size", [10, 30, 100, 500])
def test_noise_on_a_settled_curve_is_rarely_a_certain_rise(size: int, phi: float) -> None:
    false = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        rise = curve(decay(size) * np.exp(0.03 * autoregression(rng, size, phi))).rise
        false += rise is not None and rise.size >= 0.05 and rise.estimate.exceeds(0.0) >= 0.99
    assert false <= (5 if phi == 0.0 else 12)  # few points do not tell the memory of their noise


@pytest.mark.parametrize("size", [8, 15, 50, 300])
def test_a_rise_of_eight_standard_errors_is_seen(size: int) -> None:
    seen = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        turn = size // 2
        ramp = np.clip((np.arange(size) - turn) / (size - 1 - turn), 0.0, None)
        noise = 0.2 * math.sqrt(float(ramp @ ramp)) / 8.0  # the likelihood ratio of the ramp has z = 8
        values = decay(size, 12.0) * (1.0 + 0.2 * ramp) * np.exp(noise * rng.standard_normal(size))
        rise = curve(values).rise
        seen += rise is not None and rise.estimate.exceeds(0.0) >= 0.99
    assert seen >= 40


@settings(max_examples=50)
@given(st.lists(st.integers(100, 10_000), min_size=3, max_size=60), st.floats(1e-3, 1e3))
def test_the_unit_of_a_loss_does_not_matter(counts: list[int], unit: float) -> None:
    values = [count / 1000.0 for count in counts]  # as logged: two values are equal, or differ beyond rounding
    one, other = curve(values).rise, curve([unit * value for value in values]).rise
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.turn == one.turn
        assert other.size == pytest.approx(one.size, rel=1e-6, abs=1e-9)
        assert other.estimate.exceeds(0.0) == pytest.approx(one.estimate.exceeds(0.0), abs=1e-6)


def test_an_initial_point_sets_no_scale() -> None:
    usual, huge = decay(60), decay(60)
    huge[0] = 15057.0
    assert curve(huge).start == pytest.approx(usual[1], rel=0.1)
    assert curve(usual).start == usual[0]


def test_a_run_that_never_comes_back_to_its_first_point_is_told_from_there() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([[31.7], 1700.0 * np.exp(0.05 * rng.standard_normal(30))])
    rise = curve(values).rise
    assert rise is not None
    assert (rise.turn, rise.best) == (0, 0)
    assert rise.estimate.exceeds(0.0) > 0.99


def test_nothing_rises_where_the_best_is_last() -> None:
    assert curve([1.0, 0.5, 0.4, 0.3, 0.2]).rise is None


@settings(max_examples=100)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80))
def test_every_finite_curve_is_measured(values: list[float]) -> None:
    measured = curve(values)
    rise = measured.rise
    assert math.isfinite(measured.start)
    assert rise is None or 0.0 <= rise.estimate.exceeds(0.0) <= 1.0


@pytest.mark.parametrize("size", [6, 8, 12, 19])
def test_noise_rarely_peaks_beyond_its_chance_in_a_short_curve(size: int) -> None:
    rng = np.random.default_rng(size)
    lowest = []
    for _ in range(400):
        fall = 1.0 + 2.0 * np.exp(-np.arange(size) / (0.3 * size))
        _, chance = curve(fall * np.exp(0.03 * rng.standard_normal(size))).peaks
        lowest.append(float(chance.min()) * (size - 2))
    assert np.mean(np.array(lowest) < 0.01) < 0.02


@pytest.mark.parametrize("size", [6, 8, 12, 19])
def test_a_point_twice_as_high_is_the_peak_of_a_short_curve(size: int) -> None:
    rng = np.random.default_rng(size)
    for _ in range(50):
        place = int(rng.integers(2, size - 1))
        values = (1.0 + np.exp(-np.arange(size) / 3.0)) * np.exp(0.01 * rng.standard_normal(size))
        values[place] *= 2.0
        z, chance = curve(values).peaks
        assert int(np.argmax(z)) == place
        assert chance[place] < 0.005


# --- turns


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=15))
def test_the_fit_that_nowhere_rises_is_that_of_the_closed_form(values: list[int]) -> None:
    """The lowest over starts of the highest over ends of the means around a point [Robertson, Wright and Dykstra 1988].

    Means are compared in whole multiples, so that equal levels are equal.
    """
    sums, size = np.concatenate([[0.0], np.cumsum(values)]), len(values)
    fit = [
        min(max((sums[b] - sums[a]) / (b - a) for b in range(i + 1, size + 1)) for a in range(i + 1))
        for i in range(size)
    ]
    squares, levels = model._in_order([float(value) for value in values])[-1]
    assert squares == pytest.approx(float(((np.array(fit) - values) ** 2).sum()), abs=1e-9)
    assert levels == np.unique(np.round(fit, 9)).size


def test_a_short_curve_that_turns_is_told_from_one_that_wiggles() -> None:
    turned = curve([1.0, 0.7, 0.52, 0.47, 0.46, 0.50, 0.56, 0.64]).rise
    wiggled = curve([1.0, 0.7, 0.52, 0.60, 0.44, 0.55, 0.46, 0.52]).rise
    assert turned is not None
    assert wiggled is not None
    assert turned.certain > 0.98
    assert wiggled.certain < 0.9


@pytest.mark.parametrize("size", [6, 8, 10, 15, 20, 30])
def test_noise_around_a_level_seldom_turns(size: int) -> None:
    found = []
    for seed in range(300):
        rise = curve(0.5 * np.exp(0.03 * np.random.default_rng(seed).standard_normal(size))).rise
        found.append(rise is not None and rise.size >= 0.05 and rise.certain >= 0.98)
    assert np.mean(found) <= 0.07
