"""Parquet files: row groups come back as they were cut, columns in the codecs they had."""

from __future__ import annotations

import io
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

from normcli.errors import DataError
from normcli.formats.base import Encoder, ReadOptions, Style, Table, Writer
from normcli.formats.columnar.added import schema_of
from normcli.formats.columnar.chunk import (
    ROWS,
    WRITTEN,
    ArrowEncoder,
    Groups,
    GroupTable,
    GroupWriter,
    Segment,
    arrow_errors,
    even_groups,
    rows_of_a_chunk,
)
from normcli.formats.columnar.limits import NUMBERS, refuse_total
from normcli.formats.columnar.schema import scaled_schema
from normcli.formats.parquet.columns import ROWS as PART_ROWS
from normcli.formats.parquet.footer import ColumnChunkLayout, first_row_group, read_footer
from normcli.formats.parquet.original import Original, leaf_elements
from normcli.formats.parquet.pages import Leaf, rows_at_a_time
from normcli.formats.parquet.stitch import StitchedEncoder, StitchedWriter, stitched
from normcli.formats.parquet.thrift import Struct
from normcli.formats.parquet.untyped import with_plain_types
from normcli.formats.texts.options import MAX_RECORD
from normcli.words import printable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import NativeFile

    from normcli.storage.sources import Source

BUFFERS = 64 << 20  # bytes, for reading all columns of a row group side by side
CODEC = "ZSTD"  # where the input has none to keep


@dataclass
class ParquetTable(GroupTable):
    """A Parquet file.

    metadata: what the footer says.
    leaves: for each column, which of Parquet's (leaf) columns it is made of.
    unknown: columns that are read as bytes, as Arrow does not know their type: why.
    """

    overlaps: ClassVar[bool] = True

    metadata: pq.FileMetaData
    leaves: list[range]
    unknown: Mapping[int, str]

    @classmethod
    def opened(cls, source: Source, options: ReadOptions) -> ParquetTable:
        """The table in `source`, which is spooled to a file where it cannot be sought."""
        with arrow_errors(source.name):
            file, unknown = _open_any(source)
            schema = _schema(file)
            table = ParquetTable.of(
                "parquet",
                source.name,
                schema,
                source=source,
                metadata=file.metadata,
                leaves=_leaves_by_column(schema, file.metadata.num_columns),
                chunk_rows=options.chunk_rows,
                limit=options[MAX_RECORD],
                unknown=unknown,
            )
            table.others.update({i: f"unknown to Arrow: {unknown[i]}" for i in unknown})
            return table

    def ranges(self, size: int) -> list[Groups]:
        """Its row groups; INT96, whose unit all rows decide, leaves it whole."""
        count = self.metadata.num_row_groups
        return [] if self.int96_columns() else even_groups(count, self.source, size)

    def schema(self, replaced: Sequence[int], style: Style) -> pa.Schema:
        """The schema of all columns; raises DataError where Arrow does not know the type of one."""
        for i in self.unknown:
            raise DataError(
                f"{self.name}: Arrow does not know the type of column {printable(self.columns[i])}"
                f" ({self.unknown[i]}), so only a Parquet file can keep it"
            )
        return scaled_schema(self._schema, replaced, style)

    @cached_property
    def total_rows(self) -> int:
        return sum(int(self.metadata.row_group(i).num_rows) for i in self._group_numbers)

    @property
    def _group_numbers(self) -> range:
        groups = self.groups or Groups(0, self.metadata.num_row_groups)
        return range(groups.start, groups.stop)

    def stitched(self, replaced: Sequence[int], style: Style) -> StitchedEncoder | None:
        """The encoder that scales columns and copies others; None where all are to be written.

        That is so for files in which something is odd, and where rows may be left out.
        """
        original = Original.of(self.source, self.metadata, *self._footer) if replaced else None
        lists = self.vectors.intersection(replaced)
        if original is None or style.drops or style.suffix or lists:
            return None
        leaves = {i: self.leaves[i] for i in replaced}
        with arrow_errors(self.name):
            return stitched(
                self.name, original, self.arrow_schema, leaves, self._group_numbers, style
            )

    def refuse_lost_types(
        self, replaced: Sequence[int], written: Sequence[pq.ColumnSchema]
    ) -> None:
        """Raise DataError where Arrow would drop the Parquet type of a column it is to carry."""
        parquet = self.metadata.schema
        for column in set(range(len(self.columns))).difference(replaced):
            for leaf in self.leaves[column]:
                type_ = parquet.column(leaf).logical_type.type
                # INT of 32 or 64 bits is what Parquet's integers are without saying so.
                if type_ not in ("NONE", "INT", written[leaf].logical_type.type):
                    raise DataError(
                        f"{self.name}: column {printable(self.columns[column])} is of the Parquet"
                        f" type {type_}, which cannot be kept; write to another format, such as"
                        " .arrow"
                    )

    def layout(self) -> list[ColumnChunkLayout]:
        """How the leaf columns are stored, going by the first row group."""
        with arrow_errors(self.name), self.source.random_access() as file:
            return first_row_group(file)

    def _open(self, int96_unit: str, wanted: tuple[int, ...] | None = None) -> pq.ParquetFile:
        """The file, opened for reading the columns that are `wanted` (None: all)."""
        leaves = sum(len(self.leaves[i]) for i in wanted) if wanted else None
        return _open(self.source, int96_unit, self.metadata, leaves)

    def rows_of_a_chunk(self, wanted: tuple[int, ...] | None) -> int:
        """Rows of all columns are as large as the footer says, numbers eight bytes a cell."""
        if wanted is not None:
            return rows_of_a_chunk(len(wanted), most=PART_ROWS)
        groups = [self.metadata.row_group(i) for i in range(self.metadata.num_row_groups)]
        row_bytes = max((g.total_byte_size / max(g.num_rows, 1) for g in groups), default=0)
        return rows_of_a_chunk(len(self.columns), row_bytes)

    def segments(self, wanted: tuple[int, ...] | None, rows: int) -> Iterator[Segment]:
        """The row groups in pieces: one is open at a time, only the `wanted` columns are read."""
        import pyarrow as pa

        if wanted == () and self.columns:
            yield from self._counted()
            return
        with arrow_errors(self.name):
            file = self._open(self._int96_unit if wanted is None else "ns", wanted)
        schema = self._schema if wanted is None else self.arrow_schema
        read = range(len(schema)) if wanted is None else wanted
        schema = pa.schema([schema.field(i) for i in read], schema.metadata)
        leaves = [leaf for i in read for leaf in self.leaves[i]]
        numbers, most = 8 * len(leaves) * self.total_rows, NUMBERS * self.limit
        if wanted is not None and numbers > most:
            refuse_total(self.name, numbers, self.stored, most)
        for group in self._group_numbers:
            if file.metadata.row_group(group).num_rows == 0:
                yield Segment(group, schema.empty_table())
            where = f"{self.name}, row group {group + 1}"
            with arrow_errors(where):
                first, most = 0, min(rows, self._rows_at_a_time(where, group, read))
                for columns in _read(file, group, leaves, most):
                    table = pa.Table.from_arrays(columns, schema=schema)
                    yield Segment(group, table, first=first, full=most < rows)
                    first += table.num_rows
        self.source.refuse_changed()
        self.source.refuse_changed_file()  # it is opened more than once

    @property
    def stored(self) -> int:
        return self._footer[1]

    def _counted(self) -> Iterator[Segment]:
        """The row groups, of which nothing is read but how many rows they have."""
        import pyarrow as pa

        for group in self._group_numbers:
            rows = self.metadata.row_group(group).num_rows
            if rows < 0:
                raise DataError(
                    f"{self.name}, row group {group + 1}: it says that it has {rows} rows"
                )
            yield Segment(group, pa.table({"": pa.nulls(rows)}))

    def _rows_at_a_time(self, where: str, group: int, columns: Iterable[int]) -> int:
        """How many rows of some columns can be decoded together; raises LimitError if none can.

        Each page of an object in a store would be a request: they are not looked at.
        """
        import pyarrow as pa

        if self.source.object is not None:
            return PART_ROWS
        shared = pa.types.is_dictionary
        leaves = [
            (i, shared(self.arrow_schema.field(c).type)) for c in columns for i in self.leaves[c]
        ]
        parquet = self.metadata.schema
        try:
            stored, elements = self._footer[0][4][group], self._elements
            chunks = [
                (
                    Leaf(elements[i], parquet.column(i).max_repetition_level > 0, shared),
                    stored[1][i][3],
                )
                for i, shared in leaves
            ]
            return rows_at_a_time(where, self._pages, chunks, stored[3], WRITTEN, self.limit)
        except (TypeError, AttributeError, LookupError) as e:
            raise ValueError("the footer, or a page header, is damaged") from e

    @cached_property
    def _elements(self) -> list[Struct]:
        return leaf_elements(self._footer[0])

    @cached_property
    def _footer(self) -> tuple[Struct, int]:
        with arrow_errors(self.name), self.source.random_access() as file:
            return read_footer(file)

    @cached_property
    def _pages(self) -> NativeFile:
        """The file, for looking at its pages."""
        return self.source.random_access()

    @cached_property
    def _schema(self) -> pa.Schema:
        return _schema(self._open(self._int96_unit))

    @cached_property
    def _int96_unit(self) -> str:
        """The unit of timestamp that holds what is in the INT96 columns.

        Arrow reads INT96, which has nanoseconds and 11 million years, as nanoseconds, and
        years before 1677 or after 2262 (Spark's 9999-12-31) as some other time; or as
        microseconds, without what is finer. So both are read and compared.
        """
        units = {"ns", "us"}
        for column in self.int96_columns():
            with arrow_errors(self.name):
                readers = [self._open(unit, (column,)).reader for unit in ("ns", "us")]
                fitting = _fitting_units(readers, self.leaves[column])
            if not units & fitting:
                raise DataError(
                    f"{self.name}: column {printable(self.columns[column])} has INT96 timestamps"
                    " that Arrow cannot read without loss; remove the column, or write it anew"
                )
            units &= fitting
        return "ns" if "ns" in units else "us"

    def int96_columns(self) -> list[int]:
        """The columns of INT96 timestamps."""
        parquet = self.metadata.schema
        return [
            column
            for column, leaves in enumerate(self.leaves)
            if len(leaves) == 1 and parquet.column(leaves[0]).physical_type == "INT96"
        ]


class ParquetWriter(GroupWriter):
    """Writes each group as a row group, with page checksums and the Arrow schema."""

    def __init__(self, stream: IO[bytes], encoder: ArrowEncoder) -> None:
        import pyarrow.parquet as pq

        super().__init__(stream, encoder)
        with self.passing():
            self._writer = pq.ParquetWriter(
                self.outlet, encoder.schema, write_page_checksum=True, **encoder.options
            )

    def write_group(self, group: Segment) -> None:
        self._writer.write_table(group.table, max(group.rows, 1))

    def write_end(self) -> None:
        """Write the footer."""
        self._writer.close()


def encoder_for(table: Table, replaced: Sequence[int], style: Style) -> ArrowEncoder:
    """The encoder; a column whose type Parquet does not have is a DataError."""
    if isinstance(table, ParquetTable) and (encoder := table.stitched(replaced, style)):
        return encoder
    schema, places = schema_of(table, replaced, style), list(replaced)
    if style.suffix:
        places = list(range(len(table.columns), len(schema)))
    written = _written_schema(table.name, schema)
    paths = [leaf.path for leaf in written]
    leaves = _leaves_by_column(schema, len(paths))
    scaled = {paths[leaf] for i in places for leaf in leaves[i]}
    if not isinstance(table, ParquetTable):
        # A dictionary of numbers that hardly repeat is half of the time of writing.
        others = [path for path in paths if path not in scaled]
        kept = {"compression": CODEC, "use_dictionary": others}
        return ArrowEncoder(schema, style, regroup=True, options=kept)
    table.refuse_lost_types(() if style.suffix else replaced, written)
    layout = table.layout()
    if style.suffix and layout:  # a new column is stored as the one that it comes from
        layout = [*layout, *(layout[leaf] for i in replaced for leaf in table.leaves[i])]
    kept = _writer_options(schema, paths, layout, scaled)
    return ArrowEncoder(schema, style, regroup=False, options=kept)


def writer_of(stream: IO[bytes], encoder: Encoder) -> Writer:
    """The writer of what the encoder makes."""
    if isinstance(encoder, StitchedEncoder):
        return StitchedWriter(stream, encoder)
    return ParquetWriter(stream, cast("ArrowEncoder", encoder))


def _open_any(source: Source) -> tuple[pq.ParquetFile, dict[int, str]]:
    """The file, and the columns whose type Arrow does not know: they are bytes to it."""
    import pyarrow as pa

    try:
        return _open(source), {}
    except (pa.ArrowException, OSError):
        with source.random_access() as file:
            footer, _ = read_footer(file)
        metadata, unknown = with_plain_types(footer)
        if not unknown:
            raise
        return _open(source, metadata=metadata), unknown


def _open(
    source: Source,
    int96_unit: str = "ns",
    metadata: pq.FileMetaData | None = None,
    leaves: int | None = None,
) -> pq.ParquetFile:
    """The file, opened for reading so many of its (leaf) columns (None: all) side by side."""
    import pyarrow.parquet as pq

    file = source.random_access()
    metadata = metadata or pq.read_metadata(file)
    columns = max(1, metadata.num_columns if leaves is None else leaves)
    return pq.ParquetFile(
        file,
        metadata=metadata,
        buffer_size=max(4096, min(1 << 20, BUFFERS // columns)),
        pre_buffer=source.object is not None and _largest_group(metadata) <= BUFFERS,
        coerce_int96_timestamp_unit=int96_unit,
        page_checksum_verification=True,
    )


def _largest_group(metadata: pq.FileMetaData) -> int:
    """Bytes of the largest row group, which is held in memory when it is fetched in one go.

    That spares requests: of a file here, there is nothing to spare.
    """
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    return max((group.total_byte_size for group in groups), default=0)


def _schema(file: pq.ParquetFile) -> pa.Schema:
    """The Arrow schema with all key-value metadata of the file.

    `schema_arrow` lacks it in a file of which Arrow stored the schema without metadata.
    """
    metadata = {**(file.schema_arrow.metadata or {}), **(file.metadata.metadata or {})}
    metadata.pop(b"ARROW:schema", None)  # which Arrow adds again when it writes
    return file.schema_arrow.with_metadata(metadata or None)


def _read(
    file: pq.ParquetFile, group: int, leaves: list[int], rows: int
) -> Iterator[list[pa.Array]]:
    """The columns of a row group, in pieces of at most `rows` rows.

    Raises: ValueError where the footer and the columns do not agree about the number of
    rows. A negative one would end the process in Arrow, as would a row group of no column.
    """
    expected = file.metadata.row_group(group).num_rows
    if expected == 0:
        return
    if expected < 0 or not leaves:
        raise ValueError(f"it says that it has {expected} rows and {len(leaves)} columns")
    # The reader below ParquetFile takes columns by number: names may be double.
    for batch in file.reader.iter_batches(rows, [group], leaves, True):
        batch.validate()
        expected -= batch.num_rows
        yield batch.columns
    if expected:
        raise ValueError(f"it lacks {expected} of its rows")


def _fitting_units(readers: Sequence[Any], leaf: range) -> set[str]:
    """Which of "ns" and "us" say exactly what the INT96 column `leaf` says.

    readers: of the file, one for each of the units.
    """
    import numpy as np

    fitting = {"ns", "us"}
    streams = [r.iter_batches(ROWS, range(r.num_row_groups), leaf, True) for r in readers]
    for batches in zip(*streams, strict=True):
        ns, us = (batch.column(0).cast("int64").drop_null().to_numpy() for batch in batches)
        if not np.array_equal(ns // 1000, us):
            fitting.discard("ns")
        if not np.array_equal(ns, us * 1000):  # both wrap around
            fitting.discard("us")
    return fitting


def _leaf_types(type_: pa.DataType) -> list[pa.DataType]:
    """The types of Parquet's columns that a column of this type is made of."""
    import pyarrow as pa

    if isinstance(type_, pa.BaseExtensionType):
        return _leaf_types(type_.storage_type)
    if type_.num_fields == 0:
        return [type_]
    return [leaf for i in range(type_.num_fields) for leaf in _leaf_types(type_.field(i).type)]


def _leaves_by_column(schema: pa.Schema, leaves: int) -> list[range]:
    """For each column of `schema`, which of the file's `leaves` it is made of."""
    ranges, first = [], 0
    for field in schema:
        ranges.append(range(first, first + len(_leaf_types(field.type))))
        first = ranges[-1].stop
    if first != leaves:
        raise DataError(f"the schema has {first} leaf columns, the file {leaves}")
    return ranges


def _written_schema(name: str, schema: pa.Schema) -> list[pq.ColumnSchema]:
    """Parquet's (leaf) columns for `schema`; a column that Parquet lacks is a DataError."""
    try:
        return _written(schema)
    except Exception:  # whatever it was, it comes again below, with the column's name
        for field in schema:
            with arrow_errors(f"{name}: column {printable(field.name)} cannot be Parquet"):
                _written([field])
        raise


def _written(fields: Any) -> list[pq.ColumnSchema]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.ParquetWriter(file, pa.schema(fields), use_compliant_nested_type=False).close()
    return list(pq.ParquetFile(file).schema)


def _writer_options(
    schema: pa.Schema, paths: list[str], layout: list[ColumnChunkLayout], scaled: Container[str]
) -> dict[str, Any]:
    """Options that store the leaf columns `paths` as they are in `layout`.

    Those that are `scaled` are not tried to fit in a dictionary that was too small before.
    What is not in it stays Arrow's choice: encodings other than dictionary and byte stream
    split, compression levels, the size of pages, bloom filters, indexes.
    """
    import pyarrow.types as t

    if not layout:  # no row group
        return {"compression": CODEC}

    def is_short_decimal(type_: pa.DataType) -> bool:
        return bool(t.is_decimal(type_) and type_.precision <= 18)

    columns = list(zip(paths, layout, strict=True))
    leaves = [leaf for field in schema for leaf in _leaf_types(field.type)]
    return {
        "compression": {path: column.codec for path, column in columns},
        "use_dictionary": [
            path
            for path, column in columns
            if column.dictionary and not (column.falls_back and path in scaled)
        ],
        "use_byte_stream_split": [path for path, c in columns if c.byte_stream_split],
        "data_page_version": "2.0" if any(c.data_page_v2 for c in layout) else "1.0",
        # Names of list elements as they are: "compliant" ones would be "element".
        "use_compliant_nested_type": False,
        # Arrow has one choice for all timestamps of a file, and one for all decimals.
        "use_deprecated_int96_timestamps": _all(leaves, layout, t.is_timestamp, "int96"),
        "store_decimal_as_integer": _all(leaves, layout, is_short_decimal, "integer"),
    }


def _all(
    leaves: Sequence[pa.DataType],
    layout: Sequence[ColumnChunkLayout],
    kind: Callable[[pa.DataType], bool],
    property_: str,
) -> bool:
    """Are there leaf columns of this kind, and is each stored so?"""
    stored = [getattr(c, property_) for t, c in zip(leaves, layout, strict=True) if kind(t)]
    return bool(stored) and all(stored)
