"""DVCLive: a folder with a file per metric, `plots/metrics/train/loss.tsv` (before 1.0 `scalars/train/loss.tsv`).

Each file has the columns `step` and the metric, and perhaps `timestamp` before them; `params.yaml` lies beside `plots`.

Source: dvclive/plots/metric.py and live.py, DVCLive 3.49.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from diagnose import files, limits
from diagnose.curves import Array
from diagnose.errors import ReadError
from diagnose.readers.runs import sidecar
from diagnose.readers.tables import cells, points
from diagnose.readers.tables.table import Table

NAME = "dvclive"

_FILLED = ("plots", "scalars")
"""What DVCLive fills in the folder of a run; the metrics lie in `plots/metrics` or in `scalars`."""

_SUMMARY = "metrics.json"
"""The last value of every metric."""

_HEADERS = (["step"], ["timestamp", "step"])
"""The columns before the metric."""


def recognise(folder: Path) -> bool:
    """Whether the folder is that of a run, or a part of it that holds curves.

    The oldest versions put the files into the folder itself: two of them make a run, one is a table like any other.
    """
    folder = folder.absolute()
    try:
        root = _root(folder)
        if root is not None:
            return next(_curve_files(folder, root), None) is not None
        return sum(bool(_metric(path)) for path in folder.glob("*.tsv")) > 1
    except OSError:
        return False


def read(folder: Path) -> list[Table]:
    """Read the run. Raises ReadError where no file of it holds a point."""
    folder = folder.absolute()
    root = _root(folder) or folder
    names: list[str] = []
    curves: list[tuple[Array, Array]] = []
    notes: list[str] = []
    for path in _curve_files(folder, root):
        name = path.relative_to(root).with_suffix("").as_posix()
        steps, values = _curve(path)
        if steps.size:
            names.append(max(name, _metric(path), key=len))  # old versions repeat the folders in the header
            curves.append((steps, values))
        else:
            notes.append(f"{path.name} holds no number and is left out")
    if not curves:
        raise ReadError("no file of the DVCLive run holds a number")
    home = root.parent.parent if root.name == "metrics" else root.parent if root.name == "scalars" else root
    config, unread = sidecar.config(home / _SUMMARY, NAME)
    found = points.Points(
        names,
        np.repeat(np.arange(len(curves), dtype=np.intp), [steps.size for steps, _ in curves]),
        np.concatenate([steps for steps, _ in curves]),
        np.concatenate([values for _, values in curves]),
        np.concatenate([points.attempts(steps) for steps, _ in curves]),
    )
    name = f"{home.parent.name}/{home.name}".lstrip("/") if folder.name in (home.name, *_FILLED, "metrics") else ""
    return [points.table(found, NAME, name=name, config=config, notes=(*notes, *unread))]


def rest(folders: Sequence[str], names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The folders and the files in the folder of a run that are no part of it: none where it is a part itself."""
    if not any(name in folders for name in _FILLED):
        return [], []
    return [f for f in folders if f not in _FILLED], [n for n in names if n != _SUMMARY]


def _root(folder: Path) -> Path | None:
    """The folder from which the names of the metrics count, above or below this one; None where none is called so."""
    for inside in (folder / "plots" / "metrics", folder / "scalars"):
        if inside.is_dir():
            return inside
    if folder.name == "plots":
        return folder / "metrics"
    for above in (folder, *folder.parents):
        if above.name == "scalars" or (above.name == "metrics" and above.parent.name == "plots"):
            return above
    return None


def _curve_files(folder: Path, root: Path) -> Iterator[Path]:
    """The files with a curve in a part of a run."""
    inside = folder if folder.is_relative_to(root) else root
    return (path for path in sorted(inside.rglob("*.tsv")) if _metric(path))


def _metric(path: Path) -> str:
    """The metric that the header of a file names, "" where it is no file of DVCLive's."""
    try:
        header, _, _ = files.text(path, 1000).partition("\n")
        *before, metric = header.rstrip("\r").split("\t")
    except OSError:
        return ""
    known = before in _HEADERS and path.with_suffix("").as_posix().endswith(f"/{metric}")
    return metric if known else ""


def _curve(path: Path) -> tuple[Array, Array]:
    """Steps and values of one file; rows without a number, and a row that is cut off, are left out."""
    try:
        lines = files.text(path, limits.current().log_bytes).splitlines()
    except OSError:
        return np.empty(0), np.empty(0)
    width = lines[0].count("\t") + 1 if lines else 0
    rows = [row for line in lines[1:] if len(row := line.split("\t")) == width]
    steps, values = cells.parse([row[-2] for row in rows]), cells.parse([row[-1] for row in rows])
    there = steps.logged & np.isfinite(steps.values) & values.logged
    return steps.values[there], values.values[there]
