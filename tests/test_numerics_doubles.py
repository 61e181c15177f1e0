"""Differences are exact for the widest numbers that Arrow has: decimals of 76 digits."""

from __future__ import annotations

import decimal
import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import ulp

import pyarrow as pa
import pytest

import normcli

DIGITS = 76
RANDOM = random.Random(13)


def column(units: Sequence[int], scale: int) -> pa.Table:
    """Integers as decimals with so many places."""
    with decimal.localcontext(prec=DIGITS):
        values = [Decimal(n).scaleb(-scale) for n in units]
    return pa.table({"x": pa.array(values, pa.decimal256(DIGITS, scale))})


def transformed(units: Sequence[int], scale: int, method: str, **parameters: object) -> list[float]:
    """The column, fitted and scaled."""
    table = column(units, scale)
    statistics = normcli.fit(table, method=method, **parameters)
    numbers: list[float] = statistics.transform(table).column("x").to_pylist()
    return numbers


def assert_near(found: Sequence[float], exact: Sequence[Fraction], ulps: int) -> None:
    for y, e in zip(found, exact, strict=True):
        assert abs(Fraction(y) - e) <= ulps * Fraction(ulp(float(e)))


def wide() -> int:
    return RANDOM.randint(-(10**DIGITS) + 1, 10**DIGITS - 1)


@pytest.mark.parametrize("scale", [0, 38, 76])
@pytest.mark.parametrize("method", ["zscore", "minmax"])
def test_a_constant_column_of_76_digits_becomes_zero(method: str, scale: int) -> None:
    for _ in range(20):
        assert transformed([wide()] * 3, scale, method) == [0.0] * 3


@pytest.mark.parametrize("scale", [0, 38, 76])
def test_ends_of_the_range_are_exact_for_76_digits(scale: int) -> None:
    for gap in (1, 2, 10**20, 10**75):
        low = RANDOM.randint(-(10**75), 10**75)
        units = [low, low + gap]
        assert transformed(units, scale, "minmax", out_of_range="error") == [0.0, 1.0]


@pytest.mark.parametrize("scale", [0, 9, 76])
def test_numbers_of_76_digits_are_as_near_to_fractions_as_others(scale: int) -> None:
    for spread in (10, 10**30, 10**75):
        center = RANDOM.randint(-(10**75), 10**75)
        units = [center + RANDOM.randint(-spread, spread) for _ in range(40)]
        low, high = min(units), max(units)
        exact = [Fraction(n - low, high - low) for n in units]
        assert_near(transformed(units, scale, "minmax"), exact, ulps=4)
        known = normcli.fit(column(units, scale)).columns["x"]
        mean, std = Fraction(known.mean or 0), Fraction(known.std() or 0)
        exact = [(Fraction(n, 10**scale) - mean) / std for n in units]
        assert_near(transformed(units, scale, "zscore"), exact, ulps=1)
