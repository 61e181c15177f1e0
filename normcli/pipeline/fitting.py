"""What columns hold: statistics of all chunks of all tables, folded."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any

from normcli.engines.local import Engine
from normcli.errors import DataError, UsageError
from normcli.formats.base import Chunk, NotNumbers, Table
from normcli.methods.spelling import Asked, Methods, refuse_unknown_names
from normcli.numerics.doubles import count_outside
from normcli.numerics.numbers import Numbers
from normcli.numerics.total import Exact
from normcli.pipeline.choice import (
    Choice,
    engine_for,
    good_rows,
    infinite,
    read_chunk,
)
from normcli.pipeline.collect import MOMENTS, Found, Need, needs_of
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import GroupStatistics, Statistics
from normcli.statistics.base import Rows
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.moments import MomentsState
from normcli.words import did_you_mean, printable

Bounds = tuple[Exact, Exact] | None


@dataclass(frozen=True)
class Wanted:
    """What is to be found out about which columns, in one pass.

    names: of the columns, which all tables need; their places are the numbers of the columns.
    only: the numbers of those that are read; None: all.
    """

    names: tuple[str, ...]
    needs: tuple[Need, ...] = MOMENTS
    only: frozenset[int] | None = None

    @classmethod
    def of(cls, table: Table, choice: Choice, asked: Asked | None = None) -> Wanted:
        """What a table with these columns needs; raises NormcliError where there is none."""
        names = tuple(wanted_names(table, choice))
        if asked is None:
            return cls(names)
        return cls(names, needs_of(names, asked.methods(table.columns, "the table")))

    def alive(self, found: Found) -> list[int]:
        """The columns that are numbers so far, of those that are read."""
        numbers = range(len(self.names)) if self.only is None else sorted(self.only)
        return [i for i in numbers if i not in found.others]

    def next(self, found: Found) -> Wanted | None:
        """What has to be found out in another pass; None where nothing has."""
        needs = []
        for need, fold in zip(self.needs, found.folds, strict=True):
            values = {key: v for key, v in fold.values().items() if key[1] not in found.others}
            if recipe := need.recipe.next(values):
                needs.append(replace(need, recipe=recipe))
        if not needs:
            return None
        everything = frozenset(range(len(self.names)))
        only = frozenset[int]().union(*(need.columns or everything for need in needs))
        return Wanted(self.names, tuple(needs), only - found.others.keys())


@dataclass(frozen=True)
class Task:
    """A chunk, and the columns that are wanted of it.

    columns: the number of a column -> its position in the chunk.
    bounds: the number of a column that is one of numbers -> numbers outside of these are
        counted (None: there are no bounds). Its cells are read as `Scale` would read them.
    """

    chunk: Chunk
    columns: Mapping[int, int]
    bounds: Mapping[int, Bounds] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """Work: a `Task` -> what was `Found`.

    strict: a cell that is not a number is an error, not a reason to leave its column alone.
    """

    needs: tuple[Need, ...]
    strict: bool
    choice: Choice

    def __call__(self, task: Task) -> Found:
        """Look at one chunk."""
        positions = list(task.columns.values())
        chunk, bad_rows = good_rows(task.chunk, positions if self.strict else (), self.choice)
        read = read_chunk if self.strict else partial(_observed, self._bounded(task))
        cells = dict(zip(task.columns, read(chunk, positions, self.choice), strict=True))
        numbers = {i: x for i, x in cells.items() if isinstance(x, Numbers)}
        rows = Rows(numbers, chunk.labels(), chunk.weights())
        found = Found.of(rows, self.needs, chunk, task.columns)
        self._note_infinite(found, chunk, task, numbers)
        found.rows, found.bad_rows = chunk.rows, bad_rows
        found.others = {i: x for i, x in cells.items() if isinstance(x, NotNumbers)}
        found.outside = _outside(task.bounds, numbers)
        return found

    def _bounded(self, task: Task) -> set[int]:
        return {task.columns[i] for i in task.columns if i in task.bounds}

    def _note_infinite(
        self, found: Found, chunk: Chunk, task: Task, numbers: Mapping[int, Numbers]
    ) -> None:
        """Note the first infinite number of each column; raises for the first one if strict."""
        moments = found.folds[0].state
        if not isinstance(moments, MomentsState):
            return  # in a later pass all is known
        numbers_of = {task.columns[i]: x for i, x in numbers.items()}
        columns = {position: i for i, position in task.columns.items()}
        for position, error in infinite(chunk, numbers_of, moments.inf, self.choice).items():
            found.problems[columns[position]] = error
        in_order = sorted(found.problems.items(), key=lambda item: item[1].row)
        found.problems = dict(in_order)
        if self.strict and in_order:
            raise in_order[0][1]


def _observed(
    bounded: set[int], chunk: Chunk, positions: Sequence[int], _: Choice
) -> Sequence[Numbers | NotNumbers]:
    found = chunk.observe(positions)
    for i, position in enumerate(positions):
        if isinstance(found[i], NotNumbers) and position in bounded:
            with suppress(DataError):  # numbers with leading zeros are numbers here
                found[i] = chunk.numbers([position])[0]
    return found


def _outside(bounds: Mapping[int, Bounds], numbers: Mapping[int, Numbers]) -> dict[int, int]:
    return {i: count_outside(x, *limits) for i, x in numbers.items() if (limits := bounds.get(i))}


@dataclass(frozen=True)
class Tables:
    """Tables that can be read several times: they are opened anew for each pass."""

    opened: Callable[[], Iterator[Table]]

    def __iter__(self) -> Iterator[Table]:
        return self.opened()


def fit(
    tables: Iterable[Table],
    choice: Choice,
    asked: Asked,
    engine: Engine | None = None,
    summary: Summary | None = None,
) -> tuple[Statistics, Summary]:
    """The exact statistics of the chosen columns of all tables.

    Without a selection these are the columns all of whose cells are numbers or missing.

    tables: are gone through once, or as often as the methods ask for (`Asked.passes`): see
        `Tables`.
    summary: what is to be filled; None: a new one.
    """
    summary = Summary() if summary is None else summary
    wanted, found = observe(tables, choice, summary, engine, asked=asked)

    def again(more: Wanted) -> Found:
        return observe(tables, choice, Summary(watch=summary.watch), engine, wanted=more)[1]

    return fitted(wanted, found, asked, summary, again), summary


def fitted(
    wanted: Wanted,
    found: Found,
    asked: Asked,
    summary: Summary,
    again: Callable[[Wanted], Found],
) -> Statistics:
    """The statistics of what was found; fills `summary`.

    again: makes another pass over the same rows.

    Raises: DataError where there is no column of numbers, or one has an infinite number.
    """
    found.refuse_problems()
    chosen = _chosen(wanted.names, found, summary)
    columns = found.columns(len(wanted.names), wanted.needs)
    more: Wanted | None = wanted
    while more and (more := more.next(found)):
        found = again(more)
        found.refuse_problems()
        columns = found.columns(len(more.names), more.needs, columns)
    count_statistics({name: columns[()][i] for name, i in chosen.items()}, summary)
    methods = asked.methods(wanted.names, "the table")
    statistics = Statistics(
        summary.rows,
        {name: _given(methods, name) or columns[()][i] for name, i in chosen.items()},
        replace(methods.default, given={}),
        _own(methods, chosen),
        {
            group: GroupStatistics(
                next(iter(each.values())).cells, {name: each[i] for name, i in chosen.items()}
            )
            for group, each in sorted(columns.items())
            if group
        },
    )
    refuse_unknown_names(methods.default, statistics.columns)
    summary.columns = list(statistics.columns)
    return statistics


def _given(methods: Methods, name: str) -> ColumnStatistics | None:
    """The numbers that were given for a column, if any."""
    given = methods.of(name).given
    return ColumnStatistics(given=given) if given else None


def _own(methods: Methods, chosen: Mapping[str, int]) -> dict[str, Any]:
    """The methods of single columns; raises UsageError where one that was named is not chosen."""
    for name in sorted(methods.named - chosen.keys()):
        raise UsageError(
            f"--column {printable(name)}: this is not a column of numbers."
            + did_you_mean(name, chosen)
        )
    own = {name: method for name, method in methods.own.items() if name in chosen}
    return {name: replace(method, given={}) for name, method in own.items()}


def observe(
    tables: Iterable[Table],
    choice: Choice,
    summary: Summary,
    engine: Engine | None = None,
    bounds: Mapping[str, Bounds] | None = None,
    wanted: Wanted | None = None,
    asked: Asked | None = None,
) -> tuple[Wanted, Found]:
    """What the wanted columns of all tables hold, in one pass.

    bounds: columns that are known to be of numbers -> numbers outside of these are counted
        as "out_of_range" in `summary` (None: there are no bounds).
    wanted: what all tables need; None: what the first one has, and `asked` asks of it.
    """
    observing = _Observing(choice, summary, bounds or {}, asked, wanted)
    for same, alike in groupby(tables, partial(engine_for, engine)):
        observing.add(alike, same)
    if observing.wanted is None:
        raise UsageError("there is no input")
    return observing.wanted, observing.found


def refuse_absent(table: Table, choice: Choice, asked: Asked) -> None:
    """Raise UsageError for a column that is asked for and is not in the table."""
    choice.wanted(table.columns)
    asked.methods(table.columns, "the table")


def wanted_names(table: Table, choice: Choice) -> list[str]:
    """The names of the wanted columns of a table; raises NormcliError where there is none."""
    wanted = choice.wanted(table.columns)
    if not table.columns:
        raise DataError(f"{table.name}: there is no column in it")
    if not wanted:
        raise UsageError("--select and --exclude leave no column")
    return [table.columns[i] for i in wanted]


def _positions(
    table: Table, chosen: list[int], names: Sequence[str], found: Found, choice: Choice
) -> dict[int, int]:
    """The number of a column -> its position in this table; raises DataError where they differ."""
    here = [table.columns[i] for i in chosen]
    if here != list(names):
        found.sorted = True
        _refuse_other_columns(table, here, names)
    places = {key: place for place, key in enumerate(_numbered(here))}
    positions = {i: chosen[places[key]] for i, key in enumerate(_numbered(names))}
    for i, position in positions.items():
        if position in table.others:
            if choice.select:
                raise DataError(
                    f"{table.name}: column {printable(names[i])} is of type "
                    f"{table.others[position]}, not numbers"
                )
            found.others[i] = NotNumbers(table.others[position])
    return positions


def _refuse_other_columns(table: Table, here: Sequence[str], names: Sequence[str]) -> None:
    odd = Counter(names) - Counter(here) or Counter(here) - Counter(names)
    for name in odd:
        has = "has no" if name in names else "alone has the"
        raise DataError(
            f"{table.name}: this table {has} column {printable(name)}; all inputs of one fit need "
            "the same columns\nTo leave it alone, --exclude it; or fit each by itself"
        )


def _numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    """The names with a number, so that equal names are told apart."""
    seen: Counter[str] = Counter()
    keys = []
    for name in names:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


class _Observing:
    """One pass over tables, one after the other."""

    def __init__(
        self,
        choice: Choice,
        summary: Summary,
        bounds: Mapping[str, Bounds],
        asked: Asked | None,
        wanted: Wanted | None,
    ) -> None:
        self._choice, self._summary, self._bounds, self._asked = choice, summary, bounds, asked
        self.wanted = wanted
        self.found = Found.nothing(wanted.needs if wanted else ())

    def add(self, tables: Iterable[Table], engine: Engine) -> None:
        """Add what tables hold; the engine takes all of their chunks."""
        begun: deque[Table] = deque()
        tasks = self._tasks(tables, begun)
        for first in tasks:  # with it the needs are known
            look = Look(self._begun.needs, bool(self._choice.select), self._choice)
            with closing(engine.map(look, _chained(first, tasks))) as results:
                for found in results:
                    self._add(found, begun.popleft())

    @property
    def _begun(self) -> Wanted:
        assert self.wanted is not None, "a table has been begun"
        return self.wanted

    def _tasks(self, tables: Iterable[Table], begun: deque[Table]) -> Iterator[Task]:
        for table in tables:
            positions = self._begin(table)
            bounds = {
                i: self._bounds[name]
                for i, name in enumerate(self._begun.names)
                if name in self._bounds
            }
            # What is known not to be numbers by now is not asked for again.
            alive = self._begun.alive(self.found)
            for chunk in table.chunks([positions[i] for i in alive]):
                alive = self._begun.alive(self.found)
                begun.append(table)
                yield Task(chunk, {i: positions[i] for i in alive}, bounds)

    def _begin(self, table: Table) -> dict[int, int]:
        """The positions of all columns in this table, by their numbers."""
        self._summary.inputs.append((table.name, table.format))
        chosen = self._choice.wanted(table.columns)
        self._note_left(table, chosen)
        if self.wanted is None:
            self.wanted = Wanted.of(table, self._choice, self._asked)
            self.found = Found.nothing(self.wanted.needs)
        return _positions(table, chosen, self.wanted.names, self.found, self._choice)

    def _note_left(self, table: Table, chosen: list[int]) -> None:
        left = self._summary.left
        left.update(dict.fromkeys(table.partition, "partition"))
        for i in sorted(set(range(len(table.columns))).difference(chosen)):
            left.setdefault(table.columns[i], "not selected" if self._choice.select else "excluded")

    def _add(self, found: Found, table: Table) -> None:
        self.found.join(found)
        for i, cells in found.outside.items():
            self._summary.count("out_of_range", self._begun.names[i], cells)
        self._summary.advance(found.rows, found.bad_rows)


def _chained(first: Task, others: Iterator[Task]) -> Iterator[Task]:
    yield first
    yield from others


def _chosen(names: Sequence[str], found: Found, summary: Summary) -> dict[str, int]:
    """The columns of numbers, by name; raises DataError where there is none."""
    chosen: dict[str, int] = {}
    repeated = Counter(names)
    for i, name in enumerate(names):
        if i in found.others:
            summary.left.setdefault(name, why(found.others[i]))
        elif repeated[name] > 1:
            raise DataError(
                f"{repeated[name]} columns are named {printable(name)}, and a column of numbers "
                "is among them\nRename them, --exclude them, or use --no-header and positions"
            )
        else:
            chosen[name] = i
    if not chosen:
        reasons = ", ".join(
            f"{printable(n, 30)} ({why})" for n, why in list(summary.left.items())[:5]
        )
        raise DataError(
            f"no column holds numbers only: {reasons}\n"
            "Choose some with --select, or see --delimiter"
        )
    return {name: chosen[name] for name in sorted(chosen)} if found.sorted else chosen


def why(seen: NotNumbers) -> str:
    """Why a column was left alone, in a few words."""
    if not seen.where:
        return seen.reason
    return f"{seen.reason}: {printable(seen.text, 20)} at {seen.where}"


def count_statistics(columns: Mapping[str, ColumnStatistics], summary: Summary) -> None:
    """Add the cells of these columns that are no finite numbers to the summary."""
    for name, column in columns.items():
        summary.count_all(name, {"missing": column.missing, "nan": column.nan, "inf": column.inf})
        if column.constant:
            summary.constant.append(name)
