"""Runs made small: what is kept of a run once it has been judged, and what is compared between runs.

A call over ten thousand runs cannot hold ten thousand logs. What stays of a run is what a report still asks for: its
names, its extent, and the curves that a finding draws.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from diagnose.curves import Array, Run, Series
from diagnose.measure.downsample import GLANCE_POINTS, extremes, glance
from diagnose.rule import Diagnosis, Severity

DRAWN_POINTS = 128
"""Points kept of a curve that is drawn: the extremes of 64 blocks, about one per column of the picture."""


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
    shared: dict[int, Array] = {}  # columns of one table have their steps in common, and keep them in common
    kept = dict.fromkeys(pictured, DRAWN_POINTS)
    if drawn and (shown := glance(run)) is not None:
        kept.setdefault(shown, GLANCE_POINTS)
    series = {
        name: _extremes(curve, kept[name], shared) if name in kept else _ends(curve, shared)
        for name, curve in run.series.items()
    }
    return replace(diagnosis, run=replace(run, series=series, logged=run.points, lines=_told(run, diagnosis)))


def _told(run: Run, diagnosis: Diagnosis) -> Series | None:
    """The lines at the ends of the findings, and the steps between which each stands."""
    if run.lines is None:
        return None
    ends = np.array([step for finding in diagnosis.findings for step in finding.steps])
    at = np.searchsorted(run.lines.steps, ends)
    index = np.unique(np.concatenate([at - 1, at]).clip(0, max(len(run.lines) - 1, 0))) if len(run.lines) else at[:0]
    return Series(run.lines.name, run.lines.steps[index], run.lines.values[index])


def _ends(curve: Series, shared: dict[int, Array]) -> Series:
    """The first and the last point."""
    if len(curve) <= 2:
        return curve
    key = id(curve.steps)
    if key not in shared:
        shared[key] = curve.steps[[0, -1]]
    return Series(curve.name, shared[key], curve.values[[0, -1]], curve.blank_from)


def _extremes(curve: Series, points: int, shared: dict[int, Array]) -> Series:
    """As `extremes`, in arrays of its own: a view would hold the whole table that it is of."""
    if len(curve) > points:
        return extremes(curve, points)
    steps = shared.setdefault(-id(curve.steps), curve.steps.copy())
    return Series(curve.name, steps, curve.values.copy(), curve.blank_from)
