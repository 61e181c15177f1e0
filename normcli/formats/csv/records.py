"""CSV read record by record: the plain rules, which the fast `csv_index` has to agree with.

Records, cells and quotes are those of RFC 4180, with LF, CRLF and lone CR as line ends, in
any mixture, and with blanks around quotes. Blank lines, and lines that start with the comment
character, are not rows. It runs where speed does not matter: for the header, to say what is
wrong and where, to skip bad rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from normcli.formats.texts.lines import count_line_ends, line_end

BLANKS = b" \t"


@dataclass(frozen=True)
class Dialect:
    """How the cells of a file are separated.

    quote: opens and closes a cell, and is doubled in it; None: there are no quotes.
    escape: makes an ordinary character of the next one, in quotes and outside.
    runs: any number of blanks separates two cells, and blanks around a line mean nothing;
        `delimiter` is a blank then.
    ragged: a row may have more or fewer cells than the header.
    """

    delimiter: bytes = b","
    quote: bytes | None = b'"'
    comment: bytes | None = None
    escape: bytes | None = None
    runs: bool = False
    ragged: bool = False

    @property
    def blanks(self) -> bytes:
        """The blanks that may be around a quoted cell."""
        return BLANKS if self.runs else BLANKS.replace(self.delimiter, b"")

    @property
    def marks(self) -> bytes:
        """The characters that can be around a cell without being of its text."""
        return self.delimiter + (self.quote or b"") + BLANKS

    @property
    def pairs(self) -> str:
        """What a doubled quote, or an escaped mark, looks like; its group is what it stands for.

        A regular expression for Python and for Arrow.
        """
        delimiters = BLANKS if self.runs else self.delimiter
        firsts = (self.quote or b"") + (self.escape or b"")
        return f"[{_hex(firsts)}]([{_hex(firsts + delimiters)}\\r\\n])" if firsts else ""


def _hex(marks: bytes) -> str:
    """The characters, as they are written in a class of a regular expression."""
    return "".join(f"\\x{mark:02x}" for mark in marks)


@dataclass(frozen=True)
class Grammar:
    """A dialect as regular expressions.

    cell: a whole one; its groups are the text in quotes, and the text of a cell without quotes.
    opening, quoted, plain: the beginnings of cells: an open quote, a text in quotes, any other.
    gap: between cells. lead: before the first one. no_row: how a line begins that is not a row.
    pair: `Dialect.pairs`. comment: a line end, and the beginning of a comment.
    escaped: what is escaped, and its escape. tokens: that, or all of a comment or a text in
        quotes, so that comments can be told from texts.
    """

    cell: re.Pattern[bytes]
    opening: re.Pattern[bytes]
    quoted: re.Pattern[bytes]
    plain: re.Pattern[bytes]
    gap: re.Pattern[bytes]
    lead: re.Pattern[bytes]
    no_row: re.Pattern[bytes]
    pair: re.Pattern[bytes]
    comment: re.Pattern[bytes]
    escaped: re.Pattern[bytes]
    tokens: re.Pattern[bytes]


@cache
def grammar(dialect: Dialect) -> Grammar:
    """The regular expressions of a dialect."""
    q, e, c = (_hex(mark or b"") for mark in (dialect.quote, dialect.escape, dialect.comment))
    blanks = f"[{_hex(dialect.blanks)}]"
    ends = _hex(BLANKS if dialect.runs else dialect.delimiter) + r"\r\n"
    pad, lead, gap, nothing = f"{blanks}*+", "", f"[{_hex(dialect.delimiter)}]", r"[\r\n]"
    if dialect.runs:
        pad, lead, gap = "", f"{blanks}*+", rf"{blanks}++(?![\r\n]|\Z)"
        nothing = r"[\r\n]|\Z"
    # What ends the block is a line end, even after an escape.
    escaped = rf"{e}(?:[^\r\n]|\r?\n(?!\Z)|\r(?!\n?\Z)|)" if e else "(?!)"
    opening = pad + q if q else "(?!)"
    quoted = f"{opening}((?:[^{q}{e}]|{q}{q}|{escaped})*+){q}{pad}" if q else "(?!)()"
    plain = f"((?:[^{q}{e}{ends}]|{escaped})*+)"
    comment = lead + c if c else "(?!)"
    texts = {
        "cell": rf"(?:{quoted}|{plain})(?=[{ends}]|\Z)",
        "opening": opening,
        "quoted": quoted,
        "plain": plain,
        "gap": gap,
        "lead": lead,
        "no_row": f"{lead}(?:{nothing})|{comment}",
        "pair": dialect.pairs or "(?!)()",
        "comment": rf"(?:\A|[\r\n]){comment}",
        "escaped": escaped,
        "tokens": rf"(?P<comment>(?<![^\r\n]){comment}[^\r\n]*+)|(?P<text>{quoted})"
        rf"|{escaped}(?:(?<=[\r\n]){comment})?+",
    }
    found = {name: re.compile(text.encode(), re.DOTALL) for name, text in texts.items()}
    return Grammar(**found)


@dataclass(frozen=True)
class Problem:
    """What is wrong with a record, at which line, and what to try.

    hint: empty where the first lines of the file have to tell (see `look.advice`). Then kind is
        "quotes", "open" (one without an end) or "cells"; and raw the record, or its first line.
    """

    line: int
    what: str
    hint: str = ""
    kind: str = ""
    raw: bytes = b""

    def message(self, table: str, hint: str = "") -> str:
        """The problem in words, for the table of that name."""
        return f"{table}: line {self.line}: {self.what}\n{self.hint or hint}"


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
    rules, at = grammar(dialect), 0
    while at < len(block):
        if rules.no_row.match(block, at):
            record = Record(at, line_end(block, at), line)
        else:
            record = _record(block, at, line, rules)
        yield record
        line += count_line_ends(block[record.start : record.end])
        at = record.end


def _record(block: bytes, start: int, line: int, rules: Grammar) -> Record:
    """The record at `start`."""
    lead = rules.lead.match(block, start)
    cells, at = [], lead.end() if lead else start
    while match := rules.cell.match(block, at):
        quoted, plain = match.groups()
        cells.append(rules.pair.sub(rb"\1", plain if quoted is None else quoted))
        gap = rules.gap.match(block, match.end())
        if gap is None:
            return Record(start, line_end(block, match.end()), line, tuple(cells))
        at = gap.end()
    return _misquoted(block, start, at, line, rules)


def _misquoted(block: bytes, start: int, cell: int, line: int, rules: Grammar) -> Record:
    """The record at `start`, whose cell at `cell` has a quote out of place."""
    closed = rules.quoted.match(block, cell)
    if closed is None and rules.opening.match(block, cell):
        line += count_line_ends(block[start:cell])
        raw = block[start : line_end(block, start)]
        what = f"a quote opened at line {line} is never closed"
        problem = Problem(line, what, kind="open", raw=raw)
        return Record(start, len(block), line, None, problem, unclosed=True)
    before = closed or rules.plain.match(block, cell)
    place = before.end() if before else cell
    what = "text after a closing quote" if closed else "a quote inside an unquoted cell"
    end = line_end(block, place)
    line_of_quote = line + count_line_ends(block[start:place])
    problem = Problem(line_of_quote, what, kind="quotes", raw=block[start:end])
    return Record(start, end, line, None, problem)


def problem_of(
    record: Record, block: bytes, dialect: Dialect, width: int, offset: int
) -> Problem | None:
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
    if record.cells is None or len(record.cells) == width or dialect.ragged:
        return None
    return wrong_width(record.line, len(record.cells), width, raw)


def wrong_width(line: int, count: int, width: int, raw: bytes) -> Problem:
    """What is wrong with the record `raw` of `count` cells, not `width`."""
    cells = "1 cell" if count == 1 else f"{count} cells"
    what = f"{cells} where the header has {width}"
    return Problem(line, what, kind="cells", raw=raw)


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
        problem = problem_of(record, block, dialect, width, offset)
        if problem:
            return record.start, problem
    return None
