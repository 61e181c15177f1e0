"""Statistics for other programs: what they do to columns, and whether the other program does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from normcli.bridges.export import Column, Formula, Model, Rows, Target
from normcli.errors import NormcliError, UsageError
from normcli.formats.base import Chunk, Encoder, Output, ReadOptions, Style, Table, Writer
from normcli.formats.memory import table
from normcli.methods.expression import MISSING, X, number, refused
from normcli.methods.filled import Filled
from normcli.methods.mapping import Mapping as ColumnMapping
from normcli.numerics.numbers import Numbers, Scaled
from normcli.pipeline.roles import labels_of
from normcli.pipeline.scaling import Job, Plan, Scaling
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.numerics.numbers import Floats
    from normcli.statistics.base import Group


def model_of(job: Job, dialect: str = "") -> Model:
    """What a job does to the columns of its statistics, as formulas; raises UsageError."""
    if not (job.statistics and job.statistics.columns):
        raise UsageError("the statistics have no columns, so there is nothing to export")
    names = [*job.statistics.columns]
    empty = pa.table({name: pa.array([], pa.float64()) for name in (*names, *job.by)})
    plans = job.plans(table(empty))
    by = job.by if any(plan.by for plan in plans) else ()
    return Model([_column(plan, job) for plan in plans], by, dialect)


def _column(plan: Plan, job: Job) -> Column:
    with _named(plan):
        everywhere = _formula(plan.mapping, job.missing)
        if plan.by is None:
            return Column(plan.name, plan.method, plan.mapping, everywhere)
        found = {group: plan.by.of(group) for group in job.seen.groups}
        groups = {group: _formula(each, job.missing) for group, each in found.items() if each}
        unseen = {
            "global": everywhere,
            "keep": Formula(),
            "null": Formula((MISSING,)),
            "error": Formula((refused("is of a group that the statistics do not have."),)),
        }[job.seen.policy]
        return Column(plan.name, plan.method, plan.mapping, unseen, groups)


@contextmanager
def _named(plan: Plan) -> Iterator[None]:
    try:
        yield
    except NormcliError as error:
        what = f"column {printable(plan.name)}, {plan.method}: "
        raise type(error)(f"{what}{error}") from error


def _floats(x: Numbers) -> Floats:
    """The float64 nearest to each number."""
    total: Floats = x.parts.sum(axis=0) / 10.0**x.scale
    return total


def _formula(mapping: ColumnMapping, missing: str) -> Formula:
    inner = mapping.mapping if isinstance(mapping, Filled) else mapping
    none = MISSING if missing == "null" else X
    if isinstance(mapping, Filled):
        done = inner.values(Numbers(np.array([[float(mapping.number)]])))
        none = number(done.values[0]) if done.null is None or not done.null[0] else MISSING
    return Formula(mapping.expressions(), inner.of_infinite, none)


# -- is it what transform makes? ---------------------------------------------------------------


@dataclass
class Comparison:
    """Results of an export beside those of `transform`.

    rows, cells: that were compared. differ: cells that are not the same, bit for bit.
    ulp: the largest difference, and the column in which it was. by: the program that ran it.
    """

    rows: int = 0
    cells: int = 0
    differ: int = 0
    ulp: float = 0.0
    column: str = ""
    by: str = ""

    def add(self, name: str, wanted: Floats, found: Floats, size: Floats, bits: int) -> None:
        """Count the cells of a column; NaN is missing."""
        single = bits == 32
        wanted = wanted.astype(np.float32).astype(float) if single else wanted
        none, infinite = np.isnan(wanted), np.isinf(wanted)
        same = (wanted == found) | (none & np.isnan(found))
        spacing = np.spacing(size.astype(np.float32)) if single else np.spacing(size)
        with np.errstate(all="ignore"):
            ulp = abs(wanted - found) / spacing
        ulp = np.where(same, 0.0, np.where(np.isfinite(ulp) & ~none & ~infinite, ulp, np.inf))
        self.cells += len(wanted)
        self.differ += int((~same).sum())
        largest = float(ulp.max(initial=0.0))
        if largest > self.ulp:
            self.ulp, self.column = largest, name


def verify(job: Job, model: Model, target: Target, exported: bytes, data: Table) -> Comparison:
    """What the export makes of a table, beside `transform`; raises as that does."""
    comparison = Comparison()
    output = _Beside(model, target, exported, comparison)
    Scaling.prepare(data, job, output, ReadOptions()).run(None)  # type: ignore[arg-type]
    return comparison


@dataclass
class _Beside(Output, Encoder, Writer):
    """Runs the export on each chunk, in place of writing what `transform` makes of it."""

    model: Model
    target: Target
    exported: bytes
    comparison: Comparison
    keys: Sequence[int] = ()
    names: Mapping[int, str] = None  # type: ignore[assignment]

    name = "comparison"

    def encoder(
        self, table: Table, replaced: Sequence[int], style: Style, options: ReadOptions
    ) -> Encoder:
        """Itself."""
        self.keys = [table.columns.index(name) for name in self.model.by]
        self.names = {i: table.columns[i] for i in replaced}
        return self

    def writer(self, stream: IO[bytes], encoder: Encoder) -> Writer:
        """Itself."""
        return self

    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> Any:
        """The numbers of a chunk, its groups, and what became of them."""
        numbers = dict(zip(replaced, chunk.numbers([*replaced]), strict=True))
        groups: list[Group] = []
        if self.keys:
            labels = labels_of([chunk.texts(i) for i in self.keys])
            groups = [labels.groups[code] for code in labels.codes.tolist()]
        return numbers, groups, replaced

    def write(self, payload: Any) -> None:
        """Run the export, and compare."""
        numbers, groups, replaced = payload
        by_name = {self.names[i]: i for i in replaced}
        places = [by_name[column.name] for column in self.model.columns]
        cells = [_floats(numbers[i]) for i in places]
        given = [[None if np.isnan(v) else v for v in column.tolist()] for column in cells]
        found = self.target.run(self.exported, self.model, Rows(given, groups))
        self.comparison.by = found.by
        self.comparison.rows += len(cells[0]) if cells else 0
        for column, x, place, done in zip(
            self.model.columns, cells, places, found.columns, strict=True
        ):
            scaled = replaced[place]
            wanted = (
                scaled.values if scaled.keep is None else np.where(scaled.keep, x, scaled.values)
            )
            if scaled.null is not None:
                wanted = np.where(scaled.null, np.nan, wanted)
            with np.errstate(invalid="ignore"):
                size = column.mapping.size(wanted)
            results = np.array([np.nan if v is None else v for v in done], float)
            self.comparison.add(column.name, wanted, results, size, self.target.bits)
