"""The fit of the confidence: a logistic regression with one slope for each feature, an offset for each rule and one for
each population of logs; and what it says of findings that it was not fitted to.

What rules and thresholds were built on says little about strangers: of the findings on the first logs of the corpus
nearly all are right, of those on the later ones a fifth is not. So each population of logs has an offset of its own,
and what users are told is that of `STRANGERS`. When rules have been fitted to those logs too, newer ones must take
their place.
"""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from _labelled import Labelled

from diagnose.calibration import ANY, Calibration
from diagnose.curves import Array

STRANGERS = "corpus, later"
"""The population that stands for the logs of users: those that came when the first rules and thresholds were there."""

WORTH = {"curves": 20.0, "pairs": 5.0, "drawn": 5.0}
"""What the findings of one rule that have a truth of this kind count for together, in findings that a person labelled:
a mechanical truth is that of few and large trainings; made curves are only as ill as it was chosen."""

MADE = ("pairs", "drawn")
"""Sources that no training wrote, which count towards no rule's labelled findings."""

RULES_APART = 1.0
"""Standard deviation of the prior of a rule's offset, on the logit: the odds of being right differ between rules by a
factor of three."""

POPULATIONS_APART = 2.0
"""The same of a population's: what was fitted to may be ten times less often wrong than strangers."""

SLOPES = 0.2
"""Standard deviation of the prior of a slope; none is negative, since to be surer, or further from the threshold, makes
no finding less right."""

FOLDS = 20


class Fit(NamedTuple):
    """What was fitted: the calibration of each rule on `STRANGERS`, and by how much the logit of other populations lies
    above it.
    """

    table: Mapping[str, Calibration]
    populations: Mapping[str, float]

    def told(self, row: Labelled) -> float:
        """The probability that users are told: that of a finding on a stranger's log."""
        return self._of(row).probability(row.seen)

    def said(self, row: Labelled) -> float:
        """The probability for the population that the finding is of."""
        known = self._of(row)
        return replace(known, offset=known.offset + self.populations.get(population(row), 0.0)).probability(row.seen)

    def _of(self, row: Labelled) -> Calibration:
        return self.table.get(row.rule, self.table[ANY])


def population(row: Labelled) -> str:
    """What kind of logs the finding is of: the two halves of the corpus are two kinds."""
    return (STRANGERS if row.later else "corpus, first") if row.source == "corpus" else row.source


def weights(rows: Sequence[Labelled]) -> Array:
    """What each finding counts for, shape (n,)."""
    total: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        total[row.source, row.rule] += row.weight
    most = [WORTH.get(row.source, math.inf) / total[row.source, row.rule] for row in rows]
    return np.array([row.weight * min(1.0, share) for row, share in zip(rows, most, strict=True)])


def fit(rows: Sequence[Labelled]) -> Fit:
    """The fit to the findings that are shown: the mode of the posterior."""
    shown = [row for row in rows if row.shown]
    right, weight = np.array([row.right for row in shown], dtype=np.float64), weights(shown)
    rules = sorted({row.rule for row in shown})
    others = sorted({population(row) for row in shown} - {STRANGERS})
    columns = [np.ones((len(shown), 1)), np.array([row.seen for row in shown])]
    columns += [_indicators([row.rule for row in shown], rules), _indicators(list(map(population, shown)), others)]
    spread = [math.inf, *[SLOPES] * 2, *[RULES_APART] * len(rules), *[POPULATIONS_APART] * len(others)]
    common, certainty, effect, *offsets = _mode(np.hstack(columns), right, weight, np.array(spread), (1, 2))
    table = {ANY: Calibration(0.0, math.nan, common, certainty, effect)}
    for rule, offset in zip(rules, offsets, strict=False):
        real = np.array([row.rule == rule and row.source not in MADE for row in shown])
        count = float(weight[real].sum())
        share = float(weight[real] @ right[real]) / count if count else math.nan
        table[rule] = Calibration(count, share, common + offset, certainty, effect)
    return Fit(table, dict(zip(others, offsets[len(rules) :], strict=True)))


def _indicators(names: Sequence[str], of: Sequence[str]) -> Array:
    """1 where a name is that of the column, else 0; shape (names, of)."""
    return (np.array(names)[:, None] == np.array(of, dtype=np.str_)[None, :]).astype(np.float64)


def _mode(columns: Array, right: Array, weight: Array, spread: Array, rising: Sequence[int]) -> list[float]:
    """The coefficients, shape (p,), of a logistic regression of `right`, shape (n,), on the columns, shape (n, p), with
    Gaussian priors around 0 of these standard deviations; those of the columns `rising` are not negative.
    """
    from scipy.optimize import minimize

    def loss(at: Array) -> tuple[float, Array]:
        """Negative logarithm of the posterior, and its gradient."""
        logit = columns @ at
        off = weight * (1.0 / (1.0 + np.exp(-logit)) - right)
        value = float(weight @ (np.logaddexp(0.0, logit) - right * logit)) + 0.5 * float(((at / spread) ** 2).sum())
        return value, columns.T @ off + at / spread**2

    bounds = [(0.0 if place in rising else None, None) for place in range(spread.size)]
    best: list[float] = minimize(loss, np.zeros(spread.size), jac=True, method="L-BFGS-B", bounds=bounds).x.tolist()
    return best


def left_out(rows: Sequence[Labelled], part: Callable[[Labelled], str]) -> tuple[Array, Array]:
    """For each finding what a fit says and tells that saw nothing of its part, each of shape (n,)."""
    parts = np.array([part(row) for row in rows])
    found = np.full((len(rows), 2), np.nan)
    for name in np.unique(parts):
        fitted = fit([row for row, its in zip(rows, parts, strict=True) if its != name])
        for place in np.flatnonzero(parts == name):
            found[place] = fitted.said(rows[place]), fitted.told(rows[place])
    return found[:, 0], found[:, 1]


def fold(row: Labelled) -> str:
    """One of `FOLDS` parts, which hold whole groups; of `STRANGERS`, of which there are few, a repository is one."""
    if population(row) == STRANGERS:
        return row.group
    return str(zlib.crc32(f"{row.source} {row.group}".encode()) % FOLDS)


# --- how well it fits -------------------------------------------------------------------------------------------------


class Bin(NamedTuple):
    """Findings of about one confidence: what they count for, their mean confidence, the share that was right."""

    size: float
    confidence: float
    right: float

    @property
    def off(self) -> float:
        return self.confidence - self.right


def equal_counts(confidence: Array, right: Array, weight: Array, bins: int) -> list[Bin]:
    """Bins that count for about as much each, from the lowest confidence to the highest."""
    order = np.argsort(confidence, kind="stable")
    middle = np.cumsum(weight[order]) - 0.5 * weight[order]
    place = np.minimum((middle / weight.sum() * bins).astype(int), bins - 1)
    return _bins(confidence[order], right[order], weight[order], place, bins)


def equal_widths(confidence: Array, right: Array, weight: Array, bins: int) -> list[Bin]:
    """Bins of equal width over [0, 1]; those without any finding have a size of 0."""
    return _bins(confidence, right, weight, np.minimum((confidence * bins).astype(int), bins - 1), bins)


def _bins(confidence: Array, right: Array, weight: Array, place: Array, bins: int) -> list[Bin]:
    found = []
    for index in range(bins):
        inside = place == index
        size = float(weight[inside].sum())
        means = [
            float(np.average(of[inside], weights=weight[inside])) if size else math.nan for of in (confidence, right)
        ]
        found.append(Bin(size, *means))
    return found


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: the mean distance of confidence and share, by what the bins count for [Naeini et al.,
    Obtaining Well Calibrated Probabilities Using Bayesian Binning, 2015].
    """
    return sum(b.size * abs(b.off) for b in bins if b.size) / sum(b.size for b in bins)


def by_chance(confidence: Array, weight: Array, bins: int, *, draws: int = 500, seed: int = 0) -> tuple[float, float]:
    """Median and 95 % quantile of the calibration error over equal counts, were every confidence true."""
    rng = np.random.default_rng(seed)
    drawn = rng.random((draws, confidence.size)) < confidence
    errors = [calibration_error(equal_counts(confidence, right.astype(float), weight, bins)) for right in drawn]
    low, high = np.quantile(errors, (0.5, 0.95))
    return float(low), float(high)


def brier(confidence: Array, right: Array, weight: Array) -> float:
    """Mean squared distance of confidence and truth [Brier 1950]."""
    return float(np.average((confidence - right) ** 2, weights=weight))


def log_loss(confidence: Array, right: Array, weight: Array) -> float:
    """Mean negative logarithm of the probability of what was true, in nats."""
    return float(-np.average(np.log(np.where(right > 0.5, confidence, 1.0 - confidence)), weights=weight))
