"""What z-score, min-max and batch have in common: each is an affine map of a column."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from sys import float_info
from typing import TYPE_CHECKING

from normcli.errors import CellError
from normcli.methods.base import Fitted, Method, Scaled
from normcli.numerics.doubles import (
    blockwise,
    difference,
    fraction,
    fused,
    in_units,
    nearest,
    not_finite,
    pair,
    part,
    scaled,
)

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats, Mask, Numbers
    from normcli.numerics.total import Exact
    from normcli.statistics.moments import ColumnStatistics

SMALL = 2.0**-900  # a smaller result may have lost low bits of its double-double to underflow


@dataclass(frozen=True)
class Affine:
    """The exact map x -> (x - center) * slope + offset; to be `undone`, slope must not be 0."""

    center: Fraction
    slope: Fraction
    offset: Fraction

    def exactly(self, x: Fraction) -> Fraction:
        """The map of one number."""
        return (x - self.center) * self.slope + self.offset

    def undone(self) -> Affine:
        """The map back."""
        return Affine(self.offset, 1 / self.slope, self.center)

    def values(self, x: Numbers) -> Floats:
        """The map of n numbers, rounded once: within 1 ulp of the exact value.

        That is so unless the sum cancels: then within 2**-100 of |offset|. NaN where a
        double-double might not do; `finished` takes care of it.
        """
        import numpy as np

        slope = pair(self.slope / Fraction(10) ** x.scale)
        offset = pair(self.offset)
        origin = in_units(self.center, x.scale)
        if not SMALL < abs(slope.hi) < 1 / SMALL:
            return np.full(len(x), math.nan)

        def kernel(cells: slice) -> Floats:
            d = difference(part(x, cells), origin)
            y = fused(d, slope, offset)
            return np.where((abs(y) < SMALL) & (d.hi != 0), math.nan, y)

        return blockwise(kernel, len(x))

    def quickly(self, x: Numbers) -> Floats:
        """The map of n numbers, within 3 ulp of the larger of its two terms.

        NaN where the range of float64 is left; `finished` takes care of it.
        """
        import numpy as np

        slope = nearest(self.slope / Fraction(10) ** x.scale)
        offset, origin = nearest(self.offset), in_units(self.center, x.scale)
        if self.slope and abs(slope) < float_info.min:
            return np.full(len(x), math.nan)

        def kernel(cells: slice) -> Floats:
            return scaled(difference(part(x, cells), origin), slope, offset)

        return blockwise(kernel, len(x))


class AffineMethod(Method):
    """A method that maps every number of a column in the same affine way."""

    def affine(self, column: Fitted) -> Affine:
        """The exact map of `column`, which was fitted on some number."""
        raise NotImplementedError

    def known_affine(self, column: Fitted) -> Affine:
        """`affine`, made once for the column."""
        return column.once((repr(self), "affine"), lambda: self.affine(column))

    def inverse(self, y: Numbers, column: Fitted) -> Scaled:
        """`y` in original units, rounded once from the exact inverse."""
        keep = kept(y, column)
        if column.statistics.count == 0:
            return unchanged(y, keep)
        back = self.known_affine(column).undone()
        return Scaled(finished(back.values(y), y, keep, column, back), keep)


def kept(x: Numbers, column: Fitted) -> Mask | None:
    """The cells that come back as they were written, None for none.

    Raises: CellError where a number is left in a column that was fitted on none.
    """
    keep = not_finite(x)
    if column.statistics.count or len(x) == 0 or (keep is not None and keep.all()):
        return keep
    cell = 0 if keep is None else int(keep.argmin())
    raise CellError.at(
        cell,
        column.name,
        shown(fraction(x, cell)),
        "cannot be scaled: the column had no number at all when it was fitted. "
        "Fit it on data that has numbers, or leave the column out (--exclude).",
    )


def finished(values: Floats, x: Numbers, keep: Mask | None, column: Fitted, to: Affine) -> Floats:
    """`values` with the cells that left the range of float64 on the way computed exactly.

    Correctly rounded, about 3 microseconds a cell: for numbers near 1e308 or 1e-308 only.

    Raises: CellError for the first number whose exact result is beyond float64.
    """
    import numpy as np

    lost = ~np.isfinite(values)
    if keep is not None:
        lost &= ~keep
    for cell in np.flatnonzero(lost).tolist():
        value = fraction(x, cell)
        values[cell] = nearest(to.exactly(value))
        if math.isinf(values[cell]):
            raise CellError.at(
                cell,
                column.name,
                shown(value),
                "becomes larger than the largest float64 (1.8e308). Scale it by a method or range "
                "that fits its size, or leave the column out (--exclude).",
            )
    return values


def unchanged(x: Numbers, keep: Mask | None) -> Scaled:
    """What a column without any number becomes: all of it is kept."""
    return Scaled(x.parts[0].copy(), keep)


def ends(statistics: ColumnStatistics) -> tuple[Exact, Exact]:
    """The minimum and maximum of a column that has numbers."""
    assert statistics.min is not None
    assert statistics.max is not None
    return statistics.min, statistics.max


def center(statistics: ColumnStatistics) -> Exact:
    """The mean; for a constant column its value, exactly.

    An integer beyond 2**53 or a decimal may differ from the float64 of its own mean.
    """
    value = statistics.min if statistics.constant else statistics.mean
    assert value is not None
    return value


def shown(value: float | Decimal | Fraction) -> str:
    """A number for people: every digit of an integer below 10**20, else as a float prints.

    >>> shown(3.0), shown(2**53 + 1), shown(0.1)
    ('3', '9007199254740993', '0.1')
    """
    if isinstance(value, Decimal):
        return f"{value:f}" if abs(value.adjusted()) < 20 else f"{value:e}"
    exact = Fraction(value)
    if exact.denominator == 1 and abs(exact) < 10**20:
        return str(exact)
    return repr(float(value))


def minus(value: float | Decimal) -> str:
    """`` - value`` as it stands behind an x: the sign of a negative value is turned.

    >>> "x" + minus(3.5), "x" + minus(-2)
    ('x - 3.5', 'x + 2')
    """
    return f" - {shown(value)}" if value >= 0 else f" + {shown(-value)}"


def plus(value: float | Decimal) -> str:
    """`` + value`` as it stands behind a product; nothing for 0."""
    if not value:
        return ""
    return f" + {shown(value)}" if value > 0 else f" - {shown(-value)}"


def times(factor: float | Fraction) -> str:
    """``factor * `` as it stands before a difference; nothing for 1."""
    return "" if factor == 1 else f"{shown(factor)} * "


def over(divisor: float | Fraction) -> str:
    """`` / divisor`` as it stands behind a difference; nothing for 1."""
    return "" if divisor == 1 else f" / {shown(divisor)}"
