"""From a table to runs: what the x axis is, which rows belong together, which column plays which role.

The readers of the formats stop at the table; everything that needs to know what a column *means* happens here, once for
all formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from diagnose import errors
from diagnose.curves import Array, Run, Series
from diagnose.errors import ReadError
from diagnose.names import config as configuration
from diagnose.names import roles
from diagnose.names.roles import Facets
from diagnose.readers.runs import axis as axes
from diagnose.readers.runs import evaluation_sets, layout, trainings, values
from diagnose.readers.runs.casting import Cast
from diagnose.readers.runs.refusals import no_curve, refuse, too_short
from diagnose.readers.tables.table import Column, Table

NO_AXIS = "no column counts the epochs: each row is one, from 0, since each has a validation"

UNORDERED = "the rows do not stand in the order of the {}: sorted by it"

Mask = npt.NDArray[np.bool_]


def runs(table: Table, *, source: str, overrides: Mapping[str, str] | None = None) -> list[Run]:
    """Make runs of a table: one, or several where the table holds several (by a run column, or a W&B export).

    source: path or address, for `Run.source` and for the name where the table has none.
    overrides: canonical name -> column, as from `--map`; `epoch` or `step` name the x axis.
    Raises ReadError where the table is no training log or has no curve of `roles.FEW_POINTS` points, ValueError where
    an override names an unknown role or column.
    """
    made: list[Run] = []
    failed: list[ReadError | ValueError] = []
    with np.errstate(over="ignore", invalid="ignore"):  # a log holds infinities; what is made of them compares as false
        facets = roles.named((*table.columns, *table.text))
        refuse(table, facets)
        for part in layout.parts(table, facets):
            try:
                made.append(_run(part, source, overrides or {}))
            except (ReadError, ValueError) as error:
                failed.append(error)
    if not made:
        raise failed[0]
    if failed:
        count = f"{len(failed)} of {len(failed) + len(made)} runs in the file left out"
        made = [replace(run, notes=(*run.notes, f"{count}: {failed[0]}")) for run in made]
    return made


def _run(part: layout.Part, source: str, overrides: Mapping[str, str]) -> Run:
    """One run of one part of a table."""
    table, facets = part.table, part.facets
    table, bounds_notes = _within_bounds(table)
    columns = {name: values.without_sentinel(column, facets[name]) for name, column in table.columns.items()}
    columns = values.without_padding(columns, facets)
    config, config_notes = _hyperparameters(table)
    fixed = _fixed(table, part, overrides)
    cast = Cast.of(part, columns, fixed, source)
    curves = _curves(cast.of_columns(columns))
    if not curves:
        raise no_curve(table, facets)
    axis = axes.find(table, facets, curves, _given_axis(part, fixed))
    if axis.name == "row" and all(name not in fixed.values() and cast.is_vague(name) for name in curves):
        raise no_curve(table, facets)
    order = axes.out_of_order(axis, columns[curves[0]].logged)
    if order is not None:
        if axis.column in fixed.values() and np.any(axis.steps != np.rint(axis.steps)):
            raise ReadError(f"{axis.column}, named for {axis.name}, goes up and down, and counts nothing")
        columns = {name: _cut(column, order) for name, column in columns.items()}
        table = replace(table, lines=[table.lines[i] for i in order] if table.lines else ())
        axis = replace(axis, steps=axis.steps[order], notes=(*axis.notes, UNORDERED.format(axis.name)))
    selection = trainings.select(axis.steps, columns[curves[0]].logged, axis.name)
    steps = axis.steps[selection.rows]
    chosen = {name: _cut(column, selection.rows) for name, column in columns.items() if name != axis.column}
    series, repeated = _all_series(chosen, steps, selection.keep)
    found = cast.of_series(series)
    _check(found, series, part, {role: column for role, column in fixed.items() if role in overrides})
    if axis.name == "row" and _validates_every_row(found, series):
        axis = replace(axis, name="epoch", notes=(*axis.notes, NO_AXIS))
    if axis.name != "epoch":
        found |= _epochs(series, facets)
    found |= evaluation_sets.others(found, series, cast.facets)
    series, turn_notes = values.minimised(series, found, facets)
    scaled, scale_notes = values.fractions(series, found, columns, facets)
    if not part.shared:
        scaled = values.with_blank_tails(scaled, found, chosen, facets, steps)
    lines = _lines(table, steps, selection)
    return Run(
        name=part.name or table.name or PurePath(source).stem or "run",
        series=scaled,
        roles=found,
        config=config,
        source=source,
        format=table.format,
        axis=table.unit or axis.name,
        notes=(
            *table.notes,
            *part.notes,
            *axis.notes,
            *selection.notes,
            *_repetition(repeated, found, axis.name),
            *cast.remarks(found, series),
            *evaluation_sets.remarks(found),
            *values.constant_metric(found, series, facets),
            *turn_notes,
            *scale_notes,
            *bounds_notes,
            *config_notes,
        ),
        lines=lines,
        resumes=selection.resumes,
    )


def _within_bounds(table: Table) -> tuple[Table, tuple[str, ...]]:
    """The table without numbers that nothing can be computed of, and a note where there were any."""
    found = {name: values.bounded(column) for name, column in table.columns.items()}
    beyond = [name for name, (_, any_beyond) in found.items() if any_beyond]
    note = f"{', '.join(beyond[:3])}: values beyond {values.LARGEST:g} are taken for {values.LARGEST:g}"
    bounded = replace(table, columns={name: column for name, (column, _) in found.items()})
    return bounded, (note,) if beyond else ()


def _validates_every_row(found: Mapping[str, str], series: Mapping[str, Series]) -> bool:
    """Whether training and validation have a point in each of the same rows, as one epoch after the other has."""
    pairs = (("train_loss", "val_loss"), ("train_accuracy", "val_accuracy"))
    return any(
        train in found and val in found and np.array_equal(series[found[train]].steps, series[found[val]].steps)
        for train, val in pairs
    )


def _epochs(series: Mapping[str, Series], facets: Mapping[str, Facets]) -> dict[str, str]:
    """The role `epoch`, where a log by steps says beside each which epoch it belongs to."""
    columns = [name for name, s in series.items() if len(s) > 1 and facets[name].quantity == "epoch"]
    return {"epoch": columns[0]} if columns else {}


def _hyperparameters(table: Table) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The configuration that came with the log, by canonical name, and a note where it cannot be used."""
    try:
        return configuration.normalise(table.config), ()
    except errors.ConfigError as error:
        return {}, (f"the configuration in the log is not used: {error}",)


def _fixed(table: Table, part: layout.Part, overrides: Mapping[str, str]) -> dict[str, str]:
    """Roles that the user or else the format fixes, by the columns of this part."""
    by_metric = {part.metric(name): name for name in table.columns}
    wanted = {role: by_metric.get(column, column) for role, column in overrides.items()}
    fixed = roles.check_overrides(table.columns, wanted)
    for role, column in table.roles.items():
        if role not in fixed and column in table.columns and column not in fixed.values():
            fixed[role] = column
    return fixed


def _given_axis(part: layout.Part, fixed: Mapping[str, str]) -> tuple[str, str] | None:
    """(axis name, column) where the user or the format says which column is the axis."""
    for name in roles.AXES:
        if name in fixed:
            return name, fixed[name]
    axis = part.table.axis
    if axis is not None and axis in part.table.columns:
        return part.facets[axis].quantity or "step", axis
    return None


def _curves(found: Mapping[str, str]) -> list[str]:
    """Columns whose points must not collapse on the axis, the main one first."""
    order = ("train_loss", "train_accuracy", "reward", "val_loss", "val_accuracy", "val_reward", "train_loss_step")
    return [found[role] for role in (*order, "focus") if role in found]


def _cut(column: Column, rows: slice | npt.NDArray[np.intp]) -> Column:
    return Column(column.values[rows], column.logged[rows], column.percent)


# --- series -----------------------------------------------------------------------------------------------------------


def _all_series(
    columns: Mapping[str, Column], steps: Array, keep: Mask | None
) -> tuple[dict[str, Series], dict[str, int]]:
    """The series of every column that logged anything, and how many points of it repeated a step.

    A column with a cell in every row shares its memory with the table.
    """
    rising = steps.size < 2 or bool(np.all(steps[1:] > steps[:-1]))
    series: dict[str, Series] = {}
    repeated: dict[str, int] = {}
    for name, column in columns.items():
        there = column.logged if keep is None else column.logged & keep
        if not there.any():
            continue
        x, y = (steps, column.values) if there.all() else (steps[there], column.values[there])
        if not rising:
            x, y, repeated[name] = _ordered(x, y)
        series[name] = Series(name, x, y)
    return series, repeated


def _lines(table: Table, steps: Array, selection: trainings.Selection) -> Series | None:
    """The first line of the source on which each step stands; None where the lines are not known."""
    if not table.lines:
        return None
    lines = np.asarray(table.lines[selection.rows], dtype=np.float64)
    if selection.keep is not None:
        steps, lines = steps[selection.keep], lines[selection.keep]
    there = np.isfinite(steps)
    steps, first = np.unique(steps[there], return_index=True)
    return Series("line", steps, lines[there][first])


def _ordered(x: Array, y: Array) -> tuple[Array, Array, int]:
    """Points by step with the last value of each step, and how many were dropped."""
    if bool(np.any(x[1:] < x[:-1])):
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
    last = np.append(x[1:] != x[:-1], True)
    dropped = int(x.size - np.count_nonzero(last))
    return (x[last], y[last], dropped) if dropped else (x, y, 0)


def _repetition(repeated: Mapping[str, int], found: Mapping[str, str], axis: str) -> list[str]:
    """The note on steps that a main curve logged more than once."""
    counts = {column: repeated.get(column, 0) for role, column in found.items() if role in roles.MAIN_ROLES}
    column = max(counts, key=lambda name: counts[name])
    if counts[column] <= 1:  # the row that a framework writes once more when a run ends changes nothing
        return []
    return [f"{axis} repeats in {counts[column]} points of {column}: the last value of each {axis} is used"]


def _check(
    found: Mapping[str, str], series: Mapping[str, Series], part: layout.Part, wanted: Mapping[str, str]
) -> None:
    """Raise ReadError where no main curve has points enough, or a curve that the user named has none at all.

    A loss that is not finite needs no more points to say so.
    """
    for role, column in wanted.items():
        if role in roles.ROLES and column not in series:
            blank = not part.table.columns[column].logged.any()
            why = "is blank in every row" if blank else "counts the points of the log"
            raise ReadError(f"{column}, named for {role}, {why}")
    main = {found[role]: len(series[found[role]]) for role in roles.MAIN_ROLES if role in found}
    if not main:
        raise no_curve(part.table, part.facets)
    broken = any(not np.isfinite(series[column].values).all() for column in main)
    if max(main.values()) < roles.FEW_POINTS and not broken:
        raise too_short(main, part.facets)
