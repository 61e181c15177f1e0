"""z-score written plainly with NumPy and pyarrow, a record batch at a time.

with_numpy_pyarrow.py fit|transform|fit-transform|inverse|batch INPUT OUTPUT STATS
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq


def batches(path):
    if path.endswith(".parquet"):
        return pq.ParquetFile(path).iter_batches(1 << 17)
    return pacsv.open_csv(
        pa.PythonFile(sys.stdin.buffer, "r") if path == "-" else path,
        pacsv.ReadOptions(block_size=8 << 20),
        convert_options=pacsv.ConvertOptions(column_types={"id": pa.string()}),
    )


def numbers(schema):
    return [i for i, field in enumerate(schema) if pa.types.is_floating(field.type)]


def fit(path):
    """Means and standard deviations; parts are merged as Chan, Golub and LeVeque do it."""
    count, mean, squares = 0, 0.0, 0.0
    for batch in batches(path):
        names = [batch.schema.names[i] for i in numbers(batch.schema)]
        x = [batch.column(name).to_numpy() for name in names]
        m = np.array([c.mean() for c in x])
        new = np.array([((c - a) ** 2).sum() for c, a in zip(x, m, strict=True)])
        delta, total = m - mean, count + len(batch)
        mean = mean + delta * (len(batch) / total)
        squares = squares + new + delta**2 * (count * len(batch) / total)
        count = total
    std = np.sqrt(squares / count)
    return dict(zip(names, zip(mean.tolist(), std.tolist(), strict=True), strict=True))


def scaled(batch, scale):
    columns = batch.columns
    for i in numbers(batch.schema):
        columns[i] = pa.array(scale(batch.schema.names[i], columns[i].to_numpy()))
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def write(parts, target):
    sink = pa.PythonFile(sys.stdout.buffer, "w") if target == "-" else target
    open_writer = pq.ParquetWriter if target.endswith(".parquet") else pacsv.CSVWriter
    first = next(parts)
    with open_writer(sink, first.schema) as writer:
        writer.write_batch(first)
        for part in parts:
            writer.write_batch(part)


def transformed(path, stats):
    return (scaled(b, lambda c, x: (x - stats[c][0]) / stats[c][1]) for b in batches(path))


def inverted(path, stats):
    return (scaled(b, lambda c, x: x * stats[c][1] + stats[c][0]) for b in batches(path))


def in_batches(path):
    return (scaled(b, lambda _, x: normalized(x)) for b in of_whole_batches(batches(path)))


def of_whole_batches(parts):
    """The same rows, cut at multiples of 256."""
    left = None
    for part in parts:
        table = pa.Table.from_batches([part] if left is None else [left, part])
        joined = table.combine_chunks().to_batches()[0]
        whole = len(joined) - len(joined) % 256
        yield joined.slice(0, whole)
        left = joined.slice(whole)
    if len(left):
        yield left


def normalized(x):
    rows = x.reshape(-1, min(256, len(x)))
    mean, var = rows.mean(axis=1, keepdims=True), rows.var(axis=1, keepdims=True)
    return ((rows - mean) / np.sqrt(var + 1e-5)).reshape(-1)


verb, source, target, saved = sys.argv[1:]
if verb == "fit":
    Path(saved).write_text(json.dumps(fit(source)))
elif verb == "transform":
    write(transformed(source, json.loads(Path(saved).read_text())), target)
elif verb == "fit-transform":
    write(transformed(source, fit(source)), target)
elif verb == "inverse":
    write(inverted(source, json.loads(Path(saved).read_text())), target)
elif verb == "batch":
    write(in_batches(source), target)
