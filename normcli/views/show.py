"""What `show` prints: saved statistics as grids for people, and as JSON for programs."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from normcli.methods.levels import in_percent, quantiles_of
from normcli.numerics.total import Exact, exact_json
from normcli.sidecar.model import Statistics
from normcli.sidecar.write import method_entry
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.drift import Drift, drift
from normcli.views import groups
from normcli.views.report import can_show
from normcli.views.screen import NAMES, Cell, Column, Drawing, Grid, Line, Span
from normcli.words import listed, many, name, number, percent

if TYPE_CHECKING:
    from normcli.numerics.cells import Cells

BARS, ASCII_BARS = "▁▂▃▄▅▆▇█", ".:-=+*%#"  # of a histogram
MOST_LEVELS = 9  # quantiles in a row
NEARLY_EMPTY = 0.05  # a column is nearly empty if it has fewer numbers than this share of its cells


def heading(title: str, statistics: Statistics) -> Line:
    """One line about all columns."""
    counts = f"{many(statistics.rows, 'row')}, {many(len(statistics.columns), 'column')}"
    method = f"{statistics.method.spelling} (ddof {statistics.ddof})"
    return [(name(title), "bold"), (f": {counts}, {method}", "")]


def without_columns(*statistics: Statistics) -> list[str]:
    """A note where the grid of these has no row."""
    if any(each.columns for each in statistics):
        return []
    return ["no columns, so nothing can be scaled; fit a table that has columns of numbers"]


def grid(statistics: Statistics) -> Grid:
    """A row for each column: its statistics, and a drawing of them."""
    columns = statistics.columns
    rare = [f for f in ("nan", "inf") if any(getattr(c, f) for c in columns.values())]
    notes = {n: note(n, statistics) for n in columns}
    levels = _levels(statistics)
    titles = [NAMES, *_titles(rare, levels)]
    titles += [Column("note", "text")] if any(notes.values()) else []
    rows: list[list[Cell]] = [
        [name(n), *_figures(n, statistics, _ends(c), rare, levels), (notes[n], "bold")]
        for n, c in columns.items()
    ]
    return Grid(titles, [row[: len(titles)] for row in rows])


def _levels(statistics: Statistics) -> list[Fraction]:
    """The levels of the quantiles that columns have, unless there are many."""
    known = (quantiles_of(c) for c in statistics.columns.values() if "quantiles" in c.values)
    levels = sorted({level for found in known for level in found.wants.levels})
    return levels if len(levels) <= MOST_LEVELS else []


def pair_grid(a: Statistics, b: Statistics) -> Grid:
    """Two rows for each column, drawn to the same scale, and what changed from A to B."""
    titles = [NAMES, Column(""), *_titles(), Column("shift", "number"), Column("spread", "number")]
    grid = Grid(titles)
    for n in {**a.columns, **b.columns}:
        ends = _ends(*(s.columns[n] for s in (a, b) if n in s.columns))
        grid.rows.append([name(n), "A", *_figures(n, a, ends), "", ""])
        grid.rows.append(["", "B", *_figures(n, b, ends), *_changes(n, a, b)])
    return grid


def pair_notes(a: Statistics, b: Statistics) -> list[str]:
    """What has changed besides numbers, a line for each column."""
    notes = {n: _pair_note(n, a, b) for n in {**a.columns, **b.columns}}
    return [f"{name(n)}: {note}" for n, note in notes.items() if note]


def _titles(rare: Sequence[str] = (), levels: Sequence[Fraction] = ()) -> list[Column]:
    fields = ("missing", *rare, "mean", "std", "min", *map(in_percent, levels))
    before = [Column(field, "number") for field in fields]
    count, drawing = Column("count", "number", spare=True), Column("", "drawing", spare=True)
    return [count, *before, drawing, Column("max", "number")]


def _figures(
    n: str,
    statistics: Statistics,
    ends: tuple[Exact, Exact] | None,
    rare: Sequence[str] = (),
    levels: Sequence[Fraction] = (),
) -> list[Cell]:
    """The cells under `_titles`; ends: the numbers at both ends of the drawing."""
    c = statistics.columns.get(n)
    if c is None:
        return ["-", *["-"] * len(rare), "-", "-", "-", "-", *["-"] * len(levels), "", "-"]
    std = statistics.std(n)
    known = [str(c.count), missing(c)] if not c.given else ["-", "-"]
    counts = [*known, *(str(getattr(c, field)) for field in rare)]
    numbers = [number(c.mean, std), number(std), number(c.ends[0], std)]
    quantiles = [_quantile(c, level, std) for level in levels]
    return [*counts, *numbers, *quantiles, drawing(c, std, ends), number(c.ends[1], std)]


def _quantile(c: ColumnStatistics, level: Fraction, std: float | None) -> str:
    """A quantile; after ~ where it is not exact."""
    if not c.count or "quantiles" not in c.values:
        return "-"
    found = quantiles_of(c).quantile(level)
    return ("" if found.exact else "~") + number(found.middle, std)


def _ends(*columns: ColumnStatistics) -> tuple[Exact, Exact] | None:
    """The least minimum and the greatest maximum of some columns, if they have any numbers."""
    lows = [c.ends[0] for c in columns if c.ends[0] is not None]
    highs = [c.ends[1] for c in columns if c.ends[1] is not None]
    return (min(lows), max(highs)) if lows and highs else None


def _changes(n: str, a: Statistics, b: Statistics) -> list[Cell]:
    """The shift of the mean, in standard deviations of A, and B's standard deviation by A's."""
    if n not in a.columns or n not in b.columns:
        return ["", ""]
    if a.columns[n] == b.columns[n]:
        return [("same", "bold"), ("same", "bold")]
    found = drift(a.columns[n], b.columns[n], a.ddof)
    shift = "-" if found.mean_shift is None else f"{found.mean_shift:+.2f}"
    spread = "-" if found.spread_ratio is None else f"x{found.spread_ratio:.2f}"
    return [(shift, "bold"), (spread, "bold")]


def _pair_note(n: str, a: Statistics, b: Statistics) -> str:
    """What has changed in column `n` besides its numbers."""
    if n not in a.columns or n not in b.columns:
        return f"only in {'A' if n in a.columns else 'B'}"
    mine, other = a.method_for(n), b.method_for(n)
    if mine.spelling != other.spelling:
        return f"{mine.spelling}, now {other.spelling}"
    return "" if mine == other else f"{mine.spelling} with other parameters"


def missing(c: ColumnStatistics) -> str:
    """How many cells have no number, and their share."""
    cells = c.count + c.missing + c.nan + c.inf
    return f"{c.missing} ({percent(c.missing / cells)})" if c.missing else "0"


def note(n: str, statistics: Statistics) -> str:
    """What is special about a column: a mark, its own method, its running statistics."""
    c = statistics.columns[n]
    words = ["given" if c.given else mark(c)]
    if n in statistics.column_methods:
        words.append(statistics.column_methods[n].spelling)
    words += [value.note() for value in c.values.values()]
    if others := [name(each) for each in statistics.sharing(n) if each != n]:
        words.append(f"shares its scale with {listed(others, 3)}")
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
    c: ColumnStatistics, std: float | None, ends: tuple[Exact, Exact] | None
) -> Drawing | str:
    """The distribution between min and max, where there are cells.

    Else the mean and one standard deviation on both sides of it.
    """
    low, high = c.ends
    if low is None or high is None or c.mean is None or std is None or ends is None:
        return ""
    if ends[0] == ends[1]:
        return ""
    if "quantiles" in c.values:
        spread, between = quantiles_of(c).cells, (float(ends[0]), float(ends[1]))
        return lambda width: draw_cells(spread, between, width, unicode=can_show(BARS, sys.stdout))
    known = [float(v) for v in (low, c.mean - std, c.mean, c.mean + std, high)]
    scale = float(ends[0]), float(ends[1])
    return lambda width: draw(known, scale, width, unicode=can_show("├┤─━●", sys.stdout))


def draw(known: list[float], ends: tuple[float, float], width: int, *, unicode: bool) -> Line:
    r"""A drawing of ``min, mean - std, mean, mean + std, max``, `width` characters wide.

    >>> marks = [0.0, 2.0, 5.0, 8.0, 10.0]
    >>> "".join(text for text, _ in draw(marks, (0.0, 10.0), 11, unicode=True))
    '├─━━━●━━━─┤'
    >>> "".join(text for text, _ in draw(marks, (0.0, 20.0), 11, unicode=False))
    '|=O==|     '
    """
    first, last, line, spread, middle = "├┤─━●" if unicode else "||-=O"
    low, from_, mean, to, high = (_place(v, ends, width) for v in known)

    def sign(i: int) -> Span:
        if i == mean:
            return middle, "bold"
        if i < low or i > high:
            return " ", ""
        if i in (low, high):
            return (last if i == high else first), "dim"
        return (spread, "magenta") if from_ <= i <= to else (line, "dim")

    groups = groupby(map(sign, range(width)), key=itemgetter(1))
    return [("".join(text for text, _ in group), style) for style, group in groups]


def draw_cells(cells: Cells, ends: tuple[float, float], width: int, *, unicode: bool) -> Line:
    """A histogram of equal bins between the ends, `width` characters wide.

    A bin with numbers shows, however few they are.
    """
    shares = binned(cells, ends, width)
    signs, largest = BARS if unicode else ASCII_BARS, max(shares)
    heights = [math.ceil(share / largest * len(signs)) if largest else 0 for share in shares]
    return [("".join(signs[height - 1] if height else " " for height in heights), "magenta")]


def binned(cells: Cells, ends: tuple[float, float], bins: int) -> list[float]:
    """The share of the numbers in each of some equal bins between the ends.

    The numbers of a cell count as spread evenly over it.
    """
    import numpy as np

    edges = np.linspace(ends[0] / 2, ends[1] / 2, bins + 1)
    lows, highs = cells.lows / 2, cells.highs / 2
    share = np.clip((edges[:, np.newaxis] - lows) / np.where(highs > lows, highs - lows, 1), 0, 1)
    below = np.where(highs > lows, share, edges[:, np.newaxis] > lows)
    below[0], below[-1] = 0.0, 1.0
    found: list[float] = np.diff(below @ (cells.counts / cells.total)).tolist()
    return [max(share, 0.0) for share in found]


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
        **({"groups": groups.as_json(statistics)} if statistics.groups else {}),
    }


def pair_json(names: tuple[str, str], a: Statistics, b: Statistics) -> dict[str, Any]:
    """What the grid of two shows, in full; a number is null where it does not exist."""
    columns = []
    for n in {**a.columns, **b.columns}:
        both = n in a.columns and n in b.columns
        found = drift(a.columns[n], b.columns[n], a.ddof) if both else Drift()
        note = {"same": both and a.columns[n] == b.columns[n], "note": _pair_note(n, a, b)}
        columns.append({"column": n, **note, **found.as_json()})
    sides = zip(names, (a, b), strict=True)
    one, two = (as_json(title, statistics) for title, statistics in sides)
    return {"a": one, "b": two, "changes": columns}


def _column_json(n: str, statistics: Statistics) -> dict[str, Any]:
    c = statistics.columns[n]
    entry: dict[str, Any] = {"column": n}
    entry |= {field: getattr(c, field) for field in ("count", "missing", "nan", "inf")}
    entry |= {"mean": c.mean, "std": statistics.std(n)}
    entry |= {"min": exact_json(c.ends[0]), "max": exact_json(c.ends[1]), "mark": mark(c)}
    method = statistics.column_methods.get(n)
    if method is not None:
        entry["method"] = method_entry(method)
    for title, value in c.values.items():
        if title != "moments":
            found = value.dump(statistics.facts)
            entry |= found if value.inline else {title: found}
    return entry | ({"given": dict(c.given)} if c.given else {})
