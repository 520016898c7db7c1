"""What the cells of a column stand for: percent or fraction, undefined, blank because the loss was no number.

These are habits of the programs that write logs, seen through the values and not through the names alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.names import roles
from diagnose.names.roles import Facets
from diagnose.readers.tables.table import Column

_PERCENT = frozenset({"%", "percent", "percentage", "pct"})  # words of a name
_BLANK_ROWS = 3  # rows that a loss must be missing from at the end before this is more than a row left out
_BLANK_SHARE = 0.01  # of the rows of its companion


LARGEST, SMALLEST = 1e100, 1e-100
"""Magnitudes between which a value is judged as it is: their squares, and sums of these, are still numbers. No loss
lies beyond them in a training that computes in 32 bits."""


def bounded(column: Column) -> tuple[Column, bool]:
    """The column with finite values beyond `LARGEST` made that, and those below `SMALLEST` made 0; whether any was."""
    size = np.abs(column.values)
    beyond = (size > LARGEST) & (size < np.inf) & column.logged
    below = (size < SMALLEST) & (size > 0) & column.logged
    if not (beyond | below).any():
        return column, False
    kept = np.where(beyond, np.copysign(LARGEST, column.values), np.where(below, 0.0, column.values))
    return replace(column, values=kept), bool(beyond.any())


def without_sentinel(column: Column, facets: Facets) -> Column:
    """A mean average precision of -1 is COCO's "undefined" and was not logged. facets: of the column's name."""
    if facets.quantity != "accuracy" or not column.logged.any():
        return column
    sentinel = column.logged & (column.values == -1.0)
    if not sentinel.any() or bool(np.any(column.values[column.logged & ~sentinel] < 0)):
        return column
    return replace(column, logged=column.logged & ~sentinel)


def without_padding(columns: Mapping[str, Column], facets: Mapping[str, Facets]) -> dict[str, Column]:
    """The columns without the NaN that fill the rows before a resume, which all losses begin with and then leave."""
    losses = [n for n, f in facets.items() if n in columns and f.quantity == "loss" and columns[n].logged.any()]
    lengths = {_leading_nan(columns[name]) for name in losses}
    if len(lengths) != 1 or not (length := lengths.pop()) > _BLANK_ROWS:
        return dict(columns)
    padded = {name for name in columns if _leading_nan(columns[name]) == length}
    kept = np.arange(next(iter(columns.values())).values.size) >= length
    return {n: replace(c, logged=c.logged & kept) if n in padded else c for n, c in columns.items()}


def _leading_nan(column: Column) -> int:
    """How many rows come before the first number that is one; 0 where one of them is blank, or no other row follows."""
    numbers = np.flatnonzero(column.logged & ~np.isnan(column.values))
    first = int(numbers[0]) if numbers.size else 0
    return first if bool(np.all(column.logged[:first])) else 0


def fractions(
    series: Mapping[str, Series],
    found: Mapping[str, str],
    columns: Mapping[str, Column],
    facets: Mapping[str, Facets],
) -> tuple[dict[str, Series], list[str]]:
    """The series with accuracies in percent made fractions, and a note that says which.

    facets: what the names of the columns mean, here and below.
    """
    scaled = dict(series)
    family = [name for name in series if facets[name].quantity == "accuracy" and facets[name].kind != "score"]
    percents: list[str] = []
    for role in ("train_accuracy", "val_accuracy"):
        name = found.get(role)
        others = [series[other] for other in family if other != name]
        if name is None or not _is_percent(series[name], columns[name], facets[name], others):
            continue
        scaled[name] = replace(series[name], values=series[name].values / 100.0)
        percents.append(name)
    if not percents:
        return scaled, []
    return scaled, [f"{' and '.join(percents)}: read as percent, shown as a fraction"]


def minimised(
    series: Mapping[str, Series], found: Mapping[str, str], facets: Mapping[str, Facets]
) -> tuple[dict[str, Series], list[str]]:
    """The series with every loss that is maximised (an ELBO, a log-likelihood) negated, and a note that says which."""
    names = [name for role, name in found.items() if "loss" in role and _grows(series[name], facets[name])]
    if not names:
        return dict(series), []
    negated = {name: replace(series[name], values=-series[name].values) for name in names}
    return {**series, **negated}, [f"{' and '.join(names)}: maximised, and judged as a loss with the sign turned"]


def _grows(series: Series, facets: Facets) -> bool:
    """Whether a term is meant to grow: by its name, and because it is negative throughout or does grow.

    The negative of an ELBO is often called by the same name: it is positive, and falls.
    """
    values = series.values[np.isfinite(series.values)]
    if not roles.is_maximised(facets) or not values.size:
        return False
    part = max(1, values.size // 3)
    return bool(values.max() < 0.0) or float(np.median(values[-part:])) > float(np.median(values[:part]))


def _is_percent(series: Series, column: Column, facets: Facets, family: Sequence[Series]) -> bool:
    """Whether an accuracy-like column is in percent: by its cells, its name, its values, or its family."""
    level = _level(series.values)
    if level is None or facets.kind == "score":
        return False
    low, middle, high = level
    if low < 0 or high > 100.5:
        return False
    if column.percent or high > 1.5:
        return True
    if high > 1.0 and not _PERCENT.isdisjoint(facets.words):
        return True
    for sibling in family:  # 0.4 beside 2.3 is two percentages; 0.4 beside 43.0 is a fraction beside a percentage
        other = _level(sibling.values)
        if other is None or not 1.5 < other[2] <= 100.5 or other[0] < 0:
            continue
        if middle > 0 and other[1] > 0 and abs(np.log(middle / other[1])) < abs(np.log(100 * middle / other[1])):
            return True
    return False


def _level(values: Array) -> tuple[float, float, float] | None:
    """Lowest, middle and highest finite value; None where there is none."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    return float(finite.min()), statistics.median(finite), float(finite.max())


def with_blank_tails(
    series: Mapping[str, Series],
    found: Mapping[str, str],
    columns: Mapping[str, Column],
    facets: Mapping[str, Facets],
    steps: Array,
) -> dict[str, Series]:
    """The series with `blank_from` set on each loss with a role that stops while the columns of its own rows go on."""
    marked = dict(series)
    for name in found.values():
        if facets[name].quantity != "loss" or facets[name].extreme or columns[name].logged[-1]:
            continue
        row = _blank_row(name, columns, facets)
        if row is not None:
            marked[name] = replace(series[name], blank_from=float(steps[row]))
    return marked


def _blank_row(name: str, columns: Mapping[str, Column], facets: Mapping[str, Facets]) -> int | None:
    """The first row after a loss's last point in which its companions are logged and it is not.

    A companion is a column of the same split that was logged wherever the loss was, and hardly anywhere else, until the
    loss stopped: that is a column written by the same call.
    """
    logged = columns[name].logged
    last = int(logged.size - 1 - np.argmax(logged[::-1]))
    split = facets[name].split or "train"
    points = int(np.count_nonzero(logged))
    for other, column in columns.items():
        named = facets[other]
        if other == name or not named.quantity or named.counts or (named.split or "train") != split:
            continue
        tail = np.flatnonzero(column.logged[last + 1 :])
        before = column.logged[: last + 1]
        rows = int(np.count_nonzero(before))
        if tail.size < max(_BLANK_ROWS, _BLANK_SHARE * (rows + tail.size)) or points < 0.8 * rows:
            continue
        if int(np.count_nonzero(before & logged[: last + 1])) >= 0.9 * points:
            return last + 1 + int(tail[0])
    return None


def constant_metric(found: Mapping[str, str], series: Mapping[str, Series], facets: Mapping[str, Facets]) -> list[str]:
    """The note on a metric that stands beside durations that are the same in every row, and is the same itself."""
    constant = [
        name for name, s in series.items() if len(s) >= roles.FEW_POINTS and bool(np.all(s.values == s.values[0]))
    ]
    durations = [name for name in constant if facets[name].quantity == "time"]
    metrics = [found[role] for role in ("train_accuracy", "val_accuracy") if found.get(role) in constant]
    if not durations or not metrics:
        return []
    return [f"{metrics[0]} is the same in every row, as {durations[0]} is: perhaps the final value written to all rows"]
