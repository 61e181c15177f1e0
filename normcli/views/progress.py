"""A bar on stderr for work that takes longer than a second."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from normcli.pipeline.summary import Summary
from normcli.views.report import can_show
from normcli.words import many

if TYPE_CHECKING:
    from normcli.formats.base import Table
    from normcli.storage.sources import Source

    T = TypeVar("T", bound=Table)

DELAY, INTERVAL = 1.0, 0.1  # seconds until the bar appears, and between two drawings
LENGTH = 24  # characters of the bar
CLEAR, COLOUR, PLAIN = "\r\x1b[K", "\x1b[35m", "\x1b[39m"  # legible on dark and on light


class Bar:
    """How far the work on some sources is: share of the bytes, rows, rate, time left.

    It is drawn when some rows are done, by who has done them, or by who waits for others to
    do them: there is no thread, which could hold a lock while worker processes are forked;
    and with nothing but a line of text: a library for bars takes longer to import than some
    runs. A context: at its end the bar is gone, and the terminal as it was, whatever happened.

    summary: what the work is to fill.
    """

    def __init__(self, verb: str, sources: Sequence[Source], *, hidden: bool = False) -> None:
        self._verb, self._sources = verb, sources
        self.summary = Summary(watch=self.advance)
        self._started = time.monotonic()
        self._next = math.inf if hidden else self._started + DELAY
        self._is_drawn = False
        self._advanced = 0.0  # seconds until rows were done last
        self._reading: _Reading | None = None
        self._rows = self._bytes = 0  # of what was read before that
        self._all: int | None = None  # bytes to read; None: those of the sources

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_drawn:
            _write(CLEAR)

    def begin(self, source: Source, table: T, seen: Summary | None = None) -> T:
        """`table`, in `source`: its rows are the next ones.

        seen: counts them, and is added to `summary` when all of them are done; the table is
            `seen.bytes` of the source. None: `summary` counts them; it is all of the source.
        """
        if self._reading is not None:
            self._bytes += self._reading.size or self._reading.source.position()
        self._rows = self.summary.rows
        size, seen = (seen.bytes, seen) if seen else (source.size, self.summary)
        self._reading = _Reading(source, size, table, seen, seen.rows)
        seen.watch = self.advance
        return table

    def advance(self) -> None:
        """Some rows are done: draw the bar, if it is time to."""
        self._advanced = time.monotonic() - self._started
        self.tick()

    def advance_to(self, read: int, total: int) -> None:
        """So many bytes are read of so many: of the sources, those that are to be read."""
        self.summary.bytes, self._all = read, total
        self.advance()

    def tick(self) -> None:
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
        words = "  ".join(self._words(done, seconds))
        if not total:
            return f"{self._verb}  {words}"[: width - 1]
        share = min(done / total, 1.0)
        words = f"{share:4.0%}  {words}"
        if len(self._verb) + LENGTH + len(words) + 4 > width:
            return f"{self._verb} {words}"[: width - 1]
        return f"{self._verb}  {_bar(share)} {words}"

    def _words(self, done: float, seconds: float) -> Iterator[str]:
        """Rows and rate so far, and how long it will take if that stays so.

        Others may tell of their work in large steps: the time left is that at the last step,
        less what has passed since. Where it is not known, how long it took so far.
        """
        if rows := self.rows():
            yield many(rows, "row")
        left = -1
        if done and self._advanced:
            yield f"{done / self._advanced / 1e6:.3g} MB/s"
            left = round((self._total() or 0) / done * self._advanced - seconds)
        yield f"{_clock(left)} left" if left >= 0 else f"{_clock(round(seconds))} so far"

    def _total(self) -> int | None:
        if self._all is not None:
            return self._all
        sizes = [source.size for source in self._sources]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def rows(self) -> int:
        """Rows that are done: at the end of a part those in `summary` are the more recent."""
        return max(self.summary.rows, self._rows + (self._reading.rows if self._reading else 0))

    def done(self) -> float:
        """Bytes that have been read; in `summary` are those of which others tell."""
        read = self._bytes + (self._reading.read() if self._reading else 0)
        return max(self.summary.bytes or 0, read)


@dataclass(frozen=True)
class _Reading:
    """A table that is being read.

    size: the bytes of its source that it is; None: a pipe.
    seen, before: what counts its rows, and how many of those counted are not its own.
    """

    source: Source
    size: int | None
    table: Table
    seen: Summary
    before: int

    @property
    def rows(self) -> int:
        """Those that are done."""
        return self.seen.rows - self.before

    def read(self) -> float:
        """Bytes that have been read; Arrow reads files by itself, so there the table tells."""
        if self.size is None:
            return self.source.position()
        if (share := self.table.share_read) is not None:
            return self.size * share
        if total := self.table.total_rows:
            return self.size * min(1.0, self.rows / total)  # some may be of the table before
        return min(self.size, self.source.position())


@contextmanager
def note(words: str, *, hidden: bool) -> Iterator[None]:
    """`words` where the bar would be, unless it is `hidden`."""
    if not hidden:
        _write(CLEAR + words[: _width() - 1])
    try:
        yield
    finally:
        if not hidden:
            _write(CLEAR)


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


def _clock(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"


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
