"""Noises of a known law: how to draw them, and how much of an effect an oracle sees through them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from diagnose.curves import Array


@dataclass(frozen=True, slots=True)
class Noise:
    """The law of the noise around a curve.

    phi: correlation of neighbouring points, AR(1); 0 for independent ones. Not together with `degrees`.
    degrees: of freedom of Student's t, above 2; infinite for a Gaussian.
    along: how the standard deviation changes: `even`; `proportional` to the curve; `fading`, by a factor of ten from
        the first point to the last; `doubling`, half-way.
    scale: standard deviation relative to the level of reference, where it begins.
    """

    name: str
    phi: float = 0.0
    degrees: float = math.inf
    along: str = "even"
    scale: float = 1.0


NOISES: Mapping[str, Noise] = {
    noise.name: noise
    for noise in (
        Noise("white"),
        Noise("ar-0.5", phi=0.5),
        Noise("ar-0.8", phi=0.8),
        Noise("ar-0.9", phi=0.9),
        Noise("student-3", degrees=3.0),
        Noise("proportional", along="proportional"),
        Noise("fading", along="fading"),
        Noise("doubling", along="doubling"),
    )
}


def deviations(noise: Noise, curve: Array, reference: float) -> Array:
    """Standard deviation at every point of a noiseless curve, shape (n,), in its unit; reference: the level of 1."""
    time = np.linspace(0.0, 1.0, curve.size)
    along = {
        "even": np.full(curve.size, reference),
        "proportional": np.abs(curve),
        "fading": reference * 10.0**-time,
        "doubling": reference * np.where(time < 0.5, 1.0, 2.0),
    }
    return noise.scale * along[noise.along]


def drawn(noise: Noise, deviation: Array, rng: np.random.Generator) -> Array:
    """Noise with these standard deviations, shape (n,)."""
    if math.isfinite(noise.degrees):
        unit = math.sqrt((noise.degrees - 2.0) / noise.degrees)
        return deviation * unit * rng.standard_t(noise.degrees, deviation.size)
    white = rng.standard_normal(deviation.size)
    white[1:] *= math.sqrt(1.0 - noise.phi**2)  # the first point is of the stationary law
    correlated: Array = lfilter([1.0], [1.0, -noise.phi], white)
    return deviation * correlated


def visibility(noise: Noise, effect: Array, deviation: Array) -> float:
    """How clearly one who knows the healthy curve, the effect and the noise sees it, in standard deviations.

    effect, deviation: shape (n,), in the unit of the curve. The z of the likelihood ratio, sqrt(e' S^-1 e), S the
    covariance [Kay, Fundamentals of Statistical Signal Processing II: Detection Theory, 1998, ch. 4]; for Student's t
    the square root of the Fisher information of its location, (d + 1) / (d + 3) over the squared scale [Lange, Little
    and Taylor, Robust Statistical Modeling Using the t Distribution, 1989].
    """
    shares = effect / deviation
    steps = (shares[1:] - noise.phi * shares[:-1]) / math.sqrt(1.0 - noise.phi**2)  # S^-1 of an AR(1) is tridiagonal
    return math.sqrt(information(noise) * (float(shares[0]) ** 2 + float(steps @ steps)))


def information(noise: Noise) -> float:
    """Fisher information of the location of one point of standard deviation 1: 1 for a Gaussian, 2 for Student's t of
    3 degrees.
    """
    d = noise.degrees
    return (d + 1.0) * d / ((d + 3.0) * (d - 2.0)) if math.isfinite(d) else 1.0
