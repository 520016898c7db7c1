"""Throughput drop: the training has become slower for good.

Why it matters
    The rest of the run costs more than its beginning did, and for a reason outside the network: a data loader that
    falls behind, a leak of memory, a machine that throttles or is shared, logs that grow.

Statistics
    drop    median of the throughput over the first third minus that over the last, in percent of the first; of times
            that steps took, the inverse
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

from collections.abc import Sequence

import numpy as np

from diagnose import synthetic
from diagnose.judging.providers import Speed
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

LEAST = 12  # points


def check(
    speeds: Sequence[Speed],
    axis: str,
    *,
    drop_note: float = 0.2,  # of the level at the start; a fifth more time for the rest of the run
    apart: float = 0.9,  # of the points of each third
) -> Finding | None:
    """Judge the examples, tokens or steps per second, and the times of the steps."""
    long = [speed for speed in speeds if len(speed.series) >= LEAST]
    if not long:
        raise CannotJudge(f"fewer than {LEAST} points of a throughput or a time")
    found = (_slower(speed, axis, drop_note, apart) for speed in long)
    return next((finding for finding in found if finding is not None), None)


def _slower(speed: Speed, axis: str, drop_note: float, apart: float) -> Finding | None:
    """The finding about one curve."""
    there = speed.series.values > 0.0  # nanoGPT prints -100 % until it knows
    logged, steps = speed.series.values[there], speed.series.steps[there]
    if logged.size < LEAST:
        return None
    values = 1.0 / logged if speed.inverse else logged
    third = len(values) // 3
    first, last = values[:third], values[-third:]
    before, after = float(np.median(first)), float(np.median(last))
    drop = 1.0 - after / before
    if drop < drop_note or np.quantile(last, apart) >= np.quantile(first, 1.0 - apart):
        return None
    slow = np.flatnonzero(values > 0.5 * (before + after))
    place = float(steps[min(int(slow[-1]) + 1, len(values) - 1)])
    levels = (1.0 / before, 1.0 / after) if speed.inverse else (before, after)
    what = "grows, from point to point," if speed.inverse else "falls"
    return Finding(
        severity=Severity.NOTE,
        confidence=0.95,
        summary=(
            f"{speed.series.name} {what} from {levels[0]:.4g} to {levels[1]:.4g} and stays there from {axis} {place:g} "
            f"on: {100 * drop:.3g} % less is done per time."
        ),
        meaning="The rest of the run takes longer than its beginning: look at the data loader, memory and machine.",
        steps=(place, float(steps[-1])),
        marks=(place,),
        series=(speed.series.name,) if speed.inverse else ("throughput",),
        evidence=(Evidence("drop", 100.0 * drop, 100.0 * drop_note, "percent"),),
    )


RULE = Rule(
    id="throughput-drop",
    group="machine",
    doc=__doc__,
    check=check,
    min_points=LEAST,
    fixes=("profile-input",),
    precedence=1,
    measures={
        "drop_note": "how much slower it runs at the end (drop)",
    },
    cases=(
        Case("slower by 40 % from half-way on", synthetic.slowed, Severity.NOTE),
        Case("epochs take twice as long from half-way on", synthetic.slowing, Severity.NOTE),
        Case("an epoch takes a minute", synthetic.timed),
        Case("every fifth epoch takes ten times as long", synthetic.pausing),
        Case("as fast at the end as at the start", synthetic.steady),
    ),
)
