"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# Timing is never asserted: a loaded machine must not fail a property.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent


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
