"""Idle loss term: one term of the loss does nothing: it is constant, or next to nothing of the sum.

Why it matters
    A term that is always 0 is switched off, or its inputs are masked; one that never moves has no gradient; one that is
    a thousandth of the sum is not learned. The total falls all the same.

Statistics
    moves   whether a term has more than one value, where another term has
    share   median of a term's share of the sum of all terms over the last half, where the terms add up to the total
    left    its level over the last half as a share of that over the first quarter: one that has fallen was learned

Limits
    Shares are judged only where the logged terms add up to the logged total: else their weights are unknown. Terms that
    are small by design (penalties, entropy, decay) are left out of them, and a class loss of 0, which is what a
    detector of one class has. A term that is switched on later, or off on
    purpose, is meant so: this is a note. Fewer than 12 points are not judged.

References
    Kendall, Gal and Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses (2018)
    Bowman et al., Generating Sentences from a Continuous Space (2016), on the collapse of the KL term
    Lecture notes: "Loss functions".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from diagnose import synthetic
from diagnose.curves import Array, Series
from diagnose.names.columns import LossTerms
from diagnose.rule import CannotJudge, Case, Evidence, Finding, Rule, Severity

SMALL = frozenset(
    {"reg", "regularization", "regularizer", "l1", "l2", "penalty", "decay", "entropy", "ent", "aux", "z"}
)
"""Words of terms that are small by design."""

CLASSES = frozenset({"cls", "class", "classification"})
"""Words of a term that is 0 where there is one class."""

LEAST = 12  # points


def check(
    loss_terms: LossTerms,
    axis: str,
    *,
    share_note: float = 0.01,  # of the sum; the others own 99 % of it
    left_least: float = 0.7,  # of its first level; a term that falls by a third is learned all the same
    adds_up: float = 0.02,  # of the total; losses are logged with few digits
) -> Finding | None:
    """Judge the terms of the training loss."""
    terms = {name: curve for name, curve in loss_terms.terms.items() if len(curve) >= LEAST}
    if len(terms) < 2:
        raise CannotJudge(f"fewer than {LEAST} points of two terms of the loss")
    words = {name: frozenset(re.findall(r"[a-z]+\d?", name.lower())) for name in terms}
    still = {name: curve for name, curve in terms.items() if np.all(curve.values == curve.values[0])}
    moving = len(terms) - len(still)
    still = {name: curve for name, curve in still.items() if curve.values[0] != 0.0 or not words[name] & CLASSES}
    if still and moving:
        return _dead(still, len(terms))
    shares = _shares(terms, loss_terms.total, adds_up)
    small = {name: share for name, share in shares.items() if 0.0 < share < share_note and not words[name] & SMALL}
    small = {name: share for name, share in small.items() if _left(terms[name].values) >= left_least}
    if not small:
        return None
    return _idle(small, terms, axis, share_note)


def _shares(terms: Mapping[str, Series], total: Series | None, adds_up: float) -> dict[str, float]:
    """The share of each term in the sum over the last half; empty where the terms do not add up to the total."""
    steps = [curve.steps for curve in (*terms.values(), *((total,) if total is not None else ()))]
    if total is None or any(not np.array_equal(of, steps[0]) for of in steps):
        return {}
    sizes: dict[str, Array] = {name: np.abs(curve.values) for name, curve in terms.items()}
    whole = np.sum([curve.values for curve in terms.values()], axis=0)
    if float(np.median(np.abs(whole - total.values))) > adds_up * float(np.median(np.abs(total.values))):
        return {}
    half = len(total) // 2
    sums = np.maximum(np.sum(list(sizes.values()), axis=0), 1e-300)
    return {name: float(np.median((size / sums)[half:])) for name, size in sizes.items()}


def _left(values: Array) -> float:
    """The level over the last half as a share of that over the first quarter."""
    size = np.abs(values)
    return float(np.median(size[size.size // 2 :])) / max(float(np.median(size[: size.size // 4])), 1e-300)


def _dead(still: Mapping[str, Series], terms: int) -> Finding:
    name, curve = next(iter(still.items()))
    value = float(curve.values[0])
    others = f", as {', '.join(list(still)[1:4])} {'is' if len(still) == 2 else 'are'}" if len(still) > 1 else ""
    return Finding(
        severity=Severity.NOTE,
        confidence=0.9,
        summary=(
            f"{name} is {value:g} at all {len(curve)} points{others}, while the other of the {terms} terms of the loss "
            f"move."
        ),
        meaning=(
            "The term is switched off, or what it is computed of is empty: nothing is learned from it."
            if value == 0.0
            else "A term that never moves has no gradient: nothing is learned from it."
        ),
        steps=(float(curve.steps[0]), float(curve.steps[-1])),
        series=(name,),
        evidence=(Evidence("values", 1.0, 2.0),),
        cause="dead",
    )


def _idle(small: Mapping[str, float], terms: Mapping[str, Series], axis: str, least: float) -> Finding:
    name = min(small, key=lambda term: small[term])
    steps = terms[name].steps
    half = float(steps[len(steps) // 2])
    return Finding(
        severity=Severity.NOTE,
        confidence=0.8,
        summary=f"{name} is {100 * small[name]:.2g} % of the loss from {axis} {half:g} on; its terms add up to it.",
        meaning="The other terms own the gradient: weigh the terms anew, if this one is to be learned.",
        steps=(half, float(steps[-1])),
        series=(name,),
        evidence=(Evidence("share", 100.0 * small[name], 100.0 * least, "percent"),),
        cause="outweighed",
    )


RULE = Rule(
    id="idle-loss-term",
    group="metric",
    doc=__doc__,
    check=check,
    min_points=LEAST,
    fixes=("weigh-loss-terms", "check-loss"),
    precedence=1,
    cases=(
        Case("a term of 0 throughout", synthetic.dead_term, Severity.NOTE),
        Case("a term of 0.1 % of the sum that does not fall", synthetic.outweighed_term, Severity.NOTE),
        Case("a term that falls to 0.1 % of the sum", synthetic.fitted_term),
        Case("a class loss of 0", synthetic.one_class),
        Case("two terms of a third and two thirds", synthetic.two_terms),
    ),
)
