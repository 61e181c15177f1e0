"""How the columns of a Parquet file are encoded, read from its footer without Arrow.

Arrow knows it too, but asking it about a column chunk of a damaged or encrypted file ends
the process (an exception in C++ that nobody catches). What is here reads the Thrift compact
protocol, as far as Parquet uses it, of bytes that may be anything: it ends in a value or in
a ValueError.

Sources: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
and https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyarrow import NativeFile

MAGIC = b"PAR1"
CODECS = ("NONE", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4")  # as Arrow says
INT32, INT64, INT96 = 1, 2, 3  # Type
DICTIONARY = {2, 8}  # Encoding: PLAIN_DICTIONARY, RLE_DICTIONARY
BYTE_STREAM_SPLIT = 9  # Encoding
DATA_PAGE, DATA_PAGE_V2 = 0, 3  # PageType
DEPTH = 32  # of nested structs and lists; Parquet itself needs six


@dataclass(frozen=True)
class ColumnChunkLayout:
    """How one leaf column is stored in one row group.

    dictionary: there is one; falls_back: but it became too large, and values follow plainly.
    """

    codec: str
    integer: bool  # of 32 or 64 bits, as a decimal may be stored
    int96: bool
    dictionary: bool
    falls_back: bool
    byte_stream_split: bool
    data_page_v2: bool


def first_row_group(file: IO[bytes] | NativeFile) -> list[ColumnChunkLayout]:
    """The layout of every leaf column in the first row group; empty where there is none.

    Raises: ValueError where the footer cannot be understood.
    """
    try:
        return [_layout(column) for column in _columns(_footer(file))]
    except (LookupError, TypeError, struct.error) as e:
        raise ValueError(f"the footer is damaged ({type(e).__name__})") from e


def _footer(file: IO[bytes] | NativeFile) -> bytes:
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    length, magic = struct.unpack("<I4s", file.read(8))
    if magic != MAGIC or length > size - 12:
        raise ValueError("the footer is damaged")
    file.seek(size - 8 - length)
    footer: bytes = file.read(length)
    return footer


def _columns(footer: bytes) -> list[dict[int, Any]]:
    """The ColumnChunk structs of the first RowGroup; the other row groups are not read."""
    thrift = _Thrift(footer)
    for field, kind in thrift.fields():
        if field == 4:  # FileMetaData.row_groups
            _, size = thrift.list_header()
            row_group: dict[int, Any] = thrift.struct(0) if size else {}
            columns: list[dict[int, Any]] = row_group.get(1, [])
            return columns
        thrift.value(kind, 0)
    return []


def _layout(column: dict[int, Any]) -> ColumnChunkLayout:
    """The layout in a ColumnChunk: its field 3 is the ColumnMetaData."""
    meta = column[3]
    encodings = set(meta[2])
    pages = [(stats[1], stats[2]) for stats in meta.get(13, [])]
    data_encodings = {encoding for page, encoding in pages if page in (DATA_PAGE, DATA_PAGE_V2)}
    return ColumnChunkLayout(
        codec=CODECS[meta[4]],
        integer=meta[1] in (INT32, INT64),
        int96=meta[1] == INT96,
        dictionary=not DICTIONARY.isdisjoint(encodings),
        falls_back=not DICTIONARY.isdisjoint(encodings) and bool(data_encodings - DICTIONARY),
        byte_stream_split=BYTE_STREAM_SPLIT in encodings,
        data_page_v2=any(page == DATA_PAGE_V2 for page, _ in pages),
    )


class _Thrift:
    """A reader of the compact protocol; a struct is a dict from field number to value."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of a struct; the caller reads the value."""
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            yield field, head & 15

    def struct(self, depth: int) -> dict[int, Any]:
        """A struct."""
        return {field: self.value(kind, depth) for field, kind in self.fields()}

    def list_header(self) -> tuple[int, int]:
        """Type and number of the elements that follow."""
        head = self._byte()
        size = self._varint() if head >> 4 == 15 else head >> 4
        return head & 15, size

    def value(self, kind: int, depth: int) -> Any:
        """A value of a struct's field."""
        if depth > DEPTH:
            raise ValueError("the footer is nested too deeply")
        match kind:
            case 1 | 2:
                return kind == 1
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._integer()
            case 7:
                return struct.unpack("<d", self._bytes(8))[0]
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:
                return self._list(depth + 1)
            case 12:
                return self.struct(depth + 1)
        raise ValueError("the footer is damaged")  # Parquet has no maps

    def _list(self, depth: int) -> list[Any]:
        kind, size = self.list_header()
        if kind in (1, 2):  # booleans are a byte each here, and none in a struct
            return [b == 1 for b in self._bytes(size)]
        return [self.value(kind, depth) for _ in range(size)]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._data):
            raise ValueError("the footer is cut short")
        return self._data[self._at - size : self._at]

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
                raise ValueError("the footer is damaged")
        return n | byte << shift
