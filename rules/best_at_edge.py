"""Best at edge: the best run of a search has the smallest or the largest value tried of a hyperparameter.

Why it matters
    Where the result still gets better towards the end of the searched range, the optimum lies beyond it, and the
    search has not found it.

Statistics
    score   best level of the validation accuracy, else of the validation loss, else of the training loss; of several
            runs with one value of the hyperparameter the best counts
    margin  score at the edge minus the best score elsewhere, in standard deviations of the noise of the curves

Limits
    Zero is a natural end (no dropout, no weight decay) and no edge, and so is a batch size of one. More epochs are
    always better and are not counted. One run per value says little where seeds differ more than the noise of a curve
    shows; the margin asks for at least 2 % of the level beside it.

References
    [1] Godbole et al., Deep Learning Tuning Playbook (2023): "Identifying bad search space boundaries"
    Lecture notes: "Learning Rate: search by orders of magnitude".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Run
from diagnose.measure import between_runs
from diagnose.names import differences
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

_LENGTHS = frozenset({"epochs", "max_steps", "warmup", "warmup_steps", "warmup_epochs", "warmup_ratio"})


class _Edge(NamedTuple):
    """The best value of one hyperparameter at an end of its range, and by how much it is better than elsewhere."""

    name: str
    values: Array
    best: float
    margin: float


def check(
    runs: Sequence[Run],
    *,
    fewest: int = 3,  # values of a hyperparameter; with two, one is always the best and both are edges
    margin: float = 3.0,  # standard deviations of the noise of a level
    least: float = 0.02,  # of the level of a loss, or of an accuracy of 1; seeds alone differ by about as much
) -> Finding | None:
    """Judge the configs and curves of comparable runs."""
    varied = differences.searched(runs)
    if not varied:
        raise CannotJudge("the configs name no numbers that vary between comparable runs")
    columns = {n: v for n, v in varied.items() if n not in _LENGTHS and np.unique(v).size >= fewest}
    if not columns:
        return None
    role = next((r for r in ("val_accuracy", "val_loss", "train_loss") if all(run.curve(r) for run in runs)), None)
    binned = None if role is None else between_runs.binned([curve for run in runs if (curve := run.curve(role))])
    if role is None or binned is None:
        raise CannotJudge("the runs have no curve in common to compare them by")
    bins = between_runs.worse_by(role) * binned[1] / between_runs.scale(role, binned[1])
    width = max(2, bins.shape[1] // 8)
    scores = between_runs.smoothed(bins, width).min(axis=1)
    noise = math.hypot(between_runs.noise(bins) / math.sqrt(width) * math.sqrt(2.0), least / margin)
    found = [edge for name, values in columns.items() if (edge := _edge(name, values, scores))]
    found = [edge for edge in found if edge.margin > margin * noise]
    if not found:
        return None
    edge = max(found, key=lambda e: e.margin)
    end = "smallest" if edge.best == edge.values.min() else "largest"
    others = " and ".join(f"{e.name} {e.best:g}" for e in found if e is not edge)
    unit = "of its level" if role.endswith("loss") else "of the range"
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=(
            f"The best {role} has {edge.name} {edge.best:g}, the {end} of {np.unique(edge.values).size} values tried, "
            f"and is {100.0 * edge.margin:.2g} % {unit} better than with any other"
            f"{f'; {others} is at an edge too' if others else ''}."
        ),
        meaning="The result still improves towards the end of the searched range; the optimum may lie beyond it.",
        steps=(0.0, max(run.last_step for run in runs)),
        series=(role,),
        evidence=(Evidence("margin", edge.margin / noise, margin, "standard deviations"),),
    )


def _edge(name: str, values: Array, scores: Array) -> _Edge | None:
    """The best value where it is an end of the range and no natural one; the lowest score is the best."""
    best = float(values[int(np.argmin(scores))])
    if best not in (values.min(), values.max()) or best == 0.0 or (name == "batch_size" and best == 1.0):
        return None
    return _Edge(name, values, best, float(scores[values != best].min() - scores.min()))


_search = partial(partial, synthetic.search)
_RATES = (1e-4, 1e-3, 1e-2)

RULE = Rule(
    id="best-at-edge",
    group="search",
    doc=__doc__,
    check=check,
    min_points=0,
    fixes=("widen-search",),
    cases=(
        Case("best at the largest rate", _search(learning_rate=_RATES, best={"learning_rate": 0.1}), Severity.NOTE),
        Case("best at the smallest rate", _search(learning_rate=_RATES, best={"learning_rate": 1e-5}), Severity.NOTE),
        Case("best in the middle", _search(learning_rate=_RATES, best={"learning_rate": 1e-3})),
        Case("the rate makes no difference", _search(learning_rate=_RATES)),
        Case("seeds of one recipe", synthetic.seeds),
        Case("logs of different projects", synthetic.unrelated),
    ),
)
