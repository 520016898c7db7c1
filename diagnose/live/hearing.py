"""What is said of a run while it goes on: each finding once when it has held, again when worse, taken back when gone.

    hearing = Hearing()
    for diagnosis in looks:                                   # of one run, as it grows
        for news in hearing.look(diagnosis): ...

Who looks again and again finds something by chance in the end. So a finding is heard only after it has held:

- one about an event (a best level, a spike) at every look until its curve had grown by a twentieth, and at two looks
  with a new point, three in the early part of the run. From n to N points there are log(N / n) / log(1.05) such
  stretches and no more.
- one about the whole of a curve says that something has not happened yet (it does not learn, the accuracy stands
  still): of that an early look knows little. It must hold until the curve is twice as long as when it appeared; where
  the length of the run is known, until a sixth of it is done. One about the present, which begins later as the curve
  grows (it swings in its second half), must hold until the curve is twice as long in any case.
- a loss that is NaN or infinite is no matter of chance, and is heard at once.

Where the looks are far apart, or the first one comes late, earlier lengths of the run are judged in between: whether a
finding has held is seen in the log, and does not depend on when somebody looked.

A finding is taken back when it has been away as long; what was taken back must hold for twice as long the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from diagnose.curves import Run, Series
from diagnose.live.earlier import before
from diagnose.rule import Diagnosis, Finding, Severity

GROWTH = 0.05
"""Share by which a curve grows while an event holds."""

WHOLE = 1.0
"""The same for a finding about the whole of a curve."""

PART = 1.0 / 6.0
"""Of a run whose length is known: what a finding about the whole of a curve holds for. A fifth is when it is wanted."""

LOOKS = 2
"""Looks with a new point at which a finding was there, at least."""

EARLY_LOOKS = 3
"""The same of an early look, when little is known of the run."""

EARLY = 1.0 / 3.0
"""Part of a run of known length that is early."""

EARLY_POINTS = 20
"""Points of a curve below which a run of unknown length is early."""

CERTAIN = frozenset({"non-finite"})
"""Rules that are no matter of chance."""

LEVELS = (Severity.WARNING, Severity.ERROR)
"""What is told; a note is of the moment."""

Kind = Literal["new", "worse", "gone"]


class News(NamedTuple):
    """Something to tell. finding: as it is now; of one that is gone, as it was told."""

    kind: Kind
    finding: Finding
    run: Run


@dataclass
class _Known:
    """What is known of one rule.

    told: rank of the severity that was told; -1 where nothing stands. finding: as it was told.
    since: rank -> extent of its curve when a finding of that rank or more appeared, as it does at every look since.
    begun: rank -> where the finding began then. looks: rank -> looks with a new point since.
    end: last step of the curve at the last look.
    away: extent of the curve when it was first missed; 0 while it is there. missed: looks with a new point since.
    backs: times it was taken back.
    """

    told: int = -1
    finding: Finding | None = None
    since: dict[int, float] = field(default_factory=dict)
    begun: dict[int, float] = field(default_factory=dict)
    looks: dict[int, int] = field(default_factory=dict)
    end: float = float("-inf")
    away: float = 0.0
    missed: int = 0
    backs: int = 0


class Hearing:
    """What was told of one run.

    total: how far the run is to go, in the unit of its axis; None where nobody knows.
    levels: the severities that are told.
    """

    def __init__(self, total: float | None = None, levels: Collection[Severity] = LEVELS) -> None:
        self.total = total
        self.levels = tuple(levels)
        self._known: dict[str, _Known] = {}
        self._looked = float("-inf")

    @property
    def standing(self) -> tuple[Finding, ...]:
        """The findings that were told and not taken back."""
        return tuple(k.finding for k in self._known.values() if k.finding is not None)

    def look(self, diagnosis: Diagnosis, judge: Callable[[Run], Diagnosis | None] | None = None) -> list[News]:
        """What is to be told after one more look at the run.

        judge: judges the run at an earlier length; None where each look is to stand for itself.
        """
        news: list[News] = []
        if judge is not None and self._asks(diagnosis):
            for cut in before(diagnosis.run, self._looked):
                earlier = judge(cut)
                if earlier is not None:
                    news += self._look(earlier)
        self._looked = diagnosis.run.last_step
        return self._net([*news, *self._look(diagnosis)], diagnosis)

    def _asks(self, diagnosis: Diagnosis) -> bool:
        """Whether a finding is there that was not told, and of which a longer time would have to be known."""
        found = ((self._known.get(f.rule, _Known()), f) for f in diagnosis.findings if f.severity in self.levels)
        return any(f.severity.rank > known.told and f.rule not in CERTAIN for known, f in found)

    def _net(self, news: Sequence[News], diagnosis: Diagnosis) -> list[News]:
        """What is left to tell of several looks, as it is at the last of them: nothing of what came and went."""
        found = {finding.rule: finding for finding in diagnosis.findings}
        net: dict[str, News] = {}
        for each in news:
            rule, before = each.finding.rule, net.pop(each.finding.rule, None)
            if each.kind == "gone":
                if before is None:
                    net[rule] = each._replace(run=diagnosis.run)
            elif rule in found:
                net[rule] = News(each.kind if before is None else before.kind, found[rule], diagnosis.run)
            else:
                self._known[rule] = _Known(backs=self._known[rule].backs)
        return list(net.values())

    def _look(self, diagnosis: Diagnosis) -> list[News]:
        run, news = diagnosis.run, []
        found = {finding.rule: finding for finding in diagnosis.findings if finding.severity in self.levels}
        for rule, finding in found.items():
            news += self._held(self._known.setdefault(rule, _Known()), finding, run)
        for rule, known in self._known.items():
            if rule not in found:
                news += self._missed(known, run)
        return news

    def end(self, diagnosis: Diagnosis) -> list[News]:
        """What is to be told when the run is over: what stands is what the last judgement says."""
        run, news = diagnosis.run, []
        found = {finding.rule: finding for finding in diagnosis.findings if finding.severity in self.levels}
        for rule, finding in found.items():
            known = self._known.setdefault(rule, _Known())
            if finding.severity.rank > known.told:
                news.append(self._tell(known, finding, run))
            elif finding.severity.rank < known.told:
                known.told, known.finding = finding.severity.rank, finding
        for rule, known in self._known.items():
            if rule not in found and known.finding is not None:
                news.append(self._take_back(known, run))
        return news

    def state(self) -> dict[str, Any]:
        """What was told, as plain values."""
        return {rule: [known.told, known.backs] for rule, known in self._known.items() if known.told >= 0}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what `state` says for told; what no longer holds is taken back."""
        self._known = {}
        for rule, (told, backs) in state.items():
            severity = next(severity for severity in Severity if severity.rank == told)
            stub = Finding(severity, 0.0, "", "", (0.0, 0.0), (), rule=rule)
            self._known[rule] = _Known(told=int(told), finding=stub, backs=int(backs))

    def _held(self, known: _Known, finding: Finding, run: Run) -> list[News]:
        """The news of a finding that is there."""
        curve, rank = _curve(finding, run), finding.severity.rank
        extent, new = _extent(curve), curve is None or _end(curve) > known.end
        known.end, known.away, known.missed = _end(curve), 0.0, 0
        for level in range(3):
            if level > rank:
                known.since.pop(level, None)
                known.begun.pop(level, None)
                known.looks.pop(level, None)
            else:
                known.since.setdefault(level, extent)
                known.begun.setdefault(level, finding.steps[0])
                known.looks[level] = known.looks.get(level, 0) + new
        certain = finding.rule in CERTAIN and rank > known.told
        untold = [level for level in known.since if level > known.told]
        if not certain and not any(self._long(known, level, finding, run, extent) for level in untold):
            if known.finding is not None and rank <= known.told:
                known.finding = finding
            return []
        return [self._tell(known, finding, run)]

    def _long(self, known: _Known, level: int, finding: Finding, run: Run, extent: float) -> bool:
        """Whether a finding has held long enough at this severity."""
        since, looks = known.since[level], known.looks[level]
        if looks < (EARLY_LOOKS if self._is_early(finding, run, extent) else LOOKS):
            return False
        longer = 2.0**known.backs
        moves = finding.steps[0] > known.begun[level]
        if not moves and not _is_of_the_whole(finding, run):
            return extent >= (1.0 + GROWTH * longer) * since
        if self.total and not moves:
            return extent >= min(PART * longer, 1.0) * self.total
        return extent >= (1.0 + WHOLE * longer) * since

    def _is_early(self, finding: Finding, run: Run, extent: float) -> bool:
        """Whether little is known of the run yet."""
        if self.total:
            return extent < EARLY * self.total
        curve = _curve(finding, run)
        return curve is None or len(curve) < EARLY_POINTS

    def _missed(self, known: _Known, run: Run) -> list[News]:
        """The news of a finding that is not there."""
        known.since.clear()
        known.begun.clear()
        known.looks.clear()
        if known.finding is None:
            return []
        curve = _curve(known.finding, run)
        extent = _extent(curve)
        known.missed += curve is None or _end(curve) > known.end
        known.end = _end(curve)
        known.away = known.away or extent
        if known.missed < LOOKS or extent < (1.0 + GROWTH) * known.away:
            return []
        return [self._take_back(known, run)]

    def _tell(self, known: _Known, finding: Finding, run: Run) -> News:
        kind: Kind = "new" if known.told < 0 else "worse"
        known.told, known.finding = finding.severity.rank, finding
        return News(kind, finding, run)

    def _take_back(self, known: _Known, run: Run) -> News:
        assert known.finding is not None
        news = News("gone", known.finding, run)
        known.told, known.finding, known.away, known.missed = -1, None, 0.0, 0
        known.backs += 1
        return news


def _curve(finding: Finding, run: Run) -> Series | None:
    """The curve that a finding is about, else the longest that plays a role; None for a run without any."""
    named = (run.curve(name) or run.series.get(name) for name in finding.series[:1])
    played = [run.series[column] for column in run.roles.values() if column in run.series]
    return next((curve for curve in named if curve is not None), max(played, key=len, default=None))


def _extent(curve: Series | None) -> float:
    """How far a curve reaches, its first point included: n for the epochs 1 to n, however many of them are kept."""
    if curve is None or not len(curve):
        return 0.0
    reach = float(curve.steps[-1] - curve.steps[0])
    return reach * len(curve) / max(len(curve) - 1, 1)


def _end(curve: Series | None) -> float:
    return float(curve.steps[-1]) if curve is not None and len(curve) else float("-inf")


def _is_of_the_whole(finding: Finding, run: Run) -> bool:
    """Whether a finding is about all of its curve: it begins where the curve begins."""
    curve = _curve(finding, run)
    return curve is None or not len(curve) or finding.steps[0] <= float(curve.steps[0])
