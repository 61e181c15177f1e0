"""What is known of a CSV file before its rows are read: dialect, encoding, header."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normcli.errors import DataError, LimitError, UsageError
from normcli.formats.base import ReadOptions
from normcli.formats.csv import transcode
from normcli.formats.csv.records import Dialect, Record, problem_of, records
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.storage.sources import Source

FIRST = 1 << 16  # bytes looked at for the header, at first


@dataclass(frozen=True)
class Head:
    """The bytes before the first row (as UTF-8), and the names of the columns."""

    raw: bytes
    names: tuple[str, ...]


def dialect_of(options: ReadOptions, delimiter: str) -> Dialect:
    """The dialect that the options ask for; raises UsageError for an impossible one."""
    chosen = delimiter if options.delimiter is None else options.delimiter
    if not _is_mark(chosen):
        raise UsageError(
            f"--delimiter is one ASCII character that is in no number, not {printable(chosen)}"
        )
    if options.decimal not in (".", ","):
        raise UsageError(f"--decimal is . or , not {printable(options.decimal)}")
    if options.decimal == chosen:
        raise UsageError(
            f"--decimal and --delimiter are both {printable(chosen)}; try --delimiter ';'"
        )
    comment = options.comment
    if comment is not None and (not _is_mark(comment) or comment == chosen):
        raise UsageError(
            "--comment is one ASCII character that is in no number and not the delimiter, "
            f"not {printable(comment)}"
        )
    return Dialect(chosen.encode(), options.quoting, comment.encode() if comment else None)


def _is_mark(text: str) -> bool:
    """Can it part cells, or open comments? Not what numbers and quotes are made of."""
    return len(text) == 1 and text.isascii() and not text.isalnum() and text not in '\r\n"\0+-.'


def read_head(source: Source, encoding: str, dialect: Dialect, options: ReadOptions) -> Head:
    """The header, or where the file has none the names 1, 2, ... and what is before the rows.

    Raises: DataError where there is no record, or one that is no header; LimitError where it
    is too long.
    """
    size, limit = FIRST, options.max_record
    while True:
        text, error, whole = transcode.first_text(source, encoding, size)
        mark = len(codecs.BOM_UTF8) if text.startswith(codecs.BOM_UTF8) else 0
        final = whole and error is None
        record = _first_record(text[mark:], dialect, mark, final, source.name)
        if record or whole or error or size > limit:
            break
        size = min(4 * size, limit + 1)
    if record is None and error:
        raise error
    if record is None and whole:
        raise DataError(f"{source.name}: there is nothing in it: no header and no row")
    if record is None or record.end - record.start > limit:
        raise too_long(f"{source.name}: the header", limit)
    cells = record.cells or ()
    if len(cells) > options.max_columns:
        raise too_many_columns(source.name, len(cells), options.max_columns)
    if options.header:
        return Head(text[: mark + record.end], tuple(cell.decode() for cell in cells))
    return Head(text[: mark + record.start], tuple(str(n + 1) for n in range(len(cells))))


def _first_record(
    text: bytes, dialect: Dialect, offset: int, final: bool, name: str
) -> Record | None:
    """The first record with cells, if all of it is there; raises DataError for a bad one."""
    for record in records(text, dialect):
        if record.end == len(text) and not final and (record.unclosed or text[-1:] != b"\n"):
            return None
        problem = problem_of(record, text, len(record.cells or ()), offset)
        if problem:
            raise DataError(problem.message(name))
        if record.cells is not None:
            return record
    return None


def too_many_columns(table: str, count: int, limit: int) -> LimitError:
    """The error that a table has more than `limit` columns."""
    return LimitError(
        f"{table}: {count} columns are more than {limit}\n"
        "If they are meant so, raise the limit with --max-columns"
    )


def too_long(what: str, limit: int) -> LimitError:
    """The error that a record is longer than `limit` bytes."""
    shown = f"{limit:,} bytes".replace(",", " ")
    return LimitError(
        f"{what} is longer than {shown}; a quote may be open there\n"
        "If it is meant so, raise the limit with --max-record-bytes"
    )
