"""Mean normalization: the distance from the mean, in units of the fitted range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from normcli.errors import UsageError
from normcli.methods.base import Method, given_numbers
from normcli.methods.mapping import Divided, Unfitted, minus, spelled
from normcli.methods.zscore import center

if TYPE_CHECKING:
    from normcli.methods.mapping import Mapping as ColumnMapping
    from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class Mean(Method):
    """y = (x - mean) / (max - min); in a constant column x - mean.

    Every y is rounded once, with mean the float64 of the statistics. Missing, NaN and infinite
    cells are kept.
    """

    name: ClassVar[str] = "mean"
    givens: ClassVar[Mapping[str, str]] = {
        "mean": "the mean",
        "min": "the minimum",
        "max": "the maximum",
    }
    edges: ClassVar[Sequence[str]] = ("A constant column becomes x - mean, which is 0.",)
    examples: ClassVar[Sequence[str]] = ("mean", "mean:mean=50,min=0,max=100")

    def __post_init__(self) -> None:
        if self.given:
            known = given_numbers(self, "mean", "min", "max")
            if not known["min"] <= known["mean"] <= known["max"]:
                raise UsageError("mean: the mean must be between min and max.")

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """(x - mean) / (max - min)."""
        if column.min is None or column.max is None:
            return Unfitted()
        span = Fraction(column.max) - Fraction(column.min)
        shown = f"({spelled(column.max)}{minus(column.min)})" if span and column.min else ""
        return Divided(center(column), span or Fraction(1), shown)


METHODS = (Mean,)
