"""A recipe trained, and its log diagnosed as a user's would be: of the file alone."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from diagnose.api import diagnose
from reference_trainer.recipe import Recipe

if TYPE_CHECKING:
    from diagnose.report import Report
    from reference_trainer.learner import Result


def diagnosed(recipe: Recipe) -> tuple[Result, Report, float]:
    """The training of a recipe, the report on its log, and the CPU time of the training in seconds."""
    from reference_trainer.logs import CsvLog
    from reference_trainer.train import train, unlogged

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.csv"
        began = time.process_time()
        result = train(recipe, lambda columns: CsvLog(path, columns, recipe.config(), leave_out=unlogged(recipe)))
        seconds = time.process_time() - began
        return result, diagnose(str(path)), seconds
