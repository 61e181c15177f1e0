"""Statistics of columns: values that merge exactly, in any order.

>>> import numpy as np
>>> from normcli.numerics.numbers import Numbers
>>> x = ColumnStatistics.of(Numbers(np.array([[1e15 + 4, 1e15 + 7, 1e15 + 13]])))
>>> x.mean, x.std(ddof=1), x.min
(1000000000000008.0, 4.58257569495584, 1000000000000004.0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from normcli.numerics.digits import GRID, FixedPoint
from normcli.numerics.numbers import Numbers
from normcli.numerics.sums import MIN_EXPONENT, integers, sums_and_squares
from normcli.numerics.tally import Tally, blocks
from normcli.numerics.total import Total, divide, divide_sqrt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.numerics.digits import Ints
    from normcli.numerics.numbers import Floats, Mask

from normcli.numerics.total import Exact, exact_value

ZERO = Total()
MANY = 16  # blocks whose sums are added up at once


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What is known about a column, exactly: an immutable commutative monoid.

    `ColumnStatistics()` is the identity of `merge`. All counts are of cells.

    count: finite numbers; the other fields below are about these only.
    missing, nan, inf: cells without a number, NaN in the data, infinities left out.
    min, max: exact (see `exact_value`), None where count is 0.
    sum, sum_of_squares: exact.
    """

    count: int = 0
    missing: int = 0
    nan: int = 0
    inf: int = 0
    min: Exact | None = None
    max: Exact | None = None
    sum: Total = ZERO
    sum_of_squares: Total = ZERO

    @classmethod
    def of(cls, x: Numbers) -> ColumnStatistics:
        """The statistics of one column."""
        return cls.of_columns([x])[0]

    @classmethod
    def of_columns(cls, columns: Sequence[Numbers]) -> list[ColumnStatistics]:
        """The statistics of columns of the same length: worked on together, which is faster."""
        return TableStatistics.of(columns).columns()

    def merge(self, other: ColumnStatistics) -> ColumnStatistics:
        """The statistics of both sets of cells together."""
        return ColumnStatistics(
            self.count + other.count,
            self.missing + other.missing,
            self.nan + other.nan,
            self.inf + other.inf,
            min((m for m in (self.min, other.min) if m is not None), default=None),
            max((m for m in (self.max, other.max) if m is not None), default=None),
            self.sum + other.sum,
            self.sum_of_squares + other.sum_of_squares,
        )

    @property
    def mean(self) -> float | None:
        """The mean, correctly rounded; None where count is 0."""
        if self.count == 0:
            return None
        s = self.sum
        return divide(s.numerator, self.count * 10**s.scale, s.exponent)

    def variance(self, ddof: int = 0) -> float | None:
        """The variance, correctly rounded; None where count <= ddof.

        Raises: OverflowError where it is beyond the largest float64 (about 1.8e308).
        """
        if self.count <= ddof:
            return None
        return divide(*_as_ratio(self._squared_deviations() / (self.count - ddof)))

    def std(self, ddof: int = 0) -> float | None:
        """The standard deviation, correctly rounded; None where count <= ddof.

        Raises: OverflowError where it is beyond the largest float64 (about 1.8e308).
        """
        if self.count <= ddof:
            return None
        return divide_sqrt(*_as_ratio(self._squared_deviations() / (self.count - ddof)))

    @property
    def constant(self) -> bool:
        """Whether there are numbers and all are the same, exactly: no tolerance."""
        return self.count > 0 and self.min == self.max

    def _squared_deviations(self) -> Fraction:
        """The exact sum of (x - mean)**2."""
        return self.sum_of_squares.as_fraction() - self.sum.as_fraction() ** 2 / self.count


def _as_ratio(f: Fraction) -> tuple[int, int]:
    return f.numerator, f.denominator


@dataclass(frozen=True, eq=False)
class TableStatistics:
    """The `ColumnStatistics` of m columns as arrays: made, sent and merged at little cost.

    counts: shape (4, m): count, missing, nan and inf of every column.
    low, high: shape (m,): exact minima and maxima, infinities where count is 0; float64, or
        Python's numbers (see `exact_value`) where some may be no float64.
    sums: 2 * m numbers: the sums of the columns, then their sums of squares.
    scales: column -> decimal places, where there are any: its sums are in units of the last.
    """

    counts: Ints
    low: NDArray[Any]
    high: NDArray[Any]
    sums: FixedPoint
    scales: dict[int, int]

    @classmethod
    def of(cls, columns: Sequence[Numbers]) -> TableStatistics:
        """The statistics of columns of the same length."""
        adder = _Adder(len(columns))
        if not columns or not len(columns[0]):
            return adder.statistics()
        parts, scales = [len(c.parts) for c in columns], [c.scale for c in columns]
        for kind in sorted(set(zip(parts, scales, strict=True))):
            each = enumerate(zip(parts, scales, strict=True))
            places = [i for i, this in each if this == kind]
            adder.add([columns[i] for i in places], np.array(places))
        return adder.statistics()

    @property
    def inf(self) -> list[int]:
        """How many infinities every column has."""
        counts: list[int] = self.counts[3].tolist()
        return counts

    def alike(self, other: TableStatistics) -> bool:
        """Whether `merge` takes the other: it has as many columns, of the same scales."""
        return self.counts.shape == other.counts.shape and self.scales == other.scales

    def merge(self, other: TableStatistics) -> TableStatistics:
        """The statistics of the cells of both."""
        return TableStatistics(
            self.counts + other.counts,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.sums.plus(other.sums),
            self.scales,
        )

    def columns(self) -> list[ColumnStatistics]:
        """The statistics of every column."""
        sums, squares = self._totals()
        rows = zip(*self.counts.tolist(), self.low.tolist(), self.high.tolist(), strict=True)
        return [
            ColumnStatistics(
                count,
                missing,
                nan,
                inf,
                low if count else None,
                high if count else None,
                total,
                square,
            )
            for (count, missing, nan, inf, low, high), total, square in zip(
                rows, sums, squares, strict=True
            )
        ]

    def _totals(self) -> tuple[list[Total], list[Total]]:
        """The sums and the sums of squares."""
        m, exponent, scales = len(self.low), GRID * self.sums.low, self.scales
        numbers = self.sums.integers()
        sums = [Total.of(n, exponent, scales.get(i, 0)) for i, n in enumerate(numbers[:m])]
        squares = [Total.of(n, exponent, 2 * scales.get(i, 0)) for i, n in enumerate(numbers[m:])]
        return sums, squares


class Fold:
    """What the parts of a table hold in some of m columns, added up."""

    def __init__(self, m: int = 0) -> None:
        self._settled = [ColumnStatistics()] * m
        self._running: TableStatistics | None = None
        self._places: list[int] = []

    def add(self, part: TableStatistics, places: list[int]) -> None:
        """Add what a part holds in the columns at these places."""
        if self._running and places == self._places and self._running.alike(part):
            self._running = self._running.merge(part)
        else:
            self._settle()
            self._running, self._places = part, places

    def columns(self) -> list[ColumnStatistics]:
        """The statistics of every column."""
        self._settle()
        return list(self._settled)

    def _settle(self) -> None:
        if self._running:
            for i, column in zip(self._places, self._running.columns(), strict=True):
                self._settled[i] = self._settled[i].merge(column)
        self._running = None


class _Adder:
    """`TableStatistics` of m columns in the making."""

    def __init__(self, m: int) -> None:
        self.counts = np.zeros((4, m), np.int64)
        self.low, self.high = np.full(m, np.inf), np.full(m, -np.inf)
        self.sums = FixedPoint(np.zeros((0, 2 * m), np.int64))
        self.scales: dict[int, int] = {}

    def add(self, columns: list[Numbers], places: Ints) -> None:
        """Add columns of the same parts, length and scale at these places."""
        p, scale = len(columns[0].parts), columns[0].scale
        tallies = ((Tally.of(x), places[some]) for some, x in blocks([c.parts for c in columns]))
        while pairs := list(islice(tallies, MANY)):
            self._add(Tally.joined([t for t, _ in pairs]), np.concatenate([at for _, at in pairs]))
        if scale:
            self.scales.update(dict.fromkeys(places.tolist(), scale))
        if scale or p > 1:
            self._exact_extremes(columns, places)
        self._count_missing(columns, places)

    def _add(self, tally: Tally, places: Ints) -> None:
        for i, count in ((0, tally.count), (2, tally.nan), (3, tally.inf)):
            np.add.at(self.counts[i], places, count)
        np.fmin.at(self.low, places, tally.low + 0.0)  # -0.0 + 0.0 is 0.0
        np.fmax.at(self.high, places, tally.high + 0.0)
        self.sums = self.sums.plus(sums_and_squares(tally.found, places, self.counts.shape[1]))

    def _count_missing(self, columns: list[Numbers], places: Ints) -> None:
        """Tell missing cells from NaN in the data."""
        missing = [0 if c.missing is None else np.count_nonzero(c.missing) for c in columns]
        self.counts[1, places] += missing
        self.counts[2, places] -= missing

    def _exact_extremes(self, columns: list[Numbers], places: Ints) -> None:
        """Put exact numbers in the place of rounded ones, of parts, or in units of a decimal."""
        self.low, self.high = self.low.astype(object), self.high.astype(object)
        for i, x in zip(places.tolist(), columns, strict=True):
            if self.counts[0, i]:
                finite = np.compress(np.isfinite(x.parts[0]), x.parts, axis=1)
                self.low[i], self.high[i] = _extremes(finite, x.scale)

    def statistics(self) -> TableStatistics:
        """What has been added."""
        return TableStatistics(self.counts, self.low, self.high, self.sums, self.scales)


def _extremes(parts: Floats, scale: int) -> tuple[Exact, Exact]:
    """Smallest and greatest number; parts: shape (p, n), finite, n > 0."""
    low = min(integers(parts[:, _may_be_minimum(parts)]))
    high = max(integers(parts[:, _may_be_minimum(-parts)]))
    unit = Fraction(2) ** MIN_EXPONENT / 10**scale
    return exact_value(low * unit), exact_value(high * unit)


def _may_be_minimum(parts: Floats) -> Mask:
    """False for numbers that certainly are not the smallest.

    Adding p parts has a relative error below (p - 1) * 2**-53 of the sum of their absolute
    values (Higham, Accuracy and Stability of Numerical Algorithms, 4.2); twice that is allowed.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN rule nothing out
        total = parts.sum(axis=0)
        slack = np.abs(parts).sum(axis=0) * ((len(parts) - 1) * 2.0**-52)
        certainly_not: Mask = total - slack > (total + slack).min()
    return ~certainly_not
