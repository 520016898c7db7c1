"""Pooling size: a pooling window that throws most of the map away at once.

Why it matters
    A window of k x k keeps one value of k squared. Beyond 3 x 3 the position of what was seen is gone in one layer.

Statistics
    kept  share of the values that one pooling layer keeps, 1 / size^2

Limits
    Global pooling at the end of a network is meant to do this and goes by another name in most configs; pooling in one
    dimension keeps 1 / size. A note.

References
    [1] Scherer et al., Evaluation of Pooling Operations in Convolutional Architectures for Object Recognition (2010)
    Lecture notes: "Pooling: 2x2 kernel, stride 1 is the least invasive".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    pool_size: int,
    last_step: float,
    *,
    most: int = 3,  # values per side; 2 is usual, AlexNet and ResNet use 3
) -> Finding | None:
    """Judge one number."""
    if pool_size <= most:
        return None
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=f"Pooling windows are {pool_size} x {pool_size}: one value of {pool_size**2} is kept; 2 x 2 is usual.",
        meaning="So much is given up in one layer that small structures cannot be told from their surroundings.",
        steps=(0.0, last_step),
        series=(),
        evidence=(Evidence("kept", 1.0 / pool_size**2, 1.0 / most**2),),
    )


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="pooling-size",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("usual-pooling",),
    precedence=1,
    cases=(
        Case("5 x 5", _configured(pool_size=5), Severity.NOTE),
        Case("2 x 2", _configured(pool_size=2)),
        Case("3 x 3", _configured(pool_size=3)),
    ),
)
