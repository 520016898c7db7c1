"""Every line of the lecture notes, and what implements it: what `diagnose reference run --notes` prints.

`notes.csv` holds the lines in their order, shortened, and what stands for each: parts of this trainer, rules, fixes,
faults, commands and pages, or a remark where a line asks for none.
"""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from diagnose.reports.page import Page

KINDS = ("part", "rule", "fix", "fault", "command", "page")
"""What may implement a line."""


@dataclass(frozen=True)
class Line:
    """A line of the notes.

    words: its own, without marks, the first of them where it is long (then ` ...` follows).
    references: (kind, name) of what implements it; the name of a part may have its title before a slash.
    remark: what more there is to say; a line without references has one.
    """

    words: str
    references: tuple[tuple[str, str], ...]
    remark: str

    @property
    def said(self) -> str:
        """What implements the line, in words."""
        named = "; ".join(f"{kind} {name}" for kind, name in self.references)
        return f"{named} ({self.remark})" if named and self.remark else named or self.remark


def lines() -> list[Line]:
    """All lines, in the order of the notes."""
    text = resources.files("reference_trainer").joinpath("notes.csv").read_text(encoding="utf-8")
    _, *rows = csv.reader(text.splitlines())
    return [Line(words, tuple(_references(names)), remark) for words, names, remark in rows]


def plain(line: str) -> str:
    """A line of the notes without the marks of Markdown, as `words` has it."""
    return " ".join("".join(letter for letter in line if letter not in "#*!").split())


def render(width: int = 80, *, color: bool = False) -> str:
    """Each line of the notes, and indented below it what implements it, within `width` columns."""
    page = Page(width=width, color=color)
    text = []
    for line in lines():
        text += textwrap.wrap(line.words, width, break_on_hyphens=False)
        wrapped = textwrap.wrap(line.said, max(width - 4, 12), break_on_hyphens=False)
        text += [f"    {page.paint(part, 'faint')}" for part in wrapped]
    return "".join(f"{part}\n" for part in text)


def _references(names: str) -> Iterable[tuple[str, str]]:
    """The references in a cell: `part:batch ; rule:batch-size`."""
    for name in filter(None, names.split(" ; ")):
        kind, _, what = name.partition(":")
        yield kind, what
