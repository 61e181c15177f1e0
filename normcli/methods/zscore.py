"""Z-score: how many standard deviations a number is away from the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from normcli.errors import DataError, UsageError
from normcli.methods.base import Method, Option, given_numbers, whole_number
from normcli.methods.mapping import Affine, AffineMapping, Unfitted, minus, plus, spelled
from normcli.numerics.doubles import blockwise, in_units, standardized
from normcli.numerics.total import Exact

if TYPE_CHECKING:
    from normcli.methods.mapping import Mapping as ColumnMapping
    from normcli.numerics.numbers import Floats, Numbers
    from normcli.statistics.column import ColumnStatistics

UNDERFLOW = 2.0**-1000  # where |mean| / std is smaller, a quotient may lose bits to underflow


@dataclass(frozen=True)
class Standardized(AffineMapping):
    """x -> (x - mean) / std, within 1 ulp of the exact quotient; std is not 0."""

    mean: Exact
    std: float

    @cached_property
    def affine(self) -> Affine:  # made once: exact fractions take time
        """(x - mean) * (1 / std) + 0."""
        return Affine(Fraction(self.mean), 1 / Fraction(self.std), Fraction())

    def kernel(self, x: Numbers) -> Floats:
        """The z-scores of n numbers."""
        if self._underflows:
            return self.affine.kernel(x)
        mean, std = in_units(self.affine.center, x.scale), self.std
        return blockwise(lambda cells: standardized(x.at(cells), mean, std), len(x))

    @property
    def _underflows(self) -> bool:
        return 0 < abs(self.affine.center) < UNDERFLOW * Fraction(self.std)

    @property
    def stack(self) -> tuple[float, ...] | None:
        """The mean and std."""
        if not isinstance(self.mean, float) or abs(self.mean) < 2 * UNDERFLOW * self.std:
            return (0.0, self.std) if self.mean == 0 else None
        return self.mean, self.std

    @classmethod
    def rows(cls, x: Numbers, parameters: Floats) -> Floats:
        """The z-scores of numbers with a mean and std each."""
        mean, std = parameters
        return standardized(x, (mean,), std)

    def formula(self, x: str = "x") -> str:
        """``(x - 3.5) / 1.25``."""
        difference = f"{x}{minus(self.mean)}" if self.mean else x
        if self.std == 1:
            return difference
        return (
            f"({difference}) / {spelled(self.std)}" if self.mean else f"{x} / {spelled(self.std)}"
        )

    def inverse_formula(self) -> str:
        """``y * 1.25 + 3.5``."""
        product = "{}" if self.std == 1 else f"{{}} * {spelled(self.std)}"
        return product + plus(self.mean)


@dataclass(frozen=True)
class ZScore(Method):
    """z = (x - mean) / std; in a constant column x - mean.

    Every z is within 1 ulp of the exact quotient, with mean and std the float64 of the
    statistics. Missing, NaN and infinite cells are kept.

    ddof: 0 for the standard deviation of a population, 1 for that of a sample.
    center, scale: is the mean subtracted, and is the difference divided by std?
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
        Option("no-center", "off", "Do not subtract the mean.", "center", fits=True, spelled=True),
        Option("no-scale", "off", "Do not divide by std.", "scale", fits=True, spelled=True),
    )
    givens: ClassVar[Mapping[str, str]] = {
        "mean": "the mean",
        "std": "the standard deviation, greater than 0",
    }
    edges: ClassVar[Sequence[str]] = ("A constant column becomes x - mean, which is 0.",)
    examples: ClassVar[Sequence[str]] = (
        *("zscore", "zscore:ddof=1", "zscore:no-center", "zscore:no-scale"),
        "zscore:mean=50000,std=8000",
    )

    ddof: int = 0
    center: bool = True
    scale: bool = True

    def __post_init__(self) -> None:
        if whole_number(self.ddof, "--ddof") not in (0, 1):
            raise UsageError(f"--ddof must be 0 (population) or 1 (sample), not {self.ddof}.")
        if self.given:
            if self.ddof:
                raise UsageError("--ddof has no effect on a std that is given by hand.")
            known = given_numbers(self, *self.takes)
            if known.get("std", 1.0) <= 0:
                raise UsageError(f"zscore: std must be greater than 0, not {known['std']:g}.")

    @property
    def takes(self) -> tuple[str, ...]:
        """The mean, unless it is not subtracted, and std, unless nothing is divided by it."""
        return ("mean",) * self.center + ("std",) * self.scale

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """(x - mean) / std, of the column's moments or of given numbers."""
        if not (column.given or column.count):
            return Unfitted()
        mean = center(column) if self.center else 0.0
        return Standardized(mean, self._std(column) if self.scale else 1.0)

    def _std(self, column: ColumnStatistics) -> float:
        """The divisor: 1 for a constant column."""
        if column.constant:
            return 1.0
        try:
            std = column.std(self.ddof)
        except OverflowError as error:
            raise DataError(
                "its standard deviation is larger than the largest float64 (1.8e308). "
                "Use --ddof 0 or --method minmax."
            ) from error
        if not std:
            raise DataError(
                "its standard deviation is smaller than the smallest float64 (5e-324). "
                "Use --method minmax."
            )
        return std


def center(column: ColumnStatistics) -> Exact:
    """The mean; for a constant column its value, exactly.

    An integer beyond 2**53 or a decimal may differ from the float64 of its own mean.
    """
    value = column.min if column.constant else column.mean
    assert value is not None
    return value


METHODS = (ZScore,)
