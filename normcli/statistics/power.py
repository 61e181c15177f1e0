"""The exponents of power transforms, by maximum likelihood on the cells of a histogram.

Box and Cox, "An analysis of transformations", Journal of the Royal Statistical Society B 26(2),
1964; Yeo and Johnson, "A new family of power transformations to improve normality or symmetry",
Biometrika 87(4), 2000. Up to a constant, the log-likelihood of n numbers x is

    -n / 2 log(var(y)) + (lambda - 1) * J,

where y are the transformed numbers, and J is the sum of log(x), or of sign(x) log(1 + |x|) for
Yeo-Johnson. It is concave in lambda (Kouider and Chen, "Concavity of Box-Cox log-likelihood
function", Statistics & Probability Letters 25(2), 1995; Marchand et al., "SecureFedYJ",
NeurIPS 2022), so the root of its derivative is found by halving.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from normcli.numerics.cells import Cells
    from normcli.numerics.numbers import Floats, Mask

KINDS = ("boxcox", "yeojohnson")
LARGEST = 700.0  # of the logarithm of a result: e^700 is 1e304
APART = 2.0**-52  # of results, relative to their size
TINY = 1e-300
DIGITS = 6  # of an exponent, after the point
SERIES = tuple((k + 1) / math.factorial(k + 2) for k in range(13))[::-1]


@lru_cache(1 << 10)
def exponent(kind: str, cells: Cells) -> float:
    """The lambda of the largest likelihood, rounded to six digits after the point.

    1 where all numbers are equal. The numbers of a cell count as its middle. It is capped
    where results would be beyond 1e304: see `limits`.
    """
    sides = _Sides.of(kind, cells)
    if not (sides.u != sides.u[0]).any():
        return 1.0
    low, high = limits(kind, cells)
    a, b = max(low, -2.0), min(high, 3.0)
    while a > low and sides.slope(a) > 0:
        a = max(low, 2 * a - 1)
    while b < high and sides.slope(b) < 0:
        b = min(high, 2 * b)
    while b - a > 1e-9 * max(1.0, abs(a), abs(b)):
        middle = (a + b) / 2
        a, b = (middle, b) if sides.slope(middle) < 0 else (a, middle)
    return round((a + b) / 2, DIGITS) + 0.0


def limits(kind: str, cells: Cells) -> tuple[float, float]:
    """The smallest and the greatest lambda that keep results below 1e304, and apart.

    Where lambda * log(x) is far below 0, all results are -1 / lambda but for digits that float64
    does not have: see `_apart`.
    """
    sides = _Sides.of(kind, cells)
    ends = [float(cells.lows[0]), float(cells.highs[-1])]
    if sides.mixed:
        low, high = (math.log1p(abs(end)) for end in ends)
        return 2 - LARGEST / max(low, TINY), LARGEST / max(high, TINY)
    log = math.log if kind == "boxcox" else math.log1p
    low, high = sorted(log(abs(end)) for end in ends)
    up, down = max(high, float(sides.u.max()), TINY), max(-low, -float(sides.u.min()), TINY)
    least, greatest = -LARGEST / down, LARGEST / up
    if low > 0:
        least = -_apart(high, low, -least)
    elif high < 0:
        greatest = _apart(-low, -high, greatest)
    return (2 - greatest, 2 - least) if sides.negative else (least, greatest)


def _apart(far: float, near: float, most: float) -> float:
    """The largest k that keeps exp(-k * near) and exp(-k * far) apart from each other.

    far, near: more than 0. The difference, relative to that from 1, falls with k; it has to be
    2^-52, or half of what it is for the smallest k.
    """

    def share(k: float) -> float:
        return math.exp(-k * near) * math.expm1(-k * (far - near)) / math.expm1(-k * far)

    enough = min(APART, (far - near) / far / 2)
    low, high = 0.0, most
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle or TINY) >= enough else (low, middle)
    return low


@dataclass(frozen=True)
class _Sides:
    """Logarithms u of numbers, shares of all numbers w, and which are below 0.

    mixed: some numbers are below 0 and some above. Else u is relative to a number in the middle,
        which does not change the best lambda but keeps digits, and lambda is 2 minus that of
        Box-Cox where all are `negative`.
    """

    u: Floats
    w: Floats
    below: Mask
    mixed: bool = False
    negative: bool = False

    @classmethod
    def of(cls, kind: str, cells: Cells) -> _Sides:
        x = cells.lows / 2 + cells.highs / 2
        w = cells.counts / cells.total
        if kind == "yeojohnson" and x[0] < 0 < x[-1]:
            return cls(np.log1p(abs(x)), w, x < 0, mixed=True)
        negative = kind == "yeojohnson" and x[0] < 0
        x, offset = abs(x), float(kind == "yeojohnson")
        middle = x[np.searchsorted(np.cumsum(w), 0.5)]
        share = (x - middle) / (offset + middle)
        with np.errstate(divide="ignore"):
            u = np.where(
                share > -0.5, np.log1p(share), np.log(x + offset) - np.log(middle + offset)
            )
        return cls(u, w, x < 0, negative=negative)

    def slope(self, lambda_: float) -> float:
        """A multiple of the derivative of minus the log-likelihood; it increases with lambda."""
        if self.mixed:
            k = np.where(self.below, 2 - lambda_, lambda_)
        else:
            k = np.full(len(self.u), 2 - lambda_ if self.negative else lambda_)
        t = k * self.u
        with np.errstate(all="ignore"):
            y = np.where(abs(t) < 1e-8, self.u * (1 + t / 2), np.expm1(t) / k)
            small = self.u**2 * np.polyval(SERIES, t)
            change = np.where(abs(t) < 0.3, small, (np.exp(t) * (t - 1) + 1) / k**2)
        y = np.where(self.below, -y, y)
        signs = np.where(self.below, -1.0, 1.0)
        size = max(float(abs(y).max()), TINY)
        y, change = y / size, change / size
        y -= self.w @ y
        ratio = self.w @ (y * change) / (self.w @ (y * y))
        slope = float(ratio - self.w @ (signs * self.u))
        return -slope if self.negative else slope
