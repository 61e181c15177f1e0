"""The numbers of one column of a chunk: as formats give them, and as mappings return them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Numbers:
    """n numbers of a column, exactly as they were read.

    ``value[i] == sum(parts[:, i]) * 10**-scale`` in exact arithmetic. A float64 column
    has one part and scale 0; int64 beyond 2**53 has two parts (high and low), a decimal
    column has as many parts as its width needs and its own scale.

    parts: float64, shape (p, n), p >= 1. Where a cell is missing, NaN or infinite,
        ``parts[0]`` holds NaN (missing, NaN) or the infinity, and the other parts hold 0.
    missing: bool, shape (n,), True where there is no number to read (empty cell, null,
        missing token); None where nothing is missing. A NaN that is not missing is a NaN
        in the data.
    scale: decimal places of a decimal column, else 0.
    """

    parts: Floats
    missing: Mask | None = None
    scale: int = 0

    def __len__(self) -> int:
        return int(self.parts.shape[1])

    def at(self, cells: slice | Mask | NDArray[np.int64]) -> Numbers:
        """Some of the cells; those of a slice are not copied."""
        missing = None if self.missing is None else self.missing[cells]
        return Numbers(self.parts[:, cells], missing, self.scale)


def without(x: Numbers, marks: Sequence[int | float]) -> Numbers:
    """The numbers, with the cells missing that equal one of the `marks`.

    x: has at most two parts, and scale 0.
    """
    import numpy as np

    if not marks:
        return x
    none = np.zeros(len(x), bool) if x.missing is None else x.missing
    found = none.copy()
    for mark in marks:
        found |= ~none & _equal(x.parts, mark)
    if not found.any():
        return x
    parts = x.parts.copy()
    parts[:, found] = 0.0
    parts[0, found] = np.nan
    return Numbers(parts, found)


def _equal(parts: Floats, mark: float) -> Mask:
    """Where one or two parts together are a number, exactly; NaN equals NaN."""
    import math

    import numpy as np

    if math.isnan(mark):
        none: Mask = np.isnan(parts[0])
        return none
    nearest = float(mark)
    rest = float(mark - int(nearest)) if isinstance(mark, int) else 0.0
    if len(parts) == 1:
        equal: Mask = parts[0] == nearest
        return equal if not rest else np.zeros_like(equal)
    total = parts[0] + parts[1]
    with np.errstate(invalid="ignore"):  # an infinity has no rest
        left = np.nan_to_num(parts[1] - (total - parts[0]))
    both: Mask = (total == nearest) & (left == rest)
    return both


@dataclass(frozen=True, eq=False)
class Vectors:
    """n vectors of numbers, one after the other; vector i has ``lengths[i]`` of the elements."""

    elements: Numbers
    lengths: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Scaled:
    """What n numbers become.

    values: float64, shape (n,). Whatever is in `keep` or `null` cells is ignored.
    keep: cells that come back as they were written (missing, NaN, infinities that are
        ignored), or None for none.
    null: cells that become missing (out-of-range policy), or None for none.
    counts: what the report tells -> number of cells, such as "out_of_range".
    whole: cells that text formats write without a fraction, as 7, not 7.0; None for none.
    """

    values: Floats
    keep: Mask | None = None
    null: Mask | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    whole: Mask | None = None
