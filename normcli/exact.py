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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.numbers import Floats

    Ints = NDArray[np.int64]

SLAB = 1 << 17  # values added up in 64-bit integers
BLOCK = 1 << 16  # values worked on at once: with their pieces they fit in a cache
ROW = 1 << 13  # values in one dot product
BITS = 20  # of a piece: the dot product of two rows of pieces stays within 2 * 20 + 13 = 53 bits
SPARSE = 1024  # numbers that do not end in three pieces go the slow way if fewer than one in SPARSE
MAX_PIECES = 14  # which is enough for 256-bit decimals
MAX_EXPONENT = 200  # beyond it, products of pieces might overflow or lose bits by underflow
MIN_EXPONENT = -1074  # every float64 is a multiple of 2**-1074
LIMB = 18  # bits: three limbs hold a float64
LIMB_ROW = 1 << 15  # numbers whose limbs are added at once

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


class Moments(NamedTuple):
    """The exact sum, sum * 2**exponent, and sum of squares, squares * 4**exponent."""

    sum: int = 0
    squares: int = 0
    exponent: int = 0

    def plus(self, other: Moments) -> Moments:
        """The moments of both sets of numbers together."""
        if self.squares == 0:
            return other
        exponent = min(self.exponent, other.exponent)
        a, b = self.exponent - exponent, other.exponent - exponent
        return Moments(
            (self.sum << a) + (other.sum << b),
            (self.squares << 2 * a) + (other.squares << 2 * b),
            exponent,
        )


def moments(x: Floats, bound: Floats) -> list[Moments]:
    """The exact moments of every row of x.

    x: float64, finite, shape (p, m, n), n > 0: m rows of n numbers, each the exact sum of p
        parts. Either m is 1 or n at most `ROW`; m * n is at most `SLAB`.
    bound: float64, shape (p, m): no part of a number of the row has a greater absolute value.
    """
    exponent = np.frexp(bound.max(axis=0))[1].astype(np.int64) + (len(x) - 1).bit_length()
    usual = np.abs(exponent) <= MAX_EXPONENT
    if usual.all():
        return _by_pieces(x, exponent)
    result = [Moments()] * len(usual)
    rows, unusual = np.flatnonzero(usual), np.flatnonzero(~usual)
    if len(rows):
        for row, found in zip(rows, _by_pieces(x[:, usual], exponent[usual]), strict=True):
            result[row] = found
    _add_others(result, x[:, unusual].reshape(len(x), -1), np.repeat(unusual, x.shape[2]))
    return result


def _by_pieces(x: Floats, exponent: Ints) -> list[Moments]:
    """`moments` where 2**exponent bounds the numbers of a row, and is in the usual range.

    Every number is cut into pieces: integers of at most `BITS` bits in units that are the
    same all over the row. Sums of pieces and of their products are integers of at most 53
    bits, so the float additions that make them are exact, in whatever order.
    """
    p, m, n = x.shape
    step = BITS + 1 - (p - 1).bit_length()  # rounding to nearest saves a bit, p parts cost some
    units = exponent - BITS - step * np.arange(MAX_PIECES)[:, None]
    sums = np.zeros((MAX_PIECES, m), np.int64)
    squares = np.zeros((2 * MAX_PIECES - 1, m), np.int64)
    room, spare = np.empty((MAX_PIECES, min(m * n, BLOCK))), np.empty((p, min(m * n, BLOCK)))
    others: list[tuple[Floats, Ints]] = []
    used = 1
    for rows, block in _blocks(x):
        pieces, left = _cut(block, units[:, rows], room, spare)
        used = max(used, len(pieces))
        if len(left):
            row = rows.start + left // block[0, 0].size
            others.append((block.reshape(p, -1)[:, left], row))
        _add_up(pieces, units[:, rows], sums[:, rows], squares[:, rows])
    joined = (
        _join(sums[:used], step),
        _join(squares[: 2 * used - 1], step),
        units[used - 1].tolist(),
    )
    result = [Moments._make(row) for row in zip(*joined, strict=True)]
    if others:
        numbers, in_rows = zip(*others, strict=True)
        _add_others(result, np.concatenate(numbers, axis=1), np.concatenate(in_rows))
    return result


def _blocks(x: Floats) -> Iterator[tuple[slice, Floats]]:
    """Blocks of x: at most `BLOCK` numbers, shape (p, m, k, l), l <= `ROW`; with their rows."""
    p, m, n = x.shape
    if n <= ROW:
        height = BLOCK // n
        for start in range(0, m, height):
            rows = slice(start, min(start + height, m))
            yield rows, x[:, rows, None, :]
        return
    whole = n - n % ROW
    for start, stop in pairwise([*range(0, whole, BLOCK), whole]):
        yield slice(0, 1), x[..., start:stop].reshape(p, 1, -1, ROW)
    if whole < n:
        yield slice(0, 1), x[:, :, None, whole:]


def _cut(x: Floats, units: Ints, room: Floats, spare: Floats) -> tuple[Floats, Ints]:
    """The pieces of x, shape (p, m, k, l), and the flat indexes of numbers left out of them.

    units: exponents, shape (pieces, m). room, spare: memory for pieces, and for the rests.
    Returns: pieces of shape (number of pieces, m, k, l).

    sigma has the unit as its last place, so adding it rounds there: algorithm 3.1 of the paper.
    """
    p, *shape = x.shape
    size = x[0].size
    room, spare = room[:, :size].reshape(-1, *shape), spare[:, :size].reshape(x.shape)
    rest = x
    for i, sigma in enumerate(np.ldexp(1.5, units + 52)[..., None, None]):  # 3/2 * 2**52 units
        q = room[i][None] if p == 1 else np.empty_like(x)
        np.add(rest, sigma, out=q)
        q -= sigma
        inexact = (q != rest)[0] if p == 1 else (q != rest).any(axis=0)
        left = np.count_nonzero(inexact)
        enough = left == 0 or (i >= 2 and left * SPARSE < size) or i + 1 == len(room)
        if not enough:
            rest = np.subtract(rest, q, out=spare)
        if p > 1:
            q.sum(axis=0, out=room[i])
        if enough:
            break
    pieces = room[: i + 1]
    indexes = np.flatnonzero(inexact) if left else np.zeros(0, np.intp)
    pieces.reshape(i + 1, size)[:, indexes] = 0.0
    return pieces, indexes


def _add_up(pieces: Floats, units: Ints, sums: Ints, squares: Ints) -> None:
    """Add the sums of pieces to `sums`, those of their products to `squares`, in their units."""
    k = len(pieces)
    sums[:k] += _integers(pieces.sum(axis=-1), units[:k])
    for i in range(k):
        dots = _integers(np.vecdot(pieces[i], pieces[i:]), units[i] + units[i:k])
        squares[2 * i] += dots[0]
        squares[2 * i + 1 : i + k] += 2 * dots[1:]


def _integers(values: Floats, unit: Ints) -> Ints:
    """Values / 2**unit, integers of at most 53 bits, added up along the last axis."""
    integers: Ints = np.ldexp(values, -unit[..., None]).astype(np.int64).sum(axis=-1)
    return integers


def _join(digits: Ints, step: int) -> list[int]:
    """The m numbers whose digits, shape (d, m), are each worth 2**step times the next."""
    joined = []
    for row in digits.T.tolist():
        number = 0
        for digit in row:
            number = (number << step) + digit
        joined.append(number)
    return joined


def _add_others(result: list[Moments], x: Floats, row: Ints) -> None:
    """Add numbers that `_by_pieces` has no use for to the moments of their rows.

    x: shape (p, l), any finite numbers. row: shape (l,), where each belongs in `result`.
    """
    add = _by_limbs if len(x) == 1 else _by_integers
    for start in range(0, len(row), LIMB_ROW):
        some = slice(start, start + LIMB_ROW)
        for i, found in add(x[:, some], row[some]):
            result[i] = result[i].plus(found)


def _by_limbs(x: Floats, row: Ints) -> Iterator[tuple[int, Moments]]:
    """(row, moments) for every row and every exponent that its numbers have.

    The mantissa of a number is three limbs of 18 bits, its square five sums of products of
    limbs, below 2**38 each: `LIMB_ROW` of them add without error. Slower, but no exponent
    matters.
    """
    mantissa, exponent = np.frexp(x[0])
    limbs = []
    for _ in range(3):
        mantissa = mantissa * 2.0**LIMB
        limbs.append(np.trunc(mantissa))
        mantissa -= limbs[-1]
    a, b, c = limbs
    keys, group = np.unique(row << 12 | exponent + 2048, return_inverse=True)
    digits = (a, b, c, a * a, 2 * a * b, 2 * a * c + b * b, 2 * b * c, c * c)
    totals = np.array([np.bincount(group, weights=d) for d in digits]).astype(np.int64)
    sums, squares = _join(totals[:3], LIMB), _join(totals[3:], LIMB)
    for key, s, q in zip(keys.tolist(), sums, squares, strict=True):
        yield key >> 12, Moments(s, q, (key & 4095) - 2048 - 3 * LIMB)


def _by_integers(x: Floats, row: Ints) -> Iterator[tuple[int, Moments]]:
    """(row, moments) for every number: of several parts, of very different exponents."""
    for i, number in zip(row.tolist(), integers(x), strict=True):
        yield i, Moments(number, number * number, MIN_EXPONENT)


def integers(x: Floats) -> list[int]:
    """Every number, the sum of its parts, in units of 2**MIN_EXPONENT; x: shape (p, l), finite."""
    return [sum(_in_smallest_units(part) for part in parts) for parts in x.T.tolist()]


def _in_smallest_units(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return (numerator << -MIN_EXPONENT) // denominator
