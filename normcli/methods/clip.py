"""Clip: numbers outside a range become its ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, NoReturn

from normcli.errors import UsageError
from normcli.methods.base import Method, Option, finite_number
from normcli.methods.expression import Expression, X, clipped
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.methods.mapping import no_inverse, spelled
from normcli.methods.maps import nearest_floats
from normcli.numerics.doubles import not_finite
from normcli.numerics.numbers import Scaled
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.numerics.numbers import Numbers
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class Clipped(ColumnMapping):
    """x -> low where it is less, high where it is greater, else x."""

    low: float
    high: float
    warning: str = ""

    def values(self, x: Numbers) -> Scaled:
        """The numbers, clipped; those that were outside are counted."""
        import numpy as np

        numbers, keep = nearest_floats(x), not_finite(x)
        outside = (numbers < self.low) | (numbers > self.high)
        if keep is not None:
            outside &= ~keep
        return Scaled(
            np.clip(numbers, self.low, self.high), keep, None, {"clipped": int(outside.sum())}
        )

    def exactly(self, x: Fraction) -> Fraction:
        """One number, clipped."""
        return min(max(x, Fraction(self.low)), Fraction(self.high))

    def expressions(self) -> tuple[Expression, ...]:
        """The clipping."""
        return (clipped(X, self.low, self.high),)

    def inverse(self) -> NoReturn:
        """Refuse: what was outside is lost."""
        raise no_inverse("clip loses how far numbers are outside its range")

    def formula(self, x: str = "x") -> str:
        """``clip(x, 0, 10)``."""
        return f"clip({x}, {spelled(self.low)}, {spelled(self.high)})"


@dataclass(frozen=True)
class Clip(Method):
    """y = x, but LOW for x < LOW, and HIGH for x > HIGH."""

    name: ClassVar[str] = "clip"
    options: ClassVar[tuple[Option, ...]] = (
        Option("range", "range", "The two ends.", "range", fits=True, spelled=True),
    )
    edges: ClassVar[Sequence[str]] = (
        "Numbers that are clipped are counted.",
        "There is no inverse.",
    )
    examples: ClassVar[Sequence[str]] = ("clip:0,10", "clip:0,10+zscore")

    range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        ends = self.range
        if not isinstance(ends, tuple | list) or len(ends) != 2:
            given = "" if ends is None else f", not {printable(str(ends))}"
            raise UsageError(f"clip takes two numbers: clip:LOW,HIGH{given}.")
        low, high = (finite_number(end, "an end of clip") + 0.0 for end in ends)
        if not low < high:
            raise UsageError(f"clip:{spelled(low)},{spelled(high)}: LOW must be less than HIGH.")
        object.__setattr__(self, "range", (low, high))

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """Nothing."""
        return ()

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """The clipping."""
        assert self.range is not None
        return Clipped(*self.range)


METHODS = (Clip,)
