"""Findings with a known truth: of the labelled corpus, of logs that frameworks wrote for known faults, of the AlgoPerf
curves by a mechanical truth, of simulated pairs of curves, and of drawn runs; those that are shown, and those that
looser thresholds would show.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import _corpus
import numpy as np
from _drawn import Drawn, draw, run_of
from _kinds import HEALTHY, ILL
from _noise import NOISES
from _planted import LEAST_POINTS, WHOLE, is_clean, jumps, second_differences, smooth
from _verdicts import HARMLESS, RULES, counts_for, curve_rules

from diagnose.api import diagnose
from diagnose.calibration import Features
from diagnose.curves import Array, Run
from diagnose.errors import REPLACED, ReadError
from diagnose.judging.confidence import features
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.judging.needs import compares_runs, needs_baseline, thresholds_of
from diagnose.rule import Evidence, Finding, Rule, Severity

LOOSER = 2.0
"""Times that the threshold of the deciding number is moved towards silence, for findings that are not shown."""

LOOSELY_SURE = 0.8
"""Instead of what a rule demands as `sure`."""

THINNED = (WHOLE, 8, 15, 30)
"""Points to which the AlgoPerf curves are thinned."""

MECHANICAL = ("overfitting", "overconfidence", "divergence", "loss-spike")
"""Rules for which a dense curve tells the truth."""

DRAWN_POINTS = (12, 30, 100)

Truth = Callable[[Finding, bool], bool | None]
"""A finding, and whether it is the first of its run, to whether it is right; None where nobody knows."""


class Subject(NamedTuple):
    """A run to judge, and the truth about its findings.

    source: where the truth comes from. group: what may not be on both sides of a split: a repository, a framework, a
    submission with a workload. rules: ids of those to apply, all where empty. weight: less than 1 where several logs
    are of one training. later: whether it came when rules and thresholds were there.
    """

    source: str
    group: str
    run: Run
    truth: Truth
    rules: tuple[str, ...] = ()
    weight: float = 1.0
    later: bool = False


class Labelled(NamedTuple):
    """One finding and whether it is right.

    shown: whether it is found with the thresholds as they are. loud: a warning or an error. handed: the rule's own
    confidence. seen: what bears on it.
    """

    source: str
    group: str
    run: str
    rule: str
    shown: bool
    loud: bool
    handed: float
    seen: Features
    right: bool
    weight: float = 1.0
    later: bool = False


class Loosened(NamedTuple):
    """Settings of a rule that show more of its findings, and the threshold that their deciding number then has."""

    settings: Mapping[str, Any]
    threshold: float


# --- judging ----------------------------------------------------------------------------------------------------------


def bare_rules() -> list[Rule]:
    """The rules that judge one run, without their calibration: how sure they are is theirs alone."""
    single = (rule for rule in load_rules() if not compares_runs(rule) and not needs_baseline(rule))
    return [replace(rule, calibration=None) for rule in single]


def labelled(subjects: Sequence[Subject]) -> list[Labelled]:
    """The findings of all subjects whose truth is known, those that are not shown last."""
    rules = bare_rules()
    shown = [judge(s.run, _of(s, rules), fixes={}, trials=()).findings for s in subjects]
    looser = loosened(rules, [finding for findings in shown for finding in findings])
    found = [row for s, findings in zip(subjects, shown, strict=True) for row in _rows(s, findings, {})]
    for subject, findings in zip(subjects, shown, strict=True):
        said = {finding.rule for finding in findings}
        silent = [rule for rule in _of(subject, rules) if rule.id in looser and rule.id not in said]
        settings = {rule.id: looser[rule.id].settings for rule in silent}
        more = judge(subject.run, silent, thresholds=settings, fixes={}, trials=()).findings
        found += _rows(subject, more, looser)
    return found


def _of(subject: Subject, rules: Sequence[Rule]) -> list[Rule]:
    return [rule for rule in rules if not subject.rules or rule.id in subject.rules]


def _rows(subject: Subject, findings: Sequence[Finding], looser: Mapping[str, Loosened]) -> Iterator[Labelled]:
    """looser: empty where the findings are shown."""
    for finding in findings:
        right = subject.truth(finding, not looser and finding is findings[0])
        if right is None:
            continue
        seen = features(finding)
        if looser and _decider(finding).threshold == looser[finding.rule].threshold:
            seen = seen._replace(effect=seen.effect - math.log(LOOSER))
        loud = finding.severity is not Severity.NOTE
        yield Labelled(
            subject.source,
            subject.group,
            subject.run.name,
            finding.rule,
            not looser,
            loud,
            finding.confidence,
            seen,
            right,
            subject.weight,
            subject.later,
        )


def _decider(finding: Finding) -> Evidence:
    """The number of a finding that decided: the first with a threshold."""
    return next((e for e in finding.evidence if e.threshold), Evidence("", 1.0))


def loosened(rules: Sequence[Rule], shown: Sequence[Finding]) -> dict[str, Loosened]:
    """Of each rule the settings that show more, as its own findings tell which threshold decides and from which side.

    The threshold is the one whose default, or a hundred times that, stands in most of the evidence. A rule of which
    that cannot be told is not there.
    """
    found = {}
    for rule in rules:
        deciders = [_decider(finding) for finding in shown if finding.rule == rule.id]
        numbers = {k: v for k, v in thresholds_of(rule).items() if isinstance(v, float) and v}
        held = Counter(
            (name, scale) for e in deciders for name, v in numbers.items() for scale in (1.0, 100.0)
            if e.threshold and math.isclose(e.threshold, scale * v)
        )  # fmt: skip
        if not held:
            continue
        name, scale = held.most_common(1)[0][0]
        above = float(np.median([abs(e.value) - abs(e.threshold or 0.0) for e in deciders])) >= 0.0
        value = numbers[name] / LOOSER if above else numbers[name] * LOOSER
        sure = {"sure": LOOSELY_SURE} if "sure" in numbers else {}
        found[rule.id] = Loosened({name: value, **sure}, scale * value)
    return found


# --- the corpus -------------------------------------------------------------------------------------------------------


def of_corpus(corpus: Path) -> Iterator[Subject]:
    """The labelled logs. A finding is right where one of the labels that it satisfies says yes."""
    labels = _corpus.labels(corpus)
    for log in _corpus.logs(corpus):
        known = labels.get(log.id, {})
        if known:
            for diagnosis in _corpus.of_manifest(_corpus.outcome(log)):
                run = replace(diagnosis.run, name=log.id)
                yield Subject("corpus", log.repo, run, _by_labels(known), later=log.later)


def _by_labels(known: Mapping[str, bool]) -> Truth:
    def truth(finding: Finding, first: bool) -> bool | None:
        said = [known[label] for label in RULES if label in known and counts_for(finding, label)]
        return any(said) if said else None

    return truth


def of_pairs(corpus: Path) -> Iterator[Subject]:
    """The simulated pairs of curves, labelled as overfitting or not."""
    for run, label in _corpus.pairs(corpus):
        yield Subject("pairs", run.name, run, _by_labels({"overfitting": label}), RULES["overfitting"])


# --- logs of frameworks -----------------------------------------------------------------------------------------------


def of_frameworks(folder: Path) -> Iterator[Subject]:
    """Logs of runs with known faults. Of an ill run the first finding is right where a practitioner would name it; of a
    healthy run every alarm is wrong. Logs of one folder are of one training.
    """
    with (folder / "verdicts.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    trainings = Counter(Path(row["path"]).parts[0] for row in rows)
    rules = curve_rules()
    for row in rows:
        try:
            report = diagnose(str(folder / row["path"]))
        except ReadError:
            continue
        named = row["practitioner"].split("|")
        allowed = frozenset(rule for name in named for rule in (name, *REPLACED.get(name, ())))
        for diagnosis in report.diagnoses[:1]:
            run = replace(diagnosis.run, name=row["path"])
            weight = 1.0 / trainings[Path(row["path"]).parts[0]]
            yield Subject("frameworks", row["framework"], run, _by_verdict(allowed, rules), weight=weight)


def _by_verdict(allowed: frozenset[str], rules: frozenset[str]) -> Truth:
    def truth(finding: Finding, first: bool) -> bool | None:
        alarm = finding.severity is not Severity.NOTE and finding.rule in rules - HARMLESS
        if "healthy" in allowed:
            return False if alarm else None
        return finding.rule in allowed if first else None

    return truth


# --- AlgoPerf ---------------------------------------------------------------------------------------------------------


def of_curves(path: Path) -> Iterator[Subject]:
    """The AlgoPerf curves of which the dense curve tells the truth, whole and thinned."""
    import pandas as pd

    for name, rows in pd.read_parquet(path).groupby("run", observed=True, sort=False):
        rows = rows[np.isfinite(rows.train_loss) & np.isfinite(rows.val_loss)]
        losses = {role: rows[role].to_numpy(np.float64) for role in ("train_loss", "val_loss")}
        if len(rows) < LEAST_POINTS or min(map(np.min, losses.values())) <= 0.0:
            continue
        truth = mechanical(**losses)
        if not truth:
            continue
        if rows.metric.iloc[0] == "accuracy" and np.isfinite(rows[["train_metric", "val_metric"]].to_numpy()).all():
            losses |= {f"{part}_accuracy": rows[f"{part}_metric"].to_numpy(np.float64) for part in ("train", "val")}
        group = f"{rows.submission.iloc[0]}/{rows.workload.iloc[0]}"
        steps = rows.step.to_numpy(np.float64)
        for points in THINNED:
            yield from _thinned(str(name), group, steps, losses, truth, points)


def _thinned(
    name: str, group: str, steps: Array, curves: Mapping[str, Array], truth: frozenset[str], points: int
) -> Iterator[Subject]:
    """The curve at evenly spaced points, between which a spike may fall; nothing where it has not twice as many."""
    keep = np.arange(steps.size)
    if points != WHOLE:
        if steps.size < 2 * points:
            return
        keep = np.round(np.linspace(0.0, steps.size - 1.0, points)).astype(int)
    run = run_of(name, {role: values[keep] for role, values in curves.items()}, steps[keep])
    told = MECHANICAL if points == WHOLE else tuple(rule for rule in MECHANICAL if rule != "loss-spike")
    yield Subject("curves", group, run, _by_mechanics(truth), told)


def mechanical(train_loss: Array, val_loss: Array) -> frozenset[str]:
    """What a dense pair of curves has: `overfitting`, `divergence`, `jumps` or `clean`; empty where it does not tell.

    The definitions are those of the README of the curves.
    """
    train, val = _risen(train_loss), _risen(val_loss)
    since = int(np.argmin(smooth(val_loss)))
    follows = float(np.median(train_loss[-_last(train_loss) :])) - float(smooth(train_loss)[since])
    found = set()
    if val[0] >= 0.05 and val[1] >= 8.0 and follows <= 0.3 * val[2]:
        found.add("overfitting")
    elif train[0] >= 0.20 and train[1] >= 10.0:
        found.add("divergence")
    if jumps(train_loss) or jumps(val_loss):
        found.add("jumps")
    if is_clean(train_loss, val_loss):
        found.add("clean")
    return frozenset(found)


def _risen(values: Array) -> tuple[float, float, float]:
    """How far a curve ends above its smooth minimum: as a share, in standard deviations of the noise, and as it is."""
    lowest = float(smooth(values).min())
    by = float(np.median(values[-_last(values) :])) - lowest
    return by / lowest, by / max(second_differences(values), 1e-12 * lowest), by


def _last(values: Array) -> int:
    return max(2, values.size // 10)


def _by_mechanics(truth: frozenset[str]) -> Truth:
    """Of a curve that jumps and is nothing else, only spikes are known."""

    def right(finding: Finding, first: bool) -> bool | None:
        if finding.rule == "loss-spike":
            return True if "jumps" in truth else False if "clean" in truth else None
        if truth <= {"jumps"}:
            return None
        return ("overfitting" if finding.rule == "overconfidence" else finding.rule) in truth

    return right


# --- drawn runs -------------------------------------------------------------------------------------------------------


def of_drawn(seeds: int) -> Iterator[Subject]:
    """Runs drawn with every effect and noise, and healthy ones."""
    for kind in (*ILL, *HEALTHY):
        for noise in NOISES.values():
            for points in DRAWN_POINTS:
                for seed in range(seeds):
                    truth = draw(kind, noise, points, seed)
                    name = f"{kind}-{noise.name}-{points}-{seed}"
                    rules = (kind,) if kind in ILL else tuple(ILL)
                    yield Subject("drawn", name, truth.run, _by_draw(truth), rules)


def _by_draw(truth: Drawn) -> Truth:
    def right(finding: Finding, first: bool) -> bool | None:
        if truth.kind in HEALTHY:
            return False if finding.severity is not Severity.NOTE else None
        return truth.minded

    return right
