"""Where the cells of a block of CSV lie, found with a handful of NumPy passes.

A block starts at the start of a record and ends with a line end. It is never changed: cells
are offsets in it. What a record is, `csv_records` says; this is the same, fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from normcli import kernel
from normcli.formats.csv import records as csv_records
from normcli.formats.csv.records import BLANKS, Dialect, Problem, grammar, records
from normcli.formats.texts.lines import count, count_line_ends, line_end
from normcli.kernel import Marks

if TYPE_CHECKING:
    from normcli.formats.texts.kernels import Bytes, Offsets
    from normcli.numerics.numbers import Mask

WINDOW = 4 << 20  # bytes looked at together: line ends may take eight times their memory
TAB, LF, CR, SPACE = b"\t\n\r "


@dataclass(frozen=True, eq=False)
class Index:
    """The cells of a block: cell (r, c) is ``data[starts[r, c]:ends[r, c]]``, quotes included.

    marks: the same bytes, with ordinary characters where something is escaped.
    found: where the cells start and end, arrays of shape (rows, columns); or what the kernel found.
    stops: where the records end, if rows may have more cells than the index, or fewer: None
        where all have these. A cell that is not there has no length, and is `absent`.
    quoted, blanks: may cells have quotes or outer blanks? False spares looking for them.
    padded: are there quoted cells with blanks around the quotes?
    problem: the first record that is not a row; the index covers the rows before it.
    """

    data: Bytes
    marks: Bytes
    found: tuple[Offsets, Offsets] | Marks
    dialect: Dialect
    quoted: bool = False
    blanks: bool = False
    padded: bool = False
    stops: Offsets | None = None
    absent: Mask | None = None
    problem: Problem | None = None
    _bare: dict[int, tuple[Offsets, Offsets]] = field(default_factory=dict)

    @property
    def compiled(self) -> Marks | None:
        """What the kernel found; None where it did not find the cells."""
        return self.found if isinstance(self.found, Marks) else None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.found.rows if isinstance(self.found, Marks) else len(self.found[0])

    @property
    def starts(self) -> Offsets:
        """Where the cells start."""
        return self._bounds[0]

    @property
    def ends(self) -> Offsets:
        """Where the cells end."""
        return self._bounds[1]

    @cached_property
    def _bounds(self) -> tuple[Offsets, Offsets]:
        if not isinstance(self.found, Marks):
            return self.found
        ends, width = self.found.ends.astype(np.int64), self.found.width
        starts = _starts(ends)
        ends = _before_returns(self.data, starts, ends, slice(width - 1, None, width))
        return starts.reshape(-1, width), ends.reshape(-1, width)

    def only(self, rows: Offsets) -> Index:
        """The cells of some rows."""
        return replace(self, found=(self.starts[rows], self.ends[rows]), _bare={})

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
        if self.dialect.runs:
            starts, ends = self._trimmed(starts, ends)
        if not self.quoted:
            return starts, ends
        left, right = self._trimmed(starts, ends) if self.padded else (starts, ends)
        quote = self.marks[left] == (self.dialect.quote or b"\n")[0]
        if not quote.any():
            return starts, ends
        if self.padded:  # blanks around a text in quotes are not its own
            left, right = np.where(quote, left, starts), np.where(quote, right, ends)
        return left + quote, right - quote

    def _trimmed(self, starts: Offsets, ends: Offsets) -> tuple[Offsets, Offsets]:
        if not self.blanks:
            return starts, ends
        for _ in range(3):
            left = _is_blank(self.marks[starts]) & (ends > starts)
            right = _is_blank(self.marks[ends - 1]) & (ends - left > starts)
            if not (left.any() or right.any()):
                return starts, ends
            starts, ends = starts + left, ends - right
        return self._widely_trimmed(starts, ends)

    def _widely_trimmed(self, starts: Offsets, ends: Offsets) -> tuple[Offsets, Offsets]:
        """`_trimmed` for any number of blanks, with the next byte that is not a blank looked up."""
        solid = np.flatnonzero(~_is_blank(self.marks))  # the last byte is
        right = np.minimum(solid[np.searchsorted(solid, starts)], ends)
        left = np.minimum(solid[np.searchsorted(solid, ends) - 1] + 1, ends)
        return right, np.maximum(left, right)


def index(block: bytes, dialect: Dialect, width: int, line: int = 1, offset: int = 0) -> Index:
    """The cells of `block`, which lies at `line` and byte `offset` of its file."""
    found = _compiled(block, dialect, width)
    if found is None and not csv_records.bad_byte(block, 0):
        found = _index(block, dialect, width)
    if found is not None:
        return found
    first = _first_odd(block, dialect, width, line) or csv_records.first_problem(
        block, dialect, width, line, offset
    )
    assert first is not None, "the index and the records disagree about this block"
    start, problem = first
    rows = _index(block[:start], dialect, width)
    assert rows is not None, "the rows before the first problem are good"
    return replace(rows, problem=problem)


def _compiled(block: bytes, dialect: Dialect, width: int) -> Index | None:
    """The cells of `block`, found by the kernel; None where it refuses the block."""
    if dialect.comment or dialect.escape or dialect.runs:
        return None
    found = kernel.find(block, dialect.delimiter, dialect.quote, width)
    if found is None or (not found.is_ascii and csv_records.bad_byte(block, 0)):
        return None
    blanks = found.blanks and _has_blanks(block, dialect)
    data = np.frombuffer(block, np.uint8)
    return Index(data, data, found, dialect, found.quotes, blanks)


def _has_blanks(block: bytes, dialect: Dialect) -> bool:
    return any(dialect.blanks[i : i + 1] in block for i in range(len(dialect.blanks)))


def _index(block: bytes, dialect: Dialect, width: int) -> Index | None:
    """The cells of `block`, or None where any record is not a row of `width` cells."""
    seen = _without_escapes(block, dialect)
    marks = np.frombuffer(seen, np.uint8)
    found = _separators(seen, marks, dialect)
    if found is None:
        return None
    separators, padded = found
    rows = _rows(seen, marks, _starts(separators), separators, dialect, width)
    if rows is None:
        return None
    data = marks if seen is block else np.frombuffer(block, np.uint8)
    quoted = dialect.quote is not None and dialect.quote in seen
    blanks = _has_blanks(block, dialect)
    return replace(rows, data=data, quoted=quoted, blanks=blanks, padded=padded)


def _starts(ends: Offsets) -> Offsets:
    """Where cells start that are separated by one byte each."""
    starts = np.empty_like(ends)
    starts[:1] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    return starts


def _before_returns(marks: Bytes, starts: Offsets, ends: Offsets, last: Offsets | slice) -> Offsets:
    """The ends of cells, those of the `last` ones of records without the CR of a line end."""
    ends = ends.copy()
    ends[last] -= (marks[ends[last] - 1] == CR) & (ends[last] > starts[last])
    return ends


def _without_escapes(block: bytes, dialect: Dialect) -> bytes:
    """The block with all that is escaped, and what escapes it, made ordinary characters."""
    if dialect.escape is None or dialect.escape not in block:
        return block
    rules = grammar(dialect)
    if dialect.comment is None or dialect.comment not in block:
        return rules.escaped.sub(_made_ordinary, block)

    def ordinary(token: re.Match[bytes]) -> bytes:
        if token["comment"]:
            return token[0]
        inner = rules.escaped.sub(_made_ordinary, token[0])
        return inner if token["text"] else _made_ordinary(token)

    return rules.tokens.sub(ordinary, block)


def _made_ordinary(match: re.Match[bytes]) -> bytes:
    return b"x" * len(match[0])


def _separators(block: bytes, data: Bytes, dialect: Dialect) -> tuple[Offsets, bool] | None:
    """Offsets of the delimiters and line ends outside quotes; None where quotes are wrong.

    And: do blanks surround any quotes?
    """
    separator = _is_line_end(block, data)
    separator |= _is_gap(data) if dialect.runs else data == dialect.delimiter[0]
    if dialect.quote is None or dialect.quote not in block:
        return np.flatnonzero(separator), False
    outside, quotes = _outside(block, data, separator, dialect)
    padded = _quotes_fit(data, quotes, dialect)
    return None if padded is None else (outside, padded)


def _is_gap(data: Bytes) -> Mask:
    """Where the blanks between two cells begin, and not those around a line."""
    blank = _is_blank(data)
    ends = (data == LF) | (data == CR)
    first, last = blank.copy(), blank.copy()
    first[1:] &= ~blank[:-1]
    last[:-1] &= ~blank[1:]
    begins, stops = np.flatnonzero(first), np.flatnonzero(last)
    outer = (begins == 0) | ends[begins - 1] | ends[np.minimum(stops + 1, len(data) - 1)]
    first[begins[outer]] = False
    return first


def _is_blank(data: Bytes) -> Mask:
    blank: Mask = (data == SPACE) | (data == TAB)
    return blank


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
        is_quote = window == dialect.quote[0] if dialect.quote else np.zeros(len(window), bool)
        marks = np.flatnonzero(wanted[start : start + step] | is_quote)
        quote = is_quote[marks]
        if comments:
            kept = ~_in_comment(block, marks, quote, dialect)
            marks, quote = marks[kept], quote[kept]
        inside = (np.cumsum(quote, dtype=np.uint8) + odd) & 1  # a closing quote is outside
        odd = int(odd + np.count_nonzero(quote)) & 1
        outside.append(marks[(inside == 0) & ~quote] + start)
        quotes.append(marks[quote] + start)
    return _concatenated(outside), _concatenated(quotes)


def _concatenated(arrays: list[Offsets]) -> Offsets:
    return arrays[0] if len(arrays) == 1 else np.concatenate([np.zeros(0, np.int64), *arrays])


def _in_comment(block: bytes, marks: Offsets, quote: Mask, dialect: Dialect) -> Mask:
    """Which of the marks are quotes in comment lines."""
    found = np.zeros(len(marks), bool)
    inside, seen = False, 0
    for match in grammar(dialect).comment.finditer(block):
        start = match.end() - 1
        until = int(np.searchsorted(marks, start))
        if until >= seen:  # not in the comment before
            inside ^= bool(np.count_nonzero(quote[seen:until]) % 2)
            seen = until
            if not inside:
                seen = int(np.searchsorted(marks, line_end(block, start)))
                found[until:seen] = quote[until:seen]
    return found


def _quotes_fit(data: Bytes, quotes: Offsets, dialect: Dialect) -> bool | None:
    """Does every quoted cell open at its start, close at its end, and double the rest?

    Else None; True where blanks surround any quotes.
    """
    if len(quotes) % 2:
        return None
    opens, closes = quotes[0::2], quotes[1::2]
    doubled = closes[:-1] + 1 == opens[1:]
    edge = np.zeros(256, bool)
    edge[[LF, CR, *(BLANKS if dialect.runs else dialect.delimiter)]] = True
    opens_well = edge[data[opens - 1]] | (opens == 0)
    opens_well[1:] |= doubled
    closes_well = edge[data[np.minimum(closes + 1, len(data) - 1)]]
    closes_well[:-1] |= doubled
    if opens_well.all() and closes_well.all():
        return False
    solid = np.flatnonzero(~np.isin(data, list(dialect.blanks)))
    before = np.searchsorted(solid, opens[~opens_well]) - 1
    after = np.searchsorted(solid, closes[~closes_well] + 1)
    opens_well[~opens_well] = (before < 0) | edge[data[solid[before]]]
    closes_well[~closes_well] = edge[data[solid[np.minimum(after, len(solid) - 1)]]]
    return True if opens_well.all() and closes_well.all() else None


def _rows(
    block: bytes,
    data: Bytes,
    starts: Offsets,
    ends: Offsets,
    dialect: Dialect,
    width: int,
) -> Index | None:
    """The cells of all rows, blank and comment lines left out.

    None where a record is not a row of `width` cells.
    """
    closing = _closes(data[ends], dialect)  # the last cell of its record
    comments = dialect.comment is not None and dialect.comment in block
    if width > 1 and not comments and _regular(closing, width):
        if b"\r" in block:
            ends = _before_returns(data, starts, ends, slice(width - 1, None, width))
        return _even(data, starts, ends, dialect, width)
    first, last, row, ends = _records(block, data, starts, ends, dialect)
    counts = last - first + 1
    if (counts[row] == width).all():
        keep = np.repeat(row, counts)
        return _even(data, starts[keep], ends[keep], dialect, width)
    return _ragged(data, starts, ends, (first[row], last[row]), dialect, width)


def _records(
    block: bytes, data: Bytes, starts: Offsets, ends: Offsets, dialect: Dialect
) -> tuple[Offsets, Offsets, Mask, Offsets]:
    """The first and the last cell of each record, which of them are rows, and where cells end."""
    last = np.flatnonzero(_closes(data[ends], dialect))
    if b"\r" in block:
        ends = _before_returns(data, starts, ends, last)
    first = np.concatenate(([0], last[:-1] + 1)) if len(last) else last
    head, tail = starts[first], ends[last]
    if dialect.runs:
        solid = np.flatnonzero(~_is_blank(data))
        head = solid[np.searchsorted(solid, head)]
    row = head != tail
    if dialect.comment is not None:
        row &= data[head] != dialect.comment[0]
    return first, last, row, ends


def _even(data: Bytes, starts: Offsets, ends: Offsets, dialect: Dialect, width: int) -> Index:
    return Index(data, data, (starts.reshape(-1, width), ends.reshape(-1, width)), dialect)


def _ragged(
    data: Bytes,
    starts: Offsets,
    ends: Offsets,
    rows: tuple[Offsets, Offsets],
    dialect: Dialect,
    width: int,
) -> Index | None:
    """The first `width` cells of rows that have more or fewer; None where they must not.

    rows: their first and their last cells.
    """
    if not dialect.ragged:
        return None
    first, last = rows
    places = first[:, np.newaxis] + np.arange(width)
    absent = places > last[:, np.newaxis]
    places = np.minimum(places, last[:, np.newaxis])
    starts, stops, ends = starts[places], ends[last], ends[places]
    starts[absent] = ends[absent]
    return Index(data, data, (starts, ends), dialect, stops=stops, absent=absent)


def odd_records(
    block: bytes, dialect: Dialect, width: int
) -> tuple[Offsets, Offsets, Offsets] | None:
    """Where the records start and end that have too many or too few cells, and how many.

    None where something else is wrong: a quote, or a byte.
    """
    if csv_records.bad_byte(block, 0):
        return None
    seen = _without_escapes(block, dialect)
    data = np.frombuffer(seen, np.uint8)
    found = _separators(seen, data, dialect)
    if found is None:
        return None
    starts, separators = _starts(found[0]), found[0]
    first, last, row, _ = _records(seen, data, starts, separators, dialect)
    counts = last - first + 1
    odd = np.flatnonzero(row & (counts != width) & (not dialect.ragged))
    return starts[first[odd]], separators[last[odd]] + 1, counts[odd]


def _first_odd(block: bytes, dialect: Dialect, width: int, line: int) -> tuple[int, Problem] | None:
    """The first record that has too many or too few cells, if nothing else is wrong."""
    found = odd_records(block, dialect, width)
    if found is None or not len(found[0]):
        return None
    start, end, count_of_cells = (int(each[0]) for each in found)
    line += count_line_ends(block[:start])
    return start, csv_records.wrong_width(line, count_of_cells, width, block[start:end])


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
    seen = _without_escapes(block, dialect)
    data = np.frombuffer(seen, np.uint8)
    found = _separators(seen, data, dialect)
    if found is None:
        ends: Iterator[int] = (record.end for record in records(block, dialect))
        return np.fromiter(ends, np.int64)
    separators, _ = found
    line_ends: Offsets = separators[_closes(data[separators], dialect)]
    return line_ends + 1


def _closes(separators: Bytes, dialect: Dialect) -> Mask:
    """Which separators are the ends of lines."""
    if dialect.runs:
        return ~_is_blank(separators)
    ends: Mask = separators != dialect.delimiter[0]
    return ends


def quotes_fit(block: bytes, dialect: Dialect) -> bool:
    """Are all quotes of `block` where they may be?"""
    block = _without_escapes(block, dialect)
    return _separators(block, np.frombuffer(block, np.uint8), dialect) is not None


def last_record_end(buffer: bytearray, filled: int, dialect: Dialect) -> int:
    """Where the last whole record of ``buffer[:filled]`` ends, if quotes are in place; or 0.

    More bytes will follow: a CR at the very end may be the first half of a line end.
    """
    filled -= buffer.endswith(b"\r", 0, filled)
    end = _last_line_end(buffer, filled, dialect)
    if end is not None:
        return end
    block = _without_escapes(bytes(buffer[:filled]) + b"x", dialect)[:-1]  # it is not the end
    data = np.frombuffer(block, np.uint8)
    ends = _outside(block, data, _is_line_end(block, data), dialect)[0]
    return int(ends[-1]) + 1 if len(ends) else 0


def _last_line_end(buffer: bytearray, end: int, dialect: Dialect) -> int | None:
    """Where the last line end outside quotes ends, or 0; it is looked for from the `end`.

    None where it is far from there, or there may be quotes and line ends that do not count.
    """
    if dialect.escape is not None and buffer.find(dialect.escape, 0, end) >= 0:
        return None
    mark = dialect.quote or b"\n"
    quotes = dialect.quote is not None and buffer.find(mark, 0, end) >= 0
    if quotes and dialect.comment is not None and buffer.find(dialect.comment, 0, end) >= 0:
        return None
    inside = quotes and _is_odd(buffer, end, mark)
    for _ in range(100):
        if inside:
            end = buffer.rfind(mark, 0, end)
        found = buffer.rfind(b"\n", 0, end)
        found = max(found, buffer.rfind(b"\r", found + 1, end))
        inside = quotes and buffer.count(mark, found + 1, end) % 2 == 1
        if not inside:
            return found + 1
        end = found
    return None


def _is_odd(buffer: bytearray, end: int, quote: bytes) -> bool:
    """Is the number of quotes before `end` odd?"""
    with memoryview(buffer) as view, view[:end] as before:
        return count(before, quote) % 2 == 1
