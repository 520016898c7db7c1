"""Zero loss: the training loss is exactly 0, and there is nothing to learn from.

Why it matters
    A loss of exactly 0 with a gradient of 0 means that no label took part: all are masked (-100, padding, a prompt that
    fills the context), or the loss is multiplied by nothing. The run goes on, and learns nothing.

Statistics
    zeros   share of the points at which train_loss is exactly 0, and the norm of the gradient too where it is logged
    alone   whether there are such points before points at which it is not small

Limits
    A loss that falls until the log rounds it to 0 is fitted, not masked: only zeros from the first point on, or before
    losses of a tenth of the usual, count. Losses with a margin (triplet, hinge) are 0 where it is kept, and are left
    out. A loss of 0 beside NaN in the gradient norm is `non-finite`.

References
    PyTorch documentation, CrossEntropyLoss: `ignore_index` is -100
    Hugging Face, TRL documentation, SFT Trainer: "Train on completions only"
    Lecture notes: "Diagnosing the model: data corrupted?"
"""

from __future__ import annotations

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.names.columns import keeps_margin
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


def check(
    train_loss: Series,
    axis: str,
    grad_norm: Series | None = None,
    *,
    share_least: float = 0.05,  # of the points; a single batch without a label does not matter
    small: float = 0.1,  # of the median of the losses that are not 0; a loss that has fallen so far may round to 0
) -> Finding | None:
    """Judge the training loss as it was logged."""
    if keeps_margin(train_loss.name):
        raise CannotJudge("a loss with a margin is 0 where it is kept")
    loss = train_loss.finite()
    if len(loss) < 5:
        raise CannotJudge("fewer than 5 points of train_loss")
    zeros = (loss.values == 0.0) & _without_gradient(loss.steps, grad_norm)
    share = float(zeros.mean())
    if share < share_least or not _unearned(loss.values, zeros, small):
        return None
    places = loss.steps[zeros]
    beside = " with a gradient norm of 0" if grad_norm is not None else ""
    whole = bool(zeros.all())
    return Finding(
        severity=Severity.ERROR if share > 0.5 else Severity.WARNING,
        confidence=0.97 if grad_norm is not None else 0.9,
        summary=(
            f"train_loss is exactly 0{beside} at {'all' if whole else int(zeros.sum())} of {len(loss)} points, from "
            f"{axis} {places[0]:g} on."
            if not whole
            else f"train_loss is exactly 0{beside} at all {len(loss)} points."
        ),
        meaning="No label takes part in the loss there: look whether all of them are masked, and whether the prompts "
        "alone fill the context.",
        steps=(float(places[0]), float(places[-1])),
        series=("train_loss", "grad_norm") if grad_norm is not None else ("train_loss",),
        evidence=(Evidence("zeros", 100.0 * share, 100.0 * share_least, "percent of the points"),),
    )


def _without_gradient(steps: Array, grad_norm: Series | None) -> np.ndarray:
    """Where the norm of the gradient is 0, or was not logged."""
    if grad_norm is None or not len(grad_norm):
        return np.ones(steps.size, dtype=bool)
    place = np.clip(np.searchsorted(grad_norm.steps, steps), 0, len(grad_norm) - 1)
    return np.asarray((grad_norm.values[place] == 0.0) | (grad_norm.steps[place] != steps))


def _unearned(values: Array, zeros: np.ndarray, small: float) -> bool:
    """Whether the zeros stand where the loss had not fallen to them: from the start, or before ordinary losses."""
    if zeros.all() or zeros[0]:
        return True
    usual = float(np.median(np.abs(values[values != 0.0])))
    ordinary = np.flatnonzero(np.abs(values) > small * usual)
    return float(zeros[: ordinary[-1]].sum()) >= 0.5 * float(zeros.sum())


RULE = Rule(
    id="zero-loss",
    group="metric",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("unmask-labels", "inspect-batch"),
    silences=("non-convergence", "vanishing-gradient", "frozen-metric"),
    not_for={
        "reinforcement": "the loss of a policy is 0 where its advantages are",
        "adversarial": "a loss with a margin is 0 where it is kept",
    },
    precedence=-1,
    measures={
        "share_least": "the share of points at which the loss is 0 (share)",
    },
    cases=(
        Case("every label masked", synthetic.masked_labels, Severity.ERROR),
        Case("a tenth of the batches without a label", synthetic.some_masked_labels, Severity.WARNING),
        Case("fitted until the log rounds it to 0", synthetic.rounded_to_zero),
        Case("healthy run", synthetic.healthy),
    ),
)
