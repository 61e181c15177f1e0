"""Winsorize: numbers beyond two quantiles become these quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from normcli.methods.base import Method, Option
from normcli.methods.clip import Clipped
from normcli.methods.levels import in_percent, quantiles_of, range_of, vague, wanted
from normcli.methods.mapping import Unfitted

if TYPE_CHECKING:
    from normcli.methods.mapping import Mapping as ColumnMapping
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class Winsorize(Method):
    """y = x, but the low quantile for x below it, and the high quantile for x above it.

    Missing, NaN and infinite cells are kept.

    levels: the percentages of the two quantiles.
    """

    name: ClassVar[str] = "winsorize"
    options: ClassVar[tuple[Option, ...]] = (
        Option("levels", "range", "Two percentages.", "levels", fits=True, spelled=True),
    )
    leads: ClassVar[Sequence[str] | None] = None
    edges: ClassVar[Sequence[str]] = (
        "The default is 1%,99%. Numbers that are changed are counted.",
        "There is no inverse.",
        "Before another method, as in winsorize+zscore, the fit reads the input twice, and the "
        "statistics cannot be merged.",
    )
    examples: ClassVar[Sequence[str]] = ("winsorize", "winsorize:5%,95%", "winsorize+zscore")

    levels: tuple[str, str] = ("1%", "99%")

    def __post_init__(self) -> None:
        ends = range_of(self.levels, "winsorize", "winsorize:1%,99%")
        object.__setattr__(self, "levels", tuple(map(in_percent, ends)))

    @property
    def _ends(self) -> tuple[Fraction, Fraction]:
        return range_of(self.levels, "winsorize", "winsorize:1%,99%")

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """The two quantiles."""
        return wanted(*self._ends)

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """The clipping."""
        if not column.count:
            return Unfitted()
        found = quantiles_of(column)
        low, high = map(found.quantile, self._ends)
        told = [
            vague(q, f"{level} quantile") for level, q in zip(self.levels, (low, high), strict=True)
        ]
        return Clipped(low.middle, high.middle, "; ".join(filter(None, told)))


METHODS = (Winsorize,)
