"""Statistics as people look at them: grids, Markdown, and JSON of what is seen there."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from normcli.numerics.total import Exact, exact_json
from normcli.sidecar.model import Statistics
from normcli.sidecar.write import method_entry
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.drift import Drift, drift
from normcli.views.report import can_show
from normcli.views.screen import NAMES, Cell, Column, Drawing, Grid, Line, Span
from normcli.words import many, name, number, percent

DRAWING = Column("", least=7, most=41, spare=True)
NEARLY_EMPTY = 0.05  # share of cells with a number from which on a column is not nearly empty


def heading(title: str, statistics: Statistics) -> Line:
    """One line about all columns."""
    method = statistics.method
    words = [
        many(statistics.rows, "row"),
        many(len(statistics.columns), "column"),
        f"{method.spelling} (ddof {statistics.ddof})",
    ]
    return [(name(title), "bold"), (": " + ", ".join(words), "")]


def grid(statistics: Statistics) -> Grid:
    """A row for each column: its statistics, and a drawing of them."""
    columns = statistics.columns
    rare = [f for f in ("nan", "inf") if any(getattr(c, f) for c in columns.values())]
    notes = {n: note(n, statistics) for n in columns}
    titles = [
        NAMES,
        Column("count", right=True, spare=True),
        Column("missing", right=True),
        *(Column(field, right=True) for field in rare),
        *(Column(field, right=True) for field in ("mean", "std", "min")),
        DRAWING,
        Column("max", right=True),
        *([Column("note", least=12)] if any(notes.values()) else []),
    ]
    rows = []
    for n, c in columns.items():
        std = statistics.std(n)
        row: list[Cell] = [name(n), str(c.count), missing(c), *(str(getattr(c, f)) for f in rare)]
        row += [number(c.mean, std), number(std), number(c.min, std), drawing(c, std)]
        row += [number(c.max, std), (notes[n], "bold")]
        rows.append(row[: len(titles)])
    return Grid(titles, rows)


def pair_grid(a: Statistics, b: Statistics) -> Grid:
    """Two rows for each column, drawn to the same scale, and what changed from A to B."""
    changes = {n: change(n, a, b) for n in {**a.columns, **b.columns}}
    titles = [
        NAMES,
        Column(""),
        Column("count", right=True, spare=True),
        Column("missing", right=True),
        *(Column(field, right=True) for field in ("mean", "std", "min")),
        DRAWING,
        Column("max", right=True),
        Column("shift", right=True),
        Column("spread", right=True),
        *(
            [Column("note", spare=True, below=True)]
            if any(c.note for c in changes.values())
            else []
        ),
    ]
    rows: list[list[Cell]] = []
    for n, c in changes.items():
        scale = _scale(a.columns.get(n), b.columns.get(n))
        note: list[Cell] = ["", "", (c.note, "bold")]  # beside the name, which it is about
        rows.append([name(n), "A", *_side(n, a, scale), *note][: len(titles)])
        last: list[Cell] = [(c.shift, "bold"), (c.spread, "bold"), ""]
        rows.append(["", "B", *_side(n, b, scale), *last][: len(titles)])
    return Grid(titles, rows)


def _side(n: str, statistics: Statistics, scale: tuple[Exact, Exact] | None) -> list[Cell]:
    c = statistics.columns.get(n)
    if c is None:
        return ["-", "-", "-", "-", "-", "", "-"]
    std = statistics.std(n)
    numbers = [number(c.mean, std), number(std), number(c.min, std)]
    drawn = drawing(c, std, scale)
    return [str(c.count), missing(c), *numbers, drawn, number(c.max, std)]


def _scale(*columns: ColumnStatistics | None) -> tuple[Exact, Exact] | None:
    known = [c for c in columns if c is not None and c.min is not None]
    lows, highs = [c.min for c in known], [c.max for c in known]
    if not known:
        return None
    return min(m for m in lows if m is not None), max(m for m in highs if m is not None)


@dataclass(frozen=True)
class Change:
    """What is different in a column, in words.

    shift: of the mean, in standard deviations of A, or "same" where all statistics are equal.
    spread: standard deviation of B by that of A.
    """

    shift: str = ""
    spread: str = ""
    note: str = ""


def change(n: str, a: Statistics, b: Statistics) -> Change:
    """What is different in column `n` of B."""
    if n not in a.columns or n not in b.columns:
        return Change(note=f"only in {'A' if n in a.columns else 'B'}")
    note = _method_change(n, a, b)
    if a.columns[n] == b.columns[n]:
        return Change("same", "same", note)
    found = drift(a.columns[n], b.columns[n], a.ddof)
    shift = "-" if found.mean_shift is None else f"{found.mean_shift:+.2f}"
    spread = "-" if found.spread_ratio is None else f"x{found.spread_ratio:.2f}"
    return Change(shift, spread, note)


def _method_change(n: str, a: Statistics, b: Statistics) -> str:
    mine, other = a.method_for(n), b.method_for(n)
    if mine == other:
        return ""
    if mine.spelling != other.spelling:
        return f"{mine.spelling}, now {other.spelling}"
    return f"other parameters of {mine.spelling}"


def missing(c: ColumnStatistics) -> str:
    """How many cells have no number, and their share."""
    cells = c.count + c.missing + c.nan + c.inf
    return f"{c.missing} ({percent(c.missing / cells)})" if c.missing else "0"


def note(n: str, statistics: Statistics) -> str:
    """What is to be noted about a column: a mark, its own method, its running statistics."""
    c = statistics.columns[n]
    words = ["given" if c.given else mark(c)]
    if n in statistics.column_methods:
        words.append(statistics.column_methods[n].spelling)
    words += [value.note() for value in c.values.values()]
    return ", ".join(filter(None, words))


def mark(c: ColumnStatistics) -> str:
    """Why a column may not be worth scaling, or nothing."""
    cells = c.count + c.missing + c.nan + c.inf
    if c.count == 0:
        return "empty" if cells else ""
    words = ["constant"] if c.constant else []
    return ", ".join([*words, "nearly empty"] if c.count < NEARLY_EMPTY * cells else words)


# -- drawing -------------------------------------------------------------------------------


def drawing(
    c: ColumnStatistics, std: float | None, scale: tuple[Exact, Exact] | None = None
) -> Drawing | str:
    """The mean and one standard deviation to both sides, between min and max.

    scale: the numbers at both ends of the drawing; None: min and max.
    """
    low, high = scale or (c.min, c.max)
    if c.min is None or c.max is None or c.mean is None or low is None or high is None:
        return ""
    if low == high or std is None:
        return ""
    known = [float(v) for v in (c.min, c.mean - std, c.mean, c.mean + std, c.max)]
    ends = float(low), float(high)
    return lambda width: draw(known, ends, width, unicode=can_show("├┤─━●", sys.stdout))


def draw(known: list[float], ends: tuple[float, float], width: int, *, unicode: bool) -> Line:
    r"""A drawing of ``min, mean - std, mean, mean + std, max``, `width` characters wide.

    >>> marks = [0.0, 2.0, 5.0, 8.0, 10.0]
    >>> "".join(text for text, _ in draw(marks, (0.0, 10.0), 11, unicode=True))
    '├─━━━●━━━─┤'
    >>> "".join(text for text, _ in draw(marks, (0.0, 20.0), 11, unicode=False))
    '|=O==|     '
    """
    signs = "├┤─━●" if unicode else "||-=O"
    low, from_, mean, to, high = (_place(v, ends, width) for v in known)
    spans: list[Span] = []
    for i in range(width):
        if i == mean:
            spans.append((signs[4], "bold"))
        elif i < low or i > high:
            spans.append((" ", ""))
        elif i in (low, high):
            spans.append((signs[i == high], "dim"))
        elif from_ <= i <= to:
            spans.append((signs[3], "magenta"))
        else:
            spans.append((signs[2], "dim"))
    return spans


def _place(value: float, ends: tuple[float, float], width: int) -> int:
    """The character that stands for a value; halves, as the difference of ends may overflow."""
    low, high = ends
    share = (value / 2 - low / 2) / (high / 2 - low / 2)
    return round(min(max(share, -1.0), 2.0) * (width - 1))


# -- for programs --------------------------------------------------------------------------


def as_json(title: str, statistics: Statistics) -> dict[str, Any]:
    """What the grid shows, in full."""
    return {
        "name": title,
        "rows": statistics.rows,
        "method": method_entry(statistics.method),
        "ddof": statistics.ddof,
        "columns": [_column_json(n, statistics) for n in statistics.columns],
    }


def pair_json(names: tuple[str, str], a: Statistics, b: Statistics) -> dict[str, Any]:
    """What the grid of two shows, in full; a number is null where it does not exist."""
    columns = []
    for n in {**a.columns, **b.columns}:
        both = n in a.columns and n in b.columns
        found = drift(a.columns[n], b.columns[n], a.ddof) if both else Drift()
        note = {"same": both and a.columns[n] == b.columns[n], "note": change(n, a, b).note}
        columns.append({"column": n, **note, **found.as_json()})
    sides = zip(names, (a, b), strict=True)
    one, two = (as_json(title, statistics) for title, statistics in sides)
    return {"a": one, "b": two, "changes": columns}


def _column_json(n: str, statistics: Statistics) -> dict[str, Any]:
    c = statistics.columns[n]
    entry: dict[str, Any] = {"column": n}
    entry |= {field: getattr(c, field) for field in ("count", "missing", "nan", "inf")}
    entry |= {"mean": c.mean, "std": statistics.std(n)}
    entry |= {"min": exact_json(c.min), "max": exact_json(c.max), "mark": mark(c)}
    method = statistics.column_methods.get(n)
    if method is not None:
        entry["method"] = method_entry(method)
    more = {name: v.dump(statistics.facts) for name, v in c.values.items() if name != "moments"}
    return entry | ({"given": dict(c.given)} if c.given else {}) | more
