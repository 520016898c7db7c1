"""A dense CSV of 1,000,000 rows x 12 columns: `diagnose FILE` against `pyarrow.csv.read_csv(FILE)`, time and memory.

    python tests/benchmarks/large_csv.py                     wall time and peak memory of whole processes, in turns
    python tests/benchmarks/large_csv.py --linearity         also the time of every rule at 10k, 100k and 1M points

The file (about 242 MB, 17 significant digits) is made in a temporary directory: a long training with plausible losses,
accuracies, learning rate and gradient norm.
"""

from __future__ import annotations

import argparse
import functools
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import _measure
import numpy as np

from diagnose.curves import Run, Series
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.measure.align import align
from diagnose.rule import Rule

TIME_BAR = 1.5
"""At most this many times the wall time of pyarrow."""

MEMORY_BAR = 2.0
"""At most this many times the peak memory of pyarrow."""

LINEAR_BAR = 30.0
"""At most this factor for ten times the points: n log n is 12, arrays that leave the cache double it, n^2 is 100."""

READ = "import sys, pyarrow.csv; pyarrow.csv.read_csv(sys.argv[1])"


def curves(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Twelve columns of one long training, each of shape (rows,); the first is the step."""
    rng = np.random.default_rng(seed)
    time_ = np.linspace(0.0, 1.0, rows)

    def loss(floor: float, noise: float) -> np.ndarray:
        return (floor + (2.3 - floor) * np.exp(-6.0 * time_)) * (1.0 + noise * rng.standard_normal(rows))

    def accuracy(highest: float, noise: float) -> np.ndarray:
        return np.clip(highest * (1.0 - np.exp(-5.0 * time_)) + noise * rng.standard_normal(rows), 0.0, 1.0)

    train = loss(0.2, 0.05)
    return {
        "step": np.arange(rows, dtype=np.float64),
        "train_loss": train,
        "val_loss": loss(0.25, 0.03),
        "train_accuracy": accuracy(0.95, 0.02),
        "val_accuracy": accuracy(0.93, 0.01),
        "learning_rate": 3e-4 * 0.5 * (1.0 + np.cos(np.pi * time_)) + 1e-6,
        "grad_norm": np.exp(0.3 * rng.standard_normal(rows)),
        "train/loss_cls": 0.7 * train,
        "train/loss_box": 0.3 * train,
        "throughput": 900.0 + 10.0 * rng.standard_normal(rows),
        "gpu_memory": 30.0 + 0.1 * rng.standard_normal(rows),
        "tokens": np.arange(rows) * 4096.0 + rng.random(rows),
    }


def write(path: Path, rows: int) -> None:
    """Write the columns with 17 significant digits, 20,000 rows at a time."""
    columns = curves(rows)
    table = np.column_stack(list(columns.values()))
    line = ",".join(["%d", *["%.17g"] * (len(columns) - 1)])
    with path.open("w", encoding="utf-8") as stream:
        stream.write(",".join(columns) + "\n")
        for start in range(0, rows, 20_000):
            stream.writelines(line % tuple(row) + "\n" for row in table[start : start + 20_000].tolist())


def compare(path: Path, times: int) -> list[str]:
    """Wall time and peak memory of both, and the ratios of their medians."""
    commands = [[*_measure.diagnose_command(), str(path)], [sys.executable, "-c", READ, str(path)]]
    costs = _measure.alternating(commands, times, path.parent, accept=(0, 1))
    seconds = [_measure.median([c.seconds for c in found]) for found in costs]
    peaks = [_measure.median([c.peak for c in found]) for found in costs]
    each = [" ".join(f"{c.seconds:.2f}" for c in found) for found in costs]
    return [
        f"{path.stat().st_size / _measure.MB:.0f} MB, median of {times}, in turns",
        f"  diagnose      {seconds[0]:6.2f} s  {peaks[0] / _measure.MB:6.0f} MB   ({each[0]})",
        f"  pyarrow.csv   {seconds[1]:6.2f} s  {peaks[1] / _measure.MB:6.0f} MB   ({each[1]})",
        f"ratio of wall time {seconds[0] / seconds[1]:.2f} (bar {TIME_BAR:g}), "
        f"of peak memory {peaks[0] / peaks[1]:.2f} (bar {MEMORY_BAR:g})",
    ]


def _run(points: int) -> Run:
    columns = curves(points)
    steps = columns.pop("step")
    series = {name: Series(name, steps, values) for name, values in columns.items()}
    roles = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate", "grad_norm", "throughput")
    return Run("long", series, {role: role for role in roles}, axis="step")


class Stopwatch:
    """Wraps a rule's check and adds up the seconds spent in it; the alignment before it is timed apart."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, rule: Rule) -> Rule:
        """The same rule, timed."""

        @functools.wraps(rule.check)
        def check(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return rule.check(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start

        return replace(rule, check=check)


def linearity(sizes: list[int], trials: int = 3) -> list[str]:
    """Seconds of the alignment, the milestone and every rule's check at every size, the fastest of some trials, and
    the factor of the last step of size.
    """
    runs = [_run(size) for size in sizes]
    judge(runs[0])  # lazy imports are not what is measured
    rows: dict[str, list[float]] = {}
    for run in runs:
        pair = [run.series["train_loss"], run.series["val_loss"]]
        rows.setdefault("(align two curves)", []).append(_fastest(functools.partial(align, pair), trials))
        rows.setdefault("(milestone)", []).append(_fastest(functools.partial(judge, run, []), trials))
        for rule in load_rules():
            found = []
            for _ in range(trials):
                watch = Stopwatch()
                judge(run, [watch.around(rule)])
                found.append(watch.seconds)
            rows.setdefault(rule.id, []).append(min(found))
    lines = [f"{'rule':32}" + "".join(f"{size:>12,}" for size in sizes) + f"{'last factor':>13}"]
    total = [sum(column) for column in zip(*rows.values(), strict=True)]
    for name, seconds in [*sorted(rows.items(), key=lambda row: -row[1][-1]), ("all", total)]:
        if seconds[-1] == 0.0:
            continue  # not judged: it has no curve in this log
        # what looks at a few blocks of the curve has no factor worth a warning
        factor = seconds[-1] / seconds[-2] if seconds[-1] > 5e-3 else math.nan
        steep = "  steeper than n log n" if factor > LINEAR_BAR * sizes[-1] / sizes[-2] / 10.0 else ""
        lines.append(f"{name:32}" + "".join(f"{1e3 * s:9.2f} ms" for s in seconds) + f"{factor:13.1f}{steep}")
    return lines


def _fastest(work: Callable[[], object], trials: int) -> float:
    """Seconds of the fastest of some trials."""
    seconds = []
    for _ in range(trials):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main(argv: list[str] | None = None) -> int:
    """Print times, peaks and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the CSV (default: %(default)s)")
    parser.add_argument("--times", type=int, default=3, help="processes of each kind (default: %(default)s)")
    parser.add_argument("--linearity", action="store_true", help="also time every rule at three lengths")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "long.csv"
        write(path, arguments.rows)
        print("\n".join(compare(path, arguments.times)))
    if arguments.linearity:
        sizes = [max(arguments.rows // 100, 100), max(arguments.rows // 10, 100), arguments.rows]
        print("", *linearity(sizes), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
