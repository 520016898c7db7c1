"""The bias check of a reference run: what the trained network looks at, on its validation examples."""

from __future__ import annotations

from pathlib import Path

from diagnose.console import terminal
from diagnose.integrations.captum import page
from diagnose.integrations.captum.command import scored
from reference_trainer.data import TASKS
from reference_trainer.learner import Result
from reference_trainer.recipe import CONVOLUTIONAL, Recipe, RecipeError


def check_recipe(recipe: Recipe) -> None:
    """Raises RecipeError where the network has no maps to look at, before anything is trained."""
    if recipe.model not in CONVOLUTIONAL or recipe.kind != "classification":
        raise RecipeError(f"--bias reads the maps of convolutions, which {recipe.model} has not; try --model cnn")


def report(result: Result, out: Path | None) -> None:
    """Print the page of the check; write its table to `out`, where there is one. Raises SettingsError."""
    data = TASKS[result.recipe.task](result.recipe)
    dtype = next(result.model.parameters()).dtype
    scores = scored(
        result.model,
        (data.val_x.to(dtype), data.val_y),
        methods=("gradcam",),
        mosaics=20 * data.classes,
        seed=result.recipe.seed,
    )
    terminal.write("\n" + page.render(scores, page.judged(scores), terminal.page(False, None, "auto")))
    if out is not None:
        scores.write(out)
