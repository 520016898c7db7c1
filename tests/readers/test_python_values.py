"""Curves that are handed over as Python values, without a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diagnose.api import diagnose
from diagnose.errors import ReadError

LOSS = [2.0 / (i + 1) for i in range(20)]
VAL_LOSS = [2.1 / (i + 1) for i in range(20)]


@pytest.mark.parametrize(
    "history",
    [
        {"loss": LOSS, "val_loss": VAL_LOSS},
        {"loss": np.array(LOSS), "val_loss": [np.float32(value) for value in VAL_LOSS]},
        [{"epoch": i, "loss": loss, "val_loss": VAL_LOSS[i]} for i, loss in enumerate(LOSS)],
        ({"loss": np.float64(loss), "val_loss": VAL_LOSS[i]} for i, loss in enumerate(LOSS)),
    ],
    ids=["a history", "arrays", "a list of epochs", "numbers of NumPy"],
)
def test_curves_are_judged_as_they_are(history: Any) -> None:
    history = history if isinstance(history, dict | list) else list(history)
    [diagnosis] = diagnose(history).diagnoses
    run = diagnosis.run
    assert (run.roles["train_loss"], run.roles["val_loss"], run.points) == ("loss", "val_loss", 20)
    assert run.series["loss"].values.tolist() == LOSS


def test_several_histories_are_several_runs() -> None:
    assert len(diagnose([{"loss": LOSS}, {"loss": VAL_LOSS}]).diagnoses) == 2


def test_what_holds_no_curve_is_refused() -> None:
    with pytest.raises(ReadError, match="no list of losses"):
        diagnose({"loss": 0.5})
