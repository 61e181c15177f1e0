"""Exact sums of rows that have weights: their mean and variance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Self

from normcli.errors import DataError
from normcli.numerics.total import Total, divide, divide_sqrt
from normcli.statistics.base import Facts, FieldError, Recipe, Rows, State, Value

if TYPE_CHECKING:
    from normcli.numerics.digits import FixedPoint, Ints
    from normcli.numerics.numbers import Numbers
    from normcli.statistics.grouped import GroupedRows

KINDS = ("frequency", "reliability")
SUMS = ("w", "w2", "wx", "wx2")
ZERO = Total()


@dataclass(frozen=True)
class Weighted(Value):
    """Sums over the finite numbers x of a column, whose rows have the weights w.

    kind: "frequency", how often each row occurs, or "reliability".
    w, w2, wx, wx2: the exact sums of w, w**2, w * x and w * x**2.
    """

    kind: str
    w: Total = ZERO
    w2: Total = ZERO
    wx: Total = ZERO
    wx2: Total = ZERO

    def merge(self, other: Self) -> Self:
        """The sums over both."""
        if self.kind != other.kind:
            raise DataError(f"weights of the kinds {self.kind} and {other.kind}")
        sums = (getattr(self, name) + getattr(other, name) for name in SUMS)
        return type(self)(self.kind, *sums)

    def without(self, other: Self) -> Self:
        """The sums over these rows but those of `other`, which are among them."""
        if self.kind != other.kind:
            raise DataError(f"weights of the kinds {self.kind} and {other.kind}")
        return type(self)(self.kind, *(getattr(self, name) - getattr(other, name) for name in SUMS))

    @property
    def mean(self) -> float | None:
        """sum(w * x) / sum(w), correctly rounded; None where there is no number."""
        mean = self.exact_mean
        return None if mean is None else divide(*mean.as_integer_ratio())

    @property
    def exact_mean(self) -> Fraction | None:
        """The mean, exactly; None where there is no number."""
        return None if self.w == ZERO else self.wx.as_fraction() / self.w.as_fraction()

    def _variance(self, ddof: int) -> Fraction | None:
        """The exact variance; None where it has no divisor.

        The divisor is W = sum(w). With ddof 1 it is W - 1 for frequencies, and W - W2 / W, which
        leaves no bias, for reliabilities (`fweights` and `aweights` of `numpy.cov`).
        """
        if self.w == ZERO:
            return None
        w = self.w.as_fraction()
        less = Fraction(ddof) if self.kind == "frequency" else ddof * self.w2.as_fraction() / w
        if w <= less:
            return None
        return (self.wx2.as_fraction() - self.wx.as_fraction() ** 2 / w) / (w - less)

    def variance(self, ddof: int = 0) -> float | None:
        """The variance, correctly rounded; OverflowError where it is beyond float64."""
        found = self._variance(ddof)
        return None if found is None else divide(*found.as_integer_ratio())

    def std(self, ddof: int = 0) -> float | None:
        """The standard deviation, correctly rounded; OverflowError where it is beyond float64."""
        found = self._variance(ddof)
        return None if found is None else divide_sqrt(*found.as_integer_ratio())

    def dump(self, facts: Facts) -> dict[str, Any]:
        """The sums, and the mean and std for people."""
        try:
            numbers = {"mean": self.mean, "std": self.std(facts.ddof)}
        except OverflowError as error:
            raise DataError("its weighted standard deviation is beyond float64") from error
        totals = {name: getattr(self, name) for name in SUMS}
        scales = {f"{name}_scale": total.scale for name, total in totals.items() if total.scale}
        sums = {name: total.to_floats() for name, total in totals.items()}
        return {"kind": self.kind, **numbers, **sums, **scales}


@dataclass(frozen=True, eq=False)
class WeightedColumn:
    """The `Weighted` sums of one column in g groups.

    sums: W, W2, Swx and Swx2, each in units of the last of so many decimal places (`scales`).
    """

    kind: str
    sums: tuple[FixedPoint, ...]
    scales: tuple[int, ...]

    @classmethod
    def of(cls, kind: str, x: Numbers, weights: Numbers, rows: GroupedRows) -> Self:
        """The sums over the finite numbers of each group."""
        import numpy as np

        from normcli.numerics.grouped import weighted_sums_by

        finite = np.isfinite(x.parts[0])
        parts, codes = x.parts[:, finite], rows.codes[finite]
        sums = weighted_sums_by(parts, weights.parts[:, finite], codes, len(rows.keys))
        s, t = weights.scale, x.scale
        return cls(kind, sums, (s, 2 * s, s + t, s + 2 * t))

    def at(self, places: Ints, groups: int) -> Self:
        """The same groups at these places of more."""
        return type(self)(self.kind, tuple(s.at(places, groups) for s in self.sums), self.scales)

    def alike(self, other: Self) -> bool:
        """Is it in the same units?"""
        return self.scales == other.scales

    def merge(self, other: Self) -> Self:
        """The sums over both, group by group."""
        pairs = zip(self.sums, other.sums, strict=True)
        return type(self)(self.kind, tuple(a.plus(b) for a, b in pairs), self.scales)

    @property
    def all(self) -> Self:
        """Those of all groups together, as of one."""
        return type(self)(self.kind, tuple(each.total() for each in self.sums), self.scales)

    def values(self) -> list[Weighted]:
        """The sums of each group."""
        from normcli.statistics.grouped import totals

        pairs = zip(self.sums, self.scales, strict=True)
        columns = [totals(each, scale) for each, scale in pairs]
        return [Weighted(self.kind, *row) for row in zip(*columns, strict=True)]


_TOTAL = {"type": "array", "items": {"type": ["number", "string"]}, "maxItems": 120}
_SCALE = {"type": "integer", "minimum": 1, "maximum": 400}


@dataclass(frozen=True)
class WeightRecipe(Recipe):
    """Exact sums over the numbers of rows that have weights (--weight)."""

    kind: str = "reliability"

    name: ClassVar[str] = "weight"
    shares: ClassVar[bool] = True
    required: ClassVar[tuple[str, ...]] = ("kind", "mean", "std", *SUMS)
    fields: ClassVar[Mapping[str, Any]] = {
        "kind": {"description": "What the weights are.", "type": "string", "enum": list(KINDS)},
        "mean": {"description": "wx / w, rounded once.", "type": ["number", "null"]},
        "std": {"description": "Of the weighted variance.", "type": ["number", "null"]},
        "w": {"description": "The sum of the weights w.", **_TOTAL},
        "w2": {"description": "The sum of w * w.", **_TOTAL},
        "wx": {"description": "The sum of w * x.", **_TOTAL},
        "wx2": {"description": "The sum of w * x * x.", **_TOTAL},
        **{f"{name}_scale": {"description": "As sum_scale.", **_SCALE} for name in SUMS},
    }

    def weighs(self, kind: str) -> bool:
        """It is about weights."""
        return True

    def of(self, rows: Rows) -> State:
        """The sums of every column and group; nothing where there are no weights."""
        from normcli.statistics.grouped import Grouped, GroupedRows

        grouped = GroupedRows.of(rows)
        assert rows.weights is not None
        columns = {
            i: WeightedColumn.of(self.kind, x, rows.weights, grouped)
            for i, x in rows.columns.items()
        }
        return Grouped(grouped.keys, columns)

    @classmethod
    def load(cls, entry: Mapping[str, Any], facts: Facts) -> Weighted:
        """The sums; raises FieldError for the first that no weights can have."""
        totals = {}
        for name in SUMS:
            try:
                totals[name] = Total.from_floats(entry[name], int(entry.get(f"{name}_scale", 0)))
            except ValueError as error:
                raise FieldError(name, str(error)) from error
        found = Weighted(str(entry["kind"]), **totals)
        for field, fault in _faults(found):
            raise FieldError(field, fault)
        for field, value in (("mean", found.mean), ("std", found.std(facts.ddof))):
            if entry[field] != value:
                raise FieldError(field, f"does not match the exact sums, which give {value}")
        return found


def _faults(found: Weighted) -> list[tuple[str, str]]:
    w, w2, wx, wx2 = (getattr(found, name).as_fraction() for name in SUMS)
    faults = []
    if w < 0:
        faults.append(("w", "weights are not negative"))
    if not 0 <= w2 <= w * w or (w2 == 0) != (w == 0):
        faults.append(("w2", "no weights with this sum can have it"))
    if wx2 * w < wx * wx or (w == 0 and (wx or wx2)):
        faults.append(("wx2", "no numbers with these weights and this sum can have it"))
    return faults


RECIPE = WeightRecipe
