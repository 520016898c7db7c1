"""An audit of a W&B project against the bare client, and the second audit of a large project against the first.

    python tests/benchmarks/wandb_audit.py [--runs 300] [--rows 1000] [--jobs 16] [--latency 0.05] [--large 5000]

The server is the stub of the tests in a process of its own, with a latency before each answer. The bare client reads
the same histories by `scan_history` in as many threads, and does nothing with them; it and `diagnose wandb --no-cache`
take turns, whole processes each. The large project has short runs; its first and its second audit share a cache.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import _measure

AUDIT_MOST, SECOND_LEAST, MEMORY_MOST = 1.5, 20.0, 600.0
"""Bars: times the bare client; times as fast; MB."""

SERVE = """
import sys
sys.path.insert(0, sys.argv[1])
import math, time
from tests.wandb_server import StubRun, WandbServer
count, rows, latency = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
def row(i, ill):
    fall = math.exp(-4 * i / rows)
    climb = max(i / rows - 0.4, 0.0) if ill else 0.0
    return {"train_loss": fall, "val_loss": fall + 0.1 + climb, "train_accuracy": 1 - fall, "val_accuracy": 0.9 - fall,
            "learning_rate": 0.001, "epoch": i}
histories = [[row(i, ill) for i in range(rows)] for ill in (True, False)]
runs = [StubRun(f"r{i:05}", histories[i % 4 != 0], config={"seed": i}) for i in range(count)]
with WandbServer(runs, latency=latency) as server:
    print("\\n".join(f"{k}={v}" for k, v in server.variables(sys.argv[5]).items()), flush=True)
    print("READY", flush=True)
    while True:
        time.sleep(1)
"""

BARE = """
import sys
from concurrent.futures import ThreadPoolExecutor
import wandb
api = wandb.Api(timeout=60)
runs = list(api.runs("team/project", per_page=500))
with ThreadPoolExecutor(int(sys.argv[1])) as pool:
    rows = sum(pool.map(lambda run: len(list(run.scan_history(use_cache=False))), runs))
print(rows)
"""


@contextmanager
def served(count: int, rows: int, latency: float, folder: Path) -> Iterator[None]:
    """A project of so many runs; the environment of this process leads to it."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SERVE, str(root), str(count), str(rows), str(latency), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in iter(process.stdout.readline, ""):
            if line.strip() == "READY":
                break
            name, _, value = line.strip().partition("=")
            os.environ[name] = value
        yield
    finally:
        process.kill()


def audit(*options: str) -> list[str]:
    return [*_measure.diagnose_command(), "wandb", "team/project", *options]


def main() -> None:
    """Measure, and say what missed its bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds")
    parser.add_argument("--large", type=int, default=5000, help="runs of 50 rows")
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    met = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = ("--jobs", str(asked.jobs))
        with served(asked.runs, asked.rows, asked.latency, folder):
            commands = [[sys.executable, "-c", BARE, str(asked.jobs)], audit("--no-cache", *jobs)]
            bare, ours = _measure.alternating(commands, asked.times, folder, accept=(0, 1))
        seconds = [_measure.median([cost.seconds for cost in costs]) for costs in (bare, ours)]
        ratio = seconds[1] / seconds[0]
        print(f"{asked.runs} runs x {asked.rows} rows, {1000 * asked.latency:.0f} ms, {asked.jobs} at a time:")
        print(f"  bare client {seconds[0]:.1f} s, audit {seconds[1]:.1f} s: {ratio:.2f}x (bar {AUDIT_MOST}x)")
        met &= ratio <= AUDIT_MOST
        with served(asked.large, 50, asked.latency, folder):
            first, second = (_measure.cost(audit(*jobs), folder) for _ in range(2))
        faster = first.seconds / second.seconds
        peak = max(first.peak, second.peak) / _measure.MB
        print(
            f"{asked.large} runs x 50 rows: first audit {first.seconds:.1f} s, second {second.seconds:.1f} s: ", end=""
        )
        print(f"{faster:.0f}x as fast (bar {SECOND_LEAST:.0f}x); peak memory {peak:.0f} MB (bar {MEMORY_MOST:.0f} MB)")
        met &= faster >= SECOND_LEAST and peak <= MEMORY_MOST
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
