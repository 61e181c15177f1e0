"""Z-score: how many standard deviations a number is away from the mean."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from normcli.errors import DataError, UsageError
from normcli.methods.affine import (
    Affine,
    AffineMethod,
    center,
    finished,
    kept,
    minus,
    plus,
    shown,
    unchanged,
)
from normcli.methods.base import Fitted, Option, Scaled, whole_number
from normcli.numerics.doubles import blockwise, in_units, part, standardized
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats, Numbers

UNDERFLOW = 2.0**-1000  # where |mean| / std is smaller, a quotient may lose bits to underflow


@dataclass(frozen=True)
class ZScore(AffineMethod):
    """z = (x - mean) / std; in a constant column x - mean.

    Every z is within 1 ulp of the exact quotient, with mean and std the float64 of the
    statistics. Missing, NaN and infinite cells are kept.

    ddof: 0 for the standard deviation of a population, 1 for that of a sample.
    """

    name: ClassVar[str] = "zscore"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "ddof",
            "int",
            "0 divides by the population standard deviation, 1 by that of a sample.",
            field="ddof",
            fits=True,
            default="0",
        ),
    )

    ddof: int = 0

    def __post_init__(self) -> None:
        if whole_number(self.ddof, "--ddof") not in (0, 1):
            raise UsageError(f"--ddof must be 0 (population) or 1 (sample), not {self.ddof}.")

    def transform(self, x: Numbers, column: Fitted) -> Scaled:
        """The z-scores of `x`."""
        keep = kept(x, column)
        if column.statistics.count == 0:
            return unchanged(x, keep)
        to = self.known_affine(column)
        std = column.once((repr(self), "std"), lambda: self._std(column))
        if 0 < abs(to.center) < UNDERFLOW * Fraction(std):
            return Scaled(finished(to.values(x), x, keep, column, to), keep)

        mean = in_units(to.center, x.scale)

        def kernel(cells: slice) -> Floats:
            return standardized(part(x, cells), mean, std)

        return Scaled(finished(blockwise(kernel, len(x)), x, keep, column, to), keep)

    def affine(self, column: Fitted) -> Affine:
        """(x - mean) * (1 / std) + 0."""
        mean = Fraction(center(column.statistics))
        return Affine(mean, 1 / Fraction(self._std(column)), Fraction())

    def formula(self, column: Fitted) -> str:
        """``(x - 3.5) / 1.25``."""
        statistics = column.statistics
        if statistics.count == 0:
            return "x"
        difference = f"x{minus(center(statistics))}"
        return difference if statistics.constant else f"({difference}) / {shown(self._std(column))}"

    def inverse_formula(self, column: Fitted) -> str:
        """``y * 1.25 + 3.5``."""
        statistics = column.statistics
        if statistics.count == 0:
            return "y"
        product = "y" if statistics.constant else f"y * {shown(self._std(column))}"
        return product + plus(center(statistics))

    def _std(self, column: Fitted) -> float:
        """The divisor: 1 for a constant column."""
        if column.statistics.constant:
            return 1.0
        try:
            std = column.statistics.std(self.ddof)
        except OverflowError as error:
            raise DataError(
                f"column {printable(column.name)}: its standard deviation is larger than the "
                "largest float64 (1.8e308). Use --ddof 0 or --method minmax."
            ) from error
        if not std:
            raise DataError(
                f"column {printable(column.name)}: its standard deviation is smaller than the "
                "smallest float64 (5e-324). Use --method minmax."
            )
        return std


METHOD = ZScore
