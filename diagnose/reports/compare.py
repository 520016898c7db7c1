"""The comparison of runs at a terminal: their curves over each other, and the table of what differs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from diagnose.reports import curve
from diagnose.reports.comparison import LETTERS, Comparison, Row
from diagnose.reports.context import Context
from diagnose.reports.page import Page, grid, wrapped
from diagnose.reports.panels import Panel
from diagnose.reports.phrases import verdict
from diagnose.rule import verdict_word

WIDEST = 24
"""Columns of a cell before it is wrapped."""

MOST_PICTURES = 4
"""Roles that are drawn: the losses and the accuracies."""


def render(compared: Comparison, context: Context) -> str:
    """The runs by their letters, a picture per role that several have, and the table; ends with a newline."""
    page = context.page
    lines = []
    for letter, label, diagnosis in zip(LETTERS, compared.labels, compared.diagnoses, strict=False):
        words = f"{letter}  {label}: {verdict(diagnosis)}"
        lines += [page.paint(line, verdict_word(diagnosis)) for line in wrapped(words, page, hang=3)]
    if compared.note:
        lines += textwrap.wrap(f"over the {compared.axis}: {compared.note}", page.width)
    for role, panel in compared.panels[:MOST_PICTURES]:
        lines += _curves(role, panel, compared.axis, page)
    return "".join(f"{line}\n" for line in [*lines, "", *_table(compared, page)])


def _curves(role: str, panel: Panel, axis: str, page: Page) -> list[str]:
    """The curves of one role: two as a line and dots, more as the letters of their runs; in words without pictures."""
    letters = [c.name[0] for c in panel.curves]
    title = page.paint(role, "strong")
    if page.picture:
        width = min(page.width, 80) - 2
        glyphs = curve.ASCII if page.ascii else curve.BRAILLE
        series = [c.series for c in panel.curves]
        if len(series) == 2:
            picture = curve.draw(*series, labels=(letters[0], letters[1]), axis=axis, width=width, glyphs=glyphs)
        else:
            picture = curve.overlay(series, letters, axis=axis, width=width, glyphs=glyphs)
        if picture is not None:
            head = f"{title}   {picture.legend}".rstrip()
            return ["", head, *(f"  {line}" for line in picture.rows)]
    lines = []
    for letter, drawn in zip(letters, panel.curves, strict=True):
        said = f"{letter} {role} {curve.describe(drawn.series, axis)}"
        lines += textwrap.wrap(said, page.width, subsequent_indent="  ")
    return ["", *lines]


def _table(compared: Comparison, page: Page) -> list[str]:
    """The table, in as many blocks of runs as the page is too narrow for; a sentence per row without pictures."""
    letters = LETTERS[: len(compared.labels)]
    if not page.picture:
        return [line for title, rows in compared.sections for line in _sentences(title, rows, letters, page)]
    rows = [row for _, found in compared.sections for row in found]
    head = max(len(row.title) for row in rows) + 2
    head = min(head, max(page.width // 3, 16))
    widths = [min(max(len(_cell(row, i)) for row in rows), WIDEST) for i in range(len(letters))]
    lines: list[str] = []
    start = 0
    while start < len(letters):
        stop = start + 1
        while stop < len(letters) and head + sum(w + 2 for w in widths[start : stop + 1]) <= page.width:
            stop += 1
        columns = range(start, stop)
        cells = []
        for title, found in compared.sections:
            cells.append((title, *("" for _ in columns)))
            cells += [(f"  {row.title}", *(_cell(row, i) for i in columns)) for row in found]
        lines += [*_grid(["", *(letters[i] for i in columns)], cells, [head, *(widths[i] for i in columns)], page), ""]
        start = stop
    starred = any(row.best for row in rows)
    return [*lines, "* the best of the runs"] if starred else lines[:-1]


def _grid(head: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int], page: Page) -> list[str]:
    """The grid with the headings of its sections in bold."""
    titles = {row[0] for row in cells if not row[0].startswith(" ")}
    return [
        page.paint(line, "strong") if line in titles else line for line in grid(head, cells, widths, page, right=False)
    ]


def _cell(row: Row, index: int) -> str:
    return row.cells[index] + (" *" if index in row.best else "")


def _sentences(title: str, rows: Sequence[Row], letters: str, page: Page) -> list[str]:
    lines = []
    for row in rows:
        said = ", ".join(
            f"{letter} {cell if cell != '-' else 'none'}{' (best)' if i in row.best else ''}"
            for i, (letter, cell) in enumerate(zip(letters, row.cells, strict=True))
        )
        lines += textwrap.wrap(f"{title}, {row.title}: {said}", page.width, subsequent_indent="  ")
    return lines
