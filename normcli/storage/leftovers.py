"""Temporary files beside a target: their names, and which of them a killed run has left.

A run holds a lock on its temporary file until that has its final name. The system drops the lock
when the run ends, however it ends; so a temporary file of this machine that can be locked is
nobody's any more. Those of other machines, whose locks may not be seen here, are left alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_HERE = f".normcli-{zlib.crc32(os.uname().nodename.encode()):08x}-"


def temporary_in(directory: Path) -> Path:
    """A path for a new temporary file, which nobody can foresee; removes what others left."""
    _remove_leftovers(directory)
    return directory / f"{_HERE}{os.urandom(8).hex()}.tmp"


def created(path: Path, create: Callable[[], int]) -> int:
    """The descriptor of a new temporary file or directory, locked as long as it is open.

    create: makes and opens it. Between that and its lock, another run that starts now may take
        it for a leftover; then it is made again.
    """
    while True:
        descriptor = create()
        try:
            if _lock(descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        _remove(str(path))


def _lock(descriptor: int) -> bool:
    """Lock a new file; False where another run has taken it for a leftover."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Without locks on this file system, nobody can take it for one.
        return not isinstance(error, BlockingIOError)
    return os.fstat(descriptor).st_nlink > 0


def _remove_leftovers(directory: Path) -> None:
    with suppress(OSError), os.scandir(directory) as entries:
        found = [e.path for e in entries if e.name.startswith(_HERE) and e.name.endswith(".tmp")]
        for path in found:
            with suppress(OSError):
                _remove_unless_locked(path)


def _remove_unless_locked(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    """Remove a file or a directory, if it is there and may be removed."""
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        os.unlink(path)
