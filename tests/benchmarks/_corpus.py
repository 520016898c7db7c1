"""What the benchmarks share: the labelled corpus, and what `diagnose` says of its logs through the public door."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from diagnose.api import diagnose
from diagnose.curves import Run
from diagnose.errors import ReadError
from diagnose.report import Report
from diagnose.rule import Diagnosis

BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
"""Where the corpus lies: beside the repository, not in it."""

CONTAINERS = ("tfevents", "wandb-run", "mlflow-run", "dvclive")
"""Formats of the manifest outside the CSV, JSON and text families."""

MAIN = {"train_loss": "train_loss", "val_loss": "val_loss", "train_acc": "train_accuracy", "val_acc": "val_accuracy"}
"""Prefix of a manifest column (`train_loss_col`) -> canonical name of the role."""

LATER = "second half"
"""What the manifest notes of logs that came after the first rules and thresholds."""

FAULT = "fault in diagnose"
"""How `diagnose.api` speaks of an exception that no reader and no rule meant to raise."""


@dataclass(frozen=True)
class Log:
    """One log of the corpus.

    door: the path a user would type: the file, or the directory where one run is spread over several files.
    columns: role -> column that the manifest's reading gives it, without the roles it names none for.
    later: whether it came when rules and thresholds were there: what is measured on it was fitted to other logs.
    """

    id: str
    repo: str
    format: str
    door: Path
    columns: Mapping[str, str]
    later: bool = False


@dataclass(frozen=True)
class Outcome:
    """What `diagnose` said of a log: diagnoses (none where the log was refused) and errors in words."""

    log: Log
    diagnoses: tuple[Diagnosis, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def read(self) -> bool:
        """At least one run was read."""
        return bool(self.diagnoses)

    @property
    def judged(self) -> bool:
        """At least one rule could judge at least one run."""
        return any(d.judged for d in self.diagnoses)

    @property
    def faults(self) -> list[str]:
        """Exceptions that got out of a reader or a rule."""
        broken = [n.reason for d in self.diagnoses for n in d.not_judged if "the rule failed" in n.reason]
        return [e for e in self.errors if FAULT in e] + broken


def add_corpus(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark its `--corpus`."""
    parser.add_argument("--corpus", type=Path, default=BESIDE, help="directory of the corpus (default: %(default)s)")


def require(corpus: Path, *names: str) -> None:
    """Exit with one line where the corpus, or a file of it that is needed, is not there."""
    for path in (corpus, *(corpus / name for name in names)):
        if not path.exists():
            what = "the corpus is kept beside the repository, not in it; say where with --corpus PATH"
            sys.exit(f"{path}: not there; {what}")


def logs(corpus: Path, formats: Iterable[str] | None = None, *, but: Iterable[str] = ()) -> list[Log]:
    """The logs of the manifest, those of `formats` only where given, never those of `but`."""
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    wanted = None if formats is None else set(formats)
    return [
        Log(
            row["id"],
            row["repo"],
            row["format"],
            door(corpus / "runs" / row["id"], row["path"]),
            _columns(row),
            LATER in row["notes"],
        )
        for row in rows
        if (wanted is None or row["format"] in wanted) and row["format"] not in set(but)
    ]


def _columns(row: Mapping[str, str]) -> dict[str, str]:
    return {role: row[f"{key}_col"] for key, role in MAIN.items() if row[f"{key}_col"]}


def door(folder: Path, path: str) -> Path:
    """The path to type for a log kept in `folder`, whose path in its repository was `path`.

    The file of that name where it is there; else the folder, entered as long as it holds one folder and nothing else.
    """
    named = folder / Path(path).name
    if named.is_file():
        return named
    inside = list(folder.iterdir()) if folder.is_dir() else []
    while len(inside) == 1:
        folder = inside[0]
        inside = list(folder.iterdir()) if folder.is_dir() else []
    return folder


def outcome(log: Log) -> Outcome:
    """Read and judge a log as `diagnose LOG` does, without a settings file."""
    try:
        report: Report = diagnose(str(log.door))
    except ReadError as error:
        return Outcome(log, errors=(str(error),))
    return Outcome(log, report.diagnoses, tuple(e.message for e in report.errors))


def of_manifest(found: Outcome) -> list[Diagnosis]:
    """The diagnoses of the runs that the manifest speaks of: those with its training loss, all where none has it.

    A chart exported from W&B holds several runs and the manifest names one of them.
    """
    column = found.log.columns.get("train_loss")
    matching = [d for d in found.diagnoses if column is not None and column in d.run.series]
    return matching or list(found.diagnoses)


def labels(corpus: Path) -> dict[str, dict[str, bool]]:
    """Log id -> label -> yes or no; a label without agreement is not there."""
    with (corpus / "labels.csv").open(newline="", encoding="utf-8") as stream:
        return {
            row["id"]: {k: v == "yes" for k, v in row.items() if k != "id" and v in ("yes", "no")}
            for row in csv.DictReader(stream)
        }


def pairs(corpus: Path) -> list[tuple[Run, bool]]:
    """The labelled pairs of curves as runs, each with whether it is overfitting."""
    import pandas as pd

    from diagnose.readers import read

    frame = pd.read_parquet(corpus / "overfit_histories.parquet")
    found = []
    for name, rows in frame.groupby("run", observed=True, sort=False):
        (run,) = read(rows[["epoch", "train_loss", "val_loss"]].astype("float64").reset_index(drop=True))
        found.append((_named(run, str(name)), bool(rows["overfit"].iloc[0])))
    return found


def _named(run: Run, name: str) -> Run:
    from dataclasses import replace

    return replace(run, name=name, source=name)
