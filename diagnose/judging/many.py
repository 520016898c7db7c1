"""Many sources: each read and judged, in processes or on a cluster where asked, and then the runs together."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diagnose.curves import Run
from diagnose.errors import ReadError, SettingsError
from diagnose.judging import groups, installed, kept
from diagnose.judging.engine import judge_together
from diagnose.judging.needs import compares_runs
from diagnose.judging.source import Keep, Outcome, Wanted, is_path, is_stored, label_of, outcome, read_runs
from diagnose.measure import between_runs, downsample
from diagnose.readers import Source, expand, no_log
from diagnose.report import MOST_COMPARED, Packed, Report, SourceError, with_unique_names
from diagnose.rule import Diagnosis

if TYPE_CHECKING:
    from diagnose.parallel import Cluster, Where

Progress = Callable[[int, int, str], None]
"""Called before each source with the number done, the number of all, and the source's name."""

WHOLE = 100
"""Sources up to which the report keeps the runs whole; of more, it keeps what `diagnose.judging.kept.judged` leaves."""

DRAWN = 1000
"""Sources up to which the report has a picture of each finding; of more, it keeps no curves."""

BASELINE_POINTS = 512
"""Points of each curve of a baseline."""

_JUDGED = Outcome([], [])
"""What is remembered of a source that was judged, beside its diagnoses."""

_BETWEEN_SEARCHES = 20_000
"""Objects that are made between two searches for garbage, of which a run leaves next to none: 28 times the default."""

KILLED = "the process that judged it was killed; if memory ran out, use fewer --jobs"


def audit(sources: Sequence[Any], wanted: Wanted, where: int | Cluster, progress: Progress | None) -> Report:
    """Read and judge every source, and then the runs together; one that fails leaves the others alone.

    where: the number of processes on this machine, or a cluster whose workers see the same files.
    """
    items = _expanded(sources)
    across = [rule for name in wanted.rules if compares_runs(rule := installed.known_rules()[name])]
    keep: Keep = "whole" if len(items) <= WHOLE else "drawn" if len(items) <= DRAWN else "extent"
    wanted = replace(wanted, keep=keep, compare=bool(across))
    gathered = _Gathered(every=-(-len(items) // MOST_COMPARED))
    diagnoses = gathered.diagnoses(_followed(items, _outcomes(items, wanted, where), progress))
    if keep == "extent":
        named: Sequence[Diagnosis] = (packed := Packed(diagnoses))
        names: Sequence[str] = packed.names
    else:
        same: dict[Any, Any] = {}
        named = with_unique_names([kept.share(diagnosis, same) for diagnosis in diagnoses])
        names = [diagnosis.run.name for diagnosis in named]
    errors = _errors(items, gathered.became)
    compared = [replace(run, name=names[place]) for place, run in gathered.compared]
    if len(compared) < groups.FEWEST:
        return Report(named, errors)
    return Report(named, errors, *judge_together(compared, across, thresholds=wanted.thresholds))


class _Gathered:
    """What came of the sources, beside the diagnoses, which go into the report one by one.

    became: each outcome without them. compared: of one in `every` sources the runs as they are held against each other,
    with their places among all.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.became: list[Outcome] = []
        self.compared: list[tuple[int, Run]] = []

    def diagnoses(self, answers: Iterable[Outcome]) -> Iterator[Diagnosis]:
        """The diagnoses of each answer in turn."""
        done = 0
        for place, answer in enumerate(answers):
            judged = answer.is_log and not answer.error
            self.became.append(_JUDGED if judged else answer._replace(diagnoses=[], compared=[]))
            if place % self.every == 0:
                self.compared += enumerate(answer.compared, done)
            done += len(answer.diagnoses)
            yield from answer.diagnoses


def _followed(items: Sequence[Any], answers: Iterator[Outcome], progress: Progress | None) -> Iterator[Outcome]:
    """The answers; before each, the number done and the name of the source are told."""
    for done, item in enumerate(items):
        if progress is not None:
            progress(done, len(items), label_of(item))
        yield next(answers)


def _errors(items: Sequence[Any], outcomes: Sequence[Outcome]) -> tuple[SourceError, ...]:
    """What could not be judged, and the folders without a log; a file of a folder that is no log is none."""
    errors: list[SourceError] = []
    folders: dict[str, bool] = {}
    for item, became in zip(items, outcomes, strict=True):
        folder = item.folder if isinstance(item, Source) else ""
        folders[folder] = folders.get(folder, False) or became.is_log
        if became.error and (became.is_log or not folder):
            errors.append(SourceError(label_of(item), became.error))
    errors += [SourceError(folder, no_log(folder)) for folder, useful in folders.items() if folder and not useful]
    return tuple(errors)


def _outcomes(items: Sequence[Any], wanted: Wanted, where: int | Cluster) -> Iterator[Outcome]:
    """One outcome per item, in order; files are judged in processes or on a cluster, streams and frames here."""
    files = [item for item in items if is_stored(item)]
    if isinstance(where, int) and min(where, len(files)) <= 1:
        yield from (outcome(item, wanted) for item in items)
        return
    from diagnose import parallel

    work, spread = _spread(wanted, where, len(files))
    answers = parallel.in_order(work, files, spread)
    for item in items:
        if not is_stored(item):
            yield outcome(item, wanted)
            continue
        try:
            answer = next(answers)
        except parallel.CannotStartError:
            raise SettingsError(
                "jobs: no process can be started; leave it at 1, or guard the entry of the script that calls with "
                'if __name__ == "__main__"'
            ) from None
        yield Outcome([], [], KILLED) if isinstance(answer, parallel.Lost) else answer


def _spread(wanted: Wanted, where: int | Cluster, files: int) -> tuple[Callable[[Source], Outcome], Where]:
    """What is done with each of so many files, and where."""
    from diagnose import parallel

    if isinstance(where, int):
        return _outcome_in_process, parallel.Processes(min(where, files), _prepare, (wanted,))
    baseline = tuple(replace(run, source=_absolute(run.source)) for run in wanted.baseline)
    return partial(_outcome_elsewhere, wanted=replace(wanted, baseline=baseline), folder=Path.cwd()), where


def _absolute(source: str) -> str:
    """The path as it is called from any folder; an address stays as it is."""
    return source if "://" in source else os.path.abspath(source)  # noqa: PTH100 - resolves no link


def _outcome_elsewhere(item: Source, wanted: Wanted, folder: Path) -> Outcome:
    """The outcome on a worker of a cluster, whose own folder is another; the runs are called as they were here.

    folder: the working directory of who asks.
    """
    there = replace(item, paths=tuple(folder / path for path in item.paths))
    if item.paths and not all(map(os.path.lexists, there.paths)):
        return Outcome(
            [], [], f"the worker on {socket.gethostname()} does not see it; it needs the same folders as here"
        )
    became = outcome(there, wanted)
    named = partial(_called, {str(path): str(was) for path, was in zip(there.paths, item.paths, strict=True)})
    diagnoses = [replace(diagnosis, run=named(diagnosis.run)) for diagnosis in became.diagnoses]
    return became._replace(diagnoses=diagnoses, compared=list(map(named, became.compared)))


def _called(names: Mapping[str, str], run: Run) -> Run:
    """The run with the source as it was named."""
    return replace(run, source=names.get(run.source, run.source))


_wanted: Wanted | None = None
"""In a process of `_outcomes`, what is wanted; it is sent once."""


def _prepare(wanted: Wanted) -> None:
    """Start of a process: what stays to its end is left out of every later search for garbage."""
    global _wanted
    _wanted = wanted
    installed.known_rules()
    gc.freeze()
    gc.set_threshold(_BETWEEN_SEARCHES)


def _outcome_in_process(item: Source) -> Outcome:
    assert _wanted is not None
    return outcome(item, _wanted)


def baseline_runs(sources: Any, wanted: Wanted) -> tuple[Run, ...]:
    """The runs of a baseline, their compared curves thinned. Raises SettingsError where it holds none."""
    sources = [] if sources is None else list(sources) if isinstance(sources, list | tuple) else [sources]
    runs: list[Run] = []
    for item in _expanded(sources):
        try:
            found = read_runs(item, wanted)
        except ReadError as error:
            if not (isinstance(item, Source) and item.folder):
                raise SettingsError(f"baseline: {label_of(item)}: {error}") from error
            continue
        runs += [downsample.means(run, between_runs.CURVES, BASELINE_POINTS) for run in found]
    if sources and not runs:
        named = (str(source) if is_path(source) else label_of(source) for source in sources)
        raise SettingsError(f"baseline: no run in {', '.join(named)}")
    return tuple(runs)


def _expanded(sources: Sequence[Any]) -> list[Any]:
    """What can be read of these, each once."""
    items = [
        item for source in sources for item in (expand([str(source)], sure=WHOLE) if is_path(source) else [source])
    ]
    return list({_key(item): item for item in items}.values())


def _key(item: Any) -> object:
    """What makes a source the same as another: its files, or itself."""
    return (item.paths or item.address or item.label) if isinstance(item, Source) else id(item)
