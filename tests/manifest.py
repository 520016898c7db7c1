"""The manifest of the corpus, which says what each of its logs holds."""

from __future__ import annotations

import csv
from pathlib import Path

LATER = "second half"
"""What the notes say of logs that came when the readers were written; `benchmarks/reading.py` measures them."""


def of_manifest(corpus: Path) -> list[dict[str, str]]:
    """The rows of the logs on which the readers were built, whose main columns are all recognised."""
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if LATER not in row["notes"]]
