"""Sentences that several reports share: verdicts and their counts, names of runs, advice with its trials, evidence, and
what was not judged.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import PurePath

from diagnose.curves import Run
from diagnose.milestone import TITLES
from diagnose.reports.words import count, number, one_line, place, span
from diagnose.rule import RANK, Cause, Diagnosis, Evidence, Finding, NotJudged, Recommendation, Severity, verdict_word
from diagnose.trials import Tally

FIXES_SHOWN = 3
"""Fixes written out per finding; the others are named."""

CAUSES_SHOWN = 3
"""Causes written out per finding, with what the log says of each."""

LISTED = 4
"""Names listed of what is missing from a log; the others are counted."""

WORST_FIRST = tuple(reversed(Severity))
"""Severities in the order in which they are counted and listed."""

VERDICTS: Mapping[str, str] = {
    "failed": "not read",
    "error": "with errors",
    "warning": "with warnings",
    "note": "with notes",
    "not-judged": "not judged",
    "nothing-found": "with nothing found",
    "healthy": "healthy",
}
"""A verdict as it is said of several runs."""

AIMS: Mapping[str, str] = {
    "learn-anything": "be better than random: a small model, few data, a rough search for the learning rate",
    "learn-everything": "fit, and overfit, the training data: more capacity, a finer search of the hyperparameters",
    "learn-the-right-thing": "keep the training fit and close the gap to the validation: regularization, more data",
}
"""What to aim at next while a run works on a milestone, from the lecture notes' `Training milestone`."""

CONFIDENCES = ((0.8, "high"), (0.6, "fair"), (0.0, "low"))
"""A confidence from which on a word stands for it -> the word."""

_LACKS = " has no "

STATISTICS: Mapping[str, str] = {
    "GL": "end above the best",
    "R2": "share of the variance explained",
    "best R2": "best share of the variance explained",
    "autocorrelation": "likeness to itself one period later",
    "corrected p": "probability by chance, for all regions tried",
    "p": "probability by chance",
    "p against the other classes": "probability by chance, against the other classes",
    "p of the trend": "probability by chance of the trend",
    "tau": "how far two curves go the same way, -1 to 1",
    "z": "distance from what is around it",
}
"""What a statistic says, in plain words, where its name does not."""


# --- runs -------------------------------------------------------------------------------------------------------------


def labels_of(runs: Sequence[Run]) -> list[str]:
    """What to call each run: its source, with the run's own name where one source holds several."""
    per_source = Counter(run.source for run in runs)
    return [
        f"{place(run.source)} [{one_line(run.name)}]" if per_source[run.source] > 1 else place(run.source or run.name)
        for run in runs
    ]


def labelled(diagnoses: Sequence[Diagnosis], names: Mapping[str, str] | None = None) -> list[tuple[Diagnosis, str]]:
    """Each diagnosis with what to call its run. names: source of a run -> another name for it."""
    labels = labels_of([diagnosis.run for diagnosis in diagnoses])
    return [(d, (names or {}).get(d.run.source, label)) for d, label in zip(diagnoses, labels, strict=True)]


def shared_folder(paths: Sequence[str]) -> str:
    """The directories that all paths begin with, with the separator behind; "" where there are none."""
    folders = [PurePath(path).parent.parts for path in paths]
    shared = takewhile(lambda names: len(set(names)) == 1, zip(*folders, strict=False))
    folder = str(PurePath(*(names[0] for names in shared)))
    return "" if folder == "." else folder.rstrip(os.sep) + os.sep


def extent(run: Run) -> str:
    """From which step to which it was logged: `epochs 1-100`; "" where it has no points."""
    steps = [series.steps for series in run.series.values() if len(series)]
    return span((min(float(s[0]) for s in steps), max(float(s[-1]) for s in steps)), run.axis) if steps else ""


def facts(run: Run) -> str:
    """What was read: `keras-csv, 100 points, epochs 1-100`."""
    return ", ".join(filter(None, (run.format, count(run.points, "point"), extent(run))))


def kind(diagnosis: Diagnosis) -> str:
    """What kind of training the run is, and why: `boosting; the log has train-logloss and eval-logloss`."""
    return one_line(f"{diagnosis.kind.name}; {diagnosis.kind.reason}")


def stage(diagnosis: Diagnosis) -> str:
    """The milestone that the run works on."""
    return TITLES.get(diagnosis.milestone, "unknown")


# --- verdicts ---------------------------------------------------------------------------------------------------------


def verdict(diagnosis: Diagnosis) -> str:
    """The verdict in a few words: `2 problems: overfitting (error), loss-spike (warning)`, `healthy`."""
    problems = [f for f in diagnosis.findings if f.severity is not Severity.NOTE]
    notes = [f for f in diagnosis.findings if f.severity is Severity.NOTE]
    if not diagnosis.findings:
        return _without_findings(diagnosis)
    parts = []
    if problems:
        named = ", ".join(f"{f.rule} ({f.severity})" for f in problems)
        parts.append(f"{count(len(problems), 'problem')}: {named}")
    if notes:
        parts.append(f"{count(len(notes), 'note')}: {', '.join(f.rule for f in notes)}")
    calm = "no problem; " if diagnosis.whole else f"no problem found by {count(len(diagnosis.judged), 'rule')}; "
    return ("" if problems else calm) + "; ".join(parts)


def _without_findings(diagnosis: Diagnosis) -> str:
    """`healthy`; or how many rules found nothing, and why those say nothing that a sound verdict rests on."""
    word = verdict_word(diagnosis)
    if word != "nothing-found":
        return VERDICTS[word]
    found = f"nothing found by {count(len(diagnosis.judged), 'rule')}"
    lacking = [lack for lack in diagnosis.not_judged if lack.rule in diagnosis.rests_on]
    looked = {*diagnosis.judged, *(lack.rule for lack in lacking)}
    left_out = ", ".join(rule for rule in diagnosis.rests_on if rule not in looked)
    if diagnosis.rests_on:
        parts = (f"not judged: {reasons(lacking)}" if lacking else "", f"not asked: {left_out}" if left_out else "")
        return "; ".join(filter(None, (found, *parts)))
    return f"{found}; none of them tells whether a training of this kind ({diagnosis.kind.name}) is sound"


def short_verdict(diagnosis: Diagnosis) -> str:
    """The verdict as it fits a table: `error: overfitting; warning: loss-spike`."""
    grouped = by_severity(diagnosis.findings)
    said = "; ".join(f"{severity}: {', '.join(rules)}" for severity, rules in grouped.items())
    return said or verdict(diagnosis).partition(";")[0]


def totals(diagnoses: Sequence[Diagnosis]) -> str:
    """The verdicts counted: `4 runs: 1 with errors, 1 with notes, 2 healthy`; `no run`."""
    if not diagnoses:
        return "no run"
    return f"{count(len(diagnoses), 'run')}: {counted(map(verdict_word, diagnoses))}"


def counted(verdicts: Iterable[str]) -> str:
    """How many runs have each verdict: `1 with errors, 2 healthy`."""
    return ", ".join(f"{amount} {VERDICTS[word]}" for word, amount in by_verdict(verdicts).items())


def by_verdict(verdicts: Iterable[str]) -> dict[str, int]:
    """How many there are of each verdict, worst first, without those that there are none of."""
    tally = Counter(verdicts)
    return {word: tally[word] for word in RANK if tally[word]}


def by_severity(findings: Iterable[Finding]) -> dict[Severity, list[str]]:
    """The rules that found something by severity, worst first, without the severities that there are none of."""
    rules: dict[Severity, list[str]] = {severity: [] for severity in WORST_FIRST}
    for finding in findings:
        rules[finding.severity].append(finding.rule)
    return {severity: named for severity, named in rules.items() if named}


def by_rule(findings: Iterable[Finding]) -> dict[str, Counter[Severity]]:
    """How many findings there are of each rule by severity: those with most errors first, then with most warnings."""
    tally: dict[str, Counter[Severity]] = {}
    for finding in findings:
        tally.setdefault(finding.rule, Counter())[finding.severity] += 1
    return dict(sorted(tally.items(), key=lambda item: ([-item[1][severity] for severity in WORST_FIRST], item[0])))


# --- findings ---------------------------------------------------------------------------------------------------------


def is_brief(finding: Finding) -> bool:
    """Whether it is told in short: a note, and what another finding explains."""
    return finding.severity is Severity.NOTE or bool(finding.explained_by)


def in_sentences(finding: Finding) -> list[str]:
    """What was measured, what it means, and what explains it or what to try first."""
    said = [finding.summary, finding.meaning]
    if finding.explained_by:
        said.append(f"Explained by {finding.explained_by}.")
    elif finding.recommendations:
        said.append(f"{when(finding.recommendations[0]).capitalize()}: {advice(finding.recommendations[0])}")
    return said


def confidence(finding: Finding) -> str:
    """How likely the finding is right: `confidence 0.87`; `confidence high`, `fair` or `low` where too few findings of
    its rule were labelled for a number.
    """
    if finding.measured:
        return f"confidence {finding.confidence:.2f}"
    return f"confidence {next(word for least, word in CONFIDENCES if finding.confidence >= least)}"


def evidence_in_words(evidence: Evidence) -> str:
    """`end above the best (GL) 38.2 % (threshold 5)`."""
    limit = "" if evidence.threshold is None else f" (threshold {number(evidence.threshold)})"
    unit = f" {evidence.unit}".replace(" percent", " %") if evidence.unit else ""
    return one_line(f"{statistic(evidence)} {amount(evidence)}{unit}{limit}")


def statistic(evidence: Evidence) -> str:
    """What was measured, in plain words, and then the statistic's name."""
    words = STATISTICS.get(evidence.statistic)
    return f"{words} ({evidence.statistic})" if words else evidence.statistic


def amount(evidence: Evidence) -> str:
    """The measured number: `38.2`, `more than 1000`."""
    return f"{'more than ' if evidence.bound else ''}{number(evidence.value)}"


# --- fixes ------------------------------------------------------------------------------------------------------------


def when(fix: Recommendation, rank: int = 0) -> str:
    """When to try a fix: `try first`, `test first`, `then`, or `rarely`. rank: its place among them, from 0."""
    if rank == 0 and fix.test:
        return "test first"
    return "rarely" if fix.tally.rare else "then" if rank else "try first"


def cause_in_words(cause: Cause) -> str:
    """A cause with what the log says of it: `the rate is too high - speaks for: ...; against: ...; not logged: ...`."""
    parts = (("speaks for", cause.speaks_for), ("against", cause.against), ("not logged", cause.not_logged))
    signs = "; ".join(f"{name}: {', '.join(said)}" for name, said in parts if said)
    return one_line(f"{cause.title} - {signs}" if signs else f"{cause.title} - nothing in the log tells")


def cause_label(finding: Finding, cause: Cause) -> str:
    """What stands before a cause: `cause` for the one that leads, `or` for its rivals, `may be` where none leads."""
    known = any(rival.id == finding.cause for rival in finding.causes)
    return "cause" if cause.id == finding.cause else "or" if known else "may be"


def causes_told(finding: Finding) -> list[Cause]:
    """The causes to write out: the first ones of which the log says anything."""
    return [cause for cause in finding.causes if cause.speaks_for or cause.against or cause.not_logged][:CAUSES_SHOWN]


def advice(fix: Recommendation, *, brief: bool = False) -> str:
    """A fix in a sentence: what to do, why, and how it fared in trials. A test is nothing to be tried."""
    words = f"{fix.title.rstrip('.')} - {fix.why.rstrip('.')}."
    if fix.test:
        return one_line(words)
    said = outcome(fix.tally, brief=brief)
    return one_line(f"{words} {said[0].upper()}{said[1:]}.")


def outcome(tally: Tally, *, brief: bool = False) -> str:
    """How a fix fared in trials: `resolved 60/60 reference runs of one fault (95 % CI 94-100 %), +2.1 points val
    accuracy`; or `not tried on runs like this`.

    brief: without the words that the line before has said.
    """
    if not tally.trials:
        return "not tried" if brief else "not tried on runs like this"
    low, high = (100.0 * end for end in tally.interval)
    faults = "one fault" if tally.faults == 1 else f"{tally.faults} faults"
    share = f"({low:.0f}-{high:.0f} %)" if brief else f"reference runs of {faults} (95 % CI {low:.0f}-{high:.0f} %)"
    gain = ""
    if math.isfinite(tally.gain):
        metric = {"accuracy": " val accuracy", "r2": " of variance explained (R2)"}.get(tally.metric, " val metric")
        gain = f", {tally.gain:+.1f} points{'' if brief else metric}"
    return f"resolved {tally.resolved}/{tally.trials} {share}{gain}"


# --- what was not judged ----------------------------------------------------------------------------------------------


def reasons(lacking_rules: Sequence[NotJudged]) -> str:
    """The rules that were not judged and why, those that lack something of one kind together."""
    rules: dict[str, list[str]] = {}
    lacking: dict[str, list[str]] = {}
    for missing in lacking_rules:
        kind, _, what = one_line(missing.reason).partition(_LACKS)
        rules.setdefault(kind, []).append(missing.rule)
        lacking.setdefault(kind, []).extend(what.split(" and no ") if what else [])
    parts = []
    for kind, names in rules.items():
        things = list(dict.fromkeys(lacking[kind]))
        reason = f"{kind}{_LACKS}{listed(things)}" if things else kind
        parts.append(f"{', '.join(names) if len(names) <= LISTED else f'{len(names)} rules'} ({reason})")
    return "; ".join(parts)


def listed(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    if len(names) <= LISTED:
        return ", ".join(names)
    return f"{', '.join(names[: LISTED - 1])} and {len(names) - LISTED + 1} more"
