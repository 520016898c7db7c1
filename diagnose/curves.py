"""Curves as a log holds them: `Series` (steps and values of one logged quantity) and `Run` (all of one training).

Two facts about a log that most tools lose are kept apart here:

- a value that was *logged as* NaN or infinity stands in `Series.values`;
- a value that was *not logged* is simply no point of the series.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
"""One-dimensional array of 64-bit floats."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The points of one logged quantity.

    name: the column's name, as the log spells it.
    steps: shape (n,), non-decreasing; the unit is `Run.axis`.
    values: shape (n,); NaN and infinity are values that were logged as such.
    blank_from: the step from which the cells of this column are blank while the log goes on in other columns of the
        same rows (pandas writes NaN as a blank cell, so this may be a NaN); None where that is not the case.
    """

    name: str
    steps: Array
    values: Array
    blank_from: float | None = None

    def __post_init__(self) -> None:
        if self.steps.shape != self.values.shape or self.steps.ndim != 1:
            raise ValueError(
                f"series {self.name!r}: steps {self.steps.shape} and values {self.values.shape} must be "
                "one-dimensional and of one length"
            )

    def __len__(self) -> int:
        return int(self.values.size)

    def finite(self) -> Series:
        """The same series without its NaN and infinite points."""
        keep = np.isfinite(self.values)
        if np.count_nonzero(keep) == keep.size:  # a tenth of the cost of `keep.all()`, a hundred times per run
            return self
        return Series(self.name, self.steps[keep], self.values[keep], self.blank_from)


@dataclass(frozen=True, eq=False)
class Run:
    """One training: its series, what role each plays, and the configuration that came with it.

    name: short name for tables, unique within one call where the sources allow it.
    series: column name -> Series, in the order of the log.
    roles: canonical name (`train_loss`, `val_loss`, `learning_rate` ...) -> column name; see `diagnose.names.roles`.
    config: hyperparameters by canonical name where it is known (`optimizer`, `batch_size`), else as the log spells it.
    source: path or address the run was read from.
    format: name of the reader that recognised it, such as `lightning-csv`.
    axis: what the steps count: `epoch`, `step`, or `row` where the log has no axis of its own.
    notes: what the reader had to decide, in sentences for the user.
    logged: `points` before the series were thinned (see `diagnose.judging.kept`); 0 where they are whole.
    lines: the line of the source, from 1, that each step stands on; None where the reader does not know.
    resumes: the step that was reached before each resume, and the one to which the log went back.
    """

    name: str
    series: Mapping[str, Series]
    roles: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    format: str = ""
    axis: str = "step"
    notes: tuple[str, ...] = ()
    logged: int = 0
    lines: Series | None = None
    resumes: tuple[tuple[float, float], ...] = ()

    def curve(self, role: str) -> Series | None:
        """The series that plays `role`, or None where the log has none."""
        column = self.roles.get(role)
        return None if column is None else self.series.get(column)

    def family(self, name: str) -> dict[str, Series]:
        """The series of the columns `name/...`, or `.../name/...`, by what comes after the name, in order."""
        found, inside = {}, f"/{name}/"
        for column, series in self.series.items():
            _, here, member = f"/{column}".partition(inside)
            if here and member:
                found[member] = series
        return found

    def hyperparameter(self, name: str) -> Any:
        """The value of a hyperparameter by canonical name, from the config or, for a schedule, the peak of its curve.

        None where neither knows it.
        """
        if name in self.config:
            return self.config[name]
        curve = self.curve(name)
        finite = None if curve is None else curve.finite()
        return float(finite.values.max()) if finite is not None and len(finite) else None

    @property
    def points(self) -> int:
        """Number of points of the longest series that plays a role (of any series where none does), as logged."""
        if self.logged:
            return self.logged
        columns = [c for c in self.roles.values() if c in self.series] or list(self.series)
        return max((len(self.series[c]) for c in columns), default=0)

    @property
    def last_step(self) -> float:
        """The last step at which anything was logged; NaN for a run without points."""
        return max((float(s.steps[-1]) for s in self.series.values() if len(s)), default=float("nan"))
