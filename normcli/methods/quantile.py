"""Quantile transform: the share of the fitted numbers below a number, or its normal quantile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from normcli.errors import UsageError
from normcli.methods.base import Method, Option, whole_number
from normcli.methods.expression import Expression, X, table
from normcli.methods.levels import quantiles_of, vague, wanted
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.methods.mapping import Unfitted, spelled
from normcli.methods.maps import nearest_floats
from normcli.numerics.doubles import not_finite
from normcli.numerics.numbers import Numbers, Scaled

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics

MOST = 10_000  # quantiles in a table
LOW, HIGH = -5.199337582605575, 5.19933758270342  # normal quantiles of 1e-7 and 1 - 1e-7, about


@dataclass(frozen=True)
class Ranked(ColumnMapping):
    """x -> its place in a table of quantiles, from 0 to 1, or the normal quantile of that.

    Between the quantiles it is interpolated. Where several are equal, it is the mean of what
    comes from above and from below. back: the way back.
    """

    table: tuple[float, ...]
    normal: bool = False
    back: bool = False
    warning: str = ""

    def values(self, x: Numbers) -> Scaled:
        """N numbers; those outside the table get its ends, and are counted."""
        import numpy as np

        numbers, keep = nearest_floats(x), not_finite(x)
        table = np.array(self.table)
        ends = table[[0, -1]]
        if self.back:
            ends = np.array([LOW, HIGH]) if self.normal else np.array([0.0, 1.0])
        with np.errstate(invalid="ignore", over="ignore"):
            outside = (numbers < ends[0]) | (numbers > ends[1])
            values = self._restored(numbers, table) if self.back else self._placed(numbers, table)
        if keep is not None:
            outside &= ~keep
        count = int(outside.sum())
        return Scaled(values, keep, None, {"out_of_range": count, "clipped": count})

    def _placed(self, x: Floats, table: Floats) -> Floats:
        import numpy as np

        from normcli.numerics import normal

        shares = _shares(len(table))
        if np.isinf(table[-1] - table[0]):  # slopes would be 0
            x, table = x / 4, table / 4
        up = np.interp(x, table, shares)
        y = 0.5 * (up - np.interp(-x, -table[::-1], -shares[::-1]))
        y[x >= table[-1]] = 1.0
        y[x <= table[0]] = 0.0
        return np.clip(normal.quantiles(y), LOW, HIGH) if self.normal else y

    def _restored(self, y: Floats, table: Floats) -> Floats:
        import numpy as np

        from normcli.numerics import normal

        shares = y
        if self.normal:
            shares = normal.shares(y)
            shares[y <= LOW], shares[y >= HIGH] = 0.0, 1.0
        wide = 4.0 if np.isinf(table[-1] - table[0]) else 1.0
        return np.interp(shares, _shares(len(table)), table / wide) * wide

    def exactly(self, x: Fraction) -> Fraction:
        """One number, as NumPy rounds it."""
        import numpy as np

        return Fraction(float(self.values(Numbers(np.array([[float(x)]]))).values[0]))

    def expressions(self) -> tuple[Expression, ...]:
        """The table."""
        if self.normal:
            raise UsageError("the normal quantile of a share is not a formula.")
        return (table(X, self.table),)

    def size(self, y: Floats) -> Floats:
        """That of the largest share."""
        import numpy as np

        return np.maximum(abs(y), 1.0)

    def inverse(self) -> ColumnMapping:
        """The number at a place."""
        return Ranked(self.table, self.normal, not self.back)

    def formula(self, x: str = "x") -> str:
        """``normal quantile of the share of 1000 quantiles from 1 to 10 below x``."""
        ends = " to ".join(spelled(end) for end in (self.table[0], self.table[-1]))
        table = f"{len(self.table)} quantiles from {ends}"
        if self.back:
            return f"the one of {table} at {f'Phi({x})' if self.normal else x}"
        share = f"share({x}) among {table}"
        return f"Phi^-1 of {share}" if self.normal else share


def _shares(n: int) -> Floats:
    import numpy as np

    return np.linspace(0.0, 1.0, n)


@dataclass(frozen=True)
class QuantileTransform(Method):
    """y = the share of the fitted numbers below x, from 0 to 1; or its normal quantile.

    Numbers below the fitted ones become 0, numbers above them 1. Missing, NaN and infinite cells
    are kept.

    n: the quantiles in the table by which numbers are placed.
    normal: the results are normally distributed, from -5.2 to 5.2, not uniformly from 0 to 1.
    """

    name: ClassVar[str] = "quantile"
    options: ClassVar[tuple[Option, ...]] = (
        Option("n", "int", "Quantiles in the table.", "n", fits=True, spelled=True, default="1000"),
        Option(
            "normal", "flag", "Normal, not uniform, results.", "normal", fits=True, spelled=True
        ),
    )
    edges: ClassVar[Sequence[str]] = (
        "The table has at most as many quantiles as there are numbers.",
        "Numbers outside the fitted ones are counted. They become 0 or 1, and their inverse is "
        "the fitted minimum or maximum.",
        "A constant column becomes 0.",
    )
    examples: ClassVar[Sequence[str]] = ("quantile", "quantile:n=100,normal")

    n: int = 1000
    normal: bool = False

    def __post_init__(self) -> None:
        if not 2 <= whole_number(self.n, "quantile: n") <= MOST:
            raise UsageError(f"quantile: n must be from 2 to {MOST}, not {self.n}.")
        if not isinstance(self.normal, bool):
            raise UsageError("quantile: normal must be true or false.")

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """The table."""
        return wanted(table=self.n)

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """By the table, which is made of the cells where the sidecar has none of this size."""
        if not column.count:
            return Unfitted()
        found = quantiles_of(column)
        table = found.quantiles(self.n)
        warning = "" if found.knows(self.n) else vague(found.quantile(Fraction(1, 2)), "median")
        return Ranked(table, self.normal, warning=warning)


METHODS = (QuantileTransform,)
