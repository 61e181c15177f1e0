"""Where a large text can be cut at line ends outside quotes, by readers that each see a range.

Each looks at its range for itself, not knowing whether it begins inside quotes: it counts
quotes and line ends, and finds the first record for both cases. What all have found, in
order, decides which case it was: by the parity of the quotes before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from normcli.formats.texts.lines import LINE_END, count, count_line_ends

if TYPE_CHECKING:
    from normcli.storage.sources import Source

BLOCK = 4 << 20  # bytes read at a time

Place = tuple[int, int]  # offset in the file, and line ends before it


@dataclass(frozen=True)
class Span:
    """The bytes from `start` to before `stop` of a file; `line`: the number of the first one."""

    start: int
    stop: int
    line: int = 1

    def __str__(self) -> str:
        return f"bytes {self.start} to {self.stop}"


@dataclass(frozen=True)
class Looked:
    """What is in a span.

    lines: line ends. odd: is the number of quotes odd?
    records: where the first record starts that is known to start in it, lines counted from the
        span's beginning: if that is outside quotes, and if it is inside.
    """

    lines: int
    odd: bool
    records: tuple[Place | None, Place | None]


def even(whole: Span, size: int) -> list[Span]:
    """The same bytes in spans of about `size`."""
    length = whole.stop - whole.start
    count = max(1, round(length / size))
    marks = [whole.start + length * i // count for i in range(count + 1)]
    return [Span(start, stop, whole.line) for start, stop in pairwise(marks)]


def look(source: Source, span: Span, quote: bytes | None) -> Looked:
    """Look at a span; `quote`: the one that quotes."""
    lines, odd = 0, False
    records: list[Place | None] = [None, None]
    with source.between(max(0, span.start - 1), span.stop) as stream:
        last = stream.read(1) if span.start else b""
        at = span.start
        while block := stream.read(BLOCK):
            # An LF whose CR was in the block before is not another line end.
            twice = last == b"\r" and block.startswith(b"\n")
            for inside in (False, True):
                if records[inside] is None:
                    end = _first_record(block, inside ^ odd, quote)
                    if end:
                        ended = count_line_ends(block[:end]) - twice
                        records[inside] = at + end, lines + ended
            lines += count_line_ends(block) - twice
            odd ^= quote is not None and count(block, quote) % 2 == 1
            last, at = block[-1:], at + len(block)
    return Looked(lines, odd, (records[0], records[1]))


def _first_record(block: bytes, inside: bool, quote: bytes | None) -> int:
    """Where the first line end outside quotes ends, or 0.

    A CR at the very end may be the first half of a line end: it is not taken for one.
    """
    start = block.find(quote) + 1 if inside and quote else 0
    if inside and not start:
        return 0
    outside = _outside(quote).match(block, start) if quote else None
    found = LINE_END.match(block, outside.end()) if outside else LINE_END.search(block)
    if found is None or (found.end() == len(block) and found[0] == b"\r"):
        return 0
    return found.end()


@cache
def _outside(quote: bytes) -> re.Pattern[bytes]:
    """What is before a line end or an open quote."""
    q = re.escape(quote)
    return re.compile(rb"[^%b\r\n]*+(?:%b[^%b]*+%b[^%b\r\n]*+)*+" % ((q,) * 5))


def cut(spans: Sequence[Span], looked: Sequence[Looked]) -> list[Span]:
    """The same bytes in spans that start with a record, the first of which does already."""
    line, inside = spans[0].line, False
    starts = [(spans[0].start, line)]
    for i, found in enumerate(looked):
        record = found.records[inside]
        if i > 0 and record and record[0] < spans[-1].stop:
            starts.append((record[0], line + record[1]))
        line += found.lines
        inside ^= found.odd
    stops = [*(start for start, _ in starts[1:]), spans[-1].stop]
    return [Span(start, stop, line) for (start, line), stop in zip(starts, stops, strict=True)]
