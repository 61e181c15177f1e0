"""A Parquet file whose column chunks are copied as they are.

Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from normcli.formats.parquet.footer import CODECS, layout_of
from normcli.formats.parquet.format import MAGIC
from normcli.formats.parquet.thrift import I32, I64, Struct, read
from normcli.storage.files import File

if TYPE_CHECKING:
    import pyarrow.parquet as pq
    from pyarrow import NativeFile

    from normcli.storage.sources import Source
    from normcli.storage.stores import Object

BLOCK = 1 << 20  # bytes read at a time
REQUEST = 8 << 20  # bytes of an object in a store, fetched at a time
HEAD = 1 << 12  # bytes, in which nearly every page header ends
# Before version 1.3 it counted too few bytes in chunks with a dictionary (PARQUET-816).
MISCOUNTING = re.compile(rb"parquet-mr(?! version (1\.([3-9]|\d\d)|[2-9]))")
# Where and how long the indexes of a ColumnChunk are: fields of offset and length.
OFFSET_INDEX, COLUMN_INDEX, BLOOM_FILTER = (4, 5), (6, 7), (14, 15)
INDEXES = (BLOOM_FILTER, COLUMN_INDEX, OFFSET_INDEX)  # as they usually come, one kind at a time


@dataclass(frozen=True)
class Original:
    """A Parquet file whose column chunks can be copied.

    footer: its FileMetaData.
    """

    file: File | Object
    footer: Struct

    @classmethod
    def of(
        cls, source: Source, metadata: pq.FileMetaData, footer: Struct, end: int
    ) -> Original | None:
        """The file in `source`; None where something in it is odd.

        metadata: the footer, as Arrow reads it. end: at which byte it begins.
        """
        try:
            plain = _is_plain(footer, end) and _agrees(footer, metadata)
        except (ValueError, LookupError, TypeError, AttributeError):
            return None
        return cls(source.randomly(), footer) if plain else None

    def open(self) -> NativeFile:
        """The file, for reading any of it."""
        return self.file.open_file()


def _is_plain(footer: Struct, end: int) -> bool:
    """Is nothing encrypted, miscounted or elsewhere, and each chunk before byte `end`?"""
    chunks = [chunk for group in footer[4] for chunk in group[1]]
    metas = [chunk[3] for chunk in chunks]
    return (
        8 not in footer
        and not any(field in chunk for chunk in chunks for field in (1, 8, 9))
        and not MISCOUNTING.match(footer.get(6, b""))
        and all(_is_before(end, meta) for meta in metas)
        and sum(meta[7] for meta in metas) <= end
        and all(chunk[3][4] < len(CODECS) and layout_of(chunk) for chunk in chunks)
    )


def _is_before(end: int, meta: Struct) -> bool:
    """Does the column chunk, if it is not empty, end there, with its data pages in it?"""
    start, size = place_of(meta)
    return size == 0 or (
        len(MAGIC) <= start <= start + size <= end and 0 <= meta[9] <= start + size
    )


def _agrees(footer: Struct, metadata: pq.FileMetaData) -> bool:
    """Does Arrow find as many columns, row groups, rows and values?"""
    schema = metadata.schema
    flat = [schema.column(i).max_repetition_level == 0 for i in range(len(schema))]
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return (
        len(flat) == len(leaf_elements(footer))
        and [group[3] for group in footer[4]] == [group.num_rows for group in groups]
        and all(
            len(group[1]) == len(flat)
            and all(
                chunk[3][5] == group[3] or not is_flat
                for chunk, is_flat in zip(group[1], flat, strict=True)
            )
            for group in footer[4]
        )
    )


def leaf_elements(footer: Struct) -> list[Struct]:
    """The SchemaElements of the leaf columns."""
    return [element for element in footer[2][1:] if not element.get(5)]


def place_of(meta: Struct) -> tuple[int, int]:
    """Where the column chunk of a ColumnMetaData begins, and how many bytes it has.

    Where it has no data page Arrow says that this is at byte 0.
    """
    known = [at for at in (meta[9], meta.get(11, 0)) if at > 0]
    return min(known, default=0), meta[7]


def move(chunk: Struct, start: int) -> None:
    """Say in a ColumnChunk that its bytes begin at `start`."""
    meta = chunk[3]
    old, size = place_of(meta)
    for field in (9, 10, 11):
        if meta.get(field, 0) > 0:
            meta.put(field, I64, meta[field] + start - old)
    at = chunk.get(2, 0)
    chunk.put(2, I64, at + start - old if old <= at <= old + size else 0)


class Copier:
    """Copies column chunks of a file, one after the other.

    Those that follow each other in the file are read together, in large blocks: of an object
    in a store, each block is a request.
    """

    def __init__(self, original: Original, chunks: Iterable[Struct]) -> None:
        """`chunks`: those that will be copied, in this order."""
        self.file = original.open()
        self._block = BLOCK if isinstance(original.file, File) else REQUEST
        self._runs = _runs([place_of(chunk[3]) for chunk in chunks])
        self._data, self._at = memoryview(b""), 0
        self._position = self._stop = 0  # in the file: of `_at`, and of the end of the run

    def copy(self, chunk: Struct, write: Callable[[Any], object]) -> None:
        """Write the bytes of a column chunk.

        Raises: ValueError where its pages are damaged, as far as that shows from outside: by
        their headers, checksums, and how many values they have.
        """
        values, (start, size) = chunk[3][5], place_of(chunk[3])
        if start != self._position or start >= self._stop:
            self._position, self._stop = start, self._runs[start]
            self._stream = self.file.get_stream(start, self._stop - start)
            self._data, self._at = memoryview(b""), 0
        end = start + size
        while values > 0:
            head, length = self._page_header(end)
            page = self._take(length + head[3], end)
            if 4 in head and zlib.crc32(page[length:]) != head[4] & 0xFFFFFFFF:
                raise ValueError("a page does not have its checksum (CRC)")
            write(page)
            data = head.get(5) or head.get(8)
            values -= data[1] if data else 0
        if values < 0:
            raise ValueError("its pages have more values than it says")
        while self._position < end:
            write(self._take(min(BLOCK, end - self._position), end))

    def _page_header(self, end: int) -> tuple[Struct, int]:
        """The page header that comes next, and its size; it has yet to be taken."""
        wanted = HEAD
        while True:
            self._fill(min(wanted, end - self._position))
            try:
                head, stop = read(self._data, self._at)
            except EOFError as e:
                if wanted >= end - self._position:
                    raise ValueError("its pages are cut short") from e
                wanted *= 8
                continue
            if head[3] < 0:
                raise ValueError("a page header is damaged")
            return head, stop - self._at

    def _take(self, size: int, end: int) -> memoryview:
        """The next `size` bytes, which come before byte `end` of the file."""
        if self._position + size <= end:
            self._fill(size)
            taken = self._data[self._at : self._at + size]
            self._at += size
            self._position += size
            if len(taken) == size:
                return taken
        raise ValueError("its pages are cut short")

    def _fill(self, size: int) -> None:
        """Have `size` bytes ready, if the file has them."""
        ready = len(self._data) - self._at
        if ready < size:
            left = self._stop - self._position - ready
            more = self._stream.read(min(left, max(size - ready, self._block)))
            self._data, self._at = memoryview(b"".join((self._data[self._at :], more))), 0


def _runs(places: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Where each column chunk begins -> where the bytes end that are copied in one go."""
    runs: dict[int, int] = {}
    following = (-1, -1)  # start and end of what is copied next
    for start, size in reversed(places):
        if size:
            stop = following[1] if start + size == following[0] else start + size
            runs[start], following = stop, (start, stop)
        else:
            runs.setdefault(start, start)
    return runs


def copied_index(file: NativeFile, chunk: Struct, kind: tuple[int, int], moved: int) -> bytes:
    """The bytes of an index of a column chunk; empty where it has none, or a damaged one.

    moved: by how many bytes the chunk's pages are further behind than they were.
    """
    holder = chunk[3] if kind == BLOOM_FILTER else chunk
    start, size = (holder.get(field, 0) for field in kind)
    if start <= 0 or start > file.size():
        return b""
    try:
        if kind == BLOOM_FILTER and not size:
            head, length = read(file.read_at(HEAD, start))
            size = length + head[1]
        found = file.read_at(max(0, min(size, file.size() - start)), start)
        return _moved(found, moved) if kind == OFFSET_INDEX else found
    except (ValueError, EOFError, LookupError, TypeError):
        return b""


def _moved(offset_index: bytes, by: int) -> bytes:
    """An OffsetIndex, for pages that are `by` bytes further behind."""
    index, _ = read(offset_index)
    for page in index[1]:
        page.put(1, I64, page[1] + by)
    return bytes(index)


def put_index(chunk: Struct, kind: tuple[int, int], start: int, size: int) -> None:
    """Say in a ColumnChunk where its index is; that it has none where `size` is 0."""
    holder = chunk[3] if kind == BLOOM_FILTER else chunk
    holder.drop(*kind)
    if size:
        holder.put(kind[0], I64, start)
        holder.put(kind[1], I32, size)
