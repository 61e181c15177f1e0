"""A Dask cluster on 127.0.0.1: a real scheduler and real workers, of which nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PATIENCE = 60  # seconds; a busy machine is no failure
PYTHON_M = [sys.executable, "-m"]


@contextmanager
def started(
    *arguments: object, stderr: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """``python -m`` something in a process group of its own, of which nothing is left.

    stderr: as `Popen` has it; no pipe for a log that nobody reads: when it is full, a scheduler
        stands still, and all who ask it wait for ever.
    """
    process = subprocess.Popen(
        [*PYTHON_M, *map(str, arguments)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        # A shell starts what is in its background with Ctrl-C ignored; not so here.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(is_so: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "it has never been so"
        time.sleep(0.05)


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler, and its address."""
    file = folder / "scheduler.json"
    options = ("--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--scheduler-file", file)
    with started("distributed.cli.dask_scheduler", *options) as process:
        until(lambda: file.exists() and file.read_text().endswith("}"))
        yield json.loads(file.read_text())["address"], process


@contextmanager
def workers(address: str, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many workers, each a process that nobody starts again."""
    options = ("--nthreads", 1, "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
    with ExitStack() as stack:
        command = ("distributed.cli.dask_worker", address, *options)
        yield [stack.enter_context(started(*command)) for _ in range(count)]
