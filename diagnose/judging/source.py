"""One source read and judged: what the caller wants of it, and what became of it.

asked = Wanted.of(select=("overfitting",))                # checked: SettingsError for what means nothing
outcome(source, asked).diagnoses                          # whatever goes wrong is part of the answer
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from diagnose import errors, limits
from diagnose import settings as project
from diagnose.curves import Run
from diagnose.errors import LimitError, ReadError, SettingsError
from diagnose.judging import kept
from diagnose.judging.engine import judge
from diagnose.judging.installed import known_rules, load_rules
from diagnose.judging.needs import compares_runs, needs_baseline, thresholds_of
from diagnose.measure import downsample
from diagnose.measure.between_runs import CURVES
from diagnose.names import config as configuration
from diagnose.names.roles import AXES, METRICS, ROLES, parse
from diagnose.readers import Source, read
from diagnose.rule import Diagnosis, Rule
from diagnose.settings import Settings

Keep = Literal["whole", "drawn", "extent"]
"""What the report keeps of each run: everything, the curves that it draws, or how far they reach."""

COMPARED_POINTS = 32
"""Points of each curve that are kept to compare runs with each other."""

_RANGES: Mapping[str, tuple[float, float, str]] = {
    **dict.fromkeys(
        ("train_accuracy", "val_accuracy"), (-math.inf, 100.5, "an accuracy is a fraction or a percentage")
    ),
    "learning_rate": (0.0, 100.0, "no learning rate is negative, or so large"),
    "grad_norm": (0.0, math.inf, "no norm is negative"),
    "throughput": (0.0, math.inf, "no throughput is negative"),
    "dead_units": (0.0, 100.0, "it is a share of the units"),
}
"""Role -> least and most that its curve can hold, and why."""

_AN: Mapping[str, str] = {"loss": "a loss", "accuracy": "an accuracy", "reward": "a reward"}
"""Quantity -> how it is said."""


@dataclass(frozen=True)
class Wanted:
    """What the caller and the settings ask for, checked. It travels to other processes: rules go by their ids."""

    rules: tuple[str, ...]
    thresholds: Mapping[str, Mapping[str, Any]]
    map: Mapping[str, str]
    config: Mapping[str, Any]
    settings: Settings
    baseline: tuple[Run, ...] = ()
    keep: Keep = "whole"
    compare: bool = False

    def without_baseline(self) -> Wanted:
        """The same without the rules that hold a run against earlier ones."""
        return replace(self, rules=tuple(name for name in self.rules if not needs_baseline(known_rules()[name])))

    @classmethod
    def of(
        cls,
        *,
        map: Mapping[str, str] | None = None,
        select: Iterable[str] | None = None,
        ignore: Iterable[str] | None = None,
        thresholds: Mapping[str, Mapping[str, Any]] | None = None,
        config: str | Path | Mapping[str, Any] | None = None,
        settings: Settings | None = None,
    ) -> Wanted:
        """What the caller asks for over the settings of the project; the arguments are those of `diagnose.diagnose`.

        Raises SettingsError for an unknown rule, role or threshold, or an unreadable config.
        """
        settings = settings or Settings()
        chosen = settings.select if select is None else _ids(select)
        return cls(
            rules=_rules(chosen, settings.ignore if ignore is None else _ids(ignore)),
            thresholds=_thresholds(settings.thresholds, thresholds or {}),
            map=_checked_map(map or {}),
            config=_config(config),
            settings=settings,
        )


def _config(given: str | Path | Mapping[str, Any] | None) -> dict[str, Any]:
    """The hyperparameters of a mapping or a file, by canonical name. Raises SettingsError where there are none."""
    try:
        if given is None or isinstance(given, Mapping):
            return configuration.normalise(given or {})
        return configuration.load(Path(given))
    except errors.ConfigError as error:
        raise SettingsError(str(error)) from error


def _ids(names: Iterable[str]) -> tuple[str, ...]:
    """Ids as a tuple; a single one may stand alone."""
    return (names,) if isinstance(names, str) else tuple(names)


def _rules(select: tuple[str, ...] | None, ignore: tuple[str, ...]) -> tuple[str, ...]:
    """The ids of the rules to apply, in their own order."""
    known = known_rules()
    groups = {name: rule.group for name, rule in known.items()}
    chosen = set(known if select is None else project.check_rules(select, groups))
    chosen -= set(project.check_rules(ignore, groups))
    if not chosen:
        raise SettingsError("no rule is left to apply; select more, or ignore fewer")
    return tuple(name for name in known if name in chosen)


def _thresholds(
    settings: Mapping[str, Mapping[str, Any]], given: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    checked = project.check_thresholds(given, {rule.id: thresholds_of(rule) for rule in load_rules()})
    return {rule: {**settings.get(rule, {}), **checked.get(rule, {})} for rule in {**settings, **checked}}


def _checked_map(given: Mapping[str, str]) -> Mapping[str, str]:
    for role in given:
        if role not in (*ROLES, *AXES):
            raise SettingsError(errors.unknown("role", role, (*ROLES, *AXES)))
    return given


class Outcome(NamedTuple):
    """What became of one source.

    compared: the runs as they are compared with each other; empty where they are not.
    error: why it is among the errors; "" where it is not. is_log: whether there was anything to judge, or to report.
    """

    diagnoses: list[Diagnosis]
    compared: list[Run]
    error: str = ""
    is_log: bool = True


def outcome(item: Any, wanted: Wanted) -> Outcome:
    """Read and judge one source; whatever goes wrong is part of the answer."""
    return outcome_of(lambda: read_runs(item, wanted), wanted)


def outcome_of(runs: Callable[[], Sequence[Run]], wanted: Wanted) -> Outcome:
    """Judge what `runs` reads; whatever goes wrong in either is part of the answer."""
    with limits.held(wanted.settings.limited()):
        return _outcome(runs, wanted)


def _outcome(runs: Callable[[], Sequence[Run]], wanted: Wanted) -> Outcome:
    try:
        found = [_judge(run, wanted) for run in runs()]
        error = _not_judged(found[0]) if found and all(d.not_judged and not d.judged for d in found) else ""
        compared = [downsample.means(d.run, CURVES, COMPARED_POINTS) for d in found] if wanted.compare else []
        if wanted.keep != "whole":
            found = [kept.judged(d, drawn=wanted.keep == "drawn") for d in found]
        return Outcome(found, compared, error)
    except ReadError as refusal:
        return Outcome([], [], str(refusal), is_log=isinstance(refusal, LimitError))
    except Exception as fault:
        return Outcome([], [], _unexpected(fault))


def _judge(run: Run, wanted: Wanted) -> Diagnosis:
    left_out = wanted.settings.ignored_for(run.source)
    if wanted.config:
        run = replace(run, config={**run.config, **wanted.config})
    return judge(
        run,
        [rule for rule in _of_one_run(wanted.rules) if rule.id not in left_out],
        thresholds=wanted.thresholds,
        baseline=[other for other in wanted.baseline if (other.source, other.name) != (run.source, run.name)],
    )


@functools.lru_cache(maxsize=16)  # an audit asks for the same ones of every run
def _of_one_run(names: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules of these ids that judge one run by itself."""
    return tuple(rule for name in names if not compares_runs(rule := known_rules()[name]))


def _not_judged(diagnosis: Diagnosis) -> str:
    """Why no rule could judge a run: the main of the reasons, and what to do where a column may be unrecognised."""
    reasons = {missing.reason for missing in diagnosis.not_judged}
    for role in ROLES:
        if f"the log has no {role}" in reasons:
            return f"no rule could judge it: the log has no {role}; if a column holds it: --map {role}=COLUMN"
    return f"no rule could judge it: {min(reasons, key=len)}"


def _unexpected(error: Exception) -> str:
    """What to say of a fault of ours; with DIAGNOSE_TRACEBACK set, the traceback goes to stderr."""
    if os.environ.get("DIAGNOSE_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    return (
        f"could not be judged for a fault in diagnose ({type(error).__name__}: {error}); please report this with the "
        "log; DIAGNOSE_TRACEBACK=1 shows where it happened"
    )


def read_runs(item: Any, wanted: Wanted) -> list[Run]:
    """The runs of a source. Raises ReadError."""
    return mapped(lambda overrides: read(item, overrides=overrides), wanted, twice=is_stored(item))


def mapped(read: Callable[[Mapping[str, str]], list[Run]], wanted: Wanted, *, twice: bool) -> list[Run]:
    """What `read` reads with the columns named as wanted. A column that only the settings of the project name may be
    absent: they are for many logs.

    twice: whether it can be read once more. Raises ReadError.
    """
    of_project = {role: column for role, column in wanted.settings.map.items() if role not in wanted.map}
    named = {**of_project, **wanted.map}
    try:
        return [_as_named(run, named) for run in read(named)]
    except ValueError as error:
        if not wanted.map and not of_project:
            raise
        if not of_project or not twice:
            raise ReadError(str(error)) from error
        note = f"the map of the settings was not applied: {error}"
    runs = mapped(read, replace(wanted, settings=Settings()), twice=twice)
    return [replace(run, notes=(*run.notes, note)) for run in runs]


def _as_named(run: Run, named: Mapping[str, str]) -> Run:
    """The run with a note on each column whose name says another thing than the role that it is named for.

    named: role -> column. Raises ValueError where a column holds what its role cannot.
    """
    notes = []
    for role in named:
        curve = run.curve(role)
        if curve is None or not len(finite := curve.finite()):
            continue
        low, high = float(finite.values.min()), float(finite.values.max())
        least, most, why = _RANGES.get(role, (-math.inf, math.inf, ""))
        if low < least or high > most:
            raise ValueError(f"{curve.name}, named for {role}, goes from {low:g} to {high:g}, and {why}")
        said, wanted = parse(curve.name).quantity, role.removeprefix("train_").removeprefix("val_")
        if said in METRICS and wanted in METRICS and said != wanted:
            notes.append(f"{curve.name} is judged as {role}, as it was said, and its name is that of {_AN[said]}")
    return replace(run, notes=(*run.notes, *notes)) if notes else run


def is_path(source: Any) -> bool:
    """Whether a source is named, and not handed over."""
    return isinstance(source, str | Path)


def is_stored(item: Any) -> bool:
    """Whether a source lies in files or at an address, and can be read again, by another process too."""
    return isinstance(item, Source) and bool(item.paths or item.address)


def label_of(item: Any) -> str:
    """What the report calls a source."""
    if isinstance(item, Source):
        return item.label
    return str(getattr(item, "name", "")) if hasattr(item, "read") else type(item).__name__
