"""What pages and pictures cost: time against the JSON report, and size.

    python tests/benchmarks/pages.py [--points 100000] [--runs 500] [--times 5]

Whole processes, in turns: `diagnose --format json` and `--format html` of one run, and `diagnose` with and without
`--plot` of a short one; then the sizes of the pages of the long run and of an audit of many.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import _measure
import numpy as np
from cold_start import write_csv
from throughput import six_columns

from diagnose import synthetic
from diagnose.curves import Run, Series

MOST_RATIO = 2.0
"""Of the time of the page to that of the JSON report."""

MOST_SECONDS = 1.5
"""Of a picture, cold."""

MOST_BYTES = 1_500_000
"""Of a page."""


def long_run(points: int) -> Run:
    """A run of six curves with noise, a climbing validation loss and two spikes."""
    rng = np.random.default_rng(0)
    step = np.arange(float(points))
    share = step / points
    train = 2.0 * np.exp(-5.0 * share) + 0.3 + 0.05 * rng.standard_normal(points)
    train[[points // 3, 2 * points // 3]] += 4.0
    val = 2.0 * np.exp(-5.0 * share) + 0.4 + 0.03 * rng.standard_normal(points) + np.maximum(share - 0.4, 0.0)
    curves = {
        "train_loss": train,
        "val_loss": val,
        "train_accuracy": 1.0 - train / 8.0,
        "val_accuracy": 1.0 - val / 8.0,
        "learning_rate": 1e-3 * np.cos(1.5 * share),
        "grad_norm": 1.0 + np.abs(rng.standard_normal(points)),
    }
    return Run("long", {name: Series(name, step, values) for name, values in curves.items()})


def main(argv: list[str] | None = None) -> int:
    """Print times, ratios and sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000, help="points of the long run (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=500, help="runs of the audit (default: %(default)s)")
    parser.add_argument("--times", type=int, default=5, help="processes of each kind (default: %(default)s)")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_csv(long_run(arguments.points), folder / "long.csv")
        write_csv(synthetic.overfit(), folder / "short.csv")
        (folder / "audit").mkdir()
        for seed in range(arguments.runs):
            write_csv(six_columns(seed), folder / "audit" / f"{seed:06}.csv")
        command = _measure.diagnose_command()
        long, short = [*command, str(folder / "long.csv")], [*command, str(folder / "short.csv")]
        page, audit = str(folder / "long.html"), str(folder / "audit.html")
        commands = [
            [*long, "--format", "json"],
            [*long, "--format", "html", "--out", page],
            short,
            [*short, "--plot", str(folder / "short.png")],
        ]
        for started in commands:  # once each for the disk's cache, the bytecode and the fonts
            _measure.cost(started, folder)
        costs = _measure.alternating(commands, arguments.times, folder, accept=(0, 1))
        json, html, plain, plot = (_measure.median([c.seconds for c in found]) for found in costs)
        fastest = min(c.seconds for c in costs[3])
        _measure.cost([*command, str(folder / "audit"), "--format", "html", "--out", audit], folder)
        print(f"median of {arguments.times} processes, in turns")
        print(f"  a run of {arguments.points} points: json {json:.2f} s, html {html:.2f} s")
        print(f"  ratio {html / json:.2f}; bar {MOST_RATIO:g}")
        print(f"  a short run: {plain:.2f} s, with --plot {plot:.2f} s (fastest {fastest:.2f}); bar {MOST_SECONDS:g} s")
        for what, made in (("the run", page), (f"{arguments.runs} runs", audit)):
            size = Path(made).stat().st_size / _measure.MB
            print(f"  the page of {what}: {size:.2f} MB; bar {MOST_BYTES / _measure.MB:g} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
