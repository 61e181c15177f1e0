"""The statistics of a table: what `fit` gives, and `transform`, `inverse` and `merge` take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from types import MappingProxyType
from typing import Any, Self

from normcli.errors import DataError
from normcli.methods import DEFAULT, methods
from normcli.methods.base import Method
from normcli.statistics.base import Facts, Group, in_order
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.moments import Moments
from normcli.words import printable

Columns = Mapping[str, ColumnStatistics]


@dataclass(frozen=True)
class GroupStatistics:
    """What is known of the rows of one group: how many there are, and their columns."""

    rows: int
    columns: Columns

    def merge(self, other: Self) -> Self:
        """Of the rows of both; the columns are the same."""
        columns = {name: c.merge(other.columns[name]) for name, c in self.columns.items()}
        return type(self)(self.rows + other.rows, columns)


@dataclass(frozen=True)
class Statistics:
    """What is known about the chosen columns of a table, and how they are to be scaled.

    A value: nothing in it changes, and its mappings are read-only. With `merge` the
    statistics of one set of methods are a commutative monoid, exact to the bit: however a
    table was cut, the parts merge to the same value in any order and any grouping.

    rows: rows of the table, counted once for all columns.
    columns: name -> what is known of all rows, in table order.
    method: scales the columns that have no method of their own.
    column_methods: name -> method, for some of `columns`; those equal to `method` are left out.
    groups: key -> what is known of the rows of that group.
    options: how the rows were read and chosen, as the top of the sidecar says ("null", "by",
        "where", "weight", "share"): JSON values, which merging demands to be equal.
    """

    rows: int = 0
    columns: Columns = field(default_factory=dict)
    method: Method = field(default_factory=lambda: methods()[DEFAULT]())
    column_methods: Mapping[str, Method] = field(default_factory=dict)
    groups: Mapping[Group, GroupStatistics] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = {n: method for n, method in self.column_methods.items() if method != self.method}
        object.__setattr__(self, "column_methods", own)
        for name in ("columns", "column_methods", "groups", "options"):
            value = getattr(self, name)
            if isinstance(value, dict | MappingProxyType):  # others are read-only, and lazy
                object.__setattr__(self, name, MappingProxyType(dict(value)))

    def __reduce__(self) -> tuple[Any, ...]:  # a mappingproxy cannot be pickled
        values = (getattr(self, f.name) for f in fields(self))
        return type(self), tuple(dict(v) if isinstance(v, MappingProxyType) else v for v in values)

    def method_for(self, name: str) -> Method:
        """The method that scales the column `name`, with that column's parameters."""
        return self.column_methods.get(name, self.method).for_column(name)

    @property
    def ddof(self) -> int:
        """Of every std in the sidecar: that of the default method, or 0 if it has none."""
        return int(self.method.parameters().get("ddof", 0))

    @property
    def facts(self) -> Facts:
        """What holds for all columns."""
        return Facts(self.rows, self.ddof)

    def sharing(self, name: str) -> tuple[str, ...]:
        """The columns that have one scale together with this one, and itself."""
        lists = (names for names in self.options.get("share", ()) if name in names)
        found = next(lists, [name])
        return tuple(n for n in found if n in self.columns)

    def std(self, name: str) -> float | None:
        """The standard deviation of a column, with `ddof`; None where count <= ddof."""
        return self.columns[name].std(self.ddof)

    def merge(self, other: Self) -> Self:
        """The statistics of both tables' rows together, exactly.

        A table without rows is the identity. A column that is all missing in one table and
        absent from the other (it may be text there) is left out, as a fit of the whole would
        leave it alone. Columns keep their order where both tables have the same columns in
        the same order; else they are sorted by name, so that no order of merging shows.

        Raises DataError where methods or options differ, a column with numbers is absent from
        the other table, or a value cannot be merged.
        """
        _require_same_methods(self, other)
        _require_same_options(self, other)
        if self.rows == 0 < other.rows:
            return other
        if other.rows == 0 < self.rows:
            return self
        columns = _merged_columns(self.columns, other.columns)
        groups = _merged_groups(self.groups, other.groups)
        merged = replace(self, rows=self.rows + other.rows, columns=columns, groups=groups)
        return merged.kept()

    def without(self, other: Self) -> Self:
        """The statistics of these rows but those of `other`, which are among them, exactly.

        An extreme that both have is not known afterwards (None), unless the cells of quantiles
        tell it.

        Raises DataError where methods or options differ, or `other` cannot be a part.
        """
        _require_same_methods(self, other)
        _require_same_options(self, other)
        if other.rows > self.rows:
            raise DataError("it has more rows than the whole")
        groups = _left_groups(self.groups, other.groups)
        columns = _left_columns(self.columns, other.columns)
        if groups:  # whose extremes may be known where those of all rows are not, or the reverse
            columns = {name: _of_groups(name, c, groups) for name, c in columns.items()}
        left = replace(self, rows=self.rows - other.rows, columns=columns, groups=groups)
        return left.kept()

    def kept(self) -> Self:
        """What the sidecar keeps: the more columns and groups there are, the less of each."""
        parts = (self.columns, *(group.columns for group in self.groups.values()))
        among = Counter(name for part in parts for c in part.values() for name in c.names())
        if among.keys() <= {"moments"}:
            return self
        columns = {name: c.kept(among) for name, c in self.columns.items()}
        groups = {
            key: replace(group, columns={name: c.kept(among) for name, c in group.columns.items()})
            for key, group in self.groups.items()
        }
        return replace(self, columns=columns, groups=groups)


def together(columns: Columns, names: Sequence[str]) -> ColumnStatistics:
    """What is known of the cells of some columns, as if they were one."""
    return reduce(ColumnStatistics.merge, (columns[name] for name in names))


def _merged_columns(a: Columns, b: Columns) -> dict[str, ColumnStatistics]:
    for name in sorted(a.keys() ^ b.keys()):
        if not _all_missing(a.get(name) or b[name]):
            raise DataError(
                f"cannot merge: column {printable(name)} has numbers in one table and is not a "
                "column of numbers in the other"
            )
    # Any difference in order sorts all names. A finer rule would not be associative: once a
    # column is left out, nothing shows that the orders differed only because of it.
    names = list(a) if list(a) == list(b) else sorted(a.keys() & b.keys())
    return {name: _merged_column(name, a[name], b[name]) for name in names}


def _merged_column(name: str, a: ColumnStatistics, b: ColumnStatistics) -> ColumnStatistics:
    try:
        return a.merge(b)
    except DataError as error:
        raise DataError(f"cannot merge: column {printable(name)}: {error}") from error


def _merged_groups(
    a: Mapping[Group, GroupStatistics], b: Mapping[Group, GroupStatistics]
) -> dict[Group, GroupStatistics]:
    """The groups of both, sorted by key."""
    found = {**a, **b, **{key: a[key].merge(b[key]) for key in a.keys() & b.keys()}}
    return {key: found[key] for key in sorted(found, key=in_order)}


def _left_columns(whole: Columns, part: Columns) -> dict[str, ColumnStatistics]:
    for name in part:
        if name not in whole and not _all_missing(part[name]):
            raise DataError(f"the whole has no column {printable(name)}")
    left = {}
    for name, column in whole.items():
        if name not in part:
            raise DataError(f"it has no column {printable(name)}")
        try:
            left[name] = column.without(part[name])
        except DataError as error:
            raise DataError(f"column {printable(name)}: {error}") from error
    return left


def _of_groups(
    name: str, column: ColumnStatistics, groups: Mapping[Group, GroupStatistics]
) -> ColumnStatistics:
    """A column with the moments that its groups have together."""
    if column.given:
        return column
    moments = reduce(Moments.merge, (group.columns[name].moments for group in groups.values()))
    return replace(column, values={**column.values, "moments": moments})


def _left_groups(
    whole: Mapping[Group, GroupStatistics], part: Mapping[Group, GroupStatistics]
) -> dict[Group, GroupStatistics]:
    """The groups that have rows left."""
    left = dict(whole)
    for key, group in part.items():
        name = ", ".join(printable(str(word)) for word in key)
        if key not in whole or group.rows > whole[key].rows:
            raise DataError(f"group {name}: it has more rows than the whole")
        try:
            columns = _left_columns(whole[key].columns, group.columns)
        except DataError as error:
            raise DataError(f"group {name}: {error}") from error
        left[key] = GroupStatistics(whole[key].rows - group.rows, columns)
    return {key: group for key, group in left.items() if group.rows}


def _all_missing(column: ColumnStatistics) -> bool:
    return column.count == column.nan == column.inf == 0 and not column.given


def _require_same_methods(a: Statistics, b: Statistics) -> None:
    for method in (a.method, *a.column_methods.values()):
        if len(method.stages("")) > 1:
            raise DataError(
                f"cannot merge: {method.spelling} was fitted in two passes, of which the second "
                "depends on the first over all rows. Fit all files together"
            )
    if _kept(a.method) != _kept(b.method):
        raise DataError(f"cannot merge: fitted for {_difference(a.method, b.method)}")
    for name in sorted({*a.column_methods, *b.column_methods}):
        mine, other = (s.column_methods.get(name, s.method) for s in (a, b))
        if _kept(mine) != _kept(other):
            raise DataError(
                f"cannot merge: column {printable(name)} fitted for {_difference(mine, other)}"
            )


def _kept(method: Method) -> tuple[str, dict[str, Any]]:
    """What the sidecar says of a method: not the policies of a single run."""
    return method.spelling, method.parameters()


def _difference(a: Method, b: Method) -> str:
    if a.spelling != b.spelling:
        return f"{a.spelling} in one, for {b.spelling} in the other"
    mine, other = a.parameters(), b.parameters()
    key = next(key for key in {**mine, **other} if mine.get(key) != other.get(key))
    one, two = (in_words(parameters.get(key)) for parameters in (mine, other))
    return f"{a.spelling} with {key} {one} in one, {two} in the other"


def _require_same_options(a: Statistics, b: Statistics) -> None:
    for key in sorted({**a.options, **b.options}):
        one, two = (in_words(s.options.get(key)) for s in (a, b))
        if one != two:
            raise DataError(f"cannot merge: fitted with {key} {one} in one, {two} in the other")


def in_words(value: Any) -> str:
    """A JSON value, for a message."""
    text = str(value)
    return text if len(text) <= 60 and text.isprintable() else printable(text)
