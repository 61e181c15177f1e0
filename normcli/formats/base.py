"""What a format is: it opens tables as chunks, and knows how to put numbers back.

A format is one folder in this package with a module `format` that ends with
``FORMATS = (ItsClass(),)``; nothing else is edited for the program to read and write it and to
have its options. These modules are imported for `--help`, so they must not import NumPy or Arrow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import IO, TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from normcli.errors import DataError
from normcli.formats.marks import Marks

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from normcli.numerics.numbers import Mask, Numbers, Scaled, Vectors
    from normcli.storage.sources import Source

Value = TypeVar("Value")


@dataclass(frozen=True)
class NotNumbers:
    """Why a column of a chunk does not hold numbers: the first cell that shows it.

    reason: for people: "text", "leading zeros", "bool", "date32[day]" ...
    where: "line 17" or "row 17" in the file, or "" where the type is the reason.
    order: the same as a number, to find the first one of several chunks.
    text: the cell as it was written.
    """

    reason: str
    where: str = ""
    order: int = 0
    text: str = ""


@dataclass(frozen=True, eq=False)
class Texts:
    """The cells of a column as text: that of row i is ``values[codes[i]]``.

    values: each once; None for a cell in which there is nothing.
    """

    values: Sequence[str | None]
    codes: NDArray[np.int64]

    @classmethod
    def of(cls, values: Iterable[str | None], codes: NDArray[np.int64]) -> Texts:
        """The same, where some values may be there twice, or be empty."""
        import numpy as np

        numbers: dict[str | None, int] = {}
        places = [numbers.setdefault(value or None, len(numbers)) for value in values]
        if len(numbers) < len(places):
            codes = np.array(places, np.int64)[codes]
        return cls(list(numbers), codes)

    def cells(self, null: Collection[str] = ()) -> list[str | None]:
        """The text of every row; None where it is empty, or one of `null`."""
        values = [None if value in null else value for value in self.values]
        return [values[code] for code in self.codes.tolist()]


@dataclass(frozen=True)
class Style:
    """How numbers are written: shortest round-trip float64, or shorter."""

    float32: bool = False
    precision: int | None = None  # significant digits, text formats only
    nulls: bool = False  # scaled columns may gain nulls (out of range), even if declared without
    integers: bool = False  # typed formats get int64
    suffix: str = ""  # scaled columns are added, with this at the end of their names
    whole: Mask | None = None  # rows whose numbers are written as 7, not 7.0; of one column
    drops: bool = False  # the last rows may be left out

    def of(self, scaled: Scaled) -> Style:
        """The style of one column."""
        return self if scaled.whole is None else replace(self, whole=scaled.whole)


@dataclass(frozen=True)
class Option(Generic[Value]):
    """An option of the command line that a format declares; formats may share one.

    default: its value where it is not given. It says what the option takes: nothing (False), a
        whole number, a text (or None), or a text each time that it is given (a tuple).
    help, metavar, letter: its help, what its value is called there, and its short name.
    """

    name: str  # without the dashes before it
    default: Value
    help: str
    metavar: str | None = None
    letter: str = ""


@dataclass(frozen=True)
class ReadOptions:
    """What the user says about the input; every format takes what concerns it.

    given: the options that formats declare, by name, where they are not the default;
        ``options[OPTION]`` is the value of one.
    """

    given: Mapping[str, Any] = field(default_factory=dict)
    skip_bad_rows: bool = False
    keep_bad_rows: bool = False  # rows with too many or too few cells: they are rows all the same
    chunk_rows: int | None = None  # exactly so many rows a chunk; None: what is fast
    max_columns: int = 1 << 15
    # What marks missing values in the statistics that are used; it holds where none is given.
    marks: Marks | None = None
    # The only columns that will be asked for, where all are known by name and the output, if
    # any, is of the input's format: spares JSON Lines reading ahead for the keys of all rows.
    columns: tuple[str, ...] | None = None
    known: tuple[str, ...] = ()  # the columns of the statistics in use: names that are no surprise
    asked: tuple[str, ...] = ()  # what may be names of columns that were selected

    def __getitem__(self, option: Option[Value]) -> Value:
        """The value that was given for an option, or else its default."""
        value: Value = self.given.get(option.name, option.default)
        return value


BadRows = list[tuple[int, str]]  # line or row number, and why
TOLD = 10  # bad rows that are told one by one
UNTOLD = (0, "")


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


class Contract(ABC):  # noqa: B024  # its subclasses have the abstract methods
    """A class that is refused when it is made, not when it is used, if it lacks a method."""

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        """Refuse a class that lacks methods, unless it says that it is `abstract` itself."""
        super().__init_subclass__(**kwargs)
        members = ((name, getattr(cls, name, None)) for name in dir(cls))
        lacking = [name for name, it in members if getattr(it, "__isabstractmethod__", False)]
        if lacking and not abstract:
            raise TypeError(f"{cls.__qualname__} lacks {', '.join(lacking)}")


class Chunk(Contract, abstract=True):
    """Consecutive rows of a table; picklable, so that any process can work on it."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """How many rows."""

    @property
    def kept_rows(self) -> int:
        """How many rows have too many or too few cells, and were kept."""
        return 0

    @abstractmethod
    def observe(self, positions: Sequence[int]) -> list[Numbers | NotNumbers]:
        """The columns as numbers where they are, else why not (leading zeros included).

        Raises: BadRowError for the first row that cannot be read.
        """

    @abstractmethod
    def numbers(self, positions: Sequence[int]) -> list[Numbers]:
        """The columns as numbers; raises BadRowError for a cell or a row that is not."""

    @abstractmethod
    def texts(self, position: int) -> Texts:
        """The cells of a column as text; raises DataError where its type has none."""

    @property
    def null(self) -> Sequence[str]:
        """The texts that mark a cell as missing, beside that of an empty one."""
        return ()

    def present(self, positions: Sequence[int]) -> list[bool]:
        """Is each column in any row at all, if only as a missing cell?"""
        return [True] * len(positions)

    def vectors(self, position: int) -> Vectors:
        """A column of lists of numbers; asked only for positions in `Table.vectors`."""
        raise NotImplementedError

    @abstractmethod
    def place(self, row: int, position: int) -> str:
        """Where a cell stands, and what, for messages: "t.csv: line 3, column 'x': '1e999'".

        It is the same wherever chunks are cut.
        """

    @abstractmethod
    def slice(self, start: int, stop: int) -> Self:
        """The rows from `start` to before `stop`."""

    @abstractmethod
    def only(self, rows: NDArray[np.int64]) -> Self:
        """Some of the rows, in order; `place` says where they stand in the whole.

        For reading: such a chunk cannot be encoded, nor joined to others.
        """

    @classmethod
    @abstractmethod
    def concat(cls, chunks: Sequence[Self]) -> Self:
        """Consecutive chunks of one table as one."""

    def without_bad_rows(self, positions: Sequence[int]) -> tuple[Self, BadRows]:
        """The chunk without rows that cannot be read, or not as numbers in these columns.

        And (line, why) of each row that is left out, or `UNTOLD` after the first `TOLD`. A
        typed format has no such rows. What ends the table, as a quote that is never closed,
        stays.
        """
        return self, []

    @abstractmethod
    def to_arrow(self, replaced: Mapping[int, Scaled], style: Style) -> pa.Table:
        """The rows as an Arrow table, the `replaced` columns (by position) as float numbers."""


@dataclass
class Table(Contract, abstract=True):
    """An open table: its columns are known, its rows are read as they are asked for.

    A column's position is its number in the table, from 0.

    parallel: is the work on its chunks worth processes of their own? Text is parsed and
        written under Python's lock; Arrow uses threads.
    overlaps: may the next chunk be read while one is worked on? Not where reading may wait
        for somebody else, as a pipe does.
    """

    parallel: ClassVar[bool] = False
    overlaps: ClassVar[bool] = False

    format: str
    name: str  # for messages: the path as the user wrote it, or "stdin"
    columns: list[str]
    _: KW_ONLY
    others: dict[int, str] = field(default_factory=dict)  # position -> a type that is not numbers
    # position -> what its numbers are, if not quantities: they are fitted only where selected
    set_aside: dict[int, str] = field(default_factory=dict)
    extra_lines: int = 0  # that are in no row, and stay only in formats that keep them
    hint: str = ""  # what to try if no column holds numbers
    notes: tuple[str, ...] = ()  # what was taken for granted, and how to say that it is not so
    partition: tuple[str, ...] = ()  # columns whose values are in its path
    marks: Marks = field(default_factory=Marks)  # what the options, or the statistics, name
    share_read: float | None = None  # how much, from 0 to 1; None to ask its source

    @property
    def vectors(self) -> Set[int]:
        """The columns of lists of numbers, by position."""
        return frozenset()

    @abstractmethod
    def chunks(self, positions: Sequence[int] | None = None) -> Iterator[Chunk]:
        """The rows, in order.

        positions: only these columns will be asked for, so that a chunk need not carry the
            others (and cannot be encoded); None: all.
        """

    def ready(self) -> bool:
        """Can the next chunk be read without waiting for somebody who sends the rows?"""
        return True

    def free(self) -> bool:
        """Has the work on its chunks run mostly without Python's lock so far?

        Then threads can share it, and it needs no processes.
        """
        return False

    def spelled(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """The chunks, small enough for an encoder that `spells`."""
        return chunks

    @property
    def total_rows(self) -> int | None:
        """How many rows there are; None where that is not known before they are read."""
        return None

    @property
    def orders(self) -> frozenset[tuple[str, ...]]:
        """The orders in which rows have their columns, where these may differ from row to row."""
        return frozenset()

    @property
    def single(self) -> frozenset[int]:
        """The columns that stay float32 in a typed format."""
        return frozenset()

    @abstractmethod
    def schema(self, replaced: Sequence[int], style: Style) -> pa.Schema:
        """The Arrow schema that `Chunk.to_arrow` will have."""


class Encoder(Contract, abstract=True):
    """Turns a chunk and its new columns into what the writer of the same format writes.

    Made once per run, before anything is read or written: whatever cannot be carried is
    refused here. Picklable: `encode` runs wherever the chunk is worked on.

    """

    @property
    def spells(self) -> bool:
        """Does it write the whole text of every cell, even if cells share it in memory?"""
        return False

    @property
    def needs(self) -> Sequence[int] | None:
        """The columns that chunks have to carry; None: all."""
        return None

    @abstractmethod
    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> Any:
        """The payload for `Writer.write`."""


class Writer(Contract, abstract=True):
    """Writes payloads in order to a binary stream that the caller opens and closes.

    nan_as_null: cells that were NaN and had to be written as null.
    """

    nan_as_null = 0

    @abstractmethod
    def write(self, payload: Any) -> None:
        """Write one payload."""

    def close(self) -> None:
        """Write what ends the table (a footer); the stream stays open."""


class Output(Contract, abstract=True):
    """What tables are written to: a file of some format, or memory."""

    name: ClassVar[str]
    keeps_lines: ClassVar[bool] = False  # those that are in no row, as titles

    @abstractmethod
    def encoder(
        self, table: Table, replaced: Sequence[int], style: Style, options: ReadOptions
    ) -> Encoder:
        """The encoder for chunks of `table` whose columns `replaced` are scaled."""

    @abstractmethod
    def writer(self, stream: IO[bytes], encoder: Encoder) -> Writer:
        """A writer that puts what `encoder` makes on `stream`."""


class Format(Output, abstract=True):
    """One file format.

    options: those that it declares for its inputs.
    output_options: those of them by which a table of another format is written.
    typed: do columns have types, so that no cell of numbers is a text?
    """

    suffixes: ClassVar[tuple[str, ...]]
    typed: ClassVar[bool] = False
    options: ClassVar[tuple[Option[Any], ...]] = ()
    output_options: ClassVar[tuple[Option[Any], ...]] = ()

    def uses(self, name: str, value: Any) -> bool:
        """Does an option of this name and value mean something for an input?"""
        del value
        return any(each.name == name for each in self.options)

    def sniff(self, head: bytes) -> bool:
        """Do these first bytes prove that it is this format?"""
        return False

    @abstractmethod
    def open(self, source: Source, options: ReadOptions) -> Table:
        """Open `source` for reading."""


class Divisible(Format, abstract=True):
    """A format whose files other processes can open by the fragment."""

    @abstractmethod
    def ranges(self, source: Source, options: ReadOptions, size: int) -> Sequence[Any]:
        """Ranges of about `size` bytes, which in order make all of `source`.

        Empty where it can only be read as a whole. Those of text are where to `look`, others
        are pieces that `open_piece` takes.
        """

    @abstractmethod
    def open_piece(self, source: Source, options: ReadOptions, piece: Any) -> Table:
        """Open a piece: the same table, with only these rows."""


class DivisibleText(Divisible, abstract=True):
    """A text format whose ranges have to be looked at before they can be cut into pieces."""

    @abstractmethod
    def look(self, source: Source, options: ReadOptions, range_: Any) -> Any:
        """What has to be known of a range before it can be cut; any process may look."""

    @abstractmethod
    def cut(self, ranges: Sequence[Any], looked: Sequence[Any]) -> Sequence[Any]:
        """The pieces that `open_piece` takes, from what was seen in all ranges of one source."""
