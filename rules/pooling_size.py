"""Pooling size: a pooling window that throws most of the map away at once, or windows that leave parts of it unseen.

Why it matters
    A window of k x k keeps one value of k squared. Beyond 3 x 3 the position of what was seen is gone in one layer.
    Windows that are farther apart than they are wide never look at what lies between.

Statistics
    kept    share of the values that one pooling layer keeps, 1 / stride^2; the stride is the size where none is named.
            2 x 2 with a stride of 1 keeps nearly all and is the least invasive
    unseen  share of the map that no window covers, 1 - (size / stride)^2
    border  share of a window that may lie outside the map, padding / size

Limits
    Global pooling at the end of a network is meant to do this and goes by another name in most configs; pooling in one
    dimension keeps 1 / stride. A note.

References
    [1] Scherer et al., Evaluation of Pooling Operations in Convolutional Architectures for Object Recognition (2010)
    Lecture notes: "Pooling: 2x2 kernel, stride 1 is the least invasive"; "Pooling: kernel size, stride, padding".
"""

from __future__ import annotations

from functools import partial

from diagnose import synthetic
from diagnose.rule import Case, Evidence, Finding, Rule, Severity, of_setting


def check(
    pool_size: int,
    last_step: float,
    pool_stride: int | None = None,
    pool_padding: int | None = None,
    *,
    most: int = 3,  # values per side; 2 is usual, AlexNet and ResNet use 3
    border_most: float = 0.5,  # of a window; beyond, some windows lie outside the map altogether
) -> Finding | None:
    """Judge up to three numbers."""
    stride = pool_stride or pool_size
    if pool_size < 1 or stride < 1:
        return None
    if stride > pool_size:
        return of_setting(
            f"Pooling windows are {pool_size} wide and {stride} apart; 2 x 2, 1 or 2 apart, is usual.",
            "What lies between the windows is never looked at.",
            last_step,
            Evidence("unseen", 1.0 - (pool_size / stride) ** 2, 0.0),
        )
    if pool_padding is not None and pool_padding > border_most * pool_size:
        return of_setting(
            f"Pooling windows are {pool_size} wide with a border of {pool_padding}; at most half of it is of use.",
            "Some windows lie in the border altogether, and give what was padded.",
            last_step,
            Evidence("border", pool_padding / pool_size, border_most),
        )
    if pool_size > most and stride > 1:
        return of_setting(
            f"Pooling windows are {pool_size} x {pool_size}, {stride} apart: one value of {stride**2} is kept; "
            "2 x 2 is usual.",
            "So much is given up in one layer that small structures cannot be told from their surroundings.",
            last_step,
            Evidence("kept", 1.0 / stride**2, 1.0 / most**2),
        )
    return None


_configured = partial(partial, synthetic.configured)

RULE = Rule(
    id="pooling-size",
    group="hyperparameter",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("usual-pooling",),
    precedence=1,
    cases=(
        Case("5 x 5", _configured(pool_size=5), Severity.NOTE),
        Case("2 x 2, 3 apart", _configured(pool_size=2, pool_stride=3), Severity.NOTE),
        Case("2 x 2, a border of 2", _configured(pool_size=2, pool_padding=2), Severity.NOTE),
        Case("2 x 2", _configured(pool_size=2)),
        Case("3 x 3, 2 apart, a border of 1, as in a ResNet", _configured(pool_size=3, pool_stride=2, pool_padding=1)),
        Case("2 x 2 with a stride of 1, the least invasive", _configured(pool_size=2, pool_stride=1)),
        Case("5 x 5 with a stride of 1, as in an Inception pool", _configured(pool_size=5, pool_stride=1)),
    ),
)
