"""What methods of quantiles have in common: levels in words, and numbers from quantiles."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from normcli.errors import DataError, UsageError
from normcli.methods.base import finite_number
from normcli.words import number, printable

if TYPE_CHECKING:
    from normcli.numerics.cells import Interval
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics
    from normcli.statistics.quantiles import Quantiles


def percentage(value: Any, what: str) -> Fraction:
    """A percentage, such as 25, 2.5 or "25%", as a level from 0 to 1; raises UsageError."""
    from normcli.statistics.quantiles import level_of

    try:
        if isinstance(value, str):
            return level_of(value.removesuffix("%") + "%")
        number = finite_number(value, what)
        if 0 <= number <= 100:
            return Fraction(Decimal(repr(number))) / 100
    except (ValueError, UsageError):
        pass
    raise UsageError(f"{what} must be a percentage from 0 to 100, not {printable(str(value))}.")


def range_of(values: Any, what: str, example: str) -> tuple[Fraction, Fraction]:
    """Two percentages as levels, the lower one first; raises UsageError."""
    if not isinstance(values, tuple | list) or len(values) != 2:
        raise UsageError(f"{what} takes two percentages: {example}.")
    low, high = (percentage(value, f"an end of {what}") for value in values)
    if not low < high:
        raise UsageError(f"{what}: the first percentage must be less than the second: {example}.")
    return low, high


def in_percent(level: Fraction) -> str:
    """A level for people and for the sidecar: "2.5%"."""
    from normcli.statistics.quantiles import level_text

    return level_text(100 * level) + "%"


def wanted(*levels: Fraction, table: int = 0, deviation: bool = False) -> tuple[Recipe, ...]:
    """The recipe for quantiles of these levels. `column.values["quantiles"]` then has them."""
    from normcli.statistics.quantiles import QuantilesRecipe, Wants

    return (QuantilesRecipe(Wants(levels, table, deviation)),)


def levels_of(words: Iterable[float | str]) -> tuple[Recipe, ...]:
    """The recipe for the levels in some lists, if there are any; raises UsageError."""
    from normcli.statistics.quantiles import level_of

    levels = []
    for word in (word for text in words for word in str(text).split(",")):
        try:
            levels.append(level_of(word))
        except ValueError as error:
            raise UsageError(
                f"--at takes levels from 0 to 1, such as 0.05,0.95 or 5%, not {printable(word)}"
            ) from error
    return wanted(*levels) if levels else ()


def quantiles_of(column: ColumnStatistics) -> Quantiles:
    """The quantiles of a column that has numbers."""
    from normcli.statistics.quantiles import Quantiles

    found = column.values["quantiles"]
    assert isinstance(found, Quantiles)
    return found


def difference(high: Interval, low: Interval) -> Interval:
    """The range, of quantiles that are rounded once where they are known."""
    from normcli.numerics.cells import Interval

    if low.exact and high.exact:
        span = Fraction(high.middle) - Fraction(low.middle)
        return Interval(span, span)
    return Interval(high.low - low.high, high.high - low.low)


def divisor(interval: Interval, what: str) -> tuple[Fraction, str]:
    """The middle of a divisor, rounded once, and what to tell of it; 1 where it is 0.

    Raises: DataError where it may be 0.
    """
    if interval.exact:
        if interval.low:
            return interval.low, ""
        return Fraction(1), f"its {what} is 0; the differences are not divided"
    if interval.low <= 0:
        ends = " and ".join(number(float(end)) for end in (interval.low, interval.high))
        raise DataError(
            f"its {what} may be 0: merged or sketched statistics only tell that it is between "
            f"{ends}. Fit all data together, without --quantiles sketch."
        )
    off = float((interval.high - interval.low) / 2 / interval.low)
    told = f"its {what} is not exact, as statistics were merged or sketched; it is off by at most"
    return Fraction(
        interval.middle
    ), f"{told} {_share(off)}. For the exact one, fit all data together"


def vague(interval: Interval, what: str) -> str:
    """What to tell of a number that is not exact; nothing of one that is."""
    if interval.exact:
        return ""
    ends = " and ".join(number(float(end)) for end in (interval.low, interval.high))
    return f"its {what} is only known to be between {ends}, as statistics were merged or sketched"


def _share(off: float) -> str:
    digits = max(0, 1 - math.floor(math.log10(100 * off))) if off else 0
    return f"{100 * off:.{digits}f}%"
