"""What a format is: it opens tables as chunks, and knows how to put numbers back.

A format is one module in this package that ends with ``FORMATS = (ItsClass(),)``; nothing
else has to be edited for the program to read and write it. Modules here are imported for
`--help`: Arrow is imported inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self

from normcli.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from normcli.methods.base import Scaled
    from normcli.numerics.numbers import Numbers
    from normcli.storage.sources import Source


@dataclass(frozen=True)
class NotNumbers:
    """Why a column of a chunk is no column of numbers: the first cell that says so.

    reason: for people: "text", "leading zeros", "bool", "date32[day]" ...
    where: "line 17" or "row 17" in the file, or "" where the type says it all.
    order: the same as a number, to find the first of several chunks.
    text: the cell as it was written.
    """

    reason: str
    where: str = ""
    order: int = 0
    text: str = ""


@dataclass(frozen=True)
class Style:
    """How numbers are written: shortest round-trip float64, or shorter."""

    float32: bool = False
    precision: int | None = None  # significant digits, text formats only
    nulls: bool = False  # scaled columns may gain nulls (out of range), even if declared without
    drops: bool = False  # the last rows may be left out


@dataclass(frozen=True)
class ReadOptions:
    """What the user says about the input; every format takes what concerns it."""

    delimiter: str | None = None
    header: bool = True
    null: tuple[str, ...] | None = None  # None: the default tokens
    comment: str | None = None
    encoding: str = "utf-8"
    decimal: str = "."
    quoting: bool = True
    skip_bad_rows: bool = False
    chunk_rows: int | None = None  # exactly so many rows a chunk; None: what is fast
    max_record: int = 64 << 20  # bytes of one record (CSV) or line (JSON Lines)
    max_columns: int = 1 << 15
    # The only columns that will be asked for, where all are known by name and the output, if
    # any, is of the input's format: spares JSON Lines reading ahead for the keys of all rows.
    columns: tuple[str, ...] | None = None


class BadRowError(DataError):
    """A row cannot be read or scaled; those before it can be read.

    row: its number in its chunk, from 0.
    """

    row = 0

    @classmethod
    def at(cls, row: int, message: str) -> BadRowError:
        """The error for that row."""
        error = cls(message)
        error.row = row
        return error


class Chunk:
    """Some consecutive rows of a table; picklable, so that any process can work on it."""

    @property
    def rows(self) -> int:
        """How many rows."""
        raise NotImplementedError

    def observe(self, columns: Sequence[int]) -> list[Numbers | NotNumbers]:
        """The columns as numbers where they are, else why not (leading zeros included).

        Raises: BadRowError for the first row that is none.
        """
        raise NotImplementedError

    def numbers(self, columns: Sequence[int]) -> list[Numbers]:
        """The columns as numbers; raises BadRowError for a cell or a row that is none."""
        raise NotImplementedError

    def place(self, row: int, column: int) -> str:
        """Where a cell stands, and what, for messages: "t.csv: line 3, column 'x': '1e999'".

        It is the same wherever chunks are cut.
        """
        raise NotImplementedError

    def slice(self, start: int, stop: int) -> Self:
        """The rows from `start` to before `stop`."""
        raise NotImplementedError

    @classmethod
    def concat(cls, chunks: Sequence[Self]) -> Self:
        """Consecutive chunks of one table as one."""
        raise NotImplementedError

    def without_bad_rows(self, columns: Sequence[int]) -> tuple[Self, list[tuple[int, str]]]:
        """The chunk without rows that cannot be read, or not as numbers in `columns`.

        And (line, why) of each row that is left out. A typed format has no such rows. What
        ends the table, as a quote that is never closed, stays.
        """
        return self, []

    def to_arrow(self, replaced: Mapping[int, Scaled], style: Style) -> pa.Table:
        """The rows as an Arrow table, the `replaced` columns (by index) as float numbers."""
        raise NotImplementedError


@dataclass
class Table:
    """An open table: its columns are known, its rows are read as they are asked for.

    parallel: is the work on its chunks worth processes of its own? Text is parsed and
        written under Python's lock; Arrow has threads.
    overlaps: may the next chunk be read while one is worked on? Not where reading may wait
        for somebody else, as a pipe does.
    """

    parallel: ClassVar[bool] = False
    overlaps: ClassVar[bool] = False

    format: str
    name: str  # for messages: the path as the user wrote it, or "stdin"
    columns: list[str]
    _: KW_ONLY
    others: dict[int, str] = field(default_factory=dict)  # index -> its type, of no numbers
    partition: tuple[str, ...] = ()  # columns that its path tells

    def chunks(self, columns: Sequence[int] | None = None) -> Iterator[Chunk]:
        """The rows, in order.

        columns: only these will be asked for, so that a chunk need not carry the others
            (and cannot be encoded); None: all.
        """
        raise NotImplementedError

    @property
    def total_rows(self) -> int | None:
        """How many rows there are; None where that is not known before they are read."""
        return None

    @property
    def share_read(self) -> float | None:
        """How much of it has been read, from 0 to 1; None where its source's position tells."""
        return None

    def schema(self, replaced: Sequence[int], style: Style) -> pa.Schema:
        """The Arrow schema that `Chunk.to_arrow` will have."""
        raise NotImplementedError


class Encoder:
    """Turns a chunk and its new columns into what the writer of the same format writes.

    Made once per run, before anything is read or written: whatever cannot be carried is
    refused here. Picklable: `encode` runs wherever the chunk is worked on.
    """

    @property
    def needs(self) -> Sequence[int] | None:
        """The columns that chunks have to carry; None: all."""
        return None

    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> Any:
        """The payload for `Writer.write`."""
        raise NotImplementedError


class Writer:
    """Writes payloads in order to a binary stream that the caller opens and closes.

    nan_as_null: cells that were NaN and had to be written as null.
    """

    nan_as_null = 0

    def write(self, payload: Any) -> None:
        """Write one payload."""
        raise NotImplementedError

    def close(self) -> None:
        """Write what ends the table (a footer); the stream stays open."""


class Format:
    """One file format."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    text: ClassVar[bool] = True  # text formats may be compressed as a whole (.csv.gz)

    def sniff(self, head: bytes) -> bool:
        """Do these first bytes say that it is this format for sure?"""
        return False

    def open(self, source: Source, options: ReadOptions) -> Table:
        """Open `source` for reading."""
        raise NotImplementedError

    def ranges(self, source: Source, options: ReadOptions, size: int) -> Sequence[Any]:
        """Ranges of about `size` bytes, which in order make all of `source`.

        Empty where it can only be read as a whole. Those of text are where to `look`, others
        are pieces that `open_piece` takes.
        """
        return ()

    def look(self, source: Source, options: ReadOptions, range_: Any) -> Any:
        """What has to be known of a range of text before it can be cut; any process may look."""
        raise NotImplementedError

    def cut(self, ranges: Sequence[Any], looked: Sequence[Any]) -> Sequence[Any]:
        """The pieces that `open_piece` takes, from what was seen in all ranges of one source."""
        raise NotImplementedError

    def open_piece(self, source: Source, options: ReadOptions, piece: Any) -> Table:
        """Open a piece: the same table, with only these rows."""
        raise NotImplementedError

    def encoder(
        self, table: Table, replaced: Sequence[int], style: Style, options: ReadOptions
    ) -> Encoder:
        """The encoder for chunks of `table` whose columns `replaced` are scaled."""
        raise NotImplementedError

    def writer(self, stream: IO[bytes], encoder: Encoder) -> Writer:
        """A writer that puts what `encoder` makes on `stream`."""
        raise NotImplementedError
