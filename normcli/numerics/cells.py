"""Histograms of float64 that are functions of the multiset alone, and merge exactly.

The key of a number is an integer in the order of the numbers: its bits, with those of negative
numbers turned. A cell is all numbers whose keys agree but for their last `shift` bits, and the
shift of a histogram is the smallest one that leaves at most so many cells. A part of the numbers
never needs a larger shift than the whole, and dropping bits commutes with union: so however
numbers are cut, their histograms merge to that of the whole. No logarithm is taken.

>>> cells = Cells.of(np.array([3.0, 1.0, 2.0, 2.0]))
>>> cells.lows, cells.counts
(array([1., 2., 3.]), array([1, 2, 1]))
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from normcli.errors import DataError
from normcli.numerics.doubles import fraction, nearest
from normcli.numerics.numbers import Numbers

if TYPE_CHECKING:
    from normcli.numerics.digits import Ints
    from normcli.numerics.numbers import Floats, Mask

MANTISSA = 52  # bits: a cell of that many is one number
FEW = 1 << 12  # numbers that are sorted at once
FEW_RANGES = 8  # that are looked for one after the other


def keys_of(x: Floats) -> Ints:
    """The keys of some numbers; -0.0 is taken for 0.0."""
    bits = (x + 0.0).view(np.int64)
    keys: Ints = bits ^ ((bits >> 63) & np.int64(2**63 - 1))
    return keys


def floats_of(keys: Ints) -> Floats:
    """The numbers of some keys."""
    bits = keys ^ ((keys >> 63) & np.int64(2**63 - 1))
    return bits.view(np.float64)


def finite_floats(x: Numbers) -> Floats:
    """The float64 nearest to each finite number of a column."""
    first = x.parts[0]
    finite = np.isfinite(first)
    parts = x.parts if finite.all() else np.compress(finite, x.parts, axis=1)
    plain: Floats = parts[0] if len(parts) == 1 else parts.sum(axis=0)  # of two: rounded once
    if not x.scale and len(parts) <= 2:
        return plain
    values = plain / 10.0**x.scale  # rounded once where both are exact
    rounded = np.abs(plain) >= 2.0**53 if x.scale <= 22 else np.ones(len(plain), np.bool_)
    for cell in np.flatnonzero(rounded | (parts[1:] != 0).any(axis=0)).tolist():
        values[cell] = nearest(fraction(Numbers(parts, scale=x.scale), cell))
    return values


def inside(keys: Ints, ranges: Ints) -> Mask:
    """Which keys are in one of some ranges, shape (2, r): first and last keys, ascending."""
    if ranges.shape[1] <= FEW_RANGES:
        found = np.zeros(len(keys), np.bool_)
        for low, high in ranges.T:
            found |= (keys >= low) & (keys <= high)
        return found
    place = np.searchsorted(ranges[0], keys, side="right") - 1
    below: Mask = keys <= ranges[1][place]
    return below & (place >= 0)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of some numbers that are not empty, and how many numbers are in each.

    keys: of the cells, ascending: ``key >> shift`` of their numbers.
    several: how many numbers each has; None: one each.
    low, high: the keys of the smallest and the greatest number; 0 where there is none.
    """

    shift: int = 0
    keys: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    several: Ints | None = None
    low: int = 0
    high: int = 0

    @classmethod
    def of(cls, x: Floats, ranges: Ints | None = None) -> Self:
        """The cells of finite numbers, each of one number; ranges: only of those in them."""
        keys = keys_of(x)
        keys = np.sort(keys if ranges is None else keys[inside(keys, ranges)])
        if not len(keys):
            return cls()
        return cls(0, *_runs(keys), int(keys[0]), int(keys[-1]))

    def __len__(self) -> int:
        return len(self.keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cells) and self._bytes() == other._bytes()

    def __hash__(self) -> int:
        return hash(self._bytes())

    def _bytes(self) -> tuple[object, ...]:
        return self.shift, self.low, self.high, self.keys.tobytes(), self.counts.tobytes()

    @property
    def bits(self) -> int:
        """How many bits of the mantissa the cells tell apart; less than 0 for wider cells."""
        return MANTISSA - self.shift

    @cached_property
    def counts(self) -> Ints:
        """How many numbers are in each cell."""
        return np.ones(len(self.keys), np.int64) if self.several is None else self.several

    @cached_property
    def ends(self) -> Ints:
        """How many numbers are in each cell and those before it."""
        return np.cumsum(self.counts)

    @property
    def total(self) -> int:
        """How many numbers there are."""
        return int(self.ends[-1]) if len(self) else 0

    def spans(self) -> Ints:
        """First and last keys of the cells, shape (2, n), cut to the extremes."""
        first = self.keys << self.shift
        last = first | np.int64((1 << self.shift) - 1)
        return np.stack([np.maximum(first, self.low), np.minimum(last, self.high)])

    @property
    def lows(self) -> Floats:
        """The least number that each cell may have."""
        return floats_of(self.spans()[0])

    @property
    def highs(self) -> Floats:
        """The greatest number that each cell may have."""
        return floats_of(self.spans()[1])

    def limited(self, most: int) -> Cells:
        """At most so many cells, by the smallest shift that does it."""
        if len(self) <= most:
            return self
        apart = (self.keys[1:] ^ self.keys[:-1]).view(np.uint64)
        more = bisect_left(range(64), 1 - most, key=lambda d: -int((apart >> d != 0).sum()))
        return self.coarser(self.shift + more)

    def only(self, ranges: Ints) -> Cells:
        """Those that are in some ranges of keys; each cell must be one number."""
        here = np.flatnonzero(inside(self.keys, ranges))
        if not len(here):
            return Cells()
        several = None if self.several is None else self.several[here]
        keys = self.keys[here]
        return Cells(0, keys, several, int(keys[0]), int(keys[-1]))

    def coarser(self, shift: int) -> Cells:
        """The cells of a larger shift."""
        if shift == self.shift or not len(self):
            return self if shift == self.shift else Cells(shift)
        runs = _runs(self.keys >> (shift - self.shift), self.several)
        return Cells(shift, *runs, self.low, self.high)

    def without(self, other: Cells) -> Cells:
        """The cells of these numbers but those of `other`, which are among them.

        Cells of several numbers keep their width, and the extremes are those of the cells.
        Raises: DataError where they cannot be among them.
        """
        theirs = other.coarser(max(self.shift, other.shift))
        if not len(theirs):
            return self
        counts, places = self.counts.copy(), np.searchsorted(self.keys, theirs.keys)
        if theirs.shift != self.shift or not np.isin(theirs.keys, self.keys).all():
            raise DataError("it has numbers that the whole does not have")
        counts[places] -= theirs.counts
        if (counts < 0).any():
            raise DataError("it has more of some numbers than the whole")
        left = counts > 0
        if not left.any():
            return Cells(self.shift)
        keys, one = self.keys[left], np.int64(1) << self.shift
        low = max(self.low, int(keys[0] << self.shift))
        high = min(self.high, int((keys[-1] << self.shift) + (one - 1)))
        return Cells(self.shift, keys, counts[left], low, high)

    @classmethod
    def joined(cls, found: Sequence[Cells], most: int | None = None) -> Cells:
        """The cells of the numbers of all, at most so many."""
        found = [each for each in found if len(each)]
        if len(found) < 2:
            return (found[0] if most is None else found[0].limited(most)) if found else cls()
        shift = max(each.shift for each in found)
        same = [each.coarser(shift) for each in found]
        keys, several = np.concatenate([each.keys for each in same]), None
        if all(each.several is None for each in same):
            keys.sort()
        else:
            order = np.argsort(keys, kind="stable")
            keys, several = keys[order], np.concatenate([each.counts for each in same])[order]
        low, high = min(each.low for each in found), max(each.high for each in found)
        whole = Cells(shift, *_runs(keys, several), low, high)
        return whole if most is None else whole.limited(most)


def histogram(parts: Sequence[Floats], most: int) -> Cells:
    """At most so many cells of many finite numbers: the same as by sorting them, at less cost.

    They are counted in a table of equal steps of their bits. If more than `most` of its places
    are taken, these cells only have to be made wider. If each place has one number, they are the
    numbers themselves. Else the table is made larger; in the end, where numbers are close
    together and far apart in one column, they are sorted.
    """
    count = sum(map(len, parts))
    if count < FEW:
        return Cells.of(np.concatenate([*parts, []])).limited(most)
    parts, zeros = _without_zeros(parts)
    none = Cells(0, np.zeros(1, np.int64), np.array([zeros]) if zeros > 1 else None)
    for size in (4 * most, 64 * most) if parts else ():
        table = _Table.of(parts, size)
        if (found := table.cells(parts, most)) is not None:
            return Cells.joined([found, none], most) if zeros else found
        if size > count:
            break
    found = Cells.of(np.concatenate([*parts, []]))
    return Cells.joined([found, none], most) if zeros else found.limited(most)


def _without_zeros(parts: Sequence[Floats]) -> tuple[list[Floats], int]:
    """The numbers that are not 0, and how many are."""
    found = []
    for part in parts:
        other = part != 0
        found.append(part if other.all() else part[other])
    zeros = sum(map(len, parts)) - sum(map(len, found))
    return [part for part in found if len(part)], zeros


@dataclass(frozen=True)
class _Table:
    """A table of equal steps of the bits of numbers without their sign.

    A number has the place ``(bits >> shift) - base``, and one below 0 that many places more.
    """

    shift: int
    base: int
    places: int
    signed: bool

    @classmethod
    def of(cls, parts: Sequence[Floats], size: int) -> Self:
        """With at most so many places for each sign."""
        signed = _ends(parts)[0] < 0
        bits = [_bits(part, signed) for part in parts]
        low, high = min(int(each.min()) for each in bits), max(int(each.max()) for each in bits)
        shift = max(0, (high - low).bit_length() - size.bit_length() + 1)
        return cls(shift, low >> shift, (high >> shift) - (low >> shift) + 1, signed)

    def at(self, part: Floats) -> Ints:
        """The places of some numbers."""
        places = (_bits(part, self.signed) >> self.shift) - self.base
        return places + (part.view(np.int64) >> 63 & self.places) if self.signed else places

    def cells(self, parts: Sequence[Floats], most: int) -> Cells | None:
        """The cells, if the table is fine enough for them."""
        size = self.places * (1 + self.signed)
        table = np.zeros(size, np.int64)
        for part in parts:
            table += np.bincount(self.at(part), minlength=size)
        taken = np.flatnonzero(table)
        if len(taken) > most or not self.shift:
            firsts = (taken % self.places + self.base) << self.shift
            keys, shift = np.where(taken < self.places, firsts, ~firsts) >> self.shift, self.shift
        elif (numbers := self._single(parts, size)) is not None:
            keys, shift = keys_of(numbers[taken]), 0
        else:
            return None
        order = np.argsort(keys, kind="stable")
        counts = table[taken][order]
        low, high = (int(keys_of(np.array([end]))[0]) for end in _ends(parts))
        several = None if (counts == 1).all() else counts
        return Cells(shift, keys[order], several, low, high).limited(most)

    def _single(self, parts: Sequence[Floats], size: int) -> Floats | None:
        """The one number that each place has; None where some have several."""
        numbers = np.zeros(size)
        for part in parts:
            numbers[self.at(part)] = part
        same = (np.array_equal(numbers[self.at(part)], part) for part in parts)
        return numbers if all(same) else None


def _ends(parts: Sequence[Floats]) -> tuple[float, float]:
    """The smallest and the greatest number."""
    return min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)


def _bits(x: Floats, signed: bool) -> Ints:
    """The bits without the sign."""
    bits = x.view(np.int64)
    return bits & np.int64(2**63 - 1) if signed else bits


def _runs(keys: Ints, several: Ints | None = None) -> tuple[Ints, Ints | None]:
    """Sorted keys without repetition, and how many of each there are; None: one of each."""
    new = np.concatenate([[True], keys[1:] != keys[:-1]])
    if new.all():
        return keys, several
    starts = np.flatnonzero(new)
    if several is None:
        return keys[starts], np.diff(starts, append=len(keys))
    return keys[starts], np.add.reduceat(several, starts)


@dataclass(frozen=True, eq=False)
class Spans:
    """Numbers in ascending spans of keys, some of which may be single numbers.

    keys: shape (2, n): the first and the last key of each span. ends: how many numbers are in
        it and in those before.
    """

    keys: Ints
    ends: Ints

    @classmethod
    def of(cls, cells: Cells) -> Self:
        """Those of cells."""
        return cls(cells.spans(), cells.ends)

    @property
    def total(self) -> int:
        """How many numbers there are."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def places(self, ranks: Sequence[int] | Ints) -> Ints:
        """The spans that have the numbers of some ranks, from 0 for the smallest."""
        return np.searchsorted(self.ends, ranks, side="right")

    def single(self) -> Mask:
        """Which spans are single numbers."""
        found: Mask = self.keys[0] == self.keys[1]
        return found

    def refined(self, cells: Cells) -> Spans:
        """The same, with finer cells of all numbers of some spans in their place."""
        finer = cells.spans()
        # A span that has numbers of the finer cells is one of those that these are about.
        starts = np.searchsorted(finer[0], self.keys[0])
        replaced = starts < np.searchsorted(finer[0], self.keys[1], side="right")
        counts = np.diff(self.ends, prepend=0)
        keys = np.concatenate([self.keys[:, ~replaced], finer], axis=1)
        both = np.concatenate([counts[~replaced], cells.counts])
        order = np.argsort(keys[0], kind="stable")
        return Spans(keys[:, order], np.cumsum(both[order]))


@dataclass(frozen=True)
class Interval:
    """A number that is at least `low` and at most `high`."""

    low: Fraction
    high: Fraction

    @property
    def middle(self) -> float:
        """The middle, rounded once."""
        return nearest((self.low + self.high) / 2)

    @property
    def exact(self) -> bool:
        """Is the number known?"""
        return self.low == self.high
