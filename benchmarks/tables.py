"""The tables of the benchmark: an id with leading zeros, numbers x0, x1 ..., and a label.

Every other column of numbers has three decimals, the others all their digits. A table is made
once and kept; its files hold the same rows: CSV, Parquet, and for svm-scale its own text.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

ROWS = 250_000  # made at a time, and a Parquet row group
RECIPE = 1  # raise it when the same name is to mean another table
CACHE = Path(tempfile.gettempdir()) / "normcli-benchmarks"
CODEC = "snappy"  # of Parquet
LABELS = np.array(["setosa", "versicolor", "virginica"])


@dataclass(frozen=True)
class Table:
    name: str
    rows: int
    numbers: int = 10
    quoted: bool = False  # has a text with commas and quotes in every row

    @property
    def columns(self) -> list[str]:
        notes = ["note"] if self.quoted else []
        return ["id", *(f"x{i}" for i in range(self.numbers)), *notes, "label"]

    def parts(self) -> Iterator[pa.Table]:
        """The rows, some at a time."""
        rows = max(1, ROWS * 10 // max(10, self.numbers))
        rng = np.random.default_rng(0)
        for start in range(0, self.rows, rows):
            yield self._part(rng, start, min(rows, self.rows - start))

    def _part(self, rng: np.random.Generator, start: int, rows: int) -> pa.Table:
        index = pa.array(np.arange(start, start + rows)).cast(pa.string())
        columns = [pc.utf8_lpad(index, 9, "0")]
        for i in range(self.numbers):
            x = rng.normal(100 * i, 10 + i, rows)
            columns.append(pa.array(x.round(3) if i % 2 == 0 else x))
        if self.quoted:
            columns.append(pc.binary_join_element_wise('row "', index, '", or so, he said', ""))
        columns.append(pa.array(LABELS[rng.integers(0, len(LABELS), rows)]))
        return pa.Table.from_arrays(columns, names=self.columns)

    def file(self, folder: Path, suffix: str) -> Path:
        """The path of the table's file of that kind, which is made if it is not there."""
        path = folder / f"{self.name}-{RECIPE}{suffix}"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f".{path.name}.{os.getpid()}")
            MAKERS[suffix](self, unfinished)
            unfinished.rename(path)
        return path


def _make_csv(table: Table, path: Path) -> None:
    style = "needed" if table.quoted else "none"  # "needed" puts quotes around every text
    options = pa.csv.WriteOptions(include_header=False, quoting_style=style)
    with path.open("wb") as file:
        file.write(",".join(table.columns).encode() + b"\n")
        for part in table.parts():
            pa.csv.write_csv(part, file, options)


def _make_parquet(table: Table, path: Path) -> None:
    parts = table.parts()
    first = next(parts)
    with pa.parquet.ParquetWriter(path, first.schema, compression=CODEC) as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(part)


def _make_svm(table: Table, path: Path) -> None:
    with path.open("wb") as file:
        for part in table.parts():
            label = pc.cast(pc.index_in(part["label"], pa.array(LABELS)), pa.string())
            cells = [
                pc.binary_join_element_wise(f"{i + 1}", pc.cast(part[f"x{i}"], pa.string()), ":")
                for i in range(table.numbers)
            ]
            lines = pc.binary_join_element_wise(label, *cells, " ")
            file.writelines(line.encode() + b"\n" for line in lines.to_pylist())


MAKERS: dict[str, Callable[[Table, Path], None]] = {
    ".csv": _make_csv,
    ".parquet": _make_parquet,
    ".svm": _make_svm,
}

SIZES = ("100k", "1m", "10m", "50m")  # the same columns, ever more rows

TABLES = {
    table.name: table
    for table in (
        Table("tiny", 344),
        Table("100k", 100_000),
        Table("1m", 1_000_000),
        Table("10m", 10_000_000),
        Table("50m", 50_000_000),
        Table("wide", 5_000, numbers=2_000),
        Table("quoted", 1_000_000, quoted=True),
    )
}


def options(module: str, description: str | None, table: str, rounds: int) -> argparse.Namespace:
    """The command line of a module that measures one table in some rounds."""
    parser = argparse.ArgumentParser(
        f"python -m benchmarks.{module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--table", default=table, choices=TABLES, help=f"[{table}]")
    add("--rounds", type=int, default=rounds, help=f"the median of so many [{rounds}]")
    add("--cache", type=Path, default=CACHE, help=f"for tables [{CACHE}]")
    return parser.parse_args()
