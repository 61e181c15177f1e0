"""Parquet from Parquet: scaled columns are encoded anew, the bytes of all others are copied.

So the other columns stay what they were, with encodings, dictionaries, statistics, bloom
filters and page indexes, and take next to no time. Pages do not know where in the file they
are; the footer, which does, is written anew.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from normcli.formats.base import Chunk, Style, Writer
from normcli.formats.columnar.chunk import ArrowChunk, ArrowEncoder, Segment, arrow_errors
from normcli.formats.columnar.schema import scaled_schema
from normcli.formats.parquet.columns import Recipe, ScaledGroup, part_rows
from normcli.formats.parquet.footer import copied, layout_of
from normcli.formats.parquet.format import MAGIC
from normcli.formats.parquet.original import (
    INDEXES,
    Copier,
    Original,
    copied_index,
    leaf_elements,
    move,
    place_of,
    put_index,
)
from normcli.formats.parquet.thrift import BINARY, I16, I32, I64, LIST, STRUCT, List, Struct
from normcli.formats.parquet.untyped import ARROW_SCHEMA, narrowed, widened
from normcli.words import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from normcli.numerics.numbers import Scaled

PHYSICAL = {"int64": 2, "float": 4, "double": 5}  # Arrow's type -> Type
REQUIRED, OPTIONAL = 0, 1  # FieldRepetitionType


@dataclass(frozen=True)
class StitchedEncoder(ArrowEncoder):
    """Makes segments of the scaled columns alone; `schema` is theirs.

    name: of the file, for messages.
    footer: of the output, but for where its row groups are.
    groups: which row groups of the original are written.
    columns: which columns are scaled, ascending; leaves: their leaf columns in the file.
    """

    name: str
    original: Original
    footer: Struct
    groups: range
    columns: tuple[int, ...]
    leaves: tuple[int, ...]

    @property
    def needs(self) -> Sequence[int]:
        """The columns that chunks have to carry."""
        return self.columns

    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> list[Segment]:
        """The rows by segment: the `replaced` columns, scaled."""
        import pyarrow as pa

        assert isinstance(chunk, ArrowChunk)
        carried = range(len(chunk.segments[0].table.schema))
        place = dict(zip(chunk.positions or carried, carried, strict=True))
        segments = []
        for s in super().encode(chunk, replaced):
            columns = [s.table.column(place[i]) for i in self.columns]
            table = pa.Table.from_arrays(columns, schema=self.schema)
            segments.append(Segment(s.group, table, s.metadata, s.first))
        return segments


def stitched(
    name: str,
    original: Original,
    schema: pa.Schema,
    scaled: Mapping[int, range],
    groups: range,
    style: Style,
) -> StitchedEncoder | None:
    """The encoder for a file of which some columns are `scaled`, or None.

    schema: of the file. scaled: column -> its leaf columns, of which there has to be one.
    """
    import pyarrow as pa

    columns, leaves = sorted(scaled), [leaf for i in sorted(scaled) for leaf in scaled[i]]
    footer, new = copied(original.footer), scaled_schema(schema, columns, style)
    all_elements = leaf_elements(footer)
    elements = [all_elements[leaf] for leaf in leaves]
    flat = all(element.get(3) in (REQUIRED, OPTIONAL) for element in elements)
    if len(leaves) != len(columns) or not flat:
        return None
    if not _scale_metadata(footer, schema, columns, style):
        return None
    _scale_order(footer, leaves)
    fields = []
    for i, element in zip(columns, elements, strict=True):
        _scale_element(element, PHYSICAL[str(new.field(i).type)], nulls=style.nulls)
        fields.append(new.field(i).with_nullable(element[3] == OPTIONAL))
    return StitchedEncoder(
        pa.schema(fields),
        style,
        regroup=False,
        options={},
        name=name,
        original=original,
        footer=footer,
        groups=groups,
        columns=tuple(columns),
        leaves=tuple(leaves),
    )


def _scale_metadata(
    footer: Struct, schema: pa.Schema, columns: Sequence[int], style: Style
) -> bool:
    """Say in the key-value metadata what the columns become; False where it makes no sense."""
    import pyarrow as pa

    for pair in footer.get(5, ()):
        key, value = pair[1], pair.get(2, b"")
        if key == ARROW_SCHEMA:
            narrow, bits = narrowed(base64.b64decode(value))
            stored = pa.ipc.read_schema(pa.py_buffer(narrow))
            if stored.names != schema.names:
                return False
            scaled = scaled_schema(stored, columns, style).serialize().to_pybytes()
            new = base64.b64encode(widened(scaled, bits))
        else:
            new = scaled_schema(schema.with_metadata({key: value}), columns, style).metadata[key]
        if new != value:
            pair.put(2, BINARY, new)
    return True


def _scale_element(element: Struct, physical: int, *, nulls: bool) -> None:
    """Make a SchemaElement one of numbers of this type; names and field ids stay."""
    element.drop(2, 6, 7, 8, 10)  # length, types of other kinds, digits
    element.put(1, I32, physical)
    if nulls:
        element.put(3, I32, OPTIONAL)


def _scale_order(footer: Struct, leaves: Sequence[int]) -> None:
    """Scaled columns are ordered as their type is; rows are not known to be sorted by them."""
    if 7 in footer:
        for leaf in leaves:
            footer[7][leaf] = Struct({1: (STRUCT, Struct())})
    for group in footer[4]:
        kept = []
        for sorting in group.get(4, ()):
            if sorting[1] in leaves:
                break
            kept.append(sorting)
        group.drop(4)
        if kept:
            group.put(4, LIST, List(STRUCT, kept))


class StitchedWriter(Writer):
    """Writes row groups as they were cut, and the footer."""

    def __init__(self, stream: IO[bytes], encoder: StitchedEncoder) -> None:
        from concurrent.futures import ThreadPoolExecutor

        import pyarrow as pa

        self._stream, self._position, self._encoder = stream, 0, encoder
        self._footer, self._old = copied(encoder.footer), encoder.original.footer
        self._scaled = frozenset(encoder.leaves)
        with arrow_errors(encoder.name):
            self._copier = Copier(encoder.original, self._copied())
        self._pool = ThreadPoolExecutor(pa.cpu_count())
        self._waiting = list(encoder.groups)
        self._group: ScaledGroup | None = None
        self._moved: list[tuple[Struct, int]] = []  # copied chunks, and by how many bytes
        self._write(MAGIC)

    def write(self, payload: list[Segment]) -> None:
        """Write the groups that are now known to be whole."""
        for segment in payload:
            while self._waiting[0] != segment.group:
                self._finish_group()
            with arrow_errors("the output cannot be written"):
                self._begun_group().add(segment.table)

    def close(self) -> None:
        """Write the last groups, what helps to find pages, and the footer."""
        while self._waiting:
            self._finish_group()
        self._pool.shutdown()
        with closing(self._copier.file):
            for kind in INDEXES:
                self._copy_indexes(kind)
        groups = [self._footer[4][number] for number in self._encoder.groups]
        self._footer.put(4, LIST, List(STRUCT, groups))
        self._footer.put(3, I64, sum(group[3] for group in groups))
        footer = bytes(self._footer)
        self._write(footer + struct.pack("<I", len(footer)) + MAGIC)

    def _write(self, data: Any) -> None:
        self._stream.write(data)
        self._position += len(data)

    def _copied(self) -> Iterator[Struct]:
        """The column chunks that will be copied, in their order."""
        for number in self._encoder.groups:
            for leaf, chunk in enumerate(self._footer[4][number][1]):
                if leaf not in self._scaled:
                    yield chunk

    def _begun_group(self) -> ScaledGroup:
        if self._group is None:
            number, leaves = self._waiting[0], self._encoder.leaves
            group = self._old[4][number]
            parts = group[3] > part_rows(len(leaves))
            recipes = [_recipe(group[1][leaf], group[3], parts=parts) for leaf in leaves]
            self._group = ScaledGroup(group[3], recipes, self._pool)
        return self._group

    def _finish_group(self) -> None:
        """Write the row group that comes next."""
        number, start = self._waiting[0], self._position
        where = f"{self._encoder.name}, row group {number + 1}"
        with arrow_errors(where):
            scaled = self._begun_group().finish(self._encoder.schema)
            group = self._footer[4][number]
            for leaf, chunk in enumerate(group[1]):
                if leaf in self._scaled:
                    self._put_scaled(chunk, *next(scaled))
                else:
                    self._put_copied(chunk, where)
            next(scaled, None)  # which closes it
        _add_up(group, start, number - self._encoder.groups.start)
        self._group = None
        del self._waiting[0]

    def _put_scaled(self, chunk: Struct, meta: Struct, data: Iterable[Any]) -> None:
        meta.take(chunk[3], 3)  # path_in_schema
        chunk.put(3, STRUCT, meta)
        chunk.drop(4, 5, 6, 7)  # page indexes
        move(chunk, self._position)
        for some in data:
            self._write(some)

    def _put_copied(self, chunk: Struct, where: str) -> None:
        column = printable(b".".join(chunk[3][3]).decode(errors="replace"))
        start = self._position
        with arrow_errors(f"{where}, column {column}"):
            self._copier.copy(chunk, self._write)
        self._moved.append((chunk, start - place_of(chunk[3])[0]))
        move(chunk, start)

    def _copy_indexes(self, kind: tuple[int, int]) -> None:
        """Copy the bloom filters, or page indexes, of the copied columns."""
        for chunk, moved in self._moved:
            found = copied_index(self._copier.file, chunk, kind, moved)
            put_index(chunk, kind, self._position, len(found))
            self._write(found)


def _recipe(chunk: Struct, rows: int, *, parts: bool) -> Recipe:
    meta = chunk[3]
    dictionary_bytes = max(0, meta[9] - place_of(meta)[0])
    return Recipe.of(layout_of(chunk), dictionary_bytes, rows, parts=parts)


def _add_up(group: Struct, start: int, ordinal: int) -> None:
    """Say in a RowGroup where it is and how large."""
    metas = [chunk[3] for chunk in group[1]]
    group.put(2, I64, sum(meta[6] for meta in metas))
    for field, kind, value in (
        (5, I64, start),
        (6, I64, sum(meta[7] for meta in metas)),
        (7, I16, ordinal),
    ):
        if field in group:
            group.put(field, kind, value)
