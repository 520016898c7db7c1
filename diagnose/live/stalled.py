"""A log that has fallen silent, as a finding of its own."""

from __future__ import annotations

from collections import deque

from diagnose.curves import Run
from diagnose.live.hearing import News
from diagnose.reports.words import number
from diagnose.rule import Finding, Severity

RULE = "stalled"

TIMES = 10.0
"""Times the usual interval between two changes of a log; an evaluation or a checkpoint takes several."""

LEAST = 60.0
"""Seconds below which a silence is none."""

KNOWN = 5
"""Intervals from which on one of them is the usual one."""


class Rhythm:
    """When a log changed.

    least: seconds of silence, at least, before it is one.
    """

    def __init__(self, now: float, least: float = LEAST) -> None:
        self.last = now
        self.least = least
        self.told = False
        self._between: deque[float] = deque(maxlen=50)

    def changed(self, now: float, run: Run | None) -> list[News]:
        """Note a change; the news that a silence is over, where it was told."""
        self._between.append(now - self.last)
        self.last = now
        if not self.told or run is None:
            return []
        self.told = False
        return [News("gone", _finding(run, 0.0, 0.0), run)]

    def silent(self, now: float, run: Run | None) -> list[News]:
        """The news that the log is silent, once, where it has been so for several times the usual interval."""
        if self.told or run is None or len(self._between) < KNOWN:
            return []
        usual = sorted(self._between)[len(self._between) // 2]
        if now - self.last < max(TIMES * usual, self.least):
            return []
        self.told = True
        return [News("new", _finding(run, now - self.last, usual), run)]


def _finding(run: Run, silence: float, usual: float) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        confidence=0.9,
        summary=f"Nothing was logged for {number(silence)} s; usually there is a line every {number(usual)} s.",
        meaning="The training hangs, waits for something, or has ended without saying so.",
        steps=(run.last_step, run.last_step),
        series=(),
        rule=RULE,
    )
