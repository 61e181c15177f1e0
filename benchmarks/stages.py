"""Where the time of a run goes: nanoseconds of CPU time a value, stage by stage.

    python -m benchmarks.stages

Every stage does what it does in a run, chunk by chunk; all in one process, whose threads count
together. The figures are medians over the rounds. Starting, and moving chunks between processes,
are not in them.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.tables import TABLES, options
from normcli.engines.memory import keep_freed_memory
from normcli.formats import format_named, open_table
from normcli.formats.base import Chunk, ReadOptions, Style, Table
from normcli.formats.csv.table import CsvChunk
from normcli.formats.texts.write import format_rows
from normcli.methods import methods
from normcli.methods.spelling import Asked
from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import fit
from normcli.pipeline.scaling import Job, Scaling
from normcli.statistics.base import Rows
from normcli.statistics.moments import MomentsState
from normcli.storage.sources import sources

READ = {".csv": "read the file, cut it into blocks", ".parquet": "read the file, decode it"}
CELLS, NUMBERS, STATISTICS = "find the cells", "make numbers of them", "exact statistics"
SCALE, FORMAT, SPLICE = "scale", "make texts of the numbers", "put them into the table"
WRITE, ALL = "encode, and write to /dev/null", "all"
STAGES = (*READ.values(), CELLS, NUMBERS, STATISTICS, SCALE, FORMAT, SPLICE, WRITE, ALL)


class Clock:
    """CPU seconds of the stages."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.spent[stage] += time.process_time() - start


def opened(path: Path) -> Table:
    (source,) = sources([str(path)])
    return open_table(source, ReadOptions())


def prepared(path: Path) -> Scaling:
    """What `transform` prepares: z-scores by the table's own statistics."""
    table, zscore = opened(path), methods()["zscore"].from_parameters({})
    found, _ = fit([opened(path)], Choice(), Asked(zscore))
    job = Job(Asked(zscore), found)
    return Scaling.prepare(table, job, format_named(table.format), ReadOptions())


def chunks(found: Iterator[Chunk], clock: Clock, path: Path) -> Iterator[Chunk]:
    """The chunks, with their cells found."""
    while True:
        with clock(READ[path.suffix]):
            chunk = next(found, None)
        if chunk is None:
            return
        if isinstance(chunk, CsvChunk):
            with clock(CELLS):
                _ = chunk.index
        yield chunk


def time_fit(path: Path) -> Counter[str]:
    clock, table = Clock(), opened(path)
    numbers = [i for i, name in enumerate(table.columns) if name.startswith("x")]
    for chunk in chunks(table.chunks(numbers), clock, path):
        with clock(NUMBERS):
            found = chunk.observe(numbers)
        with clock(STATISTICS):
            MomentsState.of(Rows(dict(enumerate(found))))
    return clock.spent


def time_transform(path: Path) -> Counter[str]:
    clock, scaling = Clock(), prepared(path)
    positions = [plan.position for plan in scaling.plans]
    with Path(os.devnull).open("wb") as nowhere:
        writer = scaling.format.writer(nowhere, scaling.encoder)
        for chunk in chunks(scaling.table.chunks(scaling.encoder.needs), clock, path):
            with clock(NUMBERS):
                numbers = chunk.numbers(positions)
            with clock(SCALE):
                plans = zip(numbers, scaling.plans, strict=True)
                scaled = [plan.mapping.values(x) for x, plan in plans]
            with clock(SPLICE):
                payload = scaling.encoder.encode(chunk, dict(zip(positions, scaled, strict=True)))
            if isinstance(chunk, CsvChunk) and not chunk.index.compiled:
                part = Clock()  # of what was timed as SPLICE
                with part(FORMAT):
                    format_rows(np.stack([each.values for each in scaled], axis=1), Style())
                clock.spent += part.spent
                clock.spent[SPLICE] -= part.spent[FORMAT]
            with clock(WRITE):
                writer.write(payload)
        with clock(WRITE):
            writer.close()
    return clock.spent


def medians(spent: Sequence[Counter[str]], values: int) -> dict[str, float]:
    """Nanoseconds a value of every stage, and of all together."""
    rounds = [{**each, ALL: sum(each.values())} for each in spent]
    return {
        stage: 1e9 / values * statistics.median(each[stage] for each in rounds)
        for stage in rounds[0]
    }


def main() -> None:
    chosen = options("stages", __doc__, "1m", 5)
    table, timed = TABLES[chosen.table], {}
    keep_freed_memory()
    for verb, work in (("fit", time_fit), ("transform", time_transform)):
        for suffix in READ:
            path = table.file(chosen.cache, suffix)
            spent = [work(path) for _ in range(chosen.rounds + 1)][1:]
            timed[f"{verb}, {suffix}"] = medians(spent, table.rows * table.numbers)
    print("| stage | " + " | ".join(timed) + " |")
    print("|---|" + "---:|" * len(timed))
    for stage in STAGES:
        cells = [f"{found[stage]:.1f}" if stage in found else "" for found in timed.values()]
        print(f"| {stage} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
