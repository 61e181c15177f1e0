"""One run at a time changes a file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from normcli.errors import NormcliError
from normcli.storage import stores
from normcli.storage.faults import system_errors
from normcli.storage.outputs import write_atomic
from normcli.storage.sources import source
from normcli.words import shown


@dataclass(frozen=True)
class Old:
    """What a file or object holds.

    content: None: there is none. version: of an object in a store.
    """

    target: str
    content: bytes | None
    version: str | None = None

    @classmethod
    def of(cls, target: str) -> Old:
        """What is there now; raises NormcliError where it cannot be read."""
        target = stores.local_path(target)
        version = stores.version_of(target) if stores.is_uri(target) else None
        if version is None and not os.path.lexists(target):
            return cls(target, None)
        with source(target).open() as file:
            return cls(target, file.read(), version)

    def replace(self, content: bytes) -> None:
        """Write something else in its place.

        Raises: NormcliError where that cannot be, or an object is not the same any more.
        """
        if stores.is_uri(self.target) and stores.version_of(self.target) != self.version:
            raise NormcliError(
                f"{shown(self.target)} was changed by somebody else meanwhile; run this again"
            )
        write_atomic(self.target, content)


@contextmanager
def changing(target: str) -> Iterator[Old]:
    """What a file or object holds, while no other run on this machine changes it.

    Others wait for a lock of the file's directory. An object in a store cannot be locked; see
    `Old.replace`.
    """
    path = stores.local_path(target)
    if stores.is_uri(path):
        yield Old.of(target)
        return
    directory = str(Path(os.path.realpath(path)).parent)
    descriptor = system_errors("open", directory)(os.open)(directory, os.O_RDONLY)
    try:
        system_errors("lock", directory)(fcntl.flock)(descriptor, fcntl.LOCK_EX)
        yield Old.of(target)
    finally:
        os.close(descriptor)
