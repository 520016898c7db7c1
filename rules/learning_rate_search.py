"""Learning-rate search: the learning rates tried lie close together or evenly spaced, not orders of magnitude apart.

Why it matters
    What a learning rate does depends on its order of magnitude. Runs with rates within a factor of ten, or at even
    distances, mostly repeat each other, and leave open whether the best rate lies elsewhere.

Statistics
    range    largest over smallest learning rate of comparable runs whose configs know it
    spacing  the largest deviation of the sorted rates from an even grid, as a share of its step; such a grid puts nine
             tenths of its values into the largest order of magnitude

Limits
    Fine steps around a value that an earlier search found are right; those earlier runs may not be among the logs. At
    least 3 different rates are needed. Rates that follow the batch size (their ratio is constant) are no search.

References
    [1] Bengio, Practical Recommendations for Gradient-Based Training of Deep Architectures (2012), section 3.3
    Lecture notes: "Learning Rate: always smaller than 1; search by orders of magnitude; in case of doubt, go small".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from diagnose import synthetic
from diagnose.curves import Run
from diagnose.names import differences
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    runs: Sequence[Run],
    *,
    factor: float = 10.0,  # largest over smallest; one order of magnitude
    uneven: float = 0.05,  # of the step of the grid; rounding of written values
    fewest: int = 3,  # different rates; two are a comparison
) -> Finding | None:
    """Judge the configs of comparable runs."""
    columns = differences.searched(runs)
    if not columns:
        raise CannotJudge("the configs name no numbers that vary between comparable runs")
    rates = columns.get("learning_rate", np.zeros(0))
    tried = np.unique(rates[rates > 0.0])
    if tried.size < fewest:
        return None
    batch = columns.get("batch_size")
    if batch is not None and float(np.ptp(rates / batch)) <= 1e-6 * float(np.max(rates / batch)):
        return None
    span = float(tried[-1] / tried[0])
    step = float(tried[-1] - tried[0]) / (tried.size - 1)
    off = float(np.abs(np.diff(tried) - step).max()) / step
    narrow, even = span < factor * (1.0 - 1e-9), off <= uneven
    if not narrow and not even:
        return None
    how = f"within a factor of {span:.2g}" if narrow else f"at even distances of {step:.3g}"
    return Finding(
        severity=Severity.NOTE,
        confidence=0.95 if even else 0.9,
        summary=f"{tried.size} learning rates from {tried[0]:g} to {tried[-1]:g} were tried, {how}.",
        meaning=(
            "Rates so alike give runs alike; whether a rate ten times smaller or larger is better stays unknown."
            if narrow
            else "Nearly all of the values are of the largest order of magnitude; the smaller ones are hardly searched."
        ),
        steps=(0.0, max(run.last_step for run in runs)),
        series=(),
        evidence=(Evidence("range", span, factor), Evidence("unevenness", off, uneven, "of the step")),
    )


_search = partial(partial, synthetic.search)

RULE = Rule(
    id="learning-rate-search",
    group="search",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("search-by-magnitude", "widen-search"),
    cases=(
        Case("0.001, 0.002 and 0.004", _search(learning_rate=(1e-3, 2e-3, 4e-3)), Severity.NOTE),
        Case("0.1 to 1 in steps of 0.1", _search(learning_rate=tuple(np.arange(1, 11) / 10.0)), Severity.NOTE),
        Case("by orders of magnitude", _search(learning_rate=(1e-4, 1e-3, 1e-2))),
        Case("half orders of magnitude", _search(learning_rate=(1e-4, 3e-4, 1e-3, 3e-3))),
        Case("seeds of one recipe", synthetic.seeds),
        Case("logs of different projects", synthetic.unrelated),
    ),
)
