"""The page of a bias check: effects and Focus of each class, by which evidence something is found, and what to do."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diagnose.curves import Array
from diagnose.integrations.captum.counterfactual import Effect
from diagnose.integrations.captum.groups import Group
from diagnose.integrations.captum.repair import Repair
from diagnose.integrations.captum.scores import Row, Scores
from diagnose.integrations.captum.slices import Slice
from diagnose.judging.engine import judge
from diagnose.judging.installed import load_rules
from diagnose.judging.needs import thresholds_of
from diagnose.measure import statistics
from diagnose.readers import from_tables
from diagnose.readers.formats import focus_csv
from diagnose.reports import full
from diagnose.reports.page import Page, grid, item
from diagnose.reports.words import count, one_line
from diagnose.rule import Diagnosis, Severity

RULE = "attribution-bias"

MOST_ROWS = 20
"""Classes in the table of a page, those of the lowest Focus; `focus.csv` has them all."""

EXAMPLES = 3
"""Images that are named of each slice."""

MOST_SLICES = 5
"""Slices, or groups, that are named."""


def judged(scores: Scores) -> list[Diagnosis]:
    """What the rule says of the scores, by method, as it does of the table that `Scores.write` writes."""
    rules = [rule for rule in load_rules() if rule.id == RULE]
    return [judge(run, rules) for run in from_tables(list(focus_csv.by_method(scores.table())), "bias check")]


def found(diagnoses: Sequence[Diagnosis]) -> bool:
    """Whether any method found a bias."""
    return any(diagnosis.worst in (Severity.WARNING, Severity.ERROR) for diagnosis in diagnoses)


def found_effects(scores: Scores) -> list[Effect]:
    """The largest effect of each class that the rule finds to be a fault, the largest first."""
    return _standing_apart(scores, apart=True)


def questions(scores: Scores) -> list[Effect]:
    """Likewise where the rule asks whether the region is what the class is."""
    return _standing_apart(scores, apart=False)


def _standing_apart(scores: Scores, *, apart: bool) -> list[Effect]:
    rule = next(rule for rule in load_rules() if rule.id == RULE)
    limits = thresholds_of(rule)
    best: dict[int, Effect] = {}
    for effect in scores.effects:
        if effect.apart == apart and effect.excess >= limits["minded"] and effect.corrected <= limits["chance"]:
            best.setdefault(effect.target, effect)
    return list(best.values())


@dataclass(frozen=True, slots=True)
class Extras:
    """What was looked for beside the check; None where it was not asked for.

    paths: the files of the images, where there are files. notes: what had to be decided, in sentences.
    """

    paths: Sequence[Path] = ()
    notes: Sequence[str] = ()
    slices: Sequence[Slice] | None = None
    groups: Sequence[Group] | None = None


def render(scores: Scores, diagnoses: Sequence[Diagnosis], page: Page, extras: Extras | None = None) -> str:
    """The page as text, ending with a newline."""
    extras = extras or Extras()
    size = "the size of an image" if scores.own_size else "twice the size of an image"
    mosaics = count(len(scores.mosaics), "mosaic")
    right = int((scores.predicted == scores.labels).sum())
    layer = f", layer {scores.layer}" if scores.layer else ""
    lines = _wrapped(
        f"bias check: {right} of {len(scores.labels)} images classified correctly, {mosaics} of {size}{layer}", page
    )
    for note in extras.notes:
        lines += item("note:", note, page)
    if scores.effects:
        lines += ["", page.paint("what regions are worth", "strong"), *_effects(scores, page)]
    for diagnosis, method in zip(diagnoses, scores.methods, strict=True):
        lines += ["", page.paint(f"Focus by {method}", "strong")]
        lines += [*_sanity(scores, method, page), *_classes(scores, method, page), *_verdict(diagnosis, page)]
    lines += _slices(scores, extras, page)
    lines += _groups(scores, extras.groups, page)
    return "".join(f"{line}\n" for line in lines)


def repaired(repair: Repair, page: Page) -> str:
    """What the last layer does before and after it was trained anew, on images that it was not fitted to."""
    said = "; ".join(
        f"{what} {before:.2f} before, {after:.2f} after"
        for what, (before, after) in (
            ("accuracy", repair.accuracy),
            (f"recall of {repair.target} without {repair.region}", repair.recall),
            (f"others taken for {repair.target} with it", repair.transfer),
        )
    )
    return "".join(f"{line}\n" for line in ["", *item("retrained:", f"{said} (half of the images, held out)", page)])


def _effects(scores: Scores, page: Page) -> list[str]:
    """The table over classes: the region that is worth most to each, beyond what such regions are worth to others."""
    best: dict[int, Effect] = {}
    for effect in (*found_effects(scores), *questions(scores), *scores.effects):
        best.setdefault(effect.target, effect)
    shown = list(best.values())[:MOST_ROWS]
    rows = [
        (
            one_line(scores.classes[one.target]),
            f"{100.0 * one.fall:.0f} %",
            f"{100.0 * one.transfer:.0f} %",
            f"{100.0 * one.reference:.0f} %",
            f"{one.corrected:.2g}",
            one.region.name,
        )
        for one in sorted(shown, key=lambda one: one.target)
    ]
    lines = _table(("class", "lost", "gained", "others", "p", "when this region is exchanged"), rows, page)
    if len(shown) < len(best):
        lines += item("", f"and {len(best) - len(shown)} more of smaller effects", page)
    return lines


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], page: Page) -> list[str]:
    """A table, or a sentence a row where the page has no columns."""
    if not page.picture:
        return [
            line
            for cells in rows
            for line in _wrapped(
                ", ".join(f"{name} {cell}" for name, cell in zip(head, cells, strict=True) if cell), page
            )
        ]
    widths = [max(len(cells[column]) for cells in (head, *rows)) for column in range(len(head))]
    widths[-1] = max(12, page.width - 2 - sum(widths[:-1]) - 2 * (len(head) - 1))
    return [f"  {line}" for line in grid(head, rows, widths, page)]


def _sanity(scores: Scores, method: str, page: Page) -> list[str]:
    """Whether the method sees the training at all."""
    blank = scores.sanity(method)
    if math.isnan(blank):
        return []
    said = f"copies with random weights have Focus {blank:.2f} (chance 0.5)"
    return item("sanity:", said, page)


def _classes(scores: Scores, method: str, page: Page) -> list[str]:
    """The table over classes: Focus with its interval, and who takes most."""
    of_class: dict[str, list[Row]] = {}
    for row in scores.of(method):
        of_class.setdefault(row.target, []).append(row)
    medians = scores.medians(method)
    shown = sorted(of_class, key=lambda name: math.inf if math.isnan(medians[name]) else medians[name])[:MOST_ROWS]
    rows = [_line(name, mine) for name, mine in of_class.items() if name in shown]
    lines = _table(("class", "Focus", "95 %", "taken by"), rows, page)
    if len(rows) < len(of_class):
        lines += item("", f"and {len(of_class) - len(rows)} more of higher Focus", page)
    return lines


def _line(name: str, rows: Sequence[Row]) -> tuple[str, ...]:
    plain = _finite([row.focus for row in rows])
    low, high = statistics.bootstrap_median(plain)
    return (
        one_line(name),
        f"{np.median(plain):.2f}" if plain.size else "none",
        f"{low:.2f}-{high:.2f}" if plain.size else "",
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
        return ["", *item("found:", "no class that is told by one region, or by what others show", page)]
    return ["", *full.findings(diagnosis, page)]


def _slices(scores: Scores, extras: Extras, page: Page) -> list[str]:
    """Images of a class with a feature in common that are worse than the rest of it."""
    if extras.slices is None:
        return []
    if not extras.slices:
        return ["", *item("slices:", "no part of a class stands out by a worse recall", page)]
    lines = [""]
    for one in extras.slices[:MOST_SLICES]:
        named = [str(extras.paths[number]) if extras.paths else f"image {number}" for number in one.images[:EXAMPLES]]
        said = (
            f"{len(one.images)} of {one.of} images of {one_line(scores.classes[one.target])} have recall "
            f"{one.recall:.2f}, the others {one.rest:.2f}; most missed are taken for "
            f"{one_line(scores.classes[one.answered])}; such as {', '.join(map(one_line, named))}"
        )
        lines += item("slices:", said, page)
    return lines


def _groups(scores: Scores, groups: Sequence[Group] | None, page: Page) -> list[str]:
    """The worst of the groups that the user named."""
    if groups is None:
        return []
    if not groups:
        return ["", *item("groups:", "none has images enough", page)]
    worst = groups[0]
    lines = ["", *item("groups:", f"worst-group accuracy {worst.recall:.2f}, of {_named(scores, worst)}", page)]
    for one in [group for group in groups if group.worse][:MOST_SLICES]:
        said = (
            f"{_named(scores, one)}: {one.right} of {one.of} right, of the rest of the class {100.0 * one.rest:.0f} %"
        )
        lines += item("", f"{said} (p {one.p:.2g})", page)
    return lines


def _named(scores: Scores, group: Group) -> str:
    return f"{one_line(scores.classes[group.target])} with {one_line(group.attribute)} {one_line(group.value)}"


def _wrapped(words: str, page: Page) -> list[str]:
    return textwrap.wrap(words, page.width, subsequent_indent="  ", break_on_hyphens=False)
