"""The floors of the house, as contracts of import-linter in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def test_contracts_are_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("log", ["samples/healthy.csv", "samples/overfitting.csv"])
def test_heavy_libraries_wait_until_they_are_needed(log: str) -> None:
    """A cold start pays for NumPy and typer alone."""
    heavy = {"pandas", "scipy", "pyarrow", "matplotlib", "torch", "wandb", "rich", "yaml"}
    code = (
        "import sys, diagnose.cli as cli\n"
        f"try: cli.main([{log!r}])\n"
        "except SystemExit: pass\n"
        f"print('LOADED', sorted({heavy!r} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "LOADED []"
