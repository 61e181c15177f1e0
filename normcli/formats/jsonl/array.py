"""Arrays of JSON objects: read as JSON Lines are, element by element, and written as arrays.

A chunk has the bytes as they were written, and the same bytes with each element on a line of its
own: commas between elements are line ends there, and line ends inside of elements are spaces.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, ClassVar

from normcli.errors import DataError
from normcli.formats.base import Chunk, ReadOptions, Style, Writer
from normcli.formats.jsonl.chunk import JsonLinesChunk, Layout
from normcli.formats.jsonl.index import BOM, TAKEN_OUT, on_lines
from normcli.formats.jsonl.table import BLOCK, JsonLinesEncoder, JsonLinesTable
from normcli.formats.texts.options import MAX_RECORD, too_long

if TYPE_CHECKING:
    from normcli.numerics.numbers import Scaled
    from normcli.storage.sources import Source

_OPENING = re.compile(rb"(?:%b)?\s*\[?\s*" % BOM)
_SEPARATORS = b" \t\r\n,"


@dataclass(eq=False)
class JsonArrayChunk(JsonLinesChunk):
    """Whole elements of an array; raw: as they were written."""

    unit: ClassVar[str] = "element"
    left_out: ClassVar[re.Pattern[bytes]] = re.compile(rb"%b+\s*,?\s*" % TAKEN_OUT)

    raw: bytes = b""

    def __reduce__(self) -> tuple[Any, ...]:
        return JsonArrayChunk, (self.layout, self.block, self.line, self.skips, self.raw)

    @property
    def written(self) -> bytes:
        return self.raw

    def slice(self, start: int, stop: int) -> JsonArrayChunk:
        """The elements from `start` to before `stop`."""
        cut = super().slice(start, stop)
        begin = self._cut(start) if self.rows else 0
        raw = self.raw[begin : begin + len(cut.block)]
        return JsonArrayChunk(self.layout, cut.block, cut.line, self.skips, raw)

    @classmethod
    def concat(cls, chunks: Sequence[JsonLinesChunk]) -> JsonArrayChunk:
        whole = JsonLinesChunk.concat(chunks)
        raw = b"".join(chunk.written for chunk in chunks)
        return cls(whole.layout, whole.block, whole.line, whole.skips, raw)

    def _without(self, rows: Collection[int]) -> JsonArrayChunk:
        if not rows:
            return self
        raw = bytearray(self.raw)
        for row in rows:
            start, end = int(self._rows.starts[row]), int(self._rows.ends[row])
            raw[start:end] = TAKEN_OUT * (end - start)
        block = super()._without(rows).block
        return JsonArrayChunk(self.layout, block, self.line, True, bytes(raw))

    def elements(self, replaced: Mapping[int, Scaled], style: Style) -> tuple[bytes, bytes, bytes]:
        """What opens the array, if it is here; the elements; and what is behind the last one."""
        raw = self.splice(replaced, style)
        opening = _OPENING.match(raw)
        start = opening.end() if opening else 0
        end = max(start, len(raw.rstrip(_SEPARATORS + b"]")))
        return raw[:start], raw[start:end], raw[end:]

    def as_lines(self, replaced: Mapping[int, Scaled], style: Style) -> bytes:
        """Each element on a line."""
        lines = JsonLinesChunk(self.layout, self.block, self.line, self.skips)
        texts = (line.strip() for line in lines.splice(replaced, style).split(b"\n"))
        return b"".join(text + b"\n" for text in texts if text)


@dataclass
class JsonArrayTable(JsonLinesTable):
    """An open array of objects."""

    parallel: ClassVar[bool] = True
    form: ClassVar[str] = "json"

    @classmethod
    def read(
        cls, source: Source, layout: Layout, options: ReadOptions, span: object = None
    ) -> Iterator[JsonLinesChunk]:
        """Chunks of some MB, cut between elements."""
        del span
        number, limit, rest, start = 1, options[MAX_RECORD], b"", -1
        with source.open() as stream:
            while more := stream.read(BLOCK):
                rest += more
                start = _start(layout.name, rest) if start < 0 else 0
                lines, cut, ended = on_lines(rest, start)
                if ended and (rest[cut:] + stream.read(BLOCK)).strip():
                    raise DataError(f"{layout.name}: there is something after the end of the array")
                if cut == 0 and len(rest) > limit:
                    where = f"{layout.name}: element {number}"
                    raise too_long(where, limit, "is this an array of objects?")
                if cut:
                    _refuse_blank(layout.name, lines[:cut], number, last=ended)
                    size = len(rest) if ended else cut
                    yield JsonArrayChunk(layout, lines[:size], number, False, rest[:size])
                    number += lines.count(b"\n", 0, cut)
                    rest = rest[cut:]
                if ended:
                    return
        raise DataError(f"{layout.name}: the array does not end; is the file cut short?")


def _start(name: str, data: bytes) -> int:
    """At which byte the first element begins."""
    opening = _OPENING.match(data)
    assert opening  # it matches anything
    if b"[" not in opening[0]:
        raise DataError(
            f"{name}: this is not an array of JSON objects, nor one object a line\n"
            "Make it one: with jq, -c '.name[]' gives the elements of a part of it, one a line"
        )
    return opening.end()


def _refuse_blank(name: str, lines: bytes, number: int, *, last: bool) -> None:
    """Raise DataError where there is nothing between two commas, or behind the last one."""
    texts = lines.split(b"\n")
    if not last:
        texts.pop()  # behind the last comma
    for i, text in enumerate(texts):
        if not text.strip() and (number, len(texts)) != (1, 1):
            raise DataError(f"{name}: element {number + i} is empty: there is a comma too many")


class JsonArrayEncoder(JsonLinesEncoder):
    """Keeps the bytes of arrays but for new numbers; makes elements of other rows."""

    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> Any:
        """What opens an array, elements, what is behind them, and NaN written as null."""
        if isinstance(chunk, JsonArrayChunk):
            return (*chunk.elements(replaced, self.style), 0)
        lines, nan = super().encode(chunk, replaced)
        texts = (line.strip() for line in lines.removeprefix(BOM).split(b"\n"))
        return b"", b",\n".join(filter(None, texts)), b"", nan


class JsonArrayWriter(Writer):
    """Writes an array, whatever rows are left out of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._opened = False
        self._gap: bytes | None = None  # behind the last element that was written
        self._end = b"\n]\n"

    def write(self, payload: tuple[bytes, bytes, bytes, int]) -> None:
        """Write elements, with what is between them."""
        opening, body, tail, nan = payload
        self.nan_as_null += nan
        if not self._opened:
            self._stream.write(opening if b"[" in opening else b"[\n")
            self._opened = True
        if body:
            if self._gap is not None:
                between = self._gap + opening
                self._stream.write(between if b"," in between else b",\n")
            self._stream.write(body)
            self._gap = tail
        if b"]" in tail:
            self._end = tail.replace(b",", b"")

    def close(self) -> None:
        """Write the end of the array."""
        self._stream.write(self._end if self._opened else b"[]\n")
