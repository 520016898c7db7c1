"""The blind trial of the advice: faults, models and data that nothing was built on, and what a stranger's log has.

For each fault, model and seed a sound run and an ill one are trained. The ill run's log is diagnosed twice: with each
setting and optional column as often as logs of the corpus have it, and with none. What the report prints first is
taken, then the second, then the third, each in the ill run; so are the advices of `ARMS`, which look at no report. The
score is the accuracy on data that no training and no validation sees. Every training is a line of a ledger.

*Recovered* is (score after - ill) / (sound - ill), of runs that the fault harmed by `HARMFUL` at least. A test changes
nothing and recovers nothing. An advice *harms* that ends `HARMFUL` below the ill run.
"""

from __future__ import annotations

import math
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from diagnose import parallel
from diagnose.api import diagnose
from diagnose.errors import ReadError, SettingsError, unknown
from diagnose.judging.installed import load_fixes
from diagnose.rule import Context, Diagnosis, Severity
from reference_trainer import ledger, remedies
from reference_trainer.recipe import Recipe, RecipeError
from reference_trainer.splits import SPLITS

if TYPE_CHECKING:
    from reference_trainer.learner import Result

FIRST_SEED = 7000
"""The first seed; no other trial has it."""

RANKS = 3
"""Advices taken of each arm."""

HARMFUL = 0.02
"""Accuracy by which an ill run must be worse than its sound one to count, and an advice worse than the ill run to
harm."""

ENOUGH = 0.9
"""Share of what the fault cost that an advice must bring back to count as a recovery."""

RESAMPLES = 2000
"""Of the faults, for the intervals."""

SEEN: Mapping[str, float] = {
    "epochs": 39 / 320, "batch_size": 35 / 320, "learning_rate": 35 / 320, "optimizer": 28 / 320,
    "weight_decay": 17 / 320, "gradient_clip": 15 / 320, "scheduler": 15 / 320, "label_smoothing": 10 / 320,
    "model": 10 / 320, "dropout": 8 / 320, "num_classes": 8 / 320, "precision": 7 / 320, "activation": 7 / 320,
    "loss_function": 6 / 320, "early_stopping": 4 / 320,
}  # fmt: skip
"""Setting -> share of the 320 logs of the corpus that have it; settings that none has are told never."""

SHOWN: Mapping[str, float] = {"learning_rate": 137 / 320, "grad_norm": 25 / 320}
"""Optional column -> the same; others that the trainer logs beside losses and accuracies are left out."""

ALWAYS = ("epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy")
"""Columns of every log."""

MODES = ("usual", "none")
"""What is told beside the curves."""

COLUMNS = (
    *("split", "fault", "model", "seed", "mode", "arm", "rank", "advice", "rule", "recipe"),
    *("score", "gone", "new", "stratum"),
)


@dataclass(frozen=True)
class Case:
    """One fault in one model with one seed."""

    split: str
    fault: str
    model: str
    seed: int

    @property
    def name(self) -> str:
        """What is tried."""
        return f"{self.fault}, {self.model}"

    @property
    def draw(self) -> int:
        """The seed of what is drawn for this case alone: what its log tells, and the fixes taken at random."""
        return zlib.crc32(f"{self.split}/{self.fault}/{self.model}/{self.seed}".encode())

    def sound(self) -> Recipe:
        """The recipe without the fault."""
        return Recipe(**SPLITS[self.split].models[self.model], seed=self.seed)

    def ill(self) -> Recipe:
        """The recipe with it."""
        return SPLITS[self.split].faults[self.fault].ill(self.sound())


@dataclass(frozen=True)
class Taken:
    """One line: an advice, and what came of it.

    mode: what the log told; "" for an arm that reads none. arm: `sound`, `ill`, `advice`, or one of `ARMS`. rank: from
    1. advice: id of the fix. rule: of the finding. recipe: digest. score: accuracy on the data held back; NaN where
    nothing was trained. gone: whether the finding has gone; new: whether another warning or error has come.
    stratum: `reset` where every field that the fault set is as in the sound run, `same knob` where one of them is set
    to something else, `another knob`, or `nothing`.
    """

    case: Case
    mode: str
    arm: str
    rank: int
    advice: str
    rule: str
    recipe: str
    score: float
    gone: bool
    new: bool
    stratum: str


def cases(split: str, seeds: int) -> list[Case]:
    """Every fault of a split in each of its models, seed by seed and model by model, so that what was killed half-way
    holds every fault. Raises SettingsError for another name.
    """
    if split not in SPLITS:
        raise SettingsError(unknown("split", split, SPLITS))
    chosen = SPLITS[split]
    return [
        Case(split, fault, model, FIRST_SEED + seed)
        for seed in range(seeds)
        for model in chosen.models
        for fault in chosen.faults
    ]


# --- what a stranger's log tells --------------------------------------------------------------------------------------


def told(recipe: Recipe, mode: str, seed: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings and the columns that the log of a recipe has in a mode, drawn by the seed."""
    if mode == "none":
        return {}, ALWAYS
    random = np.random.default_rng(seed)
    kept = {name for name, share in SEEN.items() if random.random() < share}
    more = tuple(name for name, share in SHOWN.items() if random.random() < share)
    return {name: value for name, value in recipe.config().items() if name in kept}, (*ALWAYS, *more)


def report(result: Result, mode: str, seed: int) -> Diagnosis | None:
    """What `diagnose` says of the log of a training as a stranger would have it; None where it cannot be read."""
    from reference_trainer.logs import CsvLog

    config, columns = told(result.recipe, mode, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.csv"
        with CsvLog(path, columns, config) as log:
            for row in result.rows:
                log.write({name: value for name, value in row.items() if name in columns})
        try:
            return next(iter(diagnose(str(path)).diagnoses), None)
        except ReadError:
            return None


# --- arms that read no report -----------------------------------------------------------------------------------------

Arm = Callable[[Recipe, "Result", int], list[tuple[str, Recipe | None]]]
"""Ill recipe, its training and the seed -> the advices in order, each with the recipe that it makes."""


def _made(recipe: Recipe, **fields: Any) -> Recipe | None:
    """The recipe with these fields; None where they do not go with it."""
    try:
        return replace(recipe, **fields)
    except RecipeError:
        return None


def _random(recipe: Recipe, result: Result, seed: int) -> list[tuple[str, Recipe | None]]:
    """Three fixes of the catalogue, drawn."""
    names = sorted(remedies.REMEDIES)
    drawn = np.random.default_rng(seed).permutation(len(names))[:RANKS]
    return [(names[place], remedies.apply(names[place], recipe, ())) for place in drawn]


def _lower_rate(recipe: Recipe, result: Result, seed: int) -> list[tuple[str, Recipe | None]]:
    """A tenth of the rate, a hundredth, a thousandth."""
    return [
        (f"rate / {factor:g}", _made(recipe, learning_rate=recipe.learning_rate / factor)) for factor in (10, 100, 1000)
    ]


def _batch_norm(recipe: Recipe, result: Result, seed: int) -> list[tuple[str, Recipe | None]]:
    return [("batch norm", _made(recipe, normalization="batch"))]


def _autotrainer(recipe: Recipe, result: Result, seed: int) -> list[tuple[str, Recipe | None]]:
    """The repairs of AUTOTRAINER (Zhang et al., 2021) in its order, by the symptom that it looks for."""
    loss = np.array([row.get("train_loss", math.nan) for row in result.rows])
    score = np.array([row.get("val_accuracy", math.nan) for row in result.rows])
    lower, higher = (_made(recipe, learning_rate=recipe.learning_rate * factor) for factor in (0.1, 10.0))
    norm, clip = _made(recipe, normalization="batch"), _made(recipe, gradient_clip=1.0)
    active, larger = (
        _made(recipe, activation="selu", initialization=""),
        _made(recipe, batch_size=2 * recipe.batch_size),
    )
    if not np.isfinite(loss).all() or loss[-1] > 2.0 * loss[0]:
        return [("clip", clip), ("batch norm", norm), ("lower rate", lower)]
    if loss[-1] > 0.9 * loss[0]:
        return [("batch norm", norm), ("activation", active), ("initialization", _made(recipe, initialization=""))]
    half = score[score.size // 2 :]
    if half.size > 2 and float(np.std(np.diff(half))) > 0.03:
        return [("larger batch", larger), ("lower rate", lower), ("optimizer", _made(recipe, optimizer="adam"))]
    return [("higher rate", higher), ("optimizer", _made(recipe, optimizer="adam")), ("batch norm", norm)]


def _tips(recipe: Recipe, result: Result, seed: int) -> list[tuple[str, Recipe | None]]:
    """The usual list, whatever the run."""
    return [
        ("lower rate", _made(recipe, learning_rate=0.1 * recipe.learning_rate)),
        ("dropout", _made(recipe, dropout=0.2)),
        ("train longer", _made(recipe, epochs=2 * recipe.epochs)),
    ]


ARMS: Mapping[str, Arm] = {
    "random fix": _random,
    "lower the rate": _lower_rate,
    "batch norm": _batch_norm,
    "autotrainer": _autotrainer,
    "usual tips": _tips,
}
"""Baselines, each with as many trainings as the advice."""


# --- one case ---------------------------------------------------------------------------------------------------------


class Patient:
    """One case with its trainings, none of which is made twice. sound, ill: its recipes."""

    def __init__(self, case: Case) -> None:
        self.case, self.sound, self.ill = case, case.sound(), case.ill()
        self.known: dict[str, tuple[Result, float]] = {}

    def trained(self, recipe: Recipe) -> tuple[Result, float]:
        """The training of a recipe, and its accuracy on the data held back."""
        from reference_trainer.apart import DATA, accuracy
        from reference_trainer.train import train

        if recipe.digest not in self.known:
            data, held = DATA[SPLITS[self.case.split].data](recipe)
            result = train(recipe, data=data)
            self.known[recipe.digest] = result, accuracy(result.model, held)
        return self.known[recipe.digest]


class Advice(NamedTuple):
    """What is to be taken. id: of the fix. rule: of the finding. recipe: what it makes; None where it makes nothing."""

    id: str
    rule: str
    recipe: Recipe | None


def run(case: Case) -> list[Taken]:
    """All that is tried in a case; the sound run is last: with it on disk the case is whole."""
    patient = Patient(case)
    result, before = patient.trained(patient.ill)
    found = [Taken(case, "", "ill", 0, "", "", patient.ill.digest, before, False, False, "nothing")]
    for mode in MODES:
        diagnosis = report(result, mode, case.draw)
        for rank, advice in enumerate(first_advices(diagnosis, patient.ill), 1):
            found.append(_taken(patient, (mode, "advice", rank), advice, patient.ill, diagnosis))
    for arm, made in ARMS.items():
        for rank, (name, changed) in enumerate(made(patient.ill, result, case.draw), 1):
            found.append(_taken(patient, ("", arm, rank), Advice(name, "", changed), patient.ill, None))
    sound, best = patient.trained(patient.sound)
    for advice in first_advices(report(sound, "usual", case.draw), patient.sound)[:1]:
        found.append(_taken(patient, ("usual", "advice on sound", 1), advice, patient.sound, None))
    return [*found, Taken(case, "", "sound", 0, "", "", patient.sound.digest, best, False, False, "nothing")]


def first_advices(diagnosis: Diagnosis | None, recipe: Recipe) -> list[Advice]:
    """What the report prints first, second and third of the run of a recipe: of the first finding, then of the next."""
    if diagnosis is None:
        return []
    listed: dict[str, Advice] = {}
    own = replace(diagnosis.run, config=recipe.config())
    for finding in diagnosis.findings:
        for fix in finding.recommendations[:RANKS]:
            # Who takes an advice knows the settings that the log does not tell.
            changes = fix.changes or load_fixes()[fix.id].offered(Context(own, finding)).changes
            changed = remedies.apply(fix.id, recipe, changes) if fix.id in remedies.REMEDIES else None
            listed.setdefault(fix.id, Advice(fix.id, finding.rule, changed))
    return list(listed.values())[:RANKS]


def _taken(
    patient: Patient, place: tuple[str, str, int], advice: Advice, before: Recipe, said: Diagnosis | None
) -> Taken:
    """The line of an advice. place: mode, arm and rank. before, said: what it is taken in, and the report on that."""
    mode, arm, rank = place
    case, rule, changed = patient.case, advice.rule, advice.recipe
    if changed is None or changed == before:
        return Taken(case, mode, arm, rank, advice.id, rule, "", math.nan, False, False, "nothing")
    result, score = patient.trained(changed)
    after = report(result, mode, case.draw) if said is not None else None
    gone = after is not None and rule not in {finding.rule for finding in after.findings}
    new = after is not None and bool(_alarms(after) - _alarms(said))
    kind = stratum(patient.sound, before, changed)
    return Taken(case, mode, arm, rank, advice.id, rule, changed.digest, score, gone, new, kind)


def _alarms(diagnosis: Diagnosis | None) -> set[str]:
    findings = () if diagnosis is None else diagnosis.findings
    return {finding.rule for finding in findings if finding.severity is not Severity.NOTE}


def stratum(sound: Recipe, ill: Recipe, changed: Recipe) -> str:
    """Whether an advice resets what the fault set, turns the same knob, or another."""
    one, two, three = asdict(sound), asdict(ill), asdict(changed)
    planted = {name for name in one if one[name] != two[name]}
    turned = {name for name in two if two[name] != three[name]}
    if planted and all(three[name] == one[name] for name in planted):
        return "reset"
    return "same knob" if planted & turned else "another knob"


# --- running ----------------------------------------------------------------------------------------------------------


def measure(wanted: Sequence[Case], path: Path, jobs: int, progress: ledger.Progress | None = None) -> list[Taken]:
    """The lines of all cases; those in the ledger at `path` are not run again, new ones are appended as they come.

    Raises LedgerError for a file that is something else, SettingsError where a worker was killed.
    """
    known: dict[Case, list[Taken]] = defaultdict(list)
    for line in ledger.read(path, COLUMNS, _read):
        known[line.case].append(line)
    done = {case: lines for case, lines in known.items() if any(line.arm == "sound" for line in lines)}
    where = parallel.Processes(jobs, most_chunk=1)

    def work(left: Sequence[Case]) -> Iterator[tuple[Case, list[Taken]]]:
        for case, lines in parallel.as_it_comes(run, left, where):
            if isinstance(lines, parallel.Lost):
                raise SettingsError(f"a worker was killed; what is done is in {path}: run it again, with fewer --jobs")
            yield case, lines

    found = ledger.resumed(wanted, done, work, path, COLUMNS, lambda lines: map(_line, lines), progress)
    return [line for lines in found for line in lines]


def _line(taken: Taken) -> tuple[Any, ...]:
    case = taken.case
    score = f"{taken.score:.4f}" if math.isfinite(taken.score) else ""
    return (
        *(case.split, case.fault, case.model, case.seed, taken.mode, taken.arm, taken.rank, taken.advice, taken.rule),
        *(taken.recipe, score, int(taken.gone), int(taken.new), taken.stratum),
    )


def _read(cells: Sequence[str]) -> Taken:
    """The line of these cells. Raises ValueError."""
    split, fault, model, seed, mode, arm, rank, advice, rule, recipe, score, gone, new, kind = cells
    number = float(score or "nan")
    case = Case(split, fault, model, int(seed))
    return Taken(case, mode, arm, int(rank), advice, rule, recipe, number, gone == "1", new == "1", kind)


# --- what came of it --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """A share of cases in percent, with its 95 % interval by a bootstrap over the faults."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.0f} % ({self.low:.0f}-{self.high:.0f}) of {self.count}"


def clustered(hits: Mapping[str, Sequence[bool]]) -> Share:
    """The share of hits and its interval. hits: fault -> one per case."""
    faults = [np.array(values, dtype=float) for values in hits.values() if len(values)]
    if not faults:
        return Share(math.nan, math.nan, math.nan, 0)
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(faults), (RESAMPLES, len(faults)))
    sums, sizes = np.array([f.sum() for f in faults]), np.array([f.size for f in faults])
    shares = 100.0 * sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(shares, (2.5, 97.5))
    return Share(float(100.0 * sums.sum() / sizes.sum()), float(low), float(high), int(sizes.sum()))


def recovered(line: Taken, ill: float, sound: float) -> float:
    """Share of what the fault cost that is back; 0 where nothing was changed."""
    return (line.score - ill) / (sound - ill) if math.isfinite(line.score) else 0.0


def summary(lines: Iterable[Taken]) -> str:
    """A table in Markdown: for each arm how many harmful cases the first advice, and one of three, brings back."""
    by_case: dict[Case, list[Taken]] = defaultdict(list)
    for line in lines:
        by_case[line.case].append(line)
    scores = {
        case: {line.arm: line.score for line in found if line.arm in ("ill", "sound")}
        for case, found in by_case.items()
    }
    harmful = [case for case, known in scores.items() if known["sound"] - known["ill"] >= HARMFUL]
    rows = [
        f"{len(by_case)} cases, {len(harmful)} of them harmed by their fault by {100 * HARMFUL:g} points or more",
        "",
    ]
    rows += ["| what is taken | first | one of three | first, resets left out | harms |", "|---|---|---|---|---|"]
    arms = [("advice", mode) for mode in MODES] + [(arm, "") for arm in ARMS]
    for arm, mode in arms:
        name = f"advice, {mode} config" if arm == "advice" else arm
        cells = (
            clustered(_hits(harmful, by_case, scores, arm, mode, RANKS_OF[which], resets=resets))
            for which, resets in (("first", True), ("three", True), ("first", False))
        )
        harms = clustered(_harms(harmful, by_case, scores, arm, mode))
        rows.append(f"| {name} | {' | '.join(map(str, cells))} | {harms} |")
    sound = [line for found in by_case.values() for line in found if line.arm == "advice on sound"]
    worse = sum(line.score < scores[line.case]["sound"] - HARMFUL for line in sound)
    rows += ["", f"on sound runs: {len(sound)} of {len(by_case)} were advised anything, {worse} got worse by it"]
    return "\n".join([*rows, "", *_by_fault(harmful, by_case, scores)]) + "\n"


RANKS_OF: Mapping[str, range] = {"first": range(1, 2), "three": range(1, RANKS + 1)}

Scores = Mapping[Case, Mapping[str, float]]


def _hits(
    harmful: Sequence[Case],
    by_case: Mapping[Case, Sequence[Taken]],
    scores: Scores,
    arm: str,
    mode: str,
    ranks: range,
    *,
    resets: bool,
) -> dict[str, list[bool]]:
    """Fault -> for each harmful case whether an advice of these ranks brings back enough."""
    found: dict[str, list[bool]] = defaultdict(list)
    for case in harmful:
        taken = [t for t in by_case[case] if (t.arm, t.mode) == (arm, mode) and t.rank in ranks]
        if not resets and any(t.stratum == "reset" for t in taken):
            continue
        ill, sound = scores[case]["ill"], scores[case]["sound"]
        found[case.fault].append(any(recovered(t, ill, sound) >= ENOUGH for t in taken))
    return found


def _harms(
    harmful: Sequence[Case], by_case: Mapping[Case, Sequence[Taken]], scores: Scores, arm: str, mode: str
) -> dict[str, list[bool]]:
    """Fault -> for each first advice whether it made the run worse."""
    found: dict[str, list[bool]] = defaultdict(list)
    for case in harmful:
        first = [t for t in by_case[case] if (t.arm, t.mode, t.rank) == (arm, mode, 1)]
        found[case.fault] += [math.isfinite(t.score) and t.score < scores[case]["ill"] - HARMFUL for t in first]
    return found


def _by_fault(harmful: Sequence[Case], by_case: Mapping[Case, Sequence[Taken]], scores: Scores) -> list[str]:
    """For each fault what was advised first, and how much of the loss it brought back."""
    names = ("fault", "shows as", "model", "sound", "ill", "finding", "first advice", "back", "stratum")
    rows = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    for case in harmful:
        ill, sound = scores[case]["ill"], scores[case]["sound"]
        first = next((t for t in by_case[case] if (t.arm, t.mode, t.rank) == ("advice", "usual", 1)), None)
        said = (first.rule, first.advice, f"{recovered(first, ill, sound):.0%}", first.stratum) if first else ("-",) * 4
        symptom = SPLITS[case.split].faults[case.fault].symptom
        rows.append(f"| {case.fault} | {symptom} | {case.model} | {sound:.3f} | {ill:.3f} | {' | '.join(said)} |")
    return rows
