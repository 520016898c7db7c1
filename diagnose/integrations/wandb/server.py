"""Runs on a Weights & Biases server, through the official client: listed with what tells a changed run from an
unchanged one, and read with their whole history.

server = Server()                                    # WANDB_BASE_URL, WANDB_API_KEY, netrc: as the client finds them
for listed in server.runs(parse("team/project")):
    table = server.read(listed)

The server answers through the client's own process; it may be called from several threads. No key is ever part of a
message.
"""

from __future__ import annotations

import math
import os
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from diagnose import extras, limits
from diagnose.errors import ReadError
from diagnose.readers.tables.names import printable
from diagnose.readers.tables.records import table_from_records
from diagnose.readers.tables.table import Table

FORMAT = "wandb"

ENDED = frozenset(["finished", "crashed", "failed", "killed"])
"""States in which nothing more is logged."""

PAGE_RUNS = 500
"""Runs listed with one request; without their configuration they are small."""

PAGE_WHOLE = 100
"""Runs listed with one request, with their configuration."""

PAGE_ROWS = 1000
"""Rows of a history asked for at a time, the client's own number."""

MOST_SAMPLES = 10_000
"""Rows asked for where the server has no whole history to give."""

TIMEOUT = 60
"""Seconds for which the client waits for its own process."""


class ServerError(ReadError):
    """The server, or the way to it, failed: another time the answer may be another."""


@dataclass(frozen=True)
class Address:
    """What the user named: a project, or a run or a sweep in it. No entity: that of the key."""

    project: str
    entity: str = ""
    run: str = ""
    sweep: str = ""


@dataclass(frozen=True)
class Listed:
    """What the list of runs says of one.

    heartbeat: when it last logged, as the server writes it. rows: those of its history. handle: the client's own
    object, which saves a request; it is not sent to other machines.
    """

    entity: str
    project: str
    id: str
    name: str
    state: str
    sweep: str
    url: str
    heartbeat: str
    rows: int
    tags: tuple[str, ...] = ()
    handle: Any = field(default=None, compare=False, repr=False)

    @property
    def path(self) -> str:
        """`entity/project/id`."""
        return f"{self.entity}/{self.project}/{self.id}"

    @property
    def ended(self) -> bool:
        """Whether nothing more will be logged."""
        return self.state in ENDED

    @property
    def fingerprint(self) -> str:
        """Changes where the run went on, was resumed, or was renamed."""
        return f"{self.state}|{self.heartbeat}|{self.rows}|{self.name}"


def parse(text: str) -> Address:
    """The address in `entity/project`, `entity/project/run`, `entity/project/sweeps/sweep`, or in that of a page.

    Raises ReadError for what is none.
    """
    path = urlsplit(text).path if "://" in text else text
    parts = [part for part in path.split("/") if part]
    kind = next((word for word in ("runs", "sweeps") if word in parts[1:]), "")
    if kind:
        at = parts.index(kind, 1)
        parts, last = parts[:at], parts[at + 1 : at + 2]
    else:
        parts = parts[:-1] if len(parts) > 2 and parts[-1] in ("workspace", "table", "overview") else parts
        last = []
        if len(parts) == 3 and "://" not in text:
            parts, last = parts[:2], parts[2:]
    if "://" in text:
        parts = parts[-2:]  # some servers have a path of their own in front
    if not parts or len(parts) > 2 or (kind and not last):
        raise ReadError(
            "this names no project; say entity/project, entity/project/RUN, or paste the address of its page"
        )
    entity, project = parts if len(parts) == 2 else ("", parts[0])
    name = last[0] if last else ""
    return Address(project, entity, run="" if kind == "sweeps" else name, sweep=name if kind == "sweeps" else "")


class Server:
    """The W&B server that the environment names. Raises ReadError where it cannot be reached, or knows no key."""

    def __init__(self) -> None:
        try:
            import wandb
        except ImportError as error:
            raise ReadError(extras.missing("this needs the W&B client", "wandb")) from error
        from diagnose.integrations.wandb import _private

        self._private = _private
        _private.limit_patience()
        os.environ.setdefault("WANDB_SILENT", "true")
        self._secret = os.environ.get("WANDB_API_KEY", "")
        try:
            self.api: Any = wandb.Api(timeout=TIMEOUT)
        except Exception as error:
            raise ServerError(self.said(error)) from error
        self._secret = self.api.api_key or self._secret
        self.url = str(self.api.settings["base_url"])
        self._lock = threading.Lock()

    def entity_of(self, address: Address) -> str:
        """The entity of an address, that of the key where it names none."""
        if address.entity:
            return address.entity
        try:
            return str(self.api.default_entity or "")
        except Exception as error:
            raise ServerError(self.said(error)) from error

    def runs(
        self, address: Address, filters: Mapping[str, Any] | None = None, *, whole: bool = False
    ) -> Iterator[Listed]:
        """The runs of a project, oldest first; those of the sweep, or the one run, where the address names one.

        filters: in the query language of W&B. whole: with their configuration, which saves a request for each run that
        is then read. Raises ReadError where there is no such project.
        """
        entity = self.entity_of(address)
        place = f"{entity}/{address.project}"
        if address.sweep:
            filters = {"$and": [{"sweep": address.sweep}, filters]} if filters else {"sweep": address.sweep}
        try:
            if address.run:
                yield self._listed(self.api.run(f"{place}/{address.run}"))
                return
            size = PAGE_WHOLE if whole else PAGE_RUNS
            for run in self.api.runs(place, filters=dict(filters or {}), per_page=size, lazy=not whole):
                yield self._listed(run)
        except GeneratorExit:
            raise
        except Exception as error:
            what = f"run {address.run} in {place}" if address.run else f"project {place}"
            said = self.said(error, missing=f"no {what} on {self.url}, or no permission to read it")
            kind = ReadError if self._is_final(error) else ServerError
            raise kind(said) from error

    def read(self, listed: Listed, samples: int | None = None) -> Table:
        """The history and the configuration of a run.

        samples: rows to be content with; None for all. Raises ReadError where the run is no training log, ServerError
        where it could not be had.
        """
        try:
            run = listed.handle if listed.handle is not None else self._run(listed)
            config = dict(run.config)
            rows, notes = self._history(run, listed, samples)
            table = table_from_records(
                map(_row, rows),
                FORMAT,
                name=printable(listed.name or listed.id),
                axis="_step",
                config=_described(listed) | config,
                notes=(*notes, *_ending(listed)),
            )
            return replace(table, columns=dict(sorted(table.columns.items())))  # the client has them in any order
        except ServerError:
            raise
        except ReadError as error:
            if listed.rows == 0:
                raise ReadError("the run logged no history") from error
            raise
        except Exception as error:
            raise ServerError(self.said(error, missing=f"no run {listed.path} on {self.url}")) from error

    def _listed(self, run: Any) -> Listed:
        """What the client's run says."""
        heartbeat, rows = self._private.extent(run)
        return Listed(
            entity=printable(str(run.entity)),
            project=printable(str(run.project)),
            id=printable(str(run.id)),
            name=printable(str(run.name or run.id)),
            state=str(run.state),
            sweep=str(run.sweep_name or ""),
            url=str(run.url),
            heartbeat=heartbeat,
            rows=rows,
            tags=tuple(map(str, run.tags or ())),
            handle=run,
        )

    def _run(self, listed: Listed) -> Any:
        with self._lock:  # the client keeps the runs that it made
            run = self.api.run(listed.path)
            self.api.flush()
        return run

    def _history(self, run: Any, listed: Listed, samples: int | None) -> tuple[Any, list[str]]:
        """The rows, and a note where they are a sample."""
        if samples is not None:
            return self._sample(run, listed, samples, "as was asked")
        last = run.summary.get("_step") if listed.rows else 0
        sparse = max(1, math.ceil((last + 1) / listed.rows)) if isinstance(last, int) and listed.rows else 1
        try:
            return _in_time(lambda: self._whole(run, PAGE_ROWS * sparse)), []
        except Exception as error:
            if not self._private.gives_no_export(error):
                raise
        return self._sample(run, listed, MOST_SAMPLES, "since this server gives no whole history")

    def _whole(self, run: Any, rows: int) -> list[Any]:
        """All rows of the history, asked for `rows` at a time."""
        return list(self._private.quickened(run.scan_history(page_size=rows, use_cache=False)))

    def _sample(self, run: Any, listed: Listed, samples: int, why: str) -> tuple[Any, list[str]]:
        rows = _in_time(lambda: list(run.history(samples=samples, pandas=False)))
        if len(rows) >= listed.rows:
            return rows, []
        return rows, [f"read from a sample of {len(rows)} of {listed.rows} rows, {why}"]

    def _is_final(self, error: BaseException) -> bool:
        """Whether asking again yields the same: there is no such thing, or the key is wrong."""
        refused = self._private.http_status(error) in (400, 401, 403, 404)
        return refused or bool(re.search(r"could not find|permission|api.?key|authent", str(error), re.IGNORECASE))

    def said(self, error: BaseException, missing: str = "") -> str:
        """One line on what the client, or the server, complained of."""
        text = str(error).strip() or type(error).__name__
        status = self._private.http_status(error)
        if self._secret:
            text = text.replace(self._secret, "...")
        text = re.sub(r"[0-9a-f]{40,}", "...", text)
        if re.search(r"could not find (run|project)", text, re.IGNORECASE) or status == 404:
            return missing or f"not found on the server: {text}"
        if status in (401, 403) or "permission denied" in text:
            return f"no permission (HTTP {status or 403}): check the key (`wandb login`, WANDB_API_KEY) and the address"
        if "No API key" in text or "authentication" in text.casefold() or "api_key" in text.casefold():
            return f"W&B knows no key, or not this one: `wandb login`, or set WANDB_API_KEY ({_short(text)})"
        if isinstance(error, (KeyError, TypeError, IndexError, AttributeError)):
            return f"the server's answer makes no sense ({type(error).__name__}: {_short(text)})"
        return _short(text)


def _in_time(work: Callable[[], list[Any]]) -> list[Any]:
    """What the work yields, which the client does for as long as a download takes: its patience is for questions only.

    Raises ServerError where nothing came in time; the client is then left to itself.
    """
    seconds = limits.current().server_seconds
    answer: queue.SimpleQueue[tuple[list[Any], BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer.put((work(), None))
        except BaseException as error:
            answer.put(([], error))

    threading.Thread(target=run, daemon=True).start()
    try:
        found, error = answer.get(timeout=seconds)
    except queue.Empty:
        raise ServerError(f"no history within {limits.said('server_seconds', 'seconds')}") from None
    if error is not None:
        raise error
    return found


def _short(text: str) -> str:
    """The beginning of a text, on one line."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= 200 else f"{line[:200]}..."


def _row(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row without what was not logged: exported histories have a null there."""
    return {key: value for key, value in row.items() if value is not None}


def _described(listed: Listed) -> dict[str, Any]:
    """What the run is called on the server, as the binary log says it."""
    known = {"run_id": listed.id, "project": listed.project, "tags": list(listed.tags), "sweep": listed.sweep}
    return {"wandb": {key: value for key, value in known.items() if value}}


def _ending(listed: Listed) -> Sequence[str]:
    """How the run ended, where not well."""
    if listed.state == "finished":
        return ()
    return (f"the run is in state {printable(listed.state)}: {'it ended so' if listed.ended else 'more may come'}",)
