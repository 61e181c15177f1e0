"""What the power transforms, boxcox and yeojohnson, have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from normcli.errors import CellError
from normcli.methods.base import Method, given_numbers
from normcli.methods.levels import quantiles_of
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.methods.mapping import spelled
from normcli.methods.maps import nearest_floats
from normcli.numerics.doubles import fraction, not_finite
from normcli.numerics.numbers import Numbers, Scaled

if TYPE_CHECKING:
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class Powered(ColumnMapping):
    """A power of numbers, by NumPy's functions.

    back: the way back.
    """

    name: ClassVar[str]

    power: float
    warning: str = ""
    back: bool = False

    def values(self, x: Numbers) -> Scaled:
        """N numbers; raises CellError for the first that has no power, or too large a one."""
        import numpy as np

        numbers, keep = nearest_floats(x), not_finite(x)
        with np.errstate(all="ignore"):
            values = (self.way_back if self.back else self.forth)(np, numbers)
        bad = ~np.isfinite(values)
        if keep is not None:
            bad &= ~keep
        if bad.any():
            cell = int(bad.argmax())
            raise CellError.at(
                cell, spelled(fraction(x, cell)), self._why(bool(np.isnan(values[cell])))
            )
        return Scaled(values, keep)

    def _why(self, none: bool) -> str:
        if none and self.back:
            return f"is no result of {self.name}. Leave the column out (--exclude)."
        if none:
            return f"is not greater than 0, as {self.name} needs. Use yeojohnson."
        return (
            "becomes larger than the largest float64 (1.8e308). Scale the column by another "
            "method, or leave it out (--exclude)."
        )

    @abstractmethod
    def forth(self, np: Any, x: Any) -> Any:
        """The power of numbers."""

    @abstractmethod
    def way_back(self, np: Any, y: Any) -> Any:
        """The numbers with these powers."""

    def exactly(self, x: Fraction) -> Fraction:
        """One number, as NumPy rounds it."""
        import numpy as np

        return Fraction(float(self.values(Numbers(np.array([[float(x)]]))).values[0]))

    def inverse(self) -> ColumnMapping:
        """The way back."""
        return replace(self, back=not self.back)


@dataclass(frozen=True)
class Power(Method):
    """A power whose exponent is fitted, or given as `lambda`."""

    givens: ClassVar[Mapping[str, str]] = {"lambda": "the exponent"}
    leads: ClassVar[Sequence[str] | None] = ("zscore",)
    edges: ClassVar[Sequence[str]] = (
        "lambda is rounded to six digits after the point. In a constant column it is 1.",
        "lambda is capped, with a warning, so that results of fitted numbers stay below 1e304.",
        "Before zscore, the fit reads the input twice, and the statistics cannot be merged.",
    )

    def __post_init__(self) -> None:
        if self.given:
            given_numbers(self, "lambda")

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """The cells of a histogram."""
        from normcli.statistics.quantiles import QuantilesRecipe, Wants

        return (QuantilesRecipe(Wants(powers=(self.name,))),)

    def power_of(self, column: ColumnStatistics) -> tuple[float, str]:
        """lambda, and what to tell of it."""
        if column.given:
            return column.given["lambda"], ""
        from normcli.statistics.power import limits

        found = quantiles_of(column)
        power = found.power(self.name)
        if power != 1 and min(abs(power - end) for end in limits(self.name, found.cells)) < 1e-5:
            return (
                power,
                f"its lambda is capped at {spelled(power)}, so that results fit in float64",
            )
        return power, ""
