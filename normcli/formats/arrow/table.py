"""Arrow IPC files and streams: record batches come back as they were cut.

https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, BinaryIO, ClassVar, Self, TypeAlias

from normcli.formats.arrow.messages import Batch as BatchHeader
from normcli.formats.arrow.messages import Blocks, body_codec
from normcli.formats.base import ReadOptions, Style, Table
from normcli.formats.columnar.added import schema_of
from normcli.formats.columnar.chunk import (
    ArrowEncoder,
    Groups,
    GroupTable,
    GroupWriter,
    Segment,
    arrow_errors,
    even_groups,
)
from normcli.formats.columnar.flatbuffers import number
from normcli.formats.columnar.limits import NUMBERS, refuse_total
from normcli.formats.texts.options import MAX_RECORD

if TYPE_CHECKING:
    import pyarrow as pa

    from normcli.storage.sources import Source

Batch: TypeAlias = "tuple[pa.RecordBatch, Mapping[bytes, bytes] | None]"

HEAD = 1 << 16  # bytes in which the first record batch of a stream is looked for


@dataclass
class IpcTable(GroupTable, abstract=True):
    """A sequence of record batches.

    compression: of the record batches: "lz4", "zstd" or None.
    footer: key-value metadata in the footer of a file.
    """

    unit: ClassVar[str] = "record batch"

    compression: str | None = None
    footer: Mapping[bytes, bytes] | None = None

    def _where(self, group: int) -> str:
        return f"{self.name}, record batch {group + 1}"

    @abstractmethod
    def batches(self, positions: tuple[int, ...] | None) -> Iterator[Batch]:
        """The record batches with their metadata, `positions` (None: all) only."""

    def segments(self, wanted: tuple[int, ...] | None, rows: int) -> Iterator[Segment]:
        """The record batches in pieces; each is validated in full before it is used."""
        import pyarrow as pa

        with arrow_errors(self.name):
            first, numbers = self.groups.start if self.groups else 0, 0
            for group, (batch, metadata) in enumerate(self.batches(wanted), first):
                numbers += 8 * batch.num_rows * batch.num_columns
                if numbers > NUMBERS * self.limit:
                    refuse_total(self.name, numbers, self.stored, NUMBERS * self.limit)
                batch.validate(full=True)
                whole = Segment(group, pa.Table.from_batches([batch]), metadata)
                for start in range(0, max(whole.rows, 1), rows):
                    yield whole.slice(start, min(start + rows, whole.rows))


@dataclass
class IpcFile(IpcTable):
    """An Arrow IPC file: read by its footer, in which alone its batches are listed."""

    overlaps: ClassVar[bool] = True

    share_read: float | None = field(default=0.0, kw_only=True)

    @classmethod
    def opened(cls, source: Source, options: ReadOptions) -> Self:
        """The table in `source`, which is spooled to a file where it cannot be sought."""
        import pyarrow as pa

        with arrow_errors(source.name), source.random_access() as file:
            reader = pa.ipc.open_file(file)
            file.seek(8)  # the magic and its padding
            messages = pa.BufferedInputStream(file, HEAD)
            return cls.of(
                "arrow",
                source.name,
                reader.schema,
                source=source,
                chunk_rows=options.chunk_rows,
                limit=options[MAX_RECORD],
                compression=body_codec(messages),
                footer=reader.metadata,
            )

    def batches(self, positions: tuple[int, ...] | None) -> Iterator[Batch]:
        """The record batches; not from a map, as one of a file that shrinks would end the
        process.
        """
        import pyarrow as pa

        with self.source.random_access() as file:
            # No field at all is every field to Arrow; the first one then counts the rows.
            fields = None if positions is None or not self.columns else list(positions or (0,))
            options = pa.ipc.IpcReadOptions(included_fields=fields)
            reader, blocks = pa.ipc.open_file(file, options=options), Blocks(file)
            for found, read in blocks.dictionary_batches():
                found.refuse_held(f"{self.name}, a dictionary", read, self.limit)
            groups = self.groups or Groups(0, reader.num_record_batches)
            for i in range(groups.start, groups.stop):
                if header := blocks.record_batch(i):
                    header[0].refuse_held(self._where(i), header[1], self.limit)
                batch, metadata = reader.get_batch_with_custom_metadata(i)
                self.share_read = (i + 1 - groups.start) / (groups.stop - groups.start)
                yield batch, metadata
        self.source.refuse_changed()

    @property
    def stored(self) -> int:
        with self.source.random_access() as file:
            return int(file.size())


class IpcStream(IpcTable):
    """An Arrow IPC stream: read as it comes, one record batch in memory at a time."""

    _reader: tuple[pa.RecordBatchReader, _Watched] | None = None  # of `opened`, not yet used
    _stream: _Watched | None = None

    @property
    def stored(self) -> int:
        return self._stream.taken if self._stream else 0

    @classmethod
    def opened(cls, source: Source, options: ReadOptions) -> Self:
        """The table in `source`, whose schema has been read."""
        compression = body_codec(io.BytesIO(source.head(HEAD)))
        with arrow_errors(source.name):
            limit = options[MAX_RECORD]
            reader = _stream_reader(source, limit)
            table = cls.of(
                "arrows",
                source.name,
                reader[0].schema,
                source=source,
                chunk_rows=options.chunk_rows,
                limit=limit,
                compression=compression,
            )
        table._reader = reader
        return table

    def batches(self, positions: tuple[int, ...] | None) -> Iterator[Batch]:
        """The record batches; a stream that ends without the mark of its end is an error."""
        again = self._reader or _stream_reader(self.source, self.limit)
        (reader, stream), self._reader = again, None
        self._stream = stream
        for batch, metadata in reader.iter_batches_with_custom_metadata():
            yield (batch if positions is None else batch.select(list(positions))), metadata
        stream.expect_end()


class _Watched:
    """A stream of which it is known what Arrow reads next, and whether it has read the end mark.

    Arrow takes the end of the bytes for the end of the table. But a writer that was killed
    leaves the same, and all writers in use write the mark. And it decompresses what it reads,
    however large that becomes.

    taken: how many bytes it has read.
    """

    def __init__(self, name: str, stream: BinaryIO, limit: int) -> None:
        self._name, self._stream, self._limit = name, stream, limit
        self._last = b""
        self._batch: BatchHeader | None = None  # whose body is next
        self.taken = 0
        self.closed = False  # Arrow asks

    def read(self, n: int = -1) -> bytes:
        """The next `n` bytes, or all of fewer.

        Raises: LimitError where they are a record batch that is too large for memory.
        """
        data = self._stream.read(n)
        batch, self._batch = self._batch, None
        if batch and n == batch.stored:
            batch.refuse_held(self._name, lambda size, at: data[max(at, 0) :][:size], self._limit)
        elif len(self._last) == 4 and number("<i", self._last, 0) == n:  # the length of a header
            self._batch = BatchHeader.of(data)
        self._last = data
        self.taken += len(data)
        return data

    def close(self) -> None:
        """Close the stream."""
        self.closed = True
        self._stream.close()

    def expect_end(self) -> None:
        """Raise a ValueError unless the mark was read last and nothing comes after it."""
        if self._last != bytes(4):  # a message of length 0
            raise ValueError("the stream ends without the end-of-stream mark: it is cut short")
        if self._stream.read(1):
            raise ValueError("there is something after the end of the stream")


def _stream_reader(source: Source, limit: int) -> tuple[pa.RecordBatchReader, _Watched]:
    import pyarrow as pa

    stream = _Watched(source.name, source.open(), limit)
    return pa.ipc.open_stream(stream), stream


def ranges(source: Source, size: int) -> list[Groups]:
    """The record batches of a file, in pieces of about so many bytes."""
    import pyarrow as pa

    with arrow_errors(source.name), source.random_access() as file:
        return even_groups(pa.ipc.open_file(file).num_record_batches, source, size)


def encoder_for(table: Table, replaced: Sequence[int], style: Style) -> ArrowEncoder:
    """The encoder; record batches are compressed where those of the input are."""
    schema = schema_of(table, replaced, style)
    if not isinstance(table, IpcTable):
        return ArrowEncoder(schema, style, regroup=True, options={})
    kept = {"compression": table.compression, "metadata": table.footer}
    return ArrowEncoder(schema, style, regroup=False, options=kept)


class IpcWriter(GroupWriter):
    """Writes each group as a record batch, of a file or of a stream."""

    def __init__(self, stream: IO[bytes], encoder: ArrowEncoder, *, is_file: bool) -> None:
        import pyarrow as pa

        super().__init__(stream, encoder)
        self._is_file = is_file
        self._dictionaries: dict[int, pa.Array] = {}
        codec, schema = encoder.options.get("compression"), encoder.schema
        options = pa.ipc.IpcWriteOptions(compression=codec, emit_dictionary_deltas=is_file)
        footer = {"metadata": encoder.options.get("metadata")} if is_file else {}
        new = pa.ipc.new_file if is_file else pa.ipc.new_stream
        with self.passing():
            self._writer = new(self.outlet, schema, options=options, **footer)

    def write_group(self, group: Segment) -> None:
        """Write a record batch (several where a column's text is more than 2 GB)."""
        for batch in _one_batch(group.table):
            carried = self._with_grown_dictionaries(batch) if self._is_file else batch
            self._writer.write_batch(carried, custom_metadata=group.metadata)

    def write_end(self) -> None:
        """Write the mark of the end, or the footer."""
        self._writer.close()

    def _with_grown_dictionaries(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`batch` with dictionaries that begin with those before: a file can only add to them."""
        import pyarrow as pa
        import pyarrow.types as t

        columns = [
            self._with_grown_dictionary(i, column) if t.is_dictionary(column.type) else column
            for i, column in enumerate(batch.columns)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    def _with_grown_dictionary(self, i: int, column: pa.DictionaryArray) -> pa.DictionaryArray:
        import pyarrow as pa
        import pyarrow.compute as pc

        known = self._dictionaries.setdefault(i, column.dictionary)
        if known.equals(column.dictionary):
            return column
        new = column.dictionary.filter(pc.is_null(pc.index_in(column.dictionary, known)))
        known = self._dictionaries[i] = pa.concat_arrays([known, new])
        places = pc.index_in(column.dictionary, known).cast(column.type.index_type)
        return pa.DictionaryArray.from_arrays(
            places.take(column.indices), known, ordered=column.type.ordered
        )


def _one_batch(table: pa.Table) -> list[pa.RecordBatch]:
    import pyarrow as pa

    if table.num_rows:
        batches: list[pa.RecordBatch] = table.combine_chunks().to_batches()
        return batches
    nothing = [pa.nulls(0, field.type) for field in table.schema]
    return [pa.RecordBatch.from_arrays(nothing, schema=table.schema)]
