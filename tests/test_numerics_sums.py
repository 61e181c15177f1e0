"""The kernel of exact sums against `fractions.Fraction`."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from normcli.numerics import sums as exact
from normcli.numerics import tally
from normcli.numerics.digits import GRID
from normcli.numerics.sums import integers, moments, sums_and_squares

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
