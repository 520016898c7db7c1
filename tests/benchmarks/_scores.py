"""Numbers of a comparison with labels: precision, recall, F1, and their bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Verdict(NamedTuple):
    """One log and one label: what the label says, what was found, and the repository the log comes from."""

    id: str
    label: bool
    found: bool
    cluster: str = ""


@dataclass(frozen=True)
class Counts:
    """True and false positives and negatives."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> Counts:
        """Count verdicts."""
        pairs = [(v.label, v.found) for v in verdicts]
        return cls(*(pairs.count(kind) for kind in ((True, True), (False, True), (True, False), (False, False))))

    @property
    def positives(self) -> int:
        """Logs whose label says yes."""
        return self.tp + self.fn

    @property
    def precision(self) -> float:
        """Share of the found that are there; NaN where nothing was found."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else math.nan

    @property
    def recall(self) -> float:
        """Share of those that are there that were found; NaN where none is there."""
        return self.tp / self.positives if self.positives else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 2 tp / (2 tp + fp + fn); NaN where nothing is there or found."""
        whole = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / whole if whole else math.nan

    @property
    def macro_f1(self) -> float:
        """Mean of the F1 of both classes; NaN where one of them has none."""
        return (self.f1 + Counts(self.tn, self.fn, self.fp, self.tp).f1) / 2.0


def bootstrap(
    verdicts: Sequence[Verdict],
    score: Callable[[Counts], float],
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a score when whole clusters (repositories) are drawn with replacement [Efron 1979].

    Logs of one repository are much alike, so drawing logs one by one would make the interval too narrow. A verdict
    without a cluster is one of its own. Draws where the score is NaN do not count; (NaN, NaN) where none is left.
    """
    names = [v.cluster or v.id for v in verdicts]
    unique = sorted(set(names))
    if not unique:
        return math.nan, math.nan
    place = {name: i for i, name in enumerate(unique)}
    counts = np.zeros((len(unique), 4), dtype=np.int64)
    kinds = {(True, True): 0, (False, True): 1, (True, False): 2, (False, False): 3}
    for name, verdict in zip(names, verdicts, strict=True):
        counts[place[name], kinds[verdict.label, verdict.found]] += 1
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(unique), (draws, len(unique)))
    scores = np.array([score(Counts(*map(int, row))) for row in counts[drawn].sum(axis=1)])
    scores = scores[np.isfinite(scores)]
    if not scores.size:
        return math.nan, math.nan
    low, high = np.quantile(scores, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
