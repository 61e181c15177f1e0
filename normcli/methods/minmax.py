"""Min-max: the fitted minimum and maximum become the ends of a range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from normcli.errors import CellError, UsageError
from normcli.methods.affine import (
    Affine,
    AffineMethod,
    ends,
    finished,
    kept,
    minus,
    over,
    shown,
    times,
    unchanged,
)
from normcli.methods.base import Fitted, Option, Scaled, finite_number, one_of
from normcli.numerics.doubles import (
    blockwise,
    fraction,
    in_units,
    nearest,
    part,
    rounded_difference,
    where_negative,
)
from normcli.numerics.numbers import Numbers
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats, Mask
    from normcli.numerics.total import Exact

OUTSIDE = {  # each policy in the words of a formula, before a range
    "clip": "clipped to",
    "null": "missing outside",
    "error": "an error outside",
}
POLICIES = ("keep", *OUTSIDE)


@dataclass(frozen=True)
class MinMax(AffineMethod):
    """y = A + (B - A) * (x - min) / (max - min); in a constant column A + (x - min) * (B - A).

    min becomes A and max becomes B exactly, no number between them leaves [A, B], and y
    never decreases where x increases. Missing, NaN and infinite cells are kept.

    range: A and B, A < B.
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
    )

    range: tuple[float, float] = (0.0, 1.0)
    out_of_range: str = "keep"

    def __post_init__(self) -> None:
        ends = self.range
        if not isinstance(ends, tuple | list) or len(ends) != 2:
            raise UsageError(f"--range takes two numbers, LOW HIGH, not {printable(str(ends))}.")
        # + 0.0 turns -0.0 into 0.0, so that equal ranges are written alike
        low, high = (finite_number(end, "an end of --range") + 0.0 for end in ends)
        if not low < high:
            raise UsageError(f"--range {shown(low)} {shown(high)}: LOW must be less than HIGH.")
        object.__setattr__(self, "range", (low, high))
        one_of(self.out_of_range, POLICIES, "--out-of-range")

    @property
    def makes_missing(self) -> bool:
        """Yes, with the policy "null"."""
        return self.out_of_range == "null"

    def transform(self, x: Numbers, column: Fitted) -> Scaled:
        """`x` in the range."""
        keep = kept(x, column)
        if column.statistics.count == 0:
            return unchanged(x, keep)
        values, below, above = self._values(x, column)
        if keep is not None:
            below &= ~keep
            above &= ~keep
        outside = below | above
        counts = {"out_of_range": int(outside.sum())}
        null = None
        if self.out_of_range == "error" and outside.any():
            raise self._out_of_range(x, int(outside.argmax()), column)
        if self.out_of_range == "clip":
            values[below], values[above] = self.range
            counts["clipped"] = counts["out_of_range"]
        elif self.out_of_range == "null":
            values[outside], null = 0.0, outside
        return Scaled(
            finished(values, x, keep, column, self.known_affine(column)), keep, null, counts
        )

    def affine(self, column: Fitted) -> Affine:
        """(x - min) * (B - A) / (max - min) + A; in a constant column without the divisor."""
        low, high = map(Fraction, self.range)
        least, greatest = map(Fraction, ends(column.statistics))
        return Affine(least, (high - low) / ((greatest - least) or 1), low)

    def formula(self, column: Fitted) -> str:
        """``-1 + 2 * (x - 3) / (10 - 3), clipped to [-1, 1]``."""
        if column.statistics.count == 0:
            return "x"
        low, high = map(Fraction, self.range)
        least, greatest = ends(column.statistics)
        y = f"{times(high - low)}(x{minus(least)})"
        if greatest != least:
            y += f" / {_shown_span(least, greatest)}"
        y = f"{shown(low)} + {y}" if low else y
        if policy := OUTSIDE.get(self.out_of_range):
            y += f", {policy} [{shown(low)}, {shown(high)}]"
        return y

    def inverse_formula(self, column: Fitted) -> str:
        """``3 + (10 - 3) * (y + 1) / 2``."""
        if column.statistics.count == 0:
            return "y"
        low, high = map(Fraction, self.range)
        least, greatest = ends(column.statistics)
        y = (f"(y{minus(self.range[0])})" if low else "y") + over(high - low)
        if greatest != least:
            y = f"{_shown_span(least, greatest)} * {y}"
        return f"{shown(least)} + {y}" if least else y

    def _values(self, x: Numbers, column: Fitted) -> tuple[Floats, Mask, Mask]:
        """Scaled numbers, and which lie below the minimum and above the maximum.

        Every step rounds an increasing function of the step before, so the whole increases.
        t >= 0 makes y >= A; at the other end y is held on its side of B. In a wide range the
        upper half is computed from the other end, and the halves are held on their sides of
        the middle. Differences that overflow are taken of halves.
        """
        import numpy as np

        least, greatest = map(Fraction, ends(column.statistics))
        span = (greatest - least or Fraction(1)) * Fraction(10) ** x.scale
        if math.isinf(nearest(span)):
            x, least, greatest, span = (
                Numbers(x.parts / 2, scale=x.scale),
                least / 2,
                greatest / 2,
                span / 2,
            )
        divisor = nearest(span)
        unit = 0.5 if math.isinf(self.range[1] - self.range[0]) else 1.0
        low, high = (end * unit for end in self.range)
        width = high - low
        origin, top = in_units(least, x.scale), in_units(greatest, x.scale)
        floats = len(x.parts) == len(origin) == len(top) == 1
        middle = low / 2 + high / 2
        lands = floats and low + width == high  # then t <= 1 makes y <= B, and t = 1 makes it B
        wide = not column.statistics.constant and _is_wide(low, high)
        hold = not (column.statistics.constant or lands or wide)
        below, above = np.empty((2, len(x)), np.bool_)

        def kernel(cells: slice) -> Floats:
            block = part(x, cells)
            from_least = rounded_difference(block, origin)
            from_greatest = rounded_difference(block, top)
            below[cells], above[cells] = from_least < 0, from_greatest > 0
            if wide:
                way = width * (np.minimum(from_least, -from_greatest) / divisor)
                lower, upper = np.minimum(low + way, middle), np.maximum(high - way, middle)
                y = where_negative(from_least + from_greatest, lower, upper)
            else:
                y = low + width * (from_least / divisor)
            if hold:
                y = np.where(from_greatest <= 0, np.minimum(y, high), y)
                y = np.where(from_greatest >= 0, np.maximum(y, high), y)
            return y if unit == 1.0 else y / unit

        return blockwise(kernel, len(x)), below, above

    def _out_of_range(self, x: Numbers, cell: int, column: Fitted) -> CellError:
        least, greatest = ends(column.statistics)
        return CellError.at(
            cell,
            column.name,
            shown(fraction(x, cell)),
            f"is outside the fitted range, {shown(least)} to {shown(greatest)}. "
            "--out-of-range keep, clip or null lets such numbers pass.",
        )


def _is_wide(low: float, high: float) -> bool:
    """Whether the way through the range is longer than the power of two above its larger end.

    That is so in some ranges around 0 only: [-1.5, 1.5], but not [-1, 1]. Errors that are
    relative to the way would be too many ulp of the end.
    """
    return high - low > 2.0**53 * math.ulp(max(abs(low), abs(high)))


def _shown_span(least: Exact, greatest: Exact) -> str:
    """The divisor as a difference, whose numbers people know."""
    return f"({shown(greatest)}{minus(least)})" if least else shown(greatest)


METHOD = MinMax
