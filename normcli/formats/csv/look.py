"""What the first lines of a CSV file tell: its delimiter, whether its header is one, what helps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise, takewhile

from normcli.formats.csv.records import Dialect, Problem, Record, records
from normcli.formats.texts.lines import LINE_END, line_end

ROWS = 20  # that are looked at
MOST_NAMES = 1000  # that are looked at in a header
LINES = re.compile(rb"(?:[^\r\n]*+(?:\r\n|\n|\r)){0,40}")  # in which they are
TEXT = 1 << 14  # bytes of them at most
DELIMITERS = (b";", b"\t", b"|")  # that are tried where commas split nothing
JSON = re.compile(rb'\s*(\{\s*["}]|\[\s*[\[{"])')
QUOTED_LINE = re.compile(rb'^"([^\r\n]*)"(?=\r?$)', re.MULTILINE)
DIGITS = re.compile(r"\d+")
BEGINS_AS_NUMBER = re.compile(r"\s*[-+.,]?\d")
MOST_TITLES = 10  # lines before the header

IsNumber = Callable[[str], bool]
Cells = tuple[str, ...]


@dataclass(frozen=True)
class Opening:
    """The first lines of a file, from its header on.

    whole: are they all? Else the last one may be a part. line: the number of the first one.
    """

    text: bytes = b""
    whole: bool = False
    line: int = 1

    @classmethod
    def of(cls, text: bytes, line: int, *, whole: bool) -> Opening:
        """The first lines of a text; `whole`: does the file end with it?"""
        first = text[:TEXT]
        lines = LINES.match(first)
        if lines and LINE_END.search(first, lines.end()):
            first = lines[0]
        return cls(first, whole and len(first) == len(text), line)

    def records(self, dialect: Dialect) -> list[Record]:
        """The first rows, and records with a quote out of place."""
        found = (r for r in records(self.text, dialect, self.line) if r.cells or r.problem)
        first = list(islice(found, ROWS))
        if first and first[-1].end == len(self.text) and not self.whole:
            first.pop()
        return first

    def rows(self, dialect: Dialect) -> list[Cells]:
        """The cells of the first rows, as far as they are good."""
        good = takewhile(lambda record: record.cells, self.records(dialect))
        return [tuple(cell.decode(errors="replace") for cell in r.cells or ()) for r in good]

    def width(self, dialect: Dialect) -> int:
        """How many cells each of the first rows has; 0 where they differ, or one is bad."""
        widths = {len(record.cells or ()) for record in self.records(dialect)}
        return widths.pop() if len(widths) == 1 else 0

    def after(self, lines: int) -> Opening:
        """The same without so many lines."""
        at = 0
        for _ in range(lines):
            at = line_end(self.text, at)
        return Opening(self.text[at:], self.whole, self.line + lines)


# -- the delimiter -------------------------------------------------------------------------


def other_delimiter(opening: Opening, dialect: Dialect, decimal: str) -> bytes | None:
    """The delimiter that splits the first rows evenly, where that of the dialect splits none.

    Or where it splits numbers: it is the decimal mark, and not in the header.
    """
    rows = opening.records(dialect)
    if any(len(record.cells or ()) > 1 for record in rows[: 1 if decimal == "," else None]):
        return None
    others = [d for d in DELIMITERS if d not in (dialect.quote, dialect.comment, dialect.escape)]
    widths = {d: opening.width(replace(dialect, delimiter=d)) for d in others}
    best = max(others, key=lambda d: widths[d])
    return best if widths[best] > 1 else None


# -- the header ----------------------------------------------------------------------------


def doubt(names: Cells, rows: Sequence[Cells], is_number: IsNumber) -> str:
    """Is the header a row of data? "refuse" where it surely is, "tell" where it may be, or "".

    Numbers in order may be wavelengths or years, and 0, 1, 2 are what pandas calls columns.
    Other texts than numbers are names, unless they come again in the rows, as classes and
    dates do.
    """
    names = names[:MOST_NAMES]
    named = [name for name in names if name]
    numbers = [_value(name) for name in named if is_number(name)]
    columns = (tuple(row[i] for row in rows if i < len(row)) for i in range(len(names)))
    pairs = zip(names, columns, strict=True)
    echoes = [_echo(name, column) for name, column in pairs if name and not is_number(name)]
    if not numbers:  # dates, or numbers in another notation
        alike = all(echo == "shape" for echo in echoes)
        return "refuse" if named and alike and all(map(BEGINS_AS_NUMBER.match, named)) else ""
    ordered = all(a < b for a, b in pairwise(numbers)) or all(a > b for a, b in pairwise(numbers))
    if echoes:
        return "refuse" if any(echoes) else "" if ordered and _are_names(numbers) else "tell"
    if named == [str(i) for i in range(len(named))]:
        return ""
    return "tell" if ordered else "refuse"


def _are_names(numbers: Sequence[float]) -> bool:
    """Are these years, or whole numbers that count, as they stand among other names?"""
    whole = all(number.is_integer() for number in numbers)
    return whole and (len(numbers) > 1 or numbers[0] in (0, 1) or 1800 <= numbers[0] < 2200)


def _value(text: str) -> float:
    """About the number that a text is."""
    digits = re.sub(r"[^-+.,\deE]", "", text).replace(",", ".")
    try:
        return float(digits)
    except ValueError:
        return float("nan")


def _echo(name: str, column: Cells) -> str:
    """Does a name come again in its column ("text"), or its shape in all rows ("shape")?"""
    if len(column) < 2:
        return ""
    shape = DIGITS.sub("0", name)
    if shape != name and all(DIGITS.sub("0", cell) == shape for cell in column):
        return "shape"
    return "text" if name in column else ""


def names_in_comment(before: bytes, dialect: Dialect, cells: Cells, is_number: IsNumber) -> Cells:
    """The names in the last comment before the first row, as NumPy writes them; or none.

    before: the lines before the row, which has these cells.
    """
    comments = [r for r in records(before, dialect) if before[r.start : r.end].strip()]
    if not comments or dialect.comment is None or not any(map(is_number, cells)):
        return ()
    line = before[comments[-1].start : comments[-1].end].strip().lstrip(dialect.comment)
    first = next(records(line.strip(), dialect), None)
    names = tuple(cell.decode(errors="replace").strip() for cell in (first and first.cells) or ())
    fit = len(names) == len(cells) == len(set(names)) and all(names)
    return names if fit and not any(map(is_number, names)) else ()


def units(rows: Sequence[Cells], is_number: IsNumber) -> int:
    """How many of the first rows have no number, where all rows after them have some."""
    count = len(list(takewhile(lambda row: not any(map(is_number, row)), rows)))
    rest = rows[count:]
    if not 0 < count <= 3 or len(rest) < 2:
        return 0
    if any(BEGINS_AS_NUMBER.match(cell) for row in rows[:count] for cell in row):
        return 0  # dates, or numbers in another notation
    width = min(map(len, rows))
    numeric = (i for i in range(width) if all(is_number(row[i]) or not row[i] for row in rest))
    return count if any(row[i] for i in numeric for row in rows[:count]) else 0


# -- what may help ---------------------------------------------------------------------------


def advice(problem: Problem, opening: Opening, dialect: Dialect, width: int) -> str:
    """What to try about a quote out of place, or a row with too many or too few cells."""
    if found := fitting(opening, dialect):
        return found
    if problem.kind == "cells":
        return (
            "Fix the line, skip such rows with --on-bad-row skip, keep them as they are with "
            "--on-bad-row keep, or check --delimiter"
        )
    escaped = dialect.escape is None and b"\\" in problem.raw
    if escaped and _reads(problem.raw, replace(dialect, escape=b"\\"), width):
        return "If \\ makes an ordinary character of the next one, add --escape '\\'"
    if problem.kind == "open" or _reads(problem.raw, replace(dialect, quote=None), width):
        return "If quotes are ordinary characters in this file, add --no-quoting"
    return "Fix the line, or skip such rows with --on-bad-row skip"


def _reads(line: bytes, dialect: Dialect, width: int) -> bool:
    """Is a line one record of so many cells? 0: of any number."""
    found = list(records(line, dialect))
    cells = found[0].cells if len(found) == 1 else None
    return cells is not None and width in (0, len(cells))


def fitting(opening: Opening, dialect: Dialect) -> str:
    """Which options give all of the first rows the same number of cells, in words; or nothing."""
    if found := JSON.match(opening.text):
        return f"This looks like JSON: add --from {'json' if b'[' in found[0] else 'jsonl'}"
    if opening.width(dialect) > 1:
        return ""
    if at_ends := _at_ends(opening, dialect, ""):
        return at_ends
    for options, changed, lines in _ways(opening, dialect):
        rest = opening.after(lines)
        width = rest.width(changed)
        several = len(rest.records(changed)) > 1  # one line proves little
        if width > 1 and several and not (lines and _is_inside(opening, rest, changed, width)):
            return f"With {options}, each of the first lines has {width} cells"
    bare = replace(opening, text=QUOTED_LINE.sub(rb"\1", opening.text))
    if bare != opening and bare.width(dialect) > 1:
        return "Each line is in quotes as a whole; remove these: sed 's/^\"//; s/\"\\r*$//'"
    separated = list(_separated(dialect))
    words = [_at_ends(opening, changed, options) for options, changed in separated]
    words += [_row_names(opening, changed, options) for options, changed in separated]
    return next(filter(None, words), "")


def _at_ends(opening: Opening, dialect: Dialect, options: str) -> str:
    """What helps where all of the first rows, or the header alone, end in a delimiter."""
    header, *rows = opening.rows(dialect) or [()]
    more = {len(row) - len(header) for row in rows}
    keep = f"{options} --on-bad-row keep".strip()
    if not rows or 0 in more or len(header) < 2:
        return ""
    if min(more) > 0 and not any("".join(row[len(header) :]) for row in rows):
        return f"To keep the delimiter at the end of every row, add {keep}"
    if more == {-1} and not header[-1]:
        return f"To keep the delimiter at the end of the header, add {keep}"
    return ""


def _row_names(opening: Opening, dialect: Dialect, options: str) -> str:
    """What helps where the header has no name for the names of the rows."""
    header, *rows = opening.rows(dialect) or [()]
    if not has_row_names(header, rows) or (len(header) < 2 and not dialect.runs):
        return ""
    options = f"{options} --no-header --skip-rows {opening.line}".strip()
    return f"If the rows begin with their names, as R writes them, add {options}"


def has_row_names(header: Cells, rows: Sequence[Cells]) -> bool:
    """Do all rows have one cell more than the header, and most of them something in it?"""
    more = all(len(row) == len(header) + 1 for row in rows)
    return more and 2 * sum(bool(row[-1]) for row in rows) > len(rows)


def _is_inside(opening: Opening, rest: Opening, dialect: Dialect, width: int) -> bool:
    """Does the rest begin inside the table, not with its header?"""
    before = [r for r in opening.records(dialect) if r.line < rest.line]
    rows = rest.rows(dialect)
    wide = any(len(record.cells or ()) == width for record in before)
    return wide or len(rows) < 2 or any(map(BEGINS_AS_NUMBER.match, rows[0]))


def _ways(opening: Opening, dialect: Dialect) -> Iterator[tuple[str, Dialect, int]]:
    """Options, the dialect that they mean, and how many lines they leave out; simple ones first."""
    separators = list(_separated(dialect))
    yield from ((options, changed, 0) for options, changed in separators[1:])
    for options, changed in separators:
        for more, odd, lines in _more_ways(opening, changed):
            yield f"{options} {more}".strip(), odd, lines
        if dialect.quote and options:
            yield f"{options} --no-quoting", replace(changed, quote=None), 0


def _separated(dialect: Dialect) -> Iterator[tuple[str, Dialect]]:
    """Options that name a delimiter, and the dialect that they mean; none comes first."""
    yield "", dialect
    for mark, word in ((b";", "';'"), (b"\t", "tab"), (b"|", "'|'"), (b",", ",")):
        if mark != dialect.delimiter:
            yield f"--delimiter {word}", replace(dialect, delimiter=mark, runs=False)
    yield "--delimiter space+", replace(dialect, delimiter=b" ", runs=True)


def _more_ways(opening: Opening, dialect: Dialect) -> Iterator[tuple[str, Dialect, int]]:
    if dialect.escape is None and b"\\" in opening.text:
        yield "--escape '\\'", replace(dialect, escape=b"\\"), 0
    if dialect.quote == b'"' and re.search(rb"(?:\A|[%b\s])'" % dialect.delimiter, opening.text):
        yield '--quote "\'"', replace(dialect, quote=b"'"), 0
    first = opening.text[:1].decode(errors="replace")
    if first in ("#", "%", "!", "*") and dialect.comment is None:
        yield f"--comment '{first}'", replace(dialect, comment=first.encode()), 0
    titles = [record.line - opening.line for record in opening.records(dialect)[1:]]
    for lines in titles[:MOST_TITLES]:
        yield f"--skip-rows {opening.line - 1 + lines}", dialect, lines
