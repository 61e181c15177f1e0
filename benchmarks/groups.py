"""Z-scores by group, fitted and applied, of normcli and its peers side by side.

    python -m benchmarks.groups                                   1 million rows, minutes
    python -m benchmarks.groups --rows 10000000 --groups 1000     one of 10 million

Prints seconds of CPU and of the clock, and the ratio to the fastest peer. The peers compute the
mean and the standard deviation in float64, rounded; normcli computes them exactly.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

PANDAS = """
import pandas as pd
frame = pd.read_{format}({source!r})
x = frame.groupby("key", dropna=False)["x"]
frame["x"] = (frame["x"] - x.transform("mean")) / x.transform("std", ddof=0)
frame.to_{format}({target!r}, index=False)
"""
POLARS = """
import polars as pl
x = pl.col("x")
frame = pl.scan_{format}({source!r}).with_columns((x - x.mean().over("key")) / x.std(0).over("key"))
frame.collect().write_{format}({target!r})
"""
DUCKDB = """
import duckdb
duckdb.sql('''copy (select * replace (
    (x - avg(x) over (partition by key)) / stddev_pop(x) over (partition by key) as x)
    from {source!r}) to {target!r} (format {format})''')
"""


def commands(format_: str, source: Path, target: Path) -> dict[str, list[str]]:
    """The command of every tool; normcli's is the one that this Python runs."""
    values = {"format": format_, "source": str(source), "target": str(target)}
    peers = {"pandas": PANDAS, "polars": POLARS, "duckdb": DUCKDB}
    normcli = ["-m", "normcli", "fit-transform", str(source), "--by", "key", "-s", "x", "-q"]
    return {
        "normcli": [sys.executable, *normcli, "-o", str(target)],
        **{n: [sys.executable, "-c", text.format(**values)] for n, text in peers.items()},
    }


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds of CPU, and of the clock."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True)
    after, clock = os.times(), time.perf_counter() - start
    cpu = after.children_user - before.children_user + after.children_system
    return cpu - before.children_system, clock


def table(rows: int, groups: int) -> pa.Table:
    """A table of numbers, and a key of so many texts."""
    rng = np.random.default_rng(groups)
    keys = pa.array([f"s{i:06d}" for i in range(groups)]).take(
        pa.array(rng.integers(0, groups, rows))
    )
    return pa.table(
        {"id": np.arange(rows), "key": keys, "x": np.round(rng.normal(100, 15, rows), 3)}
    )


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.groups", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--groups", type=int, nargs="+", default=[10, 1000, 100_000])
    parser.add_argument("--formats", nargs="+", default=["csv", "parquet"])
    options = parser.parse_args()
    print("| table | groups | tool | CPU s | clock s |\n|---|---:|---|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for groups in options.groups:
            data = table(options.rows, groups)
            for format_ in options.formats:
                source, target = (Path(folder, f"{n}.{format_}") for n in ("in", "out"))
                write = csv.write_csv if format_ == "csv" else pq.write_table
                write(data, source)
                for tool, command in commands(format_, source, target).items():
                    cpu, clock = min(measured(command) for _ in range(2))
                    title = f"{options.rows} rows, {format_}"
                    print(f"| {title} | {groups} | {tool} | {cpu:.2f} | {clock:.2f} |", flush=True)


if __name__ == "__main__":
    main()
