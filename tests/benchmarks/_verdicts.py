"""From findings to verdicts: which labels a log's findings satisfy, and what to say where label and rules differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import _corpus
import numpy as np
from _corpus import Outcome
from _scores import Verdict

from diagnose.curves import Run
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.judging.needs import needs
from diagnose.rule import Diagnosis, Finding, Severity

RULES: Mapping[str, tuple[str, ...]] = {
    "non_finite": ("non-finite",),
    "divergence": ("divergence",),
    "loss_spike": ("loss-spike",),
    "not_learning": ("non-convergence", "divergence"),
    "overfitting": ("overfitting", "overconfidence"),
    "generalization_gap": ("generalization-gap", "overfitting", "overconfidence"),
    "still_improving": ("slow-convergence",),
    "unstable": ("oscillation", "noisy-validation"),
    "loss_metric_conflict": ("loss-accuracy-conflict", "overconfidence", "frozen-metric"),
    "frozen_metric": ("frozen-metric",),
}
"""Label -> the rules that satisfy it."""

NOTE_SUFFICES = frozenset(["generalization_gap", "still_improving"])
HARMLESS = frozenset(["slow-convergence", "plateau", "generalization-gap"])
"""Rules whose warnings do not contradict the label `healthy`."""

ARTIFACT = re.compile(r"goes back|repeats in|in one file|runs in the file|more than once")
"""What the reader's note says of several trainings in one file, steps that jump back, and repeated points."""

CURVE_LABELS = (*RULES, "log_artifact", "healthy")


@dataclass
class Result:
    """Verdicts of one judge (diagnose, or a peer) by label, and what is to be said about the disagreements."""

    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    words: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, label: str, verdict: Verdict, words: str = "") -> None:
        """Note one verdict; the words are kept where it disagrees with the label."""
        self.verdicts.setdefault(label, []).append(verdict)
        if verdict.label != verdict.found:
            self.words[label, verdict.id] = words


def curve_rules() -> frozenset[str]:
    """The installed rules that read a curve and no hyperparameter alone."""
    return frozenset(rule.id for rule in load_rules() if any(n.curve for n in needs(rule)))


def counts_for(finding: Finding, label: str) -> bool:
    """Whether the finding satisfies the label."""
    return finding.rule in RULES[label] and (label in NOTE_SUFFICES or finding.severity != Severity.NOTE)


def alarms(findings: Iterable[Finding], rules: frozenset[str]) -> list[Finding]:
    """The findings that contradict the label `healthy`."""
    return [f for f in findings if f.severity != Severity.NOTE and f.rule in rules and f.rule not in HARMLESS]


def evidence(findings: Sequence[Finding]) -> str:
    """Findings in words."""
    return " | ".join(f"{f.rule} ({f.severity}, {f.confidence:.2f}): {f.summary}" for f in findings)


def judge_corpus(outcomes: Sequence[Outcome], labels: Mapping[str, Mapping[str, bool]]) -> Result:
    """Our verdicts on the logs that were read."""
    result, rules = Result(), curve_rules()
    for found in outcomes:
        known = labels.get(found.log.id, {})
        diagnoses = _corpus.of_manifest(found)
        findings = [f for d in diagnoses for f in d.findings]
        for label in CURVE_LABELS:
            if label not in known:
                continue
            if label == "healthy":
                shown = alarms(findings, rules)
                says = not shown
            elif label == "log_artifact":
                shown, notes = [], [n for d in found.diagnoses for n in d.run.notes]
                says = any(map(ARTIFACT.search, notes))
            else:
                shown = [f for f in findings if counts_for(f, label)]
                says = bool(shown)
            words = evidence(shown) or _silence(label, diagnoses)
            result.add(label, Verdict(found.log.id, known[label], says, found.log.repo), words)
    return result


def _silence(label: str, diagnoses: Sequence[Diagnosis]) -> str:
    """Why nothing was found, as far as the rules say it."""
    if label == "log_artifact":
        return "notes: " + (" | ".join(n for d in diagnoses for n in d.run.notes) or "none")
    reasons = {n.rule: n.reason for d in diagnoses for n in d.not_judged if n.rule in RULES.get(label, ())}
    return " | ".join(f"{rule} not judged: {reason}" for rule, reason in reasons.items()) or "nothing found"


def judge_pairs(pairs: Sequence[tuple[Run, bool]]) -> tuple[Result, dict[str, Diagnosis]]:
    """Our verdicts on the labelled pairs of curves, and the diagnoses."""
    result, diagnoses = Result(), {}
    for run, label in pairs:
        diagnoses[run.name] = diagnosis = judge(run)
        shown = [f for f in diagnosis.findings if counts_for(f, "overfitting")]
        result.add("overfitting", Verdict(run.name, label, bool(shown)), evidence(shown) or "nothing found")
    return result, diagnoses


def spikes_that_fall(outcomes: Sequence[Outcome]) -> tuple[int, list[str], list[str]]:
    """Marks of `loss-spike`: how many, those that are no rise, and those where the learning rate was cut by a fifth or
    more, in words.
    """
    found = [(o.log.id, d.run, f) for o in outcomes for d in o.diagnoses for f in d.findings if f.rule == "loss-spike"]
    marks = [(name, run, finding, mark) for name, run, finding in found for mark in finding.marks]
    down = [f"{name} at {mark:g}" for name, run, finding, mark in marks if _falls(run, finding, mark)]
    decay = [f"{name} at {mark:g}" for name, run, _, mark in marks if _decays(run, mark)]
    return len(marks), down, decay


def _falls(run: Run, finding: Finding, mark: float) -> bool:
    """Whether no curve of the finding stands above the median of the five points before the mark."""
    for role in finding.series:
        curve = run.curve(role)
        if curve is None:
            continue
        curve = curve.finite()
        place = int(np.searchsorted(curve.steps, mark))
        before = curve.values[max(place - 5, 0) : place]
        if place < len(curve) and before.size and curve.values[place] > np.median(before):
            return False
    return True


def _decays(run: Run, mark: float) -> bool:
    """Whether the learning rate at the mark is a fifth or more below that of the point before."""
    curve = run.curve("learning_rate")
    if curve is None or len(curve) < 2:
        return False
    place = int(np.searchsorted(curve.steps, mark))
    around = curve.values[max(place - 1, 0) : place + 1]
    return bool(around.size > 1 and around[-1] < 0.8 * around[0])
