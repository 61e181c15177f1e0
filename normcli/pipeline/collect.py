"""What is collected of rows: recipes, each for some columns, folded over chunks and inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from normcli.errors import CellError
from normcli.formats.base import BadRowError, Chunk, NotNumbers
from normcli.methods.base import Method
from normcli.methods.chain import spelling
from normcli.methods.mapping import Composed, as_numbers, either
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.methods.spelling import Methods
from normcli.numerics.numbers import Numbers
from normcli.sidecar.model import GroupStatistics
from normcli.statistics.base import Folded, Group, Recipe, Rows, Value, in_order
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.moments import MomentsRecipe


@dataclass(frozen=True)
class Need:
    """A recipe for some columns.

    maps: it is about what these make of the numbers of a column.
    columns: their numbers; None: all.
    later: some of the maps have to be fitted before; `made` has the mapping of each column then.
    """

    recipe: Recipe
    maps: tuple[Method, ...] = ()
    columns: frozenset[int] | None = None
    later: bool = False
    made: Mapping[int, ColumnMapping] = field(default_factory=dict)


Columns = dict[Group, dict[int, ColumnStatistics]]
MOMENTS = (Need(MomentsRecipe()),)


def needs_of(
    names: Sequence[str],
    methods: Methods,
    more: Sequence[Recipe] = (),
    beside: Sequence[Recipe] = (),
) -> tuple[Need, ...]:
    """The moments of all columns, what their methods need besides, and `more` of all columns.

    beside: what is needed wherever moments are.
    """
    found: dict[tuple[Recipe, tuple[Method, ...], bool], set[int]] = {}
    for i, column in enumerate(names):
        method = methods.of(column)
        recipes: dict[tuple[str, tuple[Method, ...], bool], Recipe] = {}
        also = (*more, *beside)
        for recipe, maps, later in () if method.given else _needed(method, column, also):
            recipes[MomentsRecipe.name, maps, later] = MomentsRecipe()
            known = recipes.get((recipe.name, maps, later))
            recipes[recipe.name, maps, later] = known.also(recipe) if known else recipe
        for name, maps, later in list(recipes):
            if name == MomentsRecipe.name:
                recipes |= {(each.name, maps, later): each for each in beside}
        for (_, maps, later), recipe in recipes.items():
            found.setdefault((recipe, maps, later), set()).add(i)
    found.pop((MomentsRecipe(), (), False), None)
    return MOMENTS + tuple(
        Need(recipe, maps, frozenset(columns), later)
        for (recipe, maps, later), columns in found.items()
    )


def canonical(names: Sequence[str], orders: Iterable[Sequence[str]]) -> list[str]:
    """The names as they are where all rows have them all in this order; else sorted.

    So nothing tells in which order rows or inputs came.
    """
    wanted, known = list(names), set(names)
    same = all([name for name in order if name in known] == wanted for order in orders)
    return wanted if same else sorted(wanted)


def _needed(
    method: Method, name: str, more: Sequence[Recipe]
) -> Iterator[tuple[Recipe, tuple[Method, ...], bool]]:
    """The recipes of a column, what they are about, and whether that has to be fitted before."""
    for stage, (maps, recipes) in enumerate(method.stages(name)):
        yield from ((recipe, maps, stage > 0) for recipe in recipes)
    yield from ((recipe, (), False) for recipe in more)


@dataclass
class Found:
    """What some rows hold: folded over chunks, over fragments, and over inputs alike.

    Columns have the same numbers in all of them.

    folds: one for each need.
    others: column -> why it is not a column of numbers.
    problems: column -> the error for its first cell that is infinite, or outside of the domain
        of a map; those of first rows first. It is a problem only where the column turns out to
        be one of numbers.
    outside: column -> numbers outside its bounds.
    counts: column -> what maps tell of its numbers (see `Scaled`).
    unselected: rows that do not fulfil the condition of --where.
    orders: those in which inputs, or rows, had the columns, where they are not that of the first.
    """

    folds: list[Folded]
    rows: int = 0
    others: dict[int, NotNumbers] = field(default_factory=dict)
    problems: dict[int, BadRowError] = field(default_factory=dict)
    outside: dict[int, int] = field(default_factory=dict)
    counts: dict[int, Mapping[str, int]] = field(default_factory=dict)
    bad_rows: list[tuple[int, str]] = field(default_factory=list)
    unselected: int = 0
    kept_rows: int = 0
    orders: frozenset[tuple[str, ...]] = frozenset()

    @classmethod
    def nothing(cls, needs: Sequence[Need]) -> Found:
        """What no rows hold."""
        return cls([Folded() for _ in needs])

    @classmethod
    def of(
        cls, rows: Rows, needs: Sequence[Need], chunk: Chunk, positions: Mapping[int, int]
    ) -> Found:
        """What the columns of a chunk hold; `positions`: of the columns in the chunk."""
        found = cls.nothing(needs)
        for need, fold in zip(needs, found.folds, strict=True):
            columns = rows.columns
            if need.columns is not None:
                columns = {i: x for i, x in columns.items() if i in need.columns}
            if need.maps:
                columns = found._mapped(columns, need, chunk, positions)
            for i, x in columns.items():
                with found._noting(i, chunk, positions):
                    need.recipe.refuse(x)
            fold.state = need.recipe.of(replace(rows, columns=columns))
        return found

    def _mapped(
        self, columns: Mapping[int, Numbers], need: Need, chunk: Chunk, positions: Mapping[int, int]
    ) -> dict[int, Numbers]:
        """What maps make of some columns; a number that they refuse is a problem of its column."""
        mapped = {}
        made = Composed(tuple(m.mapping(ColumnStatistics()) for m in need.maps))
        for i, x in columns.items():
            mapped[i] = x
            with self._noting(i, chunk, positions):
                done = need.made.get(i, made).values(x)
                self.counts[i] = done.counts
                read = as_numbers(done.values, either(done.keep, done.null))
                mapped[i] = replace(read, missing=either(x.missing, done.null))
        return mapped

    @contextmanager
    def _noting(self, column: int, chunk: Chunk, positions: Mapping[int, int]) -> Iterator[None]:
        """Take an error of a number for a problem of its column."""
        try:
            yield
        except CellError as error:
            where = chunk.place(error.row, positions[column])
            self.problems[column] = BadRowError.at(error.row, f"{where} {error.why}")

    def join(self, other: Found) -> None:
        """Add what the rows that follow hold."""
        for mine, theirs in zip(self.folds, other.folds, strict=True):
            mine.join(theirs)
        for i, why in other.others.items():
            self.others.setdefault(i, why)
        for i, problem in other.problems.items():
            self.problems.setdefault(i, problem)
        self.orders |= other.orders

    @property
    def groups(self) -> int:
        """How many groups there are in the states that are not settled."""
        return max((len(fold.state.groups) for fold in self.folds if fold.state), default=0)

    def refuse_problems(self) -> None:
        """Raise DataError for the first problem of a column of numbers."""
        for i, error in self.problems.items():
            if i not in self.others:
                raise error

    def columns(self, count: int, needs: Sequence[Need], known: Columns | None = None) -> Columns:
        """What is known of `count` columns, of those of numbers: of all rows, and of each group.

        known: what was known of them before this pass.
        """
        alive = [i for i in range(count) if i not in self.others]
        found = known or {(): {i: ColumnStatistics() for i in alive}}
        for need, fold in zip(needs, self.folds, strict=True):
            for (group, i), value in fold.values().items():
                if i in self.others:
                    continue
                columns = found.setdefault(group, {})
                column = columns.get(i, ColumnStatistics())
                before = value_of(column, need)
                now = value if before is None else before.then(value)
                columns[i] = _with(column, spelling(need.maps), need.recipe.name, now)
        return found


def groups_of(
    found: Columns, chosen: Mapping[str, int], known: Mapping[str, ColumnStatistics]
) -> dict[Group, GroupStatistics]:
    """What is known of every group, sorted by key.

    chosen: column -> its number. known: what is known of all rows, which is all that there is
    where numbers are given.
    """
    groups: dict[Group, GroupStatistics] = {}
    for group in sorted((group for group in found if group), key=in_order):
        here = found[group]
        rows = next(iter(here.values())).moments.cells
        columns = {n: known[n] if known[n].given else here[i] for n, i in chosen.items()}
        groups[group] = GroupStatistics(rows, columns)
    return groups


def value_of(column: ColumnStatistics, need: Need) -> Value | None:
    """What is known of a column by the recipe of a need, and of what its maps make; or None."""
    of = column.mapped.get(spelling(need.maps)) if need.maps else column
    return None if of is None else of.values.get(need.recipe.name)


def _with(column: ColumnStatistics, maps: str, name: str, value: Value) -> ColumnStatistics:
    """The column with one more value, of what maps make of it."""
    if not maps:
        return replace(column, values={**column.values, name: value})
    inner = _with(column.mapped.get(maps, ColumnStatistics()), "", name, value)
    return replace(column, mapped={**column.mapped, maps: inner})
