"""The engine that runs on a Dask cluster: a running one, or one of processes on this machine.

Items, work and results are plain data and functions of this package. Dask pickles them in transit,
so whoever controls the scheduler controls this program and the workers.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from normcli import signals
from normcli.engines.local import Item, Ready, Result, Results, always
from normcli.engines.memory import keep_freed_memory
from normcli.errors import NormcliError, UsageError
from normcli.words import shown

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster, Security

ANSWER = 10  # seconds within which a scheduler must answer
PATIENCE = 60  # seconds to wait if there is no worker: a cluster may still be growing
LOOK = 0.5  # seconds between two checks of the cluster
AHEAD = 8  # items in progress per thread of the workers
FEWEST = 32  # items in progress, at least


@dataclass(frozen=True)
class Dask:
    """An ordered map over the workers of a cluster.

    If a worker dies, its items go to the others, so an item may be processed twice, or by two
    workers at the same time.

    idle: called every `LOOK` seconds while waiting.
    """

    client: Client
    idle: Callable[[], None] | None = None

    def map(
        self, work: Callable[[Item], Result], items: Iterable[Item], ready: Ready = always
    ) -> Results[Result]:
        """`work` of every item, as `Engine.map`.

        Raises: NormcliError also if the scheduler is lost, no worker is left, or one item has
        killed several workers.
        """
        waiting = iter(items)
        pending: deque[tuple[Item, Future[Any]]] = deque()
        try:
            while True:
                more = list(islice(waiting, max(0, self._room() - len(pending))))
                with _lost():
                    futures = self.client.map(partial(_run, work), more, pure=False)
                pending += zip(more, futures, strict=True)
                if not pending:
                    return
                for _ in range(-(-len(pending) // 2)):  # asking for each one separately takes time
                    yield self._result(*pending[0])
                    pending.popleft()
        finally:
            with suppress(Exception):  # the cluster may be gone, which was reported
                self.client.cancel([future for _, future in pending], force=True)

    def _room(self) -> int:
        """How many items should be in progress; a cluster may grow or shrink."""
        with _lost():
            threads: int = sum(self.client.nthreads().values())
        return max(FEWEST, AHEAD * threads)

    def _result(self, item: Item, future: Future[Any]) -> Any:
        from distributed import KilledWorker

        with _lost():
            self._wait(future)
            try:
                done = future.result()
            except KilledWorker as error:
                raise NormcliError(
                    f"{item}: the worker that processed it died, and so did the next ones: "
                    "they were killed, or ran out of memory\nTheir logs may say why"
                ) from error
        if isinstance(done, _Failed):
            raise done.error
        return done

    def _wait(self, future: Future[Any]) -> None:
        """Wait until it is done; raises NormcliError if there is no worker to do it."""
        from distributed import wait

        seen = time.monotonic()
        while not future.done():
            with suppress(TimeoutError):
                wait([future], timeout=LOOK)
                return
            if self.idle is not None:
                self.idle()
            if self.client.nthreads():
                seen = time.monotonic()
            elif time.monotonic() > seen + PATIENCE:
                raise NormcliError(f"there has been no worker for {PATIENCE} s: start some")


@dataclass(frozen=True)
class _Failed:
    """The result of an item whose work has failed."""

    error: Exception


def _run(work: Callable[[Any], Any], item: Any) -> Any:
    """The work of a worker. An error in it is returned as a value: it is ours, not Dask's."""
    keep_freed_memory()  # by default Dask returns it at once, which takes half of the time
    try:
        return work(item)
    except NormcliError as error:
        return _Failed(error)
    except Exception as error:
        error.add_note(traceback.format_exc())  # which is not transferred otherwise
        return _Failed(error)


@contextmanager
def _lost() -> Iterator[None]:
    """Raise NormcliError if the scheduler is gone."""
    from concurrent.futures import CancelledError

    try:
        yield
    except (CancelledError, OSError, TimeoutError) as error:
        raise NormcliError("the connection to the Dask scheduler was lost; try again") from error


@contextmanager
def dask(
    scheduler: str | None, jobs: int, idle: Callable[[], None] | None = None
) -> Iterator[Dask]:
    """The engine on the cluster of `scheduler` or, if that is None, on `jobs` local processes.

    idle: as in `Dask`.

    Raises: UsageError if Dask is not installed or `scheduler` is not an address, NormcliError
    if it does not answer, or has another version of this package.
    """
    try:
        import cryptography  # noqa: F401  # for the keys of a cluster of our own
        import distributed
    except ImportError as error:
        raise UsageError(
            f"--engine dask needs Dask ({error})\nTo install it: pip install 'normcli[dask]'"
        ) from error
    _silence()
    with ExitStack() as stack:
        security = distributed.Security()  # from Dask's configuration
        if scheduler is None:
            security = distributed.Security.temporary()
            scheduler = stack.enter_context(_local_cluster(jobs, security)).scheduler_address
        client = stack.enter_context(_client(scheduler, security))
        _refuse_other_versions(client)
        yield Dask(client, idle)


def _refuse_other_versions(client: Client) -> None:
    """Raise NormcliError if the scheduler or a worker does not have this version of normcli.

    A worker that cannot read what it receives would end silently, and so would the next.
    """
    from importlib.metadata import PackageNotFoundError, version

    here = version("normcli")
    with _lost():
        found = client.run(version, "normcli", on_error="return")
        try:
            found["the scheduler"] = client.run_on_scheduler(version, "normcli")
        except PackageNotFoundError as error:
            found["the scheduler"] = error
    for who, there in found.items():
        if there != here:
            has = f"normcli {there}" if isinstance(there, str) else "no normcli"
            raise NormcliError(
                f"{who} has {has}, but this machine has {here}\n"
                f"On all machines of the cluster, run: pip install normcli=={here}"
            )


def _silence() -> None:
    """Keep Dask from logging to our stderr: normcli reports what matters."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("distributed", "tornado")):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@contextmanager
def _local_cluster(jobs: int, security: Security) -> Iterator[LocalCluster]:
    """A scheduler and workers on this machine, which end with this process.

    security: has its own keys; otherwise other users of the machine could send work too.
    """
    from multiprocessing import resource_tracker

    from distributed import LocalCluster

    try:
        # A terminal sends Ctrl-C to all processes, but this one must end the others, and must
        # know all of them: what is started here inherits what is blocked.
        resource_tracker.ensure_running()  # else the first worker starts it, which unblocks Ctrl-C
        with signals.held():
            cluster = LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                host="127.0.0.1",
                protocol="tls://",
                security=security,
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
                memory_limit=None,  # our memory use does not grow
                silence_logs=logging.CRITICAL + 1,
            )
    except (OSError, RuntimeError, TimeoutError) as error:
        raise NormcliError(
            f"cannot start the Dask workers: {error}\nTry fewer: --jobs 1"
        ) from error
    try:
        yield cluster
    finally:
        cluster.close(timeout=ANSWER)


async def _greet(address: str, security: dict[str, Any]) -> None:
    """Connect once, in limited time: a client would wait for ever for a silent server."""
    from distributed.comm.core import connect

    comm = await asyncio.wait_for(connect(address, timeout=ANSWER, **security), ANSWER)
    comm.abort()


@contextmanager
def _client(address: str, security: Security) -> Iterator[Client]:
    """A client of the scheduler at an address."""
    from distributed import Client

    try:
        asyncio.run(_greet(address, security.get_connection_args("client")))
        client = Client(address, timeout=ANSWER, security=security)
    except ValueError as error:
        raise UsageError(
            f"--scheduler {shown(address)} is not an address, such as tcp://HOST:8786"
        ) from error
    except Exception as error:  # the answer of some other program can cause any error
        raise NormcliError(
            f"the Dask scheduler {shown(address)} does not answer\n"
            "Is it running, and is this the address that `dask scheduler` printed?"
        ) from error
    try:
        yield client
    finally:
        with suppress(Exception):  # the first error is the one that matters
            client.close(timeout=ANSWER)
