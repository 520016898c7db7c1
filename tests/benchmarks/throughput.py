"""10,000 runs of 200 rows x 6 columns judged in one call: runs per second and peak memory.

    python tests/benchmarks/throughput.py [--runs 10000] [--jobs 2]

The runs are CSV files in a temporary directory (healthy, overfit, diverging and conflicting ones in turn, each with its
own seed). A process of its own hands all paths to one call of `diagnose.api.diagnose`, which shares them out to
`--jobs` processes; another one reads the same files with `pandas.read_csv`, one after the other. The memory is that of
the process that gathers the report, at all of the runs and at a tenth of them: flat means that what is kept of a run is
small.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import _measure
import numpy as np
from cold_start import write_csv

from diagnose import synthetic
from diagnose.curves import Run, Series

BAR = 1000.0
"""Runs per second on two cores."""

PANDAS_BAR = 2.5
"""At most this many times the seconds that pandas takes to read the same files."""

ROWS = 200
COLUMNS = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate")
"""Beside the epoch."""

JUDGE = """
import sys, time
from pathlib import Path
from diagnose.api import diagnose
paths = sorted(map(str, Path(sys.argv[1]).iterdir()))[: int(sys.argv[2])]
start = time.perf_counter()
report = diagnose(paths, jobs=int(sys.argv[3]))
seconds = time.perf_counter() - start
sys.stderr.write(f"{seconds} {len(report)} {len(report.errors)}")
"""

READ = """
import sys, time
from pathlib import Path
import pandas as pd
paths = sorted(map(str, Path(sys.argv[1]).iterdir()))
start = time.perf_counter()
for path in paths:
    pd.read_csv(path)
sys.stderr.write(f"{time.perf_counter() - start}")
"""


def six_columns(seed: int) -> Run:
    """A run of 200 epochs with five curves; every fourth is healthy."""
    build = (synthetic.healthy, synthetic.overfit, synthetic.diverging, synthetic.conflicting)[seed % 4]
    run = build(seed=seed, epochs=ROWS)
    steps = run.series["train_loss"].steps
    constant = Series("learning_rate", steps, np.full(ROWS, 1e-3))
    train = run.series["train_loss"].values
    series = {name: run.series.get(name, Series(name, steps, np.exp(-train))) for name in COLUMNS}
    return Run(f"{seed:06}", {**series, "learning_rate": run.series.get("learning_rate", constant)})


def judge(folder: Path, runs: int, jobs: int, scratch: Path) -> tuple[float, float, str]:
    """Seconds of the call, peak memory of the process in bytes, and what else it said."""
    found = _measure.cost([sys.executable, "-c", JUDGE, str(folder), str(runs), str(jobs)], scratch)
    words = (scratch / "stderr.txt").read_text().strip().splitlines()
    if found.code:
        sys.exit(words[-1] if words else f"exit {found.code}")
    seconds, judged, errors = words[-1].split()
    return float(seconds), found.peak, f"{judged} judged, {errors} errors, --jobs {jobs}"


def plain(folder: Path, scratch: Path) -> float:
    """Seconds of a loop of `pandas.read_csv` over all files."""
    found = _measure.cost([sys.executable, "-c", READ, str(folder)], scratch)
    words = (scratch / "stderr.txt").read_text().strip().splitlines()
    return float(words[-1]) if found.code == 0 else sys.exit(words[-1])


def main(argv: list[str] | None = None) -> int:
    """Print runs per second and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="number of runs (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes that read and judge (default: %(default)s)")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "runs"
        folder.mkdir()
        for seed in range(arguments.runs):
            write_csv(six_columns(seed), folder / f"{seed:06}.csv")
        few = max(arguments.runs // 10, 1)
        judge(folder, 1, arguments.jobs, Path(name))  # bytecode
        peaks = {}
        for runs in (few, arguments.runs):
            seconds, peaks[runs], said = judge(folder, runs, arguments.jobs, Path(name))
            shape = f"{runs} runs of {ROWS} rows x {len(COLUMNS) + 1} columns"
            print(f"{shape}: {seconds:.1f} s, {runs / seconds:.0f} runs per second (bar {BAR:g}), {said}")
            print(f"  peak memory {peaks[runs] / _measure.MB:.0f} MB")
        pandas = plain(folder, Path(name))
        print(f"pandas.read_csv of the same: {pandas:.1f} s; {seconds / pandas:.1f} x that (bar {PANDAS_BAR:g})")
    growth = (peaks[arguments.runs] - peaks[few]) / max(arguments.runs - few, 1)
    print(f"memory: {peaks[arguments.runs] / peaks[few]:.2f} x that of {few} runs, {growth / 1e3:.1f} kB more per run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
