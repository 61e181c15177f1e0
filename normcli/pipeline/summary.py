"""What a run has seen and done, as numbers; `normcli.views.report` has the words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from normcli.formats.base import Table

from normcli.formats.base import TOLD

KINDS = ("missing", "nan", "inf", "out_of_range")  # of cells, in the order in which they are told


@dataclass
class Summary:
    """What a run has seen and done.

    inputs: name and format of each. notes: what was taken for granted of them, each with the
        name of the first. hint: what to try if no column holds numbers.
    left: column -> why it was not chosen.
    present: of the columns, those that were in any row at all, if only as missing cells.
    warnings: column -> what to know of how it was scaled.
    cells: what happened to cells ("missing", "out_of_range", ...) -> column -> how many.
    bad_rows: (line or row number, why) of the first rows that were skipped; there are
        `skipped_rows` of them, which may be more than memory holds. kept_rows: those with too
        many or too few cells that were kept.
    nan_as_null: cells, of whichever column, that the output could not tell from missing ones.
    missing: what became of cells without a number (see `normcli.methods.filled`).
    filled: with what they had been filled before, in words, where the way back cannot tell them.
    seconds, bytes: how long it took, and how much was read (None: not known).
    watch: is called whenever some more rows are done.
    """

    rows: int = 0
    inputs: list[tuple[str, str]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    hint: str = ""
    columns: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    constant: list[str] = field(default_factory=list)
    warnings: dict[str, str] = field(default_factory=dict)
    cells: dict[str, Counter[str]] = field(default_factory=dict)
    bad_rows: list[tuple[int, str]] = field(default_factory=list)
    skipped_rows: int = 0
    kept_rows: int = 0
    dropped_rows: int = 0
    unselected_rows: int = 0
    nan_as_null: int = 0
    missing: str = "keep"
    filled: str = ""
    seconds: float = 0.0
    bytes: int | None = None
    watch: Callable[[], None] | None = None

    def begin(self, table: Table) -> None:
        """Note a table that is begun."""
        self.inputs.append((table.name, table.format))
        self.hint = self.hint or table.hint
        for note in table.notes:
            self.notes.setdefault(note, table.name)

    def advance(self, rows: int, bad_rows: list[tuple[int, str]], kept_rows: int = 0) -> None:
        """Add so many rows that are done, the bad ones that were left out, and those kept."""
        self.rows += rows
        self.kept_rows += kept_rows
        self.skip(bad_rows)
        if self.watch is not None:
            self.watch()

    def add(self, other: Summary) -> None:
        """Add what was seen and done elsewhere, with the rows that follow."""
        self.inputs += [each for each in other.inputs if each not in self.inputs[-1:]]
        self.notes = {**other.notes, **self.notes}
        self.hint = self.hint or other.hint
        self.columns, self.constant, self.missing = other.columns, other.constant, other.missing
        self.present |= other.present
        self.warnings, self.filled = other.warnings, other.filled
        for name, why in other.left.items():
            self.left.setdefault(name, why)
        for what, columns in other.cells.items():
            for name, cells in columns.items():
                self.count(what, name, cells)
        self.bytes = (self.bytes or 0) + (other.bytes or 0)
        self.dropped_rows += other.dropped_rows
        self.unselected_rows += other.unselected_rows
        self.nan_as_null += other.nan_as_null
        self.skipped_rows += other.skipped_rows - len(other.bad_rows)
        self.advance(other.rows, other.bad_rows, other.kept_rows)

    def skip(self, bad_rows: list[tuple[int, str]]) -> None:
        """Add bad rows that are left out."""
        self.skipped_rows += len(bad_rows)
        self.bad_rows += bad_rows[: TOLD - len(self.bad_rows)]

    def count(self, what: str, column: str, cells: int) -> None:
        """Add so many cells of a column to `what` happened."""
        if cells:
            self.cells.setdefault(what, Counter())[column] += cells

    def count_all(self, column: str, counts: Mapping[str, int]) -> None:
        """Add all counts of a column."""
        for what, cells in counts.items():
            self.count(what, column, cells)

    def cells_of_columns(self) -> dict[str, Counter[str]]:
        """`cells`, in one order whichever were met first: only those of `columns`."""
        in_order = dict.fromkeys([*KINDS, *sorted(self.cells)])
        counts = {what: self.cells.get(what, Counter()) for what in in_order}
        found = {
            what: Counter({name: of[name] for name in self.columns if of[name]})
            for what, of in counts.items()
        }
        return {what: of for what, of in found.items() if of}

    @property
    def rate(self) -> float | None:
        """Megabytes (10**6) read a second."""
        return self.bytes / self.seconds / 1e6 if self.bytes and self.seconds else None
