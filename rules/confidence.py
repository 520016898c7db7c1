"""How often the findings of each rule are right: the table in `confidence.csv` beside this file.

Made by `python tests/benchmarks/calibration.py --write rules/confidence.csv`; see `diagnose.calibration` for what the
columns mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from diagnose.calibration import Calibration, read

TABLE = Path(__file__).with_name("confidence.csv")


def load() -> Mapping[str, Calibration]:
    """The calibrations by rule; none where the table was not made yet.

    Raises OSError or `diagnose.errors.TableError`.
    """
    return read(TABLE) if TABLE.exists() else {}
