"""Chunks made of Arrow data: what Parquet and Arrow IPC have in common.

A chunk is a sequence of segments. Each is a piece of one group (a Parquet row group, an
Arrow record batch), so that the groups can be written again as they were cut.
"""

from __future__ import annotations

import mmap
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self

from normcli.errors import DataError, LimitError
from normcli.formats.base import Chunk, Encoder, NotNumbers, Style, Table, Texts, Writer
from normcli.formats.columnar.added import laid_out
from normcli.formats.columnar.limits import WHOLE, in_small_pieces, refuse_total
from normcli.formats.columnar.lists import is_vectors, scaled_lists, vectors_of
from normcli.formats.columnar.numbers import not_numbers, numbers_of, scaled_array
from normcli.formats.columnar.schema import pandas_labels, scaled_schema, stays_float32
from normcli.formats.columnar.texts import texts_of
from normcli.numerics.numbers import Numbers, Vectors
from normcli.storage.stores import reason
from normcli.words import printable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from normcli.formats.marks import Mark
    from normcli.numerics.numbers import Scaled
    from normcli.storage.sources import Source

ROWS = 1 << 15  # of a chunk, at most
GROUP_ROWS = 1 << 17  # of a group that is cut here, at most
BYTES = 32 << 20  # of a chunk or of such a group, about
WRITTEN = 8 << 20  # of text that is written at a time: what writes it has several copies
HELD = 256 << 20  # bytes of rows that wait in memory for their group to be whole, at most


@dataclass(frozen=True)
class Groups:
    """The groups from number `start` to before `stop` of a file: a piece of it."""

    start: int
    stop: int

    def __str__(self) -> str:
        return f"groups {self.start + 1} to {self.stop}"


def even_groups(count: int, source: Source, size: int) -> list[Groups]:
    """All `count` groups of a source, in pieces of about `size` bytes."""
    pieces = min(count, max(1, round((source.size or 0) / size)))
    return [Groups(count * i // pieces, count * (i + 1) // pieces) for i in range(pieces)]


@dataclass(frozen=True, eq=False)
class Segment:
    """Consecutive rows of one group.

    group: its number in the file that was read; None where the rows came from no group.
    metadata: what an Arrow record batch carries beside its columns.
    first: how many rows of the group come before.
    chosen: which of these rows it has, where it has some only; None: all.
    full: it has as many bytes as should be worked on together.
    """

    group: int | None
    table: pa.Table
    metadata: Mapping[bytes, bytes] | None = None
    first: int = 0
    chosen: NDArray[np.int64] | None = None
    full: bool = False

    @property
    def rows(self) -> int:
        """How many rows."""
        return int(self.table.num_rows)

    def number(self, row: int) -> int:
        """The number of a row in its group, from 1."""
        return self.first + 1 + (row if self.chosen is None else int(self.chosen[row]))

    def only(self, rows: NDArray[np.int64]) -> Segment:
        """Some of its rows."""
        return replace(self, table=self.table.take(rows), chosen=rows)

    def slice(self, start: int, stop: int) -> Segment:
        """The rows from `start` to before `stop`."""
        table = self.table.slice(start, stop - start)
        if self.chosen is not None:
            return replace(self, table=table, chosen=self.chosen[start:stop])
        return Segment(self.group, table, self.metadata, self.first + start)

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrow pickles the whole buffers that a slice is cut from; IPC sends the slice.
        return _unpickled, (self.group, _to_ipc(self.table), self.metadata, self.first)


def _to_ipc(table: pa.Table) -> pa.Buffer:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _unpickled(
    group: int | None, ipc: pa.Buffer, metadata: Mapping[bytes, bytes] | None, first: int
) -> Segment:
    import pyarrow as pa

    return Segment(group, pa.ipc.open_stream(ipc).read_all(), metadata, first)


@dataclass(frozen=True, eq=False)
class ArrowChunk(Chunk):
    """Consecutive rows of an Arrow table.

    name: the file's, for messages.
    segments: at least one; all have the same schema.
    positions: of the columns that they carry, ascending; None: all.
    unit: what the groups of rows are called in this format.
    marks: the numbers that mark missing values.
    """

    name: str
    segments: tuple[Segment, ...]
    positions: tuple[int, ...] | None = None
    unit: str = "row group"
    marks: tuple[Mark, ...] = ()

    @property
    def rows(self) -> int:
        return sum(s.rows for s in self.segments)

    def observe(self, positions: Sequence[int]) -> list[Numbers | NotNumbers]:
        """The columns as numbers where their type is one of numbers, else that type."""
        reasons = [not_numbers(self._column(i).type) for i in positions]
        return [
            NotNumbers(reason) if reason else self._numbers(i)
            for i, reason in zip(positions, reasons, strict=True)
        ]

    def numbers(self, positions: Sequence[int]) -> list[Numbers]:
        """The columns as numbers; a column whose type is not one of numbers is a DataError."""
        for i in positions:
            if reason := not_numbers(self._column(i).type):
                raise DataError(f"{self._where(i)} is of type {reason}, not of numbers")
        return [self._numbers(i) for i in positions]

    def vectors(self, position: int) -> Vectors:
        with arrow_errors(self._where(position)):
            return vectors_of(self._column(position))

    def texts(self, position: int) -> Texts:
        with arrow_errors(self._where(position)):
            name = self.segments[0].table.schema.field(self._index(position)).name
            return texts_of(self._column(position), name, self._where(position))

    def place(self, row: int, position: int) -> str:
        ends = accumulate(s.rows for s in self.segments)
        segment, end = next(
            (s, end) for s, end in zip(self.segments, ends, strict=True) if row < end
        )
        at = row - end + segment.rows
        group = "" if segment.group is None else f"{self.unit} {segment.group + 1}, "
        index = self._index(position)
        name = printable(segment.table.schema.field(index).name)
        cell = segment.table.column(index)[at].as_py()
        return f"{self.name}: {group}row {segment.number(at)}, column {name}: {cell}"

    def slice(self, start: int, stop: int) -> Self:
        kept, first = [], 0
        for s in self.segments:
            begin, end = max(start - first, 0), min(stop - first, s.rows)
            if begin < end:
                kept.append(s.slice(begin, end))
            first += s.rows
        return replace(self, segments=tuple(kept) or (self.segments[0].slice(0, 0),))

    def only(self, rows: NDArray[np.int64]) -> Self:
        import numpy as np

        ends = np.cumsum([s.rows for s in self.segments])
        cuts = np.searchsorted(rows, ends[:-1])
        starts = [0, *ends[:-1].tolist()]
        pieces = zip(self.segments, np.split(rows, cuts), starts, strict=True)
        return replace(self, segments=tuple(s.only(some - start) for s, some, start in pieces))

    @classmethod
    def concat(cls, chunks: Sequence[Self]) -> Self:
        segments = tuple(s for chunk in chunks for s in chunk.segments)
        return replace(chunks[0], segments=segments)

    def to_arrow(self, replaced: Mapping[int, Scaled], style: Style) -> pa.Table:
        import pyarrow as pa

        table = pa.concat_tables([s.table for s in self.segments])
        schema = scaled_schema(table.schema, [self._index(i) for i in replaced], style)
        columns = table.columns
        for i, scaled in replaced.items():
            at = self._index(i)
            field, column = schema.field(at), columns[at]
            if is_vectors(field.type):
                columns[at] = scaled_lists(self._where(i), field, column, scaled)
            else:
                columns[at] = scaled_array(
                    self._where(i), field, partial(numbers_of, column), scaled
                )
        return pa.Table.from_arrays(columns, schema=schema)

    def _numbers(self, position: int) -> Numbers:
        with arrow_errors(self._where(position)):
            return numbers_of(self._column(position), self.marks)

    def _column(self, position: int) -> pa.ChunkedArray:
        import pyarrow as pa

        columns = [s.table.column(self._index(position)) for s in self.segments]
        return pa.chunked_array([c for x in columns for c in x.chunks], columns[0].type)

    def _index(self, position: int) -> int:
        return position if self.positions is None else bisect_left(self.positions, position)

    def _where(self, position: int) -> str:
        name = self.segments[0].table.schema.field(self._index(position)).name
        return f"{self.name}: column {printable(name)}"


def gather(segments: Iterable[Segment], rows: int, *, exactly: bool) -> Iterator[list[Segment]]:
    """Segments by the chunk: of `rows` rows each, or of at least so many and no segment cut.

    Or, unless it has to be `exactly` so many, of one that is full by itself.
    """
    chunk: list[Segment] = []
    missing = rows
    for segment in segments:
        rest = segment
        while exactly and rest.rows > missing:
            yield [*chunk, rest.slice(0, missing)]
            chunk, rest, missing = [], rest.slice(missing, rest.rows), rows
        chunk.append(rest)
        missing -= rest.rows
        if missing <= 0 or (segment.full and not exactly):
            yield chunk
            chunk, missing = [], rows
    if chunk:
        yield chunk


def rows_of_a_chunk(columns: int, row_bytes: float = 0, most: int = ROWS) -> int:
    """How many rows, up to `most`, make a chunk that is efficient and small in memory."""
    return max(1, min(most, int(BYTES / max(8 * columns, row_bytes, 1))))


@dataclass
class ArrowTable(Table, abstract=True):
    """A table that has an Arrow schema."""

    arrow_schema: pa.Schema

    @classmethod
    def of(cls, form: str, name: str, schema: pa.Schema, **fields: Any) -> Self:
        """The table of this schema: the types say which columns may hold numbers.

        Raises: UnicodeDecodeError for a name, or one inside a type, that is not UTF-8.
        """
        _decode_names(schema)
        reasons = [not_numbers(f.type) for f in schema]
        return cls(
            format=form,
            name=name,
            columns=list(schema.names),
            others={i: reason for i, reason in enumerate(reasons) if reason is not None},
            set_aside=pandas_labels(schema),
            arrow_schema=schema,
            **fields,
        )

    @property
    def vectors(self) -> frozenset[int]:
        """The columns of lists of numbers, by position."""
        return frozenset(i for i in self.others if is_vectors(self.arrow_schema.field(i).type))

    @property
    def single(self) -> frozenset[int]:
        schema = self.arrow_schema
        return frozenset(i for i, field in enumerate(schema) if stays_float32(field.type))

    def schema(self, replaced: Sequence[int], style: Style) -> pa.Schema:
        return scaled_schema(self.arrow_schema, replaced, style)


@dataclass
class GroupTable(ArrowTable, abstract=True):
    """A file whose rows are in groups.

    chunk_rows: exactly so many rows a chunk; None: what is fast.
    limit: bytes of a page, about, that are not too many to hold.
    groups: those of the rows; None: all.
    """

    unit: ClassVar[str] = "row group"  # what its groups are called

    source: Source
    chunk_rows: int | None
    limit: int
    groups: Groups | None = field(default=None, kw_only=True)

    def chunks(self, positions: Sequence[int] | None = None) -> Iterator[ArrowChunk]:
        wanted = None if positions is None else tuple(sorted(set(positions)))
        rows = self.chunk_rows or self.rows_of_a_chunk(wanted)
        segments = self.segments(wanted, rows)
        for chunk in gather(segments, rows, exactly=self.chunk_rows is not None):
            yield ArrowChunk(self.name, tuple(chunk), wanted, self.unit, self.marks.numbers)

    def rows_of_a_chunk(self, wanted: tuple[int, ...] | None) -> int:
        """How many rows of the columns that are `wanted` (None: all) make a good chunk."""
        return rows_of_a_chunk(len(self.columns if wanted is None else wanted))

    def spelled(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """The chunks in pieces that stay small when each cell is written in full.

        Raises: LimitError where a small file has gigabytes of text.
        """
        written, most = 0, WHOLE * self.limit
        for chunk in chunks:
            assert isinstance(chunk, ArrowChunk)
            for segment in chunk.segments:
                for piece, size in in_small_pieces(segment, WRITTEN):
                    written += size
                    if written > most:
                        refuse_total(self.name, written, self.stored, most)
                    yield replace(chunk, segments=(piece,))

    @property
    @abstractmethod
    def stored(self) -> int:
        """How many bytes the file has, or what was read of it so far."""

    @abstractmethod
    def segments(self, wanted: tuple[int, ...] | None, rows: int) -> Iterator[Segment]:
        """Every group in pieces of at most `rows` rows; one without rows is a piece too."""


def _decode_names(fields: Iterable[pa.Field]) -> None:
    """Ask for every name: Arrow decodes one only then, and may do so at a worse time."""
    for each in fields:
        _ = each.name
        _decode_names(each.type.field(i) for i in range(each.type.num_fields))


@contextmanager
def arrow_errors(where: str) -> Iterator[None]:
    """Turn Arrow's errors about bad data into DataError; the message starts with `where`.

    Errors of the operating system, which have an errno, pass.
    """
    import pyarrow as pa

    try:
        yield
    except MemoryError as e:
        raise LimitError(
            f"{where}: needs more memory than there is ({reason(e)});"
            " is it damaged, or a decompression bomb?"
        ) from e
    except UnicodeDecodeError as e:
        raise DataError(f"{where}: a name is not UTF-8; is it damaged?") from e
    except (pa.ArrowException, OSError, ValueError, OverflowError, LookupError) as e:
        if getattr(e, "errno", None) is not None:
            raise
        raise DataError(f"{where}: {reason(e)}") from e


@dataclass(frozen=True)
class ArrowEncoder(Encoder):
    """Makes of each chunk the segments that `GroupWriter` writes.

    schema: of every segment's table.
    regroup: the groups of the input mean nothing to the output, which gets its own.
    options: for Arrow's writer.
    """

    schema: pa.Schema
    style: Style
    regroup: bool
    options: Mapping[str, Any]

    @property
    def spells(self) -> bool:
        """Where it may have to, in a format that shares nothing."""
        return self.regroup

    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> list[Segment]:
        """The rows of `chunk` by segment, with the `replaced` columns scaled."""
        table, _ = laid_out(chunk, replaced, self.style)
        if self.regroup or not isinstance(chunk, ArrowChunk):
            return [Segment(None, table)]
        segments, first = [], 0
        for s in chunk.segments:
            segments.append(Segment(s.group, table.slice(first, s.rows), s.metadata))
            first += s.rows
        return segments


class GroupWriter(Writer, abstract=True):
    """Collects segments and writes each group when it is whole.

    Rows that came from no group are cut into groups of as many rows as the columns make
    worth while, or sooner where the rows are very large.
    """

    def __init__(self, stream: IO[bytes], encoder: ArrowEncoder) -> None:
        self.outlet = Outlet(stream)
        self._group_rows = rows_of_a_chunk(len(encoder.schema), most=GROUP_ROWS)
        self._pending: _Pending | None = None

    def write(self, payload: list[Segment]) -> None:
        """Write the groups that are now known to be whole."""
        with self.passing():
            for segment in payload:
                self._add(segment) if segment.group is not None else self._cut_and_add(segment)

    def close(self) -> None:
        """Write the last group and what ends the file."""
        with self.passing():
            self._flush()
            self.write_end()

    @contextmanager
    def passing(self) -> Iterator[None]:
        """While Arrow writes: what it writes goes to the stream."""
        with self.outlet, arrow_errors("the output cannot be written"):
            yield

    @abstractmethod
    def write_group(self, group: Segment) -> None:
        """Write one whole group."""

    @abstractmethod
    def write_end(self) -> None:
        """Write what ends the file."""

    def _add(self, segment: Segment) -> None:
        if self._pending and self._pending.group != segment.group:
            self._flush()
        if self._pending:
            self._pending.add(segment)
        else:
            self._pending = _Pending(segment)

    def _cut_and_add(self, segment: Segment) -> None:
        rest = segment
        while rest.rows:
            room = self._group_rows - (self._pending.rows if self._pending else 0)
            self._add(rest.slice(0, min(room, rest.rows)))
            rest = rest.slice(min(room, rest.rows), rest.rows)
            if self._pending and (self._pending.rows == self._group_rows or self._pending.large):
                self._flush()

    def _flush(self) -> None:
        if self._pending:
            self.write_group(self._pending.whole())
        self._pending = None


class _Pending:
    """The pieces of a group that is not yet known to be whole.

    Parquet's writer takes a row group as a whole, and there are files of one row group. So
    what is more than HELD bytes goes to a temporary file, which is mapped in the end.
    """

    def __init__(self, first: Segment) -> None:
        self.group, self._metadata = first.group, first.metadata
        self.rows = self._held = 0
        self._tables: list[pa.Table] = []
        self._file: IO[bytes] | None = None
        self._spill: Any = None  # Arrow's writer to the file
        self.add(first)

    @property
    def large(self) -> bool:
        """Is it more than a group that is cut here should have?"""
        return self._held > HELD // 2

    def add(self, segment: Segment) -> None:
        """Add a piece."""
        self.rows += segment.rows
        self._held += int(segment.table.nbytes)
        self._tables.append(segment.table)
        if self._held > HELD:
            self._spill_tables()

    def whole(self) -> Segment:
        """All pieces as one."""
        import pyarrow as pa

        if self._file is not None:
            self._spill_tables()
            self._spill.close()
            self._file.flush()
            mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
            self._tables = [pa.ipc.open_stream(pa.py_buffer(mapped)).read_all()]
        return Segment(self.group, pa.concat_tables(self._tables), self._metadata)

    def _spill_tables(self) -> None:
        import tempfile

        import pyarrow as pa

        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with this object
            self._spill = pa.ipc.new_stream(self._file, self._tables[0].schema)
        for table in self._tables:
            self._spill.write_table(table)
        self._tables, self._held = [], 0


class Outlet:
    """The caller's stream as Arrow's writers may see it: open only inside `with`.

    Arrow's writers finish their file when they are destroyed, also after an error, which
    would make an incomplete file look complete; and they may close what they write to.
    Outside `with`, and for good after an error in it, nothing passes.
    """

    closed = False  # Arrow asks

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._open = self._failed = False

    def __enter__(self) -> Self:
        self._open = not self._failed
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._open = False
        self._failed |= kind is not None

    def write(self, data: bytes) -> int:
        """Pass `data` on, all of it."""
        if self._open:
            self._stream.write(data)
        return len(data)

    def flush(self) -> None:
        """Leave it to the owner of the stream."""

    def close(self) -> None:
        """Leave it to the owner of the stream."""
