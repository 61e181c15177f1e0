"""The statistics of a table: what `fit` gives, and `transform`, `inverse` and `merge` take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Self

from normcli.errors import DataError
from normcli.methods import methods
from normcli.methods.base import Method, Running
from normcli.statistics.moments import ColumnStatistics
from normcli.words import printable


def _zscore() -> Method:
    return methods()["zscore"].from_parameters({})


@dataclass(frozen=True)
class Statistics:
    """What is known about the chosen columns of a table, and how they are to be scaled.

    A value: nothing in it changes, and its mappings are read-only. With `merge` the
    statistics of one set of methods are a commutative monoid, exact to the bit: however a
    table was cut, the parts merge to the same value in any order and any grouping.

    rows: rows of the table, counted once for all columns.
    columns: name -> statistics, in table order.
    method: scales the columns that have no method of their own.
    column_methods: name -> method, for some of `columns`; those equal to `method` are left out.
    running: name -> running mean and variance, where batch training left them; a table
        without rows has none.
    """

    rows: int = 0
    columns: Mapping[str, ColumnStatistics] = field(default_factory=dict)
    method: Method = field(default_factory=_zscore)
    column_methods: Mapping[str, Method] = field(default_factory=dict)
    running: Mapping[str, Running] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = {n: method for n, method in self.column_methods.items() if method != self.method}
        running = self.running if self.rows else {}
        for name, mapping in (
            ("columns", self.columns),
            ("column_methods", own),
            ("running", running),
        ):
            object.__setattr__(self, name, MappingProxyType(dict(mapping)))

    def __reduce__(self) -> tuple[Any, ...]:  # a mappingproxy cannot be pickled
        values = (getattr(self, f.name) for f in fields(self))
        return type(self), tuple(dict(v) if isinstance(v, MappingProxyType) else v for v in values)

    def method_for(self, name: str) -> Method:
        """The method that scales the column `name`, with that column's parameters."""
        return self.column_methods.get(name, self.method).for_column(name)

    @property
    def ddof(self) -> int:
        """Of every std that is told: that of the default method, or 0 if it has none."""
        return int(self.method.parameters().get("ddof", 0))

    def std(self, name: str) -> float | None:
        """The standard deviation of a column, with `ddof`; None where count <= ddof."""
        return self.columns[name].std(self.ddof)

    def merge(self, other: Self) -> Self:
        """The statistics of both tables' rows together, exactly.

        A table without rows is the identity. A column that is all missing in one table and
        absent from the other (it may be text there) is left out, as a fit of the whole would
        leave it alone. Columns keep their order where both tables have the same columns in
        the same order; else they are sorted by name, so that no order of merging shows.

        Raises DataError where the methods differ, a column with numbers is absent from the
        other table, or one of them has running statistics, which depend on the order of rows.
        """
        _require_same_methods(self, other)
        if self.rows == 0 < other.rows:
            return other
        if other.rows == 0 < self.rows:
            return self
        _refuse_running(self, other)
        columns = _merged_columns(self.columns, other.columns)
        return replace(self, rows=self.rows + other.rows, columns=columns)


def _merged_columns(
    a: Mapping[str, ColumnStatistics], b: Mapping[str, ColumnStatistics]
) -> dict[str, ColumnStatistics]:
    for name in sorted(a.keys() ^ b.keys()):
        if not _all_missing(a.get(name) or b[name]):
            raise DataError(
                f"cannot merge: column {printable(name)} has numbers in one table and is "
                "not numeric in the other"
            )
    # The same columns in another order differ too. Nothing finer is associative: an order
    # that is settled without a column that is left out later would forget who disagreed.
    names = list(a) if list(a) == list(b) else sorted(a.keys() & b.keys())
    return {name: a[name].merge(b[name]) for name in names}


def _all_missing(column: ColumnStatistics) -> bool:
    return column.count == column.nan == column.inf == 0


def _refuse_running(a: Statistics, b: Statistics) -> None:
    for name in (*a.running, *b.running):
        raise DataError(
            f"cannot merge: column {printable(name)} has a running mean and variance, which "
            "depend on the order of the batches; train on all the data, or merge statistics "
            "made by `fit`"
        )


def _require_same_methods(a: Statistics, b: Statistics) -> None:
    if a.method != b.method:
        raise DataError(f"cannot merge: fitted for {_difference(a.method, b.method)}")
    for name in sorted({*a.column_methods, *b.column_methods}):
        mine, other = (s.column_methods.get(name, s.method) for s in (a, b))
        if mine != other:
            raise DataError(
                f"cannot merge: column {printable(name)} fitted for {_difference(mine, other)}"
            )


def _difference(a: Method, b: Method) -> str:
    if a.name != b.name:
        return f"{a.name} in one, for {b.name} in the other"
    mine, other = a.parameters(), b.parameters()
    key = next(key for key in mine if mine[key] != other.get(key))
    one, two = (_shown(parameters.get(key)) for parameters in (mine, other))
    return f"{a.name} with {key} {one} in one, {two} in the other"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 and text.isprintable() else printable(text)
