"""Integers of many bits, many at once: int64 arrays of digits, and quotients rounded correctly.

A number is a column of an array of shape (d, m), the most significant digit first; each
digit is worth 2**step of the next one and may be negative. What cannot be proven here to
be rounded correctly is marked, for Python's integers to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.numbers import Floats, Mask

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
    high, low = _as_double_double(digits, step)
    q = high / divisor
    rest = _remainder(high, q, divisor)
    correction, slack = (rest + low) / divisor, np.abs(q) * SLACK
    more, less = q + (correction + slack), q + (correction - slack)
    values = np.ldexp(more, exponent)
    normal = (np.abs(values) > 2.0**-1000) | (more == 0)  # not rounded again by underflow
    return values, (more == less) & normal


def _as_double_double(digits: Ints, step: int) -> tuple[Floats, Floats]:
    """The numbers, carried, as sums of two floats: the relative error is below 2**-99."""
    high = low = np.zeros(digits.shape[1])
    for i in range(2 - len(digits) % 2, len(digits) + 1, 2):  # two digits fit in a float
        two = digits[i - 2] * 2.0**step + digits[i - 1] if i > 1 else digits[0]
        term = two * 2.0 ** (step * (len(digits) - i))
        total = high + term
        low = low + (term - (total - high))  # Dekker's FastTwoSum: high is 0, or above the term
        high = total
    return high, low


def _remainder(high: Floats, q: Floats, divisor: Floats) -> Floats:
    """high - q * divisor, without error; q: the rounded quotient, divisor: at most 2**26."""  # noqa: D403 a formula
    shifted = q * (2.0**27 + 1)  # Veltkamp: 26 bits of q at the top, 26 below
    top = shifted - (shifted - q)
    remainder: Floats = (high - top * divisor) - (q - top) * divisor
    return remainder
