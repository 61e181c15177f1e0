"""Fields of objects inside of objects: the column ``a.b`` is the field b of the object a.

A row that has a key ``a.b`` of its own has its value there, and none inside of a. Keys inside of
objects that contain a dot themselves are not found, nor is anything in an array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from normcli.formats.jsonl.index import OBJECT, Fields, fields, first_kinds, positions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.formats.texts.kernels import Offsets

    Columns = NDArray[np.int32]  # the number of the column of each field; -1: of none


def with_nested(
    block: bytes, top: Fields, columns: Columns, names: Mapping[str, int]
) -> tuple[Fields, Columns]:
    """The fields of rows with those inside of objects that `names` mean, and their columns."""
    inner, inner_columns = inside(block, top, names)
    if not len(inner_columns):
        return top, columns
    of_rows = top.row * len(names) + columns
    kept = np.flatnonzero(~np.isin(inner.row * len(names) + inner_columns, of_rows[columns >= 0]))
    found, together = _joined([top, _taken(inner, kept)]), np.append(columns, inner_columns[kept])
    order = np.argsort(found.starts, kind="stable")
    return _taken(found, order), together[order]


def inside(block: bytes, top: Fields, names: Mapping[str, int]) -> tuple[Fields, Columns]:
    """The fields inside of objects that names with a dot mean, level by level; their columns."""
    paths = _Paths(names)
    found = [_taken(top, np.zeros(0, int))]
    columns = [np.zeros(0, np.int32)]
    objects = first_kinds(block, top.starts) == OBJECT if paths.steps else []
    level = _taken(top, np.flatnonzero(objects))
    places = np.zeros(len(level.row), int)
    while len(level.row):
        places = paths.follow(places, positions(block, level, paths.keys))
        here = paths.columns[places]
        found.append(_taken(level, np.flatnonzero(here >= 0)))
        columns.append(here[here >= 0])
        level, places = _within(block, level, places)
    return _joined(found), np.concatenate(columns)


class _Paths:
    """A tree of the keys that lead to columns; its places have numbers, from 0, its root.

    keys: the number of each key. steps: the place at the end of a key from a place.
    columns: the column at each place, and at last -1, for a place that is not in the tree.
    """

    def __init__(self, names: Mapping[str, int]) -> None:
        self.keys: dict[str, int] = {}
        self.steps: dict[tuple[int, int], int] = {}
        ends: dict[int, int] = {}
        for name, column in names.items():
            place, path = 0, name.split(".") if "." in name else []
            for key in path:
                step = place, self.keys.setdefault(key, len(self.keys))
                place = self.steps.setdefault(step, len(self.steps) + 1)
            if path:
                ends[place] = column
        self.columns = np.full(len(self.steps) + 2, -1, np.int32)
        self.columns[list(ends)] = list(ends.values())

    def follow(self, places: Offsets, keys: Columns) -> Offsets:
        """Where keys lead from places; -1 where that is not in the tree."""
        size = len(self.keys) + 1
        steps, back = np.unique(places * size + keys + 1, return_inverse=True)
        found = (divmod(step, size) for step in steps.tolist())
        ends = [self.steps.get((place, key - 1), -1) for place, key in found]
        return np.array(ends, int)[back]


def _within(block: bytes, found: Fields, places: Offsets) -> tuple[Fields, Offsets]:
    """The fields of those objects that are at a place of a tree, and the place of their object."""
    which = np.flatnonzero((places >= 0) & (first_kinds(block, found.starts) == OBJECT))
    outer = _taken(found, which)
    spans = zip(outer.starts.tolist(), outer.ends.tolist(), strict=True)
    inner = fields(b"".join(block[start:end] for start, end in spans))
    sizes = outer.ends - outer.starts
    moved = (outer.starts - np.cumsum(sizes) + sizes)[inner.row]
    bounds = (each + moved for each in _parts(inner)[1:])
    return Fields(outer.row[inner.row], *bounds), places[which][inner.row]


def _taken(found: Fields, which: Offsets) -> Fields:
    return Fields(*(each[which] for each in _parts(found)))


def _joined(found: Iterable[Fields]) -> Fields:
    return Fields(*map(np.concatenate, zip(*map(_parts, found), strict=True)))


def _parts(found: Fields) -> tuple[Offsets, ...]:
    return found.row, found.key_starts, found.key_ends, found.starts, found.ends
