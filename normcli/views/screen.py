"""Tables for people: `terminal` draws them with rich, everything else gets plain text.

In a pipe there are no colours, nothing is cut, and the text is the same at every width.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from normcli.storage.outputs import output

GAP = "  "
PLAIN_DRAWING = 21  # characters of a drawing in plain text

Span = tuple[str, str]  # text, and its style in the words of rich: "bold red"
Drawing = Callable[[int], list[Span]]  # fills as many characters as there is room for
Cell = str | Span | Drawing
Line = list[Span]


@dataclass(frozen=True)
class Column:
    """A column of a grid.

    kind: says what a terminal may do with its cells:
        "word", "number": nothing; numbers are aligned to the right.
        "name": cut them in the middle, because names often differ at their ends only.
        "text": wrap them.
        "drawing": draw them smaller or larger.
    spare: a terminal that is too narrow leaves the column out.
    """

    title: str
    kind: str = "word"
    spare: bool = False


NAMES = Column("column", "name")


@dataclass(frozen=True)
class Grid:
    """Rows of cells under the titles of columns."""

    columns: Sequence[Column]
    rows: list[list[Cell]] = field(default_factory=list)

    def titled(self) -> list[list[Cell]]:
        """The titles as a row, and all rows."""
        return [[(column.title, "bold") for column in self.columns], *self.rows]

    def widths(self) -> list[int]:
        """How many characters of a terminal each column needs."""
        return _widths(self.plain())

    def plain(self) -> list[list[str]]:
        """The titles and all rows as plain text."""
        return [[plain(cell) for cell in row] for row in self.titled()]


def _widths(rows: list[list[str]]) -> list[int]:
    return [max(map(cells, column)) for column in zip(*rows, strict=True)]


def write(
    grid: Grid, heading: Sequence[Line] = (), notes: Sequence[str] = (), *, page: bool = False
) -> None:
    """Print a heading, a grid and notes on stdout, with an empty line between them.

    page: on a terminal, show what is longer than the screen in a pager.

    Raises: BrokenPipeError where the reader has gone.
    """
    head = [*heading, []] if heading else []
    tail: list[Line] = [[], *([(note, "")] for note in notes)] if notes else []
    if sys.stdout.isatty():
        from normcli.views import terminal

        write_text(terminal.tables(head, grid, tail, page=page))
    else:
        above, below = (["".join(t for t, _ in line) for line in part] for part in (head, tail))
        write_text("\n".join([*above, *text(grid), *below, ""]))


def write_text(content: str) -> None:
    """Write to stdout, in its encoding; characters that it does not have are escaped."""
    with output("-") as stream:
        stream.write(content.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))


def text(grid: Grid) -> Iterator[str]:
    """Titles and rows as plain text."""
    rows = grid.plain()
    widths = _widths(rows)
    for row in rows:
        padded = map(_padded, row, grid.columns, widths)
        yield GAP.join(padded).rstrip()


def _padded(content: str, column: Column, width: int) -> str:
    room = " " * (width - cells(content))
    return room + content if column.kind == "number" else content + room


def plain(cell: Cell) -> str:
    """A cell as plain text."""
    if callable(cell):
        return "".join(part for part, _ in cell(PLAIN_DRAWING))
    return cell if isinstance(cell, str) else cell[0]


def cells(content: str) -> int:
    """How many characters wide a text is on a terminal: a Chinese character counts as two."""
    if content.isascii():
        return len(content)
    from rich.cells import cell_len

    return cell_len(content)


def markdown(grid: Grid, notes: Sequence[str] = ()) -> Iterator[str]:
    """Titles and rows as a table of GitHub's Markdown, without drawings; and paragraphs."""
    shown = [i for i, column in enumerate(grid.columns) if column.kind != "drawing"]
    rule = ["---:" if grid.columns[i].kind == "number" else "---" for i in shown]
    titles, *rows = ([plain(row[i]).rstrip() for i in shown] for row in grid.titled())
    for row in (titles, rule, *rows):
        yield f"| {' | '.join(c if set(c) <= set('-:') else c.translate(MARKS) for c in row)} |"
    for note in notes:
        yield from ("", note.translate(MARKS))


MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_<>|["})
