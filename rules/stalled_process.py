"""Stalled process: once or twice the training stood still for many times its usual interval.

Why it matters
    The time is paid for and nothing is learned: a machine that was suspended or preempted, a file system or a worker
    that hung, a checkpoint that took an hour. It will happen again.

Statistics
    gap      the longest interval between two points over the median one
    share    its share of the whole time of the run

Limits
    Asks for a column of times: one that goes up is the time so far, another the time of each point. Pauses that come
    again and again (evaluations, checkpoints) are the usual, and the first point is the compilation. What was done in
    the gap, the log does not tell: this is a note. Fewer than 12 points are not judged.

References
    Jeon et al., Analysis of Large-Scale Multi-Tenant GPU Clusters for DNN Training Workloads (2019)
    Lecture notes: "For less footprint, less epochs".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure.intervals import taken
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

LEAST = 12  # points

SINGLE = 4  # so many long gaps are a habit


class Gap(NamedTuple):
    """The longest interval. place: its index. times: the median one. share: of the whole time."""

    place: int
    times: float
    share: float


def check(
    times: Mapping[str, Series],
    axis: str,
    *,
    times_least: float = 20.0,  # the usual interval
    share_least: float = 0.1,  # of the time of the run; what a person who pays for it minds
    apart_least: float = 5.0,  # times the fourth longest interval; pauses that recur are of one length
) -> Finding | None:
    """Judge the columns of times."""
    long = {name: clock for name, clock in times.items() if len(clock) >= LEAST}
    if not long:
        raise CannotJudge(f"fewer than {LEAST} points of a time")
    for name, clock in long.items():
        intervals = taken(clock)
        gap = _longest(intervals.values, apart_least)
        if gap is None or gap.times < times_least or gap.share < share_least:
            continue
        begin, end = float(clock.steps[gap.place]), float(intervals.steps[gap.place])
        return Finding(
            severity=Severity.NOTE,
            confidence=0.9,
            summary=(
                f"Between {axis} {begin:g} and {end:g} {name} takes {gap.times:.3g} times the usual interval, "
                f"{100 * gap.share:.0f} % of the whole time."
            ),
            meaning="The process stood still there: suspended, preempted, or waiting for a disk or for another worker.",
            steps=(begin, end),
            marks=(end,),
            series=(name,),
            evidence=(
                Evidence("gap", gap.times, times_least, "usual intervals"),
                Evidence("share", 100.0 * gap.share, 100.0 * share_least, "percent of the time"),
            ),
        )
    return None


def _longest(intervals: Array, apart: float) -> Gap | None:
    """The longest interval, where no `SINGLE` of them are of its length; None where time does not pass."""
    usual, whole = float(np.median(intervals)), float(intervals.sum())
    place = int(np.argmax(intervals))
    if usual <= 0.0 or intervals.min() < 0.0 or intervals[place] < apart * np.sort(intervals)[-SINGLE]:
        return None
    return Gap(place, float(intervals[place]) / usual, float(intervals[place]) / whole)


RULE = Rule(
    id="stalled-process",
    group="machine",
    doc=__doc__,
    check=check,
    min_points=LEAST,
    fixes=("find-the-stall", "profile-input"),
    precedence=1,
    cases=(
        Case("an hour between two epochs of a minute", synthetic.stalled, Severity.NOTE),
        Case("an epoch takes a minute", synthetic.timed),
        Case("every fifth epoch takes ten times as long", synthetic.pausing),
    ),
)
