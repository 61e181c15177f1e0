"""Arrays of digits against Python's integers; their quotients against correct rounding."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from normcli.numerics.digits import (
    GRID,
    FixedPoint,
    adds_exactly,
    carry,
    join,
    quotients,
    scaled_variance,
)
from normcli.numerics.total import divide

STEP = 23
digit_arrays = arrays(
    np.int64,
    array_shapes(min_dims=2, max_dims=2, max_side=5),
    elements=st.integers(-(2**61), 2**61),
)
divisors = st.integers(1, 2**26)


def digits_of(numbers, step=STEP, count=None):
    """Carried digits of integers: the first digit takes what does not fit in `count` of them."""
    size = count or 1 + max(map(int.bit_length, numbers)) // step
    rows = []
    for number in numbers:
        row = []
        for _ in range(size - 1):
            digit = (number + (1 << step - 1)) % (1 << step) - (1 << step - 1)
            row.append(digit)
            number = (number - digit) >> step
        rows.append([number, *reversed(row)])
    return np.array(rows, dtype=np.int64).T


def by_definition(digits, step):
    return [sum(int(d) << step * i for i, d in enumerate(column[::-1])) for column in digits.T]


@given(digit_arrays, st.integers(1, 26))
def test_joined_digits_are_the_numbers(digits, step):
    assert join(digits, step) == by_definition(digits, step)


@given(digit_arrays, st.integers(1, 26), st.integers(0, 3))
def test_carrying_keeps_the_numbers_and_makes_the_digits_small(digits, step, more):
    carried = carry(digits, step, more)
    assert len(carried) == len(digits) + more
    assert join(carried, step) == join(digits, step)
    assert (np.abs(carried[1:]) <= 1 << step - 1).all()


@given(
    st.integers(1, 8192),
    st.lists(st.integers(-(2**80), 2**80), min_size=1, max_size=5),
    st.integers(0, 2**160),
)
def test_the_scaled_variance_is_exact(n, sums, square):
    squares = [square // (i + 1) for i in range(len(sums))]
    counts = np.full(len(sums), n)
    found = scaled_variance(counts, digits_of(sums, 20, 5), digits_of(squares, 20, 9), 20)
    expected = [n * q - s * s for s, q in zip(sums, squares, strict=True)]
    assert join(found, 20) == expected


@settings(max_examples=300)
@given(st.integers(-(2**150), 2**150), divisors, st.integers(-400, 400))
@example(0, 1, 0)
@example(-1, 3, 0)
@example((2**54 + 2) * 3 + 1, 6, 0)
def test_a_sure_quotient_is_correctly_rounded(number, divisor, exponent):
    assert_right_if_sure(number, divisor, exponent)


near_ties = st.builds(
    lambda odd, shift, divisor, off: (((2 * odd + 1) << shift) * divisor + off, divisor),
    st.integers(2**52, 2**53 - 1),
    st.integers(0, 60),
    divisors,
    st.integers(-3, 3) | st.integers(-(2**60), 2**60),
)


@settings(max_examples=300)
@given(near_ties, st.sampled_from([-1, 1]))
def test_a_quotient_near_the_middle_of_two_floats_is_right_or_unsure(pair, sign):
    number, divisor = pair
    assert_right_if_sure(sign * number, divisor, 0)


@given(st.integers(2**52, 2**53 - 1), st.integers(0, 60), divisors)
def test_a_quotient_in_the_middle_of_two_floats_is_sure_and_goes_to_the_even_one(
    odd, shift, divisor
):
    number = ((2 * odd + 1) << shift) * divisor
    value, sure = quotient(number, divisor, 0)
    assert sure
    assert value == divide(number, divisor)


@given(st.integers(2**52, 2**53 - 1), st.integers(100, 120), divisors, st.sampled_from([-1, 1]))
def test_a_quotient_a_hair_off_the_middle_of_two_floats_is_never_sure(odd, shift, divisor, off):
    _, sure = quotient(((2 * odd + 1) << shift) * divisor + off, divisor, 0)
    assert not sure


@given(st.integers(-(2**53), 2**53), st.integers(0, 60), divisors)
def test_a_quotient_that_is_a_float_is_always_sure(n, shift, divisor):
    value, sure = quotient((n << shift) * divisor, divisor, 0)
    assert sure
    assert value == n * 2.0**shift


def test_nearly_all_quotients_are_sure():
    rng = np.random.default_rng(0)
    digits = rng.integers(-(2**22), 2**22, (6, 10_000))
    divisor = rng.integers(1, 2**26, 10_000) * 1.0
    _, sure = quotients(digits, STEP, divisor, np.zeros(10_000, np.int64))
    assert sure.all()


def test_a_subnormal_quotient_is_not_sure():
    number = (1 << 53) - 1
    for exponent in (-1126, -1100, -1074 - 53):
        _, sure = quotient(number, 1, exponent)
        assert not sure
    assert quotient(0, 7, -1100) == (0.0, True)


@given(st.floats(-(2.0**80), 2.0**80), st.integers(-120, 120))
@example(1.0, 60)
@example(1.0, -60)
def test_a_sum_is_exact_where_nothing_was_rounded(a, shift):
    for b in (np.ldexp(1.0, shift), -np.ldexp(a, shift), a):
        exact = Fraction(a) + Fraction(b) == Fraction(a + b)
        assert adds_exactly(np.float64(a), np.float64(b), np.float64(a + b)) == exact


fixed_points = st.integers(1, 4).flatmap(
    lambda m: st.lists(
        st.tuples(digit_arrays, st.integers(1, 26), st.integers(-600, 600), st.integers(0, m - 1)),
        max_size=4,
    ).map(lambda parts: (m, parts))
)


def fixed_point(m, parts):
    """The sum of single numbers at their places, and the same as fractions."""
    total, expected = FixedPoint(np.zeros((0, m), np.int64)), [Fraction(0)] * m
    for digits, step, exponent, place in parts:
        n = digits.shape[1]
        some = FixedPoint.of(digits, step, np.arange(exponent, exponent + n), np.full(n, place), m)
        assert some.digits.size == 0 or np.abs(some.digits).max() < 2**23
        total = total.plus(some)
        for i, number in enumerate(by_definition(digits, step)):
            last = exponent + i - step * (len(digits) - 1)
            expected[place] += number * Fraction(2) ** last
    return total, expected


def as_fractions(x):
    return [n * Fraction(2) ** (GRID * x.low) for n in x.integers()]


@given(fixed_points)
def test_fixed_point_numbers_add_exactly_whatever_their_digits(drawn):
    total, expected = fixed_point(*drawn)
    assert as_fractions(total) == expected


@given(fixed_points)
def test_fixed_point_numbers_add_in_any_order(drawn):
    m, parts = drawn
    assert as_fractions(fixed_point(m, parts)[0]) == as_fractions(fixed_point(m, parts[::-1])[0])


def test_the_largest_digits_add_at_one_place_without_overflow():
    digits = np.full((3, 2**16), 2**63 - 1)
    for sign in (1, -1):
        x = FixedPoint.of(sign * digits, GRID, np.full(2**16, 22), np.zeros(2**16, np.int64), 1)
        number = sign * (2**63 - 1) * 2**16 * (1 + 2**GRID + 2 ** (2 * GRID))
        assert as_fractions(x) == [number * Fraction(2) ** (22 - 2 * GRID)]


def assert_right_if_sure(number, divisor, exponent):
    value, sure = quotient(number, divisor, exponent)
    if sure:
        assert repr(value) == repr(divide(number, divisor, exponent))


def quotient(number, divisor, exponent):
    values, sure = quotients(
        digits_of([number, 1]), STEP, np.array([divisor, 1.0]), np.array([exponent, 0])
    )
    return values.tolist()[0], sure.tolist()[0]


@pytest.mark.parametrize("step", [20, 23])
def test_digits_of_integers_are_their_digits(step):
    numbers = [0, 1, -1, 2**100, -(3**80), 12345678901234567890]
    digits = digits_of(numbers, step)
    assert by_definition(digits, step) == numbers
