"""Max-abs: numbers in units of the largest absolute value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from normcli.errors import UsageError
from normcli.methods.base import Method, given_numbers
from normcli.methods.mapping import Divided, Unfitted

if TYPE_CHECKING:
    from normcli.methods.mapping import Mapping as ColumnMapping
    from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class MaxAbs(Method):
    """y = x / max(|x|); 0 stays 0, and the largest absolute value becomes 1 or -1 exactly.

    Every y is rounded once. Missing, NaN and infinite cells are kept.
    """

    name: ClassVar[str] = "maxabs"
    givens: ClassVar[Mapping[str, str]] = {"max": "the number that becomes 1, greater than 0"}
    edges: ClassVar[Sequence[str]] = ("A column of zeros is not changed.",)
    examples: ClassVar[Sequence[str]] = ("maxabs", "maxabs:max=255")

    def __post_init__(self) -> None:
        if self.given and given_numbers(self, "max")["max"] <= 0:
            raise UsageError(f"maxabs: max must be greater than 0, not {self.given['max']:g}.")

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """The quotient."""
        if column.max is None:
            return Unfitted()
        return Divided(0.0, largest(column) or Fraction(1))


def largest(column: ColumnStatistics) -> Fraction:
    """The largest absolute value of a column that has numbers."""
    return max(abs(Fraction(end)) for end in (column.min, column.max) if end is not None)


METHODS = (MaxAbs,)
