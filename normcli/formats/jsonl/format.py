"""JSON Lines: one JSON object a line; only the numbers of chosen fields are ever rewritten."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import IO, TYPE_CHECKING, ClassVar

from normcli.errors import DataError, LimitError, NormcliError, UsageError, until_failure
from normcli.formats.base import Chunk, DivisibleText, Encoder, ReadOptions, Style, Table, Writer
from normcli.formats.jsonl import index as jsonl_index
from normcli.formats.jsonl import text as jsonl_text
from normcli.formats.jsonl.chunk import JSON, JsonLinesChunk, Layout, arrow_schema
from normcli.formats.texts import cuts as text_cuts
from normcli.formats.texts.cuts import Span
from normcli.formats.texts.lines import count
from normcli.formats.texts.options import ENCODING, MAX_RECORD, NULL, too_long
from normcli.words import printable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from normcli.methods.base import Scaled
    from normcli.storage.sources import Source

BLOCK = 4 << 20  # bytes read at a time
CELLS = 4 << 20  # rows times columns of a chunk, at most: 32 MB of float64
EMPTINESS = 1000  # a table in which fewer cells than one in so many are filled is not a table
WIDE = 1000  # columns, from which on emptiness matters


@dataclass
class JsonLinesTable(Table):
    """An open JSON Lines file."""

    parallel: ClassVar[bool] = True

    layout: Layout = field(kw_only=True)
    source: Source = field(kw_only=True)
    options: ReadOptions = field(kw_only=True)
    span: Span | None = field(default=None, kw_only=True)  # of the rows; None: all

    @classmethod
    def of(
        cls, source: Source, layout: Layout, options: ReadOptions, span: Span | None = None
    ) -> JsonLinesTable:
        """The table of this layout."""
        return cls(
            format=JsonLines.name,
            name=source.name,
            columns=list(layout.names),
            layout=layout,
            source=source,
            options=options,
            span=span,
        )

    def chunks(self, positions: Sequence[int] | None = None) -> Iterator[JsonLinesChunk]:
        """The rows, a few MB at a time; fields that nobody asks for are never parsed."""
        del positions
        chunks = _read(self.source, self.layout, self.options, self.span)
        if self.options.chunk_rows:
            return _exactly(chunks, self.options.chunk_rows)
        return _at_most(chunks, max(1, CELLS // max(1, len(self.columns))))

    def schema(self, replaced: Sequence[int], style: Style) -> pa.Schema:
        """Replaced columns as floats, all others as the values of all rows allow."""
        return arrow_schema(self.layout, replaced, style)


# Reading -------------------------------------------------------------------------------


def _read(
    source: Source, layout: Layout, options: ReadOptions, span: Span | None = None
) -> Iterator[JsonLinesChunk]:
    """Chunks of some MB, cut at line ends; `span`: of these bytes only."""
    line, limit = span.line if span else 1, options[MAX_RECORD]
    with source.between(span.start, span.stop) if span else source.open() as stream:
        for block in _blocks(stream, limit):
            good = block[: _before_long_line(block, limit)]
            if good:
                yield JsonLinesChunk(layout, good, line)
            line += good.count(b"\n")
            if len(good) < len(block):
                raise too_long(f"{layout.name}: line {line}", limit, "is this JSON Lines?")


def _blocks(stream: IO[bytes], limit: int) -> Iterator[bytes]:
    """The bytes of a stream, cut at line ends, or where a line is longer than `limit`."""
    waiting: list[bytes] = []  # for its line end
    while read := stream.read(BLOCK):
        cut = read.rfind(b"\n") + 1
        if cut == 0 and sum(map(len, waiting)) > limit:
            cut = len(read)
        if cut:
            yield b"".join([*waiting, read[:cut]])
            waiting = []
        waiting.append(read[cut:])
    if any(waiting):
        yield b"".join(waiting)


def _before_long_line(block: bytes, limit: int) -> int:
    """Where the first line of more than `limit` bytes starts; else the length of the block."""
    start = 0
    if len(block) > limit:
        for text in block.split(b"\n"):
            if len(text) > limit:
                return start
            start += len(text) + 1
    return len(block)


def _exactly(chunks: Iterable[JsonLinesChunk], rows: int) -> Iterator[JsonLinesChunk]:
    """The same rows in chunks of so many; the last one may have fewer."""
    waiting: list[JsonLinesChunk] = []
    have = 0
    failed: list[NormcliError] = []
    for chunk in until_failure(chunks, failed):
        waiting.append(chunk)
        have += chunk.rows
        if have > rows:  # not at once when it is reached: blank lines that follow belong to it
            whole = JsonLinesChunk.concat(waiting)
            *full, rest = _at_most([whole], rows)
            yield from full
            waiting, have = [rest], rest.rows
    if waiting:
        yield JsonLinesChunk.concat(waiting)
    if failed:
        raise failed[0]


def _at_most(chunks: Iterable[JsonLinesChunk], rows: int) -> Iterator[JsonLinesChunk]:
    """The same rows in chunks of no more than so many."""
    for chunk in chunks:
        if chunk.rows <= rows:
            yield chunk
        else:
            yield from (chunk.slice(i, i + rows) for i in range(0, chunk.rows, rows))


@dataclass(frozen=True, eq=False)
class Keys:
    """All keys of some rows, in order of first appearance, and the kinds of their values.

    kinds: shape (keys, KINDS). cells: how many values there are in all.
    """

    names: dict[str, int]
    kinds: NDArray[np.bool_]
    rows: int
    cells: int

    def layout(self, name: str, options: ReadOptions) -> Layout:
        """The columns and their types, of the table of that name."""
        types = tuple(map(_type, self.kinds.tolist()))
        return Layout(name, tuple(self.names), options[NULL], types)

    def join(self, other: Keys) -> Keys:
        """Of these rows and those that follow."""
        import numpy as np

        names = dict(self.names)
        places = [names.setdefault(each, len(names)) for each in other.names]
        kinds = np.zeros((len(names), jsonl_index.KINDS), bool)
        kinds[: len(self.names)] = self.kinds
        kinds[places] |= other.kinds
        return Keys(names, kinds, self.rows + other.rows, self.cells + other.cells)

    def refuse_data(self, name: str) -> None:
        """Raise LimitError where there are so many that they look like data."""
        if len(self.names) > WIDE and self.cells * EMPTINESS < self.rows * len(self.names):
            raise LimitError(
                f"{name}: {len(self.names)} different keys in {self.rows} objects that have"
                f" {self.cells / self.rows:.1f} fields each: the keys look like data\n"
                "Name the columns that you want with --select"
            )


def _keys(source: Source, options: ReadOptions, span: Span | None = None) -> Keys:
    """The keys of a source, or of a span of it."""
    import numpy as np

    keys = Keys({}, np.zeros((0, jsonl_index.KINDS), bool), 0, 0)
    for chunk in _read(source, Layout(source.name, ()), options, span):
        good = chunk.without_bad_rows(())[0] if options.skip_bad_rows else chunk
        kinds = _seen(good, keys.names, keys.kinds)
        cells = len(good.fields.starts)
        keys = Keys(keys.names, kinds, keys.rows + good.rows, keys.cells + cells)
        keys.refuse_data(source.name)
    return keys


def _seen(
    chunk: JsonLinesChunk, names: dict[str, int], kinds: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """`kinds` (which kinds of values each column has), and those of the chunk; grows `names`."""
    import numpy as np

    fields = chunk.fields
    positions = jsonl_index.positions(chunk.block, fields, names, grow=True).astype(np.int64)
    here = jsonl_index.value_kinds(chunk.block, fields.starts, fields.ends)
    shape = (len(names), jsonl_index.KINDS)
    counts = np.bincount(positions * shape[1] + here, minlength=shape[0] * shape[1])
    seen: NDArray[np.bool_] = counts.reshape(shape) > 0
    seen[: len(kinds)] |= kinds
    return seen


def _type(seen: Sequence[bool]) -> str:
    """The Arrow type for a column with these kinds of values: JSON text where none fits."""
    kinds = {kind for kind, is_there in enumerate(seen) if is_there} - {jsonl_index.NULL}
    numbers = {jsonl_index.INTEGER, jsonl_index.LARGE, jsonl_index.FLOAT}
    if jsonl_index.FLOAT in kinds and kinds <= numbers:
        return "double"
    alone = {
        jsonl_index.BOOLEAN: "bool",
        jsonl_index.INTEGER: "int64",
        jsonl_index.STRING: "string",
    }
    if not kinds:
        return "null"
    return alone.get(kinds.pop(), JSON) if len(kinds) == 1 else JSON


# Writing -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Payload:
    """Lines, and how many NaN were written as null in them."""

    lines: bytes
    nan: int = 0


@dataclass(frozen=True)
class SpliceEncoder(Encoder):
    """From JSON Lines: only the numbers that are replaced change."""

    style: Style

    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> Payload:
        """The chunk's own bytes with new numbers."""
        assert isinstance(chunk, JsonLinesChunk)
        return Payload(chunk.splice(replaced, self.style))


@dataclass(frozen=True)
class TextEncoder(Encoder):
    """From any other table: an object a row, with all columns."""

    style: Style

    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> Payload:
        """The rows of the chunk as objects."""
        return Payload(*jsonl_text.rows(chunk.to_arrow(replaced, self.style), replaced, self.style))


class JsonLinesWriter(Writer):
    """Writes lines, and counts the NaN in them, which JSON does not have."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def write(self, payload: Payload) -> None:
        """Write some lines."""
        self.stream.write(payload.lines)
        self.nan_as_null += payload.nan


class JsonLines(DivisibleText):
    """One JSON object a line (jsonlines.org, ndjson), UTF-8."""

    name: ClassVar[str] = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")
    options = (NULL, ENCODING, MAX_RECORD)

    def sniff(self, head: bytes) -> bool:
        """An object opens the file."""
        return re.match(rb'(\xef\xbb\xbf)?\s*\{[ \t]*["}]', head) is not None

    def open(self, source: Source, options: ReadOptions) -> JsonLinesTable:
        """Find the columns: those that are named, or by reading all rows (a pipe is spooled).

        Raises: DataError for the first line that is not an object, if it is read ahead.
        """
        _check_encoding(options[ENCODING])
        if not source.head(1):
            raise DataError(f"{source.name}: there is no row in it")
        if options.columns is None:
            layout = _keys(source.spooled(), options).layout(source.name, options)
        else:
            layout = Layout(source.name, options.columns, options[NULL])
        return JsonLinesTable.of(source, layout, options)

    def ranges(self, source: Source, options: ReadOptions, size: int) -> list[Span]:
        """Even spans of a plain file."""
        _check_encoding(options[ENCODING])
        if not (source.path or source.object):
            return []
        return text_cuts.even(Span(0, source.size or 0), size)

    def look(self, source: Source, options: ReadOptions, range_: Span) -> Lines:
        """The lines that start in a span, and their keys if these are not known."""
        return _lines(source, options, range_)

    def cut(self, ranges: Sequence[Span], looked: Sequence[Lines]) -> list[Piece]:
        """Spans of whole lines; all keys of all of them are columns of each."""
        keys = [each.keys for each in looked if each.keys is not None]
        known = reduce(Keys.join, keys) if keys else None
        line, pieces = 1, []
        for each in looked:
            if each.start < each.stop:
                pieces.append(Piece(Span(each.start, each.stop, line), known))
            line += each.count
        return pieces

    def open_piece(self, source: Source, options: ReadOptions, piece: Piece) -> JsonLinesTable:
        """The rows of a span, with the columns of the whole."""
        if piece.keys is None:
            assert options.columns is not None
            layout = Layout(source.name, options.columns, options[NULL])
        else:
            piece.keys.refuse_data(source.name)
            layout = piece.keys.layout(source.name, options)
        return JsonLinesTable.of(source, layout, options, piece.span)

    def encoder(
        self, table: Table, replaced: Sequence[int], style: Style, options: ReadOptions
    ) -> Encoder:
        """For JSON Lines: the same bytes but for the numbers; for another table: plain objects.

        Raises: DataError for a column whose type, or whose name, JSON objects cannot carry.
        """
        if isinstance(table, JsonLinesTable):
            return SpliceEncoder(style)
        if len(set(table.columns)) < len(table.columns):
            twice = next(name for name in table.columns if table.columns.count(name) > 1)
            raise DataError(
                f"{table.name}: two columns are named {printable(twice)}: "
                "JSON objects cannot keep them apart"
            )
        jsonl_text.rows(table.schema(replaced, style).empty_table(), replaced, style)
        return TextEncoder(style)

    def writer(self, stream: IO[bytes], encoder: Encoder) -> JsonLinesWriter:
        """A writer of lines."""
        return JsonLinesWriter(stream)


@dataclass(frozen=True)
class Piece:
    """Whole lines of a file; `keys`: of all of it, None where the columns are known."""

    span: Span
    keys: Keys | None

    def __str__(self) -> str:
        return str(self.span)


@dataclass(frozen=True)
class Lines:
    """The lines that start in a span: the bytes from `start` to before `stop`.

    count: of lines. keys: None where the columns are known.
    """

    start: int
    stop: int
    count: int
    keys: Keys | None


def _lines(source: Source, options: ReadOptions, span: Span) -> Lines:
    start, stop = (_line_start(source, offset) for offset in (span.start, span.stop))
    feeds = _line_feeds(source, start, stop)
    if options.columns is not None or start == stop:
        return Lines(start, stop, feeds, None)
    try:
        keys = _keys(source, options, Span(start, stop, 2 if start else 1))
    except NormcliError:  # it cannot know at which line: count, and meet it again
        keys = _keys(source, options, Span(start, stop, 1 + _line_feeds(source, 0, start)))
    return Lines(start, stop, feeds, keys)


def _line_start(source: Source, offset: int) -> int:
    """Where the first line starts at or after an offset."""
    size = source.size or 0
    if offset in (0, size):
        return offset
    with source.between(offset - 1, size) as stream:
        return min(offset - 1 + len(stream.readline()), size)


def _line_feeds(source: Source, start: int, stop: int) -> int:
    with source.between(start, stop) as stream:
        return sum(count(block, b"\n") for block in iter(lambda: stream.read(BLOCK), b""))


def _check_encoding(name: str) -> None:
    try:
        known = codecs.lookup(name).name
    except LookupError:
        known = ""
    if known not in ("utf-8", "utf-8-sig", "ascii"):
        raise UsageError(
            f"--encoding {printable(name)}: JSON Lines are always UTF-8 (RFC 8259); "
            "convert the file first"
        )


FORMATS = (JsonLines(),)
