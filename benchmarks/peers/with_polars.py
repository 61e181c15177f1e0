"""z-score as an expert writes it with polars: lazy and streaming.

with_polars.py fit|transform|fit-transform|inverse|batch INPUT OUTPUT STATS [CODEC]

CODEC is that of a Parquet OUTPUT; the default is that of polars.
"""

import json
import sys
from pathlib import Path

import polars as pl
import polars.selectors as cs

X = cs.float()


def scan(path):
    if path.endswith(".parquet"):
        return pl.scan_parquet(path)
    source = sys.stdin.buffer if path == "-" else path
    return pl.scan_csv(source, schema_overrides={"id": pl.String})


def sink(table, path):
    if path.endswith(".parquet"):
        table.sink_parquet(path, **({"compression": codec[0]} if codec else {}))
    else:
        table.sink_csv(sys.stdout.buffer if path == "-" else path)


def fit(table):
    both = table.select(X.mean().name.prefix("mean "), X.std(ddof=0).name.prefix("std "))
    found = both.collect(engine="streaming").row(0, named=True)
    names = [key.removeprefix("mean ") for key in found if key.startswith("mean ")]
    return {name: (found[f"mean {name}"], found[f"std {name}"]) for name in names}


def quantiles(table, levels):
    each = [X.quantile(p, "linear").name.suffix(f" {p}") for p in levels]
    return table.select(each).collect(engine="streaming").row(0, named=True)


def transform(table, stats):
    return table.with_columns((pl.col(c) - mean) / std for c, (mean, std) in stats.items())


def inverse(table, stats):
    return table.with_columns(pl.col(c) * std + mean for c, (mean, std) in stats.items())


def batch(table):
    b = pl.int_range(pl.len()) // 256
    return table.with_columns((X - X.mean().over(b)) / (X.var(ddof=0).over(b) + 1e-5).sqrt())


verb, source, target, saved, *codec = sys.argv[1:]
table = scan(source)
if verb == "fit":
    Path(saved).write_text(json.dumps(fit(table)))
elif verb in ("fit-robust", "fit-quantile"):
    levels = [0.25, 0.5, 0.75] if verb == "fit-robust" else [i / 999 for i in range(1000)]
    Path(saved).write_text(json.dumps(quantiles(table, levels)))
elif verb == "transform":
    sink(transform(table, json.loads(Path(saved).read_text())), target)
elif verb == "fit-transform":
    # Faster than two scans, fit(table) and then transform; the table is held in memory for it.
    sink(table.with_columns((X - X.mean()) / X.std(ddof=0)), target)
elif verb == "inverse":
    sink(inverse(table, json.loads(Path(saved).read_text())), target)
elif verb == "batch":
    sink(batch(table), target)
