"""In which orders the keys of objects are written: sidecars must not tell the order of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Orders = frozenset[tuple[int, ...]]  # of the numbers of keys

MOST = 1000  # orders that are told apart
MOST_KEYS = 1 << 20  # in all of them together
MANY: Orders = frozenset({()})  # more: as if a row had no key


def orders_of(row: NDArray[np.int64], keys: NDArray[np.int64], rows: int) -> Orders:
    """The different orders of keys; field i has key `keys[i]` and is of row `row[i]`, ascending."""
    starts = np.searchsorted(row, np.arange(rows))
    lengths = np.diff(np.append(starts, len(row)))
    width = int(lengths[0]) if rows else 0
    if (lengths == width).all():
        table = keys.reshape(rows, width)
        if (table == table[:1]).all():
            return frozenset({tuple(table[0].tolist())} if rows else ())
    first = np.unique(_hashes(row, keys, starts, rows), return_index=True)[1]
    if len(first) > MOST:
        return MANY
    found = (keys[starts[i] : starts[i] + lengths[i]] for i in first.tolist())
    return few(frozenset(tuple(each.tolist()) for each in found))


def few(orders: Orders) -> Orders:
    """The orders, if they are few enough to be told apart."""
    many = len(orders) > MOST or sum(map(len, orders)) > MOST_KEYS
    return MANY if many or () in orders else orders


def _hashes(
    row: NDArray[np.int64], keys: NDArray[np.int64], starts: NDArray[np.int64], rows: int
) -> NDArray[np.uint64]:
    """A number for each row, which is the same for the same keys in the same order."""
    place = (np.arange(len(row)) - starts[row]).astype(np.uint64)
    mixed = (keys.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= (place + np.uint64(1)) * np.uint64(0xC2B2AE3D27D4EB4F)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    found = np.zeros(rows, np.uint64)
    np.add.at(found, row, mixed)
    return found
