"""A table that compares runs: a run in each column or in each row, named by a fold, a seed, an optimizer or a setting.

`epoch,adam_loss,sgd_loss` holds two runs, as `epoch,fold1_train_loss,fold1_val_loss,fold2_train_loss,...` does; but
`epoch,box_loss,cls_loss` the parts of one loss. What tells them apart is that the names are those of runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from diagnose.names import hyperparameters, optimizers, roles
from diagnose.names.roles import Facets
from diagnose.readers.tables.table import Column, Table

_FEWEST = 2  # runs that make a comparison
_MOST = 64
_SEPARATORS = " _-/.:"
_NUMBERED = re.compile(
    r"(?:fold|run|seed|trial|exp|experiment|cv|model|rep|repeat|replicate|client|worker)[ _#-]?\d{1,9}",
    re.IGNORECASE,
)
_SETTING = re.compile(r"([A-Za-z][A-Za-z_]{0,30})\s?=?\s?(\d{1,9}(?:\.\d{1,9})?(?:e-?\d{1,3})?)", re.IGNORECASE)
_ENDS = re.compile(r"([^\W_]+(?:[=#.-][^\W_]+)*)")
_VARIED = hyperparameters.SETTINGS - {"epochs", "max_steps", "num_classes", "warmup_steps"}
_PLACE = re.compile(r"([A-Za-z]{0,20})[ _#-]{0,2}(\d{1,9})")
_UNNAMED = re.compile(r"column \d+")
_ALIKE = 1.5  # factor within which losses of one task start
_LEARNED = 0.9  # share of where it started at which a loss has fallen
_THIRD = 3

VALUE = "value"
"""What a curve is called that only the name of its run says anything of."""


def by_column(table: Table, facets: Mapping[str, Facets]) -> dict[str, dict[str, str]]:
    """Run -> column -> the metric in its name, where each column is of one of several runs; {} where it is not.

    facets: what the names of the columns mean. Columns that count or say the time belong to all runs.
    """
    curves = [name for name in table.columns if not facets[name].counts and facets[name].quantity != "time"]
    if not _FEWEST <= len(curves) <= _MOST * _THIRD:
        return {}
    runs: dict[str, dict[str, str]] = {}
    for name in curves:
        label, metric = _taken_apart(name)
        if not label or (metric and not roles.parse(metric).quantity):
            return _of_models(table, facets, curves)
        runs.setdefault(label, {})[name] = metric or VALUE
    metrics = {frozenset(roles.parse(metric) for metric in columns.values()) for columns in runs.values()}
    return runs if _FEWEST <= len(runs) <= _MOST and len(metrics) == 1 else {}


def _taken_apart(name: str) -> tuple[str, str]:
    """The name of the run that a name starts or ends with, and what is left; ("", the name) where there is none."""
    name = name.strip()
    for found in (_NUMBERED.match(name), next(iter(_NUMBERED.finditer(name)), None)):
        if found is not None and (found.start() == 0 or found.end() == len(name)):
            return found[0], (name[: found.start()] + name[found.end() :]).strip(_SEPARATORS)
    ends = [found.span() for found in _ENDS.finditer(name)]
    for start, stop in (*ends[:1], *ends[-1:]):
        if _names_setting(name[start:stop]):
            return name[start:stop], (name[:start] + name[stop:]).strip(_SEPARATORS)
    return ("", name) if not _names_setting(name) else (name, "")


def _names_setting(word: str) -> bool:
    """Whether a word is the name of an optimizer, or of a hyperparameter with its value."""
    if word.casefold() in optimizers.NAMES:
        return True
    setting = _SETTING.fullmatch(word)
    return setting is not None and hyperparameters.hyperparameter(setting[1].strip("_")) in _VARIED


def _of_models(table: Table, facets: Mapping[str, Facets], curves: Sequence[str]) -> dict[str, dict[str, str]]:
    """Runs with names of their own over an axis that they share: all start alike and learn, and all else is told."""
    counted = any(facets[name].quantity in roles.AXES for name in table.columns)
    if not counted or table.text or any(facets[name].quantity or not _may_name_model(name) for name in curves):
        return {}
    starts = []
    for name in curves:
        column = table.columns[name]
        values = column.values[column.logged]
        values = values[np.isfinite(values)]
        if values.size < roles.FEW_POINTS or np.median(values[-(values.size // _THIRD or 1) :]) > _LEARNED * values[0]:
            return {}
        starts.append(float(values[0]))
    alike = min(starts) > 0 and max(starts) <= _ALIKE * min(starts)
    return {name: {name: VALUE} for name in curves} if alike else {}


def _may_name_model(name: str) -> bool:
    """Whether a name is one that a person gave, and not that of a set of data or a sum."""
    words = roles.words(name)
    said = {*roles.SPLITS, "total", "all", "sum"}
    return _UNNAMED.fullmatch(name) is None and any(word not in said and not word.isdigit() for word in words)


def upright(table: Table) -> Table:
    """The table turned where its columns are numbered places and its rows are curves with a name each."""
    labels = next(iter(table.text.values()), [])
    places = [_PLACE.fullmatch(name) for name in table.columns]
    numbers = [int(place[2]) for place in places if place is not None]
    kinds = {place[1].casefold() for place in places if place is not None}
    if len(numbers) < max(roles.FEW_POINTS, len(places)) or len(kinds) != 1 or len(table.text) != 1:
        return table
    counter = kinds.pop()
    if len(set(labels)) != len(labels) or any(later != former + 1 for former, later in pairwise(numbers)):
        return table
    if counter and not roles.parse(counter).counts:
        return table
    rows = list(table.columns.values())
    columns = {
        label: Column(
            np.array([column.values[i] for column in rows]),
            np.array([column.logged[i] for column in rows], dtype=np.bool_),
        )
        for i, label in enumerate(labels)
    }
    place = Column(np.array(numbers, dtype=np.float64), np.ones(len(numbers), dtype=np.bool_))
    return Table(
        table.format,
        {counter or "step": place, **columns},
        len(rows),
        name=table.name,
        config=table.config,
        notes=table.notes,
    )
