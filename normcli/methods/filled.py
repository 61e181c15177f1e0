"""Missing cells filled with a number, before anything else is done to the column."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from normcli.errors import CellError, UsageError
from normcli.methods.expression import Expression
from normcli.methods.levels import quantiles_of, wanted
from normcli.methods.mapping import Mapping, Unfitted, spelled
from normcli.numerics.doubles import expansion
from normcli.numerics.numbers import Numbers, Scaled
from normcli.words import did_you_mean, printable

if TYPE_CHECKING:
    from normcli.methods.rows import RowMapping
    from normcli.numerics.numbers import Floats
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics

LEFT = ("keep", "null")  # what leaves missing cells missing
WORDS = (*LEFT, "mean", "median")
HALF = Fraction(1, 2)


def missing_of(text: str) -> str:
    """What becomes of missing cells: one of `WORDS`, or a number; raises UsageError."""
    if text in WORDS:
        return text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(
            f"--missing must be {', '.join(WORDS)} or a number, not {printable(text)}."
            + did_you_mean(text, WORDS)
        )
    return spelled(number + 0.0)  # not -0.0


def fills(missing: str) -> bool:
    """Do missing cells get a number?"""
    return missing not in LEFT


def recipes_for(missing: str) -> tuple[Recipe, ...]:
    """What a fit has to collect of every column, besides its moments."""
    return wanted(HALF) if missing == "median" else ()


def in_words(missing: str) -> str:
    """What missing cells are filled with: ``the mean``, ``0``."""
    return f"the {missing}" if missing in WORDS else missing


def filled(mapping: Mapping, missing: str, column: ColumnStatistics) -> Mapping:
    """The mapping, of a column whose missing cells are filled first.

    Raises: UsageError where the number is not known.
    """
    if isinstance(mapping, Unfitted):
        return mapping
    if mapping.batching:
        raise UsageError(
            "in training every batch has its own statistics, which filled cells would change. "
            "Use --missing keep or null, or fill the cells in a command before"
        )
    number, warning = _number(missing, column)
    return Filled(mapping, number, "; ".join(filter(None, (mapping.warning, warning))))


def _number(missing: str, column: ColumnStatistics) -> tuple[Fraction, str]:
    """The number to fill with, and what to know of it."""
    if missing not in WORDS:
        return Fraction(float(missing)), ""
    if missing == "mean" and column.mean is not None:
        return Fraction(column.mean), ""
    if missing == "median" and column.count and "quantiles" in column.values:
        median = quantiles_of(column).quantile(HALF)
        exact = "" if median.exact else "the median that fills its missing cells is not exact"
        return Fraction(median.middle), exact
    raise UsageError(
        f"the statistics have no {missing} to fill missing cells with. "
        f"Fit it: normcli fit TABLE --missing {missing}"
    )


@dataclass(frozen=True)
class Filled(Mapping):
    """The mapping of numbers, and for missing cells (NaN too) that of `number`."""

    mapping: Mapping
    number: Fraction
    warning: str = ""

    @property
    def makes_missing(self) -> bool:
        """If the mapping does."""
        return self.mapping.makes_missing

    def values(self, x: Numbers) -> Scaled:
        """N numbers mapped; the cells that are filled are counted, and are scaled like others."""
        import numpy as np

        gone = np.isnan(x.parts[0])
        if not gone.any():
            return self.mapping.values(x)
        try:
            done = self.mapping.values(self.ready(x))
        except CellError as error:
            if not gone[error.row]:
                raise
            why = f"is missing, and filled with {spelled(self.number)}, which {error.why}"
            raise CellError.at(error.row, "the cell", why) from error
        return self.counted(done, x)

    @property
    def row(self) -> RowMapping | None:
        """That of the mapping."""
        return self.mapping.row

    def counted(self, done: Scaled, x: Numbers) -> Scaled:
        """What became of x, with the cells that were filled counted."""
        import numpy as np

        counts = {"missing": 0, "nan": 0, "filled": int(np.isnan(x.parts[0]).sum())}
        return replace(done, counts={**done.counts, **counts})

    def ready(self, x: Numbers) -> Numbers:
        """The numbers, with `number` in the cells that have none."""
        import numpy as np

        gone = np.isnan(x.parts[0])
        terms = expansion(self.number * 10**x.scale)
        parts = np.zeros((max(len(x.parts), len(terms)), len(x)))
        parts[: len(x.parts)] = x.parts
        for i in range(len(parts)):
            parts[i, gone] = terms[i] if i < len(terms) else 0.0
        return Numbers(parts, None, x.scale)

    def exactly(self, x: Fraction) -> Fraction:
        """One number mapped."""
        return self.mapping.exactly(x)

    def expressions(self) -> tuple[Expression, ...]:
        """Those of the mapping; what fills missing cells is not among them."""
        return self.mapping.expressions()

    def size(self, y: Floats) -> Floats:
        """That of the mapping."""
        return self.mapping.size(y)

    def inverse(self) -> Mapping:
        """That of the mapping: it cannot know which cells were missing."""
        return self.mapping.inverse()

    def formula(self, x: str = "x") -> str:
        """That of the mapping."""
        return self.mapping.formula(x)

    def note(self) -> str:
        """``missing cells become 3.5 first``."""
        told = f"missing cells become {spelled(self.number)} first"
        return ", ".join(filter(None, (self.mapping.note(), told)))
