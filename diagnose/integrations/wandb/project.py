"""Audits every run of a project on a Weights & Biases server: which are ill, and what changed since the last time.

    audit = audited(parse("team/project"))
    for entry in audit.entries:
        print(entry.listed.name, entry.verdict)

Runs are read and judged as they come, by threads here or by the workers of a dask cluster; one bad run never stops the
rest. A finished run that an audit has seen is not asked for again while the server says the same of it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from diagnose import limits, parallel
from diagnose.errors import ReadError
from diagnose.integrations.wandb.cache import Cache, question
from diagnose.integrations.wandb.server import Address, Listed, Server, ServerError
from diagnose.judging import groups, installed, kept
from diagnose.judging.engine import judge_together
from diagnose.judging.many import DRAWN
from diagnose.judging.needs import compares_runs
from diagnose.judging.source import Keep, Outcome, Wanted, mapped, outcome_of
from diagnose.readers import from_tables
from diagnose.report import Report, SourceError, with_unique_names
from diagnose.rule import RANK, Finding, NotJudged, verdict_word

FAILED = "failed"
"""Verdict of a run that could not be read or judged."""

TRIES = 3
"""Times that a run is asked for, each after all others: the client tries again by itself, but not after nonsense."""

MOST_FAILED = 48
"""Runs in a row at which the server fails until no more are asked for: each has cost the client half a minute."""

BREATH = 2.0
"""Seconds before the list of runs is asked for again, times the number of the try."""

KILLED = "the workers that read it were killed; if memory ran out, give them more"

Progress = Callable[[int, int, int], None]
"""Called with the runs done, all runs, and how many of the done are ill."""

Answer = tuple[Listed, Outcome]
"""A run, and what became of it."""


@dataclass(frozen=True)
class Entry:
    """One run of an audit.

    verdict: `healthy`, `note`, `warning`, `error`, `not-judged`, or `failed`. diagnoses: places in
    `Audit.report.diagnoses`. remembered: whether it came from the cache. error: why it could not be read or judged.
    """

    listed: Listed
    verdict: str
    diagnoses: tuple[int, ...] = ()
    remembered: bool = False
    error: str = ""


@dataclass(frozen=True)
class Earlier:
    """The audit before: when (seconds since 1970), and what it said of each run by id."""

    at: float
    verdicts: Mapping[str, str]


@dataclass(frozen=True)
class Audit:
    """All runs of a project.

    project: `entity/project`. url: of its page. entries: in the order of the server. report: as of files.
    sweeps: sweep -> what its runs say together; "" for the runs of none. left: runs that an interruption, or a server
    that only fails, left out. notes: what happened on the way, in sentences for the user.
    """

    project: str
    url: str
    entries: tuple[Entry, ...]
    report: Report
    sweeps: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    before: Earlier | None = None
    left: int = 0
    notes: tuple[str, ...] = ()


def audited(
    address: Address,
    wanted: Wanted | None = None,
    *,
    filters: Mapping[str, Any] | None = None,
    samples: int | None = None,
    jobs: int = 8,
    backend: str = "threading",
    scheduler: str | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    server: Server | None = None,
) -> Audit:
    """Audit the runs of a project, or of a sweep in it.

    wanted: rules, thresholds and the like; None for all rules as they are.
    filters: which runs, in the query language of W&B. samples: rows to be content with per run; None for all.
    jobs: runs that are read at a time. backend: `threading`, or `dask` for the workers of `scheduler` (an address),
        which find the key by themselves.
    cache: file of what earlier audits found; None to remember nothing.
    progress: called after each run.
    Ctrl-C ends the reading, and so does a server that fails at one run after the other; the audit then holds what was
    done, and says how many are left. Each run is saved as it is judged: another audit goes on with the others.
    Raises ReadError where the project cannot be listed, SettingsError where the cluster cannot be reached.
    """
    server = server or Server()
    wanted = (wanted or Wanted.of()).without_baseline()
    across = [name for name in wanted.rules if compares_runs(installed.known_rules()[name])]
    place = f"{server.url}|{server.entity_of(address)}/{address.project}"
    asked = question(
        replace(wanted, settings=replace(wanted.settings, root=None)), samples, sorted(wanted.config.items())
    )
    with Cache(cache) as known:
        before = known.last_audit(place)
        listed, broken = _listed(lambda: server.runs(address, filters, whole=not known.has(place, asked)))
        keep: Keep = "drawn" if len(listed) <= DRAWN else "extent"
        unchanged = {run.id: run.fingerprint for run in listed if run.ended}
        found = {name: _thinned(outcome, keep) for name, outcome in known.runs(place, asked, unchanged)}
        remembered = set(found)
        ill = sum(map(_is_ill, found.values()))
        reading = replace(wanted, keep="drawn", compare=bool(across))
        tell = progress or (lambda done, of, ill: None)
        tell(len(found), len(listed), ill)

        def read(runs: Sequence[Listed]) -> Iterator[Answer]:
            return _spread(runs, server, reading, samples, jobs, backend, scheduler)

        storm = _Storm()
        answers = _tried([run for run in listed if run.id not in found], read, storm)
        interrupted = False
        try:
            with contextlib.closing(_saved(answers, partial(known.keep, place, asked))) as saved:
                for run, outcome in saved:
                    ill += _is_ill(outcome)
                    found[run.id] = _thinned(outcome, keep)
                    tell(len(found), len(listed), ill)
        except KeyboardInterrupt:
            interrupted = True
        audit = _assembled(server, address, listed, found, remembered, across, wanted)
        errors = [SourceError(audit.project, said) for said in (broken, storm.said) if said]
        audit = replace(audit, report=replace(audit.report, errors=(*audit.report.errors, *errors)))
        if not (interrupted or errors or filters or address.sweep):
            known.close_audit(place, asked, {entry.listed.id: entry.verdict for entry in audit.entries})
    earlier = Earlier(*before) if before is not None else None
    left = len(listed) - len(found) if interrupted or storm.said else 0
    return replace(audit, before=earlier, left=left, notes=tuple(known.said))


def _listed(runs: Callable[[], Iterator[Listed]]) -> tuple[list[Listed], str]:
    """The runs of a project, and why they are not all where the list breaks off time and again.

    runs: begins the list anew. Raises ReadError where there is none at all.
    """
    found: dict[str, Listed] = {}
    for attempt in range(1, TRIES + 1):
        try:
            for run in runs():
                found.setdefault(run.id, run)
            return list(found.values()), ""
        except ServerError as error:
            failed = error
            if attempt < TRIES:
                time.sleep(BREATH * attempt)
    if not found:
        raise failed
    return list(found.values()), f"the list of runs breaks off after {len(found)} ({failed}); ask again for the others"


class _Storm:
    """Runs in a row at which the server failed, and what is said when they are too many."""

    def __init__(self) -> None:
        self.failed = 0
        self.said = ""

    def note(self, outcome: Outcome) -> None:
        """Count one run."""
        self.failed = self.failed + 1 if _failed(outcome) else 0
        if self.failed >= MOST_FAILED:
            self.said = f"given up after {self.failed} runs in a row ({outcome.error}); the next audit goes on"


def _tried(
    runs: Sequence[Listed], read: Callable[[Sequence[Listed]], Iterator[Answer]], storm: _Storm
) -> Iterator[Answer]:
    """What became of each run, as they come; those on which the server failed are read again after all others.

    Ends where the server fails at one run after the other.
    """
    for _ in range(TRIES):
        failed = set()
        for run, outcome in read(runs):
            storm.note(outcome)
            if _failed(outcome):
                failed.add(run.id)
            yield run, outcome
            if storm.said:
                return
        runs = [run for run in runs if run.id in failed]
        if not runs:
            return


def _saved(
    answers: Iterator[Answer], save: Callable[[Sequence[tuple[str, str, Outcome]]], None]
) -> Generator[Answer, None, None]:
    """The same answers; each that will not change is saved at once, so that whatever ends the audit loses nothing.

    save: takes (id, fingerprint, outcome) of runs.
    """
    for run, outcome in answers:
        if run.ended and not _failed(outcome):
            save([(run.id, run.fingerprint, outcome)])
        yield run, outcome


def _assembled(
    server: Server,
    address: Address,
    listed: Sequence[Listed],
    found: Mapping[str, Outcome],
    remembered: set[str],
    across: Sequence[str],
    wanted: Wanted,
) -> Audit:
    """The audit out of what became of each run."""
    diagnoses = [d for run in listed if run.id in found for d in found[run.id].diagnoses]
    same: dict[Any, Any] = {}
    named = with_unique_names([kept.share(diagnosis, same) for diagnosis in diagnoses])
    entries: list[Entry] = []
    errors: list[SourceError] = []
    compared: dict[str, list[Any]] = {}
    at = 0
    for run in listed:
        outcome = found.get(run.id)
        if outcome is None:
            continue
        run = replace(run, handle=None)
        places = tuple(range(at, at + len(outcome.diagnoses)))
        at += len(places)
        judged = {verdict_word(named[i]) for i in places} - {"not-judged"}
        verdict = FAILED if _failed(outcome) else min(judged, key=RANK.__getitem__, default="not-judged")
        entries.append(Entry(run, verdict, places, run.id in remembered, outcome.error))
        if _failed(outcome):
            errors.append(SourceError(run.path, outcome.error))
        for other, i in zip(outcome.compared, places, strict=False):
            compared.setdefault(run.sweep, []).append(replace(other, name=named[i].run.name))
    sweeps: dict[str, tuple[Finding, ...]] = {}
    missing: tuple[NotJudged, ...] = ()
    rules = [installed.known_rules()[name] for name in across]
    for sweep, runs in sorted(compared.items()):
        if len(runs) >= groups.FEWEST:
            sweeps[sweep], lacking = judge_together(runs, rules, thresholds=wanted.thresholds)
            missing = missing or lacking
    project = f"{server.entity_of(address)}/{address.project}"
    together = tuple(finding for findings in sweeps.values() for finding in findings)
    url = entries[0].listed.url.partition("/runs/")[0] if entries else server.url
    return Audit(project, url, tuple(entries), Report(named, tuple(errors), together, missing), sweeps)


def _failed(outcome: Outcome) -> bool:
    """Whether the server failed, and not the run: another time it may be read."""
    return not outcome.is_log


def _is_ill(outcome: Outcome) -> bool:
    return any(verdict_word(diagnosis) in ("warning", "error") for diagnosis in outcome.diagnoses)


def _thinned(outcome: Outcome, keep: Keep) -> Outcome:
    if keep != "extent":
        return outcome
    return outcome._replace(diagnoses=[kept.judged(diagnosis, drawn=False) for diagnosis in outcome.diagnoses])


# --- reading ----------------------------------------------------------------------------------------------------------


def _spread(
    runs: Sequence[Listed],
    server: Server,
    wanted: Wanted,
    samples: int | None,
    jobs: int,
    backend: str,
    scheduler: str | None,
) -> Iterator[tuple[Listed, Outcome]]:
    """Each run and what became of it, as they come."""
    if backend == "dask":
        work = partial(_elsewhere, wanted=wanted, samples=samples)
        answers = parallel.as_it_comes(work, [replace(run, handle=None) for run in runs], parallel.Cluster(scheduler))
    else:
        work = partial(_one, server=server, wanted=wanted, samples=samples)
        answers = parallel.as_it_comes(work, runs, parallel.Threads(jobs))
    for run, answer in answers:
        yield run, Outcome([], [], KILLED, is_log=False) if isinstance(answer, parallel.Lost) else answer


def _one(run: Listed, server: Server, wanted: Wanted, samples: int | None) -> Outcome:
    """Read and judge one run; whatever goes wrong is part of the answer."""

    try:
        with limits.held(wanted.settings.limited()):
            table = server.read(run, samples)
    except ServerError as error:
        return Outcome([], [], str(error), is_log=False)
    except ReadError as error:
        return Outcome([], [], str(error))

    def runs() -> list[Any]:
        return mapped(lambda overrides: from_tables([table], run.path, overrides), wanted, twice=True)

    return outcome_of(runs, wanted)._replace(is_log=True)


_server: Server | None = None
"""In a worker of a cluster, its own connection: its key is its own."""


def _elsewhere(run: Listed, wanted: Wanted, samples: int | None) -> Outcome:
    """`_one` on a worker of a cluster."""
    global _server
    try:
        _server = _server or Server()
    except ReadError as error:
        return Outcome([], [], f"the worker cannot reach the server: {error}", is_log=False)
    return _one(run, _server, wanted, samples)
