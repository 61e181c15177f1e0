"""Which columns and rows are worked on, and by which engine: what all verbs share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from normcli.engines.local import Engine, Overlapped, Processes, Serial, Threads
from normcli.errors import DataError, UsageError
from normcli.formats.base import BadRowError, Chunk, Table
from normcli.formats.marks import Marks
from normcli.numerics.numbers import Numbers
from normcli.pipeline.enough import MostBad
from normcli.pipeline.roles import Roles
from normcli.pipeline.select import only_leave_out, select, select_words
from normcli.words import printable


@dataclass(frozen=True)
class Choice:
    """Which columns are wanted, and whether infinite numbers and bad rows are left out.

    roles: columns that say something of rows, and are never wanted.
    most_bad: how many of these may be. allow_empty: may there be no number at all to fit?
    marks: what marks a missing value, beside what does by default.
    only: no other columns are wanted, if these are named.
    """

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ignore_infinite: bool = False
    skip_bad_rows: bool = False
    roles: Roles = field(default_factory=Roles)
    most_bad: MostBad = field(default_factory=MostBad)
    allow_empty: bool = False
    marks: Marks = field(default_factory=Marks)
    only: frozenset[str] | None = None

    def wanted(self, names: Sequence[str], absent: Sequence[str] = ()) -> list[int]:
        """The positions of the columns that are not excluded, of those that are selected.

        absent: columns that are not there, and that may be excluded all the same.

        Raises: UsageError where a column that says something of rows is selected by its name.
        """
        chosen = select(self.select, names) if self.select else range(len(names))
        roles = self.roles.names
        for word in select_words(self.select, names) if roles else ():
            if word in roles:
                raise UsageError(
                    f"--select {printable(word)}: this column is the {roles[word]}, which is never "
                    "scaled"
                )
        left = self.excluded([*names, *absent])
        if self.only is not None:
            chosen = [i for i in chosen if names[i] in self.only]
        return [i for i in chosen if i not in left and names[i] not in roles]

    def wanted_of(self, table: Table, absent: Sequence[str] = ()) -> list[int]:
        """`wanted` of a table, which may know why it has no such column."""
        try:
            return self.wanted(table.columns, absent)
        except UsageError as error:
            if not table.hint:
                raise
            raise UsageError(f"{error}\n{table.hint}") from error

    def set_aside(self, table: Table) -> Mapping[int, str]:
        """The columns of numbers that nobody asked for, and what they are: such as row labels."""
        return table.set_aside if only_leave_out(self.select, table.columns) else {}

    def excluded(self, names: Sequence[str]) -> set[int]:
        """The positions of the columns that are excluded."""
        return set(select(self.exclude, names)) if self.exclude else set()


def refuse_repeated(table: str, names: Sequence[str], chosen: Iterable[str]) -> None:
    """Raise DataError where several columns have the name of a chosen one."""
    count = Counter(names)
    for name in chosen:
        if count[name] > 1:
            raise DataError(
                f"{table}: {count[name]} columns are named {printable(name)}; "
                "rename them, or --exclude them"
            )


def refuse_type(table: Table, position: int) -> None:
    """Raise DataError where the type of a column says that it does not hold numbers."""
    if position in table.others:
        raise DataError(
            f"{table.name}: column {printable(table.columns[position])} is of type "
            f"{table.others[position]}, not numbers"
        )


def engine_for(engine: Engine | None, table: Table) -> Engine:
    """`engine`, where the work on this table is worth it."""
    if engine is None or isinstance(engine, Serial):
        return Serial()
    if isinstance(engine, Processes) and table.free():
        return Threads(engine.jobs, table.free, engine)
    if table.parallel:
        return engine
    return Overlapped() if table.overlaps else Serial()


def good_rows(
    chunk: Chunk, columns: Sequence[int], choice: Choice
) -> tuple[Chunk, list[tuple[int, str]]]:
    """The chunk without its bad rows, and these; the whole chunk unless they are skipped."""
    return chunk.without_bad_rows(columns) if choice.skip_bad_rows else (chunk, [])


def read_chunk(chunk: Chunk, columns: Sequence[int], choice: Choice) -> list[Numbers]:
    """The columns as numbers; raises BadRowError for the first row that cannot be read.

    An infinite number is refused here only where it comes before a bad row: of several
    problems the first is told, wherever chunks are cut. For others see `refuse_infinite`.
    """
    try:
        return chunk.numbers(columns)
    except BadRowError as error:
        if error.row:
            before = chunk.slice(0, error.row)
            numbers = read_chunk(before, columns, choice)
            counts = [int(np.isinf(x.parts[0]).sum()) for x in numbers]
            refuse_infinite(before, dict(zip(columns, numbers, strict=True)), counts, choice)
        raise


def refuse_infinite(
    chunk: Chunk, numbers: Mapping[int, Numbers], counts: Iterable[int], choice: Choice
) -> None:
    """Raise BadRowError for the first infinite number of some columns, unless they are ignored.

    counts: how many of them each column has.
    """
    for error in infinite(chunk, numbers, counts, choice).values():
        raise error


def infinite(
    chunk: Chunk, numbers: Mapping[int, Numbers], counts: Iterable[int], choice: Choice
) -> dict[int, BadRowError]:
    """Column -> the error for its first infinite number, in the order of their rows."""
    if choice.ignore_infinite:
        return {}
    first = sorted(
        (int(np.isinf(x.parts[0]).argmax()), column)
        for (column, x), count in zip(numbers.items(), counts, strict=True)
        if count
    )
    return {
        column: BadRowError.at(
            row,
            f"{chunk.place(row, column)} is infinite, or too large for a float64\n"
            "To leave such cells out of the statistics and as they are, add --on-inf ignore",
        )
        for row, column in first
    }
