"""The parts that both pages are made of: chips, tables, figures with their numbers, and the fixes with their trials."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from diagnose.curves import Series
from diagnose.measure.downsample import extremes
from diagnose.reports import panels, svg
from diagnose.reports.markup import Markup, data, embedded, join, tag
from diagnose.reports.panels import Panel
from diagnose.reports.phrases import amount, outcome, statistic, when
from diagnose.reports.words import count, number, one_line
from diagnose.rule import Finding, NotJudged, Recommendation

SIGNS: Mapping[str, str] = {
    "error": "✕",
    "warning": "▲",
    "note": "●",
    "healthy": "✓",
    "nothing-found": "○",
    "not-judged": "?",
}
"""A shape per verdict, so that none is told by its colour alone."""

FIXES_SHOWN = 3
"""Fixes in the open; the others are behind a fold."""

LONGEST = 300
"""Characters shown of a value of a config."""


def capital(text: str) -> str:
    """The text as it begins a sentence; the name of a column stays as it is."""
    return text if "_" in text.partition(" ")[0] else text[:1].upper() + text[1:]


def chip(verdict: str, text: str = "") -> Markup:
    """A verdict or severity as a small label."""
    sign = tag("span", SIGNS[verdict], aria_hidden="true")
    return tag("span", sign, f" {text or verdict.replace('-', ' ')}", class_=f"chip {verdict}")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str, *, class_: str = "") -> Markup:
    """A table with a caption for who cannot see it; the first cell of a row is its heading."""
    body = [
        tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:]))
        for row in rows
    ]  # fmt: skip
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption, class_="unseen"),
            tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head))),
            tag("tbody", *body),
            class_=class_ or None,
        ),
        class_="scroll", tabindex="0", role="region", aria_label=caption,
    )  # fmt: skip


def fold(summary: str, *content: str) -> Markup:
    """Content behind a line that opens it."""
    return tag("details", tag("summary", summary), *content)


def evidence(finding: Finding) -> Markup:
    """What was measured against which threshold."""
    if not finding.evidence:
        return Markup("")
    rows = [
        (
            one_line(statistic(e)),
            join(amount(e), tag("span", f" {e.unit}", class_="unit") if e.unit else ""),
            "context" if e.threshold is None else number(e.threshold),
        )
        for e in finding.evidence
    ]
    caption = f"Evidence of {finding.rule}: measured values and thresholds"
    return table(("statistic", "measured", "threshold"), rows, caption, class_="numbers")


def fixes(finding: Finding, *, shown: int = FIXES_SHOWN) -> Markup:
    """What to try, in order, each with its reason and how it fared in trials."""
    if not finding.recommendations:
        return Markup("")
    items = [_fix(rank, fix) for rank, fix in enumerate(finding.recommendations)]
    rest = items[shown:]
    return join(
        tag("ol", *items[:shown], class_="fixes"),
        fold(f"{len(rest)} more to try", tag("ol", *rest, class_="fixes", start=shown + 1)) if rest else "",
    )


def _fix(rank: int, fix: Recommendation) -> Markup:
    cost = f", {number(fix.tally.cost, 2)} times the training time" if math.isfinite(fix.tally.cost) else ""
    title = one_line(fix.title).rstrip(".")
    return tag(
        "li",
        tag("p", tag("span", when(fix, rank), class_="when"), " ", tag("strong", capital(title)), "."),
        tag("p", capital(one_line(fix.why).rstrip(".")) + ". ", tag("cite", f"[{one_line(fix.source)}]")),
        "" if fix.test else tag("p", _interval(fix), f"{outcome(fix.tally)}{cost}", class_="trial"),
    )


def _interval(fix: Recommendation) -> Markup:
    """The share of resolved trials and its interval on a line from 0 to 100 %."""
    if not fix.tally.trials:
        return Markup("")
    low, high = (100.0 * end for end in fix.tally.interval)
    middle = 100.0 * fix.tally.resolved / fix.tally.trials
    return tag(
        "span",
        tag("span", class_="ci", style=f"left:{low:.1f}%;width:{high - low:.1f}%"),
        tag("span", class_="dot", style=f"left:{middle:.1f}%"),
        class_="bar", aria_hidden="true",
    )  # fmt: skip


def missing(rules: Sequence[NotJudged]) -> Markup:
    """The reasons for which rules could not judge, each with its rules."""
    by_reason: dict[str, list[str]] = {}
    for rule in rules:
        by_reason.setdefault(capital(one_line(rule.reason)), []).append(rule.rule)
    rows = [(reason, ", ".join(names)) for reason, names in by_reason.items()]
    return table(("reason", "rules"), rows, "Rules that were not judged, and why")


def config(values: Mapping[str, Any]) -> Markup:
    """The hyperparameters that the run came with."""
    rows = [(one_line(str(name)), _shortened(one_line(str(value)))) for name, value in values.items()]
    return table(("hyperparameter", "value"), rows, "Configuration of the run")


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text)} characters)"


class Curves:
    """The curves that the pictures of one run need, each once, thinned to a number of points.

    points: most points of each. digits: of their values.
    """

    def __init__(self, points: int, digits: int) -> None:
        self.points, self.digits = points, digits
        self._thin: dict[int, tuple[int, Series]] = {}
        self._whole: list[Series] = []  # kept alive, as they are known by their identity

    def place(self, series: Series) -> int:
        """The index of a curve in `island`."""
        if id(series) not in self._thin:
            self._whole.append(series)
            self._thin[id(series)] = len(self._thin), extremes(series, self.points)
        return self._thin[id(series)][0]

    def island(self) -> Markup:
        """The curves as JSON: differences of whole steps or the steps themselves, and the values."""
        if not self._thin:
            return Markup("")
        return embedded(f"[{','.join(_encoded(series, self.digits) for _, series in self._thin.values())}]", "series")


def _encoded(series: Series, digits: int) -> str:
    steps = series.steps
    whole = bool(np.all(steps == np.rint(steps))) and bool(np.all(np.abs(steps) < 2**53))
    spaced = np.diff(steps, prepend=0.0) if whole else steps
    encoded = ",".join(f"{step:.0f}" if whole else f"{step:.9g}" for step in spaced.tolist())
    return f'{{"{"d" if whole else "s"}":[{encoded}],"v":[{_values(series, digits)}]}}'


def _values(series: Series, digits: int) -> str:
    """The values to some digits of their range; what is not finite as text, as JSON has no number for it."""
    finite = series.values[np.isfinite(series.values)]
    spread = float(finite.max() / 2 - finite.min() / 2) * 2 if finite.size else 0.0
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    if 0.0 < spread < largest:
        digits = min(digits + math.ceil(math.log10(largest / spread)), 15)
    return ",".join(f"{v:.{digits}g}" if math.isfinite(v) else f'"{v}"' for v in series.values.tolist())


def figure(shown: Sequence[Panel], axis: str, curves: Curves, title: str, *, still: bool = True) -> Markup:
    """The panels as a picture that a script makes move, with its caption and its numbers.

    still: with the picture as it is seen where no script runs.
    """
    if not shown:
        return Markup("")
    chart = {
        "title": title,
        "axis": axis,
        "panels": [
            {
                "title": panel.title,
                "log": panel.log,
                "curves": [
                    {"name": one_line(c.name), "style": c.style, "at": curves.place(c.series)} for c in panel.curves
                ],
                "marks": [
                    {
                        "label": panels.caption(mark, axis),
                        "severity": mark.severity.value,
                        "on": mark.on,
                        "span": [mark.first, mark.last],
                        "band": mark.partial and mark.severity.value != "note",
                        "at": list(mark.at),
                        "level": mark.level,
                    }
                    for mark in panel.marks
                ],
            }
            for panel in shown
        ],
    }  # fmt: skip
    said = "; ".join(dict.fromkeys(panels.caption(mark, axis) for panel in shown for mark in panel.marks))
    picture = svg.picture(shown, axis, f"{title}{': ' if said else ''}{said}") if still else Markup("")
    return tag(
        "figure",
        tag("figcaption", title),
        tag("div", join(svg.legend(shown) if still else "", picture), class_="plot"),
        data(chart, "chart-data"),
        fold("The same in numbers", numbers(shown, axis)),
        class_="chart",
    )


def numbers(shown: Sequence[Panel], axis: str) -> Markup:
    """The curves in numbers: first, lowest, highest and last, and what is not finite."""
    rows = []
    for panel in shown:
        for curve in panel.curves:
            finite = curve.series.finite()
            lowest, highest = int(finite.values.argmin()), int(finite.values.argmax())
            cells = [
                f"{number(finite.values[i])} at {number(finite.steps[i], 6)}" for i in (0, lowest, highest, -1)
            ]  # fmt: skip
            gone = len(curve.series) - len(finite)
            rows.append((one_line(curve.name), *cells, f"{gone} of {count(len(curve.series), 'value')}"))
    head = ("curve", "first", "lowest", "highest", "last", "not finite")
    return table(head, rows, f"The curves in numbers, by {axis}", class_="numbers")
