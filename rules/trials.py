"""How often each fix resolved its finding on reference runs: the table in `trials.csv` beside this file.

Made by `diagnose reference trials --table rules/trials.csv`; see `diagnose.trials` for what the columns mean.
"""

from __future__ import annotations

from pathlib import Path

from diagnose.trials import Trials, read

TABLE = Path(__file__).with_name("trials.csv")


def load() -> tuple[Trials, ...]:
    """The rows of the table (entry point `diagnose.trials`); none where it was not made yet.

    Raises OSError or `diagnose.errors.TableError`.
    """
    return read(TABLE) if TABLE.exists() else ()
