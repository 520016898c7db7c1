"""The inputs that rules may ask for, one provider each; `diagnose.judging.inputs` says how they are called."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from diagnose.curves import Array, Run, Series
from diagnose.judging.inputs import plain
from diagnose.measure.align import align
from diagnose.measure.curve import Curve
from diagnose.measure.intervals import taken
from diagnose.names import columns
from diagnose.names.sets import curves_of
from diagnose.rule import CannotJudge


class Aligned(NamedTuple):
    """Curves on one axis: its steps, shape (n,), and the values of each curve by name, shape (n,) and all finite."""

    steps: Array
    curves: Mapping[str, Array]


Alignment = Callable[[tuple[str, ...]], Aligned | None]
"""Brings the curves of these names, those that the log has, to one axis; None where it has none of them."""


# --- under any name


def series(name: str, run: Run) -> Series | None:
    """A curve as it was logged."""
    return run.curve(name)


def array(curve: Series, /, name: str, arrays: tuple[str, ...], alignment: Alignment) -> Array | None:
    """The finite values of a curve, shape (n,), aligned with every other that is asked for as an array."""
    aligned = alignment(arrays)
    return None if aligned is None else aligned.curves[name]


def curve(logged: Series, /, name: str) -> Curve | None:
    """The finite part of a curve with the one model of it, which is made once for all rules."""
    finite = logged.finite()
    return Curve(finite) if len(finite) else None


def family(name: str, run: Run) -> Mapping[str, Series] | None:
    """The curves `name/...` by what comes after the name."""
    return run.family(name) or None


def text(name: str, run: Run) -> str:
    """A hyperparameter that is a word."""
    return str(_hyperparameter(name, run, str))


def whole(name: str, run: Run) -> int:
    """A hyperparameter that is a whole number."""
    return int(_hyperparameter(name, run, int))


def number(name: str, run: Run) -> float:
    """A hyperparameter that is a number, whole or not."""
    return float(_hyperparameter(name, run, float, int))


def switch(name: str, run: Run) -> bool:
    """A hyperparameter that is on or off."""
    return bool(_hyperparameter(name, run, bool))


def _hyperparameter(name: str, run: Run, *kinds: type) -> Any:
    """The run's value, of one of these kinds; a bool is no number. Raises CannotJudge where it has none."""
    value = run.hyperparameter(name)
    if isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)):
        return value
    raise CannotJudge(unset(name))


def unset(name: str) -> str:
    """`the log's config has no weight_decay`."""
    return f"the log's config has no {plain(name)}"


HYPERPARAMETERS = (text, whole, number, switch)
"""Those that read the config, or the curve of the same name; they have nothing where it has neither."""


# --- under their own names


def axis(run: Run) -> str:
    """What the steps count: `epoch`, `step` or `row`."""
    return run.axis


def last_step(run: Run) -> float:
    """The last step at which anything was logged."""
    return run.last_step


def resumes(run: Run) -> Sequence[tuple[float, float]]:
    """The step that was reached before each resume, and the one to which the log went back."""
    return run.resumes


class Speed(NamedTuple):
    """A curve that tells how fast the training was. inverse: it is the time that each point took."""

    series: Series
    inverse: bool


def speeds(run: Run) -> Sequence[Speed] | None:
    """What the training did per second, and the times that its points took."""
    throughput = run.curve("throughput")
    found = [] if throughput is None else [Speed(throughput.finite(), inverse=False)]
    clocks = columns.times(run) or {}
    return [*found, *(Speed(taken(clock), inverse=True) for clock in clocks.values() if len(clock) > 1)] or None


def config(run: Run) -> Mapping[str, Any]:
    """The whole configuration of the run."""
    return run.config


def validation_losses(run: Run) -> Mapping[str, Curve]:
    """The losses on two or more validation sets, by their roles (see `diagnose.names.sets`)."""
    return _on_sets("val_loss", run)


def validation_accuracies(run: Run) -> Mapping[str, Curve]:
    """The accuracies on two or more validation sets, by their roles."""
    return _on_sets("val_accuracy", run)


def _on_sets(role: str, run: Run) -> Mapping[str, Curve]:
    """The finite curves of a role on all sets. Raises CannotJudge where there are not two."""
    finite = {name: run.series[column].finite() for name, column in curves_of(role, run).items()}
    curves = {name: Curve(series) for name, series in finite.items() if len(series)}
    if len(curves) < 2:
        raise CannotJudge(f"the log has not {plain(role)} on two validation sets")
    return curves


def step(arrays: tuple[str, ...], alignment: Alignment) -> Array | None:
    """The common axis of the arrays, shape (n,)."""
    aligned = alignment(arrays)
    return None if aligned is None else aligned.steps


def alignment(run: Run) -> Alignment:
    """The alignment of the run's curves, which is made once for all rules that ask for the same of them."""

    @functools.cache
    def aligned(names: tuple[str, ...]) -> Aligned | None:
        curves = {name: curve for name in names if (curve := run.curve(name)) is not None}
        if not curves:
            return None
        steps, values = align(list(curves.values()))
        return Aligned(steps, dict(zip(curves, values, strict=True)))

    return aligned


PROVIDERS = (
    series,
    array,
    curve,
    family,
    text,
    whole,
    number,
    switch,
    axis,
    last_step,
    resumes,
    speeds,
    config,
    step,
    alignment,
    validation_losses,
    validation_accuracies,
    columns.perplexities,
    columns.loss_terms,
    columns.times,
    columns.accuracies,
    columns.r2_scores,
)
"""All of them."""
