"""Columns scaled or restored: every chunk read, worked on and written, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import IO, Any

import numpy as np

from normcli.engines.local import Engine
from normcli.errors import CellError, DataError, UsageError
from normcli.formats.base import BadRowError, Chunk, Encoder, Format, ReadOptions, Style, Table
from normcli.methods.base import Batching, Fitted, Method, Running, Scaled
from normcli.numerics.numbers import Numbers
from normcli.pipeline.batches import batched
from normcli.pipeline.choice import Choice, engine_for, good_rows, read_chunk, refuse_infinite
from normcli.pipeline.select import in_words
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import Statistics
from normcli.statistics.moments import ColumnStatistics, Fold, TableStatistics
from normcli.words import did_you_mean, listed, printable


@dataclass(frozen=True)
class Plan:
    """What is done to one column of a table."""

    position: int
    column: Fitted
    method: Method


@dataclass(frozen=True)
class Done:
    """What became of a chunk."""

    payload: Any
    rows: int
    scaled: list[tuple[dict[str, int], Any]]  # per column: counts, batches
    statistics: TableStatistics | None
    bad_rows: list[tuple[int, str]]


@dataclass(frozen=True)
class Scale:
    """Work: a chunk -> `Done`."""

    plans: tuple[Plan, ...]
    encoder: Encoder
    inverse: bool
    choice: Choice
    float32: bool = False
    observes: bool = False  # tells the statistics of what it read, too

    def __call__(self, chunk: Chunk) -> Done:
        """Scale one chunk."""
        chunk, bad_rows = good_rows(chunk, self._positions, self.choice)
        return replace(self._in_order(chunk), bad_rows=bad_rows)

    @property
    def _positions(self) -> list[int]:
        return [plan.position for plan in self.plans]

    def _in_order(self, chunk: Chunk) -> Done:
        """Scale it; where a row is bad, what is wrong with those before it comes first.

        So of several problems the first is told, wherever chunks are cut.
        """
        try:
            return self._done(chunk)
        except BadRowError as error:
            batchings = {plan.method.batching() for plan in self.plans} - {None}
            whole = max((batching.size for batching in batchings if batching), default=1)
            if before := error.row // whole * whole:
                self._in_order(chunk.slice(0, before))
            raise

    def _done(self, chunk: Chunk) -> Done:
        positions = self._positions
        numbers = read_chunk(chunk, positions, self.choice)
        counts = [_counts(x) for x in numbers]
        found = dict(zip(positions, numbers, strict=True))
        refuse_infinite(chunk, found, [count["inf"] for count in counts], self.choice)
        scaled = [self._scaled(chunk, plan, found[plan.position]) for plan in self.plans]
        if self.float32:
            _refuse_float32_overflow(chunk, self.plans, scaled)
        payload = self.encoder.encode(chunk, dict(zip(positions, scaled, strict=True)))
        seen = [
            ({**count, **result.counts}, result.batches)
            for count, result in zip(counts, scaled, strict=True)
        ]
        statistics = TableStatistics.of(numbers) if self.observes else None
        return Done(payload, chunk.rows, seen, statistics, [])

    def _scaled(self, chunk: Chunk, plan: Plan, x: Numbers) -> Scaled:
        apply = plan.method.inverse if self.inverse else plan.method.transform
        try:
            return apply(x, plan.column)
        except CellError as error:
            where = chunk.place(error.row, plan.position)
            raise BadRowError.at(error.row, f"{where} {error.why}") from error


def _refuse_float32_overflow(chunk: Chunk, plans: Sequence[Plan], scaled: Sequence[Scaled]) -> None:
    """Raise BadRowError where a scaled number is too large for a float32."""
    for plan, result in zip(plans, scaled, strict=True):
        written = np.isfinite(result.values)
        for mask in (result.keep, result.null):
            written &= True if mask is None else ~mask
        with np.errstate(over="ignore"):
            large = written & np.isinf(result.values.astype(np.float32))
        if large.any():
            row = int(large.argmax())
            raise BadRowError.at(
                row,
                f"{chunk.place(row, plan.position)} becomes {result.values[row]:g}, which is too "
                "large for a float32\nLeave out --float32",
            )


def _counts(x: Numbers) -> dict[str, int]:
    missing = 0 if x.missing is None else int(x.missing.sum())
    nan = int(np.isnan(x.parts[0]).sum()) - missing
    inf = int(np.isinf(x.parts[0]).sum())
    return {"missing": missing, "nan": nan, "inf": inf}


@dataclass(frozen=True)
class Job:
    """What is asked of `transform` or `inverse`.

    statistics: None where every method is one that needs none (batch training).
    method, column_methods: as in `Statistics`; they go before those of `statistics`.
    observes: tell the statistics of what was read, too.
    """

    method: Method
    column_methods: Mapping[str, Method] = field(default_factory=dict)
    statistics: Statistics | None = None
    inverse: bool = False
    choice: Choice = field(default_factory=Choice)
    style: Style = field(default_factory=Style)
    observes: bool = False

    def plans(self, table: Table) -> tuple[Plan, ...]:
        """What is done to which columns of the table; raises where that cannot be."""
        positions = self._positions(table)
        _refuse_repeated(table, positions)
        return tuple(self._plan(table, position) for position in positions)

    def _positions(self, table: Table) -> list[int]:
        if self.statistics is None:
            return self.choice.wanted(table.columns)
        known, present = self.statistics.columns, set(table.columns)
        absent = [name for name in known if name not in present]
        wanted = self.choice.wanted(table.columns, absent)
        positions = [i for i in wanted if table.columns[i] in known]
        if self.choice.select:
            unknown = [table.columns[i] for i in wanted if table.columns[i] not in known]
            if unknown:
                raise UsageError(
                    f"the statistics have no column {printable(unknown[0])}."
                    + (did_you_mean(unknown[0], known) or f" There is {in_words(list(known))}.")
                )
        elif not self.inverse and len(absent) < len(known):
            self._refuse_absent(table, absent)
        if not positions and len(absent) < len(known):
            raise UsageError("--select and --exclude leave no column of the statistics")
        if not positions:
            raise DataError(
                f"{table.name}: none of its columns is in the statistics, which have "
                f"{_first(list(known))}\n{_why_foreign(table)}"
            )
        return positions

    def _refuse_absent(self, table: Table, absent: list[str]) -> None:
        """Raise DataError where the table lacks a column of the statistics."""
        left = self.choice.excluded([*table.columns, *absent])
        for position, name in enumerate(absent, len(table.columns)):
            if position not in left:
                raise DataError(
                    f"{table.name}: no column {printable(name)}, which the statistics have."
                    f"{did_you_mean(name, table.columns)}\n"
                    "To scale the others only, --select them or --exclude it"
                )

    def _plan(self, table: Table, position: int) -> Plan:
        name = table.columns[position]
        if position in table.others:
            raise DataError(
                f"{table.name}: column {printable(name)} is of type {table.others[position]}, "
                "not numbers"
            )
        method = self.column_methods.get(name, self.method).for_column(name)
        if self.statistics is None:
            return Plan(position, Fitted(name, ColumnStatistics()), method)
        running = self.statistics.running.get(name)
        return Plan(position, Fitted(name, self.statistics.columns[name], running), method)


def _why_foreign(table: Table) -> str:
    """What may be the reason that a table has no column of the statistics."""
    if len(table.columns) == 1 and table.format in ("csv", "tsv"):
        return f"Its only column is {_first(table.columns)}; for several, see --delimiter"
    return f"It has {_first(table.columns)}. Are these the statistics of another table?"


def _first(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return listed([printable(name, 30) for name in names], 5)


def _refuse_repeated(table: Table, positions: Sequence[int]) -> None:
    """Raise DataError where two columns of the table have the name of a chosen one."""
    count = Counter(table.columns)
    for i in positions:
        if count[table.columns[i]] > 1:
            raise DataError(
                f"{table.name}: {count[table.columns[i]]} columns are named "
                f"{printable(table.columns[i])}; rename them, or --exclude them"
            )


@dataclass
class Scaling:
    """A prepared run: what can be refused before the rows are read has been refused."""

    table: Table
    job: Job
    plans: tuple[Plan, ...]
    format: Format
    encoder: Encoder
    summary: Summary = field(default_factory=Summary)
    seen: Fold = field(default_factory=Fold)
    running: list[Running | None] = field(default_factory=list)

    @classmethod
    def prepare(cls, table: Table, job: Job, format_: Format, options: ReadOptions) -> Scaling:
        """Decide what is done to which column; raises NormcliError where that cannot be."""
        plans = job.plans(table)
        nulls = not job.inverse and any(plan.method.makes_missing for plan in plans)
        batchings = [batching for plan in plans if (batching := plan.method.batching())]
        drops = any(batching.last == "drop" for batching in batchings)
        style = replace(job.style, nulls=nulls, drops=drops)
        encoder = format_.encoder(table, [plan.position for plan in plans], style, options)
        return cls(table, job, plans, format_, encoder)

    def run(self, stream: IO[bytes], engine: Engine | None = None) -> None:
        """Read, scale and write all rows."""
        self.seen = Fold(len(self.plans))
        self.running = [None for _ in self.plans]
        self.summary.inputs.append((self.table.name, self.table.format))
        writer = self.format.writer(stream, self.encoder)
        job = self.job
        work = Scale(
            self.plans, self.encoder, job.inverse, job.choice, job.style.float32, job.observes
        )
        with closing(engine_for(engine, self.table).map(work, self._chunks())) as results:
            for done in results:
                writer.write(done.payload)
                self._add(done)
        writer.close()
        self.summary.nan_as_null += writer.nan_as_null
        self._finish_summary()

    def _chunks(self) -> Iterator[Chunk]:
        """The chunks of the table; whole batches where they are normalized by themselves."""
        batchings = {plan.method.batching() for plan in self.plans} - {None}
        if len(batchings) > 1:
            raise UsageError("all columns of one run have the same --batch-size and --last-batch")
        chunks = self.table.chunks(self.encoder.needs)
        return self._batched(chunks, batchings.pop()) if batchings else chunks

    def _batched(self, chunks: Iterator[Chunk], batching: Batching | None) -> Iterator[Chunk]:
        assert batching is not None
        good = self._good(chunks) if self.job.choice.skip_bad_rows else chunks
        for chunk, dropped in batched(good, batching, self.table.name):
            self.summary.dropped_rows += dropped
            yield chunk

    def _good(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """The chunks without bad rows, which must not count in batches."""
        for chunk in chunks:
            good, bad_rows = chunk.without_bad_rows([plan.position for plan in self.plans])
            self.summary.skip(bad_rows)
            yield good

    def _add(self, done: Done) -> None:
        self.summary.advance(done.rows, done.bad_rows)
        for i, (counts, batches) in enumerate(done.scaled):
            plan = self.plans[i]
            self.summary.count_all(plan.column.name, counts)
            if batches is not None and self.job.observes:
                self.running[i] = plan.method.fold(self.running[i], batches, plan.column.name)
        if done.statistics:
            self.seen.add(done.statistics, list(range(len(self.plans))))

    def _finish_summary(self) -> None:
        names = [plan.column.name for plan in self.plans]
        self.summary.columns = names
        self.summary.left = self.left()
        self.summary.constant = [p.column.name for p in self.plans if p.column.statistics.constant]

    def left(self) -> dict[str, str]:
        """The other columns of the table, and why each is left alone."""
        scaled = {plan.position for plan in self.plans}
        columns = enumerate(self.table.columns)
        return {name: self._why_left(i) for i, name in columns if i not in scaled}

    def _why_left(self, position: int) -> str:
        statistics, table = self.job.statistics, self.table
        if statistics is None or table.columns[position] in statistics.columns:
            return "not selected" if self.job.choice.select else "excluded"
        kind = f" ({table.others[position]})" if position in table.others else ""
        return f"not in the statistics{kind}"

    def statistics(self) -> Statistics:
        """Those of the rows that were read, with running statistics of batch training."""
        names = [plan.column.name for plan in self.plans]
        own = {name: m for name, m in self.job.column_methods.items() if name in names}
        running = {n: r for n, r in zip(names, self.running, strict=True) if r is not None}
        columns = dict(zip(names, self.seen.columns(), strict=True))
        return Statistics(self.summary.rows, columns, self.job.method, own, running)
