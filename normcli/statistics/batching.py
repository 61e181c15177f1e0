"""How consecutive rows make batches."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from normcli.numerics.numbers import Numbers

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats

# What scaling finds out of a chunk, running statistics need not find out again.
_found: WeakKeyDictionary[Numbers, tuple[Batching, Floats]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Batching:
    """Batches of `size` consecutive rows.

    last: what becomes of the last rows where they are fewer: "keep" (they are a batch),
        "merge" (they join the batch before), "drop" or "error" (see `pipeline.batches`).
    """

    size: int
    last: str = "keep"

    def slices(self, rows: int) -> list[slice]:
        """The batches of so many rows, which begin with a batch."""
        starts = list(range(0, rows, self.size))
        if self.last == "merge" and rows % self.size and len(starts) > 1:
            starts.pop()
        return [slice(a, b) for a, b in pairwise([*starts, rows])]

    def statistics(self, x: Numbers) -> Floats:
        """Count, mean and biased variance of each batch: float64, shape (b, 3).

        The cells begin with a batch. Mean and variance are NaN where the count is 0.
        """
        if x not in _found or _found[x][0] != self:
            _found[x] = self, self._computed(x)
        return _found[x][1]

    def _computed(self, x: Numbers) -> Floats:
        import numpy as np

        from normcli.statistics.batches import batch_statistics

        batches = self.slices(len(x))
        cut = batches[-1].start if batches else 0
        regular = batch_statistics(x.at(slice(0, cut)), self.size)
        last = batch_statistics(x.at(slice(cut, None)), max(1, len(x) - cut))
        return np.concatenate([np.stack(regular, axis=1), np.stack(last, axis=1)])
