"""Where the epochs of a curve lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnose.curves import Series
from diagnose.measure import epochs


def series(values: list[float]) -> Series:
    return Series("x", np.arange(len(values), dtype=np.float64), np.array(values))


def test_the_curve_with_more_points_is_the_finest() -> None:
    coarse, fine = series([1.0, 2.0]), series([1.0, np.nan, 3.0, 4.0])
    known = epochs.finest(coarse, fine)
    assert known is not None
    assert known[0] == "train_loss_step"
    assert len(known[1]) == 3
    assert epochs.finest(None, None) is None


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_starts_are_where_a_whole_number_goes_up(lengths: list[int]) -> None:
    number = np.repeat(np.arange(len(lengths)), lengths).astype(np.float64)
    steps = np.arange(number.size, dtype=np.float64)
    found = epochs.starts(steps, Series("epoch", steps, number), "step")
    assert found.tolist() == np.concatenate([[0], np.cumsum(lengths)[:-1]]).tolist()


def test_epochs_logged_on_other_rows_are_carried_forward() -> None:
    epoch = Series("epoch", np.array([0.0, 10.0, 20.0]), np.array([0.0, 1.0, 2.0]))
    assert epochs.starts(np.array([1.0, 5.0, 9.0, 11.0, 15.0, 21.0]), epoch, "step").tolist() == [0, 3, 5]


def test_unknown_epochs_have_no_starts() -> None:
    assert epochs.starts(np.arange(10.0), None, "step").size == 0


@given(st.integers(8, 40), st.integers(2, 10), st.integers(2, 8))
def test_the_bins_of_a_constant_are_constant(length: int, count: int, bins: int) -> None:
    values = np.repeat(np.arange(count, dtype=np.float64), length)
    level = epochs.whole_bins(values, np.arange(0, values.size, length), bins)
    assert level.shape == (count, bins)
    assert np.allclose(level, np.arange(count)[:, None])


def test_an_epoch_that_is_cut_short_is_left_out() -> None:
    values = np.arange(250.0)
    assert len(epochs.whole_bins(values, np.array([0, 100, 200]), 4)) == 2


def test_epochs_with_fewer_points_than_bins_have_none() -> None:
    assert epochs.whole_bins(np.arange(12.0), np.arange(0, 12, 4), 8).shape == (0, 8)


@pytest.mark.parametrize("length", [16, 50])
def test_a_running_mean_settles_and_a_plain_loss_does_not(length: int) -> None:
    noise = np.random.default_rng(0).standard_normal((40, length))
    firsts = np.arange(0, 40 * length, length)
    assert 0.7 < epochs.settling(noise.ravel(), firsts) < 1.4
    means = np.cumsum(noise, axis=1) / np.arange(1, length + 1)
    assert epochs.settling(means.ravel(), firsts) > 3.0
    assert epochs.settling(np.arange(10.0), np.arange(0, 10, 5)) == 1.0
