"""z-score as an expert writes it in SQL for DuckDB.

with_duckdb.py fit|transform|fit-transform|inverse|batch INPUT OUTPUT STATS
"""

import json
import sys
from pathlib import Path

import duckdb


def reader(path):
    if path.endswith(".parquet"):
        return f"read_parquet('{path}')"
    return f"read_csv('{'/dev/stdin' if path == '-' else path}', types = {{'id': 'VARCHAR'}})"


def write(query, path):
    options = "(FORMAT parquet)" if path.endswith(".parquet") else "(FORMAT csv, HEADER)"
    duckdb.execute(f"COPY ({query}) TO '{'/dev/stdout' if path == '-' else path}' {options}")


def numbers(table):
    return [
        c for c, kind, *_ in duckdb.sql(f"DESCRIBE FROM {table}").fetchall() if kind == "DOUBLE"
    ]


def fit(table):
    names = numbers(table)
    each = ", ".join(f"avg({c}), stddev_pop({c})" for c in names)
    row = duckdb.execute(f"SELECT {each} FROM {table}").fetchall()[0]
    return dict(zip(names, zip(row[0::2], row[1::2], strict=True), strict=True))


def quantiles(table, levels):
    names = numbers(table)
    each = ", ".join(f"quantile_cont({c}, {levels})" for c in names)
    return dict(
        zip(names, duckdb.execute(f"SELECT {each} FROM {table}").fetchall()[0], strict=True)
    )


def replacing(table, expressions):
    each = ", ".join(f"{expression} AS {c}" for c, expression in expressions.items())
    return f"SELECT * REPLACE ({each}) FROM {table}"


def transform(table, stats):
    return replacing(
        table, {c: f"({c} - {m!r}::DOUBLE) / {s!r}::DOUBLE" for c, (m, s) in stats.items()}
    )


def inverse(table, stats):
    return replacing(
        table, {c: f"{c} * {s!r}::DOUBLE + {m!r}::DOUBLE" for c, (m, s) in stats.items()}
    )


def batch(table):
    scale = "({c} - avg({c}) OVER w) / sqrt(var_pop({c}) OVER w + 1e-5)"
    scaled = replacing(
        f"(SELECT *, row_number() OVER () - 1 AS _row FROM {table})",
        {c: scale.format(c=c) for c in numbers(table)},
    )
    windows = "WINDOW w AS (PARTITION BY _row // 256)"
    return f"SELECT * EXCLUDE (_row) FROM ({scaled} {windows}) ORDER BY _row"


verb, source, target, saved = sys.argv[1:]
table = reader(source)
if verb == "fit":
    Path(saved).write_text(json.dumps(fit(table)))
elif verb in ("fit-robust", "fit-quantile"):
    levels = [0.25, 0.5, 0.75] if verb == "fit-robust" else [i / 999 for i in range(1000)]
    Path(saved).write_text(json.dumps(quantiles(table, levels)))
elif verb == "transform":
    write(transform(table, json.loads(Path(saved).read_text())), target)
elif verb == "fit-transform":
    write(transform(table, fit(table)), target)
elif verb == "inverse":
    write(inverse(table, json.loads(Path(saved).read_text())), target)
elif verb == "batch":
    write(batch(table), target)
