"""The comparison of runs on a page: their curves over each other, and the table of what differs."""

from __future__ import annotations

from diagnose.reports import svg
from diagnose.reports.comparison import LETTERS, Comparison, Row
from diagnose.reports.context import Context
from diagnose.reports.html.frame import framed
from diagnose.reports.html.parts import Curves, chip, figure, table
from diagnose.reports.html.run import ALL_POINTS, DIGITS, MOST_POINTS
from diagnose.reports.markup import Markup, join, tag
from diagnose.reports.phrases import verdict
from diagnose.reports.words import count
from diagnose.rule import verdict_word


def render(compared: Comparison, context: Context) -> str:
    """The page as text, ending with a newline."""
    body = tag("main", _content(compared), id="content")
    return framed(_title(compared), body, ("chart.js",), context.version)


def _title(compared: Comparison) -> str:
    """What the page is about."""
    return f"{count(len(compared.labels), 'run')} compared"


def _content(compared: Comparison) -> Markup:
    """Everything within `main`."""
    letters = LETTERS[: len(compared.labels)]
    drawn = sum(len(panel.curves) for _, panel in compared.panels) or 1
    curves = Curves(min(MOST_POINTS, ALL_POINTS // drawn), DIGITS)
    runs = [
        tag("li", svg.sign(i), tag("b", letter), f" {label} ", chip(verdict_word(d)), " ", tag("small", verdict(d)))
        for i, (letter, label, d) in enumerate(zip(letters, compared.labels, compared.diagnoses, strict=True))
    ]
    pictures = figure(
        [panel for _, panel in compared.panels], compared.axis, curves, "Curves over each other"
    )  # fmt: skip
    note = tag("p", f"Over the {compared.axis}: {compared.note}.") if compared.note else ""
    tables = [
        tag("section", tag("h3", name.capitalize()), table((name, *letters), [_cells(r) for r in rows],
            f"What differs: {name}", class_="numbers"))
        for name, rows in compared.sections
    ]  # fmt: skip
    return tag(
        "article",
        tag("header", tag("h1", _title(compared), class_="source"), tag("ul", *runs, class_="compared"), note),
        tag("section", tag("h2", "Curves"), pictures) if pictures else "",
        tag("section", tag("h2", "What differs"), *tables),
        curves.island(),
        class_="run",
    )


def _cells(row: Row) -> tuple[str, ...]:
    cells = (
        join(tag("b", cell), tag("span", " best", class_="unit")) if index in row.best else cell
        for index, cell in enumerate(row.cells)
    )
    return (row.title, *cells)
