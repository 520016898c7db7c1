"""Runs held beside each other: their curves on one axis, and what differs in findings, values and configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from diagnose.curves import Array, Run, Series
from diagnose.errors import UserError
from diagnose.measure import between_runs
from diagnose.names import differences
from diagnose.names.roles import MAIN_ROLES
from diagnose.reports import panels
from diagnose.reports.panels import Panel
from diagnose.reports.phrases import extent, labels_of, stage
from diagnose.reports.words import count, number, one_line
from diagnose.rule import Diagnosis, verdict_word

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What the runs are called in tables and pictures; there is no more room for more runs."""

PERCENT = "percent of the run"

NOTHING = "-"
"""In the place of a value that a run does not have."""

DRAWN = (*MAIN_ROLES, "learning_rate", "grad_norm")
"""Roles whose curves are drawn over each other, in this order."""

LONGEST = 40
"""Characters shown of a value of a config."""


class CannotCompareError(UserError):
    """The runs cannot be held beside each other; `str()` says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what it is about, a cell for each run, and the runs that are best in it."""

    title: str
    cells: tuple[str, ...]
    best: frozenset[int] = frozenset()


class Level(NamedTuple):
    """Where a curve came: its best value, the step of that, its last finite value, and whether it ends with one."""

    best: float
    step: float
    last: float
    ended: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the reports show.

    labels: what each run is called, by its letter's place.
    axis: what the curves are drawn over. note: why it is another than that of the logs; "" where it is not.
    panels: (role, curves by letter), in the order to draw.
    sections: (title, rows) of the table; a section without rows is left out.
    """

    diagnoses: tuple[Diagnosis, ...]
    labels: tuple[str, ...]
    axis: str
    note: str
    panels: tuple[tuple[str, Panel], ...]
    sections: tuple[tuple[str, tuple[Row, ...]], ...]


def compare(diagnoses: Sequence[Diagnosis], by: str = "") -> Comparison:
    """Hold runs beside each other.

    by: `epoch` or `percent`; "" for the axis that they have in common, else the epochs, else the share of each run.
    Raises CannotCompareError for fewer runs than two or more than there are letters, and where a run has no such axis.
    """
    if len(diagnoses) < 2:
        raise CannotCompareError(f"compare: {len(diagnoses)} of 2 runs; name two logs or more, or a directory of them")
    if len(diagnoses) > len(LETTERS):
        raise CannotCompareError(
            f"compare: {len(diagnoses)} runs, and at most {len(LETTERS)} go beside each other; diagnose PATHS has all"
        )
    runs, axis, note = align([d.run for d in diagnoses], by)
    drawn = []
    for role in DRAWN:
        curves = [
            (f"{LETTERS[i]} {one_line(label)}", curve)
            for i, (run, label) in enumerate(zip(runs, labels_of(runs), strict=True))
            if (curve := run.curve(role)) is not None and np.isfinite(curve.values).any()
        ]
        if len(curves) > 1:
            panel = panels.over_each_other(curves, role)
            letters = [LETTERS.index(name[0]) for name, _ in curves]
            styled = tuple(replace(c, style=i) for c, i in zip(panel.curves, letters, strict=True))
            drawn.append((role, replace(panel, curves=styled)))
    sections = (
        ("run", _facts(diagnoses)),
        ("findings", _findings(diagnoses)),
        ("values", _values(diagnoses)),
        ("config", _config(diagnoses)),
    )
    kept = tuple((title, tuple(rows)) for title, rows in sections if rows)
    return Comparison(tuple(diagnoses), tuple(labels_of([d.run for d in diagnoses])), axis, note, tuple(drawn), kept)


def align(runs: Sequence[Run], by: str = "") -> tuple[list[Run], str, str]:
    """The runs with their curves on one axis, what it counts, and why it is not that of the logs."""
    axes = {run.axis for run in runs}
    if len(axes) == 1 and by in ("", *axes):
        return list(runs), runs[0].axis, ""
    without = [run.name for run in runs if run.axis != "epoch" and _epochs(run) is None]
    why = "" if len(axes) == 1 else f"the runs count differently ({', '.join(sorted(axes))})"
    if by == "epoch" and without:
        raise CannotCompareError(f"compare: {one_line(without[0])}: its log holds no epochs; compare by percent")
    if by == "epoch" or (not by and not without):
        return [_moved(run, _epochs(run), "epoch") for run in runs], "epoch", why
    if not by:
        why += f", and {one_line(without[0])} holds no epochs"
    return [_moved(run, _share(run), PERCENT) for run in runs], PERCENT, why


def _epochs(run: Run) -> Callable[[Array], Array] | None:
    """Steps to epochs; None where the log holds none."""
    counted = run.curve("epoch") or run.series.get("epoch")
    finite = None if counted is None else counted.finite()
    if run.axis == "epoch":
        return lambda steps: steps
    if finite is None or len(finite) < 2:
        return None
    return lambda steps: np.interp(steps, finite.steps, finite.values)


def _share(run: Run) -> Callable[[Array], Array]:
    """Steps to percent of the run."""
    first = min((float(s.steps[0]) for s in run.series.values() if len(s)), default=0.0)
    length = run.last_step - first
    return lambda steps: 100.0 * (steps - first) / (length or 1.0)


def _moved(run: Run, moves: Callable[[Array], Array] | None, axis: str) -> Run:
    """The run with the steps of its curves on another axis."""
    assert moves is not None
    moved = {
        name: Series(s.name, np.maximum.accumulate(moves(s.steps)), s.values)
        for name, s in run.series.items()
        if len(s)
    }
    return replace(run, series=moved, axis=axis)


def _facts(diagnoses: Sequence[Diagnosis]) -> list[Row]:
    return [
        Row("verdict", tuple(verdict_word(d).replace("-", " ") for d in diagnoses)),
        Row("milestone", tuple(map(stage, diagnoses))),
        Row("length", tuple(extent(d.run) or NOTHING for d in diagnoses)),
        Row("points", tuple(count(d.run.points, "point") for d in diagnoses)),
    ]


def _findings(diagnoses: Sequence[Diagnosis]) -> list[Row]:
    """The severity of each finding of any run, the worst first."""
    severities = [{f.rule: f.severity for f in d.findings} for d in diagnoses]
    named = {rule for found in severities for rule in found}
    worst = {rule: max(found[rule].rank for found in severities if rule in found) for rule in named}
    ranked = sorted(named, key=lambda rule: (-worst[rule], rule))
    return [Row(rule, tuple(f[rule].value if rule in f else NOTHING for f in severities)) for rule in ranked]


def levels(run: Run) -> dict[str, Level]:
    """The levels of the main curves of a run that hold a finite value, by role."""
    found = {}
    for role in MAIN_ROLES:
        curve = run.curve(role)
        finite = None if curve is None else curve.finite()
        if curve is None or finite is None or not len(finite):
            continue
        at = int(np.argmin(between_runs.worse_by(role) * finite.values))
        ended = bool(np.isfinite(curve.values[-1]))
        found[role] = Level(float(finite.values[at]), float(finite.steps[at]), float(finite.values[-1]), ended)
    return found


def _values(diagnoses: Sequence[Diagnosis]) -> list[Row]:
    """The best value of each main curve, with its step, and the last one."""
    rows = []
    of_runs = [levels(d.run) for d in diagnoses]
    for role in MAIN_ROLES:
        known = [found.get(role) for found in of_runs]
        if not any(known):
            continue
        sign = between_runs.worse_by(role)
        places = ["" if level is None else f" at {number(level.step, 6)}" for level in known]
        rows.append(_row(f"{role}, best", [None if level is None else level.best for level in known], places, sign))
        lost = ["" if level is None or level.ended else ", then not finite" for level in known]
        rows.append(_row(f"{role}, last", [None if level is None else level.last for level in known], lost, sign))
    return rows


def _row(title: str, values: Sequence[float | None], behind: Sequence[str], sign: float) -> Row:
    """A row of numbers, the best of them marked where they differ."""
    known = [sign * value for value in values if value is not None]
    best = frozenset(i for i, v in enumerate(values) if v is not None and sign * v == min(known))
    cells = tuple(NOTHING if v is None else number(v) + after for v, after in zip(values, behind, strict=True))
    return Row(title, cells, best if len(set(known)) > 1 else frozenset())


def _config(diagnoses: Sequence[Diagnosis]) -> list[Row]:
    """The settings that not all runs have alike."""
    differing = differences.differing([d.run for d in diagnoses])
    return [Row(one_line(name), tuple(map(_setting, values))) for name, values in differing.items()]


def _setting(value: float | str | bool | None) -> str:
    if value is None:
        return NOTHING
    text = f"{value:g}" if isinstance(value, float) else one_line(str(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
