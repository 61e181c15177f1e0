"""Numbers in a temporary file, for input that can be read only once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Generic, TypeVar

import numpy as np

from normcli.errors import NormcliError

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats

Key = TypeVar("Key")


@dataclass
class Spool(Generic[Key]):
    """Columns of float64, a part after the other, 8 bytes a number.

    The file is deleted when it is closed, or with this process.
    """

    file: IO[bytes] = field(default_factory=lambda: _temporary())
    parts: list[tuple[Key, int]] = field(default_factory=list)

    def write(self, key: Key, x: Floats) -> None:
        """Add some numbers of a column."""
        with _errors():
            self.file.write(x.tobytes())
        self.parts.append((key, len(x)))

    def read(self) -> Iterator[tuple[Key, Floats]]:
        """All that was written, in order."""
        with _errors():
            self.file.seek(0)
        for key, length in self.parts:
            with _errors():
                yield key, np.frombuffer(self.file.read(8 * length), np.float64)


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
