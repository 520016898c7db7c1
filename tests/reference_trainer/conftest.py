"""One thread per worker: the models are small, and the tests run side by side."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Leave the other cores to the other workers."""
    torch.set_num_threads(1)
