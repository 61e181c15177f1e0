"""Tables of flatbuffers, as the messages of Arrow IPC are made of.

What is out of bounds is a struct.error. Fields are numbered as they stand in the definitions in
https://github.com/apache/arrow/tree/main/format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator


class FlatTable:
    """A table in a flatbuffer."""

    def __init__(self, data: bytes | bytearray, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - number("<i", data, at)

    @classmethod
    def root(cls, data: bytes | bytearray, start: int = 0) -> FlatTable:
        """The table that a flatbuffer, which begins at byte `start`, is about."""
        return cls(data, start + number("<I", data, start))

    def place(self, field: int) -> int:
        """At which byte a field is; 0 where it is absent."""
        slot = 4 + 2 * field
        if slot >= number("<H", self._data, self._fields):
            return 0
        offset = number("<H", self._data, self._fields + slot)
        return self._at + offset if offset else 0

    def number(self, format_: str, field: int) -> int:
        """A field that is a number; 0 where it is absent."""
        at = self.place(field)
        return number(format_, self._data, at) if at else 0

    def table(self, field: int) -> FlatTable | None:
        """A field that is a table itself."""
        at = self.place(field)
        return FlatTable(self._data, self._target(at)) if at else None

    def tables(self, field: int) -> Iterator[FlatTable]:
        """The tables of a vector."""
        for at in self._items(field, 4):
            yield FlatTable(self._data, self._target(at))

    def structs(self, field: int, format_: str) -> Iterator[tuple[int, ...]]:
        """The structs of a vector."""
        for at in self._items(field, struct.calcsize(format_)):
            yield struct.unpack_from(format_, self._data, at)

    def _items(self, field: int, size: int) -> range:
        at = self.place(field)
        if not at:
            return range(0)
        start = self._target(at)
        count = number("<I", self._data, start)
        if start + 4 + count * size > len(self._data):
            raise struct.error("a vector is longer than what it is in")
        return range(start + 4, start + 4 + count * size, size)

    def _target(self, at: int) -> int:
        return at + number("<I", self._data, at)


def number(format_: str, data: bytes | bytearray, at: int) -> int:
    """The number at a byte."""
    return int(struct.unpack_from(format_, data, at)[0])
