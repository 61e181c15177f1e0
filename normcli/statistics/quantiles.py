"""Quantiles, exactly, and the histogram that they come from.

A quantile is that of type 7 of Hyndman and Fan, "Sample quantiles in statistical packages", The
American Statistician 50(4), 1996: with h = (n - 1) p and j = floor(h), it is
x[j] + (h - j) (x[j + 1] - x[j]), computed in fractions.

The first pass makes a histogram of cells (`normcli.numerics.cells`). It also keeps the numbers
themselves, as long as they fit in memory. Where they do not, another pass gathers the numbers of
those cells that have the wanted ones: over a temporary file for input that can be read only once,
else over the input.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from normcli.errors import CellError, DataError
from normcli.numerics.cells import (
    MANTISSA,
    Cells,
    Interval,
    Spans,
    finite_floats,
    floats_of,
    histogram,
    inside,
    keys_of,
)
from normcli.numerics.doubles import fraction, nearest
from normcli.numerics.spool import Spool
from normcli.numerics.total import LARGEST
from normcli.statistics.base import (
    Facts,
    FieldError,
    Group,
    Key,
    Means,
    Recipe,
    Rows,
    State,
    Value,
)
from normcli.statistics.power import KINDS
from normcli.words import number, printable

if TYPE_CHECKING:
    from normcli.numerics.digits import Ints
    from normcli.numerics.numbers import Floats, Numbers

WORKING, WORKING_IN_ALL = 1 << 16, 1 << 22  # cells of a column, and of all, while numbers are read
KEPT, KEPT_IN_ALL, FEWEST = 1 << 12, 1 << 20, 1 << 6  # in a sidecar
GATHERED = 1 << 20  # numbers that another pass may gather, at least
FINER = 16  # cells for each range that another pass looks at, at least
NOT_POSITIVE = "is not greater than 0, as boxcox needs. Use yeojohnson, or --exclude the column."
HALF = Fraction(1, 2)
LEVEL = re.compile(r"(?=.{1,40}$)(\d+\.?\d*%?|\.\d+%?|\d+/0*[1-9]\d*)", re.ASCII)


# -- levels -------------------------------------------------------------------------------


def level_of(text: str) -> Fraction:
    """The level that is spelled so, exactly; raises ValueError unless it is from 0 to 1.

    >>> level_of("0.05"), level_of("5%"), level_of("1/3")
    (Fraction(1, 20), Fraction(1, 20), Fraction(1, 3))
    """
    word = text.strip()
    level = Fraction(word.removesuffix("%")) if LEVEL.fullmatch(word) else Fraction(-1)
    level /= 100 if word.endswith("%") else 1
    if not 0 <= level <= 1:
        raise ValueError(f"{text!r} is not a level")
    return level


def level_text(level: Fraction) -> str:
    """A level as the sidecar has it: in decimals where they end."""
    rest = level.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return str(level)
    text = format(Decimal(level.numerator) / Decimal(level.denominator), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class Wants:
    """Which quantiles are wanted.

    levels: from 0 to 1; they are sorted. table: so many at equal steps from 0 to 1, but at most
    as many as there are numbers. deviation: the median and the median distance from it, too.
    powers: the exponents of these power transforms (see `normcli.statistics.power`).
    """

    levels: tuple[Fraction, ...] = ()
    table: int = 0
    deviation: bool = False
    powers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        levels = {*self.levels, *([HALF] * self.deviation)}
        object.__setattr__(self, "levels", tuple(sorted(levels)))
        object.__setattr__(self, "powers", tuple(sorted(set(self.powers))))

    @property
    def quantiles(self) -> bool:
        """Are any quantiles wanted, not just cells?"""
        return bool(self.levels or self.table)

    def __or__(self, other: Wants) -> Wants:
        levels = (*self.levels, *other.levels)
        deviation, powers = self.deviation or other.deviation, (*self.powers, *other.powers)
        return Wants(levels, max(self.table, other.table), deviation, powers)

    def steps(self, count: int) -> list[Fraction]:
        """The levels of the table, of so many numbers."""
        n = min(self.table, count)
        return [Fraction(i, n - 1) for i in range(n)] if n > 1 else [HALF] * n

    def ranks(self, count: int) -> list[int]:
        """The ranks of the numbers that are needed, of so many; 0 is that of the smallest."""
        levels = [*self.levels, *self.steps(count)] if count else []
        return sorted({rank for p in levels for rank in neighbours(p, count)})


def neighbours(level: Fraction, count: int) -> tuple[int, int]:
    """The ranks of the two numbers that a quantile is between."""
    j = math.floor((count - 1) * level)
    return j, min(j + 1, count - 1)


# -- what is known of a column --------------------------------------------------------------


@dataclass(frozen=True)
class Quantiles(Value):
    """The cells of a column, and the quantiles that are wanted.

    most: how many cells there may be.
    known: the rank of a number -> that number; all that `wants.levels` need, or none.
    table: the quantiles of `wants.table`, rounded once; empty where they are not known exactly.
    middle: the two numbers (or one twice) whose distances from the median are the median
        distance, or its neighbours.
    powers: exponents of power transforms that a sidecar had, for these cells.
    spans: what is known of the ranks while another pass is needed.
    """

    cells: Cells
    wants: Wants = field(default_factory=Wants)
    most: int = WORKING
    known: Mapping[int, float] = field(default_factory=dict)
    table: tuple[float, ...] = ()
    middle: tuple[float, float] | None = None
    powers: Mapping[str, float] = field(default_factory=dict, compare=False)
    spans: Spans | None = field(default=None, compare=False, repr=False)

    inline: ClassVar[bool] = True

    @cached_property
    def count(self) -> int:
        """How many numbers there are."""
        return self.cells.total

    @property
    def exact(self) -> bool:
        """Are all quantiles that are wanted known exactly?"""
        return self.count == 0 or (
            (bool(self.known) or not self.wants.levels)
            and (bool(self.table) or not self.wants.table)
            and (self.middle is not None or not self.wants.deviation)
        )

    def quantile(self, level: Fraction) -> Interval:
        """The quantile of a level; there must be numbers."""
        share = (self.count - 1) * level % 1
        a, b = (self._ranked(rank) for rank in neighbours(level, self.count))
        return Interval(a.low + share * (b.low - a.low), a.high + share * (b.high - a.high))

    def quantiles(self, n: int) -> tuple[float, ...]:
        """A table of at most n quantiles, each rounded once; where they are not known, middles."""
        if self.table and n == self.wants.table:
            return self.table
        return tuple(self.quantile(p).middle for p in Wants(table=n).steps(self.count))

    def knows(self, n: int) -> bool:
        """Are the quantiles of a table of n exact?"""
        return not self.cells.shift or bool(self.table and n == self.wants.table)

    def deviation(self) -> Interval:
        """The median absolute deviation from the median; there must be numbers."""
        median = self.quantile(HALF)
        if self.middle is not None:
            a, b = (abs(Fraction(x) - median.low) for x in self.middle)
            return Interval((a + b) / 2, (a + b) / 2)
        low, high = _Distances(Spans.of(self.cells), median).bounds()
        return Interval(Fraction(low), Fraction(min(high, LARGEST)))

    def power(self, kind: str) -> float:
        """The exponent of a power transform; there must be numbers."""
        if kind in self.powers:
            return self.powers[kind]
        from normcli.statistics.power import exponent

        return exponent(kind, self.cells)

    def _ranked(self, rank: int) -> Interval:
        if rank in self.known:
            return Interval(*[Fraction(self.known[rank])] * 2)
        ends = self._spans.keys[:, self._spans.places([rank])[0]]
        return Interval(*map(Fraction, floats_of(ends).tolist()))

    @cached_property
    def _spans(self) -> Spans:
        return Spans.of(self.cells) if self.spans is None else self.spans

    # -- passes

    def settled(self) -> Quantiles:
        """With all that the spans tell; they are dropped where that is all that is wanted."""
        spans, ranks = self._spans, self.wants.ranks(self.count)
        keys = spans.keys[:, spans.places(ranks)]
        if (keys[0] != keys[1]).any():
            return self
        known = dict(zip(ranks, floats_of(keys[0]).tolist(), strict=True))
        found = replace(self, known=known, spans=spans)
        middle = None
        if self.wants.deviation and self.count:
            middle = _Distances(spans, found.quantile(HALF)).middle()
            if middle is None:
                return found
        table = tuple(found.quantile(p).middle for p in self.wants.steps(self.count))
        kept = Wants(self.wants.levels).ranks(self.count)
        known = {rank: x for rank, x in known.items() if rank in kept}
        return replace(self, known=known, table=table, middle=middle, spans=None)

    def ranges(self) -> Ints:
        """First and last keys of the numbers that another pass has to gather, shape (2, r)."""
        if self.spans is None:
            return np.zeros((2, 0), np.int64)
        wanted = np.zeros(len(self.spans.ends), np.bool_)
        wanted[self.spans.places(self.wants.ranks(self.count))] = True
        if self.wants.deviation:
            wanted |= _Distances(self.spans, self.quantile(HALF)).near
        return self.spans.keys[:, wanted & ~self.spans.single()]

    def then(self, later: Value) -> Quantiles:
        """With what another pass has found in those ranges."""
        assert isinstance(later, Quantiles)
        assert self.spans is not None
        return replace(self, spans=self.spans.refined(later.cells)).settled()

    # -- the sidecar

    def kept(self, among: int) -> Quantiles:
        """With fewer cells, so that those of `among` columns make no large sidecar."""
        most = min(self.most, max(FEWEST, min(KEPT, KEPT_IN_ALL // max(1, among))))
        if self.wants.table * among > KEPT_IN_ALL and self.wants.table > FEWEST:
            few = max(FEWEST, KEPT_IN_ALL // among)
            raise DataError(
                f"{self.wants.table} quantiles of each of {among} columns and groups are more than "
                f"a sidecar keeps; ask for fewer: quantile:n={few}"
            )
        cells = self.cells.limited(most)
        powers = self.powers if cells is self.cells else {}
        return replace(self, cells=cells, most=most, powers=powers, spans=None)._if_complete()

    def merge(self, other: Quantiles) -> Quantiles:
        """Of the numbers of both: exact where their cells are, or where only one has numbers."""
        wants, most = self.wants | other.wants, min(self.most, other.most)
        cells = Cells.joined([self.cells, other.cells], most)
        one = other if not self.count else self if not other.count else None
        if one is not None and one.wants == wants:
            powers = one.powers if cells == one.cells else {}
            return replace(one, cells=cells, most=most, powers=powers)
        return Quantiles(cells, wants, most)._if_complete()

    def without(self, other: Quantiles) -> Quantiles:
        """Of these numbers but those of `other`: exact where the cells are single numbers."""
        if other.wants != self.wants:
            raise DataError("other quantiles were asked for")
        return Quantiles(self.cells.without(other.cells), self.wants, self.most)._if_complete()

    def ends(self) -> tuple[float, float] | None:
        """The smallest and the largest number, where the cells are single numbers."""
        found = self.cells
        if found.shift or not len(found):
            return None
        return float(found.lows[0]), float(found.highs[-1])

    def _with(self, section: Mapping[str, Any]) -> Quantiles:
        """With exact quantiles of a sidecar; raises FieldError where the cells rule them out."""
        pairs = zip(self.wants.levels, section.get("at", {}).values(), strict=True)
        known = {
            rank: float(x)
            for level, pair in pairs
            for rank, x in zip(neighbours(level, self.count), pair or (), strict=True)
        }
        table, middle = tuple(map(float, section.get("table", ()))), section.get("deviation")
        steps = self.wants.steps(self.count)
        possible = [
            *((self._ranked(rank), x) for rank, x in known.items()),
            *((self.quantile(p), x) for p, x in zip(steps, table, strict=True)),
        ]
        for interval, x in possible:
            if not nearest(interval.low) <= x <= nearest(interval.high):
                raise FieldError("quantiles", f"{x} is not in the cell that has this quantile")
        return replace(self, known=known, table=table, middle=middle and tuple(middle))

    def _if_complete(self) -> Quantiles:
        """Exact, if the cells are the numbers themselves."""
        return self if self.cells.shift or self.exact else self.settled()

    def dump(self, facts: Facts) -> dict[str, Any]:
        """The sections of quantiles, where any are wanted, and of cells."""
        quantiles = {"quantiles": self._dumped()} if self.wants.quantiles else {}
        powers = {kind: self.power(kind) for kind in self.wants.powers if self.count}
        return {**quantiles, "cells": {**_dumped(self.cells, self.most), **powers}}

    def _dumped(self) -> dict[str, Any]:
        exact, count = self.exact, self.count
        found: dict[str, Any] = {"exact": exact}
        if self.wants.levels:
            found["at"] = {level_text(p): self._at(p) if count else None for p in self.wants.levels}
        if self.wants.table:
            table = list(self.quantiles(self.wants.table))
            found |= {"n": self.wants.table, "table": table}
        if self.wants.deviation:
            found["deviation"] = self._middle_or_bounds() if count else None
        return found

    def _middle_or_bounds(self) -> list[float]:
        return list(self.middle or _outwards(self.deviation()))

    def note(self) -> str:
        """What the median is between, where quantiles are not exact."""
        if self.exact or not self.wants.quantiles:
            return ""
        ends = _outwards(self.quantile(HALF))
        low, high = (number(end, ends[1] - ends[0]) for end in ends)
        return f"quantiles not exact: median between {low} and {high}"

    def _at(self, level: Fraction) -> list[float]:
        """The neighbours of an exact quantile; where it is not exact, what it is between."""
        if self.exact:
            return [self.known[rank] for rank in neighbours(level, self.count)]
        return list(_outwards(self.quantile(level)))


def _outwards(interval: Interval) -> tuple[float, float]:
    """The ends of an interval as float64 that leave nothing out."""
    low, high = nearest(interval.low), nearest(interval.high)
    low = math.nextafter(low, -math.inf) if Fraction(low) > interval.low else low
    high = math.nextafter(high, math.inf) if Fraction(high) < interval.high else high
    return low, high


class _Distances:
    """The distances of spans of numbers from a median."""

    def __init__(self, spans: Spans, median: Interval) -> None:
        self.spans, self.median = spans, median
        self.counts = np.diff(spans.ends, prepend=0)
        lows, highs = floats_of(spans.keys[0]), floats_of(spans.keys[1])
        low, high = _outwards(median)
        with np.errstate(over="ignore"):
            least = np.maximum(np.maximum(lows - high, low - highs), 0.0)
            greatest = np.maximum(highs - low, high - lows)
            self.least = np.maximum(np.nextafter(least, -np.inf), 0.0)
            self.greatest = np.nextafter(greatest, np.inf)

    def bounds(self) -> tuple[float, float]:
        """What the median distance is between."""
        ranks = _middle_ranks(self.spans.total)
        return self._at(self.least, ranks[0]), self._at(self.greatest, ranks[1])

    def _at(self, distances: Floats, rank: int) -> float:
        order = np.argsort(distances, kind="stable")
        place = np.searchsorted(np.cumsum(self.counts[order]), rank, side="right")
        return float(distances[order][place])

    @cached_property
    def near(self) -> Any:
        """The spans that may have a number at the median distance."""
        low, high = self.bounds()
        return (self.greatest >= low) & (self.least <= high)

    def middle(self) -> tuple[float, float] | None:
        """The numbers at the median distance; None where the spans do not tell."""
        if (self.near & ~self.spans.single()).any():
            return None
        median, nearer = self.median.low, int(self.counts[self.greatest < self.bounds()[0]].sum())
        numbers = floats_of(self.spans.keys[0][self.near]).tolist()
        places = sorted(range(len(numbers)), key=lambda i: abs(Fraction(numbers[i]) - median))
        ends = np.cumsum(self.counts[self.near][places])
        ranks = [rank - nearer for rank in _middle_ranks(self.spans.total)]
        a, b = (numbers[places[i]] for i in np.searchsorted(ends, ranks, side="right"))
        return a, b


def _middle_ranks(count: int) -> tuple[int, int]:
    return (count - 1) // 2, count // 2


# -- what many columns hold -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Pile:
    """Numbers of one column: single ones, and those whose cells only are kept.

    base: cells of numbers that were let go, or none.
    """

    parts: tuple[Floats, ...] = ()
    base: Cells = field(default_factory=Cells)

    @property
    def size(self) -> int:
        """How many numbers and cells are held."""
        return sum(map(len, self.parts)) + len(self.base)

    def plus(self, other: Pile, most: int) -> Pile:
        """Both together."""
        base = Cells.joined([self.base, other.base], most) if len(other.base) else self.base
        return Pile(self.parts + other.parts, base)

    def cells(self, most: int) -> Cells:
        """At most so many cells of all."""
        found = histogram(self.parts, most)
        return Cells.joined([self.base, found], most) if len(self.base) else found

    def whole(self, most: int) -> Cells:
        """The numbers themselves if none were let go, else cells."""
        numbers = Cells.of(np.concatenate([*self.parts, []]))
        return Cells.joined([self.base, numbers], most if self.base.shift else None)

    def only(self, ranges: Ints) -> Pile:
        """The numbers in some ranges; none may have been let go."""
        parts = tuple(part[inside(keys_of(part), ranges)] for part in self.parts)
        return Pile(parts, self.base.only(ranges))


@dataclass(frozen=True, eq=False)
class QuantilesState(State):
    """The numbers of many columns while they fit in memory; their cells where they do not.

    spool: has the numbers that were let go.
    """

    recipe: QuantilesRecipe
    piles: Mapping[Key, Pile]
    spool: Spool[Key] | None = None

    def alike(self, other: QuantilesState) -> bool:
        """All are: columns and groups that only one has are no hindrance."""
        return True

    def merge(self, other: QuantilesState) -> QuantilesState:
        """Of the numbers of both."""
        most, piles = self._most, {**other.piles, **self.piles}
        for key in self.piles.keys() & other.piles.keys():
            piles[key] = self.piles[key].plus(other.piles[key], most)
        return replace(self, piles=piles)._compacted()

    @property
    def groups(self) -> list[Group]:
        """The groups, beside all rows."""
        return list({group: None for group, _ in self.piles if group})

    @property
    def _most(self) -> int:
        """The most cells of one column, which falls with the number of columns and groups."""
        most = WORKING if self.recipe.exact else min(WORKING, KEPT)
        few = max(FEWEST, min(most, WORKING_IN_ALL // max(1, len(self.piles))))
        return max(few, self.recipe.least)

    def _compacted(self) -> QuantilesState:
        """With as many numbers in memory as may be; others go to the spool if there is one."""
        most, held = self._most, sum(pile.size for pile in self.piles.values())
        if held <= max(self.recipe.memory, 2 * most * len(self.piles)):
            return self
        spool = self.spool
        if self.recipe.spools:
            spool = spool or Spool()
            for key, pile in self.piles.items():
                for part in pile.parts:
                    spool.write(key, part)
        piles = {key: Pile((), pile.cells(most)) for key, pile in self.piles.items()}
        return replace(self, piles=piles, spool=spool)

    def values(self) -> dict[Key, Value]:
        """The cells of every column and group, and the quantiles that these numbers tell."""
        most, recipe = self._most, self.recipe
        if recipe.within is not None:
            return {key: Quantiles(pile.whole(most)) for key, pile in self.piles.items()}
        few = most if recipe.wants.table else min(most, KEPT)
        found: dict[Key, Value] = {}
        for key, pile in self.piles.items():
            cells = pile.cells(few if self._has_all(pile) else most)
            found[key] = recipe.value(cells, most)
        known = {key: found[key] for key, pile in self.piles.items() if self._has_all(pile)}
        while (more := recipe.next(known)) is not None:
            for key, value in self._gathered(more).values().items():
                known[key] = known[key].then(value)
        return found | known

    def _has_all(self, pile: Pile) -> bool:
        """Are its numbers here, or in the spool?"""
        return self.spool is not None or not pile.base.shift

    def _gathered(self, more: QuantilesRecipe) -> QuantilesState:
        """What another pass over the input would find in the ranges that it gathers."""
        ranges, limit = more.within or {}, 2 * more.memory
        state, held = QuantilesState(more, {}), 0
        piles: dict[Key, Pile] = {}
        for key, pile in self._all():
            if key in ranges:
                some = pile.only(ranges[key])
                piles[key] = piles[key].plus(some, state._most) if key in piles else some
                held += some.size
            if held > limit:
                state = QuantilesState(more, piles)._compacted()
                piles = dict(state.piles)
                held = sum(each.size for each in piles.values())
        return QuantilesState(more, piles)

    def _all(self) -> Iterator[tuple[Key, Pile]]:
        """All numbers, from the spool and from memory."""
        if self.spool is not None:
            yield from ((key, Pile((part,))) for key, part in self.spool.read())
        for key, pile in self.piles.items():
            yield key, pile if self.spool is None else Pile(pile.parts)


_LAMBDA = {"description": "The lambda of this power transform for these cells.", "type": "number"}
_PAIR = {
    "type": ["array", "null"],
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 2,
}


@dataclass(frozen=True)
class QuantilesRecipe(Recipe):
    """Quantiles, which are exact unless sketches are asked for, and the cells of a histogram.

    memory: how many numbers may be held in memory.
    spools: others go to a temporary file; else another pass reads the input again.
    within: in another pass, the ranges of keys that are gathered.
    least: cells, at least, of a column in this pass.
    """

    wants: Wants = field(default_factory=Wants)
    exact: bool = True
    memory: int = 0
    spools: bool = False
    within: Mapping[Key, Ints] | None = field(default=None, compare=False)
    least: int = FEWEST

    name: ClassVar[str] = "quantiles"
    inline: ClassVar[bool] = True
    fields: ClassVar[Mapping[str, Any]] = {
        "quantiles": {
            "description": "Quantiles of the column.",
            "type": "object",
            "required": ["exact"],
            "additionalProperties": False,
            "properties": {
                "exact": {
                    "description": "Are they exact? Else they are between the numbers given.",
                    "type": "boolean",
                },
                "at": {
                    "description": "The level of a quantile -> the two numbers it is between: "
                    "its neighbours in the data if it is exact. null where there is no number.",
                    "type": "object",
                    "additionalProperties": _PAIR,
                },
                "n": {
                    "description": "How many quantiles the table has, at most.",
                    "type": "integer",
                    "minimum": 2,
                },
                "table": {
                    "description": "Quantiles at equal steps from 0 to 1, each rounded once.",
                    "type": "array",
                    "items": {"type": "number"},
                },
                "deviation": {
                    "description": "The two numbers whose distances from the median are the "
                    "median distance, or its neighbours; if not exact, the numbers that the "
                    "median distance is between.",
                    **_PAIR,
                },
            },
        },
        "cells": {
            "description": "How many numbers are in each cell of a histogram; see docs/sidecar.md.",
            "type": "object",
            "required": ["most", "bits", "counts"],
            "additionalProperties": False,
            "properties": {
                "most": {
                    "description": "How many cells there may be.",
                    "type": "integer",
                    "minimum": FEWEST,
                    "maximum": WORKING,
                },
                "bits": {
                    "description": "Bits of the mantissa that are the same in a cell; 52: all.",
                    "type": "integer",
                    "minimum": MANTISSA - 63,
                    "maximum": MANTISSA,
                },
                "values": {
                    "description": "The number of each cell, where a cell is one number.",
                    "type": "array",
                    "items": {"type": "number"},
                },
                "first": {"description": "The first cell.", "type": "integer"},
                "steps": {
                    "description": "From each cell to the next that has numbers.",
                    "type": "array",
                    "items": {"type": "integer", "minimum": 1},
                },
                "counts": {
                    "description": "How many numbers are in each cell.",
                    "type": "array",
                    "items": {"type": "integer", "minimum": 1},
                },
                **dict.fromkeys(KINDS, _LAMBDA),
            },
        },
    }

    def weighs(self, kind: str) -> bool:
        """Rows can be repeated; nothing says what powers of weighted rows are."""
        return kind == "frequency" and not self.wants.powers

    def prepared(self, means: Means) -> QuantilesRecipe:
        """With a share of the memory; a spool only if cells are not enough."""
        exact = self.exact and means.exact and self.wants.quantiles
        return replace(self, exact=exact, memory=means.memory, spools=exact and means.spools)

    def also(self, other: Recipe) -> QuantilesRecipe:
        """What both want."""
        assert isinstance(other, QuantilesRecipe)
        return replace(self, wants=self.wants | other.wants)

    def refuse(self, x: Numbers) -> None:
        """Raise CellError for the first number that boxcox, if it is wanted, cannot take."""
        if "boxcox" in self.wants.powers and self.within is None:
            bad = x.parts[0] <= 0
            if bad.any():
                cell = int(bad.argmax())
                shown = f"{float(fraction(x, cell)):.17g}"
                raise CellError.at(cell, shown, NOT_POSITIVE)

    def of(self, rows: Rows) -> QuantilesState:
        """The numbers of some rows."""
        piles = {}
        for key, x in rows.repeated().cells():
            if self.within is None:
                piles[key] = Pile((finite_floats(x).copy(),))
            elif key in self.within:
                piles[key] = Pile((finite_floats(x),)).only(self.within[key])
        state = QuantilesState(replace(self, within=None if self.within is None else {}), piles)
        return state if self.memory else state._compacted()

    def value(self, cells: Cells, most: int) -> Quantiles:
        """The value of numbers with these cells, and what has to be known before it is exact."""
        found = Quantiles(cells.limited(most), self.wants, most)
        return replace(found, spans=Spans.of(cells)).settled() if self.exact else found

    def next(self, known: Mapping[Key, Value]) -> QuantilesRecipe | None:
        """Gather the numbers of those cells that have the wanted ones."""
        values = {key: v for key, v in known.items() if isinstance(v, Quantiles)}
        ranges = {key: v.ranges() for key, v in values.items() if v.spans is not None}
        if not ranges:
            return None
        least = FINER * max(found.shape[1] for found in ranges.values())
        memory = max(self.memory, GATHERED)
        return replace(self, within=ranges, least=least, memory=memory, spools=False)

    @classmethod
    def load(cls, entry: Mapping[str, Any], facts: Facts) -> Quantiles:
        """The value in the entry of a column; raises FieldError for the first fault."""
        if "cells" not in entry:
            raise FieldError("quantiles", "there are no cells, from which quantiles are computed")
        section = entry["cells"]
        try:
            cells = _loaded_cells(section, entry)
        except FieldError as error:
            raise FieldError(f"cells.{error.field}", error.fault) from error
        powers = {kind: float(section[kind]) for kind in KINDS if kind in section}
        found = _loaded(entry.get("quantiles"), cells, int(section["most"]))
        return replace(found, wants=found.wants | Wants(powers=tuple(powers)), powers=powers)


# -- from a sidecar ------------------------------------------------------------------------


def _dumped(cells: Cells, most: int) -> dict[str, Any]:
    """Cells as JSON: the numbers themselves, or the first cell and the steps to the next ones."""
    found: dict[str, Any] = {"most": most, "bits": cells.bits}
    if cells.shift:
        found["first"] = int(cells.keys[0])
        found["steps"] = np.diff(cells.keys).tolist()
    else:
        found["values"] = cells.lows.tolist()
    return {**found, "counts": cells.counts.tolist()}


def _loaded_cells(section: Mapping[str, Any], entry: Mapping[str, Any]) -> Cells:
    """The cells in a section, of a column with this entry; raises FieldError for a fault."""
    shift, counts = MANTISSA - int(section["bits"]), section["counts"]
    has, other = ("first", "values") if shift else ("values", "first")
    if has not in section or ("steps" in section) != bool(shift) or other in section:
        raise FieldError("bits", f"{section['bits']} does not go with these fields")
    weighed = "weight" in entry  # then each row is counted as often as its weight says
    if not weighed and sum(counts) != entry.get("count"):
        raise FieldError(
            "counts", f"they add up to {sum(counts)}, but count is {entry.get('count')}"
        )
    keys = _loaded_keys(section, shift)
    if len(keys) != len(counts):
        raise FieldError("counts", f"{len(counts)} counts of {len(keys)} cells")
    if len(keys) > section["most"]:
        raise FieldError("most", f"there are {len(keys)} cells")
    if not counts:
        return Cells()
    if any(a >= b for a, b in itertools.pairwise(keys)):
        raise FieldError(has, "the cells are not in ascending order")
    low, high = keys[0] << shift, (keys[-1] << shift) + (1 << shift) - 1  # if not known
    low = low if entry["min"] is None else _key_of(entry["min"])
    high = high if entry["max"] is None else _key_of(entry["max"])
    if (keys[0], keys[-1]) != (low >> shift, high >> shift):
        raise FieldError(has, "the first or the last cell does not have the min or the max")
    several = None if max(counts) == 1 else np.array(counts, np.int64)
    return Cells(shift, np.array(keys, np.int64), several, low, high)


def _loaded_keys(section: Mapping[str, Any], shift: int) -> list[int]:
    if not shift:
        values = np.array(section["values"], np.float64)
        found: list[int] = keys_of(values).tolist()
        return found
    return list(itertools.accumulate([section["first"], *section["steps"]]))


def _key_of(value: Any) -> int:
    """The key of a number of the sidecar, which may be text."""
    return int(keys_of(np.array([float(Fraction(value))]))[0])


def _loaded(section: Mapping[str, Any] | None, cells: Cells, most: int) -> Quantiles:
    """The quantiles in a section; raises FieldError where the cells do not allow them."""
    if section is None:
        return Quantiles(cells, most=most)
    at, deviation = section.get("at", {}), "deviation" in section
    wants = Wants(tuple(map(_loaded_level, at)), int(section.get("n", 0)), deviation)
    found = Quantiles(cells, wants, most)
    if [level_text(p) for p in wants.levels] != list(at):
        raise FieldError("quantiles.at", "the levels are not in ascending order")
    complete = found._if_complete()
    if section["exact"] and not complete.exact:
        complete = found._with(section)
    if complete._dumped() != section:
        raise FieldError("quantiles", "they are not those of the cells: to change them, fit again")
    return complete


def _loaded_level(text: str) -> Fraction:
    try:
        level = level_of(text)
    except ValueError as error:
        raise FieldError("quantiles.at", f"{printable(text)} is not a level") from error
    if level_text(level) != text:
        raise FieldError("quantiles.at", f"{printable(text)} is written {level_text(level)}")
    return level


RECIPE = QuantilesRecipe
