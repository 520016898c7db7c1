"""Who plays which role in one run: `diagnose.names.roles` asked with the names, and with where the values stand."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import numpy.typing as npt

from diagnose.curves import Array, Series
from diagnose.names import roles
from diagnose.names.roles import Facets
from diagnose.readers.runs import guesses
from diagnose.readers.runs.layout import Part
from diagnose.readers.tables.table import Column

Mask = npt.NDArray[np.bool_]

_NAMELESS = frozenset({"value", "values", "y", "data", "history", "curve", "scalar"})
"""Names that say nothing about a curve."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The columns of one run by the names that `diagnose.names.roles` should see.

    metrics: column -> its name without that of the run.
    facets: column -> what that name means.
    fixed: canonical name -> column where the user or the format says so.
    apart: the metrics that only an evaluation logged.
    whole: the metrics that hold whole numbers alone, as a list of files or of labels does.
    guessed: the columns whose values say what they are.
    stem: the name of the file, which may say what its only curve is.
    """

    metrics: Mapping[str, str]
    facets: Mapping[str, Facets]
    fixed: Mapping[str, str]
    apart: frozenset[str]
    whole: frozenset[str]
    guessed: frozenset[str]
    stem: str

    @classmethod
    def of(cls, part: Part, columns: Mapping[str, Column], fixed: Mapping[str, str], source: str) -> Cast:
        """The cast of the columns of a part; source is the path or address of the log."""
        metrics = {name: part.metric(name) for name in columns}
        facets = {name: part.facets[name] for name in columns}
        stem = PurePath(source).stem
        guessed = guesses.readings(columns, facets, stem)
        facets |= guessed
        facets |= guesses.of_file(facets, stem)
        plain = {name: column for name, column in columns.items() if not facets[name].quantity}
        whole = frozenset(metrics[name] for name, column in plain.items() if guesses.is_whole(column))
        return cls(metrics, facets, fixed, _apart(columns, facets), whole, frozenset(guessed), stem)

    def of_columns(self, columns: Mapping[str, Column]) -> dict[str, str]:
        """Canonical name -> column, before anything is known about the x axis."""
        return self._assign({name: _facts(c.values, c.logged, name in self.apart) for name, c in columns.items()})

    def of_series(self, series: Mapping[str, Series]) -> dict[str, str]:
        """Canonical name -> column among the series that were made of the columns."""
        return self._assign({name: _facts(s.values, None, name in self.apart) for name, s in series.items()})

    def remarks(self, found: Mapping[str, str], series: Mapping[str, Series]) -> list[str]:
        """What had to be decided, in sentences for the user."""
        said = roles.remarks({role: self.metrics[column] for role, column in found.items()}, self._named(series))
        column = found.get("train_loss")
        if column is not None and "train_loss" not in self.fixed and not self.facets[column].quantity:
            said.append(f"{column} is the only curve and is taken for the training loss")
        guessed = {role: name for role, name in found.items() if name in self.guessed and role not in self.fixed}
        return said + [f"{name} is taken for the {role}, by its values" for role, name in guessed.items()]

    def is_vague(self, column: str) -> bool:
        """Whether the name (`cost`, `energy`, `score`) is that of a curve in a log only, and of anything elsewhere."""
        return self.facets[column].kind in ("error", "score")

    def _named(self, columns: Iterable[str]) -> dict[str, Facets]:
        """The metrics of columns, each with what its name means."""
        return {self.metrics[column]: self.facets[column] for column in columns}

    def _assign(self, facts: Mapping[str, roles.ColumnFacts]) -> dict[str, str]:
        columns = {self.metrics[name]: name for name in facts}
        fixed = tuple((role, self.metrics[column]) for role, column in self.fixed.items() if column in facts)
        found = dict(_assigned(tuple((self.metrics[n], self.facets[n], fact) for n, fact in facts.items()), fixed))
        if not any(role in found for role in roles.MAIN_ROLES):
            found |= self._only_curve(facts)
        return {role: columns[metric] for role, metric in found.items()}

    def _only_curve(self, facts: Mapping[str, roles.ColumnFacts]) -> dict[str, str]:
        """A log of one curve without a name: what its file is called (a TensorBoard export), else a loss.

        `np.savetxt("history.csv", losses)` leaves just that.
        """
        parsed = self._named(name for name in facts if facts[name].points > 1)
        curves = [metric for metric, facets in parsed.items() if not facets.quantity]
        places = [metric for metric, facets in parsed.items() if facets.counts or facets.quantity == "time"]
        if len(curves) != 1 or len(curves) + len(places) < len(parsed):
            return {}
        named = roles.assign([self.stem])
        if not named and curves[0] in self.whole:
            return {}
        if places and _NAMELESS.isdisjoint(parsed[curves[0]].words):
            return {}
        return {next(iter(named), "train_loss"): curves[0]}


@functools.lru_cache(maxsize=256)
def _assigned(
    columns: tuple[tuple[str, Facets, roles.ColumnFacts], ...], fixed: tuple[tuple[str, str], ...]
) -> Mapping[str, str]:
    """Canonical name -> metric, once for all logs that have the same columns.

    columns: metric, what its name means, and the facts of its values; fixed: canonical name and metric.
    """
    parsed = {metric: facets for metric, facets, _ in columns}
    return roles.assign(parsed, stats={metric: fact for metric, _, fact in columns}, overrides=dict(fixed))


def _apart(columns: Mapping[str, Column], facets: Mapping[str, Facets]) -> frozenset[str]:
    """Metrics that name no split and stand in no row with a training loss: an evaluation logged them.

    They must be rarer than the loss, unless every loss says that it is of training and no metric of what else it is.
    """
    losses = {n: f for n, f in facets.items() if f.quantity == "loss" and f.split in ("", "train")}
    metrics = {n: f for n, f in facets.items() if f.quantity == "accuracy"}
    candidates = [name for name, f in metrics.items() if not f.split]
    if not losses or not candidates:
        return frozenset()
    training = np.logical_or.reduce([columns[name].logged for name in losses])
    told = all(f.split == "train" for f in losses.values()) and len(candidates) == len(metrics)
    most = np.count_nonzero(training) / (1 if told else 2)
    return frozenset(
        name
        for name in candidates
        if np.count_nonzero(columns[name].logged) <= most and not np.any(columns[name].logged & training)
    )


def _facts(values: Array, logged: Mask | None, apart: bool) -> roles.ColumnFacts:
    """Number of points, whether they are all the same number, and whether they stand apart.

    logged: None where every value is a point.
    """
    points = values.size if logged is None else int(np.count_nonzero(logged))
    if not points:
        return roles.ColumnFacts(0)
    there = slice(None) if logged is None else logged
    head = values[:1000] if logged is None else values[:1000][logged[:1000]]
    if bool(np.any(head[1:] != head[:-1])):  # the usual case, without a look at a million rows
        return roles.ColumnFacts(points, apart=apart)
    points_there = values[there]
    return roles.ColumnFacts(points, bool(np.all(points_there == points_there[0])), apart)
