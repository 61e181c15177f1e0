"""Ways to run the same work over many items: ordered maps, which know no method and no format."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, Protocol, TypeVar

from normcli.errors import NormcliError

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_JOBS = 256  # as fast as anything can be written that they make
SLOT = 32 << 20  # bytes of shared memory for the payload of one result; touched as needed


class Engine(Protocol):
    """An ordered map: results come in the order of the items, whoever made them."""

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[Result, None, None]:
        """`work` of every item; close the generator to end early.

        The first item whose work fails raises its error, after the results before it. A
        result may lie in memory that is used again: it is valid until the next is asked for.
        """
        ...


class Serial:
    """One after the other, in this process."""

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[Result, None, None]:
        """`work` of every item."""
        yield from map(work, items)


@dataclass(frozen=True)
class Processes:
    """Several worker processes, forked from this one when there is enough to do.

    jobs: how many. Items and results travel through pipes; but for the bytes of a result's
    field ``payload``, which travel in memory that all share.
    """

    jobs: int

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[Result, None, None]:
        """`work` of every item; few items are not worth a process.

        The first is done here before the next is asked for: what it teaches the caller, and
        imports, the workers need not find out each for itself.
        """
        failed: list[NormcliError] = []
        yield from self._map(work, _until_failure(items, failed))
        if failed:
            raise failed[0]

    def _map(
        self, work: Callable[[Item], Result], waiting: Iterator[Item]
    ) -> Generator[Result, None, None]:
        yield from map(work, islice(waiting, 1))
        first = list(islice(waiting, self.jobs + 1))
        if len(first) <= self.jobs or not can_fork():
            yield from map(work, chain(first, waiting))
            return
        import multiprocessing

        with _starting():
            slots = [mmap.mmap(-1, SLOT) for _ in range(2 * self.jobs)]
        pool = ProcessPoolExecutor(
            self.jobs,
            multiprocessing.get_context("fork"),
            initializer=_start_worker,
            initargs=(work, slots, os.getpid()),
        )
        try:
            yield from _in_order(pool, slots, chain(first, waiting))
        except BrokenProcessPool as error:
            raise NormcliError(
                "a worker process died: killed, or out of memory\nTry fewer at a time: --jobs 1"
            ) from error
        finally:
            _stop(pool)


def _until_failure(items: Iterable[Item], failed: list[NormcliError]) -> Iterator[Item]:
    """The items before the one that fails; its error is kept: what fails before comes first."""
    try:
        yield from items
    except NormcliError as error:
        failed.append(error)


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Say in our words that the system gives no memory or no processes."""
    try:
        yield
    except OSError as error:
        raise NormcliError(
            f"cannot start the worker processes: {error.strerror or error}\n"
            "Try fewer at a time: --jobs 1"
        ) from error


def engine(jobs: int) -> Engine:
    """The engine for so many jobs."""
    return Processes(min(jobs, MOST_JOBS)) if jobs > 1 else Serial()


def can_fork() -> bool:
    """Is forking safe here? On macOS system libraries do not survive it."""
    return sys.platform.startswith("linux")


def _in_order(
    pool: ProcessPoolExecutor, slots: list[mmap.mmap], items: Iterator[Any]
) -> Iterator[Any]:
    """The results in order; as many items are under way as there are slots."""
    free = deque(range(len(slots)))
    pending: deque[tuple[int, Future[tuple[Any, int]]]] = deque()
    more = True
    while more or pending:
        while more and free:
            for item in islice(items, 1):
                slot = free.popleft()
                with _starting():
                    pending.append((slot, pool.submit(_run, slot, item)))
                break
            else:
                more = False
        if pending:
            slot, future = pending.popleft()
            yield _received(future.result(), slots[slot])
            free.append(slot)


def _received(sent: tuple[Any, int], slot: mmap.mmap) -> Any:
    """A result, with its payload where the worker has left it."""
    result, length = sent
    return replace(result, payload=memoryview(slot)[:length]) if length else result


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the workers, whatever they are at."""
    workers = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        with contextlib.suppress(OSError, ValueError):
            worker.terminate()
    for worker in workers:
        worker.join()


# In a worker ---------------------------------------------------------------------------

_work: Callable[[Any], Any]
_slots: list[mmap.mmap]


def _start_worker(work: Callable[[Any], Any], slots: list[mmap.mmap], parent: int) -> None:
    global _work, _slots
    _work, _slots = work, slots
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees it, and ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()


def _die_with(parent: int) -> None:
    """End this process when its parent is gone without a word, as after kill -9."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _run(slot: int, item: Any) -> tuple[Any, int]:
    """The result without its payload, and how many bytes of that are in the slot."""
    result = _work(item)
    payload = getattr(result, "payload", None)
    if not isinstance(payload, bytes | memoryview):
        return result, 0
    if not 0 < len(payload) <= SLOT:
        return replace(result, payload=bytes(payload)), 0
    memoryview(_slots[slot])[: len(payload)] = payload
    return replace(result, payload=b""), len(payload)
