"""Min-max: the fitted minimum and maximum become the ends of a range."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from normcli.errors import CellError, UsageError
from normcli.methods.base import Method, Option, finite_number, given_numbers, one_of
from normcli.methods.expression import (
    MISSING,
    Expression,
    X,
    clipped,
    distance,
    number,
    refused,
    where,
)
from normcli.methods.levels import (
    difference,
    divisor,
    in_percent,
    quantiles_of,
    range_of,
    wanted,
)
from normcli.methods.mapping import (
    Affine,
    AffineMapping,
    Unfitted,
    finished,
    minus,
    over,
    spelled,
    times,
)
from normcli.numerics.doubles import (
    Real,
    blockwise,
    fraction,
    in_units,
    nearest,
    not_finite,
    rounded_difference,
    where_negative,
)
from normcli.numerics.numbers import Numbers, Scaled
from normcli.numerics.total import Exact
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.methods.mapping import Mapping as ColumnMapping
    from normcli.numerics.numbers import Floats, Mask
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics

_Mapped: TypeAlias = "tuple[Floats, Mask, Mask]"  # numbers; which were below and above
OUTSIDE = {  # each policy in the words of a formula, before a range
    "clip": "clipped to",
    "null": "missing outside",
    "error": "an error outside",
}
POLICIES = ("keep", *OUTSIDE)
ALL = Fraction(0), Fraction(1)  # the levels of the minimum and the maximum


@dataclass(frozen=True)
class Rescaled(AffineMapping):
    """x -> A + (B - A) * (x - least) / (greatest - least); without the divisor where it is 0.

    least becomes A and greatest becomes B exactly, no number between them leaves [A, B], and y
    never decreases where x increases.

    ends: A and B. policy: for numbers out of range, see `MinMax.out_of_range`.
    """

    least: Exact
    greatest: Exact
    ends: tuple[float, float]
    policy: str = "keep"
    warning: str = ""

    @property
    def makes_missing(self) -> bool:
        """With the policy "null"."""
        return self.policy == "null"

    @cached_property
    def affine(self) -> Affine:  # made once: exact fractions take time
        """(x - least) * (B - A) / (greatest - least) + A; without the divisor where it is 0."""
        low, high = map(Fraction, self.ends)
        least, greatest = Fraction(self.least), Fraction(self.greatest)
        return Affine(least, (high - low) / ((greatest - least) or 1), low)

    def values(self, x: Numbers) -> Scaled:
        """N numbers in the range, by the policy; those outside are counted."""
        return self._by_policy(x, self._mapped(x), lambda _: self)

    def _by_policy(self, x: Numbers, mapped: _Mapped, of: Callable[[int], Any]) -> Scaled:
        """What the policy makes of mapped numbers; of: the mapping of a row."""
        keep = not_finite(x)
        values, below, above = mapped
        if keep is not None:
            below &= ~keep
            above &= ~keep
        outside = below | above
        counts = {"out_of_range": int(outside.sum())}
        null = None
        if self.policy == "error" and outside.any():
            row = int(outside.argmax())
            raise of(row)._out_of_range(x, row)
        if self.policy == "clip":
            values[below], values[above] = self.ends
            counts["clipped"] = counts["out_of_range"]
        elif self.policy == "null":
            values[outside], null = 0.0, outside
        return Scaled(finished(values, x, keep, lambda row: of(row).affine), keep, null, counts)

    @property
    def stack(self) -> tuple[float, ...] | None:
        """The least and greatest number, of mappings to the same ends by the same policy."""
        span = nearest(Fraction(self.greatest) - Fraction(self.least))
        floats = isinstance(self.least, float) and isinstance(self.greatest, float)
        if not floats or math.isinf(span) or math.isinf(self.ends[1] - self.ends[0]):
            return None
        if span == 0 and _is_wide(*self.ends):
            return None
        return float(self.least), float(self.greatest)

    @classmethod
    def stacked(cls, x: Numbers, parameters: Floats, of: Callable[[int], Any]) -> Scaled:
        """N numbers, each in the range by its own least and greatest number."""
        least, greatest = parameters
        like: Rescaled = of(0)
        span = greatest - least  # rounded once, as the exact difference would be
        span[span == 0] = 1.0
        mapped = _mapped(x, (least,), (greatest,), span, like.ends, least != greatest)
        return like._by_policy(x, mapped, of)

    def kernel(self, x: Numbers) -> Floats:
        """N numbers in the range, whatever the policy."""
        return self._mapped(x)[0]

    def exactly(self, x: Fraction) -> Fraction:
        """One number, clipped where that is the policy."""
        y = self.affine.exactly(x)
        if self.policy != "clip":
            return y
        return min(max(y, Fraction(self.ends[0])), Fraction(self.ends[1]))

    def expressions(self) -> tuple[Expression, ...]:
        """The way into the range, with its ends; what the policy makes of numbers outside."""
        low, high = self.ends
        least, greatest = nearest(Fraction(self.least)), nearest(Fraction(self.greatest))
        line, lands = self._line()
        if self.policy == "keep" and lands:
            return (line,)
        outside = {
            "keep": (line, line),
            "clip": (number(low), number(high)),
            "null": (MISSING, MISSING),
            "error": (refused("is outside the fitted range."),) * 2,
        }
        below, above = outside[self.policy]
        inside = line if lands else clipped(line, low, high)
        if self.greatest != self.least:  # the ends, even where the line misses them
            inside = where(X.equals(greatest), high, where(X.equals(least), low, inside))
        return (where(least > X, below, where(greatest < X, above, inside)),)

    def _line(self) -> tuple[Expression, bool]:
        """A + (B - A) * t, of a wide range from the nearer end; do fitted numbers stay in it?"""
        (low, high), least, greatest = self.ends, Fraction(self.least), Fraction(self.greatest)
        span = greatest - least or Fraction(1)
        up = distance(X, least, span)
        if math.isinf(high - low):
            return (number(1.0) - up) * low + up * high, True
        line = up * (high - low) + low
        if not _is_wide(low, high) or greatest == least:
            return line, low + (high - low) == high
        down = distance(X, greatest, span) * (high - low) + high
        return where(up < 0.5, line, down), True

    def size(self, y: Floats) -> Floats:
        """That of the larger end."""
        import numpy as np

        return np.maximum(abs(y), max(map(abs, self.ends)))

    def formula(self, x: str = "x") -> str:
        """``-1 + 2 * (x - 3) / (10 - 3), clipped to [-1, 1]``."""
        low, high = map(Fraction, self.ends)
        y = f"{times(high - low)}({x}{minus(self.least)})"
        if self.greatest != self.least:
            y += f" / {self._span()}"
        y = f"{spelled(low)} + {y}" if low else y
        if words := OUTSIDE.get(self.policy):
            y += f", {words} [{spelled(low)}, {spelled(high)}]"
        return y

    def inverse_formula(self) -> str:
        """``3 + (10 - 3) * (y + 1) / 2``."""
        low, high = map(Fraction, self.ends)
        y = (f"({{}}{minus(self.ends[0])})" if low else "{}") + over(high - low)
        if self.greatest != self.least:
            y = f"{self._span()} * {y}"
        return f"{spelled(self.least)} + {y}" if self.least else y

    def _span(self) -> str:
        """The divisor as a difference, whose numbers people know."""
        greatest = spelled(self.greatest)
        return f"({greatest}{minus(self.least)})" if self.least else greatest

    def _mapped(self, x: Numbers) -> _Mapped:
        """Scaled numbers, and which lie below the minimum and above the maximum.

        Differences that overflow are taken of halves.
        """
        least, greatest = Fraction(self.least), Fraction(self.greatest)
        span = (greatest - least or Fraction(1)) * Fraction(10) ** x.scale
        if math.isinf(nearest(span)):
            x, least, greatest, span = (
                Numbers(x.parts / 2, scale=x.scale),
                least / 2,
                greatest / 2,
                span / 2,
            )
        origin, top = in_units(least, x.scale), in_units(greatest, x.scale)
        return _mapped(x, origin, top, nearest(span), self.ends, self.least != self.greatest)

    def _out_of_range(self, x: Numbers, cell: int) -> CellError:
        return CellError.at(
            cell,
            spelled(fraction(x, cell)),
            f"is outside the fitted range, {spelled(self.least)} to {spelled(self.greatest)}. "
            "--out-of-range keep, clip or null lets such numbers pass.",
        )


def _mapped(
    x: Numbers,
    origin: Sequence[Real],
    top: Sequence[Real],
    divisor: Real,
    ends: tuple[float, float],
    varied: bool | Mask,
) -> _Mapped:
    """Scaled numbers, and which lie below the minimum and above the maximum.

    origin, top: terms of the minimum and maximum, numbers or arrays; divisor: their difference.
    varied: is there a difference?

    Every step rounds an increasing function of the step before, so the whole increases.
    t >= 0 makes y >= A; at the other end y is held on its side of B. In a wide range the
    upper half is computed from B, and both halves are held on their sides of the middle.
    """
    import numpy as np

    unit = 0.5 if math.isinf(ends[1] - ends[0]) else 1.0
    low, high = (end * unit for end in ends)
    width, middle = high - low, low / 2 + high / 2
    floats = len(x.parts) == len(origin) == len(top) == 1
    lands = floats and low + width == high  # then t <= 1 makes y <= B, and t = 1 makes it B
    wide = bool(np.all(varied)) and _is_wide(low, high)
    hold = varied if not (lands or wide) else False
    below, above = np.empty((2, len(x)), np.bool_)

    def kernel(cells: slice) -> Floats:
        block = x.at(cells)
        from_least = rounded_difference(block, [_at(term, cells) for term in origin])
        from_greatest = rounded_difference(block, [_at(term, cells) for term in top])
        below[cells], above[cells] = from_least < 0, from_greatest > 0
        by, held = _at(divisor, cells), _at(hold, cells)
        if wide:
            way = width * (np.minimum(from_least, -from_greatest) / by)
            lower, upper = np.minimum(low + way, middle), np.maximum(high - way, middle)
            y = where_negative(from_least + from_greatest, lower, upper)
        else:
            y = low + width * (from_least / by)
        if np.any(held):
            y = np.where(held & (from_greatest <= 0), np.minimum(y, high), y)
            y = np.where(held & (from_greatest >= 0), np.maximum(y, high), y)
        return y if unit == 1.0 else y / unit

    return blockwise(kernel, len(x)), below, above


def _at(term: Real, cells: slice) -> Real:
    """Some cells of an array; a number as it is."""
    return term if isinstance(term, bool | float) else term[cells]


def _is_wide(low: float, high: float) -> bool:
    """Whether the range is wider than the power of two above the size of its larger end.

    Only ranges around 0 can be: [-1.5, 1.5] is, [-1, 1] is not. Errors that are relative to the
    width would be too many ulp of the end.
    """
    return high - low > 2.0**53 * math.ulp(max(abs(low), abs(high)))


@dataclass(frozen=True)
class MinMax(Method):
    """y = A + (B - A) * (x - min) / (max - min); in a constant column A + (x - min) * (B - A).

    min becomes A and max becomes B exactly, no number between them leaves [A, B], and y
    never decreases where x increases. Missing, NaN and infinite cells are kept.

    range: A and B, A < B.
    low, high: percentages, whose quantiles are used in place of min and max.
    out_of_range: what happens to a number below min or above max. They are counted as
        "out_of_range" under each policy, those that are clipped as "clipped" too.
    """

    name: ClassVar[str] = "minmax"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "range",
            "range",
            "Where the minimum and the maximum go.",
            field="range",
            fits=True,
            default="0 1",
        ),
        Option(
            "out-of-range",
            POLICIES,
            "What to do with numbers outside the fitted minimum and maximum: keep them outside "
            "the range, clip them to its ends, make them missing, or stop with an error.",
            field="out_of_range",
            default="keep",
        ),
        Option(
            *("low", "percent", "The quantile to take in place of the minimum.", "low"),
            fits=True,
            spelled=True,
        ),
        Option(
            *("high", "percent", "The quantile to take in place of the maximum.", "high"),
            fits=True,
            spelled=True,
        ),
    )

    givens: ClassVar[Mapping[str, str]] = {
        "min": "the number that becomes the low end of the range",
        "max": "the number that becomes the high end of the range",
    }
    edges: ClassVar[Sequence[str]] = (
        "A constant column becomes the low end of the range.",
        "Numbers outside the fitted minimum and maximum are counted, whatever the policy.",
    )
    examples: ClassVar[Sequence[str]] = (
        *("minmax", "minmax:-1,1", "minmax:-5,2.5,out-of-range=clip", "minmax:min=0,max=255"),
        "minmax:low=1%,high=99%",
    )

    range: tuple[float, float] = (0.0, 1.0)
    out_of_range: str = "keep"
    low: str = "0%"
    high: str = "100%"

    def __post_init__(self) -> None:
        ends = self.range
        if not isinstance(ends, tuple | list) or len(ends) != 2:
            raise UsageError(f"--range takes two numbers, LOW HIGH, not {printable(str(ends))}.")
        # + 0.0 turns -0.0 into 0.0, so that equal ranges are written alike
        low, high = (finite_number(end, "an end of --range") + 0.0 for end in ends)
        if not low < high:
            raise UsageError(f"--range {spelled(low)} {spelled(high)}: LOW must be less than HIGH.")
        object.__setattr__(self, "range", (low, high))
        one_of(self.out_of_range, POLICIES, "--out-of-range")
        least, greatest = range_of((self.low, self.high), "minmax: low, high", "low=1%,high=99%")
        object.__setattr__(self, "low", in_percent(least))
        object.__setattr__(self, "high", in_percent(greatest))
        if self.given and (least, greatest) != ALL:
            raise UsageError("minmax: low and high have no effect on given numbers.")
        if self.given:
            known = given_numbers(self, "min", "max")
            if known["min"] > known["max"]:
                raise UsageError("minmax: min must not be greater than max.")

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """The minimum and maximum of the column, or given ones, to the ends of the range."""
        if column.min is None or column.max is None:
            return Unfitted()
        least, greatest, warning = column.min, column.max, ""
        if self._levels != ALL:
            found = quantiles_of(column)
            low, high = map(found.quantile, self._levels)
            warning = divisor(difference(high, low), f"range from {self.low} to {self.high}")[1]
            least, greatest = low.middle, high.middle
        return Rescaled(least, greatest, self.range, self.out_of_range, warning)

    @property
    def _levels(self) -> tuple[Fraction, Fraction]:
        return range_of((self.low, self.high), "minmax: low, high", "low=1%,high=99%")

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """The moments, or the quantiles at the ends."""
        return super().needs(column) if self._levels == ALL else wanted(*self._levels)


METHODS = (MinMax,)
