"""Sentences that several reports share: verdicts, advice with its trials, evidence, and what was not judged."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import PurePath

from diagnose.curves import Run
from diagnose.reports.words import count, number, one_line, place
from diagnose.rule import RANK, Diagnosis, Evidence, NotJudged, Recommendation, Severity, verdict_word
from diagnose.trials import Tally

FIXES_SHOWN = 3
"""Fixes written out per finding; the others are named."""


LISTED = 4
"""Names listed of what is missing from a log; the others are counted."""


_LACKS = " has no "


AIMS: Mapping[str, str] = {
    "learn-anything": "be better than random: a small model, few data, a rough search for the learning rate",
    "learn-everything": "fit, and overfit, the training data: more capacity, a finer search of the hyperparameters",
    "learn-the-right-thing": "keep the training fit and close the gap to the validation: regularization, more data",
}
"""What to aim at next while a run works on a milestone, from the lecture notes' `Training milestone`."""


def verdict(diagnosis: Diagnosis) -> str:
    """The verdict in a few words: `2 problems: overfitting (error), loss-spike (warning)`, `healthy`."""
    problems = [f for f in diagnosis.findings if f.severity is not Severity.NOTE]
    notes = [f for f in diagnosis.findings if f.severity is Severity.NOTE]
    if not diagnosis.findings:
        return "healthy" if diagnosis.judged else "not judged"
    parts = []
    if problems:
        named = ", ".join(f"{f.rule} ({f.severity})" for f in problems)
        parts.append(f"{count(len(problems), 'problem')}: {named}")
    if notes:
        parts.append(f"{count(len(notes), 'note')}: {', '.join(f.rule for f in notes)}")
    return ("" if problems else "no problem; ") + "; ".join(parts)


def labels_of(runs: Sequence[Run]) -> list[str]:
    """What to call each run: its source, with the run's own name where one source holds several."""
    per_source = Counter(run.source for run in runs)
    return [
        f"{place(run.source)} [{one_line(run.name)}]" if per_source[run.source] > 1 else place(run.source or run.name)
        for run in runs
    ]


def first_label(fix: Recommendation) -> str:
    """The label of what is at the head of the list."""
    return "rarely:" if fix.tally.rare else "try first:"


def advice(fix: Recommendation, *, brief: bool = False) -> str:
    """A fix in a sentence: what to do, why, and how it fared in trials."""
    said = outcome(fix.tally, brief=brief)
    return one_line(f"{fix.title.rstrip('.')} - {fix.why.rstrip('.')}. {said[0].upper()}{said[1:]}.")


def outcome(tally: Tally, *, brief: bool = False) -> str:
    """How a fix fared in trials: `resolved 60/60 trials (95 % CI 94-100 %), +2.1 points val accuracy`; `not tried`.

    brief: without the words that the line before has said.
    """
    if not tally.trials:
        return "not tried"
    low, high = (100.0 * end for end in tally.interval)
    share = f"({low:.0f}-{high:.0f} %)" if brief else f"trials (95 % CI {low:.0f}-{high:.0f} %)"
    gain = ""
    if math.isfinite(tally.gain):
        metric = {"accuracy": " val accuracy", "r2": " val R2"}.get(tally.metric, " val metric")
        gain = f", {tally.gain:+.1f} points{'' if brief else metric}"
    return f"resolved {tally.resolved}/{tally.trials} {share}{gain}"


def evidence_in_words(evidence: Evidence) -> str:
    """`GL 38.2 percent (threshold 5)`."""
    limit = "" if evidence.threshold is None else f" (threshold {number(evidence.threshold)})"
    unit = f" {evidence.unit}" if evidence.unit else ""
    return one_line(f"{evidence.statistic} {number(evidence.value)}{unit}{limit}")


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
        reason = f"{kind}{_LACKS}{_listed(things)}" if things else kind
        parts.append(f"{', '.join(names) if len(names) <= LISTED else f'{len(names)} rules'} ({reason})")
    return "; ".join(parts)


def _listed(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    if len(names) <= LISTED:
        return ", ".join(names)
    return f"{', '.join(names[: LISTED - 1])} and {len(names) - LISTED + 1} more"


def totals(diagnoses: Sequence[Diagnosis]) -> str:
    """The verdicts counted: `4 runs: 1 with errors, 1 with notes, 2 healthy`."""
    tally = Counter(verdict_word(d) for d in diagnoses)
    names = {"error": "with errors", "warning": "with warnings", "note": "with notes", "not-judged": "not judged"}
    counts = ", ".join(f"{tally[word]} {names.get(word, word)}" for word in RANK if tally[word])
    return f"{count(len(diagnoses), 'run')}: {counts}"


def shared_folder(paths: Sequence[str]) -> str:
    """The directories that all paths begin with, with the separator behind; "" where there are none."""
    folders = [PurePath(path).parent.parts for path in paths]
    shared = takewhile(lambda names: len(set(names)) == 1, zip(*folders, strict=False))
    folder = str(PurePath(*(names[0] for names in shared)))
    return "" if folder == "." else folder.rstrip(os.sep) + os.sep


def short_verdict(diagnosis: Diagnosis) -> str:
    """The verdict as it fits a table: `error: overfitting; warning: loss-spike`."""
    grouped = {s: [f.rule for f in diagnosis.findings if f.severity is s] for s in reversed(Severity)}
    return "; ".join(f"{s}: {', '.join(rules)}" for s, rules in grouped.items() if rules) or verdict(diagnosis)
