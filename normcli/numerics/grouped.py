"""Exact sums, sums of products, and extremes of the numbers of every group.

Numbers are cut into pieces on one grid of exponents, multiples of `GRID`. A piece is a whole
number of at most `WIDTH` bits in its unit, so that `np.bincount`, which adds in float64, adds up
to `ROWS` of them without rounding. The cut is the extraction of Rump, Ogita and Oishi, "Accurate
floating-point summation part I", SIAM J. Sci. Comput. 31(1), 2008.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from normcli.numerics.digits import GRID, FixedPoint
from normcli.numerics.doubles import two_product

if TYPE_CHECKING:
    from normcli.numerics.digits import Ints
    from normcli.numerics.numbers import Floats

ROWS = 1 << 17  # numbers added up at once
BLOCKS = 1 << 8  # of so many numbers, whose sums fit in int64
WIDTH = 36  # bits of a piece: ROWS of them make a float64 integer
LAST = -47  # the row of the grid whose unit, 2**-1081, divides every float64
HUGE = 2.0**900  # larger numbers are cut in a smaller unit
SHIFT = 27  # rows of the grid between that unit and 1
UNIT = 2.0 ** (GRID * SHIFT)
SMALL, LARGE = 2.0**-450, 2.0**450  # between them squares lose no bit


@dataclass
class GroupSums:
    """Exact sums of the numbers of every group, in the making.

    codes: shape (n,), the group of each row, from 0 to `groups`.
    """

    codes: Ints
    groups: int
    _rows: dict[int, Ints] = field(default_factory=dict)  # of the grid -> digits of the groups
    _blocks: int = 0  # that were added to these
    _done: FixedPoint | None = None  # what was added before

    def add(self, terms: Floats, codes: Ints | None = None, row: int = 0) -> None:
        """Add a finite number for each row; in units of the row `row` of the grid.

        codes: of the rows, where these are only some.
        """
        codes = self.codes if codes is None else codes
        for start in range(0, len(terms), ROWS):
            some = slice(start, start + ROWS)
            self._add(terms[some], codes[some], row)
            self._blocks += 1
            if self._blocks == BLOCKS:
                self._done, self._rows, self._blocks = self.total(), {}, 0

    def _add(self, x: Floats, codes: Ints, unit: int) -> None:
        """`add` for rows whose pieces can be added up at once."""
        top = float(np.abs(x).max())
        if top >= HUGE:
            huge = np.abs(x) >= LARGE
            self._add(x[huge] / UNIT, codes[huge], unit + SHIFT)
            x = np.where(huge, 0.0, x)
            top = float(np.abs(x).max())
        while top:
            row = max(LAST, -((WIDTH - math.frexp(top)[1]) // GRID))
            piece = _multiples(x, row)
            sums = np.ldexp(np.bincount(codes, piece, self.groups), -GRID * row)
            self._digits(row + unit)[:] += sums.astype(np.int64)
            x = x - piece
            top = float(np.abs(x).max())

    def _digits(self, row: int) -> Ints:
        if row not in self._rows:
            self._rows[row] = np.zeros(self.groups, np.int64)
        return self._rows[row]

    def total(self) -> FixedPoint:
        """The sums of all that was added."""
        nothing = FixedPoint(np.zeros((0, self.groups), np.int64))
        if not self._rows:
            return self._done or nothing
        low, high = min(self._rows), max(self._rows) + 3  # two rows to carry into, and one
        digits = np.zeros((high - low + 1, self.groups), np.int64)
        for row, sums in self._rows.items():
            digits[high - row] = sums
        return (self._done or nothing).plus(FixedPoint.settled(digits, low))


def _multiples(x: Floats, row: int) -> Floats:
    """The numbers rounded to multiples of the unit of a row of the grid."""
    if row == LAST:
        return x
    sigma = 1.5 * 2.0 ** (52 + GRID * row)
    rounded: Floats = (x + sigma) - sigma
    return rounded


def sums_and_squares_by(parts: Floats, codes: Ints, groups: int) -> tuple[FixedPoint, FixedPoint]:
    """The exact sum, and sum of squares, of the numbers of every group.

    parts: shape (p, n), finite; the sum of each column is a number (see `Numbers`).
    """
    sums, squares = GroupSums(codes, groups), GroupSums(codes, groups)
    for part in parts:
        sums.add(part)
    for some, scaled, row in _without_loss(parts):
        chosen = codes if some is None else codes[some]
        for term in _square(scaled):
            squares.add(term, chosen, row)
    return sums.total(), squares.total()


def _without_loss(parts: Floats) -> Iterator[tuple[Ints | None, Floats, int]]:
    """Numbers in units whose squares neither overflow nor underflow.

    Yields which they are (None: all), the numbers in that unit, and the row of its square.
    """
    size = np.abs(parts[0])
    if not size.size:
        return
    small = (size < SMALL) & (size > 0)
    large = size > LARGE
    if not (small.any() or large.any()):
        yield None, parts, 0
        return
    for mask, unit, row in (
        (~(small | large), 1.0, 0),
        (large, 1 / UNIT, 2 * SHIFT),
        (small, UNIT, -2 * SHIFT),
    ):
        some = np.flatnonzero(mask)
        if len(some):
            yield some, parts[:, some] * unit, row


def _square(parts: Floats) -> Iterator[Floats]:
    """Terms whose sum is the square of the sum of the parts, exactly."""
    for i, a in enumerate(parts):
        for j in range(i, len(parts)):
            product = two_product(a, parts[j])
            yield from product if i == j else (2 * term for term in product)
