"""The file store of MLflow, its default until 3.6: `mlruns/EXPERIMENT/RUN/` with `metrics/`, `params/` and `meta.yaml`.

Each file in `metrics/` is one curve, a line `TIMESTAMP VALUE STEP` per point; the path below `metrics/` is its name.

Source: mlflow/store/tracking/file_store.py, MLflow 3.17.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from diagnose import errors, files, limits
from diagnose.errors import ReadError
from diagnose.names import config as configuration
from diagnose.names import plain_yaml
from diagnose.readers.tables import points
from diagnose.readers.tables.table import Table

NAME = "mlflow-run"

SYSTEM = "system/"
"""Before the names of the metrics of the machine, which have a count of their own."""

_LINE = re.compile(
    r"(\d{1,18}) (\S+)(?: (-?\d{1,18})(?: \S+ \S+)?)?"
)  # milliseconds, value, step, data set and its digest
_MILLISECONDS = re.compile(r"\d{12,14} \S+(?: |$)")  # the years 1973 to 5138
_META = re.compile(r"^(\w{1,100}):(.*)$", re.MULTILINE)
_LONGEST_META = 100_000  # bytes
_ENDINGS = {"4": "failed", "FAILED": "failed", "5": "was killed", "KILLED": "was killed"}
"""`status` in the file store and in the database -> what to say; other runs ended well, or run."""


def recognise(folder: Path) -> bool:
    """Whether the folder is that of one run: it holds metrics, and says which run it is or has parameters or tags."""
    try:
        if not (folder / "metrics").is_dir():
            return False
        if (folder / "meta.yaml").is_file():
            return not {"run_id", "run_uuid"}.isdisjoint(_meta(folder))
        if not ((folder / "params").is_dir() or (folder / "tags").is_dir()):
            return False
        first = next(_metric_files(folder), None)
        return first is not None and bool(_MILLISECONDS.match(_text(first, 100)))
    except OSError:
        return False


def is_experiment(folder: Path) -> bool:
    """Whether the folder is that of an experiment: beside the runs, all in it is MLflow's own."""
    return "experiment_id" in _meta(folder)


def active(folders: Iterable[Path]) -> tuple[list[Path], int]:
    """The folders of active runs among these, in the order in which they started, and how many are of deleted runs."""
    runs = {folder: _meta(folder) for folder in folders if recognise(folder)}
    kept = [folder for folder, meta in runs.items() if meta.get("lifecycle_stage") != "deleted"]
    return sorted(kept, key=lambda folder: (runs[folder].get("start_time", ""), folder)), len(runs) - len(kept)


def read(folder: Path) -> list[Table]:
    """Read one run, a deleted one too where the user names it. Raises ReadError where its metrics hold no point."""
    meta = _meta(folder)
    names: list[str] = []
    metric: list[int] = []
    times: list[int] = []
    values: list[float] = []
    steps: list[float] = []
    broken = 0
    for path in _metric_files(folder):
        name = path.relative_to(folder / "metrics").as_posix()
        if name.startswith(SYSTEM):
            continue
        for line in _text(path).splitlines():
            point = _point(line)
            if point is None:
                broken += bool(line.strip())
                continue
            metric.append(len(names))
            times.append(point[0])
            values.append(point[1])
            steps.append(point[2])
        names.append(name)
    if not metric:
        raise ReadError("the MLflow run logged no metric")
    config, notes = _config(folder)
    if meta.get("lifecycle_stage") == "deleted":
        notes += ("the run was deleted in MLflow",)
    if broken:
        notes += (f"{broken} {'line is' if broken == 1 else 'lines are'} no point of a metric and left out",)
    found = points.Points(
        names,
        np.array(metric, dtype=np.intp),
        np.array(steps, dtype=np.float64),
        np.array(values, dtype=np.float64),
        np.array(times, dtype=np.int64),
        np.array(times, dtype=np.float64),
    )
    name = meta.get("run_name") or _text(folder / "tags" / "mlflow.runName").strip() or folder.name
    return [points.table(found, NAME, name=name, config=config, notes=(*ending(meta.get("status", "")), *notes))]


def rest(folders: Sequence[str], names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Nothing: all in the folder of a run is part of it."""
    return [], []


def ending(status: str) -> tuple[str, ...]:
    """A note where MLflow says that the run did not end well."""
    return (f"MLflow says that the run {_ENDINGS[status]}",) if status in _ENDINGS else ()


def left_out(*, deleted: int, silent: int = 0) -> tuple[str, ...]:
    """A note on the runs of a store that are not read: the deleted ones and those without a metric."""
    kinds = ((deleted, "was deleted", "were deleted"), (silent, "logged no metric", "logged no metric"))
    said = [f"{count} {one if count == 1 else many}" for count, one, many in kinds if count]
    return (f"runs of the MLflow store left out: {', '.join(said)}",) if said else ()


def _meta(folder: Path) -> dict[str, str]:
    """The entries of `meta.yaml`, which are flat; none where there is no such file."""
    entries = _META.findall(_text(folder / "meta.yaml", _LONGEST_META))
    return {key: _unquoted(value.strip(" ")) for key, value in entries}


def _unquoted(value: str) -> str:
    """A YAML scalar on one line."""
    if value[:1] not in ("'", '"'):
        return "" if value in ("null", "~") else value
    try:
        return str(plain_yaml.load(value))
    except errors.ConfigError:
        return value.strip("'\"")


def _metric_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted((folder / "metrics").rglob("*")) if path.is_file() and path.name[0] != ".")


def _text(path: Path, most: int | None = None) -> str:
    """The text of a file, or of its first bytes; "" where it cannot be read."""
    try:
        return files.text(path, limits.current().log_bytes if most is None else most)
    except OSError:
        return ""


def _point(line: str) -> tuple[int, float, float] | None:
    """Time in milliseconds, value, step (0 where it was not given); None where the line is no point."""
    match = _LINE.fullmatch(line.strip())
    try:
        return (int(match[1]), float(match[2]), float(match[3] or 0)) if match else None
    except ValueError:
        return None


def _config(folder: Path) -> tuple[dict[str, object], tuple[str, ...]]:
    """The parameters, and a note where they cannot be read."""
    params = folder / "params"
    if not params.is_dir():
        return {}, ()
    try:
        return configuration.load(params), ()
    except errors.ConfigError:
        return {}, ("params could not be read: hyperparameters are unknown",)
