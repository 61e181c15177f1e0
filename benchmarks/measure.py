"""Whole processes, measured: wall and CPU seconds, and the memory of all of them together."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

INTERVAL = 0.02  # seconds between two looks at the memory


class RunError(Exception):
    """The command did not do its work; the message says why."""


@dataclass(frozen=True)
class Run:
    """wall, cpu: seconds, cpu with that of all child processes. peak: bytes, None if unknown."""

    wall: float
    cpu: float
    peak: int | None = None


def run(
    command: Sequence[str],
    pipe: tuple[Path, Path] | None = None,
    output: Path | None = None,
    *,
    memory: bool = False,
) -> Run:
    """Run `command` to its end.

    pipe: stdin is a pipe from the first file, stdout a pipe to the second.
    output: the file that stdout is, if not a pipe.
    memory: look at the memory as it runs. This takes time from what it looks at, so such a
        run is not one to be timed.
    """
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(open(os.memfd_create("stderr"), "w+b"))
        source, sink = _ends(stack, pipe, output)
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=source, stdout=sink, stderr=errors, env=_environment()
        )
        for end in (source, sink):
            if pipe and not isinstance(end, int):
                end.close()  # ours; so that each end of a pipe is seen by the other
        peak = _watch(process.pid) if memory else None
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise RunError(_last_line(errors.read()) or f"exit code {process.returncode}")
    return Run(wall, usage.ru_utime + usage.ru_stime, peak)


def _environment() -> dict[str, str]:
    """As users have it: packages are compiled once, not in every run."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _ends(
    stack: contextlib.ExitStack, pipe: tuple[Path, Path] | None, output: Path | None
) -> tuple[IO[bytes] | int, IO[bytes] | int]:
    """What stdin and stdout of the command are."""
    if pipe is None:
        return subprocess.DEVNULL, stack.enter_context(output.open("wb")) if output else (
            subprocess.DEVNULL
        )
    written = stack.enter_context(pipe[1].open("wb"))
    before = stack.enter_context(subprocess.Popen(["cat", pipe[0]], stdout=subprocess.PIPE))
    after = stack.enter_context(subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=written))
    assert before.stdout is not None
    assert after.stdin is not None
    return before.stdout, after.stdin


def _last_line(text: bytes) -> str:
    return text.decode(errors="replace").strip().rpartition("\n")[2][:200]


def _watch(pid: int) -> int | None:
    """The most memory that a process and those below it had, until it ended (not yet reaped)."""
    peak = None
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        found = [pss for each in _tree(pid) if (pss := _pss(each)) is not None]
        peak = max(peak or 0, sum(found)) if found else peak
        time.sleep(INTERVAL)
    return peak


def _tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    with contextlib.suppress(OSError):  # it has ended
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from _tree(int(child))


def _pss(pid: int) -> int | None:
    """Proportional set size: a page that n processes share counts 1/n in each of them."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return None
