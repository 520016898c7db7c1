"""Judges one source or many: reads each, applies the rules, and gathers what was said in a `Report`.

    report = diagnose("run.csv")                    # or several sources, a directory, a pandas DataFrame
    for finding in report.findings:
        print(finding.rule, finding.summary)

Unlike the command line, the function reads no settings file unless it is handed the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diagnose import settings as project
from diagnose.curves import Run
from diagnose.errors import SettingsError
from diagnose.judging import groups
from diagnose.judging import source as judging
from diagnose.judging.engine import compares_runs, judge_together, load_rules, thresholds_of
from diagnose.judging.source import Keep, Outcome, Wanted
from diagnose.measure import between_runs as siblings
from diagnose.measure import downsample
from diagnose.names.roles import AXES, ROLES
from diagnose.readers import ReadError, Source, expand, no_log
from diagnose.report import Report, SourceError, with_unique_names
from diagnose.rule import Diagnosis
from diagnose.settings import Settings

if TYPE_CHECKING:
    pass

Progress = Callable[[int, int, str], None]
"""Called before each source with the number done, the number of all, and the source's name."""

WHOLE = 100
"""Sources up to which the report keeps the runs whole; of more, it keeps what `diagnose.judging.kept.judged` leaves."""

DRAWN = 1000
"""Sources up to which the report has a picture of each finding; of more, it keeps no curves."""

BASELINE_POINTS = 512
"""Points of each curve of a baseline."""

KILLED = "the process that judged it was killed; if memory ran out, use fewer --jobs"


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
    wanted = Wanted.of(map=map, select=select, ignore=ignore, thresholds=thresholds, config=config, settings=settings)
    workers = _workers(jobs)
    earlier = _baseline(settings.baseline_paths() if baseline is None else baseline, wanted)
    every = select is None and settings.select is None
    wanted = replace(wanted, baseline=earlier) if earlier or not every else wanted.without_baseline()
    report = _audit([sources] if single else list(sources), wanted, workers, progress)
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


def _workers(jobs: int | str) -> int:
    """The number of processes. Raises SettingsError for what is none."""
    if jobs == "1":
        return 1
    from diagnose import parallel  # its import costs a tenth of the time that a short log takes

    return parallel.workers(jobs)


def _expanded(sources: Sequence[Any]) -> list[Any]:
    """What can be read of these, each once."""
    items = [item for source in sources for item in (expand([str(source)]) if judging.is_path(source) else [source])]
    return list({_key(item): item for item in items}.values())


def _baseline(sources: Any, wanted: Wanted) -> tuple[Run, ...]:
    """The runs of a baseline, their compared curves thinned. Raises SettingsError where it holds none."""
    sources = [] if sources is None else list(sources) if isinstance(sources, list | tuple) else [sources]
    runs: list[Run] = []
    for item in _expanded(sources):
        try:
            found = judging.read_runs(item, wanted)
        except ReadError as error:
            if not (isinstance(item, Source) and item.folder):
                raise SettingsError(f"baseline: {judging.label_of(item)}: {error}") from error
            continue
        runs += [downsample.means(run, siblings.CURVES, BASELINE_POINTS) for run in found]
    if sources and not runs:
        named = (str(source) if judging.is_path(source) else judging.label_of(source) for source in sources)
        raise SettingsError(f"baseline: no run in {', '.join(named)}")
    return tuple(runs)


def _audit(sources: Sequence[Any], wanted: Wanted, jobs: int, progress: Progress | None) -> Report:
    """Read and judge every source, and then the runs together; one that fails leaves the others alone."""
    items = _expanded(sources)
    across = [rule for name in wanted.rules if compares_runs(rule := judging.known_rules()[name])]
    keep: Keep = "whole" if len(items) <= WHOLE else "drawn" if len(items) <= DRAWN else "extent"
    wanted = replace(wanted, keep=keep, compare=bool(across))
    diagnoses: list[Diagnosis] = []
    compared: list[Run] = []
    errors: list[SourceError] = []
    folders: dict[str, bool] = {}
    same: dict[Any, Any] = {}
    outcomes = _outcomes(items, wanted, jobs)
    for done, item in enumerate(items):
        label = judging.label_of(item)
        if progress is not None:
            progress(done, len(items), label)
        outcome = next(outcomes)
        folder = item.folder if isinstance(item, Source) else ""
        folders[folder] = folders.get(folder, False) or outcome.is_log
        if outcome.error and (outcome.is_log or not folder):
            errors.append(SourceError(label, outcome.error))
        diagnoses += [judging.share(diagnosis, same) for diagnosis in outcome.diagnoses]
        compared += outcome.compared
    errors += [SourceError(folder, no_log(folder)) for folder, useful in folders.items() if folder and not useful]
    named = with_unique_names(diagnoses)
    if len(compared) < groups.FEWEST:
        return Report(named, tuple(errors))
    compared = [replace(run, name=d.run.name) for run, d in zip(compared, named, strict=True)]
    return Report(named, tuple(errors), *judge_together(compared, across, thresholds=wanted.thresholds))


def _outcomes(items: Sequence[Any], wanted: Wanted, jobs: int) -> Iterator[Outcome]:
    """One outcome per item, in order; files are judged in `jobs` processes, streams and frames in this one."""
    files = [item for item in items if isinstance(item, Source) and (item.paths or item.address)]
    jobs = min(jobs, len(files))
    if jobs <= 1:
        yield from (judging.outcome(item, wanted) for item in items)
        return
    from diagnose import parallel

    answers = parallel.in_order(_outcome_in_process, files, jobs, prepare=_prepare, arguments=(wanted,))
    for item in items:
        if not (isinstance(item, Source) and (item.paths or item.address)):
            yield judging.outcome(item, wanted)
            continue
        try:
            answer = next(answers)
        except parallel.CannotStartError:
            raise SettingsError(
                "jobs: no process can be started; leave it at 1, or guard the entry of the script that calls with "
                'if __name__ == "__main__"'
            ) from None
        yield Outcome([], [], KILLED) if isinstance(answer, parallel.Lost) else answer


_wanted: Wanted | None = None
"""In a process of `_outcomes`, what is wanted; it is sent once."""


def _prepare(wanted: Wanted) -> None:
    global _wanted
    _wanted = wanted


def _outcome_in_process(item: Source) -> Outcome:
    assert _wanted is not None
    return judging.outcome(item, _wanted)


def _key(item: Any) -> object:
    """What makes a source the same as another: its files, or itself."""
    return (item.paths or item.address or item.label) if isinstance(item, Source) else id(item)
