"""Does a table fit the statistics of another? Column by column, within limits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any

from normcli.drift import Drift, as_json, drift, missing_share
from normcli.engines import Engine
from normcli.errors import DataError, did_you_mean, printable
from normcli.formats.base import NotNumbers, Table
from normcli.model import Statistics
from normcli.pipeline import Bounds, Choice, count_statistics, observe, why
from normcli.report import Summary, listed, many, name, number, percent, points
from normcli.screen import NAMES, Cell, Column, Grid, Line
from normcli.statistics import ColumnStatistics

BAD = "bold red"
CHANCE = 3.0  # standard errors that a mean hardly ever moves by chance


@dataclass(frozen=True)
class Limits:
    """What still fits; infinity: whatever it is.

    out_of_range: share of the numbers below the fitted minimum or above the maximum.
    mean_shift: distance of the means, in fitted standard deviations.
    spread_ratio: of the standard deviations, the greater to the less.
    missing_change: difference of the shares of cells without a number.
    missing_column, extra_column, retyped_column: does one of these fit?
    """

    out_of_range: float = 0.05
    mean_shift: float = 0.5
    spread_ratio: float = 2.0
    missing_change: float = 0.05
    missing_column: bool = False
    extra_column: bool = True
    retyped_column: bool = False


@dataclass(frozen=True)
class ColumnCheck:
    """What was found out about one column.

    state: "same", "missing" (only the statistics have it), "extra" (a column of numbers that
        they do not have) or "retyped" (holds what is no number now).
    out_of_range: share of numbers beyond the fitted ones; where only statistics are
        compared, the least share that it can be. None where there are none to compare.
    remark: what is to be known of a column that is not "same".
    faults: what of it does not fit ("mean_shift", ..., or its state) -> why, in words.
    """

    name: str
    state: str = "same"
    drift: Drift = field(default_factory=Drift)
    out_of_range: float | None = None
    missing: float | None = None
    remark: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def fits(self) -> bool:
        """Is it within the limits?"""
        return not self.faults

    @property
    def is_ignored(self) -> bool:
        """Is it none of the statistics' columns, and nobody minds?"""
        return self.state == "extra" and self.fits

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "column": self.name,
            "fits": self.fits,
            "state": self.state,
            "out_of_range": self.out_of_range,
            **self.drift.as_json(),
            "remark": self.remark,
            "faults": dict(self.faults),
        }


@dataclass(frozen=True)
class Verdict:
    """What was found out about a table."""

    rows: int
    columns: list[ColumnCheck]
    limits: Limits

    @property
    def fits(self) -> bool:
        """Are all columns within the limits?"""
        return all(column.fits for column in self.columns)

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        limits = {key: as_json(value) for key, value in asdict(self.limits).items()}
        columns = [column.as_json() for column in self.columns]
        return {"fits": self.fits, "rows": self.rows, "limits": limits, "columns": columns}


def check(
    tables: Iterable[Table],
    statistics: Statistics,
    choice: Choice,
    limits: Limits,
    engine: Engine | None = None,
    summary: Summary | None = None,
) -> Verdict:
    """How the tables, taken as one, fit the statistics: one pass, in constant memory.

    choice: the columns to compare, of the table and of the statistics. An infinite number is
        a fault, or with `ignore_infinite` out of range.

    Raises: DataError where the tables cannot be read, or repeat the name of such a column.
    """
    summary = Summary() if summary is None else summary
    waiting = iter(tables)
    first = next(waiting)
    names = wanted(first.columns, statistics, choice)
    every = replace(choice, select=(), exclude=_unwanted(first, names), ignore_infinite=True)
    bounds = {name: _bounds(c) for name, c in statistics.columns.items()}
    seen = observe(chain([first], waiting), every, summary, engine, bounds)
    _refuse_repeated(first.name, seen.names, [n for n in names if n in statistics.columns])
    found = dict(zip(seen.names, seen.seen, strict=True))
    outside = summary.cells.get("out_of_range", Counter())
    allowed = choice.ignore_infinite
    columns = [
        _check_column(name, statistics, found, outside[name], limits, infinite_is_fault=not allowed)
        for name in names
    ]
    kept = [c for c in columns if c is not None]
    summary.columns = [c.name for c in kept if c.state == "same"]
    same = {n: c for n, c in found.items() if isinstance(c, ColumnStatistics)}
    count_statistics(same, summary)
    return Verdict(summary.rows, kept, limits)


def compare(now: Statistics, statistics: Statistics, choice: Choice, limits: Limits) -> Verdict:
    """How statistics fit others, without their data: what is out of range is a lower bound."""
    columns = []
    for n in wanted(list(now.columns), statistics, choice):
        outside = _certainly_outside(statistics.columns.get(n), now.columns.get(n))
        columns.append(_check_column(n, statistics, now.columns, outside, limits))
    return Verdict(now.rows, [c for c in columns if c is not None], limits)


def wanted(columns: Sequence[str], statistics: Statistics, choice: Choice) -> list[str]:
    """Which are to be compared of the columns of a table and the statistics: these first."""
    present = set(columns)
    absent = [n for n in statistics.columns if n not in present]
    names = [*columns, *absent]  # so that positions are those of the table
    chosen = {names[i] for i in choice.wanted(names)}
    return [n for n in {**statistics.columns, **dict.fromkeys(names)} if n in chosen]


def _unwanted(table: Table, names: Sequence[str]) -> tuple[str, ...]:
    """The columns of the table that are not to be looked at."""
    wanted = set(names)
    unwanted = tuple(dict.fromkeys(n for n in table.columns if n not in wanted))
    # With all columns excluded there would be nothing to count the rows by.
    return unwanted if len(unwanted) < len(set(table.columns)) else ()


def _bounds(c: ColumnStatistics) -> Bounds:
    return None if c.min is None or c.max is None else (c.min, c.max)


def _certainly_outside(then: ColumnStatistics | None, now: ColumnStatistics | None) -> int:
    """How many numbers are out of the fitted range at least, as the extremes tell."""
    if then is None or now is None:
        return 0
    if then.min is None or then.max is None or now.min is None or now.max is None:
        return 0
    return now.inf + (now.min < then.min) + (now.max > then.max)


def _refuse_repeated(table: str, names: Sequence[str], compared: Sequence[str]) -> None:
    for n, count in Counter(names).items():
        if count > 1 and n in compared:
            raise DataError(
                f"{table}: {count} columns are named {printable(n)}; rename them, or --exclude them"
            )


def _check_column(
    n: str,
    statistics: Statistics,
    found: Mapping[str, ColumnStatistics | NotNumbers],
    outside: int,
    limits: Limits,
    *,
    infinite_is_fault: bool = True,
) -> ColumnCheck | None:
    """What there is to say about a column; None for one of text that was none of numbers."""
    then, now = statistics.columns.get(n), found.get(n)
    if then is None:
        words, fits = "not in the statistics", limits.extra_column
        extra = isinstance(now, ColumnStatistics)
        return _other(n, "extra", words, fits=fits) if extra else None
    if now is None:
        near = did_you_mean(n, found.keys() - statistics.columns)
        words = "there is no such column" + (near and f".{near}")
        return _other(n, "missing", words, fits=limits.missing_column)
    if isinstance(now, NotNumbers):
        words = f"no longer numbers: {why(now)}"
        return _other(n, "retyped", words, fits=limits.retyped_column)
    moved = drift(then, now, statistics.ddof)
    numbers = now.count + now.inf
    share = outside / numbers if numbers and then.count else None
    faults = dict(_faults(then, now, moved, share, limits))
    if now.inf and infinite_is_fault:
        faults["infinite"] = f"{now.inf} infinite; --on-inf ignore takes them as out of range"
    return ColumnCheck(n, "same", moved, share, missing_share(now), faults=faults)


def _other(n: str, state: str, words: str, *, fits: bool) -> ColumnCheck:
    """A column that cannot be compared."""
    return ColumnCheck(n, state, remark=words, faults={} if fits else {state: words})


def _faults(
    then: ColumnStatistics,
    now: ColumnStatistics,
    moved: Drift,
    share: float | None,
    limits: Limits,
) -> Iterator[tuple[str, str]]:
    """Which limits are passed, and by how much."""
    if then.count == 0 and now.count:
        yield "count", "it had no number when it was fitted, and has some now"
    if share is not None and share > limits.out_of_range:
        low, high = (number(end, then.std()) for end in (then.min, then.max))
        most = percent(limits.out_of_range)
        words = f"{percent(share)} out of {low} to {high}, more than {most}"
        yield "out_of_range", words
    shift, ratio, change = moved.mean_shift, moved.spread_ratio, moved.missing_change
    if shift is not None and abs(shift) > limits.mean_shift:
        yield "mean_shift", f"mean {shift:+.3g} std, more than {limits.mean_shift:g}"
    if ratio is not None and ratio > limits.spread_ratio:
        yield "spread_ratio", f"spread x{ratio:.3g}, more than x{limits.spread_ratio:g}"
    if ratio is not None and ratio * limits.spread_ratio < 1:
        yield "spread_ratio", f"spread x{ratio:.3g}, less than x{1 / limits.spread_ratio:.3g}"
    if change is not None and abs(change) > limits.missing_change:
        words = f"missing {points(change)}, more than {percent(limits.missing_change)}"
        yield "missing_change", words


# -- for people ----------------------------------------------------------------------------


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
