"""Statistics of columns: values that merge exactly, in any order.

>>> import numpy as np
>>> from normcli.numbers import Numbers
>>> x = ColumnStatistics.of(Numbers(np.array([[1e15 + 4, 1e15 + 7, 1e15 + 13]])))
>>> x.mean, x.std(ddof=1), x.min
(1000000000000008.0, 4.58257569495584, 1000000000000004.0)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import numpy as np

from normcli.exact import (
    MIN_EXPONENT,
    ROW,
    SLAB,
    Moments,
    RowMoments,
    Total,
    divide,
    divide_sqrt,
    integers,
    moments,
)

if TYPE_CHECKING:
    from normcli.digits import Ints
    from normcli.numbers import Floats, Mask, Numbers

Exact = float | int | Decimal
ZERO = Total()


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
        """The statistics of many columns: short ones are worked on together, which is faster."""
        result: list[ColumnStatistics] = []
        for (p, n, scale), group in groupby(columns, lambda c: (*c.parts.shape, c.scale)):
            for some in _few(list(group), SLAB // n if 0 < n <= ROW else 1):
                result += _of_alike(some, p, n, scale)
        return result

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


def exact_value(value: Fraction) -> Exact:
    """`value` as float if it is a float64, else as int if it is whole, else as Decimal.

    One number has one form: zero is 0.0, never -0.0, and a Decimal has no trailing zeros.

    Raises: ValueError where the number has no end in decimal notation.

    >>> exact_value(Fraction(5, 2)), exact_value(Fraction(2**53 + 1)), exact_value(Fraction(1, 10))
    (2.5, 9007199254740993, Decimal('0.1'))
    """
    try:
        nearest = value.numerator / value.denominator
    except OverflowError:
        nearest = math.inf
    if nearest == value:
        return nearest
    if value.denominator == 1:
        return value.numerator
    return _decimal(value)


def _decimal(value: Fraction) -> Decimal:
    places, rest = 0, value.denominator
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest, power = rest // prime, power + 1
        places = max(places, power)
    if rest != 1:
        raise ValueError(f"{value} has no end in decimal notation")
    unscaled = value.numerator * 10**places // value.denominator
    return Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -places))


def _few(items: list[Numbers], size: int) -> Iterator[list[Numbers]]:
    """The items in order, `size` at a time."""
    return (items[i : i + size] for i in range(0, len(items), size))


def _of_alike(columns: list[Numbers], p: int, n: int, scale: int) -> list[ColumnStatistics]:
    """The statistics of columns that have the same parts, length and scale."""
    if len(columns) == 1:
        x = columns[0].parts[:, None, :]
    else:
        x = np.empty((p, len(columns), n))
        for i, column in enumerate(columns):
            x[:, i] = column.parts
    tally = _Tally.of(x)
    missing = [0 if c.missing is None else int(np.count_nonzero(c.missing)) for c in columns]
    found = zip(
        tally.count.tolist(),
        missing,
        tally.nan.tolist(),
        tally.extremes(x, scale),
        tally.moments(np.arange(len(columns))),
        strict=True,
    )
    return [
        ColumnStatistics(
            count,
            gone,
            nan - gone,
            n - count - nan,
            low,
            high,
            Total.of(m.sum, m.exponent, scale),
            Total.of(m.squares, 2 * m.exponent, 2 * scale),
        )
        for count, gone, nan, (low, high), m in found
    ]


def batch_statistics(x: Numbers, size: int) -> tuple[Ints, Floats, Floats]:
    """Count, mean and biased variance of every batch of `size` consecutive rows.

    The last batch may be shorter. Missing, NaN and infinite cells are left out.

    Returns: three arrays of shape (b,), b = ceil(n / size). Mean and variance are correctly
    rounded: NaN where the count is 0, infinity beyond the largest float64.
    """
    p, n = x.parts.shape
    whole = n - n % size
    stride = size * (SLAB // size if size <= ROW else 1)
    cuts = [*range(0, whole, stride), whole, n]
    found = [
        _of_batches(x.parts[:, start:stop].reshape(p, -1, min(size, stop - start)), 10**x.scale)
        for start, stop in pairwise(cuts)
        if stop > start
    ]
    none = np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    count, mean, var = (np.concatenate(a) for a in zip(none, *found, strict=True))
    return count, mean, var


def _of_batches(x: Floats, unit: int) -> tuple[Ints, Floats, Floats]:
    """`batch_statistics` of x, shape (p, b, size), in units of 1 / unit."""
    tally = _Tally.of(x)
    if unit == 1 and x.shape[2] <= ROW:
        mean, var, sure = tally.found[0].mean_and_variance(tally.count)
        unsure = np.flatnonzero(~sure)
    else:
        mean, var = np.empty((2, x.shape[1]))
        unsure = np.arange(x.shape[1])
    rows = zip(unsure.tolist(), tally.count[unsure].tolist(), tally.moments(unsure), strict=True)
    for i, count, m in rows:
        mean[i], var[i] = _mean_and_variance(count, *m, unit)
    return tally.count, mean, var


def _mean_and_variance(
    count: int, total: int, squares: int, exponent: int, unit: int
) -> tuple[float, float]:
    """Mean and variance of `count` numbers with these moments, in units of 1 / unit."""
    if count == 0:
        return math.nan, math.nan
    n = count * unit
    mean = divide(total, n, exponent)
    try:
        var = divide(count * squares - total * total, n * n, 2 * exponent)
    except OverflowError:
        var = math.inf
    return mean, var


@dataclass(slots=True, eq=False)
class _Tally:
    """What is counted and added up of m columns at once; arrays have shape (m,).

    low, high: of columns of one part; infinities where count is 0.
    """

    count: Ints
    nan: Ints
    low: Floats
    high: Floats
    found: list[RowMoments]

    @classmethod
    def of(cls, x: Floats) -> _Tally:
        """The tally of x, shape (p, m, n): m is 1, or n at most `ROW` and m * n at most `SLAB`."""
        zero, inf = np.zeros(x.shape[1], np.int64), np.full(x.shape[1], np.inf)
        tally = cls(zero, zero.copy(), inf, -inf, [])
        for start in range(0, x.shape[2], SLAB):
            tally.add(x[..., start : start + SLAB])
        return tally

    def add(self, x: Floats) -> None:
        """Add numbers of a shape that `exact.moments` takes."""
        low, high = x.min(axis=-1), x.max(axis=-1)
        bound = np.maximum(high, -low)
        if np.isfinite(bound).all():
            self.count += x.shape[-1]
        else:
            finite = np.isfinite(x[0])
            self.count += np.count_nonzero(finite, axis=-1)
            self.nan += np.count_nonzero(np.isnan(x[0]), axis=-1)
            low, high = np.fmin.reduce(x, axis=-1), np.fmax.reduce(x, axis=-1)
            if np.isinf(low).any() or np.isinf(high).any():
                x = np.where(finite, x, np.nan)
                low, high = np.fmin.reduce(x, axis=-1), np.fmax.reduce(x, axis=-1)
            x, bound = np.where(finite, x, 0.0), np.fmax(np.fmax(high, -low), 0.0)
        np.fmin(self.low, low[0], out=self.low)
        np.fmax(self.high, high[0], out=self.high)
        self.found.append(moments(x, bound))

    def moments(self, rows: Ints) -> list[Moments]:
        """The exact moments of some columns."""
        shards = [found.in_rows(rows) for found in self.found]
        return [reduce(Moments.plus, row) for row in zip(*shards, strict=True)] or [
            Moments()
        ] * len(rows)

    def extremes(self, x: Floats, scale: int) -> Iterator[tuple[Exact | None, Exact | None]]:
        """Exact minima and maxima of the columns of x; None where there is no number."""
        low, high = (self.low + 0.0).tolist(), (self.high + 0.0).tolist()  # -0.0 + 0.0 is 0.0
        for i, count in enumerate(self.count.tolist()):
            if count == 0:
                yield None, None
            elif len(x) == 1 and scale == 0:
                yield low[i], high[i]
            else:
                yield _extremes(np.compress(np.isfinite(x[0, i]), x[:, i], axis=1), scale)


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
