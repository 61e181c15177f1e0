"""Signals that end the program: it unwinds, so that temporary files and workers are removed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

# What the system sends for a fault in the program: to go on after it is not possible.
_FAULTS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}
# These do not end a program, or cannot be caught.
_OTHERS = {
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
    *(signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH),
}
ENDING = frozenset(signal.valid_signals()) - _FAULTS - _OTHERS
# A terminal sends these to all processes of a command.
_OF_TERMINALS = {signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)


def unwind_on_signals() -> None:
    """From now on, a signal that would end this process raises an exception in it.

    A signal that is ignored, as under nohup, stays ignored.
    """
    for number in ENDING:
        if signal.getsignal(number) in _DEFAULTS:
            with suppress(OSError):  # macOS does not let all of them be caught
                signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """Unwind; a second signal, as when a terminal is closed, does not interrupt that."""
    for each in ENDING:
        if signal.getsignal(each) is _end:
            signal.signal(each, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@contextmanager
def held() -> Iterator[None]:
    """Let no signal reach a new process before it has set its signal handlers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_as_worker() -> None:
    """In a new worker process: leave those signals to the parent that it receives, too."""
    for number in ENDING:
        if number in _OF_TERMINALS:
            signal.signal(number, signal.SIG_IGN)
        elif signal.getsignal(number) is _end:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
