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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from normcli.digits import carry, join, quotients, scaled_variance

if TYPE_CHECKING:
    from normcli.digits import Ints
    from normcli.numbers import Floats, Mask

BLOCK = 1 << 16  # values worked on at once: with their pieces they fit in a cache
SLAB = 1 << 17  # values added up in 64-bit integers
ROW = 1 << 13  # values in a row beside others
DOT = 1 << 9  # values in one dot product of a single row
BITS = 22  # of a piece, at most: 2 * 22 + 9 bits of a dot product are 53, as for longer rows
SPARSE = 256  # numbers that do not end in the pieces go the slow way if fewer than one in SPARSE
SPARSE_ROWS = 4096  # the same beside other rows, where every such number is work for its row
SAMPLE = 128  # numbers that show most of the time that a piece is not the last
MAX_PIECES = 14  # which is enough for 256-bit decimals
MAX_EXPONENT = 200  # beyond it, products of pieces might overflow or lose bits by underflow
MIN_EXPONENT = -1074  # every float64 is a multiple of 2**-1074
LIMB = 18  # bits: three limbs hold a float64
LIMB_ROW = 1 << 15  # numbers whose limbs are added at once
FEW = 64  # numbers that are not worth cutting into limbs

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


@dataclass(frozen=True, slots=True, eq=False)
class RowMoments:
    """The exact moments of m rows, as digits (see `normcli.digits`) and numbers left out.

    sums, squares: digits of the sums and of the sums of squares, shapes (k, m), (2k - 1, m).
    exponent: shape (m,), of the last digit of the sum; that of the squares is twice that.
    others: numbers that are not in the digits, shapes (p, l), and their rows, shapes (l,).
    """

    sums: Ints
    squares: Ints
    exponent: Ints
    step: int
    others: list[tuple[Floats, Ints]]

    def in_rows(self, rows: Ints) -> list[Moments]:
        """The moments of some rows."""
        sums, squares = (join(d[:, rows], self.step) for d in (self.sums, self.squares))
        found = list(map(Moments, sums, squares, self.exponent[rows].tolist()))
        if self.others:
            place = {r: i for i, r in enumerate(rows.tolist())}
            for r, more in chain.from_iterable(_moments_of_few(x, row) for x, row in self.others):
                if r in place:
                    found[place[r]] = found[place[r]].plus(more)
        return found

    def mean_and_variance(self, count: Ints) -> tuple[Floats, Floats, Mask]:
        """Mean and variance of the rows, and where both are sure to be rounded correctly.

        count: numbers in the rows, at most `ROW`. Rows without are sure, and NaN.
        """
        n = np.maximum(count, 1)
        sums, squares = carry(self.sums, self.step, 1), carry(self.squares, self.step, 2)
        deviations = scaled_variance(n, sums, squares, self.step)
        mean, mean_sure = quotients(sums, self.step, n * 1.0, self.exponent)
        var, var_sure = quotients(deviations, self.step, n * n * 1.0, 2 * self.exponent)
        sure = mean_sure & var_sure
        for _, row in self.others:
            sure[row] = False
        mean[count == 0] = var[count == 0] = math.nan
        return mean, var, sure


def moments(x: Floats, bound: Floats) -> RowMoments:
    """The exact moments of every row of x.

    x: float64, finite, shape (p, m, n), n > 0: m rows of n numbers, each the exact sum of p
        parts. Either m is 1, or n at most `ROW`; m * n is at most `SLAB`.
    bound: float64, shape (p, m): no part of a number of the row has a greater absolute value.

    Every number is cut into pieces: integers of at most 22 bits in units that are the same
    all over the row. Sums of pieces and of their products are integers of at most 53 bits,
    so the float additions that make them are exact, in whatever order.
    """
    p, m, n = x.shape
    exponent = np.frexp(bound.max(axis=0))[1].astype(np.int64) + (p - 1).bit_length()
    others = []
    unusual = np.flatnonzero(np.abs(exponent) > MAX_EXPONENT)
    if len(unusual):
        others.append((x[:, unusual].reshape(p, -1), np.repeat(unusual, n)))
        x = x.copy()
        x[:, unusual], exponent[unusual] = 0.0, 0
    top = exponent.max()
    exponent[exponent == top - 1] = top  # rows with the same units are faster
    dot = min(n, DOT) if m == 1 else n
    bits = min(BITS, (53 - (dot - 1).bit_length()) // 2)
    step = bits + 1 - (p - 1).bit_length()  # rounding to nearest saves a bit, p parts cost some
    units = exponent - bits - step * np.arange(MAX_PIECES)[:, None]
    digits = []
    for rows, block in _blocks(x):
        pieces, left = _cut(block, units[:, rows], dot, SPARSE if m == 1 else SPARSE_ROWS)
        digits.append(_sums(pieces, units[: len(pieces), rows]))
        if len(left):
            others.append((block.reshape(p, -1)[:, left], rows.start + left // block.shape[2]))
    sums, squares = (_side_by_side(d) for d in zip(*digits, strict=True))
    last = units[len(sums) - 1]
    if m == 1:
        sums, squares = sums.sum(axis=1, keepdims=True), squares.sum(axis=1, keepdims=True)
    return RowMoments(sums, squares, last, step, others)


def _blocks(x: Floats) -> Iterator[tuple[slice, Floats]]:
    """Blocks of up to `BLOCK` numbers of x, shape (p, m, n): whole rows, or some of one row."""
    _, m, n = x.shape
    if m == 1:
        count = -(-n // BLOCK)
        for i in range(count):
            yield slice(0, 1), x[..., n * i // count : n * (i + 1) // count]
    else:
        height = BLOCK // n
        for start in range(0, m, height):
            rows = slice(start, start + height)
            yield rows, x[:, rows]


def _side_by_side(digits: Sequence[Ints]) -> Ints:
    """Arrays of digits beside each other, the shorter ones filled up with zeros at the end."""
    if len(digits) == 1:
        return digits[0]
    ends = np.cumsum([0, *(d.shape[1] for d in digits)])
    joined = np.zeros((max(map(len, digits)), ends[-1]), np.int64)
    for part, start, end in zip(digits, ends, ends[1:], strict=False):
        joined[: len(part), start:end] = part
    return joined


_memory = threading.local()


def _room(size: int) -> Floats:
    """Memory of this thread for pieces and rests: fresh pages would cost as much as the work."""
    if getattr(_memory, "size", 0) < size:
        _memory.size = max(size, BLOCK + DOT)
        _memory.room = np.empty((MAX_PIECES + 1) * _memory.size)
    room: Floats = _memory.room[: (MAX_PIECES + 1) * size].reshape(-1, size)
    return room


def _cut(x: Floats, units: Ints, dot: int, sparse: int) -> tuple[Floats, Ints]:
    """The pieces of x, shape (p, m, n), and the flat indexes of numbers left out of them.

    units: exponents, shape (`MAX_PIECES`, m).
    Returns: pieces of shape (number of pieces, m, n / dot, dot): rows filled up with zeros.

    sigma has the unit as its last place, so adding it rounds there: algorithm 3.1 of the paper.
    """
    p, m, n = x.shape
    size = m * n
    room = _room(-(-size // dot) * dot)
    flat = room[:, :size].reshape(-1, m, n)
    spare = flat[-1:] if p == 1 else np.empty_like(x)
    rest = x
    if m > 1 and (units[0] == units[0, 0]).all():
        units = units[:, :1]
    for i, sigma in enumerate(np.ldexp(1.5, units + 52)[..., None]):  # 3/2 * 2**52 units
        q = np.add(rest, sigma, out=flat[i : i + 1] if p == 1 else np.empty_like(x))
        q -= sigma
        if p > 1:
            q.sum(axis=0, out=flat[i])
        last = i + 1 == MAX_PIECES
        if last or not _far_from_done(q, rest):
            inexact = (q != rest).any(axis=0) if p > 1 else q[0] != rest[0]
            left = np.count_nonzero(inexact)
            if last or left * sparse < size:
                break
        rest = np.subtract(rest, q, out=spare)
    pieces = room[: i + 1]
    pieces[:, size:] = 0.0
    indexes = np.flatnonzero(inexact) if left else np.zeros(0, np.intp)
    pieces[:, indexes] = 0.0
    return pieces.reshape(i + 1, m, -1, dot), indexes


def _far_from_done(q: Floats, rest: Floats) -> bool:
    """Whether a look at a few numbers shows that many do not end in this piece."""
    some = q[:, :1, :SAMPLE] != rest[:, :1, :SAMPLE]
    return bool(8 * np.count_nonzero(some) > some.size)


def _sums(pieces: Floats, units: Ints) -> tuple[Ints, Ints]:
    """Digits of the sums of the numbers and of their squares, shapes (k, m) and (2k - 1, m).

    pieces: shape (k, m, d, n), in units 2**units, shape (k, m).
    """
    k = len(pieces)
    dots = [np.vecdot(pieces, np.ones(pieces.shape[-1]))]
    dots += [np.vecdot(pieces[i], pieces[i:]) for i in range(k)]
    unit = [units, *(units[i] + units[i:] for i in range(k))]
    whole = np.ldexp(np.concatenate(dots), -np.concatenate(unit)[..., None])
    digits = whole.astype(np.int64).sum(axis=-1)
    sums, digits = digits[:k], digits[k:]
    squares = np.zeros((2 * k - 1, digits.shape[1]), np.int64)
    for i in range(k):
        squares[2 * i : i + k] += digits[: k - i]
        squares[2 * i + 1 : i + k] += digits[1 : k - i]  # every product of two pieces comes twice
        digits = digits[k - i :]
    return sums, squares


def _moments_of_few(x: Floats, row: Ints) -> Iterator[tuple[int, Moments]]:
    """Moments and rows of numbers, any finite ones, that do not fit in pieces; rows may recur.

    x: shape (p, l). row: shape (l,), where each belongs.
    """
    by = _by_limbs if len(x) == 1 and len(row) > FEW else _by_integers
    for start in range(0, len(row), LIMB_ROW):
        some = slice(start, start + LIMB_ROW)
        yield from by(x[:, some], row[some])


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
    sums, squares = join(totals[:3], LIMB), join(totals[3:], LIMB)
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
    return numerator << 1 - MIN_EXPONENT - denominator.bit_length()
