"""What columns hold: statistics of all chunks of all tables, folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby
from typing import Any

from normcli.engines.local import Engine
from normcli.errors import DataError, UsageError
from normcli.formats.base import BadRowError, Chunk, NotNumbers, Table
from normcli.methods.chain import Chain
from normcli.methods.spelling import Asked, Methods, refuse_unknown_names
from normcli.numerics.doubles import count_outside
from normcli.numerics.numbers import Numbers
from normcli.numerics.total import Exact
from normcli.pipeline.choice import Choice, engine_for, good_rows, infinite, read_chunk, refuse_type
from normcli.pipeline.collect import (
    MOMENTS,
    Columns,
    Found,
    Need,
    canonical,
    groups_of,
    needs_of,
    value_of,
)
from normcli.pipeline.enough import refuse_no_number
from normcli.pipeline.roles import Chosen, Places, Roles
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import Statistics
from normcli.statistics.base import Means, Rows
from normcli.statistics.column import ColumnStatistics
from normcli.words import did_you_mean, printable

MEMORY = 1 << 24  # numbers that a fit may hold, where it needs them again: 128 MiB

Bounds = tuple[Exact, Exact] | None


@dataclass(frozen=True)
class Task:
    """A chunk to look at.

    columns: the number of a wanted column -> its position.
    places: of the columns that say something of rows.
    """

    chunk: Chunk
    columns: dict[int, int]
    places: Places


@dataclass(frozen=True)
class Wanted:
    """What one pass collects, and of which columns.

    names: of the columns, which all tables need; their places are the numbers of the columns.
    only: the numbers of those that are read; None: all.
    later: what is collected when these needs are met.
    """

    names: tuple[str, ...]
    needs: tuple[Need, ...] = MOMENTS
    only: frozenset[int] | None = None
    later: tuple[Need, ...] = ()

    @classmethod
    def of(
        cls, table: Table, choice: Choice, asked: Asked | None = None, means: Means | None = None
    ) -> Wanted:
        """What a table with these columns needs; raises NormcliError where none is wanted."""
        wanted = choice.wanted_of(table)
        if not table.columns:
            raise DataError(f"{table.name}: there is no column in it")
        if not wanted:
            raise UsageError("--select and --exclude leave no column")
        names = tuple(table.columns[i] for i in wanted)
        if asked is None:
            return cls(names)
        methods = asked.methods(table.columns, "the table")
        needs = needs_of(names, methods, asked.more, choice.roles.beside)
        now, later = (tuple(n for n in needs if n.later == late) for late in (False, True))
        if later and choice.roles.by:
            raise UsageError(
                f"{later[0].maps[-1].name} before another method cannot be fitted by groups: leave "
                "out --by, or give the groups one by one"
            )
        means = replace(means or Means(), exact=asked.exact)
        _shared(choice.roles, names, methods)
        return cls(names, now, later=later)._prepared(means)

    def _prepared(self, means: Means) -> Wanted:
        """With the recipes for these means, of whose memory each gets an equal share."""
        share = replace(means, memory=means.memory // max(1, len(self.needs) - 1))

        def prepared(needs: tuple[Need, ...]) -> tuple[Need, ...]:
            return tuple(replace(need, recipe=need.recipe.prepared(share)) for need in needs)

        return replace(self, needs=prepared(self.needs), later=prepared(self.later))

    def alive(self, found: Found) -> list[int]:
        """The columns that are numbers so far, of those that are read."""
        numbers = range(len(self.names)) if self.only is None else sorted(self.only)
        return [i for i in numbers if i not in found.others]

    def next(self, found: Found, columns: Columns) -> Wanted | None:
        """What has to be found out in another pass; None where nothing has.

        columns: what is known so far.
        """
        needs = []
        for need in self.needs:
            values = {
                (group, i): value
                for group, each in columns.items()
                for i, column in each.items()
                if need.columns is None or i in need.columns
                if (value := value_of(column, need)) is not None
            }
            if recipe := need.recipe.next(values):
                needs.append(replace(need, recipe=recipe))
        later = self.later
        if not needs:
            kept = _kept(columns[()], later)
            needs, later = [_made(need, kept) for need in later], ()
        if not needs:
            return None
        everything = frozenset(range(len(self.names)))
        only = frozenset[int]().union(*(need.columns or everything for need in needs))
        return Wanted(self.names, tuple(needs), only - found.others.keys(), later)


def _kept(
    columns: Mapping[int, ColumnStatistics], later: Sequence[Need]
) -> dict[int, ColumnStatistics]:
    """What the statistics will keep of columns, when they have what `later` needs ask for, too."""
    among = Counter(name for column in columns.values() for name in column.names())
    for need in later:
        among[need.recipe.name] += sum(
            columns[i].count > 0 for i in need.columns or () if i in columns
        )
    return {i: column.kept(among) for i, column in columns.items()}


def _made(need: Need, columns: Mapping[int, ColumnStatistics]) -> Need:
    """The need with the mappings of its columns, of which enough is known now."""
    own = need.columns or ()
    chain = Chain(need.maps)
    return replace(need, made={i: chain.mapping(c) for i, c in columns.items() if i in own})


@dataclass(frozen=True)
class Look:
    """Work: a `Task` -> what was `Found`.

    bounds: the number of a column that must hold numbers -> numbers outside of these are
        counted (None: there are no bounds). Its cells are read as `Scale` would read them.
    """

    needs: tuple[Need, ...]
    choice: Choice
    bounds: Mapping[int, Bounds]

    def __call__(self, task: Task) -> Found:
        """Look at one chunk."""
        columns, strict = task.columns, self._strict
        positions = list(columns.values())
        whole, bad_rows = good_rows(task.chunk, positions if strict else (), self.choice)
        chosen = self._chosen(whole, task)
        chunk = chosen.chunk
        read = read_chunk(chunk, positions, self.choice) if strict else self._read(chunk, columns)
        cells = dict(zip(columns, read, strict=True))
        numbers = {i: x for i, x in cells.items() if isinstance(x, Numbers)}
        rows = Rows(numbers, chosen.labels, chosen.weights, chosen.left_out)
        found = Found.of(rows, self.needs, chunk, columns)
        self._note_infinite(found, chunk, columns, numbers)
        found.rows, found.bad_rows = chosen.rows, bad_rows
        found.unselected, found.kept_rows = whole.rows - chosen.rows, whole.kept_rows
        found.others = {i: x for i, x in cells.items() if isinstance(x, NotNumbers)}
        found.outside = {
            i: count_outside(x, *ends) for i, x in numbers.items() if (ends := self.bounds.get(i))
        }
        return found

    def _chosen(self, chunk: Chunk, task: Task) -> Chosen:
        """The rows that are fitted.

        Where a condition or a weight cannot be read, what is wrong with the rows before it
        comes first.
        """
        try:
            return task.places.chosen(chunk)
        except BadRowError as error:
            if error.row:
                self(replace(task, chunk=chunk.slice(0, error.row)))
            raise

    @property
    def _strict(self) -> bool:
        """Is a cell that is not a number an error, not a reason to leave its column alone?"""
        return bool(self.choice.select)

    def _read(self, chunk: Chunk, columns: Mapping[int, int]) -> list[Numbers | NotNumbers]:
        found = chunk.observe(list(columns.values()))
        for place, (i, position) in enumerate(columns.items()):
            if isinstance(found[place], NotNumbers) and i in self.bounds:
                with suppress(DataError):  # numbers with leading zeros are numbers here
                    found[place] = chunk.numbers([position])[0]
        return found

    def _note_infinite(
        self,
        found: Found,
        chunk: Chunk,
        positions: Mapping[int, int],
        numbers: Mapping[int, Numbers],
    ) -> None:
        """Note the first infinite number of each column; raises for the first one if strict."""
        moments = found.folds[0].state
        if (
            self.needs[0] not in MOMENTS
            or moments is None
            or (counts := moments.infinities) is None
        ):
            return  # in a later pass all is known
        cells = {positions[i]: x for i, x in numbers.items()}
        errors = infinite(chunk, cells, counts, self.choice)
        columns = {position: i for i, position in positions.items()}
        found.problems |= {columns[position]: error for position, error in errors.items()}
        in_order = sorted(found.problems.items(), key=lambda item: item[1].row)
        found.problems = dict(in_order)
        if self._strict and in_order:
            raise in_order[0][1]


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
    *,
    once: bool = False,
) -> tuple[Statistics, Summary]:
    """The exact statistics of the chosen columns of all tables.

    Without a selection these are the columns all of whose cells are numbers or missing.

    tables: are gone through once, or as often as the recipes ask for: see `Tables`.
    summary: is filled; None: a new one.
    once: the tables can be read only once, unless `Asked.passes` says otherwise.
    """
    summary = Summary() if summary is None else summary
    waiting = iter(tables)
    first = next(waiting, None)
    if first is None:
        raise UsageError("there is no input")
    wanted = Wanted.of(first, choice, asked, Means(MEMORY, spools=once))
    found = observe(chain([first], waiting), wanted, choice, summary, engine)

    def again(more: Wanted) -> Found:
        return observe(tables, more, choice, Summary(watch=summary.watch), engine)

    return fitted(wanted, found, asked, choice, summary, again), summary


def fitted(
    wanted: Wanted,
    found: Found,
    asked: Asked,
    choice: Choice,
    summary: Summary,
    again: Callable[[Wanted], Found],
) -> Statistics:
    """The statistics of what was found; fills `summary`.

    again: makes another pass over the same rows.

    Raises: DataError where there is no column of numbers, or one has an infinite number, and
        where there is no number at all, unless the choice allows that.
    """
    choice.most_bad.refuse(summary)
    found.refuse_problems()
    if summary.unselected_rows and not summary.rows:
        raise DataError("--where: none of the rows fulfils the condition")
    chosen = _chosen(wanted.names, found, summary)
    columns = found.columns(len(wanted.names), wanted.needs)
    if not choice.allow_empty:
        refuse_no_number(summary, (columns[()][i] for i in chosen.values()))
    more: Wanted | None = wanted
    while more and (more := more.next(found, columns)):
        found = again(more)
        found.refuse_problems()
        columns = found.columns(len(more.names), more.needs, columns)
    count_statistics({name: columns[()][i] for name, i in chosen.items()}, summary)
    methods = asked.methods(wanted.names, "the table")
    known = {name: _given(methods, name) or columns[()][i] for name, i in chosen.items()}
    statistics = Statistics(
        summary.rows,
        known,
        replace(methods.default, given={}),
        _own(methods, chosen, summary.left),
        groups_of(columns, chosen, known),
        {
            **choice.roles.options,
            **_shared(choice.roles, list(known), methods),
            **choice.marks.options,
            **_told(asked.missing),
        },
    ).kept()
    refuse_unknown_names(methods.default, statistics.columns)
    summary.columns = list(statistics.columns)
    return statistics


def _told(missing: str) -> dict[str, str]:
    """What the sidecar says of missing cells, where that was asked for."""
    return {} if missing == "keep" else {"missing": missing}


def _shared(roles: Roles, columns: Sequence[str], methods: Methods) -> dict[str, Any]:
    """What the sidecar says of columns that have one scale together.

    Raises: UsageError where these have different methods, or one that cannot share a scale.
    """
    lists = roles.shared(columns)
    for names in lists:
        first, *others = (methods.of(name) for name in names)
        for name, method in zip(names[1:], others, strict=True):
            if method != first:
                raise UsageError(
                    f"--share: {printable(names[0])} and {printable(name)} have different methods, "
                    f"{first.spelling} and {method.spelling}; one scale needs one method"
                )
        if not all(recipe.shares for recipe in first.needs(names[0])):
            raise UsageError(
                f"--share does not go with {first.spelling}: what it needs of several columns "
                "cannot be told from that of each"
            )
    return {"share": lists} if lists else {}


def _given(methods: Methods, name: str) -> ColumnStatistics | None:
    """The numbers that were given for a column, if any."""
    given = methods.of(name).given
    return ColumnStatistics(given=given) if given else None


def _own(methods: Methods, chosen: Mapping[str, int], left: Mapping[str, str]) -> dict[str, Any]:
    """The methods of single columns; raises UsageError where one that was named is not chosen."""
    for name in sorted(methods.named - chosen.keys()):
        why = left.get(name, "not a column of numbers")
        raise UsageError(
            f"--column {printable(name)}: it is left alone ({why})." + did_you_mean(name, chosen)
        )
    own = {name: method for name, method in methods.own.items() if name in chosen}
    return {name: replace(method, given={}) for name, method in own.items()}


def observe(
    tables: Iterable[Table],
    wanted: Wanted,
    choice: Choice,
    summary: Summary,
    engine: Engine | None = None,
    bounds: Mapping[str, Bounds] | None = None,
) -> Found:
    """What the wanted columns of all tables hold, in one pass.

    bounds: columns that must hold numbers -> numbers outside of these are counted
        as "out_of_range" in `summary` (None: there are no bounds).
    """
    found, bounds = Found.nothing(wanted.needs), bounds or {}
    limits = {i: bounds[name] for i, name in enumerate(wanted.names) if name in bounds}
    look = Look(wanted.needs, choice, limits)
    for same, alike in groupby(tables, partial(engine_for, engine)):
        tasks = (
            task
            for table in alike
            for task in _tasks(table, wanted, choice, found, summary, limits)
        )
        with closing(same.map(look, tasks)) as results:
            for seen in results:
                found.join(seen)
                choice.roles.refuse_many(found.groups, len(wanted.alive(found)))
                for i, cells in seen.outside.items():
                    summary.count("out_of_range", wanted.names[i], cells)
                for i, counts in seen.counts.items():
                    summary.count_all(wanted.names[i], counts)
                summary.unselected_rows += seen.unselected
                summary.advance(seen.rows, seen.bad_rows, seen.kept_rows)
    return found


def _tasks(
    table: Table,
    wanted: Wanted,
    choice: Choice,
    found: Found,
    summary: Summary,
    needed: Container[int],
) -> Iterator[Task]:
    """The chunks of a table, each with the columns that hold only numbers so far.

    needed: the numbers of columns that are not set aside, whatever they are.
    """
    summary.begin(table)
    chosen = choice.wanted_of(table)
    summary.left.update(dict.fromkeys(table.partition, "partition"))
    places, roles = choice.roles.places(table), choice.roles.names
    for i in sorted(set(range(len(table.columns))).difference(chosen)):
        name, why = table.columns[i], "not selected" if choice.select else "excluded"
        summary.left.setdefault(name, roles.get(name, why))
    found.orders |= table.orders
    positions = _positions(table, chosen, wanted.names, found, choice)
    for i, kind in choice.set_aside(table).items():
        found.others |= {
            n: NotNumbers(kind) for n, p in positions.items() if p == i and n not in needed
        }
    for chunk in table.chunks([*(positions[i] for i in wanted.alive(found)), *places]):
        yield Task(chunk, {i: positions[i] for i in wanted.alive(found)}, places)


def refuse_roles(roles: Roles, asked: Asked) -> None:
    """Raise UsageError where a method does not go with what columns say of rows."""
    given = [option for option in ("by", "where", "weight") if getattr(roles, option)]
    for method in asked.all() if given else ():
        if method.trains:
            raise UsageError(
                f"--{given[0]} does not go with {method.spelling} in training mode, which scales "
                "every batch of rows by its own statistics"
            )
        recipes = method.needs("")
        weighed = method.weighed and all(recipe.weighs(roles.weight_kind) for recipe in recipes)
        if roles.weight and not weighed:
            raise UsageError(
                f"--weight does not go with {method.spelling}: it has no definition for weights "
                f"of the kind {roles.weight_kind}"
            )
    if roles.weight and not all(recipe.weighs(roles.weight_kind) for recipe in asked.more):
        raise UsageError(
            "--weight does not go with quantiles, which --missing median and --at need: they have "
            f"no definition for weights of the kind {roles.weight_kind}"
        )


def refuse_absent(table: Table, choice: Choice, asked: Asked) -> None:
    """Raise UsageError for a column that is asked for and is not in the table."""
    choice.wanted_of(table)
    choice.roles.places(table)
    asked.methods(table.columns, "the table")


def _positions(
    table: Table, chosen: list[int], names: Sequence[str], found: Found, choice: Choice
) -> dict[int, int]:
    """The number of a column -> its position in this table; raises DataError where they differ."""
    here = [table.columns[i] for i in chosen]
    if here != list(names):
        found.orders |= {tuple(here)}
        _refuse_other_columns(table, here, names)
    places: dict[str, list[int]] = {}  # several where columns have one name
    for position in reversed(chosen):
        places.setdefault(table.columns[position], []).append(position)
    positions = {i: places[name].pop() for i, name in enumerate(names)}
    for i, position in positions.items():
        if choice.select:
            refuse_type(table, position)
        if position in table.others:
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
            + (summary.hint or _way_to_read(names, found))
        )
    return {name: chosen[name] for name in canonical(list(chosen), found.orders)}


def _way_to_read(names: Sequence[str], found: Found) -> str:
    """What to try where no column holds numbers only."""
    for i, seen in sorted(found.others.items()):
        if "--" in seen.reason:  # it names the options with which this is a number
            options = seen.reason[seen.reason.index("--") :]
            return f"To read {printable(names[i])} as numbers, add {options}"
    return "Choose some with --select, or see --delimiter"


def why(seen: NotNumbers) -> str:
    """Why a column was left alone, in a few words."""
    if not seen.where:
        return seen.reason
    return f"{seen.reason}: {printable(seen.text, 20)} at {seen.where}"


def count_statistics(columns: Mapping[str, ColumnStatistics], summary: Summary) -> None:
    """Add the cells of these columns that are no finite numbers to the summary."""
    for name, column in columns.items():
        counts = {"missing": column.missing, "nan": column.nan, "inf": column.inf}
        summary.count_all(name, {**counts, "zero_weight": column.moments.left_out})
        if column.constant:
            summary.constant.append(name)
