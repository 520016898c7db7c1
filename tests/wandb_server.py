"""A W&B server on 127.0.0.1 for the real client: the operations that reading, auditing and writing back need.

with WandbServer(runs, latency=0.05) as server:
    with server.environment():           # WANDB_BASE_URL, a key, folders of its own
        ...

It can be made slow, ill-tempered (bursts of 429 and 500, connections dropped, answers that are no JSON, no answer at
all), old (no parquet export), or closed (no permission). What is written to it is kept in `runs`.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

KEY = "0123456789abcdef0123456789abcdef01234567"

Fault = Literal["429", "500", "drop", "half", "garbage", "slow"]


@dataclass
class StubRun:
    """One run of the server.

    history: rows as they were logged. exported: how many of them lie in a parquet file; the rest is live.
    """

    id: str
    history: Sequence[Mapping[str, Any]] = ()
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    state: str = "finished"
    tags: list[str] = field(default_factory=list)
    notes: str | None = None
    sweep: str | None = None
    created: str = "2026-11-20T10:00:00Z"
    heartbeat: str = "2026-11-20T11:00:00Z"
    exported: int | None = None

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        return [{**row, "_step": row.get("_step", i)} for i, row in enumerate(self.history)]

    @property
    def parquet_rows(self) -> int:
        return len(self.history) if self.exported is None else self.exported


class WandbServer:
    """The server; a context manager that serves until it is left.

    runs: of the project `team/project`. latency: seconds before each answer. fault: asked for each request, by its
    operation (`parquet` for a download) and a running number; what it names goes wrong. forbidden: nobody may read.
    """

    def __init__(
        self,
        runs: Sequence[StubRun] = (),
        *,
        latency: float = 0.0,
        fault: Callable[[str, int], Fault | None] | None = None,
        parquet: bool = True,
        forbidden: bool = False,
        entity: str = "team",
        project: str = "project",
    ) -> None:
        self.runs = {run.id: run for run in runs}
        self.latency, self.fault = latency, fault
        self.parquet, self.forbidden = parquet, forbidden
        self.entity, self.project = entity, project
        self.operations: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[str] = []
        self.mutations: list[tuple[str, dict[str, Any]]] = []
        self._files: dict[str, tuple[Any, bytes]] = {}
        self._lock = threading.Lock()
        self._count = 0

    def __enter__(self) -> WandbServer:
        owner = self

        class Handler(_Handler):
            server_of = owner

        self._http = _Http(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @contextmanager
    def environment(self, key: str | None = KEY) -> Iterator[dict[str, str]]:
        """The variables with which the client finds this server, and nothing of the user's."""
        with tempfile.TemporaryDirectory() as folder:
            values = self.variables(folder, key)
            with mock.patch.dict(os.environ, values):
                if key is None:
                    os.environ.pop("WANDB_API_KEY", None)
                yield values

    def variables(self, folder: str | Path, key: str | None = KEY) -> dict[str, str]:
        """The same for another process; the folders lie in `folder`."""
        place = Path(folder)
        for name in ("dir", "cache", "config", "data", "home"):
            (place / name).mkdir(exist_ok=True)
        return {
            "WANDB_BASE_URL": self.url,
            **({"WANDB_API_KEY": key} if key else {}),
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_DIR": str(place / "dir"),
            "WANDB_CACHE_DIR": str(place / "cache"),
            "WANDB_CONFIG_DIR": str(place / "config"),
            "WANDB_DATA_DIR": str(place / "data"),
            "XDG_CACHE_HOME": str(place / "home"),
            "NETRC": str(place / "netrc"),
            "NO_PROXY": "127.0.0.1",
        }

    # --- what is asked

    def next_fault(self, operation: str) -> Fault | None:
        with self._lock:
            self._count += 1
            self.operations[operation] += 1
            number = self._count
        return self.fault(operation, number) if self.fault is not None else None

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The `data` of a GraphQL operation; raises ValueError for what W&B answers with `errors`."""
        found = re.search(r"(?:query|mutation)\s+(\w+)", query)
        operation = found[1] if found else ""
        if operation == "Viewer" or "viewer" in query:
            return {"viewer": {"id": "V", "entity": self.entity, "username": "ada", "email": "", "flags": "{}",
                               "teams": {"edges": []}, "admin": False, "name": "Ada", "apiKeys": None}}  # fmt: skip
        if self.forbidden:
            raise PermissionError("permission denied")
        if operation in ("UpsertBucket", "NotifyScriptableRunAlert"):
            return self._mutate(operation, variables, query)
        if "project(" not in query:
            return {"serverInfo": None}
        if variables.get("project") != self.project or variables.get("entity") != self.entity:
            return {"project": None}
        if operation == "Runs":
            return {"project": self._page(variables, query)}
        run = self.runs.get(variables.get("name") or variables.get("runName") or variables.get("run") or "")
        return {"project": {"run": None if run is None else self._run(operation, run, variables, query)}}

    def _page(self, variables: dict[str, Any], query: str) -> dict[str, Any]:
        wanted = [run for run in self.runs.values() if _matches(run, json.loads(variables.get("filters") or "{}"))]
        start = int(variables.get("cursor") or 0)
        page = wanted[start : start + int(variables.get("perPage") or 50)]
        edges = [
            {"node": {"projectId": 1, **self._node(run, query)}, "cursor": str(start + i + 1)}
            for i, run in enumerate(page)
        ]
        more = start + len(page) < len(wanted)
        return {
            "internalId": "1",
            "runCount": len(wanted),
            "readOnly": False,
            "runs": {"edges": edges, "pageInfo": {"endCursor": str(start + len(page)), "hasNextPage": more}},
        }

    def _node(self, run: StubRun, query: str) -> dict[str, Any]:
        """What a query asks of a run."""
        known = {
            "id": f"storage-{run.id}",
            "tags": list(run.tags),
            "name": run.id,
            "displayName": run.name or run.id,
            "sweepName": run.sweep,
            "state": run.state,
            "group": None,
            "jobType": None,
            "commit": None,
            "readOnly": False,
            "createdAt": run.created,
            "heartbeatAt": run.heartbeat,
            "description": None,
            "notes": run.notes,
            "historyLineCount": len(run.history),
            "user": {"name": "Ada", "username": "ada"},
            "config": json.dumps({key: {"value": value, "desc": None} for key, value in run.config.items()}),
            "systemMetrics": "{}",
            "summaryMetrics": json.dumps(run.summary),
            "historyKeys": self._keys(run),
        }
        return {name: value for name, value in known.items() if re.search(rf"\b{name}\b", query)}

    def _keys(self, run: StubRun) -> dict[str, Any] | None:
        rows = run.rows
        return {"lastStep": rows[-1]["_step"], "keys": {}} if rows else None

    def _run(self, operation: str, run: StubRun, variables: dict[str, Any], query: str) -> dict[str, Any]:
        if operation == "RunHistoryKeys":
            return {"historyKeys": self._keys(run)}
        if operation == "RunParquetHistory":
            if not self.parquet:
                raise ValueError('Cannot query field "parquetHistory" on type "Run".')
            live = [json.dumps(row) for row in run.rows[run.parquet_rows :]]
            urls = [f"{self.url}/parquet/{run.id}.parquet"] if run.parquet_rows else []
            return {"parquetHistory": {"parquetUrls": urls, "liveData": [json.loads(line) for line in live]}}
        if operation == "HistoryPage":
            low, high = int(variables["minStep"]), int(variables["maxStep"])
            return {"history": [json.dumps(row) for row in run.rows if low <= row["_step"] < high]}
        if operation == "RunFullHistory":
            rows, samples = run.rows, int(variables["samples"])
            chosen = rows[:: max(1, -(-len(rows) // samples))]
            return {"history": [json.dumps(row) for row in chosen]}
        return {"projectId": 1, **self._node(run, query)}

    def _mutate(self, operation: str, variables: dict[str, Any], query: str) -> dict[str, Any]:
        self.mutations.append((operation, variables))
        if operation == "NotifyScriptableRunAlert":
            return {"notifyScriptableRunAlert": {"success": True}}
        run = self.runs[str(variables["id"]).removeprefix("storage-")]
        if "summaryMetrics" in variables:
            run.summary = json.loads(variables["summaryMetrics"])
        else:
            run.tags, run.notes = list(variables["tags"] or ()), variables["notes"]
            run.config = {key: item["value"] for key, item in json.loads(variables["config"]).items()}
        return {"upsertBucket": {"bucket": {"projectId": 1, **self._node(run, query)}, "inserted": False}}

    def parquet_file(self, name: str) -> bytes:
        """The exported history, made once."""
        run = self.runs[name]
        with self._lock:
            if self._files.get(name, (None, b""))[0] is not run.history:
                rows = run.rows[: run.parquet_rows]
                keys = list(dict.fromkeys(key for row in rows for key in row))
                stream = io.BytesIO()
                pq.write_table(pa.table({key: [row.get(key) for row in rows] for key in keys}), stream)
                self._files[name] = run.history, stream.getvalue()
            return self._files[name][1]


def _matches(run: StubRun, filters: Mapping[str, Any]) -> bool:
    """Whether a run passes a filter in the language of MongoDB, as far as the tests use it."""
    values = {"state": run.state, "sweep": run.sweep, "createdAt": run.created, "tags": run.tags, "name": run.id}

    def one(key: str, wanted: Any) -> bool:
        if key in ("$and", "$or"):
            return (all if key == "$and" else any)(_matches(run, part) for part in wanted)
        value = values.get(key, run.config.get(key.removeprefix("config.").removesuffix(".value")))
        if not isinstance(wanted, Mapping):
            return bool(wanted in value if isinstance(value, list) else value == wanted)
        compare: dict[str, Callable[[Any], bool]] = {
            "$gte": lambda w: value is not None and _moment(value) >= _moment(w),
            "$in": lambda w: value in w,
            "$ne": lambda w: value != w,
            "$regex": lambda w: re.search(w, str(value)) is not None,
        }
        return all(compare[name](operand) for name, operand in wanted.items())

    return all(one(key, wanted) for key, wanted in filters.items())


def _moment(value: Any) -> Any:
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server_of: WandbServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        owner = self.server_of
        owner.headers.append(self.headers.get("Authorization", ""))
        asked = json.loads(body)
        query, variables = asked.get("query", ""), asked.get("variables") or {}
        found = re.search(r"(?:query|mutation)\s+(\w+)", query)
        operation = found[1] if found else "?"
        owner.requests.append((operation, variables))
        if self._goes_wrong(operation):
            return
        try:
            answer: dict[str, Any] = {"data": owner.answer(query, variables)}
            status = 200
        except PermissionError as error:
            answer, status = {"errors": [{"message": str(error)}]}, 403
        except ValueError as error:
            answer, status = {"errors": [{"message": str(error)}]}, 400
        self._send(status, json.dumps(answer).encode(), "application/json")

    def do_GET(self) -> None:
        owner = self.server_of
        if self._goes_wrong("parquet"):
            return
        name = self.path.rpartition("/")[2].removesuffix(".parquet")
        if name not in owner.runs:
            self._send(404, b"no such file", "text/plain")
            return
        self._send(200, owner.parquet_file(name), "application/octet-stream")

    def _goes_wrong(self, operation: str) -> bool:
        """Wait as long as an answer takes; whether it was a bad one, which then has been given."""
        owner = self.server_of
        if owner.latency:
            time.sleep(owner.latency)
        fault = owner.next_fault(operation)
        if fault is None:
            return False
        if fault in ("429", "500"):
            self._send(int(fault), b'{"errors": [{"message": "try again"}]}', "application/json")
        elif fault == "garbage":
            self._send(200, b'{"data": {"project": ', "application/json")
        elif fault == "half":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b'{"data": ')
            self.wfile.flush()
            self.close_connection = True
        elif fault == "slow":
            time.sleep(5.0)
            self.close_connection = True
        else:
            self.close_connection = True
        return True

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def flaky(share: float, seed: int = 0, kinds: Sequence[Fault] = ("429", "500", "drop")) -> Callable[[str, int], Any]:
    """A fault that strikes `share` of the requests, each by its number, after the login."""

    def fault(operation: str, number: int) -> Fault | None:
        dice = random.Random(seed * 1_000_003 + number)
        return dice.choice(list(kinds)) if operation != "Viewer" and dice.random() < share else None

    return fault
