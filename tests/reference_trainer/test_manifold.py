"""TwoNN finds the dimension of known manifolds, and of the layers of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import Tensor, nn

from reference_trainer.manifold import MANIFOLD, layer_dimensions, two_nn

AMBIENT = 50  # dimensions that the manifolds lie in


def rotation() -> Tensor:
    return torch.linalg.qr(torch.randn(AMBIENT, AMBIENT)).Q


def flat(points: Tensor) -> Tensor:
    """The points in 50 dimensions, distances kept."""
    return nn.functional.pad(points, (0, AMBIENT - points.shape[1])) @ rotation().T


def bent(points: Tensor) -> Tensor:
    """The points on a curved manifold in 50 dimensions."""
    d = points.shape[1]
    return torch.sin(points @ torch.randn(d, AMBIENT) * 0.5) + 0.5 * points @ torch.randn(d, AMBIENT)


def swiss_roll(n: int) -> Tensor:
    """A plane rolled up in three dimensions."""
    angle = 1.5 * math.pi * (1.0 + 2.0 * torch.rand(n))
    return torch.stack([angle * angle.cos(), 21.0 * torch.rand(n), angle * angle.sin()], dim=1)


def sphere(n: int) -> Tensor:
    """The surface of a ball in three dimensions."""
    return nn.functional.normalize(torch.randn(n, 3), dim=1)


SHAPES: Mapping[str, tuple[Callable[[int], Tensor], float, float]] = {
    "line": (lambda n: torch.rand(n, 1), 1.0, 0.1),
    "plane": (lambda n: torch.rand(n, 2), 2.0, 0.1),
    "swiss roll": (swiss_roll, 2.0, 0.15),
    "sphere": (sphere, 2.0, 0.1),
    "uniform of 5": (lambda n: torch.rand(n, 5), 5.0, 0.15),
    "Gaussian of 5": (lambda n: torch.randn(n, 5), 5.0, 0.15),
    "uniform of 10": (lambda n: torch.rand(n, 10), 10.0, 0.2),  # the edges of the cube are felt: 8.5
    "Gaussian of 10": (lambda n: torch.randn(n, 10), 10.0, 0.15),
}
"""Name -> n points of it, its dimension, and the relative error within which 2000 points find it."""


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("embed", [flat, bent])
@pytest.mark.parametrize("name", SHAPES)
def test_the_dimension_of_a_known_manifold(name: str, embed: Callable[[Tensor], Tensor]) -> None:
    make, dimension, error = SHAPES[name]
    for seed in range(3):
        torch.manual_seed(seed)
        assert two_nn(embed(make(2000))) == pytest.approx(dimension, rel=error)


def test_the_estimate_is_the_fit_of_the_paper() -> None:
    points = np.random.default_rng(0).normal(size=(80, 4))
    ratios = []
    for i in range(80):
        first, second = sorted(math.dist(points[i], points[j]) for j in range(80) if j != i)[:2]
        ratios.append(second / first)
    ratios.sort()
    kept = [(math.log(mu), -math.log(1.0 - i / 80)) for i, mu in enumerate(ratios[:72], 1)]
    wanted = sum(x * y for x, y in kept) / sum(x * x for x, _ in kept)
    assert two_nn(points) == pytest.approx(wanted, rel=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.floats(-200.0, 200.0), st.floats(-1e3, 1e3))
def test_scale_rotation_shift_and_order_do_not_matter(seed: int, exponent: float, shift: float) -> None:
    torch.manual_seed(seed)
    points = flat(torch.randn(100, 3)).double()
    turned = (points @ rotation().double().T)[torch.randperm(100)]
    assert two_nn(turned) == pytest.approx(two_nn(points), rel=1e-4)
    assert two_nn(points * 10.0**exponent) == pytest.approx(two_nn(points), rel=1e-6)
    assert two_nn(points + shift) == pytest.approx(two_nn(points), rel=1e-6)


def test_points_that_coincide_count_once() -> None:
    points = torch.randn(200, 3)
    assert two_nn(torch.cat([points, points[:150], points[:50]])) == pytest.approx(two_nn(points))
    signed = torch.cat([torch.zeros(200, 1), points], dim=1)
    assert two_nn(torch.cat([signed, signed * torch.tensor([-1.0, 1.0, 1.0, 1.0])])) == pytest.approx(two_nn(points))


def test_arrays_and_half_precision_are_taken() -> None:
    points = torch.randn(300, 2)
    assert two_nn(points.numpy()) == two_nn(points)
    assert two_nn(points.half()) == pytest.approx(two_nn(points), rel=0.2)


@pytest.mark.parametrize(
    "points",
    [
        torch.randn(9, 3),
        torch.zeros(500, 3),
        torch.randn(9, 3).repeat(50, 1),
        torch.randn(0, 3),
        torch.full((20, 2), math.nan),
        torch.tensor([[math.inf]]).repeat(20, 1),
        torch.arange(100.0)[:, None].floor(),  # a grid: both neighbours at one distance, but for the two ends
    ],
    ids=["few", "one place", "nine places", "none", "nan", "inf", "grid"],
)
def test_what_has_no_dimension_is_nan(points: Tensor) -> None:
    assert math.isnan(two_nn(points))


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(5, 1, 8, 8\); give \(n, d\)"):
        two_nn(torch.randn(5, 1, 8, 8))


def test_images_lie_on_a_manifold_of_few_dimensions() -> None:
    """The claim of the lecture notes, on real images of 64 pixels."""
    images = load_digits().data[:800]
    noise = torch.rand(800, 64)
    assert 5.0 < two_nn(images) < 12.0
    assert two_nn(noise) > 25.0


def test_each_layer_has_its_dimension() -> None:
    model = nn.Sequential(
        nn.Linear(8, 40), nn.Tanh(), nn.Linear(40, 1), nn.Tanh(), nn.Linear(1, 40), nn.Sigmoid(), nn.Linear(40, 3)
    )
    found = layer_dimensions(model, torch.randn(600, 3) @ torch.randn(3, 8))
    assert list(found) == ["1", "3", "5"]
    assert found["1"] == pytest.approx(3.0, rel=0.2)
    assert found["3"] == pytest.approx(1.0, rel=0.2)  # a bottleneck of one unit, and what follows cannot have more
    assert found["5"] == pytest.approx(1.0, rel=0.2)


def test_a_dead_layer_has_none() -> None:
    model = nn.Sequential(nn.Linear(8, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU())
    nn.init.constant_(model[2].bias, -1e6)
    assert list(layer_dimensions(model, torch.randn(50, 8))) == ["1"]


def test_everything_is_registered() -> None:
    assert set(MANIFOLD.values()) == {two_nn, layer_dimensions}
