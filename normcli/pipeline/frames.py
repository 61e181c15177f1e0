"""Tables that are in memory already: pandas DataFrames and pyarrow Tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa

from normcli.formats.base import ReadOptions
from normcli.formats.memory import Memory, table
from normcli.pipeline.scaling import Job, Scaling


def scale(data: Any, job: Job) -> Any:
    """`data` scaled: a new DataFrame (or Table), of which only scaled columns differ."""
    memory = Memory()
    known = replace(table(data), marks=job.choice.marks)
    scaling = Scaling.prepare(known, job, memory, ReadOptions())
    scaling.run(None)  # type: ignore[arg-type]  # what stays in memory needs no stream
    scaled = pa.concat_tables(memory.written.tables)
    if isinstance(data, pa.Table):
        return scaled
    frame = data.iloc[: len(scaled)].copy(deep=False)
    if job.style.suffix and not job.inverse:
        for i, plan in enumerate(scaling.plans, data.shape[1]):
            values = _pandas(scaled.column(i), data.dtypes.iloc[plan.position])
            frame[f"{plan.name}{job.style.suffix}"] = values
        return frame
    for plan in scaling.plans:
        values = _pandas(scaled.column(plan.position), data.dtypes.iloc[plan.position])
        frame.isetitem(plan.position, values)
    return frame


def _pandas(column: pa.ChunkedArray, old: Any) -> Any:
    """A scaled column as pandas values of the kind that `old` is: NumPy's, nullable or Arrow's."""
    import pandas as pd

    if isinstance(old, pd.ArrowDtype):
        return pd.array(column.to_pandas(types_mapper=pd.ArrowDtype).array)
    if isinstance(old, pd.api.extensions.ExtensionDtype):
        nullable = {pa.float64(): pd.Float64Dtype(), pa.float32(): pd.Float32Dtype()}
        return column.to_pandas(types_mapper=nullable.get).array
    return column.to_numpy()
