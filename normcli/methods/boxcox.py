"""Box-Cox: the power that makes positive numbers most like normal ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from normcli.errors import DataError
from normcli.methods.expression import Expression, X, f, refused, where
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.methods.mapping import Unfitted, spelled
from normcli.methods.power import Power, Powered

if TYPE_CHECKING:
    from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class BoxCoxed(Powered):
    """x -> (x^lambda - 1) / lambda, or ln(x) for lambda 0."""

    name: ClassVar[str] = "boxcox"

    def forth(self, np: Any, x: Any) -> Any:
        """The power of numbers above 0; NaN for others."""
        x = np.where(x > 0, x, np.nan)
        if not self.power:
            return np.log(x)
        return np.expm1(self.power * np.log(x)) / self.power

    def way_back(self, np: Any, y: Any) -> Any:
        """The numbers with these powers; NaN where there is none."""
        return np.exp(np.log1p(self.power * y) / self.power) if self.power else np.exp(y)

    def expressions(self) -> tuple[Expression, ...]:
        """The power; numbers that have none are refused."""
        y = f("ln", X)
        y = f("expm1", y * self.power) / self.power if self.power else y
        return (where(X > 0.0, y, refused(self._why(True))),)

    def formula(self, x: str = "x") -> str:
        """``(x^0.5 - 1) / 0.5``."""
        k = spelled(self.power)
        if self.back:
            return f"({k} * {x} + 1)^(1 / {k})" if self.power else f"exp({x})"
        return f"({x}^{k} - 1) / {k}" if self.power else f"log({x})"


@dataclass(frozen=True)
class BoxCox(Power):
    """y = (x^lambda - 1) / lambda, or ln(x) for lambda 0; for x > 0.

    lambda is the one that makes the fitted numbers most like normal ones, by maximum likelihood.
    Missing, NaN and infinite cells are kept.
    """

    name: ClassVar[str] = "boxcox"
    edges: ClassVar[Sequence[str]] = (
        "A number that is not greater than 0 is an error that says where it is; yeojohnson takes "
        "all numbers.",
        *Power.edges,
    )
    examples: ClassVar[Sequence[str]] = ("boxcox", "boxcox:lambda=0.5", "boxcox+zscore")

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """The power; raises DataError where a number is not greater than 0."""
        if not (column.given or column.count):
            return Unfitted()
        if column.min is not None and column.min <= 0:
            raise DataError(
                f"its minimum is {spelled(column.min)}, and boxcox needs numbers greater than 0. "
                "Use yeojohnson, which takes all numbers."
            )
        return BoxCoxed(*self.power_of(column))


METHODS = (BoxCox,)
