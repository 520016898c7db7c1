"""What is used of the W&B client beside its public interface: here and nowhere else.

used                                     for                                     where a version lacks it
`HistoryScan._convert_history_row_...`   rows decoded in a quarter of the time   the client decodes them
`WANDB_X_GRAPHQL_...`                    giving up after half a minute           it gives up when it likes
`heartbeatAt`, `historyLineCount`        a run that changed, told by the list    its last step: a request for each run
`parquetHistory` in an error             servers without whole histories         the error is the run's
`http_status` of an error                whether a key or a place is wrong       the words of the error tell
`Run._service_api.execute_graphql`       alerts, which no public call sends      `alerts_refused` says so

What belongs to the client is looked for when this module is imported, which imports the client; what comes with a run
or an error, when that is at hand. Raises ImportError where the client is not installed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import wandb

TRIED = ("0.31.0",)
"""Versions of the client that all tests passed with; what is used here was the same in 0.29.0 and 0.30.0."""

_PATIENCE = {
    "WANDB_X_GRAPHQL_RETRY_MAX": "6",
    "WANDB_X_GRAPHQL_RETRY_WAIT_MIN_SECONDS": "1",
    "WANDB_X_GRAPHQL_RETRY_WAIT_MAX_SECONDS": "10",
    "WANDB_X_GRAPHQL_TIMEOUT_SECONDS": "30",
}
"""How the client's process deals with a server that is busy, unless the user says so: it gives up after half a minute,
not after a quarter of an hour. `Api(timeout=)` does not bound the reading of a history. Whole seconds: a wait below
one counts as none, for which the client takes two."""

_ALERT = """
mutation NotifyScriptableRunAlert(
    $entityName: String!, $projectName: String!, $runName: String!, $title: String!, $text: String!,
    $severity: AlertSeverity = INFO
) {
    notifyScriptableRunAlert(input: {
        entityName: $entityName, projectName: $projectName, runName: $runName, title: $title, text: $text,
        severity: $severity
    }) { success }
}
"""

_DECODER = "_convert_history_row_to_dict"


def _part(module: str, name: str) -> Any:
    """A class of the client; None where it is no longer there."""
    try:
        return getattr(import_module(module), name, None)
    except ImportError:
        return None


def _has_fields(message: Any, names: Sequence[str]) -> bool:
    """Whether a message of the client's protocol has these fields."""
    known = getattr(getattr(message, "DESCRIPTOR", None), "fields_by_name", {})
    return all(name in known for name in names)


_CAN_DECODE = (
    hasattr(_part("wandb.apis.public.history", "HistoryScan"), _DECODER)
    and _has_fields(_part("wandb.proto.wandb_api_pb2", "HistoryRow"), ["history_items"])
    and _has_fields(_part("wandb.proto.wandb_api_pb2", "ParquetHistoryItem"), ["key", "value_json"])
)

_CAN_ALERT = hasattr(_part("wandb.apis.public.service_api", "ServiceApi"), "execute_graphql")


def limit_patience() -> None:
    """Bound how long the client tries, before its process is started; it passes over a setting that it has not."""
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)


def quickened(scan: Any) -> Any:
    """The history of a run, as `Run.scan_history` gives it, with a decoder that is four times as fast."""
    if _CAN_DECODE:
        setattr(scan, _DECODER, _decoded)
    return scan


def _decoded(message: Any) -> dict[str, Any]:
    """A row of the client's protocol: most values are numbers, and are read faster as such than as JSON."""
    row: dict[str, Any] = {}
    for item in message.history_items:
        raw = item.value_json
        try:
            row[item.key] = float(raw)
        except ValueError:
            row[item.key] = json.loads(raw)
    return row


def extent(run: Any) -> tuple[str, int]:
    """When a run of the client last logged, as the server writes it, and the rows of its history.

    Where the client does not ask for these: when the run began, and its last step, counted from 1.
    """
    heartbeat = getattr(run, "heartbeat_at", None) or getattr(run, "created_at", None) or ""
    try:
        rows = run.history_line_count
    except AttributeError:
        rows = run.lastHistoryStep + 1
    return str(heartbeat), int(rows or 0)


def gives_no_export(error: BaseException) -> bool:
    """Whether a history could not be had since the server is too old to hand out whole ones."""
    return "parquetHistory" in str(error)


def http_status(error: BaseException | None) -> int | None:
    """The HTTP status somewhere in an error of the client; None where there is none."""
    while error is not None:
        response = getattr(error, "response", None)
        status = getattr(response, "http_status", None) or getattr(response, "status_code", None)
        if status:
            return int(status)
        error = getattr(error, "exc", None) or error.__cause__
    return None


def alerts_refused() -> str:
    """Why no alert can be sent with this version of the client, in one line; "" where one can."""
    if _CAN_ALERT:
        return ""
    return f"wandb {wandb.__version__} gives no way to send one (tried with {', '.join(TRIED)}); leave it out"


def alert(run: Any, title: str, text: str, severity: str) -> None:
    """Send an alert for a run of the client. severity: `INFO`, `WARN` or `ERROR`. Raises what the client raises."""
    names = {"entityName": run.entity, "projectName": run.project, "runName": run.id}
    run._service_api.execute_graphql(_ALERT, {**names, "title": title, "text": text, "severity": severity})
