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
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, STRUCT = (*range(1, 11), 12)
DEPTH = 32  # of nested structs and lists; Parquet itself needs six


class Struct:
    r"""A struct: field number -> value.

    Values are bool, int, float, bytes, List and Struct.

    >>> point = Struct({1: (I32, 3), 4: (BINARY, b"x")})
    >>> bytes(point), read(bytes(point))[0][4]
    (b'\x15\x068\x01x\x00', b'x')
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[int, tuple[int, Any]] | None = None) -> None:
        """`fields`: number -> type and value."""
        self._fields = {} if fields is None else fields

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
        fields = self._fields.copy()
        for field, (kind, value) in self._fields.items():
            if kind in (STRUCT, LIST, SET):
                fields[field] = kind, value.copy()
        return Struct(fields)

    def __bytes__(self) -> bytes:
        out = bytearray()
        _write(out, STRUCT, self)
        return bytes(out)


class List(list[Any]):
    """A list of values of one type."""

    def __init__(self, kind: int, values: Any = ()) -> None:
        super().__init__(values)
        self.kind = kind

    def copy(self) -> List:
        """The same, to be changed without changing this one."""
        if self.kind in (STRUCT, LIST, SET):
            return List(self.kind, [each.copy() for each in self])
        return List(self.kind, self)


def read(data: bytes | memoryview, at: int = 0) -> tuple[Struct, int]:
    """The struct that begins at byte `at` of `data`, and where it ends.

    Raises: EOFError where it is cut short, which is all that more bytes could help;
    ValueError where it cannot be read.
    """
    try:
        return _struct(data, at, 0)
    except IndexError as e:
        raise EOFError from e


def _struct(data: bytes | memoryview, at: int, depth: int) -> tuple[Struct, int]:
    fields: dict[int, tuple[int, Any]] = {}
    field = 0
    while head := data[at]:
        at += 1
        if head >> 4:
            field += head >> 4
        else:
            field, at = _integer(data, at)
        kind = head & 15
        if kind in (TRUE, FALSE):
            fields[field] = kind, kind == TRUE
        else:
            value, at = _value(data, at, kind, depth)
            fields[field] = kind, value
    return Struct(fields), at + 1


def _value(data: bytes | memoryview, at: int, kind: int, depth: int) -> tuple[Any, int]:
    """A value of a struct's field, but for booleans, or of a list."""
    if kind in (I32, I64, I16):
        return _integer(data, at)
    if kind == BINARY:
        size, at = _varint(data, at)
        return _bytes(data, at, size), at + size
    if depth >= DEPTH:
        raise ValueError("it is nested too deeply")
    if kind == STRUCT:
        return _struct(data, at, depth + 1)
    if kind in (LIST, SET):
        return _list(data, at, depth + 1)
    if kind == BYTE:
        return data[at], at + 1
    if kind == DOUBLE:
        return struct.unpack("<d", _bytes(data, at, 8))[0], at + 8
    raise ValueError("it is damaged")  # Parquet has no maps


def _list(data: bytes | memoryview, at: int, depth: int) -> tuple[List, int]:
    kind, size = data[at] & 15, data[at] >> 4
    at += 1
    if size == 15:
        size, at = _varint(data, at)
    if kind in (TRUE, FALSE):  # booleans are a byte each here, and none in a struct
        return List(kind, [b == TRUE for b in _bytes(data, at, size)]), at + size
    values = List(kind)
    for _ in range(size):
        value, at = _value(data, at, kind, depth)
        values.append(value)
    return values, at


def _bytes(data: bytes | memoryview, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise EOFError
    return bytes(data[at : at + size])


def _integer(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """A zigzag number."""
    n = data[at]
    if n < 0x80:
        return (n >> 1) ^ -(n & 1), at + 1
    n, at = _varint(data, at)
    return (n >> 1) ^ -(n & 1), at


def _varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    n = shift = 0
    while (byte := data[at]) & 0x80:
        n |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if shift > 63:
            raise ValueError("it is damaged")
    return n | byte << shift, at + 1


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
