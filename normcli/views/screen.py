"""Tables for people: laid out for the terminal they are on, plain and whole anywhere else.

A `Grid` knows what stands in its cells; `text` and `markdown` say how it looks. On a terminal
it is coloured (unless NO_COLOR is set), cut to fit, and paged where it is longer than the
screen. In a pipe it has no colours, is never cut, and is the same at every width.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from normcli.storage.outputs import output
from normcli.views.report import wrapped

GAP = "  "
PLAIN_DRAWING = 21  # characters of a drawing that is not on a terminal

# What can be read on dark and on light: no white, no yellow; dim is for mere decoration.
STYLES = {"bold": 1, "dim": 2, "red": 31, "magenta": 35}

Span = tuple[str, str]  # text, and its style: words of `STYLES`
Drawing = Callable[[int], list[Span]]  # as many characters as there is room for
Cell = str | Span | Drawing
Line = list[Span]


@dataclass(frozen=True)
class Column:
    """A column of a grid.

    right: is flush right, as numbers are.
    least: on a terminal it may be cut to this many characters; None: never.
    most: a drawing takes what room is left, from `least` to this many characters.
    spare: on a terminal that is too narrow, it is left out.
    below: where it is left out, its cells follow the table, each behind the name of its row.
    middle: is cut in the middle: the ends of names tell them apart.
    """

    title: str
    right: bool = False
    least: int | None = None
    most: int | None = None
    spare: bool = False
    below: bool = False
    middle: bool = False


NAMES = Column("column", least=8, middle=True)
LEGIBLE = 16  # characters of a text that stay before something is left out for it


@dataclass(frozen=True)
class Grid:
    """Rows of cells under the titles of columns."""

    columns: Sequence[Column]
    rows: list[list[Cell]] = field(default_factory=list)


def is_terminal() -> bool:
    """Is stdout a terminal that somebody looks at?"""
    return sys.stdout is not None and sys.stdout.isatty()


def write(heading: Sequence[Line], grid: Grid, notes: Sequence[Line] = (), *, page: bool) -> None:
    """Print a heading, a grid and notes on stdout; in a pager where they are too long.

    Raises: BrokenPipeError where the reader has gone.
    """
    if not is_terminal():
        write_text("\n".join([*map(plain, heading), *text(grid), *map(plain, notes)]) + "\n")
        return
    width, height = shutil.get_terminal_size()
    rows, notes = lines(grid, width), [*below(grid, width), *notes]
    tall = len(heading) + len(rows) + len(notes) >= height
    if page and tall and (pager := _pager()):
        body = _with_titles_again(rows, height - 1, len(heading))
        _page(pager, _coloured([*heading, *body, *notes]))
    else:
        write_text(_coloured([*heading, *rows, *notes]))


def write_text(content: str) -> None:
    """Write to stdout, in its encoding; what that does not have is escaped."""
    with output("-") as stream:
        stream.write(content.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))


def lines(grid: Grid, width: int | None) -> list[Line]:
    """Titles and rows, of at most `width` characters if that can be; None: whatever they need."""
    widths = _widths(grid, width)
    titles: list[Cell] = [(column.title, "bold") for column in grid.columns]
    return [
        _join([_cell(row[i], grid.columns[i], widths[i]) for i in widths])
        for row in (titles, *grid.rows)
    ]


def below(grid: Grid, width: int) -> list[Line]:
    """What is to be told of columns for which `lines` has no room; nothing where it has."""
    widths = _widths(grid, width)
    left_out = [i for i, column in enumerate(grid.columns) if column.below and i not in widths]
    told = [
        f"{_text(_spans(row[0], 0))}: {content}"
        for row in grid.rows
        for i in left_out
        if (content := _text(_spans(row[i], 0)))
    ]
    return [[(line, "")] for line in ["", *wrapped(told, width)]] if told else []


def text(grid: Grid) -> Iterator[str]:
    """Titles and rows as plain text, in full."""
    return map(plain, lines(grid, None))


def plain(line: Line) -> str:
    """A line without its styles."""
    return _text(line).rstrip()


def markdown(grid: Grid, notes: Sequence[str] = ()) -> Iterator[str]:
    """Titles and rows as a table of Markdown (GitHub's), without drawings; and paragraphs."""
    columns = [i for i, column in enumerate(grid.columns) if column.most is None]
    yield _markdown_row([grid.columns[i].title for i in columns])
    yield _markdown_row(["---:" if grid.columns[i].right else "---" for i in columns])
    for row in grid.rows:
        yield _markdown_row([plain(_spans(row[i], 0)) for i in columns])
    for note in notes:
        yield from ("", note.translate(MARKS))


MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_<>|["})


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(c if set(c) <= set('-:') else c.translate(MARKS) for c in cells)} |"


# -- layout --------------------------------------------------------------------------------


def _widths(grid: Grid, width: int | None) -> dict[int, int]:
    """The columns that are shown, and how wide each is."""
    widths = {i: _natural(grid, i) for i in range(len(grid.columns))}
    if width is None:
        return widths
    shown = _without_spare(grid, list(widths), widths, width)
    _fit(grid, shown, widths, width)
    return {i: widths[i] for i in shown}


def _natural(grid: Grid, i: int) -> int:
    """The width that column i needs."""
    column = grid.columns[i]
    if column.most is not None:
        return max(PLAIN_DRAWING, cells(column.title))
    widths = (cells(_text(_spans(row[i], 0))) for row in grid.rows)
    return max(cells(column.title), *widths, 0)


def _total(shown: Sequence[int], widths: dict[int, int]) -> int:
    return sum(widths[i] for i in shown) + len(GAP) * (len(shown) - 1)


def _without_spare(grid: Grid, shown: list[int], widths: dict[int, int], width: int) -> list[int]:
    """The columns that can be shown when all that may be cut is cut, but stays legible."""
    least = {
        i: widths[i] if (least := grid.columns[i].least) is None else min(least, widths[i])
        for i in shown
    }
    least |= {i: min(LEGIBLE, widths[i]) for i in shown if grid.columns[i].middle}
    for i in [i for i in shown if grid.columns[i].spare]:
        if _total(shown, least) > width:
            shown = [j for j in shown if j != i]
    return shown


def _fit(grid: Grid, shown: Sequence[int], widths: dict[int, int], width: int) -> None:
    """Cut columns of text, the widest first, and give drawings what room is left."""
    for i in shown:
        if grid.columns[i].most is not None:
            widths[i] = grid.columns[i].least or 1
    while _total(shown, widths) > width:
        cuttable = [i for i in shown if widths[i] > (grid.columns[i].least or widths[i])]
        if not cuttable:
            break
        widths[max(cuttable, key=widths.__getitem__)] -= 1
    for i in shown:
        if (most := grid.columns[i].most) is not None:
            widths[i] += max(0, min(most - widths[i], width - _total(shown, widths)))


def _cell(cell: Cell, column: Column, width: int) -> Line:
    spans = _spans(cell, width)
    content = _text(spans)
    length = cells(content)
    if length > width:
        return [(_cut(content, width, middle=column.middle), spans[0][1])]
    room = (" " * (width - length), "")
    return [room, *spans] if column.right else [*spans, room]


def _text(line: Line) -> str:
    return "".join(part for part, _ in line)


def _spans(cell: Cell, width: int) -> Line:
    if callable(cell):
        return cell(width) if width else []
    return [(cell, "")] if isinstance(cell, str) else [cell]


def _join(parts: Sequence[Line]) -> Line:
    line: Line = []
    for part in parts:
        line += [(GAP, ""), *part] if line else part
    while line and not line[-1][0].strip():
        line.pop()  # a blank that would wrap
    return line


def _cut(content: str, width: int, *, middle: bool) -> str:
    """A text with an ellipsis for its end or middle, `width` cells wide.

    >>> _cut("feature_0001", 9, middle=True), _cut("feature_0001", 9, middle=False)
    ('featu…001', 'feature_…')
    """
    tail = (width - 1) * 2 // 5 if middle else 0
    end = content[len(content) - tail :]
    while cells(content) + cells(end) > width - 1:
        content = content[:-1]
    return f"{content}…{end}" + " " * (width - 1 - cells(content) - cells(end))


def cells(content: str) -> int:
    """How many cells of a terminal a text takes: two for a Chinese character."""
    if content.isascii():
        return len(content)
    from rich.cells import cell_len

    return cell_len(content)


# -- the terminal --------------------------------------------------------------------------


def _with_titles_again(rows: list[Line], height: int, heading: int) -> list[Line]:
    """The rows with the titles, which come first, on top of every screen that is paged to."""
    titles, *rest = rows
    first = max(1, height - heading - 1)
    content = [titles, *rest[:first]]
    for start in range(first, len(rest), height - 1):
        content += [titles, *rest[start : start + height - 1]]
    return content


def _coloured(content: Sequence[Line]) -> str:
    """The lines with the codes of their styles, where the terminal and the user want any."""
    colours = os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("NO_COLOR")
    shown = ("".join(map(_styled, line)) if colours else plain(line) for line in content)
    return "\n".join(shown) + "\n"


def _styled(span: Span) -> str:
    content, style = span
    codes = ";".join(str(STYLES[word]) for word in style.split())
    return f"\x1b[{codes}m{content}\x1b[0m" if codes else content


def _pager() -> str | None:
    """The command that $PAGER names, less where it names none; "" or cat: no pager."""
    if os.environ.get("TERM", "dumb") == "dumb":
        return None
    pager = os.environ.get("PAGER", "less" if shutil.which("less") else "")
    return pager if pager.strip() not in ("", "cat") else None


def _page(pager: str, content: str) -> None:
    """Show `content` in a pager; less keeps colours, and ends by itself where all fits."""
    environment = {"LESS": "FRSX", **os.environ}
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's matter
    try:
        process = subprocess.Popen(
            pager, shell=True, stdin=subprocess.PIPE, env=environment, text=True, errors="replace"
        )
        with suppress(BrokenPipeError):  # who has seen enough leaves early
            process.communicate(content)
        process.wait()
    finally:
        signal.signal(signal.SIGINT, old)
