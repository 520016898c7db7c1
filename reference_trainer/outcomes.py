"""What came of trials: which advice resolved which finding, the table that reports read, and how good the advice is.

An advice *resolves* a finding where after it the finding is gone, no warning or error has come that was not there
before, and the best validation metric is not worse than before by more than two trainings of one recipe differ.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from diagnose.judging.causes import of_cause as fixes_of_cause
from diagnose.judging.installed import known_rules, load_fixes
from diagnose.measure import statistics
from diagnose.reports.manual import gain
from diagnose.trials import Purpose, Trials, alike, pool
from reference_trainer import remedies
from reference_trainer.faults import FAULTS
from reference_trainer.trials import FIRST_SEED, Training, Trial, purpose_of

FIRST_LEAST = 0.90
"""Share of the runs with a finding that the first advice that can be trained must resolve, on the faults that it was
made for; `reference_trainer.blind` measures it on others."""

THREE_LEAST = 0.98
"""Share of the runs with a finding that one of the first three must resolve."""

FEW = 10
"""Runs below which a cause has no line of its own in the table by fault."""

SIDE_95 = 1.645
"""Standard deviations below a Gaussian mean that 95 % lie above."""

WORSE = SIDE_95 * math.sqrt(2.0)
"""Standard deviations between seeds by which two trainings of one recipe differ to one side in 1 of 20 pairs."""


@dataclass(frozen=True)
class Outcome:
    """What an advice did in one trial: whether it resolved the finding, and by how much the metric grew (NaN where it
    cannot be compared), as a fraction.
    """

    before: Training
    after: Training
    cause: str
    resolved: bool
    gain: float

    @property
    def cost(self) -> float:
        """CPU time after over that before; NaN where nothing was trained."""
        return self.after.seconds / self.before.seconds if self.after.seconds and self.before.seconds else math.nan


def outcomes(trainings: Iterable[Training]) -> list[Outcome]:
    """What each advice did in each trial in which the fault gave its finding."""
    by_trial: dict[Trial, dict[str, Training]] = defaultdict(dict)
    for training in trainings:
        by_trial[training.trial][training.fix] = training
    seen: dict[tuple[str, str, Purpose], list[float]] = defaultdict(list)
    for trial, lines in by_trial.items():
        seen[trial.fault, trial.task, purpose_of(trial.seed)].append(lines[""].best)
    noise = {bench: _spread_of(values) for bench, values in seen.items()}
    found = []
    for trial, lines in by_trial.items():
        before, rule = lines[""], FAULTS[trial.fault].finding
        cause = before.cause_of(rule)
        if cause is None:
            continue
        margin = WORSE * noise[trial.fault, trial.task, purpose_of(trial.seed)]
        found += [_outcome(before, after, rule, cause, margin) for fix, after in lines.items() if fix]
    return found


def _outcome(before: Training, after: Training, rule: str, cause: str, margin: float) -> Outcome:
    gone = after.cause_of(rule) != cause and rule not in after.not_judged
    quiet = after.alarms <= before.alarms
    gain = after.best - before.best
    if math.isnan(before.best) and math.isfinite(after.best):
        gain = after.best  # before, nothing finite was ever answered: not even the 0 of the worst answers
    worse = after.comparable and (math.isnan(after.best) or gain < -margin)
    return Outcome(before, after, cause, gone and quiet and not worse, gain if after.comparable else math.nan)


def _spread_of(values: Sequence[float]) -> float:
    """Standard deviation between seeds of the finite values; 0 for fewer than two."""
    finite = np.array([value for value in values if math.isfinite(value)])
    return float(finite.std(ddof=1)) if finite.size > 1 else 0.0


def table(trainings: Iterable[Training]) -> list[Trials]:
    """The table that the reports read, one row per rule, cause, fix, fault, task and set of seeds."""
    trainings = list(trainings)
    grouped: dict[tuple[str, str, str, str, Purpose], list[Outcome]] = defaultdict(list)
    runs: dict[tuple[str, str, str, str, Purpose], int] = defaultdict(int)
    for training in trainings:
        trial, cause = training.trial, training.cause_of(FAULTS[training.trial.fault].finding)
        for fix in training.offered if cause is not None else ():
            runs[trial.fault, str(cause), fix, trial.task, purpose_of(trial.seed)] += fix in remedies.REMEDIES
    for outcome in outcomes(trainings):
        trial = outcome.before.trial
        grouped[trial.fault, outcome.cause, outcome.after.fix, trial.task, purpose_of(trial.seed)].append(outcome)
    versions = f"diagnose {version('training-diagnose')}, torch {version('torch')}"
    place = list(FAULTS)
    rows = []
    for key in sorted((key for key, count in runs.items() if count), key=lambda key: (place.index(key[0]), key[1:])):
        fault, cause, fix, task, seeds = key
        found = grouped[key]
        gain, low, high = _mean(100.0 * np.array([outcome.gain for outcome in found]))
        recipe = Trial(fault, task, FIRST_SEED[seeds]).build()
        costs = [outcome.cost for outcome in found if math.isfinite(outcome.cost)]
        rows.append(
            Trials(
                rule=FAULTS[fault].finding,
                cause=cause,
                fix=fix,
                fault=fault,
                task=task,
                kind=recipe.kind,
                optimizer=recipe.optimizer,
                seeds=seeds,
                runs=runs[key],
                trials=len(found),
                resolved=sum(outcome.resolved for outcome in found),
                metric=found[0].after.metric if found else "",
                gain=gain,
                gain_low=low,
                gain_high=high,
                cost=statistics.median(np.array(costs)) if costs else math.nan,
                date=max((outcome.after.date for outcome in found), default=""),
                versions=versions,
            )
        )
    return rows


def _mean(values: np.ndarray) -> tuple[float, float, float]:
    """The mean and its 95 % interval (normal); NaN where a value is not known."""
    if not values.size or not np.isfinite(values).all():
        return math.nan, math.nan, math.nan
    mean = float(values.mean())
    half = statistics.NORMAL_95 * float(values.std(ddof=1)) / math.sqrt(values.size) if values.size > 1 else math.nan
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class Score:
    """How often the advice helps that a user would be given, over the published seeds of one fault.

    runs: trials; seen: those in which the fault gave its finding; first, three: those of `seen` that the first advice,
    or one of the first three, resolved. advice: the ids that came first, the most frequent first.
    """

    fault: str
    runs: int
    seen: int
    first: int
    three: int
    advice: tuple[str, ...]


def scores(trainings: Sequence[Training], rows: Sequence[Trials]) -> list[Score]:
    """For each fault, what the advice that the log's cause and the ranking seeds lead to did with the published seeds.

    rows: the table.
    """
    tried: dict[Trial, dict[str, Outcome]] = defaultdict(dict)
    for outcome in outcomes(trainings):
        tried[outcome.before.trial][outcome.after.fix] = outcome
    runs: dict[str, list[Trial]] = defaultdict(list)
    for trial in dict.fromkeys(training.trial for training in trainings):
        if purpose_of(trial.seed) == "published":
            runs[trial.fault].append(trial)
    found = []
    for fault in FAULTS:
        if fault not in runs:
            continue
        firsts: dict[str, int] = defaultdict(int)
        first = three = 0
        for trial in runs[fault]:
            known = tried.get(trial, {})
            if not known:
                continue
            ranked = _advice(rows, trial, next(iter(known.values())).cause)
            firsts[ranked[0]] += 1
            helped = [fix in known and known[fix].resolved for fix in ranked[:3]]
            first += helped[0]
            three += any(helped)
        seen = sum(bool(tried.get(trial)) for trial in runs[fault])
        advice = tuple(sorted(firsts, key=lambda fix: -firsts[fix]))
        found.append(Score(fault, len(runs[fault]), seen, first, three, advice))
    return found


def by_fault(rows: Sequence[Trials]) -> str:
    """A table in Markdown out of the table of trials: for each fault the first advice, and what it did, published."""
    lines = ["| fault | finding | cause | first advice | resolved | gain, points |", "|---|---|---|---|---|---|"]
    published = [row for row in rows if row.seeds == "published"]
    for fault, cause in dict.fromkeys((row.fault, row.cause) for row in published):
        of_cause = [row for row in published if (row.fault, row.cause) == (fault, cause)]
        if sum(row.runs for row in of_cause) < FEW * len({row.fix for row in of_cause}):
            continue  # a cause that a handful of the runs show
        rule = FAULTS[fault].finding
        first = _advice(rows, Trial(fault, of_cause[0].task, FIRST_SEED["published"]), cause)[0]
        tally = pool([row for row in of_cause if row.fix == first])
        share, won = _share(tally.resolved, tally.runs), gain(tally) or "-"
        lines.append(f"| `{fault}` | `{rule}` | {cause or '-'} | `{first}` | {share} | {won} |")
    return "\n".join(lines) + "\n"


def _advice(rows: Sequence[Trials], trial: Trial, cause: str) -> list[str]:
    """The fixes that a trial's finding of this cause is offered and that can be trained, in the order to try."""
    rule, recipe = known_rules()[FAULTS[trial.fault].finding], trial.build()
    like = [row for row in rows if row.rule == rule.id and alike(row, recipe.kind, recipe.optimizer)]
    catalogue = load_fixes()
    fitting = (fix for fix in fixes_of_cause(rule, cause, like) if catalogue[fix].fits(recipe.kind))
    return [fix for fix in fitting if fix in remedies.REMEDIES]


def passed(found: Iterable[Score]) -> bool:
    """Whether over all faults the first advice, and one of the first three, resolve as many runs as they must."""
    totals = [sum(values) for values in zip(*((s.seen, s.first, s.three) for s in found), strict=True)]
    return bool(totals) and totals[1] >= FIRST_LEAST * totals[0] and totals[2] >= THREE_LEAST * totals[0]


def summary(found: Sequence[Score]) -> str:
    """A table in Markdown: for each fault what is advised first, and how many runs the advice resolves."""
    lines = [
        "| fault | finding | seen in | first advice | resolves | one of the first three |",
        "|---|---|---|---|---|---|",
    ]
    for score in found:
        advice = ", ".join(f"`{fix}`" for fix in score.advice) or "-"
        lines.append(
            f"| `{score.fault}` | `{FAULTS[score.fault].finding}` | {score.seen} of {score.runs} | {advice} | "
            f"{_share(score.first, score.seen)} | {_share(score.three, score.seen)} |"
        )
    seen, first, three = (sum(getattr(score, name) for score in found) for name in ("seen", "first", "three"))
    runs = sum(score.runs for score in found)
    lines.append(f"| all | | {seen} of {runs} | | {_share(first, seen)} | {_share(three, seen)} |")
    return "\n".join(lines) + "\n"


def _share(count: int, of_all: int) -> str:
    low, high = (100.0 * end for end in statistics.wilson(count, of_all))
    return f"{count} of {of_all} ({low:.0f}-{high:.0f} %)" if of_all else "-"
