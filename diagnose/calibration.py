"""From how sure a rule is to how often it is right: the confidence of a finding as a calibrated probability.

A rule hands over its own certainty: that of the noise model, or a score. How often a practitioner agrees is fitted to
findings with a known truth, by a logistic regression,

    logit p = offset + certainty * logit(certainty of the rule) + effect * |log(value / threshold)|

with one slope each for all rules, and an offset for each rule that a Gaussian prior draws towards that of all
[Gelman and Hill, Data Analysis Using Regression and Multilevel/Hierarchical Models, 2007, ch. 14]: a rule of which few
findings were labelled has the figure of all. It holds for logs that no threshold was fitted to, and for the rules' own
thresholds. The table is a CSV with the columns `COLUMNS`, a line per rule and the line `ANY` for the others.
`tests/benchmarks/calibration.py --write` makes it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from diagnose.errors import TableError

ANY = "*"
"""The line of the table for a rule without one."""

COLUMNS = ("rule", "labelled", "right", "offset", "certainty", "effect")

ENOUGH = 20
"""Labelled findings of a rule from which on its confidence is told as a number."""

SUREST = 0.999
"""Certainty beyond which no model of noise is to be believed."""

FAR = 10.0
"""Times its threshold, or a tenth of it, beyond which an effect is clear to everybody."""


class Features(NamedTuple):
    """What bears on whether a finding is right.

    certainty: logit of the rule's own. effect: distance of the number that decided from its threshold, as a logarithm.
    """

    certainty: float
    effect: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The coefficients of one rule, and what they were fitted to.

    labelled: how many of its findings were held against a truth that was told by looking at the curve; those of one
    training, and those of a mechanical truth, count for less (see `tests/benchmarks/calibration.py`). right: the share
    of them that was; NaN where there are none.
    """

    labelled: float
    right: float
    offset: float
    certainty: float
    effect: float

    @property
    def measured(self) -> bool:
        """Whether there are enough of them for the confidence to be told as a number."""
        return self.labelled >= ENOUGH

    def probability(self, seen: Features) -> float:
        """The probability that a practitioner agrees, in (0, 1)."""
        logit = self.offset + self.certainty * seen.certainty + self.effect * seen.effect
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(logit, 30.0))))


def features(certainty: float, value: float = 1.0, threshold: float | None = None) -> Features:
    """The features of a finding.

    certainty: the rule's own, in [0, 1]. value, threshold: of the number that decided; without a threshold, or with one
    of 0, there is no distance, which counts as none.
    """
    sure = min(max(certainty, 1.0 - SUREST), SUREST)
    ratio = value / threshold if threshold and not math.isnan(value) else 1.0
    return Features(math.log(sure / (1.0 - sure)), abs(math.log(min(max(ratio, 1.0 / FAR), FAR))))


def read(path: Path) -> dict[str, Calibration]:
    """The table in a file, by rule. Raises TableError where it is something else, OSError where it cannot be read."""
    again = "make it: python tests/benchmarks/calibration.py --write"
    with path.open(newline="", encoding="utf-8") as stream:
        lines = csv.DictReader(stream)
        if tuple(lines.fieldnames or ()) != COLUMNS:
            raise TableError(f"{path}: has not the columns of a table of calibrations; {again} {path}")
        try:
            return {line["rule"]: Calibration(*(float(line[name]) for name in COLUMNS[1:])) for line in lines}
        except (TypeError, ValueError) as error:
            raise TableError(f"{path}, line {lines.line_num}: {error}; {again} {path}") from error


def write(table: Mapping[str, Calibration], path: Path) -> None:
    """Write a table, in the order of the rules' names. Raises OSError."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        lines = csv.writer(stream, lineterminator="\n")
        lines.writerow(COLUMNS)
        for rule, row in sorted(table.items()):
            numbers = (row.right, row.offset, row.certainty, row.effect)
            lines.writerow([rule, f"{row.labelled:.1f}", *(f"{number:.4f}" for number in numbers)])
