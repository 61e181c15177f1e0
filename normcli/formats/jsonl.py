"""JSON Lines: one JSON object a line; only the numbers of chosen fields are ever rewritten."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, ClassVar

from normcli.errors import DataError, LimitError, UsageError, printable
from normcli.formats import jsonl_index, jsonl_text
from normcli.formats.base import Chunk, Encoder, Format, ReadOptions, Style, Table, Writer
from normcli.formats.jsonl_chunk import JSON, JsonLinesChunk, Layout, arrow_schema

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from normcli.files import Source
    from normcli.methods.base import Scaled

BLOCK = 4 << 20  # bytes read at a time
CELLS = 4 << 20  # rows times columns of a chunk, at most: 32 MB of float64
EMPTINESS = 1000  # a table with fewer fields than one cell in so many is no table
WIDE = 1000  # columns, from which on emptiness matters


@dataclass
class JsonLinesTable(Table):
    """An open JSON Lines file."""

    parallel: ClassVar[bool] = True

    layout: Layout = field(kw_only=True)
    source: Source = field(kw_only=True)
    options: ReadOptions = field(kw_only=True)

    def chunks(self, columns: Sequence[int] | None = None) -> Iterator[JsonLinesChunk]:
        """The rows, a few MB at a time; fields that nobody asks for are never parsed."""
        del columns
        chunks = _read(self.source, self.layout, self.options)
        if self.options.chunk_rows:
            return _exactly(chunks, self.options.chunk_rows)
        return _at_most(chunks, max(1, CELLS // max(1, len(self.columns))))

    def schema(self, replaced: Sequence[int], style: Style) -> pa.Schema:
        """Replaced columns as floats, all others as the values of all rows allow."""
        return arrow_schema(self.layout, replaced, style)


# Reading -------------------------------------------------------------------------------


def _read(source: Source, layout: Layout, options: ReadOptions) -> Iterator[JsonLinesChunk]:
    """Chunks of some MB, cut at line ends."""
    line = 1
    with source.open() as stream:
        for block in _blocks(stream, options.max_record):
            _refuse_long_lines(block, line, layout.name, options.max_record)
            yield JsonLinesChunk(layout, block, line)
            line += block.count(b"\n")


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


def _refuse_long_lines(block: bytes, line: int, name: str, limit: int) -> None:
    if len(block) <= limit:
        return
    for number, text in enumerate(block.split(b"\n"), line):
        if len(text) > limit:
            size = f"{limit:,} bytes".replace(",", " ")
            raise LimitError(
                f"{name}: line {number} is longer than {size}; is this JSON Lines?\n"
                "If it is meant so, raise the limit with --max-record-bytes"
            )


def _exactly(chunks: Iterable[JsonLinesChunk], rows: int) -> Iterator[JsonLinesChunk]:
    """The same rows in chunks of so many; the last one may have fewer."""
    waiting: list[JsonLinesChunk] = []
    have = 0
    for chunk in chunks:
        waiting.append(chunk)
        have += chunk.rows
        if have > rows:  # not at once when it is reached: blank lines that follow belong to it
            whole = JsonLinesChunk.concat(waiting)
            *full, rest = _at_most([whole], rows)
            yield from full
            waiting, have = [rest], rest.rows
    if waiting:
        yield JsonLinesChunk.concat(waiting)


def _at_most(chunks: Iterable[JsonLinesChunk], rows: int) -> Iterator[JsonLinesChunk]:
    """The same rows in chunks of no more than so many."""
    for chunk in chunks:
        if chunk.rows <= rows:
            yield chunk
        else:
            yield from (chunk.slice(i, i + rows) for i in range(0, chunk.rows, rows))


def _read_ahead(source: Source, options: ReadOptions) -> Layout:
    """The columns and their types: all keys of all rows, in order of first appearance."""
    import numpy as np

    names: dict[str, int] = {}
    kinds = np.zeros((0, jsonl_index.KINDS), bool)
    rows = cells = 0
    for chunk in _read(source.spooled(), Layout(source.name, ()), options):
        good = chunk.without_bad_rows(())[0] if options.skip_bad_rows else chunk
        kinds = _seen(good, names, kinds)
        rows += good.rows
        cells += len(good.fields.starts)
        if len(names) > WIDE and cells * EMPTINESS < rows * len(names):
            raise LimitError(
                f"{source.name}: {len(names)} different keys in {rows} objects that have"
                f" {cells / rows:.1f} fields each: the keys look like data\n"
                "Name the columns that you mean: --select NAME"
            )
    return Layout(source.name, tuple(names), options.null or (), tuple(map(_type, kinds.tolist())))


def _seen(
    chunk: JsonLinesChunk, names: dict[str, int], kinds: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """`kinds` (which kinds of values each column has), and those of the chunk; grows `names`."""
    import numpy as np

    fields = chunk.fields
    columns = jsonl_index.columns(chunk.block, fields, names, grow=True).astype(np.int64)
    here = jsonl_index.value_kinds(chunk.block, fields.starts, fields.ends)
    shape = (len(names), jsonl_index.KINDS)
    counts = np.bincount(columns * shape[1] + here, minlength=shape[0] * shape[1])
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
    """Writes lines, and remembers how many NaN became null."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.nan = 0

    def write(self, payload: Payload) -> None:
        """Write some lines."""
        self.stream.write(payload.lines)
        self.nan += payload.nan

    def notes(self) -> list[str]:
        """JSON has no NaN."""
        return [f"{self.nan} NaN written as null: JSON has no NaN"] if self.nan else []


class JsonLines(Format):
    """One JSON object a line (jsonlines.org, ndjson), UTF-8."""

    name: ClassVar[str] = "jsonl"
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")

    def sniff(self, head: bytes) -> bool:
        """An object opens the file."""
        return re.match(rb'(\xef\xbb\xbf)?\s*\{[ \t]*["}]', head) is not None

    def open(self, source: Source, options: ReadOptions) -> JsonLinesTable:
        """Find the columns: those that are named, or by reading all rows (a pipe is spooled).

        Raises: DataError for the first line that is no object, if it is read ahead.
        """
        _check_encoding(options.encoding)
        if not source.head(1):
            raise DataError(f"{source.name}: there is nothing in it: no row")
        if options.columns is None:
            layout = _read_ahead(source, options)
        else:
            layout = Layout(source.name, options.columns, options.null or ())
        return JsonLinesTable(
            format=self.name,
            name=source.name,
            columns=list(layout.names),
            candidates=list(range(len(layout.names))),
            others={},
            layout=layout,
            source=source,
            options=options,
        )

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
