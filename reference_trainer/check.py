"""Measures whether every fault gives its finding and every healthy recipe gives none, over seeds.

Each trial trains a recipe, writes its log, and diagnoses the file as a user would. Results are rows of a CSV, appended
as they come: what is there already is not run again, unless its recipe has changed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from diagnose import parallel
from diagnose.errors import SettingsError, unknown
from reference_trainer import ledger
from reference_trainer.diagnosed import diagnosed
from reference_trainer.faults import CURVES
from reference_trainer.healthy import HEALTHY, healthy
from reference_trainer.recipe import Recipe

SEEN = 0.95
"""Share of the runs of a fault that must give its finding."""

SPARED = 0.98
"""Share of the runs of a healthy recipe that must give no warning and no error."""

COLUMNS = ("kind", "name", "seed", "recipe", "findings", "seconds")


class CheckError(SettingsError):
    """A check that cannot be made; `str()` says why and what to do, in one line."""


@dataclass(frozen=True)
class Trial:
    """One recipe with one seed. kind: `fault` or `healthy`."""

    kind: str
    name: str
    seed: int

    def build(self) -> Recipe:
        """What is trained."""
        return CURVES[self.name].recipe(seed=self.seed) if self.kind == "fault" else healthy(self.name, seed=self.seed)

    @property
    def digest(self) -> str:
        """Eight characters that change with the recipe."""
        return self.build().digest


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    findings: `rule:severity` of each finding, the worst first; None where the run was lost.
    seconds: wall time of training and diagnosis.
    """

    trial: Trial
    digest: str
    findings: tuple[str, ...] | None
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the expected finding is there, or none that matters."""
        if self.findings is None:
            return False
        if self.trial.kind == "fault":
            return CURVES[self.trial.name].finding in {finding.partition(":")[0] for finding in self.findings}
        return not any(finding.endswith((":warning", ":error")) for finding in self.findings)


def trials(seeds: Sequence[int], only: Sequence[str] = ()) -> list[Trial]:
    """Every fault and healthy recipe, or those named in `only`, with every seed. Raises CheckError for another name."""
    names = [("fault", name) for name in CURVES] + [("healthy", name) for name in HEALTHY]
    known = [name for _, name in names]
    for name in only:
        if name not in known:
            raise CheckError(unknown("fault or recipe", name, known))
    return [Trial(kind, name, seed) for kind, name in names if not only or name in only for seed in seeds]


def run(trial: Trial) -> Outcome:
    """Train, write the log, and diagnose it."""
    began = time.perf_counter()
    _, report, _ = diagnosed(trial.build())
    if report.errors:
        raise CheckError(f"{trial.name}, seed {trial.seed}: {report.errors[0][1]}")
    findings = tuple(f"{finding.rule}:{finding.severity}" for finding in report.findings)
    return Outcome(trial, trial.digest, findings, time.perf_counter() - began)


def measure(wanted: Sequence[Trial], path: Path, jobs: int, progress: ledger.Progress | None = None) -> list[Outcome]:
    """The outcomes of all trials, those in the file at `path` first; new ones are appended to it as they come.

    jobs: processes. progress: told how many are done of how many, and which was done last.
    Raises LedgerError where the file is something else or cannot be written.
    """
    known = {outcome.trial: outcome for outcome in read(path)}
    done = {trial: known[trial] for trial in wanted if trial in known and known[trial].digest == trial.digest}

    def work(left: Sequence[Trial]) -> Iterator[tuple[Trial, Outcome]]:
        answers = parallel.in_order(run, left, parallel.Processes(jobs, _prepare, most_chunk=1))
        for trial, answer in zip(left, answers, strict=True):
            if isinstance(answer, parallel.Lost):
                answer = Outcome(trial, trial.digest, None, math.nan)
            yield trial, answer

    return ledger.resumed(wanted, done, work, path, COLUMNS, lambda outcome: [_line(outcome)], progress)


def _prepare() -> None:
    """Load what every trial needs, once in each process."""
    import reference_trainer.train  # noqa: F401


def _line(outcome: Outcome) -> tuple[object, ...]:
    findings = "lost" if outcome.findings is None else " ".join(outcome.findings)
    return *asdict(outcome.trial).values(), outcome.digest, findings, f"{outcome.seconds:.2f}"


def read(path: Path) -> list[Outcome]:
    """The outcomes in a file, the last one of each trial; none where there is no file. A line cut off is dropped.

    Raises LedgerError where the file is something else.
    """
    return list({outcome.trial: outcome for outcome in ledger.read(path, COLUMNS, _outcome)}.values())


def _outcome(cells: Sequence[str]) -> Outcome:
    """The outcome of a line. Raises ValueError."""
    kind, name, seed, digest, findings, seconds = cells
    found = None if findings == "lost" else tuple(findings.split())
    return Outcome(Trial(kind, name, int(seed)), digest, found, float(seconds))


def rates(outcomes: Iterable[Outcome]) -> Mapping[tuple[str, str], tuple[int, int]]:
    """(kind, name) -> how many runs passed, of how many; in the order of the catalogues."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for outcome in outcomes:
        key = (outcome.trial.kind, outcome.trial.name)
        passed, count = found.get(key, (0, 0))
        found[key] = (passed + outcome.passed, count + 1)
    order = [("fault", name) for name in CURVES] + [("healthy", name) for name in HEALTHY]
    return {key: found[key] for key in order if key in found}


def missed(outcomes: Iterable[Outcome]) -> list[str]:
    """The faults seen, and the healthy recipes spared, in fewer runs than they must."""
    least = {"fault": SEEN, "healthy": SPARED}
    return [name for (kind, name), (passed, count) in rates(outcomes).items() if passed < least[kind] * count]


def table(outcomes: Iterable[Outcome]) -> str:
    """Two tables in Markdown, as the README shows them."""
    found = rates(outcomes)
    lines = ["| fault | what it does | finding | seen in |", "|---|---|---|---|"]
    for (kind, name), (passed, count) in found.items():
        if kind == "fault":
            fault = CURVES[name]
            lines.append(f"| `{name}` | {fault.line} | `{fault.finding}` | {passed} of {count} |")
    lines += ["", "| healthy recipe | no warning, no error in |", "|---|---|"]
    lines += [f"| {name} | {passed} of {count} |" for (kind, name), (passed, count) in found.items() if kind != "fault"]
    return "\n".join(lines) + "\n"
