"""Columns of numbers as Parquet column chunks: encoded in parts, in threads, by Arrow.

Each part of a column is encoded as a file in memory. The pages of all parts, one after the
other, are the column chunk, for a page does not know where it is; how many bytes and values
there are, and between which bounds, is added up from the files' footers.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from typing import IO, TYPE_CHECKING, Any, TypeVar

from normcli.formats.columnar.chunk import rows_of_a_chunk
from normcli.formats.parquet.footer import ColumnChunkLayout, read_footer
from normcli.formats.parquet.joined import joined
from normcli.formats.parquet.original import place_of
from normcli.formats.parquet.thrift import Struct

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    import pyarrow as pa

ROWS = 1 << 16  # of a part, at most, and of a page: half a MiB of float64
BUNCH = 1 << 16  # numbers that are worth a file of their own
HELD = 32 << 20  # bytes of a row group's pages that are held in memory; more go to a file
DICTIONARY_ROWS = 1 << 22  # of a row group: more are not encoded in one go
FAST = ("NONE", "SNAPPY", "LZ4")  # codecs that take less time than a dictionary

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Recipe:
    """How a column chunk is encoded.

    whole: not in parts, which could not share a dictionary.
    """

    codec: str
    dictionary: bool
    byte_stream_split: bool
    data_page_v2: bool
    whole: bool

    @classmethod
    def of(cls, old: ColumnChunkLayout, dictionary_bytes: int, rows: int, parts: bool) -> Recipe:
        """The recipe for what was stored as `old`.

        A dictionary stays where all values were in it and it pays: it takes more time than
        fast codecs do, unless values repeat so often that it is small.
        """
        pays = old.codec not in FAST or 2 * dictionary_bytes <= rows
        dictionary = old.dictionary and not old.falls_back and pays and rows <= DICTIONARY_ROWS
        return cls(
            old.codec,
            dictionary,
            old.byte_stream_split and not dictionary,
            old.data_page_v2,
            whole=dictionary and parts,
        )


@dataclass(frozen=True)
class Piece:
    """Pages of a column, and the ColumnMetaData of them; or values that wait to be encoded.

    data: a buffer, or what `_Store.put` gave for it.
    """

    data: Any
    meta: Struct


def encoded(table: pa.Table, recipes: Sequence[Recipe]) -> list[Piece]:
    """Every column encoded; `recipes` have the same version of pages."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # In one piece, or pages might end where the chunks of the run did.
    table = table.rename_columns([str(i) for i in range(len(recipes))]).combine_chunks()
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, **_options(recipes)) as writer:
        writer.write_table(table, max(table.num_rows, 1))
    file = sink.getvalue()
    footer, _ = read_footer(pa.BufferReader(file))
    metas = [chunk[3] for chunk in footer[4][0][1]]
    return [Piece(file.slice(*place_of(meta)), meta) for meta in metas]


def _options(recipes: Sequence[Recipe]) -> dict[str, Any]:
    named = [(str(i), recipe) for i, recipe in enumerate(recipes)]
    return {
        "compression": {name: recipe.codec for name, recipe in named},
        "use_dictionary": [name for name, recipe in named if recipe.dictionary],
        "use_byte_stream_split": [name for name, recipe in named if recipe.byte_stream_split],
        "data_page_version": "2.0" if recipes[0].data_page_v2 else "1.0",
        "write_page_checksum": True,
        "store_schema": False,
        "write_batch_size": ROWS,
        **_page_rows(),
    }


def _page_rows() -> dict[str, int]:
    """Arrow before version 22 has no bound on the rows of a page but its bytes."""
    import pyarrow.parquet as pq

    known = "max_rows_per_page" in inspect.signature(pq.ParquetWriter).parameters
    return {"max_rows_per_page": ROWS} if known else {}


class ScaledGroup:
    """The scaled columns of a row group, while its rows come.

    The parts are the same however the rows come. While one is encoded, the next is collected.
    """

    def __init__(self, rows: int, recipes: Sequence[Recipe], pool: ThreadPoolExecutor) -> None:
        self._missing, self._recipes, self._pool = rows, recipes, pool
        self._part_rows = part_rows(len(recipes))
        self._bunches = list(_bunches(recipes, min(rows, self._part_rows)))
        self._tables: list[pa.Table] = []
        self._collected = 0
        self._encoding: list[Future[list[Piece]]] = []
        self._begun = False  # to encode
        self._pieces: list[list[Piece]] = [[] for _ in recipes]
        self._store = _Store()

    def add(self, table: pa.Table) -> None:
        """Add rows."""
        self._missing -= table.num_rows
        while table.num_rows:
            some = table.slice(0, self._part_rows - self._collected)
            self._tables.append(some)
            self._collected += some.num_rows
            table = table.slice(some.num_rows)
            if self._collected == self._part_rows:
                self._encode()

    def finish(self, schema: pa.Schema) -> Iterator[tuple[Struct, Iterable[Any]]]:
        """The ColumnMetaData of each column, as if it began at byte FIRST, and its bytes.

        Raises: ValueError where rows are missing.
        """
        if self._missing:
            raise ValueError(f"it lacks {self._missing} of its rows")
        if self._tables or not self._begun:
            self._tables = self._tables or [schema.empty_table()]
            self._encode()
        self._keep()
        with closing(self._store):
            whole = (i for i, recipe in enumerate(self._recipes) if recipe.whole)
            made = in_order(self._pool, self._encode_whole, map(self._loaded, whole))
            for recipe, pieces in zip(self._recipes, self._pieces, strict=True):
                if recipe.whole:
                    piece = next(made)
                    yield joined([piece.meta]), [piece.data]
                else:
                    data = (self._store.get(piece.data) for piece in pieces)
                    yield joined([piece.meta for piece in pieces]), data

    def _encode(self) -> None:
        """Begin to encode a part."""
        import pyarrow as pa

        self._keep()
        table = pa.concat_tables(self._tables)
        self._tables, self._collected, self._begun = [], 0, True
        self._encoding = [
            self._pool.submit(_encode_bunch, table.select(bunch), [self._recipes[i] for i in bunch])
            for bunch in self._bunches
        ]

    def _keep(self) -> None:
        """Keep what has been encoded."""
        for bunch, future in zip(self._bunches, self._encoding, strict=False):
            for column, piece in zip(bunch, future.result(), strict=True):
                self._pieces[column].append(replace(piece, data=self._store.put(piece.data)))
        self._encoding = []

    def _loaded(self, column: int) -> tuple[Recipe, list[Any]]:
        parts = [self._store.get(piece.data) for piece in self._pieces[column]]
        return self._recipes[column], parts

    @staticmethod
    def _encode_whole(column: tuple[Recipe, list[Any]]) -> Piece:
        import pyarrow as pa

        recipe, parts = column
        table = pa.concat_tables(pa.ipc.open_stream(part).read_all() for part in parts)
        return encoded(table, [recipe])[0]


class _Store:
    """Buffers: some in memory, the others in a temporary file."""

    def __init__(self) -> None:
        self._held = 0
        self._file: IO[bytes] | None = None

    def put(self, data: pa.Buffer) -> Any:
        """Keep a buffer; `get` gives it for what is returned."""
        import tempfile

        if self._held + data.size <= HELD:
            self._held += data.size
            return data
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with this object
        place = self._file.tell(), data.size
        self._file.write(data)
        return place

    def get(self, place: Any) -> Any:
        """The buffer that was put there; no other is put after that."""
        if not isinstance(place, tuple):
            return place
        assert self._file is not None
        self._file.seek(place[0])
        return self._file.read(place[1])

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.close()


def part_rows(columns: int) -> int:
    """How many rows are encoded together."""
    return rows_of_a_chunk(columns, most=ROWS)


def _bunches(recipes: Sequence[Recipe], rows: int) -> Iterator[list[int]]:
    """Columns that are encoded together: one by one, but for short ones of the same kind."""
    width = max(1, BUNCH // max(1, rows))

    def kind(column: int) -> tuple[bool, bool]:
        return recipes[column].whole, recipes[column].data_page_v2

    for (whole, _), alike in groupby(sorted(range(len(recipes)), key=kind), key=kind):
        columns, step = list(alike), 1 if whole else width
        yield from (columns[i : i + step] for i in range(0, len(columns), step))


def _encode_bunch(table: pa.Table, recipes: Sequence[Recipe]) -> list[Piece]:
    """The columns encoded; or as they are, where that is to be done with other parts."""
    import pyarrow as pa

    if not recipes[0].whole:
        return encoded(table, recipes)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return [Piece(sink.getvalue(), Struct())]


def in_order(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """`work` of every item, in threads: two are at work or wait while one is used."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > 2:
            yield waiting.popleft().result()
    for future in waiting:
        yield future.result()
