"""Exact numbers, and their correct rounding."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Self

LARGEST = sys.float_info.max
MAX_FLOATS = 120  # of an expansion; the sum of squares over all of float64's range has 80
MAX_SCALE = 400  # decimal places; a 256-bit decimal has 76, its square twice as many
HEX_FLOAT = re.compile(r"(-?)0x1(?:\.([0-9a-f]{0,12}[1-9a-f]))?p([+-][1-9][0-9]{0,3})")


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

    def __sub__(self, other: Total) -> Total:
        return self + Total(-other.numerator, other.exponent, other.scale)

    def as_fraction(self) -> Fraction:
        """The same number."""
        return Fraction(*self.as_integer_ratio())

    def as_integer_ratio(self) -> tuple[int, int]:
        """Numerator and denominator, which may have a common factor."""
        up, down = _two_to(self.exponent)
        return self.numerator * up, down * 10**self.scale

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
        total = cls.of(sum([n << (e - exponent) for n, e in terms]), exponent, scale)
        if total.scale != scale or not (
            _surely_canonical(floats) or total.to_floats() == list(floats)
        ):
            raise ValueError("not the canonical form of an exact total")
        return total


def _two_to(exponent: int) -> tuple[int, int]:
    """2**exponent as numerator and denominator."""
    return (1 << exponent, 1) if exponent >= 0 else (1, 1 << -exponent)


def _surely_canonical(terms: Sequence[Any]) -> bool:
    """Is each term the nearest float to the sum of it and all that follow? `fsum` rounds once."""
    try:
        return all(term and math.fsum(terms[i:]) == term for i, term in enumerate(terms))
    except (OverflowError, TypeError):  # beyond float64, or text
        return False


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


Exact = float | int | Decimal


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


def exact_json(value: Exact | None) -> float | int | str | None:
    """`value` as JSON has it: a decimal that is not a float64 is text with all its digits."""
    return format(value, "f") if isinstance(value, Decimal) else value
