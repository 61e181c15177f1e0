"""The optional compiled kernel: what runs on plain CSV spend most of their time on.

It is a shared library (`text.cpp`), called through ctypes, which releases Python's lock: threads
can work on several blocks at once. It refuses what is odd; callers then take their own path in
NumPy, which gives the same results. Without the library, or with NORMCLI_KERNEL=0, everything is
refused.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

VERSION = 1  # of the functions that this module calls
LIBRARY = Path(__file__).with_name("text.so")
LONGEST = 32  # bytes that a number may take while it is written
DIGITS, LOWEST = 188, -94  # of exact sums
SHORT = 1 << 12


@cache
def library() -> Any:
    """The library; None where there is none, or it is not wanted."""
    if os.environ.get("NORMCLI_KERNEL") == "0":
        return None
    try:
        found = ctypes.CDLL(str(LIBRARY))
        if found.normcli_version() != VERSION:
            return None
    except (OSError, AttributeError):
        return None
    for name in ("find", "odd", "splice"):
        getattr(found, f"normcli_{name}").restype = ctypes.c_int64
    return found


@dataclass(frozen=True, eq=False)
class Marks:
    """The cells of a block: cell c of row r ends before byte ``ends[r * width + c]`` of it."""

    ends: NDArray[np.uint32]
    width: int
    flags: int  # what there is in the block: those of the enum in the library

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.ends) // self.width

    @property
    def quotes(self) -> bool:
        """Are there quotes in the block?"""
        return bool(self.flags & 1)

    @property
    def blanks(self) -> bool:
        """Are there blanks or tabs in the block?"""
        return bool(self.flags & 2)

    @property
    def is_ascii(self) -> bool:
        """Are all bytes of the block ASCII?"""
        return not self.flags & 8


def find(block: bytes, delimiter: bytes, quote: bytes | None, width: int) -> Marks | None:
    """The cells of a block that ends with a line feed; None where it is refused."""
    if library() is None:
        return None
    marks, flags = np.empty(len(block) + 64, np.uint32), np.zeros(1, np.int64)
    mark = quote[0] if quote else -1
    found = _call("find", block, len(block), delimiter[0], mark, width, marks, len(marks), flags)
    return None if found < 0 else Marks(marks[:found].copy(), width, int(flags[0]))


def read(
    block: NDArray[np.uint8],
    marks: Marks,
    positions: Sequence[int],
    tokens: Sequence[str],
    *,
    codes: bool,
) -> list[tuple[Floats, Mask | None] | None]:
    """Some columns as numbers, and which of their cells are missing (None: none is).

    tokens: texts of missing cells, beside the empty ones. codes: are 007 and +7 numbers too?
    Returns: None for a column with a cell that is not a plain number of less than 2**53.
    """
    m, n = len(positions), marks.rows
    values, missing, absent = np.empty((m, n)), np.empty((m, n), np.bool_), np.empty(m, np.int64)
    texts = [token.encode() for token in tokens]
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.uint32)
    columns = np.array(positions, np.int64)
    _call(
        "read",
        *(block, marks.ends, n, marks.width, marks.flags, columns, m, int(codes)),
        *(b"".join(texts), offsets, len(texts), _addresses(values), _addresses(missing), absent),
    )
    return [
        None if count < 0 else (values[i], missing[i] if count else None)
        for i, count in enumerate(absent.tolist())
    ]


Masks = Sequence["Mask | None"]


def odd(values: Sequence[Floats], keep: Masks, null: Masks) -> NDArray[np.int64]:
    """The numbers that `splice` does not write itself: very small and very large ones.

    values: some columns. keep, null: of each, cells that are not written.
    Returns: row * m + column of each, ascending.
    """
    rows, m = len(values[0]), len(values)
    keep, null = _contiguous(keep), _contiguous(null)
    found = np.empty(rows * m, np.int64)
    columns = (_addresses(values), _addresses(keep), _addresses(null))
    return found[: _call("odd", *columns, rows, m, found)]


def splice(
    block: NDArray[np.uint8],
    marks: Marks,
    columns: Sequence[int],
    values: Sequence[Floats],
    keep: Masks,
    null: Masks,
    odd: NDArray[np.int64],
    texts: tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]],
    point: str,
) -> memoryview:
    """The block with numbers in the cells of some columns, which are ascending.

    keep: cells that stay as they are. null: cells that become empty. odd: what `odd` finds.
    texts: of these numbers: a buffer, where they start in it, and where they end.
    """
    keep, null = _contiguous(keep), _contiguous(null)
    room = len(block) + len(texts[0]) + LONGEST * (marks.rows * len(values) + 2)
    out = np.empty(room, np.uint8)
    length = _call(
        "splice",
        *(block, len(block), marks.ends, marks.rows, marks.width, marks.flags),
        *(np.array(columns, np.int64), len(columns)),
        *(_addresses(values), _addresses(keep), _addresses(null)),
        *(odd, len(odd), *texts, ord(point), out),
    )
    return out.data[:length]


@dataclass(frozen=True, eq=False)
class Moments:
    """What is counted and added up of m columns.

    counts: shape (m, 4): finite numbers, NaN, infinities, and 1 if all finite ones are whole.
    ends: shape (m, 2): minimum and maximum of the finite ones; infinities where there are none.
    digits: shape (d, 2 * m): of the sums, then of the sums of squares, the most significant first;
        each is worth 2**GRID of the next, and the last 2**(GRID * low).
    """

    counts: NDArray[np.int64]
    ends: Floats
    digits: NDArray[np.int64]
    low: int


def moments(columns: Sequence[Floats]) -> Moments:
    """The exact moments of columns of one length."""
    m, rows = len(columns), len(columns[0])
    held: Sequence[Floats] | Floats = [np.ascontiguousarray(column) for column in columns]
    if rows < SHORT:  # the addresses of many small arrays take longer than a copy of them
        held = np.concatenate(columns).reshape(m, rows)
    counts, ends = np.empty((m, 4), np.int64), np.empty((m, 2))
    digits, range_ = np.zeros((2 * m, DIGITS), np.int64), np.empty(2, np.int64)
    _call("moments", _addresses(held), rows, m, counts, ends, digits, range_, _bins())
    first, last = range_.tolist()
    used = digits[:, first : max(first, last)]
    return Moments(counts, ends, np.ascontiguousarray(used[:, ::-1].T), LOWEST + first)


_memory = threading.local()


def _bins() -> NDArray[np.uint64]:
    """Memory of this thread for the bins of sums: all zeros between two calls."""
    if not hasattr(_memory, "bins"):
        _memory.bins = np.zeros(2048 * 4 * 4, np.uint64)
    bins: NDArray[np.uint64] = _memory.bins
    return bins


def _call(name: str, *arguments: bytes | int | NDArray[Any]) -> int:
    """What a function of the library returns; the arrays live as long as the call."""
    passed = [
        ctypes.c_void_p(each.ctypes.data)
        if isinstance(each, np.ndarray)
        else ctypes.c_char_p(each)
        if isinstance(each, bytes)
        else ctypes.c_int64(each)
        for each in arguments
    ]
    found: int = getattr(library(), f"normcli_{name}")(*passed)
    return found


def _contiguous(masks: Masks) -> Masks:
    return [None if mask is None else np.ascontiguousarray(mask) for mask in masks]


def _addresses(arrays: Sequence[NDArray[Any] | None] | NDArray[Any]) -> NDArray[np.uint64]:
    """Where contiguous arrays are; 0 for None. The caller keeps them alive."""
    if isinstance(arrays, np.ndarray):
        start, step = arrays.ctypes.data, arrays.strides[0]
        return start + step * np.arange(len(arrays), dtype=np.uint64)
    return np.array([0 if each is None else each.ctypes.data for each in arrays], np.uint64)
