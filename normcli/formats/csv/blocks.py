"""A stream of CSV in blocks of whole records."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from normcli.errors import NormcliError, until_failure
from normcli.formats.base import ReadOptions
from normcli.formats.csv.index import last_record_end, quotes_fit, record_ends
from normcli.formats.csv.records import Dialect, records
from normcli.formats.texts.options import MAX_RECORD

if TYPE_CHECKING:
    from normcli.storage.sources import Source

Stream = io.BufferedReader | io.RawIOBase
BLOCK = 4 << 20  # bytes read at a time
WIDE = 1 << 13  # but so many for each column, up to four blocks: each has costs of its own
FIRST = 1 << 16  # at first: if columns are not numbers, this shows it early
FIRST_CELLS = 1 << 7  # but so many for each column


def blocks(
    source: Source, stream: Stream, dialect: Dialect, width: int, options: ReadOptions
) -> Iterator[bytes]:
    """The bytes of a stream in blocks of whole records, which have about `width` cells.

    A block holds what was read at once, or `options.chunk_rows` records (lines that are not
    rows count too); fewer where its `source` pauses. A record of more than
    `options[MAX_RECORD]` bytes, or the beginning of one, may be in it; that is the last block.
    """
    size = min(max(BLOCK, WIDE * width), 4 * BLOCK)
    first = min(max(FIRST, FIRST_CELLS * width), size)
    whole = _whole(source, stream, dialect, (first, size), options)
    count = options.chunk_rows
    return _regrouped(source, whole, count, dialect) if count else whole


def _whole(
    source: Source, stream: Stream, dialect: Dialect, sizes: tuple[int, int], options: ReadOptions
) -> Iterator[bytes]:
    """Blocks of `sizes` (of the first, and of others) that end where a record does."""
    room, size = sizes
    buffer, filled = bytearray(size), 0  # used again and again: fresh memory is slow
    while count := _fill(source, stream, buffer, filled, room):
        filled, room = filled + count, len(buffer)
        cut = _cut(buffer, filled, dialect, options.skip_bad_rows)
        if cut:
            yield bytes(memoryview(buffer)[:cut])
            filled -= cut
            buffer[:filled] = buffer[cut : cut + filled]
        elif filled > options[MAX_RECORD]:
            break  # the first record is too long, or has a quote out of place
        if filled > len(buffer) // 2:
            # A long record is not scanned again for every few bytes more.
            buffer += bytes(max(size, min(filled, options[MAX_RECORD] + 1 - filled)))
    last = bytes(memoryview(buffer)[:filled])
    del buffer  # a long record must not be in memory twice
    if last:
        yield last


def _fill(source: Source, stream: Stream, buffer: bytearray, filled: int, room: int) -> int:
    """Read `room` bytes behind those that `buffer` holds, if it can; how many were read."""
    with memoryview(buffer) as view, view[filled : filled + room] as room_left:
        return source.fill(stream, room_left)


def _cut(buffer: bytearray, filled: int, dialect: Dialect, skip_bad_rows: bool) -> int:
    """Where a record ends that is whole whatever follows, the last one if possible; or 0.

    After a misplaced quote the cut may be wrong. That matters only where bad rows are skipped:
    else such a quote is an error.
    """
    cut = last_record_end(buffer, filled, dialect)
    if skip_bad_rows and not (cut and quotes_fit(bytes(buffer[:cut]), dialect)):
        return max(record.start for record in records(bytes(buffer[:filled]), dialect))
    return cut


def before_long_record(block: bytes, dialect: Dialect, limit: int) -> int:
    """Where the first record of more than `limit` bytes starts; else the length of the block."""
    if len(block) <= limit:
        return len(block)
    first = next(records(block, dialect))  # usually it is the first; this takes little memory
    if first.end > limit:
        return 0
    starts = np.concatenate(([0], record_ends(block, dialect)))
    long = np.flatnonzero(np.diff(starts, append=len(block)) > limit)
    return int(starts[long[0]]) if len(long) else len(block)


def _regrouped(
    source: Source, blocks: Iterable[bytes], count: int, dialect: Dialect
) -> Iterator[bytes]:
    """The same bytes in blocks of `count` records; the last before a pause may have fewer."""
    waiting: list[bytes] = []
    have = 0  # records in `waiting`
    failed: list[NormcliError] = []
    for block in until_failure(blocks, failed):
        ends = record_ends(block, dialect)
        start = 0
        for end in ends[count - have - 1 :: count].tolist():
            yield b"".join([*waiting, block[start:end]])
            waiting, start = [], end
        waiting.append(block[start:])
        have = (have + len(ends)) % count
        if not source.ready():
            yield b"".join(waiting)
            waiting, have = [], 0
    if rest := b"".join(waiting):
        yield rest
    if failed:
        raise failed[0]
