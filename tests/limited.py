"""A command in a process of its own that is killed where it takes too long or too much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

MB = 1e6
"""Bytes."""

DIAGNOSE = (sys.executable, "-m", "diagnose")

# A process of its own starts the command, because Linux counts the memory that a parent holds when it forks towards
# the peak of the child; this one holds next to nothing. The limit of the address space is a guard only: libraries map
# much that they never touch. ru_maxrss is in KiB on Linux, in bytes on macOS.
_LAUNCHER = """
import json, os, resource, signal, subprocess, sys, time
seconds, space, report, out, err = float(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
def limit():
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
start = time.perf_counter()
child = subprocess.Popen(
    sys.argv[6:], stdin=subprocess.DEVNULL, stdout=open(out, "wb"), stderr=open(err, "wb"), preexec_fn=limit,
    start_new_session=True,
)
late = []
def kill(*_):
    late.append(True)
    os.killpg(child.pid, signal.SIGKILL)
signal.signal(signal.SIGALRM, kill)
signal.setitimer(signal.ITIMER_REAL, seconds)
_, status, usage = os.wait4(child.pid, 0)
signal.setitimer(signal.ITIMER_REAL, 0)
unit = 1 if sys.platform == "darwin" else 1024
found = [os.waitstatus_to_exitcode(status), time.perf_counter() - start, usage.ru_maxrss * unit, bool(late)]
json.dump(found, open(report, "w"))
"""


class Ended(NamedTuple):
    """How a command ended.

    code: its exit code, negative where a signal ended it. seconds: wall time. peak: resident memory in bytes.
    late: whether it was killed for the time it took.
    """

    code: int
    seconds: float
    peak: float
    late: bool
    stdout: str
    stderr: str


def run(
    command: Sequence[str | Path], *, seconds: float = 60.0, space: float = 4e9, folder: Path | None = None
) -> Ended:
    """Run a command to its end, or kill it.

    seconds: wall time after which it is killed. space: bytes of address space that it may map. folder: where it runs.
    """
    with tempfile.TemporaryDirectory() as work:
        report, out, err = (Path(work) / name for name in ("report", "out", "err"))
        options = [str(seconds), str(int(space)), str(report), str(out), str(err)]
        launcher = [sys.executable, "-S", "-c", _LAUNCHER, *options, *map(str, command)]
        subprocess.run(launcher, check=True, cwd=folder, env=_environment())
        code, took, peak, late = json.loads(report.read_text())
        said, complained = (path.read_bytes().decode("utf-8", errors="replace") for path in (out, err))
    return Ended(code, took, peak, late, said, complained)


def diagnose(*arguments: str | Path, seconds: float = 60.0, space: float = 4e9, folder: Path | None = None) -> Ended:
    """`diagnose ARGUMENTS`, limited as in `run`."""
    return run([*DIAGNOSE, *arguments], seconds=seconds, space=space, folder=folder)


def _environment() -> dict[str, str]:
    """This process's environment, with few threads: each one maps an arena of memory."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "100"}


def fate(ended: Ended, *, most_bytes: float, most_seconds: float = float("inf")) -> str:
    """How well an input was answered: `verdict` or `refused`, or what went wrong.

    `hang`: killed for its time, or over `most_seconds`. `crash`: ended by a signal. `fault`: a traceback, a fault that
    the program says of itself, or a number that is none. `memory`: more than `most_bytes` resident, or refused by the
    system. `unclear`: an error of several lines, or of none, or the warnings of a library.
    """
    words = ended.stdout + ended.stderr
    if ended.late:
        return "hang"
    if "MemoryError" in words or ended.peak > most_bytes:
        return "memory"
    if ended.code < 0:
        return "crash"
    if "fault in diagnose" in words or "Traceback" in words or "confidence nan" in words or "confidence inf" in words:
        return "fault"
    if ended.seconds > most_seconds:
        return "hang"
    if ended.code not in (0, 1, 2) or "Warning: " in ended.stderr:
        return "unclear"
    if ended.code == 2 and len(ended.stderr.splitlines()) != 1:
        return "unclear"
    return "refused" if ended.code == 2 else "verdict"
