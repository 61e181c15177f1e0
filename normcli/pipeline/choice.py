"""Which columns and rows are worked on, and by which engine: what all verbs share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from normcli.engines import Engine, Overlapped, Serial
from normcli.errors import DataError
from normcli.formats.base import BadRowError, Chunk, NotNumbers, Table
from normcli.numbers import Numbers
from normcli.select import select


@dataclass(frozen=True)
class Choice:
    """Which columns are wanted, and what to do about cells and rows that are in the way."""

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ignore_infinite: bool = False
    skip_bad_rows: bool = False

    def wanted(self, names: Sequence[str], absent: Sequence[str] = ()) -> list[int]:
        """The positions of the columns that are not excluded, of those that are selected.

        absent: columns that are not there, and that may be excluded all the same.
        """
        chosen = select(self.select, names) if self.select else range(len(names))
        left = self.excluded([*names, *absent])
        return [i for i in chosen if i not in left]

    def excluded(self, names: Sequence[str]) -> set[int]:
        """The positions of the columns that are excluded."""
        return set(select(self.exclude, names)) if self.exclude else set()


def engine_for(engine: Engine | None, table: Table) -> Engine:
    """`engine`, where the work on this table is worth it."""
    if engine is None or isinstance(engine, Serial):
        return Serial()
    if table.parallel:
        return engine
    return Overlapped() if table.overlaps else Serial()


def good_rows(
    chunk: Chunk, columns: Sequence[int], choice: Choice
) -> tuple[Chunk, list[tuple[int, str]]]:
    """The chunk without bad rows, and these, where they are to be skipped."""
    return chunk.without_bad_rows(columns) if choice.skip_bad_rows else (chunk, [])


def read_chunk(chunk: Chunk, columns: Sequence[int], choice: Choice) -> list[Numbers]:
    """The columns as numbers; raises DataError for the first row that is not to be had."""
    with _in_order(chunk, lambda before: read_chunk(before, columns, choice)):
        numbers = chunk.numbers(columns)
    _refuse_infinite(chunk, columns, numbers, choice)
    return numbers


def observe_chunk(
    chunk: Chunk, columns: Sequence[int], choice: Choice
) -> list[Numbers | NotNumbers]:
    """The columns as numbers or why not; raises DataError for the first row that is bad."""
    with _in_order(chunk, lambda before: observe_chunk(before, columns, choice)):
        found = chunk.observe(columns)
    _refuse_infinite(chunk, columns, found, choice)
    return found


@contextmanager
def _in_order(chunk: Chunk, read: Callable[[Chunk], object]) -> Iterator[None]:
    """Where a row is bad, let `read` first find what is wrong in the rows before it.

    So the first problem of a table is told, wherever its chunks are cut.
    """
    try:
        yield
    except BadRowError as error:
        if error.row:
            read(chunk.slice(0, error.row))
        raise


def _refuse_infinite(
    chunk: Chunk, columns: Sequence[int], found: Sequence[Numbers | NotNumbers], choice: Choice
) -> None:
    """Raise DataError for the first infinite number of a chunk, unless they are ignored."""
    if choice.ignore_infinite:
        return
    first: list[tuple[int, int]] = []
    for column, x in zip(columns, found, strict=True):
        if isinstance(x, Numbers) and (infinite := np.isinf(x.parts[0])).any():
            first.append((int(infinite.argmax()), column))
    if first:
        row, column = min(first)
        raise DataError(
            f"{chunk.place(row, column)} is infinite, or too large for a float64\n"
            "To leave such cells out of the statistics and as they are, add --on-inf ignore"
        )
