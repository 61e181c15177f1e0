"""A bar on stderr for work that takes longer than a second."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeVar

from normcli.report import Summary, can_show, many

if TYPE_CHECKING:
    from normcli.files import Source
    from normcli.formats.base import Table

    T = TypeVar("T", bound=Table)

DELAY, INTERVAL = 1.0, 0.1  # seconds until the bar appears, and between two drawings
LENGTH = 24  # characters of the bar
CLEAR, COLOUR, PLAIN = "\r\x1b[K", "\x1b[35m", "\x1b[39m"  # legible on dark and on light


class Bar:
    """How far the work on some sources is: share of the bytes, rows, rate, time left.

    It is drawn when some rows are done, by who has done them: there is no thread, which
    could hold a lock while worker processes are forked; and with nothing but a line of text:
    a library for bars takes longer to import than some runs. A context: at its end the bar
    is gone, and the terminal as it was, whatever happened.

    summary: what the work is to fill.
    """

    def __init__(self, verb: str, sources: Sequence[Source], *, hidden: bool = False) -> None:
        self._verb, self._sources = verb, sources
        self.summary = Summary(watch=None if hidden else self.advance)
        self._started = time.monotonic()
        self._next = self._started + DELAY
        self._is_drawn = False
        self._source: Source | None = None  # that which is being read
        self._table: Table | None = None
        self._first = self._finished = 0  # rows, and bytes, of those before it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_drawn:
            _write(CLEAR)

    def begin(self, source: Source, table: T) -> T:
        """`table`, whose rows are the next ones."""
        if self._source is not None:
            self._finished += self._source.size or self._source.position()
        self._source, self._table, self._first = source, table, self.summary.rows
        self.summary.inputs.append((source.name, table.format))
        return table

    def advance(self, rows: int) -> None:
        """Draw the bar, if it is time to."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + INTERVAL
        self._draw(now)

    def _draw(self, now: float) -> None:
        self._is_drawn = True
        _write(CLEAR + self.line(now - self._started, _width()))

    def line(self, seconds: float, width: int) -> str:
        """All of it, in less than `width` characters; the bar itself where there is room."""
        done, total = self.done(), self._total()
        words = self.words(done, seconds)
        if not total:
            return f"{self._verb}  {words}"[: width - 1]
        share = min(done / total, 1.0)
        words = f"{share:4.0%}  {words}"
        if len(self._verb) + LENGTH + len(words) + 4 > width:
            return f"{self._verb} {words}"[: width - 1]
        return f"{self._verb}  {_bar(share)} {words}"

    def words(self, done: float, seconds: float) -> str:
        """Rows and rate so far, and how long it will take if that stays so."""
        words = f"{many(self.summary.rows, 'row')}  {done / seconds / 1e6:.3g} MB/s"
        if (total := self._total()) and done:
            left = max(0, round(seconds * (total / done - 1)))
            words += f"  {left // 60}:{left % 60:02} left"
        return words

    def _total(self) -> int | None:
        sizes = [source.size for source in self._sources]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def done(self) -> float:
        """Bytes that have been read; Arrow reads files by itself, so there the table tells."""
        if self._source is None or self._table is None:
            return float(self.summary.bytes or 0)  # as others who have read some tell
        size = self._source.size or 0
        read: float = self._source.position()
        if (share := self._table.share_read) is not None:
            read = size * share
        elif rows := self._table.total_rows:
            read = size * (self.summary.rows - self._first) / rows
        return self._finished + read


def is_wanted(quiet: bool, output: str | None) -> bool:
    """Is there a terminal to draw on, which no data go to?"""
    if quiet or os.environ.get("TERM", "dumb") == "dumb" or not sys.stderr.isatty():
        return False
    return not (output == "-" and sys.stdout.isatty())


def _bar(share: float) -> str:
    """The bar, with colour unless NO_COLOR is set."""
    heavy, light = "━─" if can_show("━─", sys.stderr) else "=-"
    full = round(share * LENGTH)
    bar, rest = heavy * full, light * (LENGTH - full)
    return bar + rest if os.environ.get("NO_COLOR") else f"{COLOUR}{bar}{PLAIN}{rest}"


def _width() -> int:
    """The width of the terminal that stderr is; 80 where it does not say."""
    with suppress(OSError, ValueError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return 80


def _write(text: str) -> None:
    """Write to the terminal; no matter if it is gone."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
