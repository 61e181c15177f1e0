"""Yeo-Johnson: the power that makes numbers of any sign most like normal ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from normcli.methods.expression import Expression, X, f, where
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.methods.mapping import Unfitted, spelled
from normcli.methods.power import Power, Powered

if TYPE_CHECKING:
    from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class YeoJohnsoned(Powered):
    """x -> ((1 + x)^lambda - 1) / lambda for x >= 0, -((1 - x)^(2 - lambda) - 1) / (2 - lambda)."""

    name: ClassVar[str] = "yeojohnson"

    def forth(self, np: Any, x: Any) -> Any:
        """The power of numbers."""
        positive = _forth(np, np.maximum(x, 0.0), self.power)
        return np.where(x < 0, -_forth(np, np.maximum(-x, 0.0), 2 - self.power), positive)

    def way_back(self, np: Any, y: Any) -> Any:
        """The numbers with these powers; NaN where there is none."""
        positive = _back(np, np.maximum(y, 0.0), self.power)
        return np.where(y < 0, -_back(np, np.maximum(-y, 0.0), 2 - self.power), positive)

    def expressions(self) -> tuple[Expression, ...]:
        """The powers."""
        below = _power_of(X * -1.0, 2 - self.power) * -1.0
        return (where(X < 0.0, below, _power_of(X, self.power)),)

    def formula(self, x: str = "x") -> str:
        """``((1 + x)^0.5 - 1) / 0.5 for x >= 0, else -((1 - x)^1.5 - 1) / 1.5``."""
        text = _back_text if self.back else _forth_text
        above, below = text(x, "+", self.power), text(x, "-", 2 - self.power)
        return f"{above} for {x} >= 0, else -({below})"


def _power_of(x: Expression, power: float) -> Expression:
    log = f("log1p", x)
    return f("expm1", log * power) / power if power else log


def _forth(np: Any, x: Any, power: float) -> Any:
    return np.expm1(power * np.log1p(x)) / power if power else np.log1p(x)


def _back(np: Any, y: Any, power: float) -> Any:
    return np.expm1(np.log1p(power * y) / power) if power else np.expm1(y)


def _forth_text(x: str, sign: str, power: float) -> str:
    return (
        f"((1 {sign} {x})^{spelled(power)} - 1) / {spelled(power)}"
        if power
        else f"log(1 {sign} {x})"
    )


def _back_text(y: str, sign: str, power: float) -> str:
    if not power:
        return f"exp({'-' * (sign == '-')}{y}) - 1"
    return f"(1 {sign} {spelled(power)} * {y})^(1 / {spelled(power)}) - 1"


@dataclass(frozen=True)
class YeoJohnson(Power):
    """y = ((1 + x)^lambda - 1) / lambda for x >= 0, else -((1 - x)^k - 1) / k, k = 2 - lambda.

    With logarithms where an exponent is 0. lambda is the one that makes the fitted numbers most
    like normal ones, by maximum likelihood. Missing, NaN and infinite cells are kept.
    """

    name: ClassVar[str] = "yeojohnson"
    examples: ClassVar[Sequence[str]] = (
        *("yeojohnson", "yeojohnson:lambda=0.5", "yeojohnson+zscore"),
    )

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """The power."""
        if not (column.given or column.count):
            return Unfitted()
        return YeoJohnsoned(*self.power_of(column))


METHODS = (YeoJohnson,)
