"""Columns whose type Arrow does not know: it reads a footer in which they are bytes."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from normcli.formats.columnar.flatbuffers import FlatTable
from normcli.formats.parquet.footer import copied
from normcli.formats.parquet.format import MAGIC
from normcli.formats.parquet.thrift import BINARY, I32, I64, LIST, STRUCT, List, Struct
from normcli.storage.stores import reason

if TYPE_CHECKING:
    import pyarrow.parquet as pq

ARROW_SCHEMA = b"ARROW:schema"
MESSAGE = 8  # bytes before the flatbuffer of a message: a mark, and the length
INT = 2  # Type of a Field


def with_plain_types(footer: Struct) -> tuple[pq.FileMetaData, dict[int, str]]:
    """The footer as Arrow can read it, and the columns that lost their type there: why.

    Raises: pyarrow's error where a column cannot be read even as the bytes that it is made of.
    """
    try:
        return _with_plain_types(copied(footer))
    except (TypeError, AttributeError, LookupError) as e:
        raise ValueError("the footer is damaged") from e


def _with_plain_types(footer: Struct) -> tuple[pq.FileMetaData, dict[int, str]]:
    unknown: dict[int, str] = {}
    for pair in footer.get(5, ()):
        if pair[1] == ARROW_SCHEMA:
            narrow, bits = narrowed(base64.b64decode(pair.get(2, b"")))
            pair.put(2, BINARY, base64.b64encode(narrow))
            unknown.update({path[0]: f"integers of {width} bits" for path, width in bits.items()})
    for column, elements in enumerate(_columns(footer)):
        if why := _why_unknown(footer, elements):
            for element in elements:
                element.drop(6, 7, 8, 10)  # converted type, scale, precision, logical type
            unknown[column] = why
    return _parsed(footer), unknown


def narrowed(schema: bytes) -> tuple[bytes, dict[tuple[int, ...], int]]:
    """The message of a schema with 64 bits for all longer integers, and how many these have.

    They are told by the numbers of the field, and of those that it is in.
    """
    data, bits = bytearray(schema), dict[tuple[int, ...], int]()
    for path, at in _integers(data):
        (width,) = struct.unpack_from("<i", data, at)
        if width > 64:
            bits[path] = width
            struct.pack_into("<i", data, at, 64)
    return bytes(data), bits


def widened(schema: bytes, bits: Mapping[tuple[int, ...], int]) -> bytes:
    """What was `narrowed`, with as many bits as there were."""
    data = bytearray(schema)
    for path, at in _integers(data):
        if path in bits:
            struct.pack_into("<i", data, at, bits[path])
    return bytes(data)


def _integers(schema: bytes | bytearray) -> Iterator[tuple[tuple[int, ...], int]]:
    """The fields of integers, each with the byte where its number of bits is."""
    try:
        header = FlatTable.root(schema, MESSAGE).table(2)
        if header:
            yield from _integers_of(header, 1, ())
    except struct.error as e:
        raise ValueError("the schema that Arrow stored is damaged") from e


def _integers_of(
    parent: FlatTable, children: int, path: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], int]]:
    for number, field in enumerate(parent.tables(children)):
        kind = field.table(3)
        if kind and field.number("<B", 2) == INT and kind.place(0):
            yield (*path, number), kind.place(0)
        if len(path) < 32:
            yield from _integers_of(field, 5, (*path, number))


def _columns(footer: Struct) -> Iterator[list[Struct]]:
    """The SchemaElements of each column: its own, and those below it."""
    elements = iter(footer[2][1:])
    for first in elements:
        found, missing = [first], first.get(5, 0)
        while missing > 0:
            child = next(elements, None)
            if child is None:
                raise ValueError("the footer is damaged")
            found.append(child)
            missing += child.get(5, 0) - 1
        yield found


def _why_unknown(footer: Struct, elements: Sequence[Struct]) -> str | None:
    """Why Arrow cannot read a column of this type; None where it can."""
    import pyarrow as pa

    root = footer[2][0].copy()
    root.put(5, I32, 1)
    schema = List(STRUCT, [root, *elements])
    empty = {1: (I32, 1), 2: (LIST, schema), 3: (I64, 0), 4: (LIST, List(STRUCT))}
    try:
        _parsed(Struct(empty))
    except (pa.ArrowException, OSError, ValueError) as error:
        return reason(error)
    return None


def _parsed(footer: Struct) -> pq.FileMetaData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = bytes(footer)
    file = MAGIC + data + struct.pack("<I", len(data)) + MAGIC
    return pq.read_metadata(pa.BufferReader(file))
