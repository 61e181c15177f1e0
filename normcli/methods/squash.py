"""Squash: robust scaling, and then outliers are drawn softly into a bounded range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from normcli.errors import CellError, UsageError
from normcli.methods.base import Method, Option, finite_number
from normcli.methods.expression import Expression, X, f, where
from normcli.methods.levels import difference, divisor, quantiles_of, wanted
from normcli.methods.mapping import Composed, Divided, Unfitted, minus, spelled
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.methods.maps import nearest_floats
from normcli.numerics.doubles import fraction, not_finite
from normcli.numerics.numbers import Numbers, Scaled

if TYPE_CHECKING:
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics

QUARTILES = tuple(Fraction(i, 4) for i in (1, 2, 3))


@dataclass(frozen=True)
class Squashed(ColumnMapping):
    """z -> z / sqrt(1 + (z / bound)^2), which is between -bound and bound.

    back: the way back.
    """

    bound: float
    back: bool = False

    def values(self, x: Numbers) -> Scaled:
        """N numbers; on the way back raises CellError for the first that is not between."""
        import numpy as np

        z, keep = nearest_floats(x), not_finite(x)
        outside = abs(z) >= self.bound if self.back else np.zeros(len(z), np.bool_)
        if keep is not None:
            outside &= ~keep
        if outside.any():
            cell = int(outside.argmax())
            raise CellError.at(
                cell,
                spelled(fraction(x, cell)),
                f"is not between {spelled(-self.bound)} and {spelled(self.bound)}, which results "
                "of squash are. Leave the column out (--exclude).",
            )
        with np.errstate(invalid="ignore", divide="ignore"):
            return Scaled(self._function(np, z), keep)

    def _function(self, np: Any, z: Any) -> Any:
        share = z / self.bound
        return z / np.sqrt((1 - share) * (1 + share)) if self.back else z / np.hypot(1.0, share)

    def exactly(self, x: Fraction) -> Fraction:
        """One number, as NumPy rounds it."""
        import numpy as np

        return Fraction(float(self.values(Numbers(np.array([[float(x)]]))).values[0]))

    def expressions(self) -> tuple[Expression, ...]:
        """The squashing; of large numbers without the square, which might overflow."""
        share = X / self.bound
        squashed = X / f("sqrt", share * share + 1.0)
        ends = where(share < -1e8, -self.bound, where(share > 1e8, self.bound, squashed))
        return (ends,)

    def inverse(self) -> ColumnMapping:
        """The way back."""
        return Squashed(self.bound, not self.back)

    def formula(self, x: str = "x") -> str:
        """``z / sqrt(1 + (z / 3)^2)``."""
        return f"{x} / sqrt(1 {'-' if self.back else '+'} ({x} / {spelled(self.bound)})^2)"


@dataclass(frozen=True)
class Bounded(Composed):
    """Some mappings, of which the last squashes: infinite numbers become its bounds."""

    bound: float = 3.0

    @property
    def of_infinite(self) -> Expression:
        """The bounds."""
        return where(X < 0.0, -self.bound, self.bound)

    def values(self, x: Numbers) -> Scaled:
        """N numbers; the infinite ones are counted."""
        import numpy as np

        done, infinite = super().values(x), np.isinf(x.parts[0])
        if not infinite.any():
            return done
        values = np.where(infinite, np.copysign(self.bound, x.parts[0]), done.values)
        keep = None if done.keep is None else done.keep & ~infinite
        counts = {**done.counts, "inf": 0, "infinite_squashed": int(infinite.sum())}
        return Scaled(values, keep, done.null, counts)


@dataclass(frozen=True)
class Squash(Method):
    """y = z / sqrt(1 + (z / 3)^2), with z = (x - median) / (Q75 - Q25).

    y is always between -3 and 3, and close to z where z is small. Missing and NaN cells are
    kept. Infinite numbers, where --on-inf ignore lets them pass, become -3 and 3.

    bound: what is 3 above.
    """

    name: ClassVar[str] = "squash"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            *("bound", "float", "All results are between -bound and bound.", "bound"),
            fits=True,
            spelled=True,
            default="3",
        ),
    )
    edges: ClassVar[Sequence[str]] = (
        "Where Q75 - Q25 is 0, z is 2 * (x - median) / (max - min).",
        "A constant column becomes 0.",
    )
    examples: ClassVar[Sequence[str]] = ("squash", "squash:bound=5")

    bound: float = 3.0

    def __post_init__(self) -> None:
        if finite_number(self.bound, "squash: bound") <= 0:
            raise UsageError(f"squash: bound must be greater than 0, not {self.bound:g}.")
        object.__setattr__(self, "bound", float(self.bound))

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """The quartiles."""
        return wanted(*QUARTILES)

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """Robust scaling, then the squashing."""
        if not column.count:
            return Unfitted()
        low, median, high = map(quantiles_of(column).quantile, QUARTILES)
        span, warning = difference(high, low), ""
        if span.exact and not span.low:
            assert column.min is not None
            assert column.max is not None
            unit = (Fraction(column.max) - Fraction(column.min)) / 2 or Fraction(1)
            shown = ""
        else:
            unit, warning = divisor(span, "range from 25% to 75%")
            shown = f"({spelled(high.middle)}{minus(low.middle)})" if low.middle else ""
        robust = Divided(median.middle, unit, shown, warning)
        return Bounded((robust, Squashed(self.bound)), self.bound)


METHODS = (Squash,)
