"""Tables that are in memory already: pandas DataFrames and pyarrow Tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, ClassVar

import pyarrow as pa

from normcli.formats.base import Chunk, Encoder, Output, ReadOptions, Style, Table, Writer
from normcli.formats.columnar.added import laid_out
from normcli.formats.columnar.chunk import ArrowChunk, ArrowTable, Segment
from normcli.formats.columnar.schema import CATEGORIES

if TYPE_CHECKING:
    import pandas as pd

    from normcli.numerics.numbers import Scaled


def is_frame(data: object) -> bool:
    """Is this a pandas DataFrame or a pyarrow Table? Imports no pandas to find out."""
    return isinstance(data, pa.Table) or any(
        kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas"
        for kind in type(data).__mro__
    )


def table(data: pd.DataFrame | pa.Table) -> Table:
    """A DataFrame or Table as a table; NaN in pandas is missing."""
    if isinstance(data, pa.Table):
        return MemoryTable.of("memory", "the table", data.schema, data=data)
    columns = [_arrow(data.iloc[:, i]) for i in range(data.shape[1])]
    names = [str(name) for name in data.columns]
    arrow = pa.Table.from_arrays(columns, names=names)
    known = MemoryTable.of("memory", "the DataFrame", arrow.schema, data=arrow)
    known.others.update({i: str(data.dtypes.iloc[i]) for i in known.others})
    kinds = enumerate(data.dtypes)
    known.set_aside.update({i: CATEGORIES for i, kind in kinds if str(kind) == "category"})
    return known


def _arrow(series: pd.Series) -> pa.Array:
    """A column as Arrow, or nulls of type string where it mixes types."""
    if series.dtype.kind in "biuf" or series.dtype == object or hasattr(series.dtype, "na_value"):
        try:
            return pa.array(series, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            pass  # objects of several types
    return pa.nulls(len(series), pa.string())


@dataclass
class MemoryTable(ArrowTable):
    """A table in memory, as one chunk."""

    data: pa.Table = field(kw_only=True)

    def chunks(self, positions: Sequence[int] | None = None) -> Iterator[Chunk]:
        yield ArrowChunk(self.name, (Segment(None, self.data),), marks=self.marks.numbers)


@dataclass(frozen=True)
class MemoryEncoder(Encoder):
    """Makes Arrow tables."""

    style: Style

    def encode(self, chunk: Chunk, replaced: Mapping[int, Scaled]) -> pa.Table:
        return laid_out(chunk, replaced, self.style)[0]


class MemoryWriter(Writer):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []

    def write(self, payload: pa.Table) -> None:
        self.tables.append(payload)


class Memory(Output):
    """Arrow tables that stay in memory."""

    name: ClassVar[str] = "memory"

    def __init__(self) -> None:
        self.written = MemoryWriter()

    def encoder(
        self, table: Table, replaced: Sequence[int], style: Style, options: ReadOptions
    ) -> MemoryEncoder:
        return MemoryEncoder(style)

    def writer(self, stream: IO[bytes], encoder: Encoder) -> MemoryWriter:
        """The writer; `stream` is not used."""
        return self.written
