"""Cells as text, for keys of groups and for conditions: each value has one text.

It is what a CSV file that is written from the table has in that cell, without quotes: integers in
decimal, floats shortest, dates and times in ISO 8601, booleans as true and false.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from normcli.errors import DataError
from normcli.formats.base import Texts
from normcli.words import printable

if TYPE_CHECKING:
    import pyarrow as pa


def texts_of(column: pa.ChunkedArray, name: str, where: str) -> Texts:
    """The cells of a column as text; raises DataError, opened by `where`, if its type has none."""
    import pyarrow as pa
    import pyarrow.types as t

    from normcli.formats.csv.text import texts

    kind = column.type.value_type if t.is_dictionary(column.type) else column.type
    if t.is_nested(kind) or t.is_binary(kind) or t.is_large_binary(kind):
        raise DataError(f"{where} is of type {printable(str(kind))[1:-1]}, which has no text")
    if t.is_null(kind):
        column = column.cast(pa.string())
    return encoded(texts(column, name))


def encoded(array: pa.Array) -> Texts:
    """The texts of an array of strings, each value once."""
    import numpy as np
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    found = array.dictionary_encode()
    values = found.dictionary.to_pylist()
    codes = found.indices
    if codes.null_count:
        codes = codes.fill_null(len(values))
        values.append(None)
    return Texts.of(values, codes.to_numpy().astype(np.int64))
