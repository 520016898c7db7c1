"""The peers' verdicts on the same curves; see `_peers` for how each is asked."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _peers
import numpy as np
from _scores import Verdict
from _verdicts import Result

from diagnose.curves import Run


def write_curves(run: Run, path: Path) -> None:
    """Write the run's main curves as a CSV with our names and one axis; what was not logged stays blank."""
    roles = ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate", "grad_norm")
    curves = {role: curve for role in roles if (curve := run.curve(role)) is not None}
    steps = np.unique(np.concatenate([c.steps for c in curves.values()])) if curves else np.empty(0)
    cells = {role: [""] * steps.size for role in curves}
    for role, curve in curves.items():
        for place, value in zip(np.searchsorted(steps, curve.steps), curve.values, strict=True):
            cells[role][place] = repr(float(value))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["step", *curves])
        writer.writerows(zip((f"{step:.10g}" for step in steps), *cells.values(), strict=True))


def ask_peers(python: str, runs: Mapping[str, Run]) -> tuple[dict[str, str], dict[str, dict[str, dict[str, Any]]]]:
    """The installed tools with their versions, and tool -> id -> its answer (see `_peers`)."""
    with tempfile.TemporaryDirectory() as name:
        paths = {}
        for number, (key, run) in enumerate(runs.items()):
            folder = Path(name) / str(number)
            folder.mkdir()
            paths[str(folder / "metrics.csv")] = key
            write_curves(run, folder / "metrics.csv")
        script = str(Path(_peers.__file__).resolve())
        done = subprocess.run(
            [python, script], input="\n".join(paths) + "\n", capture_output=True, text=True, check=False
        )
    if done.returncode or not done.stdout:
        sys.exit(f"{python} {script}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
    first, *rest = map(json.loads, done.stdout.splitlines())
    answers: dict[str, dict[str, dict[str, Any]]] = {tool: {} for tool in first}
    for answer in rest:
        answers[answer["tool"]][paths[answer["path"]]] = answer
    return first, answers


def judge_peer(
    tool: str,
    answers: Mapping[str, Mapping[str, Any]],
    labels: Mapping[str, Mapping[str, bool]],
    clusters: Mapping[str, str],
) -> Result:
    """A peer's verdicts, for the labels that one of its checks speaks of, and `healthy`.

    A finding of any severity satisfies a label (ours must be a warning), since the tools draw the line elsewhere; only
    warnings and worse contradict `healthy`.
    """
    result, mapping = Result(), _peers.MAPPING[tool]
    speaks_of = {label for found in mapping.values() for label in found}
    for key, answer in answers.items():
        found = [check for check, severity in answer["found"] if severity in _peers.ALARMS]
        said = {label for check, _ in answer["found"] for label in mapping.get(check, ())}
        harmful = [check for check in found if check not in _peers.HARMLESS[tool]]
        for label, known in labels.get(key, {}).items():
            if label in speaks_of or label == "healthy":
                says = not harmful if label == "healthy" else label in said
                words = ", ".join(harmful) or answer["error"]
                result.add(label, Verdict(key, known, says, clusters.get(key, "")), words)
    return result
