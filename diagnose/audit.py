"""Judges one source or many: reads each, applies the rules, and gathers what was said in a `Report`.

    report = diagnose("run.csv")                    # or several sources, a directory, a pandas DataFrame
    for finding in report.findings:
        print(finding.rule, finding.summary)

Unlike the command line, the function reads no settings file unless it is handed the settings.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from diagnose import config as configuration
from diagnose import settings as project
from diagnose import siblings, thinning
from diagnose.curves import Run
from diagnose.engine import compares_runs, judge, judge_together, load_rules, needs_baseline, thresholds_of
from diagnose.readers import ReadError, Source, expand, no_log, read
from diagnose.roles import AXES, ROLES
from diagnose.rule import Diagnosis, Finding, NotJudged, Rule
from diagnose.settings import Settings, SettingsError

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int, str], None]
"""Called before each source with the number done, the number of all, and the source's name."""

Keep = Literal["whole", "drawn", "extent"]
"""What the report keeps of each run: everything, the curves that it draws, or how far they reach."""

WHOLE = 100
"""Sources up to which the report keeps the runs whole; of more, it keeps what `diagnose.thinning.judged` leaves."""

DRAWN = 1000
"""Sources up to which the report has a picture of each finding; of more, it keeps no curves."""

COMPARED_POINTS = 32
"""Points of each curve that are kept to compare runs with each other."""

BASELINE_POINTS = 512
"""Points of each curve of a baseline."""

KILLED = "the process that judged it was killed; if memory ran out, use fewer --jobs"


class SourceError(NamedTuple):
    """A source that could not be read, or not be judged at all, and why in one line."""

    source: str
    message: str


@dataclass(frozen=True)
class Report:
    """What `diagnose` says about one source or many.

    diagnoses: one per run, in the order of the sources. Of more than 100 sources the runs are thinned to what the
        reports need of them.
    errors: the sources that could not be read or not be judged at all.
    across: what the comparable runs among them say together; `Finding.runs` names the runs.
    across_not_judged: the rules across runs that could not judge, where there were runs enough.
    """

    diagnoses: tuple[Diagnosis, ...] = ()
    errors: tuple[SourceError, ...] = ()
    across: tuple[Finding, ...] = ()
    across_not_judged: tuple[NotJudged, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all runs, run after run, worst first within each."""
        return tuple(finding for diagnosis in self.diagnoses for finding in diagnosis.findings)

    def __iter__(self) -> Iterator[Diagnosis]:
        return iter(self.diagnoses)

    def __len__(self) -> int:
        return len(self.diagnoses)

    def __str__(self) -> str:
        from diagnose.reports import text

        said = text.render(self.diagnoses, self.across, self.across_not_judged)
        return said + "".join(f"{source}: {message}\n" for source, message in self.errors)

    def _repr_html_(self) -> str:
        """What a notebook shows of the report."""
        from diagnose.reports import notebook

        return notebook.render(self.diagnoses, self.errors, self.across)

    def to_frame(self) -> pd.DataFrame:
        """One row per finding: source, run, rule, severity, confidence, first_step, last_step, summary, fix.

        The steps are in the unit of the run's axis; `fix` is the first recommendation, "" where there is none.
        """
        import pandas as pd

        rows = [
            {
                "source": diagnosis.run.source,
                "run": diagnosis.run.name,
                "rule": finding.rule,
                "severity": finding.severity.value,
                "confidence": finding.confidence,
                "first_step": finding.steps[0],
                "last_step": finding.steps[1],
                "summary": finding.summary,
                "fix": finding.recommendations[0].title if finding.recommendations else "",
            }
            for diagnosis in self.diagnoses
            for finding in diagnosis.findings
        ]
        columns = ("source", "run", "rule", "severity", "confidence", "first_step", "last_step", "summary", "fix")
        return pd.DataFrame(rows, columns=list(columns))


def diagnose(
    sources: Any,
    *,
    map: Mapping[str, str] | None = None,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    config: str | Path | Mapping[str, Any] | None = None,
    baseline: Any = None,
    jobs: int | str = 1,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Report:
    """Judge one source, or a sequence of them.

    sources: a path of a log or of a directory that holds some, "-" for the standard input, an open file, a pandas
        DataFrame, or a list or tuple of these.
    map: role -> column name, over what the names of the columns say.
    select, ignore: ids of the rules to apply and to leave out; None for all, and for none.
    thresholds: rule id -> threshold -> value.
    config: hyperparameters of the runs, over those that came with the logs: a mapping, or a YAML, JSON or TOML file.
    baseline: earlier runs of the same thing to hold each run against: sources like `sources`. None takes that of the
        settings. A run that is itself among them is held against the others.
    jobs: processes to read and judge in; "auto" for as many as there are cores. They are spawned: a script that asks
        for them guards its entry with `if __name__ == "__main__"`.
    settings: those of a project (see `load_settings`); the other arguments go before them. None reads no file.
    progress: called before each source.

    Raises SettingsError (a ValueError) for an unknown rule, role or threshold, an unreadable config, a baseline
    without a run, or a wrong number of jobs. Raises ReadError where a single source was given and nothing could be
    read; of several, the unreadable ones are in `Report.errors`.
    """
    single = not isinstance(sources, list | tuple)
    settings = settings or Settings()
    chosen = settings.select if select is None else _ids(select)
    wanted = _Wanted(
        rules=_rules(chosen, settings.ignore if ignore is None else _ids(ignore)),
        thresholds=_thresholds(settings.thresholds, thresholds or {}),
        map=_checked_map(map or {}),
        config=_config(config),
        settings=settings,
    )
    workers = _workers(jobs)
    earlier = _baseline(settings.baseline_paths() if baseline is None else baseline, wanted)
    if not earlier and chosen is None:
        wanted = replace(wanted, rules=tuple(name for name in wanted.rules if not needs_baseline(_known()[name])))
    report = _audit([sources] if single else list(sources), replace(wanted, baseline=earlier), workers, progress)
    if single and not report.diagnoses and report.errors:
        raise ReadError("; ".join(f"{source}: {message}" for source, message in report.errors))
    return report


def load_settings(source: str | None = None) -> Settings:
    """The settings of the project around the working directory, else around `source`; see `diagnose.settings`.

    Raises SettingsError where the file holds something that means nothing.
    """
    path = project.find(source)
    if path is None:
        return Settings()
    return project.load(path, rules={r.id: thresholds_of(r) for r in load_rules()}, roles=(*ROLES, *AXES))


@dataclass(frozen=True)
class _Wanted:
    """What the caller and the settings ask for, checked. It travels to other processes: rules go by their ids."""

    rules: tuple[str, ...]
    thresholds: Mapping[str, Mapping[str, Any]]
    map: Mapping[str, str]
    config: Mapping[str, Any]
    settings: Settings
    baseline: tuple[Run, ...] = ()
    keep: Keep = "whole"
    compare: bool = False


def _config(given: str | Path | Mapping[str, Any] | None) -> dict[str, Any]:
    """The hyperparameters of a mapping or a file, by canonical name. Raises SettingsError where there are none."""
    try:
        if given is None or isinstance(given, Mapping):
            return configuration.normalise(given or {})
        return configuration.load(Path(given))
    except configuration.ConfigError as error:
        raise SettingsError(str(error)) from error


def _ids(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


@functools.cache
def _known() -> Mapping[str, Rule]:
    """The installed rules by id."""
    return {rule.id: rule for rule in load_rules()}


def _rules(select: tuple[str, ...] | None, ignore: tuple[str, ...]) -> tuple[str, ...]:
    """The ids of the rules to apply, in their own order."""
    known = _known()
    chosen = set(known if select is None else project.check_rules(select, known))
    chosen -= set(project.check_rules(ignore, known))
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
            raise SettingsError(project.unknown("role", role, (*ROLES, *AXES)))
    return given


def _workers(jobs: int | str) -> int:
    """The number of processes. Raises SettingsError for what is none."""
    if jobs == "1":
        return 1
    from diagnose import fan_out  # its import costs a tenth of the time that a short log takes

    return fan_out.workers(jobs)


def _expanded(sources: Sequence[Any]) -> list[Any]:
    """What can be read of these, each once."""
    items = [item for source in sources for item in (expand([str(source)]) if _is_path(source) else [source])]
    return list({_key(item): item for item in items}.values())


def _baseline(sources: Any, wanted: _Wanted) -> tuple[Run, ...]:
    """The runs of a baseline, their compared curves thinned. Raises SettingsError where it holds none."""
    sources = [] if sources is None else list(sources) if isinstance(sources, list | tuple) else [sources]
    runs: list[Run] = []
    for item in _expanded(sources):
        try:
            read_runs = _read(item, wanted)
        except ReadError as error:
            if not (isinstance(item, Source) and item.folder):
                raise SettingsError(f"baseline: {_label(item)}: {error}") from error
            continue
        runs += [thinning.means(run, siblings.CURVES, BASELINE_POINTS) for run in read_runs]
    if sources and not runs:
        raise SettingsError(
            f"baseline: no run in {', '.join(_label(s) if not _is_path(s) else str(s) for s in sources)}"
        )
    return tuple(runs)


class _Outcome(NamedTuple):
    """What became of one source.

    compared: the runs as they are compared with each other; empty where they are not.
    error: why it is among the errors; "" where it is not. is_log: whether there was anything to judge, or to report.
    """

    diagnoses: list[Diagnosis]
    compared: list[Run]
    error: str = ""
    is_log: bool = True


def _audit(sources: Sequence[Any], wanted: _Wanted, jobs: int, progress: Progress | None) -> Report:
    """Read and judge every source, and then the runs together; one that fails leaves the others alone."""
    items = _expanded(sources)
    across = [rule for name in wanted.rules if compares_runs(rule := _known()[name])]
    keep: Keep = "whole" if len(items) <= WHOLE else "drawn" if len(items) <= DRAWN else "extent"
    wanted = replace(wanted, keep=keep, compare=bool(across))
    diagnoses: list[Diagnosis] = []
    compared: list[Run] = []
    errors: list[SourceError] = []
    folders: dict[str, bool] = {}
    same: dict[Any, Any] = {}
    outcomes = _outcomes(items, wanted, jobs)
    for done, item in enumerate(items):
        label = _label(item)
        if progress is not None:
            progress(done, len(items), label)
        outcome = next(outcomes)
        folder = item.folder if isinstance(item, Source) else ""
        folders[folder] = folders.get(folder, False) or outcome.is_log
        if outcome.error and (outcome.is_log or not folder):
            errors.append(SourceError(label, outcome.error))
        diagnoses += [_share(diagnosis, same) for diagnosis in outcome.diagnoses]
        compared += outcome.compared
    errors += [SourceError(folder, no_log(folder)) for folder, useful in folders.items() if folder and not useful]
    named = _with_unique_names(diagnoses)
    if len(compared) < siblings.FEWEST:
        return Report(named, tuple(errors))
    compared = [replace(run, name=d.run.name) for run, d in zip(compared, named, strict=True)]
    return Report(named, tuple(errors), *judge_together(compared, across, thresholds=wanted.thresholds))


def _outcomes(items: Sequence[Any], wanted: _Wanted, jobs: int) -> Iterator[_Outcome]:
    """One outcome per item, in order; files are judged in `jobs` processes, streams and frames in this one."""
    files = [item for item in items if isinstance(item, Source) and item.paths]
    jobs = min(jobs, len(files))
    if jobs <= 1:
        yield from (_outcome(item, wanted) for item in items)
        return
    from diagnose import fan_out

    answers = fan_out.in_order(_outcome_in_process, files, jobs, prepare=_prepare, arguments=(wanted,))
    for item in items:
        if not (isinstance(item, Source) and item.paths):
            yield _outcome(item, wanted)
            continue
        try:
            answer = next(answers)
        except fan_out.CannotStartError:
            raise SettingsError(
                "jobs: no process can be started; leave it at 1, or guard the entry of the script that calls with "
                'if __name__ == "__main__"'
            ) from None
        yield _Outcome([], [], KILLED) if isinstance(answer, fan_out.Lost) else answer


_wanted: _Wanted | None = None
"""In a process of `_outcomes`, what is wanted; it is sent once."""


def _prepare(wanted: _Wanted) -> None:
    global _wanted
    _wanted = wanted


def _outcome_in_process(item: Source) -> _Outcome:
    assert _wanted is not None
    return _outcome(item, _wanted)


def _outcome(item: Any, wanted: _Wanted) -> _Outcome:
    """Read and judge one source; whatever goes wrong is part of the answer."""
    try:
        runs = _read(item, wanted)
        found = [_judge(run, wanted) for run in runs]
        error = _not_judged(found[0]) if found and all(d.not_judged and not d.judged for d in found) else ""
        compared = [thinning.means(d.run, siblings.CURVES, COMPARED_POINTS) for d in found] if wanted.compare else []
        if wanted.keep != "whole":
            found = [thinning.judged(d, drawn=wanted.keep == "drawn") for d in found]
        return _Outcome(found, compared, error)
    except ReadError as refusal:
        return _Outcome([], [], str(refusal), is_log=False)
    except Exception as fault:
        return _Outcome([], [], _unexpected(fault))


def _share(diagnosis: Diagnosis, same: dict[Any, Any]) -> Diagnosis:
    """The diagnosis with the parts that runs have in common held once: what could not be judged, roles, fixes."""
    run = diagnosis.run
    roles = same.setdefault(tuple(run.roles.items()), run.roles)
    findings = tuple(
        replace(f, recommendations=tuple(same.setdefault(r, r) for r in f.recommendations)) for f in diagnosis.findings
    )
    return replace(
        diagnosis,
        run=replace(run, roles=roles),
        findings=findings,
        judged=same.setdefault(diagnosis.judged, diagnosis.judged),
        not_judged=same.setdefault(diagnosis.not_judged, diagnosis.not_judged),
    )


def _is_path(source: Any) -> bool:
    return isinstance(source, str | Path)


def _key(item: Any) -> object:
    """What makes a source the same as another: its files, or itself."""
    return (item.paths or item.label) if isinstance(item, Source) else id(item)


def _label(item: Any) -> str:
    if isinstance(item, Source):
        return item.label
    return str(getattr(item, "name", "")) if hasattr(item, "read") else type(item).__name__


def _read(item: Any, wanted: _Wanted) -> list[Run]:
    """The runs of a source. A column that only the project's settings name may be absent: they are for many logs."""
    of_project = {role: column for role, column in wanted.settings.map.items() if role not in wanted.map}
    try:
        return read(item, overrides={**of_project, **wanted.map})
    except ValueError as error:
        if not wanted.map and not of_project:
            raise
        if not of_project or not (isinstance(item, Source) and item.paths):  # a stream cannot be read twice
            raise ReadError(str(error)) from error
        note = f"the map of the settings was not applied: {error}"
    return [replace(run, notes=(*run.notes, note)) for run in _read(item, replace(wanted, settings=Settings()))]


def _judge(run: Run, wanted: _Wanted) -> Diagnosis:
    left_out = wanted.settings.ignored_for(run.source)
    if wanted.config:
        run = replace(run, config={**run.config, **wanted.config})
    rules = [_known()[name] for name in wanted.rules if name not in left_out]
    return judge(
        run,
        [rule for rule in rules if not compares_runs(rule)],
        thresholds=wanted.thresholds,
        baseline=[other for other in wanted.baseline if (other.source, other.name) != (run.source, run.name)],
    )


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


def _with_unique_names(diagnoses: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """The diagnoses with a number behind each name that several runs have."""
    many = {name for name, times in Counter(d.run.name for d in diagnoses).items() if times > 1}
    seen: Counter[str] = Counter()
    unique = []
    for diagnosis in diagnoses:
        name = diagnosis.run.name
        seen[name] += 1
        if name in many:
            diagnosis = replace(diagnosis, run=replace(diagnosis.run, name=f"{name} ({seen[name]})"))
        unique.append(diagnosis)
    return tuple(unique)
