"""Columns of lists, such as embeddings: each cell is a vector of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normcli.formats.columnar.numbers import not_numbers, numbers_of, scaled_array
from normcli.numerics.numbers import Vectors

if TYPE_CHECKING:
    import pyarrow as pa

    from normcli.numerics.numbers import Scaled


def is_vectors(type_: pa.DataType) -> bool:
    """Does a column of this type hold lists of numbers?"""
    import pyarrow.types as t

    lists = t.is_list(type_) or t.is_large_list(type_) or t.is_fixed_size_list(type_)
    return bool(lists) and not_numbers(type_.value_type) is None


def with_values(type_: pa.DataType, value: pa.DataType) -> pa.DataType:
    """The type of lists, with values of another type."""
    import pyarrow as pa
    import pyarrow.types as t

    field = type_.value_field.with_type(value)
    if t.is_fixed_size_list(type_):
        return pa.list_(field, type_.list_size)
    return pa.large_list(field) if t.is_large_list(type_) else pa.list_(field)


def vectors_of(column: pa.ChunkedArray) -> Vectors:
    """The vectors of a column; a null is one of no numbers."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    flat = [chunk.flatten() for chunk in column.chunks]  # which leaves out those of nulls
    return Vectors(numbers_of(pa.chunked_array(flat, column.type.value_type)), lengths)


def scaled_lists(
    where: str, target: pa.Field, column: pa.ChunkedArray, scaled: Scaled
) -> pa.ChunkedArray:
    """A column of lists with the numbers in them `scaled`, of the type of `target`."""
    import numpy as np
    import pyarrow as pa

    vectors = vectors_of(column)
    field = target.type.value_field
    values = scaled_array(f"{where}: an element", field, lambda: vectors.elements, scaled)
    offsets = pa.array(np.append(0, np.cumsum(vectors.lengths)), pa.int64())
    null = column.is_null().combine_chunks() if column.null_count else None
    lists = pa.LargeListArray.from_arrays(offsets, values, type=pa.large_list(field), mask=null)
    return lists if lists.type == target.type else lists.cast(target.type)
