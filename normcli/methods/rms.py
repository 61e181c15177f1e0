"""RMS normalization: every row by the root of the mean of its squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from normcli.methods.base import Option
from normcli.methods.mapping import spelled
from normcli.methods.rows import (
    EPS,
    RowMapping,
    RowMethod,
    eps_of,
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


@dataclass(frozen=True)
class RmsNormalized(RowMapping):
    """x -> x / sqrt(mean(x^2) + eps), with the mean of the row."""

    eps: float

    lost: ClassVar[str] = "rms loses the size of every row"

    def kernel(self, table: Sequence[Floats]) -> tuple[list[Floats], Mask]:
        """The quotients."""
        import numpy as np

        columns, e = near_one(table, least=0)
        count = Pair(float(len(columns)), 0.0)
        mean = over(total([square(Pair(x, 0.0)) for x in columns]), count)
        size = root(total([mean, Pair(np.ldexp(self.eps, -2 * e), 0.0)]))
        return [over(Pair(x, 0.0), size).hi for x in columns], np.zeros(len(e), np.bool_)

    def formula(self, x: str = "x") -> str:
        """``x / sqrt(mean of the squares of the row + 1e-05)``."""
        return f"{x} / sqrt(mean of the squares of the row + {spelled(self.eps)})"


@dataclass(frozen=True)
class Rms(RowMethod):
    """y = x / sqrt(mean(x^2) + eps), with the mean over the scaled columns of the row.

    See Zhang and Sennrich, Root mean square layer normalization (2019).
    """

    name: ClassVar[str] = "rms"
    options: ClassVar[tuple[Option, ...]] = (EPS,)
    edges: ClassVar[Sequence[str]] = (
        "A row of zeros becomes 0.",
        "A row with a missing cell is not changed, and is counted.",
        "There is no inverse.",
    )
    examples: ClassVar[Sequence[str]] = ("rms", "rms:eps=1e-12")

    eps: float = 1e-5

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", eps_of(self.eps))

    def mapping(self, column: ColumnStatistics) -> RowMapping:
        """The same for all columns."""
        return RmsNormalized(self.eps)


METHODS = (Rms,)
