"""A chunk of CSV without its bad rows, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from normcli.formats.base import TOLD, UNTOLD, BadRows
from normcli.formats.csv import index as csv_index
from normcli.formats.csv import records as csv_records
from normcli.formats.texts.lines import count_line_ends
from normcli.formats.texts.read import surely_readable
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.formats.csv.records import Record
    from normcli.formats.csv.table import CsvChunk
    from normcli.formats.texts.kernels import Offsets
    from normcli.numerics.numbers import Mask

SHORT = 8192  # records that are read one by one to find the bad ones
SECTIONS = 64  # in which a longer chunk is cut for that


def good_rows(chunk: CsvChunk, positions: Sequence[int]) -> tuple[CsvChunk, BadRows]:
    """`CsvChunk.without_bad_rows` for a chunk that has some."""
    layout = chunk.layout
    width = len(layout.names)
    odd = csv_index.odd_records(chunk.closed, layout.dialect, width)
    if odd is None:
        return _good_sections(chunk, positions)
    starts, ends, counts = odd
    lines = chunk.lines_of(starts[:TOLD]).tolist()
    found = zip(lines, counts[:TOLD].tolist(), strict=True)
    told = [(line, csv_records.wrong_width(line, n, width, b"").what) for line, n in found]
    whole = without(chunk, starts, np.minimum(ends, len(chunk.block)))
    bad = np.flatnonzero(_unreadable(whole, positions))
    starts, ends = _records(whole, bad)
    lines = whole.lines_of(starts[:TOLD]).tolist()
    for start, end, line in zip(starts.tolist(), ends.tolist(), lines, strict=False):
        record = next(csv_records.records(whole.block[start:end], layout.dialect, line))
        told.append((line, _why_unreadable(whole, record, positions) or ""))
    more = len(counts) + len(bad) - len(told[:TOLD])
    return without(whole, starts, ends), sorted(told)[:TOLD] + [UNTOLD] * more


def without(chunk: CsvChunk, starts: Offsets, ends: Offsets) -> CsvChunk:
    """The chunk without these records, which leave gaps."""
    if not len(starts):
        return chunk
    block = memoryview(chunk.block)
    kept = zip([0, *ends.tolist()], [*starts.tolist(), len(block)], strict=True)
    removed = np.concatenate(([0], np.cumsum(ends - starts)))
    lines = chunk.line_ends.searchsorted(ends) - chunk.line_ends.searchsorted(starts)
    gaps = np.array(chunk.gaps, np.int64).reshape(-1, 2)
    at = np.concatenate((gaps[:, 0], starts))
    at -= removed[starts.searchsorted(at)]
    places, inverse = np.unique(at, return_inverse=True)
    counts = np.zeros(len(places), np.int64)
    np.add.at(counts, inverse, np.concatenate((gaps[:, 1], lines)))
    return replace(
        chunk,
        raw=b"".join(block[a:b] for a, b in kept),
        file=None,
        gaps=tuple(zip(places.tolist(), counts.tolist(), strict=True)),
    )


def _unreadable(chunk: CsvChunk, positions: Sequence[int]) -> Mask:
    """Which rows have a cell in these columns that is not a number."""
    index, reading = chunk.index, chunk.layout.reading
    bad = np.zeros(index.rows, bool)
    for position in positions:
        starts, ends = index.cells(position)
        doubtful = np.flatnonzero(~surely_readable(index.data, starts, ends, reading))
        for row in doubtful.tolist():
            text = chunk.block[starts[row] : ends[row]].decode()
            bad[row] |= not reading.takes(text)
    return bad


def _records(chunk: CsvChunk, rows: Offsets) -> tuple[Offsets, Offsets]:
    """Where the records of some rows start, and where they end."""
    lines, index = chunk.line_ends, chunk.index
    ends = np.append(lines + 1, len(chunk.block))
    first, last = (
        lines.searchsorted(each) for each in (index.starts[rows, 0], index.ends[rows, -1])
    )
    return np.concatenate(([0], ends))[first], ends[last]


def _good_sections(chunk: CsvChunk, positions: Sequence[int]) -> tuple[CsvChunk, BadRows]:
    """`good_rows` where quotes or bytes are wrong: it is cut up until it is short."""
    ends = csv_index.record_ends(chunk.closed, chunk.layout.dialect)
    if len(ends) <= SHORT:
        return _good_records(chunk, positions)
    step = -(-len(ends) // SECTIONS)
    cuts = [0, *ends[step - 1 : -1 : step].tolist(), len(chunk.block)]
    sections = [
        chunk.between(start, stop).without_bad_rows(positions) for start, stop in pairwise(cuts)
    ]
    bad_rows = [row for _, bad in sections for row in bad]
    return type(chunk).concat([good for good, _ in sections]), bad_rows


def _good_records(chunk: CsvChunk, positions: Sequence[int]) -> tuple[CsvChunk, BadRows]:
    """`good_rows`, record by record."""
    layout = chunk.layout
    kept, bad, gaps = [], [], []
    at = 0
    for record in csv_records.records(chunk.block, layout.dialect, chunk.line):
        raw = chunk.block[record.start : record.end]
        problem = csv_records.problem_of(
            record, chunk.block, layout.dialect, len(layout.names), chunk.offset
        )
        if problem and not record.unclosed:
            why: str | None = problem.what
        else:
            why = _why_unreadable(chunk, record, positions)
        if why is None:
            kept.append(raw)
            at += len(raw)
        else:
            bad.append((record.line, why))
            gaps.append((at, count_line_ends(raw)))
    return replace(chunk, raw=b"".join(kept), file=None, gaps=tuple(gaps)), bad


def _why_unreadable(chunk: CsvChunk, record: Record, positions: Sequence[int]) -> str | None:
    """Why a record is refused that has all its cells, or None."""
    layout = chunk.layout
    if record.cells is None:
        return None
    for position in positions:
        cell = record.cells[position]
        if not layout.reading.takes(cell.strip(b" \t").decode()):
            name, text = printable(layout.names[position]), printable(cell.decode(), 20)
            return f"column {name}: {text} is not a number"
    return None
