"""Reads every log of the corpus through the public door and compares the roles with the manifest's.

    python tests/benchmarks/reading.py            the CSV, JSON and text families
    python tests/benchmarks/reading.py --all      TensorBoard, Weights & Biases, MLflow and DVCLive too

A role is right where the manifest names a column for it and the run gives it that column. Leniently, because the
manifest is a best reading made by other means:

- names are compared without case, padding and punctuation;
- in a text log, whose columns are named by the reader, the words of the manifest's column must be among those of the
  found one, or the other way round, and the splits (train, val) must not contradict;
- the accuracy column of a policy (`reward`) is right where it plays the role `reward`;
- two columns with the same values are the same column;
- of several runs in one file, one with everything right suffices.

A role that is found where the manifest names none is listed as "also found", not counted.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import _corpus
import numpy as np
from _corpus import Log, Outcome

from diagnose.curves import Run

BAR = 0.97
"""Share of the logs that must be read and judged with all main roles right."""

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "eval": "val"}
_SPLITS |= {"dev": "val", "test": "val"}


def words(name: str) -> set[str]:
    """The words of a column's name, lower case, splits by one name each."""
    return {_SPLITS.get(word, word) for word in re.findall(r"[a-z0-9]+", name.lower())}


def same_name(wanted: str, found: str, *, text_log: bool) -> bool:
    """Whether two names mean one column; see the module's docstring."""
    if re.sub(r"\W|_", "", wanted.lower()) == re.sub(r"\W|_", "", found.lower()):
        return True
    one, other = words(wanted), words(found)
    splits = {"train", "val"}
    contradict = one & splits and other & splits and one & splits != other & splits
    return text_log and not contradict and bool(one <= other or other <= one)


def same_column(run: Run, wanted: str, found: str, *, text_log: bool = False) -> bool:
    """Whether the column `found` is the one that the manifest calls `wanted`, by name or by its values."""
    if same_name(wanted, found, text_log=text_log):
        return True
    one, other = run.series.get(wanted), run.series.get(found)
    return one is not None and other is not None and np.array_equal(one.values, other.values, equal_nan=True)


def wrong_roles(run: Run, log: Log) -> list[str]:
    """What the run's roles have wrong, in words; empty where all that the manifest names are right."""
    wrong = []
    for role, wanted in log.columns.items():
        alike = (role, role.replace("accuracy", "reward").replace("train_", "")) if "accuracy" in role else (role,)
        found = [run.roles[name] for name in alike if name in run.roles]
        if not any(same_column(run, wanted, name, text_log=log.format == "text-log") for name in found):
            wrong.append(f"{role}: manifest {wanted!r}, found {found[0] if found else None!r}")
    return wrong


def best(found: Outcome) -> list[str]:
    """The wrong roles of the run of the log that has the fewest."""
    return min((wrong_roles(d.run, found.log) for d in found.diagnoses), key=len, default=["not read"])


def also_found(found: Outcome) -> list[str]:
    """Main roles of the first run for which the manifest names no column."""
    roles = _corpus.of_manifest(found)[0].run.roles if found.read else {}
    return [
        f"{role}={roles[role]!r}" for role in _corpus.MAIN.values() if role in roles and role not in found.log.columns
    ]


def table(outcomes: list[Outcome]) -> list[str]:
    """One line per format, and the totals."""
    columns = ("logs", "read", "judged", "roles right", "good")
    counts: dict[str, Counter[str]] = {}
    for found in outcomes:
        right = found.read and not best(found)
        row = {
            "logs": 1,
            "read": found.read,
            "judged": found.judged,
            "roles right": right,
            "good": right and found.judged,
        }
        counts.setdefault(found.log.format, Counter()).update({k: int(v) for k, v in row.items()})
    total = sum(counts.values(), Counter())
    lines = [f"{'format':24}" + "".join(f"{name:>13}" for name in columns)]
    for name, row in [*sorted(counts.items(), key=lambda item: -item[1]["logs"]), ("all", total)]:
        lines.append(f"{name:24}" + "".join(f"{row[key]:13}" for key in columns))
    share = total["good"] / max(total["logs"], 1)
    verdict = "meets" if share >= BAR else "misses"
    lines.append(f"\nread, judged and all main roles right: {100 * share:.1f} % {verdict} the bar of {100 * BAR:.0f} %")
    return lines


def refusals(corpus: Path) -> list[str]:
    """The files that are no curves, each through a process of its own: refused with a reason and exit code 2?"""
    command = [sys.executable, "-c", "from diagnose.cli import main; main()"]
    lines, right = [], 0
    folders = sorted(path for path in (corpus / "not_curves").iterdir() if path.is_dir())
    for folder in folders:
        (path,) = folder.iterdir()
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        reason = " ".join(done.stderr.split())
        good = done.returncode == 2 and bool(reason) and "Traceback" not in reason and _corpus.FAULT not in reason
        right += good
        lines.append(
            f"  {folder.name} exit {done.returncode} {'refused' if good else 'WRONG'}: {_after(reason, path.name)}"
        )
    return [f"\nno curves: {right} of {len(folders)} refused with a reason and exit code 2", *lines]


def _after(reason: str, name: str) -> str:
    """The reason without the path before it."""
    return reason.partition(f"{name}: ")[2] or reason


def main(argv: list[str] | None = None) -> int:
    """Print the figures; 0 always, since this measures and the tests judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _corpus.add_corpus(parser)
    parser.add_argument("--all", action="store_true", help="also " + ", ".join(_corpus.CONTAINERS))
    arguments = parser.parse_args(argv)
    _corpus.require(arguments.corpus, "manifest.csv", "runs", "not_curves")
    outcomes = [
        _corpus.outcome(log) for log in _corpus.logs(arguments.corpus, but=() if arguments.all else _corpus.CONTAINERS)
    ]
    print("\n".join(table(outcomes)))

    faults = [f"  {o.log.id} {fault}" for o in outcomes for fault in o.faults]
    print(f"\nexceptions out of readers and rules: {len(faults)}", *faults, sep="\n")
    print("\ndisagreements with the manifest:")
    for found in outcomes:
        if not found.read or not found.judged:
            outcome = "not judged" if found.read else "not read"
            print(f"  {found.log.id} {found.log.format}: {outcome}: {'; '.join(found.errors)}")
        elif wrong := best(found):
            print(f"  {found.log.id} {found.log.format}: {'; '.join(wrong)}")
    print("\nalso found, where the manifest names no column:")
    for found in outcomes:
        if more := also_found(found):
            print(f"  {found.log.id} {found.log.format}: {', '.join(more)}")
    print("\n".join(refusals(arguments.corpus)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
