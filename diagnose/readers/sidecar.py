"""The configuration that lies beside a log: Lightning's `hparams.yaml`, DVCLive's `params.yaml`, Ultralytics' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diagnose.config import ConfigError, load

FILES = {
    "dvclive": ("params.yaml",),
    "lightning-csv": ("hparams.yaml",),
    "ultralytics-csv": ("args.yaml", "opt.yaml", "hyp.yaml"),
    "tensorboard": ("hparams.yaml", "args.yaml", "opt.yaml", "hyp.yaml"),
    "yolo-results-txt": ("opt.yaml", "hyp.yaml"),
}
"""Format -> the files that hold hyperparameters, the later ones completing the earlier."""


def config(path: Path, format: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the files beside the log at `path` say, and a note for each that could not be read."""
    found: dict[str, Any] = {}
    notes = []
    for name in FILES.get(format, ()):
        beside = path.parent / name
        if not beside.is_file() or not beside.stat().st_size:
            continue
        try:
            found = load(beside) | found
        except ConfigError as error:
            reason = str(error).removeprefix(f"{beside}: ")[:120]
            notes.append(f"{name} could not be read ({reason}): hyperparameters are unknown")
    return found, tuple(notes)
