"""Follows logs that grow: judges a log anew when it has changed, and tells each finding once it has held.

While a run goes on, a note is of the moment (a loss that still falls is no news): notes wait for the end, unless
`--fail-on note` asks for them. A finding that becomes worse is told again, and one that is gone is taken back (see
`diagnose.live.hearing`).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from diagnose.console.terminal import complain, write
from diagnose.curves import Run
from diagnose.live.hearing import Hearing, News
from diagnose.live.stalled import Rhythm
from diagnose.live.words import lines, where
from diagnose.readers import Source, ended, expand
from diagnose.report import Report
from diagnose.reports import glance, text
from diagnose.reports.page import Page
from diagnose.reports.words import place
from diagnose.rule import Diagnosis, Severity

POLL = 0.5
"""Seconds between two looks at the files; at least twice what the last look took, to leave the training its cores."""

State = tuple[tuple[str, int, int], ...]
"""Path, size in bytes and time of change in nanoseconds of every file of a source."""


Beginning = Mapping[str, float]
"""Role -> first value of its curve."""

Tell = Callable[[News], None]
"""Tells one piece of news, in one of several places."""


@dataclass(frozen=True)
class Following:
    """What is done with a log that grows.

    judge: makes a report on sources. again: judges one run, at an earlier length; None where it cannot.
    levels: the severities that are told. tell: where the news goes.
    """

    judge: Callable[[Sequence[Any]], Report]
    again: Callable[[Run], Diagnosis | None]
    levels: Sequence[Severity]
    tell: Sequence[Tell]

    def told(self, news: Sequence[News]) -> None:
        """Tell the news everywhere."""
        for each in news:
            for tell in self.tell:
                tell(each)


@dataclass
class _Watched:
    """What is known of one source.

    state: its files when they were last judged.
    over: whether it says of every run in it that it is over.
    heard: run -> what was told of it.
    began: run -> how its curves begin; another log in the place of this one begins otherwise.
    rhythm: when it changed. run: the first of its runs, as it was last read.
    """

    state: State
    over: bool
    rhythm: Rhythm
    heard: dict[str, Hearing] = field(default_factory=dict)
    began: dict[str, Beginning] = field(default_factory=dict)
    run: Run | None = None


def follow(paths: Sequence[str], following: Following, *, idle: float | None, page: Page) -> Report:
    """Watch until every run is over, nothing has changed for `idle` seconds, or Ctrl-C; then judge as without --watch.

    idle: None to wait for the end of the runs, which few formats know.
    """
    watched: dict[str, _Watched] = {}
    complain("diagnose", f"watching {', '.join(map(place, paths))}; Ctrl-C ends it")
    try:
        changed = time.monotonic()
        while True:
            started = time.monotonic()
            for source in expand(paths):
                if _look(source, watched, following):
                    changed = time.monotonic()
            over = bool(watched) and all(each.over for each in watched.values())
            if over or (idle is not None and time.monotonic() - changed >= idle):
                break
            time.sleep(max(POLL, 2.0 * (time.monotonic() - started)))
    except KeyboardInterrupt:
        pass
    report = following.judge(paths)
    write("".join(f"{line}\n" for line in text.headlines(report, page)))
    return report


def _look(source: Source, watched: dict[str, _Watched], following: Following) -> bool:
    """Judge a source where it has changed, and tell what is new; whether it had changed."""
    now = time.monotonic()
    state = tuple(files_of(source))
    known = watched.get(source.label)
    if known is not None and state == known.state:
        following.told([] if known.over else known.rhythm.silent(now, known.run))
        return False
    if known is None and source.error:
        complain(source.label, f"{source.error}; waiting for it")
    if known is None:
        known = watched[source.label] = _Watched(state, False, Rhythm(now))
    elif _size(state) < _size(known.state):
        known.heard.clear()
    diagnoses = following.judge([replace(source, growing=True)]).diagnoses
    began = {diagnosis.run.name: _beginning(diagnosis.run) for diagnosis in diagnoses}
    for run, values in began.items():
        if _is_another(values, known.began.get(run, {})):
            known.heard.pop(run, None)
    known.state, known.began = state, began
    known.over = bool(diagnoses) and all(ended(d.run) for d in diagnoses)
    known.run = diagnoses[0].run if diagnoses else None
    following.told(known.rhythm.changed(now, known.run))
    for diagnosis in diagnoses:
        hearing = known.heard.setdefault(diagnosis.run.name, Hearing(levels=following.levels))
        following.told(hearing.look(diagnosis, following.again))
    return True


def _beginning(run: Run) -> Beginning:
    firsts = {role: float(run.series[column].values[0]) for role, column in run.roles.items() if column in run.series}
    return {role: value for role, value in firsts.items() if math.isfinite(value)}


def _is_another(now: Beginning, before: Beginning) -> bool:
    """Whether the curves that both know begin otherwise, all of them."""
    both = now.keys() & before.keys()
    return bool(both) and all(now[role] != before[role] for role in both)


def with_curve(news: News, page: Page) -> str:
    """A finding with its curve, as a report shows it; one that is gone in a line."""
    source = place(news.run.source)
    if news.kind == "gone" or not news.finding.series:
        return "".join(f"{source}, {line}\n" for line in lines(news)) + "\n"
    found = glance.in_short(news.finding, news.run, page)
    return "\n".join([f"{source}, at {where(news.run)}:", *found]).rstrip("\n") + "\n\n"


def files_of(source: Source) -> Iterator[tuple[str, int, int]]:
    """The files of a source as they are now; those of a folder, where the folder is a run."""
    for path in source.paths:
        inside = (Path(parent, name) for parent, _, names in os.walk(path) for name in sorted(names))
        for file in inside if path.is_dir() else (path,):
            try:
                found = file.stat()
            except OSError:  # it was moved away between two looks
                continue
            yield str(file), found.st_size, found.st_mtime_ns


def _size(state: State) -> int:
    return sum(size for _, size, _ in state)


def told_at(failing: Sequence[str]) -> tuple[Severity, ...]:
    """The severities that are told as they appear: warnings and errors, and notes where these are a failure."""
    return tuple(severity for severity in Severity if severity is not Severity.NOTE or severity.value in failing)
