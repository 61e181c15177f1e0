"""A bar on stderr for work that takes longer than a second."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self, TypeVar

from normcli.report import Summary, many

if TYPE_CHECKING:
    from rich.progress import Progress

    from normcli.files import Source
    from normcli.formats.base import Table

    T = TypeVar("T", bound=Table)

DELAY, INTERVAL = 1.0, 0.1  # seconds until the bar appears, and between two drawings


class Bar:
    """How far the work on some sources is: share of the bytes, rows, rate, time left.

    It is drawn when some rows are done, by who has done them: there is no thread, which
    could hold a lock while worker processes are forked. A context: at its end the bar is
    gone, and the terminal as it was, whatever happened.

    summary: what the work is to fill.
    """

    def __init__(self, verb: str, sources: Sequence[Source], *, hidden: bool = False) -> None:
        self._verb, self._sources = verb, sources
        self.summary = Summary(watch=None if hidden else self.advance)
        self._started = time.monotonic()
        self._next = self._started + DELAY
        self._drawn: Progress | None = None
        self._source: Source | None = None  # that which is being read
        self._table: Table | None = None
        self._first = self._finished = 0  # rows, and bytes, of those before it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn is not None:
            self._drawn.stop()

    def begin(self, source: Source, table: T) -> T:
        """`table`, whose rows are the next ones."""
        if self._source is not None:
            self._finished += self._source.size or self._source.position()
        self._source, self._table, self._first = source, table, self.summary.rows
        return table

    def advance(self, rows: int) -> None:
        """Draw the bar, if it is time to."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + INTERVAL
        self._draw(now)

    def _draw(self, now: float) -> None:
        if self._drawn is None:
            self._drawn = _progress()
            self._drawn.add_task(self._verb, total=self._total(), words="")
            self._drawn.start()
        done = self.done()
        words = self.words(done, now - self._started)
        self._drawn.update(self._drawn.task_ids[0], completed=done, words=words)
        self._drawn.refresh()

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
        """Bytes that have been read; Arrow reads files by itself, so there the rows tell."""
        if self._source is None or self._table is None:
            return 0.0
        read: float = self._source.position()
        if rows := self._table.total_rows:
            read = (self._source.size or 0) * (self.summary.rows - self._first) / rows
        return self._finished + read


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),  # not the whole line, which the echo of Ctrl-C would wrap
        TaskProgressColumn(),
        TextColumn("{task.fields[words]}"),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def is_wanted(quiet: bool, output: str | None) -> bool:
    """Is there a terminal to draw on, which no data go to?"""
    if quiet or os.environ.get("TERM", "dumb") == "dumb" or not sys.stderr.isatty():
        return False
    return not (output == "-" and sys.stdout.isatty())
