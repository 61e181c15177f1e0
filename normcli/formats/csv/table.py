"""Tables of CSV: a chunk keeps its bytes; only the chosen cells are ever parsed or written."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from normcli import kernel
from normcli.errors import DataError
from normcli.formats.base import (
    BadRowError,
    BadRows,
    Chunk,
    Encoder,
    NotNumbers,
    ReadOptions,
    Style,
    Table,
    Texts,
    Writer,
)
from normcli.formats.columnar.added import laid_out
from normcli.formats.columnar.numbers import scaled_array
from normcli.formats.columnar.schema import number_type
from normcli.formats.columnar.texts import encoded
from normcli.formats.csv import cells as csv_cells
from normcli.formats.csv import index as csv_index
from normcli.formats.csv.blocks import before_long_record, blocks
from normcli.formats.csv.head import OPEN_QUOTE, dialect_cell
from normcli.formats.csv.index import Index
from normcli.formats.csv.look import Opening, advice
from normcli.formats.csv.records import Dialect
from normcli.formats.csv.transcode import open_text
from normcli.formats.marks import spelled
from normcli.formats.texts.cuts import Span
from normcli.formats.texts.lines import count_line_ends, line_end
from normcli.formats.texts.options import MAX_RECORD, too_long
from normcli.formats.texts.read import Reading, Unreadable, not_a_number
from normcli.numerics.numbers import Numbers
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.formats.texts.kernels import Offsets
    from normcli.numerics.numbers import Scaled
    from normcli.storage.files import File
    from normcli.storage.sources import Source


@dataclass(frozen=True)
class Layout:
    """What all chunks of a file have in common."""

    name: str  # of the file, for messages
    names: tuple[str, ...]
    dialect: Dialect
    reading: Reading
    encoding: str = "utf-8"
    opening: Opening = field(default_factory=Opening)
    units: int = 0  # so many of the first rows may hold units
    refused: list[int] = field(default_factory=list, compare=False)  # blocks, by the kernel


@dataclass(eq=False)
class CsvChunk(Chunk):
    """Whole records of a file, as they were written.

    raw: the bytes; or how many there are at `offset` of the file.
    line: the number of its first line. offset: where its first byte lies in the file.
    file: any process can read the bytes from it; they are not pickled then.
    gaps: (offset, lines): so many lines that were there are left out, as bad rows.
    chosen: the numbers of the rows that it has; None: all.
    """

    layout: Layout
    raw: bytes | int
    line: int
    offset: int
    file: File | None = None
    gaps: tuple[tuple[int, int], ...] = ()
    chosen: Offsets | None = None

    def __getstate__(self) -> dict[str, Any]:
        state = {each.name: getattr(self, each.name) for each in fields(self)}
        return state | {"raw": len(self.block)} if self.file else state

    @cached_property
    def block(self) -> bytes:
        """The bytes; raises NormcliError where they cannot be read any more."""
        if isinstance(self.raw, bytes):
            return self.raw
        assert self.file is not None
        return self.file.range(self.offset, self.raw)

    @property
    def rows(self) -> int:
        """How many rows; raises DataError where a record is not a row."""
        self._refuse_problem()
        return self.index.rows

    @cached_property
    def index(self) -> Index:
        """Where the cells are."""
        layout = self.layout
        # After lines that were left out, only an open quote after all of them can be wrong.
        line = self.line + int(self._left_out(len(self.block)))
        width = len(layout.names)
        found = csv_index.index(self.closed, layout.dialect, width, line, self.offset)
        return found if self.chosen is None else found.only(self.chosen)

    @property
    def closed(self) -> bytes:
        """The block with a line end after the last record."""
        return self.block if self._is_closed else self.block + b"\n"

    @property
    def _is_closed(self) -> bool:
        return self.block.endswith((b"\n", b"\r")) or not self.block

    def _refuse_problem(self) -> None:
        """Raise DataError where a record is not a row."""
        if self.index.problem:
            problem, layout = self.index.problem, self.layout
            hint = problem.hint or advice(
                problem, layout.opening, layout.dialect, len(layout.names)
            )
            message = problem.message(layout.name, hint)
            raise BadRowError.at(self.index.rows, message)

    def _line_of(self, offset: int) -> int:
        """The number of the line that holds the byte at `offset` of the block."""
        return int(self.lines_of(np.array(offset)))

    def lines_of(self, offsets: Offsets) -> Offsets:
        """The numbers of the lines that hold the bytes at these offsets of the block."""
        return self.line + self.line_ends.searchsorted(offsets) + self._left_out(offsets)

    def _left_out(self, offsets: Offsets | int) -> Offsets:
        """The lines left out before bytes; a CR and an LF that met there end a line each."""
        if not self.gaps:
            return np.zeros((), np.int64)
        at, lines = self._gap_lines
        found: Offsets = lines[at.searchsorted(offsets, side="right")]
        return found

    @cached_property
    def _gap_lines(self) -> tuple[Offsets, Offsets]:
        """Where lines are left out, and how many there are up to each of these places."""
        gaps = np.array(self.gaps, np.int64).reshape(-1, 2)
        at, first = np.unique(gaps[:, 0], return_index=True)
        lines = np.add.reduceat(gaps[:, 1], first) if len(at) else first
        met = [i > 0 and self.block[i - 1 : i + 1] == b"\r\n" for i in at.tolist()]
        return at, np.concatenate(([0], np.cumsum(lines + np.array(met, np.int64))))

    def _row_at(self, line: int) -> int:
        """The row that holds the beginning of a line, or its first cell."""
        first_lines = self.line + self.line_ends.searchsorted(self.index.starts[:, 0])
        return int(first_lines.searchsorted(line, side="right")) - 1

    @cached_property
    def line_ends(self) -> Offsets:
        return csv_index.line_ends(self.block)

    def place(self, row: int, position: int) -> str:
        start, end = (int(side[row]) for side in self.index.cells(position))
        text = printable(self.block[start:end].decode())
        name = printable(self.layout.names[position])
        return f"{self.layout.name}: line {self._line_of(start)}, column {name}: {text}"

    @property
    def kept_rows(self) -> int:
        """How many rows have too many or too few cells, and were kept."""
        index = self.index
        if index.stops is None or index.absent is None:
            return 0
        return int(np.count_nonzero(index.absent[:, -1] | (index.stops > index.ends[:, -1])))

    def _refuse_more_cells(self) -> None:
        """Raise DataError for a row with a text beyond the columns, which only CSV has room for."""
        if self.index.stops is None:
            return
        ends = self.index.ends[:, -1]
        for row in np.flatnonzero(self.index.stops > ends).tolist():
            start, stop = int(ends[row]), int(self.index.stops[row])
            if self.block[start:stop].strip(self.layout.dialect.marks):
                raise DataError(
                    f"{self.layout.name}: line {self._line_of(start)}: there are more cells than "
                    "columns, which only CSV can keep\nFix the line, or write CSV"
                )

    def observe(self, positions: Sequence[int]) -> list[Numbers | NotNumbers]:
        self._refuse_problem()
        return self._read(positions, codes=False)

    def numbers(self, positions: Sequence[int]) -> list[Numbers]:
        """The columns as numbers; raises DataError for the first thing wrong in the block."""
        found = self._read(positions, codes=True)
        cells = zip(positions, found, strict=True)
        bad = [(cell.order, i, cell) for i, cell in cells if isinstance(cell, NotNumbers)]
        if bad:
            line, position, cell = min(bad, key=lambda each: each[:2])
            message = not_a_number(self.layout.name, self.layout.names[position], cell)
            raise BadRowError.at(self._row_at(line), message)
        self._refuse_problem()
        return [x for x in found if not isinstance(x, NotNumbers)]

    def _read(self, positions: Sequence[int], *, codes: bool) -> list[Numbers | NotNumbers]:
        """Some columns; with `codes`, what looks like a code (007) is a number too."""
        index, reading = self.index, self.layout.reading
        found: dict[int, Numbers | NotNumbers] = {}
        found |= csv_cells.read_compiled(index, positions, reading, codes=codes)
        rest = [position for position in positions if position not in found]
        for i, read in zip(
            rest, csv_cells.read_columns(index, rest, reading, codes=codes), strict=True
        ):
            found[i] = self._not_numbers(read) if isinstance(read, Unreadable) else read
        if any(isinstance(found[i], Numbers) for i in rest):
            self.layout.refused.append(self.line)
        return [found[position] for position in positions]

    def _not_numbers(self, cell: Unreadable) -> NotNumbers:
        line = self._line_of(cell.start)
        text = self.block[cell.start : cell.end].decode()
        return NotNumbers(cell.reason, f"line {line}", line, text)

    def texts(self, position: int) -> Texts:
        self._refuse_problem()
        return encoded(csv_cells.texts(self.index, position))

    @property
    def null(self) -> Sequence[str]:
        return (*self.layout.reading.null, *map(spelled, self.layout.reading.marks))

    def only(self, rows: Offsets) -> CsvChunk:
        some = replace(self, chosen=rows)
        some.__dict__["index"] = self.index.only(rows)  # without looking for it again
        return some

    def slice(self, start: int, stop: int) -> CsvChunk:
        """The rows from `start` to before `stop`, with the blank and comment lines before them."""
        if self.chosen is not None and len(self.chosen):
            first, *_, last = self.chosen[[start, stop - 1]].tolist()
            whole = replace(self, chosen=None).slice(first, last + 1)
            return whole.only(self.chosen[start:stop] - first)
        return self.between(self._row_start(start), self._row_start(stop))

    def _row_start(self, row: int) -> int:
        """Where the bytes of a row start, blank and comment lines before it included."""
        if row == 0:
            return 0
        if row >= self.index.rows and not self.index.problem:
            return len(self.block)
        stops = self.index.ends[:, -1] if self.index.stops is None else self.index.stops
        return line_end(self.block, int(stops[row - 1]))

    def between(self, start: int, stop: int) -> CsvChunk:
        """The bytes from `start` to before `stop`."""
        gaps = tuple((at - start, lines) for at, lines in self.gaps if start < at <= stop)
        line, offset = self._line_of(start), self.offset + start
        return CsvChunk(self.layout, self.block[start:stop], line, offset, self.file, gaps)

    @classmethod
    def concat(cls, chunks: Sequence[CsvChunk]) -> CsvChunk:
        first = chunks[0]
        if len(chunks) == 1:
            return first
        gaps: list[tuple[int, int]] = []
        length, line = 0, first.line
        for chunk in chunks:
            gaps.append((length, chunk.line - line))
            gaps += [(length + at, lines) for at, lines in chunk.gaps]
            length, line = length + len(chunk.block), chunk._line_of(len(chunk.block))
        real = tuple(gap for gap in gaps if gap[1])
        file = first.file if all(chunk.file for chunk in chunks) else None
        block = b"".join(chunk.block for chunk in chunks)
        return CsvChunk(first.layout, block, first.line, first.offset, file, real)

    def without_bad_rows(self, positions: Sequence[int]) -> tuple[CsvChunk, BadRows]:
        """The chunk without the rows that are refused, and (line, why) of each of these.

        A quote that is never closed stays, to be refused when what comes before it has been
        read: it is unknown where its row ends.
        """
        if self.gaps:  # they have been left out already
            return self, []
        try:
            self.numbers(positions)
        except DataError:
            from normcli.formats.csv.skipping import good_rows

            return good_rows(self, positions)
        return self, []

    def splice(self, replaced: Mapping[int, Scaled], style: Style) -> bytes | memoryview:
        """The block with the numbers of the replaced columns in their cells."""
        if not replaced or not self.index.rows:
            return self.block
        put = csv_cells.append if style.suffix else csv_cells.splice
        spliced = put(self.index, replaced, style, self.layout.reading.notation.decimal)
        return spliced if self._is_closed else spliced[:-1]

    def to_arrow(self, replaced: Mapping[int, Scaled], style: Style) -> pa.Table:
        """The rows as an Arrow table: text as text, empty unquoted cells as null."""
        self._refuse_more_cells()
        columns, number = [], number_type(style)
        for c, name in enumerate(self.layout.names):
            if c in replaced:
                target = pa.field(name, number)
                columns.append(scaled_array(name, target, partial(self._marked, c), replaced[c]))
            else:
                columns.append(csv_cells.texts(self.index, c))
        return pa.Table.from_arrays(columns, names=list(self.layout.names))

    def _marked(self, position: int) -> Numbers:
        """A column with the numbers that mark missing values: in another format they stay."""
        layout = replace(self.layout, reading=replace(self.layout.reading, marks=()))
        return replace(self, layout=layout).numbers([position])[0]


REFUSED = 4  # blocks that the kernel refuses: then processes do the rest


@dataclass
class CsvTable(Table):
    """An open CSV file."""

    parallel: ClassVar[bool] = True

    layout: Layout = field(kw_only=True)
    source: Source = field(kw_only=True)
    options: ReadOptions = field(kw_only=True)
    head: bytes = field(kw_only=True)  # all bytes before the first record that is a row
    begin: int = field(default=0, kw_only=True)  # where the header may start
    lines: tuple[bytes, bytes] = field(
        kw_only=True
    )  # of them, left out before and after the header
    span: Span | None = field(default=None, kw_only=True)  # of the rows; None: all

    def chunks(self, positions: Sequence[int] | None = None) -> Iterator[CsvChunk]:
        """The rows, a few MB at a time, cut at line ends outside quotes."""
        del positions  # cells that are not asked for are never read
        layout, limit = self.layout, self.options[MAX_RECORD]
        line, offset = self.first
        is_file = layout.encoding == "utf-8" and self.source.path
        file = self.source.file if is_file else None
        with self._open() as stream:
            width = len(layout.names)
            for block in blocks(self.source, stream, layout.dialect, width, self.options):
                good = block[: before_long_record(block, layout.dialect, limit)]
                if good:
                    yield CsvChunk(layout, good, line, offset, file)
                line += count_line_ends(good)
                offset += len(good)
                if len(good) < len(block):
                    raise too_long(f"{self.name}: the record at line {line}", limit, OPEN_QUOTE)

    def ready(self) -> bool:
        return self.source.ready()

    def _open(self) -> io.BufferedReader | io.RawIOBase:
        """The bytes of the rows, as UTF-8."""
        if self.span:
            return self.source.between(self.span.start, self.span.stop)
        return open_text(self.source, self.layout.encoding, skip=len(self.head))

    def free(self) -> bool:
        """Reads the kernel the blocks, all but a few?"""
        return kernel.library() is not None and len(self.layout.refused) < REFUSED

    @property
    def first(self) -> tuple[int, int]:
        """The line, and the offset in the file, of the first row."""
        if self.span:
            return self.span.line, self.span.start
        return 1 + count_line_ends(self.head), len(self.head)

    def schema(self, replaced: Sequence[int], style: Style) -> pa.Schema:
        """Replaced columns as floats, all others as text."""
        number = number_type(style)
        types = (number if c in replaced else pa.large_string() for c in range(len(self.columns)))
        return pa.schema(list(zip(self.columns, types, strict=True)))


@dataclass
class CsvEncoder(Encoder):
    """Makes the bytes of CSV chunks, from any table.

    decimal: the decimal mark of new cells; None where the cells of the chunk are replaced.
    """

    head: bytes
    dialect: Dialect
    encoding: str
    style: Style
    decimal: str | None = None

    @property
    def spells(self) -> bool:
        return True

    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> bytes | memoryview:
        """The rows as CSV, UTF-8."""
        if self.decimal is None:
            assert isinstance(chunk, CsvChunk)
            return chunk.splice(replaced, self.style)
        from normcli.formats.csv.text import rows  # slow to import

        table, places = laid_out(chunk, replaced, self.style)
        delimiter = self.dialect.delimiter.decode()
        return rows(table, places, self.style, delimiter, self.decimal)


class CsvWriter(Writer):
    """Writes the bytes of chunks, in the encoding of the table."""

    def __init__(self, stream: IO[bytes], encoder: CsvEncoder) -> None:
        self.stream, self.encoding = stream, encoder.encoding
        self.encoder = codecs.getincrementalencoder(self.encoding)()
        self.write(encoder.head)

    def write(self, payload: bytes | memoryview) -> None:
        self.stream.write(payload if self.encoding == "utf-8" else self._encoded(bytes(payload)))

    def _encoded(self, payload: bytes, final: bool = False) -> bytes:
        try:
            return self.encoder.encode(payload.decode(), final)
        except UnicodeEncodeError as error:
            text = printable(error.object[error.start : error.end], 20)
            raise DataError(
                f"{text} cannot be written as {self.encoding}; choose another --encoding"
            ) from error

    def close(self) -> None:
        """Write what the encoding may need at the end."""
        if self.encoding != "utf-8":
            self.stream.write(self._encoded(b"", final=True))


def header(names: Sequence[str], dialect: Dialect) -> bytes:
    """The header line, quoted where it has to be."""
    return dialect.delimiter.join(dialect_cell(name, dialect) for name in names) + b"\n"
