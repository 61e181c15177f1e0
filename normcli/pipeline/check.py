"""Does a table fit the statistics of another? Column by column, within limits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from normcli.engines.local import Engine
from normcli.formats.base import NotNumbers, Table
from normcli.pipeline.choice import Choice, refuse_repeated
from normcli.pipeline.collect import Need, groups_of
from normcli.pipeline.fitting import Bounds, Wanted, count_statistics, observe, why
from normcli.pipeline.roles import Roles
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import GroupStatistics, Statistics
from normcli.statistics.base import Group
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.drift import Drift, as_json, cells_of, drift, missing_share
from normcli.words import did_you_mean, many, number, percent, points

if TYPE_CHECKING:
    from normcli.numerics.cells import Cells


@dataclass(frozen=True)
class Limits:
    """What still fits; infinity: whatever it is.

    out_of_range: share of the numbers below the fitted minimum or above the maximum.
    mean_shift: distance of the means, in fitted standard deviations.
    spread_ratio: of the standard deviations, the greater to the less.
    missing_change: difference of the shares of cells without a number.
    psi: population stability index over the fitted deciles. cdf_difference: the largest one of
        the cumulative distributions. Both only where the statistics have cells.
    missing_column, extra_column, retyped_column: does one of these fit?
    """

    out_of_range: float = 0.05
    mean_shift: float = 0.5
    spread_ratio: float = 2.0
    missing_change: float = 0.05
    psi: float = 0.25
    cdf_difference: float = math.inf
    missing_column: bool = False
    extra_column: bool = True
    retyped_column: bool = False


@dataclass(frozen=True)
class ColumnCheck:
    """What was found out about one column.

    state: "same", "missing" (only the statistics have it), "extra" (a column of numbers that
        they do not have) or "retyped" (has cells now that are not numbers).
    out_of_range: share of numbers beyond the fitted ones; where only statistics are
        compared, the least share that it can be. None where there are none to compare.
    remark: an explanation, where the state is not "same".
    faults: what of it does not fit ("mean_shift", ..., or its state) -> why, in words.
    group: the key of the group that it is about; (): all rows.
    cells: of then and of now, where both have some.
    """

    name: str
    state: str = "same"
    drift: Drift = field(default_factory=Drift)
    out_of_range: float | None = None
    missing: float | None = None
    remark: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)
    group: Group = ()
    cells: tuple[Cells, Cells] | None = field(default=None, compare=False, repr=False)

    @property
    def fits(self) -> bool:
        """Is it within the limits?"""
        return not self.faults

    @property
    def is_ignored(self) -> bool:
        """Is it a column that the statistics do not have, where that is allowed?"""
        return self.state == "extra" and self.fits

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "column": self.name,
            **({"group": list(self.group)} if self.group else {}),
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
        """Are there rows, and all columns within the limits?"""
        return self.rows > 0 and all(column.fits for column in self.columns)

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
    engine: Engine,
    summary: Summary,
    *,
    by_group: bool = False,
) -> Verdict:
    """How the tables, taken as one, fit the statistics: one pass, in constant memory.

    choice: the columns to compare, of the table and of the statistics. An infinite number is
        a fault, or with `ignore_infinite` out of range.
    by_group: compare each group, too.

    Raises: DataError where the tables cannot be read, or repeat the name of such a column.
    """
    waiting = iter(tables)
    first = next(waiting)
    names = wanted(first.columns, statistics, choice)
    roles = Roles(by=tuple(statistics.options.get("by", ()))) if by_group else Roles()
    unwanted = tuple(n for n in _unwanted(first, names) if n not in roles.names)
    every = replace(choice, select=(), exclude=unwanted, ignore_infinite=True, roles=roles)
    bounds = {name: _bounds(c) for name, c in statistics.columns.items()}
    looked = _with_cells(Wanted.of(first, every), statistics)
    seen = observe(chain([first], waiting), looked, every, summary, engine, bounds)
    choice.most_bad.refuse(summary)
    compared = statistics.columns.keys() & names
    refuse_repeated(first.name, looked.names, [n for n in looked.names if n in compared])
    observed = seen.columns(len(looked.names), looked.needs)
    numbers = observed[()]
    found = {n: numbers.get(i) or seen.others[i] for i, n in enumerate(looked.names)}
    outside = summary.cells.get("out_of_range", Counter())
    allowed = choice.ignore_infinite
    columns = [
        _check_column(name, statistics, found, outside[name], limits, infinite_is_fault=not allowed)
        for name in names
    ]
    kept = [c for c in columns if c is not None]
    if by_group:
        known = {n: numbers[i] for i, n in enumerate(looked.names) if i in numbers}
        chosen = {n: i for i, n in enumerate(looked.names) if n in known and n in compared}
        groups = groups_of(observed, chosen, known)
        kept += _groups(groups, statistics, list(chosen), limits)
    summary.columns = [c.name for c in kept if c.state == "same" and not c.group]
    same = {n: c for n, c in found.items() if isinstance(c, ColumnStatistics)}
    count_statistics(same, summary)
    return Verdict(summary.rows, kept, limits)


def _with_cells(looked: Wanted, statistics: Statistics) -> Wanted:
    """What is collected, with the cells of the columns of which the statistics have some."""
    known = {n for n, c in statistics.columns.items() if "quantiles" in c.values}
    places = frozenset(i for i, n in enumerate(looked.names) if n in known)
    if not places:
        return looked
    from normcli.statistics.quantiles import QuantilesRecipe

    return replace(looked, needs=(*looked.needs, Need(QuantilesRecipe(exact=False), (), places)))


def _groups(
    now: Mapping[Group, GroupStatistics],
    statistics: Statistics,
    names: Sequence[str],
    limits: Limits,
) -> Iterator[ColumnCheck]:
    """The check of every group: what is out of range is a lower bound."""
    for key, group in now.items():
        if key not in statistics.groups:
            words = f"{many(group.rows, 'row')} of a group that the statistics do not have"
            yield ColumnCheck("", "extra", remark=words, faults={"extra": words}, group=key)
            continue
        then = replace(statistics, columns=statistics.groups[key].columns)
        for n in names:
            outside = _certainly_outside(then.columns[n], group.columns[n])
            found = _check_column(n, then, group.columns, outside, limits)
            if found is not None:
                yield replace(found, group=key)


def compare(
    now: Statistics,
    statistics: Statistics,
    choice: Choice,
    limits: Limits,
    *,
    by_group: bool = False,
) -> Verdict:
    """How statistics fit others, without their data: what is out of range is a lower bound."""
    columns = []
    for n in wanted(list(now.columns), statistics, choice):
        outside = _certainly_outside(statistics.columns.get(n), now.columns.get(n))
        columns.append(_check_column(n, statistics, now.columns, outside, limits))
    kept = [c for c in columns if c is not None]
    if by_group:
        both = [c.name for c in kept if c.state == "same"]
        kept += _groups(now.groups, statistics, both, limits)
    return Verdict(now.rows, kept, limits)


def wanted(columns: Sequence[str], statistics: Statistics, choice: Choice) -> list[str]:
    """The columns to compare, of the statistics and then of a table, by name."""
    present = set(columns)
    absent = [n for n in statistics.columns if n not in present]
    names = [*columns, *absent]  # so that positions are those of the table
    weight = statistics.options.get("weight", {}).get("column")
    roles = {*statistics.options.get("by", ()), weight}
    chosen = {names[i] for i in choice.wanted(names)} - roles
    return [n for n in {**statistics.columns, **dict.fromkeys(names)} if n in chosen]


def _unwanted(table: Table, names: Sequence[str]) -> tuple[str, ...]:
    """The columns of the table that need not be read."""
    wanted = set(names)
    unwanted = tuple(dict.fromkeys(n for n in table.columns if n not in wanted))
    # With all columns excluded there would be nothing to count the rows by.
    return unwanted if len(unwanted) < len(set(table.columns)) else ()


def _bounds(c: ColumnStatistics) -> Bounds:
    low, high = c.ends
    return None if low is None or high is None else (low, high)


def _certainly_outside(then: ColumnStatistics | None, now: ColumnStatistics | None) -> int:
    """How many numbers are out of the fitted range at least, as the extremes tell."""
    before, after = (_bounds(c) if c else None for c in (then, now))
    if now is None or before is None or after is None:
        return 0
    return now.inf + (after[0] < before[0]) + (after[1] > before[1])


def _check_column(
    n: str,
    statistics: Statistics,
    found: Mapping[str, ColumnStatistics | NotNumbers],
    outside: int,
    limits: Limits,
    *,
    infinite_is_fault: bool = True,
) -> ColumnCheck | None:
    """The check of a column; None for a column of text that the statistics do not have."""
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
    share = outside / numbers if numbers and _bounds(then) else None
    faults = dict(_faults(then, now, moved, share, limits))
    if now.inf and infinite_is_fault:
        faults["infinite"] = f"{now.inf} infinite; --on-inf ignore takes them as out of range"
    cells = cells_of(then, now)
    return ColumnCheck(n, "same", moved, share, missing_share(now), faults=faults, cells=cells)


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
    if then.count == 0 and not then.given and now.count:
        yield "count", "it had no number when it was fitted, and has some now"
    if share is not None and share > limits.out_of_range:
        low, high = (number(end, then.std()) for end in then.ends)
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
    if moved.distance is not None and moved.distance.psi > limits.psi:
        yield "psi", f"stability index {moved.distance.psi:.3g}, more than {limits.psi:g}"
    if moved.distance is not None and moved.distance.cdf > limits.cdf_difference:
        words = f"distributions {moved.distance.cdf:.3g} apart, more than {limits.cdf_difference:g}"
        yield "cdf_difference", words
