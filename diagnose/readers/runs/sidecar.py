"""The configuration that lies beside a log: `run.yaml` beside `run.csv`, and the files that a framework writes.

A file with the log's own name is read for every format of text: CSV, JSON lines, a log of lines ... Lightning's
`hparams.yaml`, DVCLive's `params.yaml` and Ultralytics' own complete it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diagnose.errors import ConfigError
from diagnose.names.config import load

FILES = {
    "dvclive": ("params.yaml",),
    "lightning-csv": ("hparams.yaml",),
    "ultralytics-csv": ("args.yaml", "opt.yaml", "hyp.yaml"),
    "tensorboard": ("hparams.yaml", "args.yaml", "opt.yaml", "hyp.yaml"),
    "yolo-results-txt": ("opt.yaml", "hyp.yaml"),
}
"""Format -> the files that hold hyperparameters, the later ones completing the earlier."""

OWN_SUFFIXES = (".yaml", ".yml")
"""What the configuration that has the log's own name ends in; a `.json` may be a log."""

_STORES = frozenset({"dvclive", "mlflow-run", "mlflow-sqlite", "tensorboard", "trackio", "wandb-run"})
"""Formats that hold their configuration or several runs; in DVCLive's folder `metrics.yaml` holds results."""


def config(path: Path, format: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the files beside the log at `path` say, and a note for each that could not be read."""
    found: dict[str, Any] = {}
    notes = []
    for beside in files(path, format):
        try:
            found = load(beside) | found
        except ConfigError as error:
            reason = str(error).removeprefix(f"{beside}: ")[:120]
            notes.append(f"{beside.name} could not be read ({reason}): hyperparameters are unknown")
    return found, tuple(notes)


def files(path: Path, format: str) -> Iterator[Path]:
    """The files beside the log at `path` that hold hyperparameters; of two that name one, the first one counts."""
    for name in (*_own(path, format), *FILES.get(format, ())):
        beside = path.parent / name
        if beside.is_file() and beside.stat().st_size:
            yield beside


def _own(path: Path, format: str) -> Iterator[str]:
    """The files that have the log's own name, where the format may have them."""
    if format in _STORES:
        return
    for suffix in OWN_SUFFIXES:
        name = path.name.removesuffix(path.suffix) + suffix
        if name != path.name and os.path.isfile(path.parent / name):  # noqa: PTH113 - never raises, however long the name
            yield name
