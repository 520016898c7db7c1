"""One line in any training loop: what is logged is judged while the training goes on.

    watch = diagnose.watch(config=config)
    for step, batch in enumerate(loader):
        ...
        watch.log(step=step, train_loss=loss)
        if watch.should_stop:
            break
    report = watch.finish()

`log` never raises and never waits for an accelerator. What is found is told through the logger `diagnose`.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from diagnose.live.pace import Every, Pace

if TYPE_CHECKING:
    from diagnose.api import Report
    from diagnose.curves import Run
    from diagnose.live.hearing import News
    from diagnose.rule import Diagnosis, Finding

LOGGER = logging.getLogger("diagnose")

READ_EVERY = 64
"""Rows whose tensors on an accelerator are read together."""

READ_AFTER = 5.0
"""Seconds after which they are read in any case."""

VERSION = 1
"""Of the state."""

OnError = Literal["warn", "stop"] | Callable[["Finding"], Any]


class Watch:
    """Judges what a training logs, as it goes on.

    The arguments are those of `diagnose.watch`. rank: of this process among those that train together; only rank 0
    judges, the others tell of a value that is NaN or infinite.
    """

    def __init__(
        self,
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
    ) -> None:
        from diagnose.judging.source import Wanted
        from diagnose.live.hearing import Hearing
        from diagnose.live.history import History
        from diagnose.live.notify import Notifier
        from diagnose.live.trackers import trackers

        if on_error not in ("warn", "stop") and not callable(on_error):
            raise ValueError(f"on_error: {on_error!r} is neither 'warn', 'stop' nor a function")
        self._on_error: OnError = on_error
        _ready()
        self._wanted = Wanted.of(select=select, ignore=ignore, thresholds=thresholds, config=config).without_baseline()
        self._report = None if report is None else Path(report)
        self.log_to = log_to
        trackers(log_to)  # what is no tracker is refused here, and not in the middle of the training
        self._addresses = [notify] if isinstance(notify, str) else list(notify)
        self._notifier = Notifier(self._addresses)
        self.rank = int(os.environ.get("RANK", "0") or 0)
        self._history = History()
        self._hearing = Hearing(total)
        self._pace = Pace(every)
        self._waiting: list[dict[str, Any]] = []
        self._kept = False
        self._read_at = time.monotonic()
        self._odd: set[str] = set()
        self._checked: set[str] = set()
        self._stop = False
        self._broken = False

    # --- in the loop

    def log(self, metrics: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Take what one step, or one epoch, has measured: floats, or tensors and arrays of no dimension.

        Names are those that a log may have (`train_loss`, `val/accuracy`); `step` or `epoch` say where it was. What is
        no number is passed over.
        """
        try:
            if metrics:
                named = {**metrics, **named}
            self._log(named)
        except Exception as fault:
            self._fault(fault)

    def check(self, **named: Any) -> None:
        """Take values that are no points of a curve, such as the loss of a batch where the epoch's is judged, and tell
        of one that is NaN or infinite. `step` or `epoch` say where it was.
        """
        try:
            self._checked.update(name for name in named if name not in ("step", "epoch"))
            self._log(named)
        except Exception as fault:
            self._fault(fault)

    @property
    def should_stop(self) -> bool:
        """Whether the training is to stop: only where `on_error` asks for it."""
        return self._stop

    def finish(self) -> Report:
        """Judge the whole run, tell how it stands, write the report, and wait for what is still being sent.

        Of a run of which nothing can be judged the report has an error and no diagnosis.
        """
        from diagnose.api import Report

        said = Report()
        try:
            said = self._finished()
        except Exception as fault:
            self._fault(fault)
        return said

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings that were told and not taken back."""
        return self._hearing.standing

    @property
    def total(self) -> float | None:
        """How far the run is to go, in the unit of its axis; None where nobody knows."""
        return self._hearing.total

    @total.setter
    def total(self, total: float | None) -> None:
        self._hearing.total = total

    def configure(self, config: Mapping[str, Any]) -> None:
        """Take hyperparameters that are known only now, below those that were given. What cannot be read is told."""
        from diagnose.names.config import normalise

        try:
            self._wanted = replace(self._wanted, config={**normalise(config), **self._wanted.config})
        except Exception as fault:
            self._fault(fault)

    # --- with the checkpoint

    def state_dict(self) -> dict[str, Any]:
        """What was logged and told, as plain values that JSON and `torch.save` can hold."""
        try:
            self._read()
        except Exception as fault:
            self._fault(fault)
        return {
            "version": VERSION,
            "history": self._history.state(),
            "told": self._hearing.state(),
            "stop": self._stop,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`: the run is one run. A state that is none is told, and nothing is gone on from."""
        try:
            if state.get("version") != VERSION:
                raise ValueError(f"the state is of version {state.get('version')!r}, not {VERSION}")
            self._history.restore(state["history"])
            self._hearing.restore(state["told"])
            self._stop = bool(state["stop"]) and self._on_error != "warn"
            self._pace.resumed(self._history.rows)
        except Exception as fault:
            self._fault(fault)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what is being sent, and trackers, which belong to the process."""
        state = dict(self.__dict__)
        state["_notifier"] = None
        state["log_to"] = None if self.log_to is None else "auto"
        state["_waiting"], state["_kept"] = [dict(row) for row in self._waiting], False
        _read_together(state["_waiting"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        from diagnose.live.notify import Notifier

        self.__dict__.update(state)
        self._notifier = Notifier(self._addresses)

    # --- inside

    def _log(self, values: dict[str, Any]) -> None:
        odd = ""
        others: list[str] = []
        for name, value in values.items():
            if type(value) is not float:
                others.append(name)
            elif value - value != 0.0 and name not in self._odd:  # NaN, or infinite
                odd = name
        if others:
            odd = self._convert(values, others) or odd
        self._waiting.append(values)
        if odd:
            self._seen(odd, values)
            return
        waiting = len(self._waiting)
        if self.rank == 0 and self._history.rows + waiting >= self._pace.next and self._due(waiting):
            self._look()
        elif waiting >= READ_EVERY:
            self._read()

    def _convert(self, values: dict[str, Any], names: Sequence[str]) -> str:
        """Make floats of what is none, or leave what is read later, and take out the rest; the name of one that is
        not finite, or "".
        """
        odd = ""
        for name in names:
            taken = _taken(values[name])
            if taken is None:
                del values[name]
                continue
            values[name] = taken
            if type(taken) is not float:
                self._kept = True
            elif taken - taken != 0.0 and name not in self._odd:
                odd = name
        return odd

    def _due(self, waiting: int) -> bool:
        """Whether to look now; where tensors wait on an accelerator, not before there are many or they are old."""
        if self._kept and waiting < READ_EVERY and time.monotonic() - self._read_at <= READ_AFTER:
            return False
        return self._pace.due(self._history.rows + waiting)

    def _read(self) -> None:
        """Put what waits into the history; tensors of an accelerator are read together."""
        waiting, self._waiting = self._waiting, []
        odd = None
        if self._kept:
            self._kept = False
            self._read_at = time.monotonic()
            _read_together(waiting)
            found = ((name, row) for row in waiting for name, value in row.items() if value - value != 0.0)
            odd = next(((name, row) for name, row in found if name not in self._odd), None)
        if self.rank == 0:
            checked = self._checked
            self._history.add([row for row in waiting if row and not checked & row.keys()] if checked else waiting)
        if odd:
            self._seen(*odd)

    def _seen(self, name: str, row: Mapping[str, Any]) -> None:
        """A value that is NaN or infinite, for the first time under its name: look at once.

        Of a loss it is told in any case: another rank than 0 does not judge, and where a loss is logged by the epoch
        too, what is judged is known at the end of the epoch only.
        """
        self._odd.add(name)
        if self.rank == 0:
            self._look()
        told = any(finding.rule == "non-finite" for finding in self.findings)
        if told or not (name in self._checked or _is_loss(name)):
            return
        of_rank = f"rank {self.rank}, " if self.rank else ""
        LOGGER.warning("diagnose: %s%s: %s is %s", of_rank, _place(row), name, row[name])
        self._stop = self._stop or self._on_error == "stop"

    def _look(self) -> None:
        began = time.perf_counter()
        self._read()
        diagnosis = self._judged()
        if diagnosis is not None:
            self._tell(self._hearing.look(diagnosis, self._judge))
        self._pace.looked(self._history.rows, time.perf_counter() - began)

    def _judged(self) -> Diagnosis | None:
        """The diagnosis of what was logged so far; None where that is too little."""
        from diagnose.errors import ReadError

        try:
            (run, *_) = self._runs()
        except ReadError:
            return None
        return self._judge(run)

    def _judge(self, run: Run) -> Diagnosis | None:
        from diagnose.judging.source import outcome_of

        diagnoses = outcome_of(lambda: [run], self._wanted).diagnoses
        return diagnoses[0] if diagnoses else None

    def _runs(self) -> list[Run]:
        """What was logged so far as a run, read as a file would be. Raises ReadError where that is too little."""
        from diagnose.errors import ReadError
        from diagnose.live.early import first_points
        from diagnose.readers import from_tables

        table = self._history.table(name="live")
        try:
            return from_tables([table], "live")
        except ReadError:
            run = first_points(table)  # a NaN in the first points need not wait for a curve
            if run is None:
                raise
            return [run]

    def _tell(self, news: Sequence[News]) -> None:
        from diagnose.live.trackers import trackers, written
        from diagnose.live.words import lines
        from diagnose.rule import Severity

        for each in news:
            LOGGER.warning("%s", "\n".join(f"diagnose: {line}" for line in lines(each)))
            self._notifier(each)
            if each.kind != "gone" and each.finding.severity is Severity.ERROR:
                self._react(each.finding)
        if news:
            written(trackers(self.log_to), news)

    def _react(self, finding: Finding) -> None:
        """Do what the caller wants done at an error."""
        if self._on_error == "stop" or (callable(self._on_error) and self._on_error(finding)):
            self._stop = True

    def _finished(self) -> Report:
        from diagnose.api import Report
        from diagnose.judging.source import outcome_of
        from diagnose.report import SourceError
        from diagnose.reports.context import Context

        if self.rank:
            return Report()
        self._read()
        judged = outcome_of(self._runs, self._wanted)
        errors = (SourceError("live", judged.error),) if judged.error else ()
        report = Report(tuple(judged.diagnoses), errors)
        for diagnosis in judged.diagnoses:
            self._tell(self._hearing.end(diagnosis))
        if self._report is not None:
            from diagnose import reports

            form = reports.format_of(str(self._report))
            self._report.write_text(reports.rendered(report, form, Context())[0], encoding="utf-8")
        self._notifier.finish()
        if self._notifier.failed:
            LOGGER.warning("diagnose: %d messages could not be sent", self._notifier.failed)
        return report

    def _fault(self, fault: Exception) -> None:
        """Tell of an exception of ours, once; the training goes on."""
        if self._broken:
            return
        self._broken = True
        traceback = os.environ.get("DIAGNOSE_TRACEBACK")
        LOGGER.warning(
            "diagnose: a fault in diagnose (%s: %s); the training goes on; DIAGNOSE_TRACEBACK=1 shows where it was",
            type(fault).__name__,
            fault,
            exc_info=fault if traceback else None,
        )


@functools.cache
def _ready() -> None:
    """Load what judging needs, once in a process: that takes longer than a look, and no step is to wait for it."""
    from diagnose.judging.source import Wanted, outcome_of
    from diagnose.live.history import History
    from diagnose.readers import from_tables

    history = History()
    history.add([{"step": float(step), "train_loss": 1.0 / (1.0 + step)} for step in range(8)])
    outcome_of(lambda: from_tables([history.table()], "live"), Wanted.of())


def _taken(value: Any) -> Any:
    """A value as a float; a tensor of an accelerator as a copy of its own that is read later; None for anything else.

    A tensor is copied because the loop may change it in place, and cut off the graph that it would hold.
    """
    if type(value) is int:
        return _number(value)
    if isinstance(value, bool | str | bytes) or value is None:
        return None
    if hasattr(value, "detach"):
        if getattr(value, "numel", lambda: 0)() != 1:
            return None
        value = value.detach()
        return float(value) if value.device.type == "cpu" else value.clone()
    if hasattr(value, "block_until_ready"):  # an array of JAX, which nobody can change
        return value if getattr(value, "size", 0) == 1 else None
    return _number(value)


def _number(value: Any) -> float | None:
    """A value as a float, of an accelerator too; None where it is no number."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return None


def _read_together(rows: Sequence[dict[str, Any]]) -> None:
    """Make floats of what stands in the rows; tensors of one kind cross over at once."""
    kept: dict[tuple[str, str], list[tuple[dict[str, Any], str]]] = {}
    for row in rows:
        for name, value in row.items():
            if hasattr(value, "clone"):
                kept.setdefault((str(value.device), str(value.dtype)), []).append((row, name))
            elif type(value) is not float:
                row[name] = _number(value) or 0.0
    for places in kept.values():
        stacked = sys.modules["torch"].stack([row[name].reshape(()) for row, name in places])
        for (row, name), value in zip(places, stacked.tolist(), strict=True):
            row[name] = float(value)


def _is_loss(name: str) -> bool:
    from diagnose.names import roles

    return roles.parse(name).quantity == "loss"


def _place(row: Mapping[str, Any]) -> str:
    """Where a row was: `step 12`."""
    found = (f"{name} {row[name]:g}" for name in ("step", "epoch") if isinstance(row.get(name), float))
    return next(found, "no step")
