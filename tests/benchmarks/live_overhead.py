"""What `diagnose.watch` costs a training: the same steps with it and without, side by side in one run.

    python tests/benchmarks/live_overhead.py [--steps 30000] [--milliseconds 1] [--rows 1000000]

A step is work of a known length: a loop that does arithmetic for a millisecond. Steps with and without the watch take
turns in pieces of 500, and seconds are those of the processor, so that a busy machine changes nothing. Then `--rows`
rows are logged as fast as they go, with the memory that the process has taken after a tenth of them and after all; and
the import is held against that of pandas.
"""

from __future__ import annotations

import argparse
import logging
import resource
import subprocess
import sys
import time

import numpy as np

import diagnose

PIECE = 500
IMPORTS = 7  # times each import is measured; the least counts


def work(seconds: float) -> None:
    """Keep the processor busy for so long."""
    until = time.process_time() + seconds
    value = 1.0
    while time.process_time() < until:
        value = value * 1.0000001 + 1e-9


def overhead(steps: int, seconds: float) -> tuple[float, float, float]:
    """Seconds without, with, and with the constructor and the end."""
    rng = np.random.default_rng(0)
    losses = (2.0 * np.exp(-np.arange(steps) / (steps / 5)) + 0.3 + 0.02 * rng.standard_normal(steps)).tolist()
    bare = watched = 0.0
    began = time.process_time()
    watch = diagnose.watch(log_to=None)
    around = time.process_time() - began
    for start in range(0, steps, PIECE):
        began = time.process_time()
        for _ in range(PIECE):
            work(seconds)
        bare += time.process_time() - began
        began = time.process_time()
        for step in range(start, start + PIECE):
            work(seconds)
            watch.log(step=step, train_loss=losses[step], learning_rate=0.1)
            if watch.should_stop:
                break
        watched += time.process_time() - began
    began = time.process_time()
    watch.finish()
    return bare, watched, watched + around + time.process_time() - began


def logged(rows: int) -> tuple[float, float, float]:
    """Microseconds a row, and the memory in MB after a tenth of the rows and after all."""
    watch = diagnose.watch(log_to=None)
    early = 0.0
    began = time.process_time()
    for step in range(rows):
        watch.log(step=step, train_loss=1.0 / (1.0 + step), learning_rate=0.1)
        if step == rows // 10:
            early = _memory()
    return 1e6 * (time.process_time() - began) / rows, early, _memory()


def _memory() -> float:
    """The most that the process has held, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)


def import_seconds(code: str) -> float:
    """Seconds that an import takes in a new process, without the start of the interpreter."""
    timed = f"import time; t = time.process_time(); {code}; print(time.process_time() - t)"
    runs = [subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True).stdout]
    runs += [subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True).stdout
             for _ in range(IMPORTS)]  # fmt: skip
    return min(map(float, runs))


def main(argv: list[str] | None = None) -> int:
    """Print what was measured; 0 always, since this measures and the tests judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30_000, help="(default: %(default)s)")
    parser.add_argument("--milliseconds", type=float, default=1.0, help="of a step (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="(default: %(default)s)")
    given = parser.parse_args(argv)
    logging.getLogger("diagnose").setLevel(logging.CRITICAL)
    bare, watched, whole = overhead(given.steps, given.milliseconds / 1e3)
    said = f"{given.steps} steps of {given.milliseconds:g} ms: {bare:.2f} s without, {watched:.2f} s with"
    print(f"{said}: {100 * (watched / bare - 1):.2f} %; with begin and end {100 * (whole / bare - 1):.2f} %")
    each, early, late = logged(given.rows)
    print(f"{given.rows} rows: {each:.1f} us a row; {early:.0f} MB after a tenth of them, {late:.0f} MB after all")
    ours, pandas = import_seconds("import diagnose; diagnose.watch"), import_seconds("import pandas")
    print(f"import of diagnose.watch {1e3 * ours:.0f} ms, of pandas {1e3 * pandas:.0f} ms: {ours / pandas:.2f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
