"""Which columns hold the validation on other sets than the one that is judged first: other languages, tasks, domains.

`val_a/loss` and `val_b/loss` are one loss on two sets, `val/box_loss` and `val/cls_loss` two parts of one loss on one
set. The names tell them apart where training has the same part, or where the part is known; the values tell where the
parts add up to a total.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from diagnose.curves import Series
from diagnose.names import roles
from diagnose.names.roles import FEW_POINTS, Facets
from diagnose.names.sets import HELD_OUT, name_in

MOST = 16
"""Sets that are judged each; more are classes, or parts."""

_ADDS_UP = 0.02  # of the total; losses are logged with few digits
_LOADERS = frozenset({"dataloader", "loader", "idx"})

Tag = tuple[str, ...]


def others(found: Mapping[str, str], series: Mapping[str, Series], facets: Mapping[str, Facets]) -> dict[str, str]:
    """The roles in the other sets (see `diagnose.names.sets`) -> their columns; empty where there is one set.

    found: the roles so far. facets: what the names of the columns mean.
    """
    losses = _sets("val_loss", found, series, facets)
    scores = _sets("val_accuracy", found, series, facets)
    if "val_loss" in found:
        base = losses.pop(found["val_loss"], None)
        known = set(losses.values())
        scores = {column: tag for column, tag in scores.items() if tag in known and tag != base}
    elif not all(_says_set(facets[column]) for column in scores):
        return {}
    else:
        scores.pop(found.get("val_accuracy", ""), None)
    named = {("val_loss", column): tag for column, tag in losses.items()}
    named |= {("val_accuracy", column): tag for column, tag in scores.items()}
    return {name_in(role, " ".join(tag)): column for (role, column), tag in named.items()}


def remarks(found: Mapping[str, str]) -> list[str]:
    """The note that several sets are judged, where there are."""
    for role in HELD_OUT:
        columns = [column for name, column in found.items() if name == role or name.startswith(f"{role}[")]
        if len(columns) > 1:
            return [f"{len(columns)} validation sets, each judged: {', '.join(columns)}"]
    return []


def _sets(
    role: str, found: Mapping[str, str], series: Mapping[str, Series], facets: Mapping[str, Facets]
) -> dict[str, Tag]:
    """The columns of a role on all sets -> what their names say of the set; empty where there are not several."""
    if role not in found:
        return {}
    rivals = [column for column in series if _alike(facets[column], facets[found[role]])]
    rivals = [column for column in rivals if len(series[column]) >= FEW_POINTS]
    words = _apart({column: _telling(facets[column]) for column in rivals})
    tags: dict[str, Tag] = {}
    for column in sorted(rivals, key=lambda column: column != found[role]):
        tag = _named(words[column], facets[column])
        if tag not in tags.values() and not _is_part(set(tag), facets):
            tags[column] = tag
    if found[role] not in tags or not 2 <= len(tags) <= MOST or _add_up(tags, series):
        return {}
    return tags


def _apart(words: Mapping[str, Tag]) -> dict[str, Tag]:
    """The words in which names differ: those at the same places where all have as many, else those not in every one."""
    if not words:
        return {}
    if len({len(said) for said in words.values()}) == 1:
        differ = [len(set(at)) > 1 for at in zip(*words.values(), strict=True)]
        return {c: tuple(word for word, keep in zip(said, differ, strict=True) if keep) for c, said in words.items()}
    common = set.intersection(*(set(said) for said in words.values()))
    return {column: tuple(word for word in said if word not in common) for column, said in words.items()}


def _alike(one: Facets, other: Facets) -> bool:
    """Whether two columns measure the same thing, on whatever held-out set."""

    def key(facets: Facets) -> tuple[object, ...]:
        return facets.quantity, facets.kind, facets.preference, facets.span, facets.extreme

    return one.split in ("val", "test") and key(one) == key(other)


def _telling(facets: Facets) -> Tag:
    """The words of a name that may be those of a set."""
    return tuple(word for word in facets.words if not roles.is_silent(word) and word not in _LOADERS)


def _named(tag: Tag, facets: Facets) -> Tag:
    """What to call a set of which the name says this: the number of a loader only where it says nothing else, and the
    split where it says nothing at all.
    """
    words = tuple(word for word in tag if not word.isdigit()) if _LOADERS & set(facets.words) else ()
    return words or tag or (facets.split,)


def _is_part(tag: set[str], facets: Mapping[str, Facets]) -> bool:
    """Whether the words are those of a part of the loss: a known one, or one that training has."""
    trained = (f for f in facets.values() if f.is_metric and f.split not in ("val", "test"))
    return bool(tag & roles.LOSS_PARTS) or any(tag <= {*f.parts, *f.groups} for f in trained)


def _says_set(facets: Facets) -> bool:
    """Whether the name of a score says by itself that it is of a set, and not of a class."""
    return bool((_LOADERS | {"task", "domain"}) & set(facets.words)) or facets.split == "test"


def _add_up(tags: Iterable[str], series: Mapping[str, Series]) -> bool:
    """Whether one of three or more columns is the sum of the others: they are parts, and not sets."""
    curves = [series[column] for column in tags]
    if len(curves) < 3 or len({len(curve) for curve in curves}) > 1:
        return False
    values = np.stack([curve.values for curve in curves])
    whole = values.sum(axis=0)
    return any(bool(np.median(np.abs(whole - 2.0 * row)) <= _ADDS_UP * np.median(np.abs(row))) for row in values)
