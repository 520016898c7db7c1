"""Throughput drop: the training has become slower for good.

Why it matters
    The rest of the run costs more than its beginning did, and for a reason outside the network: a data loader that
    falls behind, a leak of memory, a machine that throttles or is shared, logs that grow.

Statistics
    drop    median of the throughput over the first third minus that over the last, in percent of the first
    apart   whether nine of ten points of the last third lie below nine of ten of the first: noise of any kind, and
            pauses for an evaluation, have both in both

Limits
    Longer sequences, larger images or an evaluation in between are slower, too: this is a note. Fewer than 12 points
    are not judged.

References
    Mohan et al., Analyzing and Mitigating Data Stalls in DNN Training (2021)
    Lecture notes: "For less footprint, less epochs".
"""

from __future__ import annotations

import numpy as np

from diagnose import synthetic
from diagnose.measure.curve import Curve
from diagnose.rule import Case, Evidence, Finding, Rule, Severity


def check(
    throughput: Curve,
    axis: str,
    *,
    drop_note: float = 0.2,  # of the level at the start; a fifth more time for the rest of the run
    apart: float = 0.9,  # of the points of each third
) -> Finding | None:
    """Judge the examples, tokens or steps per second."""
    third = len(throughput) // 3
    first, last = throughput.values[:third], throughput.values[-third:]
    before, after = float(np.median(first)), float(np.median(last))
    drop = 1.0 - after / before if before > 0.0 else 0.0
    if drop < drop_note or np.quantile(last, apart) >= np.quantile(first, 1.0 - apart):
        return None
    slow = np.flatnonzero(throughput.values > 0.5 * (before + after))
    place = float(throughput.steps[min(int(slow[-1]) + 1, len(throughput) - 1)])
    return Finding(
        severity=Severity.NOTE,
        confidence=0.95,
        summary=(
            f"{throughput.series.name} falls from {before:.4g} to {after:.4g}, by {100 * drop:.3g} %, and stays there "
            f"from {axis} {place:g} on."
        ),
        meaning="The rest of the run takes longer than its beginning: look at the data loader, memory and machine.",
        steps=(place, float(throughput.steps[-1])),
        marks=(place,),
        series=("throughput",),
        evidence=(Evidence("drop", 100.0 * drop, 100.0 * drop_note, "percent"),),
    )


RULE = Rule(
    id="throughput-drop",
    doc=__doc__,
    check=check,
    min_points=12,
    fixes=("profile-input",),
    precedence=1,
    cases=(
        Case("slower by 40 % from half-way on", synthetic.slowed, Severity.NOTE),
        Case("as fast at the end as at the start", synthetic.steady),
    ),
)
