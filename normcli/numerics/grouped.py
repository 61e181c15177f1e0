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
STEP = 21  # rows of the grid between units of factors
NEAR = 2.0 ** (GRID * STEP // 2)  # factors up to it need no other unit


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
            huge = np.abs(x) >= 2.0**450
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
    for some, (x,), (unit,) in _in_units(parts):
        for term in _product(x, x):
            squares.add(term, codes[some], -2 * STEP * unit)
    return sums.total(), squares.total()


def weighted_sums_by(
    parts: Floats, weights: Floats, codes: Ints, groups: int
) -> tuple[FixedPoint, FixedPoint, FixedPoint, FixedPoint]:
    """The exact sums of w, w**2, w * x and w * x**2 of every group.

    parts, weights: shape (p, n) and (q, n), as of `sums_and_squares_by`.
    """
    w, w2, wx, wx2 = (GroupSums(codes, groups) for _ in range(4))
    for part in weights:
        w.add(part)
    for some, (x, v), (unit, other) in _in_units(parts, weights):
        here = codes[some]
        for total, terms, row in (
            (w2, _product(v, v), 2 * other),
            (wx, _product(v, x), other + unit),
            (wx2, _product(np.stack([*_product(x, x)]), v), other + 2 * unit),
        ):
            for term in terms:
                total.add(term, here, -STEP * row)
    return w.total(), w2.total(), wx.total(), wx2.total()


def _in_units(*numbers: Floats) -> Iterator[tuple[slice | Ints, list[Floats], list[int]]]:
    """Numbers in units in which products of three neither overflow nor underflow.

    Yields which rows they are; the numbers, times 2**(GRID * STEP * unit); and their units.
    """
    if not numbers[0].shape[1]:
        return
    units = np.stack([_units(x) for x in numbers])
    if not units.any():
        yield slice(None), list(numbers), [0] * len(numbers)
        return
    for unit in np.unique(units, axis=1).T.tolist():
        rows = np.flatnonzero((unit == units.T).all(axis=1))
        scaled = [x[:, rows] * 2.0 ** (GRID * STEP * u) for x, u in zip(numbers, unit, strict=True)]
        yield rows, scaled, unit


def _units(x: Floats) -> Ints:
    """Of numbers of one part, those that bring their size near to 1; else 0 for all."""
    size = np.abs(x[0])
    near = size.max() < NEAR and np.min(size, where=size > 0, initial=1.0) > 1 / NEAR
    if near or len(x) > 1:  # several parts are whole numbers of at most 256 bits
        return np.zeros(len(size), np.int64)
    units: Ints = -np.rint(np.frexp(size)[1] / (GRID * STEP)).astype(np.int64)
    return units


def _product(a: Floats, b: Floats) -> Iterator[Floats]:
    """Terms whose sum is the product of the sums of the parts of a and of b, exactly."""
    for left in a:
        for right in b:
            yield from two_product(left, right)
