"""The page of a bias check: Focus of each class, the sanity of the method, what is found and what to do."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from diagnose.curves import Array
from diagnose.integrations.captum.clusters import Group
from diagnose.integrations.captum.scores import Row, Scores
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.measure import statistics
from diagnose.readers import from_tables
from diagnose.readers.formats import focus_csv
from diagnose.reports import text
from diagnose.reports.page import Page, grid, item
from diagnose.reports.words import count, one_line
from diagnose.rule import Diagnosis, Severity

RULE = "attribution-bias"

MOST_ROWS = 20
"""Classes in the table of a page, those of the lowest Focus; `focus.csv` has them all."""

EXAMPLES = 3
"""Images that are named of each group."""


def judged(scores: Scores) -> list[Diagnosis]:
    """What the rule says of the scores, by method, as it does of the table that `Scores.write` writes."""
    rules = [rule for rule in load_rules() if rule.id == RULE]
    return [judge(run, rules) for run in from_tables(list(focus_csv.by_method(scores.table())), "bias check")]


def found(diagnoses: Sequence[Diagnosis]) -> bool:
    """Whether any method found a bias."""
    return any(diagnosis.worst in (Severity.WARNING, Severity.ERROR) for diagnosis in diagnoses)


def render(
    scores: Scores,
    diagnoses: Sequence[Diagnosis],
    page: Page,
    *,
    groups: Sequence[Group] | None = None,
    paths: Sequence[Path] = (),
    notes: Sequence[str] = (),
) -> str:
    """The page as text, ending with a newline.

    groups: None where they were not looked for. paths: the files of the images, where there are files.
    """
    size = "the size of an image" if scores.own_size else "twice the size of an image"
    mosaics = count(len(scores.mosaics), "mosaic")
    lines = _wrapped(
        f"bias check: {scores.right} of {scores.total} images classified correctly, {mosaics} of {size}, layer "
        f"{scores.layer}",
        page,
    )
    for note in notes:
        lines += item("note:", note, page)
    for diagnosis, method in zip(diagnoses, scores.methods, strict=True):
        lines += ["", page.paint(method, "strong"), *_sanity(scores, method, page), *_classes(scores, method, page)]
        lines += _verdict(diagnosis, page)
    lines += _groups(groups, paths, page)
    return "".join(f"{line}\n" for line in lines)


def _sanity(scores: Scores, method: str, page: Page) -> list[str]:
    """Whether the method sees the training at all."""
    blank = scores.sanity(method)
    if math.isnan(blank):
        return []
    said = f"copies with random weights have Focus {blank:.2f} (chance 0.5)"
    return item("sanity:", said, page)


def _classes(scores: Scores, method: str, page: Page) -> list[str]:
    """The table over classes: Focus with its interval, plain and after the exchange, and who takes most."""
    of_class: dict[str, list[Row]] = {}
    for row in scores.of(method):
        of_class.setdefault(row.target, []).append(row)
    medians = scores.medians(method)
    shown = sorted(of_class, key=lambda name: math.inf if math.isnan(medians[name]) else medians[name])[:MOST_ROWS]
    rows = [_line(name, mine) for name, mine in of_class.items() if name in shown]
    head = ("class", "Focus", "95 %", "exchanged", "moved", "place", "taken by")
    lines = []
    if page.picture:
        widths = [max(len(cells[column]) for cells in (head, *rows)) for column in range(len(head))]
        widths[-1] = max(12, page.width - 2 - sum(widths[:-1]) - 2 * (len(head) - 1))
        lines = [f"  {line}" for line in grid(head, rows, widths, page)]
    else:
        for cells in rows:
            said = ", ".join(f"{name} {cell}" for name, cell in zip(head, cells, strict=True) if cell)
            lines += _wrapped(said, page)
    if len(rows) < len(of_class):
        lines += item("", f"and {len(of_class) - len(rows)} more of higher Focus", page)
    return lines


def _line(name: str, rows: Sequence[Row]) -> tuple[str, ...]:
    plain = _finite([row.focus for row in rows])
    after = _finite([row.exchanged for row in rows])
    moved = _finite([row.moved for row in rows])
    low, high = statistics.bootstrap_median(plain)
    return (
        one_line(name),
        f"{np.median(plain):.2f}" if plain.size else "none",
        f"{low:.2f}-{high:.2f}" if plain.size else "",
        f"{np.median(after):.2f}" if after.size else "",
        f"{100.0 * moved.mean():.0f} %" if moved.size else "",
        rows[0].place,
        ", ".join(f"{one_line(other)} {100.0 * share:.0f} %" for other, share in _thieves(rows)),
    )


def _finite(values: Sequence[float]) -> Array:
    return np.array([value for value in values if math.isfinite(value)], dtype=np.float64)


def _thieves(rows: Sequence[Row]) -> list[tuple[str, float]]:
    """The class whose images take most of the relevance, with the mean share that one image takes."""
    taken: dict[str, list[float]] = {}
    for row in rows:
        for other, share in zip(row.others, row.stolen, strict=True):
            if math.isfinite(share):
                taken.setdefault(other, []).append(share)
    means: Mapping[str, float] = {other: float(np.mean(shares)) for other, shares in taken.items()}
    return sorted(means.items(), key=lambda pair: -pair[1])[:1]


def _verdict(diagnosis: Diagnosis, page: Page) -> list[str]:
    """What the rule says, or why it says nothing."""
    for missing in diagnosis.not_judged:
        return ["", *item("not judged:", missing.reason, page)]
    if not diagnosis.findings:
        return ["", *item("found:", "no class that is told by one place, or by what others show", page)]
    return ["", *text.findings(diagnosis, page)]


def _groups(groups: Sequence[Group] | None, paths: Sequence[Path], page: Page) -> list[str]:
    """The groups of images that are told by different features."""
    if groups is None:
        return []
    if not groups:
        return ["", *item("groups:", "the relevance of each class is of one kind", page)]
    lines = [""]
    for group in groups:
        named = [str(paths[number]) if paths else f"image {number}" for number in group.images[:EXAMPLES]]
        said = (
            f"{len(group.images)} of {group.of} images of {one_line(group.target)} are told by {group.place} "
            f"(silhouette {group.silhouette:.2f}), such as {', '.join(map(one_line, named))}"
        )
        lines += item("groups:", said, page)
    return lines


def _wrapped(words: str, page: Page) -> list[str]:
    return textwrap.wrap(words, page.width, subsequent_indent="  ", break_on_hyphens=False)
