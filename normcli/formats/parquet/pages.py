"""What column chunks take in memory, read from the headers of their pages before these are decoded.

Nothing that a footer says of sizes is believed: a page of some bytes may decode to gigabytes,
and so may many values of which a dictionary has one.

Source: https://github.com/apache/parquet-format/blob/master/Encodings.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normcli.formats.columnar.limits import refuse_held
from normcli.formats.parquet.footer import DATA_PAGE, DATA_PAGE_V2, DICTIONARY
from normcli.formats.parquet.original import place_of
from normcli.formats.parquet.thrift import Struct, read

if TYPE_CHECKING:
    from pyarrow import NativeFile

HEAD = 1 << 9  # bytes, in which most page headers end
DICTIONARY_PAGE = 2  # PageType
DELTA_BYTE_ARRAY = 7  # Encoding
WIDTHS = {0: 1, 1: 4, 2: 8, 3: 8, 4: 4, 5: 8}  # Type -> bytes of a value; texts are 6 and 7
TEXT = 6
CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}  # CompressionCodec


@dataclass(frozen=True)
class Page:
    """What a page header says; start: where the bytes behind it begin. size: of these, decoded."""

    kind: int
    start: int
    stored: int
    size: int
    values: int
    encoding: int


@dataclass(frozen=True)
class Leaf:
    """A leaf column.

    element: its SchemaElement. repeated: may a row have several of its values?
    shared: are its values kept in a dictionary?
    """

    element: Struct
    repeated: bool
    shared: bool


def rows_at_a_time(
    where: str,
    file: NativeFile,
    chunks: Sequence[tuple[Leaf, Struct]],
    rows: int,
    budget: int,
    limit: int,
) -> int:
    """How many rows of a row group can be decoded in `budget` bytes.

    chunks: leaf columns that are read together, with the ColumnMetaData of each.
    rows: of the row group.

    Raises: LimitError where its pages, a row, or the lists of a column are too large for memory;
    ValueError where a page header cannot be read.
    """
    pages = [list(_pages(file, meta)) for _, meta in chunks]
    stored = sum(max(meta[7], 0) for _, meta in chunks)
    refuse_held(where, sum(map(_held, pages)), stored, limit)
    row = 0.0
    for (leaf, meta), found in zip(chunks, pages, strict=True):
        width = 4 if leaf.shared else _width(file, leaf.element, meta, found)
        if leaf.repeated:  # one row may have all values
            values = sum(page.values for page in found if page.kind != DICTIONARY_PAGE)
            refuse_held(where, values * width, meta[7], limit // 2)
            width *= values / max(rows, 1)
        row += width
    refuse_held(f"{where}, one row", row, 2 * stored, 2 * limit)
    return max(1, int(budget / max(row, 1)))


def _pages(file: NativeFile, meta: Struct) -> Iterator[Page]:
    """The pages of a column chunk, as Arrow would read them."""
    at, size = place_of(meta)
    end, values = at + size, meta[5]
    while at < end and values > 0:
        head, at = _head(file, at)
        data = head.get(5) or head.get(8) or head.get(7) or Struct()  # by type of page
        encoding = data.get(4 if 8 in head else 2, 0)
        stored, decoded = head[3], head[3] if meta[4] == 0 else head[2]
        page = Page(head[1], at, stored, decoded, data.get(1, 0), encoding)
        if min(page.stored, page.size, page.values) < 0:
            raise ValueError("a page header is damaged")
        yield page
        values -= page.values if page.kind in (DATA_PAGE, DATA_PAGE_V2) else 0
        at += stored


def _head(file: NativeFile, at: int) -> tuple[Struct, int]:
    """The page header at a byte of the file, and where it ends."""
    size = HEAD
    while True:
        data = file.read_at(size, at)
        try:
            head, length = read(data)
        except EOFError as e:
            if len(data) < size:
                raise ValueError("its pages are cut short") from e
            size *= 8
            continue
        if not (1 in head and 2 in head and 3 in head):
            raise ValueError("a page header is damaged")
        return head, at + length


def _held(pages: Sequence[Page]) -> int:
    """Bytes that are in memory while a column chunk is read: a page, and the dictionary."""
    data = max((page.size for page in pages if page.kind != DICTIONARY_PAGE), default=0)
    return data + sum(page.size for page in pages if page.kind == DICTIONARY_PAGE)


def _width(file: NativeFile, element: Struct, meta: Struct, pages: Sequence[Page]) -> float:
    """Bytes of a value in memory: at most, or on average of a page that has all of them."""
    if meta[1] != TEXT:
        return WIDTHS.get(meta[1]) or max(int(element.get(2, 0)), 0)
    longest = max((_longest(file, meta, p) for p in pages if p.kind == DICTIONARY_PAGE), default=0)
    data = [page for page in pages if page.kind in (DATA_PAGE, DATA_PAGE_V2)]
    return 8 + max((_text_width(page, longest) for page in data), default=0)


def _text_width(page: Page, longest: int) -> float:
    if page.encoding in DICTIONARY:
        return longest
    if page.encoding == DELTA_BYTE_ARRAY:  # a text may begin with all of the one before it
        return page.size
    return page.size / max(page.values, 1)


def _longest(file: NativeFile, meta: Struct, page: Page) -> int:
    """The longest text of a dictionary; the size of one that cannot be read here."""
    import pyarrow as pa

    data = file.read_at(page.stored, page.start)
    try:
        if meta[4]:
            data = pa.Codec(CODECS[meta[4]]).decompress(data, page.size, asbytes=True)
        return max(_lengths(data), default=0)
    except (pa.ArrowException, LookupError, ValueError, OSError, struct.error):
        return page.size


def _lengths(texts: bytes) -> Iterator[int]:
    """How long each text is, of those that are stored plainly."""
    at = 0
    while at < len(texts):
        (length,) = struct.unpack_from("<I", texts, at)
        yield length
        at += 4 + length
