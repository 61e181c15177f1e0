"""What `check` has found, for people."""

from __future__ import annotations

import math
from collections.abc import Callable

from normcli.pipeline.check import ColumnCheck, Verdict
from normcli.views.groups import title
from normcli.views.screen import NAMES, Cell, Column, Grid, Line
from normcli.words import listed, many, name, percent

BAD = "bold red"
MOST_GROUPS = 20  # columns of groups that are told
INDEX_BY_CHANCE = 22.0  # divided by rows: three standard deviations above what ten bins give
CHANCE = 3.0  # standard errors by which a mean hardly ever moves by chance


def grid(verdict: Verdict) -> Grid:
    """A row for each column, those that do not fit first; ! marks what is beyond a limit."""
    rows = told(verdict)
    distances = any(c.drift.distance is not None for c in rows)
    figures = ("missing ", "mean ", "spread ", "out of range ", *("psi ", "cdf ") * distances)
    titles = [NAMES, Column("fits"), *(Column(title, "number") for title in figures)]
    return Grid(titles, [_row(c)[: len(titles)] for c in rows])


def _compared(verdict: Verdict) -> list[ColumnCheck]:
    """All that was compared, what does not fit first."""
    return sorted((c for c in verdict.columns if not c.is_ignored), key=lambda c: c.fits)


def told(verdict: Verdict) -> list[ColumnCheck]:
    """The columns, and after them the first groups that do not fit."""
    compared = _compared(verdict)
    groups = [c for c in compared if c.group and not c.fits]
    return [*(c for c in compared if not c.group), *groups[:MOST_GROUPS]]


def _name(c: ColumnCheck) -> str:
    """The column, and the group."""
    if not c.group:
        return name(c.name)
    return f"{name(c.name)} in {title(c.group)}" if c.name else title(c.group)


def _row(c: ColumnCheck) -> list[Cell]:
    moved = c.drift.distance
    return [
        _name(c),
        _state(c),
        _figure(c, "missing_change", c.missing, percent),
        _figure(c, "mean_shift", c.drift.mean_shift, "{:+.2f} std".format),
        _figure(c, "spread_ratio", c.drift.spread_ratio, "x{:.2f}".format),
        _figure(c, "out_of_range", c.out_of_range, percent),
        _figure(c, "psi", moved.psi if moved else None, "{:.2f}".format),
        _figure(c, "cdf_difference", moved.cdf if moved else None, "{:.2f}".format),
    ]


def _state(c: ColumnCheck) -> Cell:
    if c.state != "same":
        return c.state, "" if c.fits else BAD
    return "ok" if c.fits else ("NO", BAD)


def _figure(
    c: ColumnCheck, what: str, value: float | None, spelled: Callable[[float], str]
) -> Cell:
    if value is None:
        return "- "
    return (f"{spelled(value)}!", BAD) if what in c.faults else f"{spelled(value)} "


def heading(table: str, stats: str, verdict: Verdict) -> Line:
    """The verdict in one line."""
    compared = _compared(verdict)
    failed = sum(not c.fits for c in compared)
    rows, columns = many(verdict.rows, "row"), many(len(compared), "column")
    if any(c.group for c in compared):
        columns += " of all rows and of groups"
    if verdict.fits:
        return [(f"{name(table)} fits {name(stats)}", "bold"), (f": {rows}, {columns}", "")]
    if not verdict.rows:
        return [(f"{name(table)} cannot be checked against {name(stats)}", BAD), (f": {rows}", "")]
    words = f": {rows}, {failed} of {columns} failed"
    return [(f"{name(table)} does not fit {name(stats)}", BAD), (words, "")]


def notes(verdict: Verdict) -> list[str]:
    """Why columns do not fit, and what else one must know to judge the verdict."""
    why = {_name(c): "; ".join(c.faults.values()) or c.remark for c in told(verdict)}
    found = [f"{n}: {words}" for n, words in why.items() if words]
    odd = sum(bool(c.group) and not c.fits for c in verdict.columns)
    if odd > MOST_GROUPS:
        found.append(f"and {many(odd - MOST_GROUPS, 'column')} of groups more; --json has all")
    if ignored := [name(c.name) for c in verdict.columns if c.is_ignored]:
        found.append(f"not compared, because not in the statistics: {listed(ignored)}")
    if verdict.rows == 0:
        return [*found, "there are no rows to compare"]
    if (chance := CHANCE / math.sqrt(verdict.rows)) > verdict.limits.mean_shift:
        found.append(f"with so few rows, chance alone can move a mean by {chance:.2g} std")
    compared = any(c.drift.distance is not None for c in verdict.columns)
    if compared and (chance := INDEX_BY_CHANCE / verdict.rows) > verdict.limits.psi:
        found.append(f"with so few rows, chance alone can make a stability index of {chance:.2g}")
    return found
