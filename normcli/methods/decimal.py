"""Decimal scaling: the decimal point is moved until all numbers are between -1 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from normcli.methods.base import Method
from normcli.methods.mapping import Divided, Unfitted
from normcli.methods.maxabs import largest

if TYPE_CHECKING:
    from normcli.methods.mapping import Mapping as ColumnMapping
    from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class DecimalScaling(Method):
    """y = x / 10^j, where j is the smallest integer with max(|x|) < 10^j.

    Every y is rounded once. Missing, NaN and infinite cells are kept.
    """

    name: ClassVar[str] = "decimal"
    edges: ClassVar[Sequence[str]] = (
        "10 needs j = 2, because 10 is not less than 10^1.",
        "j is negative where all numbers are smaller than 0.1.",
        "A column of zeros is not changed.",
    )
    examples: ClassVar[Sequence[str]] = ("decimal",)

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """The shift."""
        if column.max is None:
            return Unfitted()
        j = power_above(largest(column))
        return Divided(0.0, Fraction(10) ** j, "" if j >= 0 else f"10^{j}")


def power_above(value: Fraction) -> int:
    """The smallest j with value < 10^j, by integers; 0 for 0.

    >>> [power_above(Fraction(v)) for v in ("9.99", "10", "0.1", "0.09")]
    [1, 2, 0, -1]
    """
    if not value:
        return 0
    j = len(str(value.numerator)) - len(str(value.denominator))  # one too few, or right
    return j + (value >= Fraction(10) ** j)


METHODS = (DecimalScaling,)
