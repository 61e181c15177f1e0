"""Structs of the Thrift compact protocol, as Parquet's footers and page headers are made of.

What is read is a tree of numbered fields with their types. It is written again as it was,
with fields that nobody here has heard of, except where a field was set. The bytes may be
anything: reading ends in a value or in a ValueError.

Generated code and the libraries that have it (thriftpy2, fastparquet) drop fields that are
newer than their copy of Parquet's definition, or write some integers with another type.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, STRUCT = (*range(1, 11), 12)
DEPTH = 32  # of nested structs and lists; Parquet itself needs six


class Struct:
    r"""A struct: field number -> value.

    Values are bool, int, float, bytes, List and Struct.

    >>> point = Struct.of({1: (I32, 3), 4: (BINARY, b"x")})
    >>> bytes(point), read(bytes(point))[0][4]
    (b'\x15\x068\x01x\x00', b'x')
    """

    def __init__(self) -> None:
        self._fields: dict[int, tuple[int, Any]] = {}

    @classmethod
    def of(cls, fields: dict[int, tuple[int, Any]]) -> Struct:
        """The struct of these fields: number -> type and value."""
        made = cls()
        made._fields.update(fields)
        return made

    def __getitem__(self, field: int) -> Any:
        return self._fields[field][1]

    def __contains__(self, field: int) -> bool:
        return field in self._fields

    def get(self, field: int, default: Any = None) -> Any:
        """The value of a field, or `default` where it is not there."""
        return self._fields.get(field, (0, default))[1]

    def put(self, field: int, kind: int, value: Any) -> None:
        """Set a field."""
        self._fields[field] = kind, value

    def take(self, other: Struct, *fields: int) -> None:
        """Have these fields as `other` has them, or lacks them."""
        self.drop(*fields)
        self._fields.update({f: other._fields[f] for f in fields if f in other})

    def drop(self, *fields: int) -> None:
        """Remove these fields, where they are there."""
        for field in fields:
            self._fields.pop(field, None)

    def copy(self) -> Struct:
        """The same, to be changed without changing this one."""
        return Struct.of({f: (kind, _copy(kind, v)) for f, (kind, v) in self._fields.items()})

    def __bytes__(self) -> bytes:
        out = bytearray()
        _write(out, STRUCT, self)
        return bytes(out)


class List(list[Any]):
    """A list of values of one type."""

    def __init__(self, kind: int, values: Any = ()) -> None:
        super().__init__(values)
        self.kind = kind


def _copy(kind: int, value: Any) -> Any:
    if kind == STRUCT:
        return value.copy()
    if kind in (LIST, SET):
        return List(value.kind, [_copy(value.kind, each) for each in value])
    return value


def read(data: bytes | memoryview, at: int = 0) -> tuple[Struct, int]:
    """The struct that begins at byte `at` of `data`, and where it ends.

    Raises: EOFError where it is cut short, which is all that more bytes could help;
    ValueError where it cannot be read.
    """
    reader = _Reader(data, at)
    return reader.struct(0), reader.at


class _Reader:
    def __init__(self, data: bytes | memoryview, at: int) -> None:
        self._data, self.at = data, at

    def struct(self, depth: int) -> Struct:
        return Struct.of({field: (kind, self._value(kind, depth)) for field, kind in self._heads()})

    def _heads(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field; the value is read by the caller."""
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            yield field, head & 15

    def _value(self, kind: int, depth: int) -> Any:
        """A value of a struct's field."""
        if depth > DEPTH:
            raise ValueError("it is nested too deeply")
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind in (I16, I32, I64):
            return self._integer()
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in (LIST, SET):
            return self._list(depth + 1)
        if kind == BYTE:
            return self._byte()
        if kind == DOUBLE:
            return struct.unpack("<d", self._bytes(8))[0]
        raise ValueError("it is damaged")  # Parquet has no maps

    def _list(self, depth: int) -> List:
        head = self._byte()
        kind, size = head & 15, head >> 4
        if size == 15:
            size = self._varint()
        if kind in (TRUE, FALSE):  # booleans are a byte each here, and none in a struct
            return List(kind, [b == TRUE for b in self._bytes(size)])
        return List(kind, [self._value(kind, depth) for _ in range(size)])

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise EOFError
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, size: int) -> bytes:
        if self.at + size > len(self._data):
            raise EOFError
        self.at += size
        return bytes(self._data[self.at - size : self.at])

    def _integer(self) -> int:
        """A zigzag number."""
        n = self._varint()
        return (n >> 1) ^ -(n & 1)

    def _varint(self) -> int:
        n = shift = 0
        while (byte := self._byte()) & 0x80:
            n |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise ValueError("it is damaged")
        return n | byte << shift


def _write(out: bytearray, kind: int, value: Any) -> None:
    """Put a value after what is in `out`."""
    if kind in (I16, I32, I64):
        _write_varint(out, (value << 1) ^ (value >> 63))
    elif kind == BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind == STRUCT:
        _write_struct(out, value)
    elif kind in (LIST, SET):
        _write_list(out, value)
    elif kind == BYTE:
        out.append(value)
    elif kind == DOUBLE:
        out += struct.pack("<d", value)


def _write_struct(out: bytearray, value: Struct) -> None:
    before = 0
    for field, (kind, each) in sorted(value._fields.items()):
        if kind in (TRUE, FALSE):
            kind = TRUE if each else FALSE
        if 0 < field - before < 16:
            out.append(field - before << 4 | kind)
        else:
            out.append(kind)
            _write(out, I16, field)
        _write(out, kind, each)
        before = field
    out.append(0)


def _write_list(out: bytearray, values: List) -> None:
    if len(values) < 15:
        out.append(len(values) << 4 | values.kind)
    else:
        out.append(0xF0 | values.kind)
        _write_varint(out, len(values))
    if values.kind in (TRUE, FALSE):
        out += bytes(TRUE if each else FALSE for each in values)
    else:
        for each in values:
            _write(out, values.kind, each)


def _write_varint(out: bytearray, n: int) -> None:
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
