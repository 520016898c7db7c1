"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

# Read when NumPy and PyTorch are loaded, here and in every process that a test starts. The tests run side by side: more
# threads than cores wait for each other, at three times the cost.
os.environ["OMP_NUM_THREADS"] = "1"
# Where the environment forbids that compiled modules are kept, each process that a test starts compiles the package
# anew, for as long as it works.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest
from hypothesis import settings
from typer.testing import CliRunner

# Timing is never asserted: a loaded machine must not fail a property.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent


class Done(NamedTuple):
    """What a command left, with the names of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def typed(*arguments: str) -> Done:
    """`diagnose ARGUMENTS` in this process, which has loaded PyTorch: seconds less than a process of its own."""
    from diagnose.cli import app

    done = CliRunner().invoke(app, list(arguments), prog_name="diagnose", env={"COLUMNS": "100"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.stdout, done.stderr)


def interruptible(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """A process `diagnose ARGUMENTS` that Ctrl-C ends, also where the tests run behind `nohup` or `&`.

    A process inherits from its parent that SIGINT is ignored, and nothing else of how it is handled.
    """
    command = [sys.executable, "-m", "diagnose", *map(str, arguments)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, text=True, **options)
    finally:
        signal.signal(signal.SIGINT, before)


def wait_until(ready: Callable[[], object], seconds: float = 120.0) -> None:
    """Return when `ready` is true, and fail where it is not within so many seconds."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The labelled corpus of real logs, which lies beside the repository and not in it."""
    path = ROOT.parent / "shared" / "corpus"
    if not path.is_dir():
        pytest.skip("no ../shared/corpus beside this checkout")
    return path


@pytest.fixture(scope="session")
def samples() -> Path:
    """The sample logs of the repository."""
    return ROOT / "samples"
