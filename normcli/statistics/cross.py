"""Cross moments: sums of products of standardized columns, and of these with a target.

They are about pairs of columns and about rows in which no cell is missing, and no sidecar keeps
them, so they are not a recipe (docs/decisions.md). The sums are exact, so neither the order of
the rows nor where they are cut makes a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from normcli.numerics.digits import GRID
from normcli.numerics.sums import DOT
from normcli.numerics.total import divide

if TYPE_CHECKING:
    from normcli.numerics.digits import Ints
    from normcli.numerics.numbers import Floats

LARGEST = 2.0**27  # standardized number
LARGEST_TARGET = 2.0**987
TOP = 5  # the first piece of a standardized number is in units of 2**5
UNITS = [TOP - GRID * i for i in range(4)]  # of all of them: it is rounded to 2**-64
SMALLEST = -46 * GRID  # a number of the target is rounded to 2**-1058
BLOCKS = 64  # blocks whose sums fit in an int64

Pieces = dict[int, "Floats"]  # power of 2**GRID -> integers of at most 22 bits, shape (k, n)
Digits = dict[int, "Ints"]  # power of 2**GRID -> digits of sums


@dataclass
class CrossMoments:
    """Exact sums over the rows that were added.

    products: of the m columns and of a last one that is 1 everywhere, shape (m + 1, m + 1), in
        units of 2**(2 * TOP). So the sums of the columns and the count of rows are among them.
    with_target: of these columns and the target, shape (m + 1, t), in units of 2**TOP.
    """

    products: Digits = field(default_factory=dict)
    with_target: Digits = field(default_factory=dict)
    _blocks: int = 0

    def add(self, z: Floats, target: Floats) -> None:
        """Add n rows.

        z: at most `LARGEST`, shape (m, n). target: at most `LARGEST_TARGET`, shape (t, n); where
        t is greater than before, the target has been 0 in the new places until now.
        """
        z = np.concatenate([z, np.ones((1, z.shape[1]))])
        _widen(self.with_target, len(target))
        for start in range(0, z.shape[1], DOT):
            some = slice(start, start + DOT)
            self._add_block(_cut(z[:, some], UNITS, TOP), _target_in_pieces(target[:, some]))

    def _add_block(self, z: Pieces, y: Pieces) -> None:
        """Add at most `DOT` rows: all numbers in the products of matrices are below 2**53."""
        for i, a in z.items():
            for j, b in z.items():
                if i >= j:
                    found = a @ b.T
                    _add(self.products, i + j, found if i == j else found + found.T)
            for j, b in y.items():
                _add(self.with_target, i + j, a @ b.T)
        self._blocks += 1
        if self._blocks % BLOCKS == 0:
            _carry(self.products)
            _carry(self.with_target)

    @property
    def rows(self) -> int:
        """How many rows were added."""
        if not self.products:
            return 0
        ((count,),) = _integers(self.products, slice(-1, None), slice(-1, None))
        return count >> self._shift

    @property
    def _shift(self) -> int:
        """Bits behind the point of the products, as integers."""
        return -(2 * TOP + GRID * min(self.products))

    @property
    def _sums(self) -> list[int]:
        """Those of the columns, as integers."""
        (sums,) = _integers(self.products, slice(-1, None), slice(-1))
        return sums

    def scatter(self) -> Floats:
        """Sums of products of deviations from the means, correctly rounded: shape (m, m)."""
        n, shift, sums = self.rows, self._shift, self._sums
        found = np.empty((len(sums), len(sums)))
        for i, row in enumerate(_integers(self.products, slice(-1), slice(-1))):
            for j in range(i + 1):
                exact = n * (row[j] << shift) - sums[i] * sums[j]
                found[i, j] = found[j, i] = divide(exact, n, -2 * shift)
        return found

    def scatter_with_target(self) -> Floats:
        """The same of columns and target, but for a factor that all have: shape (m, t).

        It is a power of 2 divided by the count of rows, so that no number leaves float64.
        """
        n, shift = self.rows, self._shift
        *rows, totals = _integers(self.with_target, slice(None), slice(None))
        exact = [
            [n * (product << shift) - s * t for product, t in zip(row, totals, strict=True)]
            for row, s in zip(rows, self._sums, strict=True)
        ]
        bits = max(number.bit_length() for row in exact for number in row)
        return np.array([[divide(number, 1, -bits) for number in row] for row in exact])


def _target_in_pieces(y: Floats) -> Pieces:
    exponent = int(np.frexp(np.abs(y).max())[1])
    return _cut(y, range(exponent // GRID * GRID, SMALLEST - 1, -GRID), 0)


def _cut(x: Floats, units: Sequence[int], top: int) -> Pieces:
    """The pieces of x that are not 0, in units of these powers of 2; what is below them is lost.

    Adding sigma, whose last place is the unit, rounds there: see `normcli.numerics.sums`.
    """
    found = {}
    for unit in units:
        if not x.any():
            break
        sigma = np.ldexp(1.5, unit + 52)
        piece = (x + sigma) - sigma
        if piece.any():
            found[(unit - top) // GRID] = np.ldexp(piece, -unit)
            x = x - piece
    return found


def _add(digits: Digits, power: int, more: Floats | Ints) -> None:
    whole = more.astype(np.int64, copy=False)
    digits[power] = digits[power] + whole if power in digits else whole


def _widen(digits: Digits, width: int) -> None:
    """Give the sums as many columns as that, the new ones with 0."""
    for power, each in digits.items():
        digits[power] = np.pad(each, ((0, 0), (0, width - each.shape[1])))


def _carry(digits: Digits) -> None:
    """Leave at most 22 bits and a sign in every digit, and add the rest to the next one."""
    power = min(digits, default=0)
    while digits and power <= max(digits):
        over = (digits.get(power, np.zeros(1, np.int64)) + (1 << GRID - 1)) >> GRID
        if over.any():
            digits[power] = digits[power] - (over << GRID)
            _add(digits, power + 1, over)
        power += 1


def _integers(digits: Digits, rows: slice, columns: slice) -> Iterator[list[int]]:
    """Some of the sums as Python's integers, in units of the least digit, row by row."""
    low = min(digits)
    for i in range(*rows.indices(len(digits[low]))):
        row = np.zeros_like(digits[low][i, columns], object)
        for power, digit in digits.items():
            row += digit[i, columns].astype(object) << GRID * (power - low)
        yield row.tolist()
