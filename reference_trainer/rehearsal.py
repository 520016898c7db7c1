"""A rehearsal: the fault that gives a user's finding, caused on the reference task nearest to the user's run, and what
the advice does to it.

rehearsal = rehearse(diagnosis)                         # diagnosis of the user's run
rehearsal.before.diagnosis.findings                     # those of the reference run with the fault
rehearsal.tries[0].resolved                             # whether the first advice took the finding away

It is the reference task and never the user's: what helps there is likely, and not certain, to help here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from diagnose import trials
from diagnose.curves import Run
from diagnose.errors import SettingsError, unknown
from diagnose.judging.installed import load_trials
from diagnose.names import optimizers, traits
from diagnose.names.kinds import UNKNOWN
from diagnose.names.kinds import kind_of as task_kind
from diagnose.rule import Diagnosis, Finding, Recommendation
from reference_trainer import remedies
from reference_trainer.benches import BENCHES
from reference_trainer.faults import FAULTS
from reference_trainer.recipe import Recipe
from reference_trainer.trials import Trial, best_of, metric_name, trained

FIRST_SEED = 3000
"""The first seed of a rehearsal; no trial of the table has it."""

MOST_SEEDS = 3
"""Seeds tried until the fault gives its finding; each fault does in nearly all."""

FIXES = 3
"""Advices that are rehearsed."""

MODELS: Mapping[str, str] = {
    "recurrent": r"lstm|gru|rnn|recurrent",
    "convolutional": r"conv|cnn|resnet|resnext|vgg|inception|efficientnet|densenet|mobilenet|alexnet|lenet|unet|yolo",
    "dense": r"mlp|dense|perceptron|feed.?forward|linear|logistic",
}
"""Kind of network that is no transformer -> what the names of its kind have in them, the first that fits."""


@dataclass(frozen=True)
class Bench:
    """A fault and the reference recipe it is caused in.

    like, unlike: what of the user's configuration the recipe shares, and what it does not, in words.
    """

    fault: str
    name: str
    like: tuple[str, ...]
    unlike: tuple[str, ...]

    def recipe(self, seed: int) -> Recipe:
        """The recipe with the fault."""
        return Trial(self.fault, self.name, seed).build()


@dataclass(frozen=True)
class Training:
    """A reference run, and what `diagnose` says of its log.

    best: best value of the validation metric; metric: its name.
    """

    recipe: Recipe
    diagnosis: Diagnosis
    metric: str
    best: float


@dataclass(frozen=True)
class Try:
    """An advice taken in the reference run. training: None where it changes nothing there, or cannot be taken."""

    advice: Recommendation
    training: Training | None
    resolved: bool
    why_not: str


@dataclass(frozen=True)
class Rehearsal:
    """All of it. finding: the user's; `before.diagnosis` holds the one of the reference run, `seen`."""

    finding: Finding
    bench: Bench
    before: Training
    seen: Finding
    tries: tuple[Try, ...]


def rehearsable(findings: Sequence[Finding], rule: str | None = None, kind: str = UNKNOWN.name) -> Finding | None:
    """The first finding, or that of `rule`, that a fault of the reference trainer gives in a training of this kind;
    None where there is none.
    """
    caused = {FAULTS[bench.fault].finding for bench in _benches(kind)}
    return next((found for found in findings if found.rule in caused and rule in (None, found.rule)), None)


class _Place(NamedTuple):
    """A fault on one of its benches."""

    fault: str
    name: str

    @property
    def kind(self) -> str:
        """The kind of training that it is."""
        return Trial(self.fault, self.name, FIRST_SEED).build().kind


def _benches(kind: str) -> list[_Place]:
    """All benches that a training of this kind may be held against: a classifier learns no numbers, and what learns
    numbers no classes; what is neither stands nearest to a classifier.
    """
    places = (_Place(fault, name) for fault, benches in BENCHES.items() for name in benches)
    if kind in ("classification", "regression"):
        return [place for place in places if place.kind == kind]
    return sorted(places, key=lambda place: place.kind != "classification")


def nearest(run: Run, finding: Finding, fault: str | None = None) -> Bench:
    """The bench that is most like the user's run: of its kind of training, then by the cause that the log tells, then
    by its settings.

    fault: only this one. Raises SettingsError where it gives another finding, or is none, or where the finding is
    caused in no training of this kind.
    """
    kind = task_kind(run).name
    giving = [name for name, known in FAULTS.items() if known.finding == finding.rule]
    if fault is not None and fault not in giving:
        raise SettingsError(unknown(f"fault that gives {finding.rule}", fault, giving))
    chosen = [place for place in _benches(kind) if place.fault in ([fault] if fault is not None else giving)]
    if not chosen:
        which = f"{finding.rule} by {fault}" if fault is not None else finding.rule
        raise SettingsError(f"{which} cannot be caused in a {kind} on the reference trainer; choose another --finding")
    alike = {row.fault for row in load_trials() if (row.rule, row.cause) == (finding.rule, finding.cause)}
    compared = {place: _compared(run, place.fault, place.name) for place in chosen}
    first = chosen[0].kind
    best = max(chosen, key=lambda place: (place.kind == first, place.fault in alike, len(compared[place].like)))
    return compared[best]


def _compared(run: Run, fault: str, name: str) -> Bench:
    """A bench, held against the user's configuration."""
    ours = FAULTS[fault].recipe(**BENCHES[fault][name]).config()
    kind, own_kind = task_kind(run).name, Trial(fault, name, FIRST_SEED).build().kind
    like: list[str] = [own_kind] if kind == own_kind else []
    unlike: list[str] = [] if kind in (own_kind, "supervised", UNKNOWN.name) else [f"{own_kind} (yours {kind})"]
    for field, same in SAME.items():
        theirs, own = run.hyperparameter(field), ours.get(field)
        if theirs is None or own is None or isinstance(theirs, (dict, list)):
            continue
        said = f"{field} {own}" if theirs == own else f"{field} {own} (yours {_said(theirs)})"
        (like if same(theirs, own) else unlike).append(said)
    return Bench(fault, name, tuple(like), tuple(unlike))


def _said(value: Any) -> str:
    """A value of a configuration; float32 numbers without the digits that double precision adds to them."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _same_kind(theirs: Any, own: Any) -> bool:
    return kind_of(str(theirs)) is not None and kind_of(str(theirs)) == kind_of(str(own))


def kind_of(model: str) -> str | None:
    """The kind of network that a model's name says it is; None where it does not."""
    if traits.is_transformer(model):
        return "transformer"
    return next((kind for kind, words in MODELS.items() if re.search(words, model.casefold())), None)


def _same_family(theirs: Any, own: Any) -> bool:
    known = optimizers.known(str(theirs))
    return known is not None and known == optimizers.known(str(own))


def _within(factor: float) -> Callable[[Any, Any], bool]:
    def near(theirs: Any, own: Any) -> bool:
        numbers = [float(value) for value in (theirs, own) if isinstance(value, (int, float))]
        return len(numbers) == 2 and min(numbers) * factor >= max(numbers)

    return near


def _same_word(theirs: Any, own: Any) -> bool:
    plain = [re.sub(r"[^a-z0-9]", "", str(value).casefold()) for value in (theirs, own)]
    return plain[0] in plain[1] or plain[1] in plain[0]


SAME: Mapping[str, Callable[[Any, Any], bool]] = {
    "model": _same_kind,
    "optimizer": _same_family,
    "activation": _same_word,
    "scheduler": _same_word,
    "batch_size": _within(2.0),
    "learning_rate": _within(3.0),
    "weight_decay": _within(3.0),
    "dropout": _within(1.5),
    "num_classes": _within(2.0),
}
"""Hyperparameter -> whether two values of it are much the same."""


def rehearse(
    diagnosis: Diagnosis,
    rule: str | None = None,
    fault: str | None = None,
    progress: Callable[[int, str], None] | None = None,
) -> Rehearsal:
    """Cause the finding of a user's run on the reference trainer, and take its advice there.

    rule: which finding; None for the first that can be caused. fault: which one, where several give the finding.
    progress: told how many of `1 + FIXES` trainings are done.
    Raises SettingsError where the run has no such finding, or none that can be rehearsed.
    """
    if rule is not None and rule not in {found.rule for found in diagnosis.findings}:
        raise SettingsError(unknown("finding of this run", rule, [found.rule for found in diagnosis.findings]))
    finding = rehearsable(diagnosis.findings, rule, diagnosis.kind.name)
    if finding is None:
        can = ", ".join(sorted({FAULTS[place.fault].finding for place in _benches(diagnosis.kind.name)}))
        which = f"{rule} cannot" if rule is not None else "no finding of this run can"
        raise SettingsError(f"{which} be caused on the reference trainer; those that can: {can}")
    bench = nearest(diagnosis.run, finding, fault)
    tell = progress or (lambda done, said: None)
    tell(0, bench.fault)
    before, seen = _caused(bench, finding.rule)
    # The order is that of the user's finding; the words and numbers are those of the reference run.
    told = {advice.id: advice for advice in seen.recommendations}
    wanted = [advice.id for advice in finding.recommendations if advice.id in told]
    ranked = [told[fix] for fix in (*wanted, *(fix for fix in told if fix not in wanted)) if fix in remedies.REMEDIES]
    tries: list[Try] = []
    for advice in ranked[:FIXES]:
        tell(1 + len(tries), advice.id)
        tries.append(_tried(advice, before, seen))
    return Rehearsal(finding, bench, before, seen, tuple(tries))


def _caused(bench: Bench, rule: str) -> tuple[Training, Finding]:
    """The reference run with the fault, and its finding. Raises SettingsError where none of the seeds gives it."""
    for seed in range(FIRST_SEED, FIRST_SEED + MOST_SEEDS):
        training = _train(bench.recipe(seed))
        seen = next((found for found in training.diagnosis.findings if found.rule == rule), None)
        if seen is not None:
            return training, seen
    raise SettingsError(f"{bench.fault} did not give {rule} with {MOST_SEEDS} seeds; please report this")


def _tried(advice: Recommendation, before: Training, seen: Finding) -> Try:
    changed = remedies.apply(advice.id, before.recipe, advice.changes)
    if changed is None:
        return Try(advice, None, False, "cannot be taken in this recipe")
    if changed == before.recipe:
        return Try(advice, None, False, "changes nothing in this recipe")
    after = _train(changed)
    left = {(found.rule, found.cause) for found in after.diagnosis.findings}
    if (seen.rule, seen.cause) in left:
        return Try(advice, after, False, f"{seen.rule} is still there")
    if seen.rule not in after.diagnosis.judged:
        return Try(advice, after, False, f"{seen.rule} could not be judged")
    new = [rule for rule, cause in _alarms(after) if (rule, cause) not in _alarms(before)]
    if new:
        return Try(advice, after, False, f"{seen.rule} is gone, and {', '.join(new)} has come")
    return Try(advice, after, True, "")


def _alarms(training: Training) -> list[tuple[str, str]]:
    """Rule and cause of each warning and error."""
    return [(found.rule, found.cause) for found in training.diagnosis.findings if found.severity != "note"]


def _train(recipe: Recipe) -> Training:
    result, diagnosis, _ = trained(recipe)
    if diagnosis is None:
        raise SettingsError("the log of the reference run is too short to be judged; please report this")
    return Training(recipe, diagnosis, metric_name(result), best_of(result))


def evidence(rehearsal: Rehearsal, fix: str) -> trials.Tally:
    """What the published trials on runs like the user's say of a fix for the finding."""
    told = (advice.tally for advice in rehearsal.finding.recommendations if advice.id == fix)
    return next(told, trials.NOT_TRIED)
