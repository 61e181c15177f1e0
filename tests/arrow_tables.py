"""Tables of many types, and a format's whole way from file to file."""

import datetime
import decimal
import io
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from normcli.formats.base import Format, ReadOptions, Style, Table
from normcli.numerics.numbers import Scaled
from normcli.storage.sources import Source

DATE = datetime.date(2024, 2, 29)
TIME = datetime.datetime(1969, 12, 31, 23, 59, 59, 123456)


def many_types(rows: int = 40) -> pa.Table:
    """A table with a column of every type that Arrow and Parquet share."""

    def column(type_: pa.DataType, *values: object) -> pa.Array:
        cells = [*values, None]
        return pa.array([cells[i % len(cells)] for i in range(rows)], type_)

    d = decimal.Decimal
    columns = {
        "bool": column(pa.bool_(), True, False),
        **{
            f"{kind}{bits}": column(getattr(pa, f"{kind}{bits}")(), 0, 1, 2 ** (bits - 1) - 1)
            for kind in ("int", "uint")
            for bits in (8, 16, 32, 64)
        },
        "float16": column(pa.float16(), np.float16(0.1), np.float16("inf")),
        "float32": column(pa.float32(), 0.1, -3e38, 1e-45),
        "float64": column(pa.float64(), 0.1, -1e308, -0.0, 5e-324, float("-inf")),
        "decimal128": column(pa.decimal128(38, 5), d("1.5"), d("-" + "9" * 33 + ".00001")),
        "decimal256": column(pa.decimal256(76, 2), d("1.25"), d("-" + "9" * 74 + ".99")),
        "short": column(pa.decimal128(9, 3), d("1.500"), d("-0.001")),
        "text": column(pa.string(), "007", "", "ünï", "a\nb"),
        "large text": column(pa.large_string(), "1.10", "x"),
        "binary": column(pa.binary(), b"\xff\x00", b""),
        "fixed": column(pa.binary(3), b"abc"),
        "date": column(pa.date32(), DATE),
        "time": column(pa.time64("us"), TIME.time()),
        "timestamp": column(pa.timestamp("ns"), TIME),
        "zoned": column(pa.timestamp("us", "Europe/Vienna"), TIME),
        "duration": column(pa.duration("ms"), datetime.timedelta(days=1)),
        "list": column(pa.list_(pa.int32()), [1, None], []),
        "large list": column(pa.large_list(pa.string()), ["a", None], []),
        "struct": column(pa.struct({"a.b": pa.int8(), "c": pa.list_(pa.float32())}), {"a.b": 1}),
        "map": column(pa.map_(pa.string(), pa.int64()), [("k", 1)], []),
        "category": column(pa.string(), "red", "green", "red").dictionary_encode(),
        "null": pa.nulls(rows),
    }
    fields = [pa.field(name, a.type, metadata={"unit": "m/s"}) for name, a in columns.items()]
    fields.append(pa.field("id", pa.int64(), nullable=False))
    arrays = [*columns.values(), pa.array(range(rows))]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, {"made by": "hand"}))


def opened(format_: Format, path: Path, chunk_rows: int | None = None) -> Table:
    return format_.open(Source(str(path), path), ReadOptions(chunk_rows=chunk_rows))


def numeric(table: Table) -> list[int]:
    """The columns that may hold numbers."""
    return [i for i in range(len(table.columns)) if i not in table.others]


def rewritten(
    format_: Format,
    table: Table,
    into: Format | None = None,
    scaled: Sequence[int] = (),
    style: Style | None = None,
) -> bytes:
    """The table through encoder and writer; columns in `scaled` as they are, but as floats."""
    into, style, options = into or format_, style or Style(), ReadOptions()
    encoder = pickle.loads(pickle.dumps(into.encoder(table, scaled, style, options)))
    out = io.BytesIO()
    writer = into.writer(out, encoder)
    for chunk in table.chunks():
        sent = pickle.loads(pickle.dumps(chunk))
        writer.write(pickle.loads(pickle.dumps(encoder.encode(sent, unscaled(sent, scaled)))))
    writer.close()
    return out.getvalue()


def unscaled(chunk, columns: Sequence[int]) -> Mapping[int, Scaled]:
    """Each column scaled by a method that does nothing, and keeps what is no finite number."""
    numbers = zip(columns, chunk.numbers(columns), strict=True)
    return {
        i: Scaled(np.nan_to_num(x.parts.sum(axis=0)) / 10**x.scale, keep=~np.isfinite(x.parts[0]))
        for i, x in numbers
    }


def cells(table: pa.Table) -> str:
    """All cells as text: NaN is equal to NaN there."""
    return repr(
        table.to_pylist() if table.num_columns == len(set(table.column_names)) else table.columns
    )
