"""DeepXDE's `loss.dat`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diagnose.errors import ReadError
from diagnose.readers import read

HEADER = "# step, loss_train, loss_test, metrics_test\n"


@pytest.mark.parametrize(("terms", "metrics"), [(1, 0), (1, 1), (3, 0), (3, 2), (8, 0)])
def test_the_terms_are_summed_however_many_there_are(tmp_path: Path, terms: int, metrics: int) -> None:
    rng = np.random.default_rng(3)
    train = 10.0 ** -np.arange(terms) * np.linspace(2, 1, 12)[:, None] * rng.uniform(0.9, 1.1, (12, terms))
    test = train * rng.uniform(1.0, 1.2, (12, terms))
    steps = np.arange(12.0)[:, None] * 1000
    table = np.hstack([steps, train, test, rng.uniform(0, 5, (12, metrics))])
    np.savetxt(tmp_path / "loss.dat", table, header=HEADER.strip("# \n"))
    (run,) = read(tmp_path / "loss.dat")
    assert run.axis == "step"
    np.testing.assert_allclose(run.series[run.roles["train_loss"]].values, train.sum(axis=1))
    np.testing.assert_allclose(run.series[run.roles["val_loss"]].values, test.sum(axis=1))
    assert run.series["loss_train"].steps.tolist() == steps[:, 0].tolist()
    assert ("loss_train/3" in run.series) == (terms >= 3)


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loss.dat").write_text(HEADER)
    with pytest.raises(ReadError, match="no row of losses"):
        read(tmp_path / "loss.dat")
