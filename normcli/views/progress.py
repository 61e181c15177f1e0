"""A progress bar on stderr for work that takes longer than a second."""

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
from normcli.views.report import stderr_width
from normcli.words import many

if TYPE_CHECKING:
    from normcli.formats.base import Table
    from normcli.storage.sources import Source

    T = TypeVar("T", bound=Table)

DELAY, INTERVAL = 1.0, 0.1  # seconds until the bar appears, and between two drawings
CLEAR = "\r\x1b[K"  # empties the line


class Bar:
    """How far the work on some sources is: share of the bytes, rows, rate, time left.

    It is drawn by calls of `advance` and `tick`, not by a thread, which could hold a lock while
    worker processes are forked. `rich.live` is not used because it hides the cursor, which
    stays hidden if the process is killed. A context: at its end the line is empty again,
    whatever happened.

    summary: what the work is to fill.
    """

    def __init__(self, verb: str, sources: Sequence[Source], *, hidden: bool = False) -> None:
        self._verb, self._sources = verb, sources
        self.summary = Summary(watch=self.advance)
        self._started = time.monotonic()
        self._next = math.inf if hidden else self._started + DELAY
        self._is_drawn = False
        self._advanced = 0.0  # seconds from the start to the last rows
        self._reading: _Reading | None = None
        self._rows = self._bytes = 0  # of the tables before it
        self._all: int | None = None  # bytes to read; None: all bytes of the sources

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_drawn:
            _write(CLEAR)

    def begin(self, source: Source, table: T, seen: Summary | None = None) -> T:
        """`table`, which is read from `source` next.

        seen: counts its rows, and is added to `summary` when all of them are done; the table
            is `seen.bytes` of the source. None: `summary` counts them, and the table is all
            of the source.
        """
        if self._reading is not None:
            self._bytes += self._reading.size or self._reading.source.position()
        self._rows = self.summary.rows
        size, seen = (seen.bytes, seen) if seen else (source.size, self.summary)
        self._reading = _Reading(source, size, table, seen, seen.rows)
        seen.watch = self.advance
        return table

    def advance(self) -> None:
        """Some rows are done: draw the bar, if it is time."""
        self._advanced = time.monotonic() - self._started
        self.tick()

    def advance_to(self, read: int, total: int) -> None:
        """`read` bytes are done of the `total` that must be read of the sources."""
        self.summary.bytes, self._all = read, total
        self.advance()

    def tick(self) -> None:
        """Draw the bar, if it is time."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + INTERVAL
        self._draw(now)

    def _draw(self, now: float) -> None:
        self._is_drawn = True
        _write(CLEAR + self.line(now - self._started, stderr_width()))

    def line(self, seconds: float, width: int) -> str:
        """All of it, in less than `width` characters."""
        from normcli.views import terminal

        done, total = self.done(), self._total()
        share = min(done / total, 1.0) if total else None
        told = [] if share is None else [f"{share:3.0%}"]
        words = "  ".join([*told, *self._words(done, seconds)])
        return terminal.bar(self._verb, share, words, width)

    def _words(self, done: float, seconds: float) -> Iterator[str]:
        """Rows and rate so far, and the time left; the time so far if that is not known.

        Worker processes may report in large steps: the time left is what it was after the
        last step, less the time since then.
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
        """Rows that are done; at the end of a table `summary` is more up to date."""
        return max(self.summary.rows, self._rows + (self._reading.rows if self._reading else 0))

    def done(self) -> float:
        """Bytes that have been read; those that worker processes report are in `summary`."""
        read = self._bytes + (self._reading.read() if self._reading else 0)
        return max(self.summary.bytes or 0, read)


@dataclass(frozen=True)
class _Reading:
    """A table that is being read.

    size: its bytes in the source; None for a pipe.
    seen, before: what counts its rows, and the rows counted before it.
    """

    source: Source
    size: int | None
    table: Table
    seen: Summary
    before: int

    @property
    def rows(self) -> int:
        """Rows that are done."""
        return self.seen.rows - self.before

    def read(self) -> float:
        """Bytes that have been read; Arrow opens files itself, so the table knows better."""
        if self.size is None:
            return self.source.position()
        if (share := self.table.share_read) is not None:
            return self.size * share
        if total := self.table.total_rows:
            return self.size * min(1.0, self.rows / total)  # some may belong to the table before
        return min(self.size, self.source.position())


@contextmanager
def note(words: str, *, hidden: bool) -> Iterator[None]:
    """Show `words` in place of a bar, unless `hidden`."""
    if not hidden:
        _write(CLEAR + words[: stderr_width() - 1])
    try:
        yield
    finally:
        if not hidden:
            _write(CLEAR)


def is_wanted(quiet: bool, output: str | None) -> bool:
    """Is stderr a terminal, and not the one that the data go to?"""
    if quiet or os.environ.get("TERM", "dumb") == "dumb" or not sys.stderr.isatty():
        return False
    return not (output == "-" and sys.stdout.isatty())


def _clock(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"


def _write(text: str) -> None:
    """Write to the terminal, if it is still there."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
