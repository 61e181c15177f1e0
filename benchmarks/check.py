"""Is the result of a tool what the others say? A fast wrong answer is none."""

from __future__ import annotations

import csv
import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.measure import RunError

ROWS = 1_000
TOLERANCE = 1e-6  # absolute, of numbers of about 1: statistics of the tools differ far less


@dataclass(frozen=True)
class Sample:
    """How many rows a table has, and the first of them as text and numbers."""

    rows: int
    first: list[list[str | float]]

    @classmethod
    def of(cls, path: Path) -> Sample:
        """The sample of a CSV or Parquet file; raises RunError where there is none."""
        if not path.exists():
            raise RunError("there is no output")
        return _of_parquet(path) if path.suffix == ".parquet" else _of_csv(path)


def _of_parquet(path: Path) -> Sample:
    file = pq.ParquetFile(path)
    columns = next(file.iter_batches(ROWS)).to_pydict().values()
    return Sample(file.metadata.num_rows, [list(row) for row in zip(*columns, strict=True)])


def _of_csv(path: Path) -> Sample:
    with path.open(newline="") as file:
        rows = itertools.islice(csv.reader(file), 1, ROWS + 1)
        first = [[row[0], *map(_value, row[1:])] for row in rows]
    with path.open("rb") as file:
        blocks = iter(lambda: file.read(1 << 22), b"")
        lines = sum(block.count(b"\n") for block in blocks)
    return Sample(lines - 1, first)


def _value(cell: str) -> str | float:
    try:
        return float(cell)
    except ValueError:
        return cell


def compare(expected: Sample, found: Sample) -> None:
    """Raise RunError unless both samples say the same."""
    if expected.rows != found.rows:
        raise RunError(f"wrong: {found.rows} rows instead of {expected.rows}")
    for row, (want, have) in enumerate(zip(expected.first, found.first, strict=True), 1):
        for a, b in zip(want, have, strict=True):
            if not (a == b or _close(a, b)):
                raise RunError(f"wrong: row {row} has {b!r} instead of {a!r}")


def _close(a: str | float, b: str | float) -> bool:
    numbers = isinstance(a, float) and isinstance(b, float)
    return numbers and math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def wrote(path: Path) -> str:
    """The codecs and the size of a Parquet file; "" for others."""
    if path.suffix != ".parquet":
        return ""
    group = pq.ParquetFile(path).metadata.row_group(0)
    codecs = {group.column(i).compression for i in range(group.num_columns)}
    return f"{', '.join(sorted(codecs))}, {path.stat().st_size / 1e6:.1f} MB"
