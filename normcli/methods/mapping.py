"""Mappings: what is done to the numbers of one column. They know no method and no statistic.

Methods make mappings of what is known of a column; transform, inverse, --explain, exports and
estimators use them.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from normcli.errors import CellError, UsageError
from normcli.methods.expression import Expression, X, distance, refused
from normcli.numerics.doubles import (
    Pair,
    blockwise,
    difference,
    fraction,
    fused,
    in_units,
    nearest,
    not_finite,
    pair,
)
from normcli.numerics.numbers import Numbers, Scaled

if TYPE_CHECKING:
    from normcli.methods.rows import RowMapping
    from normcli.numerics.numbers import Floats, Mask
    from normcli.numerics.total import Exact
    from normcli.statistics.batching import Batching

SMALL = 2.0**-900  # a smaller result may have lost low bits of its double-double to underflow


class Mapping(ABC):
    """What is done to the numbers of one column; frozen and picklable.

    warning: what people should know of it; nothing as a rule.
    """

    warning = ""

    @property
    def batching(self) -> Batching | None:
        """The rows that have to be mapped together; None where each is mapped by itself."""
        return None

    @property
    def row(self) -> RowMapping | None:
        """What maps the numbers of a row together, if they are: equal for all its columns."""
        return None

    def ready(self, x: Numbers) -> Numbers:
        """The numbers of the column as `row` takes them."""
        return x

    def counted(self, done: Scaled, x: Numbers) -> Scaled:
        """What `row` made of x, with what `ready` did counted."""
        return done

    @property
    def makes_missing(self) -> bool:
        """May numbers become missing?"""
        return False

    @abstractmethod
    def values(self, x: Numbers) -> Scaled:
        """N numbers mapped.

        Raises: CellError for the first number that would become infinite or NaN, or that a
        policy refuses.
        """

    @abstractmethod
    def exactly(self, x: Fraction) -> Fraction:
        """One number mapped: exactly, or where that is irrational to the nearest float64."""

    @abstractmethod
    def inverse(self) -> Mapping:
        """The way back; raises UsageError where there is none."""

    @abstractmethod
    def formula(self, x: str = "x") -> str:
        """What is done to `x`, on one line."""

    def expressions(self) -> tuple[Expression, ...]:
        """What is done to finite numbers, one step after the other, for other languages.

        Raises: UsageError where they cannot say it.
        """
        raise UsageError("it cannot be written as a formula.")

    @property
    def of_infinite(self) -> Expression:
        """What infinite numbers become, where they pass."""
        return X

    def size(self, y: Floats) -> Floats:
        """The size of results to which bounds of their errors are relative."""
        return abs(y)

    @property
    def stack(self) -> tuple[float, ...] | None:
        """Its parameters, where `stacked` does many such mappings, of a row each, at once."""
        return None

    @classmethod
    def stacked(cls, x: Numbers, parameters: Floats, of: Callable[[int], Any]) -> Scaled:
        """N numbers of scale 0, each mapped by a mapping of its own: the same bits as by that.

        parameters: shape (p, n): the `stack` of each. of: the mapping of a row.
        """
        raise NotImplementedError

    def note(self) -> str:
        """What becomes of cells that the formula is not about, in words; often nothing."""
        return ""


@dataclass(frozen=True)
class Unfitted(Mapping):
    """The mapping of a column that had no number to fit: missing cells stay, numbers are errors."""

    def values(self, x: Numbers) -> Scaled:
        """Cells without a number, as they are."""
        keep = not_finite(x)
        if len(x) == 0 or (keep is not None and keep.all()):
            return Scaled(x.parts[0].copy(), keep)
        cell = 0 if keep is None else int(keep.argmin())
        raise CellError.at(cell, spelled(fraction(x, cell)), self._why)

    def exactly(self, x: Fraction) -> NoReturn:
        """Refuse the number."""
        raise CellError.at(0, spelled(x), self._why)

    _why = (
        "cannot be scaled: the column had no number at all when it was fitted. "
        "Fit it on data that has numbers, or leave the column out (--exclude)."
    )

    def inverse(self) -> Mapping:
        """The same."""
        return self

    def expressions(self) -> tuple[Expression, ...]:
        """Refuse all numbers."""
        return (refused(self._why),)

    def formula(self, x: str = "x") -> str:
        """What happens to cells, in words."""
        return "missing cells stay unchanged; a number is an error, as none was fitted"


class AffineMapping(Mapping):
    """x -> (x - center) * slope + offset, by a kernel of its own."""

    @property
    @abstractmethod
    def affine(self) -> Affine:
        """The exact map: for numbers that leave the range of float64 on the way, and back."""

    @abstractmethod
    def kernel(self, x: Numbers) -> Floats:
        """N numbers mapped; infinite or NaN where float64 is too narrow on the way."""

    def values(self, x: Numbers) -> Scaled:
        """N numbers mapped; cells without a number are kept."""
        keep = not_finite(x)
        return Scaled(finished(self.kernel(x), x, keep, lambda _: self.affine), keep)

    @classmethod
    def stacked(cls, x: Numbers, parameters: Floats, of: Callable[[int], Any]) -> Scaled:
        """N numbers mapped, each by its own mapping."""
        keep = not_finite(x)
        values = blockwise(lambda cells: cls.rows(x.at(cells), parameters[:, cells]), len(x))
        return Scaled(finished(values, x, keep, lambda row: of(row).affine), keep)

    @classmethod
    def rows(cls, x: Numbers, parameters: Floats) -> Floats:
        """`kernel` for numbers with a mapping each."""
        raise NotImplementedError

    def exactly(self, x: Fraction) -> Fraction:
        """One number mapped, exactly."""
        return self.affine.exactly(x)

    def expressions(self) -> tuple[Expression, ...]:
        """The product or quotient, and the offset."""
        center, slope, offset = self.affine.center, self.affine.slope, self.affine.offset
        if slope == 0:
            return (X * 0.0 + nearest(offset),)
        return (distance(X, center, 1 / slope) + nearest(offset),)

    def size(self, y: Floats) -> Floats:
        """That of the largest term."""
        import numpy as np

        offset = nearest(self.affine.offset)
        return np.maximum(np.maximum(abs(y), abs(offset)), abs(y - offset))

    def inverse(self) -> Mapping:
        """The way back, rounded once from the exact one."""
        return self.affine.undone(self.inverse_formula())

    @abstractmethod
    def inverse_formula(self) -> str:
        """The way back from ``{}``."""


@dataclass(frozen=True)
class Affine(AffineMapping):
    """x -> (x - center) * slope + offset, rounded once; slope is not 0.

    text: the formula, of ``{}``.
    """

    center: Fraction
    slope: Fraction
    offset: Fraction
    text: str = ""

    @property
    def affine(self) -> Affine:
        """Itself."""
        return self

    def exactly(self, x: Fraction) -> Fraction:
        """The map of one number."""
        return (x - self.center) * self.slope + self.offset

    def undone(self, text: str = "") -> Affine:
        """The map back."""
        return Affine(self.offset, 1 / self.slope, self.center, text)

    def kernel(self, x: Numbers) -> Floats:
        """The map of n numbers, rounded once: within 1 ulp of the exact value.

        That is so unless the sum cancels: then within 2**-100 of |offset|. NaN where a
        double-double might not do; `finished` takes care of it.
        """
        import numpy as np

        slope = pair(self.slope / Fraction(10) ** x.scale)
        offset = pair(self.offset)
        origin = in_units(self.center, x.scale)
        if not SMALL < abs(slope.hi) < 1 / SMALL:
            return np.full(len(x), math.nan)

        return blockwise(
            lambda cells: _fused(difference(x.at(cells), origin), slope, offset), len(x)
        )

    @property
    def stack(self) -> tuple[float, ...] | None:
        """The center, and slope and offset as double-doubles."""
        slope, center = pair(self.slope), nearest(self.center)
        if center != self.center or not SMALL < abs(slope.hi) < 1 / SMALL:
            return None
        return center, *slope, *pair(self.offset)

    @classmethod
    def rows(cls, x: Numbers, parameters: Floats) -> Floats:
        """`kernel` for numbers with a mapping each."""
        center, high, low, offset, more = parameters
        return _fused(difference(x, (center,)), Pair(high, low), Pair(offset, more))

    def formula(self, x: str = "x") -> str:
        """As its maker spelled it."""
        return self.text.format(x)

    def inverse_formula(self) -> str:
        """In general form."""
        y = f"({{}}{minus(float(self.offset))})" if self.offset else "{}"
        return f"{y}{over(self.slope)}{plus(float(self.center))}"


@dataclass(frozen=True)
class Divided(AffineMapping):
    """x -> (x - center) / divisor, rounded once; divisor is not 0.

    shown: the divisor in formulas, where it is not just a number.
    """

    center: Exact
    divisor: Fraction
    shown: str = ""
    warning: str = ""

    @cached_property
    def affine(self) -> Affine:  # made once: exact fractions take time
        """(x - center) * (1 / divisor) + 0."""
        return Affine(Fraction(self.center), 1 / self.divisor, Fraction())

    def kernel(self, x: Numbers) -> Floats:
        """N quotients."""
        return self.affine.kernel(x)

    def formula(self, x: str = "x") -> str:
        """``(x - 3.5) / (10 - 1)``."""
        difference = f"{x}{minus(self.center)}" if self.center else x
        if self.divisor == 1:
            return difference
        return f"({difference}) / {self._divisor}" if self.center else f"{x} / {self._divisor}"

    def inverse_formula(self) -> str:
        """``y * (10 - 1) + 3.5``."""
        product = "{}" if self.divisor == 1 else f"{{}} * {self._divisor}"
        return product + plus(self.center)

    @property
    def _divisor(self) -> str:
        return self.shown or spelled(self.divisor)


def _fused(d: Pair, slope: Pair, offset: Pair) -> Floats:
    """`fused`; NaN where low bits may be lost."""
    import numpy as np

    y = fused(d, slope, offset)
    return np.where((abs(y) < SMALL) & (d.hi != 0), math.nan, y)


@dataclass(frozen=True)
class Composed(Mapping):
    """Mappings one after the other."""

    steps: tuple[Mapping, ...]

    @property
    def warning(self) -> str:  # type: ignore[override]
        """Those of all of them."""
        return "; ".join(filter(None, (step.warning for step in self.steps)))

    @property
    def makes_missing(self) -> bool:
        """If one of them does."""
        return any(step.makes_missing for step in self.steps)

    def values(self, x: Numbers) -> Scaled:
        """N numbers mapped by all of them; an error names the number as it was before the first."""
        first, *others = self.steps
        done = first.values(x)
        for step in others:
            done = _then(step, done, x)
        return done

    def exactly(self, x: Fraction) -> Fraction:
        """One number mapped by all of them."""
        for step in self.steps:
            x = step.exactly(x)
        return x

    def expressions(self) -> tuple[Expression, ...]:
        """Those of all of them."""
        return tuple(each for step in self.steps for each in step.expressions())

    def size(self, y: Floats) -> Floats:
        """That of the last; a difference has the errors of what it is taken of."""
        import numpy as np

        *before, last = self.steps
        size = last.size(y)
        if before and isinstance(last, AffineMapping):
            size = np.maximum(size, abs(nearest(last.affine.center * last.affine.slope)))
        return size

    def inverse(self) -> Mapping:
        """Their inverses, the last one first."""
        return Composed(tuple(step.inverse() for step in reversed(self.steps)))

    def formula(self, x: str = "x") -> str:
        """Their formulas, each in the next."""
        for step in self.steps:
            x = step.formula(x)
        return x

    def note(self) -> str:
        """Those of all of them."""
        return ", ".join(filter(None, (step.note() for step in self.steps)))


def _then(step: Mapping, done: Scaled, x: Numbers) -> Scaled:
    """What `step` makes of what is done so far to x."""
    gone = either(done.keep, done.null)
    more = step.values(as_numbers(done.values, gone))
    null = either(done.null, more.null)
    return Scaled(more.values, done.keep, null, {**done.counts, **more.counts})


def as_numbers(values: Floats, gone: Mask | None) -> Numbers:
    """Float64 numbers, without those that are `gone`."""
    import numpy as np

    return Numbers((values if gone is None else np.where(gone, np.nan, values))[np.newaxis])


def either(a: Mask | None, b: Mask | None) -> Mask | None:
    """The cells that one of two masks has."""
    return b if a is None else a if b is None else a | b


def finished(values: Floats, x: Numbers, keep: Mask | None, to: Callable[[int], Affine]) -> Floats:
    """`values` with the cells that left the range of float64 on the way computed exactly.

    to: the exact map of a cell.

    Correctly rounded, about 3 microseconds a cell: for numbers near 1e308 or 1e-308 only.

    Raises: CellError for the first number whose exact result is beyond float64.
    """
    import numpy as np

    lost = ~np.isfinite(values)
    if keep is not None:
        lost &= ~keep
    for cell in np.flatnonzero(lost).tolist():
        value = fraction(x, cell)
        values[cell] = nearest(to(cell).exactly(value))
        if math.isinf(values[cell]):
            raise CellError.at(
                cell,
                spelled(value),
                "becomes larger than the largest float64 (1.8e308). Scale it by a method or range "
                "that fits its size, or leave the column out (--exclude).",
            )
    return values


def no_inverse(why: str) -> UsageError:
    """The error that a mapping cannot be undone."""
    return UsageError(f"{why}, so it cannot be undone.")


# -- numbers in formulas and messages --------------------------------------------------------


def spelled(value: float | Decimal | Fraction) -> str:
    """A number for people: every digit of an integer below 10**20, else as a float prints.

    >>> spelled(3.0), spelled(2**53 + 1), spelled(0.1)
    ('3', '9007199254740993', '0.1')
    """
    if isinstance(value, Decimal):
        return f"{value:f}" if abs(value.adjusted()) < 20 else f"{value:e}"
    exact = Fraction(value)
    if exact.denominator == 1 and abs(exact) < 10**20:
        return str(exact)
    return repr(float(value))


def minus(value: float | Decimal) -> str:
    """`` - value`` as it stands behind an x: the sign of a negative value is turned.

    >>> "x" + minus(3.5), "x" + minus(-2)
    ('x - 3.5', 'x + 2')
    """
    return f" - {spelled(value)}" if value >= 0 else f" + {spelled(-value)}"


def plus(value: float | Decimal) -> str:
    """`` + value`` as it stands behind a product; nothing for 0."""
    if not value:
        return ""
    return f" + {spelled(value)}" if value > 0 else f" - {spelled(-value)}"


def times(factor: float | Fraction) -> str:
    """``factor * `` as it stands before a difference; nothing for 1."""
    return "" if factor == 1 else f"{spelled(factor)} * "


def over(divisor: float | Fraction) -> str:
    """`` / divisor`` as it stands behind a difference; nothing for 1."""
    return "" if divisor == 1 else f" / {spelled(divisor)}"
