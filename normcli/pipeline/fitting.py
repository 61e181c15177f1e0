"""What columns hold: statistics of all chunks of all tables, folded."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

from normcli.engines.local import Engine
from normcli.errors import DataError, UsageError
from normcli.formats.base import BadRowError, Chunk, NotNumbers, Table
from normcli.methods.base import Method
from normcli.numerics.doubles import count_outside
from normcli.numerics.numbers import Numbers
from normcli.numerics.total import Exact
from normcli.pipeline.choice import (
    Choice,
    engine_for,
    good_rows,
    infinite,
    read_chunk,
    refuse_infinite,
)
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import Statistics
from normcli.statistics.moments import ColumnStatistics, Fold, TableStatistics
from normcli.words import did_you_mean, printable


@dataclass(frozen=True)
class Seen:
    """What a chunk holds: the statistics of its columns of numbers, and why others are none."""

    rows: int
    statistics: TableStatistics
    others: dict[int, NotNumbers]  # position -> why the column is not in `statistics`
    bad_rows: list[tuple[int, str]]
    outside: dict[int, int]  # position -> numbers outside the bounds of that column
    infinite: dict[int, BadRowError]  # position -> that of its first infinite number; in order


Bounds = tuple[Exact, Exact] | None


@dataclass(frozen=True)
class Task:
    """A chunk, and the positions of the columns that are wanted of it.

    bounds: position of a column that is one of numbers -> numbers outside of these are
        counted (None: there are no bounds). Its cells are read as `Scale` would read them.
    """

    chunk: Chunk
    columns: tuple[int, ...]
    bounds: Mapping[int, Bounds]


@dataclass(frozen=True)
class See:
    """Work: a `Task` -> `Seen`.

    strict: a cell that is no number is an error, not a reason to leave its column alone.
    """

    strict: bool
    choice: Choice

    def __call__(self, task: Task) -> Seen:
        """See one chunk."""
        columns = task.columns
        chunk, bad_rows = good_rows(task.chunk, columns if self.strict else (), self.choice)
        read = read_chunk if self.strict else partial(_observed, task.bounds)
        found = dict(zip(columns, read(chunk, columns, self.choice), strict=True))
        numbers = {column: x for column, x in found.items() if isinstance(x, Numbers)}
        statistics = TableStatistics.of(list(numbers.values()))
        if self.strict:
            refuse_infinite(chunk, numbers, statistics.inf, self.choice)
        return Seen(
            chunk.rows,
            statistics,
            {column: x for column, x in found.items() if isinstance(x, NotNumbers)},
            bad_rows,
            _outside(task.bounds, numbers),
            infinite(chunk, numbers, statistics.inf, self.choice),
        )


def _observed(
    bounds: Mapping[int, Bounds], chunk: Chunk, columns: Sequence[int], _: Choice
) -> Sequence[Numbers | NotNumbers]:
    found = chunk.observe(columns)
    for i, column in enumerate(columns):
        if isinstance(found[i], NotNumbers) and column in bounds:
            with suppress(DataError):  # numbers with leading zeros are numbers here
                found[i] = chunk.numbers([column])[0]
    return found


def _outside(bounds: Mapping[int, Bounds], numbers: Mapping[int, Numbers]) -> dict[int, int]:
    return {
        column: count_outside(x, *limits)
        for column, x in numbers.items()
        if (limits := bounds.get(column))
    }


@dataclass
class Observed:
    """The columns of some tables, by name, and what has been seen of each.

    infinite: column -> the error for its first infinite number; those of first rows first. It
        is a problem only where the column turns out to be one of numbers.
    sorted: tables had the columns in different orders.
    """

    names: list[str]
    seen: list[ColumnStatistics | NotNumbers]
    infinite: dict[int, BadRowError] = field(default_factory=dict)
    sorted: bool = False

    @classmethod
    def unseen(cls, names: Sequence[str]) -> Observed:
        """Columns of which no row has been seen."""
        return cls(list(names), [ColumnStatistics() for _ in names])

    def merge(
        self, positions: Sequence[int], parts: Sequence[ColumnStatistics | NotNumbers]
    ) -> None:
        """Add what more rows hold in some columns; one that is no column of numbers stays so."""
        for i, part in zip(positions, parts, strict=True):
            have = self.seen[i]
            if isinstance(have, ColumnStatistics):
                self.seen[i] = have.merge(part) if isinstance(part, ColumnStatistics) else part

    def join(self, other: Observed) -> None:
        """Add what was observed of the same columns in the rows that follow."""
        self.merge(range(len(self.names)), other.seen)
        self.note_infinite(other.infinite)
        self.sorted |= other.sorted

    def note_infinite(self, found: Mapping[int, BadRowError]) -> None:
        """Keep what is new of the infinite numbers of the rows that follow."""
        for i, error in found.items():
            self.infinite.setdefault(i, error)

    def refuse_infinite(self) -> None:
        """Raise DataError for the first infinite number in a column of numbers."""
        alive = set(self.alive())
        for i, error in self.infinite.items():
            if i in alive:
                raise error

    def alive(self) -> list[int]:
        """The columns that are numbers so far."""
        return [i for i, seen in enumerate(self.seen) if isinstance(seen, ColumnStatistics)]


def fit(
    tables: Iterable[Table],
    choice: Choice,
    method: Method,
    column_methods: Mapping[str, Method],
    engine: Engine | None = None,
    summary: Summary | None = None,
) -> tuple[Statistics, Summary]:
    """The exact statistics of the chosen columns of all tables, in one pass.

    Without a selection these are the columns all of whose cells are numbers or missing.
    summary: what is to be filled; None: a new one.
    """
    summary = Summary() if summary is None else summary
    columns = observe(tables, choice, summary, engine)
    return fitted(columns, method, column_methods, summary), summary


def fitted(
    columns: Observed, method: Method, column_methods: Mapping[str, Method], summary: Summary
) -> Statistics:
    """The statistics of what was observed; fills `summary`.

    Raises: DataError where there is no column of numbers, or an infinite number in one.
    """
    columns.refuse_infinite()
    chosen = _chosen(columns, summary)
    statistics = Statistics(summary.rows, chosen, method, _known(column_methods, chosen))
    summary.columns = list(statistics.columns)
    count_statistics(statistics.columns, summary)
    return statistics


def observe(
    tables: Iterable[Table],
    choice: Choice,
    summary: Summary,
    engine: Engine | None = None,
    bounds: Mapping[str, Bounds] | None = None,
    names: Sequence[str] = (),
) -> Observed:
    """What the wanted columns of all tables hold, in one pass.

    bounds: columns that are known to be of numbers -> numbers outside of these are counted
        as "out_of_range" in `summary` (None: there are no bounds).
    names: of the wanted columns, which all tables need; empty: those that the first one has.
    """
    observing = _Observing(choice, summary, bounds or {}, names)
    for same, alike in groupby(tables, partial(engine_for, engine)):
        observing.add(alike, same)
    return observing.columns()


def wanted_names(table: Table, choice: Choice) -> list[str]:
    """The names of the wanted columns of a table; raises NormcliError where there is none."""
    wanted = choice.wanted(table.columns)
    if not table.columns:
        raise DataError(f"{table.name}: there is no column in it")
    if not wanted:
        raise UsageError("--select and --exclude leave no column")
    return [table.columns[i] for i in wanted]


def _bounds_by_position(bounds: Mapping[str, Bounds], table: Table) -> dict[int, Bounds]:
    return {i: bounds[name] for i, name in enumerate(table.columns) if name in bounds}


def _same_columns(
    table: Table, wanted: list[int], columns: Observed, choice: Choice
) -> dict[int, int]:
    """Position in the fit -> position in this table; raises DataError where they differ."""
    names = [table.columns[i] for i in wanted]
    positions = {i: wanted[place] for i, place in _places(table.name, names, columns).items()}
    for i, place in positions.items():
        if place in table.others:
            if choice.select:
                raise DataError(
                    f"{table.name}: column {printable(columns.names[i])} is of type "
                    f"{table.others[place]}, not numbers"
                )
            columns.seen[i] = NotNumbers(table.others[place])
    return positions


def _places(table: str, names: Sequence[str], columns: Observed) -> dict[int, int]:
    """Position in `columns` -> position in `names`, which another table has."""
    if names != columns.names:
        columns.sorted = True
        odd = Counter(columns.names) - Counter(names) or Counter(names) - Counter(columns.names)
        if odd:
            name = printable(next(iter(odd)))
            has = "has no" if next(iter(odd)) in columns.names else "alone has the"
            raise DataError(
                f"{table}: this table {has} column {name}; all inputs of one fit need the "
                f"same columns\nTo leave it alone, --exclude it; or fit each by itself"
            )
    places = {key: place for place, key in enumerate(_numbered(names))}
    return {i: places[key] for i, key in enumerate(_numbered(columns.names))}


def _numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    """The names with a number, so that equal names are told apart."""
    seen: Counter[str] = Counter()
    keys = []
    for name in names:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


class _Observing:
    """Tables, one after the other, that the same workers see."""

    def __init__(
        self,
        choice: Choice,
        summary: Summary,
        bounds: Mapping[str, Bounds],
        names: Sequence[str],
    ) -> None:
        self._choice, self._summary, self._bounds = choice, summary, bounds
        self._columns = Observed.unseen(names) if names else None
        self._fold = Fold(len(names))

    def add(self, tables: Iterable[Table], engine: Engine) -> None:
        """Add what tables hold."""
        asked: deque[tuple[Table, dict[int, int], list[int]]] = deque()
        see = See(bool(self._choice.select), self._choice)
        with closing(engine.map(see, self._tasks(tables, asked))) as results:
            for seen in results:
                self._add(seen, *asked.popleft())

    def columns(self) -> Observed:
        """What has been observed."""
        if self._columns is None:
            raise UsageError("there is no input")
        self._columns.merge(range(len(self._columns.names)), self._fold.columns())
        return self._columns

    def _tasks(
        self, tables: Iterable[Table], asked: deque[tuple[Table, dict[int, int], list[int]]]
    ) -> Iterator[Task]:
        for table in tables:
            columns, places = self._begin(table)
            bounds = _bounds_by_position(self._bounds, table)
            # What is known not to be numbers by now is not asked for again.
            for chunk in table.chunks([places[i] for i in columns.alive()]):
                alive = columns.alive()
                asked.append((table, places, alive))
                yield Task(chunk, tuple(places[i] for i in alive), bounds)

    def _begin(self, table: Table) -> tuple[Observed, dict[int, int]]:
        """All columns so far, and where they are in this table."""
        self._summary.inputs.append((table.name, table.format))
        wanted = self._choice.wanted(table.columns)
        self._note_left(table, wanted)
        if self._columns is None:
            self._columns = Observed.unseen(wanted_names(table, self._choice))
            self._fold = Fold(len(self._columns.names))
        return self._columns, _same_columns(table, wanted, self._columns, self._choice)

    def _note_left(self, table: Table, wanted: list[int]) -> None:
        left = self._summary.left
        left.update(dict.fromkeys(table.partition, "partition"))
        for i in sorted(set(range(len(table.columns))).difference(wanted)):
            left.setdefault(table.columns[i], "not selected" if self._choice.select else "excluded")

    def _add(self, seen: Seen, table: Table, places: Mapping[int, int], asked: list[int]) -> None:
        assert self._columns is not None
        others = [i for i in asked if places[i] in seen.others]
        self._columns.merge(others, [seen.others[places[i]] for i in others])
        self._fold.add(seen.statistics, [i for i in asked if places[i] not in seen.others])
        columns = {place: i for i, place in places.items()}
        self._columns.note_infinite({columns[place]: e for place, e in seen.infinite.items()})
        for position, cells in seen.outside.items():
            self._summary.count("out_of_range", table.columns[position], cells)
        self._summary.advance(seen.rows, seen.bad_rows)


def _chosen(columns: Observed, summary: Summary) -> dict[str, ColumnStatistics]:
    """The columns that are numbers, by name; raises DataError where there is none."""
    chosen: dict[str, ColumnStatistics] = {}
    repeated = Counter(columns.names)
    for name, seen in zip(columns.names, columns.seen, strict=True):
        if isinstance(seen, NotNumbers):
            summary.left.setdefault(name, why(seen))
        elif repeated[name] > 1:
            raise DataError(
                f"{repeated[name]} columns are named {printable(name)}, and a column of numbers "
                "is among them\nRename them, --exclude them, or use --no-header and positions"
            )
        else:
            chosen[name] = seen
    if not chosen:
        reasons = ", ".join(
            f"{printable(n, 30)} ({why})" for n, why in list(summary.left.items())[:5]
        )
        raise DataError(
            f"no column holds numbers only: {reasons}\n"
            "Choose some with --select, or see --delimiter"
        )
    return {name: chosen[name] for name in sorted(chosen)} if columns.sorted else chosen


def why(seen: NotNumbers) -> str:
    """Why a column was left alone, in a few words."""
    if not seen.where:
        return seen.reason
    return f"{seen.reason}: {printable(seen.text, 20)} at {seen.where}"


def _known(column_methods: Mapping[str, Method], chosen: Mapping[str, Any]) -> dict[str, Method]:
    """The methods of single columns; raises UsageError for one of no column."""
    for name in column_methods:
        if name not in chosen:
            raise UsageError(
                f"--column {printable(name)}: this is no column of numbers."
                + did_you_mean(name, chosen)
            )
    return dict(column_methods)


def count_statistics(columns: Mapping[str, ColumnStatistics], summary: Summary) -> None:
    """Add the cells of these columns that are no finite numbers to the summary."""
    for name, column in columns.items():
        summary.count_all(name, {"missing": column.missing, "nan": column.nan, "inf": column.inf})
        if column.constant:
            summary.constant.append(name)
