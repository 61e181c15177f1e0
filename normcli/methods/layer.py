"""Layer normalization: every row by its own mean and variance."""

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
from normcli.numerics.doubles import Pair, two_sum

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats, Mask
    from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class LayerNormalized(RowMapping):
    """x -> (x - mean) / sqrt(var + eps), with the mean and the biased variance of the row."""

    eps: float

    lost: ClassVar[str] = "layer loses the mean and the variance of every row"

    def kernel(self, table: Sequence[Floats]) -> tuple[list[Floats], Mask]:
        """The quotients."""
        import numpy as np

        columns, e = near_one(table, least=0)
        count = Pair(float(len(columns)), 0.0)
        mean = over(total([Pair(x, 0.0 * x) for x in columns]), count)
        away = [_minus(x, mean) for x in columns]
        variance = over(total([square(d) for d in away]), count)
        deviation = root(total([variance, Pair(np.ldexp(self.eps, -2 * e), 0.0)]))
        divisor = Pair(np.where(deviation.hi > 0, deviation.hi, 1.0), deviation.lo)
        return [over(d, divisor).hi for d in away], np.zeros(len(e), np.bool_)

    def formula(self, x: str = "x") -> str:
        """``(x - mean of the row) / sqrt(variance of the row + 1e-05)``."""
        return f"({x} - mean of the row) / sqrt(variance of the row + {spelled(self.eps)})"


def _minus(x: Floats, mean: Pair) -> Pair:
    d = two_sum(x, -mean.hi)
    return two_sum(d.hi, d.lo - mean.lo)


@dataclass(frozen=True)
class Layer(RowMethod):
    """y = (x - mean of the row) / sqrt(var of the row + eps), over the scaled columns.

    var is the biased variance. See Ba, Kiros and Hinton, Layer normalization (2016).
    """

    name: ClassVar[str] = "layer"
    options: ClassVar[tuple[Option, ...]] = (EPS,)
    edges: ClassVar[Sequence[str]] = (
        "A row of equal numbers becomes 0.",
        "A row with a missing cell is not changed, and is counted.",
        "There is no inverse.",
    )
    examples: ClassVar[Sequence[str]] = ("layer", "layer:eps=1e-12")

    eps: float = 1e-5

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", eps_of(self.eps))

    def mapping(self, column: ColumnStatistics) -> RowMapping:
        """The same for all columns."""
        return LayerNormalized(self.eps)


METHODS = (Layer,)
