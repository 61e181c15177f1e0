"""What `check` has found out, for people."""

from __future__ import annotations

import math
from collections.abc import Callable

from normcli.pipeline.check import ColumnCheck, Verdict
from normcli.views.screen import NAMES, Cell, Column, Grid, Line
from normcli.words import listed, many, name, percent

BAD = "bold red"
CHANCE = 3.0  # standard errors that a mean hardly ever moves by chance


def grid(verdict: Verdict) -> Grid:
    """A row for each column, those that do not fit first; ! marks what is beyond a limit.

    Columns that are not in the statistics are in `notes`, unless that is a fault.
    """
    titles = [
        NAMES,
        Column("fits"),
        Column("missing ", right=True),
        Column("mean ", right=True),
        Column("spread ", right=True),
        Column("out of range ", right=True),
        Column("why", spare=True, below=True),
    ]
    shown = [c for c in verdict.columns if not c.is_ignored]
    return Grid(titles, [_row(c) for c in sorted(shown, key=lambda c: c.fits)])


def _row(c: ColumnCheck) -> list[Cell]:
    shift, ratio = c.drift.mean_shift, c.drift.spread_ratio
    return [
        name(c.name),
        _state(c),
        _figure(c, "missing_change", c.missing, percent),
        _figure(c, "mean_shift", shift, "{:+.2f} std".format),
        _figure(c, "spread_ratio", ratio, "x{:.2f}".format),
        _figure(c, "out_of_range", c.out_of_range, percent),
        "; ".join(c.faults.values()) or c.remark,
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


def heading(title: str, stats: str, verdict: Verdict) -> Line:
    """The verdict in one line."""
    compared = sum(not c.is_ignored for c in verdict.columns)
    bad = sum(not c.fits for c in verdict.columns)
    rows = many(verdict.rows, "row")
    title, stats = name(title), name(stats)
    if verdict.fits:
        return [
            (f"{title} fits {stats}", "bold"),
            (f": {rows}, {many(compared, 'column')}", ""),
        ]
    return [
        (f"{title} does not fit {stats}", BAD),
        (f": {rows}, {bad} of {many(compared, 'column')} off", ""),
    ]


def notes(verdict: Verdict) -> list[str]:
    """What is to be known to judge the verdict."""
    ignored = [name(c.name) for c in verdict.columns if c.is_ignored]
    found = [f"not in the statistics, so not compared: {listed(ignored)}"] if ignored else []
    if verdict.rows == 0:
        return [*found, "there are no rows to compare"]
    if (chance := CHANCE / math.sqrt(verdict.rows)) > verdict.limits.mean_shift:
        found.append(f"of so few rows, chance alone may move a mean by {chance:.2g} std")
    return found
