"""A sidecar of many groups: a Parquet file with a row for each group and column.

The metadata of its schema has, under `normcli`, the sidecar without groups, as JSON. The fields of
a column are columns of the file. What does not fit in their types (an integer beyond 2**53, other
sections) is in `more`, as JSON; it goes before them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from normcli.errors import LimitError, SidecarError
from normcli.sidecar.model import Columns, GroupStatistics, Statistics
from normcli.sidecar.write import column_entry, json_bytes
from normcli.statistics.base import Facts, Group, in_order
from normcli.statistics.column import ColumnStatistics
from normcli.words import printable, shown

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

MAGIC = b"PAR1"
UNPACKED = 32  # times the limit on the size of a file, at most
COUNTS = ("count", "missing", "nan", "inf")
NUMBERS = ("mean", "std", "min", "max")
SUMS = ("sum", "sum_of_squares")
FIELDS = ("key", "rows", "column", *COUNTS, *NUMBERS, "whole", *SUMS, "more")


def dumps(statistics: Statistics) -> bytes:
    """The file: equal statistics give equal bytes, with the same version of Arrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    head = json_bytes(replace(statistics, groups={}))
    rows = list(_rows(statistics))
    schema = _schema()
    arrays = [pa.array([row[each.name] for row in rows], each.type) for each in schema]
    table = pa.Table.from_arrays(arrays, schema=schema.with_metadata({b"normcli": head}))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _schema() -> pa.Schema:
    import pyarrow as pa

    sums = pa.list_(pa.float64())
    return pa.schema(
        [
            ("key", pa.list_(pa.string())),
            ("rows", pa.int64()),
            ("column", pa.string()),
            *((name, pa.int64()) for name in COUNTS),
            *((name, pa.float64()) for name in NUMBERS),
            ("whole", pa.bool_()),
            *((name, sums) for name in SUMS),
            ("more", pa.string()),
        ]
    )


def _rows(statistics: Statistics) -> Iterator[dict[str, Any]]:
    for key, group in statistics.groups.items():
        facts = Facts(group.rows, statistics.ddof)
        for name, column in group.columns.items():
            entry = column_entry(column, facts)
            more = {field: value for field, value in entry.items() if not _fits(field, value)}
            row = {field: None if field in more else entry.get(field) for field in FIELDS[3:-1]}
            text = json.dumps(more, ensure_ascii=False, allow_nan=False) if more else None
            yield {"key": key, "rows": group.rows, "column": name, **row, "more": text}


def _fits(field: str, value: Any) -> bool:
    if field in SUMS:
        return all(isinstance(term, float) for term in value)
    if field in NUMBERS:
        return value is None or isinstance(value, float)
    return field in FIELDS


# -- reading -----------------------------------------------------------------------------------


def loads(data: bytes, name: str, limit: int) -> Statistics:
    """The statistics in the bytes of the file.

    What is known of a group is read, and checked, when it is asked for.

    Raises: SidecarError where it is not such a file, LimitError where it unpacks to more than
        `UNPACKED` times the limit.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from normcli.sidecar.read import loads as loads_json

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        head = (file.schema_arrow.metadata or {}).get(b"normcli")
        groups = range(file.metadata.num_row_groups)
        size = sum(file.metadata.row_group(i).total_byte_size for i in groups)
        if head is None or file.schema_arrow.names != list(FIELDS):
            raise SidecarError(f"{shown(name)}: this Parquet file is not a sidecar")
        if size > limit * UNPACKED:
            raise LimitError(
                f"{shown(name)}: the sidecar unpacks to more than {limit * UNPACKED} bytes; "
                "if you trust it, allow more with --max-sidecar"
            )
        table = file.read().cast(_schema())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SidecarError(f"{shown(name)}: the file is damaged, or not a sidecar") from error
    statistics = loads_json(head, name, limit)
    try:
        return replace(statistics, groups=Rows.of(table, statistics, shown(name)))
    except SidecarError as error:
        raise SidecarError(f"{shown(name)}: {error}") from error


@dataclass(frozen=True, eq=False)
class Rows(Mapping[Group, GroupStatistics]):
    """The groups of a file, read when they are asked for.

    places: key -> its number; group i has the entries from i * c on, c being the number of columns.
    """

    name: str
    columns: tuple[str, ...]
    ddof: int
    places: Mapping[Group, int]
    rows: NDArray[np.int64]
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, table: pa.Table, statistics: Statistics, name: str) -> Rows:
        """The groups of the table of a file; raises SidecarError where they make no sense."""
        columns, width = tuple(statistics.columns), len(statistics.options.get("by", ()))
        count, left = divmod(table.num_rows, len(columns) or 1)
        if left or not width or table["column"].to_pylist() != list(columns) * count:
            raise SidecarError("the rows are not those of the columns in each group")
        keys = _keys(table, len(columns), width)
        if any(in_order(a) >= in_order(b) for a, b in pairwise(keys)):
            raise SidecarError("the keys are not sorted")
        fields = {field: _array(table[field].combine_chunks()) for field in FIELDS[3:]}
        rows = _array(table["rows"].combine_chunks()).reshape(count, -1)
        found = cls(
            name,
            columns,
            statistics.ddof,
            dict(zip(keys, range(count), strict=True)),
            rows[:, 0],
            fields,
        )
        if (rows != rows[:, :1]).any() or int(rows[:, 0].sum()) != statistics.rows:
            raise SidecarError("the rows of the groups do not add up to 'rows'")
        found._refuse_other_counts(statistics.columns)
        return found

    def _refuse_other_counts(self, columns: Columns) -> None:
        for field in COUNTS:
            counts = self.fields[field].reshape(-1, len(self.columns)).sum(axis=0).tolist()
            for (name, column), count in zip(columns.items(), counts, strict=True):
                if not column.given and getattr(column, field) != count:
                    raise SidecarError(
                        f"column {printable(name)}, field {field!r}: the groups do not add up to "
                        "what all rows have"
                    )

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Group]:
        return iter(self.places)

    def __contains__(self, key: object) -> bool:
        return key in self.places

    def __getitem__(self, key: Group) -> GroupStatistics:
        place = self.places[key]
        return GroupStatistics(int(self.rows[place]), GroupColumns(self, key, place))

    def entry(self, place: int) -> dict[str, Any]:
        """The fields of an entry, as JSON has them."""
        found: dict[str, Any] = {field: int(self.fields[field][place]) for field in COUNTS}
        for field in NUMBERS:
            value = float(self.fields[field][place])
            found[field] = value if value == value else None
        whole = self.fields["whole"][place]
        found |= {} if whole is None else {"whole": bool(whole)}
        for field in SUMS:
            starts, values = self.fields[field]
            found[field] = values[starts[place] : starts[place + 1]].tolist()
        more = self.fields["more"][place]
        return found if more is None else _with_more(found, more)


def _with_more(entry: dict[str, Any], more: str) -> dict[str, Any]:
    """The entry with the fields of `more`, as the schema demands."""
    from normcli.sidecar.read import parse, validate_column

    extra = parse(more.encode())
    if not isinstance(extra, dict):
        raise SidecarError("field 'more': it is not an object")
    fields = {} if "given" in extra else entry
    found = {**fields, **extra}
    validate_column(found)
    return found


@dataclass(frozen=True, eq=False)
class GroupColumns(Mapping[str, ColumnStatistics]):
    """The columns of one group."""

    table: Rows
    key: Group
    place: int

    def __len__(self) -> int:
        return len(self.table.columns)

    def __iter__(self) -> Iterator[str]:
        return iter(self.table.columns)

    def __getitem__(self, name: str) -> ColumnStatistics:
        from normcli.sidecar.read import column

        if name not in self.table.columns:
            raise KeyError(name)
        table, where = self.table, f"{self.table.name}: group {list(self.key)}: "
        place = self.place * len(table.columns) + table.columns.index(name)
        facts = Facts(int(table.rows[self.place]), table.ddof)
        try:
            entry = table.entry(place)
        except SidecarError as error:
            raise SidecarError(f"{where}column {printable(name)}, {error}") from error
        try:
            return column(entry, facts, ["columns", name])
        except SidecarError as error:
            raise SidecarError(f"{where}{error}") from error


def _keys(table: pa.Table, columns: int, width: int) -> list[Group]:
    """The key of each group, which all its entries have."""
    import numpy as np

    lists = table["key"].combine_chunks()
    lengths = np.diff(np.asarray(lists.offsets))
    texts = lists.flatten()
    if lists.null_count or (lengths != width).any():
        raise SidecarError("a key does not have a text for each column of 'by'")
    encoded = texts.dictionary_encode()
    values = [*encoded.dictionary.to_pylist(), None]
    codes = np.asarray(encoded.indices.fill_null(len(values) - 1)).reshape(-1, columns, width)
    if (codes != codes[:, :1]).any():
        raise SidecarError("the rows are not those of the columns in each group")
    return [tuple(values[code] for code in key) for key in codes[:, 0].tolist()]


def _array(column: pa.Array) -> Any:
    """The values: float64 with NaN for null, int64, (starts, values) of lists, or a list."""
    import numpy as np
    import pyarrow.types as t

    if t.is_list(column.type):
        if column.null_count or column.flatten().null_count:
            column = column.fill_null([])
        return np.asarray(column.offsets), np.asarray(column.values)
    if t.is_int64(column.type):
        return np.asarray(column.fill_null(0))
    if t.is_float64(column.type):
        return column.to_numpy(zero_copy_only=False)
    return column.to_pylist()
