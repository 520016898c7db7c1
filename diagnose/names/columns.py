"""Columns of a log that play no role and say something of those that do: what belongs together by its name.

perplexities(run)      # each perplexity with the losses of the same split
loss_terms(run)        # the parts of the training loss, and its total
times(run)             # times, elapsed or taken

Each is an input that rules may ask for by its name; None where the log has none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from diagnose.curves import Run, Series
from diagnose.names.roles import Facets, parse, words

_PERPLEXITY = frozenset({"perplexity", "ppl"})
_AHEAD = frozenset({"eta", "remaining", "left", "eval", "std", "min", "max"})
"""Words of a time that is not that of the training so far."""

_SHARES = frozenset({"accuracy", "probe", "f1", "iou", "dice", "map", "auc", "recall", "precision"})
"""Kinds of scores that lie between 0 and 1."""


class Perplexity(NamedTuple):
    """A perplexity, and the losses that it may be that of."""

    perplexity: Series
    losses: tuple[Series, ...]


class LossTerms(NamedTuple):
    """The parts of a training loss by their columns, two or more; total: their sum, where the log has it."""

    terms: Mapping[str, Series]
    total: Series | None


_MARGINS = frozenset({"triplet", "hinge", "margin", "contrastive", "ranking"})
"""Words of losses that are 0 where a margin is kept."""


def keeps_margin(column: str) -> bool:
    """Whether a loss is by its name one that is exactly 0 where a margin is kept."""
    return bool(_MARGINS & set(words(column)))


def perplexities(run: Run) -> Sequence[Perplexity] | None:
    """The perplexities of the log, each with the losses of the same split."""
    named = {column: parse(column) for column in run.series}
    losses = {c: f for c, f in named.items() if f.quantity == "loss" and f.kind in ("loss", "cross_entropy")}
    found = []
    for column, facets in named.items():
        if facets.kind != "perplexity" or facets.extreme or not _PERPLEXITY.intersection(facets.words):
            continue
        side = facets.split or "train"
        own = [c for c, f in losses.items() if not f.extreme and (f.split or "train") == side and f.span == facets.span]
        if own:
            found.append(Perplexity(run.series[column], tuple(run.series[c] for c in own)))
    return found or None


def loss_terms(run: Run) -> LossTerms | None:
    """The parts of the training loss; None where the log has not two of them."""
    named = {column: parse(column) for column in run.series}
    losses = {c: f for c, f in named.items() if f.quantity == "loss" and f.split in ("", "train") and not f.extreme}
    losses = {c: f for c, f in losses.items() if f.kind in ("loss", "cross_entropy", "term") and f.span != "ema"}
    parts = {c: run.series[c].finite() for c, f in losses.items() if f.parts}
    whole = next((run.series[c].finite() for c, f in losses.items() if f.total and not f.groups), None)
    return LossTerms(parts, whole) if len(parts) > 1 else None


def judged_together(run: Run) -> set[str]:
    """The columns that play no role and are judged as parts of a loss, perplexities or shares of the variance."""
    terms, pairs = loss_terms(run), perplexities(run) or ()
    return {
        *(terms.terms if terms is not None else ()),
        *(pair.perplexity.name for pair in pairs),
        *(r2_scores(run) or ()),
    }


def times(run: Run) -> Mapping[str, Series] | None:
    """The columns that hold times of the training, in whatever unit."""
    named = {column: parse(column) for column in run.series}
    return {column: run.series[column].finite() for column, facets in named.items() if _is_clock(facets)} or None


def _is_clock(facets: Facets) -> bool:
    return facets.quantity == "time" and facets.split != "val" and not _AHEAD & set(facets.words)


def accuracies(run: Run) -> Mapping[str, Series] | None:
    """The scores that lie between 0 and 1, or 0 and 100, if they are what they are called."""
    named = {column: parse(column) for column in run.series}
    return {column: run.series[column].finite() for column, facets in named.items() if _is_share(facets)} or None


def _is_share(facets: Facets) -> bool:
    return facets.quantity == "accuracy" and facets.kind in _SHARES and not facets.extreme


def r2_scores(run: Run) -> Mapping[str, Series] | None:
    """The coefficients of determination (R2), the held-out ones before the others."""
    named = {column: parse(column) for column in run.series}
    found = [column for column, facets in named.items() if facets.kind == "correlation" and _is_r2(facets)]
    found.sort(key=lambda column: named[column].split not in ("val", "test"))
    return {column: run.series[column].finite() for column in found} or None


def _is_r2(facets: Facets) -> bool:
    pairs = tuple(zip(facets.words, facets.words[1:], strict=False))
    return not facets.extreme and ("r2" in facets.words or ("r", "2") in pairs)
