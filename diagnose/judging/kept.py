"""Runs made small: what is kept of a run once it has been judged, and what is compared between runs.

A call over ten thousand runs cannot hold ten thousand logs. What stays of a run is what a report still asks for: its
names, its extent, and the curves that a finding draws.
"""

from __future__ import annotations

import copyreg
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any

import numpy as np

from diagnose.curves import Array, Run, Series
from diagnose.measure.downsample import GLANCE_POINTS, extremes, glance
from diagnose.rule import Change, Diagnosis, Evidence, Finding, NotJudged, Recommendation, Severity
from diagnose.trials import Tally

DRAWN_POINTS = 128
"""Points kept of a curve that is drawn: the extremes of 64 blocks, about one per column of the picture."""


def _pickled_by_fields(kind: type) -> None:
    """Let values of a frozen dataclass with slots travel as the arguments that make them: what `dataclasses` does by
    itself looks all fields up for each value, and takes half of the time of a call over many logs.
    """
    values = attrgetter(*(field.name for field in fields(kind)))
    copyreg.pickle(kind, lambda value: (kind, values(value)))


for _kind in (Series, Change, Evidence, Finding, NotJudged, Recommendation, Tally, Diagnosis):
    _pickled_by_fields(_kind)


def judged(diagnosis: Diagnosis, *, drawn: bool = True) -> Diagnosis:
    """The diagnosis with no more of its run than a report tells.

    The curves of warnings and errors keep their extremes, about `DRAWN_POINTS` points, and the one that shows the run
    at a glance about `GLANCE_POINTS`; the others, and all where none is to be `drawn`, keep their first and last
    point. `Run.points` still says how many there were.
    """
    run = diagnosis.run
    pictured = {
        column
        for finding in diagnosis.findings
        if drawn and finding.severity is not Severity.NOTE and not finding.explained_by
        for name in finding.series[:2]
        for role in (name, name.replace("val_", "train_", 1))
        if (column := run.roles.get(role, role)) in run.series
    }
    points = dict.fromkeys(pictured, DRAWN_POINTS)
    if drawn and (shown := glance(run)) is not None:
        points.setdefault(shown, GLANCE_POINTS)
    steps: dict[tuple[int, int], Array] = {}
    series = {name: _small(curve, points.get(name, 0), steps) for name, curve in run.series.items()}
    return replace(diagnosis, run=replace(run, series=series, logged=run.points, lines=_told(run, diagnosis)))


def _small(curve: Series, points: int, steps: dict[tuple[int, int], Array]) -> Series:
    """About this many points of a curve, or its ends for 0, in arrays of its own: a view would hold the whole table.

    steps: those kept so far, by what they were and how many: columns of one table keep their steps in common.
    """
    if 0 < points < len(curve):
        return extremes(curve, points)
    places = np.array([0, -1]) if points == 0 and len(curve) > 2 else np.arange(len(curve))
    key = id(curve.steps), places.size
    if key not in steps:
        steps[key] = curve.steps[places]
    return Series(curve.name, steps[key], curve.values[places], curve.blank_from)


def _told(run: Run, diagnosis: Diagnosis) -> Series | None:
    """The lines at the ends of the findings, and the steps between which each stands."""
    if run.lines is None:
        return None
    ends = np.array([step for finding in diagnosis.findings for step in finding.steps])
    at = np.searchsorted(run.lines.steps, ends)
    index = np.unique(np.concatenate([at - 1, at]).clip(0, max(len(run.lines) - 1, 0))) if len(run.lines) else at[:0]
    return Series(run.lines.name, run.lines.steps[index], run.lines.values[index])


def share(diagnosis: Diagnosis, same: dict[Any, Any]) -> Diagnosis:
    """The diagnosis with the parts that runs have in common held once: what could not be judged, roles, fixes."""
    run = diagnosis.run
    roles = same.setdefault(tuple(run.roles.items()), run.roles)
    findings = tuple(
        replace(f, recommendations=tuple(same.setdefault(r, r) for r in f.recommendations)) for f in diagnosis.findings
    )
    return replace(
        diagnosis,
        run=replace(run, roles=roles),
        findings=findings,
        judged=same.setdefault(diagnosis.judged, diagnosis.judged),
        not_judged=same.setdefault(diagnosis.not_judged, diagnosis.not_judged),
    )
