"""How far the statistics of a column have moved from what they were."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class Drift:
    """The distance of a column from what it was; None where one side has too few numbers.

    mean_shift: (mean now - mean then) / std then; infinite where a constant column moved.
    spread_ratio: std now / std then, which is given or of at least two numbers; infinite
        where a column is no longer constant.
    missing_change: share of cells without a number (missing or NaN) now, minus that of then.
    """

    mean_shift: float | None = None
    spread_ratio: float | None = None
    missing_change: float | None = None

    def as_json(self) -> dict[str, float | str | None]:
        """The fields; JSON has no infinity, so that one is a word."""
        return {field: as_json(value) for field, value in asdict(self).items()}


def drift(then: ColumnStatistics, now: ColumnStatistics, ddof: int = 0) -> Drift:
    """How far a column has moved; both standard deviations have `ddof`.

    >>> nothing = ColumnStatistics()
    >>> drift(nothing, nothing)
    Drift(mean_shift=None, spread_ratio=None, missing_change=None)
    """
    return Drift(_mean_shift(then, now, ddof), _spread_ratio(then, now, ddof), _change(then, now))


def as_json(value: float | None) -> float | str | None:
    """A number as JSON has it: an infinity is the word "inf" or "-inf"."""
    return value if value is None or math.isfinite(value) else str(value)


def missing_share(c: ColumnStatistics) -> float | None:
    """The share of cells that are missing or NaN; None where there is no cell."""
    cells = c.count + c.missing + c.nan + c.inf
    return (c.missing + c.nan) / cells if cells else None


def _mean_shift(then: ColumnStatistics, now: ColumnStatistics, ddof: int) -> float | None:
    std = _std(then, ddof)
    if then.mean is None or now.mean is None or std is None:
        return None
    return _ratio(now.mean - then.mean, std)


def _spread_ratio(then: ColumnStatistics, now: ColumnStatistics, ddof: int) -> float | None:
    before, after = _std(then, ddof), _std(now, ddof)
    if before is None or after is None or now.count < 2 or (then.count < 2 and not then.given):
        return None
    return 1.0 if before == after else _ratio(after, before)


def _ratio(a: float, b: float) -> float:
    if b == 0:
        return math.copysign(math.inf, a) if a else 0.0
    return a / b


def _std(c: ColumnStatistics, ddof: int) -> float | None:
    try:
        return c.std(ddof)
    except OverflowError:  # of data that no sidecar would hold
        return math.inf


def _change(then: ColumnStatistics, now: ColumnStatistics) -> float | None:
    before, after = missing_share(then), missing_share(now)
    return None if before is None or after is None else after - before
