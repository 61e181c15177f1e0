"""A chunk of JSON Lines: bytes as they were written, from which numbers are read and replaced."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import orjson
import pyarrow as pa

from normcli.errors import DataError
from normcli.formats.base import BadRowError, Chunk, NotNumbers, Style, Texts
from normcli.formats.columnar.numbers import scaled_array
from normcli.formats.columnar.schema import number_type
from normcli.formats.jsonl import index as jsonl_index
from normcli.formats.jsonl.index import BOM, SPACE, TAKEN_OUT, Fields, Rows
from normcli.formats.jsonl.nested import with_nested
from normcli.formats.jsonl.strings import Cells, read_strings
from normcli.formats.marks import Marks
from normcli.formats.texts.kernels import slices
from normcli.formats.texts.options import STRINGS
from normcli.formats.texts.read import (
    NUMBER_WITH,
    TEXT,
    Reading,
    code_of,
    looks_like,
    not_a_number,
    read,
)
from normcli.formats.texts.write import number_text, shorten
from normcli.numerics.numbers import Numbers
from normcli.words import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.formats.texts.kernels import Offsets
    from normcli.formats.texts.notation import Notation
    from normcli.numerics.numbers import Scaled

    Edits = tuple[Offsets, Offsets, list[bytes]]  # where slices start and end, and their new texts

JSON = "json"  # the type of a column that holds JSON text
REASONS = {
    jsonl_index.BOOLEAN: "boolean",
    jsonl_index.STRING: TEXT,
    jsonl_index.ARRAY: "array",
    jsonl_index.OBJECT: "object",
}
TWICE = "written twice in one object"


@dataclass(frozen=True)
class Layout:
    """What all chunks of a file have in common.

    name: of the file, for messages. notation: that of numbers in strings, which are text without
    one. marks: the strings and numbers that stand for a missing
    value beside JSON's own null. types: Arrow's names of the columns' types, or `JSON`; empty
    where the rows were not read ahead. own: the first so many columns are keys of rows; others are
    fields of objects in them. flat: no column is of an object in a row.
    """

    name: str
    names: tuple[str, ...]
    marks: Marks = field(default_factory=Marks)
    notation: Notation | None = None
    types: tuple[str, ...] = ()
    own: int = 0
    flat: bool = False


@dataclass(eq=False)
class JsonLinesChunk(Chunk):
    """Whole lines of a file, as they were written.

    line: the number of the first. skips: bad lines have been taken out (see `TAKEN_OUT`).
    """

    unit: ClassVar[str] = "line"
    left_out: ClassVar[re.Pattern[bytes]] = re.compile(rb"%b+\n?" % TAKEN_OUT)

    layout: Layout
    block: bytes
    line: int
    skips: bool = False

    def __reduce__(self) -> tuple[Any, ...]:  # without what can be computed again
        return JsonLinesChunk, (self.layout, self.block, self.line, self.skips)

    @property
    def written(self) -> bytes:
        """The block as it was written."""
        return self.block

    @property
    def rows(self) -> int:
        """How many rows: lines that are not blank."""
        return len(self._rows.starts)

    @cached_property
    def _rows(self) -> Rows:
        marked = self.line == 1 and self.block.startswith(BOM)
        blank = SPACE + TAKEN_OUT if self.skips else SPACE
        return jsonl_index.rows(self.block, len(BOM) if marked else 0, blank)

    @cached_property
    def fields(self) -> Fields:
        """Where the fields are, those inside of objects too if they are columns.

        Raises: DataError where a line is not a JSON object.
        """
        return self._placed[0]

    @cached_property
    def _placed(self) -> tuple[Fields, NDArray[np.int32]]:
        """The fields, and the position of the column of each; -1 where it is of none."""
        names = {name: position for position, name in enumerate(self.layout.names)}
        columns = jsonl_index.positions(self.block, self.top, names)
        if self.layout.flat:
            return self.top, columns
        return with_nested(self.block, self.top, columns, names)

    @cached_property
    def top(self) -> Fields:
        """Where the fields of the rows themselves are."""
        for row, reason in jsonl_index.problems(self.block, self._rows):
            message = (
                f"{self.layout.name}: {self.unit} {self._line_of(row)}: {reason}\n"
                f"Fix the {self.unit}, or skip such {self.unit}s with --on-bad-row skip"
            )
            raise BadRowError.at(row, message)
        return jsonl_index.fields(self.block)

    def _line_of(self, row: int) -> int:
        return self.line + int(self._rows.lines[row])

    @cached_property
    def _read(self) -> Cells:
        """The fields, with what strings hold where that was asked for."""
        fields = self.fields
        kinds = jsonl_index.first_kinds(self.block, fields.starts)
        if self.layout.notation is not None:
            return read_strings(self.block, fields, kinds, self.layout.notation)
        return Cells(kinds, np.frombuffer(self.block, np.uint8), fields.starts, fields.ends)

    @property
    def _kinds(self) -> NDArray[np.uint8]:
        return self._read.kinds

    @cached_property
    def _by_column(self) -> tuple[Offsets, Offsets]:
        """The fields, sorted by column and row, and where each column starts among them."""
        positions, size = self._placed[1] + 1, len(self.layout.names)
        small = positions.astype(np.uint16) if size < 1 << 16 else positions  # a radix sort
        counts = np.bincount(positions, minlength=size + 1)
        return np.argsort(small, kind="stable"), np.cumsum(counts)

    def _cells(self, position: int) -> Offsets:
        """The fields of a column, in the order of the rows."""
        order, bounds = self._by_column
        return order[bounds[position] : bounds[position + 1]]

    def observe(self, positions: Sequence[int]) -> list[Numbers | NotNumbers]:
        """The columns as numbers, or why they are not; a field that a row lacks is missing."""
        bad = {i: self._first_bad(i) or self._first_code(i) for i in positions}
        good = [position for position in positions if bad[position] is None]
        numbers = dict(zip(good, self._numbers(good), strict=True))
        return [bad[position] or numbers[position] for position in positions]

    def present(self, positions: Sequence[int]) -> list[bool]:
        return [len(self._cells(position)) > 0 for position in positions]

    def numbers(self, positions: Sequence[int]) -> list[Numbers]:
        found = [(self._first_bad(position), position) for position in positions]
        bad = [(cell.order, position, cell) for cell, position in found if cell is not None]
        if bad:
            line, position, cell = min(bad, key=lambda each: each[:2])
            row = int(self._rows.lines.searchsorted(line - self.line))
            raise BadRowError.at(row, _refusal(self.layout.name, self.layout.names[position], cell))
        return self._numbers(positions)

    @cached_property
    def _bad(self) -> tuple[NDArray[np.bool_], Offsets]:
        """Which fields, by column, are not a number or null, or twice in an object; how many.

        The second array counts those before each column, in all.
        """
        order, bounds = self._by_column
        rows, kinds = self.fields.row[order], self._kinds[order]
        twice = np.append(False, rows[1:] == rows[:-1])[: len(rows)]
        twice[bounds[bounds < len(rows)]] = False  # where another column starts
        bad = twice | ((kinds != jsonl_index.INTEGER) & (kinds != jsonl_index.NULL))
        return bad, np.append(0, np.cumsum(bad))[bounds]

    def _first_bad(self, position: int) -> NotNumbers | None:
        """The first field of a column that is neither a number nor missing."""
        for cell, reason in self._bad_cells(position):
            line = self._line_of(int(self.fields.row[cell]))
            return NotNumbers(
                self._why_not(reason, cell), f"{self.unit} {line}", line, self._text(cell)
            )
        return None

    def _why_not(self, reason: str, cell: int) -> str:
        """The reason, or for a string that is a number in some notation the options for that."""
        if reason != TEXT:
            return reason
        return looks_like(self._text(cell), self.layout.notation, f"--{STRINGS.name}")

    def _first_code(self, position: int) -> NotNumbers | None:
        """The first string of a column that looks like a code, not a number."""
        coded, cells = self._read.coded, self._cells(position)
        if coded is None or not coded[cells].any():
            return None
        cell = int(cells[coded[cells].argmax()])
        line, text = self._line_of(int(self.fields.row[cell])), self._text(cell)
        return NotNumbers(code_of(text), f"{self.unit} {line}", line, text)

    def _bad_cells(self, position: int) -> Iterator[tuple[int, str]]:
        """The fields of a column that are not numbers, in order, and why."""
        bad, before = self._bad
        if before[position] == before[position + 1]:
            return
        order, bounds = self._by_column
        for i in bounds[position] + bad[bounds[position] : bounds[position + 1]].nonzero()[0]:
            cell = int(order[i])
            kind = int(self._kinds[cell])
            if i > bounds[position] and self.fields.row[order[i - 1]] == self.fields.row[cell]:
                yield cell, TWICE
            elif kind != jsonl_index.STRING or self._text(cell) not in self.layout.marks:
                yield cell, REASONS[kind]

    def _text(self, cell: int) -> str:
        """A value as it is written; a string without its quotes and escapes."""
        value = self._value(cell)
        return str(orjson.loads(value)) if value.startswith(b'"') else value.decode()

    def _value(self, cell: int) -> bytes:
        return self.block[self.fields.starts[cell] : self.fields.ends[cell]]

    def _numbers(self, positions: Sequence[int], *, marked: bool = False) -> list[Numbers]:
        """The numbers of columns of numbers, all parsed at once: there may be many columns.

        marked: with those that mark missing values.
        """
        of_column = [self._cells(position) for position in positions]
        of_column = [cells[self._kinds[cells] == jsonl_index.INTEGER] for cells in of_column]
        together = np.sort(np.concatenate([np.zeros(0, int), *of_column]))
        if self._read.coded is not None:  # numbers of strings come after the block
            together = together[np.argsort(self._read.starts[together])]
        places = np.empty(len(self.fields.row), int)
        places[together] = np.arange(len(together))
        data, starts, ends = self._read.data, self._read.starts[together], self._read.ends[together]
        reading = Reading((), () if marked else self.layout.marks.numbers)
        x = read(data, starts, ends, reading, codes=True)
        assert isinstance(x, Numbers)  # JSON's numbers are some of CSV's
        return [self._spread(x, places[cells], cells) for cells in of_column]

    def _spread(self, x: Numbers, places: Offsets, cells: Offsets) -> Numbers:
        """The numbers at `places` of `x`, each in the row of its cell; other rows are missing."""
        rows = self.fields.row[cells]
        depth = len(x.parts) if x.parts[1:, places].any() else 1
        if len(cells) == self.rows and x.missing is None:
            return Numbers(x.parts[:depth, places])
        parts = np.zeros((depth, self.rows))
        parts[0] = np.nan
        parts[:, rows] = x.parts[:depth, places]
        missing = np.ones(self.rows, bool)
        missing[rows] = False if x.missing is None else x.missing[places]
        return Numbers(parts, missing)

    def texts(self, position: int) -> Texts:
        """Strings as they are, numbers and booleans as they are written in CSV."""
        cells = self._cells(position)
        rows = self.fields.row[cells]
        twice = np.flatnonzero(rows[1:] == rows[:-1])
        if len(twice):
            raise self._keyless(cells[twice[0] + 1], position, TWICE)
        data = np.frombuffer(self.block, np.uint8)
        found = slices(data, self.fields.starts[cells], self.fields.ends[cells])
        raw = found.dictionary_encode()
        values: list[str | None] = []
        for code, text in enumerate(raw.dictionary.to_pylist()):
            if text[0] in "[{":
                cell = cells[int((raw.indices.to_numpy() == code).argmax())]
                raise self._keyless(cell, position, "an array" if text[0] == "[" else "an object")
            values.append(_plain(text))
        codes = np.full(self.rows, len(values))
        codes[rows] = raw.indices.to_numpy()
        return Texts.of([*values, None] if len(rows) < self.rows else values, codes)

    @property
    def null(self) -> Sequence[str]:
        return self.layout.marks.tokens

    def _keyless(self, cell: int, position: int, what: str) -> DataError:
        """The error for a field that is no text."""
        row = int(self.fields.row[cell])
        name = printable(self.layout.names[position])
        where = f"{self.layout.name}: {self.unit} {self._line_of(row)}, column {name}"
        return BadRowError.at(row, f"{where} is {what}, which has no text")

    def place(self, row: int, position: int) -> str:
        where = f"{self.layout.name}: {self.unit} {self._line_of(row)}"
        cells = self._cells(position)
        texts = [
            f": {printable(self._text(cell))}" for cell in cells[self.fields.row[cells] == row]
        ]
        return f"{where}, column {printable(self.layout.names[position])}{''.join(texts)}"

    def slice(self, start: int, stop: int) -> JsonLinesChunk:
        """The rows from `start` to before `stop`, with the blank lines after each."""
        begin = self._cut(start) if self.rows else 0
        end = self._cut(stop) if stop < self.rows else len(self.block)
        line = self.line + self.block.count(b"\n", 0, begin)
        return JsonLinesChunk(self.layout, self.block[begin:end], line, self.skips)

    def only(self, rows: Offsets) -> JsonLinesChunk:
        return self._without(np.setdiff1d(np.arange(self.rows), rows, assume_unique=True).tolist())

    def _cut(self, row: int) -> int:
        """Where the bytes of a row begin; those before the first row are its own."""
        if row == 0:
            return 0
        return int(self._rows.starts[row]) if row < self.rows else len(self.block)

    @classmethod
    def concat(cls, chunks: Sequence[JsonLinesChunk]) -> JsonLinesChunk:
        first = chunks[0]
        if len(chunks) == 1:
            return first
        block = b"".join(chunk.block for chunk in chunks)
        return JsonLinesChunk(first.layout, block, first.line, any(c.skips for c in chunks))

    def without_bad_rows(
        self, positions: Sequence[int]
    ) -> tuple[JsonLinesChunk, list[tuple[int, str]]]:
        malformed = dict(jsonl_index.problems(self.block, self._rows))
        objects = self._without(malformed)
        refused = objects._refused(positions)
        bad = [(self._line_of(row), why) for row, why in malformed.items()]
        bad += [(objects._line_of(row), why) for row, why in refused.items()]
        return objects._without(refused), sorted(bad)

    def _refused(self, positions: Sequence[int]) -> dict[int, str]:
        """Each row with a field in `positions` that is not a number, and why."""
        reasons: dict[int, str] = {}
        for position in positions:
            name = printable(self.layout.names[position])
            for cell, reason in self._bad_cells(position):
                what = f"{printable(self._text(cell))} is not a number"
                why = f"column {name}: {reason if reason == TWICE else what}"
                reasons.setdefault(int(self.fields.row[cell]), why)
        return reasons

    def _without(self, rows: Collection[int]) -> JsonLinesChunk:
        """The chunk without these rows: their bytes are blotted out, so that all stays in place."""
        if not rows:
            return self
        block = bytearray(self.block)
        for row in rows:
            start, end = int(self._rows.starts[row]), int(self._rows.ends[row])
            block[start:end] = TAKEN_OUT * (end - start)
        return JsonLinesChunk(self.layout, bytes(block), self.line, skips=True)

    def splice(self, replaced: Mapping[int, Scaled], style: Style) -> bytes:
        """The block with the numbers of the replaced columns in their fields."""
        if style.suffix:
            edits = self._added(replaced, style)
        else:
            edits = [self._edits(position, scaled, style) for position, scaled in replaced.items()]
            edits += self._absent(replaced, style)
        spliced = _spliced(self.written, edits) if edits else self.written
        return self.left_out.sub(b"", spliced) if self.skips else spliced

    def as_lines(self, replaced: Mapping[int, Scaled], style: Style) -> bytes:
        """The same, one row a line."""
        return self.splice(replaced, style)

    def _edits(self, position: int, scaled: Scaled, style: Style) -> Edits:
        """The fields of a column that change, and their new texts."""
        cells = self._cells(position)
        if scaled.keep is not None:
            cells = cells[~scaled.keep[self.fields.row[cells]]]
        rows = self.fields.row[cells]
        return (
            self.fields.starts[cells],
            self.fields.ends[cells],
            self._new(position, scaled, rows, style),
        )

    def _new(self, position: int, scaled: Scaled, rows: Offsets, style: Style) -> list[bytes]:
        """The new texts of a column in some rows."""
        null = np.zeros(len(rows), bool) if scaled.null is None else scaled.null[rows]
        with np.errstate(over="ignore"):
            shown = shorten(scaled.values[rows], style)
        if not (np.isfinite(shown) | null).all():
            name = f"{self.layout.name}, column {printable(self.layout.names[position])}"
            raise DataError(f"{name}: a scaled number is too large for float32")
        whole = None if scaled.whole is None else scaled.whole[rows]
        return _texts(shown, null, whole)

    def _absent(self, replaced: Mapping[int, Scaled], style: Style) -> list[Edits]:
        """New fields for numbers in rows that did not have the column: they were filled."""
        added: dict[int, list[tuple[bytes, bytes]]] = {}
        for position, scaled in replaced.items():
            lacks = np.ones(self.rows, bool)
            lacks[self.fields.row[self._cells(position)]] = False
            for mask in (scaled.keep, scaled.null):
                lacks &= True if mask is None else ~mask
            rows = np.flatnonzero(lacks)
            key = orjson.dumps(self.layout.names[position])
            for row, text in zip(
                rows.tolist(), self._new(position, scaled, rows, style), strict=True
            ):
                added.setdefault(row, []).append((key, text))
        return [self._additions(added)] if added else []

    def _added(self, replaced: Mapping[int, Scaled], style: Style) -> list[Edits]:
        """New fields for all numbers; where a row lacks the key, there is nothing to keep."""
        added: dict[int, list[tuple[bytes, bytes]]] = {}
        for position, scaled in replaced.items():
            key = orjson.dumps(f"{self.layout.names[position]}{style.suffix}")
            keep = np.zeros(self.rows, bool) if scaled.keep is None else scaled.keep
            rows = np.flatnonzero(~keep)
            texts = dict(zip(rows.tolist(), self._new(position, scaled, rows, style), strict=True))
            cells = self._cells(position)
            kept = cells[keep[self.fields.row[cells]]].tolist()
            texts |= {int(self.fields.row[cell]): self._value(cell) for cell in kept}
            for row, text in texts.items():
                added.setdefault(row, []).append((key, text))
        return [self._additions(added)] if added else []

    def _additions(self, added: Mapping[int, Sequence[tuple[bytes, bytes]]]) -> Edits:
        """New fields (key, value) at the ends of rows, spaced as the first field of the row is."""
        rows = np.array(sorted(added))
        first = self.fields.row.searchsorted(rows)
        has = first < len(self.fields.row)
        has[has] = self.fields.row[first[has]] == rows[has]
        spaced = np.zeros(len(rows), bool)
        spaced[has] = self.fields.starts[first[has]] - self.fields.key_ends[first[has]] > len('":')
        ends, texts = [], []
        for row, some, space in zip(rows.tolist(), has.tolist(), spaced.tolist(), strict=True):
            line = self.block[self._rows.starts[row] : self._rows.ends[row]]
            inside = line[: line.rindex(b"}")].rstrip(SPACE)
            ends.append(int(self._rows.starts[row]) + len(inside))
            comma, colon = (b", ", b": ") if space else (b",", b":")
            fields = comma.join(key + colon + text for key, text in added[row])
            texts.append(comma + fields if some else fields)
        return np.array(ends), np.array(ends), texts

    def to_arrow(self, replaced: Mapping[int, Scaled], style: Style) -> pa.Table:
        """The rows as an Arrow table of the layout's types; what a row lacks is null."""
        schema = arrow_schema(self.layout, list(replaced), style)
        own = self
        if self.fields is not self.top:
            own = type(self)(replace(self.layout, flat=True), self.block, self.line, self.skips)
        columns = [
            self._scaled(position, target, replaced[position])
            if position in replaced
            else (own if position < self.layout.own else self)._array(
                position, self.layout.types[position]
            )
            for position, target in enumerate(schema)
        ]
        return pa.Table.from_arrays(columns, schema=schema)

    def _scaled(self, position: int, target: pa.Field, scaled: Scaled) -> pa.Array:
        where = f"{self.layout.name}, column {printable(target.name)}"
        return scaled_array(
            where, target, lambda: self._numbers([position], marked=True)[0], scaled
        )

    def _array(self, position: int, type_: str) -> pa.Array:
        """An untouched column; raises DataError where a key is twice in an object."""
        cells = self._cells(position)
        rows = self.fields.row[cells]
        twice = np.flatnonzero(rows[1:] == rows[:-1])
        if len(twice):
            where = f"{self.layout.name}: {self.unit} {self._line_of(int(rows[twice[0]]))}"
            name = printable(self.layout.names[position])
            raise DataError(f"{where}, column {name} is {TWICE}: only JSON Lines can store that")
        try:
            return self._values(position, type_)
        except (pa.ArrowException, OverflowError, _ChangedError) as error:
            raise DataError(f"{self.layout.name} changed while it was being read") from error

    def _values(self, position: int, type_: str) -> pa.Array:
        """The fields of a column, each in its row, as an Arrow array."""
        if type_ == "double":
            if self._first_bad(position):
                raise _ChangedError
            (x,) = self._numbers([position], marked=True)
            return pa.array(x.parts[0], mask=x.missing)
        cells = self._cells(position)
        texts = [self._value(cell) for cell in cells.tolist()]
        if type_ == JSON:
            values = [None if text == b"null" else text.decode() for text in texts]
        else:
            values = orjson.loads(b"[" + b",".join(texts) + b"]")
        places = np.full(self.rows, -1)
        places[self.fields.row[cells]] = np.arange(len(cells))
        return pa.array(values, arrow_type(type_)).take(pa.array(places, mask=places < 0))


class _ChangedError(Exception):
    """A value is of another kind than when the file was read ahead."""


def _plain(value: str) -> str | None:
    """A value of JSON, but for arrays and objects, as it is written in CSV; None for null."""
    if value[0] not in '"-0123456789':
        return None if value == "null" else value
    found = json.loads(value, parse_int=str)  # orjson makes floats of large integers
    if isinstance(found, str):
        return found
    return orjson.dumps(found).decode() if math.isfinite(found) else repr(found)


def _texts(
    values: NDArray[np.floating], null: NDArray[np.bool_], whole: NDArray[np.bool_] | None
) -> list[bytes]:
    """JSON's spelling of finite numbers; null where that mask is True."""
    if not len(values):
        return []
    texts: list[bytes] = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    for i in [] if whole is None else np.flatnonzero(whole).tolist():
        texts[i] = number_text(values[i], True)
    for i in np.flatnonzero(null).tolist():
        texts[i] = b"null"
    return texts


def _spliced(block: bytes, edits: Sequence[Edits]) -> bytes:
    """`block` with new texts in the place of slices, which do not overlap."""
    if not edits:
        return block
    all_starts, all_ends, all_texts = zip(*edits, strict=True)
    starts, ends = np.concatenate(all_starts), np.concatenate(all_ends)
    texts = [text for new in all_texts for text in new]
    order = np.argsort(starts)
    stays = zip([0, *ends[order].tolist()], [*starts[order].tolist(), len(block)], strict=True)
    pieces = [b""] * (2 * len(order) + 1)
    pieces[0::2] = [block[start:end] for start, end in stays]
    pieces[1::2] = [texts[i] for i in order.tolist()]
    return b"".join(pieces)


def _refusal(table: str, column: str, cell: NotNumbers) -> str:
    """The message for a field of a chosen column that is not a number."""
    if cell.reason == TEXT or cell.reason.startswith(NUMBER_WITH):
        return not_a_number(table, column, cell)
    what = f" is {TWICE}" if cell.reason == TWICE else f": {printable(cell.text)} is not a number"
    exclude = shlex.quote(column) if column.isprintable() else "COLUMN"
    return (
        f"{table}: {cell.where}, column {printable(column)}{what}\n"
        f"To leave the column alone, --exclude {exclude}"
    )


def arrow_schema(layout: Layout, replaced: Sequence[int], style: Style) -> pa.Schema:
    """The Arrow schema of a table of this layout whose columns `replaced` are scaled."""
    number = number_type(style)
    return pa.schema(
        [
            (name, number if position in replaced else arrow_type(layout.types[position]))
            for position, name in enumerate(layout.names)
        ]
    )


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of this name; JSON text is a string."""
    return pa.string() if name == JSON else pa.type_for_alias(name)
