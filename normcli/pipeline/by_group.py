"""The cells of a column, each mapped by the statistics of the group of its row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from normcli.errors import CellError, DataError
from normcli.formats.base import Chunk
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.methods.mapping import spelled
from normcli.numerics.doubles import fraction
from normcli.numerics.numbers import Numbers, Scaled
from normcli.sidecar.model import GroupStatistics, together
from normcli.statistics.base import Group, Labels
from normcli.statistics.column import ColumnStatistics
from normcli.words import many, printable

if TYPE_CHECKING:
    from normcli.numerics.digits import Ints
    from normcli.numerics.numbers import Floats, Mask

POLICIES = ("error", "global", "keep", "null")
MOST = 10  # unseen groups that are told one by one
OTHERWISE = (
    "To scale such rows by the statistics of all rows, add --unseen global; to leave them as they "
    "are, --unseen keep; to make their numbers missing, --unseen null"
)
NO_NUMBER = (
    f"cannot be scaled: its group had no number in this column when it was fitted\n{OTHERWISE}"
)


@dataclass(frozen=True)
class Seen:
    """The groups whose statistics are used.

    groups: those of the statistics. least: a group with fewer rows is treated as unseen.
    policy: for rows of groups that are unseen: one of `POLICIES`.
    """

    groups: Mapping[Group, GroupStatistics] = field(default_factory=dict)
    least: int = 0
    policy: str = "error"

    def has(self, group: Group) -> bool:
        """Is the group known, with enough rows?"""
        return group in self.groups and self.groups[group].rows >= self.least


@dataclass
class Unseen:
    """Rows of groups that are not seen, where that is an error.

    groups: group -> how many rows it has; in the order of their first rows.
    places: where these are, of the first `MOST` groups.
    others: rows of groups that were met after these.
    """

    least: int = 0
    groups: dict[Group, int] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)
    others: int = 0

    @classmethod
    def of(cls, seen: Seen, labels: Labels, chunk: Chunk, keys: Mapping[str, int]) -> Unseen:
        """Those of a chunk; keys: the columns of the keys -> their positions."""
        unseen = [i for i, g in enumerate(labels.groups) if not seen.has(g)]
        if seen.policy != "error" or not unseen:
            return cls(seen.least)
        counts = np.bincount(labels.codes, minlength=len(labels.groups))
        rows = [int((labels.codes == code).argmax()) for code in unseen[:MOST]]
        (_, position), *others = keys.items()
        places = [chunk.place(row, position) for row in rows]
        for i, code in enumerate(unseen[:MOST]):
            more = zip(others, labels.groups[code][1:], strict=True)
            places[i] += "".join(
                f", column {printable(n)}: {printable(v or '')}" for (n, _), v in more
            )
        return cls(seen.least, {labels.groups[i]: int(counts[i]) for i in unseen}, places)

    def add(self, other: Unseen) -> None:
        """Add those of the rows that follow."""
        self.least = other.least
        for i, (group, count) in enumerate(other.groups.items()):
            if group in self.groups:
                self.groups[group] += count
            elif len(self.groups) < MOST:
                self.groups[group] = count
                self.places.append(other.places[i])
            else:
                self.others += count
        self.others += other.others

    def refuse(self) -> None:
        """Raise DataError if there are any."""
        if not self.groups:
            return
        told = zip(self.places, self.groups.values(), strict=False)
        lines = [f"  {place} ({many(count, 'row')})" for place, count in told]
        rows = sum(self.groups.values()) + self.others
        others = rows - sum(list(self.groups.values())[:MOST])
        lines += [f"  and {many(others, 'row')} of other groups"] if others else []
        small = f", or have fewer than {self.least} rows there" if self.least > 1 else ""
        head = f"{many(rows, 'row')} of groups that are not in the statistics{small}:"
        raise DataError("\n".join([head, *lines, OTHERWISE]))


@dataclass(frozen=True)
class ByGroup:
    """What is done to one column.

    names: of the column, and of those that have one scale together with it. everywhere: by
        the statistics of all rows.
    made: the mapping of what is known of the column in one group.
    """

    names: tuple[str, ...]
    seen: Seen
    everywhere: ColumnMapping
    made: Callable[[ColumnStatistics], ColumnMapping]
    _known: dict[Group, ColumnMapping | None] = field(default_factory=dict)

    @property
    def makes_missing(self) -> bool:
        """May numbers become missing?"""
        return self.everywhere.makes_missing or self.seen.policy == "null"

    def of(self, group: Group) -> ColumnMapping | None:
        """The mapping of a group; None where that is unseen, or had no number in the column."""
        if group not in self._known:
            self._known[group] = self._mapping(group)
        return self._known[group]

    def _mapping(self, group: Group) -> ColumnMapping | None:
        if not self.seen.has(group):
            return None
        column = together(self.seen.groups[group].columns, self.names)
        return self.made(column) if column.count else None

    def values(self, x: Numbers, labels: Labels) -> Scaled:
        """N numbers mapped, row i by the mapping of its group.

        Raises: CellError for the first number that its mapping, or the policy for groups that
        are unseen, refuses.
        """
        mappings = [self.of(group) for group in labels.groups]
        without = np.array([mapping is None for mapping in mappings], np.bool_)[labels.codes]
        done = _Done(len(x))
        if without.any():
            self._unseen(x, without, labels, done)
        left = self._stacked(x, mappings, labels, done)
        for rows, mapping in _rows_of(left, labels):
            done.put(rows, mapping.values, x)
        return done.scaled()

    def _stacked(
        self, x: Numbers, mappings: Sequence[ColumnMapping | None], labels: Labels, done: _Done
    ) -> list[ColumnMapping | None]:
        """Map the rows of many groups at once; those mappings with which that cannot be done."""
        stacks = [m.stack if m is not None and not x.scale else None for m in mappings]
        kinds = {type(m) for m, stack in zip(mappings, stacks, strict=True) if m and stack}
        for kind in kinds:
            pairs = zip(mappings, stacks, strict=True)
            here = np.array([type(m) is kind and stack is not None for m, stack in pairs])
            rows = np.flatnonzero(here[labels.codes])
            codes = labels.codes[rows]
            table = np.array([s for s, chosen in zip(stacks, here, strict=True) if chosen])
            parameters = table.T[:, (np.cumsum(here) - 1)[codes]]
            done.put(rows, partial(_all_at_once, kind, parameters, mappings, codes), x)
        return [None if stack else m for m, stack in zip(mappings, stacks, strict=True)]

    def _unseen(self, x: Numbers, rows: Mask, labels: Labels, done: _Done) -> None:
        """Do to the numbers of groups without a mapping what the policy says; count them."""
        numbers = rows & np.isfinite(x.parts[0])
        done.counts["unseen_group"] += int(numbers.sum())
        if self.seen.policy == "global":
            done.put(np.flatnonzero(rows), self.everywhere.values, x)
        elif self.seen.policy == "null":
            done.null |= numbers
            done.keep |= rows & ~numbers
        else:
            done.keep |= rows
        if self.seen.policy == "error":  # an unseen group is an error of all columns: see `Unseen`
            known = np.array([self.seen.has(group) for group in labels.groups], np.bool_)
            numbers &= known[labels.codes]
            if numbers.any():
                cell = int(numbers.argmax())
                done.note(CellError.at(cell, spelled(fraction(x, cell)), NO_NUMBER))


def _all_at_once(
    kind: type[ColumnMapping],
    parameters: Floats,
    mappings: Sequence[Any],
    codes: Ints,
    x: Numbers,
) -> Scaled:
    """N numbers, each by the mapping with its code; all are of this kind."""
    return kind.stacked(x, parameters, lambda row: mappings[int(codes[row])])


def _rows_of(
    mappings: Sequence[ColumnMapping | None], labels: Labels
) -> Iterator[tuple[Ints, ColumnMapping]]:
    """The rows of each group that is seen, and their mapping."""
    for mapping, (_, rows) in zip(mappings, labels.places(), strict=True):
        if mapping is not None:
            yield rows, mapping


class _Done:
    """What became of n cells, in the making."""

    def __init__(self, n: int) -> None:
        self.values = np.zeros(n)
        self.keep, self.null, self.whole = np.zeros((3, n), np.bool_)
        self.counts: Counter[str] = Counter()
        self.error: CellError | None = None

    def put(self, rows: Ints, work: Callable[[Numbers], Scaled], x: Numbers) -> None:
        """Map some rows; the first number that is refused is noted."""
        if not len(rows):
            return
        try:
            done = work(x.at(rows))
        except CellError as error:
            row = int(rows[error.row])
            self.note(CellError.at(row, spelled(fraction(x, row)), error.why))
            return
        self.values[rows] = done.values
        masks = (self.keep, done.keep), (self.null, done.null), (self.whole, done.whole)
        for mask, found in masks:
            if found is not None:
                mask[rows] = found
        self.counts.update(done.counts)

    def note(self, error: CellError) -> None:
        """Keep the error of the first row."""
        if self.error is None or error.row < self.error.row:
            self.error = error

    def scaled(self) -> Scaled:
        """All of it; raises the error of the first number that was refused."""
        if self.error is not None:
            raise self.error
        masks = (self.keep, self.null, self.whole)
        keep, null, whole = (mask if mask.any() else None for mask in masks)
        return Scaled(self.values, keep, null, dict(self.counts), whole)
