"""Writes what was found to the tracker that the training logs to: `diagnose/<rule>` as 2, 1 or 0, and an alert.

A tracker is what the process has imported and started already: nothing is imported, started or read here.

    W&B           run.log(..., commit=False), which goes with the caller's next row, and run.alert
    trackio       trackio.log at the last step, and trackio.alert
    MLflow        mlflow.log_metric, and a tag with the words
    TensorBoard   add_scalar and add_text of a SummaryWriter, which has to be named: `log_to=writer`
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from diagnose.live.hearing import News
from diagnose.live.words import lines, title
from diagnose.rule import Severity

Write = Callable[[News], None]
"""Writes one piece of news to a tracker."""


def trackers(log_to: Any) -> list[Write]:
    """Where to write: "auto" for what is active now, None for nowhere, else trackers, or a list of these.

    Raises TypeError for what is no tracker.
    """
    if log_to is None:
        return []
    if isinstance(log_to, list | tuple):
        return [write for each in log_to for write in trackers(each)]
    return [_writer(found) for found in (active() if isinstance(log_to, str) and log_to == "auto" else [log_to])]


def active() -> list[Any]:
    """The trackers that log at this moment."""
    found: list[Any] = []
    if (run := getattr(sys.modules.get("wandb"), "run", None)) is not None:
        found.append(run)
    mlflow, trackio = sys.modules.get("mlflow"), sys.modules.get("trackio")
    if mlflow is not None and hasattr(mlflow, "active_run") and mlflow.active_run() is not None:
        found.append(mlflow)
    if trackio is not None and _of_trackio() is not None:
        found.append(trackio)
    return found


def _of_trackio() -> Any:
    """The run of trackio that is current; None where there is none."""
    current = getattr(sys.modules.get("trackio.context_vars"), "current_run", None)
    return None if current is None else current.get()


def _writer(tracker: Any) -> Write:
    """How to write to a tracker, told by what it can do."""
    if hasattr(tracker, "log_metric"):
        return lambda news: _to_mlflow(tracker, news)
    if hasattr(tracker, "add_scalar"):
        return lambda news: _to_tensorboard(tracker, news)
    if hasattr(tracker, "alert") and hasattr(tracker, "summary"):
        return lambda news: _to_wandb(tracker, news)
    if hasattr(tracker, "alert") and hasattr(tracker, "log"):
        return lambda news: _to_trackio(tracker, news)
    raise TypeError(f"log_to: a {type(tracker).__name__} is no run of W&B, trackio, MLflow or SummaryWriter")


def level(news: News) -> int:
    """2 for an error, 1 for a warning, 0 for a note and for what was taken back."""
    return 0 if news.kind == "gone" else news.finding.severity.rank


def _step(news: News) -> int:
    return int(news.run.last_step)


def _to_wandb(run: Any, news: News) -> None:
    run.log({f"diagnose/{news.finding.rule}": level(news)}, commit=False)
    if news.kind != "gone":
        run.alert(title=title(news), text="\n".join(lines(news)), level=_level_word(news))


def _to_trackio(trackio: Any, news: News) -> None:
    trackio.log({f"diagnose/{news.finding.rule}": level(news)}, step=_step(news))
    if news.kind != "gone":
        levels = getattr(trackio, "AlertLevel", None)
        word = _level_word(news)
        trackio.alert(title(news), "\n".join(lines(news)), level=word if levels is None else getattr(levels, word))


def _to_mlflow(mlflow: Any, news: News) -> None:
    mlflow.log_metric(f"diagnose/{news.finding.rule}", level(news), step=_step(news))
    mlflow.set_tag(f"diagnose.{news.finding.rule}", "\n".join(lines(news)))


def _to_tensorboard(writer: Any, news: News) -> None:
    writer.add_scalar(f"diagnose/{news.finding.rule}", level(news), _step(news))
    writer.add_text(f"diagnose/{news.finding.rule}", "\n\n".join(lines(news)), _step(news))


def _level_word(news: News) -> str:
    return "ERROR" if news.finding.severity is Severity.ERROR else "WARN"


def written(writers: Sequence[Write], news: Sequence[News]) -> None:
    """Write all the news everywhere."""
    for write in writers:
        for each in news:
            write(each)
