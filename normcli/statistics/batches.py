"""Count, mean and variance of batches of rows, many at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import numpy as np

from normcli.numerics.digits import GRID
from normcli.numerics.numbers import Numbers
from normcli.numerics.sums import BLOCK, ROW, sums_and_squares
from normcli.numerics.tally import Tally
from normcli.numerics.total import divide

if TYPE_CHECKING:
    from normcli.numerics.digits import Ints
    from normcli.numerics.numbers import Floats

from normcli.statistics.moments import Moments

BATCHES = 1 << 12  # batches whose means are rounded at once
SPARSE = 1 << 12  # of numbers that are left out of the pieces: each is work for its batch


def batch_statistics(x: Numbers, size: int) -> tuple[Ints, Floats, Floats]:
    """Count, mean and biased variance of every batch of `size` consecutive rows.

    The last batch may be shorter. Missing, NaN and infinite cells are left out.

    Returns: three arrays of shape (b,), b = ceil(n / size). Mean and variance are correctly
    rounded: NaN where the count is 0, infinity beyond the largest float64.
    """
    p, n = x.parts.shape
    if size > min(ROW, BLOCK // p):
        return _of_long_batches(x, size)
    rows = min(BLOCK // p // size, BATCHES)
    whole = n - n % size
    cuts = [*range(0, whole, rows * size), whole, n]
    tallies = (
        Tally.of(x.parts[:, start:stop].reshape(p, -1, min(size, stop - start)), SPARSE)
        for start, stop in pairwise(cuts)
        if stop > start
    )
    found = [(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))]
    while some := list(islice(tallies, BATCHES // rows)):
        found.append(_rounded_rows(Tally.joined(some), 10**x.scale))
    count, mean, var = (np.concatenate(a) for a in zip(*found, strict=True))
    return count, mean, var


def _of_long_batches(x: Numbers, size: int) -> tuple[Ints, Floats, Floats]:
    """`batch_statistics`, where batches are columns like others."""
    cuts = [slice(start, start + size) for start in range(0, len(x), size)]
    found = [Moments.of(Numbers(x.parts[:, cut], None, x.scale)) for cut in cuts]
    count = np.array([batch.count for batch in found], np.int64)
    mean, var = np.array([_rounded(batch) for batch in found], np.float64).reshape(-1, 2).T
    return count, mean, var


def _rounded(x: Moments) -> tuple[float | None, float | None]:
    """Mean and biased variance; None without numbers, infinity beyond the largest float64."""
    try:
        return x.mean, x.variance()
    except OverflowError:
        return x.mean, math.inf


def _rounded_rows(tally: Tally, unit: int) -> tuple[Ints, Floats, Floats]:
    """Count, mean and variance of every row, in units of 1 / unit."""
    if unit == 1:
        mean, var, sure = tally.found.mean_and_variance(tally.count)
        unsure = np.flatnonzero(~sure)
    else:
        mean, var = np.empty((2, len(tally.count)))
        unsure = np.arange(len(tally.count))
    if len(unsure):
        mean[unsure], var[unsure] = _by_integers(tally, unsure, unit)
    return tally.count, mean, var


def _by_integers(tally: Tally, rows: Ints, unit: int) -> tuple[Sequence[float], Sequence[float]]:
    """Means and variances of some rows, one by one."""
    sums = sums_and_squares(tally.found.of_rows(rows), np.arange(len(rows)), len(rows))
    numbers, exponent = sums.integers(), GRID * sums.low
    cut = len(rows)
    triples = zip(tally.count[rows].tolist(), numbers[:cut], numbers[cut:], strict=True)
    found = [_mean_and_variance(*triple, exponent, unit) for triple in triples]
    return [mean for mean, _ in found], [var for _, var in found]


def _mean_and_variance(
    count: int, total: int, squares: int, exponent: int, unit: int
) -> tuple[float, float]:
    """Mean and variance of `count` numbers in units of 1 / unit; sums are in 2**exponent."""
    if count == 0:
        return math.nan, math.nan
    if exponent > 0:
        total, squares, exponent = total << exponent, squares << exponent, 0
    n = count * unit
    mean = divide(total, n, exponent)
    try:
        var = divide((count * squares << -exponent) - total * total, n * n, 2 * exponent)
    except OverflowError:
        var = math.inf
    return mean, var
