"""Slow convergence: the loss is still clearly falling when the run ends.

Why it matters
    The run was stopped before it was finished: more epochs, or a higher learning rate, would bring a better network.

Statistics
    late    fall of the loss over the last fifth, in percent of all it has improved
    p       Mann-Kendall p-value of a falling loss over the last two fifths [1]
    gain    what half as many steps again would bring: the median over learning-curve families [2] fitted to the second
            half of the curve, with the range over the families

Limits
    The forecast is an extrapolation: where the families disagree, the range says so. A learning rate that has decayed
    to zero would bring less than forecast. Where there is a validation loss it must be falling as well.

References
    [1] Mann, Nonparametric Tests Against Trend (1945)
    [2] Domhan, Springenberg and Hutter, Speeding Up Automatic Hyperparameter Optimization by Extrapolation of Learning
        Curves (2015): pow3 c + a x^-alpha, log power, exp3 c + a exp(-b x), ilog2 c + a / log(x + 1)
    Lecture notes: "For better convergence, more epochs".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import binning, statistics
from diagnose.names import optimizers, traits
from diagnose.rule import Case, Evidence, Finding, Rule, Severity

FIXES_OF = {
    "rate-too-low": ("typical-learning-rate", "raise-learning-rate", "train-longer"),
    "few-epochs": ("train-longer", "raise-learning-rate"),
}
"""Why it is slow, a learning rate far below the usual one or a short run -> the fixes in the order to try."""


def check(
    step: Array,
    train_loss: Array,
    axis: str,
    val_loss: Series | None = None,
    optimizer: str | None = None,
    learning_rate: float | None = None,
    model: str | None = None,
    *,
    late_note: float = 0.05,  # of the improvement, in the last fifth; readers called less than that levelled off
    val_note: float = 0.02,  # the same for val_loss, which is noisier
    trend_p: float = 0.02,  # nominal; reached by five points that all fall
    epochs_few: int = 10,  # a run that was stopped after fewer is short before it is slow
    rate_most: float = 0.033,  # of the optimizer's usual rate; a lower one is more than one search step away
) -> Finding | None:
    """Judge a training loss of shape (n,), and the validation loss where there is one."""
    late, p = _late_fall(train_loss)
    if late < late_note or p > trend_p:
        return None
    if val_loss is not None and len(finite := val_loss.finite()) >= 5:
        val_late, val_p = _late_fall(finite.values)
        if val_late < val_note or val_p > 0.1:
            return None
    usual = None if optimizer is None else optimizers.usual_rate(optimizer)
    fine_tuned = model is not None and traits.is_transformer(model)  # 1e-5 is usual there
    low_rate = usual is not None and learning_rate is not None and 0.0 < learning_rate <= rate_most * usual
    far_below = low_rate and not fine_tuned
    low, middle, high = forecast(train_loss)
    span = float(step[-1] - step[0]) or 1.0
    more = (
        f" Half as many {axis}s again ({0.5 * span:.3g}) would bring it from {_end(train_loss):.4g} to about "
        f"{middle:.4g} ({low:.4g} to {high:.4g} by family of learning curves)."
    )
    told = middle > 0.0 or float(train_loss.min()) <= 0.0  # else the curve is none of those families
    more = more if told else ""
    cause = "rate-too-low" if far_below else "few-epochs" if axis == "epoch" and step.size < epochs_few else ""
    return Finding(
        severity=Severity.NOTE,
        confidence=statistics.confidence(0.9 + 6.0 * min(late - late_note, 0.4)),
        summary=f"In its last fifth train_loss still fell by {100 * late:.3g} % of all it has improved.{more}",
        meaning="The run ended before it was finished.",
        steps=(float(step[-max(2, step.size // 5)]), float(step[-1])),
        series=("train_loss",) if val_loss is None else ("train_loss", "val_loss"),
        evidence=(
            Evidence("late", 100.0 * late, 100.0 * late_note, "percent of the improvement"),
            Evidence("p of the trend", p, trend_p),
            *([Evidence("forecast", middle)] if told else []),
        ),
        fixes=FIXES_OF.get(cause, ()),
        cause=cause,
    )


def _end(loss: Array) -> float:
    return statistics.end_level(loss, statistics.ends(loss.size))


def _late_fall(loss: Array) -> tuple[float, float]:
    """Fall over the last fifth as a share of the improvement, and the p-value of falling over the last two fifths."""
    fifth = max(3, loss.size // 5)
    tail = loss[-fifth:]
    third = max(1, fifth // 3)
    fall = statistics.median(tail[:third]) - statistics.median(tail[-third:])
    start = float(loss[: max(1, loss.size // 20)].max())
    improvement = start - statistics.median(loss[-third:])
    trend = statistics.mann_kendall(loss[-max(2 * fifth, 5) :])
    return fall / improvement if improvement > 0.0 else (1.0 if fall > 0.0 else 0.0), trend.p_falling


def forecast(loss: Array) -> tuple[float, float, float]:
    """The loss after half as many steps again: lowest, median and highest over the families, never above its end.

    Each family is linear in c and a once its shape is fixed, so a grid over shapes and least squares fit it. Time runs
    from 0 to 1 over the curve; a row of a family is one shape, over the second half of the curve and, last, at 1.5.
    """
    values = binning.block_means(loss, 200)
    half = values.size // 2
    time = np.append(np.linspace(0.0, 1.0, values.size + 1)[1:][half:], 1.5)
    families = (
        (10.0 * time) ** -np.geomspace(0.05, 4.0, 24)[:, None],  # pow3
        np.exp(-np.geomspace(0.1, 30.0, 24)[:, None] * time),  # exp3
        1.0 / np.log(np.array([10.0, 100.0, 1000.0])[:, None] * time + 1.0),  # ilog2
        1.0 / (1.0 + np.exp(np.array([0.5, 1.0, 2.0, 4.0])[:, None] * np.log(2.0 * time))),  # log power
    )
    end = _end(loss)
    guesses = [min(_extrapolate(family, values[half:]), end) for family in families]
    return min(guesses), float(np.median(guesses)), max(guesses)


def _extrapolate(family: npt.NDArray[np.float64], values: Array) -> float:
    """The last column predicted by the row of `family`, shape (shapes, n + 1), that fits the n values best."""
    known, ahead = family[:, :-1], family[:, -1]
    centred = known - known.mean(axis=1, keepdims=True)
    slope = centred @ (values - values.mean()) / np.maximum(np.square(centred).sum(axis=1), 1e-300)
    error = np.square(values - values.mean() - slope[:, None] * centred).sum(axis=1)
    best = int(np.argmin(error))
    return float(values.mean() + slope[best] * (ahead[best] - known[best].mean()))


RULE = Rule(
    id="slow-convergence",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("train-longer", "raise-learning-rate"),
    explained_by=("learning-rate-range",),
    not_for={"reinforcement": "the log has a reward: the loss of a policy need not fall"},
    measures={
        "late_note": "how much of its improvement train_loss still makes in the last fifth (late)",
        "val_note": "the same of val_loss (late)",
        "trend_p": "how likely so steady a fall is by chance (Mann-Kendall p)",
        "epochs_few": "the length of the run",
        "val_p": "how likely so steady a fall of val_loss is by chance (Mann-Kendall p)",
    },
    cases=(
        Case("both losses fall to the last epoch", synthetic.falling, Severity.NOTE),
        Case("levelled off", synthetic.plateaued),
        Case("overfitting: only the training loss falls", synthetic.overfit),
        Case("flat at chance", synthetic.stuck),
    ),
)
