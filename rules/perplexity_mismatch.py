"""Perplexity mismatch: the perplexity is not the exponential of the loss.

Why it matters
    A perplexity is read, and compared between models, as exp(loss). One that is the mean of the exponentials of
    batches is too high, one per word is no one per token, and one of another loss says nothing of this one.

Statistics
    off     median of |ln(perplexity) - loss * ln(base)| over the points that log both, as a factor of the perplexity;
            base is e, or 2 for a loss in bits, whichever fits
    share   share of these points at which it is off

Limits
    A perplexity that is capped (exp(20), say) is not judged where it stands at its cap. Where several losses of one
    split are logged the nearest counts. Fewer than 5 common points are not judged.

References
    Jelinek et al., Perplexity - a Measure of the Difficulty of Speech Recognition Tasks (1977)
    Jensen's inequality: the mean of exp(x) is at least exp of the mean
    Lecture notes: "Metrics".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.names.columns import Perplexity
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity


class Against(NamedTuple):
    """A perplexity against one loss: the common steps, and ln(perplexity) and the loss there, shape (n,)."""

    perplexity: str
    loss: str
    steps: Array
    logarithm: Array
    losses: Array

    @property
    def off(self) -> Array:
        """By how much the logarithm of the perplexity exceeds the loss in nats, in the better of the two bases."""
        bases = [self.logarithm - self.losses * unit for unit in (1.0, math.log(2.0))]
        return min(bases, key=lambda off: float(np.median(np.abs(off))))


def check(
    perplexities: Sequence[Perplexity],
    axis: str,
    *,
    off_note: float = 0.1,  # of the perplexity; less is rounding, and the order in which a mean is taken
    share_least: float = 0.8,  # of the common points; single ones are a last, partial batch
) -> Finding | None:
    """Judge each perplexity against the nearest loss of its split."""
    judged = [found for one in perplexities if (found := _nearest(one)) is not None]
    if not judged:
        raise CannotJudge("fewer than 5 points of a perplexity with a loss")
    for against in judged:
        off = against.off
        share = float(np.mean(np.abs(off) > math.log1p(off_note)))
        if share >= share_least:
            return _finding(against, off, share, axis, off_note, share_least)
    return None


def _nearest(one: Perplexity) -> Against | None:
    """The perplexity against the loss that it fits best; None where it shares fewer than 5 steps with each."""
    pairs = [pair for loss in one.losses if (pair := _together(one.perplexity.finite(), loss.finite())) is not None]
    return min(pairs, key=lambda pair: float(np.median(np.abs(pair.off))), default=None)


def _together(perplexity: Series, loss: Series) -> Against | None:
    steps, at, there = np.intersect1d(perplexity.steps, loss.steps, return_indices=True)
    values = perplexity.values[at]
    top = values == values.max(initial=0.0)
    use = (values > 0.0) & ~(top & (np.count_nonzero(top) > 1))  # a cap is reached again and again
    if np.count_nonzero(use) < 5:
        return None
    return Against(perplexity.name, loss.name, steps[use], np.log(values[use]), loss.values[there][use])


def _finding(against: Against, off: Array, share: float, axis: str, off_note: float, share_least: float) -> Finding:
    ratio = against.logarithm / np.where(against.losses == 0.0, np.nan, against.losses)
    middle = float(np.nanmedian(ratio))
    even = float(np.nanmedian(np.abs(ratio / middle - 1.0))) < 0.02
    factor = math.exp(min(float(np.median(np.abs(off))), 700.0))
    last = int(np.argmax(against.steps))
    said, held = (math.exp(min(float(x[last]), 700.0)) for x in (against.logarithm, against.losses))
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=(
            f"{against.perplexity} is {said:.4g} at {axis} {against.steps[last]:g}, where exp({against.loss}) is "
            f"{held:.4g}; they differ at {100 * share:.0f} % of the {off.size} points that log both."
        ),
        meaning=_meaning(middle, off, even),
        steps=(float(against.steps[0]), float(against.steps[-1])),
        series=(against.perplexity, against.loss),
        evidence=(
            Evidence("off", 100.0 * (factor - 1.0), 100.0 * off_note, "percent"),
            Evidence("share", 100.0 * share, 100.0 * share_least, "percent"),
        ),
    )


def _meaning(ratio: float, off: Array, even: bool) -> str:
    """What the two have to do with each other. ratio: of the logarithm to the loss; even: it is the same throughout."""
    if even:
        return (
            f"Its logarithm is {ratio:.3g} times the loss throughout: it counts another unit (words, not tokens) or "
            "base, and is not to be compared with one per token."
        )
    if float(np.median(off)) > 0.0:
        return "It is too high, as the mean of the exponentials of batches is: average the loss, then take exp."
    return "It belongs to another loss, such as one without its penalty or smoothing, or is averaged over another span."


RULE = Rule(
    id="perplexity-mismatch",
    group="metric",
    doc=__doc__,
    check=check,
    min_points=5,
    fixes=("compute-metric-anew",),
    precedence=1,
    cases=(
        Case("mean of the exponentials of batches", synthetic.averaged_perplexity, Severity.NOTE),
        Case("perplexity per word", synthetic.word_perplexity, Severity.NOTE),
        Case("exp(loss), rounded", synthetic.language_model),
    ),
)
