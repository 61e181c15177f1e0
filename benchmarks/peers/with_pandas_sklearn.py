"""z-score as most people write it: pandas in chunks, and scikit-learn's StandardScaler.

with_pandas_sklearn.py fit|transform|fit-transform|inverse|batch INPUT OUTPUT STATS
"""

import sys

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.preprocessing import (
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

ROWS = 256 * 400  # whole batches


def chunks(path):
    if path.endswith(".parquet"):
        batches = pq.ParquetFile(path).iter_batches(ROWS)
        return (batch.to_pandas() for batch in batches)
    return pd.read_csv(sys.stdin if path == "-" else path, dtype={"id": str}, chunksize=ROWS)


def numbers(chunk):
    return chunk.select_dtypes("float64").columns


def fit(path):
    scaler = StandardScaler()
    for chunk in chunks(path):
        scaler.partial_fit(chunk[numbers(chunk)])
    return scaler


def fit_whole(path, scaler):
    """For scalers that cannot be fitted in chunks: all numbers at once."""
    return scaler.fit(pd.concat(chunk[numbers(chunk)] for chunk in chunks(path)))


def write(path, scale, target):
    write_each = write_parquet if target.endswith(".parquet") else write_csv
    write_each((scaled(chunk, scale) for chunk in chunks(path)), target)


def scaled(chunk, scale):
    names = numbers(chunk)
    chunk[names] = scale(chunk[names])
    return chunk


def write_csv(parts, target):
    with sys.stdout if target == "-" else open(target, "w", newline="") as file:
        for i, part in enumerate(parts):
            part.to_csv(file, index=False, header=i == 0)


def write_parquet(parts, target):
    writer = None
    for part in parts:
        table = pa.Table.from_pandas(part, preserve_index=False)
        writer = writer or pq.ParquetWriter(target, table.schema)
        writer.write_table(table)
    writer.close()


def batch(x):
    values = x.to_numpy()
    whole = len(values) - len(values) % 256
    parts = [values[:whole].reshape(-1, 256, values.shape[1]), values[None, whole:]]
    return np.concatenate([normalized(p).reshape(-1, values.shape[1]) for p in parts if p.size])


def normalized(x):
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)


verb, source, target, saved = sys.argv[1:]
if verb == "fit":
    joblib.dump(fit(source), saved)
elif verb == "fit-robust":
    joblib.dump(fit_whole(source, RobustScaler()), saved)
elif verb == "fit-quantile":
    joblib.dump(fit_whole(source, QuantileTransformer(subsample=None)), saved)
elif verb == "fit-yeojohnson":
    joblib.dump(fit_whole(source, PowerTransformer(standardize=False)), saved)
elif verb == "transform":
    write(source, joblib.load(saved).transform, target)
elif verb == "fit-transform":
    write(source, fit(source).transform, target)
elif verb == "inverse":
    write(source, joblib.load(saved).inverse_transform, target)
elif verb == "batch":
    write(source, batch, target)
