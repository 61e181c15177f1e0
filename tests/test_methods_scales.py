"""maxabs, mean and decimal: exact quotients, known answers, and the edges."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.preprocessing import MaxAbsScaler

from normcli.errors import UsageError
from normcli.methods.spelling import method_of
from normcli.numerics.numbers import Numbers
from normcli.statistics.column import ColumnStatistics
from tests.test_methods import decimals, exact, fitted, floats, integers, tables, ulp

NAMES = ("maxabs", "mean", "decimal")


def divisor(name: str, column: ColumnStatistics) -> Fraction:
    """What the definition divides by, found the slow way."""
    low, high = Fraction(column.min), Fraction(column.max)  # type: ignore[arg-type]
    if name == "mean":
        return high - low or Fraction(1)
    largest = max(abs(low), abs(high))
    if name == "maxabs":
        return largest or Fraction(1)
    j = 0
    while largest >= Fraction(10) ** j:
        j += 1
    while largest and largest < Fraction(10) ** (j - 1):
        j -= 1
    return Fraction(10) ** j


@pytest.mark.parametrize("name", NAMES)
@given(tables)
def test_every_result_is_the_exact_quotient_rounded_once(name: str, x: Numbers) -> None:
    column = fitted(x)
    center = Fraction(column.mean if name == "mean" and not column.constant else 0)
    if name == "mean" and column.constant:
        center = Fraction(column.min)
    right = [(v - center) / divisor(name, column) for v in exact(x)]
    assume(all(abs(r) < Fraction(2) ** 1023 for r in right))
    found = method_of(name).mapping(column).values(x).values.tolist()
    for value, quotient in zip(found, right, strict=True):
        assert abs(Fraction(value) - quotient) <= ulp(quotient) * Fraction(501, 1000)


@pytest.mark.parametrize("name", NAMES)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=9))
def test_the_inverse_leads_back(name: str, values: list[float]) -> None:
    x = floats(*values)
    mapping = method_of(name).mapping(fitted(x))
    back = mapping.inverse().values(Numbers(mapping.values(x).values[np.newaxis])).values
    np.testing.assert_allclose(back, values, rtol=1e-14, atol=1e-9)


def test_the_largest_becomes_1_and_mean_normalization_is_that_of_feature_engine() -> None:
    x = floats(1, 2, 2, 3, 10)
    assert method_of("maxabs").mapping(fitted(x)).values(x).values.tolist() == [
        *(0.1, 0.2, 0.2, 0.3, 1.0)
    ]
    assert method_of("mean").mapping(fitted(x)).values(x).values == pytest.approx(
        [-0.28889, -0.17778, -0.17778, -0.06667, 0.71111], abs=5e-6
    )
    assert method_of("decimal").mapping(fitted(x)).values(x).values.tolist() == [
        *(0.01, 0.02, 0.02, 0.03, 0.1)
    ]


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20))
def test_maxabs_is_that_of_scikit_learn(values: list[float]) -> None:
    x = floats(*values)
    theirs = MaxAbsScaler().fit_transform(np.array(values)[:, np.newaxis])[:, 0]
    assume(np.abs(values).max() == 0 or np.abs(values).max() > 1e-14)  # theirs leaves less alone
    ours = method_of("maxabs").mapping(fitted(x)).values(x).values
    np.testing.assert_array_max_ulp(ours, theirs, 1)


@pytest.mark.parametrize(
    "x",
    [
        integers(2**53 + 1, 2**53 + 3, -(2**62)),
        decimals("0.1", "99999999999999999999.9", scale=1),
        floats(1.7e308, -1.7e308),
        floats(5e-324, 1e-323),
    ],
)
def test_the_largest_becomes_1_however_it_is_stored(x: Numbers) -> None:
    found = method_of("maxabs").mapping(fitted(x)).values(x).values
    assert np.abs(found).max() == 1.0


@pytest.mark.parametrize(
    ("largest", "quotient"),
    [
        ("9.99", "0.999"),
        ("10", "0.1"),
        ("99", "0.99"),
        ("100", "0.1"),
        ("0.1", "0.1"),
        ("0.0999", "0.999"),
        ("-1000", "-0.1"),
        ("1e300", "0.1"),
        ("1e-300", "0.1"),
    ],
)
def test_the_decimal_point_moves_by_whole_places(largest: str, quotient: str) -> None:
    x = floats(float(largest), 0)
    assert method_of("decimal").mapping(fitted(x)).values(x).values[0] == float(quotient)


@pytest.mark.parametrize("name", NAMES)
def test_zeros_and_constants(name: str) -> None:
    zeros = floats(0, 0, math.nan)
    done = method_of(name).mapping(fitted(zeros)).values(zeros)
    assert done.values[:2].tolist() == [0, 0]
    assert done.keep is not None
    assert done.keep.tolist() == [False, False, True]
    sevens = fitted(floats(7, 7))
    expected = {"maxabs": 1.0, "mean": 0.0, "decimal": 0.7}
    assert method_of(name).mapping(sevens).values(floats(7)).values.tolist() == [expected[name]]


def test_a_decimal_of_many_digits_keeps_them() -> None:
    x = decimals("12345678901234567890.12", scale=2)
    y = method_of("decimal").mapping(fitted(x)).values(x).values[0]
    assert y == float(Decimal("0.1234567890123456789012"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("maxabs:max=0", "max must be greater than 0, not 0"),
        ("maxabs:min=1", "maxabs has no option 'min': it has max"),
        ("mean:mean=5", "mean: mean given by hand, but it takes mean and min and max together"),
        ("mean:mean=5,min=6,max=7", "the mean must be between min and max"),
        ("decimal:3", "decimal takes no arguments, not '3'"),
    ],
)
def test_bad_arguments_are_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        method_of(text)
    assert words in str(caught.value)
