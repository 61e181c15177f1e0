"""The bounds of docs/numerics.md hold where a search finds the largest errors.

A search climbs: it changes the last bits of numbers, or a little of them, and keeps what makes
the error larger. It starts from the worst cases that longer searches found.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from normcli.methods.batch import Batch
from normcli.methods.minmax import MinMax
from normcli.methods.zscore import ZScore
from normcli.numerics.doubles import inverse_root, root
from normcli.numerics.numbers import Numbers
from normcli.statistics.column import ColumnStatistics

STEPS = 1500  # for each start: half a second


def ulp(value):
    """The distance of float64 numbers around the exact `value`, which is not subnormal."""
    return Fraction(math.ulp(float(value)))


def climbed(error, start, allowed, rng):
    """The largest error that is found, and its numbers."""
    worst, numbers = error(start), start
    for _ in range(STEPS):
        changed = [changed_a_little(v, rng) if rng.random() < 0.4 else v for v in numbers]
        if allowed(changed) and (found := error(changed)) > worst:
            worst, numbers = found, changed
    return worst, numbers


def changed_a_little(value, rng):
    if rng.random() < 0.6:
        return value + rng.randint(-50, 50) * math.ulp(value)
    return value * (1 + rng.gauss(0, 1) * 2.0 ** -rng.randint(2, 50))


def column(*values):
    return ColumnStatistics.of(Numbers(np.array([values])))


def mapped(method, column, x):
    return method.mapping(column).values(Numbers(np.array([[x]]))).values[0]


# x, min, max, and the ends of the range
MINMAX = {
    "around 0": (
        7.930860804649236,
        -0.651568292016691,
        7.999990519123595,
        -15.999890312004258,
        6.789476950523939,
    ),
    "around 0, alike": (
        2.9649897072429376,
        8.770573880689803e-05,
        2.9999599730045388,
        -1.8626717965923039,
        1.9898590707137018,
    ),
    "as wide as a power of two": (
        7.930860804649236,
        -0.651568292016691,
        7.999990519123595,
        -1.0,
        1.0,
    ),
    "from 0": (
        0.49964767233348734,
        0.24942216382678098,
        0.5003886921021846,
        0.0,
        15.999909355235964,
    ),
    "beside 0": (
        0.11568489545769634,
        -8.000000000866232,
        0.12500017834410843,
        0.2590795791227778,
        3.9999133782794063,
    ),
}


def minmax_error(numbers):
    x, least, greatest, low, high = numbers
    y = mapped(MinMax((low, high)), column(least, greatest), x)
    x, least, greatest, low, high = map(Fraction, numbers)
    right = low + (high - low) * (x - least) / (greatest - least)
    return abs(Fraction(y) - right) / ulp(max(abs(low), abs(high)))


def fits_minmax(numbers):
    x, least, greatest, low, high = numbers
    return least <= x <= greatest and least < greatest and low < high


@pytest.mark.parametrize("start", MINMAX)
def test_min_max_is_within_four_ulp_of_the_larger_end_where_errors_are_largest(start):
    worst, numbers = climbed(minmax_error, MINMAX[start], fits_minmax, random.Random(15))
    assert worst <= 4, numbers
    assert worst > 1  # the search is worth something


def test_the_plain_formula_is_further_off_than_four_ulp():
    x, least, greatest, low, high = MINMAX["around 0"]
    y = low + (high - low) * ((x - least) / (greatest - least))
    x, least, greatest = map(Fraction, (x, least, greatest))
    right = low + (Fraction(high) - Fraction(low)) * (x - least) / (greatest - least)
    assert abs(Fraction(y) - right) > 4 * ulp(low)


@pytest.mark.parametrize("ends", [(-1.5, 1.5), (-1.3, 1.0), (-3.0, 0.3), (-1e308, 1.7e308)])
def test_a_wide_range_keeps_order_and_ends_around_its_middle(ends):
    rng = np.random.default_rng(1)
    least, greatest = sorted(rng.normal(size=2))
    middle = (least + greatest) / 2
    near = middle + np.arange(-5000, 5000) * math.ulp(middle)
    x = np.sort([*near, *rng.uniform(least - 1, greatest + 1, 5000), least, greatest])
    if ends[1] > 1e300:
        x = np.clip(x, least, greatest)
    y = MinMax(ends).mapping(column(least, greatest)).values(Numbers(x[None])).values
    assert (np.diff(y) >= 0).all()
    assert (y[x == least] == ends[0]).all()
    assert (y[x == greatest] == ends[1]).all()
    inside = y[(least <= x) & (x <= greatest)]
    assert ends[0] <= inside.min() <= inside.max() <= ends[1]


# x, mean, var, eps, gamma and beta
BATCH = {
    "the deviation": (
        0.14818866131320443,
        -7.984184638686558,
        1.0137167053674032,
        1.642652686439926e-05,
        0.12374379856388341,
        0.17454923950321455,
    ),
    "the sum": (
        -15.915437478463971,
        15.42720810086187,
        8.000000012308336,
        0.0009776185389595183,
        -0.3597296747558374,
        0.3921609781024511,
    ),
    "without beta": (7.0, 1.000000000000003, 3.1, 1e-5, 1.0000000000000002, 0.0),
}


def batch_term(numbers):
    """gamma * z, exactly."""
    x, mean, var, eps, gamma, _ = map(Fraction, numbers)
    return gamma * (x - mean) / root(var + eps)


def batch_error(numbers):
    x, mean, var, eps, gamma, beta = numbers
    method = Batch(gamma, beta, eps, mode="predict")
    y = mapped(method, ColumnStatistics(given={"mean": mean, "var": var}), x)
    term = batch_term(numbers)
    size = max(abs(term), abs(Fraction(beta)))
    return abs(Fraction(y) - term - Fraction(beta)) / ulp(size)


def fits_batch(numbers):
    x, mean, var, eps, gamma, _ = numbers
    return var > 0 < eps and x != mean and gamma != 0


@pytest.mark.parametrize("start", BATCH)
def test_prediction_is_within_three_ulp_of_its_terms_where_errors_are_largest(start):
    worst, numbers = climbed(batch_error, BATCH[start], fits_batch, random.Random(15))
    assert worst <= 3, numbers
    assert worst > 1


def test_the_plain_formula_of_prediction_is_further_off_than_four_ulp():
    numbers = BATCH["the deviation"]
    x, mean, var, eps, gamma, beta = numbers
    y = gamma * ((x - mean) / math.sqrt(var + eps)) + beta
    term = batch_term(numbers)
    assert abs(Fraction(y) - term - Fraction(beta)) > 4 * ulp(term)


def test_the_slopes_of_batches_are_good_to_a_hundred_bits():
    rng = np.random.default_rng(1)
    var = np.concatenate([rng.uniform(0, 1e-3, 50), 10.0 ** rng.uniform(-250, 300, 50), [0]])
    for eps, gamma in [(1e-5, 1.5), (1e-3, -0.1), (1e-250, 1e10)]:
        slope = inverse_root(var, eps, gamma)
        for v, hi, lo in zip(var.tolist(), slope.hi.tolist(), slope.lo.tolist(), strict=True):
            right = Fraction(gamma) / root(Fraction(v) + Fraction(eps))
            assert abs(Fraction(hi) + Fraction(lo) - right) <= abs(right) / 2**98
            assert hi == float(right)


# x, mean, std
ZSCORE = {
    "usual": (7.930860804649236, 3.141592653589793, 0.7182818284590452),
    "far from 0": (1e12 + 0.3, 1e12 - 7.1, 3.3),
    "cancelling": (1.0000000000000004, 1.0, 2.9999999999999996),
    "at a power of two": (16.000000000000004, 7.999999999999999, 1.9999999999999998),
}


def zscore(numbers):
    _, mean, std = numbers
    return ZScore().mapping(ColumnStatistics(given={"mean": mean, "std": std}))


def applied(mapping, x):
    return float(mapping.values(Numbers(np.array([[x]]))).values[0])


def zscore_error(numbers):
    x, mean, std = map(Fraction, numbers)
    right = (x - mean) / std
    return abs(Fraction(applied(zscore(numbers), numbers[0])) - right) / ulp(right)


def inverse_error(numbers):
    """Of the inverse of a number that is like a z."""
    x, mean, std = map(Fraction, numbers)
    right = x * std + mean
    back = Fraction(applied(zscore(numbers).inverse(), numbers[0]))
    cancelled = Fraction(1, 2**100) * max(abs(x * std), abs(mean))
    return max(abs(back - right) - cancelled, Fraction()) / ulp(right)


def round_trip_error(numbers):
    x, mean, _ = numbers
    mapping = zscore(numbers)
    back = applied(mapping.inverse(), applied(mapping, x))
    return abs(Fraction(back) - Fraction(x)) / ulp(max(abs(x), abs(mean)))


def fits_zscore(numbers):
    x, mean, std = numbers
    return std > 0 and x not in (mean, 0) and Fraction(x) * Fraction(std) + Fraction(mean) != 0


@pytest.mark.parametrize("start", ZSCORE)
@pytest.mark.parametrize(
    ("error", "bound", "least"),
    [
        (zscore_error, 1 + Fraction(1, 2**48), 0.45),
        (inverse_error, 1, 0.45),
        (round_trip_error, 8, -1),  # usually the number comes back as it was
    ],
)
def test_z_scores_and_their_inverse_keep_their_bounds_where_errors_are_largest(
    start, error, bound, least
):
    worst, numbers = climbed(error, ZSCORE[start], fits_zscore, random.Random(15))
    assert worst <= bound, numbers
    assert worst > least  # the search is worth something


def test_the_plain_inverse_is_further_off_than_an_ulp():
    z, mean, std = 1.0000000000000002, -3.0000000000000004, 2.999999999999999
    right = Fraction(z) * Fraction(std) + Fraction(mean)
    assert abs(Fraction(z * std + mean) - right) > ulp(right)
    assert inverse_error((z, mean, std)) <= 1
