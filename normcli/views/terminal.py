"""What rich draws on a terminal: tables, and the bar of a run that takes long.

Only this module loads rich, which takes 30 ms. Import it where something is drawn.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from rich.cells import set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from normcli.views.screen import GAP, Cell, Grid, Line, cells, plain

LEGIBLE = {"name": 16, "text": 16, "drawing": 7}  # characters, or something spare is left out
LEAST = {"name": 8, "text": 12, "drawing": 7}
WIDEST_DRAWING, BAR = 41, 24  # characters


def tables(above: Sequence[Line], grid: Grid, below: Sequence[Line], *, page: bool) -> str:
    """A grid between lines, for the terminal that is stdout; "" if a pager has shown it.

    Colours must be legible on dark and on light: no white, no yellow; dim only for decoration.
    """
    width, height = shutil.get_terminal_size()
    head, tail = (_drawn(width, *(Text.assemble(*line) for line in p)) for p in (above, below))
    rows = _drawn_grid(grid, width)
    pager = _pager() if page and len(head) + len(rows) + len(tail) >= height else None
    if pager:
        rows = _with_titles_again(rows, height - 1, len(head))
    content = "\n".join([*head, *rows, *tail, ""])
    return _page(pager, content) if pager else content


def bar(verb: str, share: float | None, words: str, width: int) -> str:
    """A line of less than `width` characters for stderr, as much of it as there is room for."""
    line: RenderableType = Text(f"{verb}{GAP}{words}")
    if share is not None and cells(verb + words) + BAR + 2 * len(GAP) < width:
        done = ProgressBar(1.0, share, width=BAR)
        done.style, done.complete_style, done.finished_style = "dim", "magenta", "magenta"
        line = Table.grid(padding=(0, len(GAP), 0, 0))
        line.add_row(verb, done, words)
    return _drawn(width - 1, line, stream=sys.stderr)[0]


def _drawn(width: int, *content: RenderableType, stream: TextIO | None = None) -> list[str]:
    """The lines that rich would print on a terminal, unless NO_COLOR is set, with colours."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    colours: Any = None if is_plain else "standard"
    console = Console(file=stream, width=width, color_system=colours, force_terminal=True)
    with console.capture() as captured:
        for each in content:
            console.print(each)
    return [line.rstrip() for line in captured.get().split("\n")[:-1]]


# -- tables --------------------------------------------------------------------------------


def _drawn_grid(grid: Grid, width: int) -> list[str]:
    """The titles and rows; where there is little room, without columns that are spare.

    Rich makes names and texts as narrow as it must; it gets more than `width` characters where
    they would be narrower than `LEAST`.
    """
    widths, kinds = grid.widths(), [column.kind for column in grid.columns]
    shown, room = list(range(len(kinds))), width + len(GAP)  # no gap after the last column

    def needed(limits: Mapping[str, int]) -> int:
        return sum(min(widths[i], limits.get(kinds[i], widths[i])) + len(GAP) for i in shown)

    for i in [i for i in shown if grid.columns[i].spare]:
        if needed(LEGIBLE) > room:
            shown.remove(i)
    room = max(room, needed(LEAST))
    table = Table(box=None, padding=0, header_style="")
    titles, *rows = ([_Fitted(row[i], kinds[i]) for i in shown] for row in grid.titled())
    for i, title in zip(shown, titles, strict=True):
        fixed = None if title.kind in ("name", "text") else widths[i] + len(GAP)
        if title.kind == "drawing":  # takes the room that is left
            fixed, widths[i] = LEAST["drawing"] + len(GAP), WIDEST_DRAWING
            table.width = min(room, needed({}))
        table.add_column(title, width=fixed, ratio=1 if title.kind == "drawing" else None)
    for row in rows:
        table.add_row(*row)
    return _drawn(room, table)


@dataclass(frozen=True)
class _Fitted:
    """A cell that is cut, wrapped or padded to the width of its column.

    The gap to the next column is part of it: padding by rich takes three times as long.
    """

    cell: Cell
    kind: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = cells(plain(self.cell)) + len(GAP)
        return Measurement(width, width).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines(console, options.max_width - len(GAP)):
            yield from (Segment(content, Style.parse(style)) for content, style in line)
            yield Segment.line()

    def _lines(self, console: Console, width: int) -> list[Line]:
        if callable(self.cell):
            return [self.cell(min(width, WIDEST_DRAWING))]
        content, style = (self.cell, "") if isinstance(self.cell, str) else self.cell
        if self.kind == "text" and cells(content) > width:
            return [[(line.plain, style)] for line in Text(content).wrap(console, width)]
        if cells(content) > width:
            content = cut(content, width)
        room = " " * (width - cells(content)) if self.kind == "number" else ""
        return [[(room + content, style)]]


def cut(content: str, width: int) -> str:
    """A text with an ellipsis for its middle, `width` characters wide.

    >>> cut("feature_0001", 9)
    'featu…001'
    """
    tail = (width - 1) * 2 // 5
    end = content[len(content) - tail :]
    return set_cell_size(content, width - 1 - cells(end)) + "…" + end


# -- the pager -----------------------------------------------------------------------------


def _with_titles_again(rows: list[str], height: int, heading: int) -> list[str]:
    """The rows with the titles, which come first, at the top of every page of `height` lines."""
    titles, *rest = rows
    first = max(1, height - heading - 1)
    content = [titles, *rest[:first]]
    for start in range(first, len(rest), height - 1):
        content += [titles, *rest[start : start + height - 1]]
    return content


def _pager() -> str | None:
    """The command in $PAGER, or less if it is not set; None if it is empty or cat."""
    pager = os.environ.get("PAGER", "less" if shutil.which("less") else "")
    is_wanted = pager.strip() not in ("", "cat") and os.environ.get("TERM", "dumb") != "dumb"
    return pager if is_wanted else None


def _page(pager: str, content: str) -> str:
    """Show `content` in a pager; less keeps colours, and ends by itself if all of it fits."""
    env = {"LESS": "FRSX", **os.environ}
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pager handles Ctrl-C
    try:
        subprocess.run(pager, shell=True, input=content, env=env, text=True, errors="replace")
    finally:
        signal.signal(signal.SIGINT, old)
    return ""
