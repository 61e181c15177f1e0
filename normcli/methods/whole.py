"""Whole numbers: what `inverse` makes of a column all of whose fitted numbers were whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from normcli.errors import CellError
from normcli.methods.mapping import Mapping, either, spelled
from normcli.numerics.doubles import fraction
from normcli.numerics.numbers import Numbers, Scaled

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats, Mask

ULPS = 2  # a mapping, and whoever else computed the same one, may be off by 1 each
INT64 = 2.0**63


@dataclass(frozen=True)
class Restored(Mapping):
    """y -> the whole number that was mapped to y, where there is one; else as `back` has it.

    A result r of `back` is off by rounding errors. The whole number nearest to r is the one
    that was mapped if `forth` makes the same y of it, within `ULPS` ulp of y. Other results,
    such as predictions with a fraction, stay as they are.

    back: the inverse of `forth`.
    """

    back: Mapping
    forth: Mapping

    @property
    def makes_missing(self) -> bool:
        """If the inverse does."""
        return self.back.makes_missing

    def values(self, x: Numbers) -> Scaled:
        """N numbers restored."""
        import numpy as np

        done = self.back.values(x)
        nearest = np.rint(done.values) + 0.0  # not -0.0
        whole = np.isfinite(nearest)
        gone = either(done.keep, done.null)
        if gone is not None:
            whole &= ~gone
        doubtful = whole & (nearest != done.values)
        if doubtful.any():
            whole &= ~doubtful
            whole[doubtful] = self._lead_back(nearest[doubtful], x.at(doubtful))
        return replace(done, values=np.where(whole, nearest, done.values), whole=whole)

    def _lead_back(self, whole: Floats, y: Numbers) -> Mask:
        """Which of the whole numbers are mapped to y."""
        import numpy as np

        good = np.ones(len(whole), np.bool_)
        while True:
            try:
                found = self.forth.values(Numbers(np.where(good, whole, np.nan)[np.newaxis]))
                break
            except CellError as error:  # it is at the end of the domain, as 0 is for log
                good &= whole != whole[error.row]
        if found.null is not None:
            good &= ~found.null
        there = y.parts.sum(axis=0) / 10.0**y.scale
        size = np.maximum(np.abs(there), np.abs(found.values))
        with np.errstate(invalid="ignore"):
            same: Mask = np.abs(found.values - there) <= ULPS * np.spacing(size)
        return good & same

    def exactly(self, x: Fraction) -> Fraction:
        """One number restored, exactly."""
        return self.back.exactly(x)

    def inverse(self) -> Mapping:
        """The mapping that it restores from."""
        return self.forth

    def formula(self, x: str = "x") -> str:
        """That of the inverse."""
        return self.back.formula(x)

    def note(self) -> str:
        """What happens to whole numbers."""
        return ", ".join(filter(None, (self.back.note(), "whole numbers restored")))


@dataclass(frozen=True)
class Rounded(Mapping):
    """x -> the integer nearest to what `mapping` makes of it."""

    mapping: Mapping

    @property
    def makes_missing(self) -> bool:
        """If the mapping does."""
        return self.mapping.makes_missing

    def values(self, x: Numbers) -> Scaled:
        """N integers; raises CellError for the first that an int64 cannot hold."""
        import numpy as np

        done = self.mapping.values(x)
        values = np.rint(done.values) + 0.0  # not -0.0
        gone = either(done.keep, done.null)
        large = (values >= INT64) | (values < -INT64)
        if gone is not None:
            large &= ~gone
        if large.any():
            cell = int(large.argmax())
            why = f"becomes {values[cell]:g}, which is too large for an integer of 64 bits."
            raise CellError.at(cell, spelled(fraction(x, cell)), f"{why} Leave out --integers.")
        whole = np.ones(len(values), np.bool_) if gone is None else ~gone
        return replace(done, values=values, whole=whole)

    def exactly(self, x: Fraction) -> Fraction:
        """One number, rounded."""
        return Fraction(round(self.mapping.exactly(x)))

    def inverse(self) -> Mapping:
        """The inverse of the mapping."""
        return self.mapping.inverse()

    def formula(self, x: str = "x") -> str:
        """``round(y * 1.25 + 3.5)``."""
        return f"round({self.mapping.formula(x)})"

    def note(self) -> str:
        """That of the mapping."""
        return self.mapping.note()
