"""Methods of rows: the numbers of one row are scaled together, and nothing is fitted.

The row of a number is made of the columns that have the same method: `Mapping.row` is equal for
them. Sums are double-doubles, of numbers whose size a power of 2 brings near 1, so that no square
overflows; every result is within 1 ulp, whatever other rows there are.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from normcli.errors import UsageError
from normcli.methods.base import Method, Option, finite_number
from normcli.methods.mapping import Mapping, no_inverse, spelled
from normcli.methods.maps import nearest_floats
from normcli.numerics.doubles import Pair, two_product, two_sum
from normcli.numerics.numbers import Numbers, Scaled, Vectors

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats, Mask
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics

EPS = Option(
    "eps", "float", "Added before the square root is taken.", "eps", fits=True, default="1e-05"
)


@dataclass(frozen=True)
class RowMapping(Mapping):
    """What is done to the numbers of a row.

    A row in which a number is missing (or NaN, or infinite) stays as it is written.
    """

    lost: ClassVar[str]  # what cannot be undone, and why

    @property
    def row(self) -> RowMapping:
        """Itself."""
        return self

    def values(self, x: Numbers) -> Scaled:
        """Rows of one column."""
        return self.rows([x])[0]

    def rows(self, columns: Sequence[Numbers]) -> list[Scaled]:
        """N rows mapped, given as their columns."""
        import numpy as np

        finite = [np.isfinite(x.parts[0]) for x in columns]
        whole = np.logical_and.reduce(finite)
        table = [np.where(whole, nearest_floats(x), 0.0) for x in columns]
        with np.errstate(all="ignore"):
            done, same = self.kernel(table)
        keep = ~whole | same
        zeros = int((whole & same).sum())
        return [
            Scaled(
                *(values, keep if keep.any() else None, None),
                {"row_left": int((has & ~whole).sum()), "row_zero": zeros},
            )
            for values, has in zip(done, finite, strict=True)
        ]

    def vectors(self, x: Vectors) -> Scaled:
        """Rows of any length, given as one after the other."""
        import numpy as np

        starts = np.cumsum(x.lengths) - x.lengths
        n = len(x.elements)
        values, keep, counts = np.zeros(n), np.zeros(n, np.bool_), Counter[str]()
        for length in np.unique(x.lengths[x.lengths > 0]).tolist():
            places = starts[x.lengths == length]
            for i, each in enumerate(self.rows([x.elements.at(places + i) for i in range(length)])):
                values[places + i] = each.values
                keep[places + i] = False if each.keep is None else each.keep
                counts.update(each.counts)
        return Scaled(values, keep if keep.any() else None, None, dict(counts))

    @abstractmethod
    def kernel(self, table: Sequence[Floats]) -> tuple[list[Floats], Mask]:
        """The results by column, and which rows stay as they are."""

    def exactly(self, x: Fraction) -> NoReturn:
        """Refuse: it depends on the row."""
        raise UsageError("what a number becomes depends on the other numbers of its row")

    def expressions(self) -> NoReturn:
        """Refuse: it is no formula of single numbers."""
        raise UsageError("what a number becomes depends on the other numbers of its row.")

    def inverse(self) -> NoReturn:
        """Refuse: what the row was divided by is not known any more."""
        raise no_inverse(self.lost)

    def note(self) -> str:
        """What happens to rows that are not complete."""
        return "a row with a missing cell is not changed"


@dataclass(frozen=True)
class RowMethod(Method):
    """A method of rows."""

    by_row: ClassVar[bool] = True

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """Nothing."""
        return ()

    @abstractmethod
    def mapping(self, column: ColumnStatistics) -> RowMapping:
        """The same for all columns."""


def eps_of(value: Any) -> float:
    """`value` as a number above 0; raises UsageError."""
    eps = finite_number(value, "--eps")
    if eps <= 0:
        raise UsageError(f"--eps must be greater than 0, not {spelled(eps)}.")
    return eps


# -- sums of rows --------------------------------------------------------------------------


def near_one(table: Sequence[Floats], *, least: int | None = None) -> tuple[list[Floats], Any]:
    """The columns times 2^-e, which makes the largest number of a row less than 1; and e.

    least: the least e.
    """
    import numpy as np

    _, e = np.frexp(largest(table))
    e = e if least is None else np.maximum(e, least)
    return [np.ldexp(x, -e) for x in table], e


def largest(table: Sequence[Floats]) -> Floats:
    """The largest absolute value of every row."""
    import numpy as np

    found: Floats = np.maximum.reduce([np.abs(x) for x in table])
    return found


def total(terms: Sequence[Pair]) -> Pair:
    """The sum of double-doubles."""
    hi, lo = terms[0]
    for term in terms[1:]:
        s = two_sum(hi, term.hi)
        hi, lo = two_sum(s.hi, s.lo + (lo + term.lo))
    return Pair(hi, lo)


def square(d: Pair) -> Pair:
    """``d * d``."""
    p = two_product(d.hi, d.hi)
    return two_sum(p.hi, p.lo + 2 * d.hi * d.lo)


def root(s: Pair) -> Pair:
    """The square root of a positive double-double; 0 for 0."""
    import numpy as np

    r = np.sqrt(s.hi)
    back = two_product(r, r)
    missing = ((s.hi - back.hi) - back.lo + s.lo) / (2 * r)
    return two_sum(r, np.where(r > 0, missing, 0.0))


def over(d: Pair, divisor: Pair) -> Pair:
    """``d / divisor``."""
    q = d.hi / divisor.hi
    back = two_product(q, divisor.hi)
    rest = ((d.hi - back.hi) - back.lo) + (d.lo - q * divisor.lo)
    return two_sum(q, rest / divisor.hi)
