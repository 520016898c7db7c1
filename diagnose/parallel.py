"""Work over many items: in processes or threads here, or on the workers of a cluster; in order, or as it comes.

list(in_order(len, ["a", "bc"], Processes(2)))                  # [1, 2]
dict(as_it_comes(len, ["a", "bc"], Cluster("tcp://10.0.0.1:8786")))    # {"bc": 2, "a": 1}

One bad item never stops the rest: where it kills its process, its answer is `Lost`. What `work` raises is raised here,
so it should answer with its failures instead. An exception where the answers are taken (Ctrl-C) ends the work at once.

Processes are spawned, not forked, so that no lock of another thread is inherited; where the caller is a script, it must
guard its entry with `if __name__ == "__main__"`, as `multiprocessing` asks.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from diagnose import extras
from diagnose.errors import SettingsError

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_CHUNK = 32
"""Items that a process takes at once: enough that the passing to and fro costs little."""

AHEAD = 4
"""Chunks per worker that are under way or wait to be fetched, so that results do not pile up behind a slow item."""

MOST_JOBS = 256
"""Processes; more are a typing error."""

PATIENCE = 10.0
"""Seconds until a scheduler has answered, and until its cluster has a worker."""


class Lost:
    """The process that worked on an item ended without an answer."""


class CannotStartError(Exception):
    """No process can be started at all."""


@dataclass(frozen=True)
class Processes:
    """Processes on this machine; of one job, this process.

    prepare: a function of a module; `prepare(*arguments)` is called once in each process.
    most_chunk: items that a process takes at once; 1 where each takes seconds.
    """

    jobs: int
    prepare: Callable[..., None] | None = None
    arguments: tuple[Any, ...] = ()
    most_chunk: int = MOST_CHUNK

    def chunk(self, items: int) -> int:
        """How many of so many items a process takes at once."""
        return max(1, min(self.most_chunk, items // (4 * self.jobs)))

    @contextlib.contextmanager
    def opened(self, chunks: int) -> Iterator[tuple[Executor, int]]:
        """What takes work, for at most so many chunks, and how many chunks may be under way."""
        if self.jobs == 1:
            if self.prepare is not None:
                self.prepare(*self.arguments)
            yield _Here(), 1
            return
        begin = (self.prepare, self.arguments)
        with _pool(min(self.jobs, chunks), begin) as pool:
            yield pool, AHEAD * self.jobs


@dataclass(frozen=True)
class Threads:
    """Threads of this process, for work that waits for others."""

    jobs: int

    def chunk(self, items: int) -> int:
        """One item at a time."""
        return 1

    @contextlib.contextmanager
    def opened(self, chunks: int) -> Iterator[tuple[Executor, int]]:
        """What takes work, for at most so many chunks, and how many chunks may be under way."""
        from multiprocessing.pool import ThreadPool

        # Not those of concurrent.futures, which Python joins at its end: after Ctrl-C nobody waits for a slow server.
        with ThreadPool(min(self.jobs, chunks)) as pool:
            yield _OfPool(pool), AHEAD * self.jobs


@dataclass(frozen=True)
class Cluster:
    """The workers of a dask scheduler, at an address such as tcp://10.0.0.1:8786.

    most_chunk: items that a worker takes at once; more than 1 where each takes milliseconds.
    """

    scheduler: str | None
    most_chunk: int = 1

    def chunk(self, items: int) -> int:
        """How many of so many items a worker takes at once: as many chunks as keep a few dozen threads at work."""
        return max(1, min(self.most_chunk, items // 128))

    @contextlib.contextmanager
    def opened(self, chunks: int) -> Iterator[tuple[Executor, int]]:
        """What takes work, and how many chunks may be under way. Raises SettingsError where there is no cluster."""
        with _client(self.scheduler) as client:
            executor = client.get_executor(pure=False)  # the same work twice is two answers
            try:
                yield executor, AHEAD * self._threads(client, executor)
            finally:
                executor.shutdown(wait=False)

    def _threads(self, client: Any, executor: Executor) -> int:
        """How many items the workers take at a time. Raises SettingsError where there is none to take any."""
        if not client.nthreads():
            try:
                executor.submit(os.getpid).result(PATIENCE)  # a cluster that grows on demand starts a worker for it
            except TimeoutError as error:
                raise SettingsError(
                    f"the dask scheduler at {self.scheduler} has no workers; start some: `dask worker {self.scheduler}`"
                ) from error
        return sum(client.nthreads().values())


Where = Processes | Threads | Cluster


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


def in_order(work: Callable[[Item], Result], items: Sequence[Item], where: Where) -> Iterator[Result | Lost]:
    """`work(item)` for every item, in the order of the items; `Lost` for one that killed its process.

    work: a function of a module, or a partial of one, where it has to travel to a process.
    Raises CannotStartError where a process ends before it has any work, SettingsError where there is no cluster.
    """
    return (answer for _, answer in _spread(work, items, where, ordered=True))


def as_it_comes(
    work: Callable[[Item], Result], items: Sequence[Item], where: Where
) -> Iterator[tuple[Item, Result | Lost]]:
    """Every item with its answer, see `in_order`, as soon as it is there."""
    return _spread(work, items, where, ordered=False)


def _spread(
    work: Callable[[Item], Result], items: Sequence[Item], where: Where, *, ordered: bool
) -> Iterator[tuple[Item, Result | Lost]]:
    size = where.chunk(len(items))
    left = {start: items[start : start + size] for start in range(0, len(items), size)}
    while left:
        with where.opened(len(left)) as (executor, ahead):
            for place, answers in _finished(executor, work, dict(left), ahead, ordered=ordered):
                chunk = left.pop(place)
                if len(chunk) == 1 or not isinstance(answers[0], Lost):
                    yield from zip(chunk, answers, strict=True)
                    continue
                for item in chunk:  # one of them did it
                    yield item, _answers(executor.submit(_chunk, work, [item]), 1)[0]
        if left:  # the pool broke; whose fault it was, shows when each item has a pool of its own
            for item in left.pop(min(left)):
                yield item, _alone(work, item, where)


def _finished(
    executor: Executor,
    work: Callable[[Item], Result],
    chunks: dict[int, Sequence[Item]],
    ahead: int,
    *,
    ordered: bool,
) -> Iterator[tuple[int, list[Result] | list[Lost]]]:
    """The place of chunk after chunk and its answers, until the pool breaks."""
    todo = iter(chunks.items())
    waiting: dict[Future[list[Result]], int] = {}
    with contextlib.suppress(BrokenExecutor):
        while True:
            for place, chunk in islice(todo, ahead - len(waiting)):
                waiting[executor.submit(_chunk, work, chunk)] = place
            if not waiting:
                return
            first = list(waiting)[:1] if ordered else waiting
            done = wait(first, return_when=FIRST_COMPLETED).done
            for future in sorted(done, key=lambda future: (_broke(future), waiting[future])):
                place = waiting.pop(future)
                yield place, _answers(future, len(chunks[place]))


def _chunk(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    return [work(item) for item in items]


def _broke(future: Future[Any]) -> bool:
    return not future.cancelled() and isinstance(future.exception(), BrokenExecutor)


def _answers(future: Future[list[Result]], items: int) -> list[Result] | list[Lost]:
    """What came of a chunk. Raises what `work` raised, BrokenExecutor, and SettingsError where a worker of a cluster
    does not have the code.
    """
    fault = None if future.cancelled() else future.exception()
    if type(fault).__name__ == "KilledWorker":  # of dask, which stays unloaded
        return [Lost()] * items
    if isinstance(fault, ImportError):
        raise SettingsError(f"a worker lacks a package ({fault}); install training-diagnose[all] where it runs")
    return future.result()


def _alone(work: Callable[[Item], Result], item: Item, where: Where) -> Result | Lost:
    """The answer of an item that has a process for itself. Raises CannotStartError."""
    with where.opened(1) as (executor, _):
        try:
            executor.submit(_chunk, work, ()).result()
        except BrokenExecutor:
            raise CannotStartError from None
        try:
            return executor.submit(work, item).result()
        except BrokenExecutor:
            return Lost()


class _Here(Executor):
    """Does the work at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class _OfPool(Executor):
    """Gives the work to a pool of `multiprocessing`."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        found: Future[Any] = Future()
        self.pool.apply_async(fn, args, kwargs, found.set_result, found.set_exception)
        return found


@contextlib.contextmanager
def _pool(jobs: int, begin: tuple[Callable[..., None] | None, tuple[Any, ...]]) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes end with the block, at once where it is left by an exception (Ctrl-C)."""
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=begin)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    pool.shutdown(wait=True, cancel_futures=True)


def _begin(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """Start of a process: Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if prepare is not None:
        prepare(*arguments)


@contextlib.contextmanager
def _client(scheduler: str | None) -> Iterator[Any]:
    """A client of the dask scheduler at that address. Raises SettingsError where there is none."""
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise SettingsError(extras.missing("--backend dask needs dask", "dask")) from error
    if scheduler is None:
        raise SettingsError("--backend dask needs the address of a scheduler: --scheduler tcp://HOST:8786")
    try:
        client = Client(scheduler, timeout=PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        raise SettingsError(
            f"no dask scheduler answers at {scheduler} ({error}); start one with `dask scheduler`, and workers with "
            "`dask worker`, in environments that have training-diagnose[all]"
        ) from error
    with client:
        yield client
