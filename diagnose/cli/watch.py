"""Follows logs that grow: judges a log anew when it has changed, and tells each finding once.

While a run goes on, a note is of the moment (a loss that still falls is no news): notes wait for the end, unless
`--fail-on note` asks for them. A finding that becomes worse, a warning that becomes an error, is told again.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diagnose.console.terminal import complain, write
from diagnose.curves import Run
from diagnose.readers import Source, ended, expand
from diagnose.report import Report
from diagnose.reports import text
from diagnose.reports.page import Page
from diagnose.reports.words import number, place
from diagnose.rule import Diagnosis, Severity

POLL = 0.5
"""Seconds between two looks at the files; at least twice what the last look took, to leave the training its cores."""

State = tuple[tuple[str, int, int], ...]
"""Path, size in bytes and time of change in nanoseconds of every file of a source."""


Beginning = Mapping[str, float]
"""Role -> first value of its curve."""


@dataclass
class _Watched:
    """What is known of one source.

    state: its files when they were last judged.
    over: whether it says of every run in it that it is over.
    told: (run, rule) -> how bad the finding was when it was told.
    began: run -> how its curves begin; another log in the place of this one begins otherwise.
    """

    state: State
    over: bool
    told: dict[tuple[str, str], int]
    began: dict[str, Beginning]


def follow(
    paths: Sequence[str],
    judge: Callable[[Sequence[Any]], Report],
    *,
    failing: Sequence[str],
    idle: float | None,
    page: Page,
) -> Report:
    """Watch until every run is over, nothing has changed for `idle` seconds, or Ctrl-C; then judge as without --watch.

    judge: makes a report on sources.
    failing: the severities that are a failure.
    idle: None to wait for the end of the runs, which few formats know.
    """
    watched: dict[str, _Watched] = {}
    levels = told_at(failing)
    complain("diagnose", f"watching {', '.join(map(place, paths))}; Ctrl-C ends it")
    try:
        changed = time.monotonic()
        while True:
            started = time.monotonic()
            for source in expand(paths):
                if _look(source, watched, judge, levels, page):
                    changed = time.monotonic()
            over = bool(watched) and all(each.over for each in watched.values())
            if over or (idle is not None and time.monotonic() - changed >= idle):
                break
            time.sleep(max(POLL, 2.0 * (time.monotonic() - started)))
    except KeyboardInterrupt:
        pass
    report = judge(paths)
    write("".join(f"{line}\n" for line in text.headlines(report, page)))
    return report


def _look(
    source: Source,
    watched: dict[str, _Watched],
    judge: Callable[[Sequence[Any]], Report],
    levels: Sequence[str],
    page: Page,
) -> bool:
    """Judge a source where it has changed, and tell what is new; whether it had changed."""
    state = tuple(_files(source))
    known = watched.get(source.label)
    if known is not None and state == known.state:
        return False
    if known is None and source.error:
        complain(source.label, f"{source.error}; waiting for it")
    restarted = known is not None and _size(state) < _size(known.state)
    told = {} if known is None or restarted else known.told
    diagnoses = judge([replace(source, growing=True)]).diagnoses
    began = {diagnosis.run.name: _beginning(diagnosis.run) for diagnosis in diagnoses}
    if known is not None:
        replaced = {run for run, values in began.items() if _is_another(values, known.began.get(run, {}))}
        told = {(run, rule): rank for (run, rule), rank in told.items() if run not in replaced}
    watched[source.label] = _Watched(state, bool(diagnoses) and all(ended(d.run) for d in diagnoses), told, began)
    for diagnosis in diagnoses:
        _tell(diagnosis, told, levels, page)
    return True


def _beginning(run: Run) -> Beginning:
    firsts = {role: float(run.series[column].values[0]) for role, column in run.roles.items() if column in run.series}
    return {role: value for role, value in firsts.items() if math.isfinite(value)}


def _is_another(now: Beginning, before: Beginning) -> bool:
    """Whether the curves that both know begin otherwise, all of them."""
    both = now.keys() & before.keys()
    return bool(both) and all(now[role] != before[role] for role in both)


def _tell(diagnosis: Diagnosis, told: dict[tuple[str, str], int], levels: Sequence[str], page: Page) -> None:
    run = diagnosis.run
    for finding in diagnosis.findings:
        key = (run.name, finding.rule)
        if finding.severity.value in levels and finding.severity.rank > told.get(key, -1):
            told[key] = finding.severity.rank
            head = f"{place(run.source)}, at {run.axis} {number(run.last_step, 6)}:"
            lines = text.finding_in_full(finding, run, page)
            write("\n".join([head, *lines]).rstrip("\n") + "\n\n")


def _files(source: Source) -> Iterator[tuple[str, int, int]]:
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


def told_at(failing: Sequence[str]) -> tuple[str, ...]:
    """The severities that are told as they appear: warnings and errors, and notes where these are a failure."""
    return tuple(severity.value for severity in Severity if severity is not Severity.NOTE or severity.value in failing)
