"""The verbs: tables in, statistics or tables out. Knows no format, no method, no engine."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import IO, Any

import numpy as np

from normcli.engines import Engine, Serial
from normcli.errors import DataError, UsageError, did_you_mean, printable
from normcli.formats.base import Chunk, Encoder, Format, NotNumbers, ReadOptions, Style, Table
from normcli.methods.arithmetic import count_outside
from normcli.methods.base import Batching, Fitted, Method, Running, Scaled
from normcli.model import Statistics
from normcli.numbers import Numbers
from normcli.report import Summary
from normcli.select import select
from normcli.statistics import ColumnStatistics, Exact


@dataclass(frozen=True)
class Choice:
    """Which columns are wanted, and what to do about cells and rows that are in the way."""

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ignore_infinite: bool = False
    skip_bad_rows: bool = False

    def wanted(self, names: Sequence[str]) -> list[int]:
        """The positions of the columns that are not excluded, of those that are selected."""
        chosen = select(self.select, names) if self.select else range(len(names))
        left = set(select(self.exclude, names)) if self.exclude else set()
        return [i for i in chosen if i not in left]


# Fit -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What a chunk holds: per column its statistics, or why it has none."""

    rows: int
    columns: list[ColumnStatistics | NotNumbers]
    bad_rows: list[tuple[int, str]]
    outside: dict[int, int]  # position -> numbers outside the bounds of that column


Bounds = tuple[Exact, Exact] | None


@dataclass(frozen=True)
class See:
    """Work: a chunk and some of its columns -> `Seen`.

    strict: a cell that is no number is an error, not a reason to leave its column alone.
    bounds: position of a column that is one of numbers -> numbers outside of these are
        counted (None: there are no bounds). Its cells are read as `Scale` would read them.
    """

    strict: bool
    choice: Choice
    bounds: Mapping[int, Bounds] = field(default_factory=dict)

    def __call__(self, task: tuple[Chunk, tuple[int, ...]]) -> Seen:
        """See one chunk."""
        chunk, columns = task
        chunk, bad_rows = _good_rows(chunk, columns if self.strict else (), self.choice)
        found = chunk.numbers(columns) if self.strict else self._observed(chunk, columns)
        numbers = [x for x in found if isinstance(x, Numbers)]
        statistics = iter(ColumnStatistics.of_columns(numbers))
        seen = [next(statistics) if isinstance(x, Numbers) else x for x in found]
        if not self.choice.ignore_infinite:
            _refuse_infinite(chunk, columns, found)
        outside = {
            column: count_outside(x, *bounds)
            for column, x in zip(columns, found, strict=True)
            if isinstance(x, Numbers) and (bounds := self.bounds.get(column))
        }
        return Seen(chunk.rows, seen, bad_rows, outside)

    def _observed(self, chunk: Chunk, columns: Sequence[int]) -> list[Numbers | NotNumbers]:
        found = chunk.observe(columns)
        for i, column in enumerate(columns):
            if isinstance(found[i], NotNumbers) and column in self.bounds:
                with suppress(DataError):  # numbers with leading zeros are numbers here
                    found[i] = chunk.numbers([column])[0]
        return found


def _engine(engine: Engine | None, table: Table) -> Engine:
    return engine if engine and table.parallel else Serial()


def _good_rows(
    chunk: Chunk, columns: Sequence[int], choice: Choice
) -> tuple[Chunk, list[tuple[int, str]]]:
    return chunk.without_bad_rows(columns) if choice.skip_bad_rows else (chunk, [])


def _refuse_infinite(
    chunk: Chunk, columns: Sequence[int], found: Sequence[Numbers | NotNumbers]
) -> None:
    """Raise DataError for the first infinite number of a chunk."""
    first: list[tuple[int, int]] = []
    for column, x in zip(columns, found, strict=True):
        if isinstance(x, Numbers) and (infinite := np.isinf(x.parts[0])).any():
            first.append((int(infinite.argmax()), column))
    if first:
        row, column = min(first)
        raise DataError(
            f"{chunk.place(row, column)} is infinite, or too large for a float64\n"
            "To leave such cells out of the statistics and as they are, add --on-inf ignore"
        )


@dataclass
class Observed:
    """The columns of some tables, by name, and what has been seen of each."""

    names: list[str]
    seen: list[ColumnStatistics | NotNumbers]
    sorted: bool = False  # tables had them in different orders

    def merge(
        self, positions: Sequence[int], parts: Sequence[ColumnStatistics | NotNumbers]
    ) -> None:
        """Add what a chunk holds in some columns; one that is no column of numbers stays so."""
        for i, part in zip(positions, parts, strict=True):
            have = self.seen[i]
            if isinstance(have, ColumnStatistics):
                self.seen[i] = have.merge(part) if isinstance(part, ColumnStatistics) else part

    def alive(self) -> list[int]:
        """The columns that are numbers so far."""
        return [i for i, seen in enumerate(self.seen) if isinstance(seen, ColumnStatistics)]


def fit(
    tables: Iterable[Table],
    choice: Choice,
    method: Method,
    column_methods: Mapping[str, Method],
    engine: Engine | None = None,
    summary: Summary | None = None,
) -> tuple[Statistics, Summary]:
    """The exact statistics of the chosen columns of all tables, in one pass.

    Without a selection these are the columns all of whose cells are numbers or missing.
    summary: what is to be filled; None: a new one.
    """
    summary = Summary() if summary is None else summary
    columns = observe(tables, choice, summary, engine)
    chosen = _chosen(columns, summary)
    statistics = Statistics(summary.rows, chosen, method, _known(column_methods, chosen))
    summary.columns = list(statistics.columns)
    _count_statistics(statistics, summary)
    return statistics, summary


def observe(
    tables: Iterable[Table],
    choice: Choice,
    summary: Summary,
    engine: Engine | None = None,
    bounds: Mapping[str, Bounds] | None = None,
) -> Observed:
    """What the wanted columns of all tables hold, in one pass.

    bounds: columns that are known to be of numbers -> numbers outside of these are counted
        as "out_of_range" in `summary` (None: there are no bounds).
    """
    columns: Observed | None = None
    for table in tables:
        wanted = choice.wanted(table.columns)
        if columns is None:
            columns = _start(table, wanted, choice, summary)
        places = _same_columns(table, wanted, columns, choice)
        see = See(bool(choice.select), choice, _bounds_by_position(bounds or {}, table))
        _observe_table(table, columns, places, see, _engine(engine, table), summary)
    if columns is None:
        raise UsageError("there is no input")
    return columns


def _bounds_by_position(bounds: Mapping[str, Bounds], table: Table) -> dict[int, Bounds]:
    return {i: bounds[name] for i, name in enumerate(table.columns) if name in bounds}


def _start(table: Table, wanted: list[int], choice: Choice, summary: Summary) -> Observed:
    """The columns as the first table has them."""
    for i, name in enumerate(table.columns):
        if i not in wanted:
            summary.left[name] = "not selected" if choice.select else "excluded"
    if not wanted:
        raise UsageError("no column is selected")
    return Observed([table.columns[i] for i in wanted], [ColumnStatistics() for _ in wanted])


def _same_columns(
    table: Table, wanted: list[int], columns: Observed, choice: Choice
) -> dict[int, int]:
    """Position in the fit -> position in this table; raises DataError where they differ."""
    names = [table.columns[i] for i in wanted]
    if names != columns.names:
        columns.sorted = True
        odd = Counter(columns.names) - Counter(names) or Counter(names) - Counter(columns.names)
        if odd:
            name = printable(next(iter(odd)))
            has = "has no" if next(iter(odd)) in columns.names else "alone has the"
            raise DataError(
                f"{table.name}: this table {has} column {name}; all inputs of one fit need the "
                f"same columns\nTo leave it alone, --exclude it; or fit each by itself"
            )
    places = dict(zip(_numbered(names), wanted, strict=True))
    positions = {i: places[key] for i, key in enumerate(_numbered(columns.names))}
    for i, place in positions.items():
        if place in table.others:
            if choice.select:
                raise DataError(
                    f"{table.name}: column {printable(columns.names[i])} is of type "
                    f"{table.others[place]}, not numbers"
                )
            columns.seen[i] = NotNumbers(table.others[place])
    return positions


def _numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    """The names with a number, so that equal names are told apart."""
    seen: Counter[str] = Counter()
    keys = []
    for name in names:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def _observe_table(
    table: Table,
    columns: Observed,
    places: Mapping[int, int],
    see: See,
    engine: Engine,
    summary: Summary,
) -> None:
    """Fold the chunks of one table into `columns`."""
    asked: deque[list[int]] = deque()

    def tasks() -> Iterator[tuple[Chunk, tuple[int, ...]]]:
        # What is known not to be numbers by now is not asked for again.
        for chunk in table.chunks([places[i] for i in columns.alive()]):
            alive = columns.alive()
            asked.append(alive)
            yield chunk, tuple(places[i] for i in alive)

    with closing(engine.map(see, tasks())) as results:
        for seen in results:
            columns.merge(asked.popleft(), seen.columns)
            for position, cells in seen.outside.items():
                summary.count("out_of_range", table.columns[position], cells)
            summary.advance(seen.rows, seen.bad_rows)


def _chosen(columns: Observed, summary: Summary) -> dict[str, ColumnStatistics]:
    """The columns that are numbers, by name; raises DataError where there is none."""
    chosen: dict[str, ColumnStatistics] = {}
    repeated = Counter(columns.names)
    for name, seen in zip(columns.names, columns.seen, strict=True):
        if isinstance(seen, NotNumbers):
            summary.left.setdefault(name, why(seen))
        elif repeated[name] > 1:
            raise DataError(
                f"{repeated[name]} columns are named {printable(name)}, and a column of numbers "
                "is among them\nRename them, --exclude them, or use --no-header and positions"
            )
        else:
            chosen[name] = seen
    if not chosen:
        reasons = ", ".join(
            f"{printable(n, 30)} ({why})" for n, why in list(summary.left.items())[:5]
        )
        raise DataError(
            f"no column holds numbers only: {reasons}\n"
            "Choose some with --select, or see --delimiter"
        )
    return {name: chosen[name] for name in sorted(chosen)} if columns.sorted else chosen


def why(seen: NotNumbers) -> str:
    """Why a column was left alone, in a few words."""
    if not seen.where:
        return seen.reason
    return f"{seen.reason}: {printable(seen.text, 20)} at {seen.where}"


def _known(column_methods: Mapping[str, Method], chosen: Mapping[str, Any]) -> dict[str, Method]:
    """The methods of single columns; raises UsageError for one of no column."""
    for name in column_methods:
        if name not in chosen:
            raise UsageError(
                f"--column {printable(name)}: this is no column of numbers."
                + did_you_mean(name, chosen)
            )
    return dict(column_methods)


def _count_statistics(statistics: Statistics, summary: Summary) -> None:
    for name, column in statistics.columns.items():
        summary.count_all(name, {"missing": column.missing, "nan": column.nan, "inf": column.inf})
        if column.constant:
            summary.constant.append(name)


# Transform and inverse -----------------------------------------------------------------


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
    statistics: list[ColumnStatistics]
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
        positions = [plan.position for plan in self.plans]
        chunk, bad_rows = _good_rows(chunk, positions, self.choice)
        numbers = chunk.numbers(positions)
        if not self.choice.ignore_infinite:
            _refuse_infinite(chunk, positions, numbers)
        scaled = [self._scaled(plan, x) for plan, x in zip(self.plans, numbers, strict=True)]
        if self.float32:
            _refuse_float32_overflow(self.plans, scaled)
        payload = self.encoder.encode(chunk, dict(zip(positions, scaled, strict=True)))
        seen = [
            (_counts(x, result), result.batches) for x, result in zip(numbers, scaled, strict=True)
        ]
        statistics = ColumnStatistics.of_columns(numbers) if self.observes else []
        return Done(payload, chunk.rows, seen, statistics, bad_rows)

    def _scaled(self, plan: Plan, x: Numbers) -> Scaled:
        apply = plan.method.inverse if self.inverse else plan.method.transform
        return apply(x, plan.column)


def _refuse_float32_overflow(plans: Sequence[Plan], scaled: Sequence[Scaled]) -> None:
    """Raise DataError where a scaled number is too large for a float32."""
    for plan, result in zip(plans, scaled, strict=True):
        written = np.isfinite(result.values)
        for mask in (result.keep, result.null):
            written &= True if mask is None else ~mask
        with np.errstate(over="ignore"):
            large = written & np.isinf(result.values.astype(np.float32))
        if large.any():
            raise DataError(
                f"column {printable(plan.column.name)}: {result.values[large.argmax()]:g} is too "
                "large for a float32\nLeave out --float32"
            )


def _counts(x: Numbers, scaled: Scaled) -> dict[str, int]:
    missing = 0 if x.missing is None else int(x.missing.sum())
    nan = int(np.isnan(x.parts[0]).sum()) - missing
    return {"missing": missing, "nan": nan, **scaled.counts}


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
        wanted = self.choice.wanted(table.columns)
        if self.statistics is None:
            return wanted
        known = self.statistics.columns
        positions = [i for i in wanted if table.columns[i] in known]
        if self.choice.select:
            unknown = [table.columns[i] for i in wanted if table.columns[i] not in known]
            if unknown:
                raise UsageError(
                    f"the statistics have no column {printable(unknown[0])}."
                    + did_you_mean(unknown[0], known)
                )
        elif not self.inverse:
            self._refuse_absent(table)
        if not positions:
            raise DataError(
                f"{table.name}: none of its columns is in the statistics, which have "
                + ", ".join(printable(name, 30) for name in list(known)[:5])
            )
        return positions

    def _refuse_absent(self, table: Table) -> None:
        """Raise DataError where the table lacks a column of the statistics."""
        assert self.statistics is not None
        known = list(self.statistics.columns)
        left = {known[i] for i in select(self.choice.exclude, known)} if self.choice.exclude else ()
        for name in known:
            if name not in table.columns and name not in left:
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
    seen: list[ColumnStatistics] = field(default_factory=list)
    running: list[Running | None] = field(default_factory=list)

    @classmethod
    def prepare(cls, table: Table, job: Job, format_: Format, options: ReadOptions) -> Scaling:
        """Decide what is done to which column; raises NormcliError where that cannot be."""
        plans = job.plans(table)
        nulls = not job.inverse and any(plan.method.makes_missing for plan in plans)
        style = replace(job.style, nulls=nulls)
        encoder = format_.encoder(table, [plan.position for plan in plans], style, options)
        return cls(table, job, plans, format_, encoder)

    def run(self, stream: IO[bytes], engine: Engine | None = None) -> None:
        """Read, scale and write all rows."""
        self.seen = [ColumnStatistics() for _ in self.plans]
        self.running = [None for _ in self.plans]
        writer = self.format.writer(stream, self.encoder)
        job = self.job
        work = Scale(
            self.plans, self.encoder, job.inverse, job.choice, job.style.float32, job.observes
        )
        with closing(_engine(engine, self.table).map(work, self._chunks())) as results:
            for done in results:
                writer.write(done.payload)
                self._add(done)
        writer.close()
        self._finish_summary()

    def _chunks(self) -> Iterator[Chunk]:
        """The chunks of the table; whole batches where they are normalized by themselves."""
        batchings = {plan.method.batching() for plan in self.plans} - {None}
        if len(batchings) > 1:
            raise UsageError("all columns of one run have the same --batch-size and --last-batch")
        chunks = self.table.chunks()
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
            self.summary.bad_rows += bad_rows
            yield good

    def _add(self, done: Done) -> None:
        self.summary.advance(done.rows, done.bad_rows)
        for i, (counts, batches) in enumerate(done.scaled):
            plan = self.plans[i]
            self.summary.count_all(plan.column.name, counts)
            if batches is not None and self.job.observes:
                self.running[i] = plan.method.fold(self.running[i], batches, plan.column.name)
        for i, statistics in enumerate(done.statistics):
            self.seen[i] = self.seen[i].merge(statistics)

    def _finish_summary(self) -> None:
        names = [plan.column.name for plan in self.plans]
        self.summary.columns = names
        self.summary.constant = [p.column.name for p in self.plans if p.column.statistics.constant]

    def statistics(self) -> Statistics:
        """Those of the rows that were read, with running statistics of batch training."""
        names = [plan.column.name for plan in self.plans]
        own = {name: m for name, m in self.job.column_methods.items() if name in names}
        running = {n: r for n, r in zip(names, self.running, strict=True) if r is not None}
        columns = dict(zip(names, self.seen, strict=True))
        return Statistics(self.summary.rows, columns, self.job.method, own, running)


def batched(chunks: Iterator[Chunk], batching: Batching, name: str) -> Iterator[tuple[Chunk, int]]:
    """The chunks cut anew, so that each holds whole batches; only the last may have a rest.

    With each comes the number of rows that were dropped before its end. A last batch that is
    short is kept, merged (the last chunk then ends with a longer batch), dropped or refused.
    """
    size = batching.size
    pending: list[Chunk] = []
    rows = 0
    for chunk in chunks:
        pending.append(chunk)
        rows += chunk.rows
        ready = (rows - 1) // size * size  # at least one row stays, for what comes last
        if batching.last == "merge":
            ready -= size  # and the batch that it may have to join
        if ready > 0:
            whole = _concat(pending)
            yield whole.slice(0, ready), 0
            pending, rows = [whole.slice(ready, rows)], rows - ready
    if pending:
        yield from _last_batch(_concat(pending), batching, name)


def _concat(chunks: list[Chunk]) -> Chunk:
    return type(chunks[0]).concat(chunks)


def _last_batch(last: Chunk, batching: Batching, name: str) -> Iterator[tuple[Chunk, int]]:
    rest = last.rows % batching.size
    if rest and batching.last == "drop":
        yield last.slice(0, last.rows - rest), rest
    elif rest and batching.last == "error":
        raise DataError(
            f"{name}: the last batch has {rest} of {batching.size} rows\n"
            "Choose what becomes of it with --last-batch keep, merge or drop"
        )
    elif rest == 1 and (batching.last == "keep" or last.rows == 1):
        raise DataError(
            f"{name}: the last batch has one row, which carries no information: the result "
            "would be beta everywhere\nUse --last-batch merge or drop, or another --batch-size"
        )
    else:
        yield last, 0
