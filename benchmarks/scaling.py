"""Measure how normcli grows with cores, files and Dask workers: the table of docs/scaling.md.

    python -m benchmarks.scaling                          10 million rows: some minutes
    python -m benchmarks.scaling --table 1m --rounds 1    a try

Needs the extra: pip install 'normcli[dask]'.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import run
from benchmarks.tables import TABLES, options

NORMCLI = (sys.executable, "-m", "normcli")
FILES = (1, 10, 100)


@dataclass(frozen=True)
class Case:
    """One line of the table. source: a file or a folder of files, which are all read."""

    what: str
    source: Path
    command: tuple[object, ...]

    @property
    def size(self) -> int:
        files = [self.source] if self.source.is_file() else self.source.iterdir()
        return sum(file.stat().st_size for file in files)


def normcli(command: tuple[object, ...]) -> tuple[float, float]:
    """Wall and CPU seconds of one run."""
    done = run([*NORMCLI, *map(str, command), "-q"])
    return done.wall, done.cpu


def split(table: Path, count: int, folder: Path) -> Path:
    """The rows of a table in so many files, each with the header."""
    folder.mkdir()
    size = -(-table.stat().st_size // count)
    with table.open("rb") as source:
        head = source.readline()
        for i in range(count):
            rows = source.read(size) + source.readline()
            (folder / f"{i:04}.csv").write_bytes(head + rows)
    return folder


def numbers_of_cores() -> list[int]:
    """1, 2, 4 ... and all."""
    cores = len(os.sched_getaffinity(0))
    return sorted({*(1 << i for i in range(cores.bit_length()) if 1 << i <= cores), cores})


def cases(csv: Path, parquet: Path, folder: Path) -> Iterator[Case]:
    stats = folder / "s.json"
    normcli(("fit", csv, "-o", stats))
    for jobs in numbers_of_cores():
        for table in (csv, parquet):
            new, like = folder / "new.json", folder / f"new{table.suffix}"
            kind = f"{table.suffix[1:]}, -j {jobs}"
            yield Case(f"fit, {kind}", table, ("fit", table, "-o", new, "-j", jobs))
            scaled = ("transform", table, "--stats", stats, "-o", like, "-j", jobs)
            yield Case(f"transform, {kind}", table, scaled)
    for count in FILES:
        files = split(csv, count, folder / f"in-{count}")
        yield Case(f"fit, {count} CSV files", files, ("fit", files, "-o", folder / "new.json"))
    for workers in numbers_of_cores():
        for source in (csv, folder / f"in-{FILES[1]}"):
            dask = ("--engine", "dask", "-j", workers)
            kind = f"{'1 file' if source is csv else f'{FILES[1]} files'}, {workers} Dask workers"
            yield Case(f"fit, {kind}", source, ("fit", source, "-o", folder / "new.json", *dask))
            scaled = ("transform", source, "--stats", stats, "--output-dir", folder / "parts")
            yield Case(f"transform, {kind}", source, (*scaled, *dask))


def main() -> None:
    chosen = options("scaling", __doc__, "10m", 3)
    table = TABLES[chosen.table]
    csv, parquet = (table.file(chosen.cache, suffix) for suffix in (".csv", ".parquet"))
    folder = Path(tempfile.mkdtemp(dir=chosen.cache))
    print(f"{table.rows} rows, {csv.stat().st_size / 1e6:.0f} MB of CSV\n")
    print("| what | seconds | CPU seconds | MB/s |\n|---|---:|---:|---:|")
    try:
        for case in cases(csv, parquet, folder):
            runs = [normcli(case.command) for _ in range(chosen.rounds)]
            wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
            rate = case.size / wall / 1e6
            print(f"| {case.what} | {wall:.2f} | {cpu:.2f} | {rate:.0f} |", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
