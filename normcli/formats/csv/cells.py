"""Cells of CSV as exact numbers, and numbers back in their cells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from normcli import kernel
from normcli.formats.base import Style
from normcli.formats.csv.index import Index
from normcli.formats.texts import kernels
from normcli.formats.texts.kernels import slices
from normcli.formats.texts.read import CODE, EXACT, Reading, Unreadable, read, without_codes
from normcli.formats.texts.write import Texts, format_rows, shorten
from normcli.kernel import Marks
from normcli.numerics.numbers import Numbers, without

if TYPE_CHECKING:
    from normcli.formats.texts.kernels import Bytes, Offsets
    from normcli.numerics.numbers import Floats, Mask, Scaled

TOGETHER = 4096  # cells that are worth a call of NumPy and Arrow


def read_columns(
    index: Index, positions: Sequence[int], reading: Reading, *, codes: bool
) -> list[Numbers | Unreadable]:
    """What `read` makes of each of some columns; those that are plain numbers all at once."""
    found = _read_group(index, sorted(positions), reading, codes) if positions else {}
    return [found[position] for position in positions]


def read_compiled(
    index: Index, positions: Sequence[int], reading: Reading, *, codes: bool
) -> dict[int, Numbers]:
    """The columns that the kernel reads, by position."""
    if not index.compiled or not reading.plain:
        return {}
    found = kernel.read(index.data, index.compiled, positions, reading.null, codes=codes)
    columns = zip(positions, found, strict=True)
    numbers = ((i, Numbers(each[0][np.newaxis], each[1])) for i, each in columns if each)
    return {i: without(x, reading.marks) for i, x in numbers}


def _read_group(
    index: Index, positions: list[int], reading: Reading, codes: bool
) -> dict[int, Numbers | Unreadable]:
    """The columns, read all at once if possible; else in groups."""
    plain = _read_plain(index, positions, reading, codes) if reading.plain else None
    if plain is not None:
        return dict(zip(positions, plain, strict=True))
    if len(positions) < 2 or len(positions) * len(index.starts) <= TOGETHER:
        starts, ends = index.cells_of(positions)
        found = read(index.data, starts.ravel(), ends.ravel(), reading, codes=codes)
        if len(positions) == 1:
            return {positions[0]: found}
        if isinstance(found, Numbers):
            return dict(zip(positions, _columns(found, len(positions)), strict=True))
    groups = _split(index, positions, reading)
    return {k: v for group in groups for k, v in _read_group(index, group, reading, codes).items()}


def _split(index: Index, positions: list[int], reading: Reading) -> list[list[int]]:
    """The columns that begin with a number and the others; or else two halves, or each alone."""
    starts, ends = (each[0] for each in index.cells_of(positions))
    first = [index.data[a:b].tobytes().decode() for a, b in zip(starts, ends, strict=True)]
    begun = zip(positions, first, strict=True)
    good = {c for c, text in begun if reading.takes(text) and not re.match(CODE, text)}
    if 0 < len(good) < len(positions):
        return [[c for c in positions if c in good], [c for c in positions if c not in good]]
    if len(index.starts) > TOGETHER:
        return [[c] for c in positions]
    half = len(positions) // 2
    return [positions[:half], positions[half:]]


def _columns(x: Numbers, width: int) -> list[Numbers | Unreadable]:
    """The columns of a table that was read row by row."""
    parts = np.ascontiguousarray(x.parts.reshape(len(x.parts), -1, width).transpose(2, 0, 1))
    depth = 1 + parts[:, 1:].any(axis=2).sum(axis=1)
    if x.missing is None:
        return [Numbers(part[:d]) for part, d in zip(parts, depth, strict=True)]
    missing = np.ascontiguousarray(x.missing.reshape(-1, width).T)
    columns = zip(parts, depth, missing, strict=True)
    return [Numbers(part[:d], mask if mask.any() else None) for part, d, mask in columns]


def _read_plain(
    index: Index, positions: list[int], reading: Reading, codes: bool
) -> list[Numbers] | None:
    """The columns as numbers; None where any cell needs a closer look.

    One cast reads all cells where they stand: in an Arrow array over the block, in which the
    gaps between the cells, and the empty cells, are null.
    """
    starts, ends = index.cells_of(positions)
    missing = starts == ends
    empty = bool(missing.any())
    if not codes and not without_codes(index.data, starts):
        return None
    values = _cast_in_place(index.data, starts, ends, missing if empty else None)
    if values is None:
        return None
    table = np.array(values.reshape(starts.shape).T, order="C")
    absent = np.ascontiguousarray(missing.T) if empty else None
    if absent is not None:
        table[absent] = 0
    if not np.abs(table, out=np.empty_like(table)).max(initial=0) < EXACT:  # NaN is not, either
        return None
    if absent is None:
        found = [Numbers(column[np.newaxis]) for column in table]
    else:
        table[absent] = np.nan
        found = [
            Numbers(column[np.newaxis], mask if mask.any() else None)
            for column, mask in zip(table, absent, strict=True)
        ]
    return [without(x, reading.marks) for x in found]


def _cast_in_place(
    data: Bytes, starts: Offsets, ends: Offsets, missing: Mask | None
) -> Floats | None:
    """The float64 nearest to each cell, any number where it is missing; None as `_cast`."""
    if not starts.size:
        return np.zeros(0)
    bounds = np.empty((*starts.shape, 2), np.int64)
    bounds[..., 0], bounds[..., 1] = starts, ends
    if missing is None:
        valid = np.full(bounds.size // 8 + 1, 0b01010101, np.uint8)
    else:
        bits = np.zeros(bounds.shape, bool)
        bits[..., 0] = ~missing
        valid = np.packbits(bits, bitorder="little")
    cells = pa.LargeStringArray.from_buffers(
        bounds.size - 1, pa.py_buffer(bounds), pa.py_buffer(data), pa.py_buffer(valid)
    )
    try:
        values = kernels.cast(cells, pa.float64())
    except pa.ArrowInvalid:
        return None
    found: Floats = np.frombuffer(values.buffers()[1], np.float64, bounds.size - 1)[::2]
    return found


def texts(index: Index, position: int) -> pa.LargeStringArray:
    """The cells of a column as text: quotes undone, null where there is nothing at all."""
    import pyarrow.compute as pc

    starts, ends = index.unquoted([position])
    plain = slices(index.data, starts[:, 0], ends[:, 0])
    dialect = index.dialect
    if index.quoted or dialect.escape:  # outside of quotes there is no quote
        plain = pc.replace_substring_regex(plain, dialect.pairs, r"\1")
    nothing = index.starts[:, position] == index.ends[:, position]
    if not nothing.any():
        return plain
    return pc.if_else(kernels.booleans(nothing), pa.scalar(None, plain.type), plain)


def splice(index: Index, replaced: Mapping[int, Scaled], style: Style, decimal: str) -> memoryview:
    """The bytes of a block with the numbers of the replaced columns in their cells.

    The block is cut into pieces: what stays, and the runs of adjacent replaced cells between.
    The new texts are cut in pieces too. One Arrow `take` over all these pieces, in the order
    wanted, copies each byte of the result once.
    """
    quoted = decimal.encode() == index.dialect.delimiter  # a number would be two cells else
    if index.compiled and not quoted and _is_plain(index.compiled, replaced, style):
        return _splice_compiled(index.data, index.compiled, replaced, style, decimal)
    runs = [[c] for c in replaced] if quoted else _runs(index, replaced)
    rows, width = len(index.starts), len(runs)
    bounds = np.empty((rows, width, 2), np.int64)  # of the runs; between them is what stays
    wanted = np.arange(bounds.size).reshape(bounds.shape)  # numbers of pieces: stay, run, ...
    pieces = _Pieces(index.data, bounds)
    for i, run in enumerate(runs):
        bounds[:, i, 0], bounds[:, i, 1] = _bounds(index, run, quoted)
        numbers = np.stack([replaced[c].values for c in run], axis=1)
        new = format_rows(numbers, style.of(replaced[run[0]]), index.dialect.delimiter, decimal)
        new = _in_quotes(new, index.dialect.quote or b"") if quoted else new
        number = pieces.add(new.buffer, new.starts, new.ends)
        scaled = replaced[run[0]]
        if scaled.null is not None and scaled.null.any():
            number[scaled.null] = _nulls(index, run[0], pieces, quoted)[scaled.null]
        keep = scaled.keep
        if index.absent is not None:
            absent = index.absent[:, run[0]]
            keep = absent if keep is None else absent | keep
        wanted[:, i, 1] = number if keep is None else np.where(keep, wanted[:, i, 1], number)
    return pieces.take(np.append(wanted.ravel(), wanted.size))


def append(index: Index, replaced: Mapping[int, Scaled], style: Style, decimal: str) -> memoryview:
    """The bytes of a block with the numbers of the scaled columns in new cells at the end of rows.

    A cell that is kept comes again as it is written, and one that is null stays empty; between
    blanks, which would be lost among others, it is NaN.
    """
    rows, mark = len(index.starts), index.dialect.delimiter
    end = index.ends[:, -1]
    pieces = _Pieces(index.data, np.stack([end, end], axis=1))
    line = np.arange(2 * rows).reshape(rows, 2)  # of each row what is before its end, and nothing
    quote = index.dialect.quote or b""
    opening, closing = (mark + quote, quote) if decimal.encode() == mark else (mark, b"")
    separator, last = (_constant(pieces, text, rows) for text in (opening, closing))
    nothing = _constant(pieces, b"NaN", rows) if index.dialect.runs else line[:, 1]
    wanted = [line[:, 0], *_padding(index, pieces, line[:, 1])]
    for position, scaled in replaced.items():
        new = format_rows(scaled.values[:, np.newaxis], style.of(scaled), mark, decimal)
        number = pieces.add(new.buffer, new.starts, new.ends)
        if scaled.null is not None:
            number = np.where(scaled.null, nothing, number)
        if scaled.keep is not None:
            old = pieces.add(index.data, index.starts[:, position], index.ends[:, position])
            empty = index.starts[:, position] == index.ends[:, position]
            number = np.where(scaled.keep, np.where(empty, nothing, old), number)
        wanted += [separator, number, last]
    return pieces.take(np.append(np.stack(wanted, axis=1).ravel(), 2 * rows))


def _padding(index: Index, pieces: _Pieces, nothing: Offsets) -> list[Offsets]:
    """The numbers of the delimiters that rows lack which have too few cells."""
    if index.absent is None:
        return []
    mark = _constant(pieces, index.dialect.delimiter, len(nothing))
    return [np.where(absent, mark, nothing) for absent in index.absent.T if absent.any()]


def _constant(pieces: _Pieces, text: bytes, rows: int) -> Offsets:
    """The number of a piece that is the same in all rows."""
    number = pieces.add(np.frombuffer(text, np.uint8), np.array([0]), np.array([len(text)]))
    return np.repeat(number, rows)


def _is_plain(marks: Marks, replaced: Mapping[int, Scaled], style: Style) -> bool:
    """Can the kernel write these numbers? Where cells may be lines of their own, it cannot."""
    return marks.width > 1 and not style.float32 and all(x.whole is None for x in replaced.values())


def _splice_compiled(
    block: Bytes, marks: Marks, replaced: Mapping[int, Scaled], style: Style, decimal: str
) -> memoryview:
    """`splice` by the kernel, which leaves numbers that have an exponent to `format_rows`."""
    columns = dict(sorted(replaced.items()))
    values = [np.ascontiguousarray(shorten(x.values, style)) for x in columns.values()]
    keep, null = [x.keep for x in columns.values()], [x.null for x in columns.values()]
    odd = kernel.odd(values, keep, null)
    row, column = np.divmod(odd, len(values))
    numbers = np.array([values[c][r] for r, c in zip(row.tolist(), column.tolist(), strict=True)])
    texts = format_rows(numbers.reshape(-1, 1), style, decimal=decimal)
    found = (texts.buffer, texts.starts, texts.ends)
    return kernel.splice(block, marks, list(columns), values, keep, null, odd, found, decimal)


def _bounds(index: Index, run: list[int], quoted: bool) -> tuple[Offsets, Offsets]:
    """Where the cells of a run start and end; with their quotes if they get new ones."""
    if quoted:
        return index.starts[:, run[0]], index.ends[:, run[0]]
    return index.cells(run[0])[0], index.cells(run[-1])[1]


def _in_quotes(new: Texts, quote: bytes) -> Texts:
    """The texts, each in quotes."""
    buffer = new.buffer.tobytes()
    pairs = zip(new.starts.tolist(), new.ends.tolist(), strict=True)
    texts = [quote + buffer[start:end] + quote for start, end in pairs]
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    return Texts(np.frombuffer(b"".join(texts), np.uint8), starts[: len(ends)], ends)


def _nulls(index: Index, position: int, pieces: _Pieces, quoted: bool) -> Offsets:
    """The number of the piece that says "missing", for each row.

    It is empty, or ``""`` where else a blank line, which is not a row, would stay. Where there
    are no quotes, or blanks would be lost among others, it is ``NaN``.
    """
    starts, ends = index.cells(position)
    dialect, width = index.dialect, index.starts.shape[1]
    whole = (starts == index.starts[:, position]) & (ends == index.ends[:, position])
    visible = np.ones(len(whole), bool) if dialect.runs or quoted else whole & (width == 1)
    word = b"NaN" if dialect.runs or dialect.quote is None else 2 * dialect.quote
    bounds = np.array([0, 0]), np.array([0, len(word)])
    nothing, something = pieces.add(np.frombuffer(word, np.uint8), *bounds)
    chosen: Offsets = np.where(visible, something, nothing)
    return chosen


class _Pieces:
    """Pieces of several buffers, numbered as they are added."""

    def __init__(self, data: Bytes, bounds: Offsets) -> None:
        """Cut `data` at the `bounds`, which may be filled in later."""
        self.buffers = [data]
        self.offsets = [np.zeros(1, np.int64), bounds.reshape(-1), np.full(1, len(data))]
        self.count = bounds.size + 1
        self.length = len(data)

    def add(self, buffer: Bytes, starts: Offsets, ends: Offsets) -> Offsets:
        """Add ``buffer[starts[i]:ends[i]]`` (ascending); their numbers."""
        offsets = np.empty(2 * len(starts), np.int64)
        np.add(starts, self.length, out=offsets[0::2])
        np.add(ends, self.length, out=offsets[1::2])
        numbers = np.arange(self.count + 1, self.count + 1 + len(offsets), 2)
        self.offsets.append(offsets)
        self.buffers.append(buffer)
        self.count += len(offsets)
        self.length += len(buffer)
        return numbers

    def take(self, numbers: Offsets) -> memoryview:
        """The pieces of these numbers, one after the other."""
        data, offsets = np.concatenate(self.buffers), np.concatenate(self.offsets)
        pieces = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), self.count, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        )
        return joined(kernels.take(pieces, numbers))


def _runs(index: Index, replaced: Mapping[int, Scaled]) -> list[list[int]]:
    """The replaced columns, in order; those that can be written as one piece together."""
    runs: list[list[int]] = []
    for position in sorted(replaced):
        if runs and _joins(index, replaced, runs[-1][-1], position):
            runs[-1].append(position)
        else:
            runs.append([position])
    return runs


def _joins(index: Index, replaced: Mapping[int, Scaled], left: int, right: int) -> bool:
    """Is there nothing but a delimiter between two columns, and a number in all cells?"""
    whole = all(
        mask is None or not mask.any()
        for scaled in (replaced[left], replaced[right])
        for mask in (scaled.keep, scaled.null)
    )
    whole &= _is_whole(replaced[left]) == _is_whole(replaced[right]) != "some"
    if right != left + 1 or not whole or index.dialect.runs:
        return False
    if not (index.quoted or index.blanks or index.stops is not None):
        return True
    return bool((index.cells(right)[0] - index.cells(left)[1] == 1).all())


def _is_whole(scaled: Scaled) -> str:
    """Are all, some or none of its numbers written without a fraction?"""
    if scaled.whole is None or not scaled.whole.any():
        return "none"
    return "all" if scaled.whole.all() else "some"


def joined(texts: pa.LargeBinaryArray | pa.LargeStringArray) -> memoryview:
    """The texts of an array that has no offset and no null, one after the other."""
    _, offsets, data = texts.buffers()
    end = int(np.frombuffer(offsets, np.int64)[len(texts)])
    return memoryview(data).cast("B")[:end] if end else memoryview(b"")
