"""Measures whole child processes: wall time and peak memory."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

MB = 1e6
"""Bytes."""

# A process of its own starts the command, because Linux counts the memory that a parent holds when it forks towards
# the peak of the child; this one holds next to nothing. ru_maxrss is in KiB on Linux, in bytes on macOS.
_LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=open(sys.argv[1], "wb"))
_, status, usage = os.wait4(child.pid, 0)
seconds = time.perf_counter() - start
unit = 1 if sys.platform == "darwin" else 1024
cpu = usage.ru_utime + usage.ru_stime
print(json.dumps([seconds, usage.ru_maxrss * unit, os.waitstatus_to_exitcode(status), cpu]))
"""


def environment() -> dict[str, str]:
    """The environment of the children: bytecode is kept, as it is after an installation, whatever this shell says."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Cost(NamedTuple):
    """What one process cost: wall time in seconds, peak resident memory in bytes, its exit code, and CPU seconds.

    The CPU seconds count the children that it has waited for; on a busy machine they say what the wall time would be.
    """

    seconds: float
    peak: float
    code: int
    cpu: float


def cost(command: Sequence[str], folder: Path) -> Cost:
    """Run a command to its end, its errors into `folder`/stderr.txt."""
    launcher = [sys.executable, "-S", "-c", _LAUNCHER, str(folder / "stderr.txt"), *command]
    done = subprocess.run(launcher, capture_output=True, text=True, check=True, env=environment())
    return Cost(*json.loads(done.stdout))


def alternating(
    commands: Sequence[Sequence[str]], times: int, folder: Path, accept: Sequence[int] = (0,)
) -> list[list[Cost]]:
    """Run the commands one after the other, `times` times round, so that a busy machine is busy for all of them.

    Returns the costs per command. Exits with the command's own words where its exit code is not in `accept`.
    """
    costs: list[list[Cost]] = [[] for _ in commands]
    for _ in range(times):
        for found, command in zip(costs, commands, strict=True):
            found.append(cost(command, folder))
            if found[-1].code not in accept:
                sys.exit(f"{' '.join(command)}: exit {found[-1].code}: {(folder / 'stderr.txt').read_text()[-500:]}")
    return costs


def diagnose_command() -> list[str]:
    """How `diagnose` is started: the installed command, or where there is none its entry point."""
    script = Path(sys.executable).with_name("diagnose")
    return [str(script)] if script.exists() else [sys.executable, "-c", "from diagnose.cli import main; main()"]


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)
