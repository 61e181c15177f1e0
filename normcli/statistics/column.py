"""All that is known of one column: a value of each recipe, or numbers that were given."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self, cast

from normcli.errors import DataError, UsageError
from normcli.numerics.numbers import Numbers
from normcli.numerics.total import Exact
from normcli.statistics.base import Value
from normcli.statistics.moments import Moments

if TYPE_CHECKING:
    from normcli.statistics.weight import Weighted

NONE = Moments()


@dataclass(frozen=True)
class ColumnStatistics:
    """What is known of one column, of all rows or of one group.

    values: the name of a recipe -> what it found. Where there are no `given` numbers, the
        moments of the column are always there.
    given: numbers that were not computed from rows, by name ("mean", "std", "min" ...): given
        by hand, imported, or trained.
    mapped: the spelling of maps ("log1p") -> what is known of the numbers that these maps make.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    given: Mapping[str, float] = field(default_factory=dict)
    mapped: Mapping[str, ColumnStatistics] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.given and "moments" not in self.values:
            object.__setattr__(self, "values", {"moments": NONE, **self.values})

    @classmethod
    def of(cls, x: Numbers) -> Self:
        """The moments of some cells."""
        return cls({"moments": Moments.of(x)})

    def merge(self, other: Self) -> Self:
        """What is known of the rows of both.

        Raises: DataError where given numbers differ, or one of them lacks a value.
        """
        if self.given != other.given:
            raise DataError("the given numbers differ")
        values = {
            name: value.merge(there)
            for name, (value, there) in _pairs(self.values, other.values).items()
        }
        mapped = _pairs(self.mapped, other.mapped)
        return type(self)(values, self.given, {m: a.merge(b) for m, (a, b) in mapped.items()})

    def without(self, other: Self) -> Self:
        """What is known of these rows but those of `other`, which are among them.

        Raises: DataError where they cannot be among them.
        """
        if self.given != other.given:
            raise DataError("the given numbers differ")
        values = {
            name: value.without(there)
            for name, (value, there) in _pairs(self.values, other.values).items()
        }
        mapped = _pairs(self.mapped, other.mapped)
        found = {maps: a.without(b) for maps, (a, b) in mapped.items()}
        return type(self)(values, self.given, found)._with_ends()

    def _with_ends(self) -> Self:
        """With a minimum and maximum that another value tells."""
        moments = self.values.get("moments")
        if not isinstance(moments, Moments) or None not in (moments.min, moments.max):
            return self
        for value in self.values.values():
            if ends := value.ends():
                moments = replace(moments, min=ends[0], max=ends[1])
        return replace(self, values={**self.values, "moments": moments})

    def names(self) -> Iterator[str]:
        """The recipes that have found something in its numbers, and in what maps make of them."""
        yield from self.values if self.count else ()
        for of in self.mapped.values():
            yield from of.names()

    def kept(self, among: Mapping[str, int]) -> Self:
        """What statistics keep, where so many columns have a value of each recipe."""
        values = {name: value.kept(among.get(name, 0)) for name, value in self.values.items()}
        mapped = {maps: of.kept(among) for maps, of in self.mapped.items()}
        return replace(self, values=values, mapped=mapped)

    @property
    def moments(self) -> Moments:
        """Those of the column; of no rows where it has none."""
        found = self.values.get("moments", NONE)
        assert isinstance(found, Moments)
        return found

    @property
    def _spread(self) -> Moments | Weighted:
        """What knows the mean and the variance: the weighted sums, where rows have weights."""
        return cast("Moments | Weighted", self.values.get("weight", self.moments))

    @property
    def count(self) -> int:
        """How many finite numbers there are."""
        return self.moments.count

    @property
    def missing(self) -> int:
        """How many cells have no number."""
        return self.moments.missing

    @property
    def nan(self) -> int:
        """How many NaN there are."""
        return self.moments.nan

    @property
    def inf(self) -> int:
        """How many infinities were left out."""
        return self.moments.inf

    @property
    def ends(self) -> tuple[Exact | None, Exact | None]:
        """The smallest and the largest number, exactly; None where there is none, or not known."""
        moments = self.moments
        return self.given.get("min", moments.min), self.given.get("max", moments.max)

    @property
    def min(self) -> Exact | None:
        """The smallest number, exactly; None where there is none.

        Raises: UsageError where it is not known, as rows were taken out of the statistics.
        """
        return self._end(0, "smallest")

    @property
    def max(self) -> Exact | None:
        """The largest number, exactly; as `min`."""
        return self._end(1, "largest")

    def _end(self, which: int, word: str) -> Exact | None:
        end = self.ends[which]
        if end is None and self.count:
            raise UsageError(
                f"the {word} number of a column is not known, because rows that may have had it "
                "were taken out of the statistics\nFit the rows again, or use a method that does "
                "not need it, such as zscore"
            )
        return end

    @property
    def mean(self) -> float | None:
        """The mean, correctly rounded; None where there is no number."""
        return self.given.get("mean", self._spread.mean)

    @property
    def exact_mean(self) -> Fraction | None:
        """The mean, exactly; None where there is no number."""
        if "mean" in self.given:
            return Fraction(self.given["mean"])
        return self._spread.exact_mean

    @property
    def constant(self) -> bool:
        """Are there numbers, all of them the same, exactly?"""
        return self.moments.constant

    def std(self, ddof: int = 0) -> float | None:
        """The standard deviation, correctly rounded; None where count <= ddof.

        Raises: OverflowError where it is beyond the largest float64.
        """
        if "var" in self.given:
            return math.sqrt(self.given["var"])
        return self.given.get("std", self._spread.std(ddof))

    def variance(self, ddof: int = 0) -> float | None:
        """The variance, correctly rounded; None where count <= ddof.

        Raises: OverflowError where it is beyond the largest float64.
        """
        if "std" in self.given and "var" not in self.given:
            return self.given["std"] ** 2
        return self.given.get("var", self._spread.variance(ddof))


def _pairs(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    for name in {**a, **b}:
        if name not in a or name not in b:
            raise DataError(f"only one of them has {name}")
    return {name: (a[name], b[name]) for name in a}
