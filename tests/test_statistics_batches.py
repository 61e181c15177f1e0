"""Statistics of batches are correctly rounded, whatever the batches hold."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli.numerics.numbers import Numbers
from normcli.statistics import batches as statistics
from normcli.statistics.batches import batch_statistics
from tests.test_numerics_total import assert_nearest
from tests.test_statistics_moments import cells, numbers, of


@given(
    st.lists(cells, max_size=30),
    st.integers(1, 12),
)
def test_statistics_of_batches_are_correctly_rounded(values, size):
    count, mean, var = batch_statistics(numbers(values), size)
    assert len(count) == len(mean) == len(var) == -(-len(values) // size)
    for b in range(len(count)):
        x = of(values[b * size : (b + 1) * size])
        assert count[b] == x.count
        if x.count == 0:
            assert math.isnan(mean[b])
            assert math.isnan(var[b])
        else:
            assert (mean[b], var[b]) == (x.mean, variance_or_infinity(x))


def variance_or_infinity(x):
    try:
        return x.variance()
    except OverflowError:
        return math.inf


def gaps(x, value=math.nan):
    """x without every 7th number, and without any in the second batch of 100."""
    x = x.copy()
    x[::7] = x[100:200] = value
    return x


# Name -> 1000 numbers and the share of batches that may need Python's integers.
BATCHES = {
    "N(0, 1)": (lambda rng: rng.normal(size=1000), 0.3),
    "uniform": (lambda rng: rng.random(1000), 0),
    "float32": (lambda rng: rng.random(1000).astype(np.float32).astype(float), 0),
    **{
        f"N(1e{e}, 1)": (lambda rng, e=e: rng.normal(10.0**e, 1, 1000), 0)
        for e in (3, 6, 9, 12, 15)
    },
    "one ulp": (lambda rng: 1e15 + rng.integers(0, 2, 1000) / 8, 0),
    "equal": (lambda rng: np.full(1000, 0.1), 0),
    "zeros": (lambda rng: np.full(1000, -0.0), 0),
    "halves": (lambda rng: rng.integers(-9, 9, 1000) / 2, 0),
    "integers of 53 bits": (lambda rng: rng.integers(-(2**53), 2**53, 1000).astype(float), 0),
    "at 2**190": (lambda rng: np.ldexp(rng.random(1000), 190), 0),
    "at 2**-190": (lambda rng: np.ldexp(rng.random(1000), -190), 0),
    "gaps": (lambda rng: gaps(rng.normal(1e6, 1, 1000)), 0),
    "infinite": (lambda rng: gaps(rng.normal(1e6, 1, 1000), -math.inf), 0),
    "30 decades": (lambda rng: rng.normal(size=1000) * 10.0 ** rng.integers(-15, 15, 1000), 1),
    "one tiny number": (lambda rng: np.append(rng.normal(1e6, 1, 999), 1e-300), 0.12),
    "subnormal": (lambda rng: np.ldexp(rng.random(1000), -1060), 1),
    "1e300": (lambda rng: rng.random(1000) * 1e300, 1),
}


@pytest.mark.parametrize("size", [1, 2, 3, 100, 999])
@pytest.mark.parametrize(("make", "unsure"), BATCHES.values(), ids=BATCHES)
def test_batches_of_all_kinds_are_correctly_rounded(make, unsure, size, monkeypatch):
    x = make(np.random.default_rng(size))
    slowly = []
    by_integers = statistics._mean_and_variance
    monkeypatch.setattr(
        statistics, "_mean_and_variance", lambda *a: slowly.append(a) or by_integers(*a)
    )
    found = batch_statistics(Numbers(x[None]), size)
    for b, (count, mean, var) in enumerate(zip(*map(np.ndarray.tolist, found), strict=True)):
        assert_batch(x[b * size : (b + 1) * size].tolist(), count, mean, var)
    if size >= 100:  # the mean of two floats often is in the middle of two floats
        assert len(slowly) <= unsure * len(found[0]) + 1


def assert_batch(batch, count, mean, var):
    values = [Fraction(v) for v in batch if math.isfinite(v)]
    assert count == len(values)
    if count == 0:
        assert math.isnan(mean)
        assert math.isnan(var)
        return
    exact = sum(values) / count
    assert_nearest(mean, exact)
    variance = sum((v - exact) ** 2 for v in values) / count
    if variance < 2**1024 - 2**970:
        assert_nearest(var, variance)
    else:
        assert var == math.inf


@given(st.integers(2**52, 2**53 - 2), st.integers(-1, 1), st.integers(0, 40), st.integers(1, 9))
def test_means_and_variances_near_the_middle_of_two_floats_are_correctly_rounded(
    n, off, shift, copies
):
    # the mean of n and n + 1 is a tie; 2**-shift more or less is just off it
    x = [float(n), float(n + 1), off * 2.0**-shift, -off * 2.0**-shift * (1 + 2.0**-52)]
    x = [*x[:2] * copies, *x]
    _, mean, var = batch_statistics(numbers(x), len(x))
    assert_batch(x, len(x), mean[0], var[0])
    _, mean, var = batch_statistics(numbers(x), 2)
    for b in range(len(mean)):
        assert_batch(x[2 * b : 2 * b + 2], 2, mean[b], var[b])


def test_a_mean_a_hair_off_the_middle_of_two_floats_goes_the_slow_way(monkeypatch):
    monkeypatch.setattr(statistics, "_mean_and_variance", lambda *_: (math.pi, math.e))
    x = [2.0**53 - 1, 2.0**53, 2.0**-60, 0.0, 1.0, 3.0, 1.0, 3.0]
    _, mean, var = batch_statistics(numbers(x), 4)
    assert (mean.tolist(), var.tolist()) == ([math.pi, 2.0], [math.e, 1.0])


@pytest.mark.parametrize("size", [2, 4, 8, 256])
def test_means_in_the_middle_of_two_floats_need_no_slow_way(size, monkeypatch):
    monkeypatch.setattr(statistics, "_mean_and_variance", None)
    x = np.random.default_rng(size).random(1 << 12)
    _, mean, var = batch_statistics(numbers(x), size)
    for b in range(len(mean)):
        batch = of(x[b * size : (b + 1) * size])
        assert (mean[b], var[b]) == (batch.mean, batch.variance())


@pytest.mark.parametrize("size", [1, 256, 9000, 10**6])
def test_batches_of_any_size_are_those_of_their_rows(size):
    x = np.random.default_rng(4).normal(1e6, 1, 30_000 if size > 1 else 300)
    _, mean, var = batch_statistics(numbers(x), size)
    for b in range(0, len(mean), 50):
        batch = of(x[b * size : (b + 1) * size])
        assert (mean[b], var[b]) == (batch.mean, batch.variance())


def test_batches_of_decimals_are_in_units_of_the_column():
    _, mean, var = batch_statistics(Numbers(np.array([[100.0, 300.0, 250.0]]), None, 2), 2)
    assert (mean.tolist(), var.tolist()) == ([2.0, 2.5], [1.0, 0.0])


def test_a_fit_that_asks_for_running_statistics_names_the_command_that_makes_them(normcli):
    refused = normcli("fit", "-", "--method", "batch:mode=predict,running", stdin=b"x\n1\n2\n")
    assert refused.code == 2
    assert "a fit makes no running statistics" in refused.err
