"""Mutated logs: how many end the program, hang it, or fill the memory.

    python tests/fuzz/fuzz.py --minutes 5
    python tests/fuzz/fuzz.py --minutes 5 --seed 3 --keep found/ ../shared/framework_runs

The logs of `samples/` and of the folders given are mutated (see `mutations`), each by a seed of its own, and judged and
rendered in a child process that is killed after `--seconds` or beyond `--space` bytes. A child judges one input after
the other until one ends it, so that not each costs the start of an interpreter. Prints the faults by where they were,
and the counts; exits with 1 where there was any fault, hang, or crash. `--keep` writes the inputs that did it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.fuzz.mutations import MOST_BYTES, mutated  # noqa: E402

MEMORY = 500_000_000
"""Bytes of resident memory from which an input counts as one that fills it; the space it may map is `--space`."""

FORMS = ("text", "html", "json", "junit")


def judge(path: Path) -> str:
    """How one input fared in this process: `verdict`, `refused`, or `fault: where`."""
    import traceback
    import warnings

    import diagnose
    from diagnose.errors import UserError
    from diagnose.reports import render
    from diagnose.reports.context import Context

    warnings.simplefilter("error", RuntimeWarning)
    try:
        report = diagnose.diagnose([str(path)])
        for form in FORMS:
            render(report, form, Context())
    except UserError:
        return "refused"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"fault: {Path(last.filename).name}:{last.name} {type(error).__name__}"
    for _, message in report.errors:
        if "fault in diagnose" in message:
            return f"fault: {message.partition('(')[2][:80]}"
    said = [missing.reason for diagnosis in report for missing in diagnosis.not_judged]
    if broken := [reason for reason in said if "the rule failed" in reason]:
        return f"fault: {broken[0][:100]}"
    return "verdict" if report.diagnoses else "refused"


def work(space: int) -> None:
    """The child: a path per line of its input, a JSON list of fate and bytes of memory per line of its output."""
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    judge(ROOT / "samples" / "overfitting.csv")  # its imports are no input's
    print(json.dumps(["ready", 0]), flush=True)
    for line in sys.stdin:
        fate = judge(Path(json.loads(line)))
        peak = _peak()
        print(json.dumps([fate, peak]), flush=True)
        if peak > MEMORY:
            return  # the peak of a process never falls


def _peak() -> int:
    """The most memory that this process has held, in bytes. What getrusage says on Linux counts the parent's, too."""
    status = Path("/proc/self/status")
    if status.exists():
        held = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(held.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


_IDLE = 10.0
"""Times of its CPU time that a process may take by the clock: a busy machine is no hang, a wait without end is."""


class Child:
    """A process that judges inputs until one ends it."""

    def __init__(self, space: int) -> None:
        """Start it; returns when it is ready."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--child", "--space", str(space)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, text=True, env=environment, **pipes)  # type: ignore[call-overload]
        self._answer(60.0)

    def judge(self, path: Path, seconds: float) -> str:
        """How an input fared; where it ended the process, that is over."""
        self.process.stdin.write(json.dumps(str(path)) + "\n")
        self.process.stdin.flush()
        answer = self._answer(seconds)
        if answer is None:
            if self.process.poll() is None:
                self.end()
                return "hang"
            return f"crash: signal {-self.process.wait()}"
        fate, peak = answer
        if peak > MEMORY or "MemoryError" in fate:
            self.end()
            return "memory"
        return str(fate)

    def _answer(self, seconds: float) -> tuple[str, float] | None:
        """What the process says next; None where it says nothing in so many seconds of CPU time, or is over."""
        used, began = self._used(), time.monotonic()
        ready: list[Any] = []
        while not ready and self._used() - used < seconds and time.monotonic() - began < _IDLE * seconds:
            ready, _, _ = select.select([self.process.stdout], [], [], min(1.0, seconds / 4))
        line = self.process.stdout.readline() if ready else ""
        if ready and not line:
            self.process.wait(10)
        return tuple(json.loads(line)) if line else None

    def _used(self) -> float:
        """Seconds of CPU time that the process has taken; where the system does not tell, the time of the clock."""
        status = Path(f"/proc/{self.process.pid}/stat")
        if not status.exists():
            return time.monotonic()
        user, system = status.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    @property
    def over(self) -> bool:
        """Whether it takes no more inputs."""
        return self.process.poll() is not None

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def logs(folders: Sequence[Path]) -> list[tuple[str, bytes]]:
    """Name and bytes of the logs to mutate, in the order of their names."""
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".md")
    found = [(path.name, path.read_bytes()) for path in paths if 0 < path.stat().st_size <= MOST_BYTES]
    return found or sys.exit("no log to mutate")


def inputs(found: Sequence[tuple[str, bytes]], seed: int) -> Iterator[tuple[int, str, bytes]]:
    """(number, name, bytes) of mutated logs without end; the same seed gives the same."""
    others = [data for _, data in found]
    number = 0
    while True:
        dice = random.Random(seed * 1_000_003 + number)
        name, data = dice.choice(found)
        yield number, name, mutated(data, others, dice)
        number += 1


def main(argv: list[str] | None = None) -> int:
    """Fuzz for some minutes and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="more logs to mutate, beside samples/")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--inputs", type=int, help="end after so many inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20.0, help="of CPU time until an input hangs")
    parser.add_argument("--space", type=int, default=3_000_000_000, help="bytes that a child may map")
    parser.add_argument("--keep", type=Path, help="where to write the inputs that did harm")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        work(options.space)
        return 0
    counts: Counter[str] = Counter()
    harm: dict[str, list[int]] = {}
    end = time.monotonic() + 60.0 * options.minutes
    child = Child(options.space)
    with tempfile.TemporaryDirectory() as scratch:
        for number, name, data in inputs(logs([ROOT / "samples", *options.folders]), options.seed):
            if time.monotonic() > end or number == options.inputs:
                break
            path = Path(scratch) / name
            path.write_bytes(data)
            child = child if not child.over else Child(options.space)
            fate = child.judge(path, options.seconds)
            counts[fate.partition(":")[0]] += 1
            if fate not in ("verdict", "refused"):
                harm.setdefault(fate, []).append(number)
                if options.keep is not None and len(harm[fate]) <= 3:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / f"{options.seed}-{number}-{name}").write_bytes(data)
            path.unlink()
    child.end()
    for fate, numbers in sorted(harm.items(), key=lambda item: -len(item[1])):
        print(f"{len(numbers):5}  {fate}  (seed {options.seed}, input {numbers[0]})")
    kinds = ("verdict", "refused", "fault", "hang", "memory", "crash")
    print(f"{counts.total()} inputs: {', '.join(f'{counts[kind]} {kind}' for kind in kinds)}")
    return int(bool(harm))


if __name__ == "__main__":
    sys.exit(main())
