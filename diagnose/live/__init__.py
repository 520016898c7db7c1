"""Judging while a training goes on: `watch` in a loop, and what `--watch`, `--live` and the callbacks share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diagnose.live.loop import OnError, Watch
from diagnose.live.pace import Every

__all__ = ["Watch", "watch"]


def watch(
    *,
    config: str | Path | Mapping[str, Any] | None = None,
    every: Every = "auto",
    on_error: OnError = "warn",
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    report: str | Path | None = None,
    notify: Sequence[str] = (),
    log_to: Any = "auto",
    total: float | None = None,
) -> Watch:
    """Begin to watch a training; its `log` takes what each step or epoch measured, its `finish` answers a report.

    config: hyperparameters of the run: a mapping, or a YAML, JSON or TOML file.
    every: rows between two looks; "auto" for a geometric grid whose judging takes less than a hundredth of the time.
    on_error: "warn" tells of an error; "stop" also sets `should_stop`; a function is called with the finding, and the
        training is to stop where it answers something true.
    select, ignore: ids of the rules to apply and to leave out; None for all, and for none.
    thresholds: rule id -> threshold -> value.
    report: file that `finish` writes the report to, in the format that its name ends in.
    notify: where to send what is found: `ntfy:TOPIC`, `slack:URL`, `discord:URL`, `webhook:URL`, `desktop`.
    log_to: trackers to write to: "auto" for an active run of W&B, trackio or MLflow, None for none, else a run, a
        `SummaryWriter`, or a list of them.
    total: how far the run is to go, in steps or epochs as they are logged; None where that is not known. A run that
        does not learn is then told within its first fifth.

    Raises SettingsError (a ValueError) for an unknown rule or threshold or an unreadable config, ValueError for a wrong
    `every` or `on_error`, TypeError for what is no tracker.
    """
    return Watch(
        config=config,
        every=every,
        on_error=on_error,
        select=select,
        ignore=ignore,
        thresholds=thresholds,
        report=report,
        notify=notify,
        log_to=log_to,
        total=total,
    )
