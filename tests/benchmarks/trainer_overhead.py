"""What the reference trainer's loop costs over a bare PyTorch loop of the same model, default logging included.

python tests/benchmarks/trainer_overhead.py [--repeats 9] [--only mlp]

Both train the same model on the same batches with the same optimizer and schedule and validate after every epoch; the
bare loop counts the right answers in training and validation and prints nothing. What is measured is CPU time, of which
others on the machine take none. They take turns, the first of a pair another one each time; the overhead is the median
over the pairs, with the quartiles beside it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from reference_trainer import models
from reference_trainer.data import TASKS
from reference_trainer.initializers import initialize
from reference_trainer.learner import batches, reproducible
from reference_trainer.logs import CsvLog
from reference_trainer.recipe import Recipe
from reference_trainer.train import train, unlogged

RECIPES = {
    "cnn": {"model": "cnn", "epochs": 10},
    "mlp": {"model": "mlp", "epochs": 20},
    "resnet": {"model": "resnet", "epochs": 4},
    "lstm": {"model": "lstm", "epochs": 10},
    "transformer": {"model": "transformer", "epochs": 5},
}


def bare(recipe: Recipe) -> float:
    """The loop of a tutorial; returns the validation accuracy."""
    with reproducible(recipe.seed):
        data = TASKS[recipe.task](recipe)
        model = models.build(recipe, data.inputs, data.outputs)
        initialize(model, recipe)
        optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
        steps = recipe.epochs * (len(data.x) // recipe.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        for _ in range(recipe.epochs):
            model.train()
            right = 0
            for x, y in batches(data, recipe.batch_size, shuffle=True):
                outputs = model(x)
                loss = cross_entropy(outputs, y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                right += int((outputs.argmax(dim=1) == y).sum())
            model.eval()
            with torch.no_grad():
                outputs = model(data.val_x)
                cross_entropy(outputs, data.val_y).item()
                accuracy = float((outputs.argmax(dim=1) == data.val_y).float().mean())
    return accuracy


def ours(recipe: Recipe, folder: Path) -> float:
    """The reference trainer, writing a CSV."""
    path = folder / "run.csv"
    log = lambda columns: CsvLog(path, columns, recipe.config(), leave_out=unlogged(recipe))  # noqa: E731
    return train(recipe, log).rows[-1]["val_accuracy"]


def main() -> None:
    """Print one row per model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", choices=RECIPES, action="append", help="only this model; repeatable")
    options = parser.parse_args()
    repeats = options.repeats
    print(f"{'model':12} {'bare':>8} {'ours':>8}   overhead (quartiles)")
    with tempfile.TemporaryDirectory() as name:
        for title, fields in RECIPES.items():
            if options.only and title not in options.only:
                continue
            recipe = Recipe(**fields)
            seconds: dict[str, list[float]] = {"bare": [], "ours": []}
            for turn in range(repeats + 1):
                for which in ("bare", "ours") if turn % 2 else ("ours", "bare"):
                    began = time.process_time()
                    bare(recipe) if which == "bare" else ours(recipe, Path(name))
                    if turn:  # the first turn warms up
                        seconds[which].append(time.process_time() - began)
            low, high = (statistics.median(seconds[which]) for which in ("bare", "ours"))
            pairs = zip(seconds["bare"], seconds["ours"], strict=True)
            ratios = [100.0 * (mine / theirs - 1.0) for theirs, mine in pairs]
            quarter, middle, most = statistics.quantiles(ratios, n=4, method="inclusive")
            print(f"{title:12} {low:7.2f}s {high:7.2f}s   {middle:+.1f} % ({quarter:+.1f} to {most:+.1f})", flush=True)


if __name__ == "__main__":
    main()
