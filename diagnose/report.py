"""What was judged of one source or many, as one value; `diagnose.reports` renders it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from diagnose.rule import RANK, Diagnosis, Finding, NotJudged, verdict_word

if TYPE_CHECKING:
    import pandas as pd


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

    @property
    def worst_first(self) -> tuple[Diagnosis, ...]:
        """The diagnoses by verdict, the worst first; those of one verdict in the order of the sources."""
        return tuple(sorted(self.diagnoses, key=lambda diagnosis: RANK[verdict_word(diagnosis)]))

    def fails(self, severities: Collection[str]) -> bool:
        """Whether a finding, of a run or of several together, is of one of these severities."""
        return any(finding.severity in severities for finding in (*self.findings, *self.across))

    def __iter__(self) -> Iterator[Diagnosis]:
        return iter(self.diagnoses)

    def __len__(self) -> int:
        return len(self.diagnoses)

    def to_frame(self) -> pd.DataFrame:
        """One row per finding: source, run, rule, severity, confidence, first_step, last_step, summary, fix.

        The steps are in the unit of the run's axis; `fix` is the first recommendation, "" where there is none.
        """
        import pandas as pd

        rows = [
            {
                "source": _encodable(diagnosis.run.source),
                "run": _encodable(diagnosis.run.name),
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


def _encodable(text: str) -> str:
    """The text with what no encoding has, such as the bytes of an odd file name, written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def with_unique_names(diagnoses: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
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
