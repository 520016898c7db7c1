"""Trials of fixes: train with a fault, diagnose, take each advice that comes with the finding, train, diagnose again.

What is run goes into a ledger, one line per training, so that a killed run goes on where it was. `outcomes` makes of
it the table that the reports read. The seeds that rank the fixes are others than those that are published.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diagnose import parallel
from diagnose.errors import SettingsError, unknown
from diagnose.rule import Diagnosis
from diagnose.trials import Purpose
from reference_trainer import ledger, remedies
from reference_trainer.benches import BENCHES
from reference_trainer.diagnosed import diagnosed
from reference_trainer.faults import FAULTS
from reference_trainer.recipe import Recipe

if TYPE_CHECKING:
    from reference_trainer.learner import Result

FIRST_SEED: Mapping[Purpose, int] = {"ranking": 1000, "published": 5000}
"""The first seed of each set; a set has fewer than 1,000. The seeds from 2000 and from 4000 on were the published ones
of earlier tables, were looked at to mend remedies, and are not used again; those from 3000 on are the rehearsals'."""

MEASURES = ("val_examples", "leak", "metric", "imbalance")
"""Fields that decide what the validation measures: before and after a change of these cannot be compared."""

COLUMNS = (
    "fault",
    "task",
    "seed",
    "fix",
    "recipe",
    "findings",
    "offered",
    "metric",
    "best",
    "comparable",
    "seconds",
    "date",
)


class TrialsError(SettingsError):
    """Trials that cannot be made; `str()` says why and what to do, in one line."""


@dataclass(frozen=True)
class Trial:
    """One fault on one bench with one seed: a training with it, and one with each advice that comes with its finding.

    task: name of the bench.
    """

    fault: str
    task: str
    seed: int

    @property
    def name(self) -> str:
        """What is tried."""
        return self.fault

    def build(self) -> Recipe:
        """The recipe with the fault."""
        return FAULTS[self.fault].recipe(**{**BENCHES[self.fault][self.task], "seed": self.seed})


@dataclass(frozen=True)
class Training:
    """One line of the ledger.

    fix: the advice taken; "" for the training before.
    recipe: digest.
    findings: `rule:severity:cause` of each, and `rule:not-judged:` of what the log could not tell.
    offered: for the training before, the fixes that come with the fault's finding, in the order of the report.
    metric: name; best: its best value in the validations, NaN where none was finite.
    comparable: whether the validation measures the same as before.
    seconds: CPU time of the training; 0 where the advice changed nothing and nothing was trained.
    """

    trial: Trial
    fix: str
    recipe: str
    findings: tuple[str, ...]
    offered: tuple[str, ...]
    metric: str
    best: float
    comparable: bool
    seconds: float
    date: str = ""

    @property
    def alarms(self) -> frozenset[str]:
        """`rule:cause` of the warnings and errors."""
        split = (finding.split(":") for finding in self.findings)
        return frozenset(f"{rule}:{cause}" for rule, severity, cause in split if severity in ("warning", "error"))

    @property
    def not_judged(self) -> frozenset[str]:
        """The rules that could not judge."""
        return frozenset(finding.partition(":")[0] for finding in self.findings if ":not-judged:" in finding)

    def cause_of(self, rule: str) -> str | None:
        """The cause that a finding of `rule` names; None where there is none."""
        split = (finding.split(":") for finding in self.findings)
        return next((cause for name, how, cause in split if name == rule and how != "not-judged"), None)


def trials(counts: Mapping[Purpose, int], only: Sequence[str] = ()) -> list[Trial]:
    """Every fault, or those named in `only`, on each of its benches, with as many seeds of each set as `counts` says.

    The seeds come first, so that what was killed half-way holds some of everything. Raises TrialsError for another
    name.
    """
    for name in only:
        if name not in FAULTS:
            raise TrialsError(unknown("fault", name, FAULTS))
    seeds = sorted(
        (
            (number / count, FIRST_SEED[purpose] + number)
            for purpose, count in counts.items()
            for number in range(count)
        ),
    )
    chosen = [name for name in FAULTS if not only or name in only]
    return [Trial(name, task, seed) for _, seed in seeds for name in chosen for task in BENCHES[name]]


def purpose_of(seed: int) -> Purpose:
    """The set that a seed belongs to."""
    return "published" if seed >= FIRST_SEED["published"] else "ranking"


def run(trial: Trial) -> list[Training]:
    """All trainings of a trial, the one before last: with it on disk the trial is whole."""
    recipe = trial.build()
    result, diagnosis, seconds = trained(recipe)
    metric = metric_name(result)
    today = datetime.now(UTC).date().isoformat()

    findings = () if diagnosis is None else diagnosis.findings
    finding = next((f for f in findings if f.rule == FAULTS[trial.fault].finding), None)
    offered = tuple(advice.id for advice in finding.recommendations) if finding is not None else ()

    def line(fix: str, made: Recipe, found: Diagnosis | None, best: float, took: float) -> Training:
        same = all(getattr(made, name) == getattr(recipe, name) for name in MEASURES)
        told = () if fix else offered
        return Training(
            trial, fix, made.digest, said(found, FAULTS[trial.fault].finding), told, metric, best, same, took, today
        )

    before = line("", recipe, diagnosis, best_of(result), seconds)
    after = []
    for advice in finding.recommendations if finding is not None else ():
        changed = remedies.apply(advice.id, recipe, advice.changes) if advice.id in remedies.REMEDIES else None
        if changed is None:
            continue
        if changed == recipe:
            after.append(line(advice.id, recipe, diagnosis, before.best, 0.0))
        else:
            result, found, seconds = trained(changed)
            after.append(line(advice.id, changed, found, best_of(result), seconds))
    return [*after, before]


def trained(recipe: Recipe) -> tuple[Result, Diagnosis | None, float]:
    """The training of a recipe, what `diagnose` says of its log, and its CPU time in seconds.

    No diagnosis where the log has too few points to be read as one.
    """
    result, report, seconds = diagnosed(recipe)
    return result, next(iter(report.diagnoses), None), seconds


def said(diagnosis: Diagnosis | None, rule: str) -> tuple[str, ...]:
    """`rule:severity:cause` of each finding, and whether `rule` could not judge; None for a log that is too short."""
    found = () if diagnosis is None else diagnosis.findings
    seen = tuple(f"{finding.rule}:{finding.severity.value}:{finding.cause}" for finding in found)
    return seen if diagnosis is not None and rule in diagnosis.judged else (*seen, f"{rule}:not-judged:")


def metric_name(result: Result) -> str:
    """What the validations of a training measure beside the loss: `accuracy`, `r2` ..."""
    return next(
        name.removeprefix("val_")
        for name in result.rows[-1]
        if name.startswith("val_") and name != "val_loss" and "/" not in name
    )


def best_of(result: Result) -> float:
    """The best value of the validation metric, at least 0 (the R2 of the mean); NaN where none was finite."""
    name = f"val_{metric_name(result)}"
    values = [row[name] for row in result.rows if math.isfinite(row.get(name, math.nan))]
    return max(*values, 0.0) if values else math.nan


# --- running ----------------------------------------------------------------------------------------------------------


def measure(
    wanted: Sequence[Trial],
    path: Path,
    jobs: int,
    *,
    backend: str = "loky",
    scheduler: str | None = None,
    progress: ledger.Progress | None = None,
) -> list[Training]:
    """The trainings of all trials; those in the ledger at `path` are not run again, new ones are appended as they come.

    jobs: processes. backend: `loky` for processes here, `dask` for the workers of `scheduler` (an address).
    progress: told how many trials are done of how many, and which was done last.
    Raises LedgerError for a file that is something else; TrialsError where workers end,
    SettingsError where they cannot be reached.
    """
    known: dict[Trial, list[Training]] = defaultdict(list)
    for training in read(path):
        known[training.trial].append(training)
    done = {trial: known[trial] for trial in wanted if _whole(trial, known.get(trial, ()))}
    where = parallel.Cluster(scheduler) if backend == "dask" else parallel.Processes(jobs, most_chunk=1)

    def work(left: Sequence[Trial]) -> Iterator[tuple[Trial, list[Training]]]:
        for trial, trainings in parallel.as_it_comes(run, left, where):
            if isinstance(trainings, parallel.Lost):
                raise TrialsError(
                    f"a worker was killed (too little memory?); what is done is in {path}: run the same command again, "
                    "with fewer --jobs"
                )
            yield trial, trainings

    found = ledger.resumed(wanted, done, work, path, COLUMNS, lambda trainings: map(_line, trainings), progress)
    return [training for trainings in found for training in trainings]


def _whole(trial: Trial, trainings: Iterable[Training]) -> bool:
    """Whether the training before, which is written last, is there, and is that of the present recipe."""
    return any(not training.fix and training.recipe == trial.build().digest for training in trainings)


def _line(training: Training) -> tuple[Any, ...]:
    trial = training.trial
    best = f"{training.best:.6g}" if math.isfinite(training.best) else ""
    return (
        *(trial.fault, trial.task, trial.seed, training.fix, training.recipe, " ".join(training.findings)),
        " ".join(training.offered),
        *(training.metric, best, int(training.comparable), f"{training.seconds:.3f}", training.date),
    )


def read(path: Path) -> list[Training]:
    """The trainings in a ledger, those of the last time that each trial was run; none where there is no file.

    A trial whose training before is missing was killed on the way, and is left out. Raises LedgerError.
    """
    whole: dict[Trial, list[Training]] = {}
    pending: dict[Trial, dict[str, Training]] = defaultdict(dict)
    for training in ledger.read(path, COLUMNS, _training):
        trial = training.trial
        if trial.fault in FAULTS and trial.task in BENCHES[trial.fault]:
            pending[trial][training.fix] = training
            if not training.fix:
                whole[trial] = list(pending.pop(trial).values())
    return [training for trainings in whole.values() for training in trainings]


def _training(cells: Sequence[str]) -> Training:
    """The training of a line. Raises ValueError."""
    fault, task, seed, fix, recipe, findings, offered, metric, best, comparable, seconds, date = cells
    return Training(
        Trial(fault, task, int(seed)),
        fix,
        recipe,
        tuple(findings.split()),
        tuple(offered.split()),
        metric,
        float(best or "nan"),
        comparable == "1",
        float(seconds),
        date,
    )
