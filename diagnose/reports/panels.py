"""What there is to draw of a run: which curves belong on one scale, and where its findings lie on them.

The pictures (a file, a page, a notebook) share this; how a panel is drawn is their own affair.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diagnose.curves import Run, Series
from diagnose.names.roles import AXES
from diagnose.reports.words import number, one_line, span
from diagnose.rule import Diagnosis, Finding, Severity

LOG_DECADES = 3.0
"""A positive range of more decades than this is drawn on a logarithmic scale."""

FEWEST = 3
"""Points of a curve that are worth a picture."""

ORDER = ("loss", "accuracy", "reward", "dead_units", "learning_rate", "grad_norm", "throughput")
"""Quantities in the order of their panels; others follow."""

_BESIDE = {"train_loss_step": "loss", "discriminator_loss": "loss"}
_TITLES = {"learning_rate": "learning rate", "grad_norm": "gradient norm", "dead_units": "dead units"}


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A curve in a panel.

    name: its canonical name, or the column where it has none. style: index into the styles of the picture.
    """

    name: str
    series: Series
    style: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A finding on a panel.

    rule, severity: of the finding.
    on: index of the curve in its panel that the marks lie on; -1 where it is in another panel.
    first, last: the stretch that it is about.
    partial: whether that is a part of the axis as a whole, and neither all of it nor what lies between single steps.
    at: the single steps.
    level: whether the stretch begins at the one mark, so that what follows is measured from its value.
    """

    rule: str
    severity: Severity
    on: int
    first: float
    last: float
    partial: bool
    at: tuple[float, ...] = ()
    level: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves of one quantity over one axis, and the findings in them. log: a logarithmic scale suits them."""

    title: str
    curves: tuple[Curve, ...]
    log: bool
    marks: tuple[Mark, ...] = ()


def quantity(name: str) -> str:
    """What a curve measures, without its split and its set: `loss` of `val_loss`, and of `val_loss[german]`."""
    bare = name.partition("[")[0].removeprefix("train_").removeprefix("val_").removeprefix("test_")
    return _BESIDE.get(name, bare)


def telling(finding: Finding, run: Run) -> list[tuple[str, Series]]:
    """At most two curves to show: those of the finding, else the training curve beside a validation curve."""
    return _drawable(_with_training(finding.series[:2]), run)


def of_finding(finding: Finding, run: Run) -> list[Panel]:
    """The panels of one finding: its curves, and the training curve beside a validation curve."""
    names = finding.series if len(finding.series) > 1 else _with_training(finding.series)
    panels = _panels(_drawable(names, run))
    return [replace(panel, marks=_marks([finding], panel, run)) for panel in panels]


def of_run(diagnosis: Diagnosis) -> list[Panel]:
    """The panels of a whole run: every curve with a role, and those without one in which something was found."""
    run = diagnosis.run
    named = (name for finding in diagnosis.findings for name in finding.series if name not in run.roles)
    # The finer companion of an epoch's mean would hide it.
    hidden = {*AXES, "train_loss_step"} if "train_loss" in run.roles else {*AXES}
    own = (role for role in run.roles if role not in hidden)
    panels = _panels(_drawable(dict.fromkeys([*own, *named]), run))
    return [replace(panel, marks=_marks(diagnosis.findings, panel, run)) for panel in panels]


def over_each_other(curves: Sequence[tuple[str, Series]], title: str) -> Panel:
    """One panel of curves from several runs, each in a style of its own."""
    return _panel(title, [Curve(name, series, index) for index, (name, series) in enumerate(curves)])


def _with_training(names: Sequence[str]) -> list[str]:
    if len(names) == 1 and names[0].startswith("val_"):
        return [names[0], names[0].replace("val_", "train_", 1)]
    return list(names)


def _drawable(names: Iterable[str], run: Run) -> list[tuple[str, Series]]:
    curves = [(name, run.curve(name) or run.series.get(name)) for name in names]
    least = FEWEST if run.logged > 2 else 1  # of a thinned curve only the ends may be left: no picture
    return [(name, series) for name, series in curves if series is not None and len(series) >= least]


def _panels(curves: Sequence[tuple[str, Series]]) -> list[Panel]:
    """Curves of one quantity together; those that are finite nowhere are left out."""
    groups: dict[str, list[tuple[str, Series]]] = {}
    for name, series in curves:
        if np.isfinite(series.values).any():
            groups.setdefault(quantity(name), []).append((name, series))
    known = sorted(groups, key=lambda kind: ORDER.index(kind) if kind in ORDER else len(ORDER))
    panels = []
    for kind in known:
        pair = {"val_": 1, "test": 1}
        styled = [Curve(name, series, pair.get(name[:4], 0)) for name, series in groups[kind]]
        if len({curve.style for curve in styled}) < len(styled):
            styled = [replace(curve, style=index) for index, curve in enumerate(styled)]
        if kind in ("learning_rate", "grad_norm"):
            styled = [replace(curve, style=2 + (kind == "grad_norm")) for curve in styled]
        panels.append(_panel(_TITLES.get(kind, one_line(kind)), sorted(styled, key=lambda curve: curve.style)))
    return panels


def _panel(title: str, curves: Sequence[Curve]) -> Panel:
    values = [c.series.values[np.isfinite(c.series.values)] for c in curves]
    values = [v for v in values if v.size]
    low = min((float(v.min()) for v in values), default=0.0)
    high = max((float(v.max()) for v in values), default=0.0)
    return Panel(title, tuple(curves), low > 0.0 and math.log10(high) - math.log10(low) > LOG_DECADES)


def _marks(findings: Iterable[Finding], panel: Panel, run: Run) -> tuple[Mark, ...]:
    """The findings that name a curve of the panel, those that explain others before them."""
    names = [curve.name for curve in panel.curves]
    begin = min(float(c.series.steps[0]) for c in panel.curves)
    end = max(float(c.series.steps[-1]) for c in panel.curves)
    found = []
    for finding in findings:
        if not any(name in names for name in finding.series):
            continue
        first, last = (min(max(step, begin), end) for step in finding.steps)
        on = names.index(finding.series[0]) if finding.series[0] in names else -1
        at = tuple(mark for mark in finding.marks if begin <= mark <= end)
        level = len(at) == 1 and on >= 0 and at[0] == first < last
        partial = len(at) <= 1 and last - first < 0.95 * (end - begin)
        found.append(Mark(finding.rule, finding.severity, on, first, last, partial, at, level))
    return tuple(found)


def value_at(series: Series, step: float) -> float:
    """The finite value at or next to a step; NaN where there is none."""
    finite = series.finite()
    return float(finite.values[np.argmin(np.abs(finite.steps - step))]) if len(finite) else math.nan


def lost(series: Series) -> tuple[tuple[float, float], ...]:
    """The stretches (first, last step) in which the values are NaN or infinite."""
    bad = ~np.isfinite(series.values)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], bad, [False]]).astype(int)))
    return tuple(
        (float(series.steps[a]), float(series.steps[b - 1])) for a, b in zip(edges[::2], edges[1::2], strict=True)
    )


def caption(mark: Mark, axis: str) -> str:
    """A finding in a word and its place: `overfitting, epochs 31-60`."""
    where = span((mark.first, mark.last), axis)
    if len(mark.at) > 1:
        where = f"{axis}s {', '.join(number(step, 6) for step in mark.at[:6])}{' ...' if len(mark.at) > 6 else ''}"
    return one_line(f"{mark.rule}, {where}")
