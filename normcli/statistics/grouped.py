"""The moments of every group of rows, in arrays over the groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import numpy as np

from normcli.numerics.digits import GRID, FixedPoint
from normcli.numerics.grouped import sums_and_squares_by
from normcli.numerics.numbers import Numbers
from normcli.numerics.sums import integers
from normcli.numerics.total import Exact, Total
from normcli.statistics.base import Group, Key, Rows, State, Value
from normcli.statistics.moments import (
    Moments,
    fractions,
    in_smallest_units,
    moments_of,
    rounded_with_slack,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.numerics.digits import Ints
    from normcli.numerics.numbers import Floats, Mask


C = TypeVar("C", bound="Column")


@dataclass(frozen=True, eq=False)
class GroupedColumn:
    """The `Moments` of one column in g groups; arrays are as those of `MomentsState`.

    counts: shape (5, g). low, high, whole: shape (g,). sums, squares: g numbers, in units of
    the last of `scale` decimal places (of twice as many).
    """

    counts: Ints
    low: NDArray[Any]
    high: NDArray[Any]
    whole: Mask
    sums: FixedPoint
    squares: FixedPoint
    scale: int

    @classmethod
    def of(cls, x: Numbers, rows: GroupedRows) -> Self:
        """The moments of the cells of each group."""
        first, codes, groups = x.parts[0], rows.codes, len(rows.keys)
        counts = np.zeros((5, groups), np.int64)
        counts[4] = rows.left_out
        finite = np.isfinite(first)
        if not finite.all():
            missing = np.zeros(len(x), np.bool_) if x.missing is None else x.missing
            for row, mask in ((1, missing), (2, np.isnan(first) & ~missing), (3, np.isinf(first))):
                counts[row] = np.bincount(codes[mask], minlength=groups)
            x, codes = x.at(finite), codes[finite]
        counts[0] = np.bincount(codes, minlength=groups)
        whole = np.ones(groups, np.bool_)
        whole[codes[fractions(x.parts, x.scale)]] = False
        sums, squares = sums_and_squares_by(x.parts, codes, groups)
        return cls(counts, *_extremes(x, codes, groups), whole, sums, squares, x.scale)

    def at(self, places: Ints, groups: int) -> GroupedColumn:
        """The same groups at these places of more, of which the others have no cells."""
        low, high = (np.full(groups, end, kept.dtype) for end, kept in self._ends)
        low[places], high[places] = self.low, self.high
        counts, whole = np.zeros((5, groups), np.int64), np.ones(groups, np.bool_)
        counts[:, places], whole[places] = self.counts, self.whole
        sums, squares = self.sums.at(places, groups), self.squares.at(places, groups)
        return GroupedColumn(counts, low, high, whole, sums, squares, self.scale)

    @property
    def _ends(self) -> tuple[tuple[float, NDArray[Any]], ...]:
        return (np.inf, self.low), (-np.inf, self.high)

    def merge(self, other: GroupedColumn) -> GroupedColumn:
        """The moments of the cells of both, group by group."""
        return GroupedColumn(
            self.counts + other.counts,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.whole & other.whole,
            self.sums.plus(other.sums),
            self.squares.plus(other.squares),
            self.scale,
        )

    @property
    def all(self) -> GroupedColumn:
        """Those of all groups together, as of one."""
        return GroupedColumn(
            self.counts.sum(axis=1, keepdims=True),
            np.array([self.low.min(initial=np.inf)], self.low.dtype),
            np.array([self.high.max(initial=-np.inf)], self.high.dtype),
            np.array([self.whole.all()]),
            self.sums.total(),
            self.squares.total(),
            self.scale,
        )

    def alike(self, other: GroupedColumn) -> bool:
        """Is it in the same units?"""
        return self.scale == other.scale

    def values(self) -> list[Moments]:
        """The moments of each group."""
        sums = totals(self.sums, self.scale)
        squares = totals(self.squares, 2 * self.scale)
        pairs = list(zip(sums, squares, strict=True))
        return moments_of(self.counts, self.low, self.high, self.whole, pairs)


def totals(numbers: FixedPoint, scale: int) -> list[Total]:
    """The numbers, in units of the last of so many decimal places."""
    return [Total.of(number, GRID * numbers.low, scale) for number in numbers.integers()]


def _extremes(x: Numbers, codes: Ints, groups: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Smallest and greatest number of every group; x: finite."""
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    if len(x.parts) == 1 and not x.scale:
        np.minimum.at(low, codes, x.parts[0])
        np.maximum.at(high, codes, x.parts[0])
        return low + 0.0, high + 0.0  # -0.0 + 0.0 is 0.0
    exact_low, exact_high = low.astype(object), high.astype(object)
    for code, number in _candidates(x.parts, codes, groups):
        value: Exact = in_smallest_units(number, x.scale)
        exact_low[code] = min(exact_low[code], value)
        exact_high[code] = max(exact_high[code], value)
    return exact_low, exact_high


def _candidates(parts: Floats, codes: Ints, groups: int) -> list[tuple[int, int]]:
    """(code, number in the smallest units), each once, of those that may be an extreme."""
    total, slack = rounded_with_slack(parts)
    least, greatest = np.full(groups, np.inf), np.full(groups, -np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        np.fmin.at(least, codes, total + slack)
        np.fmax.at(greatest, codes, total - slack)
        surely_not = (total - slack > least[codes]) & (total + slack < greatest[codes])
    rows = np.flatnonzero(~surely_not)
    columns = np.unique(np.stack([codes[rows].astype(float), *parts[:, rows]]), axis=1)
    numbers = integers(columns[1:])
    return list(zip(columns[0].astype(np.int64).tolist(), numbers, strict=True))


@dataclass(frozen=True, eq=False)
class GroupedRows:
    """Some rows: their groups, those of weight 0 apart.

    keys: of the groups. codes: of each row. left_out: rows of weight 0 in each group.
    """

    keys: tuple[Group, ...]
    codes: Ints
    left_out: Ints

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """The groups of the rows; one of all where they have no labels."""
        if rows.labels is not None:
            keys, codes = tuple(rows.labels.groups), rows.labels.codes
        else:
            count = len(next(iter(rows.columns.values()), ()))
            keys, codes = ((),), np.zeros(count, np.int64)
        none = np.zeros(len(keys), np.int64)
        return cls(keys, codes, none if rows.left_out is None else rows.left_out)


class Column(Protocol):
    """What is known of a column in every group, as arrays over the groups."""

    def at(self, places: Ints, groups: int) -> Self:
        """The same groups at these places of more, of which the others have no cells."""

    def alike(self, other: Self) -> bool:
        """Can they be merged?"""

    def merge(self, other: Self) -> Self:
        """Of the cells of both, group by group."""

    @property
    def all(self) -> Self:
        """Those of all groups together, as of one."""

    def values(self) -> Sequence[Value]:
        """The value of each group."""


@dataclass(frozen=True, eq=False)
class Grouped(State, Generic[C]):
    """What is known of some columns in every group, and in all rows.

    keys: those of the groups, in the order of first appearance.
    """

    keys: tuple[Group, ...]
    columns: Mapping[int, C]

    @cached_property
    def _places(self) -> dict[Group, int]:
        return {group: place for place, group in enumerate(self.keys)}

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups."""
        return self.keys

    def alike(self, other: Self) -> bool:
        """Has it the same columns, in the same units?"""
        if self.columns.keys() != other.columns.keys():
            return False
        return all(column.alike(other.columns[i]) for i, column in self.columns.items())

    def merge(self, other: Self) -> Self:
        """What is known of the cells of both."""
        mine, theirs = self.columns, other.columns
        places = dict(self._places)
        at = np.array([places.setdefault(group, len(places)) for group in other.keys], np.int64)
        count = len(places)
        if count > len(self.keys):
            here = np.arange(len(self.keys))
            mine = {i: column.at(here, count) for i, column in mine.items()}
        if other.keys != tuple(places):
            theirs = {i: column.at(at, count) for i, column in theirs.items()}
        columns = {i: column.merge(theirs[i]) for i, column in mine.items()}
        return replace(self, keys=tuple(places), columns=columns)

    def values(self) -> dict[Key, Value]:
        """The value of every column, in all rows and in every group."""
        found: dict[Key, Value] = {}
        for i, column in self.columns.items():
            found |= {(group, i): v for group, v in zip(self.keys, column.values(), strict=True)}
            found[(), i] = column.all.values()[0]
        return found


class GroupedMoments(Grouped[GroupedColumn]):
    """The moments of some columns in every group, and in all rows."""

    @classmethod
    def of(cls, rows: Rows) -> Self:
        """The moments of some rows."""
        grouped = GroupedRows.of(rows)
        return cls(grouped.keys, {i: GroupedColumn.of(x, grouped) for i, x in rows.columns.items()})

    @property
    def infinities(self) -> list[int]:
        """How many infinite numbers every column has in all rows."""
        return [int(column.counts[3].sum()) for column in self.columns.values()]
