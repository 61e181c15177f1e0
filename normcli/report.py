"""What a run has seen and done, told in a few lines on stderr."""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from normcli.errors import printable

if TYPE_CHECKING:
    from normcli.model import Statistics
    from normcli.statistics import Exact


@dataclass
class Summary:
    """What a run has seen and done.

    inputs: name and format of each.
    left: column -> why it was not chosen.
    cells: what happened to cells ("missing", "out_of_range", ...) -> column -> how many.
    bad_rows: (line or row number, why) of the first rows that were skipped; there are
        `skipped_rows` of them, which may be more than memory holds.
    nan_as_null: cells, of whichever column, that the output could not tell from missing ones.
    seconds, bytes: how long it took, and how much was read (None: not known).
    watch: is called whenever some more rows are done.
    """

    rows: int = 0
    inputs: list[tuple[str, str]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    constant: list[str] = field(default_factory=list)
    cells: dict[str, Counter[str]] = field(default_factory=dict)
    bad_rows: list[tuple[int, str]] = field(default_factory=list)
    skipped_rows: int = 0
    dropped_rows: int = 0
    nan_as_null: int = 0
    seconds: float = 0.0
    bytes: int | None = None
    watch: Callable[[], None] | None = None

    def advance(self, rows: int, bad_rows: list[tuple[int, str]]) -> None:
        """Add so many rows that are done, and the bad ones among them."""
        self.rows += rows
        self.skip(bad_rows)
        if self.watch is not None:
            self.watch()

    def add(self, other: Summary) -> None:
        """Add what was seen and done elsewhere, with the rows that follow."""
        self.inputs += [each for each in other.inputs if each not in self.inputs[-1:]]
        self.columns, self.constant = other.columns, other.constant
        for name, why in other.left.items():
            self.left.setdefault(name, why)
        for what, columns in other.cells.items():
            for name, cells in columns.items():
                self.count(what, name, cells)
        self.bytes = (self.bytes or 0) + (other.bytes or 0)
        self.dropped_rows += other.dropped_rows
        self.nan_as_null += other.nan_as_null
        self.skipped_rows += other.skipped_rows - len(other.bad_rows)
        self.advance(other.rows, other.bad_rows)

    def skip(self, bad_rows: list[tuple[int, str]]) -> None:
        """Add bad rows that are left out."""
        self.skipped_rows += len(bad_rows)
        self.bad_rows += bad_rows[: MOST_BAD_ROWS - len(self.bad_rows)]

    def count(self, what: str, column: str, cells: int) -> None:
        """Add so many cells of a column to `what` happened."""
        if cells:
            self.cells.setdefault(what, Counter())[column] += cells

    def count_all(self, column: str, counts: Mapping[str, int]) -> None:
        """Add all counts of a column."""
        for what, cells in counts.items():
            self.count(what, column, cells)

    def cells_of_columns(self) -> dict[str, Counter[str]]:
        """`cells`, in one order whichever were met first: only those of `columns`."""
        in_order = dict.fromkeys([*WORDS, *sorted(self.cells)])
        counts = {what: self.cells.get(what, Counter()) for what in in_order}
        found = {
            what: Counter({name: of[name] for name in self.columns if of[name]})
            for what, of in counts.items()
        }
        return {what: of for what, of in found.items() if of}

    @property
    def rate(self) -> float | None:
        """Megabytes (10**6) read a second."""
        return self.bytes / self.seconds / 1e6 if self.bytes and self.seconds else None


def as_json(summary: Summary) -> dict[str, Any]:
    """The summary for programs."""
    bad_rows = [{"line": line, "why": why} for line, why in summary.bad_rows]
    return {
        "rows": summary.rows,
        "columns": summary.columns,
        "left": summary.left,
        "constant": summary.constant,
        "cells": summary.cells_of_columns(),
        "bad_rows": {"count": summary.skipped_rows, "first": bad_rows},
        "dropped_rows": summary.dropped_rows,
        "nan_as_null": summary.nan_as_null,
        "seconds": summary.seconds,
        "bytes": summary.bytes,
    }


MOST_BAD_ROWS = 10  # that are told one by one
# Reasons to leave a column alone that are no news.
ASKED_FOR = ("not selected", "excluded", "not in the statistics")

WORDS = {
    "missing": "missing, left as they were",
    "nan": "NaN, left as they were",
    "inf": "infinite, left as they were",
    "out_of_range": "out of the fitted range",
}


def lines(summary: Summary, verb: str, *, verbose: bool = False) -> Iterable[str]:
    """The report of a run, line by line; `verbose`: nothing is left out."""
    most = None if verbose else 10
    if verbose:
        yield from (f"read {title} as {format_}" for title, format_ in summary.inputs)
    chosen = _columns(summary.columns, most, len(summary.left))
    yield f"{many(summary.rows, 'row')} in {_time(summary)}, {verb} {chosen}"
    left = {n: w for n, w in summary.left.items() if verbose or not w.startswith(ASKED_FOR)}
    if left:
        yield f"left alone: {_reasons(left, most)}"
    if summary.constant:
        yield f"constant: {_columns(summary.constant, most)}"
    cells = summary.cells_of_columns()
    if empty := [n for n in summary.columns if cells.get("missing", Counter())[n] == summary.rows]:
        yield f"missing in every row: {_columns(empty, most)}"
    for what, columns in cells.items():
        words = WORDS.get(what, what.replace("_", " "))
        if columns.total() == 1:
            words = words.replace("they were", "it was")
        where = _each(columns) if verbose else _worst(columns)
        yield f"{many(columns.total(), 'cell')} {words} ({where})"
    if summary.nan_as_null:
        yield f"{many(summary.nan_as_null, 'NaN cell')} written as null: JSON has no NaN"
    if summary.dropped_rows:
        yield f"{many(summary.dropped_rows, 'row')} of the last, short batch dropped"
    yield from skipped(summary)


def skipped(summary: Summary) -> Iterable[str]:
    """How many bad rows were skipped, if any, and the first of them."""
    if summary.skipped_rows:
        yield f"{many(summary.skipped_rows, 'bad row')} skipped:"
        yield from (f"  line {line}: {why}" for line, why in summary.bad_rows)
        if (more := summary.skipped_rows - len(summary.bad_rows)) > 0:
            yield f"  and {more} more"


def _time(summary: Summary) -> str:
    """Seconds, and the rate, which tells nothing of less than a megabyte."""
    seconds = f"{summary.seconds:.{1 if summary.seconds >= 1 else 2}f} s"
    told = summary.rate and (summary.bytes or 0) >= 1_000_000
    return f"{seconds} ({summary.rate:.3g} MB/s)" if told else seconds


def many(count: int, what: str) -> str:
    """So many things, in words.

    >>> many(1, "row"), many(12345, "row")
    ('1 row', '12 345 rows')
    """
    return f"{count} {what}" if count == 1 else f"{grouped(count)} {what}s"


def grouped(count: int) -> str:
    """A count, its digits in groups of three."""
    return f"{count:,}".replace(",", " ")


def _worst(columns: Counter[str]) -> str:
    """The column that has most of something."""
    worst, most = columns.most_common(1)[0]
    return printable(worst) if len(columns) == 1 else f"most in {printable(worst)}: {grouped(most)}"


def _each(columns: Counter[str]) -> str:
    """How many of something each column has, most first."""
    return ", ".join(f"{printable(n)}: {grouped(count)}" for n, count in columns.most_common())


def _columns(names: Sequence[str], most: int | None, others: int = 0) -> str:
    """How many columns, of how many where there are others, and the names of the first `most`."""
    if not names:
        return "no column"
    counted = f"{grouped(len(names))} of {grouped(len(names) + others)} columns"
    shown = listed([name(n) for n in names], most)
    return f"{counted if others else many(len(names), 'column')}: {shown}"


def _reasons(left: Mapping[str, str], most: int | None) -> str:
    return listed([f"{name(n)} ({why})" for n, why in left.items()], most)


def listed(words: Sequence[str], most: int | None = 10) -> str:
    """The first `most` words (None: all), and how many more there are."""
    shown = ", ".join(words[:most])
    if most is None or len(words) <= most:
        return shown
    return f"{shown}, and {grouped(len(words) - most)} more"


def name(text: str) -> str:
    """A name as it is, where it cannot be misread."""
    return text if text.isprintable() and text.strip() == text != "" else printable(text)


def table(statistics: Statistics, *, verbose: bool = False) -> Iterable[str]:
    """The statistics as a short table, line by line; `verbose`: of all columns."""
    most = None if verbose else 20
    heads = ("column", "count", "missing", "mean", "std", "min", "max")
    body = []
    for n, c in list(statistics.columns.items())[:most]:
        std = statistics.std(n)
        mean, low, high = (number(value, std) for value in (c.mean, c.min, c.max))
        body.append((name(n), str(c.count), str(c.missing), mean, number(std), low, high))
    widths = [max(map(len, column)) for column in zip(heads, *body, strict=True)]
    for row in (heads, *body):
        cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
        yield "  ".join(cells)
    if most is not None and len(statistics.columns) > most:
        yield f"... and {grouped(len(statistics.columns) - most)} more"


def number(value: Exact | None, spread: float | None = None) -> str:
    """A number with six digits, or more where `spread` is small against it, or it is whole.

    >>> number(42.387209302), number(1_000_000_001.5), number(1_000_000_001.5, spread=0.25)
    ('42.3872', '1e+09', '1000000001.5')
    >>> number(3_999_999), number(999_999.9)
    ('3999999', '1000000')
    """
    if value is None:
        return "-"
    digits = 6
    if value and spread:
        digits = 2 + math.floor(math.log10(abs(float(value)))) - math.floor(math.log10(spread))
    text = f"{value:.{min(max(digits, 6), 17)}g}"
    return f"{value:.0f}" if "e+" in text and abs(float(value)) < 1e9 else text


def percent(share: float) -> str:
    """A share; it says 0 % or 100 % only where that is so.

    >>> percent(0.0), percent(0.00001), percent(0.0345), percent(0.99999)
    ('0%', '<0.1%', '3.5%', '>99.9%')
    """
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def points(share: float) -> str:
    """The difference of two shares, in percentage points.

    >>> points(0.123), points(-0.02)
    ('+12.3 points', '-2 points')
    """
    sign = "-" if share < 0 else "+"
    return f"{sign}{percent(abs(share)).removesuffix('%')} points"


def can_show(text: str, stream: TextIO) -> bool:
    """Does the encoding of the stream have all characters of the text?"""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def say(lines: Iterable[str]) -> None:
    """Print to stderr, wrapped between words on a terminal; no matter if nobody listens."""
    with suppress(OSError, ValueError):
        if sys.stderr.isatty():
            lines = wrapped(lines, os.get_terminal_size(sys.stderr.fileno()).columns or 80)
        print(*lines, sep="\n", file=sys.stderr, flush=True)


def wrapped(lines: Iterable[str], width: int) -> Iterator[str]:
    """The lines with those that are too long cut between words."""
    import textwrap

    for line in lines:
        yield from textwrap.wrap(
            line,
            width,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
