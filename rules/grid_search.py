"""Grid search: a full grid over several hyperparameters, where random search covers each of them better.

Why it matters
    Mostly few hyperparameters matter, and nobody knows beforehand which. A grid of 5 x 5 runs tries five values of the
    one that does; 25 random runs try twenty-five.

Statistics
    runs      comparable runs whose configs make every combination of the values of the hyperparameters that vary
    values    different values of the one with the most; random search would have had as many as there are runs

Limits
    Only numbers count, and at least two of them must have three values or more: two values are a comparison. A grid
    that is meant to be looked at as a map, or repeats published values, is right as it is.

References
    [1] Bergstra and Bengio, Random Search for Hyper-Parameter Optimization (2012)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from diagnose import synthetic
from diagnose.curves import Run
from diagnose.names import differences
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    runs: Sequence[Run],
    *,
    fewest: int = 3,  # values of each of two hyperparameters; two values are a comparison
    covered: float = 0.9,  # of the combinations; a run or two of a grid may have failed
) -> Finding | None:
    """Judge the configs of comparable runs."""
    columns = differences.searched(runs)
    if not columns:
        raise CannotJudge("the configs name no numbers that vary between comparable runs")
    if len(columns) < 2:
        return None
    sizes = {name: np.unique(values).size for name, values in columns.items()}
    if sorted(sizes.values())[-2] < fewest:
        return None
    combinations = math.prod(sizes.values())
    tried = len(set(zip(*(values.tolist() for values in columns.values()), strict=True)))
    if tried < covered * combinations:
        return None
    grid = " x ".join(f"{size} of {name}" for name, size in sizes.items())
    most = max(sizes.values())
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=f"{tried} runs cover {tried / combinations:.0%} of a grid: {grid}.",
        meaning=(
            f"No hyperparameter was tried at more than {most} values; drawn at random, {tried} runs would have tried "
            f"{tried} values of each, and few of the hyperparameters matter."
        ),
        steps=(0.0, max(run.last_step for run in runs)),
        series=(),
        evidence=(
            Evidence("combinations tried", tried / combinations, covered),
            Evidence("most values of one hyperparameter", float(most), None),
        ),
    )


_search = partial(partial, synthetic.search)


def _random(seed: int = 0, noise: float = 0.02) -> list[Run]:
    """A random search with 9 runs."""
    rng = np.random.default_rng(seed)
    rates, decays = 10.0 ** rng.uniform(-4.0, -2.0, 9), 10.0 ** rng.uniform(-5.0, -2.0, 9)
    return [
        synthetic.recipe(9 * seed + i, noise, learning_rate=float(rates[i]), weight_decay=float(decays[i]))
        for i in range(9)
    ]


RULE = Rule(
    id="grid-search",
    group="search",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("random-search",),
    cases=(
        Case(
            "three rates by three weight decays",
            _search(learning_rate=(1e-4, 1e-3, 1e-2), weight_decay=(1e-5, 1e-4, 1e-3)),
            Severity.NOTE,
        ),
        Case("random search", _random),
        Case("two rates by two batch sizes", _search(learning_rate=(1e-3, 1e-2), batch_size=(32, 64))),
        Case("one hyperparameter", _search(learning_rate=(1e-4, 1e-3, 1e-2))),
        Case("seeds of one recipe", synthetic.seeds),
        Case("logs of different projects", synthetic.unrelated),
    ),
)
