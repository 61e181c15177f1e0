"""How far the distribution of a column has moved, as the cells of histograms tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from normcli.numerics.cells import Cells

BINS = 10  # of the population stability index


@dataclass(frozen=True)
class Distance:
    """The distance of numbers from what they were.

    psi: the population stability index, the sum of (q - p) ln(q / p) over ten bins, which have the
        shares p of the fitted numbers and q of the new ones. The bins end where cells end, as
        near to the fitted deciles as may be; with few different numbers there are fewer bins. A
        bin without new numbers counts as half a number.
    cdf, most: the largest difference of the cumulative distributions is at least and at most so.
    """

    psi: float
    cdf: float
    most: float

    @classmethod
    def of(cls, then: Cells, now: Cells) -> Self:
        """The distance of numbers with these cells; both have some."""
        shift = max(then.shift, now.shift)
        a, b = then.coarser(shift), now.coarser(shift)
        keys = np.union1d(a.keys, b.keys)
        before, after = np.zeros((2, len(keys) + 1), np.int64)
        for found, cells in ((before, a), (after, b)):
            found[1 + np.searchsorted(keys, cells.keys)] = cells.counts
        before, after = before.cumsum(), after.cumsum()
        p, q = before / a.total, after / b.total
        # Cells of one number are steps; in wider ones each distribution rises somewhere.
        within = np.maximum(abs(p[1:] - q[:-1]), abs(p[:-1] - q[1:]))
        least = float(abs(p - q).max())
        most = float(max(least, within.max())) if shift else least
        cuts = _cuts(p)
        shares = np.diff(p[cuts]), np.maximum(np.diff(q[cuts]), 0.5 / b.total)
        return cls(
            float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()), least, most
        )


def _cuts(p: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[int]:
    """The places in a cumulative distribution that are nearest to its tenths, and both ends."""
    nearest = {int(abs(p - i / BINS).argmin()) for i in range(1, BINS)}
    ends = {int((p == 0).nonzero()[0][-1]), int((p == 1).nonzero()[0][0])}
    inside = {cut for cut in nearest if 0 < p[cut] < 1}
    cuts = sorted(inside | ends)
    cuts[0], cuts[-1] = 0, len(p) - 1  # numbers beyond the fitted ones are in the outer bins
    return cuts
