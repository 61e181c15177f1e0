"""A regular file, as it was when it was found: another one that took its place is not read."""

from __future__ import annotations

import io
import os
import sys
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normcli.errors import DataError, NormcliError
from normcli.storage.faults import system_errors
from normcli.words import shown

if TYPE_CHECKING:
    from pyarrow import NativeFile

MOST_HELD = 32  # more could use up the descriptors of a process
_held: deque[Callable[[], object]] = deque()  # each closes one


@dataclass(frozen=True)
class File:
    """A regular file; picklable, so that any process can open it.

    name: for messages. device, inode: which file it is. held: another path to the same file,
        which stays when the file is replaced or deleted; "" if there is none.
    """

    path: Path
    name: str
    device: int
    inode: int
    held: str = ""

    @classmethod
    def found(cls, path: Path, name: str, status: os.stat_result) -> File:
        """The file of that status at a path."""
        return cls(path, name, status.st_dev, status.st_ino)

    def hold(self, owner: object) -> File:
        """The same, held open while `owner` lives, unless many more are held after it.

        Even if it is deleted, no new file can have its inode as long as it is held.
        """
        with self.open() as file:
            descriptor = os.dup(file.fileno())
        _held.append(weakref.finalize(owner, os.close, descriptor))
        if len(_held) > MOST_HELD:
            _held.popleft()()
        return replace(self, held=path_of(descriptor) or "")

    def open(self) -> io.FileIO:
        """The bytes; raises NormcliError where another file is there now, or OSError."""
        file: io.FileIO = self._opened(io.FileIO)
        return file

    def open_file(self) -> NativeFile:
        """The bytes, for reading and seeking, from any thread; raises as `open` does."""
        import pyarrow as pa

        return self._opened(pa.OSFile)

    def _opened(self, open_: Callable[[str], Any]) -> Any:
        if self.held:
            with suppress(OSError, NormcliError):
                return self._checked(open_(self.held))
        return self._checked(open_(str(self.path)))

    def _checked(self, file: Any) -> Any:
        status = os.fstat(file.fileno())
        if (status.st_dev, status.st_ino) != (self.device, self.inode):
            file.close()
            raise replaced(self.name)
        return file

    def range(self, start: int, length: int) -> bytes:
        """Some of the bytes; raises DataError where they are not there any more."""
        with system_errors("read", self.name), self.open() as file:
            file.seek(start)
            data = file.read(length)
        if len(data) < length:
            raise DataError(f"{self.name} has become shorter while being read; try again")
        return data


def replaced(name: str) -> NormcliError:
    """The error for an input that was replaced."""
    return NormcliError(f"{shown(name)} was replaced while being read; try again")


def path_of(descriptor: int) -> str | None:
    """A path by which any process of this user can open the file of `descriptor`.

    Linux has one even for a file without a name. Elsewhere the result is None.
    """
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    return path if sys.platform == "linux" and os.access(path, os.R_OK) else None
