"""Exact differences and affine maps of columns: double-double arithmetic on arrays.

A double-double is an unevaluated sum ``hi + lo`` of two float64 with |lo| <= ulp(hi)/2:
about 106 bits. Letters and names are those of the papers: Dekker, A floating-point
technique for extending the available precision, Numer. Math. 18, 1971 (TwoProduct);
Knuth, TAOCP 2, 4.2.2 (TwoSum); Ogita, Rump and Oishi, Accurate sum and dot product,
SIAM J. Sci. Comput. 26(6), 2005 (SumK). docs/numerics.md has the bounds.

Nothing here warns or raises: what leaves the range of float64 becomes infinite or NaN,
and the caller computes those few cells again as fractions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from normcli.numerics.numbers import Numbers

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats, Mask
    from normcli.numerics.total import Exact

BLOCK = 1 << 13  # values at a time: the temporaries of a kernel stay in the cache
TERMS = 4  # floats that stand for an exact constant: 212 bits
WIDE_TERMS = 8  # or, of one to whose 212 bits whole units or large parts of one are missing: 424
UNIT_BITS = 106  # behind the point, which a difference of decimals of 256 bits has to have
SPLITTER = 2.0**27 + 1

Real: TypeAlias = Any  # float64 arrays and floats, mixed as they broadcast


class Pair(NamedTuple):
    """A double-double: the nearest float64 and what is missing to it."""

    hi: Real
    lo: Real


def two_sum(a: Real, b: Real) -> Pair:
    """``a + b`` exactly: the rounded sum and its error (Knuth)."""
    s = a + b
    t = s - a
    return Pair(s, (a - (s - t)) + (b - t))


def two_product(a: Real, b: Real) -> Pair:
    """``a * b`` exactly, barring overflow and underflow: the rounded product and its error."""
    p = a * b
    a_hi, a_lo = _split(a)
    b_hi, b_lo = _split(b)
    return Pair(p, ((a_hi * b_hi - p) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo)


def _split(a: Real) -> Pair:
    t = a * SPLITTER
    hi = t - (t - a)
    return Pair(hi, a - hi)


def sum_terms(terms: Sequence[Real]) -> Pair:
    """The sum of k terms, as if summed with k-fold precision and rounded at the end (SumK)."""
    swept = list(terms)
    for _ in range(len(swept) - 1):
        for i in range(1, len(swept)):
            swept[i], swept[i - 1] = two_sum(swept[i], swept[i - 1])
    if len(swept) == 2:
        return Pair(swept[1], swept[0])
    rest = swept[0]
    for term in swept[1:-1]:
        rest = rest + term
    return two_sum(swept[-1], rest)


def product(a: Pair, b: Pair) -> Pair:
    """``a * b`` to about 102 bits."""
    p = two_product(a.hi, b.hi)
    return two_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi))


def nearest(value: Fraction) -> float:
    """The float64 nearest to `value`, ties to even; an infinity beyond the largest."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def expansion(value: Fraction, terms: int = TERMS) -> tuple[float, ...]:
    """At most `terms` floats, largest first, whose sum is `value` as nearly as they can tell.

    >>> expansion(Fraction(2**60 + 1))
    (1.152921504606847e+18, 1.0)
    """
    first = nearest(value)
    rest = value - Fraction(first) if math.isfinite(first) else Fraction()
    return (first, *expansion(rest, terms - 1)) if rest and terms > 1 else (first,)


def root(value: Fraction) -> Fraction:
    """The square root of a positive number, to 127 bits or more."""
    n, d = value.numerator, value.denominator
    shift = max(0, 256 - (n * d).bit_length()) // 2
    return Fraction(math.isqrt(n * d << 2 * shift), d << shift)


def pair(value: Fraction) -> Pair:
    """`value` as a double-double."""
    hi, lo = (*expansion(value, 2), 0.0)[:2]
    return Pair(hi, lo)


def in_units(center: Fraction | Floats, scale: int) -> tuple[Real, ...]:
    """Terms whose sum is ``center * 10**scale``: what `difference` subtracts.

    center: one number, or float64 of shape (n,).
    """
    if isinstance(center, Fraction):
        return _in_units(center, scale)
    if scale == 0:
        return (center,)
    powers = expansion(Fraction(10) ** scale)
    return tuple(term for power in powers for term in two_product(center, power))


@lru_cache(1 << 14)  # asked for again with every chunk
def _in_units(center: Fraction, scale: int) -> tuple[float, ...]:
    units = center * Fraction(10) ** scale
    is_wide = abs(units) >= 2.0 ** (53 * TERMS - UNIT_BITS)
    return expansion(units, WIDE_TERMS if is_wide else TERMS)


def difference(x: Numbers, center: Sequence[Real]) -> Pair:
    """``(x - center) * 10**x.scale``; hi has the sign of the exact difference, or is 0 with it.

    center: as `in_units` gives it.
    """
    return sum_terms([*x.parts, *(-c for c in center)])


def rounded_difference(x: Numbers, center: Sequence[Real]) -> Floats:
    """`difference`, rounded to float64: never decreases where x increases."""
    import numpy as np

    plain: Floats = x.parts[0] - center[0]
    if len(x.parts) == len(center) == 1:
        return plain
    d = difference(x, center).hi
    return np.where(np.isfinite(d), d, plain)  # beyond float64 only the sign is of use


def where_negative(sign: Floats, a: Floats, b: Floats) -> Floats:
    """`a` where `sign` is negative, else `b`: by bits, as branches that nobody can predict
    take NumPy's `where` four times as long.
    """
    import numpy as np

    bits = [array.view(np.int64) for array in (sign, a, b)]
    chosen: Floats = (bits[2] ^ (bits[1] ^ bits[2]) & bits[0] >> 63).view(np.float64)
    return chosen


def count_outside(x: Numbers, low: Exact, high: Exact) -> int:
    """How many numbers are below `low` or above `high`, exactly: infinities are, NaN is not."""
    import numpy as np

    origin, top = (in_units(Fraction(end), x.scale) for end in (low, high))
    count = 0
    with np.errstate(all="ignore"):
        for start in range(0, len(x), BLOCK):
            block = x.at(slice(start, start + BLOCK))
            count += int(np.count_nonzero(rounded_difference(block, origin) < 0))
            count += int(np.count_nonzero(rounded_difference(block, top) > 0))
    return count


def standardized(x: Numbers, mean: Sequence[Real], std: float) -> Floats:
    """``(x - mean) / std``, within 1 ulp (and 2**-48 of one) of the exact quotient.

    mean: as `in_units` gives it. std: not 0.

    The difference is exact, d + e with |e| <= ulp(d)/2. Two quotients and their sum are
    rounded: ulp/2 for d/std, ulp/2 for the sum, and less than 2**-53 ulp for e/std.
    """
    d = difference(x, mean)
    if x.scale:
        d = product(d, pair(Fraction(10) ** -x.scale))
    z: Floats = d.hi / std + d.lo / std
    return z


def inverse_root(v: Real, eps: float, gamma: float) -> Pair:
    """``gamma / sqrt(v + eps)`` to about 100 bits.

    v: float64 of shape (n,), not negative. eps: positive. NaN, or fewer bits, where a step
    leaves the range of float64.
    """
    import numpy as np

    total = two_sum(v, eps)
    root = np.sqrt(total.hi)
    square = two_product(root, root)
    missing = ((total.hi - square.hi) - square.lo + total.lo) / (2 * root)
    quotient = gamma / root
    back = two_product(quotient, root)
    return two_sum(quotient, ((gamma - back.hi) - back.lo - quotient * missing) / root)


def scaled(d: Pair, slope: Real, offset: float) -> Floats:
    """``d * slope + offset``, within 3 ulp of the larger term where slope is rounded once.

    The slope is off by ulp/2, which moves the product by at most an ulp. The product and its
    sum with that of d.lo are rounded, by ulp/2 each, and the sum with the offset by ulp/2 of
    a result that may be twice as large.
    """
    y: Floats = (d.hi * slope + d.lo * slope) + offset
    return y


def fused(d: Pair, slope: Pair, offset: Pair) -> Floats:
    """``d * slope + offset``, rounded once, from a product good to about 102 bits."""
    p = product(d, slope)
    s = two_sum(p.hi, offset.hi)
    y: Floats = s.hi + (s.lo + (p.lo + offset.lo))
    return y


def blockwise(kernel: Callable[[slice], Floats], n: int) -> Floats:
    """`kernel` over n cells, a block at a time; without NumPy's warnings."""
    import numpy as np

    out = np.empty(n)
    with np.errstate(all="ignore"):
        for start in range(0, n, BLOCK):
            cells = slice(start, start + BLOCK)
            out[cells] = kernel(cells)
    return out


def not_finite(x: Numbers) -> Mask | None:
    """The cells without a finite number (missing, NaN, infinite); None for none."""
    import numpy as np

    finite = np.isfinite(x.parts[0])
    return None if finite.all() else ~finite


def fraction(x: Numbers, cell: int) -> Fraction:
    """The exact value of a finite cell."""
    digits = sum(map(Fraction, x.parts[:, cell].tolist()), Fraction())
    return digits / Fraction(10) ** x.scale
