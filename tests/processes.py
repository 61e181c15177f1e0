"""Programs that are started, watched, and stopped at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PATIENCE = 60  # seconds; a busy machine is no failure
PYTHON_M = [sys.executable, "-m"]


@contextmanager
def started(*arguments: object, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """``python -m`` something in a process group of its own, which is killed at the end.

    options: of `Popen`. Use no pipe that nobody reads: when it is full, the writer blocks.
    """
    process = subprocess.Popen(
        [*PYTHON_M, *map(str, arguments)],
        start_new_session=True,
        preexec_fn=_receive_signals,
        **options,  # type: ignore[call-overload]  # a dictionary of many types
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def _receive_signals() -> None:
    """Undo what a shell does for what is in its background, and nohup."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until the condition is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)
