"""Unit rows: every row is divided by its norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from normcli.methods.base import Option, one_of
from normcli.methods.rows import (
    RowMapping,
    RowMethod,
    largest,
    near_one,
    over,
    root,
    square,
    total,
)
from normcli.numerics.doubles import Pair

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats, Mask
    from normcli.statistics.column import ColumnStatistics

NORMS = {
    "l2": "sqrt(sum of the squares of the row)",
    "l1": "(sum of the absolute values of the row)",
    "max": "(largest absolute value of the row)",
}


@dataclass(frozen=True)
class Normed(RowMapping):
    """x -> x / norm of the row; a row of zeros stays as it is."""

    norm: str

    lost: ClassVar[str] = "unit loses the length of every row"

    def kernel(self, table: Sequence[Floats]) -> tuple[list[Floats], Mask]:
        """The quotients."""
        import numpy as np

        columns, _ = near_one(table)
        norm = self._norm(columns)
        zero: Mask = norm.hi == 0
        divisor = Pair(np.where(zero, 1.0, norm.hi), norm.lo)
        return [over(Pair(x, 0.0), divisor).hi for x in columns], zero

    def _norm(self, columns: Sequence[Floats]) -> Pair:
        if self.norm == "max":
            return Pair(largest(columns), 0.0)
        if self.norm == "l1":
            return total([Pair(abs(x), 0.0 * x) for x in columns])
        return root(total([square(Pair(x, 0.0)) for x in columns]))

    def formula(self, x: str = "x") -> str:
        """``x / sqrt(sum of the squares of the row)``."""
        return f"{x} / {NORMS[self.norm]}"


@dataclass(frozen=True)
class Unit(RowMethod):
    """y = x / norm of the row, over the scaled columns.

    Every y is within 1 ulp of the exact quotient.

    norm: "l2", the length; "l1", the sum of absolute values; "max", the largest of these.
    """

    name: ClassVar[str] = "unit"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            *("norm", tuple(NORMS), "The length, the sum of absolute values, or the largest."),
            field="norm",
            fits=True,
            default="l2",
            spelled=True,
        ),
    )
    edges: ClassVar[Sequence[str]] = (
        "A row of zeros is not changed, and is counted.",
        "A row with a missing cell is not changed, and is counted.",
        "There is no inverse.",
    )
    examples: ClassVar[Sequence[str]] = ("unit", "unit:l1", "unit:norm=max")

    norm: str = "l2"

    def __post_init__(self) -> None:
        one_of(self.norm, tuple(NORMS), "unit: norm")

    def mapping(self, column: ColumnStatistics) -> RowMapping:
        """The same for all columns."""
        return Normed(self.norm)


METHODS = (Unit,)
