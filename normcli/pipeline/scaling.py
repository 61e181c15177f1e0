"""Columns scaled or restored: every chunk read, worked on and written, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import IO, Any

import numpy as np

from normcli.engines.local import Engine
from normcli.errors import CellError, DataError, NormcliError, UsageError
from normcli.formats.base import (
    BadRowError,
    Chunk,
    Encoder,
    Output,
    ReadOptions,
    Style,
    Table,
    Writer,
)
from normcli.methods.base import Method
from normcli.methods.chain import spelling
from normcli.methods.filled import filled, fills
from normcli.methods.filled import in_words as number_in_words
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.methods.mapping import either
from normcli.methods.rows import RowMapping
from normcli.methods.spelling import Asked, Methods
from normcli.methods.whole import Restored, Rounded
from normcli.numerics.numbers import Numbers, Scaled, Vectors
from normcli.pipeline.batches import batched
from normcli.pipeline.by_group import ByGroup, Seen, Unseen
from normcli.pipeline.choice import (
    Choice,
    engine_for,
    good_rows,
    read_chunk,
    refuse_infinite,
    refuse_repeated,
    refuse_type,
)
from normcli.pipeline.collect import MOMENTS, Found, Need, canonical, groups_of
from normcli.pipeline.collisions import refuse_collisions
from normcli.pipeline.enough import refuse_absent_columns
from normcli.pipeline.roles import KEY, Roles, labels_of
from normcli.pipeline.select import in_words
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import Statistics, together
from normcli.statistics.base import Labels, Recipe, Rows
from normcli.statistics.batching import Batching
from normcli.statistics.column import ColumnStatistics
from normcli.words import did_you_mean, listed, many, printable


@dataclass(frozen=True)
class Plan:
    """What is done to one column of a table.

    method: its spelling. constant: were all fitted numbers the same?
    warning: what people should know of its mapping, often nothing.
    is_vectors: each cell is a list of numbers, which are mapped as a row.
    leaves: the recipes of what a run in training leaves.
    by: what is done to each group of rows, where they are mapped by groups; `mapping` is then
        that of all rows.
    """

    position: int
    name: str
    method: str
    mapping: ColumnMapping
    constant: bool = False
    leaves: tuple[Recipe, ...] = ()
    by: ByGroup | None = None
    warning: str = ""
    is_vectors: bool = False


@dataclass(frozen=True)
class Done:
    """What became of a chunk.

    counts: of each column, by what happened. found: its rows, and what was collected of them.
    unseen: its rows of groups that the statistics do not have; where it has some, there is
        nothing to write.
    present: is each column in it at all?
    """

    payload: Any
    counts: list[dict[str, int]]
    found: Found
    unseen: Unseen
    present: list[bool]


@dataclass(frozen=True)
class Scale:
    """Work: a chunk -> `Done`.

    needs: what is collected of what it reads; columns by their place in `plans`.
    keys: the columns whose texts are the keys of groups -> their positions.
    seen: the groups that the statistics have.
    single: the columns that are written as float32.
    """

    plans: tuple[Plan, ...]
    encoder: Encoder
    choice: Choice
    style: Style = field(default_factory=Style)
    needs: tuple[Need, ...] = ()
    nulls: bool = False  # cells without a number are written empty, or null
    keys: Mapping[str, int] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    single: frozenset[int] = frozenset()
    vectors: tuple[Plan, ...] = ()  # of columns of lists

    def __call__(self, chunk: Chunk) -> Done:
        """Scale one chunk."""
        chunk, bad_rows = good_rows(chunk, self._positions, self.choice)
        done = self._in_order(chunk)
        done.found.rows, done.found.bad_rows = chunk.rows, bad_rows
        done.found.kept_rows = chunk.kept_rows
        return done

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
            batchings = (plan.mapping.batching for plan in self.plans)
            whole = max((batching.size for batching in batchings if batching), default=1)
            if before := error.row // whole * whole:
                self._in_order(chunk.slice(0, before)).unseen.refuse()
            raise

    def _done(self, chunk: Chunk) -> Done:
        positions = self._positions
        numbers = read_chunk(chunk, positions, self.choice)
        counts = [_counts(x) for x in numbers]
        found = dict(zip(positions, numbers, strict=True))
        refuse_infinite(chunk, found, [count["inf"] for count in counts], self.choice)
        labels = labels_of([chunk.texts(i) for i in self.keys.values()]) if self.keys else None
        in_rows = self._in_rows(found)
        scaled = [
            in_rows.get(plan.position) or self._scaled(chunk, plan, found[plan.position], labels)
            for plan in self.plans
        ]
        if self.style.float32:
            _refuse_float32_overflow(chunk, self.plans, scaled)
        new = dict(zip(positions, scaled, strict=True))
        if self.choice.marks.numbers and not self.nulls:
            refuse_collisions(chunk, new, self.choice.marks, self.style, self.single)
        told = [{**c, **result.counts} for c, result in zip(counts, scaled, strict=True)]
        for plan in self.vectors:
            new[plan.position], count = self._vectors(chunk, plan)
            told.append(count)
        payload = self.encoder.encode(chunk, new)
        rows = Rows(dict(enumerate(numbers)), labels)
        seen = Found.of(rows, self.needs, chunk, dict(enumerate(positions)))
        unseen = Unseen.of(self.seen, labels, chunk, self.keys) if labels else Unseen()
        present = chunk.present([*positions, *(plan.position for plan in self.vectors)])
        return Done(payload, told, seen, unseen, present)

    def _vectors(self, chunk: Chunk, plan: Plan) -> tuple[Scaled, dict[str, int]]:
        """A column of vectors, each mapped as a row; and what is told of its elements."""
        found, row = chunk.vectors(plan.position), plan.mapping.row
        assert row is not None
        x = found.elements
        counts = _counts(x)
        if counts["inf"] and not self.choice.ignore_infinite:
            of_element = np.repeat(np.arange(len(found.lengths)), found.lengths)
            at = int(of_element[np.isinf(x.parts[0])][0])
            raise BadRowError.at(
                at,
                f"{chunk.place(at, plan.position)} has an infinite element\n"
                "To leave such vectors as they are, add --on-inf ignore",
            )
        done = plan.mapping.counted(row.vectors(Vectors(plan.mapping.ready(x), found.lengths)), x)
        return _without_marks(done, x) if self.nulls else done, {**counts, **done.counts}

    def _in_rows(self, found: Mapping[int, Numbers]) -> dict[int, Scaled]:
        """The columns whose rows are mapped together, by position."""
        rows: dict[RowMapping, list[Plan]] = {}
        for plan in self.plans:
            if (row := plan.mapping.row) is not None:
                rows.setdefault(row, []).append(plan)
        scaled = {}
        for row, plans in rows.items():
            done = row.rows([plan.mapping.ready(found[plan.position]) for plan in plans])
            for plan, each in zip(plans, done, strict=True):
                x = found[plan.position]
                counted = plan.mapping.counted(each, x)
                scaled[plan.position] = _without_marks(counted, x) if self.nulls else counted
        return scaled

    def _scaled(self, chunk: Chunk, plan: Plan, x: Numbers, labels: Labels | None) -> Scaled:
        try:
            by = plan.by if labels is not None else None
            scaled = by.values(x, labels) if by and labels else plan.mapping.values(x)
        except CellError as error:
            where = chunk.place(error.row, plan.position)
            raise BadRowError.at(error.row, f"{where} {error.why}") from error
        return _without_marks(scaled, x) if self.nulls else scaled


def _without_marks(scaled: Scaled, x: Numbers) -> Scaled:
    """`scaled` with a null in every cell that had no number, however that was written."""
    none = np.isnan(x.parts[0])
    keep = None if scaled.keep is None else scaled.keep & ~none
    return replace(scaled, keep=keep, null=either(scaled.null, none))


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

    asked: the methods; they go before those of `statistics`.
    statistics: None where no method needs any (batch training, maps, given numbers).
    observes: tell the statistics of what was read, too.
    own: `statistics` are those of what is read; they need not be collected again.
    alias: column of the table -> the column whose statistics it is scaled by.
    policy: for rows of groups that the statistics do not have, whatever groups it names.
    """

    asked: Asked
    statistics: Statistics | None = None
    inverse: bool = False
    choice: Choice = field(default_factory=Choice)
    style: Style = field(default_factory=Style)
    observes: bool = False
    own: bool = False
    policy: Seen = field(default_factory=Seen)
    alias: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> str:
        """What becomes of cells without a number; the way back fills none."""
        missing = self.asked.missing
        return "keep" if self.inverse and fills(missing) else missing

    @property
    def filled(self) -> str:
        """On the way back: with what missing cells were filled before, in words."""
        kept = str(self.statistics.options.get("missing", "keep")) if self.statistics else "keep"
        return number_in_words(kept) if self.inverse and fills(kept) else ""

    @property
    def by(self) -> tuple[str, ...]:
        """The columns whose texts are the keys of groups."""
        return tuple(self.statistics.options.get("by", ())) if self.statistics else ()

    @property
    def seen(self) -> Seen:
        """The groups that the statistics have."""
        return replace(self.policy, groups=self.statistics.groups if self.statistics else {})

    def refuse_nothing(self, summary: Summary) -> None:
        """Raise DataError where the rows of all inputs are not enough for a success."""
        self.choice.most_bad.refuse(summary)
        refuse_absent_columns(summary, inverse=self.inverse)

    def plans(self, table: Table) -> tuple[Plan, ...]:
        """What is done to which columns of the table; raises where that cannot be."""
        for name in self.alias.keys() - {*table.columns}:
            raise UsageError(
                f"--as {printable(name)}: {table.name} has no such column."
                + did_you_mean(name, table.columns)
            )
        positions, methods = self._positions(table), self.methods(table.columns)
        refuse_repeated(table.name, table.columns, [table.columns[i] for i in positions])
        plans = (self._plan(table, position, methods) for position in positions)
        return tuple(sorted(plans, key=lambda plan: plan.is_vectors))  # vectors come last

    def methods(self, columns: Sequence[str]) -> Methods:
        """The methods of the columns of the statistics, or of a table with these columns."""
        if self.statistics is None:
            return self.asked.methods(columns, "the table")
        return self.asked.methods(self.statistics.columns, "the statistics")

    def _positions(self, table: Table) -> list[int]:
        if self.statistics is None:
            return self._without_statistics(table)
        known, present = self.statistics.columns, {*table.columns, *self.alias.values()}
        absent = [name for name in known if name not in present]
        wanted = self.choice.wanted_of(table, absent)
        positions = [i for i in wanted if self.fitted_as(table.columns[i]) is not None]
        if self.choice.select:
            unknown = [n for i in wanted if self.fitted_as(n := table.columns[i]) is None]
            if unknown:
                raise UsageError(
                    f"the statistics have no column {printable(unknown[0])}."
                    + (did_you_mean(unknown[0], known) or f" They have {in_words(list(known))}.")
                )
        elif not self.inverse and len(absent) < len(known):
            self._refuse_absent(table, absent)
        if not positions and self.inverse and self.style.suffix:
            raise DataError(
                f"{table.name}: no column has the name of one of the statistics and "
                f"{printable(self.style.suffix)} at the end. It has {_first(table.columns)}"
            )
        if not positions and len(absent) < len(known):
            raise UsageError("--select and --exclude leave no column of the statistics")
        if not positions:
            raise DataError(
                f"{table.name}: none of its columns is in the statistics, which have "
                f"{_first(list(known))}\n{_why_foreign(table)}"
            )
        return positions

    def _without_statistics(self, table: Table) -> list[int]:
        """The columns that are wanted; on the way back those that have the suffix besides."""
        wanted = self.choice.wanted_of(table)
        if not (self.inverse and self.style.suffix):
            return wanted
        places = {name: i for i, name in enumerate(table.columns)}
        scaled = [f"{table.columns[i]}{self.style.suffix}" for i in wanted]
        if not any(name in places for name in scaled):
            end = printable(self.style.suffix)
            raise DataError(f"{table.name}: no column has {end} at the end of its name")
        return [places[name] for name in scaled if name in places]

    def fitted_as(self, column: str) -> str | None:
        """The column whose statistics, or method, a column of the table is scaled by."""
        known = self.statistics.columns if self.statistics else None
        if column in self.alias:
            return self.alias[column]
        if self.inverse and self.style.suffix:
            stem = column.removesuffix(self.style.suffix)
            return stem if stem != column and (known is None or stem in known) else None
        return column if known is None or column in known else None

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

    def _plan(self, table: Table, position: int, methods: Methods) -> Plan:
        name = table.columns[position]
        fitted = self.fitted_as(name) or name
        method = methods.of(fitted)
        is_vectors = method.by_row and position in table.vectors
        if not is_vectors:
            refuse_type(table, position)
        method.batching()  # raises where a size is missing, whatever the column
        column = ColumnStatistics(given=method.given)
        names: tuple[str, ...] = (fitted,)
        if self.statistics is not None and not method.given:
            names = self.statistics.sharing(fitted)
            column = together(self.statistics.columns, names)
        if column.given and not method.given:
            assert self.statistics is not None
            _refuse_other_given(name, method, column, self.statistics.method_for(fitted))
        whole = bool(column.count and column.moments.whole)
        made = _Made(name, method, self.inverse, self.style.integers, whole, self.missing)
        forth, by = made.forth(column), None
        leaves = tuple(recipe.after(column.values) for recipe in method.leaves(name))
        mapping = made.way(forth)
        if self.by and method.needs_fit() and not column.given:
            by = ByGroup(names, self.seen, mapping, made)
        return Plan(
            *(position, name, method.spelling, mapping, column.constant, leaves, by),
            *(forth.warning, is_vectors),
        )

    def knows(self, plans: Sequence[Plan]) -> bool:
        """Are the statistics of what is read known, with what training leaves?"""
        return self.own and not any(plan.leaves for plan in plans)

    def needs(self, plans: Sequence[Plan]) -> tuple[Need, ...]:
        """What is collected of the columns that are scaled, for `Scaling.statistics`."""
        if not self.observes or self.knows(plans):
            return ()
        found: dict[Recipe, set[int]] = {}
        for i, plan in enumerate(plans):
            for recipe in plan.leaves:
                found.setdefault(recipe, set()).add(i)
        return MOMENTS + tuple(Need(r, (), frozenset(columns)) for r, columns in found.items())


@dataclass(frozen=True)
class _Made:
    """What is known of a column -> its mapping, or the way back; errors name the column.

    integers: on the way back all results are rounded.
    whole: all fitted numbers were whole; on the way back such numbers become whole again.
    missing: what becomes of missing cells.
    """

    name: str
    method: Method
    inverse: bool
    integers: bool
    whole: bool
    missing: str

    def __call__(self, column: ColumnStatistics) -> ColumnMapping:
        return self.way(self.forth(column))

    def forth(self, column: ColumnStatistics) -> ColumnMapping:
        """The mapping, even if the way back is wanted."""
        with self._named():
            mapping = _mapping(self.method, column)
            if not fills(self.missing):
                return mapping
            of_mapped = column.given and self.method.before  # not of the numbers that are filled
            return filled(mapping, self.missing, ColumnStatistics() if of_mapped else column)

    def way(self, forth: ColumnMapping) -> ColumnMapping:
        """The way that is wanted."""
        if not self.inverse:
            return forth
        with self._named():
            back = forth.inverse()
        if self.integers:
            return Rounded(back)
        return Restored(back, forth) if self.whole else back

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except NormcliError as error:
            raise type(error)(f"column {printable(self.name)}: {error}") from error


def _mapping(method: Method, column: ColumnStatistics) -> ColumnMapping:
    """The mapping of a column; raises UsageError where a statistic of it is missing."""
    if method.needs_fit() and not column.given:
        for before, recipes in method.stages(""):
            maps = spelling(before)
            known = column.mapped.get(maps) if maps else column
            for recipe in recipes:
                if known is None or (known.count and recipe.name not in known.values):
                    raise recipe.lacking(maps, method.spelling)
    return method.mapping(column)


def _refuse_other_given(name: str, method: Method, column: ColumnStatistics, kept: Method) -> None:
    """Raise UsageError where a method takes other numbers than were given for the column.

    kept: the method that they were given for; they are about what the maps before it make.
    """
    if not method.needs_fit():
        return
    where = f"column {printable(name)}: "
    mine, theirs = spelling(method.before), spelling(kept.before)
    if mine != theirs:
        of = f"numbers of {theirs}" if theirs else "the numbers as they are"
        raise UsageError(
            f"{where}the numbers that were given are about {of}, "
            f"which {method.spelling} does not take"
        )
    same = {"std": "var", "var": "std"}
    absent = [n for n in method.takes if not {n, same.get(n, n)} & column.given.keys()]
    if absent or not method.takes:
        raise UsageError(
            f"{where}{method.spelling} takes {listed(method.takes) or 'no given numbers'}, and the "
            f"statistics have only {listed([*column.given])}, which was given. Use another "
            "--method, or fit the table"
        )


def _why_foreign(table: Table) -> str:
    """What may be the reason that a table has no column of the statistics."""
    if table.hint:
        return table.hint
    if len(table.columns) == 1 and table.format in ("csv", "tsv"):
        return f"Its only column is {_first(table.columns)}; for several, see --delimiter"
    return f"It has {_first(table.columns)}. Are these the statistics of another table?"


def _first(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return listed([printable(name, 30) for name in names], 5)


def _refuse_taken(table: Table, names: Sequence[str], suffix: str) -> None:
    """Raise UsageError where the name of a new column is there already."""
    for name in names if suffix else ():
        if f"{name}{suffix}" in table.columns:
            raise UsageError(
                f"{table.name}: there is a column {printable(name + suffix)} already; "
                "choose another --suffix"
            )


@dataclass
class Scaling:
    """A prepared run: what can be refused before the rows are read has been refused."""

    table: Table
    job: Job
    plans: tuple[Plan, ...]
    format: Output
    encoder: Encoder
    summary: Summary = field(default_factory=Summary)
    found: Found = field(default_factory=lambda: Found([]))

    @classmethod
    def prepare(cls, table: Table, job: Job, format_: Output, options: ReadOptions) -> Scaling:
        """Decide what is done to which column; raises NormcliError where that cannot be."""
        plans = job.plans(table)
        mappings = [plan.by or plan.mapping for plan in plans]
        nulls = job.missing == "null" or any(each.makes_missing for each in mappings)
        batchings = [batching for plan in plans if (batching := plan.mapping.batching)]
        drops = any(batching.last == "drop" for batching in batchings)
        suffix = "" if job.inverse else job.style.suffix
        _refuse_taken(table, [plan.name for plan in plans], suffix)
        style = replace(job.style, nulls=nulls, drops=drops, suffix=suffix)
        encoder = format_.encoder(table, [plan.position for plan in plans], style, options)
        Roles(by=job.by).places(table)
        return cls(table, job, plans, format_, encoder)

    def run(self, stream: IO[bytes], engine: Engine | None = None, *, flows: bool = False) -> None:
        """Read, scale and write all rows; if it `flows`, those of each chunk at once."""
        self.summary.begin(self.table)
        if self.table.extra_lines and not self.format.keeps_lines:
            lines = many(self.table.extra_lines, "line")
            note = f"{lines} around the header left out: {self.format.name} has no place for them"
            self.summary.notes[note] = self.table.name
        writer = self.format.writer(stream, self.encoder)
        job = self.job
        self.summary.missing, self.summary.filled = job.missing, job.filled
        needs = job.needs(self.plans)
        self.found = Found.nothing(needs)
        keys = dict(zip(job.by, Roles(by=job.by).places(self.table), strict=True))
        vectors = tuple(plan for plan in self.plans if plan.is_vectors)
        if vectors and job.observes:
            raise UsageError("--save-stats has no statistics of lists; leave out these columns")
        work = Scale(
            self.plans[: len(self.plans) - len(vectors)],
            self.encoder,
            job.choice,
            job.style,
            needs,
            job.missing == "null",
            keys,
            job.seen,
            self.table.single,
            vectors,
        )
        results = engine_for(engine, self.table).map(work, self._chunks(), self.table.ready)
        with closing(results):
            self._write(writer, results, stream.flush if flows else None)
        writer.close()
        self.summary.nan_as_null += writer.nan_as_null
        self.summary.columns = [plan.name for plan in self.plans]
        self.summary.left = self.left()
        self.summary.warnings = {plan.name: plan.warning for plan in self.plans if plan.warning}
        self.summary.constant = [plan.name for plan in self.plans if plan.constant]

    def _write(
        self, writer: Writer, results: Iterator[Done], flush: Callable[[], object] | None
    ) -> None:
        """Write the rows; if some are of groups that are not known, no more, and refuse them."""
        unseen = Unseen()
        try:
            for done in results:
                unseen.add(done.unseen)
                if not unseen.groups:
                    writer.write(done.payload)
                if flush:
                    flush()
                self._add(done)
        except BadRowError:
            unseen.refuse()
            raise
        unseen.refuse()

    def _chunks(self) -> Iterator[Chunk]:
        """The chunks of the table; whole batches where they are normalized by themselves."""
        batchings = {batching for plan in self.plans if (batching := plan.mapping.batching)}
        if len(batchings) > 1:
            raise UsageError("all columns of one run have the same --batch-size and --last-batch")
        needs = self.encoder.needs
        if needs is not None:
            needs = [*needs, *Roles(by=self.job.by).places(self.table)]
        chunks = self.table.chunks(needs)
        if self.encoder.spells:
            chunks = self.table.spelled(chunks)
        return self._batched(chunks, batchings.pop()) if batchings else chunks

    def _batched(self, chunks: Iterator[Chunk], batching: Batching) -> Iterator[Chunk]:
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
        found = done.found
        self.summary.advance(found.rows, found.bad_rows, found.kept_rows)
        for plan, counts, present in zip(self.plans, done.counts, done.present, strict=True):
            self.summary.count_all(plan.name, counts)
            if present:
                self.summary.present.add(plan.name)
        self.found.join(done.found)

    def left(self) -> dict[str, str]:
        """The other columns of the table, and why each is left alone."""
        scaled = {plan.position for plan in self.plans}
        columns = enumerate(self.table.columns)
        return {name: self._why_left(i) for i, name in columns if i not in scaled}

    def _why_left(self, position: int) -> str:
        statistics, table = self.job.statistics, self.table
        if table.columns[position] in self.job.by:
            return KEY
        if statistics is None or table.columns[position] in statistics.columns:
            return "not selected" if self.job.choice.select else "excluded"
        kind = f" ({table.others[position]})" if position in table.others else ""
        return f"not in the statistics{kind}"

    def statistics(self) -> Statistics:
        """Those of the rows that were read, with running statistics of batch training."""
        if self.job.statistics is not None and self.job.knows(self.plans):
            return self.job.statistics
        names = [plan.name for plan in self.plans]
        methods, needs = self.job.methods(self.table.columns), self.job.needs(self.plans)
        fitted = {name: self.job.fitted_as(name) for name in names}
        own = {name: methods.own[key] for name, key in fitted.items() if key and key in methods.own}
        found = self.found.columns(len(names), needs) if self.summary.rows else {(): {}}
        places = {name: i for i, name in enumerate(names)}
        in_order = canonical(names, self.table.orders)
        known = {name: found[()].get(places[name], ColumnStatistics()) for name in in_order}
        groups = groups_of(found, {name: i for i, name in enumerate(names)}, known)
        options = {**Roles(by=self.job.by).options, **self.job.choice.marks.options}
        return Statistics(self.summary.rows, known, methods.default, own, groups, options)
