"""Exact sums and sums of squares of float64 arrays, and their correct rounding.

`moments` adds without any rounding error, so its results depend neither on order nor on
chunking. The error-free transformation is the extraction of Rump, Ogita and Oishi,
"Accurate floating-point summation part I", SIAM J. Sci. Comput. 31(1), 2008, algorithm
3.1; docs/numerics.md has the proof. It needs what IEEE 754 hardware does by default:
rounding to nearest, and subnormal numbers that are not flushed to zero.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from normcli.numerics.digits import GRID, FixedPoint, beside, carry, quotients, scaled_variance

if TYPE_CHECKING:
    from normcli.numerics.digits import Ints
    from normcli.numerics.numbers import Floats, Mask


BLOCK = 3 << 15  # parts of numbers worked on at once: with their pieces they fit in a cache
ROW = 1 << 13  # numbers in a row, at most, whose mean and variance are rounded beside others
DOT = 1 << 9  # numbers in one dot product
ONES = np.ones(DOT)
BITS = 22  # of a piece, at most: 2 * 22 + 9 bits of a dot product are 53
SPARSE = 256  # numbers that do not end in the pieces are left out if fewer than one in SPARSE
SAMPLE = 128  # numbers that show most of the time that a piece is not the last
MAX_PIECES = 14  # which is enough for 256-bit decimals
MAX_EXPONENT = 200  # beyond it, products of pieces might overflow or lose bits by underflow
MIN_EXPONENT = -1074  # every float64 is a multiple of 2**-1074
LEFT = 1 << 14  # numbers left out that are added up at once: at most 3 * LEFT products


@dataclass(frozen=True, slots=True, eq=False)
class RowMoments:
    """The exact sums and sums of squares of m rows, as digits (see `normcli.digits`).

    digits: shape (2k - 1, 2, m): of the sums (k, then zeros) and of the sums of squares.
    exponent: shape (m,), of the first digit of the sum; that of the squares is twice that.
    left: shape (p, l): numbers that are not in the digits, and have to be added.
    rows: shape (l,): the rows that they are of, ascending.
    """

    digits: Ints
    exponent: Ints
    step: int
    left: Floats
    rows: Ints

    @classmethod
    def joined(cls, found: Sequence[RowMoments]) -> RowMoments:
        """The rows of some, of the same number of parts, one after the other."""
        if len(found) == 1:
            return found[0]
        first = np.cumsum([0, *(len(f.exponent) for f in found)])
        return cls(
            beside([f.digits for f in found]),
            np.concatenate([f.exponent for f in found]),
            found[0].step,
            np.concatenate([f.left for f in found], axis=1),
            np.concatenate([f.rows + start for f, start in zip(found, first, strict=False)]),
        )

    def of_rows(self, rows: Ints) -> RowMoments:
        """Some of the rows; `rows` are ascending."""
        place = np.searchsorted(rows, self.rows)
        among = np.flatnonzero(np.isin(self.rows, rows))
        return RowMoments(
            self.digits[..., rows],
            self.exponent[rows],
            self.step,
            self.left[:, among],
            place[among],
        )

    def mean_and_variance(self, count: Ints) -> tuple[Floats, Floats, Mask]:
        """Mean and variance of the rows, and where both are sure to be rounded correctly.

        count: numbers in the rows, at most `ROW`. Rows without are sure, and NaN.
        """
        n, k = np.maximum(count, 1), (len(self.digits) + 1) // 2
        sums, squares = (self.digits[:k, 0], self.digits[:, 1])
        sums, squares = carry(sums, self.step, 1), carry(squares, self.step, 2)
        deviations = scaled_variance(n, sums, squares, self.step)
        exponent = self.exponent - self.step * (k - 1)
        mean, mean_sure = quotients(sums, self.step, n * 1.0, exponent)
        var, var_sure = quotients(deviations, self.step, n * n * 1.0, 2 * exponent)
        sure = mean_sure & var_sure
        sure[self.rows] = False
        mean[count == 0] = var[count == 0] = math.nan
        return mean, var, sure


def sums_and_squares(found: RowMoments, places: Ints, m: int) -> FixedPoint:
    """The sums of m columns, then their sums of squares; the rows are added to these places."""
    total = FixedPoint.of(
        found.digits.reshape(len(found.digits), -1),
        found.step,
        np.concatenate([found.exponent, 2 * found.exponent]),
        np.concatenate([places, places + m]),
        2 * m,
    )
    count = LEFT // len(found.left) ** 2
    for start in range(0, len(found.rows), count):
        some = slice(start, start + count)
        total = total.plus(_of_single_numbers(found.left[:, some], places[found.rows[some]], m))
    return total


def _of_single_numbers(x: Floats, places: Ints, m: int) -> FixedPoint:
    """`sums_and_squares` of numbers, any finite ones, each of several parts: shape (p, l).

    The square is the sum of the products of all halves of the parts, integers of 27 bits.
    """
    mantissa, exponent = np.frexp(x)
    whole = (mantissa * 2.0**53).astype(np.int64)
    last = exponent.astype(np.int64) - 53
    halves = np.concatenate([whole >> 27, whole & (1 << 27) - 1])
    lasts = np.concatenate([last + 27, last])
    first, second, times = _pairs(len(halves))
    products = halves[first] * halves[second] * times[:, 0].astype(np.int64)
    exponents = np.concatenate([last, lasts[first] + lasts[second]])
    at = np.concatenate([np.tile(places, (len(x), 1)), np.tile(places + m, (len(first), 1))])
    digits = np.concatenate([whole, products]).reshape(1, -1)
    return FixedPoint.of(digits, GRID, exponents.ravel(), at.ravel(), 2 * m)


def moments(x: Floats, bound: Floats, sparse: int = SPARSE) -> RowMoments:
    """The exact moments of every row of x.

    x: float64, finite, shape (p, m, n), n > 0, of at most `BLOCK` items: m rows of n
        numbers, each the exact sum of p parts.
    bound: float64, shape (p, m): no part of a number of the row has a greater absolute value.
    sparse: numbers that take more pieces than the others are left out if one in so many does.

    Every number is cut into pieces: integers of at most 22 bits in units that are the same
    all over the row. Sums of pieces and of their products are integers of at most 53 bits,
    so the float additions that make them are exact, in whatever order.
    """
    p, m, n = x.shape
    more = (p - 1).bit_length()
    exponent = np.frexp(bound.max(axis=0))[1].astype(np.int64) + more
    numbers, unusual = x, np.abs(exponent) > MAX_EXPONENT
    if unusual.any():
        x = np.where(unusual[:, None], 0.0, x)
        exponent[unusual] = 0
    top = exponent.max()
    exponent[exponent == top - 1] = top  # rows with the same units are faster
    unit = exponent - BITS
    units = unit[:1] if (exponent == top).all() else unit
    step = BITS + 1 - more  # rounding to nearest saves a bit, p parts cost some
    pieces, left = _cut(x, units, step, m * n // sparse)
    if unusual.any():
        others = np.repeat(unusual, n)
        others[left] = True
        left = np.flatnonzero(others)
    return RowMoments(
        _digits(pieces, units, step), unit, step, numbers[:, left // n, left % n], left // n
    )


_memory = threading.local()


def room(name: str, *shape: int) -> Floats:
    """An array in memory of this thread, used again under this name: fresh pages cost time."""
    size = math.prod(shape)
    memory = getattr(_memory, name, None)
    if memory is None or memory.size < size:
        memory = np.empty(size)
        setattr(_memory, name, memory)
    array: Floats = memory[:size].reshape(shape)
    return array


def _cut(x: Floats, unit: Ints, step: int, few: int) -> tuple[Floats, Ints]:
    """The pieces of x, shape (p, m, n), and the flat indexes of numbers left out of them.

    unit: exponents of the unit of the first pieces, shape (m,) or, where all are the same, (1,);
        those of the next are smaller by `step`.
    few: so many numbers are left out rather than cut further.
    Returns: pieces of shape (number of pieces, m, d, n / d): rows filled up with zeros.

    sigma has the unit as its last place, so adding it rounds there: algorithm 3.1 of the paper.
    """
    p, m, n = x.shape
    d = -(-n // DOT)
    dot = -(-n // d)
    padded = room("pieces", MAX_PIECES, m, d * dot)
    pieces = padded[..., :n]
    sigma = np.ldexp(1.5, unit + 52)[:, None]  # 3/2 * 2**52 units
    rest, spare = x, room("rest", p, m, n)
    for i in range(MAX_PIECES):
        q = pieces[i : i + 1] if p == 1 else room("parts", p, m, n)
        np.add(rest, sigma, out=q)
        q -= sigma
        if p > 1:
            q.sum(axis=0, out=pieces[i])
        last = i + 1 == MAX_PIECES
        if last or not _far_from_done(q, rest):
            inexact = (q != rest).any(axis=0) if p > 1 else q[0] != rest[0]
            left = np.count_nonzero(inexact)
            if last or left <= few:
                break
        rest = np.subtract(rest, q, out=spare)
        sigma = sigma * 2.0**-step
    padded[: i + 1, :, n:] = 0.0
    if not left:
        return padded[: i + 1].reshape(i + 1, m, d, dot), np.zeros(0, np.intp)
    indexes = np.flatnonzero(inexact)
    pieces[: i + 1, indexes // n, indexes % n] = 0.0
    return padded[: i + 1].reshape(i + 1, m, d, dot), indexes


def _far_from_done(q: Floats, rest: Floats) -> bool:
    """Whether a look at a few numbers shows that many do not end in this piece."""
    some = (slice(None), slice(None, None, 1 + q.shape[1] // 4), slice(SAMPLE))
    different = q[some] != rest[some]
    return bool(8 * np.count_nonzero(different) > different.size)


def _digits(pieces: Floats, unit: Ints, step: int) -> Ints:
    """Digits of the sums of the numbers and of their squares, shape (2k - 1, 2, m).

    pieces: shape (k, m, d, n). unit, step: as of `_cut`.
    """
    k, m, d, n = pieces.shape
    first, second, times = _pairs(k)
    dots = np.empty((k + len(times), m, d))
    np.vecdot(pieces, ONES[:n], out=dots[:k])
    start = k
    for i in range(k):
        np.vecdot(pieces[i], pieces[i:], out=dots[start : start + k - i])
        start += k - i
    per_unit = np.ldexp(1.0, step * np.arange(k)[:, None] - unit)[..., None]
    dots[:k] *= per_unit
    dots[k:] *= per_unit[first]
    dots[k:] *= per_unit[second] * times
    whole = dots.astype(np.int64).sum(axis=-1)
    digits = np.zeros((2 * k - 1, 2, m), np.int64)
    digits[:k, 0] = whole[:k]
    start = k
    for i in range(k):
        digits[2 * i : i + k, 1] += whole[start : start + k - i]
        start += k - i
    return digits


@cache
def _pairs(k: int) -> tuple[Ints, Ints, Floats]:
    """The pairs i <= j of k pieces, and how often their product is in the square of the sum."""
    first, second = np.triu_indices(k)
    return first, second, np.where(first == second, 1.0, 2.0)[:, None, None]


def integers(x: Floats) -> list[int]:
    """Every number, the sum of its parts, in units of 2**MIN_EXPONENT; x: shape (p, l), finite."""
    return [sum(_in_smallest_units(part) for part in parts) for parts in x.T.tolist()]


def _in_smallest_units(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return numerator << 1 - MIN_EXPONENT - denominator.bit_length()
