"""The kernel against `fractions.Fraction`: sums without error, roundings to the nearest."""

import math
import struct
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from normcli.numerics import sums as exact
from normcli.numerics import tally
from normcli.numerics.digits import GRID
from normcli.numerics.sums import integers, moments, sums_and_squares
from normcli.numerics.total import Total, divide, divide_sqrt

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
# Magnitudes that go together (pieces) and those that do not (limbs), with zeros in between.
near_one = st.floats(-1e3, 1e3, width=64)
blocks = st.one_of(
    *(
        arrays(np.float64, array_shapes(min_dims=3, max_dims=3, max_side=6), elements=elements)
        for elements in (finite, near_one, st.integers(-(2**53), 2**53).map(float))
    )
)


def exact_moments(x):
    """Exact sum and sum of squares of every row of x, shape (p, m, n)."""
    rows = [[sum(map(Fraction, number)) for number in row.T.tolist()] for row in x.swapaxes(0, 1)]
    return [(sum(row), sum(number * number for number in row)) for row in rows]


def found_moments(x):
    """What `moments` makes of x, shape (p, m, n), in blocks as large as can be."""
    found, places = [], []
    for rows, block in tally.blocks(list(x.swapaxes(0, 1))):
        found.append(moments(block, np.abs(block).max(axis=2)))
        places.append(np.arange(x.shape[1])[rows])
    return as_fractions(
        sums_and_squares(exact.RowMoments.joined(found), np.concatenate(places), x.shape[1])
    )


def as_fractions(sums):
    numbers = [n * Fraction(2) ** (GRID * sums.low) for n in sums.integers()]
    return list(zip(numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :], strict=True))


# ------------------------------------------------------------------ moments


@given(blocks)
def test_moments_are_exact_for_any_finite_numbers(x):
    assert found_moments(x) == exact_moments(x)


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
@pytest.mark.parametrize("spread", [0, 1, 5, 20, 100, 290])
def test_moments_are_exact_for_every_spread_of_magnitudes(parts, spread):
    rng = np.random.default_rng(spread)
    x = rng.normal(size=(parts, 3, 200)) * 10.0 ** rng.uniform(-spread, spread, (parts, 3, 200))
    assert found_moments(x) == exact_moments(x)


@pytest.mark.parametrize("center", [-1074, -1022, -600, -201, -199, 199, 201, 600, 1020])
def test_moments_are_exact_at_every_exponent(center):
    x = np.ldexp(np.random.default_rng(0).normal(size=(1, 2, 300)), center)
    assert found_moments(x) == exact_moments(x)


def test_rows_of_unlike_exponents_do_not_disturb_each_other():
    x = np.ldexp(
        np.random.default_rng(0).random((1, 5, 50)), np.array([[-1050], [0], [1020], [90], [-300]])
    )
    x[0, 3] = 0.0
    assert found_moments(x) == exact_moments(x)


@pytest.mark.parametrize(
    "shape",
    [(1, 1, n) for n in (1, 511, 512, 513, 8192, 65535, 65536, 65537, 70001, 131072)]
    + [(2, 1, n) for n in (1, 513, 32768, 32769, 65536)]
    + [(1, 300, 300), (2, 30, 8192), (1, 9, 8192), (1, 2, 1), (1, 70_000, 1)],
)
def test_moments_are_exact_for_every_shape_of_block(shape):
    x = np.random.default_rng(1).integers(-(2**40), 2**40, shape)
    # integers: NumPy's own arithmetic on objects is the oracle, and fast
    numbers = x.sum(axis=0).astype(object)
    expected = zip(numbers.sum(axis=1), (numbers * numbers).sum(axis=1), strict=True)
    assert found_moments(x.astype(np.float64)) == list(expected)


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 8])
@pytest.mark.parametrize(
    "shape", [(1, exact.BLOCK), *((2, 1 << i) for i in (13, 12, 11, 10, 9, 0))]
)
@pytest.mark.parametrize("shift", [0, *range(20, 25)])
def test_the_largest_pieces_that_a_full_row_can_have_add_without_error(parts, shape, shift):
    # 2**-shift, less a little, is just below half a unit of the first piece for one of the
    # shifts, so that the next piece is as large as it can be, in all parts of all numbers
    assert_largest_are_exact(parts, shape, shift, 0)


@pytest.mark.parametrize("parts", [1, 2, 8])
@pytest.mark.parametrize("exponent", [-1021, -700, 700, 1020])
@pytest.mark.parametrize("n", [1, exact.LEFT, exact.LEFT + 1, exact.BLOCK])
def test_the_largest_numbers_that_are_left_out_add_without_error(n, exponent, parts):
    assert_largest_are_exact(parts, (1, n), 0, exponent)


def assert_largest_are_exact(parts, shape, shift, exponent):
    top = 0 if shift == 0 else 3 << 51
    little = np.random.default_rng(shift).integers(1, 2**30 if shift else 2**40, shape[-1])
    number = top + (1 << 53 - shift) - little
    exponents = exponent - np.arange(shape[0])  # every row is half of the one before
    x = np.broadcast_to(np.ldexp(number, exponents[:, None] - 53), (parts, *shape))
    bound = np.broadcast_to(np.ldexp(1 - 2.0**-53, exponents), (parts, shape[0]))
    found = sums_and_squares(moments(x, bound), np.arange(shape[0]), shape[0])
    numbers = number.astype(object) * parts
    units = [Fraction(2) ** (e - 53) for e in exponents.tolist()]
    expected = [(numbers.sum() * u, (numbers * numbers).sum() * u**2) for u in units]
    assert as_fractions(found) == expected


def test_few_numbers_that_do_not_end_in_the_common_pieces_are_not_lost():
    x = np.random.default_rng(3).random((1, 2, 8000)) + 0.5
    x[0, 0, 7], x[0, 1, 7999] = 1e-30, -5e-324
    assert found_moments(x) == exact_moments(x)


def test_a_number_left_out_of_a_later_block_is_added_to_its_own_row():
    x = np.ones((1, 1000, 128))
    x[0, 900, 5] = 1e-300
    found = found_moments(x)
    assert found[900] == exact_moments(x[:, 900:901])[0]
    assert set(found[:900] + found[901:]) == {(128, 128)}


def test_some_of_the_rows_keep_the_numbers_left_out_of_them():
    x = np.ones((1, 100, 128))
    x[0, 90, 5], x[0, 7, 0] = 1e-300, 1e300
    some = moments(x, np.abs(x).max(axis=2)).of_rows(np.array([3, 90]))
    expected = [(128, 128), exact_moments(x[:, 90:91])[0]]
    assert as_fractions(sums_and_squares(some, np.arange(2), 2)) == expected


@pytest.mark.parametrize("shape", [(1, 4, 500), (1, 1, 2000)])
def test_blocks_may_need_different_numbers_of_pieces(shape, monkeypatch):
    monkeypatch.setattr(tally, "BLOCK", 1000)
    x = np.ones(2000)
    x[1000:] = np.random.default_rng(8).normal(size=1000)
    for order in (x, x[::-1]):
        assert found_moments(order.reshape(shape)) == exact_moments(order.reshape(shape))


def test_the_order_of_numbers_changes_nothing():
    rng = np.random.default_rng(5)
    x = rng.normal(size=3000) * 10.0 ** rng.integers(-20, 20, 3000)
    shuffled = rng.permutation(x)
    assert found_moments(x[None, None]) == found_moments(shuffled[None, None])


def test_strided_input_gives_the_same_as_contiguous_input():
    x = np.random.default_rng(6).normal(size=(1, 4, 20000))[..., ::2]
    assert found_moments(x[:, :1]) == found_moments(np.ascontiguousarray(x[:, :1]))


def test_the_input_is_left_as_it_was():
    x = np.random.default_rng(7).normal(size=(2, 3, 50))
    before = x.copy()
    moments(x, np.abs(x).max(axis=2))
    assert np.array_equal(x, before)


@given(st.tuples(finite, finite, finite))
def test_integers_are_the_numbers_in_the_smallest_unit(parts):
    assert integers(np.array([parts]).T) == [sum(map(Fraction, parts)) * 2**1074]


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
