"""Where the cells of a block of CSV lie, found with a handful of NumPy passes.

A block starts at the start of a record and ends with a line end. It is never changed: cells
are offsets in it. What a record is, `csv_records` says; this is the same, fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from normcli.formats.csv import records as csv_records
from normcli.formats.csv.records import Dialect, Problem, records
from normcli.formats.texts.lines import count, line_end

if TYPE_CHECKING:
    from normcli.formats.texts.kernels import Bytes, Offsets
    from normcli.numerics.numbers import Mask

WINDOW = 4 << 20  # bytes looked at together: line ends may take eight times their memory
TAB, LF, CR, SPACE, QUOTE = b'\t\n\r "'


@dataclass(frozen=True, eq=False)
class Index:
    """The cells of a block: cell (r, c) is ``data[starts[r, c]:ends[r, c]]``, quotes included.

    quoted, blanks: may cells have quotes or outer blanks? False spares looking for them.
    problem: the first record that is not a row; the index covers the rows before it.
    """

    data: Bytes
    starts: Offsets  # (rows, columns)
    ends: Offsets
    quoted: bool
    blanks: bool
    problem: Problem | None = None
    _bare: dict[int, tuple[Offsets, Offsets]] = field(default_factory=dict)

    def cells(self, position: int) -> tuple[Offsets, Offsets]:
        """Where the cells of a column start and end, without their quotes and outer blanks."""
        if position not in self._bare:
            self.cells_of([position])
        return self._bare[position]

    def cells_of(self, positions: Sequence[int]) -> tuple[Offsets, Offsets]:
        """`cells` of some columns, shape (rows, columns)."""
        starts, ends = self._trimmed(*self.unquoted(positions))
        for i, position in enumerate(positions):
            self._bare[position] = starts[:, i], ends[:, i]
        return starts, ends

    def unquoted(self, positions: Sequence[int]) -> tuple[Offsets, Offsets]:
        """Where the cells of some columns start and end, without their quotes."""
        run = range(positions[0], positions[0] + len(positions)) if positions else range(0)
        chosen = slice(run.start, run.stop) if list(positions) == list(run) else list(positions)
        starts, ends = self.starts[:, chosen], self.ends[:, chosen]
        if self.quoted:
            quote = self.data[starts] == QUOTE
            if quote.any():
                return starts + quote, ends - quote
        return starts, ends

    def _trimmed(self, starts: Offsets, ends: Offsets) -> tuple[Offsets, Offsets]:
        if not self.blanks:
            return starts, ends
        for _ in range(3):
            left = self._is_blank(starts) & (ends > starts)
            right = self._is_blank(ends - 1) & (ends - left > starts)
            if not (left.any() or right.any()):
                return starts, ends
            starts, ends = starts + left, ends - right
        return self._widely_trimmed(starts, ends)

    def _widely_trimmed(self, starts: Offsets, ends: Offsets) -> tuple[Offsets, Offsets]:
        """`_trimmed` for any number of blanks, with the next byte that is not a blank looked up."""
        solid = np.flatnonzero((self.data != SPACE) & (self.data != TAB))  # the last byte is
        right = np.minimum(solid[np.searchsorted(solid, starts)], ends)
        left = np.minimum(solid[np.searchsorted(solid, ends) - 1] + 1, ends)
        return right, np.maximum(left, right)

    def _is_blank(self, offsets: Offsets) -> Mask:
        byte = self.data[offsets]
        blank: Mask = (byte == SPACE) | (byte == TAB)
        return blank


def index(block: bytes, dialect: Dialect, width: int, line: int = 1, offset: int = 0) -> Index:
    """The cells of `block`, which lies at `line` and byte `offset` of its file."""
    found = None if csv_records.bad_byte(block, 0) else _index(block, dialect, width)
    if found is not None:
        return found
    first = csv_records.first_problem(block, dialect, width, line, offset)
    assert first is not None, "the index and the records disagree about this block"
    start, problem = first
    rows = _index(block[:start], dialect, width)
    assert rows is not None, "the rows before the first problem are good"
    return Index(rows.data, rows.starts, rows.ends, rows.quoted, rows.blanks, problem)


def _index(block: bytes, dialect: Dialect, width: int) -> Index | None:
    """The cells of `block`, or None where any record is not a row of `width` cells."""
    data = np.frombuffer(block, np.uint8)
    separators = _separators(block, data, dialect)
    if separators is None:
        return None
    starts = np.empty_like(separators)
    starts[:1] = 0
    np.add(separators[:-1], 1, out=starts[1:])
    cells = _rows(block, data, starts, separators, dialect, width)
    if cells is None:
        return None
    starts, ends = (each.reshape(-1, width) for each in cells)
    if b"\r" in block:
        ends = ends.copy()
        ends[:, -1] -= (data[ends[:, -1] - 1] == CR) & (ends[:, -1] > starts[:, -1])
    quoted = dialect.quoting and b'"' in block
    blanks = any(blank in block for blank in (b" ", b"\t") if blank != dialect.delimiter)
    return Index(data, starts, ends, quoted, blanks)


def _separators(block: bytes, data: Bytes, dialect: Dialect) -> Offsets | None:
    """Offsets of the delimiters and line ends outside quotes; None where quotes are wrong."""
    separator = _is_line_end(block, data)
    separator |= data == dialect.delimiter[0]
    if not (dialect.quoting and b'"' in block):
        return np.flatnonzero(separator)
    outside, quotes = _outside(block, data, separator, dialect)
    return outside if _quotes_fit(data, quotes, dialect) else None


def _is_line_end(block: bytes, data: Bytes) -> Mask:
    """Where a line ends: LF, and CR that no LF follows."""
    ends: Mask = data == LF
    if b"\r" in block:
        lone = data == CR
        lone[:-1] &= data[1:] != LF
        ends |= lone
    return ends


def line_ends(block: bytes) -> Offsets:
    """Where lines end, in quotes too."""
    return np.flatnonzero(_is_line_end(block, np.frombuffer(block, np.uint8)))


def _outside(block: bytes, data: Bytes, wanted: Mask, dialect: Dialect) -> tuple[Offsets, Offsets]:
    """Offsets of the `wanted` bytes outside quotes, and of the quotes."""
    comments = dialect.comment is not None and dialect.comment in block
    # In a huge cell there may be many wanted bytes, none of them outside.
    step = len(data) if comments else WINDOW
    outside, quotes, odd = [], [], 0
    for start in range(0, len(data), max(step, 1)):
        window = data[start : start + step]
        marks = np.flatnonzero(wanted[start : start + step] | (window == QUOTE))
        quote = window[marks] == QUOTE
        if comments:
            kept = ~_in_comment(block, marks, quote, dialect.comment or b"")
            marks, quote = marks[kept], quote[kept]
        inside = (np.cumsum(quote, dtype=np.uint8) + odd) & 1  # a closing quote is outside
        odd = int(odd + np.count_nonzero(quote)) & 1
        outside.append(marks[(inside == 0) & ~quote] + start)
        quotes.append(marks[quote] + start)
    return _concatenated(outside), _concatenated(quotes)


def _concatenated(arrays: list[Offsets]) -> Offsets:
    return arrays[0] if len(arrays) == 1 else np.concatenate([np.zeros(0, np.int64), *arrays])


def _in_comment(block: bytes, marks: Offsets, quote: Mask, comment: bytes) -> Mask:
    """Which of the marks are quotes in comment lines."""
    found = np.zeros(len(marks), bool)
    inside, seen = False, 0
    for match in re.finditer(rb"(?:\A|[\r\n])" + re.escape(comment), block):
        start = match.end() - 1
        until = int(np.searchsorted(marks, start))
        if until >= seen:  # not in the comment before
            inside ^= bool(np.count_nonzero(quote[seen:until]) % 2)
            seen = until
            if not inside:
                seen = int(np.searchsorted(marks, line_end(block, start)))
                found[until:seen] = quote[until:seen]
    return found


def _quotes_fit(data: Bytes, quotes: Offsets, dialect: Dialect) -> bool:
    """Does every quoted cell open at its start, close at its end, and double the rest?"""
    if len(quotes) % 2:
        return False
    opens, closes = quotes[0::2], quotes[1::2]
    doubled = closes[:-1] + 1 == opens[1:]
    edge = np.zeros(256, bool)
    edge[[LF, CR, dialect.delimiter[0]]] = True
    opens_well = edge[data[opens - 1]] | (opens == 0)
    opens_well[1:] |= doubled
    closes_well = edge[data[np.minimum(closes + 1, len(data) - 1)]]
    closes_well[:-1] |= doubled
    return bool(opens_well.all() and closes_well.all())


def _rows(
    block: bytes,
    data: Bytes,
    starts: Offsets,
    ends: Offsets,
    dialect: Dialect,
    width: int,
) -> tuple[Offsets, Offsets] | None:
    """Starts and ends of the cells of all rows, blank and comment lines left out.

    None where a record is not a row of `width` cells.
    """
    closing = data[ends] != dialect.delimiter[0]  # the last cell of its record
    comments = dialect.comment is not None and dialect.comment in block
    if width > 1 and not comments and _regular(closing, width):
        return starts, ends
    last = np.flatnonzero(closing)
    first = np.concatenate(([0], last[:-1] + 1)) if len(last) else last
    head, tail = starts[first], ends[last]
    no_row = (head == tail) | ((tail == head + 1) & (data[head] == CR))
    if dialect.comment is not None:
        no_row |= data[head] == dialect.comment[0]
    counts = last - first + 1
    if (counts[~no_row] != width).any():
        return None
    keep = np.repeat(~no_row, counts)
    return starts[keep], ends[keep]


def _regular(closing: Mask, width: int) -> bool:
    """Does every `width`-th cell, and no other, close a record?"""
    every = closing[width - 1 :: width]
    return (
        len(closing) % width == 0
        and bool(every.all())
        and int(np.count_nonzero(closing)) == len(every)
    )


def record_ends(block: bytes, dialect: Dialect) -> Offsets:
    """Where the records of `block` end; it starts with one, and ends with a line end."""
    data = np.frombuffer(block, np.uint8)
    separators = _separators(block, data, dialect)
    if separators is None:
        ends: Iterator[int] = (record.end for record in records(block, dialect))
        return np.fromiter(ends, np.int64)
    line_ends: Offsets = separators[data[separators] != dialect.delimiter[0]]
    return line_ends + 1


def quotes_fit(block: bytes, dialect: Dialect) -> bool:
    """Are all quotes of `block` where they may be?"""
    return _separators(block, np.frombuffer(block, np.uint8), dialect) is not None


def last_record_end(buffer: bytearray, filled: int, dialect: Dialect) -> int:
    """Where the last whole record of ``buffer[:filled]`` ends, if quotes are in place; or 0.

    More bytes will follow: a CR at the very end may be the first half of a line end.
    """
    filled -= buffer.endswith(b"\r", 0, filled)
    end = _last_line_end(buffer, filled, dialect)
    if end is not None:
        return end
    block = bytes(buffer[:filled])
    data = np.frombuffer(block, np.uint8)
    ends = _outside(block, data, _is_line_end(block, data), dialect)[0]
    return int(ends[-1]) + 1 if len(ends) else 0


def _last_line_end(buffer: bytearray, end: int, dialect: Dialect) -> int | None:
    """Where the last line end outside quotes ends, or 0; it is looked for from the `end`.

    None where it is far from there, or comment lines may have quotes that do not count.
    """
    quotes = dialect.quoting and buffer.find(b'"', 0, end) >= 0
    if quotes and dialect.comment is not None and buffer.find(dialect.comment, 0, end) >= 0:
        return None
    inside = quotes and _is_odd(buffer, end)
    for _ in range(100):
        if inside:
            end = buffer.rfind(b'"', 0, end)
        found = buffer.rfind(b"\n", 0, end)
        found = max(found, buffer.rfind(b"\r", found + 1, end))
        inside = quotes and buffer.count(b'"', found + 1, end) % 2 == 1
        if not inside:
            return found + 1
        end = found
    return None


def _is_odd(buffer: bytearray, end: int) -> bool:
    """Is the number of quotes before `end` odd?"""
    with memoryview(buffer) as view, view[:end] as before:
        return count(before, b'"') % 2 == 1
