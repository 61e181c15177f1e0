"""Integers of many bits, many at once: int64 arrays of digits, and quotients rounded correctly.

A number is a column of an array of shape (d, m), the most significant digit first; each
digit is worth 2**step of the next one and may be negative. What cannot be proven here to
be rounded correctly is marked, for Python's integers to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.numerics.numbers import Floats, Mask

    Ints = NDArray[np.int64]

SLACK = 2.0**-80  # relative; the quotients before the last rounding are good to 2**-98


def join(digits: Ints, step: int) -> list[int]:
    """The m numbers as Python's integers."""
    numbers = digits[0].astype(object)
    for digit in digits[1:]:
        numbers = (numbers << step) + digit
    found: list[int] = numbers.tolist()
    return found


def carry(digits: Ints, step: int, more: int = 0) -> Ints:
    """The same numbers with `more` digits in front, no digit but the first beyond 2**(step - 1)."""
    carried = np.concatenate([np.zeros((more, digits.shape[1]), np.int64), digits])
    for i in range(len(carried) - 1, 0, -1):
        over = (carried[i] + (1 << step - 1)) >> step
        carried[i - 1] += over
        carried[i] -= over << step
    return carried


def scaled_variance(n: Ints, sums: Ints, squares: Ints, step: int) -> Ints:
    """The numbers n * squares - sums**2, carried; of carried numbers of k and 2k - 1 digits."""
    digits = n * squares
    for i in range(len(sums)):
        digits[i : i + len(sums)] -= sums[i] * sums
    return carry(digits, step)


def quotients(digits: Ints, step: int, divisor: Floats, exponent: Ints) -> tuple[Floats, Mask]:
    """The numbers / divisor * 2**exponent, and where they are sure to be rounded correctly.

    digits: carried. divisor: whole, from 1 to 2**26. Nearest, ties to even; zero is 0.0.

    The quotient is found as a float and a small correction; if the sum is the same float
    with a little more and a little less of the correction, it is the right one: Ziv, "Fast
    evaluation of elementary mathematical functions with correctly rounded last bit", ACM
    Trans. Math. Software 17(3), 1991.
    """
    high, low, complete = _as_double_double(digits, step)
    q = high / divisor
    rest = _remainder(high, q, divisor)
    more = rest + low
    correction, slack = more / divisor, np.abs(q) * SLACK
    above, below = q + (correction + slack), q + (correction - slack)
    # In the middle of two floats there is no such proof, but nothing may have been rounded.
    exact = complete & adds_exactly(rest, low, more) & (_remainder(more, correction, divisor) == 0)
    values = np.ldexp(np.where(exact, q + correction, above), exponent)
    normal = (np.abs(values) > 2.0**-1000) | (values == 0)  # not rounded again by underflow
    return values, (exact | (above == below)) & normal


def _as_double_double(digits: Ints, step: int) -> tuple[Floats, Floats, Mask]:
    """The numbers, carried, as sums of two floats, and where these are all of the number.

    The relative error is below 2**-99.
    """
    high = low = np.zeros(digits.shape[1])
    complete = np.ones(digits.shape[1], np.bool_)
    for i in range(2 - len(digits) % 2, len(digits) + 1, 2):  # two digits fit in a float
        two = digits[i - 2] * 2.0**step + digits[i - 1] if i > 1 else digits[0]
        term = two * 2.0 ** (step * (len(digits) - i))
        total = high + term
        cut = term - (total - high)  # Dekker's FastTwoSum: high is 0, or above the term
        high, before, low = total, low, low + cut
        complete &= adds_exactly(before, cut, low)
    return high, low, complete


def adds_exactly(a: Floats, b: Floats, total: Floats) -> Mask:
    """Where total, the rounded sum, is a + b: the difference from the larger one is not rounded."""
    exact: Mask = (total - a == b) & (total - b == a)
    return exact


def _remainder(high: Floats, q: Floats, divisor: Floats) -> Floats:
    """high - q * divisor, without error; q: the rounded quotient, divisor: at most 2**26."""  # noqa: D403 a formula
    shifted = q * (2.0**27 + 1)  # Veltkamp: 26 bits of q at the top, 26 below
    top = shifted - (shifted - q)
    remainder: Floats = (high - top * divisor) - (q - top) * divisor
    return remainder


def beside(digits: Sequence[Ints]) -> Ints:
    """Arrays of digits beside each other; shorter numbers get zeros at the end."""
    if len(digits) == 1:
        return digits[0]
    ends = np.cumsum([some.shape[-1] for some in digits]).tolist()
    joined = np.zeros((max(map(len, digits)), *digits[0].shape[1:-1], ends[-1]), np.int64)
    for some, end in zip(digits, ends, strict=True):
        joined[: len(some), ..., end - some.shape[-1] : end] = some
    return joined


GRID = 23  # bits of a digit of fixed-point numbers
CACHED = 1 << 14  # digits worked on at once
MASK = (1 << GRID) - 1


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """m exact numbers of any size, which add as integers do: digits of one grid for them all.

    digits: shape (d, m), the most significant first; the last is worth 2**(GRID * low).

    A new one has digits below 2**23, so that 2**40 of them add up before one overflows.
    """

    digits: Ints
    low: int = 0

    @classmethod
    def of(cls, digits: Ints, step: int, exponent: Ints, places: Ints, m: int) -> Self:
        """The numbers whose first digits are worth 2**exponent, added up by place, from 0 to m.

        digits: shape (d, n); each is worth 2**step of the next. At most 2**16 at one place.
        exponent, places: shape (n,).
        """
        if step != GRID:  # then each digit is a number of its own
            exponent = (exponent - step * np.arange(len(digits))[:, None]).ravel()
            digits, places = digits.reshape(1, -1), np.tile(places, len(digits))
        d, n = digits.shape
        row = exponent // GRID
        shift = exponent - GRID * row
        high, low = int(row.max()) + 3, int(row.min()) - d + 1  # one row to carry into
        total = np.zeros((high - low + 1, m), np.int64)
        first = (high - 2 - row) * m + places
        count = CACHED // (d + 2)
        for start in range(0, n, count):
            some = slice(start, start + count)
            limbs = _in_limbs(digits[:, some]) << shift[some]
            at = first[some] + m * np.arange(d + 2)[:, None]
            np.add.at(total.reshape(-1), at.ravel(), limbs.ravel())
        return cls.settled(total, low)

    @classmethod
    def settled(cls, digits: Ints, low: int) -> Self:
        """The numbers whose digits may be as large as int64; two in front have to be 0.

        The digits are changed.
        """
        _settle(digits)  # what is in one digit fits in three
        _settle(digits)
        return cls(digits, low)._trimmed()

    def at(self, places: Ints, m: int) -> Self:
        """The numbers at these places of m, of which the others are 0."""
        digits = np.zeros((len(self.digits), m), np.int64)
        digits[:, places] = self.digits
        return type(self)(digits, self.low)

    def total(self) -> Self:
        """The sum of all of them, as one number."""
        digits = np.concatenate([np.zeros((2, 1), np.int64), self.digits.sum(axis=1)[:, None]])
        return self.settled(digits, self.low)

    def _trimmed(self) -> Self:
        """The same numbers without digits that all of them have 0 for, in front and at the end."""
        used = np.flatnonzero(self.digits.any(axis=1))
        if not len(used):
            return type(self)(self.digits[:0])
        first, last = int(used[0]), int(used[-1]) + 1
        return type(self)(self.digits[first:last], self.low + len(self.digits) - last)

    def plus(self, other: Self) -> Self:
        """The sums of the numbers of both."""
        if not (len(self.digits) and len(other.digits)):
            return self if len(self.digits) else other
        if self.low == other.low and len(self.digits) == len(other.digits):
            return type(self)(self.digits + other.digits, self.low)
        low, high = min(self.low, other.low), max(self._high, other._high)
        total = np.zeros((high - low, self.digits.shape[1]), np.int64)
        for each in (self, other):
            total[high - each._high : high - each.low] += each.digits
        return type(self)(total, low)

    @property
    def _high(self) -> int:
        return self.low + len(self.digits)

    def integers(self) -> list[int]:
        """The numbers in units of 2**(GRID * low)."""
        return join(self.digits, GRID) if len(self.digits) else [0] * self.digits.shape[1]


def _in_limbs(digits: Ints) -> Ints:
    """The same numbers with two digits more in front, and all of them below 2**(GRID + 2)."""
    limbs = np.zeros((len(digits) + 2, digits.shape[1]), np.int64)
    limbs[2:] = digits & MASK
    limbs[1:-1] += digits >> GRID & MASK
    limbs[:-2] += digits >> 2 * GRID
    return limbs


def _settle(digits: Ints) -> None:
    """Bring every digit but the first down to `GRID` bits, and a little, and the next one up."""
    over = digits + (1 << GRID - 1)
    over >>= GRID
    over[0] = 0
    digits[:-1] += over[1:]
    over <<= GRID
    digits -= over
