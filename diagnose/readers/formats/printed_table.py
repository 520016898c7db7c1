"""Tables that a console prints again and again: boxes of names and values, and a row of names above one of values.

Stable-Baselines draws a box for each evaluation, YOLOv5 prints the names of its columns anew for every epoch. Each such
table is one point, as a line of `name: number` pairs is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from diagnose.names import roles
from diagnose.readers.formats.log_line import TQDM, Line, place_of
from diagnose.readers.tables.cells import number

_LONGEST = 1000  # characters of a line that is looked at
_BOX = re.compile(r"\s{0,9}\|([^|]{1,80})\|([^|]{0,60})\|\s{0,9}")
_NAME = re.compile(r"[A-Za-z_][\w ./@%+-]*")
_CELL = re.compile(r"[A-Za-z_][\w./@%()+:-]*")
_PROGRESS = re.compile(r"(\d{1,12})/(\d{1,12})")
_BAR_COUNT = re.compile(r"\s(\d{1,12})/(\d{1,12})\s")
_FEWEST = 3  # names in a row of names
_TWICE = 2


@dataclass(slots=True)
class _Box:
    """The rows of a box so far; folder: the last one without a value, which ends in a slash."""

    folder: str = ""
    line: Line = field(default_factory=Line)


def pieces(texts: Iterable[str], headers: Collection[str] = ()) -> Iterator[str | Line]:
    """The texts, and in place of the tables among them the point that each is; "" for a text that belongs to one.

    As many pieces come out as texts went in. headers: what `repeated` found.
    """
    box: _Box | None = None
    names: list[str] = []
    for text in texts:
        row = _BOX.fullmatch(text) if "|" in text and len(text) < _LONGEST else None
        if row is not None and _belongs(row[1].strip(), row[2].strip()):
            box = box or _Box()
            _fill(box, row[1].strip(), row[2].strip())
            yield ""
            continue
        if box is not None and box.line.values:
            done, box = box.line, None
            yield done  # in place of the rule that closes the box
            continue
        box = None
        bare = _bare(text) if headers and len(text) < _LONGEST else ""
        if bare in headers:
            names = bare.split()
            yield ""
        elif names and (line := _row(names, bare, text)) is not None:
            yield line
        else:
            yield text


def _belongs(name: str, value: str) -> bool:
    """Whether a row of two cells belongs to a box: a folder, or a name and what it has."""
    return bool(_NAME.fullmatch(name)) and (number(value) is not None or (not value and name.endswith("/")))


def _fill(box: _Box, name: str, value: str) -> None:
    """Add a row to the box. Of two counters the one of time steps is the place."""
    found = number(value)
    if found is None:
        box.folder = name
        return
    kind = place_of(name)
    if kind and ("timestep" in name or kind not in box.line.places):
        box.line.places[kind] = found
    elif not kind:
        box.line.values[box.folder + name] = (found, value.endswith("%"))


def repeated(texts: Iterable[str]) -> frozenset[str]:
    """The rows of names that stand again and again above a row of values, where they are no table by themselves.

    Where one row of names alone comes again, a bar of progress must stand behind it or its values.
    """
    counts: Counter[str] = Counter()
    bars = False
    for above, below in pairwise(text for text in texts if len(text) < _LONGEST and text.strip()):
        if above[0].isdigit():  # no name of a column, and most lines of most files
            continue
        names = _bare(above)
        cells = names.split()
        if len(cells) < _FEWEST or not all(map(_CELL.fullmatch, cells)) or _row(cells, _bare(below), below) is None:
            continue
        if any(roles.is_metric_name(name) for name in cells):
            counts[names] += 1
            bars = bars or "%|" in above or "%|" in below
    found = frozenset(names for names, count in counts.items() if count >= _TWICE)
    return found if bars or len(found) > 1 else frozenset()


def _bare(text: str) -> str:
    """The text without a bar of progress and what follows it, each blank once."""
    if "%|" in text:
        text = text[: found.start()] if (found := TQDM.search(text)) else text
    return " ".join(text.split()).rstrip(": ")


def _row(names: list[str], bare: str, text: str) -> Line | None:
    """The point that a row of values under names is; None where it is no such row."""
    cells = bare.split()
    if len(cells) != len(names):
        return None
    line = Line(bar="%|" in text)
    numbers = 0
    for name, cell in zip(names, cells, strict=True):
        found = number(cell)
        if found is None:
            continue
        if kind := place_of(name):
            line.places[kind] = found
            if progress := _PROGRESS.fullmatch(cell):
                line.totals[kind] = float(progress[2])
        elif not cell.isdecimal() or roles.parse(name).quantity:  # else so many images, such a size
            line.values[name] = (found, cell.endswith("%"))
        numbers += 1
    if 2 * numbers <= len(cells) or not line.values:
        return None
    if line.bar and (count := _BAR_COUNT.search(text, text.index("%|"))):
        line.places["count"], line.totals["count"] = float(count[1]), float(count[2])
    return line
