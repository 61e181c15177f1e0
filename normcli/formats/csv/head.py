"""What is known of a CSV file before its rows are read: dialect, encoding, header."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from normcli.errors import DataError, UsageError
from normcli.formats.base import Option, ReadOptions
from normcli.formats.csv import transcode
from normcli.formats.csv.records import Dialect, Record, problem_of, records
from normcli.formats.texts.notation import DECIMAL
from normcli.formats.texts.options import MAX_RECORD, too_long
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.storage.sources import Source

OPEN_QUOTE = "perhaps a quote is not closed"
RUNS = "space+"
NAMES = {"tab": "\t", "\\t": "\t", "space": " ", RUNS: " "}  # of delimiters
FIRST = 1 << 16  # bytes looked at for the header, at first

DELIMITER = Option[str | None](
    "delimiter",
    None,
    "Between CSV cells; tab is a tab, and space+ any number of blanks.  [default: ,]",
    "CHAR",
    "d",
)
TABS = Option("tabs", False, "Cells are separated by tabs.", letter="t")
NO_HEADER = Option("no-header", False, "No header line: columns are 1, 2, ...")
COMMENT = Option[str | None](
    "comment", None, "Treat lines that start with CHAR as comments.", "CHAR"
)
QUOTE = Option("quote", '"', 'Around CSV cells.  [default: "]', "CHAR")
NO_QUOTING = Option("no-quoting", False, "Treat quotes as ordinary characters.")
ESCAPE = Option[str | None](
    "escape", None, "Makes an ordinary character of the next one, as \\ often does.", "CHAR"
)


@dataclass(frozen=True)
class Head:
    """The bytes before the first row (as UTF-8), and the names of the columns."""

    raw: bytes
    names: tuple[str, ...]


def dialect_of(options: ReadOptions, default: str) -> Dialect:
    """The dialect that the options describe; raises UsageError for an impossible one.

    default: the delimiter of the format.
    """
    chosen = options[DELIMITER]
    if options[TABS] and chosen is not None:
        raise UsageError("--tabs and --delimiter say two things; give one of them")
    if QUOTE.name in options.given and options[NO_QUOTING]:
        raise UsageError("--quote and --no-quoting say two things; give one of them")
    delimiter = "\t" if options[TABS] else default if chosen is None else chosen
    runs = delimiter == RUNS
    delimiter = NAMES.get(delimiter, delimiter)
    marks = {
        "the delimiter": _mark(DELIMITER, delimiter),
        "--quote": None if options[NO_QUOTING] else _mark(QUOTE, options[QUOTE]),
        "--comment": _mark(COMMENT, options[COMMENT]),
        "--escape": _mark(ESCAPE, options[ESCAPE]),
    }
    if options[DECIMAL] == delimiter and options[NO_QUOTING]:
        raise UsageError(
            f"--decimal and --delimiter are both {printable(delimiter)}, which only quotes can "
            "tell apart; leave out --no-quoting, or try --delimiter ';'"
        )
    for (name, one), (other_name, other) in combinations(marks.items(), 2):
        if one is not None and one == other:
            raise UsageError(f"{other_name} and {name} are both {printable(one.decode())}")
    quote, comment, escape = (marks[f"--{name}"] for name in ("quote", "comment", "escape"))
    return Dialect(delimiter.encode(), quote, comment, escape, runs)


def _mark(option: Option[Any], text: str | None) -> bytes | None:
    """The character that has a meaning; numbers, and with one exception quotes, have others."""
    if text is None:
        return None
    others = "\r\n\0+-." + ("" if option is QUOTE else '"')
    if len(text) == 1 and text.isascii() and not text.isalnum() and text not in others:
        return text.encode()
    shown = f"--{option.name} must be one ASCII character that numbers do not contain"
    raise UsageError(f"{shown}, not {printable(text)}")


def read_head(source: Source, encoding: str, dialect: Dialect, options: ReadOptions) -> Head:
    """The header, or where the file has none the names 1, 2, ... and what is before the rows.

    Raises: DataError where there is no record, or a bad one; LimitError where it is too long.
    """
    size, limit, more = FIRST, options[MAX_RECORD], False
    while True:
        text, error, whole = transcode.first_text(source, encoding, size, more=more)
        mark = len(codecs.BOM_UTF8) if text.startswith(codecs.BOM_UTF8) else 0
        final = whole and error is None
        record = _first_record(text[mark:], dialect, mark, final, source.name)
        if record or whole or error or size > limit:
            break
        size, more = min(4 * size, limit + 1), True
    if record is None and error:
        raise error
    if record is None and whole:
        raise DataError(f"{source.name}: there is no header and no row in it")
    if record is None or record.end - record.start > limit:
        raise too_long(f"{source.name}: the header", limit, OPEN_QUOTE)
    cells = record.cells or ()
    if not options[NO_HEADER]:
        return Head(text[: mark + record.end], tuple(cell.decode() for cell in cells))
    return Head(text[: mark + record.start], tuple(str(n + 1) for n in range(len(cells))))


def widened(raw: bytes, dialect: Dialect, names: Sequence[str]) -> bytes:
    """What is before the first row, with more names in the header; rows that follow it get cells.

    Comments and blank lines stay as they are.
    """
    mark = len(codecs.BOM_UTF8) if raw.startswith(codecs.BOM_UTF8) else 0
    new = [raw[:mark]]
    cells = [dialect_cell(name, dialect) for name in names]
    for record in records(raw[mark:], dialect):
        line = raw[mark + record.start : mark + record.end]
        text = line.rstrip(b"\r\n")
        if record.cells is not None:
            added = b"".join(dialect.delimiter + cell for cell in cells)
            line = text + added + line[len(text) :]
            cells = [b""] * len(names)
        new.append(line)
    return b"".join(new)


def dialect_cell(text: str, dialect: Dialect) -> bytes:
    """A text as a cell, in quotes where it has to be, if there are any."""
    cell, quote = text.encode(), dialect.quote
    marks = (quote or b"", b"\r", b"\n", dialect.delimiter)
    if quote is None or (cell and not any(mark in cell for mark in marks)):
        return cell
    return quote + cell.replace(quote, 2 * quote) + quote


def _first_record(
    text: bytes, dialect: Dialect, offset: int, final: bool, name: str
) -> Record | None:
    """The first record with cells, if all of it is there; raises DataError for a bad one."""
    for record in records(text, dialect):
        open_ = record.unclosed or text[-1:] != b"\n" or dialect.escape
        if record.end == len(text) and not final and open_:
            return None
        problem = problem_of(record, text, len(record.cells or ()), offset)
        if problem:
            raise DataError(problem.message(name))
        if record.cells is not None:
            return record
    return None
