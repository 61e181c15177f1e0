"""CSV read record by record: the plain rules, which the fast `csv_index` has to agree with.

Records, cells and quotes are those of RFC 4180, with LF, CRLF and lone CR as line ends, in
any mixture. Blank lines, and lines that start with the comment character, are not rows. It runs
where speed does not matter: for the header, to say what is wrong and where, to skip bad rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from normcli.formats.texts.lines import count_line_ends, line_end

QUOTED = re.compile(rb'"((?:[^"]++|"")*+)"')


@dataclass(frozen=True)
class Dialect:
    """How the cells of a file are separated."""

    delimiter: bytes = b","
    quoting: bool = True
    comment: bytes | None = None


@dataclass(frozen=True)
class Problem:
    """What is wrong with a record, at which line, and what to try."""

    line: int
    what: str
    hint: str

    def message(self, table: str) -> str:
        """The problem in words, for the table of that name."""
        return f"{table}: line {self.line}: {self.what}\n{self.hint}"


@dataclass(frozen=True)
class Record:
    """The bytes from `start` to before `end` of a block, line end included.

    line: where it starts. cells: without their quotes; None for a line that is not a row.
    problem: a quote out of place; the record then ends with the line that has it.
    unclosed: a quote is open where the block ends.
    """

    start: int
    end: int
    line: int
    cells: tuple[bytes, ...] | None = None
    problem: Problem | None = None
    unclosed: bool = False


def records(block: bytes, dialect: Dialect, line: int = 1) -> Iterator[Record]:
    """The records of `block`, which starts with one, at line `line`."""
    stop = re.escape(dialect.delimiter) + rb"\r\n"
    if dialect.quoting:
        cell = re.compile(QUOTED.pattern + rb'(?=[%b]|\Z)|([^"%b]*+)(?=[%b]|\Z)' % ((stop,) * 3))
    else:
        cell = re.compile(rb"(?!)()|([^%b]*+)" % stop)
    no_row = (b"\n", b"\r", dialect.comment or b"\n")
    at = 0
    while at < len(block):
        if block.startswith(no_row, at):
            record = Record(at, line_end(block, at), line)
        else:
            record = _record(block, at, line, cell, dialect.delimiter)
        yield record
        line += count_line_ends(block[record.start : record.end])
        at = record.end


def _record(
    block: bytes, start: int, line: int, cell: re.Pattern[bytes], delimiter: bytes
) -> Record:
    """The record at `start`."""
    cells, at = [], start
    while match := cell.match(block, at):
        quoted, plain = match.groups()
        cells.append(plain if quoted is None else quoted.replace(b'""', b'"'))
        at = match.end() + 1
        if not block.startswith(delimiter, match.end()):
            return Record(start, line_end(block, match.end()), line, tuple(cells))
    return _misquoted(block, start, at, line)


def _misquoted(block: bytes, start: int, cell: int, line: int) -> Record:
    """The record at `start`, whose cell at `cell` has a quote out of place."""
    hint = "If quotes are ordinary characters in this file, add --no-quoting"
    closed = QUOTED.match(block, cell)
    if closed:
        what, place = "text after a closing quote", closed.end()
    elif block.startswith(b'"', cell):
        line += count_line_ends(block[start:cell])
        problem = Problem(line, f"a quote opened at line {line} is never closed", hint)
        return Record(start, len(block), line, None, problem, unclosed=True)
    else:
        what, place = "a quote inside an unquoted cell", block.index(b'"', cell)
    problem = Problem(line + count_line_ends(block[start:place]), what, hint)
    return Record(start, line_end(block, place), line, None, problem)


def problem_of(record: Record, block: bytes, width: int, offset: int) -> Problem | None:
    """Why a record is not a row of `width` cells, or None.

    offset: of the block in the file.
    """
    if record.problem:
        return record.problem
    raw = block[record.start : record.end]
    bad = bad_byte(raw, offset + record.start)
    if bad:
        place, what, hint = bad
        return Problem(record.line + count_line_ends(raw[:place]), what, hint)
    if record.cells is None or len(record.cells) == width:
        return None
    cells = "1 cell" if len(record.cells) == 1 else f"{len(record.cells)} cells"
    hint = "Fix the line, skip such rows with --on-bad-row skip, or check --delimiter"
    return Problem(record.line, f"{cells} where the header has {width}", hint)


def bad_byte(block: bytes, offset: int) -> tuple[int, str, str] | None:
    """The first byte that is not text: where, what, and what to try; or None.

    offset: of the block in the file.
    """
    nul = block.find(b"\0")
    text = block if nul < 0 else block[:nul]
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            start = error.start
            utf16 = offset + start == 0 and block[:2] in (b"\xff\xfe", b"\xfe\xff")
            other = "utf-16" if utf16 else "latin-1"
            what = f"byte 0x{block[start]:02x} at offset {offset + start} is not UTF-8"
            return start, what, f"If the file is in another encoding, add --encoding {other}"
    if nul >= 0:
        what = f"a NUL byte at offset {offset + nul}: this is not text, or it is UTF-16"
        return nul, what, "If it is UTF-16, add --encoding utf-16"
    return None


def first_problem(
    block: bytes, dialect: Dialect, width: int, line: int, offset: int
) -> tuple[int, Problem] | None:
    """The first record of `block` that is not a row: where it starts, and why; or None."""
    for record in records(block, dialect, line):
        problem = problem_of(record, block, width, offset)
        if problem:
            return record.start, problem
    return None
