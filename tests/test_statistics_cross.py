"""Cross moments are exact: equal to fractions, however rows are cut, and whatever their size."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from normcli.statistics.cross import LARGEST, LARGEST_TARGET, CrossMoments

ROWS = 600


def table():
    """Standardized columns with distant, tiny and whole numbers, and a wild target."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((4, ROWS))
    z[0, :3] = LARGEST, -LARGEST, 1e-18
    z[1] = np.round(z[1])
    z[2, :200] *= 1e-9
    y = rng.standard_normal((2, ROWS)) * 10.0 ** rng.integers(-20, 20, (2, ROWS))
    return z, y


def added(z, y, cuts):
    sums = CrossMoments()
    for rows in np.array_split(np.arange(z.shape[1]), cuts):
        sums.add(z[:, rows], y[:, rows])
    return sums


def exact(x, bits):
    """Numbers as fractions, rounded to so many bits behind the point."""
    return [[Fraction(round(Fraction(v) * 2**bits), 2**bits) for v in row] for row in x.tolist()]


def products(a, b):
    """Exact sums of products of deviations."""
    n = len(a[0])
    return [
        [sum(p * q for p, q in zip(u, v, strict=True)) - sum(u) * sum(v) / n for v in b] for u in a
    ]


@pytest.mark.parametrize("cuts", [1, 7, ROWS])
def test_they_are_the_fractions_rounded_once(cuts):
    z, y = table()
    sums = added(z, y, cuts)
    numbers = exact(z, 64)
    assert sums.rows == ROWS
    expected = [[float(p) for p in row] for row in products(numbers, numbers)]
    assert sums.scatter().tolist() == expected
    of_target = products(numbers, [[Fraction(v) for v in row] for row in y.tolist()])
    found = sums.scatter_with_target()
    factor = Fraction(found[0, 0]) / of_target[0][0]
    assert 0.25 <= np.abs(found).max() <= 1
    for i, row in enumerate(of_target):
        for j, p in enumerate(row):
            assert found[i, j] == pytest.approx(float(p * factor), rel=1e-15)


def test_the_plain_formula_is_wrong_where_they_are_right():
    z, _ = table()
    plain = z @ z.T - np.outer(z.sum(axis=1), z.sum(axis=1)) / ROWS
    assert (plain != added(z, z, 1).scatter()).any()


@pytest.mark.parametrize("size", [LARGEST_TARGET, 1e-300, 1.0])
def test_targets_of_any_size_are_taken(size):
    z, _ = table()
    y = np.array([1.0, -0.5, 0.25] * (ROWS // 3))
    plain, scaled = (added(z, each[np.newaxis], 3).scatter_with_target() for each in (y, y * size))
    assert scaled / scaled[0] == pytest.approx(plain / plain[0], rel=1e-12)


def test_many_rows_of_the_largest_numbers_do_not_overflow():
    sums = CrossMoments()
    ones = np.ones((1, 1 << 19))
    for sign in (1, -1):
        sums.add(sign * LARGEST * ones, sign * ones)
    assert sums.rows == 1 << 20
    assert sums.scatter().tolist() == [[2.0 ** (20 + 54)]]


def test_a_class_that_comes_later_was_0_before():
    z, _ = table()
    y = np.zeros((2, ROWS))
    y[0, :350], y[1, 350:] = 1, 1
    late = CrossMoments()
    late.add(z[:, :350], y[:1, :350])
    late.add(z[:, 350:], y[:, 350:])
    assert (late.scatter_with_target() == added(z, y, 1).scatter_with_target()).all()
