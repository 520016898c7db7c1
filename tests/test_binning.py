"""Bins: against loops over the same points, empty ones and those with a NaN included."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from diagnose.curves import Array
from diagnose.measure import binning, statistics

finite = st.floats(-1e6, 1e6, allow_nan=False, width=32)


@given(arrays(np.float64, st.integers(1, 300), elements=finite), st.integers(1, 50))
def test_block_means_are_the_means_of_consecutive_blocks(values: Array, count: int) -> None:
    blocks = binning.block_means(values, count)
    if values.size <= count:
        np.testing.assert_array_equal(blocks, values)
    else:
        expected = [part.mean() for part in np.array_split(values, count)]
        np.testing.assert_allclose(blocks, expected, rtol=1e-9, atol=1e-6)


@given(arrays(np.float64, st.integers(1, 300), elements=finite), st.integers(1, 50))
def test_block_medians_are_those_of_the_same_blocks(values: Array, count: int) -> None:
    expected = [np.median(part) for part in np.array_split(values, min(count, values.size))]
    np.testing.assert_allclose(statistics.block_medians(values, count), expected, rtol=1e-12)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_every_bin_has_the_number_of_its_own_points(sizes: list[int], before: int, seed: int) -> None:
    edges = before + np.concatenate([[0], np.cumsum(sizes)])
    values = np.random.default_rng(seed).normal(size=edges[-1] + 3)
    bins = [values[start:stop] for start, stop in itertools.pairwise(edges)]
    for measure, found in (
        (np.mean, binning.means(values, edges)),
        (np.min, binning.reduced(np.minimum, values, edges)),
        (np.median, statistics.medians(values, edges)),
    ):
        np.testing.assert_allclose(found, [measure(part) if part.size else math.nan for part in bins])


def test_a_nan_is_the_number_of_its_bin_alone() -> None:
    values = np.array([1.0, np.nan, 2.0, 4.0, np.inf, 1.0, np.inf, -np.inf])
    means = binning.means(values, np.array([0, 2, 4, 6, 8]))
    np.testing.assert_array_equal(means, [np.nan, 3.0, np.inf, np.nan])


def test_nothing_has_no_bins() -> None:
    assert binning.even(0, 5).tolist() == [0]
    assert binning.block_means(np.empty(0), 5).size == 0


@given(st.lists(st.integers(0, 99), min_size=1, max_size=60), st.integers(1, 20))
def test_equal_stretches_hold_the_steps_between_their_ends(steps: list[int], count: int) -> None:
    axis = np.sort(np.array(steps, dtype=np.float64))
    edges = binning.equal(axis, 0.0, 100.0, count)
    assert edges[0] == 0
    assert edges[-1] == axis.size
    for number, (start, stop) in enumerate(itertools.pairwise(edges)):
        ends = (100.0 * number / count - 1e-9, 100.0 * (number + 1) / count + 1e-9)
        assert all(ends[0] <= step <= ends[1] for step in axis[start:stop])


def test_a_step_on_an_edge_is_in_the_later_stretch_and_the_last_step_in_the_last() -> None:
    assert binning.equal(np.array([0.0, 5.0, 10.0]), 0.0, 10.0, 2).tolist() == [0, 1, 3]
    assert binning.equal(np.array([7.0, 7.0]), 7.0, 7.0, 3).tolist() == [0, 2, 2, 2]


def test_an_empty_bin_is_filled_by_the_curve_itself() -> None:
    steps, values = np.array([0.0, 1.0, 9.0]), np.array([0.0, 2.0, 10.0])
    means = binning.means(values, binning.equal(steps, 0.0, 9.0, 3))
    np.testing.assert_array_equal(means, [1.0, np.nan, 10.0])
    assert binning.filled(means, np.array([1.5, 4.5, 7.5]), steps, values) == pytest.approx([1.0, 5.5, 10.0])
