"""The same log said in another way has the same verdict; `tests/benchmarks/metamorphic.py` asks it of many logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.metamorphic import changes, table_of

SAMPLES = ("overfitting.csv", "healthy.csv", "stuck.csv", "results.csv", "spike_history.json", "trainer_state.json",
           "lightning_logs/version_14/metrics.csv")  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_a_verdict_does_not_hang_on_how_the_log_is_said(samples: Path, tmp_path: Path, name: str) -> None:
    log = table_of(samples / name)
    assert log is not None
    found = changes(log, tmp_path)
    assert {"columns reversed", "as TSV", "with semicolons"} <= found.keys()
    assert len(found) >= 6
    assert {relation: after for relation, (before, after) in found.items() if after != before} == {}
