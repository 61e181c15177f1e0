"""Totals and their rounding against `fractions.Fraction`."""

import math
import struct
import sys
from contextlib import suppress
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from normcli.numerics.total import Total, divide, divide_sqrt

# ------------------------------------------------------------------ rounding


@given(st.integers(-(10**400), 10**400), st.integers(1, 10**400), st.integers(-1200, 1200))
@example(1, 3, -1074)  # subnormal
@example(-1, 3, -1076)  # rounds to zero, not to -0.0
@example(2**1024 - 2**970 - 1, 1, 0)  # just below the middle between the largest and overflow
def test_division_is_correctly_rounded(numerator, denominator, exponent):
    value = Fraction(numerator, denominator) * Fraction(2) ** exponent
    try:
        found = divide(numerator, denominator, exponent)
    except OverflowError:
        assert abs(value) >= 2**1024 - 2**970
        return
    assert_nearest(found, value)
    assert struct.pack(">d", found) != struct.pack(">d", -0.0)


@given(st.integers(0, 10**400), st.integers(1, 10**400), st.integers(-2200, 2000))
@example(1, 1, -2148)
@example((2**53 + 1) ** 2, 4, 0)  # the root lies exactly in the middle of two floats
@example((2**54 + 2) ** 2 + 1, 16, 0)  # and here a hair above it
@example((2**54 + 2) ** 2 - 1, 16, 0)
def test_square_root_is_correctly_rounded(numerator, denominator, exponent):
    value = Fraction(numerator, denominator) * Fraction(2) ** exponent
    try:
        found = divide_sqrt(numerator, denominator, exponent)
    except OverflowError:
        assert value >= Fraction(2**1024 - 2**970) ** 2
        return
    below, above = neighbours(found)
    low = (Fraction(found) + below) / 2
    high = (Fraction(found) + above) / 2
    even = struct.unpack(">q", struct.pack(">d", found))[0] % 2 == 0
    assert max(low, 0) ** 2 <= value <= high**2
    assert even or (low**2 != value != high**2)


def neighbours(x):
    """The floats beside x, as fractions; beyond the largest, the next in its spacing."""
    below, above = math.nextafter(x, -math.inf), math.nextafter(x, math.inf)
    edge = Fraction(2) ** 1024
    return (
        Fraction(below) if math.isfinite(below) else -edge,
        Fraction(above) if math.isfinite(above) else edge,
    )


def assert_nearest(x, value):
    below, above = neighbours(x)
    error = abs(Fraction(x) - value)
    assert error <= min(abs(below - value), abs(above - value))
    tie = error in (abs(below - value), abs(above - value))
    assert not tie or struct.unpack(">q", struct.pack(">d", x))[0] % 2 == 0


# ------------------------------------------------------------------ totals

totals = st.builds(
    Total.of,
    st.integers(-(2**3000), 2**3000),
    st.integers(-2148, 1100),
    st.integers(0, 40),
)


def by_definition(numerator, exponent, scale):
    return numerator * Fraction(2) ** exponent / Fraction(10) ** scale


@given(st.integers(-(10**50), 10**50), st.integers(-99, 99), st.integers(-9, 40))
def test_a_total_is_the_number_it_was_made_of(numerator, exponent, scale):
    assert Total.of(numerator, exponent, scale).as_fraction() == by_definition(
        numerator, exponent, scale
    )


@given(totals, st.integers(0, 9), st.integers(0, 9))
def test_equal_totals_are_equal_however_they_were_made(total, shift, tens):
    other = Total.of(
        total.numerator * 2**shift * 10**tens, total.exponent - shift, total.scale + tens
    )
    assert other == total
    assert hash(other) == hash(total)


@given(totals, totals, totals)
def test_adding_totals_is_an_exact_commutative_monoid(a, b, c):
    assert (a + b).as_fraction() == a.as_fraction() + b.as_fraction()
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Total() == a


@given(totals)
def test_floats_of_a_total_read_back_as_the_same_total(total):
    floats = total.to_floats()
    assert Total.from_floats(floats, total.scale) == total
    assert len(floats) <= 3000 // 53 + 2


@given(totals)
def test_floats_of_a_total_are_what_they_say(total):
    floats = total.to_floats()
    value = sum(map(as_number, floats), Fraction(0))
    assert value == total.as_fraction() * 10**total.scale
    for term, rest in pairwise(floats):
        assert abs(as_number(rest)) * 2**53 <= abs(as_number(term))
    assert all(isinstance(f, float) or not representable(as_number(f)) for f in floats)


def as_number(term):
    """A float, or the text of a C99 hexadecimal float, as a fraction; written from the standard."""
    if isinstance(term, float):
        return Fraction(term)
    mantissa, exponent = term.replace("0x", "").split("p")
    whole, _, digits = mantissa.partition(".")
    return Fraction(int(whole + digits, 16), 16 ** len(digits)) * Fraction(2) ** int(exponent)


def representable(value):
    try:
        return Fraction(value.numerator / value.denominator) == value
    except OverflowError:
        return False


def test_an_expansion_begins_with_the_nearest_float():
    assert Total.of(5, -1).to_floats() == [2.5]
    assert Total().to_floats() == []
    assert Total.of(2**53 + 1).to_floats() == [2.0**53, 1.0]  # a tie goes to even
    assert Total.of(2**53 + 3).to_floats() == [2.0**53 + 4, -1.0]
    assert Total.of(1, -1074).to_floats() == [5e-324]
    assert Total.of(1, -2148).to_floats() == ["0x1p-2148"]
    assert Total.of(-3, 1023).to_floats() == ["-0x1.8p+1024"]


def test_json_tools_that_write_whole_floats_as_integers_do_no_harm():
    assert Total.from_floats([3]) == Total.of(3)


@pytest.mark.parametrize(
    "floats",
    [
        [0.0],
        [-0.0],
        [1.0, 1.0],
        [1.0, 2.0**60],
        [math.nan],
        [math.inf],
        [True],
        [None],
        [[1.0]],
        ["1.0"],
        ["0x1p+3"],  # a float64: not as text
        ["0x1.80p+1330"],
        ["0x1.p+1330"],
        ["0x1P+1330"],
        ["0x1p1330"],
        ["0x1p+01330"],
        ["0x1p+99999999999"],
        ["0x3p+1330"],
        ["+0x1p+1330"],
        [" 0x1p+1330"],
        ["0x1p+1330\n"],
        ["0x1p+١٣٣٠"],
        ["nan"],
        [10**400],
        ["0x1." + "1" * 999 + "p+1330"],
        [1.0] * 1000,
    ],
)
def test_an_expansion_that_was_not_written_by_us_is_refused(floats):
    with pytest.raises(ValueError, match="exact total"):
        Total.from_floats(floats)


near = st.builds(math.ldexp, st.integers(-9, 9), st.sampled_from([-1074, -53, -52, -1, 0, 1, 971]))


@given(st.lists(near, max_size=4))
@example([2.0**53, 1.0, 5e-324])  # each is half a unit of the one before, but together more
@example([1.0, 2.0**-53, 2.0**-106])
@example([2.0**1023, 2.0**970, -5e-324])
@example([sys.float_info.max, 2.0**970])  # rounds to infinity
def test_an_expansion_is_read_just_where_each_term_is_the_nearest_float_to_the_rest(floats):
    rest, right = sum(map(Fraction, floats)), all(floats)
    for term in floats:
        with suppress(OverflowError):  # the nearest is no float64
            right &= rest.numerator / rest.denominator == term
        right &= abs(rest) < 2**1024 - 2**970
        rest -= Fraction(term)
    try:
        found = Total.from_floats(floats).as_fraction()
    except ValueError:
        assert not right
    else:
        assert right
        assert found == sum(map(Fraction, floats))


@pytest.mark.parametrize(("floats", "scale"), [([10.0], 1), ([], 1), ([1.0], -1), ([1.0], 10**9)])
def test_a_scale_that_is_not_the_smallest_is_refused(floats, scale):
    with pytest.raises(ValueError, match="exact total"):
        Total.from_floats(floats, scale)


def test_decimals_agree_with_the_decimal_module():
    prices = [
        Decimal("19.99"),
        Decimal("0.01"),
        Decimal("-5.10"),
        Decimal("123456789012345678901234.5678"),
    ]
    with localcontext(prec=200):
        expected = sum(prices)
    found = Total()
    for price in prices:
        sign, digits, exponent = price.as_tuple()
        found += Total.of((-1) ** sign * int("".join(map(str, digits))), 0, -exponent)
    assert found.as_fraction() == Fraction(expected)
