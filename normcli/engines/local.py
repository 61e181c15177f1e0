"""Engines: ordered maps of work over many items, which know no method and no format."""

from __future__ import annotations

import contextlib
import mmap
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from normcli import signals
from normcli.errors import NormcliError, until_failure

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

Item = TypeVar("Item")
Result = TypeVar("Result")
Results = Generator[Result, None, None]
Ready = Callable[[], bool]

MOST_JOBS = 256  # more would produce results faster than they can be written
SLOT = 32 << 20  # bytes of shared memory for the payload of one result; allocated as needed
AHEAD = 2  # items of a worker: one in progress, and one that waits or is done


def always() -> bool:
    """Nobody else has to be waited for."""
    return True


class Engine(Protocol):
    """An ordered map: results come in the order of the items, whichever worker made them."""

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item], ready: Ready = always
    ) -> Results[Result]:
        """`work` of every item; close the generator to end early.

        ready: can the next item be had without waiting for somebody else? Where it cannot, the
            results of all items before it are given first.

        The first item whose work fails raises its error, after the results before it. The
        memory of a result may be reused: it is valid until the next result is requested.
        """
        ...


@dataclass(frozen=True)
class Serial:
    """One after the other, in this process."""

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item], ready: Ready = always
    ) -> Results[Result]:
        """`work` of every item."""
        yield from map(work, items)


@dataclass(frozen=True)
class Overlapped:
    """One after the other, in threads: one item is read while another is worked on or used.

    For work that mostly runs without Python's lock.
    """

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item], ready: Ready = always
    ) -> Results[Result]:
        """`work` of every item."""
        with contextlib.closing(_ahead(items)) as read:
            yield from _ahead(map(work, read))


def _ahead(items: Iterable[Item]) -> Results[Item]:
    """The items; while one is used, a thread prepares the next ones: one is ready, one is made."""
    from concurrent.futures import ThreadPoolExecutor

    waiting = iter(items)

    def make() -> list[Item]:
        return list(islice(waiting, 1))

    with ThreadPoolExecutor(1) as pool:
        ready = deque(pool.submit(make) for _ in range(2))
        try:
            while found := ready.popleft().result():
                ready.append(pool.submit(make))
                yield found[0]
        finally:
            for each in ready:
                each.cancel()


@dataclass(frozen=True)
class Processes:
    """Several worker processes, forked from this one if there is enough work.

    jobs: how many. Items and results are sent through pipes, except the bytes of a result's
    field ``payload``, which are in shared memory.
    """

    jobs: int

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item], ready: Ready = always
    ) -> Results[Result]:
        """`work` of every item; for a few items no process is started.

        The first is done here before the next is requested: the workers inherit what it
        imports, and what the caller learns from it.
        """
        failed: list[NormcliError] = []
        yield from self._map(work, until_failure(items, failed), ready)
        if failed:
            raise failed[0]

    def _map(
        self, work: Callable[[Item], Result], waiting: Iterator[Item], ready: Ready
    ) -> Results[Result]:
        yield from map(work, islice(waiting, 1))
        first: list[Item] = []
        for item in waiting:
            first.append(item)
            if not can_fork() or not ready():
                yield from map(work, first)
                first.clear()
            elif len(first) > self.jobs:
                break
        if len(first) <= self.jobs:
            yield from map(work, first)
            return
        workers: list[_Worker] = []
        try:
            for _ in range(self.jobs):
                workers.append(_Worker(work, workers))
            yield from _in_order(workers, chain(first, waiting), ready)
        finally:
            for worker in workers:
                worker.stop()


@dataclass(frozen=True)
class Threads:
    """Several threads, for work that runs mostly without Python's lock.

    jobs: how many. free: is the work still like that? If not, `otherwise` does the rest.
    """

    jobs: int
    free: Callable[[], bool]
    otherwise: Engine

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item], ready: Ready = always
    ) -> Results[Result]:
        """`work` of every item; the first is done before the next is requested."""
        failed: list[NormcliError] = []
        waiting = until_failure(items, failed)
        yield from map(work, islice(waiting, 1))
        yield from self._in_threads(work, waiting, ready)
        yield from self.otherwise.map(work, waiting, ready)
        if failed:
            raise failed[0]

    def _in_threads(
        self, work: Callable[[Item], Result], waiting: Iterator[Item], ready: Ready
    ) -> Iterator[Result]:
        """`work` of the items that are waiting, as long as it is free."""
        from concurrent.futures import Future, ThreadPoolExecutor

        begun: deque[Future[Result]] = deque()
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                while self.free() and (item := list(islice(waiting, 1))):
                    begun.append(pool.submit(work, *item))
                    while len(begun) > self.jobs or (begun and not ready()):
                        yield begun.popleft().result()
                while begun:
                    yield begun.popleft().result()
            finally:
                for each in begun:
                    each.cancel()


def engine(jobs: int) -> Engine:
    """The engine for `jobs` processes."""
    return Processes(min(jobs, MOST_JOBS)) if jobs > 1 else Serial()


def can_fork() -> bool:
    """Is forking safe here? On macOS, system libraries do not support it."""
    return sys.platform.startswith("linux")


def _in_order(workers: list[_Worker], items: Iterator[Any], ready: Ready) -> Iterator[Any]:
    """The results in order; a worker that has finished an item gets the next."""
    from multiprocessing.connection import wait

    by_pipe: dict[object, _Worker] = {worker.pipe: worker for worker in workers}
    free = deque(workers * AHEAD)
    done: dict[int, tuple[_Worker, int, Any]] = {}
    sent = yielded = 0

    def receive(seconds: float | None) -> None:
        for pipe in wait([worker.pipe for worker in workers], seconds):
            number, slot, result = by_pipe[pipe].receive()
            done[number] = by_pipe[pipe], slot, result

    while True:
        while free and yielded not in done and (yielded == sent or ready()):
            for item in islice(items, 1):
                free.popleft().send(sent, item)
                sent += 1
                receive(0)
                break
            else:
                break
        if yielded == sent:
            return
        while yielded not in done:
            receive(None)
        worker, slot, result = done.pop(yielded)
        yield worker.opened(slot, result)
        worker.slots.append(slot)
        free.append(worker)
        yielded += 1


class _Worker:
    """A process that does `work`, seen from its parent."""

    def __init__(self, work: Callable[[Any], Any], others: list[_Worker]) -> None:
        """Start it; raises NormcliError if the system refuses memory or processes."""
        import multiprocessing

        context = multiprocessing.get_context("fork")
        try:
            self.memory = [mmap.mmap(-1, SLOT) for _ in range(AHEAD)]
            self.slots = list(range(AHEAD))
            self.pipe, theirs = context.Pipe()
            inherited = [self.pipe, *(other.pipe for other in others)]
            arguments = (work, theirs, self.memory, inherited)
            self.process: ForkProcess = context.Process(target=_work, args=arguments, daemon=True)
            with signals.held():
                self.process.start()
        except OSError as error:
            raise NormcliError(
                f"cannot start the worker processes: {error.strerror or error}\nTry fewer: --jobs 1"
            ) from error
        theirs.close()

    def send(self, number: int, item: Any) -> None:
        """Give it an item; raises NormcliError if it has died."""
        with self._alive():
            self.pipe.send((number, self.slots.pop(), item))

    def receive(self) -> tuple[int, int, Any]:
        """Number and slot of an item, and the result, for `opened`."""
        with self._alive():
            received: tuple[int, int, Any] = self.pipe.recv()
        return received

    def opened(self, slot: int, result: tuple[Any, int] | BaseException) -> Any:
        """A result together with its payload; raises the error that the work raised."""
        if isinstance(result, BaseException):
            raise result
        value, length = result
        return replace(value, payload=memoryview(self.memory[slot])[:length]) if length else value

    @contextlib.contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError) as error:
            raise NormcliError(
                "a worker process died: killed, or out of memory\nTry fewer: --jobs 1"
            ) from error

    def stop(self) -> None:
        """End it, even while it works."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


# In a worker ---------------------------------------------------------------------------


def _work(
    work: Callable[[Any], Any],
    pipe: Connection,
    memory: list[mmap.mmap],
    inherited: list[Connection],
) -> None:
    """Do `work` on every item from the pipe, until that is closed."""
    signals.end_as_worker()  # the parent receives them, and ends us
    for parents in inherited:  # while we held the other end, it would never be closed
        parents.close()
    items: queue.SimpleQueue[tuple[int, int, Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, items), daemon=True).start()
    while True:
        number, slot, item = items.get()
        try:
            result: Any = _result(work(item), memory[slot])
        except Exception as error:
            result = error
        pipe.send((number, slot, result))


def _receive(pipe: Connection, items: queue.SimpleQueue[tuple[int, int, Any]]) -> None:
    """Pass items on, so that the parent never waits; end with it, even after a kill -9."""
    while True:
        try:
            items.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(1)


def _result(result: Any, slot: mmap.mmap) -> tuple[Any, int]:
    """The result without its payload, and how many bytes of that are in the slot."""
    payload = getattr(result, "payload", None)
    if not isinstance(payload, bytes | memoryview):
        return result, 0
    if not 0 < len(payload) <= SLOT:
        return replace(result, payload=bytes(payload)), 0
    memoryview(slot)[: len(payload)] = payload
    return replace(result, payload=b""), len(payload)
