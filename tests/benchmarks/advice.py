"""Whether the advice that a report prints first is right for the fault that was planted.

    python tests/benchmarks/advice.py                                logs that frameworks wrote for known faults
    python tests/benchmarks/advice.py FOLDER --part held-out         any like them, with a `verdicts.csv`
    python tests/benchmarks/advice.py --list corpus/                 the first advice of each labelled log, to read

Counted are the ill logs in which a practitioner sees the fault on the curve. The first advice is the first
recommendation of the finding that the report prints first; none where it finds nothing. It is right where it undoes the
fault, or where it is a test that tells the fault from its rivals; `RIGHT` says which these are. A change of the
learning rate in the wrong direction is wrong, whatever it is called. `home` is what the advice may be mended on;
`held-out` the other frameworks, to be looked at once.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import _corpus

from diagnose.api import diagnose
from diagnose.errors import ReadError
from diagnose.rule import Change, Diagnosis, Finding, Recommendation, Severity

BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "framework_runs"
"""Where the logs lie: beside the repository, not in it."""

HOME = ("keras", "xgboost", "sb3", "accelerate")
"""Frameworks whose logs the advice may be mended on; of the zoo, every other fault by name."""

BAR = 0.85
"""Share of the logs of a fault whose first advice must be right."""

BARRED = ("overfit", "spike", "lrhigh", "frozen", "imbalance", "nan")
"""Faults that every framework's logs are to have, and that the bar is for."""


class Right(NamedTuple):
    """Ids of advice that is right for a fault.

    undoes: it takes the fault away, or limits what it does. tells: a test whose result is this fault or a rival.
    """

    undoes: tuple[str, ...]
    tells: tuple[str, ...] = ()


_LOWER = Right(("lower-learning-rate", "typical-learning-rate"), ("learning-rate-test",))
_RAISE = Right(("raise-learning-rate", "typical-learning-rate"), ("learning-rate-test",))
_SMALL = ("early-stopping", "weight-decay", "dropout", "data-augmentation", "smaller-network", "more-data")

RIGHT: Mapping[str, Right] = {
    "overfit": Right((*_SMALL, "fewer-epochs")),
    "spike": Right(("inspect-batch", "clip-gradients")),
    "lrhigh": _LOWER,
    "frozen": Right(("check-frozen-weights", "raise-learning-rate"), ("print-gradient-norms",)),
    "imbalance": Right(("class-weights", "balance-data", "balanced-metric"), ("count-classes", "check-metric")),
    "nan": Right(("lower-learning-rate", "clip-gradients", "inspect-batch", "check-inputs"), ("locate-non-finite",)),
    "labels_apart": Right(("inspect-data", "check-labels"), ("overfit-one-batch",)),
    "lr_high_momentum": _LOWER,
    "lr_too_low": _RAISE,
    "no_zero_grad": Right(("check-training-loop",), ("print-gradient-norms",)),
    "not_shuffled": Right(("shuffle-data",)),
    "raw_inputs": Right(("normalize-inputs",)),
    "scheduler_per_batch": Right(("fit-schedule",)),
    "tiny_data": Right(_SMALL),
    "val_shift": Right(("check-split", "inspect-data", "more-data")),
}
"""Fault -> what is right for it. Written before any advice was changed."""

OF_TREES: Mapping[str, Right] = {
    "overfit": Right(("early-stopping", "shallower-trees", "sample-rows", "more-data")),
    "frozen": Right(("raise-learning-rate",)),
}
"""The same where trees are grown: they have no weights to thaw, no dropout and no pixels."""

DIRECTIONS: Mapping[str, int] = {"lrhigh": -1, "lr_high_momentum": -1, "lr_too_low": 1, "frozen": 1}
"""Fault -> which way its advice may change a learning rate."""


class Seen(NamedTuple):
    """One log of a fault: the finding printed first, its first advice, and how right that is."""

    path: str
    framework: str
    fault: str
    finding: Finding | None
    advice: Recommendation | None
    verdict: str  # "undoes", "tells" or "wrong"


def is_home(framework: str, fault: str, faults: Sequence[str]) -> bool:
    """Whether a log is of the part that advice may be mended on. faults: all of the zoo, in order."""
    return faults.index(fault) % 2 == 0 if framework == "zoo" else framework in HOME


def first_advice(diagnosis: Diagnosis) -> tuple[Finding | None, Recommendation | None]:
    """What the report prints first of a run: the finding, and its first advice."""
    finding = next(iter(diagnosis.findings), None)
    return finding, next(iter(finding.recommendations), None) if finding is not None else None


def judged(advice: Recommendation | None, framework: str, fault: str) -> str:
    """How right an advice is for a fault: `undoes`, `tells` or `wrong`."""
    right = OF_TREES.get(fault, RIGHT[fault]) if framework in ("xgboost", "lightgbm", "catboost") else RIGHT[fault]
    if advice is None or _against(advice, DIRECTIONS.get(fault, 0)):
        return "wrong"
    return "undoes" if advice.id in right.undoes else "tells" if advice.id in right.tells else "wrong"


def _against(advice: Recommendation, direction: int) -> bool:
    """Whether the advice changes the learning rate the other way, or not at all."""
    for change in advice.changes:
        if isinstance(change, Change) and change.name == "learning_rate" and direction:
            numbers = [value for value in (change.old, change.new) if isinstance(value, (int, float))]
            return len(numbers) == 2 and (numbers[1] - numbers[0]) * direction <= 0.0
    return False


def seen(folder: Path, part: str) -> list[Seen]:
    """The ill logs of a part, as they come."""
    with (folder / "verdicts.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    zoo = sorted({row["fault"] for row in rows if row["framework"] == "zoo"})
    found = []
    for row in rows:
        framework, fault = row["framework"], row["fault"]
        if row["practitioner"] == "healthy" or fault not in RIGHT:
            continue
        if part != "all" and is_home(framework, fault, zoo) != (part == "home"):
            continue
        try:
            diagnoses = diagnose(str(folder / row["path"])).diagnoses
        except ReadError:
            diagnoses = ()
        finding, advice = first_advice(diagnoses[0]) if diagnoses else (None, None)
        found.append(Seen(row["path"], framework, fault, finding, advice, judged(advice, framework, fault)))
    return found


def table(found: Sequence[Seen]) -> str:
    """A line per fault: logs with a right first advice, those that undo it and those that are tests; trainings."""
    by_fault: dict[str, list[Seen]] = defaultdict(list)
    for one in found:
        by_fault[one.fault].append(one)
    lines = [f"{'fault':24}{'right':>10}{'undoes':>8}{'tells':>7}{'nothing found':>15}{'share':>8}"]
    for fault, logs in by_fault.items():
        right = [one for one in logs if one.verdict != "wrong"]
        undoes = sum(one.verdict == "undoes" for one in logs)
        none = sum(one.finding is None for one in logs)
        lines.append(
            f"{fault:24}{f'{len(right)}/{len(logs)}':>10}{undoes:8}{len(right) - undoes:7}{none:15}"
            f"{len(right) / len(logs):8.0%}"
        )
    return "\n".join(lines)


def listed(corpus: Path) -> None:
    """Print of each log of the corpus the findings with their first advice."""
    for log in _corpus.logs(corpus):
        for diagnosis in _corpus.outcome(log).diagnoses[:3]:
            for finding in diagnosis.findings:
                advice = next(iter(finding.recommendations), None)
                loud = "note" if finding.severity is Severity.NOTE else finding.severity
                print(f"{log.id} {diagnosis.kind.name} {loud} {finding.rule} [{finding.cause}] {finding.summary[:110]}")
                print(f"      -> {advice.id + ': ' + advice.title if advice else 'nothing'}")


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 where a fault that has a bar misses it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=BESIDE, help="logs of known faults, with verdicts.csv")
    parser.add_argument("--part", choices=("home", "held-out", "all"), default="home", help="which frameworks")
    parser.add_argument("--wrong", action="store_true", help="name the logs whose first advice is wrong")
    parser.add_argument("--list", type=Path, metavar="CORPUS", help="print the first advice of each log of a corpus")
    options = parser.parse_args(argv)
    if options.list is not None:
        _corpus.require(options.list, "manifest.csv")
        listed(options.list)
        return 0
    if not (options.folder / "verdicts.csv").is_file():
        sys.exit(f"{options.folder / 'verdicts.csv'}: not there; name a folder of logs whose faults are known")
    found = seen(options.folder, options.part)
    print(table(found))
    for one in found if options.wrong else ():
        if one.verdict == "wrong":
            named = "nothing found" if one.finding is None else f"{one.finding.rule} [{one.finding.cause}]"
            print(f"{one.path}: {named} -> {one.advice.title if one.advice else 'no advice'}")
    shares = {fault: [one.verdict != "wrong" for one in found if one.fault == fault] for fault in BARRED}
    return int(any(sum(right) < BAR * len(right) for right in shares.values()))


if __name__ == "__main__":
    sys.exit(main())
