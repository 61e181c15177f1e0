"""Robust scaling: the distance from the median, in units of a range of quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from normcli.errors import UsageError
from normcli.methods.base import Method, Option, one_of
from normcli.methods.levels import difference, divisor, in_percent, quantiles_of, range_of, wanted
from normcli.methods.mapping import Divided, Unfitted, minus, spelled

if TYPE_CHECKING:
    from normcli.methods.mapping import Mapping as ColumnMapping
    from normcli.numerics.cells import Interval
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics

HALF = Fraction(1, 2)
NORMAL_MAD = 1.482602218505602  # std / median absolute deviation of a normal distribution


@dataclass(frozen=True)
class Robust(Method):
    """y = (x - median) / (Q75 - Q25): the distance from the median in interquartile ranges.

    Every y is rounded once, with the quantiles rounded once. Missing, NaN and infinite cells
    are kept.

    range: the two percentages whose quantiles make the divisor.
    unit_variance: divide by the range that a normal distribution of variance 1 has, too.
    center, scaled: is the median subtracted, and is the difference divided?
    scale: "range", or "mad" for 1.4826 times the median absolute deviation from the median.
    """

    name: ClassVar[str] = "robust"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            *("range", "range", "Two percentages.", "range"),
            fits=True,
            spelled=True,
            default="25,75",
        ),
        Option(
            *("scale", ("range", "mad"), "What to divide by.", "scale"),
            fits=True,
            spelled=True,
            default="range",
        ),
        Option(
            *("unit-variance", "flag", "A normal distribution gets variance 1.", "unit_variance"),
            fits=True,
            spelled=True,
        ),
        Option(
            "no-center", "off", "Do not subtract the median.", "center", fits=True, spelled=True
        ),
        Option("no-scale", "off", "Do not divide.", "scaled", fits=True, spelled=True),
    )
    edges: ClassVar[Sequence[str]] = (
        "Where the divisor is 0, the differences are not divided, and a warning tells so.",
    )
    examples: ClassVar[Sequence[str]] = (
        *("robust", "robust:range=10,90", "robust:unit-variance", "robust:scale=mad"),
        *("robust:no-center", "robust:no-scale"),
    )

    range: tuple[float, float] = (25.0, 75.0)
    scale: str = "range"
    unit_variance: bool = False
    center: bool = True
    scaled: bool = True

    def __post_init__(self) -> None:
        ends = range_of(self.range, "robust: range", "range=25,75")
        object.__setattr__(self, "range", tuple(float(100 * end) for end in ends))
        one_of(self.scale, ("range", "mad"), "robust: scale")
        for flag in ("unit_variance", "center", "scaled"):
            if not isinstance(getattr(self, flag), bool):
                raise UsageError(f"robust: {flag} must be true or false.")
        if self.unit_variance and (self.scale == "mad" or ends[0] == 0 or ends[1] == 1):
            raise UsageError(
                "robust: unit-variance needs a range between 0 and 100, and no scale=mad, "
                "which gives a normal distribution variance 1 by itself."
            )

    @cached_property
    def _levels(self) -> tuple[Fraction, Fraction]:
        return range_of(self.range, "robust: range", "range=25,75")

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """The median, and the quantiles or the deviation that make the divisor."""
        mad = self.scaled and self.scale == "mad"
        ends = self._levels if self.scaled and not mad else ()
        return wanted(HALF, *ends, deviation=mad)

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """(x - median) / divisor."""
        if not column.count:
            return Unfitted()
        found = quantiles_of(column)
        center = found.quantile(HALF).middle if self.center else 0.0
        if not self.scaled:
            return Divided(center, Fraction(1))
        if self.scale == "mad":
            mad, warning = divisor(found.deviation(), "median absolute deviation")
            shown = f"({spelled(NORMAL_MAD)} * {spelled(mad)})"
            return self._divided(center, mad, Fraction(NORMAL_MAD), shown, warning)
        low, high = map(found.quantile, self._levels)
        what = f"range from {' to '.join(map(in_percent, self._levels))}"
        span, warning = divisor(difference(high, low), what)
        return self._divided(center, span, self._normal(), self._shown(low, high), warning)

    def _divided(
        self, center: float, scale: Fraction, unit: Fraction, shown: str, warning: str
    ) -> ColumnMapping:
        if warning and scale == 1:
            return Divided(center, Fraction(1), warning=warning)
        return Divided(center, scale * unit, shown, warning)

    def _normal(self) -> Fraction:
        """1, or by what the range is divided to get the standard deviation."""
        if not self.unit_variance:
            return Fraction(1)
        from statistics import NormalDist

        low, high = (NormalDist().inv_cdf(float(level)) for level in self._levels)
        return 1 / Fraction(high - low)

    def _shown(self, low: Interval, high: Interval) -> str:
        span = f"({spelled(high.middle)}{minus(low.middle)})" if low.middle else ""
        if not self.unit_variance:
            return span
        return f"({span or spelled(high.middle)} / {spelled(1 / self._normal())})"


METHODS = (Robust,)
