"""Non-finite: a loss is NaN or infinite, or was and is hidden by what wrote the log.

Why it matters
    After the first NaN the weights are NaN: every later step is lost, and a checkpoint saved then cannot be used.

Statistics
    share    share of the loss's points that are NaN or infinite
    first    the first step at which it was
    hidden   two disguises: the cells of a loss go blank to the end of the log while other columns go on (pandas writes
             NaN as a blank cell); a training loss of exactly 0.0 to the end beside a NaN gradient norm or validation
             loss (Hugging Face's `logging_nan_inf_filter`)

Limits
    A validation loss that is NaN once and comes back is a warning, not an error. A filter that averages NaN away
    leaves no trace without the gradient norm.

References
    Micikevicius et al., Mixed Precision Training (2018), on overflow in float16
    Lecture notes: "Loss explosion? Problematic data instance; exploding gradients -> weights".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.measure import statistics
from diagnose.names import traits
from diagnose.names.columns import keeps_margin
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

FITTED = 1e-3
"""Share of the first loss that is nearly nothing: as many digits as most logs print."""


class Seen(NamedTuple):
    """Non-finite values of one curve.

    what: how to say it; share: of the curve's points; first, last: steps; lasting: whether it holds to the end.
    """

    role: str
    what: str
    share: float
    first: float
    last: float
    lasting: bool
    confidence: float


def check(
    axis: str,
    last_step: float,
    train_loss: Series | None = None,
    val_loss: Series | None = None,
    grad_norm: Series | None = None,
    config: Mapping[str, Any] | None = None,
    *,
    zero_tail: int = 3,  # points; fewer exact zeros in a row can be a rounded loss
) -> Finding | None:
    """Judge the losses as they were logged."""
    losses = [(role, s) for role, s in (("train_loss", train_loss), ("val_loss", val_loss)) if s is not None and len(s)]
    if not losses:
        raise CannotJudge("the log has no loss")
    seen = [hit for role, s in losses if (hit := _plain(role, s) or _blank(role, s, last_step))]
    if not seen and train_loss is not None:
        others = [s for s in (grad_norm, val_loss) if s is not None]
        masked = None if _fitted(train_loss, val_loss) else _masked(train_loss, others, zero_tail)
        seen = [masked] if masked else []
    if not seen:
        return None
    seen.sort(key=lambda hit: (not hit.lasting, hit.first))
    worst = seen[0]
    also = "".join(f" {hit.role} {hit.what} too, from {axis} {hit.first:g}." for hit in seen[1:])
    error = worst.lasting or any(hit.role == "train_loss" for hit in seen)
    lost = (
        f"From {axis} {worst.first:g} on nothing was learned; the last usable checkpoint is from before it."
        if worst.lasting
        else "The loss came back, but something overflowed or divided by zero at that point, and may again."
    )
    return Finding(
        severity=Severity.ERROR if error else Severity.WARNING,
        confidence=worst.confidence,
        summary=(
            f"{worst.role} {worst.what} from {axis} {worst.first:g}, {100 * worst.share:.3g} % of its points.{also}"
        ),
        meaning=lost,
        steps=(worst.first, worst.last),
        marks=(worst.first,),
        series=tuple(dict.fromkeys(hit.role for hit in seen)),
        evidence=(
            Evidence("share", 100.0 * worst.share, 0.0, "percent"),
            Evidence("first", worst.first, None, axis),
        ),
        cause="half-precision" if traits.half_precision(config or {}) else "",
    )


def _plain(role: str, curve: Series) -> Seen | None:
    """NaN or infinity that the log holds as such."""
    bad = ~np.isfinite(curve.values)
    if not bad.any():
        return None
    places = np.flatnonzero(bad)
    lasting = bool(bad[-1])
    if lasting and not bad.all():
        places = places[places > np.flatnonzero(~bad)[-1]]
    first = float(curve.steps[places[0]])
    kind = _kinds(curve.values[places])
    return Seen(role, kind, float(bad.mean()), first, float(curve.steps[places[-1]]), lasting, 0.99)


def _kinds(bad: Array) -> str:
    """What values that are not finite are, in the order in which they come."""
    nan = np.isnan(bad)
    if nan.all():
        return "is NaN"
    if not nan.any():
        return "is infinite"
    return "is NaN, and infinite in between," if nan[0] else "is infinite, and then NaN,"


def _blank(role: str, curve: Series, last_step: float) -> Seen | None:
    """A loss whose cells stay blank while the other columns of its rows go on."""
    if curve.blank_from is None or not np.isfinite(curve.values).any():
        return None
    if float(curve.steps[-1]) >= curve.blank_from:
        return None  # other rows than those of the training, of a test at the end, say, have other columns
    share = (last_step - curve.blank_from) / max(last_step - float(curve.steps[0]), 1e-12)
    what = "is blank, while other columns go on,"
    return Seen(role, what, min(max(share, 0.0), 1.0), curve.blank_from, last_step, True, 0.9)


def _fitted(train_loss: Series, val_loss: Series | None) -> bool:
    """Whether the validation loss ends at nearly nothing of what the training loss began with, so that the training
    loss may, too, and be rounded to 0.
    """
    end = np.abs(val_loss.finite().values[-3:]) if val_loss is not None else np.empty(0)
    return end.size > 0 and float(end.max()) < FITTED * float(np.abs(train_loss.values).max())


def _masked(train_loss: Series, others: list[Series], zero_tail: int) -> Seen | None:
    """An exact 0.0 to the end of the training loss beside NaN in the gradient norm or the validation loss."""
    zeros = train_loss.values == 0.0
    if zeros.size <= zero_tail or not zeros[-zero_tail:].all() or zeros.all():
        return None
    start = int(np.flatnonzero(~zeros)[-1]) + 1
    first = float(train_loss.steps[start])
    window = train_loss.steps[start - 1]
    witness = any(not np.isfinite(s.values[s.steps >= window]).all() for s in others)
    if not witness and keeps_margin(train_loss.name):
        return None
    fell = statistics.level(train_loss.values, max(0, start - 5), start)
    if not witness and fell < FITTED * float(np.abs(train_loss.values).max()):
        return None  # a loss that had already fallen to nothing may round to 0.0
    confidence = 0.97 if witness else 0.8
    share = float(zeros[start:].size / zeros.size)
    what = "is exactly 0.0" + (" beside NaN in the gradient norm or val_loss" if witness else "")
    return Seen("train_loss", what, share, first, float(train_loss.steps[-1]), True, confidence)


RULE = Rule(
    id="non-finite",
    doc=__doc__,
    check=check,
    min_points=1,
    fixes=("lower-learning-rate", "clip-gradients", "stable-precision", "inspect-batch", "normalize-inputs"),
    precedence=-1,
    measures={
        "zero_tail": "the points of the training loss",
        "seen": "a loss that is NaN, infinite, or hidden by what wrote the log",
    },
    cases=(
        Case("NaN from two thirds on", synthetic.non_finite, Severity.ERROR),
        Case("cells go blank from two thirds on", synthetic.blank_tail, Severity.ERROR),
        Case("exact zeros beside a NaN gradient norm", synthetic.masked_nan, Severity.ERROR),
        Case("healthy run", synthetic.healthy),
        Case("negative loss, healthy", synthetic.negative),
    ),
)
