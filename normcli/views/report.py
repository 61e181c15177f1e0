"""What a run has done, in a few lines on stderr."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from normcli.methods.filled import in_words as number_in_words
from normcli.pipeline.summary import Summary
from normcli.words import grouped, listed, many, name, number, printable

if TYPE_CHECKING:
    from normcli.sidecar.model import Statistics


def as_json(summary: Summary) -> dict[str, Any]:
    """The summary for programs."""
    bad_rows = [{"line": line, "why": why} for line, why in summary.bad_rows]
    further = {
        "warnings": summary.warnings,
        "kept_rows": summary.kept_rows,
        "unselected_rows": summary.unselected_rows,
    }
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
        **{key: value for key, value in further.items() if value},
    }


# Reasons not to scale a column that the user already knows.
ASKED_FOR = ("not selected", "excluded", "not in the statistics")
WORDS = {
    "missing": "missing, {}",
    "nan": "NaN, {}",
    "inf": "infinite, unchanged",
    "out_of_range": "out of the fitted range",
    "filled": "missing, filled with {}",
    "outside_domain": "outside the domain, made missing",
    "infinite_squashed": "infinite, squashed to the bound",
    "zero_weight": "left out, because the weight is 0",
    "row_left": "in rows with a missing cell, unchanged",
    "row_zero": "in rows of zeros, unchanged",
    "unseen_group": "of groups that the statistics do not have",
}


def lines(summary: Summary, verb: str, *, verbose: bool = False) -> Iterable[str]:
    """The report of a run, line by line; `verbose`: all of it."""
    most = None if verbose else 10
    if verbose:
        yield from inputs(summary)
    yield from notes(summary)
    chosen = _columns(summary.columns, most, len(summary.left))
    yield f"{many(summary.rows, 'row')} in {_time(summary)}, {verb} {chosen}"
    left = {n: w for n, w in summary.left.items() if verbose or not w.startswith(ASKED_FOR)}
    if left:
        yield f"not {verb}: {listed([f'{name(n)} ({why})' for n, why in left.items()], most)}"
    if summary.constant:
        yield f"constant: {_columns(summary.constant, most)}"
    yield from (f"{name(n)}: {told}" for n, told in list(summary.warnings.items())[:most])
    if (more := len(summary.warnings) - (most or len(summary.warnings))) > 0:
        yield f"and warnings of {many(more, 'more column')}; -v shows all"
    cells = summary.cells_of_columns()
    if empty := [n for n in summary.columns if cells.get("missing", Counter())[n] == summary.rows]:
        yield f"missing in every row: {_columns(empty, most)}"
    for what, columns in cells.items():
        words = WORDS.get(what, what.replace("_", " ")).format(_became(what, summary.missing))
        where = _each(columns) if verbose else _worst(columns)
        yield f"{many(columns.total(), 'cell')} {words} ({where})"
    if summary.filled:
        yield f"missing cells had been filled with {summary.filled}, and come back as numbers"
    if summary.nan_as_null:
        yield f"{many(summary.nan_as_null, 'NaN cell')} written as null: JSON has no NaN"
    if summary.unselected_rows:
        yield f"{many(summary.unselected_rows, 'row')} left out of the statistics by --where"
    if summary.kept_rows:
        yield f"{many(summary.kept_rows, 'row')} with too many or too few cells kept"
    if summary.dropped_rows:
        yield f"{many(summary.dropped_rows, 'row')} of the last, incomplete batch dropped"
    yield from skipped(summary)


def _became(what: str, missing: str) -> str:
    """What became of cells without a number."""
    if what == "filled":
        return number_in_words(missing)
    return "written empty" if missing == "null" else "unchanged"


def inputs(summary: Summary) -> Iterable[str]:
    """How each input was read."""
    yield from (f"read {title} as {format_}" for title, format_ in summary.inputs)


def notes(summary: Summary) -> Iterable[str]:
    """What was taken for granted of the inputs."""
    yield from (f"{table}: {note}" for note, table in summary.notes.items())


def skipped(summary: Summary) -> Iterable[str]:
    """How many bad rows were skipped, and the first of them."""
    if summary.skipped_rows:
        yield f"{many(summary.skipped_rows, 'bad row')} skipped:"
        yield from (f"  line {line}: {why}" for line, why in summary.bad_rows)
        if (more := summary.skipped_rows - len(summary.bad_rows)) > 0:
            yield f"  and {more} more"


def _time(summary: Summary) -> str:
    """Seconds, and the rate if at least a megabyte was read."""
    seconds = f"{summary.seconds:.{1 if summary.seconds >= 1 else 2}f} s"
    told = summary.rate and (summary.bytes or 0) >= 1_000_000
    return f"{seconds} ({summary.rate:.3g} MB/s)" if told else seconds


def _worst(columns: Counter[str]) -> str:
    """The column that has most of these cells."""
    worst, most = columns.most_common(1)[0]
    return printable(worst) if len(columns) == 1 else f"most in {printable(worst)}: {grouped(most)}"


def _each(columns: Counter[str]) -> str:
    """How many of these cells each column has, most first."""
    return ", ".join(f"{printable(n)}: {grouped(count)}" for n, count in columns.most_common())


def _columns(names: Sequence[str], most: int | None, others: int = 0) -> str:
    """How many columns, of how many if there are others, and the names of the first `most`."""
    if not names:
        return "no columns"
    counted = f"{grouped(len(names))} of {grouped(len(names) + others)} columns"
    shown = listed([name(n) for n in names], most)
    return f"{counted if others else many(len(names), 'column')}: {shown}"


def table(statistics: Statistics, *, verbose: bool = False) -> Iterable[str]:
    """The statistics as a short table, line by line; `verbose`: of all columns.

    It is plain text on a terminal, too: a short fit does not load rich.
    """
    from normcli.views.screen import NAMES, Column, Grid, text

    most = None if verbose else 20
    titles = ("count", "missing", "mean", "std", "min", "max")
    grid = Grid([NAMES, *(Column(title, "number") for title in titles)])
    for n, c in list(statistics.columns.items())[:most]:
        std = statistics.std(n)
        mean, low, high = (number(value, std) for value in (c.mean, *c.ends))
        counts = ["-", "-"] if c.given else [str(c.count), str(c.missing)]
        row = [name(n), *counts, mean, number(std), low, high]
        grid.rows.append([*row])
    yield from text(grid)
    if most is not None and len(statistics.columns) > most:
        yield f"... and {grouped(len(statistics.columns) - most)} more"


def scaled_already(statistics: Statistics, names: Iterable[str]) -> list[str]:
    """A line about the columns, of these, that look as if they had been standardized."""
    found = [n for n in names if n in statistics.columns and _is_standard(statistics, n)]
    told = f"mean 0 and std 1 before scaling, as if scaled already: {_columns(found, 10)}"
    return [told] if found else []


def _is_standard(statistics: Statistics, name: str) -> bool:
    mean, std = statistics.columns[name].mean, statistics.std(name)
    return None not in (mean, std) and abs(float(mean or 0)) < 1e-3 and abs((std or 0) - 1) < 1e-3


def can_show(text: str, stream: TextIO) -> bool:
    """Whether the encoding of the stream has all characters of the text."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def say(lines: Iterable[str]) -> None:
    """Write lines to stderr, all at once; on a terminal, wrap them between words."""
    with suppress(OSError, ValueError):
        if sys.stderr.isatty():
            lines = wrapped(lines, stderr_width())
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()


def stderr_width() -> int:
    """The width of the terminal that stderr is, or 80 if it is not known."""
    with suppress(OSError, ValueError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return 80


def wrapped(lines: Iterable[str], width: int) -> Iterator[str]:
    """The lines, with those that are too long wrapped between words."""
    import textwrap

    for line in lines:
        yield from textwrap.wrap(
            line,
            width,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
