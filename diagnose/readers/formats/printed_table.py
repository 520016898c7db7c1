"""Tables among the lines of a console: boxes of names and values, and rows of names above rows of values.

Stable-Baselines draws a box for each evaluation, YOLOv5 prints the names of its columns anew for every epoch, and where
a program prints a table row by row, its messages stand between the rows. Each box and each row of values is one point,
as a line of `name: number` pairs is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from diagnose.names import roles
from diagnose.readers.formats.log_line import TQDM, Line, place_of
from diagnose.readers.tables.cells import number
from diagnose.readers.tables.dialect import is_rule

_LONGEST = 1000  # characters of a line that is looked at
_BOX = re.compile(r"\s{0,9}\|([^|]{1,80})\|([^|]{0,60})\|\s{0,9}")
_NAME = re.compile(r"[A-Za-z_][\w ./@%+-]*")
_CELL = re.compile(r"[A-Za-z_][\w ./@%()+:-]*")
_WIDE = re.compile(r"\s*\t\s*|\s{2,}")
_PROGRESS = re.compile(r"(\d{1,12})/(\d{1,12})")
_BAR_COUNT = re.compile(r"\s(\d{1,12})/(\d{1,12})\s")
_FEWEST = 3  # names in a row of names
_TWICE = 2
_LEAST_ROWS = 5  # of values below one row of names
_LEAST_BETWEEN = 0.1  # of its lines are messages; a table with fewer is read as a table
_LOOKED_AT = 200  # lines below a row of names


@dataclass(slots=True)
class _Box:
    """The rows of a box so far; folder: the last one without a value, which ends in a slash."""

    folder: str = ""
    line: Line = field(default_factory=Line)


def pieces(texts: Iterable[str], headers: Mapping[str, Sequence[str]]) -> Iterator[str | Line]:
    """The texts, and in place of the tables among them the point that each is; "" for a text that belongs to one.

    As many pieces come out as texts went in. headers: what `headers_of` found.
    """
    box: _Box | None = None
    names: Sequence[str] = ()
    splits: Sequence[str] = ()
    for text in texts:
        if "|" in text and len(text) < _LONGEST:
            if found := _splits(text):
                splits = found
                yield ""
                continue
            if splits and (line := _of_splits(splits, text)) is not None:
                yield line
                continue
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
            names = headers[bare]
            yield ""
        elif names and (line := _row(names, text)) is not None:
            yield line
        else:
            yield text


def _splits(text: str) -> Sequence[str]:
    """The sets of data above a table of metrics ("| metric | Training | Validation |"); none where there are none."""
    cells = [cell for cell in next(_cuts(text)) if cell]
    splits = [cell for cell in cells if roles.parse(cell).only_split]
    return splits if len(splits) > 1 and len(cells) - len(splits) <= 1 and cells[-len(splits) :] == splits else ()


def _of_splits(splits: Sequence[str], text: str) -> Line | None:
    """The point that a row of a metric's values on each set of data is; None where it is no such row."""
    name, *values = next(_cuts(text))
    numbers = [number(value) for value in values]
    if len(numbers) != len(splits) or not _NAME.fullmatch(name) or not any(value is not None for value in numbers):
        return None
    line = Line()
    for split, value, cell in zip(splits, numbers, values, strict=True):
        if value is not None:
            line.values[f"{split} {name}"] = (value, cell.endswith("%"))
    return line


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


def headers_of(texts: Iterable[str]) -> dict[str, Sequence[str]]:
    """The rows of names above rows of values that are no table by themselves, as `_bare` has them, and their names.

    Such a row stands again and again (where it is the only one, with a bar of progress behind it or its values), or
    there are messages between the rows of its values.
    """
    lines = [text for text in texts if len(text) < _LONGEST and text.strip() and not is_rule(text.strip())]
    counts: Counter[str] = Counter()
    named: dict[str, Sequence[str]] = {}
    interrupted: set[str] = set()
    bars = False
    for i, (above, below) in enumerate(pairwise(lines)):
        if above[0].isdigit():  # no name of a column, and most lines of most files
            continue
        names = _names(above, below)
        if not names:
            continue
        bare = _bare(above)
        if bare not in named and _is_interrupted(names, lines[i + 1 : i + 1 + _LOOKED_AT]):
            interrupted.add(bare)
        named[bare] = names
        counts[bare] += 1
        bars = bars or "%|" in above or "%|" in below
    again = {bare for bare, count in counts.items() if count >= _TWICE}
    kept = interrupted | (again if bars or len(again) > 1 else set())
    return {bare: names for bare, names in named.items() if bare in kept}


def _names(text: str, below: str) -> Sequence[str]:
    """The cells of a row of names, one of them a metric's, above a row of values; none where it is no such row."""
    for cells in _cuts(text):
        few = not cells or len(cells) < (_FEWEST - 1 if place_of(cells[0]) else _FEWEST)
        if few or not all(map(_CELL.fullmatch, cells)) or _row(cells, below) is None:
            continue
        if any(map(roles.is_metric_name, cells)):
            return cells
    return ()


def _is_interrupted(names: Sequence[str], below: Sequence[str]) -> bool:
    """Whether rows of values stand below the names, with other lines between them."""
    rows = [i for i, text in enumerate(below) if _row(names, text) is not None]
    return len(rows) >= _LEAST_ROWS and rows[-1] + 1 - len(rows) >= _LEAST_BETWEEN * (rows[-1] + 1)


def _without_bar(text: str) -> str:
    """The text without a bar of progress and what follows it."""
    found = TQDM.search(text) if "%|" in text else None
    return text[: found.start()] if found else text


def _bare(text: str) -> str:
    """The text without a bar of progress, each blank once."""
    return " ".join(_without_bar(text).split()).rstrip(": ")


def _cuts(text: str) -> Iterator[list[str]]:
    """The ways to cut a row into cells: at its strokes or semicolons; else at every blank, or at wide ones only."""
    text = _without_bar(text).strip().rstrip(": ")
    for mark in "|;":
        if mark in text:
            yield [cell.strip() for cell in text.removeprefix(mark).removesuffix(mark).split(mark)]
            return
    yield text.split()
    if _WIDE.search(text):
        yield [cell.strip() for cell in _WIDE.split(text)]


def _row(names: Sequence[str], text: str) -> Line | None:
    """The point that a row of values under names is; None where it is no such row."""
    cells = next((cells for cells in _cuts(text) if len(cells) == len(names)), None)
    if cells is None:
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
