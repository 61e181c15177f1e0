"""Count, sum, sum of squares, minimum and maximum: exact, of many columns at once.

>>> import numpy as np
>>> x = Moments.of(Numbers(np.array([[1e15 + 4, 1e15 + 7, 1e15 + 13]])))
>>> x.mean, x.std(ddof=1), x.min
(1000000000000008.0, 4.58257569495584, 1000000000000004.0)
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from normcli import kernel
from normcli.errors import DataError
from normcli.numerics.digits import GRID, FixedPoint
from normcli.numerics.numbers import Numbers
from normcli.numerics.sums import MIN_EXPONENT, integers, sums_and_squares
from normcli.numerics.tally import Tally, blocks
from normcli.numerics.total import (
    LARGEST,
    Exact,
    Total,
    divide,
    divide_sqrt,
    exact_json,
    exact_value,
)
from normcli.statistics.base import Facts, FieldError, Key, Recipe, Rows, State, Value
from normcli.words import short

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.numerics.digits import Ints
    from normcli.numerics.numbers import Floats, Mask

ZERO = Total()
MANY = 16  # blocks whose sums are added up at once
FEW = 64  # numbers that are looked at before all of them
CLOSE = 2.0**-20  # relative; numbers that are closer are compared exactly
SMALLEST = 2.0**-400  # squares of larger numbers do not underflow
COUNTS = ("count", "missing", "nan", "inf", "left_out")


@dataclass(frozen=True, slots=True)
class Moments(Value):
    """Exact moments and extremes of a column: an immutable commutative monoid.

    `Moments()` is the identity of `merge`. All counts are of cells.

    count: finite numbers; the other fields below are about these only.
    missing, nan, inf: cells without a number, NaN in the data, infinities left out.
    min, max: exact (see `exact_value`); None where count is 0, or where rows were taken out that
        may have had it (see `without`).
    sum, sum_of_squares: exact.
    whole: are all of them whole numbers? None where that is not known (sidecars of version 1).
    left_out: cells of rows with the weight 0, whatever is in them.
    """

    inline: ClassVar[bool] = True

    count: int = 0
    missing: int = 0
    nan: int = 0
    inf: int = 0
    min: Exact | None = None
    max: Exact | None = None
    sum: Total = ZERO
    sum_of_squares: Total = ZERO
    whole: bool | None = True
    left_out: int = 0

    @classmethod
    def of(cls, x: Numbers) -> Moments:
        """The statistics of one column."""
        return MomentsState.of(Rows({0: x})).moments()[0]

    def merge(self, other: Moments) -> Moments:
        """The statistics of both sets of cells together."""
        return Moments(
            self.count + other.count,
            self.missing + other.missing,
            self.nan + other.nan,
            self.inf + other.inf,
            self._end(other, "min", min),
            self._end(other, "max", max),
            self.sum + other.sum,
            self.sum_of_squares + other.sum_of_squares,
            _both_whole(self.whole, other.whole),
            self.left_out + other.left_out,
        )

    def _end(self, other: Moments, field: str, choose: Callable[..., Exact]) -> Exact | None:
        """An end of the numbers of both; None where that of one is not known."""
        ends = [getattr(each, field) for each in (self, other) if each.count]
        return None if None in ends else choose(ends, default=None)

    def without(self, other: Moments) -> Moments:
        """The statistics of these cells but those of `other`.

        An end that both have is not known afterwards, unless all numbers that stay are equal.
        """
        counts = [getattr(self, field) - getattr(other, field) for field in COUNTS]
        for field, count in zip(COUNTS, counts, strict=True):
            if count < 0:
                raise DataError(f"its {field} is larger than that of the whole")
        n, missing, nan, inf, left_out = counts
        low, high = (self._end_without(other, field) for field in ("min", "max"))
        total, squares = self.sum - other.sum, self.sum_of_squares - other.sum_of_squares
        deviations = n * squares.as_fraction() - total.as_fraction() ** 2
        if deviations < 0 or (n == 0 and (total, squares) != (ZERO, ZERO)):
            raise DataError("its sums are not those of some rows of the whole")
        if not n:
            return Moments(0, missing, nan, inf, left_out=left_out)
        if not deviations:
            low = high = exact_value(total.as_fraction() / n)
        whole = self.whole if self.whole or other.whole else None
        return Moments(n, missing, nan, inf, low, high, total, squares, whole, left_out)

    def _end_without(self, other: Moments, field: str) -> Exact | None:
        mine: Exact | None = getattr(self, field)
        theirs: Exact | None = getattr(other, field)
        if mine is None or not other.count:
            return mine
        if theirs is not None and (theirs < mine if field == "min" else theirs > mine):
            raise DataError(f"its {field} is outside the range of the whole")
        return None if theirs is None or theirs == mine else mine

    @property
    def mean(self) -> float | None:
        """The mean, correctly rounded; None where count is 0."""
        if self.count == 0:
            return None
        s = self.sum
        return divide(s.numerator, self.count * 10**s.scale, s.exponent)

    @property
    def exact_mean(self) -> Fraction | None:
        """The mean, exactly; None where count is 0."""
        return self.sum.as_fraction() / self.count if self.count else None

    def variance(self, ddof: int = 0) -> float | None:
        """The variance, correctly rounded; None where count <= ddof.

        Raises: OverflowError where it is beyond the largest float64 (about 1.8e308).
        """
        if self.count <= ddof:
            return None
        numerator, denominator, exponent = self._squared_deviations()
        return divide(numerator, denominator * (self.count - ddof), exponent)

    def std(self, ddof: int = 0) -> float | None:
        """The standard deviation, correctly rounded; None where count <= ddof.

        Raises: OverflowError where it is beyond the largest float64 (about 1.8e308).
        """
        if self.count <= ddof:
            return None
        numerator, denominator, exponent = self._squared_deviations()
        return divide_sqrt(numerator, denominator * (self.count - ddof), exponent)

    @property
    def constant(self) -> bool:
        """Whether there are numbers and all are the same, exactly: no tolerance."""
        return self.min is not None and self.min == self.max

    @property
    def cells(self) -> int:
        """How many cells there are, with a number or without."""
        return self.count + self.missing + self.nan + self.inf + self.left_out

    def dump(self, facts: Facts) -> dict[str, Any]:
        """The fields of a column; std has the ddof of all of them.

        Raises: DataError where the standard deviation is beyond float64.
        """
        try:
            std = self.std(facts.ddof)
        except OverflowError as error:
            raise DataError(
                f"its standard deviation with ddof {facts.ddof} is larger than the largest "
                "float64 (1.8e308)"
            ) from error
        return {
            "count": self.count,
            "missing": self.missing,
            "nan": self.nan,
            "inf": self.inf,
            **({"left_out": self.left_out} if self.left_out else {}),
            "mean": self.mean,
            "std": std,
            "min": exact_json(self.min),
            "max": exact_json(self.max),
            **({} if self.whole is None else {"whole": self.whole}),
            **_total_fields("sum", self.sum),
            **_total_fields("sum_of_squares", self.sum_of_squares),
        }

    def _squared_deviations(self) -> tuple[int, int, int]:
        """The exact sum of (x - mean)**2: numerator / denominator * 2**exponent."""
        s, q, n = self.sum, self.sum_of_squares, self.count
        exponent, scale = min(q.exponent, 2 * s.exponent), max(q.scale, 2 * s.scale)
        squares = q.numerator * 10 ** (scale - q.scale) << (q.exponent - exponent)
        square = s.numerator**2 * 10 ** (scale - 2 * s.scale) << (2 * s.exponent - exponent)
        return n * squares - square, n * 10**scale, exponent


def _both_whole(a: bool | None, b: bool | None) -> bool | None:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def _total_fields(field: str, total: Total) -> dict[str, Any]:
    scale = {f"{field}_scale": total.scale} if total.scale else {}
    return {field: total.to_floats(), **scale}


@dataclass(frozen=True)
class MomentsRecipe(Recipe):
    """Moments and extremes: what every fit collects of every column.

    Its fields are those of the column itself in `normcli/sidecar/schema.json`.
    """

    name: ClassVar[str] = "moments"
    shares: ClassVar[bool] = True

    def weighs(self, kind: str) -> bool:
        """They are of the rows whose weight is not 0."""
        return True

    def of(self, rows: Rows) -> State:
        """The moments of every column and group."""
        if rows.labels is None and rows.weights is None:
            return MomentsState.of(rows)
        from normcli.statistics.grouped import GroupedMoments

        return GroupedMoments.of(rows)

    @classmethod
    def load(cls, entry: Mapping[str, Any], facts: Facts) -> Moments:
        """The moments in the fields of a column; raises FieldError for the first fault."""
        low, high = (_loaded_exact(entry, field) for field in ("min", "max"))
        total, squares = (_loaded_total(entry, field) for field in ("sum", "sum_of_squares"))
        count, missing, nan, inf, left_out = (int(entry.get(field, 0)) for field in COUNTS)
        whole = entry.get("whole")
        found = Moments(count, missing, nan, inf, low, high, total, squares, whole, left_out)
        for field, fault in _faults(found, entry, facts):
            raise FieldError(field, fault)
        return found


@dataclass(eq=False)
class MomentsState(State):
    """The `Moments` of m columns (and groups) as arrays: made, sent and merged at little cost.

    keys: of the columns and groups.
    counts: shape (5, m): count, missing, nan, inf and left_out.
    low, high: shape (m,): exact minima and maxima, infinities where count is 0; float64, or
        Python's numbers (see `exact_value`) where some may be no float64.
    whole: shape (m,): are all numbers whole?
    sums: 2 * m numbers: the sums, then the sums of squares.
    scales: place in `keys` -> decimal places, where there are any: the sums are in units of
        the last one.
    """

    keys: tuple[Key, ...]
    counts: Ints
    low: NDArray[Any]
    high: NDArray[Any]
    whole: Mask
    sums: FixedPoint
    scales: dict[int, int]

    @classmethod
    def of(cls, rows: Rows) -> MomentsState:
        """The moments of some rows; columns of the same kind are worked on together."""
        keys, columns = zip(*rows.cells(), strict=True) if rows.columns else ((), ())
        m = len(keys)
        state = cls(
            keys,
            counts=np.zeros((len(COUNTS), m), np.int64),
            low=np.full(m, np.inf),
            high=np.full(m, -np.inf),
            whole=np.ones(m, np.bool_),
            sums=FixedPoint(np.zeros((0, 2 * m), np.int64)),
            scales={},
        )
        kinds = [(len(x.parts), x.scale, len(x)) for x in columns]
        for kind in sorted(set(kinds)):
            if kind[2]:
                places = [i for i, this in enumerate(kinds) if this == kind]
                state._add([columns[i] for i in places], np.array(places))
        return state

    @property
    def infinities(self) -> list[int]:
        """How many infinite numbers every column has in all rows."""
        counts = zip(self.keys, self.counts[3].tolist(), strict=True)
        return [count for (group, _), count in counts if not group]

    def alike(self, other: MomentsState) -> bool:
        """Has it the same columns and groups, of the same scales?"""
        return self.keys == other.keys and self.scales == other.scales

    def merge(self, other: MomentsState) -> MomentsState:
        """The moments of the cells of both."""
        return MomentsState(
            self.keys,
            self.counts + other.counts,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            self.whole & other.whole,
            self.sums.plus(other.sums),
            self.scales,
        )

    def values(self) -> dict[Key, Value]:
        """The moments of every column and group."""
        return dict(zip(self.keys, self.moments(), strict=True))

    def moments(self) -> list[Moments]:
        """The same, in the order of the keys."""
        m, exponent = len(self.keys), GRID * self.sums.low
        numbers = self.sums.integers()
        scales = [self.scales.get(i, 0) for i in range(m)]
        pairs = zip(numbers[:m], numbers[m:], scales, strict=True)
        totals = [(Total.of(a, exponent, s), Total.of(b, exponent, 2 * s)) for a, b, s in pairs]
        return moments_of(self.counts, self.low, self.high, self.whole, totals)

    def _add(self, columns: list[Numbers], places: Ints) -> None:
        """Add columns of the same parts, length and scale at these places."""
        p, scale = len(columns[0].parts), columns[0].scale
        is_compiled = p == 1 and kernel.library() is not None
        if is_compiled:
            self._compiled(kernel.moments([c.parts[0] for c in columns]), places)
        tallies = ((Tally.of(x), places[some]) for some, x in blocks([c.parts for c in columns]))
        while not is_compiled and (pairs := list(islice(tallies, MANY))):
            self._tally(
                Tally.joined([t for t, _ in pairs]), np.concatenate([at for _, at in pairs])
            )
        if scale:
            self.scales.update(dict.fromkeys(places.tolist(), scale))
        if scale or p > 1:
            self._exact_extremes(columns, places)
        self._count_missing(columns, places)
        if scale or not is_compiled:
            self.whole[places] = [_are_whole(x) for x in columns]

    def _compiled(self, found: kernel.Moments, places: Ints) -> None:
        """Add what the kernel has found of columns at these places."""
        m = self.counts.shape[1]
        self.counts[np.array([[0], [2], [3]]), places] = found.counts[:, :3].T
        self.whole[places] = found.counts[:, 3] == 1
        self.low[places], self.high[places] = found.ends.T
        digits = np.zeros((len(found.digits), 2 * m), np.int64)
        digits[:, np.concatenate([places, places + m])] = found.digits
        self.sums = self.sums.plus(FixedPoint(digits, found.low))

    def _tally(self, tally: Tally, places: Ints) -> None:
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


def moments_of(
    counts: Ints,
    lows: NDArray[Any],
    highs: NDArray[Any],
    whole: Mask,
    totals: Sequence[tuple[Total, Total]],
) -> list[Moments]:
    """The moments in arrays as `MomentsState` has them; totals: sums and sums of squares."""
    rows = zip(
        counts.T.tolist(), lows.tolist(), highs.tolist(), totals, whole.tolist(), strict=True
    )
    found = []
    for (count, missing, nan, inf, left_out), least, most, (total, squares), is_whole in rows:
        low, high = (least, most) if count else (None, None)
        found.append(
            Moments(count, missing, nan, inf, low, high, total, squares, is_whole, left_out)
        )
    return found


def _are_whole(x: Numbers) -> bool:
    """Are all finite numbers whole? The first few usually show where they are not."""
    return _is_whole(x.parts[:, :FEW], x.scale) and _is_whole(x.parts, x.scale)


def _is_whole(parts: Floats, scale: int) -> bool:
    if not scale and len(parts) == 1:
        with np.errstate(invalid="ignore"):  # of a signaling NaN
            fraction = parts != np.rint(parts)
        return not (fraction.any() and np.isfinite(parts[fraction]).any())
    return not fractions(np.compress(np.isfinite(parts[0]), parts, axis=1), scale).any()


def fractions(parts: Floats, scale: int) -> Mask:
    """Which finite numbers are not whole."""
    unit, found = 10.0**scale, np.zeros(parts.shape[1], np.bool_)
    if not scale and len(parts) == 1:
        np.not_equal(parts[0], np.rint(parts[0]), out=found)
    elif len(parts) * 10**scale < 1 << 53:
        np.not_equal(np.fmod(np.fmod(parts, unit).sum(axis=0), unit), 0, out=found)
    else:
        whole = 10**scale << -MIN_EXPONENT
        found[:] = [number % whole != 0 for number in integers(parts)]
    return found


def _extremes(parts: Floats, scale: int) -> tuple[Exact, Exact]:
    """Smallest and greatest number; parts: shape (p, n), finite, n > 0."""
    low = min(integers(parts[:, _may_be_minimum(parts)]))
    high = max(integers(parts[:, _may_be_minimum(-parts)]))
    return in_smallest_units(low, scale), in_smallest_units(high, scale)


def in_smallest_units(number: int, scale: int) -> Exact:
    """The number times 2**MIN_EXPONENT / 10**scale."""
    return exact_value(number * Fraction(2) ** MIN_EXPONENT / 10**scale)


def _may_be_minimum(parts: Floats) -> Mask:
    """False for numbers that certainly are not the smallest."""
    total, slack = rounded_with_slack(parts)
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN rule nothing out
        certainly_not: Mask = total - slack > (total + slack).min()
    return ~certainly_not


def rounded_with_slack(parts: Floats) -> tuple[Floats, Floats]:
    """The numbers rounded, and by how much they may be off.

    Adding p parts has a relative error below (p - 1) * 2**-53 of the sum of their absolute
    values (Higham, Accuracy and Stability of Numerical Algorithms, 4.2); twice that is allowed.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return parts.sum(axis=0), np.abs(parts).sum(axis=0) * ((len(parts) - 1) * 2.0**-52)


# -- from a sidecar ------------------------------------------------------------------------


def _loaded_exact(entry: Mapping[str, Any], field: str) -> Exact | None:
    if entry[field] is None:
        return None
    if type(entry[field]) is float:  # most are
        return float(entry[field]) + 0.0
    value = Fraction(entry[field])
    if abs(value) > LARGEST:
        raise FieldError(
            field, f"{short(repr(entry[field]))} is beyond the largest float64, about 1.8e308"
        )
    return exact_value(value)


def _loaded_total(entry: Mapping[str, Any], field: str) -> Total:
    try:
        return Total.from_floats(entry[field], int(entry.get(f"{field}_scale", 0)))
    except ValueError as error:
        raise FieldError(field, str(error)) from error


def _faults(c: Moments, entry: Mapping[str, Any], facts: Facts) -> Iterator[tuple[str, str]]:
    """(field, what is wrong), the first one first: what follows a fault may not make sense."""
    if c.cells != facts.rows:
        yield (
            "count",
            f"count, missing, nan, inf and left_out add up to {short(c.cells)} cells, "
            f"but there are {short(facts.rows)} rows",
        )
    if c.count == 0:
        for field, value in (("min", c.min), ("max", c.max)):
            if value is not None:
                yield field, "must be null in a column with count 0"
        for field, total in (("sum", c.sum), ("sum_of_squares", c.sum_of_squares)):
            if total != ZERO:
                yield field, "must be [] in a column with count 0"
    elif not _surely_possible(c):
        yield from _impossible(c)
    yield from _edited("mean", entry["mean"], c.mean)
    yield from _edited("std", entry["std"], c.std(facts.ddof))


def _impossible(c: Moments) -> Iterator[tuple[str, str]]:
    """What cannot be true of numbers with these sums, and this minimum and maximum, if known.

    The bounds on the variance are those of Szokefalvi Nagy (1918) and of Bhatia and Davis, "A
    better bound on the variance", American Mathematical Monthly 107(4), 2000.
    """
    sums = [total.as_integer_ratio() for total in (c.sum, c.sum_of_squares)]
    ends = [None if end is None else end.as_integer_ratio() for end in (c.min, c.max)]
    unit = math.lcm(*[denominator for _, denominator in (*sums, *filter(None, ends))])
    s, squares = (numerator * (unit // denominator) for numerator, denominator in sums)
    low, high = (end and end[0] * (unit // end[1]) for end in ends)  # all in units of 1 / unit
    n = c.count
    if low is not None and high is not None and low > high:
        yield "min", "the min is greater than the max"
    if (low is not None and s < n * low) or (high is not None and s > n * high):
        yield "sum", "it gives a mean that is not between min and max"
    variance = n * squares * unit - s * s  # times n**2
    least, most = 0, None
    if low is not None and high is not None:
        least, most = n * (high - low) ** 2, 2 * (n * high - s) * (s - n * low)
    if not least <= 2 * variance or (most is not None and 2 * variance > most):
        yield "sum_of_squares", "no numbers with this count, min, max and sum can have it"
    if c.whole and any(each is not None and each % unit for each in (s, low, high)):
        yield "whole", "true, but the min, max or sum is not a whole number"


def _surely_possible(c: Moments) -> bool:
    """Do rounded numbers show that `_impossible` has nothing to say? Most of the time they do."""
    low, high = c.min, c.max
    if not (isinstance(low, float) and isinstance(high, float)) or c.sum.scale:
        return False
    try:
        mean, variance = c.mean or 0.0, c.variance() or 0.0
    except OverflowError:
        return False
    size, below, above = max(abs(low), abs(high)), mean - low, high - mean
    if not (SMALLEST < size < 1 / SMALLEST and min(below, above) > CLOSE * size):
        return False
    if c.whole and not (low.is_integer() and high.is_integer() and c.sum.exponent >= 0):
        return False
    least, most = (high - low) ** 2 / (2 * c.count), below * above
    return least * (1 + CLOSE) < variance < most * (1 - CLOSE)


def _edited(field: str, found: float | None, exact: float | None) -> Iterator[tuple[str, str]]:
    if found != exact:
        yield (
            field,
            f"{short(json.dumps(found))} does not match the exact sums, which give "
            f"{json.dumps(exact)}: was it edited? To change the statistics, fit again",
        )


RECIPE = MomentsRecipe
