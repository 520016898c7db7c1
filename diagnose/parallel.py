"""Work over many items in several processes: results in the order of the items, one bad item never stops the rest.

The processes are spawned, not forked, so that no lock of another thread is inherited; where the caller is a script, it
must guard its entry with `if __name__ == "__main__"`, as `multiprocessing` asks.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from diagnose.errors import SettingsError

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_CHUNK = 32
"""Items that a process takes at once: enough that the passing to and fro costs little."""

AHEAD = 4
"""Chunks per process that are under way or wait to be fetched, so that results do not pile up behind a slow item."""


MOST_JOBS = 256
"""Processes; more are a typing error."""


class Lost:
    """The process that worked on an item ended without an answer."""


class CannotStartError(Exception):
    """No process can be started at all."""


def workers(jobs: int | str) -> int:
    """The number of processes that `--jobs` asks for. Raises SettingsError for what is none."""
    if jobs == "auto":
        return cores()
    if isinstance(jobs, bool) or not (isinstance(jobs, int) or jobs.isdecimal()) or not 1 <= int(jobs) <= MOST_JOBS:
        raise SettingsError(f"jobs: {jobs!r} is no number of processes from 1 to {MOST_JOBS}; or say auto")
    return int(jobs)


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: int,
    *,
    prepare: Callable[..., None],
    arguments: tuple[Any, ...] = (),
    most_chunk: int = MOST_CHUNK,
) -> Iterator[Result | Lost]:
    """`work(item)` for every item, in order, by `jobs` processes; `Lost` for an item that killed its process.

    work, prepare: functions of a module; `prepare(*arguments)` is called once in each process.
    most_chunk: items that a process takes at once; 1 where each takes seconds.
    What `work` raises is raised here: it should answer with its failures instead. Raises CannotStartError where a
    process ends before it has any work.
    """
    size = max(1, min(most_chunk, len(items) // (4 * jobs)))
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    done = 0
    while done < len(chunks):
        with _pool(min(jobs, len(chunks) - done), prepare, arguments) as pool:
            for results in _answers(pool, work, chunks[done:], AHEAD * jobs):
                yield from results
                done += 1
        if done < len(chunks):  # the pool broke; whose fault it was, shows when each item has a pool of its own
            for item in chunks[done]:
                with _pool(1, prepare, arguments) as pool:
                    if next(_answers(pool, work, [[]], 1), None) is None:
                        raise CannotStartError
                    yield from next(_answers(pool, work, [[item]], 1), [Lost()])
            done += 1


def _answers(
    pool: ProcessPoolExecutor, work: Callable[[Item], Result], chunks: Sequence[Sequence[Item]], ahead: int
) -> Iterator[list[Result]]:
    """The results of chunk after chunk, until the pool breaks."""
    waiting: list[Future[list[Result]]] = []
    with contextlib.suppress(BrokenProcessPool):
        for chunk in chunks:
            waiting.append(pool.submit(_chunk, work, chunk))
            if len(waiting) >= ahead:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()


def _chunk(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [work(item) for item in items]


@contextlib.contextmanager
def _pool(jobs: int, prepare: Callable[..., None], arguments: tuple[Any, ...]) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes end with the block, at once where it is left by an exception (Ctrl-C)."""
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(prepare, arguments))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    pool.shutdown(wait=True, cancel_futures=True)


def _begin(prepare: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Start of a process: Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare(*arguments)


@contextlib.contextmanager
def cluster(scheduler: str | None) -> Iterator[Any]:
    """A client of the dask scheduler at that address. Raises SettingsError where there is none."""
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise SettingsError(
            "--backend dask needs dask, which is not installed; pip install 'training-diagnose[dask]'"
        ) from error
    if scheduler is None:
        raise SettingsError("--backend dask needs the address of a scheduler: --scheduler tcp://HOST:8786")
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, TimeoutError, ValueError) as error:
        raise SettingsError(
            f"no dask scheduler answers at {scheduler} ({error}); start one with `dask scheduler`, and workers with "
            "`dask worker`, in environments that have training-diagnose[all]"
        ) from error
    with client:
        yield client
