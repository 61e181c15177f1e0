"""How the columns of a Parquet file are encoded, read from its footer without Arrow.

Arrow knows it too, but asking it about a column chunk of a damaged or encrypted file ends
the process (an exception in C++ that nobody catches). What is here ends in a value or in a
ValueError, whatever the bytes are.

Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import gc
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from normcli.formats.parquet.format import MAGIC
from normcli.formats.parquet.thrift import Struct, read

if TYPE_CHECKING:
    from pyarrow import NativeFile

CODECS = ("NONE", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4")  # as Arrow says
INT32, INT64, INT96 = 1, 2, 3  # Type
DICTIONARY = {2, 8}  # Encoding: PLAIN_DICTIONARY, RLE_DICTIONARY
BYTE_STREAM_SPLIT = 9  # Encoding
DATA_PAGE, DATA_PAGE_V2 = 0, 3  # PageType


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
    footer, _ = read_footer(file)
    try:
        groups = footer.get(4, [])  # FileMetaData.row_groups
        return [layout_of(column) for column in groups[0][1]] if groups else []
    except (LookupError, TypeError) as e:
        raise ValueError(f"the footer is damaged ({type(e).__name__})") from e


def read_footer(file: IO[bytes] | NativeFile) -> tuple[Struct, int]:
    """The FileMetaData of a file, and at which byte it begins.

    Raises: ValueError where the footer cannot be understood.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    length, magic = struct.unpack("<I4s", file.read(8).rjust(8))
    if magic != MAGIC or length > size - 12:
        raise ValueError("the footer is damaged")
    file.seek(size - 8 - length)
    try:
        with _uncollected():
            return read(file.read(length))[0], size - 8 - length
    except (EOFError, ValueError) as e:
        raise ValueError(f"the footer is damaged ({e or 'cut short'})") from e


def copied(footer: Struct) -> Struct:
    """The same, to be changed without changing this one."""
    with _uncollected():
        return footer.copy()


@contextmanager
def _uncollected() -> Iterator[None]:
    """While a large tree grows: Python would search it for garbage again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def layout_of(column: Struct) -> ColumnChunkLayout:
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
