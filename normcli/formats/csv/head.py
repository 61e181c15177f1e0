"""What is known of a CSV file before its rows are read: dialect, encoding, header."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from normcli.errors import DataError, UsageError
from normcli.formats.base import Option, ReadOptions
from normcli.formats.csv import look, transcode
from normcli.formats.csv.look import Cells, IsNumber, Opening
from normcli.formats.csv.records import Dialect, Record, problem_of, records
from normcli.formats.texts.lines import count_line_ends, line_end
from normcli.formats.texts.notation import DECIMAL
from normcli.formats.texts.options import MAX_RECORD, too_long
from normcli.words import listed, printable

if TYPE_CHECKING:
    from normcli.storage.sources import Source

OPEN_QUOTE = "perhaps a quote is not closed"
RUNS = "space+"
NAMES = {"tab": "\t", "\\t": "\t", "space": " ", RUNS: " "}  # of delimiters
UNNAMED = "row labels: the column has no name"  # as R and pandas write them
EMPTY = "no name and no cells"
FIRST = 1 << 16  # bytes read for the header, at first
LOOK = 1 << 16  # bytes that are looked at, to guess and to advise
SEPARATOR = re.compile(rb'"?sep=(\\t|[^\w"\r\n.+-])\1*"?(?:\r\n|\n|\r)', re.IGNORECASE)  # Excel's

DELIMITER = Option[str | None](
    "delimiter",
    None,
    "Between CSV cells; tab is a tab, and space+ any number of blanks.  [default: ,]",
    "CHAR",
    "d",
)
TABS = Option("tabs", False, "Cells are separated by tabs.", letter="t")
HEADER = Option("header", False, "The first line is a header, whatever it looks like.")
NO_HEADER = Option("no-header", False, "No header line: columns are 1, 2, ...")
SKIP_ROWS = Option(
    "skip-rows",
    0,
    "Copy so many lines before the header (or before the first row) as they are.",
    "N",
)
SKIP_AFTER_HEADER = Option(
    "skip-after-header",
    0,
    "Copy so many lines after the header as they are: they hold units, not data.",
    "N",
)
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
    """What is before the first row, and what the first lines tell.

    start: where the first row starts; begin: where the header may. names: of the columns.
    lines: those that are left out before the header, and those after it.
    opening: the first lines from the header on. units: how many of the first rows may hold units.
    doubted: the line of a header that may be a row, or 0. notes: what was taken for granted.
    """

    start: int
    names: Cells
    dialect: Dialect
    opening: Opening
    lines: tuple[bytes, bytes] = (b"", b"")
    units: int = 0
    doubted: int = 0
    notes: tuple[str, ...] = ()
    begin: int = 0
    raw: bytes = b""

    @property
    def set_aside(self) -> dict[int, str]:
        """Columns without a name: labels of rows, or what a delimiter at the end of lines makes."""
        unnamed = [i for i, name in enumerate(self.names) if not name.strip()]
        if not unnamed or len(self.names) == 1:
            return {}
        rows = self.opening.rows(self.dialect)[1:]
        seen = unnamed if rows else []  # of a wide table there may be no row at the beginning
        empty = (i for i in seen if not any("".join(row[i : i + 1]).strip() for row in rows))
        return dict.fromkeys(empty, EMPTY) | ({0: UNNAMED} if not self.names[0] else {})

    @property
    def hint(self) -> str:
        """What to try if no column holds numbers, or none is in the statistics."""
        if len(self.names) == 1 and (found := look.fitting(self.opening, self.dialect)):
            return found
        if self.doubted:
            return f"If line {self.doubted} is a row, not the header, add --no-header"
        if self.units:
            lines = self.opening.line - 1 + self.units
            return (
                f"If the line after the header holds units, add --skip-after-header {self.units}; "
                f"if it is the header, --skip-rows {lines}"
            )
        return ""


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
    ragged = options.keep_bad_rows
    return Dialect(delimiter.encode(), quote, comment, escape, runs, ragged)


def _mark(option: Option[Any], text: str | None) -> bytes | None:
    """The character that has a meaning; numbers, and with one exception quotes, have others."""
    if text is None:
        return None
    others = "\r\n\0+-." + ("" if option is QUOTE else '"')
    if len(text) == 1 and text.isascii() and not text.isalnum() and text not in others:
        return text.encode()
    shown = f"--{option.name} must be one ASCII character that numbers do not contain"
    raise UsageError(f"{shown}, not {printable(text)}")


def _refuse_contradictions(options: ReadOptions) -> None:
    """Raise UsageError for options about the header that exclude each other."""
    if options[HEADER] and options[NO_HEADER]:
        raise UsageError("--header and --no-header say two things; give one of them")
    if options[NO_HEADER] and options[SKIP_AFTER_HEADER]:
        raise UsageError(
            "--skip-after-header needs a header; with --no-header, leave out the lines before the "
            "first row with --skip-rows"
        )


class Beginning:
    """The text at the beginning of a file, as UTF-8: as much of it as is asked for.

    look: its first bytes. mark: the length of the byte order mark.
    """

    def __init__(self, source: Source, encoding: str, limit: int) -> None:
        self.source, self.encoding, self.limit = source, encoding, limit
        self.look, _, self.short = transcode.first_text(source, encoding, LOOK, more=False)
        self.mark = len(codecs.BOM_UTF8) if self.look.startswith(codecs.BOM_UTF8) else 0
        self._read(FIRST, more=False)

    def _read(self, size: int, *, more: bool) -> None:
        self.size = size
        read = transcode.first_text(self.source, self.encoding, size, more=more)
        self.text, self.error, whole = read
        self.whole = whole and self.error is None

    def _more(self) -> bool:
        """Read more, if there is any; raises DataError for bad text, LimitError for too much."""
        if self.error:
            raise self.error
        if self.whole:
            return False
        if self.size > self.limit:
            raise too_long(f"{self.source.name}: the header", self.limit, OPEN_QUOTE)
        larger = min(4 * self.size, self.limit + 1)
        self._read(self.size if self.source.paused else larger, more=True)
        return True

    def opening(self, start: int) -> Opening:
        """What is looked at, from `start` on."""
        line = 1 + count_line_ends(self.look[:start])
        return Opening.of(self.look[start:], line, whole=self.short)

    def after_lines(self, start: int, option: Option[int], count: int) -> int:
        """Where the text is after so many lines, which an option leaves out; raises DataError."""
        at = start
        for _ in range(count):
            while not (end := self._line_end(at)):
                if not self._more():
                    raise DataError(
                        f"{self.source.name}: it has fewer lines than --{option.name} leaves out"
                    )
            at = end
        return at

    def _line_end(self, at: int) -> int:
        """Where the line at `at` ends, or 0 where that is not known."""
        end = line_end(self.text, at)
        ended = end < len(self.text) or self.text.endswith(b"\n") or self.whole
        return end if ended and end > at else 0

    def record(self, start: int, dialect: Dialect, opening: Opening) -> Record:
        """The first record with cells; raises DataError for a bad one, or none, LimitError."""
        while not (found := self._record(start, dialect, opening)):
            if not self._more():
                raise DataError(f"{self.source.name}: there is no header and no row in it")
        if found.end - found.start > self.limit:
            raise too_long(f"{self.source.name}: the header", self.limit, OPEN_QUOTE)
        return found

    def _record(self, start: int, dialect: Dialect, opening: Opening) -> Record | None:
        """The first record with cells, if all of it has been read."""
        text = self.text[start:]
        for record in records(text, dialect, opening.line):
            open_ = record.unclosed or text[-1:] != b"\n" or dialect.escape
            if record.end == len(text) and not self.whole and open_:
                return None
            if problem := problem_of(record, text, dialect, len(record.cells or ()), start):
                hint = problem.hint or look.advice(problem, opening, dialect, 0)
                raise DataError(problem.message(self.source.name, hint))
            if record.cells is not None:
                return replace(record, start=start + record.start, end=start + record.end)
        return None


def read_head(
    source: Source, encoding: str, options: ReadOptions, default: str, is_number: IsNumber
) -> Head:
    """The header, or where the file has none the names 1, 2, ... and what is before the rows.

    default: the delimiter of the format.

    Raises: DataError where there is no record, a bad one, or a row of data for a header;
        LimitError where it is too long.
    """
    given = dialect_of(options, default)
    _refuse_contradictions(options)
    beginning = Beginning(source, encoding, options[MAX_RECORD])
    separator = SEPARATOR.match(beginning.look, beginning.mark)
    begin = separator.end() if separator else beginning.mark
    start = max(begin, beginning.after_lines(beginning.mark, SKIP_ROWS, options[SKIP_ROWS]))
    opening = beginning.opening(start)
    dialect, notes = _separated(given, separator, opening, options)
    record = beginning.record(start, dialect, opening)
    cells = tuple(cell.decode() for cell in record.cells or ())
    numbers = tuple(str(n + 1) for n in range(len(cells)))
    lines = beginning.text[begin:start], b""
    head = Head(record.start, numbers, dialect, opening, lines, notes=notes, begin=start)
    if not options[NO_HEADER]:
        head = _with_names(head, cells, record, beginning, options, is_number)
    return replace(head, raw=beginning.text[: head.start])


def widened(head: bytes, begin: int, after: int, dialect: Dialect, names: Sequence[str]) -> bytes:
    """What is before the first row, with more names in the header.

    begin: where the table begins; what is before it stays. after: the length of the lines after
    the header, such as units, which get empty cells. Comments and blank lines stay as they are,
    unless the names are in the last one.
    """
    text, rest = head[begin : len(head) - after], head[len(head) - after :]
    lines = [text[record.start : record.end] for record in records(text, dialect)]
    named = [i for i, r in enumerate(records(text, dialect)) if r.cells is not None]
    filled = [i for i, line in enumerate(lines) if line.strip()]
    place = (named or filled)[-1]
    lines[place] = _with_cells(lines[place], dialect, [dialect_cell(n, dialect) for n in names])
    units = [_with_cells(line, dialect, [b""] * len(names)) for line in rest.splitlines(True)]
    return b"".join([head[:begin], *lines, *units])


def _with_cells(line: bytes, dialect: Dialect, cells: Sequence[bytes]) -> bytes:
    """A line with more cells at its end."""
    text = line.rstrip(b"\r\n")
    if not text:
        return line
    return text + b"".join(dialect.delimiter + cell for cell in cells) + line[len(text) :]


def dialect_cell(text: str, dialect: Dialect) -> bytes:
    """A text as a cell, in quotes where it has to be; raises UsageError where there are none."""
    cell, quote = text.encode(), dialect.quote
    special = any(mark in cell for mark in (b"\r", b"\n", dialect.delimiter))
    if quote is None and special:
        raise UsageError(f"the name {printable(text)} cannot be written without quotes")
    if quote is None or (cell and not special and quote not in cell):
        return cell
    return quote + cell.replace(quote, 2 * quote) + quote


def _separated(
    dialect: Dialect, named: re.Match[bytes] | None, opening: Opening, options: ReadOptions
) -> tuple[Dialect, tuple[str, ...]]:
    """The dialect with the delimiter that the file names, or that its first lines show.

    And a note where it is a guess. What the user says goes before both.
    """
    if options[TABS] or options[DELIMITER] is not None:
        return dialect, ()
    if named:
        return replace(dialect, delimiter=named[1].replace(b"\\t", b"\t")), ()
    if dialect.delimiter != b",":
        return dialect, ()
    other = look.other_delimiter(opening, dialect, options[DECIMAL])
    if other is None:
        return dialect, ()
    shown = "tab" if other == b"\t" else f"'{other.decode()}'"
    note = f"the delimiter is taken to be {shown}; to say so, or otherwise, use --delimiter"
    return replace(dialect, delimiter=other), (note,)


def _with_names(
    head: Head,
    cells: Cells,
    record: Record,
    beginning: Beginning,
    options: ReadOptions,
    is_number: IsNumber,
) -> Head:
    """The head of a file whose first record is the header, or follows it as a comment.

    Raises: DataError where that record is a row of data.
    """
    comments = beginning.text[head.begin : record.start]
    skipped = options[SKIP_AFTER_HEADER]
    if not (options[HEADER] or skipped):
        names = look.names_in_comment(comments, head.dialect, cells, is_number)
        if names:
            note = f"the names of the columns are those of the comment before line {record.line}"
            return replace(head, names=names, notes=(*head.notes, f"{note}; if not, add --header"))
    stop = beginning.after_lines(record.end, SKIP_AFTER_HEADER, skipped)
    rows = beginning.opening(stop)
    if head.dialect.ragged and look.has_row_names(cells, rows.rows(head.dialect)):
        raise DataError(
            f"{beginning.source.name}: each of the first rows has one cell more than the header\n"
            f"{look.fitting(head.opening, head.dialect)}"
        )
    notes, doubts = list(head.notes), []
    if not (options[HEADER] or _are_known(cells, options)):
        doubts = _doubts(beginning, record, cells, rows.rows(head.dialect), is_number)
        notes += doubts
    count = 0 if skipped else look.units(rows.rows(head.dialect), is_number)
    if count:
        notes.append(
            f"line {rows.line} has no number, but the lines after it have; if it holds units, add "
            f"--skip-after-header {count}"
        )
    lines = head.lines[0], beginning.text[record.end : stop]
    doubted = record.line if doubts else 0
    head = replace(head, start=stop, names=cells, lines=lines, units=count)
    return replace(head, doubted=doubted, notes=tuple(notes))


def _are_known(names: Cells, options: ReadOptions) -> bool:
    """Are these the columns of the statistics, or some of them?"""
    known = set(options.known)
    return bool(known) and (known.issubset(names) or known.issuperset(names))


def _doubts(
    beginning: Beginning, record: Record, cells: Cells, rows: list[Cells], is_number: IsNumber
) -> list[str]:
    """A note on a header that may be a row of data; raises DataError where it surely is one."""
    doubt = look.doubt(cells, rows, is_number)
    shown = listed([printable(cell, 20) for cell in cells], 5)
    if doubt == "refuse":
        raise DataError(
            f"{beginning.source.name}: line {record.line}: the header looks like a row of data: "
            f"{shown}\nIf it is a row, add --no-header; if it is the header, add --header"
        )
    note = f"line {record.line} is taken for the header, and has numbers: {shown}"
    return [f"{note}; if it is a row, add --no-header"] if doubt else []
