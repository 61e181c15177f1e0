"""SQL: a query that scales the columns of a table, for each of the dialects."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from normcli.bridges.export import Column, Formula, Model, Results, Rows, Target, lacking, stopped
from normcli.bridges.languages import Language, Shapes, bare, parameters
from normcli.errors import UsageError
from normcli.words import did_you_mean, printable

MOST_CASES = 100  # groups that become CASE; more are looked up in a table
LOG1P = (  # Kahan's: exact where 1 + x is rounded
    "(CASE WHEN 1E0 + {0} = 1E0 THEN {0} ELSE LN(1E0 + {0}) * ({0} / ((1E0 + {0}) - 1E0)) END)"
)
EXPM1 = (
    "(CASE WHEN EXP({0}) = 1E0 THEN {0} WHEN EXP({0}) - 1E0 = -1E0 THEN -1E0 "
    "ELSE (EXP({0}) - 1E0) * ({0} / LN(EXP({0}))) END)"
)
THIRD = "POWER(ABS({0}), 3.333333333333333E-1)"
CBRT = (  # a root, and a step of Newton's
    f"(CASE WHEN {{0}} = 0E0 THEN {{0}} "
    f"ELSE SIGN({{0}}) * ({THIRD} - ({THIRD} - ABS({{0}}) / ({THIRD} * {THIRD})) / 3E0) END)"
)
STANDARD = {
    "ln": "LN({0})",
    "log1p": LOG1P,
    "expm1": EXPM1,
    "log2": "(LN({0}) / 6.931471805599453E-1)",
    "log10": "LOG10({0})",
    "sqrt": "SQRT({0})",
    "cbrt": "CBRT({0})",
    "asinh": "ASINH({0})",
    "tanh": "TANH({0})",
    "abs": "ABS({0})",
    "where": "(CASE WHEN {0} THEN {1} ELSE {2} END)",
}


@dataclass(frozen=True)
class Dialect:
    """How one database spells what differs.

    double, text: types. quote: around names; the second is doubled in them. backslash: does it
    escape in texts? error: of {why} and {x}, stops the query, as no dialect says it in words of
    its own. words: functions that differ; "" is one that it lacks. compared: a text byte for byte.
    """

    double: str = "DOUBLE PRECISION"
    text: str = "VARCHAR"
    quote: str = '""'
    backslash: bool = False
    error: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    compared: str = "{}"
    rows: str = "union"  # how a table of constants is written: "values" or "union"
    folds: bool = True  # are names that differ only in case the same?


NO_HYPERBOLIC = {"asinh": "", "tanh": "", "cbrt": CBRT}
DIALECTS = {
    "postgresql": Dialect(
        error="CAST({why} || {x} AS DOUBLE PRECISION)", rows="values", folds=False
    ),
    "duckdb": Dialect(error="error({why} || {x})", words={"log2": "LOG2({0})"}, rows="values"),
    "sqlite": Dialect(
        double="REAL",
        text="TEXT",
        error="json_extract({why} || {x}, '$')",
        words={"log2": "LOG2({0})", "cbrt": CBRT},
        rows="values",
    ),
    "bigquery": Dialect(
        double="FLOAT64",
        text="STRING",
        quote="``",
        backslash=True,
        error="ERROR(CONCAT({why}, CAST({x} AS STRING)))",
    ),
    "snowflake": Dialect(
        double="DOUBLE",
        backslash=True,
        error="TO_DOUBLE({why} || {x})",
        words={"log10": "LOG(10, {0})"},
        folds=False,
    ),
    "mysql": Dialect(
        double="DOUBLE",
        text="CHAR",
        quote="``",
        backslash=True,
        error="CAST(JSON_EXTRACT(CONCAT({why}, {x}), '$') AS DOUBLE)",
        words={"log2": "LOG2({0})", **NO_HYPERBOLIC},
        compared="{} COLLATE utf8mb4_bin",
    ),
    "sqlserver": Dialect(
        double="FLOAT",
        text="NVARCHAR(4000)",
        quote="[]",
        error="CAST(CONCAT({why}, {x}) AS FLOAT)",
        words={
            "ln": "LOG({0})",
            "log1p": LOG1P.replace("LN(", "LOG("),
            "expm1": EXPM1.replace("LN(", "LOG("),
            "log2": "LOG({0}, 2)",
            **NO_HYPERBOLIC,
        },
        compared="{} COLLATE Latin1_General_100_BIN2",
    ),
}


class Sql(Language):
    """Expressions of a dialect."""

    def __init__(self, name: str) -> None:
        self.dialect = DIALECTS[name]
        words = {**STANDARD, **self.dialect.words}
        words["missing"] = f"CAST(NULL AS {self.dialect.double})"
        words["refused"] = self.dialect.error
        super().__init__(f"SQL of {name}", {key: word for key, word in words.items() if word})

    def number(self, value: float) -> str:
        """With an exponent: without one, databases take it for a decimal of few digits."""
        import numpy as np

        text = np.format_float_scientific(value, trim="-", exp_digits=1).upper().replace("E+", "E")
        return f"({text})" if text.startswith("-") else text

    def text(self, text: str) -> str:
        escaped = text.replace("\\", "\\\\") if self.dialect.backslash else text
        if self.dialect is DIALECTS["bigquery"]:
            return "'" + escaped.replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r") + "'"
        prefix = "N" if self.dialect is DIALECTS["sqlserver"] else ""
        return prefix + "'" + escaped.replace("'", "''") + "'"

    def column(self, name: str) -> str:
        """A name in quotes."""
        if "\0" in name:
            raise UsageError(f"column {printable(name)}: SQL has no names with the character NUL.")
        start, end = self.dialect.quote[0], self.dialect.quote[1]
        if self.dialect is DIALECTS["bigquery"]:
            escaped = name.replace("\\", "\\\\").replace("`", "\\`")
            return "`" + escaped.replace("\n", "\\n").replace("\r", "\\r") + "`"
        return start + name.replace(end, end * 2) + end

    def table(self, of: str, points: Sequence[tuple[float, float, float]]) -> str:
        """A case for each step."""
        cases = [f"WHEN {of} <= {self.number(points[0][0])} THEN 0E0"]
        for (at, _, start), (to, low, high) in pairwise(points):
            slope = self.number((low - start) / (to - at))
            line = f"{self.number(start)} + ({of} - {self.number(at)}) * {slope}"
            cases.append(f"WHEN {of} < {self.number(to)} THEN {line}")
            if low != high and to != points[-1][0]:
                cases.append(f"WHEN {of} = {self.number(to)} THEN {self.number((low + high) / 2)}")
        return f"(CASE {' '.join(cases)} ELSE 1E0 END)"

    def formula(self, formula: Formula, x: str, parameters: Sequence[str] = ()) -> str:
        """All that becomes of the cells called x."""
        done = x
        for step in formula.steps:
            done = self.write(step, done, parameters)
        if formula.is_plain:
            return done
        infinite = self.write(formula.infinite, x, parameters)
        missing = self.write(formula.missing, x, parameters)
        cases = f"WHEN {x} - {x} = 0E0 THEN {bare(done)} "
        if infinite != missing:
            cases += f"WHEN -ABS({x}) < -1.7976931348623157E308 THEN {infinite} "
        return f"(CASE {cases}ELSE {missing} END)"


class SqlTarget(Target):
    """A query of SQL."""

    what = "a query"

    def export(self, model: Model) -> bytes:
        sql = Sql(model.dialect)
        names = [column.name for column in model.columns]
        _refuse_same(names, sql.dialect, model.dialect)
        keys = _keys(sql, model)
        tables = [_numbers(sql, names, dict(zip(keys, model.by, strict=True)))]
        looks_up = len(model.groups) > MOST_CASES
        source = "numbers"
        if looks_up:
            lookup, chosen = _lookup(sql, model)
            tables.append(lookup)
            source += _join(sql, model, keys)
        else:
            chosen = [_cases(sql, column, keys) for column in model.columns]
        lines = [
            f"  {bare(text)} AS {sql.column(name)}"
            for name, text in zip(names, chosen, strict=True)
        ]
        return (
            "-- Scales columns as `normcli transform` does. Put the name of your table in the\n"
            f"-- place of data, and add the columns that you need. Dialect: {model.dialect}\n"
            f"WITH {', '.join(tables)}\nSELECT\n" + ",\n".join(lines) + f"\nFROM {source}\n"
        ).encode()

    def run(self, exported: bytes, model: Model, rows: Rows) -> Results:
        if model.dialect == "duckdb":
            return _in_duckdb(exported.decode(), model, rows)
        if model.dialect == "sqlite":
            return _in_sqlite(exported.decode(), model, rows)
        in_sqlite = replace(model, dialect="sqlite")
        done = _in_sqlite(self.export(in_sqlite).decode(), model, rows)
        return replace(done, by=f"{done.by}, with a query of its own,")


def dialect_named(name: str) -> str:
    """The dialect; raises UsageError where there is none."""
    if name not in DIALECTS:
        raise UsageError(
            f"--dialect is one of {', '.join(DIALECTS)}, not {printable(name)}."
            + did_you_mean(name, DIALECTS)
        )
    return name


def _refuse_same(names: Sequence[str], dialect: Dialect, name: str) -> None:
    """Raise UsageError for names that the database takes for the same."""
    seen: dict[str, str] = {}
    for each in names if dialect.folds else ():
        other = seen.setdefault(each.lower(), each)
        if other != each:
            raise UsageError(
                f"{name} takes the columns {printable(other)} and {printable(each)} for the same."
            )


def _numbers(sql: Sql, names: Sequence[str], keys: Mapping[str, str]) -> str:
    """The numbers and keys of the table, with types that do not depend on it."""
    columns = [
        f"CAST({sql.column(name)} AS {sql.dialect.double}) AS {sql.column(name)}" for name in names
    ]
    columns += [
        f"CAST({sql.column(name)} AS {sql.dialect.text}) AS {key}" for key, name in keys.items()
    ]
    return "numbers AS (\n  SELECT\n    " + ",\n    ".join(columns) + "\n  FROM data\n)"


def _keys(sql: Sql, model: Model) -> list[str]:
    """Names for the texts of the keys, which no column has."""
    prefix, names = "key", [column.name.lower() for column in model.columns]
    while any(name.startswith(prefix) for name in names):
        prefix = f"_{prefix}"
    return [f"{prefix}{i}" for i in range(len(model.by))]


def _cases(sql: Sql, column: Column, keys: Sequence[str]) -> str:
    """The expression of a column: a case for each group."""
    x = sql.column(column.name)
    everywhere = sql.formula(column.formula, x)
    if not column.groups:
        return everywhere
    keys = [sql.dialect.compared.format(key) for key in keys]
    cases = []
    for group, formula in column.groups.items():
        pairs = zip(keys, group, strict=True)
        tests = [f"{key} IS NULL" if v is None else f"{key} = {sql.text(v)}" for key, v in pairs]
        cases.append(f"\n    WHEN {' AND '.join(tests)} THEN {bare(sql.formula(formula, x))}")
    return f"CASE{''.join(cases)}\n    ELSE {bare(everywhere)}\n  END"


def _lookup(sql: Sql, model: Model) -> tuple[str, list[str]]:
    """A table of the numbers of all groups, and the expressions that use it."""
    shapes = [Shapes() for _ in model.columns]
    found = [
        {group: shapes[i].of(formula) for group, formula in column.groups.items()}
        for i, column in enumerate(model.columns)
    ]
    widths = [max(len(numbers) for _, numbers in each.values()) for each in found]
    heads = [f"group{i}" for i in range(len(model.by))]
    for i, width in enumerate(widths):
        heads += [f"shape{i}", *(f"p{i}_{j}" for j in range(width))]
    rows = []
    for group in model.groups:
        cells = ["NULL" if value is None else sql.text(value) for value in group]
        for each, width in zip(found, widths, strict=True):
            shape, numbers = each.get(group, (-1, []))
            padded = [*map(sql.number, numbers), *["NULL"] * (width - len(numbers))]
            cells += [str(shape), *padded]
        rows.append(cells)
    chosen = []
    for i, column in enumerate(model.columns):
        x = f"numbers.{sql.column(column.name)}"
        cases = []
        for without, index in shapes[i].found.items():
            names = [f"lookup.p{i}_{j}" for j in range(len(parameters(without)))]
            cases.append(f"\n    WHEN {index} THEN {bare(sql.formula(without, x, names))}")
        otherwise = bare(sql.formula(column.formula, x))
        chosen.append(f"CASE lookup.shape{i}{''.join(cases)}\n    ELSE {otherwise}\n  END")
    return _constants(sql, "lookup", heads, rows), chosen


def _constants(sql: Sql, name: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = f"{name} ({', '.join(heads)}) AS (\n  "
    if sql.dialect.rows == "values":
        return head + "VALUES\n  " + ",\n  ".join(f"({', '.join(row)})" for row in rows) + "\n)"
    first = [f"{cell} AS {head}" for cell, head in zip(rows[0], heads, strict=True)]
    selects = [f"SELECT {', '.join(row)}" for row in (first, *rows[1:])]
    return f"{name} AS (\n  " + "\n  UNION ALL ".join(selects) + "\n)"


def _join(sql: Sql, model: Model, keys: Sequence[str]) -> str:
    tests = []
    for i, name in enumerate(keys):
        key = sql.dialect.compared.format(name)
        test = f"{key} = lookup.group{i}"
        if any(group[i] is None for group in model.groups):
            test = f"({test} OR ({key} IS NULL AND lookup.group{i} IS NULL))"
        tests.append(test)
    return f" LEFT JOIN lookup ON {' AND '.join(tests)}"


# -- running it --------------------------------------------------------------------------------


def _in_sqlite(query: str, model: Model, rows: Rows) -> Results:
    told, sql = "SQLite", Sql("sqlite")
    names = [f"{sql.column(column.name)} REAL" for column in model.columns]
    names += [f"{sql.column(name)} TEXT" for name in model.by]
    keys = [[key[i] for key in rows.keys] for i in range(len(model.by))]
    cells = list(zip(*rows.columns, *keys, strict=True))
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"CREATE TABLE data ({', '.join(names)})")
        connection.executemany(f"INSERT INTO data VALUES ({', '.join('?' * len(names))})", cells)
        return Results(_columns(connection.execute(query).fetchall(), model), told)
    except sqlite3.Error as error:
        raise stopped(told, str(error)) from error
    finally:
        connection.close()


def _in_duckdb(query: str, model: Model, rows: Rows) -> Results:
    try:
        import duckdb
    except ImportError as error:
        raise lacking("--verify of --dialect duckdb", "duckdb") from error
    import pyarrow as pa

    told = "DuckDB"
    names = [*(column.name for column in model.columns), *model.by]
    cells = [pa.array(column, pa.float64()) for column in rows.columns]
    cells += [pa.array([key[i] for key in rows.keys], pa.string()) for i in range(len(model.by))]
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:  # keeps the order
        try:
            connection.register("data", pa.Table.from_arrays(cells, names=names))
            return Results(_columns(connection.execute(query).fetchall(), model), told)
        except duckdb.Error as error:
            raise stopped(told, str(error).splitlines()[0]) from error


def _columns(rows: Sequence[Sequence[Any]], model: Model) -> list[list[float | None]]:
    found = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in model.columns]
    return [[None if c is None or c != c else float(c) for c in column] for column in found]


TARGET = SqlTarget()
