"""Tables of JSON Lines: their rows, read and written, and their keys."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import IO, TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa

from normcli.errors import LimitError, NormcliError, until_failure
from normcli.formats.base import Chunk, Encoder, ReadOptions, Style, Table, Writer
from normcli.formats.columnar.added import laid_out
from normcli.formats.jsonl import index as jsonl_index
from normcli.formats.jsonl.chunk import JSON, JsonLinesChunk, Layout, arrow_schema
from normcli.formats.jsonl.index import OBJECT
from normcli.formats.jsonl.nested import inside
from normcli.formats.jsonl.orders import few, orders_of
from normcli.formats.texts.cuts import Span
from normcli.formats.texts.lines import count
from normcli.formats.texts.options import MAX_RECORD, marks_of, strings_of, too_long
from normcli.words import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.formats.jsonl.orders import Orders
    from normcli.numerics.numbers import Scaled
    from normcli.storage.sources import Source

BLOCK = 4 << 20  # bytes read at a time
CELLS = 4 << 20  # rows times columns of a chunk, at most: 32 MB of float64
EMPTINESS = 1000  # a table in which fewer cells than one in so many are filled is not a table
WIDE = 1000  # columns, from which on emptiness matters


@dataclass
class JsonLinesTable(Table):
    """An open JSON Lines file."""

    parallel: ClassVar[bool] = True
    form: ClassVar[str] = "jsonl"

    layout: Layout = field(kw_only=True)
    source: Source = field(kw_only=True)
    options: ReadOptions = field(kw_only=True)
    span: Span | None = field(default=None, kw_only=True)  # of the rows; None: all
    key_orders: Orders = field(default=frozenset(), kw_only=True)

    @classmethod
    def of(
        cls, source: Source, options: ReadOptions, keys: Keys | None, span: Span | None = None
    ) -> JsonLinesTable:
        """The table with these keys, or with the columns that `options` name."""
        layout = Layout(source.name, options.columns or (), marks_of(options), strings_of(options))
        hint = ""
        if keys is not None:
            inner = {name: keys.inner[name] for name in sorted({*keys.inner} - {*keys.names})}
            own = [frozenset(np.flatnonzero(seen).tolist()) for seen in keys.kinds]
            layout = replace(
                layout,
                names=(*keys.names, *inner),
                types=tuple(map(_type, [*own, *inner.values()])),
                own=len(own),
            )
            hint = _hint(name for name, seen in zip(keys.names, own, strict=True) if OBJECT in seen)
        return cls(
            format=cls.form,
            name=source.name,
            columns=list(layout.names),
            layout=layout,
            source=source,
            options=options,
            span=span,
            key_orders=keys.orders if keys else frozenset(),
            hint=hint,
        )

    def chunks(self, positions: Sequence[int] | None = None) -> Iterator[JsonLinesChunk]:
        """The rows, a few MB at a time; fields that are not asked for are never parsed."""
        del positions
        chunks = self.read(self.source, self.layout, self.options, self.span)
        if self.options.chunk_rows:
            return _exactly(self.source, chunks, self.options.chunk_rows)
        return _at_most(chunks, max(1, CELLS // max(1, len(self.columns))))

    @classmethod
    def read(
        cls, source: Source, layout: Layout, options: ReadOptions, span: Span | None = None
    ) -> Iterator[JsonLinesChunk]:
        """Chunks of some MB, cut between rows; `span`: of these bytes only."""
        return _read(source, layout, options, span)

    def ready(self) -> bool:
        return self.source.ready()

    @property
    def orders(self) -> frozenset[tuple[str, ...]]:
        names = self.columns
        return frozenset(tuple(names[i] for i in order) for order in self.key_orders)

    def schema(self, replaced: Sequence[int], style: Style) -> pa.Schema:
        """Replaced columns as floats, all others as the values of all rows allow."""
        return arrow_schema(self.layout, replaced, style)


def _hint(objects: Iterable[str]) -> str:
    """What to try where columns hold objects."""
    for name in objects:
        return f"To use a number that is inside of an object, --select {printable(f'{name}.KEY')}"
    return ""


def _read(
    source: Source, layout: Layout, options: ReadOptions, span: Span | None = None
) -> Iterator[JsonLinesChunk]:
    """Chunks of some MB, cut at line ends; `span`: of these bytes only."""
    line, limit = span.line if span else 1, options[MAX_RECORD]
    with source.between(span.start, span.stop) if span else source.open() as stream:
        for block in _blocks(source, stream, limit):
            good = block[: _before_long_line(block, limit)]
            if good:
                yield JsonLinesChunk(layout, good, line)
            line += good.count(b"\n")
            if len(good) < len(block):
                raise too_long(f"{layout.name}: line {line}", limit, "is this JSON Lines?")


def _blocks(source: Source, stream: io.BufferedReader, limit: int) -> Iterator[bytes]:
    """The bytes of a stream, cut at line ends, or where a line is longer than `limit`."""
    waiting: list[bytes] = []  # for its line end
    buffer = memoryview(bytearray(BLOCK))
    while count := source.fill(stream, buffer):
        read = bytes(buffer[:count])
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


def _exactly(
    source: Source, chunks: Iterable[JsonLinesChunk], rows: int
) -> Iterator[JsonLinesChunk]:
    """The same rows in chunks of so many; the last before a pause may have fewer."""
    waiting: list[JsonLinesChunk] = []
    have = 0
    failed: list[NormcliError] = []
    for chunk in until_failure(chunks, failed):
        waiting.append(chunk)
        have += chunk.rows
        if have > rows:  # not at once when it is reached: blank lines that follow belong to it
            whole = waiting[0].concat(waiting)
            *full, rest = _at_most([whole], rows)
            yield from full
            waiting, have = [rest], rest.rows
        if not source.ready():
            yield waiting[0].concat(waiting)
            waiting, have = [], 0
    if waiting:
        yield waiting[0].concat(waiting)
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
    orders: those in which the rows have their keys. inner: the kinds of values of those fields
    inside of objects that were asked for.
    """

    names: dict[str, int]
    kinds: NDArray[np.bool_]
    rows: int
    cells: int
    orders: Orders = frozenset()
    inner: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def join(self, other: Keys) -> Keys:
        """Of these rows and those that follow."""
        names = dict(self.names)
        places = [names.setdefault(each, len(names)) for each in other.names]
        kinds = np.zeros((len(names), jsonl_index.KINDS), bool)
        kinds[: len(self.names)] = self.kinds
        kinds[places] |= other.kinds
        there = (tuple(places[i] for i in order) for order in other.orders)
        orders = few(self.orders | frozenset(there))
        rows, cells = self.rows + other.rows, self.cells + other.cells
        return Keys(names, kinds, rows, cells, orders, _joined(self.inner, other.inner))

    def refuse_data(self, name: str) -> None:
        """Raise LimitError where there are so many that they look like data."""
        if len(self.names) > WIDE and self.cells * EMPTINESS < self.rows * len(self.names):
            raise LimitError(
                f"{name}: {len(self.names)} different keys in {self.rows} objects that have"
                f" {self.cells / self.rows:.1f} fields each: the keys look like data\n"
                "Name the columns that you want with --select"
            )


def keys_of(
    source: Source,
    options: ReadOptions,
    span: Span | None = None,
    kind: type[JsonLinesTable] = JsonLinesTable,
) -> Keys:
    """The keys of a source, or of a span of it."""
    keys = Keys({}, np.zeros((0, jsonl_index.KINDS), bool), 0, 0)
    asked = {name: i for i, name in enumerate(dict.fromkeys((*options.asked, *options.known)))}
    for chunk in kind.read(source, Layout(source.name, ()), options, span):
        good = chunk.without_bad_rows(())[0] if options.skip_bad_rows else chunk
        kinds, orders = _seen(good, keys.names, keys.kinds)
        rows, cells = keys.rows + good.rows, keys.cells + len(good.top.starts)
        inner = _joined(keys.inner, _seen_inside(good, asked))
        keys = Keys(keys.names, kinds, rows, cells, few(keys.orders | orders), inner)
        keys.refuse_data(source.name)
    return keys


def _seen(
    chunk: JsonLinesChunk, names: dict[str, int], kinds: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Orders]:
    """`kinds` (which kinds of values each column has), with those of the chunk; and its orders.

    Grows `names`.
    """
    fields = chunk.top
    positions = jsonl_index.positions(chunk.block, fields, names, grow=True).astype(np.int64)
    here = jsonl_index.value_kinds(chunk.block, fields.starts, fields.ends)
    shape = (len(names), jsonl_index.KINDS)
    counts = np.bincount(positions * shape[1] + here, minlength=shape[0] * shape[1])
    seen: NDArray[np.bool_] = counts.reshape(shape) > 0
    seen[: len(kinds)] |= kinds
    return seen, orders_of(fields.row, positions, chunk.rows)


def _seen_inside(chunk: JsonLinesChunk, asked: dict[str, int]) -> dict[str, frozenset[int]]:
    """Which kinds of values the fields inside of objects have, of those that are asked for."""
    inner, columns = inside(chunk.block, chunk.top, asked)
    kinds = jsonl_index.value_kinds(chunk.block, inner.starts, inner.ends)
    names, found = list(asked), dict[str, frozenset[int]]()
    for column, kind in set(zip(columns.tolist(), kinds.tolist(), strict=True)):
        found[names[column]] = found.get(names[column], frozenset()) | {kind}
    return found


def _joined(
    one: Mapping[str, frozenset[int]], other: Mapping[str, frozenset[int]]
) -> dict[str, frozenset[int]]:
    none: frozenset[int] = frozenset()
    return {name: one.get(name, none) | other.get(name, none) for name in {**one, **other}}


def _type(seen: Set[int]) -> str:
    """The Arrow type for a column with these kinds of values: JSON text where none fits."""
    kinds = set(seen) - {jsonl_index.NULL}
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


@dataclass(frozen=True)
class JsonLinesEncoder(Encoder):
    """Keeps the bytes of JSON Lines but for new numbers; of other rows it makes objects."""

    style: Style

    @property
    def spells(self) -> bool:
        return True

    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> tuple[bytes, int]:
        """The rows as lines, and how many NaN were written as null in them."""
        if isinstance(chunk, JsonLinesChunk):
            return chunk.as_lines(replaced, self.style), 0
        from normcli.formats.jsonl.text import rows  # slow to import

        return rows(*laid_out(chunk, replaced, self.style), self.style)


class JsonLinesWriter(Writer):
    """Writes lines, and counts the NaN in them, which JSON does not have."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream

    def write(self, payload: tuple[bytes, int]) -> None:
        lines, nan = payload
        self.stream.write(lines)
        self.nan_as_null += nan


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


def lines_of(source: Source, options: ReadOptions, span: Span) -> Lines:
    """The lines that start in a span, and their keys if these are not known."""
    start, stop = (_line_start(source, offset) for offset in (span.start, span.stop))
    feeds = _line_feeds(source, start, stop)
    if options.columns is not None or start == stop:
        return Lines(start, stop, feeds, None)
    try:
        keys = keys_of(source, options, Span(start, stop, 2 if start else 1))
    except NormcliError:  # it cannot know at which line: count, and meet it again
        keys = keys_of(source, options, Span(start, stop, 1 + _line_feeds(source, 0, start)))
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
