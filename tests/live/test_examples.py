"""Each script of the manual runs as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.live

EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
NEEDS = {"fabric": "lightning", "plain": "torch"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_finds_nothing(example: Path, tmp_path: Path) -> None:
    framework = example.stem.split("_")[0]
    pytest.importorskip(NEEDS.get(framework, framework))
    environment = {"KERAS_BACKEND": "torch", **os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (headline,) = [line for line in done.stdout.splitlines() if line.startswith("live: ")]
    assert "problem:" not in headline
    assert "problems:" not in headline
    assert "fault in diagnose" not in done.stderr
