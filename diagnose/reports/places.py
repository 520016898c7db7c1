"""Where a finding stands in a file: its address as a relative URI, and its lines where the reader knows them."""

from __future__ import annotations

from pathlib import Path, PurePath
from urllib.parse import quote

import numpy as np

from diagnose.curves import Run
from diagnose.rule import Finding


def relative(source: str) -> str:
    """The path of a source from the working directory, with forward slashes; as it is where it lies elsewhere."""
    if source == "-":
        return "stdin"
    path = Path(source)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return PurePath(path).as_posix()


def uri(source: str) -> str:
    """The source as a URI reference (RFC 3986): relative to the working directory, `file:` where it lies elsewhere."""
    path = relative(source)
    quoted = quote(path.encode("utf-8", "surrogateescape"), safe="/")
    return f"file://{quoted}" if path.startswith("/") else quoted


def lines(run: Run, finding: Finding) -> tuple[int, int] | None:
    """The first and the last line of the source that the finding is about, from 1; None where they are not known.

    A source that is no text, or whose reader does not keep the lines, has none.
    """
    if run.lines is None or not len(run.lines):
        return None
    steps = run.lines.steps
    first = min(int(np.searchsorted(steps, finding.steps[0], side="left")), steps.size - 1)
    last = max(int(np.searchsorted(steps, finding.steps[1], side="right")) - 1, first)
    between = run.lines.values[first : last + 1]
    return int(between.min()), int(between.max())
