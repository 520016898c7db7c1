"""What is particular to the rules that check a log's numbers against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import diagnose
from diagnose.report import Report
from diagnose.rule import Finding

EPOCHS = 40
TIME = np.linspace(0.0, 1.0, EPOCHS)
RNG = np.random.default_rng(0)
LOSS = (2.0 * np.exp(-3.0 * TIME) + 0.2) * (1.0 + 0.01 * RNG.standard_normal(EPOCHS))


def report(**columns: Any) -> Report:
    """What is said of a run with these columns, a row per epoch."""
    rows = [
        {"epoch": i, **{name: float(v) for name, v in zip(columns, row, strict=True)}}
        for i, row in enumerate(zip(*columns.values(), strict=True))
    ]
    return diagnose.diagnose(rows)


def found(rule: str, **columns: Any) -> Finding | None:
    """The finding of a rule in such a run."""
    return next((finding for finding in report(**columns).findings if finding.rule == rule), None)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([np.inf] * 5, "is infinite from epoch 35"),
        ([np.nan] * 5, "is NaN from epoch 35"),
        ([np.inf, np.nan, np.nan, np.nan, np.nan], "is infinite, and then NaN, from epoch 35"),
        ([1.0, np.nan, 1.0, np.inf, np.inf], "is infinite from epoch 38"),
    ],
)
def test_infinity_is_not_called_nan(bad: list[float], said: str) -> None:
    finding = found("non-finite", train_loss=np.append(LOSS[:-5], bad), val_loss=LOSS + 0.1)
    assert finding is not None
    assert said in finding.summary


def test_the_harmless_causes_come_before_the_leak() -> None:
    finding = found("validation-better-than-training", train_loss=LOSS, val_loss=0.6 * LOSS)
    assert finding is not None
    assert finding.meaning.index("dropout") < finding.meaning.index("shares examples")
    assert [fix.id for fix in finding.recommendations] == ["evaluate-training-set", "check-split"]
