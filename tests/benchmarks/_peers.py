"""What other tools say of the same curves, each with its defaults, each through its own Python interface.

Run by `detection.py --peers` under the interpreter in which the tools are installed (their dependencies need not fit
ours), so this file imports nothing but the standard library and them. It reads paths of CSV files, one per line, from
the standard input and writes one JSON object per line: {"path", "tool", "found": [[check, severity], ...], "error"}.

The files have the columns step, train_loss, val_loss, train_accuracy, val_accuracy, learning_rate, grad_norm as far as
the log has them: the tools are compared in judging, and every tool is spared the reading of formats it does not know.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import importlib.metadata
import io
import json
import logging
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

Found = list[tuple[str, str]]

TIMEOUT = 30
"""Seconds for one tool and one log; after that the tool is said to have found nothing."""

MAPPING: dict[str, dict[str, tuple[str, ...]]] = {
    "trainproof": {
        "TP-NAN": ("non_finite",),
        "TP-NAN-GRAD": ("non_finite",),
        "TP-ZERO-LOSS": ("non_finite",),
        "TP-ZERO-LOSS-ONSET": ("non_finite",),
        "TP-DIVERGE": ("divergence",),
        "TP-FLAT": ("not_learning",),
        "TP-DEAD-RUN": ("not_learning",),
        "TP-OVERFIT": ("overfitting", "generalization_gap"),
    },
    "trainspotter": {
        "divergence: non-finite": ("non_finite",),
        "divergence": ("divergence", "not_learning"),
        "spikes": ("loss_spike",),
        "overfitting": ("overfitting", "generalization_gap"),
        "eval_noise": ("unstable",),
    },
    "runmedic": {
        "non_finite": ("non_finite",),
        "divergence": ("divergence", "not_learning"),
        "loss_spikes": ("loss_spike",),
        "no_learning": ("not_learning",),
        "overfitting": ("overfitting", "generalization_gap"),
    },
    "runwise": {
        "nan": ("non_finite",),
        "spike": ("loss_spike",),
        "overfit": ("overfitting", "generalization_gap"),
    },
}
"""Tool -> its check -> the labels that a finding of it satisfies."""

HARMLESS = {
    "trainproof": {"TP-PASS", "TP-NOT-CHECKED", "TP-NO-LOSS", "TP-NO-RECORDS", "TP-STEP-CLIFF", "TP-LOADER-BOUND"},
    "trainspotter": {"plateau", "throughput"},
    "runmedic": {"constant_lr_plateau", "input_bound", "slow_steps", "slowdown", "memory_growth"},
    "runwise": {"plateau", "system"},
}
"""Tool -> its checks that do not contradict the label `healthy`, as plateau does not for us."""

ALARMS = {"FAIL", "WARN", "error", "warning", "critical"}
"""Their names for a severity of warning or worse."""


def trainproof(path: str) -> Found:
    """`trainproof doctor`."""
    from trainproof.epoch import check_epoch

    names = {"loss": "train_loss", "eval_loss": "val_loss", "lr": "learning_rate"}
    return [(f["id"], f["level"]) for f in check_epoch(path, "csv", names)["findings"]]


def trainspotter(path: str) -> Found:
    """`trainspotter analyze`."""
    from trainspotter import load_run, run_all

    return [
        ("divergence: non-finite" if "non-finite" in f.title else f.detector, f.severity)
        for f in run_all(load_run(path, fmt="csv"))
    ]


def runmedic(path: str) -> Found:
    """`runmedic diagnose`."""
    from runmedic import loaders, roles
    from runmedic.checks import run_checks

    return [(f.check, f.severity) for run in loaders.load(path) for f in run_checks(run, roles.detect(run))]


def runwise(path: str) -> Found:
    """`runwise.detect_anomalies`: its command line takes no CSV."""
    from runwise import detect_anomalies

    with Path(path).open(newline="", encoding="utf-8") as stream:
        rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(stream)]
    return [(a.type, a.severity) for a in detect_anomalies(rows, loss_key="train_loss", val_loss_key="val_loss")]


TOOLS: dict[str, Callable[[str], Found]] = {
    "trainproof": trainproof,
    "trainspotter": trainspotter,
    "runmedic": runmedic,
    "runwise": runwise,
}


def installed() -> dict[str, str]:
    """Tool -> version, of those that this interpreter can import."""
    found = {}
    for name in TOOLS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
            found[name] = importlib.metadata.version(name)
    return found


def ask(tool: str, path: str) -> dict[str, Any]:
    """One tool's findings of one file; an exception of the tool is an error, never ours."""
    answer: dict[str, Any] = {"path": path, "tool": tool, "found": [], "error": ""}
    signal.alarm(TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            answer["found"] = TOOLS[tool](path)
    except (Exception, SystemExit) as error:
        answer["error"] = f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return answer


def _late(*_: object) -> None:
    raise TimeoutError(f"no answer in {TIMEOUT} s")


def main() -> None:
    """First line: the installed tools; then one line per file and tool."""
    warnings.simplefilter("ignore")
    logging.disable()
    signal.signal(signal.SIGALRM, _late)
    tools = installed()
    print(json.dumps(tools), flush=True)
    for line in sys.stdin:
        for tool in tools:
            print(json.dumps(ask(tool, line.rstrip("\n"))), flush=True)


if __name__ == "__main__":
    main()
