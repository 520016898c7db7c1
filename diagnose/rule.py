"""The words every rule speaks: Rule, Finding, Evidence, Cause, Fix, Change, Severity, Case.

All of them are frozen values: they can be listed, compared, replaced (`dataclasses.replace`) and passed around in a
test without a registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from diagnose.calibration import Calibration
from diagnose.curves import Run
from diagnose.names.kinds import UNKNOWN, Kind
from diagnose.trials import NOT_TRIED, Tally


class CannotJudge(Exception):  # noqa: N818 - no error: the third outcome of a check besides a finding and silence
    """Raised by a check whose inputs are there but say nothing (ten points have no period), or by the provider of an
    input that the run does not have; `str()` is the reason.
    """


class Severity(StrEnum):
    """How bad it is if it is true. The names are SARIF's levels."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for a note, 1 for a warning, 2 for an error."""
        return ("note", "warning", "error").index(self.value)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measured number and the threshold it was held against.

    unit: `percent`, `standard deviations`, `epochs` ...; empty for a pure number.
    threshold: None where the number is context and decided nothing.
    bound: whether it is at least this, and was measured no further.
    """

    statistic: str
    value: float
    threshold: float | None = None
    unit: str = ""
    bound: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What a fix may use to propose in the run's own numbers (see `Run.hyperparameter`)."""

    run: Run
    finding: Finding


@dataclass(frozen=True, slots=True)
class Signs:
    """What a log and its config say of one cause of a finding; each sign in words that can follow a colon.

    speaks_for: what is there and would be there if this were the cause.
    against: what is there and would not be.
    not_logged: what would tell, and is not there.
    """

    speaks_for: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    not_logged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspect:
    """A cause that the findings of a rule may have.

    id: stable; the word that a finding's own `cause` has, where the rule can tell it.
    title: what is wrong, in a few words: `the learning rate is too high`.
    signs: what the log says of it.
    fixes: ids of the catalogue that undo it, in the order to try.
    """

    id: str
    title: str
    signs: Callable[[Context], Signs]
    fixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause of one finding with what the log says of it (see `Suspect` and `Signs`)."""

    id: str
    title: str
    speaks_for: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    not_logged: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """Signs for it less those against it."""
        return len(self.speaks_for) - len(self.against)


Value = float | int | str | bool
"""A value of a hyperparameter."""


@dataclass(frozen=True, slots=True)
class Change:
    """A hyperparameter and its new value; `str()` says it: `learning_rate 0.1 -> 0.01`.

    name: canonical (see `diagnose.names.hyperparameters`).
    new: what it is set to, with no more digits than the sentence gives it.
    old: what it is in the run; None where that is unknown.
    """

    name: str
    new: Value
    old: Value | None = None

    def __str__(self) -> str:
        """The change as a sentence says it."""
        old = "" if self.old is None else f"{_said(self.old)} -> "
        return f"{self.name} {old}{_said(self.new)}"


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do that is no new value of a hyperparameter: stop at an epoch, look at some batches.

    id: stable name, such as `stop`.
    arguments: name and value of each: `(("axis", "epoch"), ("at", 31))`; several numbers are a tuple.
    """

    id: str
    arguments: tuple[tuple[str, Value | tuple[float, ...]], ...] = ()


Changes = tuple[Change | Action, ...]
"""What an advice comes down to, as data; empty where it has no numbers of the run."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A fix in the run's own numbers: the data, and the words that say them.

    words: the sentence, as `str.format` takes it. A change goes by the name of its hyperparameter (`{dropout}` gives
        `dropout 0 -> 0.2`, `{dropout.new:g}` gives `0.2`), an argument of an action and a fact by their own (`{at:g}`).
    changes: what to do.
    facts: what else the words name.
    conditional: whether the words leave open if it is for this run at all; it then stands behind what is.
    """

    words: str
    changes: Changes = ()
    facts: Mapping[str, Value] = field(default_factory=dict)
    conditional: bool = False

    @property
    def sentence(self) -> str:
        """The words with the values in their places."""
        named: dict[str, Any] = dict(self.facts)
        for change in self.changes:
            named |= {change.name: change} if isinstance(change, Change) else dict(change.arguments)
        listed = {name: ", ".join(map(_said, value)) for name, value in named.items() if isinstance(value, tuple)}
        return self.words.format_map(named | listed)


def _said(value: Value) -> str:
    """A value within a sentence: numbers with six digits at most."""
    return str(value) if isinstance(value, str | bool) else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Fix:
    """One entry of the catalogue of fixes. Its title alone is enough.

    id: stable name, such as `lower-learning-rate`.
    title: what to do, in the imperative, without numbers of a run.
    why: why it helps, in one sentence.
    source: where the advice comes from: the lecture notes' heading, or a paper.
    propose: what it comes down to in a run, with the words for it; None where the run's numbers are unknown.
    only_for, not_for: kinds of training (see `diagnose.names.kinds`); it is offered to no others, and not to these.
    suits: whether it means anything to this run: a rate that is low already is not lowered; None where it always does.
    test: whether it changes nothing and tells rival causes apart.
    """

    id: str
    title: str
    why: str
    source: str
    propose: Callable[[Context], Proposal | None] | None = None
    only_for: tuple[str, ...] = ()
    not_for: tuple[str, ...] = ()
    suits: Callable[[Context], bool] | None = None
    test: bool = False

    def fits(self, kind: str) -> bool:
        """Whether it means anything to a training of this kind."""
        return kind not in self.not_for and (not self.only_for or kind in self.only_for)

    def means_something(self, context: Context, kind: str) -> bool:
        """Whether it fits the kind of training and suits the run."""
        return self.fits(kind) and (self.suits is None or self.suits(context))

    def offered(self, context: Context, tally: Tally = NOT_TRIED) -> Recommendation:
        """The fix as it is offered for one finding of a run: as it proposes, else by its title."""
        proposal = None if self.propose is None else self.propose(context)
        if proposal is None:
            return Recommendation(self.id, self.title, self.why, self.source, tally, test=self.test)
        tally = NOT_TRIED if proposal.conditional else tally
        return Recommendation(
            self.id, proposal.sentence, self.why, self.source, tally, proposal.changes, self.test, proposal.conditional
        )


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A fix as it is offered for one finding: concrete words, and how it fared in trials on the reference trainer.

    tally: the published trials; none of them means that it was not tried.
    changes: what the title says, as data; empty where it has no numbers of the run.
    test: whether it changes nothing and tells rival causes apart.
    conditional: whether its words leave open if it is for this run at all.
    """

    id: str
    title: str
    why: str
    source: str
    tally: Tally = NOT_TRIED
    changes: Changes = ()
    test: bool = False
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says about a run, in three steps: what was measured, what it means, what to try.

    severity: how bad it is if it is true.
    confidence: probability in [0, 1] that a practitioner looking at the curve would agree. A rule hands over how sure
        it is of its own; the engine makes that probability of it (see `diagnose.calibration`).
    measured: whether enough findings of the rule were labelled for the confidence to be told as a number; the engine
        fills it in.
    summary: what was measured, with numbers, one sentence.
    meaning: what that means, one or two sentences.
    steps: the first and last step it concerns, in the unit of the run's axis.
    marks: the single steps worth a mark on the curve (the spikes, the best epoch), at most a few dozen.
    series: canonical names of the curves it was seen in, the most telling first.
    evidence: the numbers behind it.
    fixes: ids of the catalogue in the order to try, where the finding knows better than its rule; empty otherwise.
    cause: what most likely lies behind it, where the log and its config tell: a word of the rule's own, such as
        `initialization`, or the id of one of `causes`; "" where they do not. Trials of fixes are counted for each.
    causes: the rival causes, the likeliest first, with what the log says of each; the engine fills them in.
    rule: id of the rule; the engine fills it in.
    explained_by: id of the rule whose finding in the same run explains this one, or ""; the engine fills it in.
    recommendations: the fixes in concrete words; the engine fills them in.
    runs: names of the runs it is about, where several were compared; the engine names all of them where the rule
        names none. Empty for a finding about the one run that was judged.
    """

    severity: Severity
    confidence: float
    summary: str
    meaning: str
    steps: tuple[float, float]
    series: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    marks: tuple[float, ...] = ()
    fixes: tuple[str, ...] = ()
    cause: str = ""
    causes: tuple[Cause, ...] = ()
    rule: str = ""
    explained_by: str = ""
    recommendations: tuple[Recommendation, ...] = ()
    runs: tuple[str, ...] = ()
    measured: bool = False


def of_setting(summary: str, meaning: str, last_step: float, evidence: Evidence) -> Finding:
    """The note of a rule that judges a setting: it holds for the whole run, which no curve is asked about."""
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=summary,
        meaning=meaning,
        steps=(0.0, last_step),
        series=(),
        evidence=(evidence,),
    )


@dataclass(frozen=True, slots=True)
class Case:
    """An example a rule must get right: `build()` makes a run; `expect` is the severity, or None for silence.

    For a rule across runs `build()` makes the runs, for one against a baseline the run and then those of the baseline.
    """

    title: str
    build: Callable[[], Run | Sequence[Run]]
    expect: Severity | None = None


GROUPS: Mapping[str, str] = {
    "curve": "how losses and metrics go",
    "metric": "whether a number is what it is called",
    "gradient": "the size of gradients, and how they are clipped",
    "schedule": "the learning rate, and when the run ends",
    "hyperparameter": "a setting of the configuration",
    "search": "what a search has tried",
    "comparison": "a run beside others of the same thing",
    "reward": "reinforcement learning and preference tuning",
    "adversarial": "networks that are trained against each other",
    "machine": "time, speed and restarts",
    "bias": "what a network looks at",
}
"""What rules look at, in the order in which they are listed. A name selects all rules of the group."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One pathology.

    id: the module's name with hyphens.
    doc: the manual page, which is the module's docstring.
    check: the judgement; see `diagnose.judging.needs` for what its signature means.
    min_points: fewest aligned points below which the rule is "not judged".
    fixes: ids of the catalogue in the order to try.
    cases: runs the rule must fire on and runs it must leave alone.
    explained_by: ids of rules whose finding in the same run explains this one's, the deepest cause first.
    silences: ids of rules whose findings mean nothing beside a warning or an error of this one; they are left out.
    not_for: paradigm of learning (see `diagnose.names.kinds`) -> why the rule is "not judged" where a run learns by
        it.
    precedence: its place among findings of one severity, the smaller the earlier: below 0 where it makes the curves
        doubtful that others judge, above 0 where it is about a setting or a cost and not about what the training did.
    essential_for: kinds of training (see `diagnose.names.kinds`) of which no run is healthy without this rule's
        judgement.
    calibration: how often its findings are right, by how sure it is; None where nobody has measured that, and the
        confidence is the rule's own.
    causes: the rival causes of its findings, the most common first; the engine weighs them by the log.
    measures: threshold, or the source of what is compared -> what that is, in plain words, the statistic's name last.
    test: id of the fix that is the cheapest test to tell the causes apart where the log does not; "" for none.
    group: what it looks at, one of `GROUPS`.
    """

    id: str
    doc: str
    check: Callable[..., Finding | None]
    min_points: int
    fixes: tuple[str, ...]
    cases: tuple[Case, ...] = ()
    explained_by: tuple[str, ...] = ()
    silences: tuple[str, ...] = ()
    not_for: Mapping[str, str] = field(default_factory=dict, hash=False)
    precedence: int = 0
    essential_for: tuple[str, ...] = ()
    calibration: Calibration | None = None
    causes: tuple[Suspect, ...] = ()
    measures: Mapping[str, str] = field(default_factory=dict, hash=False)
    test: str = ""
    group: str = "curve"

    @property
    def title(self) -> str:
        """The first line of the manual page without the name: what the rule finds."""
        first = self.doc.strip().splitlines()[0]
        return first.partition(": ")[2].rstrip(".") or first.rstrip(".")


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison that a rule made on a run (see `diagnose.judging.conditions`).

    code, line: its source in the rule's file. measured: the source of the side that was measured.
    words: what was measured, in plain words; "" where the rule has none.
    threshold: the name of the rule's threshold, or "".
    value, limit: both sides, in `unit`; NaN where they are no numbers.
    needed: `>=`, `<` ...: how the value has to stand to the limit for a finding; "" where either may lead to one.
    result: what the comparison came out as, in the source. held: whether that was as needed; None where nothing is.
    ended: whether the test that it is a part of came out against a finding. decisive: whether that was the last one.
    times: how often it was compared, of which this is the last. among: points that were compared, of which this comes
        nearest to being so.
    """

    code: str
    line: int
    measured: str
    words: str
    threshold: str
    value: float
    limit: float
    unit: str
    needed: str
    result: bool
    held: bool | None
    ended: bool
    decisive: bool
    times: int
    among: int


@dataclass(frozen=True, slots=True)
class Why:
    """Why a rule has a finding on a run, or none.

    outcome: `fired`, `silent`, `not-judged`, `silenced` or `left-out`.
    reason: what else than its conditions decided, in a sentence; "" for nothing.
    conditions: what it compared, in order; empty where it compared nothing, or nothing is known of it.
    recorded: whether its comparisons could be recorded.
    hints: for what is missing, the nearest that was not recognised, and what to type.
    finding: what it found, also where that was silenced.
    """

    rule: str
    outcome: str
    reason: str = ""
    conditions: tuple[Condition, ...] = ()
    recorded: bool = True
    hints: tuple[str, ...] = ()
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class NotJudged:
    """A rule that could not say anything about a run, and why."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything `diagnose` says about one run.

    findings: worst first, each followed by what it explains.
    not_judged: the rules that lacked something, in the rules' order.
    judged: ids of the rules that looked and were able to judge.
    milestone: `learn-anything`, `learn-everything` or `learn-the-right-thing` (the lecture notes' training milestones),
        or `unknown`.
    milestone_reason: why, in one sentence.
    kind: what kind of training it is, and what tells it.
    rests_on: ids of the rules without which none of this kind is healthy; empty where no rule knows the kind.
    """

    run: Run
    findings: tuple[Finding, ...]
    not_judged: tuple[NotJudged, ...]
    judged: tuple[str, ...]
    milestone: str = "unknown"
    milestone_reason: str = ""
    kind: Kind = UNKNOWN
    rests_on: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all rules that a sound verdict on this kind of training rests on have judged."""
        return bool(self.rests_on) and set(self.rests_on) <= set(self.judged)

    @property
    def worst(self) -> Severity | None:
        """The severity of the worst finding; None where there is none."""
        return max((f.severity for f in self.findings), key=lambda s: s.rank, default=None)


WORDS = ("failed", "error", "warning", "note", "not-judged", "nothing-found", "healthy")

RANK: Mapping[str, int] = {word: place for place, word in enumerate(WORDS)}
"""Verdicts in the order in which runs are listed, worst first; `failed` where a run could not be read or judged."""


def verdict_word(diagnosis: Diagnosis) -> str:
    """The verdict in one word: `error`, `warning` or `note` as the worst finding; without one `healthy` where all was
    judged that a sound run of its kind rests on, `nothing-found` where less was, or `not-judged`.
    """
    if diagnosis.worst is not None:
        return diagnosis.worst.value
    if not diagnosis.judged:
        return "not-judged"
    return "healthy" if diagnosis.whole else "nothing-found"
