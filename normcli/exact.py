"""Exact sums and sums of squares of float64 arrays, and their correct rounding.

`moments` adds without any rounding error, so its results depend neither on order nor on
chunking. The error-free transformation is the extraction of Rump, Ogita and Oishi,
"Accurate floating-point summation part I", SIAM J. Sci. Comput. 31(1), 2008, algorithm
3.1; docs/numerics.md has the proof. It needs what IEEE 754 hardware does by default:
rounding to nearest, and subnormal numbers that are not flushed to zero.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from normcli.digits import GRID, FixedPoint, beside, carry, quotients, scaled_variance

if TYPE_CHECKING:
    from normcli.digits import Ints
    from normcli.numbers import Floats, Mask

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

MAX_FLOATS = 120  # of an expansion; the sum of squares over all of float64's range has 80
MAX_SCALE = 400  # decimal places; a 256-bit decimal has 76, its square twice as many
HEX_FLOAT = re.compile(r"(-?)0x1(?:\.([0-9a-f]{0,12}[1-9a-f]))?p([+-][1-9][0-9]{0,3})")


# ---------------------------------------------------------------------- exact numbers


@dataclass(frozen=True, slots=True)
class Total:
    """An exact number: numerator * 2**exponent / 10**scale.

    Canonical, so that ``==`` and ``hash`` are by value: the numerator is odd, the scale is
    the smallest that is not negative, zero is ``Total()``. Use `Total.of` to make one.

    >>> Total.of(12, -1) + Total.of(1, scale=1)
    Total(numerator=61, exponent=0, scale=1)
    """

    numerator: int = 0
    exponent: int = 0
    scale: int = 0

    @classmethod
    def of(cls, numerator: int, exponent: int = 0, scale: int = 0) -> Self:
        """The canonical form of numerator * 2**exponent / 10**scale."""
        if numerator == 0:
            return cls()
        if scale < 0:
            numerator, scale = numerator * 10**-scale, 0
        while scale and numerator % 5 == 0:
            numerator, exponent, scale = numerator // 5, exponent - 1, scale - 1
        zeros = (numerator & -numerator).bit_length() - 1
        return cls(numerator >> zeros, exponent + zeros, scale)

    def __add__(self, other: Total) -> Total:
        scale = max(self.scale, other.scale)
        exponent = min(self.exponent, other.exponent)
        numerator = sum(
            t.numerator * 10 ** (scale - t.scale) << (t.exponent - exponent) for t in (self, other)
        )
        return Total.of(numerator, exponent, scale)

    def as_fraction(self) -> Fraction:
        """The same number."""
        up, down = _two_to(self.exponent)
        return Fraction(self.numerator * up, down * 10**self.scale)

    def to_floats(self) -> list[float | str]:
        """The number times 10**scale as floats: the nearest one, then that of the rest, and so on.

        Their exact sum is the number, and equal numbers give equal lists. A term beyond the
        range of float64 is text: C99 hexadecimal with an exponent of any size.

        >>> Total.of(2**60 + 1).to_floats()
        [1.152921504606847e+18, 1.0]
        >>> Total.of(3, 1329).to_floats()
        ['0x1.8p+1330']
        """
        floats = []
        rest = self.numerator
        while rest:
            term = _round_to_53_bits(rest)
            rest -= term
            floats.append(_float_or_hex(term, self.exponent))
        return floats

    @classmethod
    def from_floats(cls, floats: Sequence[Any], scale: int = 0) -> Self:
        """The number that `to_floats` wrote as `floats`.

        Raises: ValueError for anything that `to_floats` would not have written.
        """
        if len(floats) > MAX_FLOATS or not 0 <= scale <= MAX_SCALE:
            raise ValueError("more terms or decimal places than an exact total can have")
        terms = [_parse_term(term) for term in floats]
        exponent = min((e for _, e in terms), default=0)
        total = cls.of(sum(n << (e - exponent) for n, e in terms), exponent, scale)
        if total.scale != scale or total.to_floats() != list(floats):
            raise ValueError("not the canonical form of an exact total")
        return total


def _two_to(exponent: int) -> tuple[int, int]:
    """2**exponent as numerator and denominator."""
    return (1 << exponent, 1) if exponent >= 0 else (1, 1 << -exponent)


def _round_to_53_bits(n: int) -> int:
    """`n` rounded to 53 significant bits, to nearest, ties to even."""
    excess = max(0, n.bit_length() - 53)
    half, odd = (1 << excess) >> 1, n >> excess & 1
    return (n + half - (not odd and excess > 0)) >> excess << excess


def _float_or_hex(n: int, exponent: int) -> float | str:
    """The number n * 2**exponent, of at most 53 bits, as a float if it is one, else as text."""
    zeros = (n & -n).bit_length() - 1
    n, exponent = n >> zeros, exponent + zeros
    top = exponent + n.bit_length() - 1
    if exponent >= -1074 and top < 1024:
        return math.ldexp(n, exponent)
    mantissa, _ = math.ldexp(n, 1 - n.bit_length()).hex().split("p")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}p{top:+d}"


def _parse_term(term: object) -> tuple[int, int]:
    """Numerator and exponent of one term of an expansion."""
    if isinstance(term, int) and not isinstance(term, bool) and term.bit_length() <= 1024:
        return term, 0  # JSON tools write 3.0 as 3
    if isinstance(term, float) and math.isfinite(term):
        numerator, denominator = term.as_integer_ratio()
        return numerator, 1 - denominator.bit_length()
    match = HEX_FLOAT.fullmatch(term) if isinstance(term, str) else None
    if not match:
        raise ValueError("a term of an exact total is neither a finite float nor a hexadecimal one")
    sign, digits, exponent = match[1], match[2] or "", int(match[3])
    return int(f"{sign}1{digits}", 16), exponent - 4 * len(digits)


def divide(numerator: int, denominator: int, exponent: int = 0) -> float:
    """The quotient times 2**exponent, correctly rounded (nearest, ties to even); never -0.0.

    Raises: OverflowError where the rounded value is beyond the largest float64.
    """
    if exponent < 0:
        denominator <<= -exponent
    else:
        numerator <<= exponent
    return numerator / denominator + 0.0  # CPython rounds quotients of integers correctly


def divide_sqrt(numerator: int, denominator: int, exponent: int = 0) -> float:
    """sqrt(numerator / denominator * 2**exponent), correctly rounded.

    The root is cut to 55 bits or more and its last bit set if anything was cut off ("round
    to odd"), so that rounding it again is rounding once: Boldo and Melquiond, "Emulation of
    a FMA and correctly rounded sums", IEEE Trans. Computers 57(4), 2008.

    Raises: OverflowError where the rounded value is beyond the largest float64.
    """
    shift = 110 - numerator.bit_length() + denominator.bit_length()
    shift += (shift + exponent) % 2  # the exponent under the root must be even
    up, down = _two_to(shift)
    quotient, cut = divmod(numerator * up, denominator * down)
    root = math.isqrt(quotient)
    return divide(root | (cut != 0 or root * root != quotient), 1, (exponent - shift) // 2)


# ---------------------------------------------------------------------- exact moments


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
