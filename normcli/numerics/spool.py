"""Arrays of integers in a temporary file, for input that can be read only once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Generic, TypeVar

import numpy as np

from normcli.errors import NormcliError
from normcli.numerics.cells import Cells

Key = TypeVar("Key")


@dataclass
class Spool(Generic[Key]):
    """Cells of single numbers, 8 bytes each, and 8 more where some of them are equal.

    The file is deleted when it is closed, or with this process.
    """

    file: IO[bytes] = field(default_factory=lambda: _temporary())
    parts: list[tuple[Key, int, bool]] = field(default_factory=list)

    def write(self, key: Key, cells: Cells) -> None:
        """Add some numbers of a column."""
        if not len(cells):
            return
        with _errors():
            self.file.write(cells.keys.tobytes())
            if cells.several is not None:
                self.file.write(cells.several.tobytes())
        self.parts.append((key, len(cells), cells.several is not None))

    def read(self) -> Iterator[tuple[Key, Cells]]:
        """All that was written, in order."""
        with _errors():
            self.file.seek(0)
        for key, length, repeats in self.parts:
            with _errors():
                found = np.frombuffer(self.file.read(8 * length * (1 + repeats)), np.int64)
            keys, several = found[:length], found[length:] if repeats else None
            yield key, Cells(0, keys, several, int(keys[0]), int(keys[-1]))


def _temporary() -> IO[bytes]:
    with _errors():
        return tempfile.TemporaryFile()


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NormcliError(
            f"cannot spool numbers to {tempfile.gettempdir()} (TMPDIR): {error.strerror or error}"
        ) from error
