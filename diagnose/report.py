"""What was judged of one source or many, as one value; `diagnose.reports` renders it."""

from __future__ import annotations

import pickle
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, overload

from diagnose.rule import RANK, Diagnosis, Finding, NotJudged, verdict_word

if TYPE_CHECKING:
    import pandas as pd

MOST_COMPARED = 10_000
"""Sources whose runs are held against each other; of more, so many that are evenly drawn."""

CHUNK = 64
"""Diagnoses that are packed together."""


class SourceError(NamedTuple):
    """A source that could not be read, or not be judged at all, and why in one line."""

    source: str
    message: str


@dataclass(frozen=True)
class Report:
    """What `diagnose` says about one source or many.

    diagnoses: one per run, in the order of the sources. Of more than 100 sources the runs are thinned to what the
        reports need of them, of more than 1,000 they are held `Packed`.
    errors: the sources that could not be read or not be judged at all.
    across: what the comparable runs among them say together; `Finding.runs` names the runs.
    across_not_judged: the rules across runs that could not judge, where there were runs enough.
    """

    diagnoses: Sequence[Diagnosis] = ()
    errors: tuple[SourceError, ...] = ()
    across: tuple[Finding, ...] = ()
    across_not_judged: tuple[NotJudged, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all runs, run after run, worst first within each."""
        return tuple(finding for diagnosis in self.diagnoses for finding in diagnosis.findings)

    @property
    def worst_first(self) -> Sequence[Diagnosis]:
        """The diagnoses by verdict, the worst first; those of one verdict in the order of the sources."""
        if isinstance(self.diagnoses, Packed):
            return self.diagnoses.worst_first
        return tuple(sorted(self.diagnoses, key=_rank))

    def fails(self, severities: Collection[str]) -> bool:
        """Whether a finding, of a run or of several together, is of one of these severities."""
        of_runs = (finding for diagnosis in self.diagnoses for finding in diagnosis.findings)
        return any(finding.severity in severities for finding in chain(self.across, of_runs))

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


def _rank(diagnosis: Diagnosis) -> int:
    return RANK[verdict_word(diagnosis)]


class Packed(Sequence[Diagnosis]):
    """The diagnoses of very many runs, held as packed bytes: about 500 bytes each, a tenth of what they are in use.

    Those of one chunk are unpacked together, so it is quick to go through them in order.

    names: of the runs as they came, with a number behind each that several have.
    """

    def __init__(self, diagnoses: Iterable[Diagnosis] = ()) -> None:
        self._chunks: list[bytes] = []
        self._last: tuple[int, list[Diagnosis]] = -1, []  # unpacked last, and its place
        self._ranks: list[int] = []
        names: list[str] = []
        waiting: list[Diagnosis] = []
        for diagnosis in diagnoses:
            names.append(diagnosis.run.name)
            self._ranks.append(_rank(diagnosis))
            waiting.append(diagnosis)
            if len(waiting) == CHUNK:
                self._chunks.append(_packed(waiting))
                waiting = []
        if waiting:
            self._chunks.append(_packed(waiting))
        self.names = _unique(names)
        self._places: Sequence[int] = range(len(names))  # in the order in which they are gone through

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Diagnosis: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Diagnosis]: ...

    def __getitem__(self, place: int | slice) -> Diagnosis | Sequence[Diagnosis]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        place = self._places[place]
        chunk, within = divmod(place, CHUNK)
        if self._last[0] != chunk:
            self._last = chunk, pickle.loads(zlib.decompress(self._chunks[chunk]))
        return _named(self._last[1][within], self.names[place])

    @property
    def worst_first(self) -> Sequence[Diagnosis]:
        """The same by verdict, the worst first; those of one verdict in the same order."""
        ordered = copy(self)
        ordered._places = sorted(self._places, key=self._ranks.__getitem__)
        return ordered


def _packed(diagnoses: list[Diagnosis]) -> bytes:
    return zlib.compress(pickle.dumps(diagnoses, protocol=4), level=1)  # 5 is slower for short arrays


def _encodable(text: str) -> str:
    """The text with what no encoding has, such as the bytes of an odd file name, written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def with_unique_names(diagnoses: Sequence[Diagnosis]) -> tuple[Diagnosis, ...]:
    """The diagnoses with a number behind each name that several runs have."""
    names = _unique([diagnosis.run.name for diagnosis in diagnoses])
    return tuple(_named(diagnosis, name) for diagnosis, name in zip(diagnoses, names, strict=True))


def _unique(names: Sequence[str]) -> list[str]:
    """The names with a number behind each that stands there several times."""
    many = {name for name, times in Counter(names).items() if times > 1}
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(f"{name} ({seen[name]})" if name in many else name)
    return unique


def _named(diagnosis: Diagnosis, name: str) -> Diagnosis:
    """The diagnosis of a run with another name."""
    return diagnosis if diagnosis.run.name == name else replace(diagnosis, run=replace(diagnosis.run, name=name))
