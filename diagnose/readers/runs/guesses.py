"""What a column is whose name does not say it: asked of its values, and of the name of the file.

A table without a header, a column called `train`, a `score`, XGBoost's `validation_0`: the name leaves open what the
numbers are. An accuracy is a fraction or a percentage and rises, a loss falls, a counter counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diagnose.measure import statistics
from diagnose.names import roles
from diagnose.names.roles import Facets
from diagnose.readers.tables.names import INDEX
from diagnose.readers.tables.table import Column

_FRACTION = 1.0 + 1e-6
_PERCENT = 100.5  # a percentage that was rounded up
_TOTAL = frozenset({"total", "unnamed"})
_ENDS = 3  # parts of a curve, of which the first and the last say where it goes
_ENOUGH = 10_000  # values that say where a long curve goes
_HIGHEST = 0.05  # share of values above one that is still among the highest
_UNNAMED = re.compile(r"column \d+")
_PLAY = frozenset({"episode", "episodes", "epsilon"})
"""Words of a log of reinforcement learning; epsilon is the share of moves that are made at random."""
_EVAL_SETS = re.compile(r"(?:validation|valid|eval)_([01])\b")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the values of a column say.

    low, high: of the finite values.
    falls, rises: by the medians of the first and the last part, which are `first` and `last`.
    drops: the first value is among the highest, as at the start of a training that soon goes wrong.
    constant: all are the same. whole: all are whole numbers, as counts and labels are.
    """

    low: float
    high: float
    falls: bool
    rises: bool
    first: float
    last: float
    drops: bool
    constant: bool
    whole: bool

    @property
    def may_be_accuracy(self) -> bool:
        """Whether it lies where fractions or percentages do; a correlation may be below zero."""
        return self.high <= _PERCENT

    @property
    def is_fraction(self) -> bool:
        return self.low >= 0 and self.high <= _FRACTION

    @property
    def is_share(self) -> bool:
        return self.is_fraction or (self.low >= 0 and self.high <= _PERCENT)


def readings(columns: Mapping[str, Column], facets: Mapping[str, Facets], stem: str) -> dict[str, Facets]:
    """The facets of the columns whose values decide what they are: another meaning than their name alone has, or none.

    columns: those of one run; facets: what their names mean; stem: the name of the file.
    """
    said = {name: facets[name] for name, column in columns.items() if np.count_nonzero(column.logged) > 1}
    seen = {name: _look(columns[name]) for name, named in said.items() if _is_open(name, named, stem)}
    found = _played(said)
    found |= dict(_no_accuracies(seen, said | found))
    found |= _scores(seen, said | found)
    found |= _totals(seen, said | found)
    found |= _bare_splits(seen, said | found, stem)
    found |= _unnamed(seen, said | found, stem)
    return found | _eval_sets(seen, said | found)


def of_file(facets: Mapping[str, Facets], stem: str) -> dict[str, Facets]:
    """The metrics of a file that is called after held-out data (`val_log.csv`), where none of them says a split."""
    metrics = {name: f for name, f in facets.items() if f.quantity in roles.METRICS}
    if any(f.split for f in metrics.values()):
        return {}
    split = held_out(stem)
    return {name: replace(f, split=split) for name, f in metrics.items()} if split else {}


def held_out(stem: str) -> str:
    """The split that a file is called after, and "" where that is training or none.

    A `test` alone is a try at something; beside a metric it is a set of data.
    """
    facets = roles.parse(stem)
    if len({roles.SPLITS[word] for word in facets.words if word in roles.SPLITS}) != 1:
        return ""
    return facets.split if facets.split == "val" or (facets.split == "test" and facets.quantity) else ""


def _is_open(name: str, facets: Facets, stem: str) -> bool:
    """Whether the values of a column are worth a look: a million of them take their time."""
    plain = not facets.quantity and not facets.counts and (name == stem or bool(_UNNAMED.fullmatch(name)))
    bare = bool(facets.words) and all(word in roles.SPLITS or word in _TOTAL for word in facets.words)
    return facets.quantity == "accuracy" or plain or bare or _EVAL_SETS.match(name) is not None


def is_whole(column: Column) -> bool:
    """Whether every number of a column that holds several is a whole one."""
    values = column.values[column.logged]
    finite = values[np.isfinite(values)]
    head = finite[:_ENOUGH]  # the usual case, without a look at a million rows
    return finite.size > 1 and bool(np.all(head == np.rint(head))) and bool(np.all(finite == np.rint(finite)))


def _look(column: Column) -> _Seen:
    """What there is to see of a column, which has two values at least."""
    values = column.values[column.logged]
    finite = values[np.isfinite(values)]
    if finite.size < 2:
        return _Seen(
            np.nan,
            np.nan,
            falls=False,
            rises=False,
            first=np.nan,
            last=np.nan,
            drops=False,
            constant=False,
            whole=False,
        )
    thin = finite[:: max(1, finite.size // _ENOUGH)]
    part = max(1, thin.size // _ENDS)
    first, last = statistics.median(thin[:part]), statistics.median(thin[-part:])
    return _Seen(
        float(finite.min()),
        float(finite.max()),
        falls=last < first,
        rises=last > first,
        first=first,
        last=last,
        drops=bool(np.mean(thin > thin[0]) < _HIGHEST),
        constant=bool(np.all(finite == finite[0])),
        whole=is_whole(column),
    )


def _losses(facets: Mapping[str, Facets]) -> list[str]:
    return [name for name, f in facets.items() if f.quantity == "loss" and not f.extreme]


def _no_accuracies(seen: Mapping[str, _Seen], facets: Mapping[str, Facets]) -> Iterable[tuple[str, Facets]]:
    """Columns called an accuracy whose values are beyond any percentage: seconds, counts of hits, sums."""
    for name, values in seen.items():
        if facets[name].quantity == "accuracy" and not values.may_be_accuracy:
            yield name, replace(facets[name], quantity="", kind="")


def _played(facets: Mapping[str, Facets]) -> dict[str, Facets]:
    """A `score` over episodes, or beside an epsilon, is the reward of a game."""
    if all(_PLAY.isdisjoint(named.words) for named in facets.values()):
        return {}
    scores = {name: f for name, f in facets.items() if f.quantity == "accuracy" and f.kind == "score" and not f.split}
    return {name: replace(f, quantity="reward", kind="reward", preference=0) for name, f in scores.items()}


def _scores(seen: Mapping[str, _Seen], facets: Mapping[str, Facets]) -> dict[str, Facets]:
    """A `score`: an accuracy where it is a fraction, or rises as a percentage does; in a log without a loss one that
    falls is the loss (Deeplearning4j calls it so); else nothing that is known."""
    losses = _losses(facets)
    found: dict[str, Facets] = {}
    for name, values in seen.items():
        if facets[name].kind != "score" or facets[name].quantity != "accuracy":
            continue
        if not losses and values.falls and not values.is_fraction:
            found[name] = replace(facets[name], quantity="loss", kind="loss", preference=0)
        elif not values.is_fraction and not (values.is_share and values.rises and not values.whole):
            found[name] = replace(facets[name], quantity="", kind="")
    return found


def _totals(seen: Mapping[str, _Seen], facets: Mapping[str, Facets]) -> dict[str, Facets]:
    """A `total`, or a value without a name, that falls is the loss of a log without another that is no term of one."""
    losses = [name for name in _losses(facets) if facets[name].kind != "term"]
    names = [name for name, values in seen.items() if values.falls and not values.whole]
    said = {name: set(facets[name].words) - set(roles.SPLITS) for name in names}
    totals = [name for name, words in said.items() if len(words) == 1 and words <= _TOTAL]
    return {} if losses else {name: replace(facets[name], quantity="loss", kind="loss") for name in totals}


def _bare_splits(seen: Mapping[str, _Seen], facets: Mapping[str, Facets], stem: str) -> dict[str, Facets]:
    """Columns called `train`, `val`, `test` and no more: what the file is called, else accuracies where a loss stands
    beside them and they are shares (percentages that do not fall), or where they rise as fractions; else losses."""
    bare = [name for name in seen if facets[name].words and all(word in roles.SPLITS for word in facets[name].words)]
    if not bare:
        return {}
    said = roles.parse(stem).quantity
    named = bool(_losses(facets))
    shares = all(seen[name].is_share and (seen[name].is_fraction or not seen[name].falls) for name in bare)
    rising = all(seen[name].is_fraction for name in bare) and not seen[bare[0]].falls
    accuracy = said == "accuracy" or (said != "loss" and ((named and shares) or rising))
    quantity = "accuracy" if accuracy else "loss"
    alone = said != quantity and len({facets[name].split for name in bare}) == 1 and (accuracy or not named)
    kind = ("score" if accuracy else "error") if alone else quantity  # a set alone may be measured by anything
    return {name: replace(facets[name], quantity=quantity, kind=kind) for name in bare}


def _unnamed(seen: Mapping[str, _Seen], facets: Mapping[str, Facets], stem: str) -> dict[str, Facets]:
    """Columns of a table without names.

    In a file called after a loss or an accuracy the first one is that; else one that falls is the loss where the other
    is a share that rises. The split is the one in the name of the file. Of two that fall from the same height, as a
    loss does on two sets, the first is the training loss and the second the validation loss.
    """
    pair = set(facets) == {INDEX, stem}  # the one curve without a name is called as its file
    names = [name for name in seen if _UNNAMED.fullmatch(name) or (pair and name == stem)]
    if not names or any(f.is_metric for f in facets.values()):
        return {}
    curves = [name for name in names if not seen[name].constant and not seen[name].whole]
    said = roles.parse(stem)
    if (
        len(curves) == 2
        and not said.split
        and said.quantity != "accuracy"
        and _are_one_loss(*(seen[c] for c in curves))
    ):
        train = _meaning(said, "loss", "loss")
        return {curves[0]: replace(train, split="train"), curves[1]: replace(train, split="val")}
    if said.quantity in ("loss", "accuracy") and curves:
        return {curves[0]: _meaning(said, said.quantity, said.kind, said.preference)}
    losses = [name for name in curves if seen[name].falls or (pair and seen[name].drops)]
    shares = [name for name in curves if seen[name].rises and seen[name].is_share]
    if len(losses) == len(shares) == 1 and len(curves) == 2:
        return {losses[0]: _meaning(said, "loss", "loss"), shares[0]: _meaning(said, "accuracy", "accuracy")}
    return {losses[0]: _meaning(said, "loss", "loss")} if len(losses) == len(curves) == 1 else {}


def _are_one_loss(one: _Seen, other: _Seen) -> bool:
    """Whether two curves fall from about the same height, as a loss on the training and on other data."""
    return one.falls and other.falls and min(one.low, other.low) > 0 and 0.5 < one.first / other.first < 2.0


def _meaning(file: Facets, quantity: str, kind: str, preference: int = 0) -> Facets:
    """The facets of a column of which the file's name says the split at most."""
    return Facets(split=file.split, quantity=quantity, kind=kind, preference=preference)


def _eval_sets(seen: Mapping[str, _Seen], facets: Mapping[str, Facets]) -> dict[str, Facets]:
    """XGBoost's and LightGBM's sets without names: of two the first is the training set where it ends the lower.

    The usual call is `eval_set=[(train), (validation)]`; of one set alone it says nothing.
    """
    sets: dict[str, list[str]] = {"0": [], "1": []}
    for name in seen:
        if (number := _EVAL_SETS.match(name)) is not None:
            sets[number[1]].append(name)
    named = any(f.split == "train" and f.is_metric for f in facets.values())
    if named or not sets["0"] or len(sets["0"]) != len(sets["1"]):
        return {}
    pairs: Sequence[tuple[str, str]] = list(zip(sets["0"], sets["1"], strict=True))
    fitted = [_fits_better(seen[one], seen[other], facets[one]) for one, other in pairs]
    if not all(fitted):
        return {}
    return {one: replace(facets[one], split="train") for one, _ in pairs}


def _fits_better(one: _Seen, other: _Seen, facets: Facets) -> bool:
    """Whether the first of two sets ends where training data do."""
    return one.last >= other.last if facets.quantity == "accuracy" else one.last <= other.last
