"""How far the statistics of a column have moved from what they were."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from normcli.statistics.column import ColumnStatistics

if TYPE_CHECKING:
    from normcli.numerics.cells import Cells
    from normcli.statistics.distance import Distance


@dataclass(frozen=True)
class Drift:
    """The distance of a column from what it was; None where one side has too few numbers.

    mean_shift: (mean now - mean then) / std then; infinite where a constant column moved.
    spread_ratio: std now / std then, which is given or of at least two numbers; infinite
        where a column is no longer constant.
    missing_change: share of cells without a number (missing or NaN) now, minus that of then.
    distance: how far the distributions are apart, where both have cells.
    """

    mean_shift: float | None = None
    spread_ratio: float | None = None
    missing_change: float | None = None
    distance: Distance | None = None

    def as_json(self) -> dict[str, float | str | None]:
        """The fields; JSON has no infinity, so that one is a word."""
        found = asdict(self)
        distance = found.pop("distance") or {}
        names = {"psi": "psi", "cdf": "cdf_difference", "most": "cdf_difference_at_most"}
        found |= {names[field]: value for field, value in distance.items()}
        return {field: as_json(value) for field, value in found.items()}


def drift(then: ColumnStatistics, now: ColumnStatistics, ddof: int = 0) -> Drift:
    """How far a column has moved; both standard deviations have `ddof`.

    >>> nothing = ColumnStatistics()
    >>> drift(nothing, nothing)
    Drift(mean_shift=None, spread_ratio=None, missing_change=None, distance=None)
    """
    shift = ratio = change = None
    std, std_now = _std(then, ddof), _std(now, ddof)
    mean, mean_now = then.exact_mean, now.exact_mean
    if std is not None and mean is not None and mean_now is not None:
        shift = _shift(mean_now - mean, std)
    enough = now.count >= 2 and (then.count >= 2 or bool(then.given))
    if std is not None and std_now is not None and enough:
        ratio = 1.0 if std == std_now else _ratio(std_now, std)
    share, share_now = missing_share(then), missing_share(now)
    if share is not None and share_now is not None:
        change = share_now - share
    return Drift(shift, ratio, change, _distance(then, now))


def cells_of(then: ColumnStatistics, now: ColumnStatistics) -> tuple[Cells, Cells] | None:
    """The cells of both, where both have some with numbers."""
    values = then.values.get("quantiles"), now.values.get("quantiles")
    if None in values or not (then.count and now.count):
        return None
    a, b = (value.cells for value in values)  # type: ignore[union-attr]
    return a, b


def _distance(then: ColumnStatistics, now: ColumnStatistics) -> Distance | None:
    if (cells := cells_of(then, now)) is None:
        return None
    from normcli.statistics.distance import Distance

    return Distance.of(*cells)


def as_json(value: float | None) -> float | str | None:
    """A number as JSON has it: an infinity is the word "inf" or "-inf"."""
    return value if value is None or math.isfinite(value) else str(value)


def missing_share(c: ColumnStatistics) -> float | None:
    """The share of cells that are missing or NaN; None where there is no cell."""
    cells = c.moments.cells
    return (c.missing + c.nan) / cells if cells else None


def _shift(moved: Fraction, std: float) -> float:
    """A distance in standard deviations: it is exact before that, near 2**60 too."""
    if not moved or math.isinf(std):
        return 0.0
    try:
        return float(moved / Fraction(std))
    except (ZeroDivisionError, OverflowError):
        return math.inf if moved > 0 else -math.inf


def _ratio(a: float, b: float) -> float:
    if b == 0:
        return math.copysign(math.inf, a) if a else 0.0
    return a / b


def _std(c: ColumnStatistics, ddof: int) -> float | None:
    try:
        return c.std(ddof)
    except OverflowError:  # of data that no sidecar would hold
        return math.inf
