"""What a report in words is written on: columns, colours, labelled paragraphs and tables."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import zip_longest

TABLE_WIDTH = 60
"""Columns below which the runs are listed in sentences, as on a page without pictures."""

_COLORS = {
    "failed": "1;31",
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "healthy": "1;32",
    "not-judged": "1;35",
    "nothing-found": "1;36",
    "strong": "1",
    "faint": "2",
}


class Detail(Enum):
    """How much a report in words says of a run: a line, what is needed to act, or everything."""

    LINE = auto()
    GLANCE = auto()
    FULL = auto()


@dataclass(frozen=True, slots=True)
class Page:
    """What the report is written on.

    width: columns.
    picture: False leaves the pictures out and describes each curve in words, for a screen reader.
    ascii: True draws with ASCII characters only.
    color: True adds ANSI colours.
    detail: how much is said of a run.
    """

    width: int = 80
    picture: bool = True
    ascii: bool = False
    color: bool = False
    detail: Detail = Detail.GLANCE

    def paint(self, text: str, color: str) -> str:
        """The text in a named colour where the page has colours."""
        return f"\x1b[{_COLORS[color]}m{text}\x1b[0m" if self.color else text


PLAIN_PAGE = Page()


def wrapped(text: str, page: Page, *, indent: int = 0, hang: int = 2) -> list[str]:
    """The text in lines of the page's width.

    indent: columns before each line. hang: more of them before all but the first.
    """
    return textwrap.wrap(
        text,
        page.width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hang),
        break_on_hyphens=False,
    )


def cut(text: str, page: Page, *, indent: int = 0, lines: int = 1) -> list[str]:
    """The beginning of the text that finds room in so many lines; all but the first stand two columns further in."""
    return textwrap.wrap(
        text,
        page.width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False,
        max_lines=lines,
        placeholder=" ...",
    )


def item(label: str, text: str, page: Page) -> list[str]:
    """A labelled paragraph, indented and wrapped; nothing where there is no text."""
    if not text:
        return []
    start = f"  {label:<12}" if label else "  "
    lines = textwrap.wrap(
        text,
        max(page.width, len(start) + 12),
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
    )
    if label:
        lines[0] = lines[0].replace(label, page.paint(label, "faint"), 1)
    return lines


def grid(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    widths: Sequence[int],
    page: Page,
    colors: Sequence[str] = (),
    *,
    right: bool = True,
) -> list[str]:
    """A table of texts, each cell wrapped to the width of its column.

    colors: one per row, for its second cell. right: whole numbers to the right.
    """
    lines = [page.paint(_cells(head, widths, right), "strong")]
    for index, row in enumerate(rows):
        wrapped = [
            textwrap.wrap(cell, max(width, 12), break_on_hyphens=False) or [""]
            for cell, width in zip(row, widths, strict=True)
        ]
        for cells in zip_longest(*wrapped, fillvalue=""):
            start, rest = _cells(cells[:1], widths, right), _cells(cells[1:], widths[1:], right)
            if colors and cells[1]:
                rest = page.paint(cells[1], colors[index]) + rest[len(cells[1]) :]
            lines.append(f"{start:{widths[0]}}  {rest}".rstrip())
    return lines


def _cells(cells: Sequence[str], widths: Sequence[int], right: bool) -> str:
    padded = (
        f"{cell:>{width}}" if right and cell.isdigit() else f"{cell:{width}}"
        for cell, width in zip(cells, widths, strict=False)
    )
    return "  ".join(padded).rstrip()


def distinct(texts: Sequence[str], width: int) -> list[str]:
    """The texts in `width` columns each, cut where that leaves them apart from each other; where nothing does, whole.

    The end is kept first, which tells files apart better than the beginning.
    """
    short = [shorten(text, width) for text in texts]
    for head in range(6, width - 6, 6):
        twice = {text for text, amount in Counter(short).items() if amount > 1}
        if not twice:
            return short
        short = [_elided(text, head, width) if said in twice else said for text, said in zip(texts, short, strict=True)]
    return list(texts)


def _elided(text: str, head: int, width: int) -> str:
    """The first `head` columns and the end of the text, in `width` columns."""
    return text if len(text) <= width else f"{text[:head]}...{text[len(text) - (width - head - 3) :]}"


def shorten(text: str, width: int) -> str:
    """The end of the text, which tells files apart better than the beginning, in `width` columns."""
    return text if len(text) <= width else "..." + text[-(width - 3) :]
