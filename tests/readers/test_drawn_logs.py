"""Console logs of dialects that nobody planned for are read as a person reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from diagnose.errors import ReadError
from diagnose.readers import read
from tests.readers.drawn_logs import LAYOUTS, draw

DRAWS = 40
MOST_MISREAD = 1  # of those; some dialects that can be drawn are ambiguous


@pytest.mark.parametrize("layout", LAYOUTS)
def test_logs_of_any_dialect_are_read(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    misread = []
    for seed in range(DRAWS):
        log = draw(layout, seed)
        path.write_text(log.text)
        try:
            said = log.misread(max(read(path), key=lambda run: run.points))
        except ReadError as error:
            said = str(error)
        if said:
            misread.append(f"{seed}: {said}")
    assert len(misread) <= MOST_MISREAD, misread
