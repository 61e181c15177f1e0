"""Blocks of numbers, many columns or many batches at once: what is counted and added up of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normcli.numerics.sums import BLOCK, SPARSE, RowMoments, moments, room

if TYPE_CHECKING:
    from normcli.numerics.digits import Ints
    from normcli.numerics.numbers import Floats, Mask


def blocks(columns: Sequence[Floats]) -> Iterator[tuple[slice, Floats]]:
    """Columns, each of shape (p, n), in blocks of shape (p, m, l), and which columns they are of.

    Short columns are put beside each other, long ones are cut. A block is valid until the
    next is asked for.
    """
    p, n = columns[0].shape
    height = BLOCK // max(1, p * n)
    if height > 1:
        for start in range(0, len(columns), height):
            some = slice(start, start + height)
            yield some, _beside(columns[some])
    else:
        count = -(-n * p // BLOCK)
        for i, column in enumerate(columns):
            for k in range(count):
                yield slice(i, i + 1), column[:, None, n * k // count : n * (k + 1) // count]


def _beside(columns: Sequence[Floats]) -> Floats:
    p, n = columns[0].shape
    if len(columns) == 1:
        return columns[0][:, None, :]
    x = room("columns", p, len(columns) * n)
    np.concatenate(columns, axis=1, out=x)
    return x.reshape(p, -1, n)


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What is counted and added up of the m rows of a block; arrays have shape (m,).

    count, nan, inf: finite numbers, NaN, and infinities.
    low, high: of the first parts; where count is 0, NaN or an infinity.
    """

    count: Ints
    nan: Ints
    inf: Ints
    low: Floats
    high: Floats
    found: RowMoments

    @classmethod
    def of(cls, x: Floats, sparse: int = SPARSE) -> Tally:
        """The tally of x, shape (p, m, n), n > 0, of at most `BLOCK` items; see `Numbers`.

        sparse: as of `moments`.
        """
        _, m, n = x.shape
        low, high = x.min(axis=-1), x.max(axis=-1)
        bound = np.maximum(high, -low)
        if np.isfinite(bound).all():
            none = np.zeros(m, np.int64)
            return cls(none + n, none, none, low[0], high[0], moments(x, bound, sparse))
        gone = np.isnan(x[0])
        nan = _how_many(gone)
        low, high = np.fmin.reduce(x, axis=-1), np.fmax.reduce(x, axis=-1)
        if np.isinf(low).any() or np.isinf(high).any():
            finite = np.isfinite(x[0])
            low = np.minimum.reduce(x, axis=-1, where=finite, initial=np.inf)
            high = np.maximum.reduce(x, axis=-1, where=finite, initial=-np.inf)
            gone = ~finite
        numbers = room("numbers", *x.shape)
        np.copyto(numbers, x)
        np.copyto(numbers[0], 0.0, where=gone)
        bound = np.fmax(np.fmax(high, -low), 0.0)
        count = n - _how_many(gone)
        return cls(count, nan, n - count - nan, low[0], high[0], moments(numbers, bound, sparse))

    @classmethod
    def joined(cls, tallies: Sequence[Tally]) -> Tally:
        """The rows of some, of the same number of parts, one after the other."""
        if len(tallies) == 1:
            return tallies[0]
        return cls(
            np.concatenate([t.count for t in tallies]),
            np.concatenate([t.nan for t in tallies]),
            np.concatenate([t.inf for t in tallies]),
            np.concatenate([t.low for t in tallies]),
            np.concatenate([t.high for t in tallies]),
            RowMoments.joined([t.found for t in tallies]),
        )


def _how_many(mask: Mask) -> Ints:
    """How many of each row are true."""
    count: Ints = np.add.reduce(mask.view(np.uint8), axis=-1, dtype=np.uint32).astype(np.int64)
    return count
